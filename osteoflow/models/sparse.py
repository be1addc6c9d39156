"""Sparse linear models along a path of penalties, for any smooth convex loss.

The objective is that of Friedman, Hastie and Tibshirani (J Stat Softw 2010;33(1)):
``loss + lambda * (a * sum(|b|) + (1 - a) / 2 * sum(b^2))`` on features standardised with the 1/n
variance, where ``a`` is the share of the L1 penalty. Each penalty is solved by proximal Newton
steps (Lee, Sun and Saunders, SIAM J Optim 2014;24:1420): a penalised quadratic problem with the
loss's second derivative among the features in question, solved at once where the signs stay, which
along a path is the usual case, else by scikit-learn's coordinate descent. Strong rules (Tibshirani
et al., J R Stat Soc B 2012;74:245) leave most features out of each problem, and the optimality
conditions of all features are checked before a solution is accepted.
"""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path

Array = NDArray[np.float64]

_KKT_TOLERANCE = 1e-8
_MAX_NEWTON_STEPS = 200


class Loss(Protocol):
    """A smooth convex loss of linear predictors, divided by the number of observations."""

    n: int
    # Intercept of the empty model; None: the loss has no use for one.
    null_intercept: float | None
    # What no model can undercut.
    least: float

    def value(self, eta: Array) -> float:
        """The loss."""

    def residual(self, eta: Array) -> Array:
        """Minus its gradient times n, shape (n,)."""

    def second(self, columns: Array, eta: Array) -> Array:
        """Its second derivative along columns (shape (n, k)), times n, shape (k, k)."""


