"""Net reclassification and integrated discrimination improvement of one model over another.

The category-free index of Pencina et al. (Stat Med 2011;30:11) and the integrated improvement of
Pencina et al. (Stat Med 2008;27:157). Both are secondary to the difference in likelihood, area or
net benefit: they also reward a model for being miscalibrated (Hilden and Gerds, Stat Med
2014;33:3405), and their normal tests are too liberal for nested models judged on the data they
were fitted on (Kerr et al., Epidemiology 2014;25:114), where the likelihood-ratio test is right
(:mod:`osteoflow.models.nested`). The tests are there to be compared with other software; analyses
report estimates and limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from osteoflow.statistics.intervals import percentile_interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Improvement:
    """An index with its standard error, test against 0 and confidence limits.

    ``z`` and ``p`` are NaN where the index has no variance.
    """

    value: float
    standard_error: float
    z: float
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class Reclassification:
    """What the new model changes.

    Attributes
    ----------
    nri
        Category-free net reclassification improvement, the sum of the next two (-2 to 2).
    nri_events, nri_nonevents
        Share of events whose probability rises less the share where it falls; of non-events, the
        reverse (-1 to 1).
    idi
        Integrated discrimination improvement: mean change of events less that of non-events.
    idi_events, idi_nonevents
        Its parts: mean rise among events, mean fall among non-events.
    n_events, n_nonevents
        Observations.
    interval
        How the limits were formed.
    """

    nri: Improvement
    nri_events: Improvement
    nri_nonevents: Improvement
    idi: Improvement
    idi_events: Improvement
    idi_nonevents: Improvement
    n_events: int
    n_nonevents: int
    interval: str


# Indices lie between -2 and 2: standard errors below this are rounding.
_NO_ERROR = 1e-12
INDICES = ("nri", "nri_events", "nri_nonevents", "idi", "idi_events", "idi_nonevents")


def reclassification(
    outcome: ArrayLike,
    old: ArrayLike,
    new: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Reclassification:
    """Category-free NRI and IDI of the new model against the old one.

    Parameters
    ----------
    outcome
        0/1, shape (n,).
    old, new
        Probabilities, shape (n,). Changes below 1e-12 count as none.
    weights
        How often each observation is drawn when participants are resampled, shape (B, n)
        (:func:`osteoflow.models.performance.bootstrap_weights`); the limits are then the
        resamples' percentiles and the standard errors their standard deviations. Absent: normal
        limits with the published standard errors, which take observations as independent.
    confidence
        Of the limits.

    Raises
    ------
    ValueError
        On missing values, probabilities outside [0, 1], fewer than two events or non-events, or
        weights of another shape.
    """
    event, change = _checked(outcome, old, new)
    values = _indices(event, change, np.ones((1, len(event))))[:, 0]
    if weights is None:
        errors = _standard_errors(event, change)
        half = norm.ppf(0.5 + confidence / 2) * errors
        limits = np.column_stack([values - half, values + half])
        interval = "normal limits"
    else:
        drawn = np.asarray(weights, dtype=float)
        if drawn.ndim != 2 or drawn.shape[1] != len(event):
            raise ValueError("weights must have one column per observation")
        draws = _indices(event, change, drawn)
        found = [percentile_interval(row, confidence) for row in draws]
        limits = np.array([part[:2] for part in found])
        defined = np.isfinite(draws).all(axis=0)
        spread = draws[:, defined].std(axis=1, ddof=1) if defined.sum() > 1 else np.nan
        errors = np.where(np.isfinite(limits[:, 0]), spread, np.nan)
        interval = "participant bootstrap, percentile limits"
        if not defined.all():
            interval += f" ({int(defined.sum())} of {len(defined)} resamples defined)"
    parts = {
        name: _improvement(*numbers)
        for name, *numbers in zip(INDICES, values, errors, *limits.T, strict=True)
    }
    m = int(event.sum())
    return Reclassification(**parts, n_events=m, n_nonevents=len(event) - m, interval=interval)


def _improvement(value: float, error: float, low: float, high: float) -> Improvement:
    # Where every resample gives the same value, rounding alone makes a standard error.
    z = float(value / error) if error > _NO_ERROR else float("nan")
    return Improvement(
        float(value), float(error), z, float(2 * norm.sf(abs(z))), float(low), float(high)
    )


def _checked(outcome: ArrayLike, old: ArrayLike, new: ArrayLike) -> tuple[NDArray[np.bool_], Array]:
    y, a, b = (np.asarray(values, dtype=float) for values in (outcome, old, new))
    if y.ndim != 1 or y.shape != a.shape or y.shape != b.shape:
        raise ValueError("outcome and probabilities must be vectors of one length")
    if not np.isin(y, (0.0, 1.0)).all() or min((y == 1).sum(), (y == 0).sum()) < 2:
        raise ValueError("at least two events and two non-events are needed, coded 1 and 0")
    if not (((a >= 0) & (a <= 1)).all() and ((b >= 0) & (b <= 1)).all()):
        raise ValueError("probabilities must lie within [0, 1], none missing")
    change = b - a
    # Equal probabilities whose sums were formed in another order are no reclassification.
    return y == 1, np.where(np.abs(change) < 1e-12, 0.0, change)


def _indices(event: NDArray[np.bool_], change: Array, weights: Array) -> Array:
    """The six indices for each row of weights, shape (6, B)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        of_event = weights * event
        of_event = of_event / of_event.sum(axis=1, keepdims=True)
        of_other = weights * ~event
        of_other = of_other / of_other.sum(axis=1, keepdims=True)
    nri_events, nri_others = of_event @ np.sign(change), -of_other @ np.sign(change)
    idi_events, idi_others = of_event @ change, -of_other @ change
    return np.stack(
        [
            *(nri_events + nri_others, nri_events, nri_others),
            *(idi_events + idi_others, idi_events, idi_others),
        ]
    )


def _standard_errors(event: NDArray[np.bool_], change: Array) -> Array:
    """Published standard errors: multinomial for the NRI, of a mean for the IDI."""
    squared = []
    # The parts of the NRI have the multinomial variance (divisor n), those of the IDI that of a
    # sample (divisor n - 1).
    for values, ddof in ((np.sign(change), 0), (change, 1)):
        parts = [values[group].var(ddof=ddof) / group.sum() for group in (event, ~event)]
        squared += [sum(parts), *parts]
    return np.sqrt(np.array(squared))
