"""Segmentation objects of DICOM: binary, fractional and label map, frames in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels

from osteoflow.errors import SubjectDataError
from osteoflow.io.dicom_codes import code_of
from osteoflow.io.frames import GROUPS
from osteoflow.io.header import header_number, header_text, names_person, person_words, plain_text
from osteoflow.io.segments import MaskFile, Segment, box_of, no_position, unreadable
from osteoflow.io.volume import Volume

KIND = "DICOM SEG"
WITHHELD = "(name withheld)"
# Occupancy or probability from which a voxel of a fractional segmentation belongs to its segment.
FRACTION = 0.5
# Frames may lie off an even grid by this much (mm).
TOLERANCE = 0.05
# Type of a segment of a label map that is no structure: background.
BACKGROUND = ("DCM", "125040")


def segmentation_object(dataset: Dataset, image: Volume | None = None) -> MaskFile:
    """Segments of a DICOM segmentation object.

    Parameters
    ----------
    dataset
        Segmentation Storage or Label Map Segmentation Storage, with its pixels.
    image
        The image that it belongs to. Only where the object does not state the distance of its
        slices, its slices tell how far those of the object lie apart.

    Raises
    ------
    SubjectDataError
        ``mask_no_position``, ``mask_uneven_slices``, ``mask_unreadable``.
    Exception
        One of :data:`osteoflow.io.dicom.PARSE_ERRORS` where the object is damaged.

    Notes
    -----
    Source: DICOM PS3.3 C.8.20 (segmentation), C.7.6.16 (functional groups). Frames of empty slices
    need not be there, and each frame holds one segment, except in a label map.
    """
    frames = list(dataset.get(GROUPS[1]) or [])
    shared = (dataset.get(GROUPS[0]) or [Dataset()])[0]
    if not frames or len(frames) != int(dataset.get("NumberOfFrames") or 1):
        raise unreadable(KIND, "does not describe its frames")
    affine, places, depth, notes = _grid(shared, frames, image)
    labelmap = header_text(dataset, "SegmentationType") == "LABELMAP"
    owners = None if labelmap else [_segment_number(shared, frame) for frame in frames]
    planes: dict[int, list[tuple[int, int, int, np.ndarray]]] = {}
    for number, plane, part in _planes(dataset, owners):
        # Rows and columns of DICOM are j and i here; most of a plane is empty.
        (i, j), inside = box_of(part.T)
        planes.setdefault(number, []).append((i, j, places[plane], inside))
    if header_text(dataset, "SegmentationType") == "FRACTIONAL":
        notes.append(
            "the segmentation holds fractions, no outlines: voxels of at least "
            f"{100 * FRACTION:.0f} % are taken"
        )
    segments = tuple(_segments(dataset, planes))
    shape = (int(dataset.Columns), int(dataset.Rows), depth)
    return MaskFile(KIND, shape, affine, None, segments, tuple(notes))


def _segments(
    dataset: Dataset, planes: dict[int, list[tuple[int, int, int, np.ndarray]]]
) -> Iterator[Segment]:
    """Segments in the order of the object, those without a frame included."""
    people = person_words(dataset)
    described = set()
    for item in dataset.get("SegmentSequence") or []:
        number = int(item.SegmentNumber)
        described.add(number)
        kinds = ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence")
        codes = tuple(code for kind in kinds if (code := code_of(item, kind)))
        if BACKGROUND in codes or number == 0:
            continue
        name = str(item.get("SegmentLabel") or "")
        shown = WITHHELD if names_person(name, people) else plain_text(name)
        yield Segment(number, name, shown, codes, *_assembled(planes.get(number, [])))
    if unknown := sorted(planes.keys() - described - {0}):
        raise unreadable(KIND, f"has frames of segments that it does not describe: {unknown[:5]}")


def _assembled(
    parts: Sequence[tuple[int, int, int, np.ndarray]],
) -> tuple[tuple[int, int, int], np.ndarray]:
    """One box of the parts of a segment, each in a plane of its own."""
    parts = [part for part in parts if part[3].size]
    if not parts:
        return (0, 0, 0), np.zeros((0, 0, 0), bool)
    low = [min(part[axis] for part in parts) for axis in range(3)]
    high = [
        max(part[0] + part[3].shape[0] for part in parts),
        max(part[1] + part[3].shape[1] for part in parts),
        max(part[2] for part in parts) + 1,
    ]
    box = np.zeros([end - first for first, end in zip(low, high, strict=True)], bool)
    for i, j, k, inside in parts:
        i, j = i - low[0], j - low[1]
        box[i : i + inside.shape[0], j : j + inside.shape[1], k - low[2]] |= inside
    return tuple(low), box


def _planes(
    dataset: Dataset, owners: Sequence[int] | None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Segment number, number of the frame, and a boolean plane (rows, columns) of each frame."""
    threshold = 1.0
    if header_text(dataset, "SegmentationType") == "FRACTIONAL":
        largest = header_number(dataset, "MaximumFractionalValue")
        if not largest or largest < 0:
            raise unreadable(KIND, "does not state the value of a full voxel")
        threshold = FRACTION * largest
    padding = header_number(dataset, "PixelPaddingValue")
    count = 0
    for index, stored in enumerate(iter_pixels(dataset, raw=True)):
        count += 1
        if owners is not None:
            yield owners[index], index, stored >= threshold
            continue
        for number in np.unique(stored).tolist():
            if number not in (0, padding):
                yield number, index, stored == number
    if count < int(dataset.get("NumberOfFrames") or 1):
        raise unreadable(KIND)


