"""What happened to each job of the last run, from the lines that the logger plugin wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

EVENTS = Path("results") / "logs" / "events.jsonl"


@dataclass(frozen=True)
class JobEnd:
    """How a job of the last run ended: ``started`` (no end seen), ``finished`` or ``failed``.

    ``subject`` is empty for jobs of the cohort; ``log`` is relative to the study folder.
    """

    rule: str
    subject: str
    log: str
    event: str


def read_events(study: Path) -> dict[tuple[str, str], JobEnd]:
    """Last event of every job, by (rule, subject or other wildcards joined)."""
    path = study / EVENTS
    ends: dict[tuple[str, str], JobEnd] = {}
    if not path.exists():
        return ends
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            item = json.loads(line)
        except ValueError:  # a run that was killed may leave half a line
            continue
        wildcards = item["wildcards"]
        key = item["rule"], "_".join(wildcards.values())
        subject = wildcards.get("subject", "")
        ends[key] = JobEnd(item["rule"], subject, item["log"], item["event"])
    return ends


def failures(study: Path) -> list[JobEnd]:
    """Jobs of the last run that failed and were not done again.

    Where a cluster job of several steps fails, Snakemake calls each of its steps failed. A step
    that left its status is not; nor is one that never began, which a missing log tells.
    """
    failed = [end for end in read_events(study).values() if end.event == "failed"]
    return [end for end in failed if _really_failed(study, end, failed)]


def _really_failed(study: Path, end: JobEnd, failed: list[JobEnd]) -> bool:
    from osteoflow.layout import SUBJECTS, SubjectFiles

    if not end.subject:
        return True
    files = SubjectFiles(study / SUBJECTS / end.subject)
    if files.status_of(end.rule).exists():
        return False
    mine = [other for other in failed if other.subject == end.subject]
    begun = [other for other in mine if (study / other.log).exists()]
    # A job that was cancelled before any of its steps began is named by its first step.
    return end in (begun or mine[:1])
