"""Agreement of raters: intraclass correlations and Bland-Altman limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as fisher
from scipy.stats import t as student

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Icc:
    """One form of the intraclass correlation, for one or many variables.

    ``value``, ``low`` and ``high`` have the variables' shape, () for a single one. They are NaN
    where the subjects do not differ at all.
    """

    value: Array
    low: Array
    high: Array


FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")


def icc(ratings: ArrayLike, confidence: float = 0.95) -> dict[str, Icc]:
    """All six intraclass correlations with F-based confidence limits.

    Shrout and Fleiss, Psychol Bull 1979;86:420; limits of the two-way random forms as given there
    by Satterthwaite's approximation.

    Parameters
    ----------
    ratings
        Shape (n subjects, k raters) or (n, k, variables); complete.

    Returns
    -------
    dict
        Keys ``FORMS``: one-way random, two-way random (absolute agreement), two-way mixed
        (consistency), each of a single rating and of the raters' average.

    Raises
    ------
    ValueError
        With fewer than two subjects or raters, or missing values.
    """
    x = np.asarray(ratings, dtype=float)
    if x.ndim not in (2, 3) or x.shape[0] < 2 or x.shape[1] < 2:
        raise ValueError("ratings must be subjects x raters, at least 2 x 2")
    if not np.isfinite(x).all():
        raise ValueError("ratings have missing or infinite values")
    n, k = x.shape[:2]
    alpha = 1 - confidence
    mean = x.mean(axis=(0, 1), keepdims=True)
    row, column = x.mean(axis=1, keepdims=True), x.mean(axis=0, keepdims=True)
    between = k * ((row - mean) ** 2).sum(axis=(0, 1)) / (n - 1)
    raters = n * ((column - mean) ** 2).sum(axis=(0, 1)) / (k - 1)
    residual = ((x - row - column + mean) ** 2).sum(axis=(0, 1)) / ((n - 1) * (k - 1))
    within = ((x - row) ** 2).sum(axis=(0, 1)) / (n * (k - 1))
    # Sums of squares at rounding level are zero: identical subjects have no correlation.
    noise = (1e-12 * np.abs(x).max(axis=(0, 1))) ** 2
    between = np.where(between > noise, between, np.nan)

    def quantile(df_top: ArrayLike, df_bottom: ArrayLike) -> Array:
        return fisher.ppf(1 - alpha / 2, df_top, df_bottom)

    # Limits from the F ratio q = MSB / error: (q/F - 1) / (q/F + k - 1), written without dividing
    # by an error that is zero where raters agree perfectly.
    def fixed(error: Array, df_error: int) -> tuple[Icc, Icc]:
        upper_f, lower_f = quantile(n - 1, df_error), quantile(df_error, n - 1)
        single, average = [], []
        for top, bottom in ((1.0, 1.0), (1.0, upper_f), (lower_f, 1.0)):
            b, e = top * between, bottom * error
            single.append((b - e) / (b + (k - 1) * e))
            average.append(1 - e / b)
        return Icc(*single), Icc(*average)

    one_single, one_average = fixed(within, n * (k - 1))
    three_single, three_average = fixed(residual, (n - 1) * (k - 1))

    value = (between - residual) / (between + (k - 1) * residual + k * (raters - residual) / n)
    a = k * value * raters
    b = (n * (1 + (k - 1) * value) - k * value) * residual
    with np.errstate(invalid="ignore", divide="ignore"):
        df = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    perfect = (raters + residual) <= noise
    df = np.where(perfect | ~np.isfinite(df), 1.0, df)
    upper_f, lower_f = quantile(n - 1, df), quantile(df, n - 1)
    spread = k * raters + (k * n - k - n) * residual
    low = n * (between - upper_f * residual) / (upper_f * spread + n * between)
    high = n * (lower_f * between - residual) / (spread + n * lower_f * between)
    two_single = Icc(value, low, high)
    two_average = Icc(*(k * part / (1 + (k - 1) * part) for part in (value, low, high)))
    forms = (one_single, two_single, three_single, one_average, two_average, three_average)
    return dict(zip(FORMS, forms, strict=True))


def icc_of_columns(rater_1: pd.DataFrame, rater_2: pd.DataFrame) -> pd.DataFrame:
    """ICC(2,1) and ICC(3,1) of every column, each from the rows that both raters have.

    Parameters
    ----------
    rater_1, rater_2
        Tables with the same index (one row per rated subject) and columns.

    Returns
    -------
    pandas.DataFrame
        Index: columns; ``n``, ``icc21``, ``icc21_low``, ``icc21_high``, ``icc31`` and its limits.
        NaN with fewer than three complete pairs.

    Raises
    ------
    ValueError
        If the tables do not match.
    """
    if not (rater_1.index.equals(rater_2.index) and rater_1.columns.equals(rater_2.columns)):
        raise ValueError("both raters' tables need the same rows and columns")
    x = np.stack([rater_1.to_numpy(dtype=float), rater_2.to_numpy(dtype=float)], axis=1)
    complete = np.isfinite(x).all(axis=1)
    names = [f"{form}{limit}" for form in ("icc21", "icc31") for limit in ("", "_low", "_high")]
    result = np.full((x.shape[2], len(names)), np.nan)
    # Columns that miss the same rows are done together: nearly always all of them at once.
    patterns, which = np.unique(complete, axis=1, return_inverse=True)
    for number, rows in enumerate(patterns.T):
        if rows.sum() < 3:
            continue
        columns = np.flatnonzero(which.reshape(-1) == number)
        forms = icc(x[rows][:, :, columns])
        parts = [forms["ICC(2,1)"], forms["ICC(3,1)"]]
        result[columns] = np.column_stack(
            [[p.value, p.low, p.high][i] for p in parts for i in range(3)]
        )
    table = pd.DataFrame(result, index=rater_1.columns, columns=names)
    table.insert(0, "n", complete.sum(axis=0))
    return table


@dataclass(frozen=True)
class BlandAltman:
    """Bias and 95 % limits of agreement of two raters (first minus second).

    ``bias_low``/``bias_high`` and the ``*_error`` (half width of each limit's interval) are 95 %
    confidence limits by Student's t.
    """

    n: int
    bias: float
    bias_low: float
    bias_high: float
    loa_low: float
    loa_high: float
    loa_error: float


def bland_altman(rater_1: ArrayLike, rater_2: ArrayLike) -> BlandAltman:
    """Bland-Altman analysis (Bland and Altman, Lancet 1986;327:307).

    Limits are bias +- 1.96 SD; the standard error of a limit is sqrt(3/n) SD as in the paper.

    Raises
    ------
    ValueError
        With fewer than three complete pairs.
    """
    difference = np.asarray(rater_1, dtype=float) - np.asarray(rater_2, dtype=float)
    difference = difference[np.isfinite(difference)]
    n = len(difference)
    if n < 3:
        raise ValueError(f"limits of agreement need at least 3 pairs, not {n}")
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    quantile = float(student.ppf(0.975, n - 1))
    half = quantile * sd / np.sqrt(n)
    return BlandAltman(
        n=n,
        bias=bias,
        bias_low=float(bias - half),
        bias_high=float(bias + half),
        loa_low=float(bias - 1.96 * sd),
        loa_high=float(bias + 1.96 * sd),
        loa_error=float(quantile * sd * np.sqrt(3 / n)),
    )
