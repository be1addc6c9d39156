"""b-values of diffusion-weighted MRI from standard and from vendors' own DICOM elements.

Only numbers and fixed words leave this module, never text of a header: a text element that is
looked at (a sequence's name, a comment) may hold anything.

Sources: DICOM PS3.3 C.8.13.5.9 (MR Diffusion Macro); the vendors' DICOM conformance statements as
collected by the NA-MIC wiki "DICOM for DWI and DTI" and in the vendor notes of dcm2niix.

Met in files of real scanners: Siemens (0019,100C) and sequence names of two Skyras (one with XA30
software); Philips (0018,9087) and (2001,1003), single-frame (Achieva, Ingenia) and enhanced
(Achieva); GE (0043,1039) of a Discovery MR750, a Signa HDx and a Signa Architect; UIH (0065,1009)
of a uMR 770. Written from documentation and tried on made-up headers only: GE's offset and kinds of
image, Canon, Hitachi and Fujifilm, b-matrices, real-world units of maps.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

from osteoflow.io.header import VALUE_ERRORS, header_number, header_text

HIGHEST_B_VALUE = 50_000.0
"""s/mm2; a larger number in an element is no b-value (clinical scanners reach 3000, research
gradients some 20 000)."""

GE_OFFSET = 1_000_000_000
"""GE adds multiples of this to the stored b-value in some software versions."""

SAME_B = (2.0, 0.015)
"""Images belong to one b-value if their stated ones follow each other within 2 s/mm2 or 1.5 %:
scanners that count the imaging gradients in state 995 and 1005 for directions of b = 1000, and
1.25 for b = 0; protocols space b-values by 10 and more."""

WEIGHTED_FROM = 10.0
"""s/mm2; below it, an image counts as one without diffusion weighting. Imaging gradients alone
make 1 to 5 s/mm2, which some scanners state."""

BINARY = {"FL": "<f", "FD": "<d", "SS": "<h", "US": "<H", "SL": "<i", "UL": "<I"}
CREATOR_SLOTS = range(0x10, 0x20)


@dataclass(frozen=True)
class PrivateElement:
    """A vendor's element: where it lies, who must have reserved the block, what it holds.

    Parameters
    ----------
    group, offset
        (gggg,xxoo): the block xx is wherever `creator` reserved it, usually 10.
    creator
        Private Creator of the block.
    vendor
        How the Manufacturer begins, in capitals. De-identified files often lack the creators of
        elements they keep; then the usual block is read if the manufacturer is this one.
    vr
        Value representation where the file does not tell (UN, implicit VR).
    """

    group: int
    offset: int
    creator: str
    vendor: tuple[str, ...]
    vr: str


_SIEMENS = ("SIEMENS",)
_PHILIPS = ("PHILIPS",)
_GE = ("GE ", "GEMS")
_UIH = ("UIH", "UNITED IMAGING")
_CANON = ("CANON", "TOSHIBA")

SIEMENS_B = PrivateElement(0x0019, 0x0C, "SIEMENS MR HEADER", _SIEMENS, "IS")
PHILIPS_B = PrivateElement(0x2001, 0x03, "PHILIPS IMAGING DD 001", _PHILIPS, "FL")
GE_B = PrivateElement(0x0043, 0x39, "GEMS_PARM_01", _GE, "IS")
# The b-value that the gradients make; (0065,100A) is the one that was asked for.
UIH_B = PrivateElement(0x0065, 0x09, "IMAGE PRIVATE HEADER", _UIH, "FD")

SIEMENS_DIRECTIONALITY = PrivateElement(0x0019, 0x0D, "SIEMENS MR HEADER", _SIEMENS, "CS")
SIEMENS_ORIENTATION = PrivateElement(0x0019, 0x0E, "SIEMENS MR HEADER", _SIEMENS, "FD")
PHILIPS_DIRECTION = PrivateElement(0x2001, 0x04, "PHILIPS IMAGING DD 001", _PHILIPS, "CS")
GE_IMAGE_KIND = PrivateElement(0x0043, 0x30, "GEMS_PARM_01", _GE, "SS")
UIH_ORIENTATION = PrivateElement(0x0065, 0x37, "IMAGE PRIVATE HEADER", _UIH, "FD")

PRIVATE = (
    *(SIEMENS_B, PHILIPS_B, GE_B, UIH_B),
    *(SIEMENS_DIRECTIONALITY, SIEMENS_ORIENTATION, PHILIPS_DIRECTION),
    *(GE_IMAGE_KIND, UIH_ORIENTATION),
)
STANDARD = (
    *("Manufacturer", "DiffusionBValue", "DiffusionDirectionality", "DiffusionGradientOrientation"),
    *("MRDiffusionSequence", "DiffusionBMatrixSequence", "SequenceName", "ImageComments"),
)


def _tags_to_read() -> tuple[BaseTag, ...]:
    tags = {Tag(keyword) for keyword in STANDARD}
    for group, offset in {(element.group, element.offset) for element in PRIVATE}:
        for slot in CREATOR_SLOTS:
            tags |= {Tag(group, slot), Tag(group, slot << 8 | offset)}
    return tuple(sorted(tags))


DIFFUSION_TAGS = _tags_to_read()
"""Every element this module looks at, for readers that keep a selection of a header's elements."""


