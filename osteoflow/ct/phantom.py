"""Find the rods of a calibration phantom under the patient: where they run through the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.ct.calibration import RodMeasurement
from osteoflow.ct.certificate import Phantom
from osteoflow.ct.discs import Disc, outline
from osteoflow.ct.rod_pair import second_rod
from osteoflow.ct.rod_row import RodRow, expected_range, find_row, place_row
from osteoflow.ct.rods import AxialImages, RodTrack, measure_rods
from osteoflow.errors import SubjectDataError
from osteoflow.io.nifti import orientations
from osteoflow.io.volume import Volume
from osteoflow.scipy_parts import ndimage

# Rows are sought in means over slabs: thin enough that a phantom lying ten degrees askew stays in
# place within one, thick enough to quieten noise together with pixels of about this size.
SLAB_MM = 8.0
MOST_SLABS = 40
DETECTION_PIXEL_MM = 1.2
SMOOTHING_MM = 1.2
# Rows of neighbouring slabs belong to one straight phantom within this distance.
TRACK_TOLERANCE_MM = 3.0
# Sideways per unit along the scanner's axis: ten degrees about both other axes are 0.25.
LARGEST_TILT = 0.3
# Share of the slabs' rows that may lie elsewhere before the phantom counts as moved.
STRAY_SHARE = 0.25
# A part of the phantom was seen if this share of the slabs shows one; fewer are chance.
INCOMPLETE_SHARE = 0.25
# A rod shows in the mean along the rods from this contrast to its holder on.
FAINT_CONTRAST_HU = 25.0
AIR_HU = -1000.0


@dataclass(frozen=True)
class _Found:
    """A row in one slab."""

    slab: slice
    row: RodRow


def find_rods(ct: Volume, certificate: Phantom) -> list[RodMeasurement]:
    """Locate a row of calibration rods and measure their CT numbers.

    Slabs of 8 mm along the scanner's axis are searched for rows of equidistant discs whose CT
    numbers follow the certificate in either direction along the row, wherever they lie in the
    field of view. Rows of different slabs must continue each other; the phantom may be turned
    about every axis. The slices' mean along the rods then places them anew, and each rod is
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
        of view or reads like air; ``phantom_inconsistent`` where the rods' places or CT numbers
        change along the scan.
    """
    if certificate.geometry is None:
        raise ValueError(
            f"{certificate.name} is not found automatically; give the rods' CT numbers instead"
        )
    axial = _axial(ct)
    slabs = _slabs(axial)
    rows = [(slab, find_row(*_slab_image(axial, slab), certificate)) for slab in slabs]
    found = [_Found(slab, row) for slab, row in rows if row is not None]
    complete = [item for item in found if item.row.complete]
    if not complete:
        raise _not_found(found, certificate, len(slabs))
    track = _track(axial, complete, certificate)
    return measure_rods(axial, certificate, _refined(axial, track, certificate))


def _not_found(found: list[_Found], certificate: Phantom, n_slabs: int) -> SubjectDataError:
    if len(found) >= max(1.0, INCOMPLETE_SHARE * n_slabs):
        return SubjectDataError(
            "phantom_incomplete",
            f"{certificate.name}: rods {', '.join(found[0].row.missing)} lie outside the field of "
            "view, or read like air",
            "Reconstruct with a field of view that holds the whole phantom, and check that no "
            "rod is missing from it.",
        )
    return SubjectDataError(
        "phantom_not_found",
        f"no row of {len(certificate.rods)} rods like {certificate.name} in {n_slabs} slabs of "
        f"{SLAB_MM:g} mm",
        "Check that the phantom was scanned, that it lies inside the reconstructed field of "
        "view and that the configured phantom is the scanned one.",
    )


def _axial(ct: Volume) -> AxialImages:
    orientation = orientations.io_orientation(ct.affine)
    data = orientations.apply_orientation(np.asarray(ct.data), orientation)
    if not np.isfinite(data).all():
        # One voxel without a number would spread over its slab. As air it spoils at most the rod it
        # lies in, and the trimmed mean or the check for steady slices leaves it out.
        data = np.where(np.isfinite(data), data, AIR_HU)
    affine = ct.affine @ orientations.inv_ornt_aff(orientation, ct.shape)
    return AxialImages(data, affine, np.linalg.norm(affine[:3, :3], axis=0))


def _slabs(axial: AxialImages) -> list[slice]:
    """Runs of slices of about ``SLAB_MM``; of a long scan, evenly spaced ones."""
    count = axial.data.shape[2]
    per_slab = max(1, round(SLAB_MM / axial.spacing[2]))
    starts = np.arange(0, max(count - per_slab, 0) + 1, per_slab)
    if len(starts) > MOST_SLABS:
        starts = starts[np.linspace(0, len(starts) - 1, MOST_SLABS).round().astype(int)]
    return [slice(int(a), min(int(a) + per_slab, count)) for a in starts]


def _slab_image(axial: AxialImages, slab: slice) -> tuple[np.ndarray, np.ndarray, float]:
    """Smoothed mean image, its pixel size (mm) and its noise SD (HU).

    Pixels are joined to blocks; positions keep counting from the first voxel's centre, so the
    image is sampled at the blocks' first voxels after smoothing over their size.
    """
    stack = np.asarray(axial.data[:, :, slab], np.float32)
    factor = np.maximum(1, np.round(DETECTION_PIXEL_MM / axial.spacing[:2])).astype(int)
    sigma = SMOOTHING_MM / axial.spacing[:2]

    def reduced(image: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(image, sigma)[:: factor[0], :: factor[1]]

    image = reduced(stack.mean(axis=2))
    noise = 0.0
    if stack.shape[2] > 1:
        # Neighbouring slices differ by noise, hardly by anatomy; the median ignores edges.
        middle = stack.shape[2] // 2
        body = image > -200
        if body.any():
            step = np.abs(reduced(stack[:, :, middle] - stack[:, :, middle - 1]))
            noise = float(np.median(step[body])) / 0.6745 / np.sqrt(2 * stack.shape[2])
    return image, axial.spacing[:2] * factor, noise


def _track(axial: AxialImages, found: list[_Found], certificate: Phantom) -> RodTrack:
    """The straight phantom that most slabs' rows agree on.

    Every pair of rows suggests a straight line per rod; the one that most rows continue counts.
    """
    step = axial.spacing[2]
    middle = np.array([(item.slab.start + item.slab.stop - 1) / 2 * step for item in found])
    positions = np.array([item.row.centres for item in found])
    # Of two rods of which one alone stands out, only that one's place is known within a slab.
    sure = list(found[0].row.matched) if len(certificate.rods) == 2 else slice(None)
    best = (0, 0.0, np.zeros(len(found), bool))
    for first in range(len(found)):
        for second in range(first, len(found)):
            apart = middle[second] - middle[first]
            drift = (positions[second] - positions[first])[sure].mean(axis=0) / (apart or 1.0)
            if np.linalg.norm(drift) > LARGEST_TILT:
                continue
            expected = positions[first] + drift * (middle - middle[first])[:, None, None]
            offset = np.linalg.norm(positions - expected, axis=2)[:, sure].max(axis=1)
            consistent = offset <= TRACK_TOLERANCE_MM
            candidate = (int(consistent.sum()), -float(offset[consistent].sum()), consistent)
            if candidate[:2] > best[:2]:
                best = candidate
    consistent = best[2]
    if consistent.sum() < (1 - STRAY_SHARE) * len(found):
        raise SubjectDataError(
            "phantom_inconsistent",
            f"the rows of rods in {len(found)} slabs do not form one straight phantom",
            "Check the scan for movement of the phantom.",
        )
    kept = [item for item, good in zip(found, consistent, strict=True) if good]
    centre = middle[consistent].mean()
    away = middle[consistent] - centre
    rows = positions[consistent]
    base = np.median(rows, axis=0) if len(kept) < 3 else rows.mean(axis=0)
    spread = float(away @ away)
    drift = away @ rows[:, sure].mean(axis=1) / spread if spread else np.zeros(2)
    slices = np.arange(kept[0].slab.start, kept[-1].slab.stop)
    radius = float(np.median([item.row.radius for item in kept]))
    return RodTrack(slices, base, drift, centre, radius, np.zeros(len(base)))


def _refined(axial: AxialImages, track: RodTrack, certificate: Phantom) -> RodTrack:
    """The track placed anew on the mean of its slices along the rods, where noise is low.

    Means of its lower and upper half give the tilt.
    """
    base, radius, place_error = _placed(axial, track, certificate)
    half = len(track.slices) // 2
    drift = track.drift
    if half >= 3:
        halves = [track.slices[:half], track.slices[-half:]]
        low, high = (_shown(axial, track, slices, certificate)[0] for slices in halves)
        if both := sorted(set(low) & set(high)):
            moved = np.mean([high[rod].centre - low[rod].centre for rod in both], axis=0)
            drift = drift + moved / ((halves[1].mean() - halves[0].mean()) * axial.spacing[2])
    # The mean image shows the rods at the track's height, averaged over its slices.
    middle = float(track.slices.mean()) * axial.spacing[2]
    base = base + track.drift * (middle - track.height)
    return RodTrack(track.slices, base, drift, middle, radius, place_error)


def _along_track(
    axial: AxialImages, track: RodTrack, slices: np.ndarray, certificate: Phantom
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of slices shifted so that the rods stay where they are at the track's height.

    Returns the image around the rods, shape (x, y), and the place of its first voxel in mm.
    """
    spacing = axial.spacing[:2]
    reach = 2 * track.radius + 6
    if len(certificate.rods) == 2:
        reach += certificate.geometry.spacing[1]
    low = np.floor((track.base.min(axis=0) - reach) / spacing).astype(int)
    high = np.ceil((track.base.max(axis=0) + reach) / spacing).astype(int)
    total = np.zeros(high - low, np.float64)
    x, y = (np.arange(a, b) for a, b in zip(low, high, strict=True))
    limits = np.array(axial.data.shape[:2]) - 1
    for k in slices:
        shift = track.drift * (k * axial.spacing[2] - track.height) / spacing
        whole = np.floor(shift).astype(int)
        part = shift - whole
        for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (part[0] if dx else 1 - part[0]) * (part[1] if dy else 1 - part[1])
            columns = np.clip(x + whole[0] + dx, 0, limits[0])
            rows = np.clip(y + whole[1] + dy, 0, limits[1])
            total += weight * axial.data[columns[:, None], rows, k]
    return total / len(slices), low * spacing


