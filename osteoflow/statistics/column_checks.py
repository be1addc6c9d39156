"""Declared statistics and analyses that the kind of a column cannot support.

Nothing heavy is imported here: these checks run when the configuration is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from osteoflow.settings.statistics import TESTS_OF_CATEGORIES
from osteoflow.statistics.rules import Comparison, columns_in_rule, parse_rule

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis
    from osteoflow.settings.statistics import GroupComparison, Statistics

# Values that are listed.
_FEW = 4


def column_problems(
    settings: Statistics,
    analyses: Iterable[Analysis],
    numeric: AbstractSet[str],
    text: AbstractSet[str],
    binary: AbstractSet[str],
    held: Mapping[str, Sequence[str]] | None = None,
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
    held
        Different filled cells of columns in order, for examples of what could be written.
    """
    check = _Check(numeric, text, binary, held or {})
    _check_statistics(settings, check)
    for analysis in analyses:
        _check_analysis(analysis, check)
    return list(dict.fromkeys(check.problems))


@dataclass
class _Check:
    """The kinds of all columns, and the mistakes found so far."""

    numeric: AbstractSet[str]
    text: AbstractSet[str]
    binary: AbstractSet[str]
    held: Mapping[str, Sequence[str]]
    problems: list[str] = field(default_factory=list)

    def numbers(self, place: str, names: Iterable[str]) -> None:
        """Columns that must hold numbers."""
        self.problems.extend(
            f"{place}: column '{name}' holds text, not numbers"
            for name in names
            if name in self.text
        )

    def rule(self, place: str, words: str, *, group: bool = False) -> None:
        """A rule whose comparisons must suit their columns."""
        try:
            parts = parse_rule(words)
        except ValueError:
            return
        for part in parts:
            problem = _misuse(part, self.numeric, self.text, self.binary, self.held, group=group)
            if problem:
                self.problems.append(f"{place}: {problem}")


def _check_statistics(settings: Statistics, check: _Check) -> None:
    if settings.table1_group:
        check.rule("statistics.table1_group", settings.table1_group, group=True)
    check.problems += _table1_test_problems(settings, check.numeric, check.text, check.binary)
    for name in settings.nonnormal:
        check.numbers("statistics.nonnormal", [name])
        if name in check.binary:
            check.problems.append(
                f"statistics.nonnormal: column '{name}' holds 0 and 1, which are counted and "
                "have no median"
            )
    for comparison in settings.comparisons:
        place = f"statistics.comparisons.{comparison.name}"
        check.rule(f"{place}.group", comparison.group, group=True)
        check.problems += _compared_with_itself(f"{place}.variables", comparison)
        if comparison.test not in TESTS_OF_CATEGORIES:
            check.numbers(f"{place}.variables", comparison.variables)
    for item in settings.correlations:
        place = f"statistics.correlations ({item.x}, {item.y})"
        check.numbers(place, [item.x, item.y])
    for matrix in settings.correlation_matrices:
        check.numbers(f"statistics.correlation_matrices.{matrix.name}", matrix.variables)
    for model in settings.mixed_models:
        for words in model.columns:
            check.rule(f"statistics.mixed_models.{model.name}.fixed", words, group=True)
    for roc in settings.measurement_roc:
        place = f"statistics.measurement_roc.{roc.name}"
        check.rule(f"{place}.outcome", roc.outcome)
        check.numbers(f"{place}.measurements", roc.measurements)


def _check_analysis(analysis: Analysis, check: _Check) -> None:
    place = f"analyses.{analysis.name}"
    if analysis.kind in ("binary", "survival"):
        check.rule(f"{place}.outcome", analysis.outcome)
    if analysis.kind == "continuous" or analysis.cuts:
        check.numbers(f"{place}.outcome", [analysis.outcome])
    check.numbers(f"{place}.time", [analysis.time] if analysis.time else [])
    check.numbers(f"{place}.measurements", analysis.measurements)
    check.numbers(f"{place}.baselines", analysis.baselines or [])
    if analysis.holdout_rule is not None:
        check.rule(f"{place}.holdout_rule", analysis.holdout_rule)
    if analysis.radiomics is not None and analysis.radiomics.reliability_set is not None:
        check.rule(f"{place}.radiomics.reliability_set", analysis.radiomics.reliability_set)


