"""Concordance of a score with the time to an event.

Harrell et al., Stat Med 1996;15:361. A pair can be compared if the one with the shorter time had
the event; of equal times, if only one had the event, which then counts as the shorter. Ties in the
score count half. The standard error is the infinitesimal jackknife of the pairs' counts (Therneau
and Atkinson, vignette "Concordance" of the R package survival).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osteoflow.statistics.intervals import Z95

Array = NDArray[np.float64]

_BLOCK = 512


@dataclass(frozen=True)
class Concordance:
    """C index with its standard error and 95 % limits; NaN without a pair to compare."""

    value: float
    standard_error: float
    low: float
    high: float
    n_pairs: float


def concordance(time: ArrayLike, event: ArrayLike, score: ArrayLike) -> Concordance:
    """C index: the chance that of two participants the one with the higher score fails first.

    Parameters
    ----------
    time, event, score
        Shape (n,); ``event`` is 1 with the event and 0 censored; a higher score is a higher hazard.
    """
    t, d = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    # Rounded, so that equal scores tie however their sums were formed.
    s = np.round(np.asarray(score, dtype=float), 12)
    wins, pairs = np.zeros(len(t)), np.zeros(len(t))
    for begin in range(0, len(t), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        first = (d[rows, None] == 1) & (
            (t[rows, None] < t[None, :]) | ((t[rows, None] == t[None, :]) & (d[None, :] == 0))
        )
        gap = s[rows, None] - s[None, :]
        won = first * ((gap > 0) + 0.5 * (gap == 0))
        wins[rows] += won.sum(axis=1)
        pairs[rows] += first.sum(axis=1)
        wins += won.sum(axis=0)
        pairs += first.sum(axis=0)
    total = pairs.sum() / 2
    if total == 0:
        nan = float("nan")
        return Concordance(nan, nan, nan, nan, 0.0)
    value = float(wins.sum() / 2 / total)
    error = float(np.sqrt(np.sum(((wins - value * pairs) / total) ** 2)))
    low, high = max(0.0, value - Z95 * error), min(1.0, value + Z95 * error)
    return Concordance(value, error, low, high, float(total))
