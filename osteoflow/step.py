"""How a step of one subject ends: ok, excluded with a reason, or absent; never silently.

A step handles one or more items (``ct``, ``mri``, ``vbmd``, ...). Data that cannot be used
exclude an item: the step makes no file of it, and the reason goes into the step's status file.
Later steps pass an exclusion on. Any other exception is a bug and fails the job.
"""

from __future__ import annotations

import atexit
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import read_json, write_json

Source = tuple[str | Path, str]
_STARTED = time.monotonic()


class Step:
    """One step of one subject.

    Parameters
    ----------
    name
        Name of the step (``convert``).
    folder
        The step's folder, made here; its status goes there as ``status.json``.
    log
        Log file; everything logged and any traceback goes there.
    """

    def __init__(self, name: str, folder: str | Path, log: str | Path) -> None:
        self.name = name
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.items: list[dict[str, Any]] = []
        log_to(log)

    def run(
        self,
        item: str,
        work: Callable[[], Iterable[str] | None],
        after: Iterable[Source] = (),
    ) -> bool:
        """Do one item's work, unless a source it rests on is not usable.

        Parameters
        ----------
        item
            Name of the item in the status file.
        work
            Computes, then writes the item's files; returns warnings.
        after
            Pairs (status file of an earlier step, item there) that must be ok.

        Returns
        -------
        Whether the item is ok.
        """
        for path, source_item in after:
            source = find_item(read_json(path), source_item)
            if source["status"] != "ok":
                passed = {key: source[key] for key in ("status", "origin") if key in source}
                self._not_usable(item, passed)
                return False
        try:
            warnings = list(work() or [])
        except SubjectDataError as error:
            logging.warning("%s %s: %s: %s", self.name, item, error.code, error.message)
            self._not_usable(
                item,
                {
                    "status": "excluded",
                    "origin": self.name,
                    "code": error.code,
                    "message": error.message,
                    "hint": error.hint,
                },
            )
            return False
        for warning in warnings:
            logging.warning("%s %s: %s", self.name, item, warning)
        self.items.append({"item": item, "status": "ok", "warnings": warnings})
        return True

    def absent(self, item: str) -> None:
        """Nothing was acquired or given for this item."""
        self._not_usable(item, {"status": "absent"})

    def excluded_before(self, item: str, origin: str) -> None:
        """The item was excluded before the workflow began; the reason stands at its origin."""
        self._not_usable(item, {"status": "excluded", "origin": origin})

    def finish(self) -> None:
        """Write the status file: the last file of the step's folder."""
        write_json(self.folder / "status.json", {"step": self.name, "items": self.items})

    def _not_usable(self, item: str, state: dict[str, Any]) -> None:
        self.items.append({"item": item, **state, "warnings": []})


def find_item(status: dict[str, Any], item: str) -> dict[str, Any]:
    """One item of a status file."""
    for entry in status["items"]:
        if entry["item"] == item:
            return entry
    raise KeyError(f"step {status['step']} has no item '{item}'")


def is_ok(status: dict[str, Any], item: str) -> bool:
    """Whether an item of a status file can be used."""
    return find_item(status, item)["status"] == "ok"


def log_to(path: str | Path) -> None:
    """Send log messages and uncaught exceptions of this process to a file (and to stderr)."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=str(path), filemode="w", level=logging.INFO, format="%(levelname)s %(message)s"
    )
    logging.captureWarnings(True)

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        logging.critical("failed", exc_info=(kind, error, trace))
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook
    atexit.register(_log_cost)


def _log_cost() -> None:
    """What the process took: the figures that requests for memory and time rest on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = time.monotonic() - _STARTED
    # Linux counts in kB, macOS in bytes.
    megabytes = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    logging.info(
        "took %.1f s (CPU %.1f s), peak memory %.0f MB",
        seconds,
        used.ru_utime + used.ru_stime,
        megabytes,
    )
