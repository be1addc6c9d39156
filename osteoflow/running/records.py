"""Snakemake's records of what was made; a result without one is not to be trusted.

Snakemake writes a result's record, from which it later tells that settings or code changed, in the
process that plans the run, after the job. A job that ends while that process is dead leaves whole
results that have no record and no mark of being unfinished: Snakemake would take them as up to
date for ever. So after a run that died, what has no record is marked as unfinished.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

RECORDS = Path(".snakemake") / "metadata"
MARKS = Path(".snakemake") / "incomplete"
# Folders and files of `results` that Snakemake keeps no records of.
OUTSIDE = ("inventory", "logs", "benchmarks", "review", "status.tsv", "report/workflow.html")
# Snakemake puts this file into every folder that is a result as a whole.
MADE_AS_A_WHOLE = ".snakemake_timestamp"
LONGEST_NAME = 255


def distrust_unrecorded(study: Path) -> int:
    """Mark results without a whole record as unfinished, so that they are made again.

    Nothing is deleted; Snakemake does that when it makes the result again.

    Parameters
    ----------
    study
        Study folder; nobody may be running it.

    Returns
    -------
    Number of results that were marked.
    """
    folder = study / RECORDS
    for record in folder.rglob("*"):
        if record.is_file() and not _is_json(record):
            record.unlink()
    unrecorded = [r for r in _results(study) if not (study / RECORDS / _name(r)).exists()]
    return sum(mark_unfinished(study, result) for result in unrecorded)


def mark_unfinished(study: Path, result: str) -> bool:
    """Let Snakemake make a result again; whether it was not marked before.

    Parameters
    ----------
    study
        Study folder.
    result
        Path of a file, or of a folder that is a result as a whole, inside the study.
    """
    mark = study / MARKS / _name(result)
    if mark.exists():
        return False
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(json.dumps({"external_jobid": None}), encoding="utf-8")
    return True


def _results(study: Path) -> Iterator[str]:
    """Files, and folders that are a result as a whole, by their path inside the study."""
    top = study / "results"
    outside = {top / name for name in OUTSIDE}
    for root, folders, files in os.walk(top):
        here = Path(root)
        if MADE_AS_A_WHOLE in files or _is_unfinished(study, here):
            folders.clear()
            yield here.relative_to(study).as_posix()
            continue
        folders[:] = [name for name in folders if here / name not in outside]
        for name in files:
            path = here / name
            if path not in outside and not path.is_symlink():
                yield path.relative_to(study).as_posix()


def _is_unfinished(study: Path, folder: Path) -> bool:
    """Whether a folder carries the mark of a result that was being made."""
    return (study / MARKS / _name(folder.relative_to(study).as_posix())).is_file()


def _name(result: str) -> Path:
    """Path of a result's record or mark: base64, split into folders where it is long."""
    encoded = base64.urlsafe_b64encode(result.encode()).decode()
    size = LONGEST_NAME - 1
    parts = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    return Path(*(f"@{part}" for part in parts[:-1]), parts[-1])


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True
