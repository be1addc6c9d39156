"""Calibration in repeated cross-validation: of each repeat's own predictions, then averaged.

A participant's predictions averaged over repeats are those of an ensemble that nobody validated:
they are less extreme than the predictions of any model, and have another calibration. So each
repeat is recalibrated by itself. Its line is straight on the scale of log odds, and lines are
averaged there: the slope of the mean line is the mean of the slopes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from osteoflow.models.calibration import (
    calibration_points,
    groups_for,
    log_odds,
    weighted_recalibration,
)
from osteoflow.statistics.intervals import percentile_interval

Array = NDArray[np.float64]

CURVE_POINTS = 50


def mean_of_defined(each: Array) -> tuple[Array, NDArray[np.intp]]:
    """Mean over the repeats in which a number is defined, and how many these are.

    Parameters
    ----------
    each
        Shape (repeats, B, ...); NaN where not defined.

    Returns
    -------
    tuple
        Means, of shape (B, ...), NaN where no repeat has any, and counts of the same shape.
    """
    defined = np.isfinite(each)
    n = defined.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(defined, each, 0.0).sum(axis=0) / n, n


def recalibration_lines(outcome: Array, probability: Array, weights: Array) -> Array:
    """Intercept and slope of the outcome's log odds on the predicted ones in each repeat.

    Parameters
    ----------
    outcome
        Shape (n,).
    probability
        Shape (repeats, n).
    weights
        Shape (B, n).

    Returns
    -------
    numpy.ndarray
        Shape (repeats, B, 2); NaN where predictions are constant or separate the classes.
    """
    return np.stack([weighted_recalibration(outcome, p, weights) for p in probability])


def repeated_curve(lines: Array, probability: Array) -> pd.DataFrame:
    """Recalibration curve averaged over repeats, over the range of all predictions.

    Parameters
    ----------
    lines
        Of :func:`recalibration_lines`; the first row of weights is that of the data, the others
        are resamples of participants, which give a percentile band.
    probability
        Shape (repeats, n).

    Returns
    -------
    pandas.DataFrame
        predicted, observed, ci_low, ci_high (NaN where too few resamples are defined, as for the
        slope's interval), n (observations behind the curve). Empty where no repeat has a line.
    """
    mean, _ = mean_of_defined(lines)
    names = ["predicted", "observed", "ci_low", "ci_high", "n"]
    if not np.isfinite(mean[0]).all():
        return pd.DataFrame(columns=names)
    predicted = np.linspace(probability.min(), probability.max(), CURVE_POINTS)
    observed = expit(mean[:, :1] + mean[:, 1:] * log_odds(predicted))
    limits = [percentile_interval(column)[:2] for column in observed[1:].T]
    low, high = np.array(limits).T
    columns = (predicted, observed[0], low, high, probability.shape[1])
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def repeated_points(outcome: Array, probability: Array) -> pd.DataFrame:
    """Predicted against observed share in groups of neighbouring predictions of all repeats.

    The predictions of all repeats are grouped together, so that a group means one range of
    probabilities whichever repeat gave them. Each observation counts once: a group's size is the
    number of its predictions by that of the repeats, and so Wilson's interval does not shrink with
    the repeats.

    Parameters
    ----------
    outcome
        Shape (n,).
    probability
        Shape (repeats, n).

    Returns
    -------
    pandas.DataFrame
        As of :func:`osteoflow.models.calibration.calibration_points`; ``n`` need not be whole.
    """
    repeats, n = probability.shape
    return calibration_points(
        np.tile(outcome, repeats), probability.ravel(), groups_for(n), repeats=repeats
    )
