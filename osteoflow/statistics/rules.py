"""Rules that make a 0/1 variable from a table's columns, such as ``vbmd_l1l2_mean < 80``.

A rule is a column's name alone (the column then holds 0 and 1), or comparisons of a column with
a number or a text, joined by ``and``. Rules are parsed, never executed.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


# Names of which this share of letters agrees differ by a slip of the keyboard.
_CLOSE = 0.7


@dataclass(frozen=True)
class Cells:
    """One column of a table: its entries, None where missing, and whether it holds numbers."""

    entries: Sequence[Any]
    numeric: bool


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
    """A sentence that names an unknown column and the one that was probably meant."""
    known = [str(column) for column in known]
    near = nearest_name(name, known)
    advice = f"known: {', '.join(sorted(known))}" if near is None else f"did you mean '{near}'?"
    return f"unknown column '{name}' ({advice})"


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None.

    A name that holds all words of the other comes first (``dxa_tscore`` for ``T-score``,
    ``fracture`` for ``fractures``), then a slip of the keyboard. Another word that happens to look
    alike (``height`` for ``weight``) is no help.
    """
    own, joined = _words(name), "".join(_words(name))
    likely: list[tuple[int, float, str]] = []
    for other in known:
        words = _words(other)
        alike = difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()
        if "".join(words) == joined:
            rank = 3
        elif own and set(own) <= set(words) or (len(joined) > 4 and joined in "".join(words)):
            rank = 2
        elif (words and set(words) <= set(own)) or (
            alike >= _CLOSE and name[:1].lower() == other[:1].lower()
        ):
            rank = 1
        else:
            continue
        likely.append((rank, alike, other))
    return max(likely, key=lambda item: item[:2])[2] if likely else None


def _words(name: str) -> list[str]:
    """Words of a name in small letters, without the s of a plural."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    return [word[:-1] if len(word) > 4 and word.endswith("s") else word for word in words]


def verdicts(rule: str, columns: Mapping[str, Cells]) -> list[float | None]:
    """Evaluate a rule on every row.

    Parameters
    ----------
    rule
        See the module.
    columns
        The table's columns by name, all of one length.

    Returns
    -------
    list
        1.0 where the rule holds, 0.0 where it does not, None where it cannot be known. With
        ``and``, one comparison that is false decides even where another is missing.

    Raises
    ------
    ValueError
        For an unknown column (the nearest one is named), a text column compared with ``<``, or a
        column alone that holds other values than 0 and 1.
    """
    parts = parse_rule(rule)
    _require(rule, parts, columns)
    if parts[0].sign is None:
        return _indicator(parts[0].column, columns[parts[0].column])
    compared = [_compare(rule, part, columns[part.column]) for part in parts]
    return [
        0.0 if 0.0 in row else None if None in row else 1.0 for row in zip(*compared, strict=True)
    ]


def evaluate_rule(rule: str, table: pd.DataFrame) -> pd.Series:
    """Evaluate a rule on every row of a table (see :func:`verdicts`).

    Returns
    -------
    pandas.Series
        1.0 where the rule holds, 0.0 where it does not, NaN where it cannot be known.

    Raises
    ------
    ValueError
        As :func:`verdicts`.
    """
    import pandas as pd

    _require(rule, parse_rule(rule), table.columns)
    found = verdicts(rule, table_cells(table, columns_in_rule(rule)))
    return pd.Series(found, index=table.index, dtype=float, name=rule)


def table_cells(table: pd.DataFrame, names: Iterable[str]) -> dict[str, Cells]:
    """Some columns of a table, as lists."""
    return {
        name: Cells(
            [
                value if known else None
                for value, known in zip(table[name].tolist(), table[name].notna(), strict=True)
            ],
            numeric=holds_numbers(table[name]),
        )
        for name in names
    }


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


def _require(rule: str, parts: Sequence[Comparison], known: Iterable[str]) -> None:
    known = list(known)
    for part in parts:
        if part.column not in known:
            raise ValueError(f"rule '{rule}': {unknown_column(part.column, known)}")


def _indicator(name: str, column: Cells) -> list[float | None]:
    found: list[float | None] = []
    wrong = []
    for value in column.entries:
        try:
            number = None if value is None else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if number is not None and number not in (0.0, 1.0):
            wrong.append(value)
        found.append(number)
    if wrong:
        raise ValueError(
            f"column '{name}' must hold 0 and 1 to be used alone, "
            f"but has {', '.join(repr(value) for value in list(dict.fromkeys(wrong))[:3])}; "
            f"write a rule such as '{name} == {wrong[0]}'"
        )
    return found


def _compare(rule: str, part: Comparison, column: Cells) -> list[float | None]:
    compare = _OPERATORS[part.sign or "=="]
    wanted: float | str | None = part.value
    if column.numeric:
        if isinstance(wanted, str):
            raise ValueError(f"rule '{rule}': column '{part.column}' holds numbers, not text")
        values: list[Any] = [None if value is None else float(value) for value in column.entries]
    elif part.sign in ("==", "!="):
        wanted = _as_text(wanted)
        values = [None if value is None else _as_text(value) for value in column.entries]
    else:
        raise ValueError(f"rule '{rule}': column '{part.column}' holds text, not numbers")
    return [None if value is None else float(compare(value, wanted)) for value in values]
