"""The outcome of every participant, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from osteoflow.models.outcome_cells import columns_of_outcome, outcome_cells
from osteoflow.statistics.rules import table_cells

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


def outcome_values(analysis: Analysis, people: pd.DataFrame) -> tuple[pd.Series, pd.Series | None]:
    """What :func:`outcome_cells` gives, as series with the table's index; missing is NaN.

    Raises
    ------
    ValueError
        As there.
    """
    outcome, time = outcome_cells(analysis, table_cells(people, columns_of_outcome(analysis)))

    def series(values: list[float | None], name: str) -> pd.Series:
        return pd.Series(values, index=people.index, dtype=float, name=name)

    return (
        series(outcome, analysis.outcome),
        None if time is None else series(time, str(analysis.time)),
    )
