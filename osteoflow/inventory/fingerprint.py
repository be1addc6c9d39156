"""Fingerprints of raw files: all bytes hashed at first sight, later only what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from osteoflow.inventory.headers import read_header
from osteoflow.io.hashes import hash_file
from osteoflow.io.volume import read_json, write_json

FORMAT = 5


class FileCache:
    """What is known of one subject's raw files, by path.

    Each record holds size, mtime, SHA-256 and, for DICOM, the header elements read. A file is
    read again only if its size or its modification time differs, or with ``verify``.
    """

    def __init__(self, path: Path, verify: bool = False) -> None:
        self.path = path
        self.verify = verify
        self._old: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        if path.exists():
            content = read_json(path)
            if content.get("format") == FORMAT:
                self._old = content["files"]

    def record(self, path: Path, header: bool) -> dict[str, Any]:
        """Size, SHA-256 and (if asked for) header of one file.

        Raises
        ------
        OSError
            The file cannot be read.
        """
        # Names of files need not be valid text; JSON must be.
        key = str(path).encode("unicode_escape").decode("ascii")
        stat = path.stat()
        known = self._new.get(key) or self._old.get(key)
        fresh = (
            known is not None
            and not self.verify
            and known["size"] == stat.st_size
            and known["mtime_ns"] == stat.st_mtime_ns
            and (not header or "header" in known)
        )
        if not fresh:
            known = {
                "size": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
                "sha256": hash_file(path),
            }
            if header:
                known["header"] = read_header(path)
        self._new[key] = known
        return known

    def save(self) -> None:
        """Write the records of the files seen this time.

        Where not one was seen (a drive that is not mounted), those of the last time are kept.
        """
        if self._old and not self._new:
            return
        write_json(self.path, {"format": FORMAT, "files": self._new})