def _segment_number(shared: Dataset, frame: Dataset) -> int:
    item = _macro(shared, frame, "SegmentIdentificationSequence")
    if item is None:
        raise unreadable(KIND, "has a frame that names no segment")
    return int(item.ReferencedSegmentNumber)


def _macro(shared: Dataset, frame: Dataset, name: str) -> Dataset | None:
    """The functional group of a frame, its own or what all frames share."""
    for group in (frame, shared):
        if items := group.get(name):
            return items[0]
    return None


def _grid(
    shared: Dataset, frames: list[Dataset], image: Volume | None
) -> tuple[np.ndarray, list[int], int, list[str]]:
    """Affine to RAS+ mm, slice number of each frame, count of slices, and warnings."""
    positions, cosines, pixels, stated = [], [], [], []
    for frame in frames:
        place, turned, measures = (
            _macro(shared, frame, f"{name}Sequence")
            for name in ("PlanePosition", "PlaneOrientation", "PixelMeasures")
        )
        if place is None or turned is None or measures is None:
            raise no_position(KIND, "has frames that do not say where they lie")
        positions.append([float(v) for v in place.ImagePositionPatient])
        cosines.append([float(v) for v in turned.ImageOrientationPatient])
        pixels.append([float(v) for v in measures.PixelSpacing])
        stated.append(
            [header_number(measures, name) for name in ("SpacingBetweenSlices", "SliceThickness")]
        )
    position, cosine, pixel = np.array(positions), np.array(cosines), np.array(pixels)
    if np.ptp(cosine, axis=0).max() > 1e-4 or np.ptp(pixel, axis=0).max() > 1e-4:
        raise _uneven("differ in orientation or pixel spacing")
    row, column = cosine[0, :3], cosine[0, 3:]
    axes = np.array([row @ row, column @ column, row @ column])
    if not (np.abs(axes - [1, 1, 0]).max() < 1e-2 and pixel.min() > 0):
        raise no_position(KIND, "states no orientation in space")
    if not np.isfinite(position).all():
        raise no_position(KIND, "has frames that do not say where they lie")
    normal = np.cross(row, column)
    depth = position @ normal
    first = position[int(depth.argmin())]
    aside = position - first
    aside -= np.outer(aside @ normal, normal)
    if np.linalg.norm(aside, axis=1).max() > 2 * TOLERANCE:
        raise _uneven("are shifted sideways against each other")
    step, notes = _step(np.unique(depth), stated[0], normal, image)
    # Stated with few digits, it would drift over hundreds of slices.
    if slices := round(np.ptp(depth) / step):
        step = float(np.ptp(depth)) / slices
    steps = (depth - depth.min()) / step
    if np.abs((steps - np.round(steps)) * step).max() > TOLERANCE:
        raise _uneven(f"lie off an even grid of {step:.2f} mm")
    places = np.round(steps).astype(int)
    lps = np.eye(4)
    lps[:3, 0] = row * pixel[0, 1]
    lps[:3, 1] = column * pixel[0, 0]
    lps[:3, 2] = normal * step
    lps[:3, 3] = first
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
    return affine, places.tolist(), int(places.max()) + 1, notes


def _step(
    depths: np.ndarray, stated: list[float | None], normal: np.ndarray, image: Volume | None
) -> tuple[float, list[str]]:
    """Distance of neighbouring slices in mm.

    Frames of empty slices may be absent, so the smallest distance of two frames can be a multiple
    of it: a vertebra outlined in every second slice would come out twice as thick.
    """
    gaps = np.diff(depths)
    gaps = gaps[gaps > TOLERANCE]
    between, thickness = stated
    if between and abs(between) > TOLERANCE:
        return abs(between), []
    candidates = [("the image's", _image_step(normal, image)), ("their thickness of", thickness)]
    for whose, step in candidates:
        if not step or step <= TOLERANCE:
            continue
        multiples = gaps / step
        if not len(gaps) or np.abs((multiples - np.round(multiples)) * step).max() <= TOLERANCE:
            return step, [_assumed(whose, step)]
    if not len(gaps):
        raise no_position(KIND, "has one slice of unknown thickness")
    return float(gaps.min()), [_assumed("their smallest distance of", float(gaps.min()))]


def _assumed(whose: str, step: float) -> str:
    return (
        "the segmentation does not state the distance of its slices: "
        f"{whose} {step:.3g} mm is taken"
    )


def _image_step(normal: np.ndarray, image: Volume | None) -> float | None:
    """Distance of the image's slices, where one of its axes runs along the frames' normal."""
    if image is None:
        return None
    along = np.diag([-1.0, -1.0, 1.0]) @ normal
    spacing = np.array(image.spacing)
    axes = np.abs(along @ (image.affine[:3, :3] / spacing))
    axis = int(axes.argmax())
    return float(spacing[axis]) if axes[axis] > 1 - 1e-4 else None


def _uneven(what: str) -> SubjectDataError:
    return SubjectDataError(
        "mask_uneven_slices",
        f"frames of the segmentation {what}",
        "Export the segmentation on the grid of the image that it was drawn on.",
    )
