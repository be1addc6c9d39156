"""Who runs a study: one run at a time, and a run that died leaves nothing for a person to clear.

Snakemake locks a study's results while it runs and leaves the lock behind when it is killed. The
owner's file tells host and processes, so that the next run knows whether the owner still lives.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from osteoflow.errors import StudyError
from osteoflow.io.volume import write_json
from osteoflow.io.whole import PART_SUFFIX
from osteoflow.running.records import distrust_unrecorded

OWNER = Path(".snakemake") / "osteoflow-owner.json"
SECONDS_TO_CANCEL = 120


class Ownership:
    """Holds a study while in a ``with`` block.

    Parameters
    ----------
    study
        Study folder.
    say
        Called with what was found and done about a run that died.

    Raises
    ------
    StudyError
        Another run lives, or may live on another host.
    """

    def __init__(self, study: Path, say: Callable[[str], None]) -> None:
        self.study = study.resolve()
        self.path = self.study / OWNER
        self.say = say
        self.processes = [_identity(os.getpid())]

    def __enter__(self) -> Ownership:
        if self.path.exists():
            _check_dead(self.path)
            self._recover()
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.path.unlink(missing_ok=True)

    def add_process(self, pid: int) -> None:
        """Another process that works for this run and may outlive its parent."""
        with suppress(psutil.NoSuchProcess):
            self.processes.append(_identity(pid))
            self._write()

    def _write(self) -> None:
        write_json(self.path, {"host": socket.gethostname(), "processes": self.processes})

    def _recover(self) -> None:
        self.say("The last run of this study ended without finishing; going on from there.")
        cancelled = cancel_cluster_jobs(job_prefix(self.study))
        if cancelled:
            self.say(f"Cancelled {cancelled} cluster jobs that it left behind.")
        shutil.rmtree(self.study / ".snakemake" / "locks", ignore_errors=True)
        for path in (self.study / "results").rglob(f".*{PART_SUFFIX}"):
            shutil.rmtree(path, ignore_errors=True)
        unrecorded = distrust_unrecorded(self.study)
        if unrecorded:
            self.say(f"{unrecorded} results that nobody kept a record of will be made again.")


def job_prefix(study: Path) -> str:
    """Begin of the names of a study's cluster jobs; tells them from those of other studies."""
    return "osteoflow-" + sha256(str(study.resolve()).encode()).hexdigest()[:8]


def cancel_cluster_jobs(prefix: str) -> int:
    """Cancel the Slurm jobs whose names begin with a prefix, and wait until they are gone.

    Their run is dead: what they make would not be recorded, and made again beside them.
    """
    if shutil.which("squeue") is None:
        return 0
    jobs = _live_jobs(prefix)
    if jobs:
        subprocess.run(["scancel", *jobs], check=False, capture_output=True)
        until = time.monotonic() + SECONDS_TO_CANCEL
        while _live_jobs(prefix) and time.monotonic() < until:
            time.sleep(1)
        left = _live_jobs(prefix)
        if left:
            raise StudyError(
                [f"cluster jobs of a run that died do not end: {', '.join(left)}; cancel them"]
            )
    return len(jobs)


def _live_jobs(prefix: str) -> list[str]:
    done = subprocess.run(
        ["squeue", "--noheader", "--me", "--format=%i %j"],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return [row[0] for row in rows if len(row) == 2 and row[1].startswith(prefix)]


def _identity(pid: int) -> list[float]:
    """Process number and time of birth: numbers are used again, both together are not."""
    return [pid, psutil.Process(pid).create_time()]


def _check_dead(path: Path) -> None:
    owner = _read(path)
    if owner["host"] != socket.gethostname():
        raise StudyError(
            [
                f"a run of this study was started on the host '{owner['host']}' and did not say "
                f"that it ended. If it is not running there any more, delete {OWNER}"
            ]
        )
    alive = [int(pid) for pid, born in owner["processes"] if _lives(int(pid), born)]
    if alive:
        raise StudyError([f"a run of this study is under way on this host (process {alive[0]})"])


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {"host": socket.gethostname(), "processes": []}


def _lives(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return not zombie and abs(process.create_time() - born) < 1
    except psutil.NoSuchProcess:
        return False
