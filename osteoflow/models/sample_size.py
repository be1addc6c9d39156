"""How many participants a prediction model needs, and how many it has.

Riley et al.: continuous outcomes Stat Med 2019;38:1262, binary and time-to-event outcomes Stat Med
2019;38:1276, and BMJ 2020;368:m441. The formulae are for models of all candidate parameters without
penalty or selection; a pipeline that selects among many features is not covered by them, and what
they give for the number of its candidates is a lower bound of what selection needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_expit, logit, xlogy
from scipy.stats import norm

SHRINKAGE = 0.9
OPTIMISM = 0.05
MARGIN = 0.05
# What part of the greatest possible R2 a model is taken to reach if nothing better is known.
MODEST = 0.15
ENOUGH_EVENTS = 10
CRITERIA = {
    "shrinkage": f"coefficients shrunk by at most {100 * (1 - SHRINKAGE):.0f} %",
    "optimism": f"optimism of R2 at most {OPTIMISM:g}",
    "overall": "overall outcome estimated precisely",
}


@dataclass(frozen=True)
class SampleSize:
    """Participants needed by each criterion.

    Attributes
    ----------
    needed
        Criterion -> participants (see :data:`CRITERIA`).
    r_squared
        The (Cox-Snell) R2 that was anticipated.
    """

    needed: dict[str, int]
    r_squared: float

    @property
    def n(self) -> int:
        """Participants needed by all criteria."""
        return max(self.needed.values())

    @property
    def criterion(self) -> str:
        """The criterion that asks for most."""
        return max(self.needed, key=lambda name: self.needed[name])


def greatest_r_squared(prevalence: float) -> float:
    """Greatest Cox-Snell R2 of a binary outcome."""
    log_likelihood = xlogy(prevalence, prevalence) + xlogy(1 - prevalence, 1 - prevalence)
    return float(-np.expm1(2 * log_likelihood))


def r_squared_of_auc(auc: float, prevalence: float) -> float:
    """Cox-Snell R2 of a model with this AUC whose linear predictor is normal in both classes.

    The assumption of Riley, Van Calster and Collins (Stat Med 2021;40:859); with equal variances
    the true model is logistic, and its expected log likelihood is integrated, not simulated.
    """
    distance = np.sqrt(2) * norm.ppf(auc)
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    weights = weights / weights.sum()
    # Log odds of an observation x standard deviations from the non-events' mean.
    intercept = logit(prevalence) - distance**2 / 2
    with_event = weights @ log_expit(intercept + distance * (nodes + distance))
    without = weights @ log_expit(-(intercept + distance * nodes))
    null = xlogy(prevalence, prevalence) + xlogy(1 - prevalence, 1 - prevalence)
    gain = prevalence * with_event + (1 - prevalence) * without - null
    return float(-np.expm1(-2 * gain))


def binary_sample_size(
    parameters: int, prevalence: float, r_squared: float | None = None
) -> SampleSize:
    """Participants that a logistic model with so many candidate parameters needs.

    Parameters
    ----------
    parameters
        Candidate parameters, 1 or more.
    prevalence
        Share with the event, between 0 and 1.
    r_squared
        Anticipated Cox-Snell R2; absent: 15 % of the greatest possible.
    """
    greatest = greatest_r_squared(prevalence)
    found = MODEST * greatest if r_squared is None else r_squared
    overall = (norm.ppf(0.975) / MARGIN) ** 2 * prevalence * (1 - prevalence)
    return SampleSize(_by_likelihood(parameters, found, greatest, overall), found)


def survival_sample_size(
    parameters: int, events_per_time: float, mean_follow_up: float, r_squared: float | None = None
) -> SampleSize:
    """Participants that a Cox model with so many candidate parameters needs.

    Parameters
    ----------
    parameters
        Candidate parameters, 1 or more.
    events_per_time
        Events per participant and unit of time.
    mean_follow_up
        In the same unit.
    r_squared
        Anticipated Cox-Snell R2; absent: 15 % of the greatest possible. The criterion of a precise
        overall risk depends on a horizon and is left out.
    """
    # Log likelihood of a constant hazard, for each participant.
    null = events_per_time * mean_follow_up * (np.log(events_per_time) - 1)
    greatest = float(-np.expm1(2 * null))
    found = MODEST * greatest if r_squared is None else r_squared
    return SampleSize(_by_likelihood(parameters, found, greatest, None), found)


def continuous_sample_size(parameters: int, r_squared: float) -> SampleSize:
    """Participants that a linear model with so many candidate parameters needs.

    Parameters
    ----------
    parameters
        Candidate parameters, 1 or more.
    r_squared
        Anticipated adjusted R2, between 0 and 1.
    """

    def shrinkage(n: float) -> float:
        apparent = (r_squared * (n - parameters - 1) + parameters) / (n - 1)
        return 1 + (parameters - 2) / (n * np.log(1 - apparent))

    smallest = parameters + 2.0
    shrunk = smallest
    if shrinkage(smallest) < SHRINKAGE:
        shrunk = brentq(lambda n: shrinkage(n) - SHRINKAGE, smallest, 1e9)
    needed = {
        "shrinkage": _whole(shrunk),
        "optimism": _whole(1 + parameters * (1 - r_squared) / OPTIMISM),
        # The residual standard deviation within 10 %.
        "overall": 234 + parameters,
    }
    return SampleSize(needed, r_squared)


def _by_likelihood(
    parameters: int, r_squared: float, greatest: float, overall: float | None
) -> dict[str, int]:
    """The criteria that rest on the likelihood's R2."""

    def for_shrinkage(target: float) -> float:
        return parameters / ((target - 1) * np.log1p(-r_squared / target))

    needed = {
        "shrinkage": _whole(for_shrinkage(SHRINKAGE)),
        "optimism": _whole(for_shrinkage(r_squared / (r_squared + OPTIMISM * greatest))),
    }
    if overall is not None:
        needed["overall"] = _whole(overall)
    return needed


def _whole(n: float) -> int:
    return int(np.ceil(n - 1e-9))
