"""DICOM headers: which of their elements OsteoFlow reads, and nothing of the patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

# Only these elements are read. Names, birth dates, addresses and descriptions are not among
# them; the UIDs group files and never leave the inventory.
TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "Modality",
    "ImageType",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "Rows",
    "Columns",
    "BitsAllocated",
    "SamplesPerPixel",
    "NumberOfFrames",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "RescaleSlope",
    "RescaleIntercept",
    "LossyImageCompression",
    "GantryDetectorTilt",
    "KVP",
    "ConvolutionKernel",
    "XRayTubeCurrent",
    "Exposure",
    "ContrastBolusAgent",
    "ScanningSequence",
    "SequenceVariant",
    "MRAcquisitionType",
    "AcquisitionNumber",
    "EchoTime",
    "RepetitionTime",
    "FlipAngle",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "ComplexImageComponent",
)


IMAGE_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4")
DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
# Elements that must be one number each where they are used as such.
NUMBERS = ("EchoTime", "RepetitionTime", "FlipAngle", "MagneticFieldStrength", "SliceThickness")
# Enhanced and legacy-converted multi-frame objects keep their geometry in frame groups.
MULTI_FRAME_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.4.4",
)


def read_header(path: Path) -> dict[str, Any] | None:
    """Elements of :data:`TAGS` as plain values, or None where the file is no DICOM image.

    A DICOM file whose header breaks off or cannot be understood gives ``{"damaged": True}``.
    """
    try:
        with path.open("rb") as handle:
            preamble = handle.read(132)
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
        return _header(dataset)
    except InvalidDicomError:
        return None
    except (EOFError, ValueError, KeyError, TypeError, AttributeError):
        return {"damaged": True} if preamble[128:132] == b"DICM" else None


def _header(dataset: pydicom.Dataset) -> dict[str, Any] | None:
    if "Rows" not in dataset:
        # An object without an image (a dose report, a DICOMDIR), or a header cut off before it.
        stored = dataset.file_meta.get("MediaStorageSOPClassUID", "")
        sop_class = str(dataset.get("SOPClassUID", "") or stored)
        if sop_class == DICOMDIR_CLASS:
            return None
        cut = "Modality" not in dataset or sop_class.startswith(IMAGE_CLASSES)
        return {"damaged": True} if cut else None
    header: dict[str, Any] = {
        tag: _plain(dataset.get(tag)) for tag in TAGS if dataset.get(tag) not in (None, "")
    }
    for name in NUMBERS:
        if name in header and not isinstance(header[name], int | float):
            raise ValueError(f"{name} is no single number")
    header["TransferSyntaxUID"] = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    header["MultiFrame"] = (
        header.get("SOPClassUID") in MULTI_FRAME_CLASSES or int(header.get("NumberOfFrames", 1)) > 1
    )
    return header


def _plain(value: Any) -> Any:
    """A DICOM value as str, int, float or list of these."""
    if isinstance(value, pydicom.multival.MultiValue | list):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, float) or type(value).__name__ in ("DSdecimal", "DSfloat", "Decimal"):
        return float(value)
    return str(value)
