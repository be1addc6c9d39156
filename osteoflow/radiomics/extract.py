"""Radiomics features of the regions of one image: preparation, filters, families of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.radiomics.boxes import bounding_box, union, within
from osteoflow.radiomics.columns import feature_names
from osteoflow.radiomics.families import FAMILIES
from osteoflow.radiomics.filters import ORIGINAL, filter_warnings, filtered_images
from osteoflow.radiomics.grid import Placement
from osteoflow.radiomics.preprocess import Noise, PreparedRegion, discretise, prepare_regions
from osteoflow.radiomics.roi import Roi
from osteoflow.radiomics.settings import UNFILTERED, RadiomicsSettings

# Interpolated voxels of one intensity differ by their rounding, which is no texture.
ROUNDING = 1e-12
# Undefined features that a warning names; the table shows them all.
NAMED = 12


@dataclass(frozen=True)
class FeatureResult:
    """Features of one region.

    Parameters
    ----------
    features
        Feature value by column, e.g. ``original_glcm_Contrast``. The columns depend on the
        settings alone; a value that cannot be computed is NaN.
    n_voxels
        Voxels of the intensity mask after resampling and re-segmentation.
    flag
        Empty, or why all values are NaN: ``empty_mask``, ``too_few_voxels``,
        ``constant_intensity``, ``not_finite``, ``no_slice_axis``.
    warnings
        What was left out, and single features that are undefined.
    """

    features: dict[str, float]
    n_voxels: int
    flag: str
    warnings: list[str]


def extract_features(image: Volume, mask: np.ndarray, settings: RadiomicsSettings) -> FeatureResult:
    """Features of one region: see :func:`extract_regions`."""
    return extract_regions(image, {"region": mask}, settings)["region"]


def extract_regions(
    image: Volume,
    masks: Mapping[str, np.ndarray],
    settings: RadiomicsSettings,
    placement: Placement | None = None,
    noise: Noise | None = None,
) -> dict[str, FeatureResult]:
    """Radiomics features of the regions of one image; filters run once for all of them.

    Parameters
    ----------
    image
        3D map.
    masks
        Boolean arrays of the image's shape by name; regions may overlap.
    settings
        The recipe.
    placement, noise
        A shifted and turned grid of the prepared image, and what is added to the scan's voxels;
        see :func:`osteoflow.radiomics.preprocess.prepare_regions`.

    Returns
    -------
    dict
        By the names of ``masks``: all columns of
        :func:`osteoflow.radiomics.columns.feature_names`. A region that cannot
        carry features has NaN everywhere and a flag; nothing is invented for it.

    Raises
    ------
    ValueError
        Image and a mask have different shapes.

    Notes
    -----
    Shape describes the mask before re-segmentation. A region with a single grey level has no
    texture: those values are NaN, not the constants that pyradiomics puts in their place.
    """
    masks = {name: np.asarray(mask, bool) for name, mask in masks.items()}
    columns = feature_names(settings)
    results: dict[str, FeatureResult] = {}

    def refuse(name: str, flag: str, n_voxels: int, warnings: list[str]) -> None:
        nothing = dict.fromkeys(columns, float("nan"))
        results[name] = FeatureResult(nothing, n_voxels, flag, warnings)

    usable = {}
    for name, mask in masks.items():
        if image.data.shape != mask.shape:
            raise ValueError(f"image {image.data.shape} and mask {mask.shape} differ in shape")
        if not mask.any():
            refuse(name, "empty_mask", 0, [])
        elif not _any_number(image.data, mask):
            refuse(name, "not_finite", 0, ["the map holds no number inside the region"])
        else:
            usable[name] = mask
    try:
        prepared = prepare_regions(image, usable, settings, placement, noise) if usable else {}
    except SubjectDataError as error:
        for name in usable:
            refuse(name, error.code, 0, [error.message])
        prepared = {}
    regions = {}
    for name, region in prepared.items():
        n_voxels = int(region.intensity.sum())
        inside = region.values
        if n_voxels < settings.minimum_voxels:
            refuse(name, "too_few_voxels", n_voxels, region.warnings)
        elif np.ptp(inside) <= ROUNDING * np.abs(inside).max():
            refuse(name, "constant_intensity", n_voxels, region.warnings)
        else:
            regions[name] = region
    if regions:
        for name, (values, warnings) in _values(regions, settings).items():
            n_voxels = int(regions[name].intensity.sum())
            results[name] = _result(values, columns, n_voxels, warnings)
    return {name: results[name] for name in masks}


def _result(
    values: Mapping[str, float], columns: Sequence[str], n_voxels: int, warnings: list[str]
) -> FeatureResult:
    """All columns of one region; those without a finite value are NaN, with a warning."""
    result = {column: values.get(column, float("nan")) for column in columns}
    result = {k: v if np.isfinite(v) else float("nan") for k, v in result.items()}
    if undefined := [column for column, value in result.items() if np.isnan(value)]:
        more = f" and {len(undefined) - NAMED} more" if len(undefined) > NAMED else ""
        names = ", ".join(undefined[:NAMED]) + more
        warnings = [*warnings, f"{len(undefined)} undefined features: {names}"]
    return FeatureResult(result, n_voxels, "", warnings)


def _any_number(data: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a region holds a finite value; the rest of the scan is not looked at."""
    box = bounding_box(mask)
    return bool(np.isfinite(data[box][mask[box]]).any())


