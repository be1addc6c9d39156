"""Linear regression with a LASSO or elastic-net penalty along a path of penalties.

The objective is that of Friedman, Hastie and Tibshirani (J Stat Softw 2010;33(1)) for an outcome in
units of its standard deviation: ``|y - b0 - X b|^2 / (2 n) + lambda * (a * sum(|b|) + (1 - a) / 2 *
sum(b^2))``, with features and outcome standardised by their 1/n variance. Penalties are told in the
outcome's own unit, that is, times its standard deviation: with ``a`` = 1 the objective is then the
same in both units.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osteoflow.models.linear import varies
from osteoflow.models.penalty_path import (
    N_LAMBDAS,
    DeviancePath,
    PathEnd,
    finite_features,
    solve_path,
)

Array = NDArray[np.float64]


class SquaredLoss:
    """Half the mean squared distance of a centred outcome from the predictors."""

    null_intercept = None
    least = 0.0

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


class GaussianPath(DeviancePath):
    """Expected values for a decreasing sequence of penalties, in the outcome's own unit."""

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
        If not even the first penalty can be solved.
    """
    X, y = finite_features(features), np.asarray(outcome, dtype=float)
    if not np.isfinite(y).all():
        raise ValueError("the outcome has missing or infinite values")
    if not varies(y):
        raise ValueError("the outcome is constant")
    level, unit = float(y.mean()), float(y.std())
    path, centred = solve_path(
        *(X, SquaredLoss((y - level) / unit), lambdas),
        l1_ratio=l1_ratio,
        n_lambdas=n_lambdas,
        end=PathEnd(relative=True),
        unit=unit,
    )
    return GaussianPath(**{**vars(path), "intercepts": level - centred})
