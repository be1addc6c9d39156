"""From stored pixel values to what they stand for: rescaling, real-world maps, Philips' scales.

A scanner stores whole numbers. The standard's rescaling (0028,1053) and (0028,1052) gives the
values shown at the console; for CT these are HU. For MR they suffice within one image, but not
always between images: Philips normalises what it shows, type by type and sometimes image by image,
and states in (2005,100E) by how much. What the reconstruction computed is

    floating-point value = (stored x slope + intercept) / (slope x scale slope)

(Chenevert TL et al., Transl Oncol 2014;7:65-71). Fat fractions and relaxation rates compare echoes
with each other, so this one is used for every image of the signal (magnitude, real, imaginary)
that states a scale slope. Phase and maps keep the shown values, whose units are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pydicom

from osteoflow.errors import SubjectDataError
from osteoflow.io.header import VALUE_ERRORS, header_number, header_text
from osteoflow.io.vendor import vendor

SIGNAL = ("mag", "real", "imag")
"""Components whose values are comparable between images only in floating-point scale."""


def rescaling(item: pydicom.Dataset) -> tuple[float, float]:
    """Slope and intercept from stored to shown values; (1, 0) where nothing is stated.

    Philips gives some exports a real-world map instead of the rescaling.
    """
    slope, intercept = (header_number(item, f"Rescale{part}") for part in ("Slope", "Intercept"))
    if slope is None and intercept is None and vendor(item) == "philips":
        mapped = real_world_map(item)
        slope, intercept = mapped.get("RealWorldValueSlope"), mapped.get("RealWorldValueIntercept")
    # A slope of 0 would blank the image; dcm2niix reads it as 1, too.
    return slope or 1.0, intercept or 0.0


def real_world_map(item: pydicom.Dataset) -> dict[str, Any]:
    """The linear map to real-world values of an image or frame, as plain elements.

    Returns
    -------
    ``RealWorldValueSlope``, ``RealWorldValueIntercept`` and ``RealWorldValueUnit`` (UCUM code), or
    an empty dict where there is not exactly one such map.
    """
    try:
        maps = item.get("RealWorldValueMappingSequence") or []
        units = [entry.get("MeasurementUnitsCodeSequence") or [{}] for entry in maps]
        codes = [str(header_text(unit[0], "CodeValue") or "") for unit in units]
    except VALUE_ERRORS:
        return {}
    if len(maps) != 1:
        return {}
    slope, intercept = (
        header_number(maps[0], f"RealWorldValue{part}") for part in ("Slope", "Intercept")
    )
    if not slope or intercept is None:
        return {}
    return {
        "RealWorldValueSlope": slope,
        "RealWorldValueIntercept": intercept,
        "RealWorldValueUnit": codes[0],
    }


def floating_point_factor(item: pydicom.Dataset, elements: dict[str, Any]) -> float:
    """Factor from shown to floating-point values of Philips images of the signal, otherwise 1.

    Parameters
    ----------
    item
        Header of an image or frame.
    elements
        Its :func:`osteoflow.io.vendor.vendor_elements`.
    """
    scale = elements.get("PhilipsScaleSlope")
    if scale is None or elements.get("Component") not in SIGNAL:
        return 1.0
    return 1.0 / (rescaling(item)[0] * scale)


def check_scales(elements: Sequence[Mapping[str, Any]]) -> None:
    """Images that are compared are all in floating-point scale, or none is.

    Parameters
    ----------
    elements
        :func:`osteoflow.io.vendor.vendor_elements` of each image.

    Raises
    ------
    SubjectDataError
        ``scale_slope_missing``.
    """
    signal = [item for item in elements if item.get("Component") in SIGNAL]
    lacking = sum("PhilipsScaleSlope" not in item for item in signal)
    if 0 < lacking < len(signal):
        raise SubjectDataError(
            "scale_slope_missing",
            f"{lacking} of {len(signal)} images lack the scale slope that the others have: their "
            "values are not comparable",
            "Export all images in one way, with Philips' private elements.",
        )


def rescaled(stored: np.ndarray, items: Sequence[pydicom.Dataset]) -> np.ndarray:
    """Shown values of stored ones, each slice by its own rescaling.

    Parameters
    ----------
    stored
        Whole numbers, shape (slices, rows, columns).
    items
        Header of each slice.

    Returns
    -------
    int32 where no slice is scaled by anything but a whole shift, float32 otherwise.
    """
    pairs = np.array([rescaling(item) for item in items])
    whole = np.all(pairs[:, 0] == 1) and np.array_equal(pairs, np.rint(pairs))
    # Two 32-bit steps would round twice: float32 only at the end.
    kind = np.int64 if whole else np.float64
    shown = np.empty(stored.shape, np.int32 if whole else np.float32)
    for index, (slope, intercept) in enumerate(pairs.astype(kind)):
        shown[index] = stored[index].astype(kind) * slope + intercept
    return shown
