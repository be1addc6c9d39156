"""Table 1: the cohort's characteristics, by group if there is one.

Summaries come from the tableone package (Pollard et al., JAMIA Open 2018;1:26); tests are declared
here and named in the table, none is chosen by the data's distribution.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from tableone import TableOne

from osteoflow.statistics.comparison import compare_groups
from osteoflow.statistics.rules import group_labels, holds_numbers, unknown_column
from osteoflow.wording import spread_decimals, true_minus


@dataclass(frozen=True)
class Table1:
    """The table (variable, level, missing, one column per group, p, test) and what it is about."""

    table: pd.DataFrame
    document: dict[str, Any]


def table1(
    table: pd.DataFrame,
    variables: Sequence[str],
    group: str | None = None,
    nonnormal: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> Table1:
    """Characteristics of the cohort.

    Numbers are given as mean (SD), those in ``nonnormal`` as median [quartiles]; text and other
    0/1 columns as n (%). Tests: Welch's t or one-way ANOVA for means, Mann-Whitney or
    Kruskal-Wallis for medians, Fisher's exact test for 2 x 2 tables and chi-squared for larger
    ones.

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

    Raises
    ------
    ValueError
        For unknown columns, or a non-normal variable that holds text.
    """
    labels = dict(labels or {})
    for name in [*variables, *nonnormal]:
        if name not in table.columns:
            raise ValueError(unknown_column(name, table.columns))
    if not variables:
        raise ValueError("Table 1 needs at least one variable")
    wrong = sorted(name for name in set(nonnormal) if not holds_numbers(table[name]))
    if wrong:
        raise ValueError(f"given by a median, but not numbers: {', '.join(wrong)}")
    # A count declared as a number stays one, even if nobody in this table has more than 1.
    categorical = [
        name for name in variables if name not in nonnormal and _is_categorical(table[name])
    ]
    data = table[list(variables)].copy()
    for name in categorical:
        data[name] = data[name].map(_level, na_action="ignore").astype(object)
    data.index = pd.RangeIndex(len(data))
    parts = {"overall": _summaries(data, categorical, nonnormal, variables)}
    names: list[str] = []
    member = None
    if group is not None:
        member = group_labels(group, table).set_axis(data.index)
        names = sorted(member.dropna().unique())
        for name in names:
            parts[str(name)] = _summaries(
                data[member == name], categorical, nonnormal, variables, data
            )

    rows = [{"variable": "n", "level": "", "missing": "", **_sizes(data, member, names)}]
    tests: dict[str, str] = {}
    for name in variables:
        p, test = _test(data[name], member, names, name in categorical, name in nonnormal)
        tests[name] = test
        kind = "n (%)" if name in categorical else "mean (SD)"
        kind = "median [Q1, Q3]" if name in nonnormal else kind
        levels = [key[1] for key in parts["overall"] if key[0] == name]
        for place, level in enumerate(levels):
            row = {
                "variable": f"{labels.get(name, name)}, {kind}" if place == 0 else "",
                "level": level,
                "missing": str(int(data[name].isna().sum())) if place == 0 else "",
            }
            row |= {part: cells[(name, level)] for part, cells in parts.items()}
            if group is not None:
                row |= {"p": p if place == 0 else np.nan, "test": test if place == 0 else ""}
            rows.append(row)
    result = pd.DataFrame(rows)
    document = {
        "group": group,
        "groups": names,
        "n": {
            part: len(data) if part == "overall" else int((member == part).sum()) for part in parts
        },
        "tests": tests if group is not None else {},
    }
    return Table1(result, document)


def _summaries(
    data: pd.DataFrame,
    categorical: Sequence[str],
    nonnormal: Sequence[str],
    variables: Sequence[str],
    everyone: pd.DataFrame | None = None,
) -> dict[tuple[str, str], str]:
    """Cells of one column by (variable, level)."""
    everyone = data if everyone is None else everyone
    levels = {name: sorted(everyone[name].dropna().unique()) for name in categorical}
    cells: dict[tuple[str, str], str] = {}
    usable = [name for name in variables if data[name].notna().any()]
    # Every column of the table has the decimals that the whole cohort's spread asks for.
    decimals = {
        name: _decimals(everyone[name].astype(float), name in nonnormal)
        for name in usable
        if name not in categorical
    }
    if usable:
        with warnings.catch_warnings():
            # tableone's own use of pandas; nothing a reader could act on.
            warnings.filterwarnings("ignore", module="tableone")
            made = TableOne(
                data[usable],
                columns=usable,
                categorical=[name for name in categorical if name in usable],
                nonnormal=[name for name in nonnormal if name in usable],
                missing=False,
                include_null=False,
                decimals=decimals,
            ).tableone
        for (title, level), value in made.iloc[:, 0].items():
            for name in usable:
                if title == name or title.startswith(f"{name}, "):
                    text = str(value) if name in categorical else true_minus(str(value))
                    spaced = text.replace(",", ", ", 1) if name in nonnormal else text
                    cells[(name, str(level))] = spaced
    ordered = {}
    for name in variables:
        for level in levels.get(name, [""]) or [""]:
            empty = "0 (0.0)" if name in categorical and name in usable else "n/a"
            ordered[(name, str(level))] = cells.get((name, str(level)), empty)
    return ordered


def _decimals(values: pd.Series, by_median: bool) -> int:
    """Decimals of a variable's summaries, by its spread over everyone."""
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    if by_median:
        return spread_decimals(high - low, middle)
    return spread_decimals(values.std(), values.mean())


def _test(
    values: pd.Series,
    member: pd.Series | None,
    names: Sequence[str],
    categorical: bool,
    median: bool,
) -> tuple[float, str]:
    """p value and name of the declared test; NaN with the reason where it cannot be made."""
    if member is None or len(names) < 2:
        return float("nan"), "none"
    known = values.notna() & member.notna()
    if categorical:
        counts = pd.crosstab(values[known], member[known]).to_numpy()
        if counts.shape == (2, 2):
            return float(stats.fisher_exact(counts).pvalue), "Fisher exact"
        if min(counts.shape) < 2:
            return float("nan"), "none: one level only"
        return float(stats.chi2_contingency(counts, correction=False).pvalue), "chi-squared"
    declared = {
        (False, True): "welch",
        (False, False): "anova",
        (True, True): "mann_whitney",
        (True, False): "kruskal",
    }[(median, len(names) == 2)]
    samples = [values[known & (member == name)].to_numpy(dtype=float) for name in names]
    try:
        found = compare_groups(samples, declared)
    except ValueError as error:
        return float("nan"), f"none: {error}"
    return found.p, found.test


def _sizes(data: pd.DataFrame, member: pd.Series | None, names: Sequence[str]) -> dict[str, str]:
    sizes = {"overall": str(len(data))}
    if member is not None:
        sizes |= {str(name): str(int((member == name).sum())) for name in names}
    return sizes


def _is_categorical(column: pd.Series) -> bool:
    if not holds_numbers(column):
        return True
    return bool(column.notna().any()) and set(column.dropna().unique()) <= {0, 1}


def _level(value: object) -> str:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return str(int(value)) if number and float(value).is_integer() else str(value)  # type: ignore[arg-type]
