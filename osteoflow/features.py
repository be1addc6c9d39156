"""Radiomic features of regions: one row per image, region and rater."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.measurements import TRABECULAR, level_range
from osteoflow.radiomics.extract import extract_regions
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.segmentation.schemes import verse_id


def feature_rows(
    image: Volume,
    labels: np.ndarray,
    levels: Sequence[str],
    per_level: bool,
    settings: RadiomicsSettings,
    identity: Mapping[str, Any],
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

    Returns
    -------
    rows, warnings
        A region that cannot carry features has NaN everywhere and a flag; levels that are not
        outlined are named in the pooled region's flag (``missing:L3``).
    """
    rows, warnings = [], []
    regions = list(_regions(labels, levels, per_level))
    results = extract_regions(image, {roi: mask for roi, mask, _ in regions}, settings)
    for roi, _, absent in regions:
        result = results[roi]
        flags = [result.flag] if result.flag else []
        flags += [f"missing:{'+'.join(absent)}"] if absent else []
        rows.append(
            {
                **identity,
                "roi": roi,
                "n_voxels": result.n_voxels,
                "flag": ";".join(flags),
                **result.features,
            }
        )
        warnings += [f"{roi}: {text}" for text in [*result.warnings, *flags]]
    return rows, warnings


def pooled_region(labels: np.ndarray, levels: Sequence[str]) -> tuple[str, np.ndarray, list[str]]:
    """Name and mask of the trabecular volumes of several levels, and the levels that lack."""
    ids = [verse_id(level) for level in levels]
    absent = [level for level, i in zip(levels, ids, strict=True) if not (labels == i).any()]
    return level_range(levels) + TRABECULAR, np.isin(labels, ids), absent


def _regions(
    labels: np.ndarray, levels: Sequence[str], per_level: bool
) -> Iterator[tuple[str, np.ndarray, list[str]]]:
    """Name, mask and missing levels of the pooled region and, if asked for, of each level."""
    yield pooled_region(labels, levels)
    if per_level and len(levels) > 1:
        for level in levels:
            yield level + TRABECULAR, labels == verse_id(level), []