def same_b(lower: float, upper: float) -> bool:
    """Whether two b-values in s/mm2, the lower one first, are one nominal value."""
    return upper - lower <= max(SAME_B[0], SAME_B[1] * upper)


def b_value(dataset: pydicom.Dataset) -> float | None:
    """Diffusion weighting that an image or a frame states.

    Parameters
    ----------
    dataset
        Header of a single-frame image, or the functional groups of one frame of an enhanced one.

    Returns
    -------
    float or None
        s/mm2, or None where nothing is stated. 0 does not mean that the image belongs to a
        diffusion series: GE and Philips state it in every MR image.

    Notes
    -----
    Looked for, in this order: Diffusion b-value (0018,9087), in the dataset or in its MR Diffusion
    Sequence; the trace of the b-matrix; the vendors' own elements; the name that Siemens gives its
    sequences (``*ep_b800t``), which outlives the removal of private elements; Canon's comment.
    """
    for holder in _holders(dataset):
        found = _plausible(_number(holder, Tag("DiffusionBValue"), "FD"))
        if found is not None:
            return found
    for holder in _holders(dataset):
        if (found := _trace_of_b_matrix(holder)) is not None:
            return found
    for element in (SIEMENS_B, PHILIPS_B, UIH_B):
        found = _plausible(_private_number(dataset, element))
        if found is not None:
            return found
    stored = _private_number(dataset, GE_B)
    if stored is not None and (found := _plausible(stored % GE_OFFSET)) is not None:
        return found
    return _b_value_in_text(dataset)


def directionality(dataset: pydicom.Dataset) -> str | None:
    """Whether an image is weighted along one direction or, as a trace image, along none.

    Parameters
    ----------
    dataset
        As for :func:`b_value`.

    Returns
    -------
    ``"directional"``, ``"trace"`` (made of several directions), ``"none"`` (not weighted), or None
    where the header does not tell.
    """
    b = b_value(dataset)
    weighted = b is None or b >= WEIGHTED_FROM
    for word in _directionality_words(dataset):
        if word in ("DIRECTIONAL", "BMATRIX"):
            return "directional"
        if word == "ISOTROPIC":
            return "trace" if weighted else "none"
        if word == "NONE":
            return "none"
    # Philips: I for isotropic, else the axis (P, M, S) or O for oblique.
    axis = _private_word(dataset, PHILIPS_DIRECTION)
    if axis in ("I", "P", "M", "S", "O"):
        return "none" if not weighted else "trace" if axis == "I" else "directional"
    # GE: 14 for the images without weighting of a prescribed number, 16 for those of a tensor.
    kind = _private_number(dataset, GE_IMAGE_KIND)
    if kind in (14, 16):
        return "directional" if kind == 16 and weighted else "none"
    orientations = _orientations(dataset)
    if any(np.any(vector) for vector in orientations):
        return "directional" if weighted else "none"
    # Philips states three zeros for images that are weighted alike in all directions.
    isotropic = bool(orientations) and b is not None and _made_by(dataset, _PHILIPS)
    return ("trace" if weighted else "none") if isotropic else None


