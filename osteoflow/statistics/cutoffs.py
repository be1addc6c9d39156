"""Diagnostic numbers at a cut-off: sensitivity, specificity, predictive values, optimism.

A higher score means the event; a score at or above the cut-off is called one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import norm

from osteoflow.statistics.intervals import percentile_interval, wilson

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """A proportion with its 95 % limits; NaN where nobody counts."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AtCutoff:
    """Counts and proportions at one cut-off."""

    n_true_positive: int
    n_false_negative: int
    n_true_negative: int
    n_false_positive: int
    sensitivity: Share
    specificity: Share
    ppv: Share
    npv: Share


@dataclass(frozen=True)
class Corrected:
    """Youden's cut-off less the optimism of having been found in the same data.

    ``low`` and ``high`` are percentile limits of the cut-off itself.
    """

    sensitivity: float
    specificity: float
    low: float
    high: float


def at_cutoff(called: ArrayLike, event: ArrayLike, prevalence: float | None = None) -> AtCutoff:
    """What a cut-off makes of the participants.

    Intervals are Wilson's. With a prevalence other than that of the data, predictive values follow
    from sensitivity and specificity by Bayes' rule, with the logit intervals of Mercaldo, Lau and
    Zhou (Stat Med 2007;26:2170).

    Parameters
    ----------
    called, event
        Shape (n,), true or false.
    prevalence
        Of the target population; None: that of the data.
    """
    called, event = np.asarray(called, dtype=bool), np.asarray(event, dtype=bool)
    tp, fn = int((called & event).sum()), int((~called & event).sum())
    tn, fp = int((~called & ~event).sum()), int((called & ~event).sum())
    sensitivity, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    if prevalence is None:
        ppv, npv = _share(tp, tp + fp), _share(tn, tn + fn)
    else:
        ppv = _predictive(tp, tp + fn, tn, tn + fp, prevalence)
        npv = _predictive(tn, tn + fp, tp, tp + fn, 1 - prevalence)
    return AtCutoff(tp, fn, tn, fp, sensitivity, specificity, ppv, npv)


def _share(part: int, n: int) -> Share:
    low, high = wilson(part, n)
    return Share(part / n if n else float("nan"), float(low), float(high))


def _predictive(right: int, n: int, other_right: int, m: int, prevalence: float) -> Share:
    """Share of true ones among those called, from the rates of both classes.

    Where a rate is 0 or 1, the interval (not the value) counts half a success and half a failure
    more in both rates: its logit would be infinite. That is this project's choice.
    """
    if not n or not m:
        nan = float("nan")
        return Share(nan, nan, nan)
    rate, false_rate = right / n, 1 - other_right / m
    positive = rate * prevalence + false_rate * (1 - prevalence)
    value = rate * prevalence / positive if positive > 0 else float("nan")
    extreme = right in (0, n) or other_right in (0, m)
    rate = (right + 0.5) / (n + 1) if extreme else rate
    false_rate = 1 - (other_right + 0.5) / (m + 1) if extreme else false_rate
    logit = np.log(rate * prevalence / (false_rate * (1 - prevalence)))
    error = np.sqrt((1 - rate) / (rate * n) + (1 - false_rate) / (false_rate * m))
    low, high = expit(logit + norm.ppf(0.975) * np.array([-error, error]))
    if not np.isnan(value):
        low, high = min(low, value), max(high, value)
    return Share(float(value), float(low), float(high))


def corrected_youden(
    event: ArrayLike, score: ArrayLike, n_resamples: int, seed: int
) -> tuple[float, Corrected]:
    """Youden's cut-off, and what it is worth beyond the data it was found in.

    In each resampling (participants with and without the event apart) a cut-off is found anew; how
    much better it does there than in the data is its optimism (Harrell, Lee and Mark, Stat Med
    1996;15:361), whose mean is taken off.

    Parameters
    ----------
    event, score
        Shape (n,), none missing; events and non-events.
    n_resamples, seed
        Of the bootstrap.

    Returns
    -------
    cutoff, corrected
        The cut-off lies halfway between two scores, infinite where calling nobody (or everybody)
        is best.
    """
    event, score = np.asarray(event, dtype=bool), np.asarray(score, dtype=float)
    values, place = np.unique(score, return_inverse=True)
    rng = np.random.default_rng(seed)
    counts = [np.bincount(place[part], minlength=len(values)) for part in (event, ~event)]
    drawn = [rng.multinomial(c.sum(), c / c.sum(), size=n_resamples) for c in counts]
    tpr, fpr = (_called(c[None, :])[0] for c in counts)
    cut, best = _youden(values, tpr[None, :], fpr[None, :], np.stack(counts).any(axis=0)[None, :])
    drawn_tpr, drawn_fpr = (_called(c) for c in drawn)
    cuts, places = _youden(values, drawn_tpr, drawn_fpr, (drawn[0] + drawn[1]) > 0)
    rows = np.arange(n_resamples)
    # The same cut-off in the data themselves.
    back = np.searchsorted(values, cuts, side="left")
    gain_tpr = drawn_tpr[rows, places] - tpr[back]
    gain_fpr = drawn_fpr[rows, places] - fpr[back]
    sensitivity = float(np.clip(tpr[best[0]] - gain_tpr.mean(), 0, 1))
    specificity = float(np.clip(1 - fpr[best[0]] + gain_fpr.mean(), 0, 1))
    low, high, _ = percentile_interval(cuts)
    return float(cut[0]), Corrected(sensitivity, specificity, low, high)


def _called(counts: NDArray[np.int64]) -> Array:
    """Share called when the cut-off lies below each value, last of all above every value."""
    tail = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    whole = np.concatenate([tail, np.zeros((len(counts), 1))], axis=1)
    return whole / counts.sum(axis=1, keepdims=True)


def _youden(
    values: Array, tpr: Array, fpr: Array, present: NDArray[np.bool_]
) -> tuple[Array, NDArray[np.intp]]:
    """Cut-off of each row and its place among the values; of equally good ones the highest."""
    index = np.round(tpr - fpr, 12)
    m = len(values)
    best = m - np.argmax(index[:, ::-1], axis=1)
    numbers = np.where(present, np.arange(m), -1)
    # Nearest lower value that occurs in this row.
    lower = np.concatenate(
        [np.full((len(numbers), 1), -1), np.maximum.accumulate(numbers, axis=1)], axis=1
    )[np.arange(len(best)), best]
    upper = np.minimum(best, m - 1)
    cut = (values[np.maximum(lower, 0)] + values[upper]) / 2
    cut = np.where(best == m, np.inf, np.where(lower < 0, -np.inf, cut))
    return cut, best
