"""Single measurements as tests of an outcome: areas, cut-offs, differences of areas."""

from __future__ import annotations

from typing import Any

import pandas as pd

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    bare,
    estimate_cell,
    note_of,
    of_events,
    rule_words,
    sizes_words,
    text_of,
    title_of,
    value_cell,
)
from osteoflow.wording import (
    DASH,
    MINUS,
    listing,
    p_number,
    quantity,
    quantity_interval,
    sentence,
    significant,
)

_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}
_SHARES = {
    "sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV",
}  # fmt: skip


def measurement_roc(inputs: Inputs) -> ManuscriptTable:
    """Area under the curve of each measurement."""
    rows = _own(inputs, "roc")
    if rows is None:
        return _nothing(inputs, "Single measurements", "No measurement was tested.")
    marks = Marks()
    lines = []
    for row in rows.to_dict("records"):
        cells = (
            inputs.study.label(row["measurement"]) + _mark(row, marks),
            text_of(row["direction"]),
            of_events(row["n"], row["n_events"]),
            text_of(row["n_left_out"]),
            estimate_cell("auc", row["auc"], row["auc_low"], row["auc_high"]),
            p_number(row["p"]),
            p_number(row["p_fdr"]),
        )
        lines.append(Row(cells))
    columns = (
        *(Column("Measurement", "left"), Column("Event if", "left"), Column("n (events)")),
        *(Column("Missing"), Column("AUC (95 % CI)"), Column("p"), Column("p (FDR)")),
    )
    notes = (
        "Event if: which values speak for the event, declared and not chosen by the data. "
        "Intervals by DeLong. p: Mann-Whitney U test, two-sided, that the AUC is 0.5; p (FDR): "
        "adjusted over the rows of this table by Benjamini and Hochberg.",
        *marks.notes,
    )
    title = _title("ROC analysis of single measurements", rows, inputs)
    return ManuscriptTable(inputs.name, title, columns, tuple(lines), notes)


def measurement_cutoffs(inputs: Inputs) -> ManuscriptTable:
    """What cut-offs of each measurement tell, with their sources in notes."""
    rows = _own(inputs, "cutoffs")
    if rows is None:
        return _nothing(inputs, "Cut-offs of single measurements", "No cut-off was tested.")
    marks = Marks()
    lines = []
    for measurement, part in rows.groupby("measurement", sort=False):
        label = inputs.study.label(str(measurement))
        sizes = sizes_words(part["n"])
        lines.append(Row((f"{label}, {sizes}",), section=True))
        for row in part.to_dict("records"):
            lines += _cutoff(row, marks)
    columns = (
        Column("Event if", "left"),
        *(Column(name, over="% (95 % CI)") for name in _SHARES.values()),
    )
    known = rows["prevalence"].dropna()
    shares = [quantity("share", share) for share in dict.fromkeys(known)]
    prevalence = f" Prevalence behind PPV and NPV: {listing(shares)} %." if shares else ""
    notes = (
        f"Intervals by Wilson; of predictive values at a prevalence other than that of the data by "
        f"Mercaldo, Lau and Zhou.{prevalence}",
        *marks.notes,
    )
    title = _title("Cut-offs of single measurements", rows, inputs)
    return ManuscriptTable(inputs.name, title, columns, tuple(lines), notes)


def _cutoff(row: dict[str, Any], marks: Marks) -> list[Row]:
    """A cut-off; below one found in the same data what is left of it after correction."""
    note = note_of(row.get("note"))
    told = [sentence(str(row["source"])), *([sentence(note)] if note else [])]
    sign = _SIGNS.get(note_of(row.get("event_if")), "")
    name = DASH
    if sign:
        name = f"{sign} {significant(row['cutoff'], 3)}"
        if pd.notna(row["cutoff_low"]):
            limits = quantity_interval("cutoff", row["cutoff_low"], row["cutoff_high"])
            name = f"{sign} {value_cell('cutoff', row['cutoff'])} ({limits})"
    shares = [
        estimate_cell(key, row[key], row[f"{key}_low"], row[f"{key}_high"]) for key in _SHARES
    ]
    found = [Row((name + marks.of_all(told), *shares), indent=1)]
    corrected = [value_cell(key, row.get(f"{key}_corrected", float("nan"))) for key in _SHARES]
    if any(cell != DASH for cell in corrected):
        how = (
            "By a bootstrap that finds the cut-off anew in every resample; in brackets the "
            "percentiles of these cut-offs."
        )
        found.append(Row((f"corrected for optimism{marks.of(how)}", *corrected), indent=2))
    return found


def measurement_differences(inputs: Inputs) -> ManuscriptTable:
    """Differences in AUC between the measurements of the same participants."""
    rows = _own(inputs, "pairs")
    if rows is None:
        named = "Differences in AUC between single measurements"
        return _nothing(inputs, named, "No measurements were compared.")
    label, marks = inputs.study.label, Marks()
    lines = []
    for row in rows.to_dict("records"):
        first, second = (bare(label(row[f"measurement_{key}"]))[0] for key in "ab")
        cells = (
            f"{first} {MINUS} {second}{_mark(row, marks)}",
            of_events(row["n"], row["n_events"]),
            *(value_cell("auc", row[f"auc_{key}"]) for key in "ab"),
            estimate_cell("auc", row["difference"], row["ci_low"], row["ci_high"]),
            value_cell("statistic", row["z"]),
            p_number(row["p"]),
            p_number(row["p_holm"]),
        )
        lines.append(Row(cells))
    columns = (
        *(Column("Measurements", "left"), Column("n (events)")),
        *(Column("First", over="AUC"), Column("Second", over="AUC")),
        *(Column("Difference (95 % CI)"), Column("z"), Column("p"), Column("p (Holm)")),
    )
    notes = (
        "Paired test by DeLong among the participants with both measurements. p: two-sided; "
        "p (Holm): adjusted over the pairs of this table.",
        *marks.notes,
    )
    title = _title("Differences in AUC between single measurements", rows, inputs)
    return ManuscriptTable(inputs.name, title, columns, tuple(lines), notes)


def _own(inputs: Inputs, key: str) -> pd.DataFrame | None:
    """Rows of the ROC analysis that the table is about; None without any."""
    table = inputs.table(key)
    own = table[table["name"] == inputs.about] if len(table) else table
    return None if own.empty else own


def _nothing(inputs: Inputs, what: str, reason: str) -> ManuscriptTable:
    return nothing(inputs.name, f"{what}: {title_of(inputs.about)}", reason)


def _mark(row: dict[str, Any], marks: Marks) -> str:
    note = note_of(row.get("note"))
    return marks.of(sentence(note)) if note else ""


def _title(what: str, rows: pd.DataFrame, inputs: Inputs) -> str:
    rule = rule_words(str(rows["outcome"].iloc[0]), inputs.study.label)
    return f"{what}: {title_of(inputs.about)} ({rule}; {sizes_words(rows['n'])})"
