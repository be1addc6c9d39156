"""Declared comparisons of groups."""

from __future__ import annotations

import pandas as pd

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    estimate_cell,
    group_heading,
    note_of,
    rule_words,
    text_of,
    title_of,
)
from osteoflow.manuscript.words.characteristics import TESTS
from osteoflow.wording import listing, p_number, sentence

# How the limits of each effect size were found, and what its groups' summaries are.
INTERVALS = {
    "Hedges g": "by the noncentral t distribution",
    "rank-biserial r": "by DeLong's variance of the area that it stands for",
    "eta squared": "by the noncentral F distribution",
    "epsilon squared": "by a bootstrap within groups (percentiles)",
    "omega squared": "by a bootstrap within groups (percentiles)",
    "Cramer's V": "by the noncentral chi-squared distribution",
}
_BY_MEAN = ("Welch t", "one-way ANOVA F", "Welch ANOVA F")
_COUNTED = ("chi-squared", "Fisher")


def group_comparison(inputs: Inputs) -> ManuscriptTable:
    """One declared comparison: groups' summaries, effect size, p and adjusted p."""
    table = inputs.table("comparisons")
    named = f"Comparison of groups: {title_of(inputs.about)}"
    if table.empty or not (table["name"] == inputs.about).any():
        return nothing(inputs.name, named, "Nothing was compared.")
    rows = table[table["name"] == inputs.about]
    first = rows.iloc[0]
    label = inputs.study.label
    rule = rule_words(str(first["group"]), label)
    places = _places(rows)
    tests, effects = _words(rows["test"]), _words(rows["effect_name"])
    columns = [Column("Variable", "left")]
    columns += [
        Column(f"{group_heading(text_of(first[f'group_{k}']), rule)} ({_sizes(rows, k)})", "right",
               rule)
        for k in places
    ]  # fmt: skip
    effect = listing([title_of(name) for name in effects])
    columns += [Column(f"{effect} (95 % CI)"), Column("p"), Column("p (FDR)")]
    marks = Marks()
    lines = []
    for row in rows.to_dict("records"):
        note = note_of(row.get("note"))
        mark = marks.of(sentence(note)) if note else ""
        cells = [text_of(row[f"summary_{k}"]) for k in places]
        limits = row["effect"], row["effect_low"], row["effect_high"]
        effect_cell = estimate_cell("effect", *limits)
        numbers = (effect_cell, p_number(row["p"]), p_number(row["p_fdr"]))
        lines.append(Row((label(row["variable"]) + mark, *cells, *numbers)))
    by_mean = all(test in _BY_MEAN for test in tests)
    what = "mean (SD)" if by_mean else "median [Q1, Q3]"
    what = "number (%)" if all(test.startswith(_COUNTED) for test in tests) else what
    named_tests = listing([TESTS.get(test, test) for test in tests])
    title = f"Comparison of groups by {rule} ({_total(rows)}; {named_tests})"
    order = "the first group less the second; " if len(places) == 2 else ""
    intervals = listing([INTERVALS[name] for name in effects if name in INTERVALS])
    notes = [
        f"Groups: {what}. {effect}: {order}interval {intervals}." if intervals else f"{what}.",
        "p: two-sided. p (FDR): adjusted over the rows of this table by Benjamini and Hochberg.",
        *marks.notes,
    ]
    return ManuscriptTable(inputs.name, title, tuple(columns), tuple(lines), tuple(notes))


def _places(rows: pd.DataFrame) -> list[int]:
    """Numbers of the groups that this comparison has; others' columns are empty."""
    found = []
    for name in rows.columns:
        stem, _, number = str(name).rpartition("_")
        if stem == "group" and number.isdigit() and rows[name].notna().any():
            found.append(int(number))
    return sorted(found)


def _sizes(rows: pd.DataFrame, place: int) -> str:
    """``n = 20``, or ``n = 18–20`` where some variables have missing values."""
    return _range(rows[f"n_{place}"])


def _total(rows: pd.DataFrame) -> str:
    return _range(rows["n"])


def _range(sizes: pd.Series) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return f"n = {low}" if low == high else f"n = {low}–{high}"


def _words(column: pd.Series) -> list[str]:
    return [str(word) for word in pd.unique(column) if isinstance(word, str) and word]
