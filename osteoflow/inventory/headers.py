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


def read_header(path: Path) -> dict[str, Any] | None:
    """Elements of :data:`TAGS` as plain values, or None where the file is no DICOM image.

    A DICOM file that breaks off inside its header gives ``{"damaged": True}``.
    """
    try:
        with path.open("rb") as handle:
            preamble = handle.read(132)
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
    except InvalidDicomError:
        return None
    except (EOFError, ValueError, KeyError, TypeError, OSError, AttributeError):
        return {"damaged": True} if preamble[128:132] == b"DICM" else None
    if "Rows" not in dataset:
        # Header cut off before the image elements, or an object without an image.
        sop_class = str(dataset.get("SOPClassUID", ""))
        image_classes = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4")
        return {"damaged": True} if sop_class.startswith(image_classes) else None
    header: dict[str, Any] = {
        tag: _plain(dataset.get(tag)) for tag in TAGS if dataset.get(tag) not in (None, "")
    }
    header["TransferSyntaxUID"] = str(dataset.file_meta.get("TransferSyntaxUID", ""))
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
