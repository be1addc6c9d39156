"""The images that can be measured: on which grid each lies and which step makes it.

A new map is one entry here, its file name in :mod:`osteoflow.layout` and its rows in
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
# Voxels of each grid whose maps may be used.
QUALITY = {"mri": "quality", "t2": "t2_quality", "dwi": "adc_quality"}
# Images whose grid counts for the masks of each space; the first one that exists.
GRIDS: dict[str, tuple[str, ...]] = {
    "ct": ("ct",),
    "mri": ("mag", "scanner_pdff", "scanner_water"),
    "t2": ("mese",),
    "dwi": ("dwi", "scanner_adc"),
    "t1w": ("t1w",),
}
# Masks of a subject: the grid each belongs to.
RATERS: dict[str, tuple[str, int]] = {
    "ct": ("ct", 1),
    "ct_rater2": ("ct", 2),
    "mri": ("mri", 1),
    "mri_rater2": ("mri", 2),
    "t2": ("t2", 1),
    "dwi": ("dwi", 1),
    "t1w": ("t1w", 1),
}
# Grids of MRI that most subjects lack, and that a mask of the vertebrae in `mri_mask` is carried
# to by position where they have no mask of their own.
FURTHER_MRI = ("t2", "dwi", "t1w")


def modality_of(item: str) -> str:
    """The acquisition that an item of a step's status belongs to: ``ct``, ``mri``, ``t2`` ..."""
    if item in RATERS:
        return RATERS[item][0]
    if item == "scores":
        return "t1w"
    return IMAGES[item].space if item in IMAGES else item
