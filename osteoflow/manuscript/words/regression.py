"""Coefficients of the regression models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    bare,
    estimate_cell,
    interval_cell,
    model_name,
    model_title,
    reason_of,
    size_words,
    value_cell,
)
from osteoflow.wording import DASH, p_number, ratio, sentence

if TYPE_CHECKING:
    import pandas as pd

RAD_SCORE = "rad_score"
# Kind of outcome -> title, heading of the effect, what the effect is, how it was fitted.
_MODELS = {
    "binary": (
        "Logistic regression models", "Odds ratio", "Odds ratios are",
        "maximum likelihood", "Wald intervals and two-sided Wald p values",
    ),
    "ordinal": (
        "Proportional-odds models", "Odds ratio",
        "Odds ratios are those of a later class and", "maximum likelihood",
        "Wald intervals and two-sided Wald p values",
    ),
    "continuous": (
        "Linear regression models", "Interval of the coefficient", "Coefficients are",
        "least squares", "intervals and two-sided p values by Student's distribution",
    ),
    "survival": (
        "Cox regression models", "Hazard ratio", "Hazard ratios are",
        "maximum partial likelihood", "Wald intervals and two-sided Wald p values",
    ),
}  # fmt: skip
# What the method of a model begins with that has no maximum likelihood; those of them with limits
# and tests of their own.
_PENALISED, _FIRTH = ("Firth", "ridge"), "Firth"
_PROFILE = "profile penalised-likelihood intervals and penalised likelihood-ratio p values"
_RATIOS = ("odds_ratio", "hazard_ratio")


def regression(inputs: Inputs) -> ManuscriptTable:
    """Coefficients, their effects and p of every term of the regressions."""
    table, summary = inputs.table("coefficients"), inputs.document("summary")
    title, effect, said, fitted, tests = _MODELS[str(summary.get("kind", "binary"))]
    label = inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(title, summary, label)
        return nothing(inputs.name, named, reason or "No regression model was fitted.")
    marks = Marks()
    rows = []
    for model in dict.fromkeys(table["model"]):
        part = table[table["model"] == model]
        name = f"{model_name(model, label)} model".replace(" alone model", " alone")
        rows.append(Row((name,), section=True))
        methods = list(dict.fromkeys(part["method"]))
        if methods != ["maximum likelihood"]:
            words = marks.of_all(sentence(str(method)) for method in methods)
            rows[-1] = Row((f"{name}{words}",), section=True)
        for line in part.to_dict("records"):
            cells = (
                term_words(line["term"], inputs),
                value_cell("coefficient", line["coefficient"]),
                value_cell("coefficient", line["standard_error"]),
                _effect(line),
                p_number(line["p"]),
            )
            rows.append(Row(cells, indent=1))
    columns = (
        *(Column("Predictor", "left"), Column("Coefficient"), Column("SE")),
        *(Column(f"{effect} (95 % CI)"), Column("p")),
    )
    n = int(summary["n"]) - int(summary.get("n_holdout", 0))
    events = summary.get("n_events")
    if events is not None:
        events = int(events) - int(summary.get("n_events_holdout") or 0)
    notes = [
        f"{_fitted_words(fitted, tests, table)} {said} per unit of the predictor, which stands in "
        "brackets; levels of a text are against the level that is not listed.",
        *marks.notes,
    ]
    if (table["term"] == RAD_SCORE).any():
        notes.append(
            "Rad-score: cross-fitted within the training data. It has no p, as it was learned from "
            "these participants, and its interval takes it for a measured column; what it adds is "
            "tested by permutation (tests of nested regression models)."
        )
    title = model_title(title, summary, label, size_words(n, events))
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), tuple(notes))


def _fitted_words(fitted: str, tests: str, table: pd.DataFrame) -> str:
    """How the models were fitted and tested; footnotes name the penalty of those that had one."""
    methods = table.groupby("model")["method"].first().astype(str)
    penalised, firth = methods.str.startswith(_PENALISED), methods.str.startswith(_FIRTH)
    if penalised.all():
        fitted = "penalised likelihood, as the footnotes say,"
    elif penalised.any():
        fitted = f"{fitted}, or by penalised likelihood where a footnote says so,"
    if firth.all():
        tests = _PROFILE
    elif firth.any():
        tests = f"{tests}; where a footnote says Firth, {_PROFILE}"
    words = f"Fitted by {fitted} to all participants who are not held out; {tests}, not adjusted."
    if firth.any():
        words += (
            " The intercept of Firth's fit is set afterwards so that the mean probability is the "
            "share of events (FLIC), and is not tested."
        )
    return words


def _effect(line: dict[str, Any]) -> str:
    """Ratio with its interval; of a linear model the interval of its coefficient."""
    name = next((name for name in _RATIOS if name in line), None)
    if name is None:
        return interval_cell("coefficient", line["ci_low"], line["ci_high"])
    if line["term"] == "intercept" or not math.isfinite(line[name]):
        return DASH
    value, low, high = (line[f"{name}{end}"] for end in ("", "_low", "_high"))
    if low == 0 or math.isinf(high):
        ends = ("0" if low == 0 else ratio(low), "∞" if math.isinf(high) else ratio(high))
        return f"{ratio(value)} ({' to '.join(ends)})"
    return estimate_cell(name, value, low, high)


def term_words(term: str, inputs: Inputs) -> str:
    """A term of a regression: ``sex=M`` -> ``Sex: M``."""
    if term in ("intercept", RAD_SCORE):
        return {"intercept": "Intercept", RAD_SCORE: "Rad-score"}[term]
    if term.startswith("threshold "):
        return f"Threshold: {term.removeprefix('threshold ')}"
    column, sign, level = term.partition("=")
    label = inputs.study.label(column)
    return f"{bare(label)[0]}: {level}" if sign else label
