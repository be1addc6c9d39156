"""Least squares of echo trains by Gauss-Newton steps from the minima of a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.mri.t2_model import EchoModel
from osteoflow.mri.t2_noise import MagnitudeNoise
from osteoflow.mri.t2_search import Start, find_starts

ITERATIONS = 60
"""Most Gauss-Newton steps of a voxel."""

MISFIT_TOLERANCE = 3e-5
"""A last step promises to lower the squared misfit by no more than this part of it, beyond what
rounding allows to see: with 32 echoes a thirtieth of a standard error."""

STEP_TOLERANCE = 1e-5
"""Damped steps this short (log amplitude, log T2, cosine or B1) end the fit as well: where the
train hardly depends on B1 the undamped ones promise what they cannot keep."""

ROUNDING = 3e-7
"""Relative error of a misfit in single precision, with respect to the signal."""

MAX_STEP = 0.5
"""Longest step of an unknown."""


@dataclass
class TrainFit:
    """Fitted trains; arrays of shape (voxels,).

    Attributes
    ----------
    log_amplitude, log_t2
        Logarithms of the amplitude in units of the signal and of T2 in ms.
    fitted
        Second coordinate of the model's fit.
    squares
        Sum of squared misfit of the samples used.
    log_t2_variance
        Of log T2, for noise of unit standard deviation; infinite where T2 is not determined.
    converged
        Whether no step promised a smaller misfit.
    """

    log_amplitude: np.ndarray
    log_t2: np.ndarray
    fitted: np.ndarray
    squares: np.ndarray
    log_t2_variance: np.ndarray
    converged: np.ndarray


def fit_trains(
    model: EchoModel,
    data: np.ndarray,
    used: np.ndarray,
    noise: MagnitudeNoise | None,
    b1: np.ndarray | None = None,
) -> TrainFit:
    """Best fit of every voxel, from all minima that the search finds worth following.

    Parameters
    ----------
    model
        Trains.
    data
        float32, shape (voxels, echoes).
    used
        float32, same shape: 1 for samples that count, 0 for others.
    noise
        Noise whose mean is part of the model, or None.
    b1
        Known B1, shape (voxels,), if it is not fitted.

    Returns
    -------
    TrainFit
    """
    first, *others = find_starts(model, data, used, noise, b1)
    floor = noise if model.has_floor else None
    fit = refine(model, data, used, floor, first, b1 is not None)
    for start in others:
        rival = refine(model, data[start.voxels], used[start.voxels], floor, start)
        better = rival.squares < fit.squares[start.voxels]
        for name, values in vars(fit).items():
            values[start.voxels[better]] = vars(rival)[name][better]
    return fit


def refine(
    model: EchoModel,
    data: np.ndarray,
    used: np.ndarray,
    noise: MagnitudeNoise | None,
    start: Start,
    fixed_second: bool = False,
) -> TrainFit:
    """Least squares between the data and the mean that noise gives the model.

    Damped Gauss-Newton steps inside the bounds; an unknown at its bound stays there while the
    misfit falls beyond it. In simulations of one channel (T2 20..200 ms, SNR 20..100) weights of
    inverse variance and the Rician likelihood gave all but the bias and scatter of plain squares
    about the mean; leaving out samples in the noise widened the scatter.

    Parameters
    ----------
    model, data, used, noise
        As in `fit_trains`.
    start
        Starting points of all voxels.
    fixed_second
        Whether the second coordinate is known.

    Returns
    -------
    TrainFit
    """
    voxels = data.shape[0]
    free = np.array([True, True, model.table.unknowns == 3 and not fixed_second])
    bounds = [(-np.inf, np.inf), tuple(model.table.log_t2[[0, -1]]), model.fit_bounds]
    lower, upper = np.array(bounds).T
    if not free[2]:
        lower[2], upper[2] = -np.inf, np.inf
    unknowns = (start.log_amplitude, start.log_t2, start.fitted)
    current = np.clip(np.stack(unknowns, axis=1), lower, upper)
    normal = _normal_equations(model, data, used, noise, current)
    damping = np.full(voxels, 1e-3)
    # the largest curvature seen; near B1 = 1 a slope, and its square with it, may vanish
    scale = np.zeros((voxels, 3))
    converged = np.zeros(voxels, bool)
    rounding = ROUNDING * np.sqrt(np.einsum("ve,ve->v", data * used, data).astype(float))
    active = np.arange(voxels)
    part, part_used = data, used
    for _ in range(ITERATIONS):
        here, equations = current[active], normal[active]
        scale[active] = np.maximum(scale[active], np.einsum("vii->vi", equations)[:, :3])
        added = damping[active, None] * scale[active]
        step, promised = _damped_step(equations, here, lower, upper, free, added)
        trial = np.clip(here + step, lower, upper)
        trial_normal = _normal_equations(model, part, part_used, noise, trial)
        squares = equations[:, 3, 3]
        unseen = rounding[active] * (np.sqrt(squares) + rounding[active])
        gain = squares - trial_normal[:, 3, 3]
        better = gain >= -unseen
        small = promised <= MISFIT_TOLERANCE * squares + unseen
        small |= (np.abs(step) <= STEP_TOLERANCE).all(axis=1)
        accepted = active[better]
        current[accepted], normal[accepted] = trial[better], trial_normal[better]
        converged[active[small]] = True
        # curvature that the steps do not know makes them fall short of their promise
        step = trial - here
        slope = np.matmul(equations[:, :3, :3], step[..., None])[..., 0]
        expected = np.sum(step * (2 * equations[:, :3, 3] - slope), axis=1)
        as_expected = better & (gain > 0.5 * expected)
        damping[active] *= np.where(as_expected, 0.2, np.where(better, 4.0, 10.0))
        keep = ~small
        active = active[keep]
        if active.size == 0:
            break
        part, part_used = part[keep], part_used[keep]
    return TrainFit(
        log_amplitude=current[:, 0],
        log_t2=current[:, 1],
        fitted=current[:, 2],
        squares=normal[:, 3, 3],
        log_t2_variance=_log_t2_variance(normal, free),
        converged=converged,
    )


def _normal_equations(
    model: EchoModel,
    data: np.ndarray,
    used: np.ndarray,
    noise: MagnitudeNoise | None,
    unknowns: np.ndarray,
) -> np.ndarray:
    """Inner products of the three derivatives and the misfit, float64, shape (voxels, 4, 4).

    Sets the first unknown, the amplitude, to its best value before.
    """
    rows = np.empty((data.shape[0], 4, data.shape[1]), np.float32)
    rows[:, :3] = model.evaluate(unknowns[:, 1], unknowns[:, 2])
    # the train may be negative at low refocusing angles; the image shows its magnitude
    rows[:, 1:3] *= np.where(rows[:, :1] < 0, np.float32(-1), np.float32(1))
    np.abs(rows[:, 0], out=rows[:, 0])
    rows[:, :3] *= np.exp(unknowns[:, 0]).astype(np.float32)[:, None, None]
    # The valley of the misfit is curved, most of all along the amplitude, in which the model is
    # all but linear: the amplitude follows every step along T2 and B1 at once.
    mean, slope = _mean(noise, rows[:, 0])
    change = slope * rows[:, 0] * used
    norm = np.einsum("ve,ve->v", change, change)
    factor = np.einsum("ve,ve->v", change, data - mean)
    np.divide(factor, norm, out=factor, where=norm > 0)
    factor = 1 + np.clip(factor, -0.5, 1)
    unknowns[:, 0] += np.log(factor)
    rows[:, :3] *= factor[:, None, None]
    mean, slope = _mean(noise, rows[:, 0])
    np.subtract(data, mean, out=rows[:, 3])
    rows[:, :3] *= slope[:, None]
    rows *= used[:, None]
    return np.matmul(rows, rows.transpose(0, 2, 1)).astype(float)


def _mean(noise: MagnitudeNoise | None, amplitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean magnitude of true amplitudes, and its slope."""
    if noise is None:
        return amplitude.copy(), np.ones_like(amplitude)
    return noise.mean(amplitude)


