"""What one subject's raw folder holds: the chosen series, masks, and why others are not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.fingerprint import FileCache
from osteoflow.inventory.folder import read_folder, stored_path, unusable_folder
from osteoflow.inventory.recognise import choose_ct, choose_multi_echo, series_key
from osteoflow.io import bids
from osteoflow.io.outside import permission_denied
from osteoflow.subjects import MASK_COLUMNS, Subject

MODALITIES = ("ct", "mri")


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
    ``ct`` and ``mri`` (the chosen files, or None), ``masks``, ``problems`` (why a modality cannot
    be used) and ``warnings``.
    """
    cache = FileCache(folder / "cache" / f"{subject.name}.json", verify)
    entry: dict[str, Any] = {
        "subject": subject.name,
        "participant_id": subject.participant_id,
        "session": subject.session,
        "ct": None,
        "mri": None,
        "masks": {},
        "problems": [],
        "warnings": [],
    }
    if "dicom" in subject.paths:
        _scan_dicom(study, subject, cache, salt, entry)
    elif "bids" in subject.paths:
        _scan_bids(study, subject, cache, entry)
    else:
        _problem_of_both(entry, _no_data())
    for column in MASK_COLUMNS:
        if column in subject.paths:
            entry["masks"][column] = _mask(study, subject, cache, column)
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
    headers, records = folder.headers, folder.records
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
    _choose(entry, "ct", lambda: _ct_entry(choose_ct(headers), records, headers, salt))
    _choose(entry, "mri", lambda: _mri_entry(choose_multi_echo(headers), records, headers, salt))
    for problem in folder.losses():
        entry["warnings"].append(f"{problem.code}: {problem.message}")
        for modality in _lacking(entry):
            _problem(entry, modality, problem)
    entry["warnings"] += folder.ignored()
    _account(entry, "neither a CT volume nor a multi-echo MRI")


def _lacking(entry: dict[str, Any]) -> list[str]:
    """Modalities with neither images nor a reason."""
    return [m for m in MODALITIES if entry[m] is None and not is_excluded(entry, m)]


def _account(entry: dict[str, Any], without: str) -> None:
    """A folder with images of no use at all is told, so that nobody is lost without a word."""
    if len(lacking := _lacking(entry)) == len(MODALITIES):
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


def _ct_entry(names: list[str] | None, records: Any, headers: Any, salt: str) -> Any:
    if names is None:
        return None
    return {
        "source": "dicom",
        "series": _pseudonym(series_key(headers[names[0]]), salt),
        "files": [_file(name, records[name]) for name in names],
    }


def _mri_entry(parts: Any, records: Any, headers: Any, salt: str) -> Any:
    if parts is None:
        return None
    first = next(iter(next(iter(parts.values())).values()))[0]
    return {
        "source": "dicom",
        "series": _pseudonym(series_key(headers[first]), salt),
        "parts": {
            part: [
                {"echo_time": echo, "files": [_file(name, records[name]) for name in names]}
                for echo, names in echoes.items()
            ]
            for part, echoes in parts.items()
        },
    }


def _scan_bids(study: Path, subject: Subject, cache: FileCache, entry: dict[str, Any]) -> None:
    stored = subject.paths["bids"]
    folder = bids.session_folder(study / stored, subject.participant_id, subject.session)
    if (unusable := unusable_folder(folder, "BIDS")) is not None:
        _problem_of_both(entry, unusable)
        return

    def described(path: Path) -> dict[str, Any]:
        sidecar = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
        item = _file(stored_path(study, stored, path), cache.record(path, header=False))
        item["sidecar"] = _file(
            stored_path(study, stored, sidecar), cache.record(sidecar, header=False)
        )
        return item

    def ct() -> Any:
        path = bids.find_ct(folder, subject.name)
        if path is None:
            return None
        bids.read_sidecar(path)
        return {"source": "bids", "series": None, "files": [described(path)]}

    def mri() -> Any:
        parts = bids.find_multi_echo(folder, subject.name)
        if parts is None:
            return None
        return {
            "source": "bids",
            "series": None,
            "parts": {
                part: [
                    {"echo_time": echo, "files": [described(path)]} for echo, path in echoes.items()
                ]
                for part, echoes in parts.items()
            },
        }

    _choose(entry, "ct", ct)
    _choose(entry, "mri", mri)
    _account(entry, "neither ct/*_ct.nii.gz nor anat/*_MEGRE.nii.gz with echo and part")


def _mask(study: Path, subject: Subject, cache: FileCache, column: str) -> dict[str, Any]:
    """A mask file's fingerprint; an absent file is recorded as such and excludes at segment."""
    path = study / subject.paths[column]
    entry: dict[str, Any] = {"path": subject.paths[column], "scheme": subject.paths["mask_scheme"]}
    try:
        if path.is_file():
            record = cache.record(path, header=False)
            entry.update(size=record["size"], sha256=record["sha256"])
        else:
            entry["missing"] = True
    except PermissionError:
        entry["denied"] = True
    except (OSError, ValueError):
        entry["missing"] = True
    return entry


def _file(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """A file with its fingerprint, and which of its frames are meant where it holds several."""
    file = {
        "path": record.get("path", name),
        "size": record["size"],
        "sha256": record["sha256"],
    }
    return file | ({"frames": record["frames"]} if "frames" in record else {})


def _pseudonym(uid: str, salt: str) -> str:
    """A salted hash instead of a UID: the series can be told apart but not looked up."""
    return hashlib.sha256((salt + uid).encode()).hexdigest()[:16]
