"""Survival curves and the test of their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osteoflow.statistics.intervals import Z95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SurvivalCurve:
    """The Kaplan-Meier estimate after each distinct time of a group, all of shape (times,).

    Attributes
    ----------
    time
        Distinct times of events and of censoring, rising.
    at_risk
        Those whose time is not earlier.
    events, censored
        At this time.
    survival
        Probability to be free of the event beyond this time.
    low, high
        95 % limits of it, on the scale ``log(-log)``; NaN while it is 1 and once it is 0.
    """

    time: Array
    at_risk: NDArray[np.int_]
    events: NDArray[np.int_]
    censored: NDArray[np.int_]
    survival: Array
    low: Array
    high: Array

    @property
    def median(self) -> float:
        """First time at which survival is one half or less; NaN if it stays above."""
        reached = np.flatnonzero(np.round(self.survival, 12) <= 0.5)
        return float(self.time[reached[0]]) if len(reached) else float("nan")


def kaplan_meier(time: ArrayLike, event: ArrayLike) -> SurvivalCurve:
    """Survival of one group (Kaplan and Meier, J Am Stat Assoc 1958;53:457).

    The variance is Greenwood's; limits are formed for ``log(-log)`` of the survival, so that they
    stay between 0 and 1 (Kalbfleisch and Prentice).

    Parameters
    ----------
    time, event
        Shape (n,); ``event`` is 1 with the event, 0 censored.
    """
    t, d = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    times, place = np.unique(t, return_inverse=True)
    deaths = np.bincount(place, d, len(times))
    left = np.bincount(place, minlength=len(times))
    at_risk = left[::-1].cumsum()[::-1]
    survival = np.cumprod(1 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
        spread = Z95 * np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = survival ** np.exp(spread), survival ** np.exp(-spread)
    known = (survival > 0) & (survival < 1)
    return SurvivalCurve(
        *(times, at_risk, deaths.astype(int), (left - deaths).astype(int), survival),
        *(np.where(known, low, np.nan), np.where(known, high, np.nan)),
    )


def survival_at(curve: SurvivalCurve, time: ArrayLike, *, before: bool = False) -> Array:
    """Survival at times: beyond them, or with ``before`` just before them."""
    side = "left" if before else "right"
    place = np.searchsorted(curve.time, np.asarray(time, dtype=float), side=side)
    return np.concatenate([[1.0], curve.survival])[place]


@dataclass(frozen=True)
class LogRank:
    """The log-rank test: statistic, degrees of freedom, p, and events that groups had and would."""

    statistic: float
    df: int
    p: float
    observed: Array
    expected: Array


def log_rank(time: ArrayLike, event: ArrayLike, group: ArrayLike) -> LogRank:
    """Difference in survival between groups (Mantel; Peto and Peto, J R Stat Soc A 1972;135:185).

    Parameters
    ----------
    time, event, group
        Shape (n,).

    Returns
    -------
    LogRank
        Groups are in sorted order; NaN with one group, or without an event at which two groups are
        at risk.
    """
    from scipy.stats import chi2

    t, d = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    names, member = np.unique(np.asarray(group), return_inverse=True)
    k = len(names)
    times = np.unique(t[d == 1])
    observed, expected, variance = np.zeros(k), np.zeros(k), np.zeros((k, k))
    for moment in times:
        risk = np.bincount(member[t >= moment], minlength=k).astype(float)
        dead = np.bincount(member[(t == moment) & (d == 1)], minlength=k)
        n, deaths = risk.sum(), dead.sum()
        share = risk / n
        observed += dead
        expected += deaths * share
        if n > 1:
            factor = deaths * (n - deaths) / (n - 1)
            variance += factor * (np.diag(share) - np.outer(share, share))
    inner = variance[:-1, :-1]
    nan = float("nan")
    if k < 2 or np.linalg.matrix_rank(inner) < k - 1:
        return LogRank(nan, max(k - 1, 0), nan, observed, expected)
    gap = (observed - expected)[:-1]
    statistic = float(gap @ np.linalg.solve(inner, gap))
    return LogRank(statistic, k - 1, float(chi2.sf(statistic, k - 1)), observed, expected)
