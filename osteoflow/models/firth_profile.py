"""Limits and tests of single coefficients of Firth's logistic model, from its profile.

Where the classes are separated the penalised likelihood is far from symmetrical around its maximum:
Wald's limits, which are, miss the truth on one side, and his test hardly ever rejects. Heinze and
Schemper (Stat Med 2002;21:2409) therefore take both from the profile of the penalised likelihood:
its maximum over all other coefficients as a function of one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2

from osteoflow.models.logistic_likelihood import information, maximise, objective
from osteoflow.statistics.intervals import Z95

Array = NDArray[np.float64]

# Of twice the fall of the log likelihood within the 95 % limits.
_FALL = float(chi2.ppf(0.95, 1))
_MAX_STEPS = 30
# Of a search: no convergence, a singular information, no root.
_FAILURES = (ArithmeticError, np.linalg.LinAlgError, RuntimeError)


@dataclass(frozen=True)
class ProfileInference:
    """What the profile says of one coefficient.

    Attributes
    ----------
    low, high
        95 % limits, on the scale of the column given; infinite where the profile does not fall far
        enough.
    p
        Penalised likelihood-ratio test that the coefficient is 0, chi-squared with 1 degree of
        freedom.
    problem
        Why ``low``, ``high`` and ``p`` are NaN; else "".
    """

    low: float
    high: float
    p: float
    problem: str = ""


def firth_profile(columns: ArrayLike, outcome: ArrayLike) -> list[ProfileInference]:
    """Profile penalised-likelihood limits and p of each column's coefficient.

    The penalty is always that of the whole model, also with a coefficient held. The intercept is
    one of the coefficients maximised over.

    Parameters
    ----------
    columns
        Shape (n, p), complete, independent of each other and of a constant; an intercept is added.
    outcome
        0/1, shape (n,).

    Returns
    -------
    list of ProfileInference
        One for each column. Where the search fails for one, it says why, and the others stand.
    """
    X, y = np.asarray(columns, dtype=float), np.asarray(outcome, dtype=float)
    scale = X.std(axis=0)
    Z = np.column_stack([np.ones(len(X)), (X - X.mean(axis=0)) / scale])
    try:
        best = maximise(Z, y, firth=True)
        errors = np.sqrt(np.diag(np.linalg.inv(information(Z, best))))
    except _FAILURES as error:
        return [_not_found(error)] * X.shape[1]
    places = range(1, Z.shape[1])
    return [_of_one(Z, y, best, errors[place], place, scale[place - 1]) for place in places]


def _not_found(error: Exception) -> ProfileInference:
    nan = float("nan")
    return ProfileInference(nan, nan, nan, str(error))


def _of_one(
    Z: Array, y: Array, best: Array, error: float, place: int, scale: float
) -> ProfileInference:
    """Limits and p of the coefficient at ``place``; its column was divided by ``scale``."""
    top = objective(Z, y, best, firth=True)
    nearest = best

    def fall(value: float) -> float:
        """Twice the fall of the profile from its maximum."""
        nonlocal nearest
        start = nearest.copy()
        start[place] = value
        nearest = maximise(Z, y, firth=True, start=start, held=place)
        found = 2 * (top - objective(Z, y, nearest, firth=True))
        if not found >= -1e-6 * (1 + abs(top)):
            raise ArithmeticError("the penalised likelihood has more than one maximum")
        return found

    try:
        statistic = max(0.0, fall(0.0))
        ends = []
        for sign in (-1.0, 1.0):
            nearest = best
            end = _crossing(fall, float(best[place]), sign * Z95 * float(error))
            ends.append(end / float(scale))
    except _FAILURES as problem:
        return _not_found(problem)
    return ProfileInference(*ends, float(chi2.sf(statistic, 1)))


def _crossing(fall: Callable[[float], float], centre: float, step: float) -> float:
    """Where the profile has fallen to the limit, seen from its maximum in the step's direction."""
    near, far = centre, centre + step
    for _ in range(_MAX_STEPS):
        if fall(far) >= _FALL:
            return float(brentq(lambda value: fall(value) - _FALL, near, far, xtol=1e-9))
        near, far = far, far + 2 * (far - near)
    return float(np.copysign(np.inf, step))
