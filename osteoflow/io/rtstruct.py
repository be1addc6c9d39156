"""Structure sets of radiotherapy: contours in space to voxels of the image they were drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from osteoflow.errors import SubjectDataError
from osteoflow.io.contours import RESOLUTION, even_odd, partly_overlap
from osteoflow.io.dicom_codes import code_of
from osteoflow.io.header import names_person, person_words, plain_text
from osteoflow.io.segments import MaskFile, Segment, box_of, unreadable
from osteoflow.io.volume import Volume

KIND = "RTSTRUCT"
WITHHELD = "(name withheld)"
# Contours that enclose an area; points and open lines have no inside.
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
# Contours nearer than this (mm) to a slice lie on it, and so near to each other in one plane.
ON_SLICE = 0.05


@dataclass(frozen=True)
class _Contour:
    """Points in voxels of the image (n, 3), and its place along the slice axis."""

    points: np.ndarray
    depth: float


def structure_set(dataset: Dataset, image: Volume) -> MaskFile:
    """Regions of a structure set on the grid of an image.

    A voxel belongs to a region if its centre lies inside the region's contours of its slice, by
    the even-odd rule (:func:`osteoflow.io.contours.even_odd`).

    Parameters
    ----------
    dataset
        RT Structure Set.
    image
        The image that the contours were drawn on, on whatever axes; its data are not read. Regions
        may reach beyond it: the mask's grid continues that of the image as far as they do.

    Raises
    ------
    SubjectDataError
        ``rtstruct_no_area`` (no contour encloses an area), ``contours_oblique`` (contours that are
        not parallel to the image's slices), ``mask_unreadable``.
    Exception
        One of :data:`osteoflow.io.dicom.PARSE_ERRORS` where the object is damaged.

    Notes
    -----
    Source: DICOM PS3.3 C.8.8.5 and C.8.8.6.
    """
    to_voxels = np.linalg.inv(np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)
    rois, notes = _regions(dataset, to_voxels)
    drawn = [points for contours in rois.values() for points in contours]
    if not drawn:
        raise SubjectDataError(
            "rtstruct_no_area",
            "no contour of the structure set encloses an area: it holds points or lines, or "
            "nothing",
            "Export the outlines of the vertebrae as closed planar contours.",
        )
    spacing = np.array(image.spacing)
    axis = _slice_axis(drawn, spacing)
    low, shape = _extent(drawn, image.shape)
    affine = image.affine.copy()
    affine[:3, 3] = image.affine[:3, :3] @ low + image.affine[:3, 3]
    people = person_words(dataset)
    codes = _codes(dataset)
    segments = []
    for item in dataset.get("StructureSetROISequence") or []:
        number, name = int(item.ROINumber), str(item.get("ROIName") or "")
        shown = WITHHELD if names_person(name, people) else plain_text(name)
        contours = [
            _Contour(points - low, float((points - low)[:, axis].mean()))
            for points in rois.get(number, [])
        ]
        voxels, more = _rasterised(contours, shape, axis, float(spacing[axis]))
        notes += [f"contours of {shown}: {text}" for text in more]
        segments.append(Segment(number, name, shown, codes.get(number, ()), *box_of(voxels)))
    return MaskFile(KIND, shape, affine, None, tuple(segments), tuple(notes), numbered=False)


def _regions(
    dataset: Dataset, to_voxels: np.ndarray
) -> tuple[dict[int, list[np.ndarray]], list[str]]:
    """Closed contours of each region in voxels of the image, and warnings."""
    found: dict[int, list[np.ndarray]] = {}
    left_out = 0
    for item in dataset.get("ROIContourSequence") or []:
        contours = found.setdefault(int(item.ReferencedROINumber), [])
        for contour in item.get("ContourSequence") or []:
            values = np.array([float(value) for value in contour.ContourData or []])
            if len(values) % 3 or not np.isfinite(values).all():
                raise unreadable(KIND, "has a contour whose points are not three numbers each")
            points = values.reshape(-1, 3)
            if str(contour.get("ContourGeometricType")) not in CLOSED or len(points) < 3:
                left_out += 1
                continue
            contours.append(points @ to_voxels[:3, :3].T + to_voxels[:3, 3])
    text = f"{left_out} contours enclose no area (points or lines): ignored"
    return found, [text] if left_out else []


def _slice_axis(contours: Sequence[np.ndarray], spacing: np.ndarray) -> int:
    """The image's axis across which all contours are flat.

    Raises
    ------
    SubjectDataError
        ``contours_oblique``.
    """
    spread = np.max([np.ptp(points, axis=0) for points in contours], axis=0)
    axis = int((spread * spacing).argmin())
    if spread[axis] > 0.5:
        raise SubjectDataError(
            "contours_oblique",
            "the contours are not parallel to the image's slices: one reaches across "
            f"{spread[axis]:.1f} of them",
            "Use the structure set that was drawn on this series, or export it as a label map.",
        )
    return axis


def _extent(
    contours: Sequence[np.ndarray], shape: tuple[int, int, int]
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """First voxel and shape of the grid around all contours.

    It continues the image's grid; beyond an image's size on either side nothing is kept.
    """
    size = np.array(shape)
    low = np.min([part.min(axis=0) for part in contours], axis=0)
    high = np.max([part.max(axis=0) for part in contours], axis=0)
    first, last = np.floor(low).astype(int), np.ceil(high).astype(int)
    # Contours of another scan may lie anywhere, and the grid must not become endless.
    away = (last < -size) | (first > 2 * size)
    first = np.where(away, first, np.maximum(first, -size))
    last = np.where(away, np.minimum(last, first + size), np.minimum(last, 2 * size))
    return first, tuple(int(n) for n in last - first + 1)


def _rasterised(
    contours: Sequence[_Contour], shape: tuple[int, int, int], axis: int, step: float
) -> tuple[np.ndarray, list[str]]:
    """Voxels of one region, and warnings."""
    result = np.zeros(shape, bool)
    plane = tuple(n for other, n in enumerate(shape) if other != axis)
    others = [other for other in range(3) if other != axis]
    farthest, dropped, overlapping, filled = 0.0, 0, 0, []
    for number, chosen, more in _slices(contours, step):
        dropped += more
        if not 0 <= number < shape[axis]:
            continue
        farthest = max(farthest, *(abs(part.depth - number) * step for part in chosen))
        flat = [part.points[:, others] for part in chosen]
        overlapping += partly_overlap(flat, plane)
        inside = even_odd(flat, plane)
        result[(slice(None),) * axis + (number,)] = inside
        filled.append(number)
    notes = []
    if farthest > ON_SLICE:
        notes.append(
            f"up to {farthest:.2f} mm beside the image's slices: the nearest slice is taken"
        )
    if dropped:
        notes.append(f"drawn more densely than the image's slices: {dropped} planes are left out")
    if overlapping:
        notes.append(
            f"in {overlapping} slices contours overlap partly: what they share is outside "
            "(even-odd rule)"
        )
    gaps = filled[-1] - filled[0] + 1 - len(filled) if filled else 0
    if gaps:
        notes.append(f"{gaps} slices between outlined ones have none: nothing is filled in")
    return result, notes


def _slices(contours: Sequence[_Contour], step: float) -> Iterator[tuple[int, list[_Contour], int]]:
    """For each slice its number, the contours of the plane nearest to it, and planes left out."""
    planes: list[list[_Contour]] = []
    for contour in sorted(contours, key=lambda part: part.depth):
        if planes and (contour.depth - planes[-1][0].depth) * step <= ON_SLICE:
            planes[-1].append(contour)
        else:
            planes.append([contour])
    by_slice: dict[int, list[list[_Contour]]] = {}
    for plane in planes:
        # Planes half a slice off must all go to the same side.
        by_slice.setdefault(int(np.floor(plane[0].depth + 0.5 + RESOLUTION)), []).append(plane)
    for number, candidates in sorted(by_slice.items()):
        nearest = min(candidates, key=lambda plane: abs(plane[0].depth - number))
        yield number, nearest, len(candidates) - 1


def _codes(dataset: Dataset) -> dict[int, tuple[tuple[str, str], ...]]:
    """What the object says its regions are, by their number."""
    found: dict[int, tuple[tuple[str, str], ...]] = {}
    for item in dataset.get("RTROIObservationsSequence") or []:
        code = code_of(item, "RTROIIdentificationCodeSequence")
        if code and item.get("ReferencedROINumber") is not None:
            found[int(item.ReferencedROINumber)] = (code,)
    return found
