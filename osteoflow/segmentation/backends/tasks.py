"""What each back end can be asked for, and why some of its tasks are refused."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

from osteoflow.resources import read_resource


@dataclass(frozen=True)
class Task:
    """A task of a back end that a study may choose.

    Parameters
    ----------
    back_end, modality, name
        Which back end's (``totalsegmentator``), of ``ct`` or ``mri``, and its name.
    scheme
        Label scheme of what it makes, one of :func:`osteoflow.segmentation.schemes.scheme_names`.
    outlines
        ``bodies``, or ``vertebrae`` with arch and processes.
    about
        What is run, in words.
    """

    back_end: str
    modality: str
    name: str
    scheme: str
    outlines: str
    about: str


@cache
def _rows() -> list[dict[str, str]]:
    return read_resource("backend_tasks.tsv")


def selectable(back_end: str, modality: str) -> list[str]:
    """Names of the tasks that a study may choose, the default first."""
    rows = [r for r in _rows() if (r["back_end"], r["modality"]) == (back_end, modality)]
    rows.sort(key=lambda row: row["use"] != "default")
    return [row["task"] for row in rows if row["use"] != "refused"]


def find_task(back_end: str, modality: str, name: str | None = None) -> Task:
    """A task by its name; None: the default one.

    Raises
    ------
    ValueError
        The back end has none for this modality; the task is unknown, of the other modality or
        refused, and then why.
    """
    offered = selectable(back_end, modality)
    if not offered:
        raise ValueError(f"{back_end} has no task for {modality.upper()}")
    name = offered[0] if name is None else name
    known = [row for row in _rows() if row["back_end"] == back_end and row["task"] == name]
    for row in known:
        if row["use"] == "refused":
            raise ValueError(f"task '{name}' of {back_end} is refused: it {row['about']}")
        if row["modality"] == modality:
            columns = ("back_end", "modality", "task", "scheme", "outlines", "about")
            return Task(*(row[column] for column in columns))
    if known:
        raise ValueError(
            f"task '{name}' of {back_end} is not for {modality.upper()} "
            f"(known: {', '.join(offered)})"
        )
    near = difflib.get_close_matches(name, offered, n=1, cutoff=0.5)
    advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(offered)}"
    raise ValueError(f"{back_end} has no task '{name}' ({advice})")
