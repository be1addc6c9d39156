"""Outlines that grew from seeds, and rows that rest on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from osteoflow.io.volume import read_json, sidecar_path

SEEDED_FLAG = "seeded"


def is_seeded(path: Path) -> bool:
    """Whether a label map grew from seeds: only its trabecular volumes are measured."""
    return bool(read_json(sidecar_path(path)).get("Seeded", False))


def flag_seeded(rows: list[dict[str, Any]]) -> None:
    """Mark rows that rest on seeded outlines, in place."""
    for row in rows:
        row["flag"] = ";".join(filter(None, [row["flag"], SEEDED_FLAG]))
