"""Grey-level dependences: how many neighbours of a voxel share its grey level.

Source: Sun and Wee, Comput Vis Graph Image Process 1983;23:341.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteoflow.radiomics.kernels.level_size import named, table_statistics

if TYPE_CHECKING:
    from osteoflow.radiomics.kernels.grid import TextureGrid

# Every voxel has one dependence: the percentage is 1, and the level non-uniformity normalised
# is the uniformity of first order.
NAMES = {
    "small": "SmallDependenceEmphasis",
    "large": "LargeDependenceEmphasis",
    "level_non_uniformity": "GrayLevelNonUniformity",
    "size_non_uniformity": "DependenceNonUniformity",
    "size_non_uniformity_normalized": "DependenceNonUniformityNormalized",
    "level_variance": "GrayLevelVariance",
    "size_variance": "DependenceVariance",
    "entropy": "DependenceEntropy",
    "low_level": "LowGrayLevelEmphasis",
    "high_level": "HighGrayLevelEmphasis",
    "small_low": "SmallDependenceLowGrayLevelEmphasis",
    "small_high": "SmallDependenceHighGrayLevelEmphasis",
    "large_low": "LargeDependenceLowGrayLevelEmphasis",
    "large_high": "LargeDependenceHighGrayLevelEmphasis",
}


def dependence_features(grid: TextureGrid) -> dict[str, float]:
    """All features of the dependence matrix (coarseness 0, distance 1)."""
    return named(table_statistics(grid.neighbourhood.dependence, grid.levels), NAMES)
