"""From an inventory entry to the images that every later step reads.

An entry names the chosen files (DICOM or BIDS); the result is a CT in HU or a complex
multi-echo stack, each with a sidecar that identifies no person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.bids import read_sidecar
from osteoflow.io.dicom import convert_series
from osteoflow.io.frames import sources
from osteoflow.io.header import header_number, header_text
from osteoflow.io.outside import read_nifti
from osteoflow.io.phase import PhaseScale, phase_scale, steady_slice_sign
from osteoflow.io.scaling import check_scales
from osteoflow.io.vendor import vendor
from osteoflow.io.volume import Volume

# dcm2niix and BIDS converters put the slices along the third axis.
SLICE_AXIS = 2
# Magnets for people; anything else is no field strength in tesla.
FIELD_STRENGTHS = (0.01, 15.0)
# Elements that DICOM has in ms and BIDS in s.
TIMES = ("RepetitionTime", "EchoTime", "InversionTime")
# Header fields of each modality that sidecars carry, from DICOM and BIDS alike; everything else
# stays outside.
CT_NUMBERS = ("KVP", "Exposure", "XRayTubeCurrent", "SliceThickness", "ContrastBolusVolume")
CT_TEXTS = (
    "Manufacturer",
    "ManufacturerModelName",
    "ManufacturersModelName",
    "ConvolutionKernel",
    "ContrastBolusAgent",
    "ContrastBolusIngredient",
    "ContrastBolusRoute",
)
MRI_NUMBERS = (
    "MagneticFieldStrength",
    "ImagingFrequency",
    "RepetitionTime",
    "FlipAngle",
    "SliceThickness",
)
MRI_TEXTS = (
    "Manufacturer",
    "ManufacturerModelName",
    "ManufacturersModelName",
    "MRAcquisitionType",
)


def load_ct(entry: dict[str, Any], study: Path) -> tuple[Volume, dict[str, Any], list[str]]:
    """CT in HU, its sidecar and warnings.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.io.dicom.convert_series`; ``mixed_kvp``; ``nifti_unreadable`` or
        ``nifti_no_position`` for BIDS input; ``empty_image``.
    """
    if entry["source"] == "dicom":
        volume, headers, warnings = convert_series(sources(entry["files"], study))
        _check_one_voltage(headers)
        # A contrast agent may be named in some of the slices only.
        sidecar: dict[str, Any] = {}
        for header in headers:
            sidecar = {**fields_of(header, CT_NUMBERS, CT_TEXTS), **sidecar}
    else:
        volume, content = _read_bids(entry["files"][0], study)
        sidecar, warnings = fields_of(content, CT_NUMBERS, CT_TEXTS), []
    warnings += check_values(volume.data, "CT")
    sidecar.update(
        {
            "Units": "HU",
            "SliceStep": round(volume.spacing[SLICE_AXIS], 4),
            "Source": entry["source"],
            "SourceSeries": entry["series"],
            "SourceFiles": count_files(entry["files"]),
        }
    )
    return Volume(compact(volume.data), volume.affine), sidecar, warnings


def load_multi_echo(
    entry: dict[str, Any], study: Path
) -> tuple[Volume, Volume | None, dict[str, Any], list[str]]:
    """Magnitude and phase (radians) stacks of shape (i, j, k, echo), sidecar and warnings.

    Phase is None where magnitudes are all that was exported.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.io.dicom.convert_series`; ``echoes_on_other_grids``,
        ``phase_unit_unknown``, ``field_strength_missing``, ``nifti_unreadable``,
        ``nifti_no_position`` or ``empty_image``.
    """
    stacks: dict[str, Volume] = {}
    headers: dict[str, list[Mapping[str, Any]]] = {}
    echo_times: list[float] = []
    warnings: list[str] = []
    kept: dict[Path, Any] = {}
    for part, echoes in entry["parts"].items():
        echo_times = [float(echo["echo_time"]) for echo in echoes]
        stacks[part], headers[part], notes = load_stack(entry["source"], echoes, study, part, kept)
        warnings.extend(note for note in notes if note not in warnings)
    first, *others = stacks
    for second in others:
        if not stacks[first].same_grid(stacks[second], tolerance=1e-2):
            raise SubjectDataError(
                "echoes_on_other_grids",
                f"{first} and {second} images lie on different grids",
                "Export both from the same acquisition.",
            )
    if others:
        magnitude, phase, scaling, notes = _polar(stacks, headers, entry["source"])
        warnings += notes
    else:
        magnitude, phase, scaling = stacks["mag"], None, {}
        if entry["source"] == "dicom":
            scaling["SignalScaling"], notes = signal_scaling(headers["mag"])
            warnings += notes
    fields = dict(next(iter(headers.values()))[0])
    _check_field_strength(fields)
    files = [f for echoes in entry["parts"].values() for echo in echoes for f in echo["files"]]
    sidecar = {
        **fields_of(fields, MRI_NUMBERS, MRI_TEXTS),
        **scaling,
        "Kind": entry["kind"],
        "EchoTime": echo_times,
        "SliceStep": round(magnitude.spacing[SLICE_AXIS], 4),
        "Source": entry["source"],
        "SourceSeries": entry["series"],
        "SourceFiles": count_files(files),
    }
    return magnitude, phase, sidecar, warnings


def load_stack(
    source: str,
    images: list[dict[str, Any]],
    study: Path,
    what: str,
    kept: dict[Path, Any],
    one: str = "echo",
) -> tuple[Volume, list[Mapping[str, Any]], list[str]]:
    """Images of one grid (echoes, b-values) stacked along a fourth axis.

    Parameters
    ----------
    source
        ``dicom`` or ``bids``.
    images
        Each with its ``files`` and, where a file holds several volumes, ``volume``.
    study
        Folder where relative paths start.
    what
        What they are, for messages.
    kept
        Decoded files that hold several images, for the next call.
    one
        What one of them is called in messages.

    Returns
    -------
    stack, headers, warnings
        float32 of shape (i, j, k, n); headers of all slices of all images in BIDS's units.

    Raises
    ------
    SubjectDataError
        ``echoes_on_other_grids``, ``empty_image`` and as
        :func:`osteoflow.io.dicom.convert_series`.
    """
    loaded = [load_image(source, image, study, kept) for image in images]
    volumes = [volume for volume, _, _ in loaded]
    for volume in volumes[1:]:
        if not volume.same_grid(volumes[0], tolerance=1e-2):
            raise SubjectDataError(
                "echoes_on_other_grids",
                f"the {what} images lie on different grids",
                "Export all images of one acquisition.",
            )
    warnings: list[str] = []
    for _, _, notes in loaded:
        warnings.extend(note for note in notes if note not in warnings)
    for number, volume in enumerate(volumes, 1):
        warnings += check_values(volume.data, f"{what} ({one} {number})")
    data = np.stack([volume.data for volume in volumes], axis=-1).astype(np.float32)
    headers = [header for _, found, _ in loaded for header in found]
    return Volume(data, volumes[0].affine), headers, warnings


def compact(data: np.ndarray) -> np.ndarray:
    """int16 where that keeps every value (most CT), float32 otherwise."""
    small = np.abs(data).max(initial=0) < 2**15
    if small and np.array_equal(data, np.rint(data)):
        return data.astype(np.int16)
    return data.astype(np.float32)


def count_files(files: Iterable[dict[str, Any]]) -> int:
    """Files; one that holds several images is listed with each kind of them."""
    return len({file["path"] for file in files})


def load_image(
    source: str, image: dict[str, Any], study: Path, kept: dict[Path, Any]
) -> tuple[Volume, list[dict[str, Any]], list[str]]:
    """One image, its slices' headers in BIDS's units, and warnings; as :func:`load_stack`."""
    if source == "bids":
        volume, content = _read_bids(image["files"][0], study, image.get("volume"))
        return volume, [content], []
    volume, headers, warnings = convert_series(sources(image["files"], study), kept)
    for header in headers:
        for name in TIMES:
            if name in header:  # ms in DICOM, s in BIDS and in our sidecars
                header[name] /= 1000.0
    return volume, headers, warnings


def _read_bids(
    file: dict[str, Any], study: Path, number: int | None = None
) -> tuple[Volume, dict[str, Any]]:
    volume = read_nifti(study / file["path"], "nifti", number)
    return volume.like(volume.data.astype(np.float32)), read_sidecar(study / file["path"])


def _polar(
    stacks: dict[str, Volume], headers: dict[str, list[Mapping[str, Any]]], source: str
) -> tuple[Volume, Volume, dict[str, str], list[str]]:
    """Magnitude and phase in radians, how they were scaled (for the sidecar), and warnings."""
    scaling: dict[str, str] = {}
    warnings: list[str] = []
    if source == "dicom":
        signal = [header for part in headers if part != "phase" for header in headers[part]]
        scaling["SignalScaling"], warnings = signal_scaling(signal)
    if "mag" in stacks:
        magnitude, phase = stacks["mag"], stacks["phase"]
        scale = _bids_scale(phase.data) if source == "bids" else None
        scale = scale or phase_scale(phase.data, headers["phase"])
        scaling["PhaseScaling"] = scale.source
        warnings += scale.warnings()
        phase = phase.like(scale.radians(phase.data))
    else:
        signal = stacks["real"].data + 1j * stacks["imag"].data
        magnitude = stacks["real"].like(np.abs(signal).astype(np.float32))
        phase = stacks["real"].like(np.angle(signal).astype(np.float32))
        scaling["PhaseScaling"] = "from real and imaginary images"
    if source == "dicom" and vendor(dict(next(iter(headers.values()))[0])) == "ge":
        signal = magnitude.data * np.exp(1j * phase.data)
        signal, notes = steady_slice_sign(signal)
        if notes:
            phase = phase.like(np.angle(signal).astype(np.float32))
            warnings += notes
    return magnitude, phase, scaling, warnings


def signal_scaling(headers: list[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """How the values of magnitude, or real and imaginary, images were scaled, and a warning."""
    check_scales(headers)
    if any("PhilipsScaleSlope" in header for header in headers):
        return "floating-point values (Philips scale slope)", []
    slopes = {header.get("RescaleSlope", 1.0) for header in headers}
    if vendor(dict(headers[0])) != "philips" or len(slopes) == 1:
        return "rescaled values", []
    return "rescaled values", [
        f"scale_slope_absent: the images were rescaled by {len(slopes)} different slopes, and "
        "Philips' scale slope, which would make them comparable, was removed; echoes may differ in "
        "scale"
    ]


def _bids_scale(data: np.ndarray) -> PhaseScale | None:
    """BIDS phase is in radians, counted from -pi or from 0."""
    largest = float(np.abs(data).max(where=np.isfinite(data), initial=0.0))
    if largest <= 2 * np.pi * 1.001:
        return PhaseScale(1.0, 0.0, "radians, as BIDS has them")
    return None


def check_values(data: np.ndarray, what: str) -> list[str]:
    """An image holds more than one value; voxels that hold no number are counted.

    Raises
    ------
    SubjectDataError
        ``empty_image``.
    """
    finite = np.isfinite(data)
    lost = data.size - int(np.count_nonzero(finite))
    values = data[finite] if lost else data
    if values.size == 0 or values.min() == values.max():
        raise SubjectDataError(
            "empty_image",
            f"the {what} image is blank: no two of its voxels differ",
            "Look at the series in the archive, and export it again if it is not blank there.",
        )
    if not lost:
        return []
    return [
        f"non_finite: {lost} voxels ({100 * lost / data.size:.2g} %) of the {what} image hold no "
        "number; they are left as they are and not measured"
    ]


def _check_one_voltage(headers: list[dict[str, Any]]) -> None:
    """Slices of one acquisition share one tube voltage.

    HU of bone and the calibration line both depend on the voltage: with two of them in one image
    neither number means one thing.
    """
    stated = [header["KVP"] for header in headers if "KVP" in header]
    if len(set(stated)) > 1:
        found = ", ".join(f"{kvp:g} kV in {stated.count(kvp)}" for kvp in sorted(set(stated)))
        raise SubjectDataError(
            "mixed_kvp",
            f"the slices were taken at different tube voltages ({found} slices)",
            "Export one acquisition at one voltage, not two series under one name.",
        )


def _check_field_strength(fields: Mapping[str, Any]) -> None:
    """Fat's frequencies scale with the field: without it there is no fat fraction."""
    tesla = header_number(fields, "MagneticFieldStrength")
    if tesla is None or not FIELD_STRENGTHS[0] <= tesla <= FIELD_STRENGTHS[1]:
        stated = "do not state the field strength" if tesla is None else f"state {tesla:g} T"
        raise SubjectDataError(
            "field_strength_missing",
            f"the headers {stated}",
            "Export the original images; in BIDS, give MagneticFieldStrength in tesla.",
        )


def fields_of(
    header: Mapping[str, Any], numbers: tuple[str, ...], texts: tuple[str, ...]
) -> dict[str, Any]:
    """The named elements that are what they should be: numbers, and text on one line."""
    found: dict[str, Any] = {key: header_number(header, key) for key in numbers}
    found |= {key: header_text(header, key) for key in texts}
    return {key: value for key, value in found.items() if value is not None}
