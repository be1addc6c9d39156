"""Logistic regression with a LASSO or elastic-net penalty along a path of penalties.

The objective and its conventions are those of Friedman, Hastie and Tibshirani (J Stat Softw 2010;
33(1)): ``-loglik / n + lambda * (a * sum(|b|) + (1 - a) / 2 * sum(b^2))`` on features standardised
with the 1/n variance, with an unpenalised intercept; the share ``a`` of the L1 penalty is 1 in the
LASSO and less in the elastic net (Zou and Hastie, J R Stat Soc B 2005;67:301).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from osteoflow.models.penalty_path import N_LAMBDAS, DeviancePath, finite_features, solve_path

Array = NDArray[np.float64]

PROBABILITY_FLOOR = 1e-5
# Least weight of an observation: where all probabilities are 0 or 1 curvature remains.
_LEAST_WEIGHT = 1e-10


class LogisticLoss:
    """Minus the log likelihood of events and non-events over n.

    Parameters
    ----------
    outcome
        0/1, shape (n,), both present.
    """

    least = 0.0

    def __init__(self, outcome: Array) -> None:
        self.outcome = outcome
        self.n = len(outcome)
        self.null_intercept = float(logit(outcome.mean()))

    def value(self, eta: Array) -> float:
        """The loss."""
        return float((np.logaddexp(0.0, eta) - self.outcome * eta).sum()) / self.n

    def residual(self, eta: Array) -> Array:
        """Minus its gradient times n."""
        return self.outcome - expit(eta)

    def second(self, columns: Array, eta: Array) -> Array:
        """Its second derivative along columns, times n."""
        probability = expit(eta)
        root = np.sqrt(np.maximum(probability * (1 - probability), _LEAST_WEIGHT))
        weighted = root[:, None] * columns
        return weighted.T @ weighted


class LassoPath(DeviancePath):
    """Log odds of the event for a decreasing sequence of penalties."""

    def deviance(self, features: ArrayLike, outcome: ArrayLike) -> Array:
        """Of each row at each penalty, shape (n, L), see :func:`binomial_deviance`."""
        return binomial_deviance(outcome, self.linear_predictor(features))


def fit_path(
    features: ArrayLike,
    outcome: ArrayLike,
    lambdas: Array | None = None,
    *,
    n_lambdas: int = N_LAMBDAS,
    l1_ratio: float = 1.0,
) -> LassoPath:
    """Solve the LASSO, or the elastic net, for a sequence of penalties.

    Parameters
    ----------
    features
        Shape (n, p), without missing values. Constant columns get a zero coefficient.
    outcome
        0/1, shape (n,), both present.
    lambdas
        Decreasing penalties; absent: ``n_lambdas`` log-spaced values from the smallest penalty
        that gives the empty model down to 1e-2 of it (n < p) or 1e-4, ended early where the
        deviance ratio passes 0.999 or gains less than 1e-5.
    n_lambdas
        Length of that sequence.
    l1_ratio
        Share of the L1 penalty, above 0 and at most 1.

    Raises
    ------
    ValueError
        On missing values, an outcome with one class only, penalties that do not decrease, or a
        share outside its range.
    ArithmeticError
        If not even the first penalty can be solved.
    """
    X, y = finite_features(features), np.asarray(outcome, dtype=float)
    if set(np.unique(y)) != {0.0, 1.0}:
        raise ValueError("the outcome needs events and non-events, coded 1 and 0")
    path, _ = solve_path(X, LogisticLoss(y), lambdas, l1_ratio=l1_ratio, n_lambdas=n_lambdas)
    return LassoPath(**vars(path))


def binomial_deviance(outcome: ArrayLike, linear_predictor: Array) -> Array:
    """Deviance ``-2 loglik`` of each observation; probabilities are kept 1e-5 away from 0 and 1.

    The floor is the one customary for cross-validated deviance: a single sure but wrong
    prediction must not decide the penalty alone.
    """
    probability = np.clip(expit(linear_predictor), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    event = np.asarray(outcome, dtype=float)
    if probability.ndim == 2:
        event = event[:, None]
    return -2 * (event * np.log(probability) + (1 - event) * np.log1p(-probability))
