"""Agreement of two classifications into ordered classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa with its large-sample standard error and 95 % limits.

    NaN where both classifications are one and the same class throughout: agreement beyond chance
    is then not defined. Where one of them is one class throughout, kappa is 0 whatever the other
    says, and has no standard error.
    """

    value: float
    standard_error: float
    low: float
    high: float


def confusion(first: ArrayLike, second: ArrayLike, n_classes: int) -> NDArray[np.int_]:
    """Counts of first (rows) against second (columns); classes are 0 to ``n_classes`` - 1."""
    table = np.zeros((n_classes, n_classes), dtype=int)
    places = np.asarray(first, dtype=float).astype(int), np.asarray(second, dtype=float).astype(int)
    np.add.at(table, places, 1)
    return table


def weighted_kappa(counts: ArrayLike, weights: Weights = "quadratic") -> Kappa:
    """Weighted kappa of a square table of counts.

    Cohen, Psychol Bull 1968;70:213; variance of Fleiss, Cohen and Everitt, Psychol Bull
    1969;72:323.

    Parameters
    ----------
    counts
        Shape (k, k).
    weights
        Credit for disagreement: none, falling linearly, or falling with the square of the distance.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    table = np.asarray(counts, dtype=float)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    if (rows > 0).sum() == 1 and (columns > 0).sum() == 1 and np.trace(table) == table.sum():
        return Kappa(*[float("nan")] * 4)
    if (rows > 0).sum() == 1 or (columns > 0).sum() == 1:
        return Kappa(0.0, *[float("nan")] * 3)
    found = cohens_kappa(table, wt=None if weights == "none" else weights)
    return Kappa(
        float(found.kappa),
        float(found.std_kappa),
        float(found.kappa_low),
        min(1.0, float(found.kappa_upp)),
    )
