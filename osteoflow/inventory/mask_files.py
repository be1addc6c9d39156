"""Masks of one subject: the file each path means, its fingerprint, and whose scan it was drawn on.

The inventory keeps no identifiers of the images, but here both headers can be seen: a DICOM mask
whose frame of reference is not that of the chosen images has its coordinates in another space.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.change import listed_files
from osteoflow.inventory.fingerprint import FileCache
from osteoflow.inventory.folder import stored_path
from osteoflow.io.masks import PREAMBLE, is_dicom, mask_in
from osteoflow.subjects import Subject


def mask_entry(
    study: Path, subject: Subject, cache: FileCache, column: str, entry: dict[str, Any]
) -> dict[str, Any]:
    """A mask's fingerprint; one that cannot be used is recorded as such and excludes at segment.

    Parameters
    ----------
    study
        Study folder; relative paths of the table start there.
    subject
        Row of the table.
    cache
        Fingerprints of the subject's files.
    column
        Of the table, one of :data:`osteoflow.subjects.MASK_COLUMNS`.
    entry
        Inventory entry of the subject, with its images chosen.

    Returns
    -------
    dict
        ``path`` (of the file itself where the table names a folder), ``scheme``, ``size`` and
        ``sha256``; instead of the latter ``missing`` or ``denied``; and ``problem`` (``code``,
        ``message``, ``hint``) where it cannot belong to the images.
    """
    given = subject.paths[column]
    found: dict[str, Any] = {"path": given, "scheme": subject.paths["mask_scheme"]}
    try:
        path = mask_in(study / given)
        if path.is_file():
            record = cache.record(path, header=False)
            if path != study / given:
                found["path"] = stored_path(study, given, path)
            found.update(size=record["size"], sha256=record["sha256"])
            if _elsewhere(study, cache, record, path, entry.get(column.partition("_mask")[0])):
                found["problem"] = OTHER_FRAME
        else:
            found["missing"] = True
    except SubjectDataError as error:
        if error.code == "permission_denied":
            found["denied"] = True
        else:
            found["problem"] = _problem(error.code, error.message, error.hint)
    except PermissionError:
        found["denied"] = True
    except (OSError, ValueError):
        found["missing"] = True
    return found


def _problem(code: str, message: str, hint: str) -> dict[str, str]:
    return {"code": code, "message": message, "hint": hint}


OTHER_FRAME = _problem(
    "mask_other_frame",
    "the mask states another frame of reference than the images: it was drawn on another scan, or "
    "one of both was given new identifiers without the other",
    "Check that the mask belongs to this examination. If it does, export both together, or save "
    "the mask as a label map (.nii.gz or .seg.nrrd).",
)


def _elsewhere(
    study: Path, cache: FileCache, record: dict[str, Any], path: Path, images: Any
) -> bool:
    """Whether the frames of reference of a mask and of the chosen images are known and differ."""
    # Kept with the fingerprint: a changed file has a new record.
    if "frames_of_reference" not in record:
        record["frames_of_reference"] = _frames_of_reference(path)
    of_mask = set(record["frames_of_reference"])
    if not of_mask or images is None:
        return False
    of_images = set()
    for name in listed_files(images):
        header = cache.record(study / name, header=True)["header"] or {}
        for item in header.get("FrameGroups", [header]):
            of_images.add(item.get("FrameOfReferenceUID"))
    return None not in of_images and len(of_images) > 0 and of_mask.isdisjoint(of_images)


def _frames_of_reference(path: Path) -> list[str]:
    """Those that a DICOM object states; none for other files and where it cannot be read."""
    with path.open("rb") as handle:
        if not is_dicom(path, handle.read(PREAMBLE)):
            return []
    import pydicom

    from osteoflow.io.dicom import PARSE_ERRORS

    names = ["FrameOfReferenceUID", "ReferencedFrameOfReferenceSequence", "StructureSetROISequence"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            item = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=names)
            found = {item.get("FrameOfReferenceUID")}
            found |= {f.get("FrameOfReferenceUID") for f in item.get(names[1]) or []}
            found |= {r.get("ReferencedFrameOfReferenceUID") for r in item.get(names[2]) or []}
    except PARSE_ERRORS:
        return []
    return sorted(str(value) for value in found if value)


def seeds_entry(study: Path, subject: Subject, cache: FileCache, column: str) -> dict[str, Any]:
    """The fingerprint of seeds; an absent file is recorded as such and excludes at segment.

    Parameters
    ----------
    study, subject, cache
        As for :func:`mask_entry`.
    column
        One of :data:`osteoflow.subjects.SEEDS_COLUMNS`.
    """
    found: dict[str, Any] = {"path": subject.paths[column]}
    path = study / subject.paths[column]
    try:
        if path.is_file():
            record = cache.record(path, header=False)
            found.update(size=record["size"], sha256=record["sha256"])
        else:
            found["missing"] = True
    except PermissionError:
        found["denied"] = True
    except (OSError, ValueError):
        found["missing"] = True
    return found
