"""What segmentation programs outlined for a subject.

A program's label map is read like a mask that was given, in the program's own label scheme.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from osteoflow.io.volume import read_json, sidecar_path
from osteoflow.layout import SubjectFiles


@dataclass(frozen=True)
class Outlined:
    """A program's outline of one modality: the status that tells whether it is usable, and what
    an inventory entry says of a mask (``path``, ``scheme``), and the ``program``."""

    status: Path
    given: dict[str, str]


def read_outlines(folders: Iterable[str | Path]) -> dict[str, Outlined]:
    """Modality -> what a program outlined, from the folders of the programs' steps.

    A modality that a program could not outline is among them: its status tells why.

    Parameters
    ----------
    folders
        As seen from the study folder.
    """
    found = {}
    for folder in map(Path, folders):
        files = SubjectFiles.beside(folder)
        status = read_json(folder / "status.json")
        for item in status["items"]:
            path = files.outline(status["step"], item["item"])
            given = {}
            if path.exists():
                about = read_json(sidecar_path(path))
                program = f"{about['Program']} {about['Version']}, task {about['Task']}"
                given = {"path": path.as_posix(), "scheme": about["Scheme"], "program": program}
            if item["status"] != "absent":
                found[item["item"]] = Outlined(folder / "status.json", given)
    return found
