"""Coefficients of the regression models."""

from __future__ import annotations

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    bare,
    estimate_cell,
    model_title,
    reason_of,
    size_words,
    title_of,
    value_cell,
)
from osteoflow.wording import DASH, p_number, sentence

RAD_SCORE = "rad_score"


def regression(inputs: Inputs) -> ManuscriptTable:
    """Coefficients, odds ratios and p of every term of the logistic models."""
    table, summary = inputs.table("coefficients"), inputs.document("summary")
    title, label = "Logistic regression models", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(title, summary, label)
        return nothing(inputs.name, named, reason or "No regression model was fitted.")
    marks = Marks()
    rows = []
    for model in dict.fromkeys(table["model"]):
        part = table[table["model"] == model]
        rows.append(Row((f"{title_of(model)} model",), section=True))
        methods = list(dict.fromkeys(part["method"]))
        if methods != ["maximum likelihood"]:
            words = marks.of_all(sentence(str(method)) for method in methods)
            rows[-1] = Row((f"{title_of(model)} model{words}",), section=True)
        for line in part.to_dict("records"):
            limits = (line[f"odds_ratio{end}"] for end in ("", "_low", "_high"))
            odds = DASH if line["term"] == "intercept" else estimate_cell("odds_ratio", *limits)
            cells = (
                _term(line["term"], inputs),
                value_cell("coefficient", line["coefficient"]),
                value_cell("coefficient", line["standard_error"]),
                odds,
                p_number(line["p"]),
            )
            rows.append(Row(cells, indent=1))
    columns = (
        *(Column("Predictor", "left"), Column("Coefficient"), Column("SE")),
        *(Column("Odds ratio (95 % CI)"), Column("p")),
    )
    n = int(summary["n"]) - int(summary.get("n_holdout", 0))
    events = summary.get("n_events")
    if events is not None:
        events = int(events) - int(summary.get("n_events_holdout") or 0)
    notes = [
        "Fitted by maximum likelihood to all participants who are not held out; Wald intervals and "
        "two-sided Wald p values, not adjusted. Odds ratios are per unit of the predictor, which "
        "stands in brackets; levels of a text are against the level that is not listed.",
        *marks.notes,
    ]
    if (table["term"] == RAD_SCORE).any():
        notes.append("Rad-score: cross-fitted within the training data.")
    title = model_title(title, summary, label, size_words(n, events))
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), tuple(notes))


def _term(term: str, inputs: Inputs) -> str:
    """``sex=M`` -> ``Sex: M``."""
    if term in ("intercept", RAD_SCORE):
        return {"intercept": "Intercept", RAD_SCORE: "Rad-score"}[term]
    column, sign, level = term.partition("=")
    label = inputs.study.label(column)
    return f"{bare(label)[0]}: {level}" if sign else label
