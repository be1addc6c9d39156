"""One run of a study: inventory, workflow, status, and what failed in plain words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from osteoflow.io.tables import read_rows
from osteoflow.layout import INVENTORY
from osteoflow.running.engine import DRY, snakemake
from osteoflow.running.events import EVENTS, JobEnd, failures
from osteoflow.running.failed import leave_out
from osteoflow.running.owner import Ownership
from osteoflow.running.status import status_rows, write_status

LAST_LINES = 3


def run_study(
    study: Path,
    prepare: Callable[[], None],
    profile: str = "default",
    cores: int = 1,
    options: Sequence[str] = (),
    without_failed: bool = False,
    say: Callable[[str], None] = print,
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

    Raises
    ------
    StudyError
        A mistake in the study, or another run of it is under way.
    """
    started = time.monotonic()
    with Ownership(study, say) as owner:
        prepare()
        if DRY.intersection(options):
            return snakemake(study, profile, cores, options)
        (study / EVENTS).unlink(missing_ok=True)
        code = snakemake(study, profile, cores, options, True, owner.add_process)
        failed = failures(study)
        if code != 0 and without_failed and any(end.subject for end in failed):
            leave_out(study, failed)
            say(f"Building the cohort without {len(_subjects(failed))} subjects that failed.")
            code = snakemake(study, profile, cores, options, True, owner.add_process)
        if code == 0 and not options:
            code = _workflow_report(study)
        _write_status(study)
        for line in describe_failures(study, failed):
            say(line)
        if code == 0:
            _say_where(study, time.monotonic() - started, say)
    return code


def describe_failures(study: Path, failed: list[JobEnd]) -> list[str]:
    """Step, subject, log file and the log's last words of every job that failed."""
    if not failed:
        return []
    lines = [f"\n{len(failed)} jobs failed:"]
    for end in failed:
        lines.append(f"  {end.rule} of {end.subject or 'the cohort'}: see {end.log}")
        lines += [f"      {text}" for text in _last_lines(study / end.log)]
    lines.append(
        "Finished work is kept; `osteoflow run` goes on from there. To build the cohort without "
        "the subjects that failed: `osteoflow run --without-failed`."
    )
    return lines


def _last_lines(log: Path) -> list[str]:
    if not log.is_file():
        return ["no log: the job ended before it began (cancelled, or no place on the machine)"]
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    if not text:
        return ["the log is empty: the job was ended from outside (memory, time, cancelled)"]
    lines = [line for line in text.splitlines() if line.strip() and " took " not in line]
    return lines[-LAST_LINES:]


def _subjects(failed: list[JobEnd]) -> set[str]:
    return {end.subject for end in failed if end.subject}


def _write_status(study: Path) -> None:
    index = study / INVENTORY / "inventory.tsv"
    write_status(study, status_rows(study, read_rows(index)))


def _workflow_report(study: Path) -> int:
    """Snakemake's own report: every figure with its caption, the graph and run times."""
    target = study.resolve() / "results" / "report" / "workflow.html"
    return snakemake(study, "default", 1, ["--report", str(target), "--quiet", "all"])


def _say_where(study: Path, seconds: float, say: Callable[[str], None]) -> None:
    results = study / "results"
    say(f"\nDone in {seconds / 60:.1f} minutes.")
    say(f"  report           {results / 'report' / 'index.html'}")
    say(f"  figures          {results / 'figures'}")
    say(f"  cohort tables    {results / 'cohort'}")
    say(f"  workflow report  {results / 'report' / 'workflow.html'}")
    say(f"  exclusions       {results / 'cohort' / 'exclusions.tsv'}")
    say(f"  status           {results / 'status.tsv'}")
