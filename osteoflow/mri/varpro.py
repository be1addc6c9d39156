"""Variable projection: the non-linear fit of field and R2* with water and fat eliminated.

Field and R2* enter the model as one complex rate ``z = R2* - i 2 pi psi``. With water and fat
projected out, the derivative of the residual by z is the projection of ``t * model``, so that the
Gauss-Newton matrix of (R2*, 2 pi psi) is diagonal and one division solves a voxel (Golub G,
Pereyra V, Inverse Problems 2003;19:R1-R26, with Kaufman's simplification of the derivative).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.compiled import compiled

TINY = np.finfo(float).tiny
EPS = np.finfo(float).eps


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
    """Result of `fit_rates`; arrays of shape (starts,)."""

    field_hz: np.ndarray
    r2star: np.ndarray
    water: np.ndarray
    fat: np.ndarray
    cost: np.ndarray
    converged: np.ndarray
    at_bound: np.ndarray


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
    voxel: np.ndarray | None = None,
) -> RateFit:
    """Levenberg-Marquardt minimisation of the projected residual from given starts.

    Parameters
    ----------
    signal
        complex, shape (echoes, voxels), each voxel scaled to unit norm.
    times, phasor
        Echo times in s and the fat phasor there, shape (echoes,).
    field_hz, r2star
        Starts, shape (starts,).
    bounds
        Smallest and largest R2* in 1/s. A start that ends there is marked ``at_bound``.
    prior
        Prior on R2*.
    iterations
        Most iterations; a start stops earlier when its step falls below `tolerance`.
    tolerance
        Step in 1/s of the complex rate below which a start has converged.
    voxel
        Which voxel each start belongs to, shape (starts,); by default each voxel has one.

    Returns
    -------
    RateFit
        ``cost`` includes the prior's penalty.
    """
    starts = field_hz.size
    fit = RateFit(
        field_hz=field_hz.astype(float),
        r2star=np.clip(r2star, *bounds).astype(float),
        water=np.empty(starts, complex),
        fat=np.empty(starts, complex),
        cost=np.empty(starts),
        converged=np.zeros(starts, bool),
        at_bound=np.empty(starts, bool),
    )
    _minimise(
        signal,
        np.arange(starts) if voxel is None else voxel,
        np.asarray(times, float),
        _repeats(times),
        np.asarray(phasor, complex),
        (float(bounds[0]), float(bounds[1])),
        (float(prior.mean), float(prior.weight)),
        iterations,
        tolerance,
        fit.field_hz,
        fit.r2star,
        fit.water,
        fit.fat,
        fit.cost,
        fit.converged,
    )
    np.logical_or(fit.r2star <= bounds[0], fit.r2star >= bounds[1], out=fit.at_bound)
    return fit


def _repeats(times: np.ndarray) -> np.ndarray:
    """Echoes that follow at the distance of the one before, which saves their exponentials."""
    steps = np.diff(times)
    same = np.isclose(steps[1:], steps[:-1], rtol=1e-9, atol=0)
    return np.concatenate([[False, False], same])[: times.size]


@compiled
def _minimise(
    signal,
    voxel,
    times,
    repeats,
    phasor,
    bounds,
    prior,
    iterations,
    tolerance,
    field,
    rate,
    water,
    fat,
    cost,
    converged,
):
    """All starts, one after the other; the results are written into the last six arrays."""
    lower, upper = bounds
    mean, weight = prior
    echoes = times.size
    data = np.empty(echoes, np.complex128)
    decay = np.empty(echoes)
    model = np.empty(echoes, np.complex128)
    for start in range(field.size):
        for n in range(echoes):
            data[n] = signal[n, voxel[start]]
        f, r, damping = field[start], rate[start], 1e-3
        w, x, least, step, curvature = _linearise(data, times, repeats, phasor, f, r, decay, model)
        least += weight * (r - mean) ** 2
        for _ in range(iterations):
            h = curvature * (1 + damping) + TINY
            new_rate = r - (step.real + weight * (r - mean)) / (h + weight * (1 + damping))
            new_rate = min(max(new_rate, lower), upper)
            turn = step.imag / h
            new_field = f + turn / (2 * np.pi)
            new_w, new_x, new_cost, new_step, new_curvature = _linearise(
                data, times, repeats, phasor, new_field, new_rate, decay, model
            )
            new_cost += weight * (new_rate - mean) ** 2
            # rounding lets the cost of a converged voxel rise by a few ulp of the unit norm
            if new_cost <= least + 4 * EPS:
                moved = np.hypot(new_rate - r, turn)
                f, r, least, w, x = new_field, new_rate, new_cost, new_w, new_x
                step, curvature = new_step, new_curvature
                damping *= 0.2
                if moved < tolerance:
                    converged[start] = True
                    break
            else:
                damping *= 8
        field[start], rate[start], cost[start] = f, r, least
        water[start], fat[start] = w, x


@compiled
def _linearise(data, times, repeats, phasor, field, rate, decay, model):
    """Project water and fat out at given rates.

    `decay` and `model` are room for one number of each echo. Returns water, fat, the squared
    residual, and ``u^H r`` and ``u^H u`` of the projected tangent u: the full Gauss-Newton step in
    z is minus the one over the other.
    """
    echoes = times.size
    omega = 2 * np.pi * field
    fall, turn = 1.0, 1.0 + 0.0j
    fall_step, turn_step = 1.0, 1.0 + 0.0j
    g11, g22, g12 = 0.0, 0.0, 0.0j
    y1, y2 = 0.0j, 0.0j
    before = 0.0
    for n in range(echoes):
        if not repeats[n]:
            interval = times[n] - before
            fall_step = np.exp(-rate * interval)
            angle = omega * interval
            turn_step = complex(np.cos(angle), -np.sin(angle))
        before = times[n]
        fall *= fall_step
        turn *= turn_step
        decay[n] = fall
        # room for the model holds the demodulated signal until the model is known
        value = data[n] * turn
        model[n] = value
        p = phasor[n]
        square = fall * fall
        g11 += square
        g22 += square * _square(p)
        g12 += square * p
        y1 += fall * value
        y2 += fall * (p.conjugate() * value)
    determinant = g11 * g22 - _square(g12)
    w = (g22 * y1 - g12 * y2) / determinant
    x = (g11 * y2 - g12.conjugate() * y1) / determinant

    cost, length, step = 0.0, 0.0, 0.0j
    b1, b2 = 0.0j, 0.0j
    for n in range(echoes):
        fitted = decay[n] * (w + phasor[n] * x)
        residual = model[n] - fitted
        cost += _square(residual)
        tangent = times[n] * fitted
        # the residual is orthogonal to the model space, so it need not be projected again
        step += tangent.conjugate() * residual
        model[n] = tangent
        b1 += decay[n] * tangent
        b2 += decay[n] * (phasor[n].conjugate() * tangent)
    alpha = (g22 * b1 - g12 * b2) / determinant
    beta = (g11 * b2 - g12.conjugate() * b1) / determinant
    # as a sum of squares: a difference of sums can fall below zero where no rate is determined
    for n in range(echoes):
        length += _square(model[n] - decay[n] * (alpha + phasor[n] * beta))
    return w, x, cost, step, length


@compiled
def _square(value):
    """Squared magnitude of a complex number."""
    return value.real * value.real + value.imag * value.imag
