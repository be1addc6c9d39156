"""Correlations and partial correlations with Fisher intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from osteoflow.statistics.comparison import numeric_column
from osteoflow.statistics.intervals import Z95, benjamini_hochberg
from osteoflow.statistics.rules import unknown_column

if TYPE_CHECKING:
    from osteoflow.settings.statistics import Correlation, CorrelationMatrix

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
    / (n - k - 3) (Bonett and Wright, Psychometrika 2000;65:23); p by Student's t with n - 2 - k
    degrees of freedom. k counts covariates that tell anything of their own: of a category with
    three levels two, of a constant none. A partial Spearman coefficient is the partial Pearson
    coefficient of ranks.

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
    n = len(x)
    if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(z).all()):
        raise ValueError("values are missing or infinite")
    if method == "spearman":
        x, y = stats.rankdata(x), stats.rankdata(y)
        z = stats.rankdata(z, axis=0) if z.shape[1] else z
    # A covariate that is constant here, or follows from the others, takes no degree of freedom.
    design = _basis(z)
    k = design.shape[1] - 1
    if n < k + 4:
        raise ValueError(f"{n} observations do not suffice with {k} covariates")
    residuals = []
    for values in (x, y):
        centred = values - values.mean()
        rest = values - design @ (design.T @ values)
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


def _basis(covariates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal columns that span a constant and the covariates."""
    n = len(covariates)
    constant = np.full((n, 1), 1 / np.sqrt(max(n, 1)))
    centred = covariates - covariates.mean(axis=0, keepdims=True) if n else covariates
    size = np.linalg.norm(centred, axis=0)
    varied = size > _SINGULAR * np.maximum(1.0, np.abs(covariates).max(axis=0, initial=0.0))
    if not varied.any():
        return constant
    left, strength, _ = np.linalg.svd(centred[:, varied] / size[varied], full_matrices=False)
    return np.column_stack([constant, left[:, strength > 1e-8 * strength[0]]])


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
    rows = [
        _row(table, item.x, item.y, covariates, item.method)
        for item in correlations
        for covariates in ([[], item.covariates] if item.covariates else [[]])
    ]
    return _adjusted(pd.DataFrame(rows, columns=list(_COLUMNS)))


_COLUMNS = ("x", "y", "method", "covariates", "n", "r", "ci_low", "ci_high", "p", "note")


def matrices_table(table: pd.DataFrame, matrices: Sequence[CorrelationMatrix]) -> pd.DataFrame:
    """All pairs of variables of each declared matrix, p values adjusted within each.

    Pairs with missing values are left out pair by pair.

    Returns
    -------
    pandas.DataFrame
        name, then the columns of :func:`correlations_table`.

    Raises
    ------
    ValueError
        For unknown columns, or variables that are not numbers.
    """
    parts = []
    for item in matrices:
        rows = [
            _row(table, x, y, item.covariates, item.method)
            for x, y in combinations(item.variables, 2)
        ]
        part = _adjusted(pd.DataFrame(rows, columns=list(_COLUMNS)))
        part.insert(0, "name", item.name)
        parts.append(part)
    if not parts:
        return _adjusted(pd.DataFrame(columns=["name", *_COLUMNS]))
    return pd.concat(parts, ignore_index=True)


def _row(
    table: pd.DataFrame,
    x: str,
    y: str,
    covariates: Sequence[str],
    method: Literal["pearson", "spearman"],
) -> dict[str, Any]:
    """One correlation; a note where it cannot be computed."""
    pair = pd.DataFrame({"x": numeric_column(table, x), "y": numeric_column(table, y)})
    for name in covariates:
        if name not in table.columns:
            raise ValueError(unknown_column(name, table.columns))
    complete = pair.notna().all(axis=1) & table[list(covariates)].notna().all(axis=1)
    held = None
    if covariates:
        coded = pd.get_dummies(table.loc[complete, list(covariates)], drop_first=True)
        held = coded.to_numpy(dtype=float)
    try:
        found = correlate(pair.loc[complete, "x"], pair.loc[complete, "y"], held, method)
        note = "" if np.isfinite(found.r) else "a variable does not vary"
    except ValueError as error:
        nan = float("nan")
        found = CorrelationResult(int(complete.sum()), nan, nan, nan, nan)
        note = str(error)
    return {
        "x": x,
        "y": y,
        "method": method,
        "covariates": ",".join(covariates),
        "n": found.n,
        "r": found.r,
        "ci_low": found.low,
        "ci_high": found.high,
        "p": found.p,
        "note": note,
    }


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """The table with p values adjusted over its rows beside them."""
    place = table.columns.get_loc("p") + 1
    table.insert(place, "p_fdr", benjamini_hochberg(table["p"].astype(float)))
    return table
