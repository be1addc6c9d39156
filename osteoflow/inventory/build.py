"""The inventory: what each subject's raw folder holds, written once and only if it differs.

It works outside the workflow's graph. Per subject it writes one JSON file, the only raw input
that the workflow's rules have: the chosen files with their sizes and hashes. A file that was
merely touched leaves it as it was; a changed byte rewrites it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from osteoflow.code_version import facts_text, history_text, load_facts
from osteoflow.errors import StudyError
from osteoflow.inventory.change import describe_change, listed_files
from osteoflow.inventory.entry import MRI_ROLES, ROLES, is_excluded, subject_entry
from osteoflow.io.tables import EXCLUSION_COLUMNS, INDEX_COLUMNS, read_rows
from osteoflow.io.whole import write_text, write_text_if_different
from osteoflow.layout import INVENTORY
from osteoflow.subjects import SubjectsTable


@dataclass(frozen=True)
class InventoryReport:
    """What an inventory found: subjects seen, JSON files rewritten, exclusions."""

    subjects: int
    rewritten: tuple[str, ...]
    exclusions: int


def take_inventory(
    study: Path,
    table: SubjectsTable,
    verify: bool = False,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> InventoryReport:
    """Bring ``results/inventory`` of a study up to date.

    Parameters
    ----------
    study
        Study folder; relative paths of the table start there.
    table
        The checked subjects table.
    verify
        Hash every file again, changed or not.
    processes
        Subjects looked at in parallel.
    progress
        Called with (subjects done, subjects in all).

    Raises
    ------
    StudyError
        All folders with images are gone at once.
    """
    folder = study / INVENTORY
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    salt = study_salt(folder)
    work = partial(subject_entry, study, folder, salt, verify)
    if processes > 1 and len(table.subjects) > 1:
        with ProcessPoolExecutor(processes) as pool:
            results = pool.map(work, table.subjects, chunksize=1)
            entries = _collect(results, len(table.subjects), progress)
    else:
        entries = _collect(map(work, table.subjects), len(table.subjects), progress)
    _check_drive(folder, entries)
    scans = {entry["subject"]: entry.pop("ct_scan") for entry in entries}
    known = {subject: facts for subject, facts in scans.items() if facts is not None}
    # Dates have a file of their own, which no job reads: what calibrates a subject's CT is decided
    # before, and a job is told the distance in days.
    write_text_if_different(folder / "ct_scans.json", _json(known))
    rewritten = _write_subjects(folder, entries)
    _remove_stale(folder, {entry["subject"] for entry in entries})
    index = _tsv(INDEX_COLUMNS, map(_index_row, entries))
    write_text_if_different(folder / "inventory.tsv", index)
    exclusions = [row for entry in entries for row in _exclusion_rows(entry)]
    write_text_if_different(folder / "exclusions.tsv", _tsv(EXCLUSION_COLUMNS, exclusions))
    # Only files that changed since the last time are parsed again.
    load_facts(folder / "code.json")
    write_text_if_different(folder / "code.json", facts_text())
    history = folder / "code_history.json"
    write_text_if_different(history, history_text(history))
    write_text_if_different(folder / "paths.sha256", table.paths_digest() + "\n")
    return InventoryReport(len(entries), rewritten, len(exclusions))


def _write_subjects(folder: Path, entries: list[dict[str, Any]]) -> tuple[str, ...]:
    """Write what differs of each subject's files; the subjects of which something did.

    What changed in a file is told in ``changes.json``. Entries lose their masks.
    """
    rewritten: dict[str, None] = {}
    changes = _json_of(folder / "changes.json")
    for entry in entries:
        # Masks have a file of their own: a new mask must not convert the images again.
        masks = {"subject": entry["subject"], "masks": entry.pop("masks")}
        for suffix, content in (("", entry), ("_masks", masks)):
            name = f"{entry['subject']}{suffix}.json"
            before = _text(folder / name)
            if write_text_if_different(folder / name, _json(content)):
                rewritten[entry["subject"]] = None
                changes[name] = describe_change(before, content)
    write_text_if_different(folder / "changes.json", _json(changes))
    return tuple(rewritten)


def _index_row(entry: dict[str, Any]) -> list[str]:
    """A subject's row of ``inventory.tsv``."""
    return [
        entry["subject"],
        entry["participant_id"],
        entry["session"] or "n/a",
        _state(entry, ("ct",)),
        _state(entry, MRI_ROLES),
        f"{_megabytes(entry):.1f}",
    ]


def _exclusion_rows(entry: dict[str, Any]) -> list[list[str]]:
    """A subject's rows of ``exclusions.tsv``."""
    return [
        [
            entry["participant_id"],
            entry["session"] or "n/a",
            problem["modality"],
            "inventory",
            problem["modality"],
            problem["code"],
            problem["message"],
            problem["hint"],
        ]
        for problem in entry["problems"]
    ]


def _check_drive(folder: Path, entries: list[dict[str, Any]]) -> None:
    """Every folder that held images is gone at once: a drive that is not mounted, no exclusions.

    Raises
    ------
    StudyError
    """
    index = folder / "inventory.tsv"
    if not index.exists():
        return
    had = {row["subject"] for row in read_rows(index) if "yes" in (row["ct"], row["mri"])}
    gone = [
        entry["subject"]
        for entry in entries
        if any(problem["code"] == "folder_missing" for problem in entry["problems"])
    ]
    still = {entry["subject"] for entry in entries} & had
    if len(still) > 1 and still <= set(gone):
        raise StudyError(
            [
                f"not one of the folders of {len(still)} subjects with images exists any more: is "
                "the data drive mounted? Nothing was changed. If all of them were moved away on "
                "purpose, drop their rows or correct their paths"
            ]
        )


def _collect(results: Any, total: int, progress: Callable[[int, int], None] | None) -> list[Any]:
    entries = []
    for number, entry in enumerate(results, 1):
        entries.append(entry)
        if progress is not None:
            progress(number, total)
    return entries


def study_salt(folder: Path) -> str:
    """The secret in the pseudonyms of a study's series, made at first sight.

    Parameters
    ----------
    folder
        ``results/inventory`` of the study.
    """
    path = folder / "salt"
    if not path.exists():
        write_text(path, secrets.token_hex(16) + "\n")
    return path.read_text(encoding="ascii").strip()


def _state(entry: dict[str, Any], roles: tuple[str, ...]) -> str:
    """``yes`` if images fill one of the roles."""
    if any(entry[role] is not None for role in roles):
        return "yes"
    return "excluded" if any(is_excluded(entry, role) for role in roles) else "absent"


def _megabytes(entry: dict[str, Any]) -> float:
    # One file may hold all echoes and is listed with each.
    files = {p: size for role in ROLES for p, size in listed_files(entry[role], "size").items()}
    return sum(size or 0 for size in files.values()) / 1e6


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _tsv(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = ["\t".join(columns), *("\t".join(str(cell) for cell in row) for row in rows)]
    return "\n".join(lines) + "\n"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _json_of(path: Path) -> dict[str, Any]:
    return json.loads(_text(path) or "{}")


def _remove_stale(folder: Path, subjects: set[str]) -> None:
    """Entries of rows that the table no longer has."""
    for path in [*folder.glob("sub-*.json"), *(folder / "cache").glob("sub-*.json")]:
        if path.stem.removesuffix("_masks") not in subjects:
            path.unlink()
