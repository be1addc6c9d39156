"""Declared correlation matrices: the lower triangle, or pairs in rows where it is too large."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    bare,
    estimate_cell,
    note_of,
    sizes_words,
    text_of,
    title_of,
    value_cell,
)
from osteoflow.manuscript.words.correlations import SYMBOLS
from osteoflow.wording import DASH, listing, p_number, sentence

# More variables than these do not stand side by side on a page.
MOST = 16
# Signs of the adjusted p, the strictest first.
_STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


def correlation_matrix(inputs: Inputs) -> ManuscriptTable:
    """Coefficients of all pairs of variables, marked by their adjusted p."""
    table = inputs.table("matrices")
    named = f"Correlation matrix: {title_of(inputs.about)}"
    if table.empty or not (table["name"] == inputs.about).any():
        return nothing(inputs.name, named, "Nothing was correlated.")
    pairs = table[table["name"] == inputs.about]
    method, given = str(pairs["method"].iloc[0]), note_of(pairs["covariates"].iloc[0])
    variables = list(dict.fromkeys([*pairs["x"], *pairs["y"]]))
    symbol, marks = SYMBOLS.get(method, method), Marks()
    fits = len(variables) <= MOST
    lay_out = _triangle if fits else _long
    columns, rows = lay_out(pairs, variables, symbol, marks, inputs)
    title = f"{named} ({'partial ' if given else ''}{symbol}; {sizes_words(pairs['n'])})"
    held = listing([bare(inputs.study.label(name.strip()))[0] for name in given.split(",")])
    notes = [
        *([f"Held constant in every pair: {held}."] if given else []),
        "Participants with a missing value are left out pair by pair.",
        "p by Student's t, two-sided, adjusted over the pairs of this matrix by Benjamini and "
        "Hochberg" + (": * p < 0.05, ** p < 0.01, *** p < 0.001 (FDR)." if fits else "."),
        f"Intervals by Fisher's z{' with a variance for ranks' if method == 'spearman' else ''}"
        + (" stand in correlation_matrices.tsv." if fits else "."),
    ]
    return ManuscriptTable(
        inputs.name, title, columns, tuple(rows), (" ".join(notes), *marks.notes)
    )


def _triangle(
    pairs: pd.DataFrame, variables: list[str], symbol: str, marks: Marks, inputs: Inputs
) -> tuple[tuple[Column, ...], list[Row]]:
    """A row for each variable; the columns go by the rows' numbers."""
    found = {frozenset((row["x"], row["y"])): row for row in pairs.to_dict("records")}
    rows = []
    for place, name in enumerate(variables):
        cells = [_marked(found.get(frozenset((name, other))), marks) for other in variables[:place]]
        blank = [""] * (len(variables) - 1 - place)
        label = bare(inputs.study.label(name))[0]
        rows.append(Row((f"{place + 1} {label}", *cells, *blank)))
    columns = (
        Column("Variable", "left"),
        *(Column(str(place + 1), over=symbol) for place in range(len(variables) - 1)),
    )
    return columns, rows


def _marked(row: dict[str, Any] | None, marks: Marks) -> str:
    """``−0.43**``."""
    if row is None:
        return DASH
    note = note_of(row.get("note"))
    text = value_cell("correlation", row["r"]) + (marks.of(sentence(note)) if note else "")
    p = float(row["p_fdr"])
    stars = next((sign for limit, sign in _STARS if p < limit), "") if math.isfinite(p) else ""
    return text + stars


def _long(
    pairs: pd.DataFrame, variables: list[str], symbol: str, marks: Marks, inputs: Inputs
) -> tuple[tuple[Column, ...], list[Row]]:
    """A section for each variable, with those that come behind it."""
    label = inputs.study.label
    rows = []
    for name in variables:
        part = pairs[pairs["x"] == name]
        if len(part):
            rows.append(Row((bare(label(name))[0],), section=True))
        for row in part.to_dict("records"):
            note = note_of(row.get("note"))
            cells = (
                bare(label(row["y"]))[0] + (marks.of(sentence(note)) if note else ""),
                text_of(row["n"]),
                estimate_cell("correlation", row["r"], row["ci_low"], row["ci_high"]),
                p_number(row["p"]),
                p_number(row["p_fdr"]),
            )
            rows.append(Row(cells, indent=1))
    columns = (
        *(Column("Variables", "left"), Column("n"), Column(f"{symbol} (95 % CI)")),
        *(Column("p"), Column("p (FDR)")),
    )
    return columns, rows
