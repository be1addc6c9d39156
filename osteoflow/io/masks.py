"""Masks as users have them: NIfTI, NRRD and Slicer segmentations, DICOM SEG, RTSTRUCT.

What a file is, its content tells; names of files say nothing reliable.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from osteoflow.errors import SubjectDataError
from osteoflow.io.outside import disk_problem, read_nifti
from osteoflow.io.segments import MaskFile, unreadable
from osteoflow.io.volume import Volume

PREAMBLE = 132
NRRD_MAGIC = b"NRRD000"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
MASK_CLASSES = (SEGMENTATION, LABEL_MAP_SEGMENTATION, STRUCTURE_SET)
# What may hold outlines but not voxels or planar contours.
OTHER_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66.5": "a surface segmentation",
    "1.2.840.10008.5.1.4.1.1.66.3": "a deformable registration",
    "1.2.840.10008.5.1.4.1.1.88.33": "a structured report",
    "1.2.840.10008.5.1.4.1.1.88.34": "a structured report",
    "1.2.840.10008.5.1.4.1.1.11.1": "a presentation state",
    "1.2.840.10008.5.1.4.1.1.481.2": "a radiotherapy dose",
}
# Hidden files and these are no part of anybody's data.
DESKTOP_FILES = ("thumbs.db", "desktop.ini", "dicomdir")


def read_mask(path: str | Path, image: Volume | None = None) -> MaskFile:
    """A mask file of any supported format.

    Parameters
    ----------
    path
        The file, or a folder that holds nothing but one DICOM SEG or RTSTRUCT (or images beside
        one).
    image
        The image that the mask belongs to: contours have no grid of their own, and a DICOM SEG may
        lack the distance of its slices.

    Raises
    ------
    SubjectDataError
        ``mask_unreadable`` where it is no whole file of a supported format, ``mask_no_position``
        where it does not say where its voxels lie, ``mask_is_image``, ``mask_unsupported``,
        ``mask_folder``, ``mask_missing``, ``permission_denied``, and those of
        :mod:`osteoflow.io.nrrd`, :mod:`osteoflow.io.slicer`, :mod:`osteoflow.io.dicom_seg` and
        :mod:`osteoflow.io.rtstruct`.
    OSError
        The file is gone or the disk fails.
    ValueError
        An RTSTRUCT without an image.
    """
    path = mask_in(Path(path))
    try:
        with path.open("rb") as handle:
            start = handle.read(PREAMBLE)
        content = path.read_bytes() if start.startswith(NRRD_MAGIC) else b""
    except OSError as error:
        raise disk_problem(error) from None
    if content:
        # The inventory asks this module what a path means, and needs no reader for that.
        from osteoflow.io.nrrd import parse_nrrd
        from osteoflow.io.slicer import slicer_mask

        return slicer_mask(parse_nrrd(content))
    if is_dicom(path, start):
        return _read_dicom(path, image)
    return MaskFile.of_labels("NIfTI", read_nifti(path, "mask"))


def is_dicom(path: Path, start: bytes) -> bool:
    """Whether a file is DICOM by its first 132 bytes; old files lack the preamble.

    Without it, a file that is called ``.dcm`` has to begin with an element of group 0002 or 0008.
    """
    if start[128:132] == b"DICM":
        return True
    group = start[:2] in (b"\x02\x00", b"\x08\x00")
    return path.suffix.lower() in (".dcm", ".ima", "") and group


def mask_in(path: Path) -> Path:
    """The mask file that a path means: itself, or the one that a folder holds.

    Raises
    ------
    SubjectDataError
        ``mask_missing`` (an empty folder), ``mask_folder`` (several masks), ``permission_denied``.
    """
    if not path.is_dir():
        return path
    files = _files(path)
    if len(files) > 1:
        files = [file for file in files if _class_of(file) in MASK_CLASSES] or files
    if len(files) == 1:
        return files[0]
    if not files:
        raise SubjectDataError(
            "mask_missing",
            "the mask folder named in the subjects table is empty",
            "Name the mask's file, or a folder with one DICOM SEG or RTSTRUCT in it.",
        )
    raise SubjectDataError(
        "mask_folder",
        f"the mask folder named in the subjects table holds {len(files)} files that may be meant",
        "Name the mask's file itself, or keep one DICOM SEG or RTSTRUCT in the folder.",
    )


def _files(folder: Path) -> list[Path]:
    """Files under a folder but what desktops and archives put there, in the order of their names.

    Raises
    ------
    SubjectDataError
        ``permission_denied``.
    """

    def refused(error: OSError) -> None:
        raise disk_problem(error) from None

    found = [
        Path(place) / name
        for place, _, names in os.walk(folder, onerror=refused)
        for name in names
        if not name.startswith(".") and name.lower() not in DESKTOP_FILES
    ]
    return sorted(file for file in found if file.is_file())


def _class_of(path: Path) -> str | None:
    """SOP class of a DICOM file; None for anything else."""
    import pydicom

    from osteoflow.io.dicom import PARSE_ERRORS

    try:
        with path.open("rb") as handle:
            start = handle.read(PREAMBLE)
        if not is_dicom(path, start):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            item = pydicom.dcmread(
                path, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"]
            )
            return str(item.get("SOPClassUID") or "") or None
    except PARSE_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise disk_problem(error) from None
        return None


def _read_dicom(path: Path, image: Volume | None) -> MaskFile:
    """A DICOM object that may be a mask. pydicom is loaded here: most masks do not need it."""
    import pydicom

    from osteoflow.io.dicom import PARSE_ERRORS
    from osteoflow.io.dicom_seg import segmentation_object
    from osteoflow.io.rtstruct import structure_set

    try:
        # pydicom quotes values that break DICOM's rules in its warnings; they may name a person.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            kind = str(dataset.get("SOPClassUID") or "")
            if kind in (SEGMENTATION, LABEL_MAP_SEGMENTATION):
                return segmentation_object(dataset, image)
            if kind == STRUCTURE_SET and image is not None:
                return structure_set(dataset, image)
    except (*PARSE_ERRORS, RuntimeError) as error:  # the latter where a stream cannot be decoded
        if isinstance(error, OSError) and error.errno is not None:
            raise disk_problem(error) from None
        raise unreadable("DICOM") from None
    if kind == STRUCTURE_SET:
        raise ValueError("contours have no grid of their own: they need an image")
    if kind in OTHER_CLASSES:
        raise SubjectDataError(
            "mask_unsupported",
            f"the mask is {OTHER_CLASSES[kind]}, which outlines no voxels",
            "Export the outlines as DICOM SEG, RTSTRUCT or NIfTI label map.",
        )
    if not kind:
        raise unreadable("DICOM")
    raise SubjectDataError(
        "mask_is_image",
        "the mask is a DICOM object of another kind (an image, a report), not a SEG or RTSTRUCT",
        "Check that the path names the segmentation and not the scan.",
    )
