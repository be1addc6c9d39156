"""The log file of a step: that it began, what it says, why it failed, what it took.

Its first and its last line tell whether a step began and whether it came to its end; paths of raw
data, which may hold names of persons, are left out of tracebacks.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_started = time.monotonic()


def _start_anew() -> None:
    global _started
    _started = time.monotonic()


# A process that was forked begins with the fork.
os.register_at_fork(after_in_child=_start_anew)
# Lines of a traceback that name code, and paths in others: quoted, where they may hold spaces,
# or not.
CODE_LINE = re.compile(r'\s*File "[^"]+", line \d+')
QUOTED_PATH = re.compile(r"""(['"])(?:(?!\1)[^\n])*[/\\](?:(?!\1)[^\n])*\1""")
BARE_PATH = re.compile(r"(?<![\w<'\"])[\w.~-]*/[^\s'\"]+")
KNOWN_PATHS = ("results/", "config/", "resources/", "scripts/", "rules/", "osteoflow/")


def log_to(path: str | Path) -> None:
    """Send log messages and uncaught exceptions of this process to a file (and to stderr)."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=str(path), filemode="w", level=logging.INFO, format="%(levelname)s %(message)s"
    )
    logging.captureWarnings(True)
    # An empty log would look like that of a step which never began.
    logging.info("began")

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        text = without_paths("".join(traceback.format_exception(kind, error, trace)))
        logging.critical("failed\n%s", text.rstrip())
        print(text, file=sys.stderr, end="")

    sys.excepthook = hook
    atexit.register(_log_cost)


def without_paths(text: str) -> str:
    """A traceback without paths of raw data, which may hold names of persons.

    Paths of code (``File "..."``) and of the study's own results stay.
    """
    lines = []
    for line in text.splitlines(keepends=True):
        if not CODE_LINE.match(line):
            line = QUOTED_PATH.sub(_hidden, line)
            line = BARE_PATH.sub(_hidden, line)
        lines.append(line)
    return "".join(lines)


def _hidden(match: re.Match[str]) -> str:
    path = match.group().strip("'\"")
    return match.group() if path.startswith(KNOWN_PATHS) else "<path>"


def _log_cost() -> None:
    """What the process took: the figures that requests for memory and time rest on.

    Memory that a fork shares with its parent counts in both.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = time.monotonic() - _started
    # Linux counts in kB, macOS in bytes.
    megabytes = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    logging.info(
        "took %.1f s (CPU %.1f s), peak memory %.0f MB",
        seconds,
        used.ru_utime + used.ru_stime,
        megabytes,
    )
