"""Rules that make a 0/1 variable from a table's columns, such as ``vbmd_l1l2_mean < 80``.

A rule is a column's name alone (the column then holds 0 and 1), or comparisons of a column with
a number or a text, joined by ``and``. Rules are parsed, never executed.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_OPERATORS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_COMPARISON = re.compile(r"^\s*([^<>=!]+?)\s*(<=|>=|==|!=|<|>)\s*([^<>=!]+?)\s*$")
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


@dataclass(frozen=True)
class Comparison:
    """``column <sign> value``; a column that stands alone has neither sign nor value."""

    column: str
    sign: str | None = None
    value: float | str | None = None


def parse_rule(rule: str) -> list[Comparison]:
    """Comparisons of a rule, all of which must hold.

    Raises
    ------
    ValueError
        If the rule cannot be read, or orders a text.
    """
    parts = re.split(r"\s+and\s+", rule.strip())
    found = []
    for part in parts:
        match = _COMPARISON.match(part)
        if match is None:
            if len(parts) > 1 or not part or re.search(r"[<>=!]", part):
                raise ValueError(
                    f"rule '{rule}' cannot be read: expected a column, or 'column < number' "
                    "with <, <=, >, >=, == or !=, joined by 'and'"
                )
            found.append(Comparison(part))
            continue
        column, sign, text = match.groups()
        value: float | str = float(text) if _NUMBER.match(text) else text.strip("'\"")
        if isinstance(value, str) and sign not in ("==", "!="):
            raise ValueError(f"rule '{rule}': '{sign}' needs a number, not '{text}'")
        found.append(Comparison(column, sign, value))
    return found


def columns_in_rule(rule: str) -> list[str]:
    """Names of the columns that a rule reads, each once.

    Raises
    ------
    ValueError
        If the rule cannot be read.
    """
    return list(dict.fromkeys(part.column for part in parse_rule(rule)))


def unknown_column(name: str, known: Iterable[str]) -> str:
    """A sentence that names an unknown column and the nearest known one."""
    known = [str(column) for column in known]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(known))}"
    return f"unknown column '{name}' ({advice})"


def evaluate_rule(rule: str, table: pd.DataFrame) -> pd.Series:
    """Evaluate a rule on every row.

    Returns
    -------
    pandas.Series
        1.0 where the rule holds, 0.0 where it does not, NaN where it cannot be known. With
        ``and``, one comparison that is false decides even where another is missing.

    Raises
    ------
    ValueError
        For an unknown column (the nearest one is named), a text column compared with ``<``, or a
        column alone that holds other values than 0 and 1.
    """
    import pandas as pd

    parts = parse_rule(rule)
    for part in parts:
        if part.column not in table.columns:
            raise ValueError(f"rule '{rule}': {unknown_column(part.column, table.columns)}")
    if parts[0].sign is None:
        return _indicator(table[parts[0].column])
    verdicts = pd.concat([_compare(rule, part, table[part.column]) for part in parts], axis=1)
    result = verdicts.min(axis=1, skipna=True)
    unknown = verdicts.isna().any(axis=1) & (result != 0.0)
    return result.mask(unknown).rename(rule)


def group_labels(rule: str, table: pd.DataFrame) -> pd.Series:
    """Group of every row, as text: a column's own values, or "no"/"yes" for a rule.

    A 0/1 column counts as a rule. Missing stays missing.

    Raises
    ------
    ValueError
        As :func:`evaluate_rule`.
    """
    parts = parse_rule(rule)
    if parts[0].sign is None and parts[0].column in table.columns:
        column = table[parts[0].column]
        present = column.dropna()
        if not set(present.unique()) <= {0, 1}:
            return column.map(_as_text, na_action="ignore").astype(object).rename(rule)
    verdict = evaluate_rule(rule, table)
    return verdict.map({0.0: "no", 1.0: "yes"}).astype(object).rename(rule)


def holds_numbers(column: pd.Series) -> bool:
    """Whether a column holds numbers; ``True`` and ``False`` are words, not numbers."""
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _as_text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _indicator(column: pd.Series) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = column[(numbers.isna() & column.notna()) | ~(numbers.isna() | numbers.isin([0, 1]))]
    if len(wrong):
        raise ValueError(
            f"column '{column.name}' must hold 0 and 1 to be used alone, "
            f"but has {', '.join(repr(v) for v in wrong.unique()[:3].tolist())}; "
            f"write a rule such as '{column.name} == {wrong.iloc[0]}'"
        )
    return numbers


def _compare(rule: str, part: Comparison, column: pd.Series) -> pd.Series:
    compare = _OPERATORS[part.sign or "=="]
    if holds_numbers(column):
        if isinstance(part.value, str):
            raise ValueError(f"rule '{rule}': column '{part.column}' holds numbers, not text")
        verdict = compare(column.astype(float), part.value)
    elif part.sign in ("==", "!="):
        verdict = compare(column.map(_as_text, na_action="ignore"), _plain(part.value))
    else:
        raise ValueError(f"rule '{rule}': column '{part.column}' holds text, not numbers")
    return verdict.astype(object).where(column.notna(), math.nan).astype(float)


def _plain(value: float | str | None) -> str:
    return _as_text(value) if isinstance(value, float) else str(value)
