"""One session of each participant: sessions of one person are not independent observations.

A participant counts once, with the session that comes first in the study's table. The rule looks
at no value: neither an outcome nor a missing cell can decide which session is used.
"""

from __future__ import annotations

import pandas as pd


def session_names(table: pd.DataFrame) -> pd.Series:
    """Session of each row as text; "" where there is none, or no such column."""
    if "session" not in table.columns:
        return pd.Series("", index=table.index, dtype=object)
    session = table["session"].astype(object)
    return session.where(session.notna(), "").astype(str)


def session_keys(table: pd.DataFrame) -> pd.Series:
    """``participant|session`` of each row, by which tables of one cohort are matched."""
    return table["participant_id"].astype(str) + "|" + session_names(table)


def one_row_per_participant(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The first row of each participant, in the table's order.

    Parameters
    ----------
    table
        One row per participant and session; ``participant_id``. Rows without a session count as
        sessions, too.

    Returns
    -------
    tuple
        The rows kept, with their index, and a sentence for the report if rows were left out.
    """
    people = table["participant_id"].astype(str)
    later = people.duplicated()
    if not later.any():
        return table, []
    rows, participants = int(later.sum()), people[later].nunique()
    sentence = (
        f"{rows} row{'s' * (rows > 1)} of {participants} participant{'s' * (participants > 1)} "
        f"{'were' if rows > 1 else 'was'} left out: each participant counts once, with the "
        "session that comes first in the participants table"
    )
    return table[~later], [sentence]


def of_same_sessions(table: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Rows of a cohort table (measurements, features) that belong to the sessions in ``people``."""
    if table.empty:
        return table
    return table[session_keys(table).isin(set(session_keys(people)))]
