"""Declared statistics and analyses that the kind of a column cannot support.

Nothing heavy is imported here: these checks run when the configuration is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from osteoflow.statistics.rules import Comparison, parse_rule

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis
    from osteoflow.settings.statistics import Statistics


def column_problems(
    settings: Statistics,
    analyses: Iterable[Analysis],
    numeric: AbstractSet[str],
    text: AbstractSet[str],
    binary: AbstractSet[str],
) -> list[str]:
    """Mistakes in the use of columns, each in a sentence that begins with its place.

    Unknown columns and rules that cannot be read are other checks' matter and pass here.

    Parameters
    ----------
    settings, analyses
        What the study declares.
    numeric
        Columns whose filled cells are all numbers, measured summaries included.
    text
        All other columns.
    binary
        Those of ``numeric`` that hold 0 and 1 alone.
    """
    problems: list[str] = []

    def numbers(place: str, names: Iterable[str]) -> None:
        problems.extend(
            f"{place}: column '{name}' holds text, not numbers" for name in names if name in text
        )

    def rule(place: str, words: str, *, group: bool = False) -> None:
        try:
            parts = parse_rule(words)
        except ValueError:
            return
        for part in parts:
            problem = _misuse(part, numeric, text, binary, group=group)
            if problem:
                problems.append(f"{place}: {problem}")

    if settings.table1_group:
        rule("statistics.table1_group", settings.table1_group, group=True)
    for name in settings.nonnormal:
        numbers("statistics.nonnormal", [name])
        if name in binary:
            problems.append(
                f"statistics.nonnormal: column '{name}' holds 0 and 1, which are counted and "
                "have no median"
            )
    for comparison in settings.comparisons:
        place = f"statistics.comparisons.{comparison.name}"
        rule(f"{place}.group", comparison.group, group=True)
        numbers(f"{place}.variables", comparison.variables)
    for item in settings.correlations:
        place = f"statistics.correlations ({item.x}, {item.y})"
        numbers(place, [item.x, item.y])
    for analysis in analyses:
        place = f"analyses.{analysis.name}"
        if analysis.kind in ("binary", "survival"):
            rule(f"{place}.outcome", analysis.outcome)
        if analysis.kind == "continuous" or analysis.cuts:
            numbers(f"{place}.outcome", [analysis.outcome])
        numbers(f"{place}.time", [analysis.time] if analysis.time else [])
        numbers(f"{place}.measurements", analysis.measurements)
        numbers(f"{place}.baselines", analysis.baselines)
        if analysis.holdout_rule is not None:
            rule(f"{place}.holdout_rule", analysis.holdout_rule)
    return list(dict.fromkeys(problems))


def _misuse(
    part: Comparison,
    numeric: AbstractSet[str],
    text: AbstractSet[str],
    binary: AbstractSet[str],
    *,
    group: bool,
) -> str:
    """What is wrong with one comparison of a rule, or ""."""
    name = part.column
    if part.sign is None:
        # A column alone names groups by its values, but an event only by 0 and 1.
        if group or name in binary or name not in (numeric | text):
            return ""
        example = f"{name} == yes" if name in text else f"{name} < 1"
        return (
            f"column '{name}' must hold 0 and 1 to be used alone; write a rule such as '{example}'"
        )
    if name in text and part.sign not in ("==", "!="):
        return f"column '{name}' holds text, not numbers, which '{part.sign}' needs"
    if name in numeric and isinstance(part.value, str):
        return f"column '{name}' holds numbers and cannot be compared with the text '{part.value}'"
    return ""
