"""Which groups differ: the pairs behind a comparison of three or more groups."""

from __future__ import annotations

import pandas as pd

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Row, nothing
from osteoflow.manuscript.words.cells import (
    df_cell,
    estimate_cell,
    rule_words,
    sizes_words,
    text_of,
    title_of,
    value_cell,
)
from osteoflow.manuscript.words.comparisons import INTERVALS
from osteoflow.wording import MINUS, listing, p_number

_RANGE = (
    "Difference: of means, the first group less the second, with simultaneous limits of the "
    "studentised range{}. p: two-sided, adjusted for the pairs of one variable by the studentised "
    "range (q), not over variables."
)
# Test as the machine table names it -> statistic, heading of the difference, what the notes say.
_TESTS = {
    "Tukey-Kramer": ("q", "Difference (95 % CI)", _RANGE.format("")),
    "Games-Howell": (
        "q",
        "Difference (95 % CI)",
        _RANGE.format(" and Welch's degrees of freedom (unequal variances)"),
    ),
    "Dunn, Holm-adjusted": (
        "z",
        "Difference of mean ranks",
        "Difference: of mean ranks of all groups, the first group less the second. p: two-sided, "
        "adjusted for the pairs of one variable by Holm, not over variables.",
    ),
}


def post_hoc(inputs: Inputs) -> ManuscriptTable:
    """All pairs of groups of one declared comparison, a section for each variable."""
    table = inputs.table("pairs")
    named = f"Pairs of groups: {title_of(inputs.about)}"
    if table.empty or not (table["name"] == inputs.about).any():
        return nothing(inputs.name, named, "No pairs of groups were compared.")
    pairs = table[table["name"] == inputs.about]
    label, test = inputs.study.label, str(pairs["test"].iloc[0])
    letter, difference, said = _TESTS[test]
    with_df = bool(pairs["df"].notna().any())
    effects = list(dict.fromkeys(pairs["effect_name"]))
    rows = []
    for variable, part in pairs.groupby("variable", sort=False):
        rows.append(Row((label(str(variable)),), section=True))
        rows += [_pair(row, with_df) for row in part.to_dict("records")]
    effect = listing([title_of(name) for name in effects])
    columns = (
        *(Column("Groups", "left"), Column("n"), Column(difference), Column(letter)),
        *([Column("df")] if with_df else []),
        *(Column("p"), Column(f"{effect} (95 % CI)")),
    )
    rule = rule_words(str(pairs["group"].iloc[0]), label)
    intervals = listing([INTERVALS[name] for name in effects if name in INTERVALS])
    notes = [said, f"{effect}: of the two groups alone, interval {intervals}."]
    method = test.partition(",")[0]
    title = f"Pairs of groups by {rule} ({_total(pairs)}; {method} test)"
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), tuple(notes))


def _pair(row: dict, with_df: bool) -> Row:
    limits = row["difference"], row["ci_low"], row["ci_high"]
    cells = [
        f"{text_of(row['group_1'])} {MINUS} {text_of(row['group_2'])}",
        f"{text_of(row['n_1'])}, {text_of(row['n_2'])}",
        estimate_cell("difference", *limits),
        value_cell("statistic", row["statistic"]),
        *([df_cell(row["df"])] if with_df else []),
        p_number(row["p"]),
        estimate_cell("effect", row["effect"], row["effect_low"], row["effect_high"]),
    ]
    return Row(tuple(cells), indent=1)


def _total(pairs: pd.DataFrame) -> str:
    """Participants of all groups together, by variable."""
    totals = []
    for _, part in pairs.groupby("variable", sort=False):
        sizes = dict(zip(part["group_1"], part["n_1"], strict=True))
        sizes |= dict(zip(part["group_2"], part["n_2"], strict=True))
        totals.append(sum(sizes.values()))
    return sizes_words(totals)
