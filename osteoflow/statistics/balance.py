"""Standardised mean differences: how unlike groups are, whatever their size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def smd_of_numbers(samples: Sequence[Array]) -> float:
    """Absolute difference of means over the root of the mean variance of both groups.

    Of more than two groups the largest of all pairs. Austin, Stat Med 2009;28:3083. NaN where a
    group has fewer than two values or no pair varies.
    """
    return _largest(
        [
            _ratio(float(a.mean() - b.mean()), (a.var(ddof=1) + b.var(ddof=1)) / 2)
            if min(len(a), len(b)) > 1
            else float("nan")
            for a, b in combinations(samples, 2)
        ]
    )


def smd_of_categories(counts: pd.DataFrame) -> float:
    """Mahalanobis distance of the shares of all levels but one between two groups.

    Of more than two groups the largest of all pairs. Yang and Dalton, SAS Global Forum 2012, paper
    335.

    Parameters
    ----------
    counts
        Groups (rows) by levels.
    """
    table = counts.to_numpy(dtype=float)
    found = []
    for i, j in combinations(range(len(table)), 2):
        pair = table[[i, j]]
        if (pair.sum(axis=1) == 0).any():
            found.append(float("nan"))
            continue
        shares = pair / pair.sum(axis=1, keepdims=True)
        shares = shares[:, shares.sum(axis=0) > 0][:, 1:]
        difference = shares[0] - shares[1]
        spread = sum(np.diag(p) - np.outer(p, p) for p in shares) / 2
        if not len(difference) or not difference.any():
            found.append(0.0)
            continue
        # Levels that no group shares leave the spread without an inverse.
        rank = np.linalg.matrix_rank(spread)
        if rank < len(difference):
            found.append(float("nan"))
            continue
        found.append(float(np.sqrt(difference @ np.linalg.solve(spread, difference))))
    return _largest(found)


def _ratio(difference: float, variance: float) -> float:
    if variance > 0:
        return abs(difference) / float(np.sqrt(variance))
    return 0.0 if difference == 0 else float("nan")


def _largest(found: Sequence[float]) -> float:
    """The largest; NaN if one is unknown, which might have been it."""
    return max(found) if found and not any(np.isnan(found)) else float("nan")
