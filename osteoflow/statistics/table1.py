"""Table 1: the cohort's characteristics, by group if there is one.

Summaries come from the tableone package (Pollard et al., JAMIA Open 2018;1:26); tests are declared
by the study and named in the table, none is chosen by the data's distribution.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tableone import TableOne

from osteoflow.settings.statistics import REFERENCE_COLUMNS, TESTS_OF_CATEGORIES, Statistics
from osteoflow.statistics.balance import smd_of_categories, smd_of_numbers
from osteoflow.statistics.categories import cross_table
from osteoflow.statistics.comparison import compare_categories, compare_groups, level_text
from osteoflow.statistics.intervals import benjamini_hochberg
from osteoflow.statistics.rules import columns_in_rule, group_labels, holds_numbers, unknown_column
from osteoflow.wording import spread_decimals, true_minus

REFERENCE_HEADING = "Reference test and treatment"


@dataclass(frozen=True)
class Table1:
    """The table (variable, level, missing, one column per group, p, test) and what it is about."""

    table: pd.DataFrame
    document: dict[str, Any]


@dataclass(frozen=True)
class _Group:
    """Who belongs where: label of each row and the groups' names; neither without a group."""

    member: pd.Series | None
    names: list[str]

    def samples(self, values: pd.Series) -> list[np.ndarray]:
        return [
            values[values.notna() & (self.member == name)].to_numpy(dtype=float)
            for name in self.names
        ]


def declared_table1(
    table: pd.DataFrame, settings: Statistics, labels: Mapping[str, str], seed: int
) -> Table1 | None:
    """Table 1 as the study declares it, with what the study has of the reference test.

    Columns of :data:`osteoflow.settings.statistics.REFERENCE_COLUMNS` that are no rows yet become a
    block of their own at the end; days are given by their median. None where the study declares no
    rows.
    """
    if not settings.table1_variables:
        return None
    rows = settings.table1_variables
    block = [name for name in REFERENCE_COLUMNS if name in table.columns and name not in rows]
    days = [name for name in block if name.endswith("_days") and holds_numbers(table[name])]
    return table1(
        table,
        [*rows, *block],
        settings.table1_group,
        [*settings.nonnormal, *(name for name in days if name not in settings.nonnormal)],
        labels,
        tests=settings.table1_tests,
        smd=settings.table1_smd,
        fdr=settings.table1_fdr,
        block=block,
        seed=seed,
    )


def table1(
    table: pd.DataFrame,
    variables: Sequence[str],
    group: str | None = None,
    nonnormal: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    *,
    tests: Mapping[str, str] | None = None,
    smd: bool = False,
    fdr: bool = False,
    block: Sequence[str] = (),
    seed: int = 0,
) -> Table1:
    """Characteristics of the cohort.

    Numbers are given as mean (SD), those in ``nonnormal`` as median [quartiles]; text and other
    0/1 columns as n (%). Tests where none is declared: Welch's t or one-way ANOVA for means,
    Mann-Whitney or Kruskal-Wallis for medians, Fisher's exact test for 2 x 2 tables and chi-squared
    for larger ones.

    Parameters
    ----------
    table
        One row per participant.
    variables
        Rows of the table.
    group
        Column or rule that makes the groups; participants without it are in ``overall`` alone.
    nonnormal
        Variables given by their median.
    labels
        Words for columns.
    tests
        Declared test of a row, or of ``means``, ``medians`` and ``categories``.
    smd
        Whether to add the absolute standardised mean difference (of more than two groups the
        largest).
    fdr
        Whether to add p values adjusted over the rows.
    block
        Rows that stand beneath a heading of their own, the last of ``variables``.
    seed
        Of tests that draw random tables.

    Raises
    ------
    ValueError
        For unknown columns, or a non-normal variable that holds text.
    """
    labels = dict(labels or {})
    _check_variables(table, variables, nonnormal)
    kinds = {name: _kind(table[name], name in nonnormal) for name in variables}
    data = _typed(table, kinds)
    groups = _groups(table, group)
    parts = _parts(data, groups, kinds)
    rows = [{"variable": "n", "level": "", "missing": "", **_sizes(data, groups)}]
    said: dict[str, str] = {}
    for name in variables:
        if block and name == block[0]:
            empty = dict.fromkeys(parts, "")
            rows.append({"variable": REFERENCE_HEADING, "level": "", "missing": "", **empty})
        found = {}
        if group is not None:
            found = _tested(data[name], group, groups, kinds[name], tests or {}, seed)
            said[name] = found["test"]
            if smd:
                found["smd"] = _smd(data[name], groups, kinds[name])
        rows += _rows(name, kinds[name], labels.get(name, name), data[name], parts, found)
    result = pd.DataFrame(rows)
    if group is not None:
        result["test"] = result["test"].fillna("")
        if fdr:
            place = result.columns.get_loc("p") + 1
            result.insert(place, "p_fdr", benjamini_hochberg(result["p"]))
    return Table1(result, _document(data, group, groups, parts, said, smd, fdr))


