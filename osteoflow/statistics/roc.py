"""ROC analysis: area, DeLong intervals and tests, points, cut-off.

A higher score always means the event: the direction is never chosen from the data, which would
favour useless markers. Variances follow DeLong, DeLong and Clarke-Pearson (Biometrics
1988;44:837) through midranks (Sun and Xu, IEEE Signal Process Lett 2014;21:1389).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata
from scipy.stats import t as student

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AucInterval:
    """Area under the curve with its DeLong variance and limits.

    Where events and non-events do not overlap (or always tie) the variance is 0 and says nothing
    about the uncertainty: the limits are NaN then.
    """

    auc: float
    variance: float
    low: float
    high: float
    n_events: int
    n_nonevents: int


@dataclass(frozen=True)
class AucComparison:
    """Difference of two areas (first minus second) with its test.

    ``df`` is NaN for the paired test, which refers to the normal distribution.
    """

    difference: float
    low: float
    high: float
    statistic: float
    df: float
    p: float


def auc(outcome: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve: P(score of an event > of a non-event), ties counting one half.

    Raises
    ------
    ValueError
        If values are missing or one class is absent.
    """
    event, score = _checked(outcome, score)
    ranks = rankdata(score)
    m, n = int(event.sum()), int((~event).sum())
    return float((ranks[event].sum() - m * (m + 1) / 2) / (m * n))


def auc_interval(outcome: ArrayLike, score: ArrayLike, confidence: float = 0.95) -> AucInterval:
    """Area with DeLong's confidence interval, cut to [0, 1].

    Raises
    ------
    ValueError
        As :func:`auc`, or with fewer than two events or non-events.
    """
    event, score = _checked(outcome, score)
    area, by_event, by_nonevent = _placements(event, score)
    variance = float(_variance(by_event) + _variance(by_nonevent))
    if variance > 0:
        half = norm.ppf(0.5 + confidence / 2) * np.sqrt(variance)
        low, high = max(0.0, area - half), min(1.0, area + half)
    else:
        low = high = float("nan")
    return AucInterval(
        area, variance, float(low), float(high), int(event.sum()), int((~event).sum())
    )


def compare_paired(
    outcome: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, confidence: float = 0.95
) -> AucComparison:
    """DeLong's test of two scores on the same observations.

    Where the difference has no variance, the test is p = 1 for equal areas and NaN otherwise.

    Raises
    ------
    ValueError
        As :func:`auc_interval`.
    """
    event, score_a = _checked(outcome, score_a)
    _, score_b = _checked(outcome, score_b)
    area_a, event_a, nonevent_a = _placements(event, score_a)
    area_b, event_b, nonevent_b = _placements(event, score_b)
    difference = area_a - area_b
    error = np.sqrt(_variance(event_a - event_b) + _variance(nonevent_a - nonevent_b))
    if error <= 1e-12:
        same = abs(difference) <= 1e-12
        z, p = (0.0, 1.0) if same else (float("nan"), float("nan"))
        return AucComparison(difference, float("nan"), float("nan"), z, float("nan"), p)
    z = difference / error
    half = norm.ppf(0.5 + confidence / 2) * error
    return AucComparison(
        difference=float(difference),
        low=float(difference - half),
        high=float(difference + half),
        statistic=float(z),
        df=float("nan"),
        p=float(2 * norm.sf(abs(z))),
    )


def compare_unpaired(
    outcome_a: ArrayLike,
    score_a: ArrayLike,
    outcome_b: ArrayLike,
    score_b: ArrayLike,
    confidence: float = 0.95,
) -> AucComparison:
    """DeLong's test of two areas from different observations.

    The statistic refers to Student's t with Welch-Satterthwaite degrees of freedom, as in the
    R package pROC (Robin et al., BMC Bioinformatics 2011;12:77).

    Raises
    ------
    ValueError
        As :func:`auc_interval`, or if both areas have no variance.
    """
    a, b = auc_interval(outcome_a, score_a), auc_interval(outcome_b, score_b)
    n_a, n_b = a.n_events + a.n_nonevents, b.n_events + b.n_nonevents
    total = a.variance + b.variance
    if total <= 0:
        raise ValueError("neither area has a variance: the groups do not overlap")
    df = total**2 / (a.variance**2 / (n_a - 1) + b.variance**2 / (n_b - 1))
    statistic = (a.auc - b.auc) / np.sqrt(total)
    half = student.ppf(0.5 + confidence / 2, df) * np.sqrt(total)
    return AucComparison(
        difference=a.auc - b.auc,
        low=float(a.auc - b.auc - half),
        high=float(a.auc - b.auc + half),
        statistic=float(statistic),
        df=float(df),
        p=float(2 * student.sf(abs(statistic), df)),
    )


@dataclass(frozen=True)
class RocPoints:
    """Points of a ROC curve from (0, 0) to (1, 1); a score >= threshold is called an event."""

    fpr: Array
    tpr: Array
    threshold: Array


def roc_points(outcome: ArrayLike, score: ArrayLike) -> RocPoints:
    """ROC curve with thresholds halfway between neighbouring scores, infinite at the ends.

    Raises
    ------
    ValueError
        As :func:`auc`.
    """
    event, score = _checked(outcome, score)
    distinct = np.unique(score)[::-1]
    threshold = np.concatenate([[np.inf], (distinct[:-1] + distinct[1:]) / 2, [-np.inf]])
    called = score[None, :] >= threshold[:, None]
    return RocPoints(called[:, ~event].mean(axis=1), called[:, event].mean(axis=1), threshold)


def youden_threshold(outcome: ArrayLike, score: ArrayLike) -> float:
    """Cut-off of greatest sensitivity + specificity (Youden, Cancer 1950;3:32).

    Among equally good cut-offs the highest (the most specific) is taken. A constant score gives
    an infinite cut-off: nobody is called.

    Raises
    ------
    ValueError
        As :func:`auc`.
    """
    points = roc_points(outcome, score)
    return float(points.threshold[np.argmax(np.round(points.tpr - points.fpr, 12))])


def _checked(outcome: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], Array]:
    outcome, score = np.asarray(outcome, dtype=float), np.asarray(score, dtype=float)
    if outcome.shape != score.shape or outcome.ndim != 1:
        raise ValueError("outcome and score must be vectors of one length")
    if not np.isfinite(outcome).all() or np.isnan(score).any():
        raise ValueError("outcome or score has missing values")
    if set(np.unique(outcome)) != {0.0, 1.0}:
        raise ValueError("the outcome needs events and non-events, coded 1 and 0")
    return outcome == 1, score


def _placements(event: NDArray[np.bool_], score: Array) -> tuple[float, Array, Array]:
    """Area, and each event's and non-event's share of the other class that it beats."""
    m, n = int(event.sum()), int((~event).sum())
    if min(m, n) < 2:
        raise ValueError("DeLong's variance needs at least two events and two non-events")
    everyone = rankdata(score)
    by_event = (everyone[event] - rankdata(score[event])) / n
    by_nonevent = 1.0 - (everyone[~event] - rankdata(score[~event])) / m
    return float(by_event.mean()), by_event, by_nonevent


def _variance(placements: Array) -> float:
    return float(np.var(placements, ddof=1) / len(placements))
