"""One filtered image: its name, how far its filter reaches, and how it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from osteoflow.radiomics.boxes import Box


@dataclass(frozen=True)
class DerivedImage:
    """One filtered image of a recipe.

    Parameters
    ----------
    prefix
        Its name in the columns, without an underscore, e.g. ``log-sigma-2-0-mm-3D``.
    reach_mm
        Voxel size along an axis in mm -> distance in mm beyond which a voxel has no influence.
    compute
        ``(image, inner, spacing, slice_axis, shared)`` -> values of the box ``inner``. Where the
        image ends before the filter's reach, the scan ends there. ``shared`` is a dictionary in
        which images of one filter leave each other intermediate results; it is empty at first.
    words
        What the filter is, with its parameters, for people: ``Laplacian of Gaussian (3D), sigma
        2 mm``. Every filter must say it.
    """

    prefix: str
    reach_mm: Callable[[float], float]
    compute: Callable[[np.ndarray, Box, tuple[float, float, float], int | None, dict], np.ndarray]
    words: str = ""
