"""Texture of bone across scales: lacunarity and fractal dimensions of a calibrated map."""

from __future__ import annotations

import numpy as np

from osteoflow.radiomics.boxes import bounding_box
from osteoflow.radiomics.families.box_counting import (
    MINIMUM_SIZES,
    box_counting_dimension,
    box_sizes,
    gliding_box_dimension,
    increment_dimension,
    variation_dimension,
)
from osteoflow.radiomics.families.lacunarity import lacunarity, lacunarity_slope
from osteoflow.radiomics.roi import Roi
from osteoflow.radiomics.settings import Fractal

NEARLY_CUBIC = 1.05


def fractal_features(roi: Roi) -> dict[str, float]:
    """Dimensions and lacunarity of the intensity mask, over the recipe's box sizes.

    Parameters
    ----------
    roi
        The region of the map itself. The set is its voxels at or above ``fractal.threshold``, in
        the unit of the map, or the region's own ``fractal.percentile``; the grey measures take
        the intensities as they are. In a 2D recipe boxes lie in the slices, whose counts are
        added.

    Returns
    -------
    dict
        A value that the region is too small for is NaN, and a note says why.
    """
    settings = roi.settings.fractal
    box = bounding_box(roi.intensity)
    region, image = roi.intensity[box], roi.image[box]
    steps = [step for axis, step in enumerate(roi.spacing) if axis != roi.slice_axis]
    if roi.slice_axis is None:
        region, image = region[None], image[None]
    else:
        region = np.moveaxis(region, roi.slice_axis, 0)
        image = np.moveaxis(image, roi.slice_axis, 0)
    if max(steps) > NEARLY_CUBIC * min(steps):
        size = " x ".join(f"{step:g}" for step in steps)
        roi.notes.append(f"fractal: voxels of {size} mm make boxes of unequal sides")
    threshold = settings.threshold
    if threshold is None:
        threshold = np.percentile(image[region], settings.percentile)
    found = region & (image >= threshold)
    binary = lacunarity(found, region, settings.boxes)
    grey = lacunarity(image, region, settings.boxes)
    at = settings.lacunarity_box
    values = {
        "FractionAboveThreshold": float(found.sum() / region.sum()),
        "BoxCountingDimension": box_counting_dimension(found, region, settings.boxes),
        "GlidingBoxDimension": gliding_box_dimension(found, region, settings.boxes),
        "VariationDimension": variation_dimension(image, region, settings.boxes),
        "IncrementDimension": increment_dimension(image, region, settings.boxes),
        "BinaryLacunarity": binary.get(at, float("nan")),
        "BinaryLacunaritySlope": lacunarity_slope(binary),
        "GrayLacunarity": grey.get(at, float("nan")),
        "GrayLacunaritySlope": lacunarity_slope(grey),
    }
    counted = box_sizes(region, settings.boxes)
    roi.notes.extend(f"fractal: {text}" for text in _remarks(values, counted, list(grey), settings))
    return values


def _remarks(
    values: dict[str, float], counted: list[int], glided: list[int], settings: Fractal
) -> list[str]:
    """Which sizes were left out, and why a value is undefined."""
    remarks = []
    for used, what in ((counted, "box counting"), (glided, "lacunarity")):
        if missing := [size for size in settings.boxes if size not in used]:
            sizes = ", ".join(map(str, missing))
            remarks.append(f"boxes of {sizes} voxels do not fit the region, {what} does without")
        if len(used) < MINIMUM_SIZES:
            lost = "dimension by boxes" if used is counted else "lacunarity slope"
            remarks.append(f"{len(used)} box sizes of at least {MINIMUM_SIZES} fit, no {lost}")
    if values["FractionAboveThreshold"] == 0:
        remarks.append("no voxel reaches the threshold, no measure of the set")
    if np.isnan(values["VariationDimension"]):
        remarks.append("too few windows lie wholly inside the region, no variation dimension")
    if np.isnan(values["IncrementDimension"]):
        remarks.append("too few pairs of voxels lie inside the region, no increment dimension")
    if settings.lacunarity_box in glided and np.isnan(values["GrayLacunarity"]):
        remarks.append("the mean is not positive, no lacunarity of the intensities")
    return remarks
