"""Grey-level distance zone matrix: zones of one level by their distance to the region's edge.

Definitions: Thibault et al., IEEE Trans Biomed Eng 2014;61:630; Zwanenburg et al., Radiology
2020;295:328 (IBSI reference manual, grey level distance zone based features).
"""

from __future__ import annotations

import numpy as np

from osteoflow.radiomics.roi import Roi
from osteoflow.scipy_parts import ndimage


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
    zones = roi.grid.zones
    nearest = np.full(zones.size.size, np.iinfo(np.int32).max)
    np.minimum.at(nearest, zones.number - 1, distance[roi.levels > 0])
    levels = roi.grid.levels[zones.rank - 1].astype(int)
    return zone_features(levels, nearest, int(roi.intensity.sum()))


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
