"""Association of every feature with an outcome that has an order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from scipy.stats import t as student

from osteoflow.models.selectors import f_statistic

Array = NDArray[np.float64]


def ordinal_scores(features: Array, outcome: Any) -> tuple[Array, Array]:
    """F statistic between the classes, and p value of Spearman's correlation with their order.

    Parameters
    ----------
    features
        Shape (n, p), complete.
    outcome
        Class of each row in order, shape (n,).
    """
    return f_statistic(features, outcome), spearman_p(features, outcome)


def continuous_scores(features: Array, outcome: Any) -> tuple[Array, Array]:
    """F statistic of the regression on each feature, and p value of Spearman's correlation.

    Parameters
    ----------
    features
        Shape (n, p), complete.
    outcome
        The quantity, shape (n,).
    """
    r2 = _correlation(np.asarray(features, dtype=float), np.asarray(outcome, dtype=float)) ** 2
    with np.errstate(divide="ignore"):
        return (len(features) - 2) * r2 / (1 - r2), spearman_p(features, outcome)


def spearman_p(features: Array, outcome: Any) -> Array:
    """Two-sided p value of Spearman's correlation of every feature, by Student's distribution.

    1 for constant features.
    """
    X, y = np.asarray(features, dtype=float), np.asarray(outcome, dtype=float)
    size = np.maximum(np.abs(X).max(axis=0, initial=0.0), 1e-300)
    rho = _correlation(rankdata(np.round(X / size, 12), axis=0), rankdata(y))
    df = len(X) - 2
    with np.errstate(divide="ignore"):
        return np.asarray(2 * student.sf(np.abs(rho) * np.sqrt(df / (1 - rho**2)), df))


def _correlation(X: Array, y: Array) -> Array:
    """Pearson's r of every column with ``y``; 0 for constant ones."""
    dx, dy = X - X.mean(axis=0), y - y.mean()
    xx, yy = (dx**2).sum(axis=0), float(dy @ dy)
    known = xx > 1e-24 * len(X) * np.maximum(np.abs(X).max(axis=0, initial=0.0) ** 2, 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known & (yy > 0), np.clip((dy @ dx) / np.sqrt(xx * yy), -1, 1), 0.0)
