"""Agreement pooled over the levels of each participant: intervals by resampling participants.

Levels of one participant are not independent. Their pooled figures are those of all level
readings taken together; the intervals come from resampling whole participants (Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8), so that however alike the
levels of a person are, no interval becomes narrower for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from osteoflow.statistics.limits import LIMIT
from osteoflow.statistics.precision import LSC_FACTOR

Array = NDArray[np.float64]

# Estimates that are resampled; where there are more than two readings, those of pairs are NaN.
RESAMPLED = (
    *("icc21", "icc31", "bias", "loa_low", "loa_high", "slope"),
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
    """95 % percentile limits of the pooled estimates, from resampled participants.

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
    people = (member.T.astype(float) @ complete > 0).sum(axis=0)
    return {
        name: tuple(
            np.where(people >= MIN_PARTICIPANTS, limit, np.nan)
            for limit in _percentiles(values[1:])
        )
        for name, values in found.items()
    }


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
    values = (icc21, icc31, bias, bias - LIMIT * sd, bias + LIMIT * sd, slope)
    precise = (rms_sd, rms_cv, LSC_FACTOR * rms_sd)
    return dict(zip(RESAMPLED, (*values, *precise), strict=True))


def _percentiles(draws: Array) -> tuple[Array, Array]:
    """2.5 and 97.5 % of each column's defined draws, by linear interpolation."""
    finite = np.isfinite(draws)
    defined = finite.sum(axis=0)
    # Sorting puts NaN last.
    ordered = np.sort(np.where(finite, draws, np.nan), axis=0)
    enough = defined >= max(LEAST_DEFINED * len(draws), 2)
    limits = []
    for share in (0.025, 0.975):
        place = share * np.maximum(defined - 1, 1)
        below = np.floor(place).astype(int)
        low, high = (
            np.take_along_axis(ordered, np.minimum(at, len(draws) - 1)[None, :], axis=0)[0]
            for at in (below, below + 1)
        )
        limits.append(np.where(enough, low + (place - below) * (high - low), np.nan))
    return limits[0], limits[1]
