"""In Snakemake's process: start the warm process, and let scripts run in its children."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import Any

from osteoflow.running.warm import WARM

SERVER = Path(__file__).with_name("server.py")
ASK = Path(__file__).with_name("ask.py")
# What Snakemake sets for a job with one thread.
ONE_THREAD = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
WAITING = 64
SECONDS_TO_END = 5.0


class WarmProcess:
    """Starts when a first job asks for it, and ends with this process.

    Parameters
    ----------
    environment
        What jobs will have; of it, a job with more than one thread has other variables and starts
        a Python of its own.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {**environment, **dict.fromkeys(ONE_THREAD, "1")}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._address: str | None = None
        self._tried = False

    @property
    def pid(self) -> int:
        """Its process number; 0 where it has not been started."""
        return self._process.pid if self._process else 0

    def address(self) -> str | None:
        """Where it takes jobs; None where it ended or could not start."""
        with self._lock:
            if not self._tried:
                self._tried = True
                with suppress(OSError):
                    self._start()
            lives = self._process is not None and self._process.poll() is None
            return self._address if lives else None

    def _start(self) -> None:
        self._address = f"osteoflow-{os.getpid()}-{os.urandom(8).hex()}"
        # Linux' names without a file: nothing is left behind by a run that is killed. Both sides
        # look whose process the other one is.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(b"\0" + self._address.encode())
            listener.listen(WAITING)
            self._process = subprocess.Popen(
                [sys.executable, str(SERVER), str(listener.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env=self.environment,
            )
        atexit.register(self.end)

    def end(self) -> None:
        """End it and wait for it, so that its use of the processor counts as this process's."""
        if self._process is not None:
            with suppress(OSError):
                self._process.stdin.close()
            try:
                self._process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def use_warm_process() -> None:
    """Let the Python scripts of this Snakemake run in children of one warm process.

    Nothing happens where the run did not ask for it (``OSTEOFLOW_WARM``), elsewhere than on Linux,
    and with a Snakemake that runs scripts in a way unknown here. Jobs in environments of their own
    start their own Python; so do those with a ``benchmark``, which measures the processes that
    Snakemake itself started.
    """
    if os.environ.get(WARM) != "1" or sys.platform != "linux":
        return
    from snakemake.script import PythonScript

    fresh = PythonScript.execute_script
    if list(signature(fresh).parameters) != ["self", "fname", "edit"]:
        return
    warm = WarmProcess(os.environ)

    def execute_script(self: Any, fname: str, edit: bool = False) -> None:
        address = None if edit or not _is_plain(self) else warm.address()
        if address is None:
            fresh(self, fname, edit)
            return
        command = "{python:q} -I -S {ask:q} {address} {fname:q}"
        values = {"python": sys.executable, "ask": str(ASK), "address": address, "fname": fname}
        self._execute_cmd(command, is_python_script=True, **values)

    PythonScript.execute_script = execute_script


def _is_plain(script: Any) -> bool:
    """Whether Snakemake would run a script with the Python that runs Snakemake, unmeasured."""
    own = (script.conda_env, script.container_img, script.env_modules, script.bench_record)
    return not any(value is not None for value in own)
