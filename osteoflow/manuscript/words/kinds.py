"""What outcomes of other kinds have: checks of what models presume, and times to the event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from osteoflow.figures.model_tables import SET_NAMES
from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    bare,
    df_cell,
    estimate_cell,
    model_name,
    model_title,
    note_of,
    of_events,
    reason_of,
    size_words,
    title_of,
    value_cell,
)
from osteoflow.manuscript.words.regression import term_words
from osteoflow.wording import DASH, listing, p_number, sentence

_CHECKS = {
    "brant": "Proportional odds (Brant)",
    "multinomial": "Against the multinomial model",
    "equal_variance": "Equal variance of residuals (Breusch-Pagan)",
    "proportional_hazards": "Proportional hazards",
}
_PARTS = {"training": "Training, cross-fitted scores", **SET_NAMES}


def assumptions(inputs: Inputs) -> ManuscriptTable:
    """Checks of what the regressions presume, a section for each model."""
    table, summary = inputs.table("assumptions"), inputs.document("summary")
    what, label = "Checks of what the regression models presume", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(what, summary, label)
        return nothing(inputs.name, named, reason or "No assumption was checked.")
    marks = Marks()
    rows = []
    for model, part in table.groupby("model", sort=False):
        rows.append(Row((model_name(str(model), label),), section=True))
        for line in part.to_dict("records"):
            rows.append(_check(line, marks, inputs))
    columns = (
        *(Column("Check", "left"), Column("Predictor", "left"), Column("χ²")),
        *(Column("df"), Column("p")),
    )
    notes = (
        "In the training data. A small p speaks against what is presumed; a large one is no proof "
        "of it. p: not adjusted.",
        *marks.notes,
    )
    title = model_title(what, summary, label, training_words(summary))
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _check(line: Mapping[str, Any], marks: Marks, inputs: Inputs) -> Row:
    term, method = note_of(line["term"]), note_of(line["method"])
    name = _CHECKS.get(line["test"], title_of(str(line["test"])))
    cells = (
        name + (marks.of(sentence(method)) if method else ""),
        term_words(term, inputs) if term else "All together",
        value_cell("statistic", line["statistic"]),
        df_cell(line["df"]),
        p_number(line["p"]),
    )
    return Row(cells, indent=1)


def hazard_ratios(inputs: Inputs) -> ManuscriptTable:
    """What a point and a standard deviation of each model's score are worth."""
    table, summary = inputs.table("ratios"), inputs.document("summary")
    what, label = "Hazard ratios of the models' scores", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(what, summary, label)
        return nothing(inputs.name, named, reason or "No hazard ratio was estimated.")
    marks = Marks()
    table = table.assign(adjusted_for=table["adjusted_for"].map(note_of))
    rows = []
    for where in dict.fromkeys(table["set"]):
        own = table[table["set"] == where]
        first = own.iloc[0]
        size = size_words(first["n"], first["n_events"])
        rows.append(Row((f"{_PARTS.get(where, title_of(where))} ({size})",), section=True))
        for (model, adjusted), part in own.groupby(["model", "adjusted_for"], sort=False):
            rows.append(_ratios(model, adjusted, part.set_index("scale"), marks, inputs))
    columns = (
        *(Column("Score", "left"), Column("Adjusted for", "left")),
        *(Column("Per SD", over="Hazard ratio (95 % CI)"),),
        *(Column("Per point", over="Hazard ratio (95 % CI)"), Column("p")),
    )
    notes = (
        "SD: of the score in the training data. Scores are log hazards: per point a well "
        "calibrated model has a hazard ratio of 2.72 on the hold-out. p: Wald, two-sided, not "
        "adjusted.",
        *marks.notes,
    )
    size = size_words(summary.get("n"), summary.get("n_events"))
    title = model_title(what, summary, label, size)
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _ratios(model: str, adjusted: str, by_scale: pd.DataFrame, marks: Marks, inputs: Inputs) -> Row:
    label = inputs.study.label
    methods = marks.of_all(sentence(str(text)) for text in dict.fromkeys(by_scale["method"]))
    held = [bare(label(name.strip()))[0] for name in adjusted.split(",") if name.strip()]
    cells = [model_name(model, label) + methods, listing(held) or DASH]
    for scale in ("per_sd", "per_point"):
        limits = by_scale.loc[scale, ["hazard_ratio", "ci_low", "ci_high"]]
        cells.append(estimate_cell("hazard_ratio", *limits))
    return Row((*cells, p_number(by_scale.loc["per_sd", "p"])), indent=1)


def score_groups(inputs: Inputs) -> ManuscriptTable:
    """Time to the event of participants with lower and with higher scores."""
    table, summary = inputs.table("groups"), inputs.document("summary")
    what, label = "Time to the event by the models' scores", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(what, summary, label)
        return nothing(inputs.name, named, reason or "No groups were compared.")
    marks = Marks()
    rows = []
    for where in dict.fromkeys(table["set"]):
        rows.append(Row((_PARTS.get(where, title_of(where)),), section=True))
        for line in table[table["set"] == where].to_dict("records"):
            rows.append(_groups(line, marks, inputs))
    columns = (
        Column("Model", "left"),
        *(
            Column(heading, over=f"{side} score")
            for side in ("Lower", "Higher")
            for heading in ("n (events)", "Median time")
        ),
        *(Column("Hazard ratio (95 % CI)"), Column("p")),
    )
    notes = (
        "Lower and higher than the median score of the training rows. Median time: by Kaplan and "
        f"Meier, {DASH} where fewer than half had the event. Hazard ratio: of the higher score; p: "
        "log-rank test, two-sided, not adjusted.",
        *marks.notes,
    )
    size = size_words(summary.get("n"), summary.get("n_events"))
    title = model_title(what, summary, label, size)
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _groups(line: Mapping[str, Any], marks: Marks, inputs: Inputs) -> Row:
    mark = marks.of(sentence(str(line["method"])))
    cells = [model_name(line["model"], inputs.study.label) + mark]
    for side in ("lower", "higher"):
        cells.append(of_events(line[f"n_{side}"], line[f"events_{side}"]))
        cells.append(value_cell("time", line[f"median_{side}"]))
    limits = (line[name] for name in ("hazard_ratio", "ci_low", "ci_high"))
    cells += [estimate_cell("hazard_ratio", *limits), p_number(line["p"])]
    return Row(tuple(cells), indent=1)


def training_words(summary: Mapping[str, Any]) -> str:
    """Participants, and events, of the rows that models are fitted on."""
    if summary.get("n") is None:
        return ""
    events = summary.get("n_events")
    if events is not None:
        events = int(events) - int(summary.get("n_events_holdout") or 0)
    return size_words(int(summary["n"]) - int(summary.get("n_holdout") or 0), events)
