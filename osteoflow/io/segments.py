"""What a mask file holds, whatever its format: a label map, or segments with names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume

Code = tuple[str, str]
"""Coding scheme and value: ``("SCT", "66794005")``."""

DICOM_REEXPORT = "Export the segmentation again, whole and with its position in space."


@dataclass(frozen=True)
class Segment:
    """One outlined structure of a mask file.

    Attributes
    ----------
    number
        Its number in the file: label value (Slicer), segment number (DICOM SEG), ROI number.
    name
        Its name in the file.
    shown
        The name as it may be printed: on one line, without words that identify a person.
    codes
        What the file says it is: codes of its type and of the anatomic region that it lies in.
    start
        First voxel (i, j, k) of its box on the mask's grid.
    voxels
        Boolean array of the box; voxels outside it do not belong to the segment.
    """

    number: int
    name: str
    shown: str
    codes: tuple[Code, ...]
    start: tuple[int, int, int]
    voxels: np.ndarray

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The box on the mask's grid."""
        return tuple(
            slice(first, first + size)
            for first, size in zip(self.start, self.voxels.shape, strict=True)
        )

    @property
    def count(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.voxels))


@dataclass(frozen=True)
class MaskFile:
    """A mask as it was given.

    Attributes
    ----------
    kind
        What the format is called in messages: ``NIfTI``, ``NRRD``, ``Slicer segmentation``,
        ``DICOM SEG`` or ``RTSTRUCT``.
    shape, affine
        Grid of the mask, to RAS+ millimetres; it may be a part of the image's grid.
    labels
        Label map of this shape where labels are numbers alone; None where there are segments.
    segments
        Named structures, in the order of the file; they may overlap.
    warnings
        What reading them took.
    numbered
        Whether the numbers of the segments mean anything: those of an RTSTRUCT do not.
    """

    kind: str
    shape: tuple[int, int, int]
    affine: np.ndarray
    labels: np.ndarray | None = None
    segments: tuple[Segment, ...] = ()
    warnings: tuple[str, ...] = ()
    numbered: bool = True

    @classmethod
    def of_labels(cls, kind: str, volume: Volume) -> MaskFile:
        """A label map without names."""
        return cls(kind, volume.shape, volume.affine, np.asarray(volume.data))


def box_of(
    mask: np.ndarray, offset: Iterable[int] = (0, 0, 0)
) -> tuple[tuple[int, ...], np.ndarray]:
    """First voxel and contents of the smallest box around a mask.

    Parameters
    ----------
    mask
        Boolean array of any dimension.
    offset
        Where the array begins on a larger grid.

    Returns
    -------
    tuple
        ``start`` on the larger grid and a boolean copy of the box, of size 0 for an empty mask.
    """
    part, start = mask, []
    for axis, first in zip(range(mask.ndim), offset, strict=False):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        used = np.flatnonzero(part.any(axis=others))
        low, high = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        part = part[(slice(None),) * axis + (slice(low, high),)]
        start.append(low + int(first))
    return tuple(start), np.array(part, bool)


def unreadable(kind: str, what: str = "cannot be read to its end") -> SubjectDataError:
    """A mask file that is damaged or that is not what it says."""
    return SubjectDataError(
        "mask_unreadable",
        f"the mask ({kind}) {what}",
        "Save or export the mask again, as NIfTI (.nii.gz), Slicer segmentation (.seg.nrrd), DICOM "
        "SEG or RTSTRUCT.",
    )


def no_position(kind: str, what: str) -> SubjectDataError:
    """A mask file that does not say where its voxels lie."""
    return SubjectDataError("mask_no_position", f"the mask ({kind}) {what}", DICOM_REEXPORT)
