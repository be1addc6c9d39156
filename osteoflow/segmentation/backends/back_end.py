"""What a back end is: which files it needs, how it is called, what its results mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from osteoflow.io.volume import Volume


@dataclass(frozen=True)
class Job:
    """One image that one program shall outline.

    Parameters
    ----------
    image
        The staged image, below ``scratch``.
    scratch
        Folder of this job alone; the program writes nowhere else.
    weights
        Item of :attr:`BackEnd.needs` -> where it lies in the staged weights.
    modality, task
        ``ct`` or ``mri``, and the task's name.
    device
        ``cpu`` or ``gpu``.
    threads
        Processor cores that it may use.
    executable
        The program.
    """

    image: Path
    scratch: Path
    weights: Mapping[str, Path]
    modality: str
    task: str
    device: str
    threads: int
    executable: str


@dataclass(frozen=True)
class Command:
    """One call of the program.

    Parameters
    ----------
    argv
        Program and arguments.
    outputs
        Name of each result -> its path below ``scratch``, which may hold wildcards.
    """

    argv: list[str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class BackEnd:
    """A segmentation program.

    Parameters
    ----------
    name
        Name in the configuration, of its rule, its step and its environment file.
    title
        Name that its authors gave it.
    executable, distribution
        Name of the program, and of the Python package it belongs to.
    roots
        Folders below the weights folder, ``""`` for itself and with wildcards, where the items of
        ``needs`` may lie.
    needs
        Modality and task -> files and folders of weights (wildcards allowed), each needed once.
    staging
        Modality, task and weights folder -> what to type on a machine with network.
    image_name
        Modality and task -> file name under which the image is staged.
    prepare
        Writes what the program needs into the job's scratch folder; its environment variables.
    commands
        The calls of the program, in order; a pure function.
    combine
        Task and results by name -> label map in the task's scheme, and warnings.
    silent
        The program ends without an error and without a result where it finds no spine.
    on_cpu
        What it prints when it uses the processor although a GPU was asked for.
    """

    name: str
    title: str
    executable: str
    distribution: str
    roots: tuple[str, ...]
    needs: Callable[[str, str], tuple[str, ...]]
    staging: Callable[[str, str, str], str]
    image_name: Callable[[str, str], str]
    prepare: Callable[[Job], dict[str, str]]
    commands: Callable[[Job], list[Command]]
    combine: Callable[[str, Mapping[str, Volume]], tuple[np.ndarray, list[str]]]
    silent: bool = False
    on_cpu: tuple[str, ...] = ()


def link(target: Path, source: Path) -> None:
    """Show staged weights at a place below the scratch folder.

    Programs make folders beside their weights, and some remove old ones there: behind a link the
    staged files themselves stay as they are.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


def inside(
    levels: np.ndarray, bodies: np.ndarray, name: Callable[[int], str]
) -> tuple[np.ndarray, list[str]]:
    """Labels of levels where a second map says vertebral body.

    Parameters
    ----------
    levels
        Label map of levels, 0 elsewhere.
    bodies
        Where a body is, of the same shape.
    name
        Label -> name of the level, for warnings.

    Returns
    -------
    tuple
        Label map, and warnings: levels without any body, and body that belongs to no level.
    """
    result = np.where(bodies, levels, 0)
    lost = [name(int(v)) for v in np.setdiff1d(levels, result) if v]
    warnings = []
    if lost:
        warnings.append(f"no body was found in {', '.join(lost)}: left out")
    unnamed = np.count_nonzero(bodies & (levels == 0)) / max(np.count_nonzero(bodies), 1)
    if unnamed > UNNAMED_SHARE:
        warnings.append(
            f"{100 * unnamed:.0f} % of the vertebral bodies' volume belongs to no level: left out"
        )
    return result, warnings


UNNAMED_SHARE = 0.1
"""Bodies at the border of the image have no level; more of them is told."""