def adc_map_scale(dataset: pydicom.Dataset) -> float | None:
    """Factor from the rescaled values of a scanner-made ADC map to um2/s.

    Parameters
    ----------
    dataset
        Header of an image of the map.

    Returns
    -------
    float or None
        From the stated real-world units; 1 for Siemens, whose maps hold um2/s without saying so
        (compared with the signals of a phantom); None where the unit is not known.
    """
    for item in _items(dataset, "RealWorldValueMappingSequence"):
        units = _items(item, "MeasurementUnitsCodeSequence")
        code = str(header_text(units[0], "CodeValue") or "") if units else ""
        unit = _UNITS.get(code.replace("*", "").replace(" ", ""))
        slope = header_number(item, "RealWorldValueSlope")
        intercepts = (
            header_number(item, "RealWorldValueIntercept"),
            header_number(dataset, "RescaleIntercept") or 0.0,
        )
        if unit is not None and slope and intercepts == (0.0, 0.0):
            return unit * slope / (header_number(dataset, "RescaleSlope") or 1.0)
    return 1.0 if _made_by(dataset, _SIEMENS) else None


# UCUM codes, without the asterisk of its powers of ten.
_UNITS = {
    "um2/s": 1.0,
    "10-6.mm2/s": 1.0,
    "10-3.mm2/s": 1e3,
    "um2/ms": 1e3,
    "mm2/s": 1e6,
    "cm2/s": 1e8,
    "m2/s": 1e12,
}


def _plausible(value: float | None) -> float | None:
    """A number that can be a b-value."""
    if value is None or not np.isfinite(value) or not 0 <= value <= HIGHEST_B_VALUE:
        return None
    return float(value)


def _holders(dataset: pydicom.Dataset) -> list[pydicom.Dataset]:
    """Where standard diffusion elements may lie: the header and its diffusion sequence."""
    return [dataset, *_items(dataset, "MRDiffusionSequence")]


def _items(dataset: pydicom.Dataset, keyword: str) -> list[pydicom.Dataset]:
    try:
        value = dataset.get(keyword)
    except VALUE_ERRORS:
        return []
    return list(value) if isinstance(value, pydicom.Sequence) else []


def _trace_of_b_matrix(holder: pydicom.Dataset) -> float | None:
    """A matrix states the b-value as the sum of its diagonal."""
    for item in _items(holder, "DiffusionBMatrixSequence"):
        diagonal = [header_number(item, f"DiffusionBValue{axis}") for axis in ("XX", "YY", "ZZ")]
        if None not in diagonal:
            return _plausible(sum(diagonal))
    return None


def _b_value_in_text(dataset: pydicom.Dataset) -> float | None:
    """The number in Siemens' sequence names or in Canon's comments."""
    text, pattern = None, ""
    if _made_by(dataset, _SIEMENS):
        # "t" ends the name of a trace image, "#3" that of the third direction; ADC maps are named
        # after two b-values and calculated images differently.
        text, pattern = header_text(dataset, "SequenceName"), r"\*?(?:ep|re)_b(\d+)(?:t|#\d+)?"
    elif _made_by(dataset, _CANON):
        text, pattern = header_text(dataset, "ImageComments"), r"b=(\d+(?:\.\d+)?)\(.*"
    found = re.fullmatch(pattern, text) if isinstance(text, str) else None
    return _plausible(float(found[1])) if found else None


def _directionality_words(dataset: pydicom.Dataset) -> list[str | None]:
    standard = [header_text(holder, "DiffusionDirectionality") for holder in _holders(dataset)]
    return [*standard, _private_word(dataset, SIEMENS_DIRECTIONALITY)]


def _orientations(dataset: pydicom.Dataset) -> list[np.ndarray]:
    """Gradient directions that are stated, as far as they are three numbers."""
    found = [_values(dataset, Tag("DiffusionGradientOrientation"), "FD")]
    found += [_private_values(dataset, e) for e in (SIEMENS_ORIENTATION, UIH_ORIENTATION)]
    return [np.array(vector) for vector in found if len(vector) == 3]


