"""Subjects that a run leaves out of the cohort because a step of theirs failed."""

from __future__ import annotations

from pathlib import Path

from osteoflow.io.tables import read_rows
from osteoflow.io.whole import write_text_if_different
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


def left_out(study: Path) -> list[dict[str, str]]:
    """Rows with ``subject``, ``modalities`` (joined by commas), ``step`` and ``log``."""
    path = study / FAILED_TSV
    return read_rows(path) if path.exists() else []


def _modalities(row: dict[str, str]) -> str:
    return ",".join(modality for modality in ("ct", "mri") if row[modality] == "yes")
