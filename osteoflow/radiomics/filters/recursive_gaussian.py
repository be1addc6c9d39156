"""Recursive Gaussian filters along an axis, and the Laplacian of Gaussian made of them.

A fourth-order recursion in both directions approximates convolution with a Gaussian or with its
second derivative: Deriche, INRIA research report 1893 (1993), with the constants and the
normalisation of Farnebäck and Westin, J Math Imaging Vis 2006;26:293 (their exponential
series for derivatives of order 0 and 2). The image continues with its outermost value beyond its
ends. ITK's `LaplacianRecursiveGaussianImageFilter`, which pyradiomics uses, is the same filter;
intermediate images are held in single precision as there, so that both give the same numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.radiomics.boxes import Box, widened, within

REACH_SIGMAS = 20
"""Sigmas after which the recursion has forgotten a value to below single precision."""

# Two damped oscillations exp(decay x) (a cos(frequency x) + b sin(frequency x)), x in sigmas.
_DECAYS = (-1.3932, -1.3732)
_FREQUENCIES = (0.6681, 2.0787)
# (a, b) of both oscillations, by the order of the derivative.
_AMPLITUDES = {
    0: ((1.3530, 1.8151), (-0.3531, 0.0902)),
    2: ((-1.3563, 5.2318), (0.3446, -2.2355)),
}
LINES = 16  # filtered side by side


class Recursion(NamedTuple):
    """Coefficients of the recursion in both directions.

    Parameters
    ----------
    forward
        Weights of the values at 0, 1, 2 and 3 voxels behind, shape (4,).
    backward
        Weights of the values at 1, 2, 3 and 4 voxels ahead, shape (4,).
    feedback
        Weights of the results 1 to 4 voxels back along the direction, shape (4,).
    """

    forward: np.ndarray
    backward: np.ndarray
    feedback: np.ndarray


def recursion(sigma: float, order: int) -> Recursion:
    """Coefficients for a Gaussian (order 0) or its second derivative (order 2), per voxel.

    Parameters
    ----------
    sigma
        In voxels.
    order
        0, normalised to a sum of one; 2, normalised to a second moment of two.
    """
    poles = [
        np.exp(decay / sigma) * np.exp(1j * frequency / sigma)
        for decay, frequency in zip(_DECAYS, _FREQUENCIES, strict=True)
    ]
    quadratics = [np.array([1.0, -2.0 * pole.real, abs(pole) ** 2]) for pole in poles]
    denominator = np.convolve(*quadratics)
    numerators = {
        n: np.convolve(_numerator(_AMPLITUDES[n][0], poles[0]), quadratics[1])
        + np.convolve(_numerator(_AMPLITUDES[n][1], poles[1]), quadratics[0])
        for n in ({0, order})
    }
    numerator = numerators[order]
    steps = np.arange(4.0), np.arange(5.0)
    d_sum, d_first, d_second = (float(denominator @ steps[1] ** power) for power in (0, 1, 2))
    if order == 2:
        # Without the share of the smoothing part the response to a constant would not vanish.
        constant = 2 * numerator.sum() - d_sum * numerator[0]
        smooth = numerators[0]
        numerator = numerator - constant / (2 * smooth.sum() - d_sum * smooth[0]) * smooth
    n_sum, n_first, n_second = (float(numerator @ steps[0] ** power) for power in (0, 1, 2))
    if order == 0:
        scale = 2 * n_sum / d_sum - numerator[0]
    else:
        scale = n_second * d_sum**2 - d_second * n_sum * d_sum
        scale += 2 * d_first**2 * n_sum - 2 * n_first * d_first * d_sum
        scale /= d_sum**3
    forward = numerator / scale
    backward = np.append(forward[1:], 0.0) - denominator[1:] * forward[0]
    return Recursion(forward, backward, denominator[1:])


def _numerator(amplitudes: tuple[float, float], pole: complex) -> np.ndarray:
    """z-transform's numerator of a sampled damped oscillation, shape (2,)."""
    a, b = amplitudes
    return np.array([a, b * pole.imag - a * pole.real])


