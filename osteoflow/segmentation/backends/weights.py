"""Weights that were staged beforehand: where they lie, what is missing, which they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from osteoflow.segmentation.backends.back_end import BackEnd


class MissingWeightsError(Exception):
    """Weights that a task needs are not staged, or not uniquely.

    Parameters
    ----------
    problems
        One phrase per item.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def find_weights(back_end: BackEnd, modality: str, task: str, folder: Path) -> dict[str, Path]:
    """Every item of weights that a task needs, and where it lies.

    Parameters
    ----------
    back_end, modality, task
        Whose weights.
    folder
        The weights folder of the configuration.

    Raises
    ------
    MissingWeightsError
        An item is not there, is empty, or is there more than once.
    """
    found: dict[str, Path] = {}
    problems = []
    roots = list(_roots(back_end, folder))
    for item in back_end.needs(modality, task):
        matches = [path for root in roots for path in sorted(root.glob(item))]
        if not matches:
            problems.append(f"{item} is missing")
        elif len(matches) > 1:
            names = ", ".join(path.relative_to(folder).as_posix() for path in matches)
            problems.append(f"{item} is there more than once ({names})")
        elif not _listing(matches[0]):
            problems.append(f"{item} is empty")
        else:
            found[item] = matches[0]
    if problems:
        raise MissingWeightsError(problems)
    return found


def fingerprint(weights: dict[str, Path]) -> str:
    """Which weights these are: a hash of their files' names and sizes, 16 hexadecimal digits.

    Weights take gigabytes; their bytes are not read.
    """
    lines = [f"{name}/{line}" for name, path in sorted(weights.items()) for line in _listing(path)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _roots(back_end: BackEnd, folder: Path) -> Iterator[Path]:
    for root in back_end.roots:
        if root:
            yield from sorted(path for path in folder.glob(root) if path.is_dir())
        else:
            yield folder


def _listing(path: Path) -> list[str]:
    """``name<tab>size`` of every file of an item, which may be a file itself."""
    if path.is_file():
        size = path.stat().st_size
        return [f"{path.name}\t{size}"] if size else []
    files = sorted(file for file in path.rglob("*") if file.is_file())
    names = [file.relative_to(path.parent).as_posix() for file in files]
    return [f"{name}\t{file.stat().st_size}" for name, file in zip(names, files, strict=True)]
