"""Solutions of a penalised model for a decreasing sequence of penalties, and the choice of one.

Where the sequence is not given it begins at the smallest penalty of the empty model and ends as the
path of Friedman, Hastie and Tibshirani does (J Stat Softw 2010;33(1)).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context

from osteoflow.models.sparse import Loss, SparseProblem

Array = NDArray[np.float64]

N_LAMBDAS = 100


@dataclass(frozen=True)
class PathEnd:
    """How far a sequence of penalties goes that is not given.

    Attributes
    ----------
    few_rows
        Its last penalty as a share of the first where there are fewer rows than features; 1e-4
        elsewhere.
    max_ratio
        Share of the deviance that ends it.
    min_gain
        Gain of that share that ends it.
    relative
        Whether that gain is measured by the share itself.
    """

    few_rows: float = 1e-2
    max_ratio: float = 0.999
    min_gain: float = 1e-5
    relative: bool = False

    def reached(self, ratios: list[float]) -> bool:
        """Whether the path ends with the last of these shares."""
        if ratios[-1] > self.max_ratio:
            return True
        if len(ratios) < 2:
            return False
        least = self.min_gain * ratios[-1] if self.relative else self.min_gain
        return ratios[-1] - ratios[-2] < least


@dataclass(frozen=True)
class Path:
    """Solutions for a decreasing sequence of penalties, on the scale of the features given.

    Attributes
    ----------
    lambdas
        Penalties, shape (L,).
    intercepts
        Predictors of features that are 0, shape (L,); 0 in models without a constant.
    coefficients
        Shape (L, p).
    deviance_ratio
        Share of the null deviance explained, shape (L,).
    stopped
        Whether smaller penalties of the sequence could not be solved: a sequence of its own ends
        there, and in a given one the last solution stands for them, as glmnet has it.
    """

    lambdas: Array
    intercepts: Array
    coefficients: Array
    deviance_ratio: Array
    stopped: bool = field(default=False, kw_only=True)

    def linear_predictor(self, features: ArrayLike) -> Array:
        """Linear predictors, shape (n, L)."""
        return self.intercepts + np.asarray(features, dtype=float) @ self.coefficients.T


class DeviancePath(Path, ABC):
    """Solutions whose deviance is a sum over rows."""

    @abstractmethod
    def deviance(self, features: ArrayLike, outcome: ArrayLike) -> Array:
        """Of each row at each penalty, shape (n, L)."""


def finite_features(features: ArrayLike) -> Array:
    """Features as an array of numbers.

    Raises
    ------
    ValueError
        On missing or infinite values.
    """
    found = np.asarray(features, dtype=float)
    if not np.isfinite(found).all():
        raise ValueError("features have missing or infinite values")
    return found


def solve_path(
    features: Array,
    loss: Loss,
    lambdas: ArrayLike | None = None,
    *,
    l1_ratio: float = 1.0,
    n_lambdas: int = N_LAMBDAS,
    end: PathEnd = PathEnd(),
    unit: float = 1.0,
    at_solution: Callable[[Array], None] | None = None,
) -> tuple[Path, Array]:
    """Solve a penalised model for a sequence of penalties.

    Parameters
    ----------
    features
        Shape (n, p), without missing values; constant columns get 0. p may be 0.
    loss
        Of the linear predictors.
    lambdas
        Decreasing penalties; absent: ``n_lambdas`` log-spaced values from the smallest penalty that
        gives the empty model, ended as ``end`` says.
    l1_ratio
        Share of the L1 penalty, above 0 and at most 1.
    end
        Of a sequence that is not given.
    unit
        Of the outcome in the loss: penalties and solutions are told in the outcome's own.
    at_solution
        Called with the linear predictors of each solution, in order.

    Returns
    -------
    tuple
        The path, whose intercepts belong to the features given, and what centring the features took
        from each solution's predictors, shape (L,).

    Raises
    ------
    ValueError
        On penalties that do not decrease, or a share outside its range.
    ArithmeticError
        If not even the first penalty can be solved.
    """
    if not 0 < l1_ratio <= 1:
        raise ValueError("the share of the L1 penalty must be above 0 and at most 1")
    n, p = features.shape
    mean, scale = features.mean(axis=0), features.std(axis=0)
    varying = scale > 1e-12 * np.maximum(1e-300, np.abs(features).max(axis=0, initial=0.0))
    standardised = (features[:, varying] - mean[varying]) / scale[varying]
    problem = SparseProblem(standardised, loss, l1_ratio)
    own_sequence = lambdas is None
    if lambdas is None:
        smallest = end.few_rows if n < p else 1e-4
        lambdas = unit * max(problem.lambda_max, 1e-12) * np.geomspace(1.0, smallest, n_lambdas)
    lambdas = np.asarray(lambdas, dtype=float)
    if np.any(np.diff(lambdas) >= 0) or np.any(lambdas <= 0):
        raise ValueError("penalties must decrease and be above zero")
    intercepts, coefficients, ratios, stopped = [], [], [], False
    with config_context(skip_parameter_validation=True):
        for penalty in lambdas:
            try:
                if not stopped:
                    eta = problem.solve(float(penalty) / unit)
                    solution = problem.intercept, problem.coefficients.copy()
                    ratio = problem.deviance_ratio(eta)
            except (np.linalg.LinAlgError, ArithmeticError) as error:
                if not ratios:
                    raise ArithmeticError(
                        f"the penalised model cannot be solved at lambda {penalty:.3g}: {error}"
                    ) from error
                stopped = True
                if own_sequence:
                    break
            intercepts.append(solution[0])
            coefficients.append(solution[1])
            ratios.append(ratio)
            if at_solution is not None:
                at_solution(eta)
            if own_sequence and end.reached(ratios):
                break
    found = np.zeros((len(ratios), p))
    found[:, varying] = unit * np.array(coefficients).reshape(len(ratios), -1) / scale[varying]
    centred = found @ mean
    own = unit * np.array(intercepts) - centred
    if loss.null_intercept is None:
        own = np.zeros(len(ratios))
    path = Path(lambdas[: len(ratios)], own, found, np.array(ratios), stopped=stopped)
    return path, centred


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
