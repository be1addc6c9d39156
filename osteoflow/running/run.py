"""One run of a study: inventory, workflow, status, and what failed in plain words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from osteoflow.cohort.review import review_warnings
from osteoflow.io.tables import read_rows
from osteoflow.layout import INVENTORY
from osteoflow.review.table import REVIEW_TSV
from osteoflow.running.engine import STOPPED, asked_for, snakemake
from osteoflow.running.events import EVENTS, JobEnd, every_subject_ended, failures
from osteoflow.running.failed import leave_out
from osteoflow.running.finished import begin, finish
from osteoflow.running.owner import Ownership
from osteoflow.running.status import status_rows, write_status
from osteoflow.study import take_snapshot

LAST_LINES = 3
TOLD = {
    "not begun": "the job ended before this step began (cancelled, or no place on the cluster)",
    "cut off": "the step was ended from outside (memory, time, cancelled)",
    "ended": "the step came to its end, but what it made did not arrive",
}
# What a run of everything makes for people to look at, and what to call it.
TO_LOOK_AT = {
    "report": "report/index.html",
    "figures": "figures",
    "paper tables": "manuscript/tables",
    "cohort tables": "cohort",
    "workflow report": "report/workflow.html",
    "exclusions": "cohort/exclusions.tsv",
    "subjects": "subjects",
    "status": "status.tsv",
}
OF_SUBJECTS = ("subjects", "status")


def run_study(
    study: Path,
    prepare: Callable[[], None],
    profile: str = "default",
    cores: int = 1,
    options: Sequence[str] = (),
    without_failed: bool = False,
    say: Callable[[str], None] = print,
    warm: bool = True,
) -> int:
    """Inventory, workflow and, after the whole of it, Snakemake's report; Snakemake's exit code.

    Parameters
    ----------
    study
        Study folder.
    prepare
        Brings the inventory up to date, once the study is held.
    profile, cores, options
        As for :func:`osteoflow.running.engine.snakemake`.
    without_failed
        Where steps of some subjects fail, build the cohort without these subjects.
    say
        Takes every message.
    warm
        As for :func:`osteoflow.running.engine.snakemake`.

    Raises
    ------
    StudyError
        A mistake in the study, or another run of it is under way.
    """
    started = time.monotonic()
    asked = asked_for(options)
    with Ownership(study, say, on_cluster=profile == "slurm") as owner:
        prepare()
        take_snapshot(study)
        if not asked.runs:
            return snakemake(study, profile, cores, options)
        begun = begin(study)
        code, failed = _run(study, owner, profile, cores, options, warm)
        left = [end for end in failed if end.subject]
        if asked.subjects and (code == 0 or every_subject_ended(study)):
            finish(study, begun, {end.subject for end in left})
        if code != 0 and without_failed and left:
            leave_out(study, left)
            say(f"Building the cohort without {len(left)} subjects that failed.")
            code, later = _run(study, owner, profile, cores, options, warm)
            failed = left + later
        if code == 0 and asked.whole:
            code = _workflow_report(study)
        _write_status(study)
        for line in describe_failures(study, failed, without_failed):
            say(line)
        if code == STOPPED:
            say("\nStopped. Finished work is kept; `osteoflow run` goes on from there.")
        if code == 0:
            _say_where(study, time.monotonic() - started, asked.whole, say)
            _say_review(study, say)
    return code


def _run(
    study: Path,
    owner: Ownership,
    profile: str,
    cores: int,
    options: Sequence[str],
    warm: bool,
) -> tuple[int, list[JobEnd]]:
    """Exit code, and the jobs that failed."""
    (study / EVENTS).unlink(missing_ok=True)
    code = snakemake(study, profile, cores, options, True, owner.add_process, warm)
    if code < 0:
        owner.say(f"Snakemake was ended by signal {-code} (too little memory, or by hand).")
        owner.recover(owner.on_cluster)
    return code, failures(study)


def describe_failures(study: Path, failed: list[JobEnd], without_failed: bool = False) -> list[str]:
    """Step, subject, log file and the log's last words of every job that failed."""
    if not failed:
        return []
    lines = [f"\n{len(failed)} {'job' if len(failed) == 1 else 'jobs'} failed:"]
    for end in failed:
        lines.append(f"  {end.rule} of {end.subject or 'the cohort'}: see {end.log}")
        lines += [f"      {text}" for text in _last_words(study, end)]
    advice = "Finished work is kept; `osteoflow run` goes on from there."
    if not without_failed and any(end.subject for end in failed):
        advice += (
            " To build the cohort without the subjects that failed: `osteoflow run "
            "--without-failed`."
        )
    return [*lines, advice]


def _last_words(study: Path, end: JobEnd) -> list[str]:
    if end.told in TOLD:
        return [TOLD[end.told]]
    text = (study / end.log).read_text(encoding="utf-8", errors="replace").strip()
    lines = [line for line in text.splitlines() if line.strip() and " took " not in line]
    return lines[-LAST_LINES:]


def _write_status(study: Path) -> None:
    index = study / INVENTORY / "inventory.tsv"
    write_status(study, status_rows(study, read_rows(index)))


def _workflow_report(study: Path) -> int:
    """Snakemake's own report: every figure with its caption, the graph and run times."""
    target = study.resolve() / "results" / "report" / "workflow.html"
    return snakemake(study, "default", 1, ["--report", str(target), "--quiet", "all"])


def _say_review(study: Path, say: Callable[[str], None]) -> None:
    """Decisions of a review that no longer hold."""
    path = study / "results" / "cohort" / "review.tsv"
    if (study / REVIEW_TSV).exists() and path.exists():
        for sentence in review_warnings(read_rows(path)):
            say(f"Warning: {sentence} (`osteoflow review`).")


def _say_where(study: Path, seconds: float, whole: bool, say: Callable[[str], None]) -> None:
    results = study / "results"
    say(f"\nDone in {seconds / 60:.1f} minutes.")
    for name, path in TO_LOOK_AT.items():
        if (whole or name in OF_SUBJECTS) and (results / path).exists():
            say(f"  {name:15s}  {results / path}")