def _shown(
    axial: AxialImages, track: RodTrack, slices: np.ndarray, certificate: Phantom
) -> tuple[dict[int, Disc], np.ndarray, np.ndarray]:
    """Rods that show as discs in the mean along them, that mean, and its corner in mm."""
    image, corner = _along_track(axial, track, slices, certificate)
    spacing = axial.spacing[:2]
    sizes = 1.5 * track.radius, 2.5 * track.radius
    discs: dict[int, Disc] = {}
    for rod, place in enumerate(track.base - corner):
        for sign in (1.0, -1.0):
            disc = outline(
                sign * image, place, spacing, 0.5 * track.radius, sizes, FAINT_CONTRAST_HU
            )
            if disc is not None and np.linalg.norm(disc.centre - place) <= TRACK_TOLERANCE_MM:
                discs[rod] = disc
                break
    return discs, image, corner


def _placed(
    axial: AxialImages, track: RodTrack, certificate: Phantom
) -> tuple[np.ndarray, float, np.ndarray]:
    """Centres of all rods (n, 2) at the track's height and their radius in mm, and what their
    places may cost in HU, (n,)."""
    discs, image, corner = _shown(axial, track, track.slices, certificate)
    n_rods = len(track.base)
    sure = np.zeros(n_rods)
    if not discs:
        return track.base, track.radius, sure
    radius = float(np.median([disc.radius for disc in discs.values()]))
    if n_rods == 2 and len(discs) == 1:
        ((rod, disc),) = discs.items()
        low, high = expected_range(certificate)
        other = 1 - rod
        levels = float(low[other]), float(high[other])
        distance = certificate.geometry.spacing
        place, error = second_rod(image, axial.spacing[:2], disc, distance, levels)
        centres = np.array([disc.centre, place] if rod == 0 else [place, disc.centre])
        return centres + corner, radius, np.where(np.arange(2) == other, error, 0.0)
    if len(discs) == 1:
        ((rod, disc),) = discs.items()
        return track.base + (disc.centre + corner - track.base[rod]), radius, sure
    return place_row(discs, n_rods) + corner, radius, sure
