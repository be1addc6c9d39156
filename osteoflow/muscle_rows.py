"""Muscle and its fat by CT number, where muscles are outlined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.measurements import FEW_VOXELS, level_range
from osteoflow.segmentation.schemes import verse_id
from osteoflow.segmentation.structures import (
    SIDES,
    level_extent,
    structure_mask,
    within_extent,
)

# Aubrey et al., Acta Physiol 2014;210:489: CT numbers of muscle, and of fat between its fibres.
MUSCLE_HU = (-29.0, 150.0)
FAT_HU = (-190.0, -30.0)


def muscle_rows(ct: Volume, labels: Volume, levels: Sequence[str]) -> list[dict[str, Any]]:
    """CT number and fat of each outlined muscle at the height of some levels.

    Parameters
    ----------
    ct
        CT numbers in HU.
    labels
        Vertebrae in VerSe ids and further structures, on the same grid.
    levels
        Vertebrae at whose height the muscles are measured; none: wherever they are outlined.

    Returns
    -------
    list of dict
        Rows of ``muscle_hu_mean`` (HU) and ``muscle_fat_share`` (%) of either side and of both;
        none without an outline of a muscle. Without a value and flagged ``level_missing`` where
        the mask lacks a level, ``structure_missing`` where a side is not outlined at that height.

    Raises
    ------
    ValueError
        The grids differ.

    Notes
    -----
    The ranges are those of unenhanced CT; a contrast agent raises muscle by some HU.
    """
    if not ct.same_grid(labels):
        raise ValueError("the CT and its labels lie on different grids")
    outlined = [m for m in SIDES if structure_mask(labels.data, m).any()]
    if not outlined:
        return []
    ids = [verse_id(level) for level in levels]
    missing = [v for v in ids if not (labels.data == v).any()]
    where = f"at the height of {level_range(levels)}" if levels else "wherever outlined"
    extent = level_extent(labels, ids) if ids and not missing else None
    rows = []
    for muscle in outlined:
        for roi in (*SIDES[muscle], muscle):
            mask = structure_mask(labels.data, roi)
            if missing:
                mask = np.zeros_like(mask)
            elif extent is not None:
                mask = within_extent(mask, labels.affine, extent)
            values = ct.data[mask]
            flag = "level_missing" if missing else "" if values.size else "structure_missing"
            rows += _rows(roi, values[np.isfinite(values)], where, flag)
    return rows


def _rows(roi: str, values: np.ndarray, where: str, flag: str) -> list[dict[str, Any]]:
    """The two rows of one muscle or side."""
    muscle, fat = ((values >= low) & (values <= high) for low, high in (MUSCLE_HU, FAT_HU))
    found = int(muscle.sum()), int((muscle | fat).sum())
    nan = float("nan")
    entries = (
        ("muscle_hu_mean", float(values[muscle].mean()) if found[0] else nan, "HU", found[0]),
        ("muscle_fat_share", 100 * float(fat.sum()) / found[1] if found[1] else nan, "%", found[1]),
    )
    return [
        {
            "roi": roi,
            "image": "ct",
            "metric": metric,
            "value": value,
            "unit": unit,
            "method": f"CT numbers of muscle {MUSCLE_HU[0]:g} to {MUSCLE_HU[1]:g}, of fat "
            f"{FAT_HU[0]:g} to {FAT_HU[1]:g} HU; {where}",
            "n_voxels": count,
            "flag": flag or ("few_voxels" if count < FEW_VOXELS else ""),
        }
        for metric, value, unit, count in entries
    ]
