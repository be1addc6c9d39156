"""Logistic regression with a LASSO or elastic-net penalty along a path of penalties.

The objective and its conventions are those of Friedman, Hastie and Tibshirani (J Stat Softw 2010;
33(1)): ``-loglik / n + lambda * (a * sum(|b|) + (1 - a) / 2 * sum(b^2))`` on features standardised
with the 1/n variance, with an unpenalised intercept; the share ``a`` of the L1 penalty is 1 in the
LASSO and less in the elastic net (Zou and Hastie, J R Stat Soc B 2005;67:301). Each penalty is
solved by proximal Newton steps, whose weighted least-squares problems go to scikit-learn's
coordinate descent; strong rules (Tibshirani et al., J R Stat Soc B 2012;74:245) leave most features
out of each problem, and the optimality conditions of all features are checked before a solution is
accepted.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path as least_squares_path

Array = NDArray[np.float64]

N_LAMBDAS = 100
MAX_DEVIANCE_RATIO = 0.999
MIN_DEVIANCE_GAIN = 1e-5
PROBABILITY_FLOOR = 1e-5
_KKT_TOLERANCE = 1e-7
# Least weight of an observation in a Newton step, and the steps it is used for. Where almost all
# probabilities are 0 or 1 it makes for small steps; then come as many with a least weight that
# leaves the curvature as it is.
_STEPS = ((PROBABILITY_FLOOR, 100), (1e-10, 200))


@dataclass(frozen=True)
class LassoPath:
    """Solutions for a decreasing sequence of penalties, on the scale of the features given.

    Attributes
    ----------
    lambdas
        Penalties, shape (L,).
    intercepts
        Shape (L,).
    coefficients
        Shape (L, p).
    deviance_ratio
        Share of the null deviance explained, shape (L,).
    """

    lambdas: Array
    intercepts: Array
    coefficients: Array
    deviance_ratio: Array

    def linear_predictor(self, features: Array) -> Array:
        """Linear predictors, shape (n, L)."""
        return self.intercepts + np.asarray(features, dtype=float) @ self.coefficients.T


def fit_path(
    features: Array,
    outcome: Array,
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
        If the optimality conditions cannot be met.
    """
    features = np.asarray(features, dtype=float)
    outcome = np.asarray(outcome, dtype=float)
    n, p = features.shape
    if not np.isfinite(features).all():
        raise ValueError("features have missing or infinite values")
    if set(np.unique(outcome)) != {0.0, 1.0}:
        raise ValueError("the outcome needs events and non-events, coded 1 and 0")
    mean, scale = features.mean(axis=0), features.std(axis=0)
    if not 0 < l1_ratio <= 1:
        raise ValueError("the share of the L1 penalty must be above 0 and at most 1")
    varying = scale > 1e-12 * np.maximum(1e-300, np.abs(features).max(axis=0, initial=0.0))
    problem = _Problem((features[:, varying] - mean[varying]) / scale[varying], outcome, l1_ratio)

    own_sequence = lambdas is None
    if lambdas is None:
        smallest = 1e-2 if n < p else 1e-4
        lambdas = max(problem.lambda_max, 1e-12) * np.geomspace(1.0, smallest, n_lambdas)
    lambdas = np.asarray(lambdas, dtype=float)
    if np.any(np.diff(lambdas) >= 0) or np.any(lambdas <= 0):
        raise ValueError("penalties must decrease and be above zero")

    intercepts, coefficients, ratios = [], [], []
    with config_context(skip_parameter_validation=True):
        for penalty in lambdas:
            problem.solve(float(penalty))
            intercepts.append(problem.intercept)
            coefficients.append(problem.coefficients.copy())
            ratios.append(problem.deviance_ratio)
            gain = ratios[-1] - ratios[-2] if len(ratios) > 1 else np.inf
            if own_sequence and (ratios[-1] > MAX_DEVIANCE_RATIO or gain < MIN_DEVIANCE_GAIN):
                break
    found = np.zeros((len(ratios), p))
    found[:, varying] = np.array(coefficients).reshape(len(ratios), -1) / scale[varying]
    return LassoPath(
        lambdas=lambdas[: len(ratios)],
        intercepts=np.array(intercepts) - found @ mean,
        coefficients=found,
        deviance_ratio=np.array(ratios),
    )


