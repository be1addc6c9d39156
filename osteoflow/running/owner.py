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
# Environment variable with the study's folder, in every process that a run starts.
MARKER = "OSTEOFLOW_RUN"
SECONDS_TO_CANCEL = 120
SECONDS_TO_END = 20


class Ownership:
    """Holds a study while in a ``with`` block.

    Parameters
    ----------
    study
        Study folder.
    say
        Called with what was found and done about a run that died.
    on_cluster
        Whether the run submits jobs, which may outlive it.

    Raises
    ------
    StudyError
        Another run lives, or may live on another host.
    """

    def __init__(self, study: Path, say: Callable[[str], None], on_cluster: bool = False) -> None:
        self.study = study.resolve()
        self.path = self.study / OWNER
        self.say = say
        self.on_cluster = on_cluster
        self.processes = [_identity(os.getpid())]

    def __enter__(self) -> Ownership:
        if self.path.exists():
            owner = _read(self.path)
            _check_dead(owner)
            self.say("The last run of this study ended without finishing; going on from there.")
            self.recover(owner["on_cluster"])
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
        write_json(
            self.path,
            {
                "host": socket.gethostname(),
                "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
                "on_cluster": self.on_cluster,
                "processes": self.processes,
            },
        )

    def recover(self, on_cluster: bool) -> None:
        """Clear away what a Snakemake that was killed left behind.

        Parameters
        ----------
        on_cluster
            Whether it submitted jobs.

        Raises
        ------
        StudyError
            Its cluster jobs do not end, or whether they live cannot be found out.
        """
        if on_cluster and (cancelled := cancel_cluster_jobs(job_prefix(self.study))):
            self.say(f"Cancelled {cancelled} cluster jobs that it left behind.")
        if ended := end_processes(self.study):
            self.say(f"Ended {ended} processes that it left behind.")
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

    Raises
    ------
    StudyError
        ``squeue`` does not answer, or the jobs do not end.
    """
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


def end_processes(study: Path) -> int:
    """End the processes on this host that a dead run of a study started; how many there were.

    A killed Snakemake leaves the steps that it was running, which would go on writing.
    """
    me = psutil.Process()
    spared = {me.pid, *(parent.pid for parent in me.parents())}
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid not in spared and process.environ().get(MARKER) == str(study):
                process.kill()
                left.append(process)
    psutil.wait_procs(left, timeout=SECONDS_TO_END)
    return len(left)


def _live_jobs(prefix: str) -> list[str]:
    rows = [line.split(maxsplit=1) for line in _squeue("--me", "--format=%i %j").splitlines()]
    return [row[0] for row in rows if len(row) == 2 and row[1].startswith(prefix)]


def _squeue(*options: str) -> str:
    command = ["squeue", "--noheader", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise _no_answer(str(error)) from None
    if done.returncode != 0:
        raise _no_answer(done.stderr.strip())
    return done.stdout


def _no_answer(reason: str) -> StudyError:
    return StudyError(
        [
            "a run of this study died and may have left cluster jobs behind, but squeue does not "
            f"answer ({reason}); run again when it does"
        ]
    )


def _identity(pid: int) -> list[float]:
    """Process number and time of birth: numbers are used again, both together are not."""
    return [pid, psutil.Process(pid).create_time()]


def _check_dead(owner: dict[str, Any]) -> None:
    if owner["host"] != socket.gethostname():
        if owner["slurm_job"] and _job_ended(owner["slurm_job"]):
            return
        raise StudyError(
            [
                f"a run of this study was started on the host '{owner['host']}' and did not say "
                f"that it ended. If it is not running there any more, delete {OWNER}"
            ]
        )
    alive = [int(pid) for pid, born in owner["processes"] if _lives(int(pid), born)]
    if alive:
        raise StudyError([f"a run of this study is under way on this host (process {alive[0]})"])


def _job_ended(job: str) -> bool:
    """Whether the cluster job in which a run lived is over, or is this very job, requeued."""
    if job == os.environ.get("SLURM_JOB_ID"):
        return True
    # Slurm forgets jobs some minutes after their end, and then calls their number invalid.
    live = [line.strip() for line in _squeue("--me", "--format=%A").splitlines()]
    return job not in live


def _read(path: Path) -> dict[str, Any]:
    unknown = {"host": socket.gethostname(), "slurm_job": "", "on_cluster": False, "processes": []}
    try:
        return unknown | json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return unknown


def _lives(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return not zombie and abs(process.create_time() - born) < 1
    except psutil.NoSuchProcess:
        return False
