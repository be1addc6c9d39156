"""Who reached which stage of one analysis: the counts of a STARD flow diagram.

STARD 2015 (Bossuyt et al., BMJ 2015;351:h5527) asks for participants from eligibility over the
index test (here the scan and its features) and the reference standard (the outcome) to the cross
tabulation of both, with the reasons of everybody lost on the way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from osteoflow.images import RADIOMICS

# Days between scan and reference test; the first column that a study has.
INTERVAL_COLUMNS = ("reference_interval_days", "dxa_interval_days")
NO_INDEX, NO_REFERENCE, APART = "no_index_test", "no_reference_standard", "not_modelled"

_LATER = re.compile(r"^(session .*|the row without a session) is not used: ")
_NO_REFERENCE = re.compile(r"^(outcome|time) .* is (missing|not above 0)$")
_LOST = ("excluded", "failed")


def stard_flow(
    participants: pd.DataFrame,
    statuses: pd.DataFrame,
    summary: Mapping[str, Any],
    classification: pd.DataFrame,
) -> dict[str, Any]:
    """Counts of an analysis's flow diagram, ready for JSON.

    A participant is lost at the first stage that it does not reach: one without a usable scan
    counts there, whether or not the outcome is known.

    Parameters
    ----------
    participants
        The cohort's participants table; days between scan and reference test in
        ``reference_interval_days`` or ``dxa_interval_days`` if the study has such a column.
    statuses
        ``status.tsv`` of the cohort, which knows why a scan could not be used.
    summary
        ``summary.json`` of the analysis.
    classification
        ``classification.tsv`` of the analysis.

    Returns
    -------
    dict
        ``eligible``, ``further_sessions``, ``lost`` (``stage``, ``reason``, ``step``, ``n``),
        ``index_test``, ``reference_standard``, ``analysed`` and ``development``, ``holdout``
        (``n``, ``events``; the last may be None, and ``events`` where the outcome is no event),
        ``interval`` (``column``, ``n``, ``missing``, ``median``, ``min``, ``max``; None without
        the column) and ``results`` (None where nothing was classified).

    Raises
    ------
    ValueError
        If the summary's exclusions and its size do not add up to the participants.
    """
    people = participants["participant_id"].astype(str)
    images = str((summary.get("radiomics") or {}).get("image", "")).split(", ")
    why = _scan_problems(statuses, [image for image in images if image])
    lost, gone = _lost(summary["excluded"], why)
    eligible = int(people.nunique())
    if eligible - len(gone) != summary["n"]:
        raise ValueError(
            f"{eligible} participants less {len(gone)} excluded are not the {summary['n']} analysed"
        )
    stages = Counter(dict.fromkeys((NO_INDEX, NO_REFERENCE, APART), 0))
    for (stage, _, _), n in lost.items():
        stages[stage] += n
    index_test = eligible - stages[NO_INDEX]
    n, held = int(summary["n"]), int(summary.get("n_holdout") or 0)
    events, held_events = (summary.get(name) for name in ("n_events", "n_events_holdout"))
    developed = None if events is None else events - (held_events or 0)
    return {
        "eligible": eligible,
        "further_sessions": len(people) - eligible,
        "lost": [
            {"stage": stage, "reason": reason, "step": step, "n": count}
            for (stage, reason, step), count in sorted(
                lost.items(), key=lambda item: (-item[1], item[0])
            )
        ],
        "index_test": index_test,
        "reference_standard": index_test - stages[NO_REFERENCE],
        "analysed": {"n": n, "events": events},
        "development": {"n": n - held, "events": developed},
        "holdout": {"n": held, "events": held_events} if held else None,
        "interval": _interval(participants, gone),
        "results": _results(summary, classification),
    }


def _lost(
    excluded: Iterable[Mapping[str, Any]], why: Mapping[str, tuple[str, str]]
) -> tuple[Counter[tuple[str, str, str]], set[str]]:
    """How many were lost by stage, reason and step, and who: each participant once.

    Parameters
    ----------
    excluded
        Of the summary.
    why
        Reason and step of what is wrong with a participant's scan.
    """
    lost: Counter[tuple[str, str, str]] = Counter()
    gone: set[str] = set()
    for row in excluded:
        person, reason = str(row["participant_id"]), str(row["reason"])
        if _LATER.match(reason) or person in gone:
            continue
        gone.add(person)
        lost[_stage(reason, why.get(person))] += 1
    return lost, gone


def _stage(reason: str, scan: tuple[str, str] | None) -> tuple[str, str, str]:
    """Stage, reason and step where a participant was lost.

    Parameters
    ----------
    reason
        Of the analysis.
    scan
        Reason and step of what is wrong with the participant's scan; None if nothing is.
    """
    if reason.startswith("no features of region"):
        return (NO_INDEX, *(scan or ("no radiomic features", "")))
    if reason.startswith("region ") and " lacks level" in reason:
        return NO_INDEX, "region incomplete: a level is missing or was left out", ""
    if scan is not None and not reason.startswith("of the reliability set"):
        return (NO_INDEX, *scan)
    if _NO_REFERENCE.match(reason):
        return NO_REFERENCE, "reference standard missing or inconclusive", ""
    if reason.startswith("of the reliability set"):
        return APART, "served the reliability of features alone", ""
    return APART, reason, ""


def _scan_problems(statuses: pd.DataFrame, images: list[str]) -> dict[str, tuple[str, str]]:
    """Participant -> reason and step, of those without features of one of the images.

    Of several sessions the first counts, as in the analyses.
    """
    found: dict[str, tuple[str, str]] = {}
    if statuses.empty:
        return found
    people = statuses.drop_duplicates("participant_id").set_index("subject")["participant_id"]
    for image in images:
        about = RADIOMICS[image]
        rows = statuses[statuses["item"].isin({about.space, about.item, image})]
        of = dict(list(rows.groupby("subject", sort=False)))
        for subject, person in people.items():
            own = of.get(subject, rows.iloc[:0])
            lost = own[own["status"].isin(_LOST)]
            done = own[(own["step"] == "extract_radiomics") & (own["status"] == "ok")]
            if str(person) in found or (lost.empty and len(done)):
                continue
            found[str(person)] = _first_reason(lost)
    return found


def _first_reason(lost: pd.DataFrame) -> tuple[str, str]:
    """Reason and step of the first status that says why; later ones pass it on."""
    if lost.empty:
        return "scan not acquired", ""
    coded = lost[lost["code"].notna() & (lost["code"] != "")]
    row = (coded if len(coded) else lost).iloc[0]
    code = row["code"] if len(coded) else row["status"]
    return str(code).replace("_", " "), str(row["step"])


def _interval(participants: pd.DataFrame, gone: Iterable[str]) -> dict[str, Any] | None:
    """Days between scan and reference test of those analysed."""
    column = next((name for name in INTERVAL_COLUMNS if name in participants.columns), None)
    if column is None:
        return None
    rows = participants.drop_duplicates("participant_id")
    rows = rows[~rows["participant_id"].astype(str).isin(set(gone))]
    days = pd.to_numeric(rows[column], errors="coerce")
    known = days.dropna().to_numpy(dtype=float)
    if not len(known):
        none = dict.fromkeys(("median", "min", "max"))
        return {"column": column, "n": 0, "missing": len(days), **none}
    return {
        "column": column,
        "n": len(known),
        "missing": len(days) - len(known),
        "median": float(np.median(known)),
        "min": float(known.min()),
        "max": float(known.max()),
    }


def _results(summary: Mapping[str, Any], classification: pd.DataFrame) -> dict[str, Any] | None:
    """The last model's calls: of the hold-out, or of the cross-validation's first repeat."""
    if classification.empty:
        return None
    models = [name for name in summary["models"] if (classification["model"] == name).any()]
    if not models:
        return None
    rows = classification[classification["model"] == models[-1]]
    held = rows[rows["set"] == "holdout"]
    row = (held if len(held) else rows[rows["set"] == "cv"]).sort_values("repeat").iloc[0]
    counts = ("true_positive", "false_positive", "false_negative", "true_negative")
    return {
        "model": models[-1],
        "set": str(row["set"]),
        "repeats": int((rows["set"] == row["set"]).sum()),
        "threshold": [float(row["threshold_low"]), float(row["threshold_high"])],
        **{name: int(row[name]) for name in counts},
    }
