"""From an inventory entry to the images that every later step reads.

An entry names the chosen files (DICOM or BIDS); the result is a CT in HU or a complex
multi-echo stack, each with a sidecar that identifies no person.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.bids import read_sidecar
from osteoflow.io.dicom import convert_series
from osteoflow.io.header import header_number, header_text
from osteoflow.io.outside import read_nifti
from osteoflow.io.volume import Volume

# Siemens stores phase as 0..4095 with this rescaling: -4096..4094 stand for -pi..pi. The pair is
# as good as a unit, whichever software wrote the file.
SIEMENS_PHASE_RESCALE = (2.0, -4096.0)
SIEMENS_PHASE_SCALE = np.pi / 4096.0
# dcm2niix and BIDS converters put the slices along the third axis.
SLICE_AXIS = 2
# Magnets for people; anything else is no field strength in tesla.
FIELD_STRENGTHS = (0.01, 15.0)
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
        paths = [study / file["path"] for file in entry["files"]]
        volume, headers, warnings = convert_series(paths)
        _check_one_voltage(headers)
        # A contrast agent may be named in some of the slices only.
        sidecar: dict[str, Any] = {}
        for header in headers:
            sidecar = {**_fields(header, CT_NUMBERS, CT_TEXTS), **sidecar}
    else:
        volume, content = _read_bids(entry["files"][0], study)
        sidecar, warnings = _fields(content, CT_NUMBERS, CT_TEXTS), []
    warnings += _check_values(volume.data, "CT")
    sidecar.update(
        {
            "Units": "HU",
            "SliceStep": round(volume.spacing[SLICE_AXIS], 4),
            "Source": entry["source"],
            "SourceSeries": entry["series"],
            "SourceFiles": len(entry["files"]),
        }
    )
    return Volume(compact(volume.data), volume.affine), sidecar, warnings


def load_multi_echo(
    entry: dict[str, Any], study: Path
) -> tuple[Volume, Volume, dict[str, Any], list[str]]:
    """Magnitude and phase (radians) stacks of shape (i, j, k, echo), sidecar and warnings.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.io.dicom.convert_series`; ``echoes_on_other_grids``,
        ``phase_unit_unknown``, ``field_strength_missing``, ``nifti_unreadable``,
        ``nifti_no_position`` or ``empty_image``.
    """
    stacks: dict[str, Volume] = {}
    fields: Mapping[str, Any] = {}
    echo_times: list[float] = []
    warnings: list[str] = []
    for part, echoes in entry["parts"].items():
        echo_times = [float(echo["echo_time"]) for echo in echoes]
        loaded = [_load_echo(entry["source"], echo, study) for echo in echoes]
        volumes = [volume for volume, _, _ in loaded]
        for volume in volumes[1:]:
            if not volume.same_grid(volumes[0], tolerance=1e-2):
                raise SubjectDataError(
                    "echoes_on_other_grids",
                    f"the echoes of the {part} images lie on different grids",
                    "Export all echoes of one acquisition.",
                )
        fields = fields or loaded[0][1]
        for _, _, notes in loaded:
            warnings.extend(note for note in notes if note not in warnings)
        for number, volume in enumerate(volumes, 1):
            warnings += _check_values(volume.data, f"{part} (echo {number})")
        data = np.stack([volume.data for volume in volumes], axis=-1).astype(np.float32)
        if part == "phase":
            data = _radians(data, entry["source"], loaded[0][1])
        stacks[part] = Volume(data, volumes[0].affine)
    magnitude, phase = _polar(stacks)
    if not magnitude.same_grid(phase, tolerance=1e-2):
        raise SubjectDataError(
            "echoes_on_other_grids",
            "magnitude and phase images lie on different grids",
            "Export both from the same acquisition.",
        )
    _check_field_strength(fields)
    sidecar = {
        **_fields(fields, MRI_NUMBERS, MRI_TEXTS),
        "EchoTime": echo_times,
        "SliceStep": round(magnitude.spacing[SLICE_AXIS], 4),
        "Source": entry["source"],
        "SourceSeries": entry["series"],
        "SourceFiles": sum(
            len(echo["files"]) for echoes in entry["parts"].values() for echo in echoes
        ),
    }
    return magnitude, phase, sidecar, warnings


def compact(data: np.ndarray) -> np.ndarray:
    """int16 where that keeps every value (most CT), float32 otherwise."""
    small = np.abs(data).max(initial=0) < 2**15
    if small and np.array_equal(data, np.rint(data)):
        return data.astype(np.int16)
    return data.astype(np.float32)


def _load_echo(
    source: str, echo: dict[str, Any], study: Path
) -> tuple[Volume, Mapping[str, Any], list[str]]:
    """An echo's image, its header in BIDS's units, and warnings."""
    if source == "bids":
        volume, content = _read_bids(echo["files"][0], study)
        return volume, content, []
    volume, headers, warnings = convert_series([study / f["path"] for f in echo["files"]])
    fields = dict(headers[0])
    if "RepetitionTime" in fields:  # ms in DICOM, s in BIDS and in our sidecars
        fields["RepetitionTime"] /= 1000.0
    return volume, fields, warnings


def _read_bids(file: dict[str, Any], study: Path) -> tuple[Volume, dict[str, Any]]:
    volume = read_nifti(study / file["path"], "nifti")
    return volume.like(volume.data.astype(np.float32)), read_sidecar(study / file["path"])


def _radians(data: np.ndarray, source: str, fields: Mapping[str, Any]) -> np.ndarray:
    """Phase in radians; the unit follows from how the scanner stores it, or is refused."""
    largest = float(np.abs(data).max(where=np.isfinite(data), initial=0.0))
    # BIDS phase is in radians, counted from -pi or from 0.
    if largest <= (2 * np.pi if source == "bids" else np.pi) * 1.001:
        return data
    rescale = (fields.get("RescaleSlope"), fields.get("RescaleIntercept"))
    if rescale == SIEMENS_PHASE_RESCALE and largest <= 4096.5:
        return data * np.float32(SIEMENS_PHASE_SCALE)
    raise SubjectDataError(
        "phase_unit_unknown",
        f"phase values reach {largest:.0f}, in a unit that is not known for this scanner",
        "Convert the phase images to radians and give them as BIDS.",
    )


def _polar(stacks: dict[str, Volume]) -> tuple[Volume, Volume]:
    if "mag" in stacks:
        return stacks["mag"], stacks["phase"]
    signal = stacks["real"].data + 1j * stacks["imag"].data
    real = stacks["real"]
    return (
        real.like(np.abs(signal).astype(np.float32)),
        real.like(np.angle(signal).astype(np.float32)),
    )


def _check_values(data: np.ndarray, what: str) -> list[str]:
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


def _fields(
    header: Mapping[str, Any], numbers: tuple[str, ...], texts: tuple[str, ...]
) -> dict[str, Any]:
    """The named elements that are what they should be: numbers, and text on one line."""
    found: dict[str, Any] = {key: header_number(header, key) for key in numbers}
    found |= {key: header_text(header, key) for key in texts}
    return {key: value for key, value in found.items() if value is not None}
