"""Bland-Altman analysis of pairs of readings, for many variables at once."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nct
from scipy.stats import t as student

Array = NDArray[np.float64]

# Limits of agreement are the mean difference -+ so many standard deviations.
LIMIT = 1.96
MIN_PAIRS = 3


class Limits(NamedTuple):
    """Bias, limits of agreement and proportional bias, each of shape (variables,).

    Differences are the later reading less the earlier one; ``*_low`` and ``*_high`` are 95 %
    confidence limits. ``slope`` is the change of the difference per unit of the mean, ``slope_p``
    the p value of its test against 0. NaN with fewer than ``MIN_PAIRS`` pairs.
    """

    bias: Array
    bias_low: Array
    bias_high: Array
    sd_difference: Array
    loa_low: Array
    loa_low_low: Array
    loa_low_high: Array
    loa_high: Array
    loa_high_low: Array
    loa_high_high: Array
    slope: Array
    slope_low: Array
    slope_high: Array
    slope_p: Array


def bland_altman(first: Array, second: Array) -> Limits:
    """Agreement of two readings (Bland and Altman, Lancet 1986;327:307).

    The bias has Student's interval; each limit of agreement has its exact interval by the
    non-central t distribution (Carkeet, Optom Vis Sci 2015;92:e71), which holds in small samples,
    where the paper's approximation (standard error sqrt(3/n) SD) is too symmetric. The slope of
    the differences on the means is that of Bland and Altman, Stat Methods Med Res 1999;8:135; its
    test is Pitman's test of equal variances of both readings.

    Parameters
    ----------
    first, second
        Shape (n subjects, variables) or (n,); a pair with a value that is not finite is left out.
    """
    a, b = (np.asarray(values, dtype=float) for values in (first, second))
    if a.ndim == 1:
        return Limits(*(part[0] for part in bland_altman(a[:, None], b[:, None])))
    complete = np.isfinite(a) & np.isfinite(b)
    n = complete.sum(axis=0).astype(float)
    n[n < MIN_PAIRS] = np.nan
    difference = np.where(complete, b, 0.0) - np.where(complete, a, 0.0)
    average = (np.where(complete, b, 0.0) + np.where(complete, a, 0.0)) / 2
    bias, centre = difference.sum(axis=0) / n, average.sum(axis=0) / n
    spread = np.where(complete, difference - bias, 0.0)
    size = np.where(complete, average - centre, 0.0)
    rounding = n * (1e-12 * np.abs(average).max(axis=0, initial=0.0)) ** 2
    squares = (spread**2).sum(axis=0)
    squares = np.where(squares > rounding, squares, 0.0) + 0 * n
    sd = np.sqrt(squares / (n - 1))
    half = student.ppf(0.975, n - 1) * sd / np.sqrt(n)
    inner, outer = _limit_factors(n)
    low, high = bias - LIMIT * sd, bias + LIMIT * sd
    return Limits(
        *(bias, bias - half, bias + half, sd),
        *(low, bias - outer * sd, bias - inner * sd),
        *(high, bias + inner * sd, bias + outer * sd),
        *_slope(n, size, spread, squares, rounding),
    )


def _limit_factors(n: Array) -> tuple[Array, Array]:
    """Distance of a limit's confidence limits from the bias, in SD: the nearer, the farther."""
    found = np.array([_exact_factors(float(size)) for size in n]).reshape(-1, 2)
    return found[:, 0], found[:, 1]


@cache
def _exact_factors(n: float) -> tuple[float, float]:
    if not np.isfinite(n):
        return float("nan"), float("nan")
    shift, root = LIMIT * np.sqrt(n), np.sqrt(n)
    low, high = nct.ppf([0.025, 0.975], n - 1, shift) / root
    return float(low), float(high)


def _slope(
    n: Array, size: Array, spread: Array, squares: Array, rounding: Array
) -> tuple[Array, Array, Array, Array]:
    """Least-squares slope of the differences on the means, its interval and p value."""
    with np.errstate(invalid="ignore", divide="ignore"):
        of_size = (size**2).sum(axis=0)
        of_size = np.where(of_size > rounding, of_size, np.nan)
        slope = np.where(squares > 0, (size * spread).sum(axis=0), 0.0) / of_size
        left = squares - slope**2 * of_size
        left = np.where(left > rounding, left, 0.0)
        error = np.sqrt(left / (n - 2) / of_size)
        half = student.ppf(0.975, n - 2) * error
        p = 2 * student.sf(np.abs(slope) / error, n - 2)
    slope = slope + 0 * n
    return slope, slope - half, slope + half, p
