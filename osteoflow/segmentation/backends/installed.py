"""Where a back end's program is, and in which version."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

from osteoflow.segmentation.backends.back_end import BackEnd

CONDA = "conda"
"""Setting of ``executable``: the environment that Snakemake makes for the rule."""


def find_executable(back_end: BackEnd, setting: str | None, study: Path) -> Path | None:
    """The program, or None where it is not to be found.

    Parameters
    ----------
    back_end
        Whose program.
    setting
        Of the configuration: None or ``conda`` for its usual name on the ``PATH``, another name
        on the ``PATH``, or a path (relative ones start at the study folder).
    study
        Study folder.
    """
    name = back_end.executable if setting in (None, CONDA) else str(setting)
    if os.sep in name:
        path = study / Path(name).expanduser()
        return path.absolute() if path.is_file() and os.access(path, os.X_OK) else None
    found = shutil.which(name)
    return None if found is None else Path(found).absolute()


def installed_version(executable: Path, distribution: str) -> str | None:
    """Version of the package that a program belongs to; None where it cannot be told.

    The package's metadata in the program's own environment tell it without starting the program,
    which would load a deep-learning framework.

    Parameters
    ----------
    executable
        ``<environment>/bin/<program>``, or a link to it.
    distribution
        Name of the package.
    """
    prefix = executable.resolve().parent.parent
    folders = [*prefix.glob("lib/python3*/site-packages"), *prefix.glob("Lib/site-packages")]
    wanted = _normalised(distribution)
    for found in importlib.metadata.distributions(path=[str(folder) for folder in folders]):
        if _normalised(found.metadata["Name"] or "") == wanted:
            return found.version
    return None


def _normalised(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
