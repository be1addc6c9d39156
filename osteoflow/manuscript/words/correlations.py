"""Declared correlations."""

from __future__ import annotations

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import bare, estimate_cell, note_of, text_of
from osteoflow.wording import listing, p_number, sentence

SYMBOLS = {"spearman": "Spearman ρ", "pearson": "Pearson r"}


def correlations(inputs: Inputs) -> ManuscriptTable:
    """Coefficients with intervals, the partial ones below the others."""
    table = inputs.table("correlations")
    if table.empty:
        return nothing(inputs.name, "Correlations", "Nothing was correlated.")
    label = inputs.study.label
    methods = list(dict.fromkeys(table["method"]))
    one = len(methods) == 1
    columns = [Column("Variables", "left")]
    columns += [] if one else [Column("Coefficient", "left")]
    named = SYMBOLS.get(methods[0], methods[0]) if one else "Value"
    columns += [Column("n"), Column(f"{named} (95 % CI)"), Column("p"), Column("p (FDR)")]
    marks = Marks()
    rows = []
    partial = False
    for row in table.to_dict("records"):
        given = [part for part in note_of(row["covariates"]).split(",") if part.strip()]
        partial = partial or bool(given)
        pair = f"{bare(label(row['x']))[0]} and {bare(label(row['y']))[0]}"
        if given:
            pair = f"given {listing([bare(label(name.strip()))[0] for name in given])}"
        note = note_of(row.get("note"))
        cells = [pair + (marks.of(sentence(note)) if note else "")]
        cells += [] if one else [SYMBOLS.get(row["method"], row["method"])]
        value = estimate_cell("correlation", row["r"], row["ci_low"], row["ci_high"])
        cells += [text_of(row["n"]), value, p_number(row["p"]), p_number(row["p_fdr"])]
        rows.append(Row(tuple(cells), indent=int(bool(given))))
    low, high = int(table["n"].min()), int(table["n"].max())
    n = f"n = {low}" if low == high else f"n = {low}–{high}"
    how = listing([SYMBOLS.get(method, method) for method in methods])
    title = f"Correlations ({how}; {n})"
    notes = [
        "Participants with a missing value are left out pair by pair. Intervals by Fisher's z"
        + (" with Bonett and Wright's variance for ranks" if "spearman" in methods else "")
        + "; p by Student's t, two-sided. p (FDR): adjusted over the rows of this table by "
        "Benjamini and Hochberg.",
        *(["“given”: partial correlation, the named variables held constant."] if partial else []),
        *marks.notes,
    ]
    return ManuscriptTable(inputs.name, title, tuple(columns), tuple(rows), tuple(notes))
