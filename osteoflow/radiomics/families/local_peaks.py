"""Local intensity peaks: the mean of a ball of 1 cm3, inside and outside the region.

Definitions: Zwanenburg et al., Radiology 2020;295:328 (IBSI reference manual, local intensity);
Wahl et al., J Nucl Med 2009;50 Suppl 1:122S (the peak uptake they generalise).
"""

from __future__ import annotations

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.radiomics.boxes import widened, within
from osteoflow.radiomics.roi import Roi

RADIUS_MM = 10.0 * (3 / (4 * np.pi)) ** (1 / 3)
"""Radius of a ball of 1 cm3."""


def local_features(roi: Roi) -> dict[str, float]:
    """Mean of the ball around the highest voxel, and the highest mean around any voxel.

    The ball holds the voxels whose centres lie within its radius; where the scan ends, those that
    exist. Where several voxels share the highest intensity, the highest of their means counts.

    Parameters
    ----------
    roi
        The region of the prepared image; of its ``surroundings`` the values around the region are
        used. Voxels without a number hold their nearest neighbour's there.
    """
    centres = np.argwhere(roi.intensity)
    values = roi.image[roi.intensity]
    # Filters may have asked for more of the scan, up to all of it, which the balls do not reach.
    near = widened(roi.box, _reach(roi.spacing, RADIUS_MM), roi.surroundings.shape)
    start = [part.start for part in within(roi.box, near)]
    means = ball_means(roi.surroundings[near], centres + start, roi.spacing)
    return {
        "LocalIntensityPeak": float(means[values == values.max()].max()),
        "GlobalIntensityPeak": float(means.max()),
    }


def ball_means(
    image: np.ndarray,
    centres: np.ndarray,
    spacing: tuple[float, float, float],
    radius: float = RADIUS_MM,
) -> np.ndarray:
    """Mean of the voxels whose centres lie in a ball around each of some voxels.

    Parameters
    ----------
    image
        Finite intensities, shape (i, j, k).
    centres
        Voxels in the middle, shape (n, 3).
    spacing
        Voxel size in mm.
    radius
        Of the ball in mm; its surface belongs to it.

    Returns
    -------
    numpy.ndarray
        Shape (n,). Near the array's end the mean of those voxels that exist.
    """
    reach = _reach(spacing, radius)
    steps = [np.arange(-n, n + 1) for n in reach]
    rows, columns = (part.ravel() for part in np.meshgrid(steps[0], steps[1], indexing="ij"))
    rest = radius**2 - (rows * spacing[0]) ** 2 - (columns * spacing[1]) ** 2
    inside = rest >= -1e-9
    half = np.floor(np.sqrt(np.maximum(rest[inside], 0)) / spacing[2] + 1e-9).astype(np.int64)
    # Sums along the last axis turn a row of the ball into one difference. They start at the
    # middle of the intensities, so that large offsets cost no digits.
    middle = float(image.min() + image.max()) / 2
    sums = np.zeros((*image.shape[:2], image.shape[2] + 1))
    np.cumsum(image - middle, axis=2, out=sums[:, :, 1:])
    return middle + _means(sums, centres, rows[inside], columns[inside], half)


def _reach(spacing: tuple[float, float, float], radius: float) -> list[int]:
    """Voxels of a ball beside its centre along each axis."""
    return [int(np.floor(radius / step + 1e-9)) for step in spacing]


@compiled
def _means(sums, centres, rows, columns, half):
    n_i, n_j, n_k = sums.shape
    means = np.empty(centres.shape[0])
    for voxel in range(centres.shape[0]):
        total, count = 0.0, 0
        for row in range(rows.shape[0]):
            i = centres[voxel, 0] + rows[row]
            j = centres[voxel, 1] + columns[row]
            if i < 0 or j < 0 or i >= n_i or j >= n_j:
                continue
            first = max(centres[voxel, 2] - half[row], 0)
            stop = min(centres[voxel, 2] + half[row] + 1, n_k - 1)
            total += sums[i, j, stop] - sums[i, j, first]
            count += stop - first
        means[voxel] = total / count
    return means
