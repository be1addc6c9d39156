"""Mean filter of IBSI-2."""

from __future__ import annotations

from functools import partial

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filter_settings import MeanFilter
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.lines import centred, in_axes, separable


def mean_image(settings: MeanFilter) -> DerivedImage:
    """The mean of the voxels around each voxel.

    Source: IBSI reference manual, convolutional filters (Whybra et al., Radiology
    2024;310:e231319).
    """
    return DerivedImage(
        settings.prefix, partial(_reach, settings=settings), partial(_filtered, settings=settings)
    )


def _reach(step: float, settings: MeanFilter) -> float:
    return settings.support // 2 * step


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    settings: MeanFilter,
) -> np.ndarray:
    kernel = centred(np.full(settings.support, 1.0 / settings.support))
    axes = 3 if slice_axis is None else 2
    kernels = in_axes([(kernel,)] * axes, slice_axis)
    return separable(image, inner, kernels, settings.boundary)
