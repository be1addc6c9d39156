"""DICOM headers: which of their elements OsteoFlow reads, and nothing of the patient."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag

from osteoflow.inventory.diffusion_series import diffusion_word, is_adc_map
from osteoflow.io.dicom import PARSE_ERRORS
from osteoflow.io.diffusion import DIFFUSION_TAGS, adc_map_scale, b_value, directionality
from osteoflow.io.frames import GROUPS, frame_headers, frames_text, holds_several, image_count
from osteoflow.io.header import PERSON, TEXTS, acquisition, header_text, stated
from osteoflow.io.vendor import VENDOR_TAGS, vendor_elements

# Only these elements are kept. Names, birth dates, addresses and descriptions are not among
# them; the UIDs and the patient number group files and never leave the inventory.
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
    "ScanOptions",
    "MRAcquisitionType",
    "AcquisitionNumber",
    "EchoTime",
    "EchoNumbers",
    "RepetitionTime",
    "FlipAngle",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "ComplexImageComponent",
    "DiffusionBValue",
    "DeviceSerialNumber",
    "StationName",
    "TemporalPositionIndex",
    "StackID",
)
# What tells the runs of a diffusion acquisition apart: digits, which stay in the inventory's cache.
WHEN = (
    *("SeriesNumber", "SeriesDate", "SeriesTime"),
    *("AcquisitionDate", "AcquisitionTime", "ContentTime"),
)


# The first that is stated is the day of a CT scan.
SCAN_DATES = ("AcquisitionDate", "AcquisitionDateTime", "SeriesDate", "ContentDate", "StudyDate")


def diffusion_elements(item: pydicom.Dataset) -> dict[str, Any]:
    """What the choice of diffusion images looks at, where it is present.

    Parameters
    ----------
    item
        Header of a single-frame image, or of one frame as from
        :func:`osteoflow.io.frames.frame_headers`.

    Returns
    -------
    ``BValue`` in s/mm2, ``DiffusionDirectionality`` as
    :func:`osteoflow.io.diffusion.directionality`, elements of :data:`WHEN` as text,
    ``SequenceName`` as far as it says diffusion, and ``AdcScale``, the factor from the values of a
    scanner-made ADC map to um2/s. Nothing for images that are no MRI.
    """
    if header_text(item, "Modality") != "MR":
        return {}
    when = {name: header_text(item, name) for name in WHEN}
    found: dict[str, Any] = {
        name: text for name, text in when.items() if re.fullmatch(r"\d+(\.\d*)?", str(text))
    }
    found["SequenceName"] = diffusion_word(str(header_text(item, "SequenceName")))
    found |= {"BValue": b_value(item), "DiffusionDirectionality": directionality(item)}
    if is_adc_map({"ImageType": header_text(item, "ImageType")}):
        found["AdcScale"] = adc_map_scale(item)
    return {name: value for name, value in found.items() if value is not None}


def scan_date(item: pydicom.Dataset) -> dict[str, Any]:
    """Day of a CT scan as ``ScanDate`` (``YYYYMMDD``); it stays in the inventory."""
    if header_text(item, "Modality") != "CT":
        return {}
    for name in SCAN_DATES:
        text = str(header_text(item, name) or "")
        if re.fullmatch(r"\d{8}", text[:8]):
            return {"ScanDate": text[:8]}
    return {}


# Elements made of others, most of them vendors' own, image by image and frame by frame: functions
# from a header to plain elements, and the tags that they look at.
DERIVED: tuple[Callable[[pydicom.Dataset], dict[str, Any]], ...] = (
    vendor_elements,
    diffusion_elements,
    scan_date,
)
DERIVED_TAGS = (
    *VENDOR_TAGS,
    *DIFFUSION_TAGS,
    *WHEN,
    *SCAN_DATES,
    *("EchoPulseSequence", "EchoPlanarPulseSequence", "InversionRecovery"),
    *("ContrastBolusAgentSequence", "RealWorldValueMappingSequence"),
)
WANTED = [Tag(name) for name in (*TAGS, *PERSON, *TEXTS, *DERIVED_TAGS, *GROUPS)]
# Elements that may differ between frames of one kind; a group of frames has those of its first.
PER_FRAME = (
    *("ImagePositionPatient", "RescaleSlope", "RescaleIntercept", "PhilipsScaleSlope"),
    *("Exposure", "XRayTubeCurrent", "ImagingFrequency", "SOPInstanceUID"),
    *("AcquisitionDate", "AcquisitionTime", "ContentTime", "ScanDate"),
)
# Only these have frames worth telling apart: segmentations may have thousands of frames.
IMAGES = ("CT", "MR")

IMAGE_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4")
DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
# Elements that must be numbers, this many, and elements that must be a single value of any kind,
# wherever they are present: the choice of series relies on it.
NUMBERS = {
    "EchoTime": 1,
    "RepetitionTime": 1,
    "FlipAngle": 1,
    "MagneticFieldStrength": 1,
    "SliceThickness": 1,
    "SamplesPerPixel": 1,
    "NumberOfFrames": 1,
    "Rows": 1,
    "Columns": 1,
    "PixelSpacing": 2,
    "ImagePositionPatient": 3,
    "ImageOrientationPatient": 6,
}
SINGLE = (
    "SOPClassUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "Modality",
    "AcquisitionNumber",
    "ComplexImageComponent",
)


def read_header(path: Path) -> dict[str, Any] | None:
    """Elements of :data:`TAGS` as plain values, or None where the file is no DICOM.

    A DICOM object without an image (a dose report) gives ``{"no_image": True}``, one whose header
    breaks off or cannot be understood ``{"damaged": True}``. A file of several images gives
    ``{"FrameGroups": [...]}``: for each kind of frame a header like that of a single-frame image,
    with ``Frames`` (their numbers as :func:`osteoflow.io.frames.frames_text`), ``FrameCount`` and,
    in MRI where they are all stated, ``Positions`` of the frames in mm, to 0.1 mm.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as handle:
        preamble = handle.read(132)
    try:
        # pydicom quotes values that break DICOM's rules in its warnings; they may name a person.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=WANTED)
            return _file_header(dataset)
    except InvalidDicomError:
        return None
    except PARSE_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return {"damaged": True} if preamble[128:132] == b"DICM" else None


