"""Proportional-odds regression with a LASSO or elastic-net penalty along a path of penalties.

The objective is ``-loglik / n + lambda * (a * sum(|b|) + (1 - a) / 2 * sum(b^2))`` on features
standardised with the 1/n variance; the thresholds between the classes carry no penalty. A signature
of one score whose thresholds part the classes is what a graded diagnosis needs: it uses the order
(a penalised multinomial model would spend one signature on every class), stays one number that may
enter a combined model, and with two classes it is the L1-penalised logistic regression of binary
outcomes (Wurm, Rathouz and Hanlon, J Stat Softw 2021;99(6), treat the family of such models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context

from osteoflow.models.ordinal import OrdinalLoss, class_probabilities
from osteoflow.models.sparse import SparseProblem

Array = NDArray[np.float64]

# Fewer than the customary 100: each needs the thresholds solved again.
N_LAMBDAS = 50
PROBABILITY_FLOOR = 1e-5
_MAX_RATIO, _MIN_GAIN = 0.999, 1e-5


@dataclass(frozen=True)
class OrdinalPath:
    """Solutions for a decreasing sequence of penalties, on the scale of the features given.

    Attributes
    ----------
    lambdas
        Shape (L,).
    thresholds
        Shape (L, classes - 1).
    coefficients
        Shape (L, p); positive towards later classes.
    deviance_ratio
        Share of the null deviance explained, shape (L,).
    """

    lambdas: Array
    thresholds: Array
    coefficients: Array
    deviance_ratio: Array

    def linear_predictor(self, features: ArrayLike) -> Array:
        """Scores without a constant, shape (n, L)."""
        return np.asarray(features, dtype=float) @ self.coefficients.T

    def deviance(self, features: ArrayLike, outcome: ArrayLike) -> Array:
        """``-2 log`` of the probability of each row's class, at least 1e-5, shape (n, L)."""
        place = np.asarray(outcome, dtype=float).astype(np.intp)
        rows = np.arange(len(place))
        own = [
            class_probabilities(thresholds, score)[rows, place]
            for thresholds, score in zip(
                self.thresholds, self.linear_predictor(features).T, strict=True
            )
        ]
        return -2 * np.log(np.clip(np.array(own).T, PROBABILITY_FLOOR, 1.0))


def fit_ordinal_path(
    features: ArrayLike,
    outcome: ArrayLike,
    n_classes: int,
    lambdas: Array | None = None,
    *,
    l1_ratio: float = 1.0,
    n_lambdas: int = N_LAMBDAS,
) -> OrdinalPath:
    """Solve the penalised proportional-odds model for a sequence of penalties.

    Parameters
    ----------
    features
        Shape (n, p), without missing values; constant columns get 0. p may be 0.
    outcome
        Class of each row, 0 to ``n_classes`` - 1, shape (n,); every class must occur.
    lambdas
        Decreasing penalties; absent: ``n_lambdas`` log-spaced values from the smallest penalty that
        gives the empty model down to 1e-2 of it (n < p) or 1e-4, ended early where the deviance
        ratio passes 0.999 or gains less than 1e-5.
    l1_ratio
        Share of the L1 penalty, above 0 and at most 1.

    Raises
    ------
    ValueError
        On missing values, a class that nobody has, penalties that do not decrease, or a share
        outside its range.
    ArithmeticError
        If the optimality conditions cannot be met.
    """
    X, y = np.asarray(features, dtype=float), np.asarray(outcome, dtype=float)
    n, p = X.shape
    if not np.isfinite(X).all():
        raise ValueError("features have missing or infinite values")
    if set(np.unique(y)) != set(map(float, range(n_classes))):
        raise ValueError(f"every class from 0 to {n_classes - 1} must occur")
    if not 0 < l1_ratio <= 1:
        raise ValueError("the share of the L1 penalty must be above 0 and at most 1")
    mean, scale = X.mean(axis=0), X.std(axis=0)
    varying = scale > 1e-12 * np.maximum(1e-300, np.abs(X).max(axis=0, initial=0.0))
    loss = OrdinalLoss(y, n_classes)
    problem = SparseProblem((X[:, varying] - mean[varying]) / scale[varying], loss, 0.0, l1_ratio)
    own_sequence = lambdas is None
    if lambdas is None:
        smallest = 1e-2 if n < p else 1e-4
        lambdas = max(problem.lambda_max, 1e-12) * np.geomspace(1.0, smallest, n_lambdas)
    lambdas = np.asarray(lambdas, dtype=float)
    if np.any(np.diff(lambdas) >= 0) or np.any(lambdas <= 0):
        raise ValueError("penalties must decrease and be above zero")
    thresholds, coefficients, ratios = [], [], []
    with config_context(skip_parameter_validation=True):
        for penalty in lambdas:
            eta = problem.solve(float(penalty))
            thresholds.append(loss.thresholds(eta).copy())
            coefficients.append(problem.coefficients.copy())
            ratios.append(1 - loss.value(eta) / problem.null_value)
            gain = ratios[-1] - ratios[-2] if len(ratios) > 1 else np.inf
            if own_sequence and (ratios[-1] > _MAX_RATIO or gain < _MIN_GAIN):
                break
    found = np.zeros((len(ratios), p))
    found[:, varying] = np.array(coefficients).reshape(len(ratios), -1) / scale[varying]
    # P(Y <= k) = F(theta_k - (x - mean) b): thresholds for the features as they are.
    return OrdinalPath(
        lambdas[: len(ratios)],
        np.array(thresholds) + (found @ mean)[:, None],
        found,
        np.array(ratios),
    )
