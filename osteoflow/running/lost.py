"""Results that somebody deleted."""

from __future__ import annotations

from pathlib import Path

from osteoflow.io.volume import read_json
from osteoflow.layout import STEP_FOLDERS, SUBJECTS, SubjectFiles
from osteoflow.running.records import mark_unfinished


def notice_lost_folders(study: Path, index: list[dict[str, str]]) -> list[str]:
    """Mark as unfinished the status of subjects that lack a folder of a step; their names.

    Snakemake does not make a result again that lies before a result which is up to date. With
    an unfinished status a subject is not up to date.

    Parameters
    ----------
    study
        Study folder.
    index
        Rows of ``results/inventory/inventory.tsv``.
    """
    lost = []
    for row in index:
        files = SubjectFiles(study / SUBJECTS / row["subject"])
        if files.status.exists() and not all(files.folder(s).is_dir() for s in _made(files)):
            mark_unfinished(study, files.status.relative_to(study).as_posix())
            lost.append(files.name)
    return lost


def _made(files: SubjectFiles) -> list[str]:
    """Steps that had been made when the status was written; others are new, not lost."""
    try:
        steps = {item["step"] for item in read_json(files.status)["items"]}
    except (ValueError, KeyError):
        return []
    return [step for step in STEP_FOLDERS if step in steps]
