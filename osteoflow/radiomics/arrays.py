"""Arrays with axes x, y, z as SimpleITK and pyradiomics want them."""

from __future__ import annotations

from typing import Any

import numpy as np
from SimpleITK import GetImageFromArray, Image


def as_itk(array: np.ndarray, spacing: tuple[float, float, float]) -> Image:
    """Array with axes x, y, z as a SimpleITK image."""
    image = GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetSpacing([float(step) for step in spacing])
    return image


def itk_slice_axis(slice_axis: int | None) -> dict[str, Any]:
    """pyradiomics' options that keep a computation within the slices."""
    return {} if slice_axis is None else {"force2D": True, "force2Ddimension": 2 - slice_axis}
