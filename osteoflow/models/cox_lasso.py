"""L1-penalised Cox regression along a path of penalties.

Minus the log partial likelihood, divided by the number of rows, with ties as Breslow treats them:
the conventions of Simon, Friedman, Hastie and Tibshirani (J Stat Softw 2011;39(5)), whose
cross-validated partial likelihood (all rows minus the training rows, by the fold's coefficients)
also chooses the penalty (Verweij and Van Houwelingen, Stat Med 1993;12:2305).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context

from osteoflow.models.cox import checked
from osteoflow.models.sparse import SparseProblem

Array = NDArray[np.float64]

N_LAMBDAS = 100
# The path ends where the deviance gains less, or is explained so far, as in the paper's program.
_MIN_GAIN = 1e-5
_MAX_RATIO = 0.99


class CoxLoss:
    """Minus the log partial likelihood (Breslow) over n, of linear predictors.

    Parameters
    ----------
    time, event
        Shape (n,), see :func:`osteoflow.models.cox.fit_cox`.
    """

    has_intercept = False

    def __init__(self, time: Array, event: Array) -> None:
        self.n = len(time)
        self.event = event
        self._order = np.argsort(time, kind="stable")
        ordered = time[self._order]
        self._times, self._deaths = np.unique(time[event == 1], return_counts=True)
        # Log likelihood of a model with a parameter for each event time: 0 but for ties.
        self.saturated = -float(self._deaths @ np.log(self._deaths))
        # First ordered row at risk at each event time, and event times up to each row's own time.
        self._first = np.searchsorted(ordered, self._times, side="left")
        self._until = np.searchsorted(self._times, time, side="right")

    def _at_risk(self, eta: Array) -> tuple[Array, float]:
        shift = float(eta.max())
        weight = np.exp(eta - shift)[self._order]
        return np.cumsum(weight[::-1])[::-1][self._first], shift

    def value(self, eta: Array) -> float:
        """The loss."""
        total, shift = self._at_risk(eta)
        return float(self._deaths @ (np.log(total) + shift) - self.event @ eta) / self.n

    def residual(self, eta: Array) -> Array:
        """Events beyond those expected, shape (n,)."""
        return self.event - self._expected(eta)[0]

    def _expected(self, eta: Array) -> tuple[Array, Array, Array]:
        """Expected events of each row, weights of rows, and their sum at each event time."""
        total, shift = self._at_risk(eta)
        hazard = np.concatenate([[0.0], np.cumsum(self._deaths / total)])[self._until]
        weight = np.exp(eta - shift)
        return weight * hazard, weight, total

    def second(self, columns: Array, eta: Array) -> Array:
        """Second derivative along columns, times n."""
        expected, weight, total = self._expected(eta)
        sums = np.cumsum((weight[:, None] * columns)[self._order][::-1], axis=0)[::-1]
        means = sums[self._first] / total[:, None]
        return (columns * expected[:, None]).T @ columns - (means * self._deaths[:, None]).T @ means


@dataclass(frozen=True)
class CoxPath:
    """Solutions for a decreasing sequence of penalties, on the scale of the features given.

    Attributes
    ----------
    lambdas
        Shape (L,).
    coefficients
        Shape (L, p).
    deviance_ratio
        Share of the null deviance (against the saturated model) explained, shape (L,).
    """

    lambdas: Array
    coefficients: Array
    deviance_ratio: Array

    def linear_predictor(self, features: ArrayLike) -> Array:
        """Shape (n, L)."""
        return np.asarray(features, dtype=float) @ self.coefficients.T


def fit_cox_path(
    features: ArrayLike,
    time: ArrayLike,
    event: ArrayLike,
    lambdas: Array | None = None,
    *,
    l1_ratio: float = 1.0,
    n_lambdas: int = N_LAMBDAS,
) -> CoxPath:
    """Solve the penalised Cox model for a sequence of penalties.

    Parameters
    ----------
    features, time, event
        As :func:`osteoflow.models.cox.fit_cox` takes them; constant columns get 0.
    lambdas
        Decreasing penalties; absent: ``n_lambdas`` log-spaced values from the smallest that gives
        the empty model down to 5e-2 of it (n < p) or 1e-4, ended early where little is gained.
    l1_ratio
        Share of the L1 penalty.

    Raises
    ------
    ValueError
        On input that cannot be fitted, or penalties that do not decrease.
    ArithmeticError
        If the optimality conditions cannot be met.
    """
    X, t, d = checked(features, time, event)
    n, p = X.shape
    mean, scale = X.mean(axis=0), X.std(axis=0)
    varying = scale > 1e-12 * np.maximum(1e-300, np.abs(X).max(axis=0, initial=0.0))
    loss = CoxLoss(t, d)
    problem = SparseProblem((X[:, varying] - mean[varying]) / scale[varying], loss, 0.0, l1_ratio)
    own_sequence = lambdas is None
    if lambdas is None:
        smallest = 5e-2 if n < p else 1e-4
        lambdas = max(problem.lambda_max, 1e-12) * np.geomspace(1.0, smallest, n_lambdas)
    lambdas = np.asarray(lambdas, dtype=float)
    if np.any(np.diff(lambdas) >= 0) or np.any(lambdas <= 0):
        raise ValueError("penalties must decrease and be above zero")
    null = problem.null_value + loss.saturated / n
    coefficients, ratios = [], []
    with config_context(skip_parameter_validation=True):
        for penalty in lambdas:
            eta = problem.solve(float(penalty))
            coefficients.append(problem.coefficients.copy())
            ratios.append((problem.null_value - loss.value(eta)) / null)
            gain = ratios[-1] - ratios[-2] if len(ratios) > 1 else np.inf
            if own_sequence and (ratios[-1] > _MAX_RATIO or gain < _MIN_GAIN * ratios[-1]):
                break
    found = np.zeros((len(ratios), p))
    found[:, varying] = np.array(coefficients).reshape(len(ratios), -1) / scale[varying]
    return CoxPath(lambdas[: len(ratios)], found, np.array(ratios))


def left_out_deviance(
    time: ArrayLike, event: ArrayLike, train: NDArray[np.intp], predictor: Array
) -> Array:
    """What rows that a fold left out add to the deviance, shape (L,).

    The deviance is twice the log partial likelihood that a model lacks of the saturated one.

    Parameters
    ----------
    time, event
        Of all rows, shape (n,).
    train
        Positions of the fold's training rows.
    predictor
        Linear predictors of all rows by the fold's coefficients, shape (n, L).
    """
    t, d = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    whole, part = CoxLoss(t, d), CoxLoss(t[train], d[train])
    return np.array(
        [
            2 * (whole.n * whole.value(eta) - part.n * part.value(eta[train]))
            for eta in np.ascontiguousarray(predictor.T)
        ]
    ) + 2 * (whole.saturated - part.saturated)
