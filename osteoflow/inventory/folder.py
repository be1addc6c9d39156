"""What a raw DICOM folder holds: headers of its images, and a count of everything else."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.fingerprint import FileCache
from osteoflow.io.outside import permission_denied

# Hidden files and these are no part of anybody's data.
DESKTOP_FILES = ("thumbs.db", "desktop.ini")


@dataclass
class Folder:
    """What a DICOM folder holds: headers and records of its images, and counts.

    Images have their file's path as a name; where a file holds several, each kind of frame in it
    has a name of its own. Records hold ``path``, ``size``, ``sha256`` and, then, ``frames``.
    """

    headers: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    damaged: int = 0
    denied: int = 0
    copies: int = 0
    foreign: int = 0
    empty: int = 0

    def losses(self) -> list[SubjectDataError]:
        """Files that may have belonged to the images."""
        found = []
        if self.damaged:
            found.append(
                SubjectDataError(
                    "unreadable_files",
                    f"{_files_in_words(self.damaged)} of the folder cannot be read",
                    "Export the study from the archive again.",
                )
            )
        if self.denied:
            text = f"{_files_in_words(self.denied)} or folders may not be read"
            found.append(permission_denied(text))
        return found

    def nothing(self) -> SubjectDataError:
        """Why there is no image at all."""
        if losses := self.losses():
            return losses[-1]
        return SubjectDataError(
            "folder_empty",
            "the folder holds no DICOM image"
            + (f" ({_files_in_words(self.foreign)} of other kinds)" if self.foreign else ""),
            "Export the study from the archive again, as DICOM.",
        )

    def ignored(self) -> list[str]:
        """Warnings about files that are left out."""
        warnings = []
        if self.foreign:
            empty = f" ({self.empty} empty)" if self.empty else ""
            text = _files_in_words(self.foreign) + empty
            warnings.append(f"foreign_files: ignored what is no DICOM: {text}")
        if self.copies:
            text = _files_in_words(self.copies)
            warnings.append(f"identical_copies: ignored byte-for-byte copies: {text}")
        return warnings


def read_folder(study: Path, given: str, cache: FileCache) -> Folder:
    """Headers of all images under a folder; of byte-identical copies the first path counts."""
    folder = Folder()
    known: set[str] = set()
    for path in _files(study / given, folder):
        try:
            record = cache.record(path, header=True)
        except PermissionError:
            folder.denied += 1
            continue
        except OSError:
            folder.damaged += 1
            continue
        header = record["header"]
        if header is None:
            folder.foreign += 1
            folder.empty += record["size"] == 0
        elif header.get("damaged"):
            folder.damaged += 1
        elif header.get("no_image"):
            continue
        elif record["sha256"] in known:
            folder.copies += 1
        else:
            known.add(record["sha256"])
            _add_images(folder, stored_path(study, given, path), record)
    return folder


def _add_images(folder: Folder, path: str, record: dict[str, Any]) -> None:
    file = {"path": path, "size": record["size"], "sha256": record["sha256"]}
    groups = record["header"].get("FrameGroups")
    if groups is None:
        folder.headers[path] = record["header"]
        folder.records[path] = file
        return
    for group in groups:
        # No stored path has two slashes after its beginning.
        name = f"{path}//{group['Frames']}"
        folder.headers[name] = group
        folder.records[name] = {**file, "frames": group["Frames"]}


def _files_in_words(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _files(root: Path, folder: Folder) -> list[Path]:
    """Every file under a folder but what desktops leave behind, in the order of their names."""

    def refused(error: OSError) -> None:
        # Folders that may not be entered would otherwise pass for empty.
        if isinstance(error, PermissionError):
            folder.denied += 1
        else:
            folder.damaged += 1

    found = []
    for place, _, names in os.walk(root, onerror=refused):
        found += [
            Path(place) / name
            for name in names
            if not name.startswith(".") and name.lower() not in DESKTOP_FILES
        ]
    return sorted(path for path in found if _may_hold_data(path))


def _may_hold_data(path: Path) -> bool:
    """No pipe or device, which could be read without end; what cannot be told is looked at."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def unusable_folder(root: Path, kind: str) -> SubjectDataError | None:
    """What keeps a folder of the table from being looked into."""
    try:
        if stat.S_ISDIR(root.stat().st_mode):
            return None
    except PermissionError:
        return permission_denied(f"the {kind} folder named in the subjects table may not be read")
    except (OSError, ValueError):
        return SubjectDataError(
            "folder_missing",
            f"the {kind} folder named in the subjects table does not exist",
            "Check the path in the subjects table and whether the data drive is mounted.",
        )
    return SubjectDataError(
        "folder_missing",
        f"the {kind} path in the subjects table is a file, not a folder",
        "Unpack the archive and name the folder in the subjects table.",
    )


def stored_path(study: Path, given: str, path: Path) -> str:
    """The path as the table gives it: relative tables stay valid when the study moves."""
    return str(Path(given) / path.relative_to(study / given))