class SparseProblem:
    """Standardised features and a loss; each solution is the start of the next penalty's.

    Parameters
    ----------
    features
        Shape (n, p), mean 0 and standard deviation 1 (1/n) in each column.
    loss
        Of the linear predictor.
    l1_ratio
        Share of the L1 penalty.
    """

    def __init__(self, features: Array, loss: Loss, l1_ratio: float = 1.0) -> None:
        self.features = np.asfortranarray(features)
        self.loss = loss
        self.l1_ratio = l1_ratio
        self.null_intercept = self.intercept = loss.null_intercept or 0.0
        self.coefficients = np.zeros(features.shape[1])
        empty = np.full(loss.n, self.null_intercept)
        self.gradient = np.abs(self.features.T @ loss.residual(empty)) / loss.n
        self.lambda_max = float(self.gradient.max(initial=0.0)) / l1_ratio
        self.null_value = loss.value(empty)
        self.previous = self.lambda_max

    def solve(self, penalty: float) -> Array:
        """Move to the solution for this penalty; its linear predictors, shape (n,).

        Raises
        ------
        ArithmeticError
            If the optimality conditions cannot be met.
        """
        if penalty >= self.lambda_max:  # exactly the empty model; no iteration could end better
            self.intercept = self.null_intercept
            self.coefficients[:] = 0.0
            return np.full(self.loss.n, self.intercept)
        l1 = penalty * self.l1_ratio
        kept = self.gradient >= self.l1_ratio * (2 * penalty - self.previous)
        kept |= self.coefficients != 0
        while True:
            self._newton(np.flatnonzero(kept), penalty)
            eta = self.intercept + self.features @ self.coefficients
            self.gradient = np.abs(self.features.T @ self.loss.residual(eta)) / self.loss.n
            violating = (self.gradient > l1 + _KKT_TOLERANCE) & ~kept
            if not violating.any():
                break
            kept |= violating
        self.previous = penalty
        return eta

    def deviance_ratio(self, eta: Array) -> float:
        """Share of the null deviance that linear predictors explain."""
        explained = self.null_value - self.loss.value(eta)
        return explained / (self.null_value - self.loss.least)

    def _penalty(self, b: Array, penalty: float) -> float:
        smooth = 0.5 * (1 - self.l1_ratio) * float(b @ b)
        return penalty * (self.l1_ratio * float(np.abs(b).sum()) + smooth)

    def _newton(self, kept: NDArray[np.intp], penalty: float) -> None:
        """Proximal Newton iterations over the kept features, with step halving."""
        loss, X = self.loss, np.asfortranarray(self.features[:, kept])
        b, intercept = self.coefficients[kept], self.intercept
        eta = intercept + X @ b
        objective = loss.value(eta) + self._penalty(b, penalty)
        for _ in range(_MAX_NEWTON_STEPS):
            residual = loss.residual(eta)
            if self._optimal(X.T @ residual / loss.n, b, float(residual.mean()), penalty):
                break
            new_b, shift = self._quadratic(X, eta, residual, b, penalty)
            step, direction = 1.0, new_b - b
            movement = X @ direction + shift
            while True:
                trial = b + step * direction
                value = loss.value(eta + step * movement) + self._penalty(trial, penalty)
                if value <= objective + 1e-14 or step < 1e-10:
                    break
                step /= 2
            b, intercept, objective = trial, intercept + step * shift, value
            eta = intercept + X @ b
        else:
            raise ArithmeticError(
                f"the penalised model did not converge at lambda {penalty:.3g} "
                f"({loss.n} observations, {len(kept)} features)"
            )
        self.coefficients[:] = 0.0
        self.coefficients[kept] = b
        self.intercept = float(intercept)

    def _optimal(self, score: Array, b: Array, intercept_score: float, penalty: float) -> bool:
        """Karush-Kuhn-Tucker conditions of the kept features and the intercept."""
        l1 = penalty * self.l1_ratio
        score = score - penalty * (1 - self.l1_ratio) * b
        gap = np.where(b != 0, np.abs(score - l1 * np.sign(b)), np.abs(score) - l1)
        fits = self.loss.null_intercept is None or abs(intercept_score) <= _KKT_TOLERANCE
        return bool(gap.max(initial=0.0) <= _KKT_TOLERANCE and fits)

    def _quadratic(
        self, X: Array, eta: Array, residual: Array, b: Array, penalty: float
    ) -> tuple[Array, float]:
        """Solution of the penalised quadratic problem around ``b``, and the intercept's change."""
        n, score = self.loss.n, X.T @ residual / self.loss.n
        if self.loss.null_intercept is None:
            return self._solve(self.loss.second(X, eta) / n, score, b, penalty), 0.0
        whole = self.loss.second(np.column_stack([np.ones(n), X]), eta) / n
        # The intercept carries no penalty: at its best it is a linear function of the rest.
        first, cross = whole[0, 0], whole[0, 1:]
        level = float(residual.mean()) / first
        second = whole[1:, 1:] - np.outer(cross, cross) / first
        new_b = self._solve(second, score - level * cross, b, penalty)
        return new_b, level - float(cross @ (new_b - b)) / first

    def _solve(self, second: Array, score: Array, b: Array, penalty: float) -> Array:
        """Least ``(x - b)' H (x - b) / 2 - score' (x - b)`` with the penalty."""
        l1, l2 = penalty * self.l1_ratio, penalty * (1 - self.l1_ratio)
        target = second @ b + score
        active = np.flatnonzero(b)
        signs = np.sign(b[active])
        found = np.zeros_like(b)
        if len(active):
            inner = second[np.ix_(active, active)] + l2 * np.eye(len(active))
            try:
                found[active] = np.linalg.solve(inner, target[active] - l1 * signs)
            except np.linalg.LinAlgError:
                found[active] = 0.0
        rest = np.abs(target - second @ found)
        rest[active] = 0.0
        if (found[active] * signs > 0).all() and rest.max(initial=0.0) <= l1:
            return found
        # A least-squares problem with this matrix, but for a ridge that only keeps its root real.
        # The solver goes by the matrix itself, and takes its tolerance and the gap to it from the
        # response; screening by that gap would trust it to the last digit.
        ridge = 1e-10 * max(float(second.trace()), 1e-300)
        root = np.linalg.cholesky(second + ridge * np.eye(len(second)))
        X, y = np.asfortranarray(root.T), np.linalg.solve(root, target)
        with warnings.catch_warnings():
            # An unfinished inner solution costs another Newton step; optimality is tested there.
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, path, _ = enet_path(
                *(X, y),
                l1_ratio=self.l1_ratio,
                alphas=[penalty / len(y)],
                precompute=np.ascontiguousarray(second),
                Xy=target,
                coef_init=b.copy(),
                check_input=False,
                do_screening=False,
                tol=1e-10,
                max_iter=10_000,
            )
        return path[:, 0]