def laplacian_of_gaussian(
    image: np.ndarray, inner: Box, spacing: tuple[float, float, float], sigma: float
) -> np.ndarray:
    """Scale-normalised Laplacian of Gaussian of a box of an image.

    Parameters
    ----------
    image
        Shape (x, y, z), any unit.
    inner
        The box whose values are wanted. What lies further than ``REACH_SIGMAS`` from it is not
        looked at.
    spacing
        Voxel size in mm.
    sigma
        Of the Gaussian in mm.

    Returns
    -------
    numpy.ndarray
        float32 of the shape of ``inner``, sigma^2 times the Laplacian, in the image's unit.
    """
    reach = [math.ceil(REACH_SIGMAS * sigma / step) for step in spacing]
    around = widened(inner, reach, image.shape)
    part = np.ascontiguousarray(image[around], dtype=np.float64)
    keep = [(axis.start, axis.stop) for axis in within(inner, around)]
    smoothing = [recursion(sigma / step, 0) for step in spacing]
    curvature = [recursion(sigma / step, 2) for step in spacing]
    total = np.zeros([stop - start for start, stop in keep], np.float32)
    for axis in range(3):
        kernel = curvature[axis]._replace(
            forward=curvature[axis].forward * sigma**2, backward=curvature[axis].backward * sigma**2
        )
        response = _along(part, kernel, axis, keep[axis])
        for other in range(3):
            if other != axis:
                response = _along(response, smoothing[other], other, keep[other])
        share = response.astype(np.float64) * (1.0 / spacing[axis] ** 2)
        total = (total + share).astype(np.float32)
    return total


def _along(array: np.ndarray, kernel: Recursion, axis: int, keep: tuple[int, int]) -> np.ndarray:
    """Filter along one axis; only ``keep`` of it is returned, in single precision."""
    lines = array if axis == 1 else array.swapaxes(axis, 1)
    shape = list(lines.shape)
    shape[1] = keep[1] - keep[0]
    out = np.empty(shape, np.float32)
    _recurse(lines, *kernel, keep[0], keep[1], out)
    return out if axis == 1 else out.swapaxes(axis, 1)


@compiled
def _recurse(lines, forward, backward, feedback, start, stop, out):  # noqa: ANN001, ANN202
    """Both directions along the middle axis, 16 lines side by side."""
    outer, n, inner = lines.shape
    n0, n1, n2, n3 = forward[0], forward[1], forward[2], forward[3]
    m1, m2, m3, m4 = backward[0], backward[1], backward[2], backward[3]
    d1, d2, d3, d4 = feedback[0], feedback[1], feedback[2], feedback[3]
    whole = 1.0 + d1 + d2 + d3 + d4
    first, last = (n0 + n1 + n2 + n3) / whole, (m1 + m2 + m3 + m4) / whole
    # Four values of continuation before the first and after the last voxel.
    x = np.zeros((n + 8, LINES))
    y = np.zeros((n + 8, LINES))
    z = np.zeros((n + 8, LINES))
    for o in range(outer):
        for begin in range(0, inner, LINES):
            width = min(LINES, inner - begin)
            for i in range(n):
                for j in range(width):
                    x[i + 4, j] = lines[o, i, begin + j]
            for k in range(4):
                for j in range(LINES):
                    x[k, j] = x[4, j]
                    x[n + 4 + k, j] = x[n + 3, j]
                    y[k, j] = x[4, j] * first
            for i in range(4, stop + 4):
                for j in range(LINES):
                    y[i, j] = (
                        n0 * x[i, j] + n1 * x[i - 1, j] + n2 * x[i - 2, j] + n3 * x[i - 3, j]
                    ) - (d1 * y[i - 1, j] + d2 * y[i - 2, j] + d3 * y[i - 3, j] + d4 * y[i - 4, j])
            for k in range(4):
                for j in range(LINES):
                    z[n + 4 + k, j] = x[n + 4, j] * last
            for i in range(n + 3, start + 3, -1):
                for j in range(LINES):
                    z[i, j] = (
                        m1 * x[i + 1, j] + m2 * x[i + 2, j] + m3 * x[i + 3, j] + m4 * x[i + 4, j]
                    ) - (d1 * z[i + 1, j] + d2 * z[i + 2, j] + d3 * z[i + 3, j] + d4 * z[i + 4, j])
            for i in range(start, stop):
                for j in range(width):
                    out[o, i - start, begin + j] = y[i + 4, j] + z[i + 4, j]
