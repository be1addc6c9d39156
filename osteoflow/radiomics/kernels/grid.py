"""Grey levels of a region laid out so that matrices visit its voxels and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.radiomics.kernels.neighbourhood import Neighbourhood, neighbourhood
from osteoflow.radiomics.kernels.size_zone import Zones, connected_zones


@dataclass(frozen=True)
class TextureGrid:
    """Grey levels of a region with a border of one empty voxel, as a flat array.

    A neighbour is the voxel at a fixed distance in the flat array, and needs no look at the
    array's bounds: beyond the region, its box included, the rank is 0.

    Parameters
    ----------
    ranks
        Flat uint16: 1 for the lowest grey level that occurs, 2 for the next; 0 outside.
    inside
        Positions of the region's voxels in ``ranks``, ascending.
    levels
        Grey level by rank - 1, float64: levels that do not occur have no rank.
    directions
        (n, 3) steps to one neighbour of each pair of opposite neighbours: 13 in 3D, 4 in slices.
    offsets
        The same as distances in ``ranks``.
    shape
        Of the array with its border.
    """

    ranks: np.ndarray
    inside: np.ndarray
    levels: np.ndarray
    directions: np.ndarray
    offsets: np.ndarray
    shape: tuple[int, int, int]

    @cached_property
    def zones(self) -> Zones:
        """Connected voxels of one level: :func:`.size_zone.connected_zones`."""
        return connected_zones(self.ranks, self.inside, self.offsets)

    @cached_property
    def neighbourhood(self) -> Neighbourhood:
        """What the voxels around each voxel add up to: :func:`.neighbourhood.neighbourhood`."""
        return neighbourhood(self.ranks, self.inside, self.offsets, self.levels)


def texture_grid(levels: np.ndarray, slice_axis: int | None) -> TextureGrid:
    """Lay out the grey levels of a region.

    Parameters
    ----------
    levels
        3D array of grey levels from 1; 0 outside the region.
    slice_axis
        Axis across which voxels are no neighbours, None in 3D.

    Raises
    ------
    ValueError
        The array has another dimension, holds negative levels, levels above 65,535 or no region.
    """
    levels = np.ascontiguousarray(levels, np.int32)
    highest = int(levels.max(initial=0))
    if levels.ndim != 3 or levels.min(initial=0) < 0 or not 0 < highest <= np.iinfo(np.uint16).max:
        raise ValueError("grey levels are a 3D array, 0 outside the region and 1 to 65535 inside")
    shape = tuple(size + 2 for size in levels.shape)
    ranks = np.zeros(shape, np.uint16)
    inside, present = _lay_out(levels, ranks, highest)
    directions = _directions(slice_axis)
    offsets = directions @ np.array([shape[1] * shape[2], shape[2], 1])
    return TextureGrid(ranks.reshape(-1), inside, present.astype(float), directions, offsets, shape)


def _directions(slice_axis: int | None) -> np.ndarray:
    steps = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]
    return np.array([step for step in steps if slice_axis is None or step[slice_axis] == 0])


@compiled
def _lay_out(levels, ranks, highest):
    """Fill the ranks; positions of the region's voxels in them, and the levels that occur."""
    count = np.zeros(highest + 1, np.int64)
    for x in range(levels.shape[0]):
        for y in range(levels.shape[1]):
            for z in range(levels.shape[2]):
                count[levels[x, y, z]] += 1
    rank_of = np.zeros(highest + 1, np.uint16)
    present = np.empty(highest, np.int64)
    n_levels = 0
    n_voxels = 0
    for level in range(1, highest + 1):
        if count[level] > 0:
            present[n_levels] = level
            n_levels += 1
            n_voxels += count[level]
            rank_of[level] = n_levels
    inside = np.empty(n_voxels, np.int64)
    k = 0
    for x in range(levels.shape[0]):
        for y in range(levels.shape[1]):
            row = ((x + 1) * ranks.shape[1] + y + 1) * ranks.shape[2] + 1
            for z in range(levels.shape[2]):
                level = levels[x, y, z]
                if level > 0:
                    ranks[x + 1, y + 1, z + 1] = rank_of[level]
                    inside[k] = row + z
                    k += 1
    return inside, present[:n_levels].copy()
