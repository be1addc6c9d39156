"""The images that can be measured: on which grid each lies and which step makes it.

A new map is one entry here, its path in ``rules/common.smk`` and its rows in
``resources/measurements.tsv``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Image:
    """One kind of image.

    Parameters
    ----------
    space
        Grid it lies on: ``ct`` or ``mri``; masks are given per grid.
    step, item
        Step of the workflow that makes it, and the item in that step's status file.
    label
        Name in figures and pages.
    """

    space: str
    step: str
    item: str
    label: str


IMAGES: dict[str, Image] = {
    "ct": Image("ct", "convert", "ct", "CT number"),
    "vbmd": Image("ct", "calibrate_ct", "vbmd", "vBMD"),
    "pdff": Image("mri", "map_mri", "mri", "PDFF"),
    "r2star": Image("mri", "map_mri", "mri", "R2*"),
    "t2star": Image("mri", "map_mri", "mri", "T2*"),
}
# Masks of a subject: the grid each belongs to.
RATERS: dict[str, tuple[str, int]] = {
    "ct": ("ct", 1),
    "ct_rater2": ("ct", 2),
    "mri": ("mri", 1),
    "mri_rater2": ("mri", 2),
}


def modality_of(item: str) -> str:
    """``ct`` or ``mri``: the grid that an item of a step's status belongs to."""
    if item in RATERS:
        return RATERS[item][0]
    return IMAGES[item].space if item in IMAGES else item
