"""The study report's line for each subject."""

from __future__ import annotations

import pandas as pd

from osteoflow.images import is_further_reading
from osteoflow.reports.cohort import SubjectEntry
from osteoflow.wording import step_name

MODALITIES = ("ct", "mri")
# The worst state of a modality's items stands for it.
RANK = ("failed", "excluded", "ok", "absent")


def subject_entries(statuses: pd.DataFrame) -> list[SubjectEntry]:
    """One entry per subject, in the order of the table.

    Parameters
    ----------
    statuses
        ``results/cohort/status.tsv``: subject, modality, step, item, status, code, message,
        n_warnings. Items of further readings are left out.
    """
    entries = []
    first_reading = statuses[~statuses["item"].map(is_further_reading).astype(bool)]
    for name, rows in first_reading.groupby("subject", sort=False):
        states, reasons = {}, {}
        for modality in MODALITIES:
            here = rows[rows["modality"] == modality]
            found = [state for state in RANK if (here["status"] == state).any()]
            states[modality.upper()] = found[0] if found else "absent"
            stated = here[here["code"].notna() & (here["code"] != "")]
            if len(stated):
                reasons[modality.upper()] = str(stated["code"].iloc[0]).replace("_", " ")
        seen = (rows["step"] != "inventory").any()
        entries.append(
            SubjectEntry(
                str(name),
                f"../subjects/{name}/report.html" if seen else None,
                states,
                reasons,
                int(rows["n_warnings"].sum()),
                _steps(rows),
            )
        )
    return entries


def _steps(rows: pd.DataFrame) -> dict[str, str]:
    """Worst state of each step's items, by the step's name."""
    states = {}
    for step, items in rows.groupby("step", sort=False):
        if step != "inventory":
            name = step_name(str(step))
            found = set(items["status"])
            states[name[0].upper() + name[1:]] = next(state for state in RANK if state in found)
    return states
