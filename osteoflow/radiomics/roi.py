"""A region of one image as the families of features see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.kernels.grid import TextureGrid, texture_grid
from osteoflow.radiomics.settings import RadiomicsSettings


@dataclass(frozen=True)
class Roi:
    """One region of one image (the prepared one or a filtered one), cut to its bounding box.

    All arrays have one shape; axes run to the right, anterior and superior.

    Parameters
    ----------
    image
        Intensities, also outside the region.
    morphology
        Region before re-segmentation by intensity.
    intensity
        Region after re-segmentation, a part of ``morphology``.
    levels
        Grey levels 1..N of the intensity mask, int32; 0 outside it.
    spacing
        Voxel size in mm.
    slice_axis
        Through-plane axis for 2D textures, None for 3D.
    surroundings, box
        The whole prepared image, and where in it this region lies: for features that look beyond
        the region. Of a filtered image the surroundings are those of the prepared image.
    settings
        The recipe.
    filtered
        Whether ``image`` is a filtered one, whose intensities have no unit.
    notes
        A family appends why a value is undefined or doubtful; they become warnings.
    """

    image: np.ndarray
    morphology: np.ndarray
    intensity: np.ndarray
    levels: np.ndarray
    spacing: tuple[float, float, float]
    slice_axis: int | None
    surroundings: np.ndarray
    box: Box
    settings: RadiomicsSettings
    filtered: bool = False
    notes: list[str] = field(default_factory=list)

    @cached_property
    def grid(self) -> TextureGrid:
        """The grey levels as texture matrices read them, laid out once for all families."""
        return texture_grid(self.levels, self.slice_axis)

    @property
    def one_level(self) -> bool:
        """Whether the region has a single grey level, and so no texture."""
        inside = self.levels[self.intensity]
        return bool(inside.min() == inside.max())
