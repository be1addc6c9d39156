"""Linear regression with a LASSO or elastic-net penalty along a path of penalties.

The objective is that of Friedman, Hastie and Tibshirani (J Stat Softw 2010;33(1)) for an outcome in
units of its standard deviation: ``|y - b0 - X b|^2 / (2 n) + lambda * (a * sum(|b|) + (1 - a) / 2 *
sum(b^2))``, with features and outcome standardised by their 1/n variance. Penalties are told in the
outcome's own unit, that is, times its standard deviation: with ``a`` = 1 the objective is then the
same in both units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context

from osteoflow.models.linear import varies
from osteoflow.models.sparse import SparseProblem

Array = NDArray[np.float64]

N_LAMBDAS = 100
_MAX_RATIO, _MIN_GAIN = 0.999, 1e-5


class SquaredLoss:
    """Half the mean squared distance of a centred outcome from the predictors."""

    has_intercept = False

    def __init__(self, outcome: Array) -> None:
        self.outcome = outcome
        self.n = len(outcome)

    def value(self, eta: Array) -> float:
        """The loss."""
        return 0.5 * float(((self.outcome - eta) ** 2).sum()) / self.n

    def residual(self, eta: Array) -> Array:
        """Minus its gradient times n."""
        return self.outcome - eta

    def second(self, columns: Array, eta: Array) -> Array:
        """Its second derivative along columns, times n."""
        return columns.T @ columns


@dataclass(frozen=True)
class GaussianPath:
    """Solutions for a decreasing sequence of penalties, on the scale of features and outcome given.

    Attributes
    ----------
    lambdas, intercepts
        Shape (L,).
    coefficients
        Shape (L, p).
    deviance_ratio
        Share of the outcome's variance explained, shape (L,).
    """

    lambdas: Array
    intercepts: Array
    coefficients: Array
    deviance_ratio: Array

    def linear_predictor(self, features: ArrayLike) -> Array:
        """Expected values, shape (n, L)."""
        return self.intercepts + np.asarray(features, dtype=float) @ self.coefficients.T

    def deviance(self, features: ArrayLike, outcome: ArrayLike) -> Array:
        """Squared error of each row at each penalty, shape (n, L)."""
        return (np.asarray(outcome, dtype=float)[:, None] - self.linear_predictor(features)) ** 2


def fit_gaussian_path(
    features: ArrayLike,
    outcome: ArrayLike,
    lambdas: Array | None = None,
    *,
    l1_ratio: float = 1.0,
    n_lambdas: int = N_LAMBDAS,
) -> GaussianPath:
    """Solve the LASSO, or the elastic net, for a sequence of penalties.

    Parameters
    ----------
    features
        Shape (n, p), without missing values; constant columns get 0. p may be 0.
    outcome
        Shape (n,), not constant.
    lambdas
        Decreasing penalties; absent: ``n_lambdas`` log-spaced values from the smallest penalty that
        gives the empty model down to 1e-2 of it (n < p) or 1e-4, ended early where the explained
        share passes 0.999 or gains less than 1e-5 of itself.
    l1_ratio
        Share of the L1 penalty, above 0 and at most 1.

    Raises
    ------
    ValueError
        On missing values, a constant outcome, penalties that do not decrease, or a share outside
        its range.
    ArithmeticError
        If the optimality conditions cannot be met.
    """
    X, y = np.asarray(features, dtype=float), np.asarray(outcome, dtype=float)
    n, p = X.shape
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError("features or outcome have missing or infinite values")
    if not varies(y):
        raise ValueError("the outcome is constant")
    if not 0 < l1_ratio <= 1:
        raise ValueError("the share of the L1 penalty must be above 0 and at most 1")
    mean, scale = X.mean(axis=0), X.std(axis=0)
    varying = scale > 1e-12 * np.maximum(1e-300, np.abs(X).max(axis=0, initial=0.0))
    level, unit = float(y.mean()), float(y.std())
    loss = SquaredLoss((y - level) / unit)
    problem = SparseProblem((X[:, varying] - mean[varying]) / scale[varying], loss, 0.0, l1_ratio)
    own_sequence = lambdas is None
    if lambdas is None:
        smallest = 1e-2 if n < p else 1e-4
        lambdas = unit * max(problem.lambda_max, 1e-12) * np.geomspace(1.0, smallest, n_lambdas)
    lambdas = np.asarray(lambdas, dtype=float)
    if np.any(np.diff(lambdas) >= 0) or np.any(lambdas <= 0):
        raise ValueError("penalties must decrease and be above zero")
    coefficients, ratios = [], []
    with config_context(skip_parameter_validation=True):
        for penalty in lambdas:
            eta = problem.solve(float(penalty) / unit)
            coefficients.append(problem.coefficients.copy())
            ratios.append(1 - loss.value(eta) / problem.null_value)
            gain = ratios[-1] - ratios[-2] if len(ratios) > 1 else np.inf
            if own_sequence and (ratios[-1] > _MAX_RATIO or gain < _MIN_GAIN * ratios[-1]):
                break
    found = np.zeros((len(ratios), p))
    found[:, varying] = unit * np.array(coefficients).reshape(len(ratios), -1) / scale[varying]
    return GaussianPath(lambdas[: len(ratios)], level - found @ mean, found, np.array(ratios))
