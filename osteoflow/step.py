"""How a step of one subject ends: ok, excluded with a reason, or absent; never silently.

A step handles one or more items (``ct``, ``mri``, ``vbmd``, ...). Data that cannot be used
exclude an item: its outputs are written as zero-byte files and the reason goes into the step's
status file. Later steps pass an exclusion on. Any other exception is a bug and fails the job.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import read_json, write_json, write_text

Source = tuple[str | Path, str]


class Step:
    """One step of one subject.

    Parameters
    ----------
    name
        Name of the step (``convert``).
    status
        Where its status file goes.
    log
        Log file; everything logged and any traceback goes there.
    """

    def __init__(self, name: str, status: str | Path, log: str | Path) -> None:
        self.name = name
        self.status = Path(status)
        self.items: list[dict[str, Any]] = []
        log_to(log)

    def run(
        self,
        item: str,
        work: Callable[[], Iterable[str] | None],
        outputs: Iterable[str | Path] = (),
        after: Iterable[Source] = (),
    ) -> bool:
        """Do one item's work, unless a source it rests on is not usable.

        Parameters
        ----------
        item
            Name of the item in the status file.
        work
            Writes the outputs; returns warnings.
        outputs
            Files that exist afterwards, zero bytes long where the item is not ok.
        after
            Pairs (status file of an earlier step, item there) that must be ok.

        Returns
        -------
        Whether the item is ok.
        """
        outputs = [Path(path) for path in outputs]
        for path, source_item in after:
            source = find_item(read_json(path), source_item)
            if source["status"] != "ok":
                passed = {key: source[key] for key in ("status", "origin") if key in source}
                self._not_usable(item, outputs, passed)
                return False
        try:
            warnings = list(work() or [])
        except SubjectDataError as error:
            logging.warning("%s %s: %s: %s", self.name, item, error.code, error.message)
            self._not_usable(
                item,
                outputs,
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

    def absent(self, item: str, outputs: Iterable[str | Path] = ()) -> None:
        """Nothing was acquired or given for this item."""
        self._not_usable(item, [Path(path) for path in outputs], {"status": "absent"})

    def excluded_before(self, item: str, outputs: Iterable[str | Path], origin: str) -> None:
        """The item was excluded before the workflow began; the reason stands at its origin."""
        state = {"status": "excluded", "origin": origin}
        self._not_usable(item, [Path(path) for path in outputs], state)

    def finish(self) -> None:
        """Write the status file."""
        write_json(self.status, {"step": self.name, "items": self.items})

    def _not_usable(self, item: str, outputs: list[Path], state: dict[str, Any]) -> None:
        for path in outputs:
            write_text(path, "")
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
