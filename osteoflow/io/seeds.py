"""Seeds: one point in the middle of each vertebral body, as users have them.

Three kinds of files: 3D Slicer's point lists (``.mrk.json``), its older ones (``.fcsv``), and a
table (``.tsv``) with the columns ``level``, ``x``, ``y``, ``z`` in RAS millimetres.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.outside import disk_problem
from osteoflow.resources import read_resource

COLUMNS = ("level", "x", "y", "z")
# Slicer wrote numbers before it wrote names.
SYSTEMS = {"RAS": "RAS", "0": "RAS", "LPS": "LPS", "1": "LPS"}
TO_RAS = {"RAS": np.array([1.0, 1.0, 1.0]), "LPS": np.array([-1.0, -1.0, 1.0])}
KNOWN_LEVELS = "T1 to T13, L1 to L6"
LARGEST_FILE = 2_000_000


@dataclass(frozen=True)
class Seeds:
    """Points of one file.

    Parameters
    ----------
    levels
        Names as in the file's labels (``L1``), upper case, unique.
    points
        RAS mm, shape (n, 3), in the order of the file.
    system
        Coordinate system the file is written in: ``RAS`` or ``LPS``.
    format
        ``mrk.json``, ``fcsv`` or ``tsv``.
    warnings
        Points that were left out, and why.
    """

    levels: tuple[str, ...]
    points: np.ndarray
    system: str
    format: str
    warnings: tuple[str, ...] = ()


def read_seeds(path: str | Path) -> Seeds:
    """Read a seeds file; its kind is told by its ending.

    Raises
    ------
    SubjectDataError
        ``seeds_unreadable``, ``seeds_format_unknown``, ``seeds_no_system`` (the file does not say
        which coordinates it holds), ``seeds_unit`` (lengths are not in mm), ``seeds_empty``,
        ``seeds_unknown_level``, ``seeds_duplicate_level``, ``permission_denied``.
    OSError
        The file is gone or the disk fails.
    """
    path = Path(path)
    kind = next((k for k in ("mrk.json", "fcsv", "tsv") if path.name.lower().endswith(f".{k}")), "")
    if not kind:
        raise SubjectDataError(
            "seeds_format_unknown",
            "the ending of the seeds file is none of .mrk.json, .fcsv and .tsv",
            "Save the point list in 3D Slicer as Markups JSON (.mrk.json).",
        )
    try:
        with path.open("rb") as handle:
            content = handle.read(LARGEST_FILE + 1)
    except OSError as error:
        raise disk_problem(error) from None
    try:
        if len(content) > LARGEST_FILE:
            raise ValueError("too large")
        text = content.decode("utf-8-sig")
        rows, system, warnings = _PARSERS[kind](text)
        points = np.array([point for _, point in rows], float).reshape(-1, 3)
        if not np.isfinite(points).all():
            raise ValueError("not finite")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, csv.Error):
        raise SubjectDataError(
            "seeds_unreadable",
            f"the seeds file is no whole {kind} point list",
            "Save the point list in 3D Slicer as Markups JSON (.mrk.json) again; a .tsv needs the "
            f"columns {', '.join(COLUMNS)} with decimal points.",
        ) from None
    levels = _levels([name for name, _ in rows])
    return Seeds(levels, points * TO_RAS[system], system, kind, tuple(warnings))


def _levels(names: list[str]) -> tuple[str, ...]:
    """Names of the points as levels."""
    if not names:
        raise SubjectDataError(
            "seeds_empty",
            "the seeds file holds no point",
            "Place one point in the middle of each vertebral body and save the list.",
        )
    known = {row["level"] for row in read_resource("vertebral_body_sizes.tsv")}
    levels = [re.sub(r"\s+", "", name).upper() for name in names]
    wrong = [i for i, level in enumerate(levels) if level not in known]
    if wrong:
        # A label is the user's own text: it might name a person.
        shown = [
            f"point {i + 1}" + (f" ('{levels[i]}')" if _short(levels[i]) else "") for i in wrong
        ]
        raise SubjectDataError(
            "seeds_unknown_level",
            f"{len(wrong)} of {len(levels)} points carry no level's name that can be used: "
            + ", ".join(shown[:6]),
            f"Name each point by its vertebra, as in L1 or T12; possible are {KNOWN_LEVELS}.",
        )
    twice = sorted({level for level in levels if levels.count(level) > 1})
    if twice:
        raise SubjectDataError(
            "seeds_duplicate_level",
            f"more than one point is named {', '.join(twice)}",
            "Keep one point for each vertebra.",
        )
    return tuple(levels)


def _short(text: str) -> bool:
    """Whether a label may be shown: a word such as F-1 or C7, not a name."""
    return re.fullmatch(r"[A-Z]{1,2}[-_]?\d{0,2}|\d{1,3}", text) is not None


def _system(value: Any) -> str:
    name = str(value).strip().upper()
    if name not in SYSTEMS:
        raise SubjectDataError(
            "seeds_no_system",
            "the seeds file does not say whether its coordinates are LPS or RAS",
            "Save the point list in 3D Slicer again, which states it, or give a .tsv in RAS.",
        )
    return SYSTEMS[name]


def _mrk_json(text: str) -> tuple[list[tuple[str, list[float]]], str, list[str]]:
    lists = [m for m in json.loads(text)["markups"] if m.get("type", "Fiducial") == "Fiducial"]
    systems = {_system(markup.get("coordinateSystem", "")) for markup in lists}
    if len(systems) > 1:
        raise ValueError("several coordinate systems")
    units = {str(markup.get("coordinateUnits") or "mm") for markup in lists}
    if units - {"mm", "[mm]"} and not all("mm" in unit for unit in units):
        raise SubjectDataError(
            "seeds_unit", "the seeds file's lengths are not in mm", "Save the point list in mm."
        )
    rows, without = [], 0
    for point in (p for markup in lists for p in markup.get("controlPoints", [])):
        if point.get("positionStatus", "defined") != "defined":
            without += 1
            continue
        rows.append((str(point.get("label", "")), _point(point["position"])))
    return rows, systems.pop() if systems else "LPS", _unplaced(without)


def _fcsv(text: str) -> tuple[list[tuple[str, list[float]]], str, list[str]]:
    lines = [line for line in text.splitlines() if line.strip()]
    head = dict(
        (part.strip().lower() for part in line[1:].split("=", 1))
        for line in lines
        if line.startswith("#") and "=" in line
    )
    system = _system(head.get("coordinatesystem", ""))
    columns = [name.strip() for name in head["columns"].split(",")]
    rows = []
    for row in csv.reader(line for line in lines if not line.startswith("#")):
        cells = dict(zip(columns, row, strict=False))
        rows.append((cells["label"], _point([cells[name] for name in "xyz"])))
    return rows, system, []


def _tsv(text: str) -> tuple[list[tuple[str, list[float]]], str, list[str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = csv.DictReader(io.StringIO("\n".join(lines)), delimiter="\t")
    found = [(row["level"] or "", _point([row[name] for name in "xyz"])) for row in rows]
    return found, "RAS", []


def _point(values: Any) -> list[float]:
    x, y, z = (float(value) for value in values)
    return [x, y, z]


def _unplaced(count: int) -> list[str]:
    text = f"{count} point{'s' * (count > 1)} of the seeds file without a position: left out"
    return [text] if count else []


_PARSERS = {"mrk.json": _mrk_json, "fcsv": _fcsv, "tsv": _tsv}
