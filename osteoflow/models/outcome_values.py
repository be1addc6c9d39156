"""The outcome of every participant, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from osteoflow.statistics.rules import evaluate_rule, holds_numbers

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


def outcome_values(analysis: Analysis, people: pd.DataFrame) -> tuple[pd.Series, pd.Series | None]:
    """Outcome of each row, and the time to it.

    Returns
    -------
    tuple
        Outcome: 1 and 0 (binary, survival), the class's place in the declared order counted from 0
        (ordinal), or the number itself (continuous); missing where it is not known. Time: of
        survival the column of times, else None.

    Raises
    ------
    ValueError
        If a rule cannot be evaluated, a column holds text where numbers are needed, or a class is
        not declared.
    """
    if analysis.kind == "binary":
        return evaluate_rule(analysis.outcome, people), None
    if analysis.kind == "survival":
        return evaluate_rule(analysis.outcome, people), _numbers(people[analysis.time])
    if analysis.kind == "continuous":
        return _numbers(people[analysis.outcome]), None
    return _classes(people[analysis.outcome], analysis.classes, analysis.cuts), None


def _numbers(column: pd.Series) -> pd.Series:
    """Numbers of a column; infinite ones are no measurements and count as missing."""
    if not holds_numbers(column):
        raise ValueError(f"column '{column.name}' holds text, not numbers")
    values = column.astype(float)
    return values.where(np.isfinite(values))


def _classes(column: pd.Series, classes: list[str], cuts: list[float]) -> pd.Series:
    if cuts:
        if not holds_numbers(column):
            raise ValueError(f"column '{column.name}' holds text, which has no cuts")
        values = _numbers(column)
        places = np.searchsorted(np.asarray(cuts), values.to_numpy(), side="right").astype(float)
        return pd.Series(np.where(values.isna(), np.nan, places), column.index, name=column.name)
    if holds_numbers(column):
        raise ValueError(f"column '{column.name}' holds numbers: give cuts between the classes")
    text = column.map(str, na_action="ignore")
    unknown = sorted(set(text.dropna()) - set(classes))
    if unknown:
        raise ValueError(
            f"column '{column.name}' has classes that are not declared: {', '.join(unknown)}"
        )
    return text.map({name: float(place) for place, name in enumerate(classes)}).astype(float)
