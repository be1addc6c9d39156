"""Two-dimensional Gabor filters, plane by plane (IBSI-2)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filter_settings import GaborFilter
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.lines import gather, sources
from osteoflow.scipy_parts import fft

# The kernel ends where its envelope has fallen to exp(-8), 0.03 % of its centre.
CUT_OFF = 4.0
AXIAL = 2


def gabor_image(settings: GaborFilter) -> DerivedImage:
    r"""Modulus of the response to complex Gabor kernels, pooled over directions and planes.

    .. math:: g(k) = \exp\left(-\frac{u^2 + \gamma^2 v^2}{2\sigma^2}
              + i \frac{2\pi u}{\lambda}\right)

    with :math:`u = k_1 \cos\theta + k_2 \sin\theta`, :math:`v = -k_1 \sin\theta + k_2 \cos\theta`
    and positions in mm. Kernels are not normalised. A direction and its opposite have conjugate
    responses, so half a turn stands for the full one where the steps allow it.

    Source: IBSI reference manual, convolutional filters (Whybra et al., Radiology
    2024;310:e231319).
    """
    return DerivedImage(
        settings.prefix, partial(_reach, settings=settings), partial(_filtered, settings=settings)
    )


def _radius(step: float, settings: GaborFilter) -> int:
    return math.ceil(CUT_OFF * settings.sigma_mm * max(1.0, 1.0 / settings.gamma) / step)


def _reach(step: float, settings: GaborFilter) -> float:
    return _radius(step, settings) * step


def directions(settings: GaborFilter) -> list[float]:
    """Angles in radians whose responses are pooled, all with equal weight."""
    start = math.radians(settings.theta_degrees)
    if settings.theta_step_degrees is None:
        return [start]
    count = round(360 / settings.theta_step_degrees)
    used = count // 2 if count % 2 == 0 else count
    return [start + 2 * math.pi * number / count for number in range(used)]


def kernel(angle: float, steps: tuple[float, float], settings: GaborFilter) -> np.ndarray:
    """Sampled complex kernel in a plane with voxels of ``steps`` mm."""
    first, second = (
        np.arange(-radius, radius + 1) * step
        for radius, step in ((_radius(step, settings), step) for step in steps)
    )
    first, second = first[:, None], second[None, :]
    along = first * math.cos(angle) + second * math.sin(angle)
    across = -first * math.sin(angle) + second * math.cos(angle)
    envelope = np.exp(-(along**2 + (settings.gamma * across) ** 2) / (2 * settings.sigma_mm**2))
    return envelope * np.exp(2j * math.pi * along / settings.wavelength_mm)


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    settings: GaborFilter,
) -> np.ndarray:
    if settings.planes == "orthogonal":
        normals = (0, 1, 2)
    else:
        normals = (AXIAL if slice_axis is None else slice_axis,)
    angles = directions(settings)
    result = None
    for normal in normals:
        found = _plane(image, inner, spacing, normal, angles, settings)
        if result is None:
            result = found
        else:
            result = np.maximum(result, found) if settings.rotation == "max" else result + found
    if settings.rotation == "average":
        result = result / (len(normals) * len(angles))
    return result


def _plane(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    normal: int,
    angles: list[float],
    settings: GaborFilter,
) -> np.ndarray:
    """Sum or maximum of the moduli over the angles, in the planes across one axis."""
    axes = [axis for axis in range(3) if axis != normal]
    steps = tuple(spacing[axis] for axis in axes)
    radii = [_radius(step, settings) for step in steps]
    part = np.moveaxis(image, normal, 0)[inner[normal]]
    for number, (axis, radius) in enumerate(zip(axes, radii, strict=True)):
        low, high = inner[axis].start - radius, inner[axis].stop + radius
        indices = sources(low, high, image.shape[axis], settings.boundary)
        part = gather(part, number + 1, indices)
    # A circular convolution of this size pollutes only what lies outside the wanted box.
    size = [fft.next_fast_len(length) for length in part.shape[1:]]
    kernels = [fft.fft2(kernel(angle, steps, settings), s=size) for angle in angles]
    wanted = tuple(
        slice(2 * radius, length) for radius, length in zip(radii, part.shape[1:], strict=True)
    )
    pool = np.maximum if settings.rotation == "max" else np.add
    result = np.zeros([part.shape[0], *(axis.stop - axis.start for axis in wanted)])
    for number, plane in enumerate(part):
        spectrum = fft.fft2(plane, s=size)
        for each in kernels:
            modulus = np.abs(fft.ifft2(spectrum * each)[wanted])
            pool(result[number], modulus, out=result[number])
    return np.moveaxis(result, 0, normal)
