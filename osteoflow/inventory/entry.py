"""What one subject's raw folder holds: the chosen series, masks, and why others are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.bids_roles import BidsRoles
from osteoflow.inventory.dicom_roles import DicomRoles
from osteoflow.inventory.fingerprint import FileCache
from osteoflow.inventory.folder import read_folder, unusable_folder
from osteoflow.inventory.mask_files import mask_entry, seeds_entry
from osteoflow.io import bids
from osteoflow.io.outside import permission_denied
from osteoflow.subjects import MASK_COLUMNS, SEEDS_COLUMNS, Subject

MODALITIES = ("ct", "mri")
"""What a folder that cannot be read is excluded from."""

MRI_ROLES = ("mri", "t2", "dwi", "t1w", "t2w")
"""What MRI images may serve: fat fraction and T2*, T2, ADC, scores and texture by weighting."""

ROLES = ("ct", *MRI_ROLES)


def subject_entry(
    study: Path, folder: Path, salt: str, verify: bool, subject: Subject
) -> dict[str, Any]:
    """The inventory entry of one subject; what cannot be used becomes a problem in it.

    Parameters
    ----------
    study
        Study folder; relative paths of the table start there.
    folder
        ``results/inventory`` of the study, where fingerprints are kept.
    salt
        Secret of the study in the pseudonyms of series.
    verify
        Hash every file again, changed or not.
    subject
        Row of the table.

    Returns
    -------
    dict
        For each of :data:`ROLES` the chosen files or None (:mod:`osteoflow.inventory.dicom_roles`
        and :mod:`osteoflow.inventory.bids_roles` say how), ``masks`` (and seeds), ``problems`` (why
        a role cannot be filled; one that is merely absent is no problem), ``warnings`` and
        ``ct_scan`` (scanner, settings and day of the CT, where there is one).
    """
    cache = FileCache(folder / "cache" / f"{subject.name}.json", verify)
    entry: dict[str, Any] = {
        "subject": subject.name,
        "participant_id": subject.participant_id,
        "session": subject.session,
        **dict.fromkeys(ROLES),
        "masks": {},
        "problems": [],
        "warnings": [],
        "ct_scan": None,
    }
    if "dicom" in subject.paths:
        _scan_dicom(study, subject, cache, salt, entry)
    elif "bids" in subject.paths:
        _scan_bids(study, subject, cache, entry)
    else:
        _problem_of_both(entry, _no_data())
    for column in MASK_COLUMNS:
        if column in subject.paths:
            entry["masks"][column] = mask_entry(study, subject, cache, column, entry)
    for column in SEEDS_COLUMNS:
        if column in subject.paths:
            entry["masks"][column] = seeds_entry(study, subject, cache, column)
    cache.save()
    return entry


def _no_data() -> SubjectDataError:
    return SubjectDataError(
        "path_not_given",
        "the subjects table names no images of this row",
        "Fill the column 'dicom' or 'bids'.",
    )


def _problem_of_both(entry: dict[str, Any], error: SubjectDataError) -> None:
    for modality in MODALITIES:
        _problem(entry, modality, error)


def _problem(entry: dict[str, Any], modality: str, error: SubjectDataError) -> None:
    entry["problems"].append(
        {
            "modality": modality,
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
        }
    )


def _scan_dicom(
    study: Path, subject: Subject, cache: FileCache, salt: str, entry: dict[str, Any]
) -> None:
    root = study / subject.paths["dicom"]
    if (unusable := unusable_folder(root, "DICOM")) is not None:
        _problem_of_both(entry, unusable)
        return
    folder = read_folder(study, subject.paths["dicom"], cache)
    headers = folder.headers
    if not headers:
        _problem_of_both(entry, folder.nothing())
        return
    patients = {header.get("PatientID", "") for header in headers.values()}
    if len(patients) > 1:
        _problem_of_both(
            entry,
            SubjectDataError(
                "several_patients",
                f"the images of the folder carry {len(patients)} different patient numbers"
                + (" (one of them is blank)" if "" in patients else ""),
                "Keep the images of one patient in one folder.",
            ),
        )
        return
    _choose_all(entry, DicomRoles(folder, salt, entry["warnings"]))
    for problem in folder.losses():
        entry["warnings"].append(f"{problem.code}: {problem.message}")
        for modality in _lacking(entry):
            _problem(entry, modality, problem)
    entry["warnings"] += folder.ignored()
    _account(entry, "neither a CT volume nor an MRI that serves a measurement")


def _lacking(entry: dict[str, Any]) -> list[str]:
    """Modalities with neither images nor a reason."""
    return [m for m in MODALITIES if entry[m] is None and not is_excluded(entry, m)]


def _account(entry: dict[str, Any], without: str) -> None:
    """A folder with images of no use at all is told, so that nobody is lost without a word."""
    others = [r for r in MRI_ROLES if entry[r] is not None or is_excluded(entry, r)]
    if len(lacking := _lacking(entry)) == len(MODALITIES) and not others:
        for modality in lacking:
            _problem(
                entry,
                modality,
                SubjectDataError(
                    "no_usable_series",
                    f"the folder holds images, but {without}",
                    "Check that the right examination was exported.",
                ),
            )


def is_excluded(entry: dict[str, Any], modality: str) -> bool:
    return any(problem["modality"] == modality for problem in entry["problems"])


def _choose_all(entry: dict[str, Any], roles: DicomRoles | BidsRoles) -> None:
    for role in ROLES:
        _choose(entry, role, getattr(roles, role))
    if entry["ct"] is not None:
        entry["ct_scan"] = roles.ct_scan(entry["ct"])


def _choose(entry: dict[str, Any], modality: str, choose: Callable[[], Any]) -> None:
    try:
        entry[modality] = choose()
    except SubjectDataError as error:
        _problem(entry, modality, error)
    except PermissionError:
        _problem(entry, modality, permission_denied("an image file may not be read"))
    except OSError:
        again = "Copy or export the images again."
        error = SubjectDataError("unreadable_files", "an image file cannot be read", again)
        _problem(entry, modality, error)


def _scan_bids(study: Path, subject: Subject, cache: FileCache, entry: dict[str, Any]) -> None:
    stored = subject.paths["bids"]
    folder = bids.session_folder(study / stored, subject.participant_id, subject.session)
    if (unusable := unusable_folder(folder, "BIDS")) is not None:
        _problem_of_both(entry, unusable)
        return

    _choose_all(entry, BidsRoles(study, stored, folder, subject.name, cache, entry["warnings"]))
    _account(
        entry,
        "neither ct/*_ct.nii.gz nor anat/*_MEGRE, *_PDFFmap, *_MESE, *_T1w or "
        "*_T2w.nii.gz nor dwi/*_dwi.nii.gz",
    )
