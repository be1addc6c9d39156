"""Mistakes in the choice of back ends that would otherwise come to light hours later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from osteoflow.segmentation.backends.back_end import BackEnd
from osteoflow.segmentation.backends.installed import CONDA, find_executable
from osteoflow.segmentation.backends.plan import MODALITIES
from osteoflow.segmentation.backends.registry import BACK_ENDS
from osteoflow.segmentation.backends.tasks import find_task
from osteoflow.segmentation.backends.weights import MissingWeightsError, find_weights


def back_end_problems(settings: Any, study: Path) -> list[str]:
    """What keeps the configured back ends from running, one sentence each.

    Parameters
    ----------
    settings
        Section ``segmentation.backends`` of the configuration.
    study
        Folder where relative paths start.
    """
    problems = []
    for modality in MODALITIES:
        chosen = getattr(settings, modality)
        if chosen is not None:
            found = _problems(BACK_ENDS[chosen.name], modality, chosen, study)
            problems += [f"segmentation.backends.{modality}: {text}" for text in found]
    return problems


def _problems(back_end: BackEnd, modality: str, chosen: Any, study: Path) -> list[str]:
    try:
        task = find_task(back_end.name, modality, chosen.task)
    except ValueError as error:
        return [str(error)]
    problems = []
    try:
        find_weights(back_end, modality, task.name, study / Path(chosen.weights).expanduser())
    except MissingWeightsError as error:
        command = back_end.staging(modality, task.name, chosen.weights)
        problems.append(
            f"weights of {back_end.title} are not staged in '{chosen.weights}': {error}. On a "
            f"machine with network: {command}"
        )
    if chosen.executable != CONDA and find_executable(back_end, chosen.executable, study) is None:
        wanted = chosen.executable or back_end.executable
        problems.append(
            f"the program '{wanted}' of {back_end.title} is not to be found: make its environment "
            f"(conda env create -f envs/{back_end.name}.yaml) and name the program's path as "
            f"`executable`, or set `executable: {CONDA}` and run with --sdm conda"
        )
    return problems
