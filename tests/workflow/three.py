"""Studies of the same three simulated participants, and what their tables hold.

Raw data and the finished study are made once for all files of a session, whichever worker of xdist
needs them first.
"""

import os
import shutil
import signal
import subprocess
import sys
from fcntl import LOCK_EX, flock

from processes import wait_for

from osteoflow.simulate.cohort import simulate_cohort
from osteoflow.simulate.protocol import TINY

from .conftest import CONFIG, osteoflow, write_study

COMPARED = ("cohort", "statistics", "models")
# For what takes a minute where nothing else runs.
LONGEST_RUN_S = 600


def made_once(tmp_path_factory, name, make):
    """A folder that all workers of a session share, made by the first of them that asks."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not folder.exists():
            # Under another name until it is whole, as what fails half-way is nobody's.
            begun = shared / f"{name}.begun"
            shutil.rmtree(begun, ignore_errors=True)
            make(begun)
            begun.rename(folder)
    return folder


def raw_of_three(tmp_path_factory):
    """Raw data of three sound participants; to be copied, not changed."""

    def make(folder):
        simulate_cohort(folder, 3, 17, TINY, processes=2, path_prefix="raw/", broken=False)

    return made_once(tmp_path_factory, "raw_of_three", make)


def finished_study_of_three(tmp_path_factory):
    """The study of :func:`new_study` after an undisturbed run; to be copied, not changed."""

    def make(folder):
        osteoflow("run", new_study(folder, raw), "--cores", 2)

    raw = raw_of_three(tmp_path_factory)
    return made_once(tmp_path_factory, "finished_study_of_three", make)


def new_study(folder, raw):
    shutil.copytree(raw, folder / "raw")
    config = CONFIG.replace("formats: [pdf, svg]", "formats: [png]")
    write_study(folder, (raw / "subjects.tsv").read_text(), config)
    return folder


def tables(study):
    """Bytes of every table, by path."""
    results = study / "results"
    kept = [path for name in COMPARED for path in (results / name).rglob("*.tsv")]
    kept += list(results.glob("subjects/*/*.tsv")) + list(results.glob("subjects/*/*/*.tsv"))
    return {str(path.relative_to(results)): path.read_bytes() for path in kept}


class Run(subprocess.Popen):
    """A run in a process group of its own, as a terminal or a batch system starts it.

    What it and the runs before it said is in the study's ``run.log``.
    """

    def __init__(self, study):
        self.log = study / "run.log"
        with self.log.open("ab") as handle:
            super().__init__(
                [sys.executable, "-m", "osteoflow.cli", "run", study, "--cores", "2"],
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell that runs the tests in the background lets them ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def finish(self):
        """Wait for its end; the exit code."""
        wait_for(lambda: self.poll() is not None, self, seconds=LONGEST_RUN_S)
        return self.returncode

    def kill_all(self):
        """End it and what it started at once, as a machine that goes down does."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
