"""Precision of repeated readings: RMS-SD, RMS-CV and the least significant change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Array = NDArray[np.float64]

MIN_SETS = 3
# With 27 degrees of freedom the upper 90 % limit of a precision error lies less than 30 % above
# it (Glueer et al., Osteoporos Int 1995;5:262); the ISCD asks for 30: 15 people measured three
# times, or 30 twice.
MIN_DF, ADVISED_DF = 27, 30
# Two readings must differ by so many RMS-SD for a change at 95 % confidence.
LSC_FACTOR = 1.96 * np.sqrt(2.0)


class Precision(NamedTuple):
    """Precision of each variable, shape (variables,), with 95 % confidence limits.

    ``df`` are the degrees of freedom; ``rms_sd`` and ``lsc`` have the variable's unit, ``rms_cv``
    and ``lsc_percent`` are in per cent. NaN with fewer than ``MIN_SETS`` subjects read twice.
    """

    df: Array
    rms_sd: Array
    rms_sd_low: Array
    rms_sd_high: Array
    rms_cv: Array
    rms_cv_low: Array
    rms_cv_high: Array
    lsc: Array
    lsc_low: Array
    lsc_high: Array
    lsc_percent: Array


def precision(readings: Array) -> Precision:
    """Short-term precision from repeated readings of several subjects.

    The RMS-SD is the root of the subjects' mean variance, not their mean SD, which is too small;
    a subject with more readings counts by its degrees of freedom. Its interval is by chi-square;
    that of the RMS-CV takes the same factors, as Glueer does. The RMS-CV is left out where a
    subject's mean is not above zero: such a quantity has no ratio scale.
    (Glueer et al., Osteoporos Int 1995;5:262.)

    A systematic difference between readings counts as error.

    Parameters
    ----------
    readings
        Shape (n subjects, k readings, variables); what is not finite is missing.
    """
    count, mean, squares = set_moments(readings)
    sets = (count >= 2).sum(axis=0)
    df = np.where(count >= 2, count - 1, 0).sum(axis=0).astype(float)
    df[sets < MIN_SETS] = np.nan
    rms_sd = np.sqrt(squares.sum(axis=0) / df)
    positive = ((mean > 0) | (count < 2)).all(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(count >= 2, squares / mean**2, 0.0).sum(axis=0)
        rms_cv = np.where(positive, 100 * np.sqrt(relative / df), np.nan)
    low, high = chi_square_factors(df)
    return Precision(
        df,
        *(rms_sd, rms_sd * low, rms_sd * high),
        *(rms_cv, rms_cv * low, rms_cv * high),
        *(LSC_FACTOR * rms_sd, LSC_FACTOR * rms_sd * low, LSC_FACTOR * rms_sd * high),
        LSC_FACTOR * rms_cv,
    )


def set_moments(readings: Array) -> tuple[Array, Array, Array]:
    """Number, mean and sum of squared deviations of each subject's readings.

    Returns
    -------
    tuple
        Each of shape (n, variables); subjects with fewer than two readings have squares of 0.
    """
    known = np.isfinite(readings)
    count = known.sum(axis=1)
    filled = np.where(known, readings, 0.0)
    mean = filled.sum(axis=1) / np.maximum(count, 1)
    squares = (np.where(known, filled - mean[:, None, :], 0.0) ** 2).sum(axis=1)
    return count, mean, np.where(count >= 2, squares, 0.0)


def chi_square_factors(df: Array) -> tuple[Array, Array]:
    """Factors from a standard deviation to its 95 % confidence limits."""
    return np.sqrt(df / chi2.ppf(0.975, df)), np.sqrt(df / chi2.ppf(0.025, df))
