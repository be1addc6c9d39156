"""Agreement of raters: intraclass correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as fisher

Array = NDArray[np.float64]


class Icc(NamedTuple):
    """One form of the intraclass correlation, for one or many variables.

    ``value``, ``low`` and ``high`` have the variables' shape, () for a single one. They are NaN
    where the subjects do not differ at all.
    """

    value: Array
    low: Array
    high: Array


# With fewer rated subjects there are no statistics of agreement.
MIN_SUBJECTS = 3
# Forms that tables hold, by the name of their columns.
FORM_COLUMNS = {"icc11": "ICC(1,1)", "icc21": "ICC(2,1)", "icc31": "ICC(3,1)"}
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
    forms = icc_of_squares(mean_squares(x if x.ndim == 3 else x[:, :, None]), confidence)
    if x.ndim == 3:
        return forms
    return {name: Icc(*(part[0] for part in parts)) for name, parts in forms.items()}


@dataclass(frozen=True)
class MeanSquares:
    """Two-way analysis of variance of subjects and raters, for many variables at once.

    Attributes
    ----------
    n, k
        Complete subjects, shape (variables,), and raters.
    between, raters, residual, within
        Mean squares of subjects (NaN where these do not differ), of raters, of what both leave,
        and within subjects.
    noise
        Mean square that rounding alone may leave.
    """

    n: Array
    k: int
    between: Array
    raters: Array
    residual: Array
    within: Array
    noise: Array


def mean_squares(x: Array) -> MeanSquares:
    """Mean squares of every variable from the subjects that all raters have a value of.

    Parameters
    ----------
    x
        Shape (n subjects, k raters, variables); what is not finite is missing.
    """
    k = x.shape[1]
    complete = np.isfinite(x).all(axis=1)
    n = complete.sum(axis=0).astype(float)
    filled = np.where(complete[:, None, :], x, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, column = filled.sum(axis=(0, 1)) / (n * k), filled.sum(axis=0) / n
        row = filled.mean(axis=1)
        between = k * (complete * (row - mean) ** 2).sum(axis=0) / (n - 1)
        raters = n * ((column - mean) ** 2).sum(axis=0) / (k - 1)
        deviation = filled - row[:, None, :]
        within = (deviation**2).sum(axis=(0, 1)) / (n * (k - 1))
        shift = complete[:, None, :] * (column - mean)
        residual = ((deviation - shift) ** 2).sum(axis=(0, 1)) / ((n - 1) * (k - 1))
    # Sums of squares at rounding level are zero: identical subjects have no correlation.
    noise = (1e-12 * np.abs(filled).max(axis=(0, 1), initial=0.0)) ** 2
    between = np.where(between > noise, between, np.nan)
    return MeanSquares(n, k, between, raters, residual, within, noise)


def icc_of_squares(squares: MeanSquares, confidence: float = 0.95) -> dict[str, Icc]:
    """The intraclass correlations of :func:`icc`; NaN with fewer than two subjects."""
    n, k, noise = squares.n, squares.k, squares.noise
    between, raters, residual = squares.between, squares.raters, squares.residual
    alpha = 1 - confidence

    def quantile(df_top: ArrayLike, df_bottom: ArrayLike) -> Array:
        return fisher.ppf(1 - alpha / 2, df_top, df_bottom)

    # Limits from the F ratio q = MSB / error: (q/F - 1) / (q/F + k - 1), written without dividing
    # by an error that is zero where raters agree perfectly.
    def fixed(error: Array, df_error: Array) -> tuple[Icc, Icc]:
        upper_f, lower_f = quantile(n - 1, df_error), quantile(df_error, n - 1)
        single, average = [], []
        for top, bottom in ((1.0, 1.0), (1.0, upper_f), (lower_f, 1.0)):
            b, e = top * between, bottom * error
            single.append((b - e) / (b + (k - 1) * e))
            average.append(1 - e / b)
        return Icc(*single), Icc(*average)

    one_single, one_average = fixed(squares.within, n * (k - 1))
    three_single, three_average = fixed(residual, (n - 1) * (k - 1))

    with np.errstate(invalid="ignore", divide="ignore"):
        value = (between - residual) / (between + (k - 1) * residual + k * (raters - residual) / n)
        a = k * value * raters
        b = (n * (1 + (k - 1) * value) - k * value) * residual
        df = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    perfect = (raters + residual) <= noise
    df = np.where(perfect | ~np.isfinite(df), 1.0, df)
    upper_f, lower_f = quantile(n - 1, df), quantile(df, n - 1)
    spread = k * raters + (k * n - k - n) * residual
    low = n * (between - upper_f * residual) / (upper_f * spread + n * between)
    high = n * (lower_f * between - residual) / (spread + n * lower_f * between)
    two_single = Icc(value, low, high)
    two_average = Icc(*(k * part / (1 + (k - 1) * part) for part in two_single))
    forms = (one_single, two_single, three_single, one_average, two_average, three_average)
    return dict(zip(FORMS, forms, strict=True))


def icc_of_columns(rater_1: pd.DataFrame, rater_2: pd.DataFrame) -> pd.DataFrame:
    """ICC(1,1), ICC(2,1) and ICC(3,1) of every column, each from the rows that both raters have.

    Parameters
    ----------
    rater_1, rater_2
        Tables with the same index (one row per rated subject) and columns.

    Returns
    -------
    pandas.DataFrame
        Index: columns; ``n``, ``icc11``, ``icc11_low``, ``icc11_high``, and the same of ``icc21``
        and ``icc31``. NaN with fewer than three complete pairs.

    Raises
    ------
    ValueError
        If the tables do not match.
    """
    if not (rater_1.index.equals(rater_2.index) and rater_1.columns.equals(rater_2.columns)):
        raise ValueError("both raters' tables need the same rows and columns")
    both = [rater_1.to_numpy(dtype=float), rater_2.to_numpy(dtype=float)]
    return icc_of_readings(np.stack(both, axis=1), rater_1.columns)


def icc_of_readings(readings: Array, names: pd.Index) -> pd.DataFrame:
    """ICC(1,1), ICC(2,1) and ICC(3,1) of every variable, each from its complete rows.

    Parameters
    ----------
    readings
        Shape (subjects, readings, variables); what is not finite is missing.
    names
        Of the variables: the index of the table, which is that of :func:`icc_of_columns`.
    """
    squares = mean_squares(readings)
    forms = icc_of_squares(squares)
    table = pd.DataFrame({"n": squares.n.astype(int)}, index=names)
    for name, form in FORM_COLUMNS.items():
        for end, part in zip(("", "_low", "_high"), forms[form], strict=True):
            table[name + end] = np.where(squares.n >= MIN_SUBJECTS, part, np.nan)
    return table


def form_of(comparison: str) -> str:
    """The column of the intraclass correlation that judges a comparison.

    Perturbations of an image are interchangeable, the first of one participant having nothing in
    common with the first of another: one-way random effects, ICC(1,1). Raters, outlines and scans
    are the same for all: absolute agreement, ICC(2,1).
    """
    return "icc11" if comparison == "perturbation" else "icc21"
