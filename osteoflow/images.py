"""The images that can be measured: on which grid each lies and which step makes it.

A new map is one entry here, its file name in :mod:`osteoflow.layout` and its rows in
``resources/measurements.tsv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Image:
    """One kind of image.

    Parameters
    ----------
    space
        Grid it lies on, one of :data:`GRIDS`; masks are given per grid.
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
    "sff": Image("mri", "map_mri", "mri", "Signal fat fraction"),
    "r2star": Image("mri", "map_mri", "mri", "R2*"),
    "t2star": Image("mri", "map_mri", "mri", "T2*"),
    "t2star_in_phase": Image("mri", "map_mri", "mri", "T2*, in-phase echoes"),
    "swap": Image("mri", "map_mri", "mri", "Suspected water-fat swap"),
    "t2": Image("t2", "map_mri", "t2", "T2"),
    "b1": Image("t2", "map_mri", "t2", "B1"),
    "adc": Image("dwi", "map_mri", "dwi", "ADC"),
}
# Images in arbitrary units, as they were acquired: no map, so nothing of them is measured but
# scores (T1w) and, after normalisation, radiomic features.
WEIGHTED: dict[str, Image] = {
    "t1w": Image("t1w", "convert", "t1w", "T1w"),
    "t2w": Image("t2w", "convert", "t2w", "T2w"),
}
# What radiomic features can be extracted from.
RADIOMICS: dict[str, Image] = {
    **{name: IMAGES[name] for name in ("ct", "vbmd", "pdff", "r2star", "t2star", "t2")},
    **WEIGHTED,
}
# Measurements that are no map's: of the calibration, of muscles in CT, of marrow fat in densities.
OF_CT = ("ct_calibration", "muscle_ct", "vbmd_fat")
# Voxels of each grid whose maps may be used.
QUALITY = {"mri": "quality", "t2": "t2_quality", "dwi": "adc_quality"}
# Images whose grid counts for the masks of each space; the first one that exists.
GRIDS: dict[str, tuple[str, ...]] = {
    "ct": ("ct",),
    "mri": ("mag", "scanner_pdff", "scanner_water"),
    "t2": ("mese",),
    "dwi": ("dwi", "scanner_adc"),
    "t1w": ("t1w",),
    "t2w": ("t2w",),
}


class Outline(NamedTuple):
    """Whose outlines a mask holds: its grid, the rater, and the how-manieth time he outlined it."""

    space: str
    rater: int
    reading: int


# What follows the grid in the names of a mask's column and of its item, and who outlined it.
FIRST_READING = (1, 1)
READINGS: dict[str, tuple[int, int]] = {
    "": FIRST_READING,
    "_rater2": (2, 1),
    "_repeat": (1, 2),
}
# Which comparison the outlines of each further reading serve, beside the first ones.
COMPARISONS: dict[str, str] = {"_rater2": "inter_rater", "_repeat": "intra_rater"}
# Masks of a subject: the grid each belongs to and who outlined it.
RATERS: dict[str, Outline] = {
    space + suffix: Outline(space, *who) for space in GRIDS for suffix, who in READINGS.items()
}
# Grids of MRI that most subjects lack, and that a mask of the vertebrae in `mri_mask` is carried
# to by position where they have no mask of their own.
FURTHER_MRI = ("t2", "dwi", "t1w", "t2w")


def mask_column(item: str) -> str:
    """Column of the subjects table that names a mask: ``ct_rater2`` -> ``ct_mask_rater2``."""
    space = RATERS[item].space
    return f"{space}_mask{item.removeprefix(space)}"


def is_further_reading(item: str) -> bool:
    """Whether an item of a step's status is a mask beside the one that the study measures."""
    return item in RATERS and RATERS[item][1:] != FIRST_READING


def space_of(image: str) -> str:
    """Grid that the measurements of an image rest on: ``vbmd`` -> ``ct``, ``seg_mri`` -> ``mri``.

    Scores are of the T1-weighted image.
    """
    if image in IMAGES:
        return IMAGES[image].space
    if image in WEIGHTED:
        return WEIGHTED[image].space
    if image.startswith("seg_"):
        return image.removeprefix("seg_")
    return "ct" if image in OF_CT else "t1w"


def modality_of(item: str) -> str:
    """The acquisition that an item of a step's status belongs to: ``ct``, ``mri``, ``t2`` ..."""
    if item in RATERS:
        return RATERS[item].space
    if item == "scores":
        return "t1w"
    return IMAGES[item].space if item in IMAGES else item
