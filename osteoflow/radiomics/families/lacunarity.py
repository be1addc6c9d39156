"""Lacunarity by gliding boxes: how unevenly a mass fills a region at each scale.

Definitions: Allain & Cloitre, Phys Rev A 1991;44:3552 (gliding box); Plotnick et al., Phys Rev E
1996;53:5461 (also of quantities). Arrays as in :mod:`osteoflow.radiomics.families.box_counting`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from osteoflow.radiomics.families.box_counting import MINIMUM_BOXES, MINIMUM_SIZES, box_sums


def lacunarity(mass: np.ndarray, region: np.ndarray, sizes: Sequence[int]) -> dict[int, float]:
    """Lacunarity ``<M^2> / <M>^2`` of the mass M in a gliding box, by size of the box.

    Parameters
    ----------
    mass
        Mass of each voxel: 0 or 1 for a set, or a quantity with a true zero, shape
        (planes, i, j) or (planes, i, j, k).
    region
        Where it counts. Only boxes wholly inside are used, at every position and in all planes
        alike; a box that overlaps the outline would show the outline as a gap.
    sizes
        Sides of the boxes in voxels.

    Returns
    -------
    dict
        1 for a mass spread evenly; ``1 + (1 - p) / (p size^d)`` for independent voxels that
        belong to the set with probability p. Sizes with fewer than sixteen boxes are missing;
        NaN where the mean mass is not positive.
    """
    found = {}
    weight = np.where(region, mass, 0.0)
    for size in sizes:
        if any(side < size for side in region.shape[1:]):
            continue
        inside = box_sums(region, size) == size ** (region.ndim - 1)
        if inside.sum() < MINIMUM_BOXES:
            continue
        boxes = box_sums(weight, size)[inside]
        mean = boxes.mean()
        # 1 + variance / mean^2: the same number without the difference of large squares.
        found[size] = float(1 + boxes.var() / mean**2) if mean > 0 else float("nan")
    return found


def lacunarity_slope(by_size: dict[int, float]) -> float:
    """Slope of the logarithm of lacunarity over that of size; NaN for fewer than four sizes.

    A self-similar set of dimension D in d dimensions has D - d, an even mass 0.
    """
    if len(by_size) < MINIMUM_SIZES:
        return float("nan")
    values = np.array(list(by_size.values()))
    if not np.isfinite(values).all():
        return float("nan")
    return float(np.polyfit(np.log(list(by_size)), np.log(values), 1)[0])
