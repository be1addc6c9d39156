"""Filters that IBSI-2 defines by their transfer function, on the spectrum of the whole scan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from osteoflow.scipy_parts import fft


def frequencies(shape: Sequence[int], mirrored: bool = False) -> list[np.ndarray]:
    """Frequency of each axis on the grid of :func:`scipy.fft.rfftn`, 1 at its Nyquist frequency.

    IBSI's reference maps sample the frequencies of n voxels from -1 to +1 with both ends included,
    in steps of 2 / (n - 1), and so does this: with an even n no sample is at 0.

    Parameters
    ----------
    shape
        Voxels along the transformed axes.
    mirrored
        The frequencies at the opposite positions of the grid instead.

    Returns
    -------
    list of numpy.ndarray
        One array per axis, that broadcast with each other.
    """
    found = []
    for axis, size in enumerate(shape):
        grid = fft.ifftshift(np.linspace(-1.0, 1.0, size)) if size > 1 else np.zeros(1)
        if mirrored:
            grid = grid[-np.arange(size) % size]
        if axis == len(shape) - 1:
            grid = grid[: size // 2 + 1]
        found.append(grid.reshape([-1 if other == axis else 1 for other in range(len(shape))]))
    return found


def _sampled(
    grids: list[np.ndarray],
    radial: Callable[[np.ndarray], np.ndarray],
    riesz: tuple[int, ...] | None,
) -> np.ndarray:
    length = np.sqrt(sum(grid**2 for grid in grids))
    found = radial(length)
    if riesz is None:
        return found
    order = sum(riesz)
    scale = math.sqrt(math.factorial(order) / math.prod(math.factorial(power) for power in riesz))
    direction = math.prod(grid**power for grid, power in zip(grids, riesz, strict=True))
    return (-1j) ** order * scale * found * direction / np.where(length > 0, length, 1.0) ** order


def transfer(
    shape: Sequence[int],
    radial: Callable[[np.ndarray], np.ndarray],
    riesz: tuple[int, ...] | None = None,
) -> np.ndarray:
    r"""Transfer function for :func:`scipy.fft.rfftn` of an image.

    A Riesz transform of order :math:`l = (l_1, l_2, l_3)`, :math:`L = l_1 + l_2 + l_3`, has the
    factor

    .. math:: (-i)^L \sqrt{\frac{L!}{l_1!\,l_2!\,l_3!}}
              \frac{\nu_1^{l_1} \nu_2^{l_2} \nu_3^{l_3}}{|\nu|^L}

    The real part of the response, which is what IBSI takes, is the response to the Hermitian part
    of the sampled function; that part is returned.

    Parameters
    ----------
    shape
        Voxels along the transformed axes.
    radial
        Normalised frequency -> gain.
    riesz
        Order along each axis, or None.

    Notes
    -----
    Source: IBSI reference manual, convolutional filters (Whybra et al., Radiology
    2024;310:e231319).
    """
    here = _sampled(frequencies(shape), radial, riesz)
    opposite = _sampled(frequencies(shape, mirrored=True), radial, riesz)
    return 0.5 * (here + np.conj(opposite))


def respond(
    image: np.ndarray,
    slice_axis: int | None,
    radial: Callable[[np.ndarray], np.ndarray],
    riesz: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Response of a whole scan that is continued periodically, shape of ``image``.

    Parameters
    ----------
    image
        Three axes.
    slice_axis
        Axis that is not filtered, or None.
    radial, riesz
        See :func:`transfer`.
    """
    axes = tuple(axis for axis in range(3) if axis != slice_axis)
    size = [image.shape[axis] for axis in axes]
    gain = transfer(size, radial, riesz)
    if slice_axis is not None:
        gain = np.expand_dims(gain, slice_axis)
    return fft.irfftn(fft.rfftn(image, axes=axes) * gain, s=size, axes=axes)