def _damped_step(
    normal: np.ndarray,
    unknowns: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    free: np.ndarray,
    added: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Steps of shape (voxels, 3), and by how much undamped ones would lower the misfit."""
    gradient = normal[:, :3, 3]
    blocked = ((unknowns <= lower) & (gradient < 0)) | ((unknowns >= upper) & (gradient > 0))
    moving = free & ~blocked
    gradient = np.where(moving, gradient, 0)
    promised = np.sum(_solve(_restricted(normal, moving), gradient) * gradient, axis=1)
    step = _solve(_restricted(normal, moving, added), gradient)
    longest = np.abs(step).max(axis=1, keepdims=True)
    return step * (MAX_STEP / np.maximum(longest, MAX_STEP)), promised


def _restricted(
    normal: np.ndarray, moving: np.ndarray, added: np.ndarray | None = None
) -> np.ndarray:
    """Normal matrices with the rows of held unknowns replaced by those of the identity."""
    both = moving[:, :, None] & moving[:, None, :]
    matrix = np.where(both, normal[:, :3, :3], 0)
    for k in range(3):
        # a derivative of zero must not make the matrix singular
        diagonal = matrix[:, k, k] + (1e-30 if added is None else added[:, k] + 1e-30)
        matrix[:, k, k] = np.where(moving[:, k], diagonal, 1)
    return matrix


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Symmetric positive 3x3 systems by Cholesky, all voxels at once."""
    tiny = np.finfo(float).tiny
    a, b, c = matrix[:, 0, 0], matrix[:, 1, 0], matrix[:, 2, 0]
    l00 = np.sqrt(np.maximum(a, tiny))
    l10, l20 = b / l00, c / l00
    # rounding in single precision can leave a pivot at or below zero
    l11 = np.sqrt(np.maximum(matrix[:, 1, 1] - l10**2, 1e-7 * matrix[:, 1, 1] + tiny))
    l21 = (matrix[:, 2, 1] - l20 * l10) / l11
    l22 = np.sqrt(np.maximum(matrix[:, 2, 2] - l20**2 - l21**2, 1e-7 * matrix[:, 2, 2] + tiny))
    y0 = right[:, 0] / l00
    y1 = (right[:, 1] - l10 * y0) / l11
    y2 = (right[:, 2] - l20 * y0 - l21 * y1) / l22
    x2 = y2 / l22
    x1 = (y1 - l21 * x2) / l11
    return np.stack([(y0 - l10 * x1 - l20 * x2) / l00, x1, x2], axis=1)


def _log_t2_variance(normal: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Element of the inverse normal matrix for log T2; B1 at its bound counts as unknown."""
    matrix = _restricted(normal, np.broadcast_to(free, (normal.shape[0], 3)))
    right = np.zeros((normal.shape[0], 3))
    right[:, 1] = 1
    return _solve(matrix, right)[:, 1]
