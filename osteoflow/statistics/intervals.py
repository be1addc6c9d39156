"""Intervals and corrections shared by several tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control, norm

Array = NDArray[np.float64]
Z95 = float(norm.ppf(0.975))


def wilson(successes: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[Array, Array]:
    """Wilson score interval of a proportion (Wilson, J Am Stat Assoc 1927;22:209).

    NaN where ``n`` is 0.
    """
    z = norm.ppf(0.5 + confidence / 2)
    successes, n = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = successes / n
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def benjamini_hochberg(p: ArrayLike) -> Array:
    """False-discovery-rate adjusted p values; missing ones stay missing and do not count.

    Benjamini and Hochberg, J R Stat Soc B 1995;57:289.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    if known.any():
        adjusted[known] = false_discovery_control(p[known], method="bh")
    return adjusted


def percentile_interval(draws: Array, confidence: float = 0.95) -> tuple[float, float, int]:
    """Percentile limits of bootstrap draws and the number of draws that were defined.

    With fewer than 90 % defined draws the limits are NaN: they would describe a selection. So they
    are where all draws are the same: an area of 1 is 1 in every resample, which is no certainty.
    """
    defined = draws[np.isfinite(draws)]
    if len(defined) < 0.9 * len(draws) or not len(defined) or _all_equal(defined):
        return float("nan"), float("nan"), len(defined)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), len(defined)


def _all_equal(defined: Array) -> bool:
    """Whether draws differ by rounding alone."""
    return bool(len(defined)) and float(np.ptp(defined)) <= 1e-12 * max(1.0, abs(defined[0]))


def draws_notes(draws: Array) -> list[str]:
    """What is to be said of bootstrap draws beside their percentile limits; mostly nothing."""
    defined = draws[np.isfinite(draws)]
    notes = []
    if len(defined) < len(draws):
        notes.append(f"{len(defined)} of {len(draws)} resamples defined")
    if _all_equal(defined):
        notes.append("no interval: the same in every resample")
    return notes


def holm(p: ArrayLike) -> Array:
    """Step-down adjusted p values; missing ones stay missing and do not count.

    Holm, Scand J Stat 1979;6:65.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
