"""Which participants each modality loses, where and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from osteoflow.images import is_further_reading
from osteoflow.io.tables import of_reading, read_table
from osteoflow.layout import BACK_ENDS, SubjectFiles
from osteoflow.subjects import SubjectsTable

# What has to be usable for a modality's main map, and its name in the diagram.
MODALITIES = {"ct": "CT: vBMD", "mri": "MRI: fat fraction"}
# Shown where a study has any.
FURTHER_MODALITIES = {"t2": "MRI: T2", "dwi": "MRI: ADC"}
FLOW_COLUMNS = ("modality", "label", "outcome", "step", "code", "reason", "n")
KEY = ["participant_id", "session"]
REJECTED, OPEN = "rejected", "undecided"
STEPS = ("inventory", "convert", *BACK_ENDS, "segment", "map_mri", "calibrate_ct", "review")


def cohort_flow(
    statuses: pd.DataFrame, table: SubjectsTable, review: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Counts for the flow diagram.

    Parameters
    ----------
    statuses
        From :func:`osteoflow.cohort.assemble.status_table`. Further readings do not count, nor do
        features, which follow the maps; but a subject counts that any failed step leaves out.
    table
        The subjects table: those without any step are in the study all the same.
    review
        What a review decided on every region (``results/cohort/review.tsv``); None without one.
    """
    first_reading = ~statuses["item"].map(is_further_reading).astype(bool)
    counted = statuses["step"].isin(STEPS) | (statuses["status"] == "failed")
    used = statuses[first_reading & counted]
    unseen = pd.DataFrame(
        [
            {"subject": s.name, "step": "inventory", "modality": m, "status": "absent"}
            for s in table.subjects
            if s.name not in set(used["subject"])
            for m in MODALITIES
        ],
        columns=used.columns,
    )
    acquired = set(used.loc[used["status"] != "absent", "modality"])
    further = {key: label for key, label in FURTHER_MODALITIES.items() if key in acquired}
    flow = count_flow(pd.concat([used, unseen], ignore_index=True), {**MODALITIES, **further})
    flow = _with_participants(flow, table)
    return flow if review is None else _with_review(flow, review, used)


def _with_participants(flow: pd.DataFrame, table: SubjectsTable) -> pd.DataFrame:
    """The flow with how many participants its scan sessions are of, where these differ."""
    people = {subject.participant_id for subject in table.subjects}
    if len(people) == len(table.subjects):
        return flow
    first = flow.iloc[0]
    row = (first["modality"], first["label"], "participants", "", "", "", len(people))
    return pd.concat([flow, pd.DataFrame([row], columns=list(FLOW_COLUMNS))], ignore_index=True)


def _with_review(flow: pd.DataFrame, review: pd.DataFrame, statuses: pd.DataFrame) -> pd.DataFrame:
    """The flow with how many of those analysed had every region reviewed, and how many of them
    lack a region that was rejected."""
    rows = []
    first = of_reading(review)
    regions = first[(first["roi"] != "all") & first["state"].notna()]
    for modality, block in flow.groupby("modality", sort=False):
        rows.append(block)
        here = regions[regions["image"] == modality]
        lost = statuses["status"].isin(["excluded", "failed"]) & (statuses["modality"] == modality)
        out = set(statuses.loc[lost, "subject"])
        people = here.assign(session=here["session"].fillna("")).groupby(KEY)["state"]
        states = [set(found) for who, found in people if SubjectFiles.named(*who) not in out]
        counts = {
            "reviewed": sum(OPEN not in found for found in states),
            "level_rejected": sum(REJECTED in found for found in states),
        }
        label = block["label"].iloc[0]
        more = [(modality, label, outcome, "", "", "", n) for outcome, n in counts.items()]
        rows.append(pd.DataFrame(more, columns=list(FLOW_COLUMNS)))
    return pd.concat(rows, ignore_index=True)


def read_flow(path: str | Path) -> pd.DataFrame:
    """The counts as :func:`count_flow` gave them; rows without a step or reason hold ""."""
    table = read_table(path)
    texts = [name for name in FLOW_COLUMNS if name != "n"]
    return table.fillna(dict.fromkeys(texts, ""))


def count_flow(statuses: pd.DataFrame, modalities: Mapping[str, str]) -> pd.DataFrame:
    """How many participants each modality loses, where and why.

    A participant counts once per modality, at the first step that excluded it; without any usable
    step and without an exclusion the modality is absent.

    Parameters
    ----------
    statuses
        One row per subject, step and modality, in the order of the steps: ``subject``, ``step``,
        ``modality``, ``status`` (``ok``, ``excluded``, ``absent``, ``failed``), ``code``,
        ``message``. Steps that pass an exclusion on may leave ``code`` empty.
    modalities
        Modality -> its name in the diagram, in drawing order.

    Returns
    -------
    DataFrame
        Columns ``modality``, ``label``, ``outcome`` (``enrolled``, ``absent``, ``excluded``,
        ``analysed``; :func:`cohort_flow` adds ``reviewed``, ``level_rejected``, and
        ``participants`` where some have several sessions), ``step``, ``code``, ``reason``, ``n``.

    Raises
    ------
    ValueError
        For a status of another name.
    """
    unknown = set(statuses["status"]) - {"ok", "excluded", "absent", "failed"}
    if unknown:
        raise ValueError(f"unknown status: {', '.join(sorted(map(str, unknown)))}")
    enrolled = int(statuses["subject"].nunique())
    rows: list[tuple] = []
    for modality, label in modalities.items():
        here = statuses[statuses["modality"] == modality]
        lost = here[here["status"].isin(["excluded", "failed"])].drop_duplicates("subject")
        used = set(here.loc[here["status"] == "ok", "subject"]) - set(lost["subject"])
        absent = enrolled - len(lost) - len(used)
        rows.append((modality, label, "enrolled", "", "", "", enrolled))
        if absent:
            rows.append((modality, label, "absent", "", "", "not acquired", absent))
        keys = lost.assign(
            code=[
                code if isinstance(code, str) and code else status
                for code, status in zip(lost["code"], lost["status"], strict=True)
            ]
        )
        for (step, code), group in keys.groupby(["step", "code"], sort=False):
            reason = str(code).replace("_", " ")
            rows.append((modality, label, "excluded", step, code, reason, len(group)))
        rows.append((modality, label, "analysed", "", "", "", len(used)))
    return pd.DataFrame(rows, columns=list(FLOW_COLUMNS))
