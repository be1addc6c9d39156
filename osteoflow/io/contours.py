"""Closed contours in a plane to voxels, by the even-odd rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Points are rounded to this share of a voxel: affines of images are stored in single precision,
# and a contour through voxel centres must not hang on its last bit.
RESOLUTION = 1e-3


def even_odd(contours: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Voxels whose centres lie inside closed contours.

    A centre is inside where a ray from it crosses the contours an odd number of times. So a contour
    inside another one is a hole, whether it is a contour of its own or joined to the outer one by
    a seam (keyhole), along which both directions cancel.

    Parameters
    ----------
    contours
        Points of shape (n, 2) each, in voxels: voxel (i, j) has its centre at (i, j). The last
        point is joined to the first.
    shape
        Number of voxels along both axes.

    Returns
    -------
    Boolean array of this shape. A centre on a contour counts as inside on the contour's low side
    and as outside on its high side, so that contours that share an edge share no voxel.

    Notes
    -----
    Source: Foley et al., Computer Graphics: Principles and Practice, scan conversion of polygons.
    The rule is the standard's for holes: DICOM PS3.3 C.8.8.6.3.
    """
    starts, ends = [], []
    for contour in contours:
        points = np.round(np.asarray(contour, float) / RESOLUTION) * RESOLUTION
        starts.append(points)
        ends.append(np.roll(points, -1, axis=0))
    toggles = np.zeros((shape[0] + 1, shape[1]), np.int64)
    if starts:
        column, row = _crossings(np.concatenate(starts), np.concatenate(ends), shape)
        np.add.at(toggles, (column, row), 1)
    return (np.cumsum(toggles[:-1], axis=0) % 2).astype(bool)


def partly_overlap(contours: Sequence[np.ndarray], shape: tuple[int, int]) -> bool:
    """Whether two contours share voxels without one lying in the other.

    The even-odd rule leaves out what they share, which whoever drew them may not have meant.
    """
    if len(contours) < 2:
        return False
    inside = [even_odd([contour], shape) for contour in contours]
    if sum(part.astype(np.uint16) for part in inside).max() < 2:
        return False
    for index, first in enumerate(inside):
        for second in inside[:index]:
            common = int((first & second).sum())
            if common and common != min(int(first.sum()), int(second.sum())):
                return True
    return False


def _crossings(
    start: np.ndarray, end: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Where edges cross the rows of centres: first voxel at or behind the crossing, and row."""
    # An edge is cut in one direction whichever way it runs: a seam crosses twice at the same place.
    swap = start[:, 1] > end[:, 1]
    low = np.where(swap[:, np.newaxis], end, start)
    high = np.where(swap[:, np.newaxis], start, end)
    # Rows from the lower end, included, to the upper one, left out: a corner counts once.
    first = np.clip(np.ceil(low[:, 1] - 1e-9), 0, shape[1]).astype(np.int64)
    last = np.clip(np.ceil(high[:, 1] - 1e-9), 0, shape[1]).astype(np.int64)
    counts = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(low)), counts)
    row = first[edge] + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    slope = (high[edge, 0] - low[edge, 0]) / (high[edge, 1] - low[edge, 1])
    crossing = low[edge, 0] + (row - low[edge, 1]) * slope
    column = np.clip(np.ceil(crossing - 1e-9), 0, shape[0]).astype(np.int64)
    return column, row
