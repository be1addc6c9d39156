"""What only vendors' own elements say of an MR image: its kind, and how its values were scaled.

Sources: the vendors' DICOM conformance statements as collected in the vendor notes of dcm2niix;
Chenevert TL et al., Transl Oncol 2014;7:65-71 (Philips' scale slope).
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.tag import BaseTag, Tag

from osteoflow.io.header import VALUE_ERRORS, header_number, header_text

Header = pydicom.Dataset | dict[str, Any]

BLOCKS = range(0x10, 0x20)
"""Blocks of a private group that are looked through for a vendor's elements; usually it is 10."""


class PrivateElement(NamedTuple):
    """A vendor's element (gggg,bbee), bb the block that `creator` reserved.

    ``vr`` tells how its bytes are read where the file does not say (UN).
    """

    group: int
    element: int
    creator: str
    vr: str


PHILIPS_SCALE_SLOPE = PrivateElement(0x2005, 0x0E, "PHILIPS MR IMAGING DD 001", "FL")
PHILIPS_KIND = PrivateElement(0x2005, 0x11, "PHILIPS MR IMAGING DD 001", "CS")
PHILIPS_FRAME = PrivateElement(0x2005, 0x0F, "PHILIPS MR IMAGING DD 005", "SQ")
GE_KIND = PrivateElement(0x0043, 0x2F, "GEMS_PARM_01", "SS")
UIH_SLICES = PrivateElement(0x0065, 0x51, "IMAGE PRIVATE HEADER", "SQ")
PRIVATE = (PHILIPS_SCALE_SLOPE, PHILIPS_KIND, PHILIPS_FRAME, GE_KIND, UIH_SLICES)

VENDOR_TAGS: tuple[BaseTag, ...] = tuple(
    sorted(
        {Tag(item.group, block) for item in PRIVATE for block in BLOCKS}
        | {Tag(item.group, block << 8 | item.element) for item in PRIVATE for block in BLOCKS}
    )
)
"""Every element this module looks at, for readers that keep a selection of a header's elements."""

HIGHEST_MHZ = 1e4
"""No scanner's frequency reaches this number of MHz: above, it is stated in Hz."""

# How Manufacturer begins, in capitals.
VENDORS = {
    "GE ": "ge",
    "GEMS": "ge",
    "SIEMENS": "siemens",
    "PHILIPS": "philips",
    "UIH": "uih",
    "UNITED IMAGING": "uih",
    "HITACHI": "hitachi",
    "FUJIFILM": "hitachi",
    "CANON": "canon",
    "TOSHIBA": "canon",
}
COMPONENTS = {"MAGNITUDE": "mag", "PHASE": "phase", "REAL": "real", "IMAGINARY": "imag"}
OTHER = "other"
"""Kind of an image that is none of the signal: water, fat, a fraction, a field map."""

# Codes of GE's (0043,102F) and Philips' (2005,1011).
GE_KINDS = {0: "mag", 1: "phase", 2: "real", 3: "imag"}
PHILIPS_KINDS = {"M": "mag", "P": "phase", "R": "real", "I": "imag"}
# Philips' susceptibility-weighted images are combined from several echoes.
PHILIPS_COMBINED = "SW_"
# Words of Image Type (or Frame Type), from the third on.
MAP_WORDS = {
    *("WATER", "FAT", "W", "F", "W_FFE", "F_FFE"),
    *("FF", "PDFF", "FAT_FRACTION", "WATER_FRACTION", "FIELD_MAP", "B0", "B0_MAP"),
    *("T1_MAP", "T2_MAP", "R2_MAP", "T2_STAR", "R2_STAR", "T2_STAR_MAP", "R2_STAR_MAP"),
}
# Recomputed from water and fat where the image says that it is derived.
DERIVED_WORDS = {"IP", "OP", "IN_PHASE", "OUT_PHASE", "OPP_PHASE", "OUT_OF_PHASE"}
COMPONENT_WORDS = {
    "phase": {"P", "PHASE", "PHASE_MAP", "P_FFE"},
    "real": {"R", "REAL", "R_FFE"},
    "imag": {"I", "IMAGINARY", "I_FFE"},
    "mag": {"M", "MAGNITUDE", "M_FFE"},
}


def vendor(item: Header) -> str:
    """``ge``, ``siemens``, ``philips``, ``uih``, ``hitachi``, ``canon`` or an empty text."""
    name = header_text(item, "Manufacturer")
    name = f"{name.upper()} " if isinstance(name, str) else ""
    return next((known for start, known in VENDORS.items() if name.startswith(start)), "")


