"""Correlations and partial correlations with Fisher intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from osteoflow.statistics.comparison import numeric_column
from osteoflow.statistics.intervals import Z95, benjamini_hochberg
from osteoflow.statistics.rules import unknown_column

if TYPE_CHECKING:
    from osteoflow.settings.statistics import Correlation

_SINGULAR = 1e-10


@dataclass(frozen=True)
class CorrelationResult:
    """Coefficient, 95 % limits and p value; NaN where a variable does not vary."""

    n: int
    r: float
    low: float
    high: float
    p: float


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    covariates: ArrayLike | None = None,
    method: Literal["pearson", "spearman"] = "spearman",
) -> CorrelationResult:
    """Correlation of x and y, the covariates held constant.

    Limits by Fisher's z with the variance 1 / (n - k - 3), for Spearman's coefficient (1 + r^2 / 2)
    / (n - k - 3) (Bonett and Wright, Psychometrika 2000;65:23), k covariates; p by Student's t with
    n - 2 - k degrees of freedom. A partial Spearman coefficient is the partial Pearson coefficient
    of ranks.

    Parameters
    ----------
    x, y
        Shape (n,).
    covariates
        Numbers, shape (n, k), 0/1 columns for categories.

    Raises
    ------
    ValueError
        On missing values, or with fewer than k + 4 observations.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    z = np.empty((len(x), 0)) if covariates is None else np.asarray(covariates, dtype=float)
    z = z[:, z.std(axis=0) > 0]
    n, k = z.shape
    if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(z).all()):
        raise ValueError("values are missing or infinite")
    if n < k + 4:
        raise ValueError(f"{n} observations do not suffice with {k} covariates")
    if method == "spearman":
        x, y = stats.rankdata(x), stats.rankdata(y)
        z = stats.rankdata(z, axis=0) if k else z
    design = np.column_stack([np.ones(n), z])
    residuals = []
    for values in (x, y):
        centred = values - values.mean()
        rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
        if np.linalg.norm(rest) <= _SINGULAR * max(1.0, float(np.linalg.norm(centred))):
            nan = float("nan")
            return CorrelationResult(n, nan, nan, nan, nan)
        residuals.append(rest / np.linalg.norm(rest))
    r = float(np.clip(residuals[0] @ residuals[1], -1.0, 1.0))
    if abs(r) > 1 - 1e-12:
        return CorrelationResult(n, r, r, r, 0.0)
    df = n - 2 - k
    statistic = r * np.sqrt(df / (1 - r**2))
    factor = 1 + r**2 / 2 if method == "spearman" else 1.0
    half = Z95 * np.sqrt(factor / (n - k - 3))
    low, high = np.tanh(np.arctanh(r) + np.array([-half, half]))
    p = float(2 * stats.t.sf(abs(statistic), df))
    return CorrelationResult(n, r, float(low), float(high), p)


def correlations_table(table: pd.DataFrame, correlations: Sequence[Correlation]) -> pd.DataFrame:
    """All declared correlations, each with a partial row if it has covariates.

    Rows with missing values are left out pair by pair (``n`` tells). Text covariates become 0/1
    columns. p values are adjusted over all rows.

    Returns
    -------
    pandas.DataFrame
        x, y, method, covariates (comma-joined), n, r, ci_low, ci_high, p, p_fdr, note.

    Raises
    ------
    ValueError
        For unknown columns, or x or y that are not numbers.
    """
    rows = []
    for item in correlations:
        pair = pd.DataFrame(
            {"x": numeric_column(table, item.x), "y": numeric_column(table, item.y)}
        )
        for covariates in [[], item.covariates] if item.covariates else [[]]:
            for name in covariates:
                if name not in table.columns:
                    raise ValueError(unknown_column(name, table.columns))
            complete = pair.notna().all(axis=1) & table[covariates].notna().all(axis=1)
            held = None
            if covariates:
                coded = pd.get_dummies(table.loc[complete, covariates], drop_first=True)
                held = coded.to_numpy(dtype=float)
            row: dict[str, Any] = {
                "x": item.x,
                "y": item.y,
                "method": item.method,
                "covariates": ",".join(covariates),
            }
            try:
                found = correlate(
                    pair.loc[complete, "x"],
                    pair.loc[complete, "y"],
                    held,
                    item.method,
                )
                note = "" if np.isfinite(found.r) else "a variable does not vary"
            except ValueError as error:
                nan = float("nan")
                found = CorrelationResult(int(complete.sum()), nan, nan, nan, nan)
                note = str(error)
            row |= {
                "n": found.n,
                "r": found.r,
                "ci_low": found.low,
                "ci_high": found.high,
                "p": found.p,
                "note": note,
            }
            rows.append(row)
    names = ["x", "y", "method", "covariates", "n", "r", "ci_low", "ci_high", "p", "note"]
    result = pd.DataFrame(rows, columns=names)
    result.insert(names.index("p") + 1, "p_fdr", benjamini_hochberg(result["p"].astype(float)))
    return result
