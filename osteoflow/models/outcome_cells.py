"""The outcome of every row of a table, as numbers.

Nothing heavy is imported here: when the configuration is read, the same functions judge the
outcomes that the subjects table already holds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from osteoflow.statistics.rules import Cells, columns_in_rule, nearest_name, parse_rule, verdicts

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


def columns_of_outcome(analysis: Analysis) -> list[str]:
    """Columns that an outcome, and the time to it, rest on.

    Raises
    ------
    ValueError
        If the rule cannot be read.
    """
    return columns_in_rule(analysis.outcome) + ([] if analysis.time is None else [analysis.time])


def outcome_cells(
    analysis: Analysis, columns: Mapping[str, Cells]
) -> tuple[list[float | None], list[float | None] | None]:
    """Outcome of each row, and the time to it.

    Parameters
    ----------
    analysis
        Kind, outcome and time.
    columns
        At least those of :func:`columns_of_outcome`.

    Returns
    -------
    tuple
        Outcome: 1 and 0 (binary, survival), the class's place in the declared order counted from 0
        (ordinal), or the number itself (continuous); None where it is not known. Time: of
        survival the column of times, else None.

    Raises
    ------
    ValueError
        If a rule cannot be evaluated or stands where a column must, a column holds text where
        numbers are needed, or a class is not declared.
    """
    if analysis.kind == "binary":
        return verdicts(analysis.outcome, columns), None
    if analysis.kind == "survival":
        time = str(analysis.time)
        return verdicts(analysis.outcome, columns), _numbers(time, columns[time])
    (part, *others) = parse_rule(analysis.outcome)
    if others or part.sign is not None:
        raise ValueError(f"an outcome of kind {analysis.kind} is a column, not a rule")
    name, column = part.column, columns[part.column]
    if analysis.kind == "continuous":
        return _numbers(name, column), None
    if analysis.cuts:
        return _between(name, column, analysis.cuts), None
    return _named(name, column, analysis.classes), None


def _numbers(name: str, column: Cells) -> list[float | None]:
    """Numbers of a column; infinite ones are no measurements and count as missing."""
    if not column.numeric:
        raise ValueError(f"column '{name}' holds text, not numbers")
    return [
        float(value) if value is not None and math.isfinite(value) else None
        for value in column.entries
    ]


def _between(name: str, column: Cells, cuts: Sequence[float]) -> list[float | None]:
    """Class of each number; one that equals a cut is in the class above it."""
    if not column.numeric:
        raise ValueError(f"column '{name}' holds text, which has no cuts")
    values = _numbers(name, column)
    return [None if value is None else float(bisect_right(cuts, value)) for value in values]


def _named(name: str, column: Cells, classes: Sequence[str]) -> list[float | None]:
    """Class of each text."""
    if column.numeric:
        raise ValueError(
            f"column '{name}' holds numbers: give cuts between the classes{_halfway(classes)}"
        )
    texts = [None if value is None else str(value) for value in column.entries]
    known = {None: None} | {text: float(place) for place, text in enumerate(classes)}
    unknown = Counter(text for text in texts if text not in known)
    if unknown:
        raise ValueError(
            f"column '{name}' has classes that are not declared: "
            + ", ".join(_counted(text, n, classes) for text, n in sorted(unknown.items()))
        )
    return [known[text] for text in texts]


def _counted(text: str, n: int, classes: Sequence[str]) -> str:
    near = nearest_name(text, classes)
    advice = "" if near is None else f", did you mean '{near}'?"
    return f"'{text}' ({n} {'participant' if n == 1 else 'participants'}{advice})"


def _halfway(classes: Sequence[str]) -> str:
    """Cuts for classes that are numbers themselves, in words."""
    try:
        levels = [float(name) for name in classes]
    except ValueError:
        return ""
    if any(low >= high for low, high in zip(levels, levels[1:], strict=False)):
        return ""
    cuts = [f"{(low + high) / 2:g}" for low, high in zip(levels, levels[1:], strict=False)]
    return f" (for these: cuts: [{', '.join(cuts)}])"
