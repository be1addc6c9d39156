"""Vertebrae outlined by a segmentation program: the step of one subject."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osteoflow.io.volume import Volume, read_json, read_volume, sidecar_path, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.segmentation.backends.back_end import BackEnd
from osteoflow.segmentation.backends.installed import CONDA, find_executable, installed_version
from osteoflow.segmentation.backends.run import BackEndError, about_outline, outline_image
from osteoflow.segmentation.backends.staging import single_volume
from osteoflow.segmentation.backends.tasks import find_task
from osteoflow.segmentation.backends.weights import find_weights, fingerprint
from osteoflow.step import Step, has_item

# Images that may be outlined for each space; the first one that exists.
OUTLINED = {
    "ct": ("ct",),
    "mri": ("mag", "scanner_water", "scanner_pdff"),
    "t1w": ("t1w",),
    "t2": ("mese",),
    "t2w": ("t2w",),
}


def outline_state(back_end: BackEnd, modality: str, settings: Any, study: Path) -> dict[str, str]:
    """What a program's result depends on besides settings: its weights and its version."""
    task = find_task(back_end.name, modality, settings.task)
    weights = find_weights(back_end, modality, task.name, _staged(settings.weights, study))
    state = {"weights": fingerprint(weights)}
    # Of an environment that Snakemake makes, it watches the file itself.
    if settings.executable != CONDA:
        program = find_executable(back_end, settings.executable, study)
        version = installed_version(program, back_end.distribution) if program else None
        state["version"] = version or "unknown"
    return state


def _staged(weights: str, study: Path) -> Path:
    return study / Path(weights).expanduser()


def outline_subject(back_end: BackEnd, folder: str, settings: str, threads: int, log: str) -> None:
    """Outline the vertebrae of one subject with one program: the whole step.

    Parameters
    ----------
    back_end
        The program.
    folder
        The step's folder, made here.
    settings
        JSON: modality -> settings of the program for it.
    threads
        Processor cores.
    log
        Log file.
    """
    files = SubjectFiles.beside(folder)
    step = Step(back_end.name, folder, log)
    converted = files.step_status("convert")
    for modality, chosen in json.loads(settings).items():
        space = chosen.get("image", modality)
        if not has_item(read_json(converted), space):
            step.absent(modality)
            continue
        step.run(
            modality,
            lambda m=modality, s=space, c=chosen: _outline(back_end, files, m, s, c, threads),
            after=[(converted, space)],
        )
    step.finish()


def _outline(
    back_end: BackEnd,
    files: SubjectFiles,
    modality: str,
    space: str,
    chosen: Mapping[str, Any],
    threads: int,
) -> list[str]:
    """Outline one image and write the label map with its sidecar; warnings."""
    task = find_task(back_end.name, modality, chosen["task"])
    weights = find_weights(back_end, modality, task.name, _staged(chosen["weights"], Path()))
    program = find_executable(back_end, chosen["executable"], Path.cwd())
    if program is None:
        raise BackEndError(f"the program of {back_end.title} is not to be found")
    image, name, which = _image(files, space)
    with tempfile.TemporaryDirectory(prefix=f"osteoflow-{back_end.name}-") as scratch:
        outline = outline_image(
            back_end,
            task,
            image,
            weights,
            executable=program,
            device=chosen["device"],
            threads=threads,
            scratch=Path(scratch).resolve(),
        )
    version = installed_version(program, back_end.distribution)
    if version is None:
        outline.warnings.append(f"the version of {back_end.title} cannot be told")
    details = {
        "Version": version,
        "Device": chosen["device"],
        "Image": f"{name}: {which}",
        "Weights": sorted(path.name for path in weights.values()),
        "WeightsFingerprint": fingerprint(weights),
    }
    path = files.outline(back_end.name, modality)
    write_volume(path, outline.labels, about_outline(back_end, task, outline, details))
    return outline.warnings


def _image(files: SubjectFiles, space: str) -> tuple[Volume, str, str]:
    """The image to outline, its name, and in words which volume of it."""
    name = next(name for name in OUTLINED[space] if files.image(name).exists())
    about = read_json(sidecar_path(files.image(name)))
    volume, which = single_volume(read_volume(files.image(name)), about, name == "mag")
    return volume, name, which
