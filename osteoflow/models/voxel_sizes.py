"""Voxel sizes behind the features of a study, where they differ."""

from __future__ import annotations

import numpy as np
import pandas as pd

SAME_WITHIN = 0.05
"""Relative difference up to which voxel sizes count as one: scanners round fields of view."""

EDGES = ("left-right", "posterior-anterior", "inferior-superior")


def voxel_warnings(rows: pd.DataFrame) -> list[str]:
    """A sentence where texture was computed on voxels of different size.

    Parameters
    ----------
    rows
        Feature rows of one region and image, with ``voxel_mm`` (``0.9 x 0.9 x 4.4``) as features
        saw it, after resampling.

    Notes
    -----
    Most texture features change with the voxel size, also where the region does not
    (Shafiq-ul-Hassan et al., Med Phys 2017;44:1050).
    """
    if "voxel_mm" not in rows.columns:
        return []
    texts = rows["voxel_mm"].dropna().astype(str)
    if texts.empty:
        return []
    sizes = np.array([[float(edge) for edge in text.split(" x ")] for text in texts])
    low, high = sizes.min(axis=0), sizes.max(axis=0)
    different = [
        f"{name} {low[axis]:g} to {high[axis]:g} mm"
        for axis, name in enumerate(EDGES)
        if high[axis] > (1 + SAME_WITHIN) * low[axis]
    ]
    if not different:
        return []
    return [
        f"features were computed on voxels of different size ({', '.join(different)}): texture "
        "follows voxel size; set resample_mm in the recipe, or leave other protocols out"
    ]
