"""Find the rods of a calibration phantom under the patient and measure them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.ct.calibration import RodMeasurement
from osteoflow.ct.certificate import Phantom
from osteoflow.ct.rod_row import RodRow, find_row
from osteoflow.errors import SubjectDataError
from osteoflow.io.nifti import nib
from osteoflow.io.volume import Volume

# Detection works on means over slabs: thick enough to quieten noise, thin enough that a phantom
# lying a few degrees askew stays in place within one.
SLAB_MM = 24.0
# Rows of neighbouring slabs belong to one straight phantom within this distance.
TRACK_TOLERANCE_MM = 3.0
# Sideways per unit along the scanner's axis: within a slab the rods must not smear.
LARGEST_TILT = 0.2
# The measured core keeps this distance from the rod's edge (blur, partial volume), but never
# shrinks below 60 % of the radius.
EDGE_MM = 3.5
CORE_FRACTION = 0.6
TRIM = 0.1
AIR_HU = -1000.0
# A slice leaves the mean where a rod differs from its median over slices by more than this (HU)
# and by more than five robust standard deviations: the phantom's end, a metal streak.
SLICE_TOLERANCE = 8.0
MINIMUM_SLICES = 3


@dataclass(frozen=True)
class _Axial:
    """CT with axes to the right, anterior and superior."""

    data: np.ndarray
    affine: np.ndarray
    spacing: np.ndarray


def find_rods(ct: Volume, certificate: Phantom) -> list[RodMeasurement]:
    """Locate a row of calibration rods and measure their CT numbers.

    Slabs of 24 mm along the scanner's axis are searched for straight rows of equidistant discs
    whose CT numbers follow the certificate in either direction along the row, wherever they lie
    in the field of view. Rows of different slabs must continue each other. Each rod is then
    measured slice by slice: mean of its core without the highest and lowest tenth of voxels.

    Parameters
    ----------
    ct
        Axial CT in HU, any axis order.
    certificate
        A phantom with search geometry.

    Returns
    -------
    list of RodMeasurement
        In the order of the certificate.

    Raises
    ------
    ValueError
        The certificate has no geometry to search for.
    SubjectDataError
        ``phantom_not_found``; ``phantom_incomplete`` where part of the row lies outside the field
        of view or reads like air; ``phantom_inconsistent`` where the rods' CT numbers change along
        the scan.
    """
    if certificate.geometry is None:
        raise ValueError(
            f"{certificate.name} is not found automatically; give the rods' CT numbers instead"
        )
    axial = _axial(ct)
    slabs = _slabs(axial)
    rows = [find_row(*_slab_image(axial, slab), certificate) for slab in slabs]
    complete = [(s, r) for s, r in zip(slabs, rows, strict=True) if r is not None and r.complete]
    if not complete:
        if any(row is not None for row in rows):
            missing = next(row for row in rows if row is not None).missing
            raise SubjectDataError(
                "phantom_incomplete",
                f"{certificate.name}: rods {', '.join(missing)} lie outside the field of view, or "
                "read like air",
                "Reconstruct with a field of view that holds the whole phantom, and check that no "
                "rod is missing from it.",
            )
        raise SubjectDataError(
            "phantom_not_found",
            f"no row of {len(certificate.rods)} rods like {certificate.name} in {len(slabs)} slabs "
            f"of {SLAB_MM:g} mm",
            "Check that the phantom was scanned, that it lies inside the reconstructed field of "
            "view and that the configured phantom is the scanned one.",
        )
    slices, centres, radius = _track(axial, complete)
    return _measure(axial, certificate, slices, centres, radius)


def _axial(ct: Volume) -> _Axial:
    orientation = nib.orientations.io_orientation(ct.affine)
    data = nib.orientations.apply_orientation(np.asarray(ct.data), orientation)
    if not np.isfinite(data).all():
        # One voxel without a number would spread over its slab. As air it spoils at most the rod it
        # lies in, and the trimmed mean or the check for steady slices leaves it out.
        data = np.where(np.isfinite(data), data, AIR_HU)
    affine = ct.affine @ nib.orientations.inv_ornt_aff(orientation, ct.shape)
    return _Axial(data, affine, np.linalg.norm(affine[:3, :3], axis=0))


def _slabs(axial: _Axial) -> list[slice]:
    """Slices in runs of about ``SLAB_MM``; the last run absorbs what would be under half of one."""
    count = axial.data.shape[2]
    per_slab = max(1, round(SLAB_MM / axial.spacing[2]))
    edges = list(range(0, count, per_slab))
    if len(edges) > 1 and count - edges[-1] < per_slab / 2:
        edges.pop()
    return [slice(a, b) for a, b in zip(edges, [*edges[1:], count], strict=True)]


def _slab_image(axial: _Axial, slab: slice) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean image, pixel size (mm) and the noise SD of that mean image (HU)."""
    stack = np.asarray(axial.data[:, :, slab], np.float32)
    image = stack.mean(axis=2)
    noise = 0.0
    if stack.shape[2] > 1:
        # Differences of neighbours see noise, hardly anatomy; the median ignores edges.
        body = image > -200
        if body.any():
            steps = np.median(np.abs(np.diff(stack, axis=2)), axis=2)[body]
            noise = float(np.median(steps)) / 0.6745 / np.sqrt(2 * stack.shape[2])
    return image, axial.spacing[:2], noise


