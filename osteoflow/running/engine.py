"""Calling Snakemake on a study."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from osteoflow.resources import ROOT
from osteoflow.running.events import EVENTS, note_stop
from osteoflow.running.owner import MARKER, job_prefix
from osteoflow.running.warm import WARM

PLUGINS = Path(__file__).parent / "plugins"
# Exit code of programs that Ctrl-C ended.
STOPPED = 130
# Options with which Snakemake tells something instead of running jobs.
TELLING = (
    "dryrun",
    "lint",
    "report",
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "summary",
    "detailed_summary",
    "archive",
    "list_rules",
    "list_target_rules",
    "list_changes",
    "unlock",
    "cleanup_metadata",
    "conda_create_envs_only",
)
# Options with which Snakemake ends well although not every subject is what code and settings files
# of today make.
PARTIAL = (
    "until",
    "omit_from",
    "batch",
    "touch",
    "rerun_triggers",
    "ignore_incomplete",
    "config",
    "configfile",
    "replace_workflow_config",
)


@dataclass(frozen=True)
class Asked:
    """What further options ask Snakemake for.

    ``targets`` are rules and files, none for everything; ``runs`` tells whether jobs are run;
    ``partial`` whether they may leave results that today's files would not make.
    """

    targets: tuple[str, ...] = ()
    runs: bool = True
    partial: bool = False

    @property
    def whole(self) -> bool:
        """Everything is made."""
        return self.runs and not self.targets

    @property
    def subjects(self) -> bool:
        """Every subject is made."""
        made = self.whole or (self.runs and "participants" in self.targets)
        return made and not self.partial


def asked_for(options: Sequence[str]) -> Asked:
    """Read options as Snakemake itself does."""
    if not options:
        return Asked()
    from snakemake.cli import get_argument_parser

    parser = get_argument_parser()
    found, _ = parser.parse_known_args(list(options))
    runs = not any(getattr(found, name, None) for name in TELLING)
    partial = any(getattr(found, name, None) != parser.get_default(name) for name in PARTIAL)
    return Asked(tuple(str(target) for target in found.targets), runs, partial)


def snakemake(
    study: Path,
    profile: str,
    cores: int,
    options: Sequence[str] = (),
    record: bool = False,
    started: Callable[[int], None] = lambda pid: None,
    warm: bool = False,
) -> int:
    """Run Snakemake in a study with a profile of this clone.

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
    warm
        On this machine, run jobs in children of one process that has loaded the libraries.

    Returns
    -------
    Its exit code; negative where a signal ended it, so that it left its lock behind;
    ``STOPPED`` after Ctrl-C.
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
    environment = {**os.environ, MARKER: str(study)}
    environment[WARM] = str(int(warm and profile == "default"))
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
        stopped = False
        while True:
            try:
                code = process.wait()
                return STOPPED if stopped else code
            except KeyboardInterrupt:
                # Ctrl-C reaches Snakemake as well, which ends its jobs before it ends itself.
                stopped = True
                if record:
                    note_stop(study)
