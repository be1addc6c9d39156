"""Reference tables that ship with the code, each with its source in the file."""

from __future__ import annotations

import csv
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESOURCES = ROOT / "resources"


def resource_path(name: str) -> Path:
    """Path of a file in ``resources/``."""
    return RESOURCES / name


def read_resource(name: str) -> list[dict[str, str]]:
    """Rows of a tab-separated resource table; lines starting with ``#`` state its source."""
    with resource_path(name).open(encoding="utf-8", newline="") as handle:
        lines = [line for line in handle if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t"))


def share_package() -> None:
    """Let processes started from here import this very package, whatever their environment."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
