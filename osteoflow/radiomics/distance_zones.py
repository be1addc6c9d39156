"""Grey-level distance zone matrix: zones of one level by their distance to the region's edge.

Definitions: Thibault et al., IEEE Trans Biomed Eng 2014;61:630; Zwanenburg et al., Radiology
2020;295:328 (IBSI reference manual, grey level distance zone based features).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from osteoflow.compiled import compiled
from osteoflow.radiomics.roi import Roi


def gldzm_features(roi: Roi) -> dict[str, float]:
    """Features of the grey-level distance zone matrix.

    Zones are connected voxels of one grey level (26 neighbours; 8 in a 2D recipe) of the intensity
    mask. A zone's distance is the smallest number of steps, along the axes, from one of its
    voxels out of the *morphological* mask: voxels that re-segmentation removed make no edge. In a
    2D recipe the zones of all slices share one matrix (IBSI's 2.5D).

    Parameters
    ----------
    roi
        The region; the end of the scan counts as its edge.
    """
    distance = edge_distance(roi.morphology, roi.slice_axis)
    levels, distances = _zones(roi.levels, distance, _steps(roi.slice_axis))
    return zone_features(levels, distances, int(roi.intensity.sum()))


def edge_distance(mask: np.ndarray, slice_axis: int | None) -> np.ndarray:
    """Steps along the axes from each voxel of a mask to the nearest voxel outside it.

    Parameters
    ----------
    mask
        Boolean region, shape (i, j, k); beyond the array is outside.
    slice_axis
        Through-plane axis of a 2D recipe (steps stay within the slices), or None.

    Returns
    -------
    numpy.ndarray
        int32 of the mask's shape: 1 at the edge, 0 outside.
    """
    if slice_axis is None:
        padded = np.pad(mask, 1)
        return ndimage.distance_transform_cdt(padded, metric="taxicab")[1:-1, 1:-1, 1:-1]
    slices = np.moveaxis(mask, slice_axis, 0)
    distance = np.zeros(slices.shape, np.int32)
    for plane, found in zip(slices, distance, strict=True):
        found[:] = ndimage.distance_transform_cdt(np.pad(plane, 1), metric="taxicab")[1:-1, 1:-1]
    return np.moveaxis(distance, 0, slice_axis)


def zone_features(levels: np.ndarray, distances: np.ndarray, n_voxels: int) -> dict[str, float]:
    """Features of a distance zone matrix given by its zones.

    Parameters
    ----------
    levels, distances
        Grey level and distance of each zone, shape (n,), from 1.
    n_voxels
        Voxels that the zones are made of.
    """
    n = levels.size
    matrix = np.zeros((levels.max(), distances.max()))
    np.add.at(matrix, (levels - 1, distances - 1), 1)
    of_level, of_distance = matrix.sum(axis=1), matrix.sum(axis=0)
    i, j = levels.astype(float) ** 2, distances.astype(float) ** 2
    part = matrix[matrix > 0] / n
    return {
        "SmallDistanceEmphasis": np.mean(1 / j),
        "LargeDistanceEmphasis": np.mean(j),
        "LowGrayLevelZoneEmphasis": np.mean(1 / i),
        "HighGrayLevelZoneEmphasis": np.mean(i),
        "SmallDistanceLowGrayLevelEmphasis": np.mean(1 / (i * j)),
        "SmallDistanceHighGrayLevelEmphasis": np.mean(i / j),
        "LargeDistanceLowGrayLevelEmphasis": np.mean(j / i),
        "LargeDistanceHighGrayLevelEmphasis": np.mean(i * j),
        "GrayLevelNonUniformity": (of_level**2).sum() / n,
        "GrayLevelNonUniformityNormalized": (of_level**2).sum() / n**2,
        "ZoneDistanceNonUniformity": (of_distance**2).sum() / n,
        "ZoneDistanceNonUniformityNormalized": (of_distance**2).sum() / n**2,
        "ZonePercentage": n / n_voxels,
        "GrayLevelVariance": np.var(levels),
        "ZoneDistanceVariance": np.var(distances),
        "ZoneDistanceEntropy": -(part * np.log2(part)).sum(),
    }


def _steps(slice_axis: int | None) -> np.ndarray:
    """Steps to the neighbours that may belong to the same zone, shape (n, 3)."""
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
    keep = steps.any(axis=1)
    if slice_axis is not None:
        keep &= steps[:, slice_axis] == 0
    return steps[keep]


@compiled
def _zones(levels, distance, steps):
    """Grey level and smallest distance of each zone, in the order of their first voxels."""
    n_i, n_j, n_k = levels.shape
    seen = np.zeros(levels.shape, np.bool_)
    n_voxels = 0
    for i in range(n_i):
        for j in range(n_j):
            for k in range(n_k):
                if levels[i, j, k] > 0:
                    n_voxels += 1
    stack = np.empty((n_voxels, 3), np.int64)
    zone_level = np.empty(n_voxels, np.int64)
    zone_distance = np.empty(n_voxels, np.int64)
    zones = 0
    for i in range(n_i):
        for j in range(n_j):
            for k in range(n_k):
                level = levels[i, j, k]
                if level == 0 or seen[i, j, k]:
                    continue
                nearest = distance[i, j, k]
                stack[0, 0], stack[0, 1], stack[0, 2] = i, j, k
                seen[i, j, k] = True
                held = 1
                while held > 0:
                    held -= 1
                    x, y, z = stack[held, 0], stack[held, 1], stack[held, 2]
                    nearest = min(nearest, distance[x, y, z])
                    for step in range(steps.shape[0]):
                        u = x + steps[step, 0]
                        v = y + steps[step, 1]
                        w = z + steps[step, 2]
                        if u < 0 or v < 0 or w < 0 or u >= n_i or v >= n_j or w >= n_k:
                            continue
                        if levels[u, v, w] == level and not seen[u, v, w]:
                            seen[u, v, w] = True
                            stack[held, 0], stack[held, 1], stack[held, 2] = u, v, w
                            held += 1
                zone_level[zones] = level
                zone_distance[zones] = nearest
                zones += 1
    return zone_level[:zones], zone_distance[:zones]
