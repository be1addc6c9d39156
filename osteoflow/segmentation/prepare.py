"""From a mask as it was given to labelled vertebrae and trabecular volumes on the image grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.masks import read_mask
from osteoflow.io.outside import permission_denied
from osteoflow.io.volume import Volume
from osteoflow.segmentation.agreement import dice
from osteoflow.segmentation.grid import check_levels, drop_slips, to_image_grid
from osteoflow.segmentation.schemes import level_name, to_verse
from osteoflow.segmentation.voi import trabecular_voi


@dataclass(frozen=True)
class PreparedMask:
    """Whole vertebrae and trabecular volumes in VerSe labels, each with its warnings."""

    labels: Volume
    voi: Volume
    label_warnings: list[str]
    voi_warnings: list[str]


def prepare_mask(
    given: Mapping[str, Any] | None, study: Path, image: Volume, erosion_mm: float
) -> PreparedMask:
    """Read one mask, bring it to the image grid and derive the trabecular volumes.

    Parameters
    ----------
    given
        Inventory entry of the mask (``path``, ``scheme``, perhaps ``missing``); None where the
        subjects table names none.
    study
        Folder where relative paths start.
    image
        Image whose grid counts; echoes of a stack share it.
    erosion_mm
        Distance by which the mask's surface is moved inwards.

    Raises
    ------
    SubjectDataError
        ``mask_not_given``, ``mask_missing``, ``permission_denied``, and those of the parts.
    """
    if given is None:
        raise SubjectDataError(
            "mask_not_given",
            "the subjects table names no mask of this image",
            "Outline the vertebrae and name the mask in the subjects table.",
        )
    if given.get("denied"):
        raise permission_denied("the mask file named in the subjects table may not be read")
    if given.get("missing"):
        raise SubjectDataError(
            "mask_missing",
            "the mask file named in the subjects table does not exist or cannot be opened",
            "Check the path in the subjects table, and that it names the file with its ending.",
        )
    if image.data.ndim == 4:
        image = image.like(image.data[..., 0])
    mask = read_mask(study / given["path"])
    labels, notes = to_verse(mask.data, given["scheme"])
    placed, more = to_image_grid(mask.like(labels), image)
    placed, slips = drop_slips(placed)
    warnings = [*notes, *more, *slips, *check_levels(placed)]
    voi, voi_warnings = trabecular_voi(placed, erosion_mm)
    return PreparedMask(placed, voi, warnings, voi_warnings)


def agreement_rows(first: Volume, second: Volume, image: str) -> list[dict[str, Any]]:
    """Overlap of two raters' masks for every level that either outlined."""
    present = sorted({int(v) for mask in (first, second) for v in np.unique(mask.data)} - {0})
    return [
        {"image": image, "roi": level_name(label), "dice": dice(first, second, label)}
        for label in present
    ]
