"""What a richer model adds: reclassification on the hold-out, and tests of nested models."""

from __future__ import annotations

from osteoflow.figures.model_tables import SET_NAMES
from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    df_cell,
    estimate_cell,
    model_name,
    model_title,
    reason_of,
    size_words,
    value_cell,
)
from osteoflow.manuscript.words.kinds import training_words
from osteoflow.manuscript.words.regression import RAD_SCORE, term_words
from osteoflow.model_names import in_sentence
from osteoflow.wording import listing, p_number, sentence

_INDICES = {
    "nri": "NRI, category-free",
    "nri_events": "among events",
    "nri_nonevents": "among non-events",
    "idi": "IDI",
    "idi_events": "among events",
    "idi_nonevents": "among non-events",
}


def reclassification(inputs: Inputs) -> ManuscriptTable:
    """Category-free NRI and IDI of pairs of models with their parts."""
    table, summary = inputs.table("reclassification"), inputs.document("summary")
    what, label = "Reclassification by the richer of two models", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(what, summary, label)
        return nothing(inputs.name, named, reason or "There is no hold-out to reclassify.")
    marks = Marks()
    rows = []
    for (new, old), part in table.groupby(["model_new", "model_old"], sort=False):
        mark = marks.of_all(sentence(str(text)) for text in dict.fromkeys(part["method"]))
        pair = f"{model_name(new, label)} against {_within(old, inputs)}"
        rows.append(Row((pair + mark,), section=True))
        for line in part.to_dict("records"):
            index = line["index"]
            limits = (line[key] for key in ("value", "ci_low", "ci_high"))
            cells = (
                _INDICES.get(index, index),
                estimate_cell(index.partition("_")[0], *limits),
            )
            rows.append(Row(cells, indent=1 + ("_" in index)))
    columns = (Column("Index", "left"), Column("Value (95 % CI)"))
    notes = (
        "Frozen models on participants they have never seen. NRI without categories (from −2 "
        "to 2): the sum of its parts, each the share moved in the right direction less the share "
        "moved in the wrong one. IDI: gain in the difference of mean probabilities. Without tests, "
        "as those of NRI and IDI favour the richer model too often; they stand beside the "
        "differences in AUC, not in their place.",
        *marks.notes,
    )
    held = None
    if summary.get("n_holdout"):
        held = size_words(summary["n_holdout"], summary.get("n_events_holdout"))
    facts = [f"{SET_NAMES['holdout'].lower()}: {held}"] if held else []
    title = model_title(what, summary, label, *facts)
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def nested_models(inputs: Inputs) -> ManuscriptTable:
    """Tests of regressions whose terms another one has, too."""
    table, summary = inputs.table("nested"), inputs.document("summary")
    what, label = "Tests of nested regression models", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(what, summary, label)
        return nothing(inputs.name, named, reason or "No model is nested in another one.")
    marks = Marks()
    by_f = table["method"].astype(str).str.startswith("F test")
    rows = []
    for line, f_test in zip(table.to_dict("records"), by_f, strict=True):
        pair = f"{model_name(line['larger'], label)} against {_within(line['smaller'], inputs)}"
        terms = [term_words(term.strip(), inputs) for term in str(line["added"]).split(",")]
        cells = (
            pair + marks.of(sentence(str(line["method"]))),
            listing(terms),
            f"{'F' if f_test else 'χ²'} = {value_cell('statistic', line['statistic'])}",
            df_cell(line["df"]),
            p_number(line["p"]),
        )
        rows.append(Row(cells))
    columns = (
        *(Column("Models", "left"), Column("Terms added", "left")),
        *(Column("Statistic"), Column("df"), Column("p")),
    )
    scored = table[table["added"].astype(str).str.contains(RAD_SCORE)]
    note = "On the training data, on which the models were fitted. df: of the terms added. p: not "
    note += "adjusted"
    if len(scored):
        how = "by permutation" if scored["p"].notna().any() else "none"
        note += (
            f"; of what the Rad-score adds, {how}, as the score was learned from these "
            "participants and chi-squared does not hold for it"
        )
    notes = (f"{note}.", *marks.notes)
    title = model_title(what, summary, label, training_words(summary))
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _within(name: str, inputs: Inputs) -> str:
    """A model's name inside a line."""
    plain = model_name(name, inputs.study.label)
    return in_sentence(name) if name in ("clinical", "measurements", "radiomics") else plain
