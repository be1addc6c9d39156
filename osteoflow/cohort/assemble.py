"""The cohort's tables, from every subject's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from osteoflow.cohort.without import (
    gone_regions,
    without_features,
    without_measurements,
    without_overlap,
)
from osteoflow.ct.marrow_fat import fat_error_rows
from osteoflow.errors import StudyError
from osteoflow.images import COMPARISONS, RATERS, modality_of
from osteoflow.io.tables import (
    EXCLUSION_COLUMNS,
    FEATURE_KEYS,
    MEASUREMENT_COLUMNS,
    PERTURBED_KEYS,
    concatenate,
    of_reading,
    read_table,
)
from osteoflow.layout import SubjectFiles
from osteoflow.measurements import dictionary, level_range
from osteoflow.settings.cohort import Summary
from osteoflow.subjects import SubjectsTable, is_number
from osteoflow.wording import unit_name

KEY = ["participant_id", "session"]
FAT_ERROR = "vbmd_fat"


def join_subjects(
    done: Sequence[SubjectFiles],
    left_out: Sequence[tuple[str, str, str, str]],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Measurements, features and overlap of readings of all subjects.

    Parameters
    ----------
    done
        Subjects with results.
    left_out
        (participant, session, mask item, region) of every region that the cohort does not use.
    """
    gone = gone_regions(left_out)
    measurements = concatenate(
        (read_table(files.measurements) for files in done), MEASUREMENT_COLUMNS
    )
    features = concatenate((read_table(files.features) for files in done), FEATURE_KEYS)
    by_subject: dict[tuple[str, str], dict[tuple[str, str], set[str]]] = {}
    for participant, session, item, roi in left_out:
        pairs = by_subject.setdefault((participant, session), {})
        space = RATERS[item].space
        for suffix, comparison in COMPARISONS.items():
            if item in (space, space + suffix):
                pairs.setdefault((space, comparison), set()).add(roi)
    agreement = [
        without_overlap(
            read_table(files.agreement), by_subject.get((files.participant_id, files.session), {})
        ).assign(participant_id=files.participant_id, session=files.session or None)
        for files in done
    ]
    columns = ["participant_id", "session", "comparison", "image", "roi", "dice"]
    return (
        without_measurements(measurements, gone),
        without_features(features, gone),
        concatenate(agreement, columns)[columns],
    )


def join_perturbed(
    done: Sequence[SubjectFiles],
    left_out: Sequence[tuple[str, str, str, str]],
) -> pd.DataFrame:
    """Features of perturbed images of those who have any (see :func:`join_subjects`)."""
    tables = (
        read_table(files.perturbed_features) for files in done if files.perturbed_features.exists()
    )
    found = concatenate(tables, PERTURBED_KEYS)
    return without_features(found, gone_regions(left_out))


def fat_errors_anew(measurements: pd.DataFrame) -> pd.DataFrame:
    """The table with the estimates of marrow fat's effect as its densities and fractions are now.

    They follow whatever was left out of either.
    """
    kept = measurements[measurements["image"] != FAT_ERROR]
    if len(kept) == len(measurements):
        return measurements
    use = kept[kept["metric"].isin(["vbmd_mean", "pdff_mean"])]
    use = use.assign(flag=use["flag"].astype(object).where(use["flag"].notna(), ""))
    rows: list[dict[str, Any]] = []
    for _, group in use.groupby(KEY, sort=False, dropna=False):
        rows += fat_error_rows(group.to_dict("records"))
    more = pd.DataFrame(rows, columns=list(measurements.columns))
    joined = pd.concat([kept, more], ignore_index=True)
    order = joined.groupby(KEY, sort=False, dropna=False).ngroup()
    return joined.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def participants_table(
    table: SubjectsTable, measurements: pd.DataFrame, summaries: Sequence[Summary]
) -> pd.DataFrame:
    """One row per scan session: identity, clinical columns, measured summaries.

    A clinical column is numeric if every filled cell is a number, otherwise text.

    Raises
    ------
    StudyError
        A clinical column has the name of a summary.
    """
    clash = [s.column for s in summaries if s.column in table.clinical_columns]
    if clash:
        raise StudyError(
            [f"subjects.tsv: column '{name}' has the name of a measured summary" for name in clash]
        )
    people = pd.DataFrame(
        {
            "subject": [s.name for s in table.subjects],
            "participant_id": [s.participant_id for s in table.subjects],
            "session": [s.session or None for s in table.subjects],
        }
    )
    for column in table.clinical_columns:
        people[column] = typed([s.clinical[column] for s in table.subjects])
    measured = of_reading(measurements)
    for summary in summaries:
        people[summary.column] = _summary_values(people, measured, summary)
    return people