def _track(
    axial: _Axial, found: list[tuple[slice, RodRow]]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Slices to measure, centres per slice and rod in mm (n, rods, 2), and the rods' radius."""
    step = axial.spacing[2]
    middle = np.array([(slab.start + slab.stop - 1) / 2 * step for slab, _ in found])
    positions = np.array([row.centres for _, row in found])
    straight = np.zeros((2, *positions.shape[1:]))
    straight[1] = positions[0]
    if len(found) > 1:
        for rod, axis in np.ndindex(positions.shape[1:]):
            straight[:, rod, axis] = _robust_line(middle, positions[:, rod, axis])
    tilt = float(np.linalg.norm(straight[0], axis=1).max())
    expected = straight[0] * middle[:, None, None] + straight[1]
    offset = np.linalg.norm(positions - expected, axis=2).max(axis=1)
    consistent = offset <= TRACK_TOLERANCE_MM
    if consistent.sum() < len(found) / 2 or tilt > LARGEST_TILT:
        raise SubjectDataError(
            "phantom_inconsistent",
            f"the rows of rods in {len(found)} slabs do not form one straight phantom",
            "Check the scan for movement of the phantom.",
        )
    kept = [slab for (slab, _), good in zip(found, consistent, strict=True) if good]
    slices = np.concatenate([np.arange(slab.start, slab.stop) for slab in kept])
    centres = straight[0] * (slices * step)[:, None, None] + straight[1]
    radii = [row.radius for (_, row), good in zip(found, consistent, strict=True) if good]
    return slices, centres, float(np.median(radii))


def _robust_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of Theil and Sen: the median slope of all pairs of points.

    Source: Sen, J Am Stat Assoc 1968;63:1379. Written out, like the trimmed mean, because
    importing scipy.stats takes longer than the whole calibration.
    """
    first, second = np.triu_indices(len(x), 1)
    slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
    return slope, float(np.median(y) - slope * np.median(x))


def _trimmed_mean(values: np.ndarray) -> float:
    """Mean without the highest and lowest ``TRIM`` of the values."""
    cut = int(TRIM * values.size)
    return float(np.sort(values)[cut : values.size - cut].mean())


def _measure(
    axial: _Axial, certificate: Phantom, slices: np.ndarray, centres: np.ndarray, radius: float
) -> list[RodMeasurement]:
    core = max(radius - EDGE_MM, CORE_FRACTION * radius)
    n_rods = len(certificate.rods)
    means = np.empty((len(slices), n_rods))
    deviations = np.empty_like(means)
    counts = np.empty(means.shape, int)
    for row, k in enumerate(slices):
        image = axial.data[:, :, k]
        for rod in range(n_rods):
            values = _disc(image, centres[row, rod], core, axial.spacing[:2])
            means[row, rod] = _trimmed_mean(values)
            deviations[row, rod] = values.std(ddof=1) if values.size > 1 else np.nan
            counts[row, rod] = values.size
    median = np.median(means, axis=0)
    spread = 1.4826 * np.median(np.abs(means - median), axis=0)
    steady = (np.abs(means - median) <= np.maximum(5 * spread, SLICE_TOLERANCE)).all(axis=1)
    if steady.sum() < max(min(MINIMUM_SLICES, len(slices)), len(slices) / 2):
        raise SubjectDataError(
            "phantom_inconsistent",
            f"rods are steady in only {int(steady.sum())} of {len(slices)} slices",
            "Check the scan for metal, movement or a tilted phantom.",
        )
    n_slices = int(steady.sum())
    middle = int(np.flatnonzero(steady)[n_slices // 2])
    result = []
    for rod, label in enumerate(certificate.rods):
        values = means[steady, rod]
        index = np.array([*(centres[middle, rod] / axial.spacing[:2]), slices[middle], 1.0])
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
                2 * radius,
            )
        )
    return result


def _disc(image: np.ndarray, centre: np.ndarray, radius: float, spacing: np.ndarray) -> np.ndarray:
    """Values of the voxels whose centres lie in a disc (mm from the first voxel's centre)."""
    low = np.maximum(np.floor((centre - radius) / spacing).astype(int), 0)
    high = np.ceil((centre + radius) / spacing).astype(int) + 1
    part = image[low[0] : high[0], low[1] : high[1]]
    x = (low[0] + np.arange(part.shape[0])) * spacing[0] - centre[0]
    y = (low[1] + np.arange(part.shape[1])) * spacing[1] - centre[1]
    return np.asarray(part[x[:, None] ** 2 + y**2 <= radius**2], float)
