"""The table of review decisions, ``config/review.tsv``, checked before anything runs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from osteoflow.errors import StudyError
from osteoflow.images import RATERS
from osteoflow.io.written_tables import header_and_rows, named_cells
from osteoflow.segmentation.fingerprint import DIGITS, WHOLE_IMAGE
from osteoflow.segmentation.schemes import region_names
from osteoflow.subjects import MISSING, SubjectsTable

REVIEW_TSV = Path("config") / "review.tsv"
COLUMNS = (
    *("participant_id", "session", "image", "rater", "roi"),
    *("decision", "reviewer", "comment", "fingerprint"),
)
OPTIONAL = ("session", "comment")
ACCEPT, REJECT, COMMENT = "accept", "reject", "comment"
DECISIONS = (ACCEPT, REJECT, COMMENT)
FINGERPRINT = re.compile(rf"m[0-9a-f]{{{DIGITS}}}")
# A spreadsheet program takes a cell that begins so for a formula; the page puts an apostrophe
# before it, as such programs themselves do.
FORMULA = re.compile(r"'[=+\-@]")
# Each rater's first outline is reviewed; a repeated one serves agreement alone.
ITEMS = {(space, rater): item for item, (space, rater, reading) in RATERS.items() if reading == 1}


@dataclass(frozen=True)
class Decision:
    """One decision of one reviewer on one region.

    Attributes
    ----------
    participant_id, session
        As in the subjects table; the session is empty where there is none.
    image, rater
        Which mask: the grid it lies on (``ct``, ``mri`` ...) and who outlined it (1 or 2).
    roi
        ``L1``, ``csf`` ..., or ``all`` for the image as a whole.
    decision
        ``accept``, ``reject``, or ``comment``: a remark that decides nothing.
    reviewer, comment
        Who decided, and the reason or remark.
    fingerprint
        Of what was seen (:mod:`osteoflow.segmentation.fingerprint`).
    """

    participant_id: str
    session: str
    image: str
    rater: int
    roi: str
    decision: str
    reviewer: str
    comment: str
    fingerprint: str

    @property
    def item(self) -> str:
        """The mask, one of :data:`osteoflow.images.RATERS`."""
        return ITEMS[self.image, self.rater]

    @property
    def subject(self) -> str:
        """``sub-01`` or ``sub-01_ses-1``."""
        return self.participant_id + (f"_ses-{self.session}" if self.session else "")

    @property
    def region(self) -> tuple[str, str, str]:
        """What was decided on: subject, mask, region."""
        return self.subject, self.item, self.roi


def read_review(path: str | Path, table: SubjectsTable | None = None) -> list[Decision]:
    """Read and check the decisions of a review.

    Rows of several reviewers, or of several times, may stand in one table: only two decisions on
    the same region as it was then (same fingerprint) contradict each other.

    Parameters
    ----------
    path
        Tab-separated text, UTF-8 (a byte order mark and CRLF are accepted).
    table
        The subjects table, whose participants are the known ones; None: participants are not
        checked.

    Raises
    ------
    StudyError
        With every mistake of the table, each with its line.
    """
    path = Path(path)
    if_empty = f"{path.name} is empty; without a review, remove it"
    header, rows = header_and_rows(path, _header_problems, if_empty)
    problems: list[str] = []
    known = None if table is None else _known_sessions(table)
    decisions: list[Decision] = []
    lines: list[int] = []
    for number, cells in rows:
        place = f"{path.name} line {number}"
        try:
            row = named_cells(header, cells)
        except ValueError as error:
            problems.append(f"{place}: {error}")
            continue
        decision, mistakes = _decision(row, known)
        problems.extend(f"{place}: {mistake}" for mistake in mistakes)
        if decision is not None:
            decisions.append(decision)
            lines.append(number)
    problems.extend(_contradictions(path.name, decisions, lines))
    if problems:
        raise StudyError(problems)
    return list(dict.fromkeys(decisions))


def review_problems(folder: Path, table: SubjectsTable | None) -> list[str]:
    """Mistakes in the review of a study; none where it has no review.

    Parameters
    ----------
    folder
        Where ``config/`` lies.
    table
        Its subjects table, where that can be read.
    """
    path = folder / REVIEW_TSV
    if not path.exists():
        return []
    try:
        read_review(path, table)
    except StudyError as error:
        return error.problems
    return []


def _header_problems(name: str, header: list[str]) -> list[str]:
    problems = []
    if len(header) == 1 and ("," in header[0] or ";" in header[0]):
        return [f"{name}: the table must be separated by tabs"]
    for column in COLUMNS:
        if column not in header and column not in OPTIONAL:
            near = difflib.get_close_matches(column, header, n=1, cutoff=0.7)
            found = f" (found '{near[0]}')" if near else ""
            problems.append(f"{name}: column '{column}' is missing{found}")
    for column in dict.fromkeys(header):
        if not column:
            problems.append(f"{name}: a column has no name")
        elif header.count(column) > 1:
            problems.append(f"{name}: column '{column}' stands more than once")
        elif column not in COLUMNS:
            near = difflib.get_close_matches(column.lower(), COLUMNS, n=1, cutoff=0.7)
            advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(COLUMNS)}"
            problems.append(f"{name}: unknown column '{column}' ({advice})")
    return problems


def _known_sessions(table: SubjectsTable) -> dict[str, list[str]]:
    """Participant -> its sessions, "" for none."""
    known: dict[str, list[str]] = {}
    for subject in table.subjects:
        known.setdefault(subject.participant_id, []).append(subject.session)
    return known


def _decision(
    row: dict[str, str], known: dict[str, list[str]] | None
) -> tuple[Decision | None, list[str]]:
    cells = {name: "" if row.get(name, "") in MISSING else row[name] for name in COLUMNS}
    mistakes = []
    participant = "sub-" + cells["participant_id"].removeprefix("sub-")
    session = cells["session"].removeprefix("ses-")
    if known is not None:
        mistakes += _person_problems(participant, session, known)
    elif not cells["participant_id"]:
        mistakes.append("participant_id is missing")
    mistakes += _mask_problems(cells["image"], cells["rater"])
    if cells["roi"] != WHOLE_IMAGE and cells["roi"] not in region_names():
        mistakes.append(_unknown("roi", cells["roi"], [WHOLE_IMAGE, *region_names()]))
    # Spreadsheet programs begin a cell with a capital.
    decision = cells["decision"].lower()
    if decision not in DECISIONS:
        mistakes.append(_unknown("decision", cells["decision"], DECISIONS))
    if not cells["reviewer"]:
        mistakes.append("'reviewer' is missing: name who decided, initials will do")
    if not FINGERPRINT.fullmatch(cells["fingerprint"]):
        what = f"'{cells['fingerprint']}' is no fingerprint" if cells["fingerprint"] else "missing"
        mistakes.append(
            f"fingerprint: {what}; it says what was seen: copy the row as the page of `osteoflow "
            "review` exported it"
        )
    if mistakes:
        return None, mistakes
    comment = cells["comment"]
    if FORMULA.match(comment):
        comment = comment[1:]
    return (
        Decision(
            participant,
            session,
            cells["image"],
            int(cells["rater"]),
            cells["roi"],
            decision,
            cells["reviewer"],
            comment,
            cells["fingerprint"],
        ),
        [],
    )


def _person_problems(participant: str, session: str, known: dict[str, list[str]]) -> list[str]:
    if participant not in known:
        bare = _bare(participant)
        same = [other for other in known if _bare(other) == bare]
        near = same or difflib.get_close_matches(participant, known, n=1, cutoff=0.6)
        lost = "; a spreadsheet program may have dropped its zeros" if same else ""
        advice = f" (did you mean '{near[0]}'{lost}?)" if near else ""
        return [f"unknown participant_id '{participant}': subjects.tsv has no such row{advice}"]
    if session not in known[participant]:
        stated = ", ".join(name or "none" for name in known[participant])
        what = f"unknown session '{session}'" if session else "the session is missing"
        return [f"{what}: {participant} has {stated}"]
    return []


def _bare(participant: str) -> str:
    return participant.removeprefix("sub-").lower().lstrip("0")


def _mask_problems(image: str, rater: str) -> list[str]:
    images = sorted({space for space, _ in ITEMS})
    problems = [] if image in images else [_unknown("image", image, images)]
    raters = {str(number) for space, number in ITEMS if space == image or problems}
    if rater not in raters:
        problems.append(_unknown("rater", rater, sorted(raters)))
    return problems


def _unknown(what: str, value: str, known: Iterable[str]) -> str:
    known = list(known)
    if not value:
        return f"'{what}' is missing"
    near = [name for name in known if name.lower() == value.lower()]
    near = near or difflib.get_close_matches(value.lower(), known, n=1, cutoff=0.6)
    few = f"known: {', '.join(known[:8])}" + (" ..." if len(known) > 8 else "")
    advice = f"did you mean '{near[0]}'?" if near else few
    return f"unknown {what} '{value}' ({advice})"


def _contradictions(name: str, decisions: list[Decision], lines: list[int]) -> list[str]:
    """Rows that accept and rows that reject the same region as it was then."""
    first: dict[tuple, tuple[int, Decision]] = {}
    problems = []
    for decision, line in zip(decisions, lines, strict=True):
        if decision.decision == COMMENT:
            continue
        key = (decision.region, decision.fingerprint)
        before, known = first.setdefault(key, (line, decision))
        if known.decision != decision.decision:
            where = f"{decision.subject}, {decision.image}, {decision.roi}"
            problems.append(
                f"{name} line {line}: '{decision.decision}' by {decision.reviewer} contradicts "
                f"line {before} ('{known.decision}' by {known.reviewer}) on {where}: agree on one"
            )
    return problems
