"""Decision curves: net benefit of acting on a model (Vickers and Elkin, 2006).

Med Decis Making 2006;26:565. Case-control data do not have the population's prevalence; it is
then given, and enters with the sensitivity and specificity (Pfeiffer and Gail, Biom J
2020;62:764).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from osteoflow.models.calibration import log_odds

Array = NDArray[np.float64]

THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)


def net_benefit(
    outcome: ArrayLike,
    probability: ArrayLike,
    thresholds: ArrayLike = THRESHOLDS,
    prevalence: float | None = None,
) -> Array:
    """Net benefit of treating those whose probability is at least the threshold.

    Parameters
    ----------
    outcome, probability
        Shape (n,).
    thresholds
        Threshold probabilities in (0, 1), shape (T,).
    prevalence
        Share of events in the target population; absent: that of the data.

    Returns
    -------
    numpy.ndarray
        Shape (T,), in units of true positives per person.

    Raises
    ------
    ValueError
        If a class is absent or a threshold is not within (0, 1).
    """
    event = np.asarray(outcome, dtype=float) == 1
    probability = np.asarray(probability, dtype=float)
    thresholds = np.asarray(thresholds, dtype=float)
    if not event.any() or event.all():
        raise ValueError("net benefit needs events and non-events")
    if np.any((thresholds <= 0) | (thresholds >= 1)):
        raise ValueError("thresholds must lie within (0, 1)")
    share = event.mean() if prevalence is None else prevalence
    treated = probability[None, :] >= thresholds[:, None]
    sensitivity = treated[:, event].mean(axis=1)
    false_positive = treated[:, ~event].mean(axis=1)
    odds = thresholds / (1 - thresholds)
    return sensitivity * share - false_positive * (1 - share) * odds


def at_prevalence(probability: ArrayLike, share: float, prevalence: float) -> Array:
    """Probabilities of a model fitted on case-control data, carried to a population.

    Cases and controls drawn apart change a logistic model's intercept by the ratio of the odds of
    the event, and nothing else (Prentice and Pyke, Biometrika 1979;66:403). Without this a
    threshold would be compared with probabilities of another population.

    Parameters
    ----------
    probability
        Shape (n,).
    share
        Of events among the rows the model was fitted on.
    prevalence
        In the target population.
    """
    return expit(log_odds(probability) + logit(prevalence) - logit(share))


def treat_all(prevalence: float, thresholds: ArrayLike = THRESHOLDS) -> Array:
    """Net benefit of treating everyone."""
    thresholds = np.asarray(thresholds, dtype=float)
    return prevalence - (1 - prevalence) * thresholds / (1 - thresholds)
