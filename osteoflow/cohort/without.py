"""The cohort's tables without regions that are left out.

Why a region is left out is decided elsewhere; here follows what that does to the numbers. A number
of the region alone goes. A mean over several levels stays for
:func:`osteoflow.cohort.left_out.apply`, which makes it anew of the remaining ones. Any other number
over several regions (pooled features, scores) cannot be made of the tables: it stays as a row
without a value, flagged with the regions it lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from osteoflow.images import RATERS, space_of
from osteoflow.io.tables import feature_columns
from osteoflow.measurements import MEAN_OF_LEVELS, SUFFIXES, levels_of
from osteoflow.segmentation.fingerprint import WHOLE_IMAGE, region_order
from osteoflow.segmentation.structures import SIDES

LEFT_OUT = "left_out:"
# Further structures that a metric rests on, beside the regions that it is named after.
RESTS_ON = {
    "vbq_score": ("csf",),
    "sir_csf": ("csf",),
    "sir_muscle": SIDES["paraspinal_muscle"],
    "sir_fat": ("subcutaneous_fat",),
    "snr_mean": ("air",),
    "m_score": ("air",),
}
Place = tuple[str, str, str, int, int]
Gone = dict[Place, set[str]]


def gone_regions(places: Iterable[tuple[str, str, str, str]]) -> Gone:
    """Regions left out, by what a row of the tables tells of its place.

    Parameters
    ----------
    places
        (participant, session or "", mask item, region) of each.

    Returns
    -------
    dict
        (participant, session or "", space, rater, reading) -> regions.
    """
    gone: Gone = {}
    for participant, session, item, roi in places:
        gone.setdefault((participant, session, *RATERS[item]), set()).add(roi)
    return gone


def without_measurements(measurements: pd.DataFrame, gone: Gone) -> pd.DataFrame:
    """The measurements without regions that are left out.

    Parameters
    ----------
    measurements
        Long table of all subjects.
    gone
        From :func:`gone_regions`.
    """
    return _without(measurements, gone, _changed_measurements)


def without_features(features: pd.DataFrame, gone: Gone) -> pd.DataFrame:
    """The features without regions that are left out: a pooled region that holds one has no
    values, since its features cannot be made of those of its levels."""
    names = feature_columns(features.columns)

    def changed(rows: list[dict[str, Any]], out: set[str]) -> list[dict[str, Any] | None]:
        result: list[dict[str, Any] | None] = []
        for row in rows:
            lost = _lost(regions_of(row["roi"]), out)
            if not lost:
                result.append({})
            elif len(lost) == len(regions_of(row["roi"])):
                result.append(None)
            else:
                result.append({**dict.fromkeys(names, np.nan), **_flagged(row, lost)})
        return result

    return _without(features, gone, changed)


def without_overlap(
    agreement: pd.DataFrame, gone: Mapping[tuple[str, str], set[str]]
) -> pd.DataFrame:
    """One subject's overlap of readings without regions that either reading lost.

    Parameters
    ----------
    agreement
        Columns ``comparison``, ``image`` (``seg_ct``) and ``roi``.
    gone
        (space, comparison) -> regions left out of either mask.
    """
    if agreement.empty or not gone:
        return agreement
    columns = (agreement[name] for name in ("comparison", "image", "roi"))
    kept = [
        not _lost({roi}, gone.get((space_of(image), comparison), set()))
        for comparison, image, roi in zip(*columns, strict=True)
    ]
    return agreement[kept]


def _without(table: pd.DataFrame, gone: Gone, changed: Any) -> pd.DataFrame:
    """Rows of places with regions left out, dropped or changed; all others as they were."""
    if table.empty or not gone:
        return table
    # A column of flags without any is one of numbers.
    table = table.reset_index(drop=True).astype({"flag": "str"})
    sessions = ["" if pd.isna(value) else str(value) for value in table["session"]]
    spaces = table["image"].map(space_of)
    who = (table[column].astype(int) for column in ("rater", "reading"))
    places = zip(table["participant_id"], sessions, spaces, *who, strict=True)
    by_place: dict[Place, list[int]] = {}
    for number, place in enumerate(places):
        if place in gone:
            by_place.setdefault(place, []).append(number)
    dropped: list[int] = []
    for place, numbers in by_place.items():
        rows = table.iloc[numbers].to_dict("records")
        for number, change in zip(numbers, changed(rows, gone[place]), strict=True):
            if change is None:
                dropped.append(number)
            elif change:
                table.loc[number, list(change)] = list(change.values())
    return table.drop(index=dropped).reset_index(drop=True)


def _changed_measurements(rows: list[dict[str, Any]], out: set[str]) -> list[dict[str, Any] | None]:
    """Of each row what changes: None drops it, an empty mapping leaves it."""
    result: list[dict[str, Any] | None] = []
    for row in rows:
        own = regions_of(row["roi"])
        lost = _lost(own | set(RESTS_ON.get(row["metric"], ())), out)
        if own <= lost:
            result.append(None)
        elif not lost or str(row["method"]).endswith(MEAN_OF_LEVELS):
            result.append({})
        else:
            result.append({"value": np.nan, **_flagged(row, lost)})
    return result


def _flagged(row: Mapping[str, Any], lost: set[str]) -> dict[str, str]:
    return {"flag": ";".join([_lacks(lost), *_flags(row)])}


def _flags(row: Mapping[str, Any]) -> list[str]:
    flag = row["flag"]
    return [part for part in flag.split(";") if part] if isinstance(flag, str) else []


def _lacks(lost: set[str]) -> str:
    return LEFT_OUT + "+".join(sorted(lost, key=region_order))


def _lost(regions: set[str], out: set[str]) -> set[str]:
    return set(regions) if WHOLE_IMAGE in out else regions & out


def regions_of(roi: str) -> set[str]:
    """Outlined regions that a region of the tables is made of: ``L1-L2_trabecular`` -> L1, L2."""
    name = roi
    for suffix in SUFFIXES.values():
        name = name.removesuffix(suffix)
    if name in SIDES:
        return set(SIDES[name])
    return set(levels_of(roi)) or {name}
