"""What one subject's raw folder holds: the chosen series, masks, and why others are not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.fingerprint import FileCache
from osteoflow.inventory.recognise import choose_ct, choose_multi_echo, series_key
from osteoflow.io import bids
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
        for modality in MODALITIES:
            _problem(entry, modality, _no_data())
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
    if not root.is_dir():
        for modality in MODALITIES:
            _problem(entry, modality, _folder_missing("DICOM"))
        return
    records: dict[str, dict[str, Any]] = {}
    headers: dict[str, dict[str, Any]] = {}
    damaged = 0
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        try:
            record = cache.record(path, header=True)
        except OSError:
            damaged += 1
            continue
        header = record["header"]
        if header is None:
            continue
        if header.get("damaged"):
            damaged += 1
            continue
        name = _stored_path(study, subject.paths["dicom"], path)
        records[name] = record
        headers[name] = header
    if not headers:
        code = "unreadable_files" if damaged else "folder_empty"
        message = f"{damaged} damaged DICOM files" if damaged else "the folder holds no DICOM image"
        for modality in MODALITIES:
            _problem(
                entry,
                modality,
                SubjectDataError(code, message, "Export the study from the archive again."),
            )
        return
    patients = {header.get("PatientID", "") for header in headers.values()}
    if len(patients) > 1:
        for modality in MODALITIES:
            _problem(
                entry,
                modality,
                SubjectDataError(
                    "several_patients",
                    f"the folder holds images of {len(patients)} patients",
                    "Keep the images of one patient in one folder.",
                ),
            )
        return
    _choose(entry, "ct", lambda: _ct_entry(choose_ct(headers), records, headers, salt))
    _choose(entry, "mri", lambda: _mri_entry(choose_multi_echo(headers), records, headers, salt))
    _account(entry, damaged)


def _account(entry: dict[str, Any], damaged: int) -> None:
    """What the folder held beside the chosen series, so that nothing is lost without a word."""
    lacking = [m for m in MODALITIES if entry[m] is None and not is_excluded(entry, m)]
    if damaged:
        text = f"{damaged} files of the folder cannot be read"
        for modality in lacking:
            again = "Export the study from the archive again."
            _problem(entry, modality, SubjectDataError("unreadable_files", text, again))
        entry["warnings"].append(f"unreadable_files: {text}")
    elif len(lacking) == len(MODALITIES):
        for modality in lacking:
            _problem(
                entry,
                modality,
                SubjectDataError(
                    "no_usable_series",
                    "the folder holds images, but neither a CT volume nor a multi-echo MRI",
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


def _ct_entry(paths: list[str] | None, records: Any, headers: Any, salt: str) -> Any:
    if paths is None:
        return None
    return {
        "source": "dicom",
        "series": _pseudonym(series_key(headers[paths[0]]), salt),
        "files": [_file(path, records[path]) for path in paths],
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
                {"echo_time": echo, "files": [_file(path, records[path]) for path in paths]}
                for echo, paths in echoes.items()
            ]
            for part, echoes in parts.items()
        },
    }


def _scan_bids(study: Path, subject: Subject, cache: FileCache, entry: dict[str, Any]) -> None:
    stored = subject.paths["bids"]
    folder = bids.session_folder(study / stored, subject.participant_id, subject.session)
    if not folder.is_dir():
        for modality in MODALITIES:
            _problem(entry, modality, _folder_missing("BIDS"))
        return

    def described(path: Path) -> dict[str, Any]:
        sidecar = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
        item = _file(_stored_path(study, stored, path), cache.record(path, header=False))
        item["sidecar"] = _file(
            _stored_path(study, stored, sidecar), cache.record(sidecar, header=False)
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


def _folder_missing(kind: str) -> SubjectDataError:
    return SubjectDataError(
        "folder_missing",
        f"the {kind} folder named in the subjects table does not exist",
        "Check the path in the subjects table and whether the data drive is mounted.",
    )


def _mask(study: Path, subject: Subject, cache: FileCache, column: str) -> dict[str, Any]:
    """A mask file's fingerprint; an absent file is recorded as such and excludes at segment."""
    path = study / subject.paths[column]
    entry: dict[str, Any] = {"path": subject.paths[column], "scheme": subject.paths["mask_scheme"]}
    if path.is_file():
        record = _mask_record(path, cache)
        if record is None:
            entry["missing"] = True
            return entry
        entry.update(size=record["size"], sha256=record["sha256"])
    else:
        entry["missing"] = True
    return entry


def _mask_record(path: Path, cache: FileCache) -> dict[str, Any] | None:
    try:
        return cache.record(path, header=False)
    except OSError:
        return None


def _file(path: str, record: dict[str, Any]) -> dict[str, Any]:
    return {"path": path, "size": record["size"], "sha256": record["sha256"]}


def _stored_path(study: Path, given: str, path: Path) -> str:
    """The path as the table gives it: relative tables stay valid when the study moves."""
    return str(Path(given) / path.relative_to(study / given))


def _pseudonym(uid: str, salt: str) -> str:
    """A salted hash instead of a UID: the series can be told apart but not looked up."""
    return hashlib.sha256((salt + uid).encode()).hexdigest()[:16]
