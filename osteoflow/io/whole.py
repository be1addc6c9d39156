"""Files that appear under their final name only when they are whole."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# End of the name of the hidden folders in which files are made.
PART_SUFFIX = ".part"
# What a file system without hard links answers.
WITHOUT_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


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


def write_text_if_free(path: str | Path, text: str) -> bool:
    """Write a text file whole under a name that nobody has taken; whether the name was free.

    Of any number of processes, on any hosts, that do so at the same time, one is told so.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".", suffix=PART_SUFFIX) as folder:
        part = Path(folder) / path.name
        part.write_text(text, encoding="utf-8")
        try:
            os.link(part, path)
        except FileExistsError:
            # Over a network an answer may be lost: then the second asking finds our own link.
            return part.stat().st_nlink == 2
        except OSError as error:
            if error.errno not in WITHOUT_LINKS:
                raise
            return _write_if_free(path, text)
    return True


def _write_if_free(path: Path, text: str) -> bool:
    """The same where the file system has no hard links; for a moment the file is empty."""
    try:
        handle = path.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with handle:
            handle.write(text)
    except OSError:
        path.unlink()
        raise
    return True
