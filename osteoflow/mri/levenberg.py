"""Levenberg-Marquardt minimisation of a few parameters in many voxels at once.

Every voxel has its own damping and stops by itself; the linear systems, at most six unknowns, are
eliminated with whole arrays, so that no loop runs over voxels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Evaluate = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""From parameters (k, voxels) and the indices of these voxels to cost (voxels,), gradient
(k, voxels) and a positive semidefinite curvature (k, k, voxels)."""

SINGULAR = 1e-10
"""Share of a parameter's curvature that, when no more remains after elimination, counts as none."""


@dataclass(frozen=True)
class Minimum:
    """Where the minimisation ended.

    Attributes
    ----------
    parameters
        Shape (k, voxels).
    cost
        Shape (voxels,).
    curvature
        Of the cost there, shape (k, k, voxels).
    converged
        bool: the last accepted step was below the tolerance.
    """

    parameters: np.ndarray
    cost: np.ndarray
    curvature: np.ndarray
    converged: np.ndarray


def minimise(
    evaluate: Evaluate,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    tolerance: np.ndarray,
    iterations: int,
) -> Minimum:
    """Minimise a cost in every voxel from a given start within bounds.

    Parameters
    ----------
    evaluate
        Cost with its derivatives; the curvature is that of Gauss-Newton or Fisher scoring.
    start
        Shape (k, voxels).
    lower, upper
        Bounds, shape (k,); infinite where there are none.
    tolerance
        Step of each parameter below which a voxel has converged, shape (k,).
    iterations
        Most trial steps per voxel.

    Returns
    -------
    Minimum
    """
    low, high = lower[:, None], upper[:, None]
    parameters = np.clip(start, low, high)
    voxels = parameters.shape[1]
    active = np.arange(voxels)
    cost, gradient, curvature = evaluate(parameters, active)
    damping = np.full(voxels, 1e-3)
    converged = np.zeros(voxels, bool)
    for _ in range(iterations):
        if active.size == 0:
            break
        now = parameters[:, active]
        free = ~(
            ((now <= low) & (gradient[:, active] > 0)) | ((now >= high) & (gradient[:, active] < 0))
        )
        step = solve_damped(curvature[:, :, active], -gradient[:, active], damping[active], free)
        trial = np.clip(now + step, low, high)
        new_cost, new_gradient, new_curvature = evaluate(trial, active)
        moved = np.abs(trial - now)
        # rounding lets the cost of a converged voxel rise by a few ulp
        slack = 8 * np.finfo(cost.dtype).eps * (1 + np.abs(cost[active]))
        better = new_cost <= cost[active] + slack
        taken = active[better]
        parameters[:, taken] = trial[:, better]
        cost[taken] = new_cost[better]
        gradient[:, taken] = new_gradient[:, better]
        curvature[:, :, taken] = new_curvature[:, :, better]
        damping[active] *= np.where(better, 0.2, 8.0)
        small = (moved < tolerance[:, None]).all(axis=0)
        # a refused step that small leaves nothing to gain either
        done = small & (better | (damping[active] > 1e3))
        converged[active[done]] = True
        active = active[~done]
    return Minimum(parameters, cost, curvature, converged)


def solve_damped(
    curvature: np.ndarray, right: np.ndarray, damping: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """Step of Levenberg-Marquardt: ``(H + damping * diag H) x = right`` in every voxel.

    Parameters
    ----------
    curvature
        H, shape (k, k, voxels).
    right
        Shape (k, voxels).
    damping
        Shape (voxels,).
    free
        bool, shape (k, voxels): False holds a parameter fixed.

    Returns
    -------
    ndarray
        Shape (k, voxels); zero where a parameter is held or has no curvature.
    """
    size = right.shape[0]
    both = free[:, None] & free[None, :]
    matrix = np.where(both, curvature, 0)
    diagonal = np.einsum("iiv->iv", matrix).copy()
    x = np.where(free, right, 0)
    pivots: list[np.ndarray] = []
    for i in range(size):
        matrix[i, i] += damping * diagonal[i]
    for i in range(size):
        usable = matrix[i, i] > SINGULAR * diagonal[i]
        inverse = np.zeros_like(x[i])
        np.divide(1, matrix[i, i], out=inverse, where=usable)
        pivots.append(inverse)
        for j in range(i + 1, size):
            factor = matrix[j, i] * inverse
            matrix[j, i + 1 :] -= factor * matrix[i, i + 1 :]
            x[j] -= factor * x[i]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            x[i] -= matrix[i, j] * x[j]
        x[i] *= pivots[i]
    return x
