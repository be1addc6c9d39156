"""Who runs a study: one run at a time, and a run that died leaves nothing for a person to clear.

Snakemake locks a study's results while it runs and leaves the lock behind when it is killed. The
owner's file tells host and processes, so that the next run knows whether the owner still lives.

The file is made whole or not at all under a name that must be free. A dead owner's study is taken
over by whoever first makes a file named after the dead owner's very words; only then is the owner's
file replaced, if these words still stand in it. So of commands that start together one goes on.
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
from osteoflow.io.whole import PART_SUFFIX, write_text, write_text_if_free
from osteoflow.running.records import distrust_unrecorded

OWNER = Path(".snakemake") / "osteoflow-owner.json"
# Environment variable with the study's folder, in every process that a run starts.
MARKER = "OSTEOFLOW_RUN"
SECONDS_TO_CANCEL = 120
SECONDS_TO_END = 20
SECONDS_TO_WRITE = 1


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
        # Whether a run that died left behind what is not cleared away yet, and cluster jobs.
        self.to_recover = self.jobs_left = False

    def __enter__(self) -> Ownership:
        dead = self._claim(self.path)
        if dead is not None:
            self.say("The last run of this study ended without finishing; going on from there.")
            try:
                self.recover(dead["on_cluster"])
            except BaseException:
                self._leave()
                raise
            self._write()
        return self

    def _claim(self, path: Path, jobs_left: bool = False) -> dict[str, Any] | None:
        """Make an owner's file ours; what an owner who died had written there, if any."""
        while not write_text_if_free(path, self._text(jobs_left)):
            found = _read(path)
            if found is None:
                continue  # its owner has just ended in order
            _check_dead(found)
            jobs_left = jobs_left or found["on_cluster"]
            successor = path.with_name(f"{path.stem}-{_digest(found)}{path.suffix}")
            # Who was taking over may have died too: its file is claimed in the same way.
            self._claim(successor, jobs_left)
            try:
                # Another one may have taken over, and given the successor's name free again.
                if _read(path) == found:
                    write_text(path, self._text(jobs_left))
                    return found
            finally:
                successor.unlink(missing_ok=True)
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """Give the study free; what is not cleared away yet is left to the next run as to do."""
        if not self.to_recover:
            self.path.unlink(missing_ok=True)
            return
        self.processes = []
        with suppress(OSError):  # a full disk: this process, which is named there, ends as well
            self._write()

    def add_process(self, pid: int) -> None:
        """Another process that works for this run and may outlive its parent."""
        with suppress(psutil.NoSuchProcess):
            self.processes.append(_identity(pid))
            self._write()

    def _write(self) -> None:
        write_text(self.path, self._text(self.jobs_left))

    def _text(self, jobs_left: bool) -> str:
        content = {
            "host": socket.gethostname(),
            "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
            "on_cluster": self.on_cluster or jobs_left,
            "processes": self.processes,
        }
        return json.dumps(content, indent=2) + "\n"

    def recover(self, on_cluster: bool) -> None:
        """Clear away what a Snakemake that was killed left behind.

        Parameters
        ----------
        on_cluster
            Whether it submitted jobs.

        Raises
        ------
        StudyError
            Its cluster jobs or processes do not end, or whether jobs live cannot be found out.
        """
        self.to_recover, self.jobs_left = True, on_cluster
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
        self.to_recover = self.jobs_left = False


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

    A killed Snakemake leaves the steps that it was running, which would go on writing. A step may
    begin a process while the list of processes is read, and a program that is just being loaded
    shows no environment: they are looked for until two readings in a row find none.

    Raises
    ------
    StudyError
        They do not end, as where a network disk does not answer.
    """
    me = psutil.Process()
    spared = {me.pid, *(parent.pid for parent in me.parents())}
    until = time.monotonic() + SECONDS_TO_END
    ended: set[int] = set()
    readings_without = 0
    while readings_without < 2:
        left = _kill_processes(study, spared)
        readings_without = 0 if left else readings_without + 1
        ended |= {int(pid) for pid, _ in left}
        # An ended process that its parent never asks for stays in the list, and writes nothing.
        while living := [int(pid) for pid, born in left if _lives(int(pid), born)]:
            if time.monotonic() > until:
                numbers = ", ".join(map(str, living))
                raise StudyError([f"processes of a run that died do not end: {numbers}"])
            time.sleep(0.02)
    return len(ended)


def _kill_processes(study: Path, spared: set[int]) -> list[list[float]]:
    """Kill a study's processes but those spared; number and time of birth of each."""
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid not in spared and process.environ().get(MARKER) == str(study):
                left.append(_identity(process.pid))
                process.kill()
    return left


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


def _read(path: Path) -> dict[str, Any] | None:
    """What an owner wrote; ``None`` where there is no file. What was cut off names nobody."""
    unknown = {"host": socket.gethostname(), "slurm_job": "", "on_cluster": False, "processes": []}
    until = time.monotonic() + SECONDS_TO_WRITE
    while True:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        try:
            return unknown | json.loads(text)
        except ValueError:
            # Where a file system has no hard links, a new file is empty for a moment.
            if time.monotonic() > until:
                return unknown | {"text": text}
        time.sleep(0.05)


def _digest(owner: dict[str, Any]) -> str:
    return sha256(json.dumps(owner, sort_keys=True).encode()).hexdigest()[:16]


def _lives(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return not zombie and abs(process.create_time() - born) < 1
    except psutil.NoSuchProcess:
        return False
