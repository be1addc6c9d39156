"""Neighbourhood grey-tone difference: a voxel against the mean of its neighbours.

Source: Amadasun and King, IEEE Trans Syst Man Cybern 1989;19:1264.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteoflow.compiled import compiled

if TYPE_CHECKING:
    from osteoflow.radiomics.kernels.grid import TextureGrid

NAMES = ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")


def tone_difference_features(grid: TextureGrid) -> dict[str, float]:
    """All features of the tone difference matrix (distance 1).

    Where no voxel differs from its neighbours, coarseness is 1e6 and strength 0, and where the
    levels weigh the same, busyness is 0: pyradiomics' values for a division by zero.
    """
    around = grid.neighbourhood
    values = _features(around.voxels, around.tone_difference, grid.levels)
    return dict(zip(NAMES, values.tolist(), strict=True))


@compiled
def _features(voxels, difference, levels):
    n = voxels.sum()
    p = voxels / n
    weighted = 0.0
    for i in range(levels.size):
        weighted += p[i] * difference[i]
    contrast = 0.0
    spread = 0.0
    complexity = 0.0
    strength = 0.0
    for i in range(levels.size):
        for j in range(levels.size):
            step = abs(levels[i] - levels[j])
            contrast += p[i] * p[j] * step**2
            spread += abs(levels[i] * p[i] - levels[j] * p[j])
            complexity += step * (p[i] * difference[i] + p[j] * difference[j]) / (p[i] + p[j])
            strength += (p[i] + p[j]) * step**2
    total = difference.sum()
    out = np.zeros(5)
    out[0] = 1.0 / weighted if weighted != 0 else 1e6
    if levels.size > 1:
        out[1] = contrast * total / n / (levels.size * (levels.size - 1))
    if spread != 0:
        out[2] = weighted / spread
    out[3] = complexity / n
    if total != 0:
        out[4] = strength / total
    return out
