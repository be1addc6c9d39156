"""Results that somebody deleted."""

from __future__ import annotations

from pathlib import Path

from osteoflow.layout import STEP_FOLDERS, SUBJECTS, SubjectFiles


def notice_lost_folders(study: Path, index: list[dict[str, str]]) -> list[str]:
    """Withdraw the status of subjects that lack the folder of a step; their names.

    Snakemake does not make a result again that lies before a result which is up to date. Without
    its status a subject is not up to date.

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
        without = {"map_mri": row["mri"] != "yes", "calibrate_ct": row["ct"] != "yes"}
        steps = [step for step in STEP_FOLDERS if not without.get(step)]
        if files.status.exists() and not all(files.folder(step).is_dir() for step in steps):
            files.status.unlink()
            lost.append(files.name)
    return lost
