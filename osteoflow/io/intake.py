"""From an inventory entry to the images that every later step reads.

An entry names the chosen files (DICOM or BIDS); the result is a CT in HU or a complex
multi-echo stack, each with a sidecar that identifies no person.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.filebasedimages import ImageFileError

from osteoflow.errors import SubjectDataError
from osteoflow.io.bids import read_sidecar
from osteoflow.io.dicom import convert_series
from osteoflow.io.volume import Volume, check_gzip, read_volume

# Siemens stores phase as 0..4095 with this rescaling: -4096..4094 stand for -pi..pi. The pair is
# as good as a unit, whichever software wrote the file.
SIEMENS_PHASE_RESCALE = (2.0, -4096.0)
SIEMENS_PHASE_SCALE = np.pi / 4096.0
# dcm2niix and BIDS converters put the slices along the third axis.
SLICE_AXIS = 2
# Header fields that BIDS sidecars may bring along; everything else stays outside.
BIDS_FIELDS = (
    "Manufacturer",
    "ManufacturersModelName",
    "KVP",
    "ConvolutionKernel",
    "SliceThickness",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "RepetitionTime",
    "FlipAngle",
    "MRAcquisitionType",
    "ContrastBolusIngredient",
)
CT_NUMBERS = ("KVP", "Exposure", "XRayTubeCurrent", "SliceThickness")
CT_TEXTS = ("Manufacturer", "ManufacturerModelName", "ConvolutionKernel")
MRI_NUMBERS = (
    "MagneticFieldStrength",
    "ImagingFrequency",
    "RepetitionTime",
    "FlipAngle",
    "SliceThickness",
)
MRI_TEXTS = ("Manufacturer", "ManufacturerModelName", "MRAcquisitionType")


def load_ct(entry: dict[str, Any], study: Path) -> tuple[Volume, dict[str, Any], list[str]]:
    """CT in HU, its sidecar and warnings.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.io.dicom.convert_series`; ``nifti_unreadable`` or
        ``empty_image`` for BIDS input.
    """
    if entry["source"] == "dicom":
        paths = [study / file["path"] for file in entry["files"]]
        volume, headers, warnings = convert_series(paths)
        first = headers[0]
        sidecar = {
            **_floats(first, CT_NUMBERS),
            **{key: first[key] for key in CT_TEXTS if key in first},
        }
        agents = [h["ContrastBolusAgent"] for h in headers if "ContrastBolusAgent" in h]
        if agents:
            sidecar["ContrastBolusAgent"] = agents[0]
        kvp = {header.get("KVP") for header in headers}
        if len(kvp) > 1:
            warnings.append("mixed_kvp: the tube voltage differs between slices")
    else:
        volume, fields = _read_bids(entry["files"][0], study)
        sidecar, warnings = fields, []
    _check_finite(volume.data, "CT")
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
        ``phase_unit_unknown``, ``field_strength_missing``, ``nifti_unreadable`` or
        ``empty_image``.
    """
    stacks: dict[str, Volume] = {}
    fields: dict[str, Any] = {}
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
    _check_finite(magnitude.data, "magnitude")
    if "MagneticFieldStrength" not in fields:
        raise SubjectDataError(
            "field_strength_missing",
            "the headers do not state the field strength",
            "Add MagneticFieldStrength (tesla) to the sidecar.",
        )
    sidecar = {
        **{key: value for key, value in fields.items() if key != "PhaseRescale"},
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
) -> tuple[Volume, dict[str, Any], list[str]]:
    if source == "bids":
        volume, fields = _read_bids(echo["files"][0], study)
        return volume, fields, []
    volume, headers, warnings = convert_series([study / f["path"] for f in echo["files"]])
    first = headers[0]
    fields = {
        **_floats(first, MRI_NUMBERS),
        **{key: first[key] for key in MRI_TEXTS if key in first},
    }
    if "RescaleSlope" in first:
        fields["PhaseRescale"] = [first["RescaleSlope"], first.get("RescaleIntercept")]
    if "RepetitionTime" in fields:  # ms in DICOM, s in BIDS and in our sidecars
        fields["RepetitionTime"] = fields["RepetitionTime"] / 1000.0
    return volume, fields, warnings


def _read_bids(file: dict[str, Any], study: Path) -> tuple[Volume, dict[str, Any]]:
    try:
        check_gzip(study / file["path"])
        volume = read_volume(study / file["path"], np.float32)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error):
        raise SubjectDataError(
            "nifti_unreadable",
            "a NIfTI image cannot be read to its end",
            "Convert or copy the image again.",
        ) from None
    if volume.data.ndim != 3:
        raise SubjectDataError(
            "nifti_unreadable",
            f"an image has {volume.data.ndim} dimensions where one volume is expected",
            "Give one volume per file (one echo, one part).",
        )
    content = read_sidecar(study / file["path"])
    fields = {key: content[key] for key in BIDS_FIELDS if key in content}
    return volume, fields


def _radians(data: np.ndarray, source: str, fields: dict[str, Any]) -> np.ndarray:
    """Phase in radians; the unit follows from how the scanner stores it, or is refused."""
    largest = float(np.nanmax(np.abs(data)))
    # BIDS phase is in radians, counted from -pi or from 0.
    if largest <= (2 * np.pi if source == "bids" else np.pi) * 1.001:
        return data
    if fields.get("PhaseRescale") == list(SIEMENS_PHASE_RESCALE) and largest <= 4096.5:
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


def _check_finite(data: np.ndarray, what: str) -> None:
    if not np.any(np.isfinite(data) & (data != 0)):
        raise SubjectDataError(
            "empty_image",
            f"the {what} image holds no signal",
            "Check the export: every voxel is zero.",
        )


def _floats(header: dict[str, Any], keys: tuple[str, ...]) -> dict[str, float]:
    return {key: float(header[key]) for key in keys if key in header}
