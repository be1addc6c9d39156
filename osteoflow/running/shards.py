"""Which subject belongs to which shard of a study in batches, today and after rows changed.

Results stay where they were made: a subject never leaves its shard, and a shard is never renamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from osteoflow.errors import StudyError
from osteoflow.io.tables import read_rows
from osteoflow.layout import SubjectFiles
from osteoflow.study import SUBJECTS_TSV
from osteoflow.subjects import Subject
from osteoflow.wording import count

BATCHES = Path("batches")
# The number that was asked for; there are fewer shards as long as there are fewer subjects.
ASKED = "asked.txt"


def shard_name(number: int) -> str:
    """Name of a shard, counted from one."""
    return f"shard-{number:03d}"


def assign_subjects(
    folder: Path, batches: int, subjects: Sequence[Subject]
) -> dict[int, list[Subject]]:
    """Number of each shard, from one -> its subjects; shards without any are left out.

    Subjects of an earlier plan stay where they are, others go to the smallest shards, of which
    there are as many as asked for as soon as there are as many subjects.

    Parameters
    ----------
    folder
        ``batches/`` of the study, with the shards of an earlier plan if there was one.
    batches
        Number of shards asked for.
    subjects
        Of the study, in the order of its table.

    Raises
    ------
    StudyError
        Another number was asked for earlier, or less than one is.
    """
    if batches < 1:
        raise StudyError(["at least one shard is needed: `osteoflow plan --batches 1` or more"])
    tables = {_number(path): path for path in folder.glob(f"shard-*/{SUBJECTS_TSV}")}
    known = max(tables, default=0)
    asked = _asked_earlier(folder, known)
    if known and batches not in (asked, known):
        raise StudyError(
            [
                f"{folder.name}/ holds {count(known, 'shard')} with their results, planned with "
                f"--batches {asked}: plan with that number again, or move that folder away first"
            ]
        )
    n = max(known, min(batches, len(subjects)))
    assigned: dict[int, list[Subject]] = {number: [] for number in range(1, n + 1)}
    earlier = {
        SubjectFiles.named(row["participant_id"], row["session"]): number
        for number, path in sorted(tables.items())
        for row in read_rows(path)
    }
    for subject in subjects:
        if subject.name in earlier:
            assigned[earlier[subject.name]].append(subject)
    for subject in subjects:
        if subject.name not in earlier:
            smallest = min(assigned, key=lambda number: (len(assigned[number]), number))
            assigned[smallest].append(subject)
    return {number: shard for number, shard in assigned.items() if shard}


def in_ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as Slurm's ``--array`` takes them: ``1-3,5``."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{a}-{b}" if a < b else f"{a}" for a, b in ranges)


def _number(table: Path) -> int:
    """Of the shard whose table of subjects this is."""
    return int(table.parent.parent.name.removeprefix("shard-"))


def _asked_earlier(folder: Path, known: int) -> int:
    path = folder / ASKED
    return int(path.read_text(encoding="utf-8")) if path.exists() else known
