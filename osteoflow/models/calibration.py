"""Calibration of predicted probabilities.

Slope and intercept after Cox (Biometrika 1958;45:562) in the terms of Van Calster et al. (BMC Med
2019;17:230): the slope is that of a logistic model of the outcome on the predicted log odds, the
intercept (calibration in the large) is that of a model with the slope held at 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, expit, logit

from osteoflow.models.logistic import fit_logistic, fit_offset_intercept
from osteoflow.statistics.intervals import Z95, wilson

Array = NDArray[np.float64]

# Log odds of probabilities that rounding has made 0 or 1: the largest that can be told from them.
_EDGE = 1e-12
_MAX_STEPS = 50


def log_odds(probability: ArrayLike) -> Array:
    """Log odds, finite also for probabilities that are 0 or 1 by rounding (+-27.6)."""
    return logit(np.clip(np.asarray(probability, dtype=float), _EDGE, 1 - _EDGE))


@dataclass(frozen=True)
class Calibration:
    """Calibration slope and intercept with 95 % Wald limits.

    The slope is NaN where predictions are constant or separate the classes.
    """

    slope: float
    slope_low: float
    slope_high: float
    intercept: float
    intercept_low: float
    intercept_high: float


def calibration(outcome: ArrayLike, probability: ArrayLike) -> Calibration:
    """Calibration slope and calibration in the large.

    Raises
    ------
    ValueError
        On missing values or an outcome with one class only.
    """
    score = log_odds(probability)
    fit = fit_logistic(score[:, None], outcome)
    slope, error = float(fit.coefficients[0]), float(fit.standard_errors[1])
    if fit.method == "firth" or fit.dropped:
        slope = error = float("nan")
    intercept, intercept_error = fit_offset_intercept(score, outcome)
    return Calibration(
        slope,
        slope - Z95 * error,
        slope + Z95 * error,
        intercept,
        intercept - Z95 * intercept_error,
        intercept + Z95 * intercept_error,
    )


def weighted_calibration(outcome: Array, probability: Array, weights: Array) -> tuple[Array, Array]:
    """Slope and calibration in the large for many sets of weights (bootstrap resamples).

    Parameters
    ----------
    outcome, probability
        Shape (n,).
    weights
        Shape (B, n).

    Returns
    -------
    tuple
        Slopes and intercepts, each of shape (B,); NaN where not defined.
    """
    slope = weighted_recalibration(outcome, probability, weights)[:, 1]
    return slope, weighted_in_the_large(outcome, probability, weights)


def weighted_recalibration(outcome: Array, probability: Array, weights: Array) -> Array:
    """Intercept and slope of the log odds on the predicted ones for many sets of weights.

    Parameters as of :func:`weighted_calibration`; shape (B, 2), NaN where not defined.
    """
    score = log_odds(probability)
    return _batch_newton(np.stack([np.ones_like(score), score]), score * 0, outcome, weights)


def weighted_in_the_large(outcome: Array, probability: Array, weights: Array) -> Array:
    """Calibration in the large for many sets of weights, shape (B,); NaN where not defined."""
    score = log_odds(probability)
    return _batch_newton(np.ones((1, len(score))), score, outcome, weights)[:, 0]


def _batch_newton(design: Array, offset: Array, outcome: Array, weights: Array) -> Array:
    """Logistic fits with one or two terms for each row of weights; NaN if not converged."""
    terms = len(design)
    products = np.array([row * other for row in design for other in design])
    beta = np.zeros((len(weights), terms))
    found = np.full((len(weights), terms), np.nan)
    open_rows = np.arange(len(weights))
    for _ in range(_MAX_STEPS):
        w, current = weights[open_rows], beta[open_rows]
        p = expit(offset + current @ design)
        score = (w * (outcome - p)) @ design.T
        information = ((w * p * (1 - p)) @ products.T).reshape(-1, terms, terms)
        scale = np.prod(np.einsum("bii->bi", information), axis=1)
        usable = np.linalg.det(information) > 1e-10 * scale
        usable &= np.abs(current).max(axis=1) < 50
        step = np.linalg.solve(information[usable], score[usable, :, None])[:, :, 0]
        # Far steps of a first guess are shortened; near the solution they are full.
        step /= np.maximum(1.0, np.abs(step).max(axis=1, keepdims=True) / 2.0)
        open_rows = open_rows[usable]
        beta[open_rows] += step
        converged = np.abs(step).max(axis=1) < 1e-8
        found[open_rows[converged]] = beta[open_rows[converged]]
        open_rows = open_rows[~converged]
        if not len(open_rows):
            break
    return found


@dataclass(frozen=True)
class HosmerLemeshow:
    """Goodness-of-fit test over groups of neighbouring predictions.

    ``p`` is NaN where fewer than three groups of distinct predictions remain, or a group expects
    no events or nothing but events.
    """

    statistic: float
    df: int
    p: float
    n_groups: int


def hosmer_lemeshow(
    outcome: ArrayLike, probability: ArrayLike, n_groups: int = 10, *, external: bool = False
) -> HosmerLemeshow:
    """Hosmer and Lemeshow's test (Commun Stat Theory Methods 1980;9:1043).

    Secondary: its verdict depends on how many groups are chosen and on how many observations there
    are, and it does not say what is wrong; slope, intercept and curve do.

    Parameters
    ----------
    outcome, probability
        Shape (n,).
    n_groups
        Groups between quantiles of the predictions, each with its upper bound, the first with
        both. Equal predictions stay together, so that there may be fewer.
    external
        The model was not fitted on these observations: as many degrees of freedom as groups
        instead of two fewer.

    Raises
    ------
    ValueError
        On missing values, vectors of different length, or fewer than three groups asked for.
    """
    y, p = np.asarray(outcome, dtype=float), np.asarray(probability, dtype=float)
    if y.ndim != 1 or y.shape != p.shape or not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise ValueError("outcome and probability must be complete vectors of one length")
    if n_groups < 3:
        raise ValueError("the Hosmer-Lemeshow test needs at least three groups")
    edges = np.unique(np.quantile(p, np.linspace(0, 1, n_groups + 1)))
    _, group = np.unique(np.searchsorted(edges[1:-1], p, side="left"), return_inverse=True)
    n = np.bincount(group).astype(float)
    observed, expected = np.bincount(group, y), np.bincount(group, p)
    variance = expected * (1 - expected / n)
    df = len(n) if external else len(n) - 2
    if len(n) < 3 or not (variance > 0).all():
        return HosmerLemeshow(float("nan"), df, float("nan"), len(n))
    statistic = float(np.sum((observed - expected) ** 2 / variance))
    return HosmerLemeshow(statistic, df, float(chdtrc(df, statistic)), len(n))


def groups_for(n: int) -> int:
    """How many groups of neighbouring predictions to draw: one for eight of n, 2 to 10."""
    return int(np.clip(n // 8, 2, 10))


def calibration_points(
    outcome: ArrayLike,
    probability: ArrayLike,
    n_groups: int | None = None,
    *,
    repeats: int = 1,
) -> pd.DataFrame:
    """Mean predicted against observed share in groups of neighbouring predictions.

    Parameters
    ----------
    n_groups
        Groups of (nearly) equal size; absent: those of :func:`groups_for`.
    repeats
        How often every observation is among the predictions; ``n`` and the interval are those of
        so many fewer.

    Returns
    -------
    pandas.DataFrame
        predicted, observed, ci_low, ci_high (Wilson, 95 %), n.
    """
    outcome, probability = np.asarray(outcome, dtype=float), np.asarray(probability, dtype=float)
    if n_groups is None:
        n_groups = groups_for(len(outcome))
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, n_groups + 1)))
    group = np.searchsorted(edges[1:-1], probability, side="left")
    rows = []
    for number in np.unique(group):
        inside = group == number
        n, events = inside.sum() / repeats, outcome[inside].sum() / repeats
        low, high = wilson(events, n)
        rows.append(
            {
                "predicted": float(probability[inside].mean()),
                "observed": float(outcome[inside].mean()),
                "ci_low": float(low),
                "ci_high": float(high),
                "n": float(n),
            }
        )
    return pd.DataFrame(rows)


def calibration_curve(
    outcome: ArrayLike, probability: ArrayLike, n_points: int = 50
) -> pd.DataFrame:
    """Logistic recalibration curve over the range of the predictions, with a 95 % Wald band.

    Empty where predictions are constant or separate the classes. The curve has two parameters: it
    shows predictions that are too extreme or too high, not local wiggles, for which cohorts of this
    kind are too small.

    Returns
    -------
    pandas.DataFrame
        predicted, observed, ci_low, ci_high, n (observations behind the curve).
    """
    names = ["predicted", "observed", "ci_low", "ci_high", "n"]
    score = log_odds(probability)
    fit = fit_logistic(score[:, None], outcome)
    if fit.method == "firth" or fit.dropped:
        return pd.DataFrame(columns=names)
    predicted = np.linspace(np.min(probability), np.max(probability), n_points)
    terms = np.column_stack([np.ones(n_points), log_odds(predicted)])
    eta = terms @ np.array([fit.intercept, fit.coefficients[0]])
    error = np.sqrt(np.einsum("ij,jk,ik->i", terms, fit.covariance, terms))
    return pd.DataFrame(
        {
            "predicted": predicted,
            "observed": expit(eta),
            "ci_low": expit(eta - Z95 * error),
            "ci_high": expit(eta + Z95 * error),
            "n": len(score),
        }
    )
