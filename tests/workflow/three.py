"""Studies of the same three simulated participants, and what their tables hold."""

import shutil
import signal
import subprocess
import sys

from osteoflow.simulate.cohort import simulate_cohort
from osteoflow.simulate.protocol import TINY

from .conftest import CONFIG, write_study

COMPARED = ("cohort", "statistics", "models")


def simulate_three(folder):
    """Raw data of three sound participants."""
    simulate_cohort(folder, 3, 17, TINY, processes=2, path_prefix="raw/", broken=False)
    return folder


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


def start(study):
    """A run in a process group of its own, as a terminal or a batch system starts it."""
    log = (study / "run.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "osteoflow.cli", "run", study, "--cores", "2"],
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # A shell that runs the tests in the background lets them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
