"""How well the models of an analysis do, and how much they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from osteoflow.figures.model_tables import SET_NAMES, models_present, sets_present
from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    estimate_cell,
    model_name,
    model_title,
    note_of,
    reason_of,
    size_words,
    title_of,
    value_cell,
)
from osteoflow.wording import DASH, MINUS, measure_name, p_number, sentence

# More models than these do not stand side by side on a page.
SIDE_BY_SIDE = 4
# Columns of tests between models, and their headings.
_TESTED = {"p": "p", "p_adjusted": "p (Holm)"}
_PLAIN = ("Clinical", "Measurements", "Radiomics", "Combined")


def performance(inputs: Inputs) -> ManuscriptTable:
    """Measures of each set as rows, models as columns."""
    table, summary = inputs.table("performance"), inputs.document("summary")
    label = inputs.study.label
    title = "Performance of the outcome models"
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(title, summary, label)
        return nothing(inputs.name, named, reason or "No model was evaluated.")
    models = models_present(table, summary)
    marks = Marks()
    lay_out = _models_as_columns if len(models) <= SIDE_BY_SIDE else _models_as_rows
    columns, rows = lay_out(table, summary, models, marks, label)
    methods = summary.get("methods", {})
    told = [methods[key] for key in ("cross_validation", "intervals") if key in methods]
    notes = [
        *marks.notes,
        *[sentence(str(text)) for text in told],
        *_warnings(summary),
    ]
    title = model_title(
        title, summary, label, size_words(summary.get("n"), summary.get("n_events"))
    )
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), tuple(notes))


def _models_as_columns(
    table: pd.DataFrame,
    summary: Mapping[str, Any],
    models: list[str],
    marks: Marks,
    label: Callable[[str], str],
) -> tuple[tuple[Column, ...], list[Row]]:
    """Measures as rows, in a section for each set."""
    rows = []
    for name in _sets(table):
        rows.append(Row((_set_words(summary, name),), section=True))
        part = table[table["set"] == name]
        for metric in dict.fromkeys(part["metric"]):
            found = part[part["metric"] == metric].set_index("model")
            rows.append(_measure(metric, found, models, marks))
    columns = (
        Column("Measure", "left"),
        *(Column(model_name(model, label), over="Model (95 % CI)") for model in models),
    )
    return columns, rows


def _models_as_rows(
    table: pd.DataFrame,
    summary: Mapping[str, Any],
    models: list[str],
    marks: Marks,
    label: Callable[[str], str],
) -> tuple[tuple[Column, ...], list[Row]]:
    """Many models: sets as columns, a section for each measure."""
    names = _sets(table)
    found = table.set_index(["metric", "model", "set"])
    rows = []
    for metric in dict.fromkeys(table["metric"]):
        rows.append(Row((measure_name(metric),), section=True))
        for model in models:
            places = [(metric, model, name) for name in names]
            if not any(place in found.index for place in places):
                continue
            cells = [
                _cell(metric, found.loc[place], marks) if place in found.index else DASH
                for place in places
            ]
            rows.append(Row((model_name(model, label), *cells), indent=1))
    columns = (
        Column("Model", "left"),
        *(Column(_set_words(summary, name), over="Value (95 % CI)") for name in names),
    )
    return columns, rows


def _cell(metric: str, row: pd.Series, marks: Marks) -> str:
    """A value with its interval and the mark of its method."""
    text = estimate_cell(metric, row["value"], row["ci_low"], row["ci_high"])
    method = note_of(row["method"])
    return text + (marks.of(sentence(method)) if method else "")


def _measure(metric: str, found: pd.DataFrame, models: list[str], marks: Marks) -> Row:
    """A row; its method is marked at the name, or at the cells where it differs between models."""
    methods = {model: note_of(found["method"].get(model)) for model in models}
    same = len(set(methods.values())) == 1
    cells = []
    for model in models:
        if model not in found.index:
            cells.append(DASH)
        elif same:
            values = found.loc[model, ["value", "ci_low", "ci_high"]]
            cells.append(estimate_cell(metric, *values))
        else:
            cells.append(_cell(metric, found.loc[model], marks))
    name = measure_name(metric)
    shared = next(iter(methods.values())) if same else ""
    mark = marks.of(sentence(shared)) if shared else ""
    return Row((name + mark, *cells), indent=1)


def auc_differences(inputs: Inputs) -> ManuscriptTable:
    """Differences in AUC between pairs of models, with the test where there is one."""
    table, summary = inputs.table("comparisons"), inputs.document("summary")
    title, label = "Differences in AUC between outcome models", inputs.study.label
    # Outcomes that are not binary are compared by several measures, which the table names.
    several = "metric" in table.columns
    if several:
        title = "Differences in performance between outcome models"
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(title, summary, label)
        return nothing(inputs.name, named, reason or "No models were compared.")
    marks = Marks()
    tested = {name: words for name, words in _TESTED.items() if name in table.columns}
    rows = []
    # As in the table of performance, cross-validation comes first.
    for test in sorted(dict.fromkeys(table["test"]), key=lambda words: "hold-out" in words):
        held = "hold-out" in test
        where = "holdout" if held else "cv"
        mark = marks.of(sentence(test.removeprefix("none: ")))
        rows.append(Row((_set_words(summary, where) + mark,), section=True))
        for row in table[table["test"] == test].to_dict("records"):
            first, second = (model_name(row[key], label) for key in ("model_a", "model_b"))
            pair = f"{first} {MINUS} {_within(second)}"
            metric = row["metric"] if several else "auc"
            if several:
                pair = f"{measure_name(metric)}: {pair}"
            value = estimate_cell(metric, row["difference"], row["ci_low"], row["ci_high"])
            z = value_cell("statistic", row["z"])
            numbers = (z, *(p_number(row[name]) for name in tested))
            rows.append(Row((pair, value, *numbers), indent=1))
    columns = (
        *(Column("Models", "left"), Column("Difference (95 % CI)")),
        *(Column("z"), *(Column(heading) for heading in tested.values())),
    )
    over = "the pairs of each measure" if several else "all pairs tested"
    adjusted = f"p (Holm): adjusted over {over}. " if "p_adjusted" in tested else ""
    notes = (
        *marks.notes,
        f"p: two-sided, not adjusted for the number of pairs. {adjusted}Only frozen models "
        "on participants they have never seen are tested; in cross-validation the interval stands "
        "alone.",
    )
    title = model_title(
        title, summary, label, size_words(summary.get("n"), summary.get("n_events"))
    )
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _sets(table: pd.DataFrame) -> list[str]:
    """Cross-validation, hold-out, then sets of other names."""
    known = sets_present(table)
    return known + [str(name) for name in pd.unique(table["set"]) if name not in known]


def _set_words(summary: Mapping[str, Any], name: str) -> str:
    """``Hold-out (12 participants, 5 with the event)``."""
    size = _size(summary, name)
    return SET_NAMES.get(name, title_of(name)) + (f" ({size})" if size else "")


def _within(name: str) -> str:
    """A name inside a line: the plain models without their capital."""
    return name[0].lower() + name[1:] if name in _PLAIN else name


def _size(summary: Mapping[str, Any], name: str) -> str:
    """Participants and events of a set."""
    held, events = int(summary.get("n_holdout", 0)), summary.get("n_events")
    held_events = int(summary.get("n_events_holdout") or 0)
    if name == "holdout":
        return size_words(held, None if events is None else held_events)
    if summary.get("n") is None:
        return ""
    rest = int(summary["n"]) - held
    return size_words(rest, None if events is None else int(events) - held_events)


def _warnings(summary: Mapping[str, Any]) -> list[str]:
    """What a reader must know before taking the numbers at face value."""
    if not summary.get("incorporation_bias"):
        return []
    return ["Incorporation bias: predictors come from the scan that defines the outcome."]
