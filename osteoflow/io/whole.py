"""Files that appear under their final name only when they are whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# End of the name of the hidden folders in which files are made.
PART_SUFFIX = ".part"


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path to write to, of the same name in a hidden folder beside; renamed at the end.

    An error, a full disk or a killed process leaves the file of this name as it was.

    Parameters
    ----------
    path
        The final name; its folder is made where it does not exist.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".", suffix=PART_SUFFIX) as folder:
        part = Path(folder) / path.name
        yield part
        part.replace(path)


def write_text_if_different(path: str | Path, text: str) -> bool:
    """Write a text file unless it holds this text already; whether it was written.

    An unchanged file keeps its modification time, so that nothing that depends on it reruns.
    """
    path = Path(path)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_text(path, text)
    return True


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
