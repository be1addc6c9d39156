"""Whether the code on the disk is still the code that was loaded."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from osteoflow.resources import RESOURCES, ROOT

FOLDERS = (ROOT / "osteoflow", RESOURCES)
PACKAGES = ("site-packages", "dist-packages")
CACHES = "__pycache__"


def files_now() -> dict[str, tuple[int, int]]:
    """Time of change (ns) and size of the project's code and resources, and of the folders of
    installed packages, which change when one is installed or updated."""
    installed = [Path(folder) for folder in sys.path if folder.endswith(PACKAGES)]
    found = {str(path): _state(path.stat()) for path in installed if path.is_dir()}
    waiting = [str(folder) for folder in FOLDERS]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if not entry.is_dir():
                    found[entry.path] = _state(entry.stat())
                elif entry.name != CACHES:
                    waiting.append(entry.path)
    return found


def _state(about: os.stat_result) -> tuple[int, int]:
    return about.st_mtime_ns, about.st_size
