"""Agreement pooled over the levels of each participant: intervals by resampling participants.

Levels of one participant are not independent. Their pooled figures are those of all level
readings taken together; the standard errors come from resampling whole participants (Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8), so that no interval becomes
narrower for how alike the levels of a person are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from osteoflow.statistics.limits import LIMIT
from osteoflow.statistics.precision import LSC_FACTOR

Array = NDArray[np.float64]
Transform = Callable[[Array], Array]

# Estimates that are resampled; where there are more than two readings, those of pairs are NaN.
RESAMPLED = (
    *("icc11", "icc21", "icc31", "bias", "loa_low", "loa_high", "slope"),
    *("rms_sd", "rms_cv", "lsc"),
)
# Of fewer participants the bootstrap says nothing.
MIN_PARTICIPANTS = 5
LEAST_DEFINED = 0.9


def participant_weights(clusters: NDArray[np.intp], draws: int, seed: int) -> Array:
    """How often each row is drawn: shape (draws + 1, rows); the first draw is the data."""
    people = int(clusters.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(people, np.full(people, 1 / people), size=draws).astype(float)
    return np.vstack([np.ones(people), drawn])[:, clusters]


def cluster_intervals(
    readings: Array, clusters: NDArray[np.intp], draws: int, seed: int
) -> dict[str, tuple[Array, Array]]:
    """95 % limits of the pooled estimates, from resampled participants.

    Estimate -+ Student's t (participants - 1 degrees of freedom) times the standard deviation of
    the resamples, on the scale on which the estimate is about normal: the logarithm of an SD or
    CV, Fisher's transformation of an ICC. With few participants such limits cover the truth more
    often than percentiles do, which are too close.

    Parameters
    ----------
    readings
        Shape (rows, k, variables); a row with a missing reading is left out for that variable.
    clusters
        Number of each row's participant, from 0.
    draws, seed
        Number of resamples and their seed.

    Returns
    -------
    dict
        Name in ``RESAMPLED`` -> lower and upper limits, shape (variables,). NaN with fewer than
        ``MIN_PARTICIPANTS`` participants, and where fewer than 90 % of the resamples define the
        estimate.
    """
    weights = participant_weights(clusters, draws, seed)
    found = _estimates(readings, weights)
    complete = np.isfinite(readings).all(axis=1)
    member = clusters[:, None] == np.arange(clusters.max(initial=-1) + 1)
    people = (member.T.astype(float) @ complete > 0).sum(axis=0).astype(float)
    people[people < MIN_PARTICIPANTS] = np.nan
    limits = {}
    for name, values in found.items():
        forward, back = _scale(name, readings.shape[1])
        limits[name] = _student_limits(values, people, forward, back)
    return limits


def _scale(name: str, k: int) -> tuple[Transform, Transform]:
    """To the scale on which an estimate is about normal, and back."""
    if name.startswith("icc"):
        # Fisher's transformation for k readings.
        return (
            lambda r: 0.5 * np.log((1 + (k - 1) * r) / (1 - r)),
            lambda z: (np.exp(2 * z) - 1) / (np.exp(2 * z) + k - 1),
        )
    if name in ("rms_sd", "rms_cv", "lsc"):
        return np.log, np.exp
    return (lambda value: value), (lambda value: value)


def _student_limits(
    values: Array, people: Array, forward: Transform, back: Transform
) -> tuple[Array, Array]:
    """Limits from the estimate (first row) and its resamples (further rows)."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scaled = forward(values)
        known = np.isfinite(scaled[1:])
        defined = known.sum(axis=0)
        centre = np.where(known, scaled[1:], 0.0).sum(axis=0) / defined
        spread = (np.where(known, scaled[1:] - centre, 0.0) ** 2).sum(axis=0) / (defined - 1)
        # The resamples' variance is that of n - 1 in n.
        error = np.sqrt(spread * people / (people - 1))
        half = np.where(
            defined >= LEAST_DEFINED * len(known), student.ppf(0.975, people - 1) * error, np.nan
        )
        low, high = back(scaled[0] - half), back(scaled[0] + half)
    # Readings that are all identical have an ICC of 1 and no error in every resample.
    fixed = (values[1:] == values[0]).all(axis=0) & np.isfinite(people)
    return np.where(fixed, values[0], low), np.where(fixed, values[0], high)


def _estimates(x: Array, weights: Array) -> dict[str, Array]:
    """The estimates of every resample from weighted moments, shape (draws, variables)."""
    k = x.shape[1]
    complete = np.isfinite(x).all(axis=1)
    filled = np.where(complete[:, None, :], x, 0.0)
    rows = np.maximum(complete.sum(axis=0), 1)
    # Moments about the mean lose no digits.
    origin = filled.sum(axis=(0, 1)) / (k * rows)
    centred = np.where(complete[:, None, :], filled - origin, 0.0)
    mean = centred.mean(axis=1)
    inner = ((centred - mean[:, None, :]) ** 2).sum(axis=1)

    def total(values: Array) -> Array:
        return weights @ values

    n = total(complete.astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        grand = total(mean) / n
        columns = np.stack([total(centred[:, j]) / n for j in range(k)])
        size = total(mean**2) - n * grand**2
        within = total(inner)
        of_raters = n * ((columns - grand) ** 2).sum(axis=0)
        raters = of_raters / (k - 1)
        residual = np.maximum(within - of_raters, 0) / ((n - 1) * (k - 1))
        between = k * size / (n - 1)
        noise = (1e-12 * np.abs(filled).max(axis=(0, 1), initial=0.0)) ** 2
        between = np.where(between > noise, between, np.nan)
        single = within / (n * (k - 1))
        icc11 = (between - single) / (between + (k - 1) * single)
        icc31 = (between - residual) / (between + (k - 1) * residual)
        icc21 = (between - residual) / (between + (k - 1) * residual + k * (raters - residual) / n)
        rms_sd = np.sqrt(within / (n * (k - 1)))
        level = mean + origin
        relative = total(np.where(complete, inner / level**2, 0.0)) / (n * (k - 1))
        positive = ((level > 0) | ~complete).all(axis=0)
        rms_cv = np.where(positive, 100 * np.sqrt(relative), np.nan)
        bias = sd = slope = np.full_like(grand, np.nan)
        if k == 2:
            difference = centred[:, 1] - centred[:, 0]
            bias = columns[1] - columns[0]
            spread = np.maximum(total(difference**2) - n * bias**2, 0)
            sd = np.sqrt(spread / (n - 1))
            slope = (total(difference * mean) - n * bias * grand) / size
    values = (icc11, icc21, icc31, bias, bias - LIMIT * sd, bias + LIMIT * sd, slope)
    precise = (rms_sd, rms_cv, LSC_FACTOR * rms_sd)
    return dict(zip(RESAMPLED, (*values, *precise), strict=True))