def _values(
    regions: dict[str, PreparedRegion], settings: RadiomicsSettings
) -> dict[str, tuple[dict[str, float], list[str]]]:
    """Values by column and warnings of each region of one prepared image."""
    first = next(iter(regions.values()))
    inner = union(region.box for region in regions.values())
    told = filter_warnings(settings, first.spacing, first.slice_axis)
    found = {name: ({}, [*region.warnings, *told]) for name, region in regions.items()}
    for name, region in regions.items():
        roi = roi_of(region, region.image[region.box], settings, filtered=False)
        _compute(roi, ORIGINAL, False, found[name])
    images = filtered_images(first.image, inner, first.spacing, first.slice_axis, settings)
    for prefix, derived in images:
        for name, region in regions.items():
            part = derived[within(region.box, inner)]
            roi = roi_of(region, part, settings, filtered=prefix != ORIGINAL)
            _compute(roi, prefix, True, found[name])
    return found


def _compute(
    roi: Roi, prefix: str, filtered: bool, found: tuple[dict[str, float], list[str]]
) -> None:
    """Add the families that belong to this kind of image to a region's values."""
    values, warnings = found
    single = roi.one_level
    wanted = [name for name in roi.settings.classes if (name not in UNFILTERED) == filtered]
    for name in wanted:
        if not (FAMILIES[name].texture and single):
            computed = FAMILIES[name].compute(roi)
            values |= {f"{prefix}_{name}_{key}": value for key, value in computed.items()}
    warnings += [f"{prefix}: {note}" for note in roi.notes]
    if single and any(FAMILIES[name].texture for name in wanted):
        warnings.append(f"{prefix}: one grey level only, no texture features")


def roi_of(
    region: PreparedRegion, image: np.ndarray, settings: RadiomicsSettings, filtered: bool
) -> Roi:
    """A prepared region as the families see it.

    Parameters
    ----------
    region
        The prepared region.
    image
        The prepared or a filtered image on the region's box.
    settings
        The recipe.
    filtered
        Whether the image is filtered: its grey levels are then ``filters.bin_count`` many.
    """
    levels = np.zeros(region.intensity.shape, np.int32)
    levels[region.intensity] = discretise(image[region.intensity], settings, filtered=filtered)
    return Roi(
        image,
        region.morphology,
        region.intensity,
        levels,
        region.spacing,
        region.slice_axis,
        region.image,
        region.box,
        settings,
        filtered,
    )
