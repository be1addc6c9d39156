"""How a step of one subject ends: ok, excluded with a reason, or absent; never silently.

A step handles one or more items (``ct``, ``mri``, ``vbmd``, ...). Data that cannot be used
exclude an item: the step makes no file of it, and the reason goes into the step's status file.
Later steps pass an exclusion on. Any other exception is a bug and fails the job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import read_json, write_json
from osteoflow.step_log import log_to

Source = tuple[str | Path, str]


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
    raw
        Paths of raw data that the step reads: no traceback names them.
    """

    def __init__(
        self, name: str, folder: str | Path, log: str | Path, raw: Iterable[str] = ()
    ) -> None:
        self.name = name
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.items: list[dict[str, Any]] = []
        log_to(log, tuple(raw))

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

    def note(self, item: str, warnings: list[str]) -> None:
        """Warnings that belong to none of the items with data."""
        self.items.append({"item": item, "status": "ok", "warnings": warnings})

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


def has_item(status: dict[str, Any], item: str) -> bool:
    """Whether a status file has an item: data of which a subject has none need not be listed."""
    return any(entry["item"] == item for entry in status["items"])


def is_ok(status: dict[str, Any], item: str) -> bool:
    """Whether an item of a status file can be used."""
    return find_item(status, item)["status"] == "ok"
