"""Supervoxels: small groups of neighbouring voxels with similar intensities."""

from __future__ import annotations

import numpy as np

from osteoflow.compiled import compiled

# Clusters hardly move after a few rounds (Achanta et al. stop at ten, in colour photographs).
ROUNDS = 5


def supervoxels(
    image: np.ndarray,
    active: np.ndarray,
    spacing: tuple[float, float, float],
    size_mm: float,
) -> np.ndarray:
    """Divide part of an image into supervoxels by simple linear iterative clustering (SLIC).

    Clusters start as the cells of a regular lattice. In every round a voxel joins, among the
    clusters of its cell and of the 26 around it, the one that is nearest in

    (difference of intensity / SD of intensities)^2 + (distance / ``size_mm``)^2,

    and clusters move to the mean place and intensity of their voxels. There are no random numbers.
    Orphaned voxels of a cluster are not reassigned.

    Parameters
    ----------
    image
        3D map; voxels that are not finite count with the median of the others.
    active
        Voxels that are divided, of the same shape.
    spacing
        Voxel size in mm. Across slices that are thicker than ``size_mm`` a supervoxel is one slice
        thick.
    size_mm
        Edge of the lattice's cells.

    Returns
    -------
    numpy.ndarray
        int32 of the image's shape: number of the supervoxel, -1 where not ``active``. Numbers may
        have gaps.

    Notes
    -----
    Source: Achanta et al., IEEE Trans Pattern Anal Mach Intell 2012;34:2274.
    """
    places = np.argwhere(active)
    labels = np.full(image.shape, -1, np.int32)
    if not len(places):
        return labels
    shape, step = np.array(image.shape), np.array(spacing)
    cells = np.clip(np.rint(shape * step / size_mm).astype(np.int64), 1, shape)
    home = places * cells // shape
    values = _intensities(image[active])
    points = places * step
    number = np.ravel_multi_index(tuple(home.T), tuple(cells)).astype(np.int64)
    total = int(np.prod(cells))
    for _ in range(ROUNDS):
        counts = np.bincount(number, minlength=total)
        filled = np.maximum(counts, 1)
        middles = np.stack(
            [np.bincount(number, axis, total) / filled for axis in [*points.T, values]], axis=1
        )
        _join(points, values, home, cells, middles, counts, 1 / size_mm**2, number)
    labels[active] = number
    return labels


def _intensities(values: np.ndarray) -> np.ndarray:
    """Intensities in units of their standard deviation; zeros where they do not vary."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape)
    filled = np.where(finite, values, np.median(values[finite])).astype(float)
    spread = filled[finite].std()
    return filled / spread if spread > 0 else np.zeros(values.shape)


@compiled
def _join(points, values, home, cells, middles, counts, per_mm2, number):
    """Put each voxel's nearest cluster into ``number``; at equal distance the first one."""
    for voxel in range(points.shape[0]):
        best = np.inf
        for i in range(max(home[voxel, 0] - 1, 0), min(home[voxel, 0] + 2, cells[0])):
            for j in range(max(home[voxel, 1] - 1, 0), min(home[voxel, 1] + 2, cells[1])):
                for k in range(max(home[voxel, 2] - 1, 0), min(home[voxel, 2] + 2, cells[2])):
                    cluster = (i * cells[1] + j) * cells[2] + k
                    if counts[cluster] == 0:
                        continue
                    x = points[voxel, 0] - middles[cluster, 0]
                    y = points[voxel, 1] - middles[cluster, 1]
                    z = points[voxel, 2] - middles[cluster, 2]
                    difference = values[voxel] - middles[cluster, 3]
                    distance = difference * difference + (x * x + y * y + z * z) * per_mm2
                    if distance < best:
                        best = distance
                        number[voxel] = cluster
