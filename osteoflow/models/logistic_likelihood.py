"""Log likelihood of a logistic model, with or without Firth's penalty, and its maximum.

The penalty is half the log determinant of the information (Firth, Biometrika 1993;80:27). Designs
are matrices whose first column is the intercept's; the others should be of one size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

Array = NDArray[np.float64]

_MAX_STEPS = 200


def information(Z: Array, beta: Array) -> Array:
    """Fisher's, shape (k, k), of a design of shape (n, k)."""
    p = expit(Z @ beta)
    return (Z * (p * (1 - p))[:, None]).T @ Z


def objective(Z: Array, y: Array, beta: Array, firth: bool) -> float:
    """The (penalised) log likelihood."""
    eta = Z @ beta
    value = float(np.sum(y * eta - np.logaddexp(0.0, eta)))
    if firth:
        value += 0.5 * float(np.linalg.slogdet(information(Z, beta))[1])
    return value


def gradient(Z: Array, y: Array, beta: Array, firth: bool) -> tuple[Array, Array]:
    """Gradient of the (penalised) log likelihood, and the information."""
    p = expit(Z @ beta)
    weight = p * (1 - p)
    found = (Z * weight[:, None]).T @ Z
    residual = y - p
    if firth:
        solved = np.linalg.solve(found, Z.T)
        residual = residual + weight * np.einsum("ij,ji->i", Z, solved) * (0.5 - p)
    return Z.T @ residual, found


def maximise(
    Z: Array,
    y: Array,
    *,
    firth: bool,
    start: Array | None = None,
    held: int | None = None,
) -> Array:
    """Newton (or Firth scoring) steps with halving.

    With almost as many coefficients as observations Firth scoring can circle around the maximum;
    a quasi-Newton search, which needs only the gradient, then finishes.

    Parameters
    ----------
    Z, y
        Design, shape (n, k), and outcome, shape (n,).
    firth
        Whether the likelihood is penalised.
    start
        Where to begin, shape (k,); absent: the model of the intercept alone.
    held
        Coefficient that stays at its ``start``; the penalty is that of all nevertheless.

    Raises
    ------
    ArithmeticError
        If the maximum is not found.
    numpy.linalg.LinAlgError
        If the information is singular.
    """
    if start is None:
        start = np.zeros(Z.shape[1])
        start[0] = logit(y.mean())
    free = np.array([place for place in range(Z.shape[1]) if place != held], dtype=np.intp)
    beta, value = start.copy(), objective(Z, y, start, firth)
    for _ in range(_MAX_STEPS):
        slope, found = gradient(Z, y, beta, firth)
        step = np.zeros_like(beta)
        step[free] = np.linalg.solve(found[np.ix_(free, free)], slope[free])
        if np.abs(slope[free]).max() <= 1e-9 * len(y) and np.abs(step).max() <= 1e-8:
            return beta
        length = 1.0
        while True:
            trial = beta + length * step
            new_value = objective(Z, y, trial, firth)
            if new_value >= value - 1e-12 * (1 + abs(value)) or length < 1e-8:
                break
            length /= 2
        beta, value = trial, new_value

    def whole(part: Array) -> Array:
        moved = start.copy()
        moved[free] = part
        return moved

    searched = minimize(
        lambda part: -objective(Z, y, whole(part), firth),
        start[free],
        jac=lambda part: -gradient(Z, y, whole(part), firth)[0][free],
        method="BFGS",
        options={"gtol": 1e-7, "maxiter": 10 * _MAX_STEPS},
    )
    if not np.abs(searched.jac).max() <= 1e-5 * len(y):
        raise ArithmeticError(f"the logistic model did not converge ({len(y)} observations)")
    return whole(searched.x)


def firth_maximum(columns: ArrayLike, outcome: ArrayLike, n_free: int | None = None) -> float:
    """Greatest log likelihood with Firth's penalty, up to a constant of the columns.

    Parameters
    ----------
    columns
        Shape (n, p), independent of each other and of a constant; an intercept is added.
    outcome
        0/1, shape (n,).
    n_free
        Only the intercept and so many first coefficients are free, the others are 0; the penalty
        is that of all columns nevertheless. Absent: all.

    Raises
    ------
    ArithmeticError
        If the maximum is not found.
    """
    X, y = np.asarray(columns, dtype=float), np.asarray(outcome, dtype=float)
    Z = np.column_stack([np.ones(len(X)), (X - X.mean(axis=0)) / X.std(axis=0)])
    free = Z.shape[1] if n_free is None else n_free + 1
    padding = np.zeros(Z.shape[1] - free)

    def loss(beta: Array) -> tuple[float, Array]:
        full = np.concatenate([beta, padding])
        return -objective(Z, y, full, True), -gradient(Z, y, full, True)[0][:free]

    start = np.zeros(free)
    start[0] = logit(y.mean())
    try:
        found = minimize(
            loss, start, jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 10 * _MAX_STEPS}
        )
    except np.linalg.LinAlgError as error:
        raise ArithmeticError(f"the penalised likelihood has no maximum: {error}") from error
    if not np.abs(found.jac).max() <= 1e-5 * len(y):
        raise ArithmeticError(f"the penalised model did not converge ({len(y)} observations)")
    return -float(found.fun)
