"""Agreement of the two raters, for measurements and for radiomic features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from osteoflow.io.tables import feature_columns
from osteoflow.statistics.agreement import bland_altman, icc_of_columns
from osteoflow.statistics.sessions import session_names

RELIABILITY_COLUMNS = (
    "kind", "image", "roi", "variable", "n",
    "icc21", "icc21_low", "icc21_high", "icc31", "icc31_low", "icc31_high",
)  # fmt: skip
BLAND_ALTMAN_COLUMNS = (
    "image", "roi", "variable", "unit", "n",
    "bias", "bias_low", "bias_high", "loa_low", "loa_high",
)  # fmt: skip
POINT_COLUMNS = ("image", "roi", "variable", "unit", "participant_id", "mean", "difference")

_KEY = ["participant_id", "session"]


def reliability_table(measurements: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """ICC(2,1) and ICC(3,1) of every measurement and feature that two raters have.

    Parameters
    ----------
    measurements
        Long: participant_id, session, rater, roi, image, metric, value.
    features
        Wide: participant_id, session, rater, roi, image, feature columns.

    Returns
    -------
    pandas.DataFrame
        ``RELIABILITY_COLUMNS``; empty without a second rater.

    Raises
    ------
    ValueError
        If a value is there twice for one rater.
    """
    parts = []
    pairs = _measurement_pairs(measurements)
    if len(pairs):
        wide = pairs.set_index([*_KEY, "image", "roi", "metric"])
        for (image, roi), block in wide.groupby(level=["image", "roi"], sort=True):
            first, second = (
                # unstack, unlike pivot_table, never averages rows that should not be there
                block[rater].unstack("metric").droplevel(["image", "roi"]).sort_index()  # noqa: PD010
                for rater in ("rater_1", "rater_2")
            )
            parts.append(_icc_rows("measurement", image, roi, first, second))
    names = feature_columns(features.columns)
    if len(features) and "rater" in features.columns:
        for (image, roi), block in _with_session(features).groupby(["image", "roi"], sort=True):
            raters = []
            for rater in (1, 2):
                rows = block[block["rater"].astype(int) == rater].set_index(_KEY)[names]
                if not rows.index.is_unique:
                    raise ValueError(f"features of {roi} in {image} are there twice for one rater")
                raters.append(rows.astype(float))
            shared = raters[0].index.intersection(raters[1].index).sort_values()
            if len(shared):
                first, second = (rows.loc[shared].dropna(axis=1, how="all") for rows in raters)
                both = [name for name in first.columns if name in second.columns]
                parts.append(_icc_rows("feature", image, roi, first[both], second[both]))
    if not parts:
        return pd.DataFrame(columns=list(RELIABILITY_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(RELIABILITY_COLUMNS)]


def bland_altman_tables(measurements: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bland-Altman analysis of every measurement with at least three pairs, and its points.

    Differences are rater 1 minus rater 2.

    Returns
    -------
    tuple of pandas.DataFrame
        ``BLAND_ALTMAN_COLUMNS`` and ``POINT_COLUMNS``.

    Raises
    ------
    ValueError
        If a value is there twice for one rater.
    """
    rows, points = [], []
    pairs = _measurement_pairs(measurements)
    if len(pairs):
        for (image, roi, metric), block in pairs.groupby(["image", "roi", "metric"], sort=True):
            complete = block.dropna(subset=["rater_1", "rater_2"])
            if len(complete) < 3:
                continue
            unit = str(complete["unit"].iloc[0])
            found = bland_altman(complete["rater_1"], complete["rater_2"])
            rows.append(
                (
                    image, roi, metric, unit, found.n, found.bias, found.bias_low,
                    found.bias_high, found.loa_low, found.loa_high,
                )
            )  # fmt: skip
            points.append(
                pd.DataFrame(
                    {
                        "image": image,
                        "roi": roi,
                        "variable": metric,
                        "unit": unit,
                        "participant_id": complete["participant_id"].to_numpy(),
                        "mean": (complete["rater_1"] + complete["rater_2"]).to_numpy() / 2,
                        "difference": (complete["rater_1"] - complete["rater_2"]).to_numpy(),
                    }
                )
            )
    table = pd.DataFrame(rows, columns=list(BLAND_ALTMAN_COLUMNS))
    if not points:
        return table, pd.DataFrame(columns=list(POINT_COLUMNS))
    return table, pd.concat(points, ignore_index=True)


def _icc_rows(
    kind: str, image: str, roi: str, first: pd.DataFrame, second: pd.DataFrame
) -> pd.DataFrame:
    found = icc_of_columns(first, second)
    found = found.rename_axis("variable").reset_index()
    return found.assign(kind=kind, image=image, roi=roi)


def _measurement_pairs(measurements: pd.DataFrame) -> pd.DataFrame:
    """Measurements that both raters have, side by side."""
    if measurements.empty or "rater" not in measurements.columns:
        return pd.DataFrame()
    key = [*_KEY, "image", "roi", "metric"]
    table = _with_session(measurements)
    raters = []
    for rater in (1, 2):
        rows = table.loc[table["rater"].astype(int) == rater, [*key, "unit", "value"]]
        if rows.duplicated(key).any():
            raise ValueError(f"rater {rater} has a measurement twice")
        raters.append(rows.rename(columns={"value": f"rater_{rater}"}))
    second = raters[1].drop(columns="unit")
    pairs = raters[0].merge(second, on=key, how="inner", validate="one_to_one")
    for column in ("rater_1", "rater_2"):
        pairs[column] = pairs[column].astype(float).replace([np.inf, -np.inf], np.nan)
    return pairs.sort_values(key, ignore_index=True)


def _with_session(table: pd.DataFrame) -> pd.DataFrame:
    """The table with text sessions, "" where there is none, so that rows can be matched."""
    return table.assign(
        session=session_names(table), participant_id=table["participant_id"].astype(str)
    )
