"""Table 1: who the participants are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import group_heading, note_of, rule_words, text_of, value_cell
from osteoflow.wording import p_number, sentence

TESTS = {
    "Welch t": "Welch's t test",
    "Mann-Whitney U": "Mann-Whitney U test",
    "Fisher exact": "Fisher's exact test",
    "chi-squared": "chi-squared test",
    "one-way ANOVA F": "one-way analysis of variance",
    "Kruskal-Wallis H": "Kruskal-Wallis test",
    "Welch ANOVA F": "Welch's analysis of variance",
}


# Columns of tests that Table 1 may have, and their headings.
_TESTED = {"p": "p", "p_fdr": "p (FDR)", "smd": "SMD"}


def characteristics(inputs: Inputs) -> ManuscriptTable:
    """Characteristics of the participants, by group if there is one."""
    table, about = inputs.table("table1"), inputs.document("about")
    title = "Characteristics of the participants"
    if table.empty:
        return nothing(inputs.name, title, "No variables.")
    group = about.get("group")
    rule = rule_words(str(group), inputs.study.label) if group else ""
    title = f"{title} (n = {text_of(table.iloc[0]['overall'])})"
    title += f", in all and by {rule}" if group else ""
    return worded_table1(inputs.name, title, table, about, rule)


def worded_table1(
    name: str,
    title: str,
    table: pd.DataFrame,
    about: Mapping[str, Any],
    over: str,
) -> ManuscriptTable:
    """A table of :func:`osteoflow.statistics.table1.table1` in words.

    Parameters
    ----------
    name, title
        Of the table.
    table, about
        The table and its document.
    over
        What the groups are by.
    """
    groups = [str(group) for group in about.get("groups", [])]
    sizes = table.iloc[0]
    tested = "p" in table.columns and len(groups) > 1
    missing = bool((pd.to_numeric(table["missing"], errors="coerce") > 0).any())
    columns = [Column("Characteristic", "left"), Column(f"All (n = {text_of(sizes['overall'])})")]
    columns += [
        Column(f"{group_heading(group, over)} (n = {text_of(sizes[group])})", over=over)
        for group in groups
    ]
    extra = {name: words for name, words in _TESTED.items() if tested and name in table.columns}
    columns += [Column(words) for words in extra.values()] + [Column("Missing")] * missing
    marks = Marks()
    rows: list[Row] = []
    for lines in _variables(table.iloc[1:]):
        rows += _rows(lines, ["overall", *groups], marks, list(extra), missing)
    notes = [
        "Values are mean (SD), median [Q1, Q3] or number (%), as each row says; percentages are "
        "of those whose value is known.",
        *(["p: two-sided, not adjusted for the number of rows."] if tested else []),
        *marks.notes,
        *[sentence(str(note)) for note in about.get("notes", [])],
    ]
    return ManuscriptTable(name, title, tuple(columns), tuple(rows), tuple(notes))


def _variables(table: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """The rows of each variable: the first one of each is named."""
    found: list[list[dict[str, Any]]] = []
    for line in table.to_dict("records"):
        if note_of(line["variable"]) or not found:
            found.append([])
        found[-1].append(line)
    return found


def _rows(
    lines: list[dict[str, Any]],
    shown: Sequence[str],
    marks: Marks,
    tested: Sequence[str],
    missing: bool,
) -> list[Row]:
    """A row, or of several categories a row with the name and one for each level."""
    first = lines[0]
    name = text_of(first["variable"])
    if not note_of(first["overall"]):
        return [Row((name,), section=True)]  # the heading of a block
    levels = [note_of(line["level"]) for line in lines]
    tail = [_tested_cell(column, first, marks) for column in tested]
    tail += [text_of(first["missing"])] if missing else []
    if set(levels) <= {"0", "1"} and "1" in levels:
        # Of yes and no, the reader needs one.
        lines, levels = [lines[levels.index("1")]], [""]
    if levels == [""]:
        return [Row((name, *(text_of(lines[0][part]) for part in shown), *tail))]
    head = Row((name, *[""] * len(shown), *tail))
    blank = [""] * len(tail)
    return [
        head,
        *(
            Row((level, *(text_of(line[part]) for part in shown), *blank), indent=1)
            for level, line in zip(levels, lines, strict=True)
        ),
    ]


def _tested_cell(column: str, line: dict[str, Any], marks: Marks) -> str:
    """A p value with the mark of its test, an adjusted one, or a standardised difference."""
    if column == "smd":
        return value_cell("effect", line["smd"])
    if column == "p_fdr":
        return p_number(line["p_fdr"])
    test = note_of(line.get("test"))
    words = TESTS.get(test, test).removeprefix("none: ")
    return p_number(line["p"]) + (marks.of(sentence(words)) if words else "")