def vendor_elements(item: pydicom.Dataset) -> dict[str, Any]:
    """Plain elements read from an MR image's private ones, where they are present.

    Parameters
    ----------
    item
        Header of a single-frame image, or of one frame as from
        :func:`osteoflow.io.frames.frame_headers`.

    Returns
    -------
    ``Component`` (``mag``, ``phase``, ``real``, ``imag`` or ``other``, see :func:`component`),
    ``PhilipsScaleSlope`` and, where UIH states it in Hz, ``ImagingFrequency`` in the standard's
    MHz.
    """
    if header_text(item, "Modality") != "MR":
        return {}
    found: dict[str, Any] = {}
    if (kind := component(item)) is not None:
        found["Component"] = kind
    made_by = vendor(item)
    slope = _number(private_value(item, PHILIPS_SCALE_SLOPE)) if made_by == "philips" else None
    if slope is not None and slope > 0:
        found["PhilipsScaleSlope"] = slope
    frequency = header_number(item, "ImagingFrequency") if made_by == "uih" else None
    if frequency is not None and frequency > HIGHEST_MHZ:
        found["ImagingFrequency"] = frequency / 1e6
    return found


def component(item: Header) -> str | None:
    """Which part of the complex signal an image shows.

    Returns
    -------
    ``mag``, ``phase``, ``real``, ``imag``; ``other`` for an image that is none of the signal
    (water, fat, a map); None where the header does not tell.

    Notes
    -----
    A vendor's own code comes first: Philips calls field maps REAL in the standard element. Then the
    standard element, then the words of Image Type, which for Hitachi are OTHER and PHASE MAP.
    """
    made_by = vendor(item)
    words = _words(item)
    if made_by == "philips":
        code = str(private_value(item, PHILIPS_KIND) or "").upper()
        if code.startswith(PHILIPS_COMBINED):
            return None
        if code:
            return PHILIPS_KINDS.get(code, OTHER)
    if MAP_WORDS.intersection(words[2:]):
        return OTHER
    if words[:1] == ["DERIVED"] and DERIVED_WORDS.intersection(words[2:]):
        return OTHER
    code = _number(private_value(item, GE_KIND)) if made_by == "ge" else None
    # GE's 0 is also what stands in field maps and in what other software made of the images.
    if code in GE_KINDS and code != 0:
        return GE_KINDS[code]
    stated = str(header_text(item, "ComplexImageComponent") or "").upper()
    if stated in COMPONENTS:
        return COMPONENTS[stated]
    if code in GE_KINDS:
        return GE_KINDS[code]
    for name, known in COMPONENT_WORDS.items():
        if known.intersection(words[2:]):
            return name
    return "mag" if made_by == "hitachi" and words[2:3] == ["OTHER"] else None


def private_value(item: Header, wanted: PrivateElement) -> Any:
    """Value of a vendor's element, or None.

    It is looked for in the block that its creator reserved; where the creators were removed but
    not their elements, as some de-identification does, in the usual block.
    """
    if not isinstance(item, pydicom.Dataset):
        return None
    reserved = {
        block: str(item[Tag(wanted.group, block)].value or "").strip().upper()
        for block in BLOCKS
        if Tag(wanted.group, block) in item
    }
    blocks = [block for block, creator in reserved.items() if creator == wanted.creator]
    if not reserved:
        blocks = [BLOCKS[0]]
        # Philips keeps its frames' sequence in the block of another dictionary.
        if wanted is PHILIPS_FRAME:
            blocks = [0x14]
    for block in blocks:
        tag = Tag(wanted.group, block << 8 | wanted.element)
        if tag in item:
            try:
                return _decoded(item[tag].value, wanted.vr)
            except VALUE_ERRORS:
                return None
    return None


def _decoded(value: Any, vr: str) -> Any:
    """Bytes of an element whose representation the file does not state."""
    if not isinstance(value, bytes):
        return value
    layout = {"FL": "<f", "SS": "<h"}.get(vr)
    if layout and len(value) == struct.calcsize(layout):
        return struct.unpack(layout, value)[0]
    return value.decode("ascii").strip(" \0") if vr == "CS" else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except VALUE_ERRORS:
        return None
    return number if np.isfinite(number) else None


def _words(item: Header) -> list[str]:
    """The values of Image Type, in capitals, blanks as underscores."""
    text = header_text(item, "ImageType") or []
    return [word.upper().replace(" ", "_") for word in ([text] if isinstance(text, str) else text)]
