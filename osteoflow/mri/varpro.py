"""Variable projection: the non-linear fit of field and R2* with water and fat eliminated.

Field and R2* enter the model as one complex rate ``z = R2* - i 2 pi psi``. With water and fat
projected out, the derivative of the residual by z is the projection of ``t * model``, so that the
Gauss-Newton matrix of (R2*, 2 pi psi) is diagonal and one division solves a voxel (Golub G,
Pereyra V, Inverse Problems 2003;19:R1-R26, with Kaufman's simplification of the derivative).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RatePrior:
    """Gaussian prior on R2*, for data that cannot determine it.

    Parameters
    ----------
    mean
        1/s.
    weight
        Penalty per (1/s)^2 relative to the squared norm of the voxel's signal: the noise's
        relative standard deviation over the prior's, squared. Zero means no prior.
    """

    mean: float = 0.0
    weight: float = 0.0


@dataclass
class RateFit:
    """Result of `fit_rates`; arrays of shape (voxels,)."""

    field_hz: np.ndarray
    r2star: np.ndarray
    water: np.ndarray
    fat: np.ndarray
    cost: np.ndarray
    converged: np.ndarray
    at_bound: np.ndarray


@dataclass(frozen=True)
class _Linearised:
    """One evaluation of the projected model."""

    water: np.ndarray
    fat: np.ndarray
    cost: np.ndarray
    step: np.ndarray  # u^H r: the full Gauss-Newton step in z is -step/curvature
    curvature: np.ndarray  # u^H u


def _linearise(
    signal: np.ndarray,
    times: np.ndarray,
    phasor: np.ndarray,
    field_hz: np.ndarray,
    r2star: np.ndarray,
    with_derivative: bool = True,
) -> _Linearised:
    """Project water and fat out at given rates; signal of shape (echoes, voxels)."""
    decay = np.exp(-times[:, None] * r2star)
    angle = (2 * np.pi * times[:, None]) * field_hz
    demodulated = np.empty_like(signal)
    cos, sin = np.cos(angle), np.sin(angle)
    demodulated.real = signal.real * cos + signal.imag * sin
    demodulated.imag = signal.imag * cos - signal.real * sin

    square = decay * decay
    g11 = np.ones_like(times) @ square
    g22 = (np.abs(phasor) ** 2) @ square
    g12 = phasor @ square
    determinant = g11 * g22 - (g12.real**2 + g12.imag**2)

    def coefficients(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weighted = decay * data
        y1 = weighted.sum(axis=0)
        y2 = phasor.conj() @ weighted
        return (g22 * y1 - g12 * y2) / determinant, (g11 * y2 - g12.conj() * y1) / determinant

    water, fat = coefficients(demodulated)
    model = decay * (water + phasor[:, None] * fat)
    residual = demodulated - model
    cost = _norm2(residual)
    if not with_derivative:
        return _Linearised(water, fat, cost, cost, cost)
    tangent = times[:, None] * model
    # the residual is orthogonal to the model space, so it need not be projected a second time
    step = np.einsum("nv,nv->v", tangent.conj(), residual)
    alpha, beta = coefficients(tangent)
    curvature = _norm2(tangent - decay * (alpha + phasor[:, None] * beta))
    return _Linearised(water, fat, cost, step, curvature)


def _norm2(values: np.ndarray) -> np.ndarray:
    real, imag = values.real, values.imag
    return np.einsum("nv,nv->v", real, real) + np.einsum("nv,nv->v", imag, imag)


def fit_rates(
    signal: np.ndarray,
    times: np.ndarray,
    phasor: np.ndarray,
    field_hz: np.ndarray,
    r2star: np.ndarray,
    bounds: tuple[float, float],
    prior: RatePrior,
    iterations: int,
    tolerance: float = 1e-3,
) -> RateFit:
    """Levenberg-Marquardt minimisation of the projected residual from given starts.

    Parameters
    ----------
    signal
        complex, shape (echoes, voxels), each voxel scaled to unit norm.
    times, phasor
        Echo times in s and the fat phasor there, shape (echoes,).
    field_hz, r2star
        Starts, shape (voxels,).
    bounds
        Smallest and largest R2* in 1/s. A voxel that ends there is marked ``at_bound``.
    prior
        Prior on R2*.
    iterations
        Most iterations; a voxel stops earlier when its step falls below `tolerance`.
    tolerance
        Step in 1/s of the complex rate below which a voxel has converged.

    Returns
    -------
    RateFit
        ``cost`` includes the prior's penalty.
    """
    dtype = signal.real.dtype
    times = times.astype(dtype)
    phasor = phasor.astype(signal.dtype)
    field = field_hz.astype(dtype, copy=True)
    rate = np.clip(r2star, *bounds).astype(dtype)
    lower, upper = dtype.type(bounds[0]), dtype.type(bounds[1])
    mean, weight = dtype.type(prior.mean), dtype.type(prior.weight)

    voxels = signal.shape[1]
    converged = np.zeros(voxels, dtype=bool)
    damping = np.full(voxels, 1e-3, dtype=dtype)
    active = np.arange(voxels)
    data = signal
    state = _linearise(data, times, phasor, field, rate)
    cost = state.cost + weight * (rate - mean) ** 2
    step, curvature = state.step, state.curvature
    water, fat = state.water, state.fat
    for _ in range(iterations):
        if active.size == 0:
            break
        f, r, d = field[active], rate[active], damping[active]
        h = curvature[active] * (1 + d) + np.finfo(dtype).tiny
        gradient = step[active]
        delta_rate = -(gradient.real + weight * (r - mean)) / (h + weight * (1 + d))
        delta_field = gradient.imag / h / dtype.type(2 * np.pi)
        new_rate = np.clip(r + delta_rate, lower, upper)
        new_field = f + delta_field
        trial = _linearise(data, times, phasor, new_field, new_rate)
        new_cost = trial.cost + weight * (new_rate - mean) ** 2
        moved = np.hypot(new_rate - r, dtype.type(2 * np.pi) * delta_field)
        # rounding lets the cost of a converged voxel rise by a few ulp of the unit signal norm
        better = new_cost <= cost[active] + 4 * np.finfo(dtype).eps
        taken = active[better]
        field[taken], rate[taken] = new_field[better], new_rate[better]
        cost[taken] = new_cost[better]
        step[taken], curvature[taken] = trial.step[better], trial.curvature[better]
        water[taken], fat[taken] = trial.water[better], trial.fat[better]
        damping[active] = np.where(better, d * dtype.type(0.2), d * dtype.type(8))
        done = better & (moved < tolerance)
        converged[active[done]] = True
        if done.any():
            active = active[~done]
            data = signal[:, active]
    return RateFit(field, rate, water, fat, cost, converged, (rate <= lower) | (rate >= upper))
