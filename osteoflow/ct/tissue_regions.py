"""Find air, subcutaneous fat, paraspinal muscle and a large vessel in a CT of the trunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from osteoflow.ct.vessel import find_vessel
from osteoflow.errors import SubjectDataError
from osteoflow.io.nifti import orientations
from osteoflow.io.volume import Volume
from osteoflow.scipy_parts import ndimage

# Regions are found on means over about this length: quiet enough to tell tissues apart.
COARSE_MM = (2.0, 2.0, 3.0)
BODY_HU = -250.0
# What a field of view is filled up with beyond the reconstructed circle.
PADDING_HU = -1200.0
LOWEST_AIR_HU = -1010.0
WINDOWS = {"air": (-1100.0, -930.0), "fat": (-170.0, -60.0), "muscle": (5.0, 100.0)}
# Distance to everything else (mm): blur, partial volume and fascia stay out.
MARGIN_MM = {"air": 8.0, "fat": 4.0, "muscle": 4.0}
BONE_HU = 180.0
SKIN_MM = 25.0
DEEPEST_FAT_MM = 70.0
# Erector spinae: behind the middle of the vertebral bone and not far to the side of it, where
# liver, spleen and kidneys reach back beside the spine.
PARASPINAL_MM = {"beside": 45.0, "behind": (10.0, 65.0)}
MINIMUM_CM3 = 1.0
# The middle of a vessel alone.
MINIMUM_BLOOD_CM3 = 0.4
# The median of air stands as long as fewer than half of its voxels are cut off.
CLIPPED_SHARE = 0.3


@dataclass(frozen=True)
class TissueValue:
    """CT number of one tissue: HU, its standard error from place to place, volume in cm3."""

    tissue: str
    hu: float
    standard_error: float
    volume_cm3: float


@dataclass(frozen=True)
class Surroundings:
    """What a CT of the trunk shows of the tissues around the spine.

    Parameters
    ----------
    values
        By tissue; those that were not found are missing.
    diameter_cm
        Water-equivalent diameter (AAPM Report 220), NaN where the body reaches beyond the image.
    warnings
        What was not found or not certain.
    """

    values: dict[str, TissueValue]
    diameter_cm: float
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Coarse:
    """Means over blocks of voxels with axes to the right, anterior and superior; pixel size, mm."""

    hu: np.ndarray
    spacing: np.ndarray
    factors: tuple[int, int, int]
    raw: np.ndarray
    padding: np.ndarray


def find_tissues(ct: Volume, outlined: Mapping[str, np.ndarray] | None = None) -> Surroundings:
    """Measure the tissues that a calibration without phantom rests on.

    Thresholds on means over about 2 x 2 x 3 mm, eroded by 4 to 8 mm, and anatomy: air outside the
    body, fat that reaches to the skin, muscle beside and behind the vertebrae, and a round vessel
    before them that goes on from slice to slice. Each value is the mean around the mode, so that a
    minority of other tissue does not shift it.

    Parameters
    ----------
    ct
        CT in HU, any axis order.
    outlined
        Masks on the CT's grid that are used instead of the search, by tissue.

    Returns
    -------
    Surroundings

    Raises
    ------
    ValueError
        A mask on another grid.
    SubjectDataError
        ``body_not_found``: nothing in the image is a trunk.
    """
    coarse = _coarse(ct)
    body = _body(coarse)
    regions = {
        "air": _air(coarse, body),
        "fat": _fat(coarse, body),
    }
    warnings: list[str] = []
    middle = _spine(coarse, body)
    if middle is None:
        warnings.append("spine_not_found: no bone in the middle of the body; muscle was not sought")
    else:
        regions["muscle"] = _muscle(coarse, body, middle)
        regions["blood"] = find_vessel(coarse.hu, coarse.spacing, middle)
    values = {}
    for tissue, region in regions.items():
        if tissue in (outlined or {}):
            continue
        least = MINIMUM_BLOOD_CM3 if tissue == "blood" else MINIMUM_CM3
        if region.sum() * _voxel_cm3(coarse.spacing) >= least:
            values[tissue] = _value(tissue, coarse, region)
    for tissue, mask in (outlined or {}).items():
        values[tissue] = _outlined_value(tissue, ct, mask)
    if "air" in values and _clipped(coarse, regions["air"]) > CLIPPED_SHARE:
        warnings.append("air_clipped: noise in air is cut off at the lowest stored value")
    diameter = _diameter(coarse, body)
    if not np.isfinite(diameter):
        warnings.append(
            "field_of_view: the body reaches beyond the image; its size, and with it the hardening "
            "of the beam, is not known"
        )
    return Surroundings(values, diameter, warnings)


def _voxel_cm3(spacing: np.ndarray) -> float:
    return float(np.prod(spacing)) / 1000.0


def _coarse(ct: Volume) -> Coarse:
    orientation = orientations.io_orientation(ct.affine)
    data = orientations.apply_orientation(np.asarray(ct.data), orientation)
    affine = ct.affine @ orientations.inv_ornt_aff(orientation, ct.shape)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    factors = tuple(
        max(1, round(wanted / step)) for wanted, step in zip(COARSE_MM, spacing, strict=True)
    )
    shape = [n // f for n, f in zip(data.shape, factors, strict=True)]
    if min(shape) < 3:
        raise _no_body()
    data = data[tuple(slice(n * f) for n, f in zip(shape, factors, strict=True))]
    blocks = np.asarray(data, np.float32)
    # A voxel without a number is no tissue: far below air, it is treated as padding.
    blocks = np.where(np.isfinite(blocks), blocks, np.float32(2 * PADDING_HU))
    split = blocks.reshape(shape[0], factors[0], shape[1], factors[1], shape[2], factors[2])
    mean, lowest, highest = (
        split.mean(axis=(1, 3, 5)),
        split.min(axis=(1, 3, 5)),
        split.max(axis=(1, 3, 5)),
    )
    even = ndimage.maximum_filter(highest, 3) == ndimage.minimum_filter(lowest, 3)
    padding = (lowest < PADDING_HU) | (even & (mean < LOWEST_AIR_HU))
    return Coarse(mean, spacing * factors, factors, blocks, padding)


def _no_body() -> SubjectDataError:
    return SubjectDataError(
        "body_not_found",
        "no trunk of a patient was found in the CT",
        "Calibrate this scan by a phantom.",
    )


def _body(coarse: Coarse) -> np.ndarray:
    """The patient without table and air; holes are filled slice by slice."""
    solid = (ndimage.uniform_filter(coarse.hu, 3) > BODY_HU) & ~coarse.padding
    thin = _eroded(solid, coarse.spacing, 6.0)
    labels, count = ndimage.label(thin)
    if count == 0:
        raise _no_body()
    largest = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    reach = ndimage.distance_transform_edt(~largest, coarse.spacing) <= 7.0
    body = solid & reach
    for index in range(body.shape[2]):
        body[:, :, index] = ndimage.binary_fill_holes(body[:, :, index])
    if body.sum() * _voxel_cm3(coarse.spacing) < 500.0:
        raise _no_body()
    return body


def _eroded(mask: np.ndarray, spacing: np.ndarray, margin_mm: float) -> np.ndarray:
    """Voxels in slices that lie at least ``margin_mm`` inside; the image's rim is no edge."""
    result = np.empty_like(mask)
    for index in range(mask.shape[2]):
        own = mask[:, :, index]
        if own.all():
            result[:, :, index] = True
        else:
            depth = ndimage.distance_transform_edt(own, spacing[:2])
            result[:, :, index] = depth > margin_mm
    return result