def _made_by(dataset: pydicom.Dataset, vendor: tuple[str, ...]) -> bool:
    name = header_text(dataset, "Manufacturer")
    return isinstance(name, str) and name.upper().startswith(vendor)


def _private_tag(dataset: pydicom.Dataset, element: PrivateElement) -> BaseTag | None:
    """Where the vendor's element lies in this header, or None."""
    # Looked up in what the header has: asking for each of 240 slots took half of an inventory.
    tags = dataset.keys()  # a dataset itself iterates over decoded elements
    present = sorted(tag & 0xFFFF for tag in tags if tag >> 16 == element.group)
    creators = {
        slot: _first_word(dataset, Tag(element.group, slot))
        for slot in present
        if 0x10 <= slot < 0x100
    }
    for slot, name in creators.items():
        tag = Tag(element.group, slot << 8 | element.offset)
        if name == element.creator and tag in dataset:
            return tag
    tag = Tag(element.group, 0x1000 | element.offset)
    orphan = not creators and _made_by(dataset, element.vendor)
    return tag if orphan and tag in dataset else None


def _private_number(dataset: pydicom.Dataset, element: PrivateElement) -> float | None:
    values = _private_values(dataset, element)
    return values[0] if values else None


def _private_values(dataset: pydicom.Dataset, element: PrivateElement) -> list[float]:
    tag = _private_tag(dataset, element)
    return [] if tag is None else _values(dataset, tag, element.vr)


def _private_word(dataset: pydicom.Dataset, element: PrivateElement) -> str | None:
    tag = _private_tag(dataset, element)
    return None if tag is None else _first_word(dataset, tag)


def _first_word(dataset: pydicom.Dataset, tag: BaseTag) -> str | None:
    value, _ = _stored(dataset, tag)
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace")
    return str(value).split("\\")[0].strip(" \0").upper() if value is not None else None


def _number(dataset: pydicom.Dataset, tag: BaseTag, vr: str) -> float | None:
    values = _values(dataset, tag, vr)
    return values[0] if values else None


def _values(dataset: pydicom.Dataset, tag: BaseTag, vr: str) -> list[float]:
    """An element's numbers, however it is stored; none where it holds something else."""
    value, stated = _stored(dataset, tag)
    stated = stated if stated not in (None, "UN", "OB", "OW") else vr
    if isinstance(value, bytes):
        value = _parse(value, stated)
    several = isinstance(value, list | tuple | pydicom.multival.MultiValue)
    try:
        return [float(item) for item in (value if several else [value]) if item is not None]
    except VALUE_ERRORS:
        return []


def _stored(dataset: pydicom.Dataset, tag: BaseTag) -> tuple[Any, str | None]:
    """An element's value and representation.

    The stored bytes are taken where they have not been converted yet: pydicom refuses an integer
    string such as 928.3, and its complaint may quote what it read.
    """
    if tag not in dataset:
        return None, None
    try:
        item = dataset.get_item(tag)
    except VALUE_ERRORS:
        return None, None
    if isinstance(item, RawDataElement):
        foreign = isinstance(item.value, bytes) and not item.is_little_endian
        return _swapped(item.value, item.VR) if foreign else item.value, item.VR
    return item.value, item.VR


def _swapped(value: bytes, vr: str | None) -> bytes:
    """Big-endian numbers as little-endian ones."""
    if vr not in BINARY:
        return value
    width = struct.calcsize(BINARY[vr])
    return b"".join(value[i : i + width][::-1] for i in range(0, len(value), width))


def _parse(value: bytes, vr: str) -> list[float]:
    """Numbers in the bytes of an element; text wherever the length or the VR speaks for it."""
    if vr in BINARY:
        layout = BINARY[vr]
        width = struct.calcsize(layout)
        text = re.fullmatch(rb"[0-9eE.+\-\\ ]+\0?", value) is not None
        if value and len(value) % width == 0 and not text:
            return [number for (number,) in struct.iter_unpack(layout, value)]
    try:
        parts = value.decode("ascii").split("\\")
        return [float(part.strip(" \0")) for part in parts if part.strip(" \0")]
    except ValueError:
        return []
