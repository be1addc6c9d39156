"""What is passed on of a DICOM header: numbers that are numbers, texts that name nobody."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pydicom
from pydicom.errors import BytesLengthException
from pydicom.tag import BaseTag, Tag

# Elements that are passed on: none that is meant for a person's name. Text is checked all the same.
NUMBERS = (
    "KVP",
    "Exposure",
    "XRayTubeCurrent",
    "SliceThickness",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "RepetitionTime",
    "FlipAngle",
    "EchoTime",
    "InversionTime",
    "ParallelReductionFactorInPlane",
    "BitsStored",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "ContrastBolusVolume",
)
TEXTS = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "ConvolutionKernel",
    "MRAcquisitionType",
    "ScanningSequence",
    "ScanOptions",
    "ContrastBolusAgent",
    "ContrastBolusRoute",
    "RescaleType",
)
PERSON = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientBirthDate",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
)
# What an element that holds something else than its kind of value makes pydicom raise.
VALUE_ERRORS = (
    BytesLengthException,
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)
WITHHELD = "withheld"
LONGEST_TEXT = 64


def stated(item: pydicom.Dataset | dict[str, Any], keyword: str) -> Any:
    """An element's value as ``item.get(keyword)`` gives it, None where it is absent.

    By its number, which pydicom would find anew each time: an inventory asks a hundred times per
    file.
    """
    if not isinstance(item, pydicom.Dataset):
        return item.get(keyword)
    tag = _tag(keyword)
    if tag not in item.keys():  # noqa: SIM118 (a dataset's own `in` is slower)
        return None
    try:
        return item[tag].value
    except AttributeError:  # as `get` has it
        return None


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def header_number(item: pydicom.Dataset | dict[str, Any], keyword: str) -> float | None:
    """One finite number of a header; None where it is absent, several or no number."""
    try:
        value = float(stated(item, keyword))
    except VALUE_ERRORS:
        return None
    return value if np.isfinite(value) else None


def header_text(item: pydicom.Dataset | dict[str, Any], keyword: str) -> str | list[str] | None:
    """Text of a header as :func:`plain_text`, a list where it holds several; None where absent."""
    try:
        value = stated(item, keyword)
    except VALUE_ERRORS:
        return None
    several = isinstance(value, pydicom.multival.MultiValue | list | tuple)
    texts = [plain_text(part) for part in (value if several else [value]) if part is not None]
    if not any(texts):
        return None
    return texts[0] if len(texts) == 1 else texts


def plain_text(value: object) -> str:
    """Text from a header on one line, without control characters, of limited length."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", str(value)).strip()[:LONGEST_TEXT]


def acquisition(item: pydicom.Dataset) -> tuple[dict[str, Any], set[str]]:
    """The acquisition elements of a slice that are passed on.

    Parameters
    ----------
    item
        Header of one slice with everything in it.

    Returns
    -------
    header
        :data:`NUMBERS` as float in DICOM's units and :data:`TEXTS`, where present and valid.
    withheld
        Texts that hold words by which the header identifies a person. They read
        ``withheld``, so that a contrast agent is still known to have been named.
    """
    header: dict[str, Any] = {}
    for keyword in NUMBERS:
        if (value := header_number(item, keyword)) is not None:
            header[keyword] = value
    names = person_words(item)
    withheld = set()
    for keyword in TEXTS:
        text = header_text(item, keyword)
        if text is None:
            continue
        if names_person(text if isinstance(text, str) else " ".join(text), names):
            text = WITHHELD
            withheld.add(keyword)
        header[keyword] = text
    return header, withheld


def person_words(item: pydicom.Dataset) -> set[str]:
    """Names, numbers and dates by which the header identifies people."""
    words: set[str] = set()
    for keyword in PERSON:
        text = header_text(item, keyword) or ""
        text = text if isinstance(text, str) else " ".join(text)
        words.update(re.findall(r"[^\W_]{3,}", text.casefold()))
    return words


def names_person(text: str, names: set[str]) -> bool:
    """Whether a text holds such a word; short ones must stand alone, they are parts of others."""
    text = text.casefold()
    return bool(names.intersection(re.findall(r"[^\W_]+", text))) or any(
        name in text for name in names if len(name) > 4
    )
