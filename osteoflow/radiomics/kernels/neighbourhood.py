"""Around every voxel of a region: mean level and number of equal voxels, in one pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from osteoflow.compiled import compiled


class Neighbourhood(NamedTuple):
    """Sums over the voxels of each grey level that occurs.

    Parameters
    ----------
    voxels
        Voxels of the level, shape (n levels,).
    tone_difference
        Sum of |level - mean level of the neighbours in the region|; a voxel without neighbours
        adds 0.
    dependence
        Voxels by level and number of neighbours of the same level, (n levels, n neighbours + 1).
    """

    voxels: np.ndarray
    tone_difference: np.ndarray
    dependence: np.ndarray


def neighbourhood(
    ranks: np.ndarray, inside: np.ndarray, offsets: np.ndarray, levels: np.ndarray
) -> Neighbourhood:
    """Both matrices of the nearest neighbours; arguments as in :class:`.grid.TextureGrid`."""
    level_of = np.concatenate([[0.0], levels])
    return Neighbourhood(*_around(ranks, inside, offsets, level_of))


@compiled
def _around(ranks, inside, offsets, level_of):
    n_levels = level_of.size - 1
    voxels = np.zeros(n_levels)
    difference = np.zeros(n_levels)
    dependence = np.zeros((n_levels, 2 * offsets.size + 1), np.int64)
    for position in inside:
        rank = ranks[position]
        total = 0.0
        count = 0
        same = 0
        for offset in offsets:
            before = ranks[position - offset]
            after = ranks[position + offset]
            total += level_of[before] + level_of[after]
            count += (before != 0) + (after != 0)
            same += (before == rank) + (after == rank)
        voxels[rank - 1] += 1
        dependence[rank - 1, same] += 1
        if count > 0:
            difference[rank - 1] += abs(level_of[rank] - total / count)
    return voxels, difference, dependence
