"""Answers on results: flow, numbers, features, performance, cross tabulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from osteoflow.manuscript.text.checklists.answer import (
    MODELS,
    Answer,
    author,
    filled,
    inapplicable,
    partly,
)
from osteoflow.manuscript.text.checklists.data import FLOW
from osteoflow.manuscript.text.checklists.models import FOLDER, each, has_features, no_models
from osteoflow.manuscript.text.facts import AnalysisFacts, Facts
from osteoflow.manuscript.text.markup import code, plain
from osteoflow.manuscript.text.outcome_models import measure_name
from osteoflow.model_names import in_sentence
from osteoflow.wording import count, listing, quantity_estimate

PERFORMANCE = f"{MODELS}; {FOLDER.format('performance.tsv')}"
TABLES = "results/manuscript/tables"
_SETS = {"cv": "cross-validation", "holdout": "hold-out"}
# The measure that tells discrimination, by the kind of outcome; the first one there is.
_MAIN = ("auc", "c_index", "hand_till", "r2", "rmse")


def comparison_results(facts: Facts) -> Answer:
    """Differences of the areas with limits, the hold-out's where there is one."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, _differences)
    if not told:
        return author()
    return filled(told, FOLDER.format("comparisons.tsv"))


def _differences(item: AnalysisFacts) -> str:
    table = item.rows("comparisons")
    if table is None or not {"difference", "ci_low", "ci_high"} <= set(table.columns):
        return ""
    held = table[table["test"].astype(str).str.contains("hold-out")] if "test" in table else table
    rows = held if len(held) else table
    return "; ".join(
        f"{plain(in_sentence(row.model_a))} minus {plain(in_sentence(row.model_b))}: "
        f"{quantity_estimate('auc', row.difference, row.ci_low, row.ci_high)}"
        for row in rows.itertuples()
    )


def feature_statistics(facts: Facts) -> Answer:
    """Counts through the steps, frequencies, coefficients."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, lambda item: filter_counts(item, ""))
    if not told:
        return author()
    return filled(
        f"features through the steps: {told}; frequency of selection and coefficients of each",
        f"{FOLDER.format('filters.tsv')}; {FOLDER.format('selection.tsv')}",
    )


def interpretability(facts: Facts) -> Answer:
    """Coefficients, selection frequencies, nomogram."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    return partly(
        each(
            facts,
            lambda item: listing(
                ["coefficients of the regression models"]
                + ["frequency of selection of every feature"] * has_features(item)
                + ["nomogram"] * item.nomogram
            ),
        ),
        f"{FOLDER.format('coefficients.tsv')}; {FOLDER.format('selection.tsv')}",
    )


def performance(facts: Facts) -> Answer:
    """The main measure of every model and set, with limits."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = "; ".join(f"{code(item.name)}: {text}" for item in facts.models
                     if (text := _main(item)))  # fmt: skip
    return partly(told, PERFORMANCE) if told else author()


def _main(item: AnalysisFacts) -> str:
    table = item.rows("performance")
    if table is None:
        return ""
    metric = next((name for name in _MAIN if (table["metric"] == name).any()), None)
    rows = table[table["metric"] == metric]
    parts = []
    for name, block in rows.groupby("set", sort=False):
        each_model = [
            f"{plain(in_sentence(str(row.model)))} "
            f"{quantity_estimate(str(metric), row.value, row.ci_low, row.ci_high)}"
            for row in block.itertuples()
        ]
        where = _SETS.get(str(name), str(name))
        parts.append(f"{measure_name(str(metric))} in {where}: {', '.join(each_model)}")
    return "; ".join(parts)


def cross_table(facts: Facts) -> Answer:
    """Confusion matrices of the hold-out."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, lambda item: "; ".join(confusion(item)))
    if not told:
        return author(
            "predictions and outcomes of every participant", FOLDER.format("predictions.tsv")
        )
    return filled(told, FOLDER.format("predictions.tsv"))


def confusion(item: AnalysisFacts) -> list[str]:
    """True and false positives and negatives of each model on the hold-out."""
    table, about = item.rows("performance"), item.summary
    events, held = about.get("n_events_holdout"), about.get("n_holdout")
    if table is None or not held or events is None:
        return []
    rows = table[table["set"] == "holdout"]
    found = []
    for model, block in rows.groupby("model", sort=False):
        value = dict(zip(block["metric"], block["value"], strict=True))
        right = [value.get(name, math.nan) for name in ("sensitivity", "specificity")]
        if all(math.isfinite(share) for share in right):
            hits = [round(right[0] * events), round(right[1] * (held - events))]
            found.append(
                f"{plain(in_sentence(str(model)))}: {hits[0]} true and "
                f"{held - events - hits[1]} false positive, {hits[1]} true and "
                f"{events - hits[0]} false negative"
            )
    return found


def numbers(facts: Facts) -> Answer:
    """Participants and events of each part."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    return filled(each(facts, lambda item: _numbers(item.summary)), MODELS)


def _numbers(about: Mapping[str, Any]) -> str:
    parts = []
    held = int(about.get("n_holdout") or 0)
    for name, n, events in (
        ("to train and tune", int(about["n"]) - held, _less(about)),
        ("held out", held, about.get("n_events_holdout")),
    ):
        if n:
            parts.append(
                f"{n} {name}" + (f" ({events} with the event)" if events is not None else "")
            )
    return listing(parts)


def _less(about: Mapping[str, Any]) -> int | None:
    events = about.get("n_events")
    return None if events is None else int(events) - int(about.get("n_events_holdout") or 0)


def flow_outcome(facts: Facts) -> Answer:
    """Flow and outcome numbers."""
    if not facts.models:
        return partly(f"flow diagram of {count(facts.n_people, 'participant')}", FLOW)
    return partly(f"flow diagram; {each(facts, lambda item: _numbers(item.summary))}", FLOW)


def baseline_parts(facts: Facts) -> Answer:
    """The manuscript's table of both parts, where Table 1 has variables."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    if not any(item.summary.get("n_holdout") for item in facts.models):
        return inapplicable("no part was held out")
    if not facts.settings["statistics"]["table1_variables"]:
        return author(
            "predictions.tsv names the set of every participant", FOLDER.format("predictions.tsv")
        )
    return filled(
        "the characteristics of Table 1 of training and hold-out participants, side by side",
        f"{TABLES}/sets_<analysis>",
    )


def filter_counts(item: AnalysisFacts, *wanted: str) -> str:
    """Features through the filters of the final model."""
    table = item.rows("filters")
    if table is None:
        return ""
    return "; ".join(
        f"{plain(str(row.step).replace('_', ' '))} {int(row.n_in)} to {int(row.n_out)}"
        for row in table.itertuples()
        if str(row.step).startswith(wanted)
    )