def _check_variables(
    table: pd.DataFrame, variables: Sequence[str], nonnormal: Sequence[str]
) -> None:
    """Refuse rows that the table cannot give."""
    for name in [*variables, *nonnormal]:
        if name not in table.columns:
            raise ValueError(unknown_column(name, table.columns))
    if not variables:
        raise ValueError("Table 1 needs at least one variable")
    wrong = sorted(name for name in set(nonnormal) if not holds_numbers(table[name]))
    if wrong:
        raise ValueError(f"given by a median, but not numbers: {', '.join(wrong)}")


def _kind(column: pd.Series, by_median: bool) -> str:
    """``medians``, ``categories`` or ``means``.

    A count declared as a number stays one, even if nobody in this table has more than 1.
    """
    if by_median:
        return "medians"
    return "categories" if _is_categorical(column) else "means"


def _typed(table: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """The rows' variables, categories as text."""
    data = table[list(kinds)].copy()
    for name, kind in kinds.items():
        if kind == "categories":
            data[name] = data[name].map(level_text, na_action="ignore").astype(object)
    data.index = pd.RangeIndex(len(data))
    return data


def _groups(table: pd.DataFrame, group: str | None) -> _Group:
    if group is None:
        return _Group(None, [])
    member = group_labels(group, table).set_axis(pd.RangeIndex(len(table)))
    return _Group(member, sorted(member.dropna().unique()))


def _parts(
    data: pd.DataFrame, groups: _Group, kinds: Mapping[str, str]
) -> dict[str, dict[tuple[str, str], str]]:
    """Cells of the column ``overall`` and of each group by (variable, level)."""
    # Every column of the table has the decimals that the whole cohort's spread asks for.
    decimals = {
        name: _decimals(data[name].astype(float), kind == "medians")
        for name, kind in kinds.items()
        if kind != "categories"
    }
    parts = {"overall": _summaries(data, kinds, decimals, data)}
    for name in groups.names:
        parts[str(name)] = _summaries(data[groups.member == name], kinds, decimals, data)
    return parts


def _tested(
    values: pd.Series,
    group: str,
    groups: _Group,
    kind: str,
    tests: Mapping[str, str],
    seed: int,
) -> dict[str, Any]:
    """``p`` and ``test`` of one row; what makes the groups is not tested."""
    if values.name in columns_in_rule(group):
        # It differs between them by construction.
        return {"p": float("nan"), "test": "none: not tested, it makes the groups"}
    declared = tests.get(str(values.name), tests.get(kind))
    p, said = _test(values, groups, kind, declared, seed)
    return {"p": p, "test": said}


KINDS = {"categories": "n (%)", "means": "mean (SD)", "medians": "median [Q1, Q3]"}


def _rows(
    name: str,
    kind: str,
    label: str,
    values: pd.Series,
    parts: Mapping[str, Mapping[tuple[str, str], str]],
    found: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """A variable's rows: one, or one per level, of which the first has the test."""
    levels = [key[1] for key in parts["overall"] if key[0] == name]
    rows = []
    for place, level in enumerate(levels):
        first = place == 0
        row = {
            "variable": f"{label}, {KINDS[kind]}" if first else "",
            "level": level,
            "missing": str(int(values.isna().sum())) if first else "",
        }
        row |= {part: cells[(name, level)] for part, cells in parts.items()}
        for key, value in found.items():
            row[key] = value if first else ("" if key == "test" else np.nan)
        rows.append(row)
    return rows


def _document(
    data: pd.DataFrame,
    group: str | None,
    groups: _Group,
    parts: Mapping[str, Any],
    tests: Mapping[str, str],
    smd: bool,
    fdr: bool,
) -> dict[str, Any]:
    """What the table is about."""
    notes = []
    if smd and groups.names:
        several = ", the largest of all pairs of groups" if len(groups.names) > 2 else ""
        notes.append(f"SMD: absolute standardised mean difference{several}")
    if fdr and groups.names:
        notes.append("Adjusted p (FDR): by Benjamini and Hochberg's method over the table's rows")
    if groups.member is not None and groups.member.isna().any():
        unknown = int(groups.member.isna().sum())
        notes.append(f"{unknown} participant{'s' * (unknown > 1)} of no known group: overall alone")
    return {
        "group": group,
        "groups": groups.names,
        "n": {
            part: len(data) if part == "overall" else int((groups.member == part).sum())
            for part in parts
        },
        "tests": dict(tests),
        "notes": notes,
    }


def _decimals(values: pd.Series, by_median: bool) -> int:
    """Decimals of a variable's summaries, by its spread over everyone."""
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    if by_median:
        return spread_decimals(high - low, middle)
    return spread_decimals(values.std(), values.mean())


def _summaries(
    data: pd.DataFrame,
    kinds: Mapping[str, str],
    decimals: Mapping[str, int],
    everyone: pd.DataFrame,
) -> dict[tuple[str, str], str]:
    """Cells of one column by (variable, level)."""
    categorical = [name for name, kind in kinds.items() if kind == "categories"]
    nonnormal = [name for name, kind in kinds.items() if kind == "medians"]
    levels = {name: sorted(everyone[name].dropna().unique()) for name in categorical}
    cells: dict[tuple[str, str], str] = {}
    usable = [name for name in kinds if data[name].notna().any()]
    if usable:
        with warnings.catch_warnings():
            # tableone's own use of pandas; nothing a reader could act on.
            warnings.filterwarnings("ignore", module="tableone")
            made = TableOne(
                data[usable],
                columns=usable,
                categorical=[name for name in categorical if name in usable],
                nonnormal=[name for name in nonnormal if name in usable],
                decimals={name: decimals.get(name, 1) for name in usable},
                missing=False,
                include_null=False,
            ).tableone
        for (title, level), value in made.iloc[:, 0].items():
            for name in usable:
                if title == name or title.startswith(f"{name}, "):
                    text = str(value) if name in categorical else true_minus(str(value))
                    spaced = text.replace(",", ", ", 1) if name in nonnormal else text
                    cells[(name, str(level))] = spaced
    ordered = {}
    for name in kinds:
        for level in levels.get(name, [""]) or [""]:
            empty = "0 (0.0)" if name in categorical and name in usable else "n/a"
            ordered[(name, str(level))] = cells.get((name, str(level)), empty)
    return ordered


def _test(
    values: pd.Series, groups: _Group, kind: str, declared: str | None, seed: int
) -> tuple[float, str]:
    """p value and name of the declared test; NaN with the reason where it cannot be made."""
    if groups.member is None or len(groups.names) < 2:
        return float("nan"), "none: fewer than two groups"
    two = len(groups.names) == 2
    if declared is None:
        if kind == "categories":
            counts = cross_table(values, groups.member)
            declared = "fisher" if counts.shape == (2, 2) else "chi2"
        elif kind == "medians":
            declared = "mann_whitney" if two else "kruskal"
        else:
            declared = "welch" if two else "anova"
    try:
        if (kind == "categories") != (declared in TESTS_OF_CATEGORIES):
            what = "categories" if kind == "categories" else "numbers"
            return float("nan"), f"none: {declared} does not compare {what}"
        if kind == "categories":
            found = compare_categories(values, groups.member, declared, seed)
        else:
            found = compare_groups(groups.samples(values), declared, seed)
    except ValueError as error:
        return float("nan"), f"none: {error}"
    if np.isnan(found.p):
        return found.p, f"none: {found.note}"
    return found.p, found.test


def _smd(values: pd.Series, groups: _Group, kind: str) -> float:
    """Standardised mean difference between the groups; NaN with fewer than two."""
    if groups.member is None or len(groups.names) < 2:
        return float("nan")
    if kind == "categories":
        counts = cross_table(values, groups.member)
        return smd_of_categories(counts) if len(counts) == len(groups.names) else float("nan")
    return smd_of_numbers(groups.samples(values))


def _sizes(data: pd.DataFrame, groups: _Group) -> dict[str, str]:
    sizes = {"overall": str(len(data))}
    if groups.member is not None:
        sizes |= {str(name): str(int((groups.member == name).sum())) for name in groups.names}
    return sizes


def _is_categorical(column: pd.Series) -> bool:
    if not holds_numbers(column):
        return True
    return bool(column.notna().any()) and set(column.dropna().unique()) <= {0, 1}
