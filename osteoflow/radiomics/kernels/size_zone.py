"""Grey-level size zones: connected voxels of one grey level.

Source: Thibault et al., PRIP 2009:140. Zones are joined by union-find (Tarjan, J ACM 1975;22:215)
in one pass over the voxels, so that the time does not grow with the number or shape of zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.radiomics.kernels.level_size import level_size_statistics, named

if TYPE_CHECKING:
    from osteoflow.radiomics.kernels.grid import TextureGrid

NAMES = {
    "small": "SmallAreaEmphasis",
    "large": "LargeAreaEmphasis",
    "level_non_uniformity": "GrayLevelNonUniformity",
    "level_non_uniformity_normalized": "GrayLevelNonUniformityNormalized",
    "size_non_uniformity": "SizeZoneNonUniformity",
    "size_non_uniformity_normalized": "SizeZoneNonUniformityNormalized",
    "percentage": "ZonePercentage",
    "level_variance": "GrayLevelVariance",
    "size_variance": "ZoneVariance",
    "entropy": "ZoneEntropy",
    "low_level": "LowGrayLevelZoneEmphasis",
    "high_level": "HighGrayLevelZoneEmphasis",
    "small_low": "SmallAreaLowGrayLevelEmphasis",
    "small_high": "SmallAreaHighGrayLevelEmphasis",
    "large_low": "LargeAreaLowGrayLevelEmphasis",
    "large_high": "LargeAreaHighGrayLevelEmphasis",
}


class Zones(NamedTuple):
    """Zones of a region, numbered in the order of their first voxels.

    Parameters
    ----------
    number
        Zone of each voxel of the region in array order, from 1.
    rank
        Per zone, rank of its grey level (from 1).
    size
        Per zone, voxels.
    """

    number: np.ndarray
    rank: np.ndarray
    size: np.ndarray


def zones(levels: np.ndarray, slice_axis: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Connected voxels of one grey level (26 neighbours; 8 within slices).

    Parameters
    ----------
    levels
        3D array of grey levels from 1; 0 outside the region.
    slice_axis
        Axis across which voxels are not connected, None in 3D.

    Returns
    -------
    labels, level, size
        Zone by voxel (from 1, int32, 0 outside the region; shape of ``levels``); grey level
        (int32) and number of voxels (int64) of each zone, so that ``level[label - 1]`` is the
        level of a zone. Of a :class:`~osteoflow.radiomics.roi.Roi` the same comes from
        ``zone_labels(roi.levels, roi.grid)`` without a second search.
    """
    from osteoflow.radiomics.kernels.grid import texture_grid

    return zone_labels(levels, texture_grid(levels, slice_axis))


def zone_labels(levels: np.ndarray, grid: TextureGrid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """:func:`zones` of grey levels that are laid out already."""
    found = grid.zones
    labels = np.zeros(levels.shape, np.int32)
    labels[levels > 0] = found.number
    return labels, grid.levels[found.rank - 1].astype(np.int32), found.size


def size_zone_features(grid: TextureGrid) -> dict[str, float]:
    """All features of the size zone matrix."""
    rank, size, count = size_zone_matrix(grid)
    return named(level_size_statistics(rank, size, count, grid.levels), NAMES)


def size_zone_matrix(grid: TextureGrid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index of the level in ``grid.levels``, size and number of zones, where there are any."""
    found = grid.zones
    step = int(found.size.max()) + 1
    pairs, count = np.unique((found.rank - 1) * step + found.size, return_counts=True)
    return pairs // step, pairs % step, count


def connected_zones(ranks: np.ndarray, inside: np.ndarray, offsets: np.ndarray) -> Zones:
    """Zones by voxel; arguments as in :class:`.grid.TextureGrid`."""
    index = np.zeros(ranks.size, np.int32)
    index[inside] = np.arange(inside.size, dtype=np.int32)
    return Zones(*_connect(ranks, inside, offsets, index))


@compiled
def _root(parent, k):
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@compiled
def _connect(ranks, inside, offsets, index):
    parent = np.empty(inside.size, np.int32)
    for k in range(inside.size):
        position = inside[k]
        rank = ranks[position]
        own = k
        parent[k] = k
        for offset in offsets:  # all lead backwards in the array when subtracted
            if ranks[position - offset] == rank:
                other = _root(parent, index[position - offset])
                # The smaller index is the root: zones are numbered by their first voxels.
                if other < own:
                    parent[own] = other
                    own = other
                elif own < other:
                    parent[other] = own
    number = np.empty(inside.size, np.int32)
    zone_rank = np.empty(inside.size, np.int64)
    size = np.zeros(inside.size, np.int64)
    n_zones = 0
    for k in range(inside.size):
        root = _root(parent, k)
        if root == k:
            zone_rank[n_zones] = ranks[inside[k]]
            n_zones += 1
            number[k] = n_zones
        else:
            number[k] = number[root]
        size[number[k] - 1] += 1
    return number, zone_rank[:n_zones].copy(), size[:n_zones].copy()
