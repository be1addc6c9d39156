"""The log file of a step: that it began, what it says, why it failed, what it took.

Its first and its last line tell whether a step began and whether it came to its end; paths of raw
data, which may hold names of persons, are left out of tracebacks: first those that the step was
given, with everything that they are made of, then whatever looks like a path.
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
from collections.abc import Collection, Iterator
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
CODE_LINE = re.compile(r'\s*File "[^"]+(\.py|>)", line \d+')
QUOTED_PATH = re.compile(r"""(['"])(?:(?!\1)[^\n])*[/\\](?:(?!\1)[^\n])*\1""")
BARE_PATH = re.compile(r"(?<![\w<'\"])[\w.~-]*/[^\s'\"]+")
KNOWN_PATHS = ("results/", "config/", "resources/", "scripts/", "rules/", "osteoflow/")
HIDDEN = "<path>"
# Names of folders and files that are no person's, and words of messages as well.
PLAIN = {
    *(name.removesuffix("/") for name in KNOWN_PATHS),
    *("raw", "data", "dicom", "bids", "nifti", "images", "image", "masks", "mask", "seeds"),
    *("ct", "mri", "anat", "dwi", "home", "mnt", "media"),
}
SEPARATOR = re.compile(r"[/\\]")
SUFFIXES = re.compile(r"(\.[A-Za-z]\w*){1,2}$")


def log_to(path: str | Path, raw: Collection[str] = ()) -> None:
    """Send log messages and uncaught exceptions of this process to a file (and to stderr).

    Parameters
    ----------
    path
        The log, named after the subject where the step is one of a subject.
    raw
        Paths of raw data that the step reads, as the inventory tells them.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=str(path), filemode="w", level=logging.INFO, format="%(levelname)s %(message)s"
    )
    logging.captureWarnings(True)
    # An empty log would look like that of a step which never began.
    logging.info("began")

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        whole = "".join(traceback.format_exception(kind, error, trace))
        text = without_paths(whole, raw, Path(path).stem)
        logging.critical("failed\n%s", text.rstrip())
        print(text, file=sys.stderr, end="")

    sys.excepthook = hook
    atexit.register(_log_cost)


def raw_paths(content: Any) -> Iterator[str]:
    """Every ``path`` in what the inventory tells of a subject, however deep."""
    if isinstance(content, dict):
        if isinstance(content.get("path"), str):
            yield content["path"]
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            yield from raw_paths(item)


def without_paths(text: str, raw: Collection[str] = (), subject: str = "") -> str:
    """A traceback without paths of raw data, which may hold names of persons.

    Paths of code (``File "..."``) and of the study's own results stay.

    Parameters
    ----------
    text
        The traceback.
    raw
        Paths of raw data; relative ones start at the present folder. They are hidden with every
        folder and name that they are made of, also where spaces would end a path.
    subject
        Name of the subject (``sub-01_ses-1``), which stays.
    """
    own_results = re.compile(re.escape(f"{Path.cwd()}/") + f"(?={'|'.join(KNOWN_PATHS)})")
    known = _literals(raw, {subject, *subject.split("_")})
    lines = []
    for line in text.splitlines(keepends=True):
        if not CODE_LINE.match(line):
            line = known.sub(HIDDEN, own_results.sub("", line))
            line = QUOTED_PATH.sub(_hidden, line)
            line = BARE_PATH.sub(_hidden, line)
            line = re.sub(f"({HIDDEN})+", HIDDEN, line)
        lines.append(line)
    return "".join(lines)


def _literals(raw: Collection[str], stay: Collection[str]) -> re.Pattern[str]:
    """Raw paths as they are and from the root, all that they are made of, and the present folder;
    the longest first, none of them inside a word."""
    here, real = Path.cwd(), {path: str((Path.cwd() / path).resolve()) for path in raw}
    paths = {str(variant) for path in raw for variant in (path, here / path, real[path])}
    parts = {part for path in raw for part in SEPARATOR.split(path)}
    # Where a link leads; the study's own folder is hidden as a whole.
    parts |= {part for path in real.values() for part in Path(path).parts} - {
        *here.parts,
        *here.resolve().parts,
    }
    parts |= {SUFFIXES.sub("", part) for part in parts}
    telling = {part for part in parts if not _tells_nothing(part)} - set(stay)
    words = sorted({*paths, *telling, str(here)} - {"/", ""}, key=len, reverse=True)
    inside = "|".join(map(re.escape, words)) or "(?!)"
    return re.compile(rf"(?<![^\W_])(?:{inside})(?![^\W_])", re.IGNORECASE)


def _tells_nothing(part: str) -> bool:
    """Whether a folder's or file's name is a common word, one character, or a short number."""
    return part.lower() in PLAIN or len(part) < 2 or (part.isdigit() and len(part) < 4)


def _hidden(match: re.Match[str]) -> str:
    path = match.group().strip("'\"")
    return match.group() if path.startswith(KNOWN_PATHS) else HIDDEN


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
