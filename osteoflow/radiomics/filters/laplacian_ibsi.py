"""Laplacian of Gaussian as IBSI-2 defines it: a sampled kernel that ends at a multiple of sigma."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filter_settings import LaplacianOfGaussianFilter
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.lines import (
    Kernel,
    centred,
    in_axes,
    separable,
)
from osteoflow.radiomics.filters.spectral import respond


def laplacian_image(settings: LaplacianOfGaussianFilter) -> DerivedImage:
    r"""Response of the Laplacian of Gaussian.

    The kernel in D dimensions is, with distances and sigma in voxels,

    .. math:: g(k) = -\frac{1}{\sigma^2} \left(\frac{1}{\sqrt{2\pi}\sigma}\right)^D
              \left(D - \frac{|k|^2}{\sigma^2}\right) \exp\left(-\frac{|k|^2}{2\sigma^2}\right)

    on a cube with an edge of 1 + 2 floor(4 sigma + 0.5) voxels. It is a sum of D separable
    kernels, the second derivative along one axis and Gaussians along the others, and is computed
    as such. Where voxels are not cubes, sigma in voxels differs by axis and each second derivative
    is scaled by the squared ratio of the geometric mean voxel size to that axis' own, so that the
    response is the Laplacian in space times the squared mean voxel size.

    With ``riesz`` the response of the whole scan is Riesz-transformed, see
    :func:`osteoflow.radiomics.filters.spectral.transfer`.

    Source: IBSI reference manual, convolutional filters (Whybra et al., Radiology
    2024;310:e231319).
    """
    return DerivedImage(
        settings.prefix, partial(_reach, settings=settings), partial(_filtered, settings=settings)
    )


def _radius(step: float, settings: LaplacianOfGaussianFilter) -> int:
    return math.floor(settings.truncate * settings.sigma_mm / step + 0.5)


def _reach(step: float, settings: LaplacianOfGaussianFilter) -> float:
    return _radius(step, settings) * step


def _kernels(step: float, settings: LaplacianOfGaussianFilter) -> tuple[Kernel, Kernel]:
    """Gaussian and its second derivative along one axis, in voxels."""
    sigma = settings.sigma_mm / step
    radius = _radius(step, settings)
    squared = (np.arange(-radius, radius + 1) / sigma) ** 2
    gaussian = np.exp(-squared / 2) / (math.sqrt(2 * math.pi) * sigma)
    return centred(gaussian), centred((squared - 1) / sigma**2 * gaussian)


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    settings: LaplacianOfGaussianFilter,
) -> np.ndarray:
    if settings.riesz is None:
        return _response(image, inner, spacing, slice_axis, settings)
    whole = [slice(0, size) for size in image.shape]
    if slice_axis is not None:
        whole[slice_axis] = inner[slice_axis]
    response = _response(image, tuple(whole), spacing, slice_axis, settings)
    found = respond(response, slice_axis, np.ones_like, settings.riesz)
    wanted = list(inner)
    if slice_axis is not None:
        wanted[slice_axis] = slice(None)
    return found[tuple(wanted)]


def _response(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    settings: LaplacianOfGaussianFilter,
) -> np.ndarray:
    steps = [step for axis, step in enumerate(spacing) if axis != slice_axis]
    pairs = [_kernels(step, settings) for step in steps]
    mean = math.prod(steps) ** (1 / len(steps))
    total = 0.0
    for derived, step in enumerate(steps):
        kernels = [(pair[axis == derived],) for axis, pair in enumerate(pairs)]
        response = separable(image, inner, in_axes(kernels, slice_axis), settings.boundary)
        total = total + (mean / step) ** 2 * response
    return total
