"""What happened to each job of the last run, from the lines that the logger plugin wrote."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from osteoflow.layout import STEPS

EVENTS = Path("results") / "logs" / "events.jsonl"
SECONDS_TO_NOTE = 5.0


@dataclass(frozen=True)
class JobEnd:
    """How a job of the last run ended: ``started`` (no end seen), ``finished`` or ``failed``.

    ``subject`` is empty for jobs of the cohort; ``log`` is relative to the study folder; ``told``
    is how its log ends (see :func:`log_state`).
    """

    rule: str
    subject: str
    log: str
    event: str
    told: str = "failed"


@dataclass(frozen=True)
class Events:
    """Last event of every job by (rule, subject or other wildcards joined), jobs planned of each
    rule, and the time of the first event in seconds since the epoch."""

    ends: dict[tuple[str, str], JobEnd]
    planned: dict[str, int]
    since: float


def read_events(study: Path) -> Events:
    """What the last run told; nothing where there was none."""
    ends: dict[tuple[str, str], JobEnd] = {}
    planned: dict[str, int] = {}
    items = _lines(study / EVENTS)
    first = float(items[0]["time"]) if items else 0.0
    stop = min((item["time"] for item in items if item["event"] == "stopped"), default=None)
    for item in items:
        if item["event"] == "planned":
            planned = item["counts"]
        # What Ctrl-C ended did not fail; Snakemake may tell it before the stop is noted.
        stopped = stop is not None and item["time"] >= stop - SECONDS_TO_NOTE
        if "rule" not in item or (item["event"] == "failed" and stopped):
            continue
        wildcards = item["wildcards"]
        key = item["rule"], "_".join(wildcards.values())
        subject = wildcards.get("subject", "")
        ends[key] = JobEnd(item["rule"], subject, item["log"], item["event"])
    return Events(ends, planned, first)


def _lines(path: Path) -> list[dict[str, Any]]:
    items = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        with suppress(ValueError):  # a run that was killed may leave half a line
            items.append(json.loads(line))
    return items


def note_stop(study: Path) -> None:
    """The user stops the run now."""
    with (study / EVENTS).open("a", encoding="utf-8") as handle:
        handle.write(json.dumps({"time": round(time.time(), 3), "event": "stopped"}) + "\n")


def every_subject_ended(study: Path) -> bool:
    """Whether each subject that the last run planned was finished or failed: none was given up.

    A run that ended before it had planned, which nobody saw plan, ended no subject.
    """
    events = read_events(study)
    if not events.planned:
        return False
    last = STEPS[-1]
    done = {e.subject for e in events.ends.values() if e.rule == last and e.event == "finished"}
    failed = {e.subject for e in events.ends.values() if e.subject and e.event == "failed"}
    return len(done | failed) >= events.planned.get(last, 0)


def log_state(log: Path, since: float) -> str:
    """How a step's log ends.

    Parameters
    ----------
    log
        As :func:`osteoflow.step_log.log_to` writes it.
    since
        Begin of the run, in seconds since the epoch; an older log tells of another run.

    Returns
    -------
    ``not begun`` (Snakemake itself makes an empty log of every step of a job that failed),
    ``failed`` (an exception), ``ended``, or ``cut off`` (by a signal from outside).
    """
    # File systems may round times to a second or two.
    if not log.is_file() or log.stat().st_mtime < since - 2:
        return "not begun"
    text = log.read_text(encoding="utf-8", errors="replace")
    if not text.strip():
        return "not begun"
    if "\nCRITICAL " in f"\n{text}":
        return "failed"
    return "ended" if " took " in text.strip().splitlines()[-1] else "cut off"


def failures(study: Path) -> list[JobEnd]:
    """Jobs of the last run that failed and were not done again, one for each subject.

    Where a cluster job of several steps fails, Snakemake calls each of its steps failed, removes
    what they made and makes empty logs of those that did not begin. Their logs tell which it was.
    """
    events = read_events(study)
    failed = [
        replace(end, told=log_state(study / end.log, events.since))
        for end in events.ends.values()
        if end.event == "failed"
    ]
    by_subject: dict[str, list[JobEnd]] = defaultdict(list)
    for end in failed:
        by_subject[end.subject].append(end)
    cohort = by_subject.pop("", [])
    return [_culprit(ends) for ends in by_subject.values()] + cohort


def _culprit(ends: list[JobEnd]) -> JobEnd:
    """The step that failed: by its own word, else cut off, else the first that did not begin."""
    in_order = sorted(ends, key=lambda end: STEPS.index(end.rule))
    for told in ("failed", "cut off", "not begun"):
        for end in in_order:
            if end.told == told:
                return end
    # Every step ended well: what failed is the last one's result (a full disk, a lost node).
    return in_order[-1]
