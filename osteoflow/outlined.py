"""Which mask a grid gets: one that was given, else what a segmentation program outlined.

A program's label map is read like a mask that was given, in the program's own label scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osteoflow.images import RATERS
from osteoflow.io.volume import read_json, sidecar_path
from osteoflow.layout import SubjectFiles
from osteoflow.segmentation.readings import given_mask
from osteoflow.step import Source


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


def mask_of(
    item: str, masks: Mapping[str, Any], outlined: Mapping[str, Outlined]
) -> tuple[Mapping[str, Any] | None, list[Source]]:
    """The mask of a reading, and the status it rests on; None where there is none.

    In this order: the mask that the subjects table names
    (:func:`osteoflow.segmentation.readings.given_mask`); for the first reading what a program
    outlined in the modality, which is carried to the grid by position.

    Parameters
    ----------
    item
        A mask of :data:`osteoflow.images.RATERS`.
    masks
        Column of the subjects table -> the inventory's entry.
    outlined
        From :func:`read_outlines`.
    """
    given = given_mask(masks, item)
    space = RATERS[item].space
    modality = "ct" if space == "ct" else "mri"
    if given is None and item == space and modality in outlined:
        found = outlined[modality]
        return found.given, [(found.status, modality)]
    return given, []
