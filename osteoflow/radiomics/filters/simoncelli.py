"""Simoncelli's non-separable isotropic wavelet (IBSI-2).

The filter is defined by its transfer function, so its kernel is infinite: it oscillates and falls
with the cube of the distance (in a plane: with its power 2.5). With the boundary ``periodic`` the
transfer function multiplies the spectrum of the whole scan, as IBSI defines it; every voxel of the
scan has a say. With the other boundaries the kernel ends at :func:`radius` voxels and a response
depends on no voxel beyond.
"""

from __future__ import annotations

import math
from functools import cache, partial

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filter_settings import SimoncelliFilter
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.lines import gather, sources
from osteoflow.radiomics.filters.spectral import respond
from osteoflow.scipy_parts import fft, special

RADIUS = 24


def simoncelli_image(settings: SimoncelliFilter) -> DerivedImage:
    r"""Response of one level of the wavelet.

    The transfer function of level :math:`j` at the normalised frequency :math:`\nu` (1 at the
    Nyquist frequency of an axis; distances are in voxels) is, with :math:`m = 2^{1-j}`,

    .. math:: B(\nu) = \cos\left(\frac{\pi}{2} \log_2\frac{2\nu}{m}\right),
              \quad \frac{m}{4} < \nu \le m

    and 0 elsewhere.

    Source: Simoncelli and Freeman, ICIP 1995;3:444; IBSI reference manual, convolutional filters
    (Whybra et al., Radiology 2024;310:e231319).
    """
    return DerivedImage(
        settings.prefix, partial(_reach, settings=settings), partial(_filtered, settings=settings)
    )


def radius(level: int) -> int:
    """Voxels at which the kernel ends where the boundary is not periodic."""
    return RADIUS * 2 ** (level - 1)


def profile(frequency: np.ndarray, level: int) -> np.ndarray:
    """Transfer function at normalised frequencies."""
    top = 2.0 ** (1 - level)
    inside = (frequency > top / 4) & (frequency <= top)
    octaves = np.log2(2 * np.where(inside, frequency, top) / top)
    return np.where(inside, np.cos(0.5 * math.pi * octaves), 0.0)


@cache
def kernel(axes: int, level: int) -> np.ndarray:
    """Kernel in 2 or 3 dimensions, cut off at :func:`radius`, with a sum of zero.

    The transfer function vanishes outside the sphere that the Nyquist frequency inscribes, so the
    kernel on the voxel grid is the inverse Fourier transform of a radial function, an integral over
    the frequency alone. A Tukey window (flat to half the radius) ends it: the transfer function
    then departs from its definition by up to 5.3 % of its peak, at the edges of the pass band, and
    by 0.8 % in the mean square over frequencies. The remaining response to a constant, which would
    mix the level of the image into the result, is taken off with the same window.
    """
    top = 2.0 ** (1 - level)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    frequency = top * (0.625 + 0.375 * nodes)
    omega = math.pi * frequency
    weights = 0.375 * top * math.pi * weights * profile(frequency, level)
    reach = radius(level)
    distance = np.sqrt(np.arange(reach**2 + 1))
    phase = distance[:, None] * omega
    if axes == 3:
        values = np.sinc(phase / math.pi) @ (weights * omega**2) / (2 * math.pi**2)
    else:
        values = special.j0(phase) @ (weights * omega) / (2 * math.pi)
    share = distance / reach
    window = np.where(share <= 0.5, 1.0, 0.5 - 0.5 * np.cos(2 * math.pi * share))
    # Both depend on the squared distance alone and vanish at the radius and beyond.
    squares = np.arange(-reach, reach + 1) ** 2
    squared = squares[:, None] + squares
    if axes == 3:
        squared = squared[:, :, None] + squares
    squared = np.minimum(squared, reach**2)
    found, window = (values * window)[squared], window[squared]
    return found - window * (found.sum() / window.sum())


def _reach(step: float, settings: SimoncelliFilter) -> float:
    return radius(settings.level) * step


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    settings: SimoncelliFilter,
) -> np.ndarray:
    part = image if slice_axis is None else _cut(image, slice_axis, inner[slice_axis])
    axes = tuple(axis for axis in range(3) if axis != slice_axis)
    wanted = [slice(None)] * 3
    if settings.boundary == "periodic":
        for axis in axes:
            wanted[axis] = inner[axis]
        radial = partial(profile, level=settings.level)
        return respond(part, slice_axis, radial, settings.riesz)[tuple(wanted)]
    reach = radius(settings.level)
    for axis in axes:
        low, high = inner[axis].start - reach, inner[axis].stop + reach
        part = gather(part, axis, sources(low, high, image.shape[axis], settings.boundary))
        wanted[axis] = slice(2 * reach, part.shape[axis])
    # A circular convolution of this size pollutes only what lies outside the wanted box.
    size = [fft.next_fast_len(part.shape[axis], real=True) for axis in axes]
    gain = fft.rfftn(kernel(len(axes), settings.level), s=size)
    if slice_axis is not None:
        gain = np.expand_dims(gain, slice_axis)
    spectrum = fft.rfftn(part, s=size, axes=axes)
    return fft.irfftn(spectrum * gain, s=size, axes=axes)[tuple(wanted)]


def _cut(image: np.ndarray, axis: int, wanted: slice) -> np.ndarray:
    box = [slice(None)] * image.ndim
    box[axis] = wanted
    return image[tuple(box)]