def _file_header(dataset: pydicom.Dataset) -> dict[str, Any]:
    if "Rows" not in dataset:
        # An object without an image (a dose report, a DICOMDIR), or a header cut off before it.
        stored = dataset.file_meta.get("MediaStorageSOPClassUID", "")
        sop_class = str(dataset.get("SOPClassUID", "") or stored)
        if sop_class == DICOMDIR_CLASS:
            return {"no_image": True}
        cut = "Modality" not in dataset or sop_class.startswith(IMAGE_CLASSES)
        return {"damaged": True} if cut else {"no_image": True}
    if dataset.get("Modality") in IMAGES and holds_several(dataset):
        return {"FrameGroups": _frame_groups(dataset)}
    header = _header(dataset)
    # Frames without groups that tell where they lie: nothing can be made of them.
    header["MultiFrame"] = not holds_several(dataset) and image_count(dataset) is None
    return header


def _frame_groups(dataset: pydicom.Dataset) -> list[dict[str, Any]]:
    """Headers of the kinds of frames in a file, in the order of their first frames."""
    image_count(dataset)  # raises where not every frame is described
    groups: dict[str, tuple[dict[str, Any], list[int], list[Any]]] = {}
    for number, item in enumerate(frame_headers(dataset), 1):
        header = _header(item)
        kind = repr(sorted((k, v) for k, v in header.items() if k not in PER_FRAME))
        _, numbers, places = groups.setdefault(kind, (header, [], []))
        numbers.append(number)
        places.append([round(v, 1) + 0.0 for v in header.get("ImagePositionPatient", [])])
    found = []
    for header, numbers, places in groups.values():
        header |= {"Frames": frames_text(numbers), "FrameCount": len(numbers)}
        if header.get("Modality") == "MR" and all(places):
            header["Positions"] = places
        found.append(header)
    return found


def _header(dataset: pydicom.Dataset) -> dict[str, Any]:
    """The elements of one image."""
    values = ((name, stated(dataset, name)) for name in TAGS)
    header: dict[str, Any] = {name: _plain(v) for name, v in values if v not in (None, "")}
    # Texts may be quoted in reasons: what identifies a person is read to keep it out of them.
    texts, _ = acquisition(dataset)
    header |= {name: texts[name] for name in TEXTS if name in texts}
    for name, count in NUMBERS.items():
        values = header.get(name, [0] * count)
        values = values if isinstance(values, list) else [values]
        numbers = all(isinstance(v, int | float) and math.isfinite(v) for v in values)
        if len(values) != count or not numbers:
            raise ValueError(f"{name} does not hold {count} numbers")
    if several := [name for name in SINGLE if isinstance(header.get(name), list)]:
        raise ValueError(f"{several[0]} holds several values")
    header["TransferSyntaxUID"] = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    for derive in DERIVED:
        header |= derive(dataset)
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
