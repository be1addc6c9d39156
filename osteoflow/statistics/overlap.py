"""Overlap of outlines over the cohort."""

from __future__ import annotations

import pandas as pd

OVERLAP_COLUMNS = ("comparison", "image", "roi", "n", "mean", "sd", "min", "max", "n_one_sided",
                   "n_identical")  # fmt: skip
# Row of each participant's mean over the levels.
ALL_LEVELS = "levels_mean"


def overlap_table(dice: pd.DataFrame) -> pd.DataFrame:
    """Dice coefficients of each level and image, and of the levels' mean per participant.

    Parameters
    ----------
    dice
        ``participant_id``, ``session``, ``comparison``, ``image``, ``roi``, ``dice``. Of several
        sessions a participant counts with the first.

    Returns
    -------
    pandas.DataFrame
        ``OVERLAP_COLUMNS``. ``n_one_sided`` counts levels that only one reading outlined, or at
        different places (Dice 0), ``n_identical`` masks that are equal in every voxel.
    """
    if dice.empty:
        return pd.DataFrame(columns=list(OVERLAP_COLUMNS))
    key = ["participant_id", "comparison", "image"]
    session = dice["session"].astype(object).where(dice["session"].notna(), "")
    rows = dice.assign(session=session.astype(str))
    first = rows.drop_duplicates(key)[[*key, "session"]]
    rows = rows.merge(first, on=[*key, "session"])
    mean = rows.groupby(key, sort=False)["dice"].mean().reset_index().assign(roi=ALL_LEVELS)
    both = pd.concat([rows, mean], ignore_index=True)
    grouped = both.groupby(["comparison", "image", "roi"], sort=True)["dice"]
    table = grouped.agg(n="count", mean="mean", sd="std", min="min", max="max").reset_index()
    for name, value in (("n_one_sided", 0.0), ("n_identical", 1.0)):
        counts = grouped.agg(lambda found, value=value: int((found == value).sum()))
        table[name] = counts.to_numpy()
    return table[list(OVERLAP_COLUMNS)]