def _window(coarse: Coarse, tissue: str) -> np.ndarray:
    low, high = WINDOWS[tissue]
    smooth = ndimage.uniform_filter(coarse.hu, 3)
    return (smooth > low) & (smooth < high) & ~coarse.padding


def _air(coarse: Coarse, body: np.ndarray) -> np.ndarray:
    """Air outside the body; before and beside it where there is enough, away from the table."""
    region = _eroded(_window(coarse, "air") & ~body, coarse.spacing, MARGIN_MM["air"])
    behind = np.flatnonzero(body.any(axis=(0, 2))).min()
    before = region.copy()
    before[:, : behind + 1] = False
    enough = before.sum() * _voxel_cm3(coarse.spacing) >= 10 * MINIMUM_CM3
    return before if enough else region


def _fat(coarse: Coarse, body: np.ndarray) -> np.ndarray:
    """Fat connected with the skin, not that around the bowel."""
    region = _eroded(_window(coarse, "fat") & body, coarse.spacing, MARGIN_MM["fat"])
    depth = np.stack(
        [
            ndimage.distance_transform_edt(body[:, :, k], coarse.spacing[:2])
            if not body[:, :, k].all()
            else np.full(body.shape[:2], np.inf)
            for k in range(body.shape[2])
        ],
        axis=2,
    )
    region &= depth < DEEPEST_FAT_MM
    labels, _ = ndimage.label(region)
    at_skin = np.unique(labels[region & (depth < SKIN_MM)])
    return np.isin(labels, at_skin[at_skin > 0])


