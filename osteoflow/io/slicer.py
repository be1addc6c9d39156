"""Segmentations of 3D Slicer (.seg.nrrd): names and codes of the segments in an NRRD file."""

from __future__ import annotations

import re

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.header import plain_text
from osteoflow.io.nrrd import Nrrd
from osteoflow.io.segments import Code, MaskFile, Segment, box_of, unreadable
from osteoflow.scipy_parts import ndimage

KIND = "Slicer segmentation"
SMALL = 2**16
FIELD = re.compile(r"Segment(\d+)_(\w+)")
CODE = re.compile(r"([^~^|]*)\^([^~^|]*)\^([^~^|]*)")


def slicer_mask(nrrd: Nrrd) -> MaskFile:
    """Segments of an NRRD file, or its label map where it describes none.

    Slicer crops the array to what was outlined and moves the origin, so the position of the file
    is right as it stands. Segments that overlap lie in layers of their own; within a layer each has
    a label value.

    Parameters
    ----------
    nrrd
        The file.

    Raises
    ------
    SubjectDataError
        ``mask_unreadable`` (a segment in a layer that the file lacks; several volumes without
        segments), ``mask_not_integer``.

    Notes
    -----
    Source: Segmentation file format, 3D Slicer user guide (slicer.readthedocs.io, Segmentations).
    Files without layers have one per segment; a segment without a label value has 1.
    """
    found: dict[int, dict[str, str]] = {}
    for key, value in nrrd.values.items():
        if match := FIELD.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    shape, count = nrrd.data.shape[:3], nrrd.data.shape[3]
    if not found:
        if count > 1:
            raise unreadable("NRRD", f"holds {count} volumes without saying what they are")
        return MaskFile("NRRD", shape, nrrd.affine, nrrd.data[..., 0])
    data = nrrd.data
    if data.dtype.kind == "f":
        if not np.isfinite(data).all() or (data != np.round(data)).any():
            raise SubjectDataError(
                "mask_not_integer",
                "the mask holds fractional values, so it is no label map",
                "Export a binary label map, not a fractional one.",
            )
        data = data.astype(np.int64)
    # A box for each value of a layer, found in one pass; other values are searched for.
    small = data.max(initial=0) < SMALL
    boxes = [ndimage.find_objects(data[..., layer]) if small else [] for layer in range(count)]
    segments: list[Segment] = []
    described: dict[tuple[int, int], int] = {}
    for index, fields in sorted(found.items()):
        try:
            layer = int(fields.get("Layer", index if count > 1 else 0))
            value = int(fields.get("LabelValue", 1))
        except ValueError:
            raise unreadable(KIND, "has a segment whose label value is no number") from None
        if not 0 <= layer < count or value == 0:
            raise unreadable(KIND, f"has a segment without a place in its {count} layers")
        start, voxels = _outlined(data[..., layer], value, boxes[layer])
        name = fields.get("Name", fields.get("ID", ""))
        codes = terminology_codes(fields.get("Tags", ""))
        segments.append(Segment(value, name, plain_text(name)[:64], codes, start, voxels))
        described[layer, value] = segments[-1].count
    lost = int(np.count_nonzero(data)) - sum(described.values())
    warnings = (f"{lost} voxels belong to no segment of the file: ignored",) if lost else ()
    return MaskFile(KIND, shape, nrrd.affine, None, tuple(segments), warnings)


def _outlined(
    layer: np.ndarray, value: int, boxes: list[tuple[slice, ...] | None]
) -> tuple[tuple[int, ...], np.ndarray]:
    """Box of the voxels of a value: its start and its contents."""
    if 0 < value <= len(boxes):
        box = boxes[value - 1]
        if box is None:
            return (0, 0, 0), np.zeros((0, 0, 0), bool)
        return tuple(part.start for part in box), layer[box] == value
    return box_of(layer == value)


def terminology_codes(tags: str) -> tuple[Code, ...]:
    """Codes of a segment's type and anatomic region in Slicer's tags.

    Parameters
    ----------
    tags
        ``TerminologyEntry:context~category~type~modifier~context~region~modifier|...``, each code
        as ``scheme^value^meaning``.
    """
    entries = [part for part in tags.split("|") if part.startswith("TerminologyEntry:")]
    if not entries:
        return ()
    parts = entries[0].split("~")
    codes = [CODE.fullmatch(parts[place]) for place in (2, 5) if place < len(parts)]
    return tuple((code[1], code[2]) for code in codes if code and code[2])