def columns_used(settings: Statistics) -> list[tuple[str, str]]:
    """Every column or rule that the statistics name, each with its place in the configuration.

    Those of ``measurement_roc`` are checked beside their outcome.
    """
    used: list[tuple[str, str]] = []
    if settings.table1_group:
        used.append(("statistics.table1_group", settings.table1_group))
    used += [("statistics.table1_variables", name) for name in settings.table1_variables]
    used += [("statistics.nonnormal", name) for name in settings.nonnormal]
    for comparison in settings.comparisons:
        place = f"statistics.comparisons.{comparison.name}"
        used += [(place, name) for name in (comparison.group, *comparison.variables)]
    for correlation in settings.correlations:
        names = [correlation.x, correlation.y, *correlation.covariates]
        used += [("statistics.correlations", name) for name in names]
    for matrix in settings.correlation_matrices:
        place = f"statistics.correlation_matrices.{matrix.name}"
        used += [(place, name) for name in (*matrix.variables, *matrix.covariates)]
    for model in settings.mixed_models:
        used += [(f"statistics.mixed_models.{model.name}.fixed", name) for name in model.columns]
    return used


def _compared_with_itself(place: str, comparison: GroupComparison) -> list[str]:
    """Variables that make the groups that they are compared between."""
    try:
        makers = columns_in_rule(comparison.group)
    except ValueError:
        return []
    return [
        f"{place}: '{name}' makes the groups, and differs between them by construction"
        for name in comparison.variables
        if name in makers
    ]


def _table1_test_problems(
    settings: Statistics,
    numeric: AbstractSet[str],
    text: AbstractSet[str],
    binary: AbstractSet[str],
) -> list[str]:
    """Declared tests of Table 1 that the kind of their row cannot have."""
    problems = []
    for name, test in settings.table1_tests.items():
        counted = name in text or (name in binary and name not in settings.nonnormal)
        if counted and test not in TESTS_OF_CATEGORIES:
            problems.append(
                f"statistics.table1_tests: '{name}' is counted by category, which {test} does "
                "not compare"
            )
        if name in numeric - binary and test in TESTS_OF_CATEGORIES:
            problems.append(
                f"statistics.table1_tests: '{name}' holds numbers, which {test} does not compare"
            )
    return problems


def _misuse(
    part: Comparison,
    numeric: AbstractSet[str],
    text: AbstractSet[str],
    binary: AbstractSet[str],
    held: Mapping[str, Sequence[str]],
    *,
    group: bool,
) -> str:
    """What is wrong with one comparison of a rule, or ""."""
    name = part.column
    if part.sign is None:
        # A column alone names groups by its values, but an event only by 0 and 1.
        if group or name in binary or name not in (numeric | text):
            return ""
        return (
            f"column '{name}' must hold 0 and 1 to be used alone"
            f"{_instead(name, held.get(name, ()), is_text=name in text)}"
        )
    if name in text and part.sign not in ("==", "!="):
        return f"column '{name}' holds text, not numbers, which '{part.sign}' needs"
    if name in numeric and isinstance(part.value, str):
        return f"column '{name}' holds numbers and cannot be compared with the text '{part.value}'"
    return ""


def _instead(name: str, held: Sequence[str], *, is_text: bool) -> str:
    """What a column holds, and a rule that its cells allow."""
    if not held:
        rule = f"{name} == TEXT" if is_text else f"{name} < NUMBER"
        return f"; write a rule: '{rule}' with a value of your own"
    few = is_text or len(held) <= _FEW
    holds = ", ".join(held[:_FEW]) + ", ..." * (len(held) > _FEW)
    if not few:
        holds = f"{held[0]} to {held[-1]}"
    if is_text or len(held) == 2:
        rule = f"{name} == {held[-1]}"
    else:
        rule = f"{name} >= {held[len(held) // 2]}"
    return f", but holds {holds}; write a rule such as '{rule}'"
