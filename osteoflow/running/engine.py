"""Calling Snakemake on a study."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from osteoflow.resources import ROOT
from osteoflow.running.events import EVENTS
from osteoflow.running.owner import job_prefix

PLUGINS = Path(__file__).parent / "plugins"
DRY = {"-n", "--dry-run", "--dryrun"}


def snakemake(
    study: Path,
    profile: str,
    cores: int,
    options: Sequence[str] = (),
    record: bool = False,
    started: Callable[[int], None] = lambda pid: None,
) -> int:
    """Run Snakemake in a study with a profile of this clone; its exit code.

    Parameters
    ----------
    study
        Study folder.
    profile
        ``default``, ``slurm``: a folder of ``profiles/``.
    cores
        Cores of this machine; for a cluster, of the jobs that stay on it.
    options
        Further options of Snakemake; they override the profile's.
    record
        Keep what happens to each job for :mod:`osteoflow.running.events`.
    started
        Called with the process number.
    """
    study = study.resolve()
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--directory",
        str(study),
        "--workflow-profile",
        str(ROOT / "profiles" / profile),
    ]
    environment = dict(os.environ)
    if profile == "slurm":
        command += ["--slurm-jobname-prefix", job_prefix(study)]
    if record:
        command += ["--logger", "osteoflow"]
        events = study / EVENTS
        events.parent.mkdir(parents=True, exist_ok=True)
        environment["OSTEOFLOW_EVENTS"] = str(events)
        paths = [str(PLUGINS), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    # --logger takes any number of words: an option has to follow.
    command += ["--cores", str(cores)]
    with subprocess.Popen([*command, *options], env=environment) as process:
        started(process.pid)
        return process.wait()
