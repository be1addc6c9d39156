"""Images that share a file: frames of enhanced objects, and the tiles in which UIH stores volumes.

An enhanced (or legacy-converted) multi-frame object keeps what its frames share and what differs
between them in functional groups (DICOM PS3.3 C.7.6.16). Here each frame becomes a header of its
own with the elements of a single-frame image, so that every later check is the same for both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels
from pydicom.tag import Tag

from osteoflow.io.header import header_number, header_text
from osteoflow.io.vendor import PHILIPS_FRAME, UIH_SLICES, private_value

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# What UIH writes in Image Type where a file holds a volume as tiles.
TILED = "VFRAME"
# Elements of Philips' frame sequence that its functional groups lack. Its position is not among
# them: it means the corner of the first voxel, not its centre.
PHILIPS_PUBLIC = ("EchoNumbers", "ScanningSequence", "SequenceVariant")
# Single-frame elements and where enhanced objects state the same.
RENAMED = (
    ("ImageType", "FrameType"),
    ("EchoTime", "EffectiveEchoTime"),
    ("ImagingFrequency", "TransmitterFrequency"),
    ("Exposure", "ExposureInmAs"),
    ("XRayTubeCurrent", "XRayTubeCurrentInmA"),
)
# Frames state their own; the object's is a summary (MIXED).
OVERRULED = ("ImageType",)
SEQUENCES = {"GRADIENT": ["GR"], "SPIN": ["SE"], "BOTH": ["SE", "GR"]}


class ImageSource(NamedTuple):
    """A file and which of its images are meant: numbers from 1, None for all."""

    path: Path
    frames: tuple[int, ...] | None = None


def sources(files: Iterable[dict[str, Any]], study: Path) -> list[ImageSource]:
    """The images that an inventory entry lists.

    Parameters
    ----------
    files
        Items with ``path`` and, where the file holds several images, ``frames``.
    study
        Folder where relative paths start.
    """
    return [
        ImageSource(
            study / file["path"], frame_numbers(file["frames"]) if "frames" in file else None
        )
        for file in files
    ]


def frames_text(numbers: Sequence[int]) -> str:
    """Numbers as runs of equal step: ``1-4``, ``2-20:6,31``.

    The order is kept, so that the text stands for exactly these numbers.
    """
    parts = []
    rest = list(numbers)
    while rest:
        step = rest[1] - rest[0] if len(rest) > 1 else 0
        length = 1
        while step > 0 and length < len(rest) and rest[length] - rest[length - 1] == step:
            length += 1
        # Two numbers are no run unless they are neighbours.
        length = 1 if length == 2 and step > 1 else length
        run, rest = rest[:length], rest[length:]
        end = f"-{run[-1]}" if length > 1 else ""
        parts.append(f"{run[0]}{end}" + (f":{step}" if length > 1 and step > 1 else ""))
    return ",".join(parts)


def frame_numbers(text: str) -> tuple[int, ...]:
    """Numbers of a text as from :func:`frames_text`.

    Raises
    ------
    ValueError
        The text is none.
    """
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if not found:
            raise ValueError(f"{part!r} names no frames")
        first, last, step = (int(value) if value else None for value in found.groups())
        numbers += range(first, (last or first) + 1, step or 1)
    return tuple(numbers)


def image_count(dataset: Dataset) -> int | None:
    """Images in a file: 1 for a single-frame image, None for frames whose place is not stated.

    Raises
    ------
    ValueError
        The object states another number of frames than it describes.
    """
    if (tiles := _tiles(dataset)) is not None:
        return len(tiles)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if GROUPS[1] not in dataset:
        return 1 if frames == 1 else None
    described = len(dataset[GROUPS[1]].value)
    if described != frames:
        raise ValueError(f"{frames} frames of which {described} are described")
    return frames


def holds_several(dataset: Dataset) -> bool:
    """Whether a file's images have to be told apart: an enhanced object, or tiles."""
    return GROUPS[1] in dataset or _tiles(dataset) is not None


def frame_headers(dataset: Dataset, numbers: Sequence[int] | None = None) -> list[Dataset]:
    """Headers of frames as if each were a file of its own.

    Parameters
    ----------
    dataset
        Enhanced object, or UIH's tiles, with or without pixel data.
    numbers
        Frames, counted from 1; all by default.

    Raises
    ------
    LookupError
        There is no such frame.
    """
    tiles = _tiles(dataset)
    numbers = range(1, (image_count(dataset) or 0) + 1) if numbers is None else numbers
    shared = _outside_groups(dataset)
    if tiles is not None:
        rows, columns = _tile_shape(dataset, len(tiles))
        return [
            _header(dataset, shared, [tiles[_index(number, len(tiles))]], rows, columns)
            for number in numbers
        ]
    common = list(dataset.get(GROUPS[0]) or [])
    frames = dataset[GROUPS[1]].value
    groups = [item for group in common[:1] for item in _group_items(group)]
    return [
        _header(dataset, shared, [*groups, *_group_items(frames[_index(number, len(frames))])])
        for number in numbers
    ]


