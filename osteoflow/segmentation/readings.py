"""Further readings of an image: which mask each takes, and how far it overlaps the first one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from osteoflow.images import COMPARISONS, FURTHER_MRI, GRIDS, RATERS, mask_column
from osteoflow.io.volume import Volume
from osteoflow.segmentation.agreement import dice
from osteoflow.segmentation.schemes import level_name
from osteoflow.segmentation.structures import is_vertebra

AGREEMENT_COLUMNS = ("comparison", "image", "roi", "dice")
IDENTICAL = (
    "identical_masks: this mask equals the first one voxel by voxel; check that the file is not a "
    "copy, which would say nothing about agreement"
)


def given_mask(masks: Mapping[str, Any], item: str) -> Any:
    """Inventory entry of an item's mask; None where the subjects table names none.

    A grid of MRI without a mask of its own takes the one of ``mri``, of the same reading: outlines
    that were drawn on one image are never compared with outlines of another.

    Parameters
    ----------
    masks
        The subject's masks in the inventory by their column.
    item
        A mask of :data:`osteoflow.images.RATERS`.
    """
    space = RATERS[item].space
    found = masks.get(mask_column(item))
    if found is None and space in FURTHER_MRI and f"{space}_mask" not in masks:
        found = masks.get(mask_column("mri" + item.removeprefix(space)))
    return found


def is_identical(first: Volume | None, second: Volume) -> bool:
    """Whether two label maps on one grid are equal in every voxel; False without a first one."""
    return first is not None and bool(np.array_equal(first.data, second.data))


def agreement_rows(prepared: Mapping[str, Volume]) -> list[dict[str, Any]]:
    """Overlap of each further reading with the first, for every level that either outlined.

    Further structures are outlined as far as each rater needs them: they have no rows.

    Parameters
    ----------
    prepared
        Label maps by their item in :data:`osteoflow.images.RATERS`; those that are usable.

    Returns
    -------
    list of dict
        ``AGREEMENT_COLUMNS``: 2 |A and B| / (|A| + |B|) of whole vertebrae; 0 for a level that
        one reading lacks.
    """
    rows = []
    for space in GRIDS:
        for suffix, comparison in COMPARISONS.items():
            if space in prepared and space + suffix in prepared:
                pair = prepared[space], prepared[space + suffix]
                rows += _overlaps(*pair, {"comparison": comparison, "image": f"seg_{space}"})
    return rows


def _overlaps(first: Volume, second: Volume, about: dict[str, str]) -> list[dict[str, Any]]:
    outlined = (mask.data[is_vertebra(mask.data)] for mask in (first, second))
    present = sorted({int(v) for labels in outlined for v in np.unique(labels)})
    return [
        {**about, "roi": level_name(label), "dice": dice(first, second, label)} for label in present
    ]
