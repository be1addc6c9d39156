"""Areas under the curve of more than two classes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osteoflow.statistics.roc import auc

Array = NDArray[np.float64]


def hand_till(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Mean over all pairs of classes of the area between the two (Mach Learn 2001;45:171).

    Of each pair, the mean of the areas by either class's probability; it does not depend on how
    frequent the classes are.

    Parameters
    ----------
    outcome
        Class of each row, 0 to k - 1, shape (n,).
    probability
        Of each class, shape (n, k).

    Returns
    -------
    float
        NaN if fewer than two classes occur; classes that do not occur have no pairs.
    """
    y, p = np.asarray(outcome, dtype=float), np.asarray(probability, dtype=float)
    present = [k for k in range(p.shape[1]) if (y == k).any()]
    areas = []
    for a, b in combinations(present, 2):
        rows = (y == a) | (y == b)
        areas.append(0.5 * auc(y[rows] == a, p[rows, a]) + 0.5 * auc(y[rows] == b, p[rows, b]))
    return float(np.mean(areas)) if areas else float("nan")


def one_against_rest(outcome: ArrayLike, probability: ArrayLike) -> Array:
    """Area of each class's probability against all others, shape (k,); NaN of absent classes."""
    y, p = np.asarray(outcome, dtype=float), np.asarray(probability, dtype=float)
    return np.array(
        [
            auc(y == k, p[:, k]) if 0 < (y == k).sum() < len(y) else float("nan")
            for k in range(p.shape[1])
        ]
    )


def ordered_concordance(outcome: ArrayLike, score: ArrayLike) -> float:
    """Chance that of two rows of different classes the later class has the higher score.

    The generalised c index of ordinal models; ties of the score count half. NaN with one class.
    """
    y = np.asarray(outcome, dtype=float)
    s = np.round(np.asarray(score, dtype=float), 12)
    pairs = won = 0.0
    levels = np.unique(y)
    for low, high in combinations(levels, 2):
        gap = s[y == high][:, None] - s[y == low][None, :]
        won += float((gap > 0).sum() + 0.5 * (gap == 0).sum())
        pairs += gap.size
    return won / pairs if pairs else float("nan")
