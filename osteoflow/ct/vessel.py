"""Find blood: a round, even vessel before the spine that goes on from slice to slice."""

from __future__ import annotations

import numpy as np

from osteoflow.scipy_parts import ndimage

# Enhanced blood is sought first: a contrast agent must be seen, not missed.
WINDOWS = ((85.0, 500.0), (15.0, 85.0))
BOX_MM = {"beside": 30.0, "before": (8.0, 80.0)}
PATCH_MM = 10.0
AREA_MM2 = (90.0, 900.0)
MOST_OBLONG = 1.7
FILLING = 0.85
STEP_MM = 6.0
LEAST_LENGTH_MM = 30.0
EVEN_SD = 22.0
# Marrow is round and even too, but a brighter cortex is around it.
RIM_MM = 5.0
BRIGHTER_HU = 80.0
MOST_BRIGHTER = 0.5
# A patch of a larger organ has more of the same around it.
LIKE_BLOOD_HU = 15.0
MOST_ALIKE = 0.45


def find_vessel(hu: np.ndarray, spacing: np.ndarray, spine: tuple[float, float]) -> np.ndarray:
    """Core of the aorta or vena cava.

    Parameters
    ----------
    hu
        CT with axes to the right, anterior and superior, shape (i, j, k), HU.
    spacing
        Voxel size in mm.
    spine
        Middle of the vertebral bone along the first two axes, in voxels.

    Returns
    -------
    numpy.ndarray of bool
        Empty where no track of round discs is long enough.
    """
    for window in WINDOWS:
        region = _longest_track(hu, spacing, spine, window)
        if region.any():
            break
    return region


def _longest_track(
    hu: np.ndarray, spacing: np.ndarray, spine: tuple[float, float], window: tuple[float, float]
) -> np.ndarray:
    tracks: list[list[tuple[int, np.ndarray, np.ndarray]]] = []
    for k in range(hu.shape[2]):
        for centre, core in _discs(hu[:, :, k], spacing[:2], spine, window):
            near = [
                track
                for track in tracks
                if 0 < k - track[-1][0] <= 2
                and np.linalg.norm((track[-1][1] - centre) * spacing[:2]) <= STEP_MM
            ]
            if near:
                max(near, key=len).append((k, centre, core))
            else:
                tracks.append([(k, centre, core)])
    region = np.zeros(hu.shape, bool)
    long = [t for t in tracks if (t[-1][0] - t[0][0] + 1) * spacing[2] >= LEAST_LENGTH_MM]
    if long:
        for k, _, core in max(long, key=len):
            region[:, :, k] |= core
    return region


def _discs(
    image: np.ndarray,
    spacing: np.ndarray,
    spine: tuple[float, float],
    window: tuple[float, float],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Round, even discs of blood in one slice: centre in voxels, core.

    Blood is even: the middle of a vessel is where values hardly differ within a square of 10 mm.
    Grown back by half of that, it must be a disc; a calcified wall stays outside.
    """
    size = tuple(2 * max(1, round(PATCH_MM / 2 / step)) + 1 for step in spacing)
    mean = ndimage.uniform_filter(image, size)
    spread = ndimage.uniform_filter(image**2, size) - mean**2
    beside = np.abs(np.arange(image.shape[0]) - spine[0]) * spacing[0]
    before = (np.arange(image.shape[1]) - spine[1]) * spacing[1]
    low, high = BOX_MM["before"]
    middle = (mean > window[0]) & (mean < window[1]) & (spread < EVEN_SD**2)
    middle[beside > BOX_MM["beside"]] = False
    middle[:, (before < low) | (before > high)] = False
    labels, count = ndimage.label(middle)
    found = []
    for label in range(1, count + 1):
        inner = labels == label
        disc = ndimage.distance_transform_edt(~inner, spacing) <= PATCH_MM / 2
        area = disc.sum() * float(np.prod(spacing))
        if not AREA_MM2[0] <= area <= AREA_MM2[1]:
            continue
        points = np.argwhere(disc) * spacing
        axes = np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))[::-1]
        # A full ellipse has the area 4 pi times the product of its axes' standard deviations.
        if axes[0] > MOST_OBLONG * axes[1] or area < FILLING * 4 * np.pi * axes[0] * axes[1]:
            continue
        away = ndimage.distance_transform_edt(~disc, spacing)
        rim = image[(away > 0) & (away <= RIM_MM)]
        blood = float(np.median(image[inner]))
        if np.mean(rim > blood + BRIGHTER_HU) > MOST_BRIGHTER:
            continue
        if np.mean(np.abs(rim - blood) < LIKE_BLOOD_HU) > MOST_ALIKE:
            continue
        found.append((points.mean(axis=0) / spacing, inner))
    return found
