"""The subjects table: one row per scan session, checked before anything runs."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from osteoflow.errors import StudyError
from osteoflow.io.written_tables import header_and_rows

PATH_COLUMNS = (
    "dicom",
    "bids",
    "ct_mask",
    "mri_mask",
    "mask_scheme",
    "ct_mask_rater2",
    "mri_mask_rater2",
    "t2_mask",
    "dwi_mask",
    "t1w_mask",
    "ct_mask_repeat",
    "mri_mask_repeat",
    "t2_mask_rater2",
    "t2_mask_repeat",
    "dwi_mask_rater2",
    "dwi_mask_repeat",
    "t1w_mask_rater2",
    "t1w_mask_repeat",
    "t2w_mask",
    "t2w_mask_rater2",
    "t2w_mask_repeat",
    "ct_seeds",
    "mri_seeds",
    "ct_seeds_rater2",
    "mri_seeds_rater2",
)
ID_COLUMNS = ("participant_id", "session")
MASK_COLUMNS = tuple(name for name in PATH_COLUMNS if "_mask" in name)
SEEDS_COLUMNS = tuple(name for name in PATH_COLUMNS if "_seeds" in name)
# A further reading needs a first mask of its image: outlines from elsewhere (another grid, seeds, a
# program) are not the same reader's work.
PAIRED_COLUMNS = {
    further: f"{space}_mask"
    for space in ("ct", "mri", "t2", "dwi", "t1w", "t2w")
    for further in (f"{space}_mask_rater2", f"{space}_mask_repeat")
}
MISSING = ("", "n/a")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
MONTH = "(jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zä]*"
# 2024-03-01 (with a time or without), 01.03.2024, 3/1/24, 1-Mar, 01. Mrz 24, Mar-01.
DATE = re.compile(
    rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}([ T]\d{{1,2}}:\d{{2}}.*)?"
    rf"|\d{{1,2}}[-/.]\d{{1,2}}[-/.](\d{{2}}|\d{{4}})([ T]\d{{1,2}}:\d{{2}}.*)?"
    rf"|\d{{1,2}}[-. ]{{1,2}}{MONTH}([-. ]{{1,2}}(\d{{2}}|\d{{4}}))?"
    rf"|{MONTH}[-. ]{{1,2}}(\d{{1,2}}|\d{{4}})",
    re.IGNORECASE,
)
# A column with at most this share of texts was meant to hold numbers.
FEW_TEXTS = 0.2
LABEL = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class Subject:
    """One scan session of one participant.

    ``name`` (``sub-01`` or ``sub-01_ses-1``) is the workflow's wildcard; ``paths`` holds the
    filled cells of the path columns, ``clinical`` every other column as text.
    """

    name: str
    participant_id: str
    session: str
    paths: dict[str, str]
    clinical: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SubjectsTable:
    """All rows of ``subjects.tsv`` and the names of its clinical columns."""

    subjects: tuple[Subject, ...]
    clinical_columns: tuple[str, ...]

    def paths_digest(self) -> str:
        """SHA-256 of everything that decides which data are read: ids and filled path columns.

        Columns that a table does not use do not count: a version that knows more of them finds
        the inventory up to date.
        """
        lines = sorted(
            "\t".join([s.name, *(f"{column}={path}" for column, path in sorted(s.paths.items()))])
            for s in self.subjects
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_subjects(path: str | Path, schemes: list[str]) -> SubjectsTable:
    """Read and check ``subjects.tsv``.

    Parameters
    ----------
    path
        Tab-separated text, UTF-8 (a byte order mark and CRLF are accepted).
    schemes
        Known label schemes of masks.

    Raises
    ------
    StudyError
        With every mistake of the table, each with its line.
    """
    path = Path(path)
    header, rows = header_and_rows(path, _header_problems, f"{path.name} is empty")
    problems: list[str] = []
    subjects: list[Subject] = []
    lines: list[int] = []
    for number, cells in rows:
        place = f"{path.name} line {number}"
        if len(cells) != len(header):
            problems.append(f"{place}: {len(cells)} cells where the header has {len(header)}")
            continue
        row = dict(zip(header, cells, strict=True))
        subject, mistakes = _subject(row, schemes)
        problems.extend(f"{place}: {mistake}" for mistake in mistakes)
        if subject is not None:
            subjects.append(subject)
            lines.append(number)
    problems.extend(_identity_problems(path.name, subjects, lines))
    problems.extend(_number_problems(path.name, subjects, lines))
    if not subjects and not problems:
        problems.append(f"{path.name} has a header but no subjects")
    if problems:
        raise StudyError(problems)
    clinical = tuple(c for c in header if c not in ID_COLUMNS + PATH_COLUMNS)
    return SubjectsTable(tuple(subjects), clinical)


def _header_problems(name: str, header: list[str]) -> list[str]:
    problems = []
    known = ID_COLUMNS + PATH_COLUMNS
    if "participant_id" not in header:
        near = difflib.get_close_matches("participant_id", header, n=1, cutoff=0.6)
        found = f" (found '{near[0]}')" if near else ""
        wrong_separator = len(header) == 1 and ("," in header[0] or ";" in header[0])
        advice = "; the table must be separated by tabs" if wrong_separator else ""
        problems.append(f"{name}: column 'participant_id' is missing{found}{advice}")
    if "dicom" not in header and "bids" not in header:
        problems.append(f"{name}: a column 'dicom' or 'bids' must say where the images are")
    for column in sorted({c for c in header if header.count(c) > 1}):
        problems.append(f"{name}: column '{column}' stands more than once")
    if "" in header:
        problems.append(f"{name}: a column has no name")
    for column in header:
        if column and column not in known:
            near = difflib.get_close_matches(column.lower(), known, n=1, cutoff=0.85)
            if near and near[0] not in header:
                problems.append(f"{name}: unknown column '{column}' (did you mean '{near[0]}'?)")
    return problems


def _subject(row: dict[str, str], schemes: list[str]) -> tuple[Subject | None, list[str]]:
    mistakes = []
    label = row["participant_id"].removeprefix("sub-")
    session = row.get("session", "")
    session = "" if session in MISSING else session.removeprefix("ses-")
    for what, value in (("participant_id", label), ("session", session)):
        if what == "session" and not value:
            continue
        if not LABEL.fullmatch(value) or not value.isascii():
            like_date = "; a spreadsheet program may have made a date of it"
            advice = like_date if DATE.fullmatch(value) else ""
            mistakes.append(f"{what} {row[what]!r} may hold letters and digits only{advice}")
    paths = {c: row[c] for c in PATH_COLUMNS if row.get(c, "") not in MISSING}
    if "dicom" in paths and "bids" in paths:
        mistakes.append("give either 'dicom' or 'bids', not both")
    masks = [column for column in MASK_COLUMNS if column in paths]
    scheme = paths.get("mask_scheme")
    if masks and scheme is None:
        mistakes.append(f"'{masks[0]}' needs a 'mask_scheme' (one of {', '.join(schemes)})")
    if scheme is not None and scheme not in schemes:
        near = difflib.get_close_matches(scheme, schemes, n=1, cutoff=0.4)
        advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(schemes)}"
        mistakes.append(f"unknown mask_scheme '{scheme}' ({advice})")
    mistakes += [
        f"'{further}' needs '{first}': outlines are compared on the image they were drawn on"
        for further, first in PAIRED_COLUMNS.items()
        if further in paths and first not in paths
    ]
    if mistakes:
        return None, mistakes
    name = f"sub-{label}" + (f"_ses-{session}" if session else "")
    clinical = {
        key: ("" if value in MISSING else value)
        for key, value in row.items()
        if key not in ID_COLUMNS + PATH_COLUMNS
    }
    return Subject(name, f"sub-{label}", session, paths, clinical), []


def is_number(cell: str) -> bool:
    """Whether a cell is a number with a decimal point."""
    return NUMBER.fullmatch(cell) is not None


def _number_problems(name: str, subjects: list[Subject], lines: list[int]) -> list[str]:
    """Cells that are dates, and cells that make a text of a column of numbers."""
    problems = []
    for column in subjects[0].clinical if subjects else ():
        cells = [(line, s.clinical[column]) for s, line in zip(subjects, lines, strict=True)]
        filled = [(line, cell) for line, cell in cells if cell]
        dates = [(line, cell) for line, cell in filled if DATE.fullmatch(cell)]
        if dates:
            line, cell = dates[0]
            problems.append(
                f"{name} line {line}: '{cell}' in column '{column}' is a date ({len(dates)} "
                f"{'cells' if len(dates) > 1 else 'cell'}); write the number that a spreadsheet "
                "program made a date of, or a time span such as age or days since the first scan: "
                "dates would identify persons"
            )
            continue
        texts = [(line, cell) for line, cell in filled if not is_number(cell)]
        commas = [(line, cell) for line, cell in texts if DECIMAL_COMMA.fullmatch(cell)]
        if commas:
            line, cell = commas[0]
            problems.append(
                f"{name} line {line}: '{cell}' in column '{column}' has a decimal comma; "
                f"write a point ({len(commas)} cells)"
            )
        elif texts and len(texts) <= FEW_TEXTS * len(filled):
            shown = ", ".join(f"'{cell}' (line {line})" for line, cell in texts[:3])
            problems.append(
                f"{name}: column '{column}' holds numbers but for {len(texts)} cells: {shown}; "
                "leave missing values empty or write n/a"
            )
    return problems


def _identity_problems(name: str, subjects: list[Subject], lines: list[int]) -> list[str]:
    """Duplicate rows, and rows that a person or a file system would take for the same."""
    problems = []
    first: dict[str, int] = {}
    spelling: dict[str, str] = {}
    with_session: dict[str, bool] = {}
    for subject, line in zip(subjects, lines, strict=True):
        place = f"{name} line {line}"
        if subject.name in first:
            problems.append(f"{place}: duplicate of line {first[subject.name]} ({subject.name})")
            continue
        first[subject.name] = line
        bare = subject.participant_id.removeprefix("sub-").lower().lstrip("0")
        known = spelling.setdefault(bare, subject.participant_id)
        if known != subject.participant_id:
            problems.append(
                f"{place}: '{subject.participant_id}' and '{known}' differ only in leading zeros "
                "or in case: are they one participant?"
            )
        sessions = with_session.setdefault(subject.participant_id, bool(subject.session))
        if sessions != bool(subject.session):
            problems.append(
                f"{place}: {subject.participant_id} has rows with and without a session"
            )
    return problems
