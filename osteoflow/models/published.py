"""Published cut-offs of single measurements, and whether their conditions are met."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from osteoflow.settings.cohort import Summary


def class_scheme(column: str, summaries: Sequence[Summary]) -> str:
    """Classes of bone that are made of a column, as ``cohort.classes`` names them; "" for none."""
    if column == "dxa_tscore":
        return "dxa_tscore"
    for summary in summaries:
        if summary.column != column:
            continue
        dense = summary.metric == "vbmd_mean" and summary.voi != "cortical"
        if dense and len(summary.levels) > 1:
            return "spine_qct"
        if summary.metric == "hu_mean" and summary.voi == "trabecular" and summary.levels == ["L1"]:
            return "l1_hu"
    return ""


def published_cutoffs(scheme: str, unit: str) -> list[tuple[float, bool, str]]:
    """Published cut-offs of a scheme in a unit: value, whether it belongs to the event, source.

    They are those of ``resources/bone_classes.tsv``, for the measurement, volume and mineral that
    they were made with.
    """
    from osteoflow.resources import read_resource

    return [
        (
            float(row["to"]),
            row["includes"] in ("to", "both"),
            f"{row['source']}; for {row['holds_for']}",
        )
        for row in read_resource("bone_classes.tsv")
        if row["scheme"] == scheme and row["to"] and unit in ("", row["unit"])
    ]


def unmet_conditions(scheme: str, people: pd.DataFrame, method: str) -> str:
    """In how many scans a published cut-off's conditions are not met, or not known to be.

    Parameters
    ----------
    scheme
        Of :func:`class_scheme`.
    people
        Those tested, with ``ct_kvp`` and ``ct_contrast`` where the study has them.
    method
        How the measurement was made.
    """
    from osteoflow.cohort.classes import NOT_AS_BY_PHANTOM, at_reference_kvp

    nothing = [None] * len(people)
    kvp, contrast = people.get("ct_kvp", nothing), people.get("ct_contrast", nothing)
    notes = []
    if scheme == "l1_hu":
        right = sum(map(at_reference_kvp, kvp))
        if right < len(people):
            notes.append(f"{len(people) - right} of {len(people)} scans not known to be at 120 kV")
    if scheme in ("l1_hu", "spine_qct"):
        without = sum(value == "no" for value in contrast)
        if without < len(people):
            notes.append(
                f"{len(people) - without} of {len(people)} scans not known to be without contrast "
                "agent"
            )
    if scheme == "spine_qct" and NOT_AS_BY_PHANTOM in method:
        notes.append("densities as the vertebra's own mineral read higher than by a phantom")
    return "; ".join(notes)


def methods_of(measurements: pd.DataFrame, summaries: Sequence[Summary]) -> dict[str, str]:
    """How the measurement behind each summary was made: all methods of its metric and region."""
    from osteoflow.measurements import level_range

    found = {}
    for item in summaries:
        roi = level_range(item.levels) + item.suffix
        mine = (measurements["metric"] == item.metric) & (measurements["roi"] == roi)
        texts = measurements.loc[mine, "method"].dropna().astype(str).unique()
        found[item.column] = "; ".join(sorted(texts))
    return found
