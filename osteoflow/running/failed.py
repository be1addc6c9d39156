"""Subjects that a run leaves out of the cohort because a step of theirs failed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from osteoflow.io.tables import read_rows
from osteoflow.io.whole import whole_file, write_text_if_different
from osteoflow.layout import INVENTORY
from osteoflow.running.events import JobEnd

FAILED_TSV = INVENTORY / "failed.tsv"
COLUMNS = ("subject", "modalities", "step", "log")


def leave_out(study: Path, failed: list[JobEnd]) -> None:
    """Write ``results/inventory/failed.tsv``; an unchanged list leaves the file as it is."""
    index = {row["subject"]: row for row in read_rows(study / INVENTORY / "inventory.tsv")}
    rows = sorted(
        (end.subject, _modalities(index[end.subject]), end.rule, end.log)
        for end in failed
        if end.subject in index
    )
    text = "\n".join("\t".join(row) for row in [COLUMNS, *rows]) + "\n"
    write_text_if_different(study / FAILED_TSV, text)


@contextmanager
def nobody_left_out(study: Path) -> Iterator[None]:
    """Within, no subject is left out, as when a run begins; then the list is as it was before.

    The list must exist.
    """
    path = study / FAILED_TSV
    before, times = path.read_bytes(), path.stat()
    leave_out(study, [])
    try:
        yield
    finally:
        if path.read_bytes() != before:
            # With its time: what rests on it is as up to date as it was.
            with whole_file(path) as part:
                part.write_bytes(before)
                os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))


def left_out(study: Path) -> list[dict[str, str]]:
    """Rows with ``subject``, ``modalities`` (joined by commas), ``step`` and ``log``."""
    path = study / FAILED_TSV
    return read_rows(path) if path.exists() else []


def _modalities(row: dict[str, str]) -> str:
    return ",".join(modality for modality in ("ct", "mri") if row[modality] == "yes")
