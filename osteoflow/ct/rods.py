"""CT numbers of rods whose course through the scan is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.ct.calibration import RodMeasurement
from osteoflow.ct.certificate import Phantom
from osteoflow.errors import SubjectDataError

# The measured core keeps this distance from the rod's edge (blur, partial volume), but never
# shrinks below 60 % of the radius.
EDGE_MM = 2.5
CORE_FRACTION = 0.6
TRIM = 0.1
# A slice leaves the mean where a rod differs from its median over slices by more than this (HU)
# and by more than five robust standard deviations: the phantom's end, a metal streak.
SLICE_TOLERANCE = 8.0
MINIMUM_SLICES = 3


@dataclass(frozen=True)
class AxialImages:
    """CT with axes to the right, anterior and superior; ``spacing`` (3,) in mm."""

    data: np.ndarray
    affine: np.ndarray
    spacing: np.ndarray


@dataclass(frozen=True)
class RodTrack:
    """Parallel straight rods through the slices.

    Parameters
    ----------
    slices
        Numbers of the slices, increasing.
    base
        Centres at ``height``, shape (rods, 2), mm from the first voxel's centre.
    drift
        Sideways per unit along the slices' axis, (2,).
    height
        Where ``base`` holds, mm from the first slice.
    radius
        Of the rods, mm.
    place_error
        By how much each rod's CT number may be wrong because its place is uncertain, (rods,), HU.
    """

    slices: np.ndarray
    base: np.ndarray
    drift: np.ndarray
    height: float
    radius: float
    place_error: np.ndarray

    def centres(self, slice_mm: float) -> np.ndarray:
        """Centre per slice and rod in mm, shape (slices, rods, 2)."""
        away = (self.slices * slice_mm - self.height)[:, None, None]
        return self.base + away * self.drift


def measure_rods(axial: AxialImages, certificate: Phantom, track: RodTrack) -> list[RodMeasurement]:
    """Mean CT number of each rod's core, slice by slice.

    Raises
    ------
    SubjectDataError
        ``phantom_inconsistent``: the rods' CT numbers change along the scan.
    """
    core = max(track.radius - EDGE_MM, CORE_FRACTION * track.radius)
    centres = track.centres(axial.spacing[2])
    means = np.empty(centres.shape[:2])
    deviations = np.empty_like(means)
    counts = np.empty(means.shape, int)
    for row, k in enumerate(track.slices):
        image = axial.data[:, :, k]
        for rod in range(means.shape[1]):
            values = _disc(image, centres[row, rod], core, axial.spacing[:2])
            means[row, rod] = _trimmed_mean(values)
            deviations[row, rod] = values.std(ddof=1) if values.size > 1 else np.nan
            counts[row, rod] = values.size
    steady = _steady(means)
    n_slices = int(steady.sum())
    middle = int(np.flatnonzero(steady)[n_slices // 2])
    result = []
    for rod, label in enumerate(certificate.rods):
        values = means[steady, rod]
        index = np.array([*(centres[middle, rod] / axial.spacing[:2]), track.slices[middle], 1.0])
        error = values.std(ddof=1) / np.sqrt(n_slices) if n_slices > 1 else float("nan")
        result.append(
            RodMeasurement(
                label,
                float(values.mean()),
                float(np.sqrt((deviations[steady, rod] ** 2).mean())),
                float(error),
                int(counts[steady, rod].sum()),
                n_slices,
                tuple(float(v) for v in (axial.affine @ index)[:3]),
                2 * track.radius,
                float(track.place_error[rod]),
            )
        )
    return result


def _steady(means: np.ndarray) -> np.ndarray:
    """Slices in which no rod stands out, shape (slices,), from means (slices, rods)."""
    median = np.median(means, axis=0)
    spread = 1.4826 * np.median(np.abs(means - median), axis=0)
    steady = (np.abs(means - median) <= np.maximum(5 * spread, SLICE_TOLERANCE)).all(axis=1)
    if steady.sum() < max(min(MINIMUM_SLICES, len(means)), len(means) / 2):
        raise SubjectDataError(
            "phantom_inconsistent",
            f"rods are steady in only {int(steady.sum())} of {len(means)} slices",
            "Check the scan for metal, movement or a tilted phantom.",
        )
    return steady


def _trimmed_mean(values: np.ndarray) -> float:
    """Mean without the highest and lowest ``TRIM`` of the values.

    Written out because importing scipy.stats takes longer than the whole calibration.
    """
    if values.size == 0:
        return float("nan")
    cut = int(TRIM * values.size)
    return float(np.sort(values)[cut : values.size - cut].mean())


def _disc(image: np.ndarray, centre: np.ndarray, radius: float, spacing: np.ndarray) -> np.ndarray:
    """Values of the voxels whose centres lie in a disc (mm from the first voxel's centre)."""
    low = np.maximum(np.floor((centre - radius) / spacing).astype(int), 0)
    high = np.maximum(np.ceil((centre + radius) / spacing).astype(int) + 1, 0)
    part = image[low[0] : high[0], low[1] : high[1]]
    x = (low[0] + np.arange(part.shape[0])) * spacing[0] - centre[0]
    y = (low[1] + np.arange(part.shape[1])) * spacing[1] - centre[1]
    return np.asarray(part[x[:, None] ** 2 + y**2 <= radius**2], float)
