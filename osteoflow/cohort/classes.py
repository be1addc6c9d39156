"""Columns of the participants table beside the means: acquisition, T-scores, classes of bone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from osteoflow.cohort.made_columns import made_columns
from osteoflow.ct.classify import (
    DXA,
    L1_HU,
    QCT,
    Classified,
    Person,
    Scan,
    classify_l1_hu,
    classify_qct,
    classify_tscore,
)
from osteoflow.ct.header import ACQUISITION, REFERENCE_KVP
from osteoflow.dxa import t_scores
from osteoflow.errors import StudyError
from osteoflow.io.tables import of_reading
from osteoflow.measurements import level_range
from osteoflow.settings.cohort import Cohort, Summary

if TYPE_CHECKING:
    import pandas as pd

LABELS = {QCT: "QCT class", L1_HU: "L1 CT number class", DXA: "DXA class (WHO)"}
# Densities as the vertebra's own mineral read higher than those that the cut-offs were made with.
NOT_AS_BY_PHANTOM = "as by vertebra"
Entries = dict[str, dict[str, str]]


def at_reference_kvp(kvp: float | None) -> bool:
    """Whether a scan is known to be at the tube voltage that cut-offs for CT numbers hold at."""
    return kvp is not None and abs(kvp - REFERENCE_KVP) <= 0.5


def add_columns(
    people: pd.DataFrame,
    measurements: pd.DataFrame,
    scans: Mapping[str, Mapping[str, Any]],
    settings: Cohort,
) -> tuple[pd.DataFrame, Entries]:
    """The participants table with what was made of it, and the new columns' dictionary.

    Parameters
    ----------
    people
        Identity, clinical columns and measured means.
    measurements
        The long table after levels were left out.
    scans
        How each subject's CT was made, as :func:`osteoflow.ct.header.ct_acquisition` gives it.
    settings
        Section ``cohort`` of the configuration.

    Raises
    ------
    StudyError
        A clinical column has the name of a made one; a density by DXA is in another unit.
    """
    made: dict[str, list[Any]] = {}
    entries: Entries = {}
    for name, (label, unit, definition) in ACQUISITION.items():
        made[name] = [scans.get(subject, {}).get(name) for subject in people["subject"]]
        entries[name] = {"label": label, "unit": unit, "definition": definition}
    for item in settings.dxa:
        name = f"{item.column}_tscore"
        try:
            made[name] = t_scores(people[item.column], item.region, item.device).tolist()
        except ValueError as error:
            raise StudyError([f"subjects.tsv: column '{item.column}': {error}"]) from None
        entries[name] = _tscore_entry(item.region)
    for scheme in settings.classes:
        found = _classes(scheme, people, measurements, scans, settings)
        made[f"{scheme}_class"] = [each.name or None for each in found]
        made[f"{scheme}_class_reason"] = [each.reason or None for each in found]
        entries |= _class_entries(scheme)
    clash = [name for name in made if name in people.columns]
    if clash:
        raise StudyError(
            [f"subjects.tsv: column '{name}' has the name of a made one" for name in clash]
        )
    import pandas as pd

    numeric = made_columns(settings)
    series = {
        name: pd.Series(cells, people.index, float if numeric[name] else object)
        for name, cells in made.items()
    }
    return people.assign(**series), entries


def _tscore_entry(region: str) -> dict[str, str]:
    words = region.replace("_", " ")
    return {
        "label": f"T-score, {words}",
        "unit": "SD",
        "definition": f"T-score of the {words} by women of 20 to 29 years in NHANES III "
        "(Looker et al., Osteoporos Int 1998;8:468)",
    }


def _class_entries(scheme: str) -> Entries:
    label = LABELS[scheme]
    words = f"{label} by the cut-offs in resources/bone_classes.tsv"
    return {
        f"{scheme}_class": {"label": label, "unit": "", "definition": words},
        f"{scheme}_class_reason": {
            "label": f"{label}: why none",
            "unit": "",
            "definition": f"Why there is no {label}",
        },
    }


def _classes(
    scheme: str,
    people: pd.DataFrame,
    measurements: pd.DataFrame,
    scans: Mapping[str, Mapping[str, Any]],
    settings: Cohort,
) -> list[Classified]:
    """One class, or reason, per row of the participants table."""
    if scheme == DXA:
        present = "dxa_tscore" in people.columns
        return [
            classify_tscore(float(row["dxa_tscore"]) if present else np.nan, _person(row))
            for row in people.to_dict("records")
        ]
    if scheme == QCT:
        summary = _qct_summary(settings.summaries)
        if summary is None:
            return [Classified(reason="no_mean_vbmd_of_two_levels")] * len(people)
        roi, metric = level_range(summary.levels) + summary.suffix, summary.metric
    else:
        roi, metric, summary = "L1_trabecular", "hu_mean", None
    rows = _rows_by_subject(measurements, metric, roi)
    found = []
    for record in people.to_dict("records"):
        row = rows.get((record["participant_id"], _text(record["session"])))
        value = float(row["value"]) if row is not None else float("nan")
        flag = _text(row["flag"]) if row is not None else ""
        scan, person = _scan(scans.get(record["subject"], {})), _person(record)
        if scheme == QCT:
            if row is not None and NOT_AS_BY_PHANTOM in _text(row.get("method")):
                found.append(Classified(reason="not_as_by_phantom"))
                continue
            unit = row["unit"] if row is not None else ""
            levels = len(summary.levels) - _left_out(flag)
            found.append(classify_qct(value, unit, levels, person, scan))
        elif "left_out:" in flag:
            found.append(Classified(reason="l1_not_intact"))
        else:
            found.append(classify_l1_hu(value, person, scan))
    return found


def _qct_summary(summaries: list[Summary]) -> Summary | None:
    """The mean density that is classified: the first over two levels or more."""
    usable = (
        item
        for item in summaries
        if item.metric == "vbmd_mean" and item.voi != "cortical" and len(item.levels) > 1
    )
    return next(usable, None)


def _rows_by_subject(
    measurements: pd.DataFrame, metric: str, roi: str
) -> dict[tuple[str, str], dict[str, Any]]:
    """The first reading's row of each participant and session."""
    if measurements.empty:
        return {}
    measurements = of_reading(measurements)
    use = (measurements["metric"] == metric) & (measurements["roi"] == roi)
    return {
        (str(row["participant_id"]), _text(row["session"])): row
        for row in measurements[use].to_dict("records")
    }


def _left_out(flag: str) -> int:
    """How many levels a mean's flag says were left out."""
    return sum(
        len(part.removeprefix("left_out:").split("+"))
        for part in flag.split(";")
        if part.startswith("left_out:")
    )


def _person(record: Mapping[str, Any]) -> Person:
    age = record.get("age")
    known = isinstance(age, int | float)
    return Person(
        sex=_text(record.get("sex")) or None,
        age=float(age) if known else None,
        menopause=_text(record.get("menopause")) or None,
    )


def _scan(facts: Mapping[str, Any]) -> Scan:
    contrast = {"yes": True, "no": False}.get(facts.get("ct_contrast"))
    return Scan(kvp=facts.get("ct_kvp"), contrast=contrast)


def _text(value: Any) -> str:
    """Text of a cell; what is missing is empty."""
    return "" if value is None or value != value or value == "n/a" else str(value)  # noqa: PLR0124