def binomial_deviance(outcome: Array, linear_predictor: Array) -> Array:
    """Deviance ``-2 loglik`` of each observation; probabilities are kept 1e-5 away from 0 and 1.

    The floor is the one customary for cross-validated deviance: a single sure but wrong
    prediction must not decide the penalty alone.
    """
    probability = np.clip(expit(linear_predictor), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    event = np.asarray(outcome, dtype=float)
    if probability.ndim == 2:
        event = event[:, None]
    return -2 * (event * np.log(probability) + (1 - event) * np.log1p(-probability))


@dataclass(frozen=True)
class CrossValidatedDeviance:
    """Cross-validated deviance of each penalty, and the two customary choices.

    ``mean`` weighs folds by their size; ``standard_error`` is that of the folds' means.
    ``index_min`` is the penalty of least deviance, ``index_1se`` the largest penalty whose
    deviance is within one standard error of it.
    """

    mean: Array
    standard_error: Array
    index_min: int
    index_1se: int


def choose_penalty(fold_deviance: Array, fold_size: Array) -> CrossValidatedDeviance:
    """Choose the penalty from the mean deviance of each fold (shape (folds, L))."""
    weight = np.asarray(fold_size, dtype=float) / np.sum(fold_size)
    mean = weight @ fold_deviance
    spread = weight @ (fold_deviance - mean) ** 2
    error = np.sqrt(spread / (len(fold_deviance) - 1))
    least = int(np.argmin(mean))
    within = int(np.argmax(mean <= mean[least] + error[least]))
    return CrossValidatedDeviance(mean, error, least, within)


class _Problem:
    """One data set, standardised, with the solution of the last penalty as the next start."""

    def __init__(self, features: Array, outcome: Array, l1_ratio: float) -> None:
        self.features = np.asfortranarray(features)
        self.outcome = outcome
        self.l1_ratio = l1_ratio
        self.n = len(outcome)
        self.null_intercept = float(logit(outcome.mean()))
        self.intercept = self.null_intercept
        self.coefficients = np.zeros(features.shape[1])
        self.gradient = np.abs(features.T @ (outcome - outcome.mean())) / self.n
        self.lambda_max = float(self.gradient.max(initial=0.0)) / l1_ratio
        self.null_deviance = self._loss(np.full(self.n, self.intercept))
        self.previous = self.lambda_max
        self.deviance_ratio = 0.0

    def _loss(self, eta: Array) -> float:
        return float((np.logaddexp(0.0, eta) - self.outcome * eta).sum()) / self.n

    def solve(self, penalty: float) -> None:
        """Move to the solution for this penalty."""
        if penalty >= self.lambda_max:  # exactly the empty model; no iteration could end better
            self.intercept = self.null_intercept
            self.coefficients[:] = 0.0
            return
        kept = self.gradient >= self.l1_ratio * (2 * penalty - self.previous)
        kept |= self.coefficients != 0
        while True:
            self._newton(np.flatnonzero(kept), penalty)
            eta = self.intercept + self.features @ self.coefficients
            self.gradient = np.abs(self.features.T @ (self.outcome - expit(eta))) / self.n
            violating = (self.gradient > self.l1_ratio * penalty + _KKT_TOLERANCE) & ~kept
            if not violating.any():
                break
            kept |= violating
        self.previous = penalty
        self.deviance_ratio = 1.0 - self._loss(eta) / self.null_deviance

    def _newton(self, kept: NDArray[np.intp], penalty: float) -> None:
        """Proximal Newton iterations over the kept features, with step halving."""
        absolute, squared = self.l1_ratio * penalty, (1 - self.l1_ratio) * penalty
        X = np.asfortranarray(self.features[:, kept])
        b, intercept = self.coefficients[kept], self.intercept
        eta = intercept + X @ b
        objective = self._loss(eta) + _size(b, absolute, squared)
        for floor in (floor for floor, steps in _STEPS for _ in range(steps)):
            probability = expit(eta)
            residual = self.outcome - probability
            score = X.T @ residual / self.n - squared * b
            if self._optimal(score, b, float(residual.sum()) / self.n, absolute):
                break
            weight = np.maximum(probability * (1 - probability), floor)
            new_b, new_intercept = _weighted_net(
                X, eta + residual / weight, weight, (absolute, squared), b
            )
            step, direction = 1.0, new_b - b
            shift = new_intercept - intercept
            movement = X @ direction + shift
            while True:
                trial = b + step * direction
                new_objective = self._loss(eta + step * movement) + _size(trial, absolute, squared)
                if new_objective <= objective + 1e-14 or step < 1e-10:
                    break
                step /= 2
            b, intercept, objective = trial, intercept + step * shift, new_objective
            eta = intercept + X @ b
        else:
            raise ArithmeticError(
                f"the penalised model did not converge at lambda {penalty:.3g} "
                f"({self.n} observations, {len(kept)} features)"
            )
        self.coefficients[:] = 0.0
        self.coefficients[kept] = b
        self.intercept = float(intercept)

    @staticmethod
    def _optimal(score: Array, b: Array, intercept_score: float, penalty: float) -> bool:
        """Karush-Kuhn-Tucker conditions of the kept features and the intercept."""
        active = b != 0
        gap = np.where(active, np.abs(score - penalty * np.sign(b)), np.abs(score) - penalty)
        return bool(
            gap.max(initial=0.0) <= _KKT_TOLERANCE and abs(intercept_score) <= _KKT_TOLERANCE
        )


def _size(b: Array, absolute: float, squared: float) -> float:
    """The penalty of coefficients."""
    size = absolute * float(np.abs(b).sum())
    return size + 0.5 * squared * float(b @ b) if squared else size


def _weighted_net(
    X: Array, response: Array, weight: Array, penalties: tuple[float, float], start: Array
) -> tuple[Array, float]:
    """Weighted least squares with an L1 and an L2 penalty and a free intercept."""
    total = weight.sum()
    centre, level = weight @ X / total, weight @ response / total
    root = np.sqrt(weight)
    Xw = np.asfortranarray(root[:, None] * (X - centre))
    zw = root * (response - level)
    absolute, squared = penalties
    both = absolute + squared
    b = _same_signs(Xw, zw, absolute * len(response), squared * len(response), start)
    if b is None:
        with warnings.catch_warnings():
            # An unfinished inner solution costs another Newton step; optimality is tested there.
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, path, _ = least_squares_path(
                Xw,
                zw,
                alphas=[both],
                l1_ratio=absolute / both,
                precompute=Xw.T @ Xw,
                Xy=Xw.T @ zw,
                coef_init=start.copy(),
                check_input=False,
                tol=1e-10,
                max_iter=10_000,
            )
        b = path[:, 0]
    return b, float(level - centre @ b)


def _same_signs(
    X: Array, response: Array, absolute: float, squared: float, start: Array
) -> Array | None:
    """Exact solution of the weighted problem if it has the signs of ``start``, else None.

    Along a path that is the usual case, and it takes one small linear system.
    """
    active = np.flatnonzero(start)
    b = np.zeros_like(start)
    if len(active):
        signs = np.sign(start[active])
        entered = X[:, active]
        try:
            gram = entered.T @ entered
            if squared:
                gram[np.diag_indices_from(gram)] += squared
            solved = np.linalg.solve(gram, entered.T @ response - absolute * signs)
        except np.linalg.LinAlgError:
            return None
        if (solved * signs <= 0).any():
            return None
        b[active] = solved
        response = response - entered @ solved
    score = np.abs(X.T @ response)
    score[active] = 0.0
    return b if score.max(initial=0.0) <= absolute else None
