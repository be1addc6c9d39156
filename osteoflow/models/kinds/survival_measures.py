"""Measures of models of a time to event, for many resamples at once.

An outcome is a row ``time, event`` and, with a horizon, the weight of the row in measures at the
horizon: 1 over the chance to be uncensored until then, 0 for rows whose state at the horizon is
not known (inverse probability of censoring weights; Graf et al., Stat Med 1999;18:2529).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from osteoflow.statistics.kaplan_meier import kaplan_meier, survival_at

Array = NDArray[np.float64]
TIME, EVENT, WEIGHT = 0, 1, 2
SCORE, MEDIAN, RISK = 0, 1, 2


def horizon_weights(time: Array, event: Array, horizon: float) -> Array:
    """Weights of rows in measures at a horizon, shape (n,).

    Censoring is taken to be independent of the predictors: its distribution is the Kaplan-Meier
    estimate of these rows.
    """
    free = kaplan_meier(time, 1 - event)
    failed = (time <= horizon) & (event == 1)
    known = np.where(failed, survival_at(free, time, before=True), survival_at(free, horizon))
    with np.errstate(divide="ignore"):
        return np.where(failed | (time > horizon), 1 / known, 0.0)


def concordance(outcome: Array, prediction: Array, weights: Array) -> Array:
    """Harrell's C for each row of weights, (B,)."""
    time, event = outcome[:, TIME], outcome[:, EVENT]
    first = (event[:, None] == 1) & (
        (time[:, None] < time[None, :]) | ((time[:, None] == time[None, :]) & (event[None, :] == 0))
    )
    return _ordered(first, prediction[:, SCORE], weights, weights)


def area_at_horizon(outcome: Array, prediction: Array, weights: Array, horizon: float) -> Array:
    """Area under the curve at the horizon (cumulative cases, dynamic controls), (B,).

    Uno, Cai, Tian and Wei, J Am Stat Assoc 2007;102:527.
    """
    time, event = outcome[:, TIME], outcome[:, EVENT]
    case, control = (time <= horizon) & (event == 1), time > horizon
    own = weights * outcome[:, WEIGHT]
    return _ordered(case[:, None] & control[None, :], prediction[:, SCORE], own, own)


def _ordered(first: NDArray[np.bool_], score: Array, a: Array, b: Array) -> Array:
    """Share of pairs (i, j) in ``first`` with the higher score in i; ties count half."""
    gap = np.sign(np.round(score[:, None] - score[None, :], 12))
    won = np.where(first, 0.5 + 0.5 * gap, 0.0)
    pairs = ((a @ first) * b).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, ((a @ won) * b).sum(axis=1) / pairs, np.nan)


def brier_at_horizon(outcome: Array, prediction: Array, weights: Array, horizon: float) -> Array:
    """Squared error of the risk at the horizon, (B,); Graf et al., Stat Med 1999;18:2529."""
    failed = (outcome[:, TIME] <= horizon) & (outcome[:, EVENT] == 1)
    error = outcome[:, WEIGHT] * (failed - prediction[:, RISK]) ** 2
    return (weights @ error) / weights.sum(axis=1)


def observed_over_expected(
    outcome: Array, prediction: Array, weights: Array, horizon: float
) -> Array:
    """Observed risk at the horizon over the mean predicted one, (B,)."""
    failed = (outcome[:, TIME] <= horizon) & (outcome[:, EVENT] == 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ (outcome[:, WEIGHT] * failed)) / (weights @ prediction[:, RISK])


def survival_scores(features: Array, outcome: Array) -> tuple[Array, Array]:
    """Association of every feature with the time to the event.

    Parameters
    ----------
    features
        Shape (n, p), complete.
    outcome
        Rows ``time, event``.

    Returns
    -------
    tuple
        Statistic of the score test of the Cox model of the feature alone, and p value of the same
        test of its ranks, which outliers do not sway; 0 and 1 for constant features.
    """
    from scipy.stats import chi2, rankdata

    X = np.asarray(features, dtype=float)
    size = np.maximum(np.abs(X).max(axis=0, initial=0.0), 1e-300)
    ranks = rankdata(np.round(X / size, 12), axis=0) if X.size else X
    return _score_tests(X / size, outcome), chi2.sf(_score_tests(ranks, outcome), 1)


def _score_tests(X: Array, outcome: Array) -> Array:
    """Statistic of the score test of each column alone (ties as Breslow treats them), (p,)."""
    time, event = outcome[:, TIME], outcome[:, EVENT]
    X = X - X.mean(axis=0)
    order = np.argsort(time, kind="stable")
    times, deaths = np.unique(time[event == 1], return_counts=True)
    first = np.searchsorted(time[order], times, side="left")
    n = (len(time) - first)[:, None]
    mean = np.cumsum(X[order][::-1], axis=0)[::-1][first] / n
    square = np.cumsum(X[order][::-1] ** 2, axis=0)[::-1][first] / n
    score = X[event == 1].sum(axis=0) - deaths @ mean
    variance = deaths @ (square - mean**2)
    floor = 1e-20 * len(X) * np.maximum((X**2).max(axis=0, initial=0.0), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > floor, score**2 / variance, 0.0)
