"""The check for leakage: the whole pipeline on permuted outcomes."""

from __future__ import annotations

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Row, nothing
from osteoflow.manuscript.words.cells import (
    interval_cell,
    model_name,
    model_title,
    reason_of,
    sizes_words,
    value_cell,
)
from osteoflow.manuscript.words.kinds import training_words
from osteoflow.wording import DASH, count, listing, measure_name, p_number, significant


def leakage_check(inputs: Inputs) -> ManuscriptTable:
    """Cross-validated performance with outcomes as they are and permuted."""
    table, summary = inputs.table("permutations"), inputs.document("summary")
    what, label = "Check for leakage with permuted outcomes", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(what, summary, label)
        return nothing(inputs.name, named, reason or "Outcomes were not permuted.")
    measures = list(dict.fromkeys(table["metric"]))
    one = len(measures) == 1
    rows = []
    for line in table.to_dict("records"):
        metric = line["metric"]
        mean, spread = (value_cell(metric, line[f"permuted_{key}"]) for key in ("mean", "sd"))
        cells = (
            model_name(line["model"], label) + ("" if one else f": {measure_name(metric)}"),
            value_cell(metric, line["observed"]),
            mean if spread == DASH else f"{mean} ({spread})",
            interval_cell(metric, line["permuted_low"], line["permuted_high"]),
            value_cell(metric, line["permuted_max"]),
            p_number(line["p"]),
        )
        rows.append(Row(cells))
    over = "Permuted outcomes"
    columns = (
        *(Column("Model", "left"), Column("Observed")),
        *(Column("Mean (SD)", over=over), Column("2.5 to 97.5 %", over=over)),
        *(Column("Greatest", over=over), Column("p")),
    )
    times = list(dict.fromkeys(int(n) for n in table["n_permutations"]))
    n = count(times[0], "permutation") if len(times) == 1 else sizes_words(times)
    least = f"; none can be below {p_number(1 / (1 + max(times)))}" if max(times) < 999 else ""
    chance = [significant(value, 3) for value in dict.fromkeys(table["chance"])]
    names = listing([measure_name(name) for name in measures])
    notes = (
        f"{names}, cross-validated. Outcomes are permuted between participants, and every step "
        f"that learns is run again; without leakage the mean is near {listing(chance)}. p: share "
        f"of permutations that reach the observed value, one-sided, the observed one counted "
        f"in{least}; not adjusted.",
    )
    title = model_title(what, summary, label, training_words(summary), n)
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)
