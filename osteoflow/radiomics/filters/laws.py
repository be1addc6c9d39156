"""Laws' kernels and their energy images (IBSI-2)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filter_settings import LawsFilter
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.lines import centred, in_axes, plans, run
from osteoflow.radiomics.filters.rotations import pooled

# Level, edge, spot, wave and ripple (Laws, USC report 940, 1980); each is divided by its norm.
TAPS = {
    "L3": (1, 2, 1),
    "E3": (-1, 0, 1),
    "S3": (-1, 2, -1),
    "L5": (1, 4, 6, 4, 1),
    "E5": (-1, -2, 0, 2, 1),
    "S5": (-1, 0, 2, 0, -1),
    "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
}
KERNELS = {
    name: centred([tap / math.sqrt(sum(other**2 for other in taps)) for tap in taps])
    for name, taps in TAPS.items()
}


def laws_image(settings: LawsFilter) -> DerivedImage:
    """Response of a product of Laws' kernels, pooled over rotations, and its local energy.

    The energy is the mean absolute (pooled) response within a Chebyshev distance.

    Source: IBSI reference manual, convolutional filters (Whybra et al., Radiology
    2024;310:e231319).
    """
    return DerivedImage(
        settings.prefix, partial(_reach, settings=settings), partial(_filtered, settings=settings)
    )


def _reach(step: float, settings: LawsFilter) -> float:
    radius = max(KERNELS[name].origin for name in settings.names)
    return (radius + (settings.energy or 0)) * step


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    settings: LawsFilter,
) -> np.ndarray:
    kernels = tuple((KERNELS[name],) for name in settings.names)
    respond = partial(
        pooled,
        kernels=kernels,
        slice_axis=slice_axis,
        boundary=settings.boundary,
        rotation=settings.rotation,
    )
    if settings.energy is None:
        return respond(image, inner)
    support = 2 * settings.energy + 1
    mean = (centred(np.full(support, 1.0 / support)),)
    axes = plans(image.shape, inner, in_axes([mean] * len(kernels), slice_axis), settings.boundary)
    response = respond(image, tuple(axis.first for axis in axes))
    return run(np.abs(response), axes)
