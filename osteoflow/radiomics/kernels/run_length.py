"""Grey-level run lengths: voxels of one grey level in a row, in each direction.

Source: Galloway, Comput Graph Image Process 1975;4:172.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.radiomics.kernels.level_size import named, table_statistics

if TYPE_CHECKING:
    from osteoflow.radiomics.kernels.grid import TextureGrid

NAMES = {
    "small": "ShortRunEmphasis",
    "large": "LongRunEmphasis",
    "level_non_uniformity": "GrayLevelNonUniformity",
    "level_non_uniformity_normalized": "GrayLevelNonUniformityNormalized",
    "size_non_uniformity": "RunLengthNonUniformity",
    "size_non_uniformity_normalized": "RunLengthNonUniformityNormalized",
    "percentage": "RunPercentage",
    "level_variance": "GrayLevelVariance",
    "size_variance": "RunVariance",
    "entropy": "RunEntropy",
    "low_level": "LowGrayLevelRunEmphasis",
    "high_level": "HighGrayLevelRunEmphasis",
    "small_low": "ShortRunLowGrayLevelEmphasis",
    "small_high": "ShortRunHighGrayLevelEmphasis",
    "large_low": "LongRunLowGrayLevelEmphasis",
    "large_high": "LongRunHighGrayLevelEmphasis",
}


def run_length_features(grid: TextureGrid) -> dict[str, float]:
    """Mean over the directions of each feature; NaN where no direction has a row of voxels."""
    matrices = run_length_matrices(grid)
    if not matrices:
        return dict.fromkeys(NAMES.values(), float("nan"))
    return named(np.mean([table_statistics(m, grid.levels) for m in matrices], axis=0), NAMES)


def run_length_matrices(grid: TextureGrid) -> list[np.ndarray]:
    """Runs by level (row) and length - 1 (column), one matrix per direction.

    As in pyradiomics, a direction counts if any line along it holds two voxels of the region,
    adjacent or not: across a region one voxel thick there are no runs, only single voxels.
    """
    matrices = []
    for direction, offset in zip(grid.directions, grid.offsets, strict=True):
        table, adjacent = _runs(grid.ranks, grid.inside, offset, grid.levels.size)
        if adjacent or _two_on_a_line(grid, direction):
            matrices.append(table)
    return matrices


def _two_on_a_line(grid: TextureGrid, direction: np.ndarray) -> bool:
    """Whether any line along the direction passes two voxels of the region."""
    position = np.stack(np.unravel_index(grid.inside, grid.shape), axis=1)
    axis = int(np.flatnonzero(direction)[0])
    along = position[:, axis] * direction[axis]
    start = position - along[:, None] * direction
    return len(np.unique(start, axis=0)) < len(start)


@compiled
def _runs(ranks, inside, offset, n_levels):
    level = np.empty(inside.size, np.uint16)
    length = np.empty(inside.size, np.int64)
    n_runs = 0
    longest = 0
    adjacent = False
    for position in inside:
        rank = ranks[position]
        following = position + offset
        adjacent |= ranks[following] != 0
        if ranks[position - offset] == rank:
            continue  # not the first voxel of its run
        steps = 1
        while ranks[following] == rank:
            steps += 1
            following += offset
        level[n_runs] = rank
        length[n_runs] = steps
        n_runs += 1
        longest = max(longest, steps)
    table = np.zeros((n_levels, longest), np.int64)
    for k in range(n_runs):
        table[level[k] - 1, length[k] - 1] += 1
    return table, adjacent
