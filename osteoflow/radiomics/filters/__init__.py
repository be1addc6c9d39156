"""Images derived from a prepared image by filters: their names, their reach and their values.

A new filter is one module with one function that turns the recipe into :class:`DerivedImage`
entries, and its entry in :data:`FILTERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.ibsi import ibsi_images
from osteoflow.radiomics.filters.laplacian import laplacian_images
from osteoflow.radiomics.filters.wavelet import wavelet_images
from osteoflow.radiomics.settings import RadiomicsSettings

ORIGINAL = "original"
FILTERS: tuple[Callable[[RadiomicsSettings], list[DerivedImage]], ...] = (
    laplacian_images,
    wavelet_images,
    ibsi_images,
)


def derived_images(settings: RadiomicsSettings) -> list[DerivedImage]:
    """All filtered images of a recipe, in the order of their columns."""
    return [image for make in FILTERS for image in make(settings)]


def prefixes(settings: RadiomicsSettings) -> list[str]:
    """Names of the images that features are computed of, in their order."""
    original = [ORIGINAL] if settings.filters.original else []
    return original + [image.prefix for image in derived_images(settings)]


def filter_words(settings: RadiomicsSettings) -> dict[str, str]:
    """What each of a recipe's images is, in words with parameters, by its prefix.

    The image itself is always among them: shape describes it whatever the filters.
    """
    return {ORIGINAL: "none"} | {
        image.prefix: image.words or image.prefix for image in derived_images(settings)
    }


def reach_mm(settings: RadiomicsSettings, step: float) -> float:
    """How far around a region its values depend on the image, in mm along an axis.

    Parameters
    ----------
    settings
        The recipe.
    step
        Voxel size along the axis in mm.
    """
    return max((image.reach_mm(step) for image in derived_images(settings)), default=0.0)


def filter_warnings(
    settings: RadiomicsSettings, spacing: tuple[float, float, float], slice_axis: int | None
) -> list[str]:
    """Filters of a recipe that are too fine for an image's voxels, each as a sentence."""
    steps = [step for axis, step in enumerate(spacing) if axis != slice_axis]
    told = (each.too_fine(steps) for each in settings.filters.ibsi)
    return [sentence for sentence in told if sentence]


def filtered_images(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    settings: RadiomicsSettings,
) -> Iterator[tuple[str, np.ndarray]]:
    """The image itself and its filtered versions, one at a time, by :func:`prefixes`.

    Parameters
    ----------
    image
        Prepared image, axes to the right, anterior and superior, with a margin of
        :func:`reach_mm` around ``inner`` wherever the scan extends that far.
    inner
        The box whose values are wanted.
    spacing
        Voxel size in mm.
    slice_axis
        Through-plane axis of a 2D recipe, or None.
    settings
        The recipe.

    Yields
    ------
    prefix, values
        Values have the shape of ``inner``.
    """
    if settings.filters.original:
        yield ORIGINAL, image[inner]
    for make in FILTERS:
        shared: dict = {}
        for derived in make(settings):
            yield derived.prefix, derived.compute(image, inner, spacing, slice_axis, shared)
