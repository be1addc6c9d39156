"""Radiomic features of regions: one row per image, region and rater."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.measurements import TRABECULAR, UNRELIABLE_SHARE, level_range
from osteoflow.radiomics.extract import extract_regions
from osteoflow.radiomics.grid_notes import grid_notes, voxel_text
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.region_edges import TOUCHES_EDGE, cut_levels
from osteoflow.segmentation.schemes import verse_id


def feature_rows(
    image: Volume,
    labels: np.ndarray,
    levels: Sequence[str],
    per_level: bool,
    settings: RadiomicsSettings,
    identity: Mapping[str, Any],
    vertebrae: np.ndarray | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Features of the trabecular volumes of one image.

    Parameters
    ----------
    image
        Map, shape (i, j, k); voxels that may not be used are NaN.
    labels
        Trabecular volumes in VerSe labels on the same grid.
    levels
        Vertebrae pooled into one region.
    per_level
        Whether each vertebra has a row of its own as well.
    settings
        The recipe.
    identity
        Columns that every row gets (participant, session, image, rater).
    vertebrae
        Whole outlines on the same grid, which tell what the image's border cuts; None: seeded
        outlines have none that could be trusted.

    Returns
    -------
    rows, warnings
        A region that cannot carry features has NaN everywhere and a flag. Flags of regions with
        features: ``missing:L3`` (levels of a pooled region that are not outlined),
        ``touches_edge`` (``touches_edge:L1`` of a pooled one), ``unreliable_voxels:12%`` (without
        a value, where that is more than a tenth).
    """
    rows, warnings = [], grid_notes(image, settings)
    regions = list(_regions(labels, levels, per_level))
    results = extract_regions(image, {roi: mask for roi, mask, *_ in regions}, settings)
    cut = cut_levels(labels, vertebrae, image.affine)
    for roi, mask, held, absent in regions:
        result = results[roi]
        flags = [result.flag] if result.flag else []
        flags += [f"missing:{'+'.join(absent)}"] if absent else []
        flags += [*_edge_flag(held, cut), *_value_flag(image, mask)]
        rows.append(
            {
                **identity,
                "roi": roi,
                "n_voxels": result.n_voxels,
                "voxel_mm": voxel_text(image, settings),
                "flag": ";".join(flags),
                **result.features,
            }
        )
        warnings += [f"{roi}: {text}" for text in [*result.warnings, *flags]]
    return rows, warnings


def _edge_flag(levels: Sequence[str], cut: set[int]) -> list[str]:
    """``touches_edge``, naming the levels of a pooled region that the border cuts."""
    found = [level for level in levels if verse_id(level) in cut]
    if not found:
        return []
    return [TOUCHES_EDGE + (f":{'+'.join(found)}" if len(levels) > 1 else "")]


def _value_flag(image: Volume, mask: np.ndarray) -> list[str]:
    """``unreliable_voxels`` where much of a region has no value."""
    total = int(mask.sum())
    share = 1 - np.isfinite(image.data[mask]).sum() / total if total else 0.0
    return [f"unreliable_voxels:{share:.0%}"] if share > UNRELIABLE_SHARE else []


def pooled_region(labels: np.ndarray, levels: Sequence[str]) -> tuple[str, np.ndarray, list[str]]:
    """Name and mask of the trabecular volumes of several levels, and the levels that lack."""
    ids = [verse_id(level) for level in levels]
    absent = [level for level, i in zip(levels, ids, strict=True) if not (labels == i).any()]
    return level_range(levels) + TRABECULAR, np.isin(labels, ids), absent


def _regions(
    labels: np.ndarray, levels: Sequence[str], per_level: bool
) -> Iterator[tuple[str, np.ndarray, list[str], list[str]]]:
    """Name, mask, levels and missing levels of the pooled region and, if asked for, of each level.

    A level of its own that is not outlined has an empty mask, which says as much.
    """
    roi, mask, absent = pooled_region(labels, levels)
    yield roi, mask, list(levels), absent
    if per_level and len(levels) > 1:
        for level in levels:
            yield level + TRABECULAR, labels == verse_id(level), [level], []
