"""L1-penalised Cox regression along a path of penalties.

Minus the log partial likelihood, divided by the number of rows, with ties as Breslow treats them:
the conventions of Simon, Friedman, Hastie and Tibshirani (J Stat Softw 2011;39(5)), whose
cross-validated partial likelihood (all rows minus the training rows, by the fold's coefficients)
also chooses the penalty (Verweij and Van Houwelingen, Stat Med 1993;12:2305).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osteoflow.models.cox import checked
from osteoflow.models.penalty_path import N_LAMBDAS, Path, PathEnd, solve_path

Array = NDArray[np.float64]

# As in the paper's program.
_END = PathEnd(few_rows=5e-2, max_ratio=0.99, relative=True)


class CoxLoss:
    """Minus the log partial likelihood (Breslow) over n, of linear predictors.

    Parameters
    ----------
    time, event
        Shape (n,), see :func:`osteoflow.models.cox.fit_cox`.
    """

    null_intercept = None

    def __init__(self, time: Array, event: Array) -> None:
        self.n = len(time)
        self.event = event
        self._order = np.argsort(time, kind="stable")
        ordered = time[self._order]
        self._times, self._deaths = np.unique(time[event == 1], return_counts=True)
        # Log likelihood of a model with a parameter for each event time: 0 but for ties.
        self.saturated = -float(self._deaths @ np.log(self._deaths))
        self.least = -self.saturated / self.n
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


def fit_cox_path(
    features: ArrayLike,
    time: ArrayLike,
    event: ArrayLike,
    lambdas: Array | None = None,
    *,
    l1_ratio: float = 1.0,
    n_lambdas: int = N_LAMBDAS,
) -> Path:
    """Solve the penalised Cox model for a sequence of penalties.

    Parameters
    ----------
    features, time, event
        As :func:`osteoflow.models.cox.fit_cox` takes them; constant columns get 0.
    lambdas
        Decreasing penalties; absent: ``n_lambdas`` log-spaced values from the smallest that gives
        the empty model down to 5e-2 of it (n < p) or 1e-4, ended early where little is gained.
    l1_ratio
        Share of the L1 penalty, above 0 and at most 1.

    Returns
    -------
    Path
        Its intercepts are 0, and its deviance that against the saturated model.

    Raises
    ------
    ValueError
        On input that cannot be fitted, penalties that do not decrease, or a share outside its
        range.
    ArithmeticError
        If not even the first penalty can be solved.
    """
    X, t, d = checked(features, time, event)
    path, _ = solve_path(
        *(X, CoxLoss(t, d), lambdas), l1_ratio=l1_ratio, n_lambdas=n_lambdas, end=_END
    )
    return path


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
