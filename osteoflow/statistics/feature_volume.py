"""Radiomic features that hardly say more than how large their region is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from osteoflow.io.tables import feature_columns, of_reading
from osteoflow.statistics.correlation import correlate
from osteoflow.statistics.intervals import benjamini_hochberg
from osteoflow.statistics.readings import usable_rows
from osteoflow.statistics.sessions import of_same_sessions

FEATURE_VOLUME_COLUMNS = (
    *("image", "roi", "feature", "volume", "n", "rho", "rho_low", "rho_high", "p", "p_fdr"),
    *("volume_confounded", "note"),
)
# What holds the region's volume, the best first. Voxels alone are one where all are equally large.
VOLUMES = ("original_shape_MeshVolume", "original_shape_VoxelVolume", "n_voxels")
COUNTED = "the volume is a number of voxels, which may differ in size between scans"


def feature_volume_table(
    features: pd.DataFrame, people: pd.DataFrame, threshold: float
) -> pd.DataFrame:
    """Spearman's correlation of every feature with its region's volume over the cohort.

    A feature that is a disguised volume carries the volume into a model and may look prognostic or
    reproducible because of it (Welch et al., Radiother Oncol 2019;130:2: a published signature did
    no better than the tumour's volume; Traverso et al., Phys Med 2020;71:24).

    Parameters
    ----------
    features
        The cohort's features. The first reading of rater 1 counts, of regions that hold all their
        levels.
    people
        One row per participant: the session that counts.
    threshold
        ``volume_confounded`` is ``yes`` where the lower 95 % limit of rho's absolute value exceeds
        this, ``no`` otherwise, and missing where there is no correlation.

    Returns
    -------
    pandas.DataFrame
        ``FEATURE_VOLUME_COLUMNS``: one row per image, region and feature; ``volume`` names the
        column that holds the volume, which has no row of its own. Limits as of
        :func:`osteoflow.statistics.correlation.correlate`; ``p_fdr`` adjusts for all features of
        the image and region (Benjamini and Hochberg).
    """
    if features.empty:
        return pd.DataFrame(columns=list(FEATURE_VOLUME_COLUMNS))
    rows = usable_rows(of_same_sessions(of_reading(features), people))
    names = feature_columns(rows.columns)
    parts = [
        _of_region(block, names, str(image), str(roi), threshold)
        for (image, roi), block in rows.groupby(["image", "roi"], sort=True)
    ]
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(FEATURE_VOLUME_COLUMNS))
    return pd.concat(filled, ignore_index=True)[list(FEATURE_VOLUME_COLUMNS)]


def _of_region(
    block: pd.DataFrame, names: list[str], image: str, roi: str, threshold: float
) -> pd.DataFrame:
    made = [name for name in names if block[name].notna().any()]
    found = [name for name in VOLUMES if name in block.columns and block[name].notna().any()]
    if not made or not found:
        return pd.DataFrame()
    volume = block[found[0]].to_numpy(dtype=float)
    rows = [
        {"image": image, "roi": roi, "feature": name, "volume": found[0]}
        | _correlation(block[name].to_numpy(dtype=float), volume, found[0])
        for name in made
        if name != found[0]
    ]
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    least = np.maximum(np.maximum(table["rho_low"], -table["rho_high"]), 0.0)
    flag = pd.Series(np.where(least > threshold, "yes", "no"), table.index, dtype=object)
    return table.assign(
        p_fdr=benjamini_hochberg(table["p"]),
        volume_confounded=flag.where(table["rho"].notna(), None),
    )


def _correlation(values: np.ndarray, volume: np.ndarray, column: str) -> dict[str, object]:
    """One feature's correlation; NaN with a note where there is none."""
    both = np.isfinite(values) & np.isfinite(volume)
    nan = float("nan")
    notes = [COUNTED] if column == "n_voxels" else []
    numbers = dict.fromkeys(("rho", "rho_low", "rho_high", "p"), nan)
    try:
        found = correlate(values[both], volume[both])
        numbers = {"rho": found.r, "rho_low": found.low, "rho_high": found.high, "p": found.p}
        if not np.isfinite(found.r):
            notes.append("the feature or the volume does not vary")
    except ValueError as error:
        notes.append(str(error))
    return {"n": int(both.sum()), **numbers, "note": "; ".join(notes)}
