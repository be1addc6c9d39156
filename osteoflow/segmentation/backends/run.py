"""Run a back end on one image, and check what it made."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.nifti import ImageFileError
from osteoflow.io.volume import Volume, read_volume, write_volume
from osteoflow.segmentation.backends.back_end import BackEnd, Command, Job
from osteoflow.segmentation.backends.isolation import isolated_environment
from osteoflow.segmentation.backends.tasks import Task
from osteoflow.segmentation.schemes import to_verse

# Lines at the end of a program's output that a failure shows.
TAIL = 30
LOOK = (
    "Look at the image: is the spine in it, and is it the kind of image that the program is made "
    "for? Otherwise outline the vertebrae by hand."
)


class BackEndError(RuntimeError):
    """The program failed, or made what it should not: no property of the subject's data."""


@dataclass(frozen=True)
class Outline:
    """What a back end made of one image.

    Parameters
    ----------
    labels
        Label map in the task's scheme on the image's grid, integers.
    command_lines
        What was run, without the machine's own paths.
    warnings
        What must be told.
    """

    labels: Volume
    command_lines: list[str]
    warnings: list[str]


def outline_image(
    back_end: BackEnd,
    task: Task,
    image: Volume,
    weights: Mapping[str, Path],
    *,
    executable: Path,
    device: str,
    threads: int,
    scratch: Path,
) -> Outline:
    """Stage an image, run the program on it without network, and read its result.

    Parameters
    ----------
    back_end, task
        What to run.
    image
        Volume of shape (i, j, k).
    weights
        From :func:`osteoflow.segmentation.backends.weights.find_weights`.
    executable
        The program.
    device
        ``cpu`` or ``gpu``.
    threads
        Processor cores that it may use.
    scratch
        Empty folder; everything the program reads and writes lies there, its home included.

    Raises
    ------
    SubjectDataError
        ``outline_no_result``: the program ended without an error and without a result.
        ``outline_no_vertebra``: its result holds no vertebra.
    BackEndError
        The program ended with an error, or its result is no label map on the image's grid.
    """
    name = back_end.image_name(task.modality, task.name)
    staged = scratch / "in" / name
    data = image.data if image.data.dtype.kind in "iu" else image.data.astype(np.float32)
    write_volume(staged, image.like(data))
    (scratch / "out").mkdir()
    chosen = (task.modality, task.name, device, threads, str(executable))
    job = Job(staged, scratch, weights, *chosen)
    environment = isolated_environment(os.environ, scratch, threads, device)
    environment |= back_end.prepare(job)
    results: dict[str, Volume] = {}
    lines, printed = [], ""
    for command in back_end.commands(job):
        lines.append(_told(command, job))
        printed += _run(back_end, command, environment, scratch)
        for key, pattern in command.outputs.items():
            results[key] = _result(back_end, scratch, pattern, image, printed)
    labels, warnings = back_end.combine(task.name, results)
    _require_vertebra(back_end, labels, task.scheme)
    warnings = [*warnings, *_remarks(back_end, task, device, printed)]
    return Outline(image.like(_smallest(labels)), lines, warnings)


def _remarks(back_end: BackEnd, task: Task, device: str, printed: str) -> list[str]:
    """What must be told of every result of this kind."""
    remarks = []
    if device == "gpu" and any(text in printed for text in back_end.on_cpu):
        remarks.append("no GPU was found: the program ran on the processor")
    if task.outlines == "vertebrae":
        remarks.append(
            "the program outlines whole vertebrae: the trabecular volume is not kept to the body "
            "by the outline"
        )
    return remarks


def _run(back_end: BackEnd, command: Command, environment: dict[str, str], scratch: Path) -> str:
    """Run one call; what it printed."""
    log = scratch / "program.log"
    started = time.monotonic()
    try:
        with log.open("wb") as handle:
            done = subprocess.run(
                command.argv,
                env=environment,
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                check=False,
            )
    except OSError as error:
        raise BackEndError(f"{back_end.title} cannot be started: {error.strerror}") from None
    printed = log.read_text(encoding="utf-8", errors="replace")
    logging.info("%s: %.0f s", Path(command.argv[0]).name, time.monotonic() - started)
    if done.returncode:
        raise BackEndError(
            f"{back_end.title} {_ended(done.returncode)}; the end of what it printed:\n"
            + _tail(printed)
        )
    return printed


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    hint = " (most often for want of memory)" if name == "SIGKILL" else ""
    return f"was ended by signal {name}{hint}"


def _tail(printed: str) -> str:
    lines = printed.strip().splitlines()[-TAIL:]
    return "\n".join(lines) or "(nothing)"


def _result(back_end: BackEnd, scratch: Path, pattern: str, image: Volume, printed: str) -> Volume:
    """One label map of integers on the image's grid."""
    found = sorted(scratch.glob(pattern))
    if not found and back_end.silent:
        logging.warning("%s made no result; the end of what it printed:", back_end.title)
        logging.warning("%s", _tail(printed))
        raise SubjectDataError(
            "outline_no_result",
            f"{back_end.title} ended without a result: it found no spine that it can label",
            LOOK,
        )
    if len(found) != 1:
        raise BackEndError(
            f"{back_end.title} made {len(found)} files {pattern} where one is expected; the end of "
            f"what it printed:\n{_tail(printed)}"
        )
    try:
        volume = read_volume(found[0])
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise BackEndError(f"{back_end.title}: its result cannot be read: {error}") from None
    if volume.data.ndim == 4 and volume.data.shape[3] == 1:
        volume = volume.like(volume.data[..., 0])
    if volume.data.ndim != 3 or not volume.same_grid(image):
        raise BackEndError(
            f"{back_end.title}: its result has another grid than the image: shape "
            f"{volume.data.shape} against {image.shape}, or another position"
        )
    return volume.like(_integers(back_end, volume.data))


def _integers(back_end: BackEnd, data: np.ndarray) -> np.ndarray:
    if data.dtype.kind in "iu":
        return data
    if not np.isfinite(data).all() or (data != np.round(data)).any():
        raise BackEndError(f"{back_end.title}: its result holds fractional values, no labels")
    return data.astype(np.int32)


def _require_vertebra(back_end: BackEnd, labels: np.ndarray, scheme: str) -> None:
    try:
        to_verse(labels, scheme)
    except SubjectDataError as error:
        raise SubjectDataError(
            "outline_no_vertebra",
            f"{back_end.title} found no vertebra: {error.message}",
            LOOK,
        ) from None


def _told(command: Command, job: Job) -> str:
    """A command line without the machine's own paths."""
    words = [Path(command.argv[0]).name, *command.argv[1:]]
    return " ".join(word.replace(str(job.scratch), "<scratch>") for word in words)


def _smallest(labels: np.ndarray) -> np.ndarray:
    """Labels in as few bytes as they need."""
    return labels.astype(np.uint8 if labels.max() < 256 and labels.min() >= 0 else np.int32)


def about_outline(
    back_end: BackEnd, task: Task, outline: Outline, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Sidecar of an outline: program, version, task, weights and what was run."""
    return {
        "Units": "label",
        "Scheme": task.scheme,
        "Program": back_end.title,
        "Task": task.name,
        "Outlines": task.outlines,
        **details,
        "CommandLines": outline.command_lines,
        "Warnings": outline.warnings,
    }