def frame_pixels(dataset: Dataset, numbers: Sequence[int] | None = None) -> np.ndarray:
    """Stored values of frames, shape (frames, rows, columns).

    Raises
    ------
    Exception
        One of :data:`osteoflow.io.dicom.PARSE_ERRORS` where they cannot be decoded.
    """
    tiles = _tiles(dataset)
    numbers = range(1, (image_count(dataset) or 0) + 1) if numbers is None else numbers
    if tiles is None:
        indices = [number - 1 for number in numbers]
        return np.stack(list(iter_pixels(dataset, indices=indices, raw=True)))
    rows, columns = _tile_shape(dataset, len(tiles))
    (picture,) = iter_pixels(dataset, raw=True)
    across = picture.shape[1] // columns
    places = [divmod(number - 1, across) for number in numbers]
    return np.stack(
        [
            picture[down * rows : (down + 1) * rows, right * columns : (right + 1) * columns]
            for down, right in places
        ]
    )


def _index(number: int, count: int) -> int:
    if not 1 <= number <= count:
        raise LookupError(f"no frame {number} among {count}")
    return number - 1


def _outside_groups(dataset: Dataset) -> Dataset:
    """The elements that do not belong to single frames."""
    kept = Dataset()
    drop = {Tag(name) for name in (*GROUPS, *PIXELS)}
    for tag in dataset.keys() - drop:
        kept[tag] = dataset.get_item(tag)
    return kept


def _group_items(group: Dataset) -> list[Dataset]:
    """The macros of a functional group, each in a sequence of one item; Philips' private ones last.

    Private elements beside the sequences are passed on as a last item.
    """
    items, beside = [], Dataset()
    for element in group:
        if element.VR == "SQ" and not element.tag.is_private and len(element.value):
            items.append(element.value[0])
            if element.keyword == "RealWorldValueMappingSequence":
                beside.add(element)
        elif element.VR != "SQ":
            beside.add(element)
    own = private_value(group, PHILIPS_FRAME)
    if isinstance(own, pydicom.Sequence) and len(own):
        beside.update({e.tag: e for e in own[0] if e.tag.is_private and e.VR != "SQ"})
        for name in PHILIPS_PUBLIC:
            if name in own[0]:
                beside.add(own[0][name])
    return [*items, beside]


def _header(
    dataset: Dataset,
    shared: Dataset,
    items: list[Dataset],
    rows: int | None = None,
    columns: int | None = None,
) -> Dataset:
    """One flat header; what comes later overrules."""
    header = Dataset()
    header.update(shared)
    for item in items:
        for element in item:
            if element.VR != "SQ" or element.keyword == "RealWorldValueMappingSequence":
                header.add(element)
    for name, source in RENAMED:
        if source in header and (name in OVERRULED or name not in header):
            _put(header, name, header[source].value)
    if rows is not None:
        _put(header, "Rows", rows)
        _put(header, "Columns", columns)
    _add_sequence_kind(header)
    _add_contrast(header)
    header.file_meta = dataset.file_meta
    return header


def _add_sequence_kind(header: Dataset) -> None:
    """Scanning Sequence in the terms of single-frame images."""
    kind = str(header_text(header, "EchoPulseSequence") or "").upper()
    if "ScanningSequence" in header or kind not in SEQUENCES:
        return
    planar = str(header_text(header, "EchoPlanarPulseSequence") or "").upper() == "YES"
    inverted = str(header_text(header, "InversionRecovery") or "").upper() == "YES"
    _put(header, "ScanningSequence", SEQUENCES[kind] + ["EP"] * planar + ["IR"] * inverted)


def _add_contrast(header: Dataset) -> None:
    """The contrast agent in the elements of single-frame images."""
    agents = header.get("ContrastBolusAgentSequence") or []
    given = str(header_text(header, "ContrastBolusAgentAdministered") or "").upper()
    if not agents or given == "NO" or "ContrastBolusAgent" in header:
        return
    names = [str(agent.get("CodeMeaning") or "unnamed") for agent in agents]
    _put(header, "ContrastBolusAgent", names)
    for agent in agents:
        volume = header_number(agent, "ContrastBolusVolume")
        if volume is not None and "ContrastBolusVolume" not in header:
            _put(header, "ContrastBolusVolume", volume)


def _put(header: Dataset, name: str, value: Any) -> None:
    """Set an element of this header alone: frames share the others."""
    header.add_new(Tag(name), dictionary_VR(name), value)


def _tiles(dataset: Dataset) -> pydicom.Sequence | None:
    """The slices of a volume that UIH stored as tiles of one picture, or None."""
    kind = header_text(dataset, "ImageType")
    if not isinstance(kind, list) or TILED not in kind:
        return None
    slices = private_value(dataset, UIH_SLICES)
    return slices if isinstance(slices, pydicom.Sequence) and len(slices) else None


def _tile_shape(dataset: Dataset, count: int) -> tuple[int, int]:
    """Rows and columns of a tile.

    Raises
    ------
    ValueError
        The picture does not divide into so many tiles.
    """
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if rows % down or columns % across:
        raise ValueError(f"{rows} x {columns} is no picture of {count} tiles")
    return rows // down, columns // across
