"""Running a command and knowing what it took."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What a process and the children it waited for took, and what it printed.

    ``peak_mb`` is the largest resident memory of any single one of these processes (MB).
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def run(command: Sequence[str | Path], cwd: Path | None = None) -> Cost:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        It failed; with the end of what it printed.
    """
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8") as said:
        started = time.monotonic()
        process = subprocess.Popen(list(map(str, command)), cwd=cwd, stdout=said, stderr=said)
        # wait4 gives the resources of this child alone, not of all children so far.
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{output[-3000:]}")
    # Linux counts in units of 1024 bytes.
    peak = used.ru_maxrss * 1024 / 1e6
    return Cost(wall, used.ru_utime + used.ru_stime, peak, output)
