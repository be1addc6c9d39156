"""What the subjects table alone already tells of an analysis, before anything is computed.

Outcomes, times and rules are evaluated by the functions that the models use, and the sentences are
those that the models would give. Images can only take participants away: sizes found here are the
largest possible ones, so that what does not suffice here never will. Nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from osteoflow.models import sufficient as words
from osteoflow.models.outcome_cells import columns_of_outcome, outcome_cells
from osteoflow.statistics.rules import Cells, columns_in_rule, nearest_name, parse_rule, verdicts
from osteoflow.wording import count

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Verdicts = list[float | None]
# Values that are listed.
_FEW = 4


@dataclass(frozen=True)
class Findings:
    """Of one analysis, each a sentence that begins with its place.

    Attributes
    ----------
    mistakes
        What contradicts the table, whoever may follow: the study is refused.
    warnings
        Participants who do not suffice (yet), and rows that are left out: the rest of the study
        does not depend on them.
    """

    mistakes: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class _Rows:
    """Outcome and time of the rows that may be modelled, by where they may be used.

    ``held`` is None where the hold-out is drawn at random or rests on measurements.
    """

    train: list[tuple[float, float]]
    held: list[tuple[float, float]] | None
    fraction: float


def findings(analysis: Analysis, columns: Mapping[str, Cells]) -> Findings:
    """Mistakes of an analysis, and participants who do not suffice for it.

    Parameters
    ----------
    analysis
        Settings.
    columns
        Clinical columns of the subjects table by name, the first row of each participant. What
        rests on other columns is not judged, and neither are rules that cannot be evaluated:
        other checks name them.
    """
    place = f"analyses.{analysis.name}"
    size = max((len(column.entries) for column in columns.values()), default=0)
    found = Findings([], [])
    held = _verdicts(analysis.holdout_rule, columns)
    apart = _verdicts(_reliability_set(analysis), columns)
    misspelt, named = _rule_findings(analysis, columns, held, apart)
    found.mistakes.extend(f"{place}.{text}" for text in misspelt)
    found.warnings.extend(f"{place} cannot be fitted: {text}" for text in named)
    if misspelt or (apart is not None and named):
        return found  # who would be modelled is another matter once the rules are mended
    try:
        if not set(columns_of_outcome(analysis)) <= set(columns):
            return found
        outcome, time = outcome_cells(analysis, columns)
    except ValueError as error:
        if _names_classes(analysis, columns):
            found.mistakes.append(f"{place}.outcome: {error}")
        return found
    early = [] if time is None else [value for value in time if value is not None and value <= 0]
    if early:
        were = "is" if len(early) == 1 else "are"
        found.warnings.append(
            f"{place}.time: {count(len(early), 'participant')} whose '{analysis.time}' is 0 or "
            f"negative {were} left out"
        )
    rows = _rows(analysis, size, outcome, time, held, apart)
    short = [f"{place} cannot be fitted: {text}" for text in _shortfalls(analysis, rows)]
    found.warnings.extend(text for text in short if text not in found.warnings)
    return found


def _reliability_set(analysis: Analysis) -> str | None:
    return None if analysis.radiomics is None else analysis.radiomics.reliability_set


def _verdicts(rule: str | None, columns: Mapping[str, Cells]) -> Verdicts | None:
    """None without a rule, and where it cannot be evaluated by the table alone."""
    try:
        if rule is None or not set(columns_in_rule(rule)) <= set(columns):
            return None
        return verdicts(rule, columns)
    except ValueError:
        return None


def _names_classes(analysis: Analysis, columns: Mapping[str, Cells]) -> bool:
    """Whether an outcome that cannot be evaluated is one of named classes with some value.

    Columns of the wrong kind under the other outcomes are named by another check.
    """
    if analysis.kind != "ordinal" or analysis.cuts:
        return False
    # A rule where a column must stand is named elsewhere, too.
    column = columns.get(analysis.outcome)
    return column is not None and any(value is not None for value in column.entries)


def _rule_findings(
    analysis: Analysis,
    columns: Mapping[str, Cells],
    held: Verdicts | None,
    apart: Verdicts | None,
) -> tuple[list[str], list[str]]:
    """Rules for parts of the participants that name nobody, or leave nobody.

    Returns
    -------
    tuple
        Rules with a text that stands in no cell but is spelt like one that does: mistakes; and
        those that wait for other participants, of a later year or another site.
    """
    reliability = _reliability_set(analysis)
    mistakes, waiting = [], []
    for place, rule, named, nobody, everybody in (
        ("holdout_rule", analysis.holdout_rule, held, words.names_nobody, words.NO_TRAINING),
        (
            "radiomics.reliability_set",
            reliability,
            apart,
            words.reliability_names_nobody,
            f"the reliability set '{reliability}' names everybody, and nobody is left to be "
            "modelled",
        ),
    ):
        if named is None:
            continue
        if 1.0 not in named:
            absent, is_misspelt = _absent(str(rule), columns)
            text = f"{nobody(str(rule))}{absent}"
            if is_misspelt:
                mistakes.append(f"{place}: {text}")
            else:
                waiting.append(text)
        elif set(named) == {1.0}:
            waiting.append(everybody)
    return mistakes, waiting


def _absent(rule: str, columns: Mapping[str, Cells]) -> tuple[str, bool]:
    """Texts of a rule that stand in no cell, or "", and whether one is spelt like one that does."""
    found, is_misspelt = [], False
    for part in parse_rule(rule):
        texts = sorted({str(entry) for entry in columns[part.column].entries if entry is not None})
        if part.sign != "==" or not isinstance(part.value, str) or part.value in texts:
            continue
        near = nearest_name(part.value, texts)
        is_misspelt |= near is not None
        holds = f"it holds {', '.join(texts[:_FEW])}{', ...' * (len(texts) > _FEW)}"
        advice = holds if near is None else f"did you mean '{near}'?"
        found.append(f"nobody has '{part.value}' in column '{part.column}', {advice}")
    return (f" ({'; '.join(found)})" if found else ""), is_misspelt


def _rows(
    analysis: Analysis,
    size: int,
    outcome: Verdicts,
    time: Verdicts | None,
    held: Verdicts | None,
    apart: Verdicts | None,
) -> _Rows:
    """Rows that the models may use; those whose values are not known are left out, as there."""
    train: list[tuple[float, float]] = []
    test: list[tuple[float, float]] = []
    for row in range(size):
        value, when = outcome[row], 1.0 if time is None else time[row]
        if value is None or when is None or when <= 0:
            continue
        if apart is not None and apart[row] != 0.0:
            continue
        if held is None or held[row] == 0.0:
            train.append((value, when))
        elif held[row] == 1.0:
            test.append((value, when))
    if analysis.holdout_rule is None:
        return _Rows(train, None, analysis.holdout_fraction)
    # A rule that names nobody at all is told as such.
    return _Rows(train, test if held is not None and 1.0 in held else None, 0.0)


def _shortfalls(analysis: Analysis, rows: _Rows) -> list[str]:
    """Reasons for which the models will not be fitted, as they give them."""
    if not rows.train and not rows.held:
        return ["no participant of the table has the outcome and what its time and rules need"]
    n_folds = max(analysis.outer_folds, analysis.inner_folds)
    if analysis.kind == "binary":
        everyone = rows.train + (rows.held or [])
        # Without a class there is nothing more to say of its size.
        if alone := words.one_class(_size(everyone, 1.0), _size(everyone, 0.0)):
            return [alone]
    if not rows.train:
        return [words.NO_TRAINING]
    found = []
    if rows.held == []:
        found.append(f"{words.names_nobody(str(analysis.holdout_rule))} of those with the outcome")
        rows = _Rows(rows.train, None, 0.0)
    judge: dict[str, Callable[[Analysis, _Rows, int], Sequence[str]]] = {
        "binary": _binary,
        "ordinal": _ordinal,
        "continuous": _continuous,
        "survival": _survival,
    }
    return found + [text for text in judge[analysis.kind](analysis, rows, n_folds) if text]


def _size(rows: Sequence[tuple[float, float]], value: float) -> int:
    return sum(outcome == value for outcome, _ in rows)


def _most(rows: _Rows, value: float) -> int:
    """Participants of a class in the training data at most.

    A random hold-out of fewer participants leaves fewer, or as many: what is left of all is an
    upper bound of what is left of some.
    """
    n = _size(rows.train, value)
    return n - words.held_size(n, rows.fraction)


def _all_held(rows: _Rows) -> bool:
    """Whether a random hold-out takes everybody: one of each class at least."""
    return not any(_most(rows, value) for value in {value for value, _ in rows.train})


def _binary(analysis: Analysis, rows: _Rows, n_folds: int) -> list[str]:
    found = []
    for value, name in ((1.0, "event"), (0.0, "non-event")):
        found.append(words.too_few(_most(rows, value), f" with {name}s", n_folds))
        if rows.held is not None:
            found.append(words.small_holdout(_size(rows.held, value), name))
        elif rows.fraction:
            n = words.held_size(_size(rows.train, value), rows.fraction)
            found.append(words.small_holdout(n, name))
    return found


def _ordinal(analysis: Analysis, rows: _Rows, n_folds: int) -> list[str]:
    if _all_held(rows):
        return [words.NO_TRAINING]
    sizes = [_most(rows, float(place)) for place in range(len(analysis.classes))]
    found = list(words.classes_too_small(sizes, analysis.classes, n_folds))
    if rows.held is not None and len({value for value, _ in rows.held}) < 2:
        found.append(words.ONE_CLASS_HELD)
    return found


def _continuous(analysis: Analysis, rows: _Rows, n_folds: int) -> list[str]:
    values = [value for value, _ in rows.train]
    if not words.differ(min(values), max(values)):
        return [words.CONSTANT]
    found = [words.few_quantities(len(values), n_folds)]
    if rows.held is not None:
        held = [value for value, _ in rows.held]
        if len(held) < words.LEAST_PER_FOLD or not words.differ(min(held), max(held)):
            found.append(words.HELD_QUANTITIES)
    return found


def _survival(analysis: Analysis, rows: _Rows, n_folds: int) -> list[str]:
    if _all_held(rows):
        return [words.NO_TRAINING]
    if not _most(rows, 1.0):
        return [words.NO_EVENT]
    found = [words.too_few(_most(rows, 1.0), " with events", n_folds)]
    for part, name in ((rows.train, "training data"), (rows.held, "hold-out")):
        if part:
            longest = max(time for _, time in part)
            found.append(words.horizon_not_reached(longest, analysis.horizon))
            found.append(words.nothing_to_compare([row[::-1] for row in part], name))
    return found
