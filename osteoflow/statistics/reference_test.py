"""Whether a study says how far apart scan and reference test lie, where its outcomes rest on one.

Bone changes between scan and reference test, and under treatment: reports ask for the interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from osteoflow.cohort.stard import INTERVAL_COLUMNS


def interval_warnings(outcomes: Mapping[str, bool], people: pd.DataFrame) -> list[str]:
    """Sentences for the report about outcomes by DXA whose interval to the scan is not known.

    Parameters
    ----------
    outcomes
        Outcome or group -> whether it rests on DXA.
    people
        One row per participant.
    """
    resting = [outcome for outcome, by_dxa in outcomes.items() if by_dxa]
    if not resting:
        return []
    names = _words(resting)
    present = [name for name in INTERVAL_COLUMNS if name in people.columns]
    if not present:
        return [
            f"{names} {'rests' if len(resting) == 1 else 'rest'} on DXA, but no column tells the "
            f"days between scan and DXA ({INTERVAL_COLUMNS[0]} in subjects.tsv)"
        ]
    known = people[present].notna().any(axis=1)
    if known.all():
        return []
    return [
        f"the days between scan and DXA are missing in {int((~known).sum())} of {len(people)} "
        f"participants, on which {names} {'rests' if len(resting) == 1 else 'rest'}"
    ]


def _words(names: Iterable[str]) -> str:
    names = [f"'{name}'" for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