def _spine(coarse: Coarse, body: np.ndarray) -> tuple[float, float] | None:
    """Right-left and anterior-posterior middle of the vertebral bone, in voxels."""
    columns = np.flatnonzero(body.any(axis=(1, 2)))
    centre = (columns[0] + columns[-1]) / 2
    bone = (coarse.hu > BONE_HU) & body
    near = np.abs(np.arange(bone.shape[0]) - centre) * coarse.spacing[0] < 60.0
    bone[~near] = False
    x, y, _ = np.nonzero(bone)
    if x.size * _voxel_cm3(coarse.spacing) < 5 * MINIMUM_CM3:
        return None
    return float(np.median(x)), float(np.median(y))


def _muscle(coarse: Coarse, body: np.ndarray, middle: tuple[float, float]) -> np.ndarray:
    candidates = _window(coarse, "muscle") & body
    region = _eroded(candidates, coarse.spacing, MARGIN_MM["muscle"])
    beside = np.abs(np.arange(body.shape[0]) - middle[0]) * coarse.spacing[0]
    behind = (middle[1] - np.arange(body.shape[1])) * coarse.spacing[1]
    region[beside > PARASPINAL_MM["beside"]] = False
    near, far = PARASPINAL_MM["behind"]
    region[:, (behind < near) | (behind > far)] = False
    return region


def _value(tissue: str, coarse: Coarse, region: np.ndarray) -> TissueValue:
    """Centre of the mode, and its standard error from the scatter between parts of the region."""
    if tissue == "air":  # clipped noise shifts means, not the median of single voxels
        fine = region
        for axis, factor in enumerate(coarse.factors):
            fine = np.repeat(fine, factor, axis=axis)
        centre = float(np.median(coarse.raw[fine]))
    else:
        centre = mode_mean(coarse.hu[region])
    where = np.argsort(np.nonzero(region)[2], kind="stable")
    parts = [part for part in np.array_split(coarse.hu[region][where], 6) if part.size > 4]
    means = [float(np.median(part)) for part in parts]
    error = float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 5.0
    volume = float(region.sum() * _voxel_cm3(coarse.spacing))
    return TissueValue(tissue, centre, error, volume)


def mode_mean(values: np.ndarray) -> float:
    """Mean of the values around the mode: within 1.5 SD of the centre, until that stands still."""
    centre = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - centre))), 1.0)
    for _ in range(20):
        kept = values[np.abs(values - centre) <= 1.5 * spread]
        moved = float(kept.mean())
        if abs(moved - centre) < 1e-3:
            break
        centre = moved
    return centre


def _outlined_value(tissue: str, ct: Volume, mask: np.ndarray) -> TissueValue:
    if mask.shape != ct.shape:
        raise ValueError(f"the outline of {tissue} lies on another grid than the CT")
    inside = np.asarray(mask, bool)
    if not inside.any():
        raise ValueError(f"the outline of {tissue} is empty")
    values = np.asarray(ct.data, np.float32)[inside]
    values = values[np.isfinite(values)]
    volume = values.size * float(abs(np.linalg.det(ct.affine[:3, :3]))) / 1000.0
    error = float(np.std(values) / np.sqrt(max(values.size / 10, 1)))
    return TissueValue(tissue, mode_mean(values), error, volume)


def _clipped(coarse: Coarse, region: np.ndarray) -> float:
    """Share of air at the lowest value that the image holds."""
    fine = region
    for axis, factor in enumerate(coarse.factors):
        fine = np.repeat(fine, factor, axis=axis)
    values = coarse.raw[fine]
    stored = coarse.raw[coarse.raw > PADDING_HU].min()
    noisy = values.size > 0 and float(values.std()) > 1.0
    return float((values == stored).mean()) if noisy else 0.0


def _diameter(coarse: Coarse, body: np.ndarray) -> float:
    """Median over slices of the water-equivalent diameter in cm; NaN for a body that is cut."""
    beyond = coarse.padding | _rim(body)
    touching = (ndimage.binary_dilation(body, iterations=1) & beyond).any(axis=(0, 1))
    if touching.mean() > 0.2:
        return float("nan")
    share = np.where(body, coarse.hu / 1000.0 + 1.0, 0.0)
    areas = share.sum(axis=(0, 1)) * float(np.prod(coarse.spacing[:2])) / 100.0
    return float(np.median(2.0 * np.sqrt(areas / np.pi)))


def _rim(body: np.ndarray) -> np.ndarray:
    rim = np.zeros_like(body)
    rim[[0, -1]] = True
    rim[:, [0, -1]] = True
    return rim