def typed(cells: Sequence[str]) -> pd.Series:
    """Numbers where every filled cell is one, text otherwise; empty cells are missing."""
    if all(is_number(cell) for cell in cells if cell):
        return pd.Series([float(cell) if cell else float("nan") for cell in cells], dtype=float)
    return pd.Series([cell or None for cell in cells], dtype=object)


def _summary_values(people: pd.DataFrame, measured: pd.DataFrame, summary: Summary) -> list[float]:
    roi = level_range(summary.levels) + summary.suffix
    if measured.empty:
        return [float("nan")] * len(people)
    rows = measured[(measured["metric"] == summary.metric) & (measured["roi"] == roi)]
    if len(summary.levels) == 1:
        # One level has no mean that could be without it.
        flags = rows["flag"].astype(object).fillna("").astype(str)
        rows = rows[~flags.str.contains("left_out:").astype(bool)]
    values = {(row.participant_id, _session(row.session)): row.value for row in rows.itertuples()}
    return [
        values.get((row.participant_id, _session(row.session)), float("nan"))
        for row in people.itertuples()
    ]


def _session(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def columns_dictionary(
    table: SubjectsTable, measurements: pd.DataFrame, summaries: Sequence[Summary]
) -> dict[str, dict[str, str]]:
    """Label, unit and definition of every column of the participants table.

    The unit of a bone density names its mineral, as the measurements do.
    """
    known: dict[str, dict[str, str]] = {
        "subject": {"label": "Subject", "unit": "", "definition": "Participant and session"},
        "participant_id": {"label": "Participant", "unit": "", "definition": "Participant"},
        "session": {"label": "Session", "unit": "", "definition": "Scan session"},
    }
    for column in table.clinical_columns:
        known[column] = {
            "label": CLINICAL_LABELS.get(column, (column.replace("_", " "), ""))[0],
            "unit": CLINICAL_LABELS.get(column, ("", ""))[1],
            "definition": "Column of the study's subjects table",
        }
    for summary in summaries:
        entry = dictionary()[summary.metric]
        units = sorted(
            set(measurements.loc[measurements["metric"] == summary.metric, "unit"].dropna())
            if len(measurements)
            else []
        )
        known[summary.column] = {
            "label": f"{entry['label']}{'' if summary.voi == 'trabecular' else f' {summary.voi}'} "
            f"{level_range(summary.levels).replace('-', '–')}",
            "unit": "; ".join(units) if entry["unit"] == "*" else entry["unit"],
            "definition": f"{entry['definition']}; mean of the {VOLUMES[summary.voi]} of "
            f"{', '.join(summary.levels)}",
        }
    return known


def summary_regions(summaries: Iterable[Summary]) -> set[tuple[str, str]]:
    """Metric and region of each summary, as the measurements table has them."""
    return {(s.metric, level_range(s.levels) + s.suffix) for s in summaries}


VOLUMES = {
    "trabecular": "trabecular volumes",
    "ellipse": "elliptical volumes",
    "cortical": "shells, partial volume included,",
}
CLINICAL_LABELS = {
    "age": ("Age", "years"),
    "sex": ("Sex", ""),
    "bmi": ("BMI", "kg/m²"),
    "site": ("Site", ""),
    "dxa_tscore": ("DXA T-score", "SD"),
    "fracture": ("Fracture", ""),
    "reference_interval_days": ("Interval between scan and reference test", "days"),
    "dxa_interval_days": ("Interval between scan and DXA", "days"),
    "dxa_site": ("Site of DXA", ""),
    "menopause": ("Menopause", ""),
    "treatment": ("Treatment", ""),
}


def column_label(name: str, columns: dict[str, dict[str, str]]) -> str:
    """Label with its unit, for axes and tables: ``vBMD L1–L2 (mg/cm³ K₂HPO₄)``."""
    entry = columns.get(name, {"label": name, "unit": ""})
    unit = unit_name(entry["unit"])
    return f"{entry['label']} ({unit})" if unit else entry["label"]


def failed_items(left_out: Iterable[dict[str, str]]) -> dict[str, list[dict[str, Any]]]:
    """Subjects that a run left out because a step failed, as if their status said so.

    Parameters
    ----------
    left_out
        Rows of ``results/inventory/failed.tsv``.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in left_out:
        found.setdefault(row["subject"], []).extend(
            {
                "step": row["step"],
                "item": modality,
                "status": "failed",
                "code": "step_failed",
                "message": f"the step ended with an error: {row['log']}",
                "hint": "Read the log; `osteoflow run` tries the step again.",
                "warnings": [],
            }
            for modality in row["modalities"].split(",")
        )
    return found


def exclusions_table(
    inventory: pd.DataFrame,
    statuses: Iterable[tuple[str, str, list[dict[str, Any]]]],
    regions: Iterable[dict[str, Any]] = (),
) -> pd.DataFrame:
    """Every exclusion once, where it arose.

    Parameters
    ----------
    inventory
        ``results/inventory/exclusions.tsv``.
    statuses
        (participant, session, items of ``status.json``) of each subject.
    regions
        Rows of single regions that are left out of images that are used.
    """
    rows = [] if inventory.empty else inventory.to_dict("records")
    rows += regions
    for participant, session, items in statuses:
        rows += [
            {
                "participant_id": participant,
                "session": session or None,
                "modality": modality_of(item["item"]),
                "step": item["step"],
                "item": item["item"],
                "code": item["code"],
                "message": item["message"],
                "hint": item["hint"],
            }
            for item in items
            if item["status"] == "failed"
            or (item["status"] == "excluded" and item["origin"] == item["step"])
        ]
    table = pd.DataFrame(rows, columns=list(EXCLUSION_COLUMNS))
    return table.sort_values(["participant_id", "modality", "step", "item"], ignore_index=True)


def status_table(
    table: SubjectsTable,
    inventory: pd.DataFrame,
    statuses: dict[str, list[dict[str, Any]]],
) -> pd.DataFrame:
    """How every step of every subject ended: one row per subject, step and item.

    Columns: subject, participant_id, session, modality, step, item, status, code, message,
    n_warnings.
    """
    excluded = {
        (row.participant_id, _session(row.session), row.modality): row
        for row in inventory.itertuples()
    }
    rows = []
    for subject in table.subjects:
        identity = {
            "subject": subject.name,
            "participant_id": subject.participant_id,
            "session": subject.session or None,
        }
        for modality in ("ct", "mri", "t2", "dwi"):
            found = excluded.get((subject.participant_id, subject.session, modality))
            if found is not None:
                rows.append(
                    {
                        **identity,
                        "modality": modality,
                        "step": "inventory",
                        "item": modality,
                        "status": "excluded",
                        "code": found.code,
                        "message": found.message,
                        "n_warnings": 0,
                    }
                )
        rows += [
            {
                **identity,
                "modality": modality_of(item["item"]),
                "step": item["step"],
                "item": item["item"],
                "status": item["status"],
                "code": item.get("code", ""),
                "message": item.get("message", ""),
                "n_warnings": len(item["warnings"]),
            }
            for item in statuses.get(subject.name, [])
        ]
    columns = ["subject", *KEY, "modality", "step", "item", "status", "code", "message"]
    return pd.DataFrame(rows, columns=[*columns, "n_warnings"])
