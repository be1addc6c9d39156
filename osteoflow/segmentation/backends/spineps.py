"""SPINEPS with VERIDAH (Moeller et al., Eur Radiol 2024, doi 10.1007/s00330-024-11155-y).

Checked against its source of June 2026: ``entrypoint.py`` (arguments; a model may be given by its
folder), ``seg_run.py`` (results beside the image, error codes that end without an error),
``utils/auto_download.py`` (names of the models' folders), and TPTBox's
``segmentation/VibeSeg/auto_download.py`` (``VIBESEG_WEIGHTS_PATH``). It has no usage statistics.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.segmentation.backends.back_end import BackEnd, Command, Job, inside, link
from osteoflow.segmentation.schemes import scheme_level

# Models in order: structures, vertebra instances, levels. Folders end with the models' version.
_MODELS = {
    "t2w": ("T2w_semantic*", "instance_sagittal*", "T2w_labeling*"),
    "t1w": ("T1w_semantic*", "instance_sagittal*", "T2w_labeling*"),
    "vibe": ("Vibe_semantic*", "instance_sagittal*", "T2w_labeling*"),
    "ct": ("CT_semantic*", "CT_instance*", "CT_labeling*"),
}
# The model that finds the spine in images of more than 8 million voxels, as a CT has.
CROPPING = "Dataset100"
_SUFFIX = {"t2w": "T2w", "t1w": "T1w", "vibe": "vibe", "ct": "ct"}
# Border of the vertebral corpus, to which the program adds the corpus itself (50).
CORPUS = (49, 50)
# Vertebra instances; 100 and 200 more are discs and endplates.
LAST_INSTANCE = 28
DERIVATIVES = "outlines"
_RELEASES = "https://github.com/Hendrik-code/spineps/releases"


def needs(modality: str, task: str) -> tuple[str, ...]:
    """Folders of the three models, and of the one that crops, which every CT needs."""
    return _MODELS[task] + ((CROPPING,) if modality == "ct" else ())


def staging(modality: str, task: str, weights: str) -> str:
    """How the weights get there: the program fetches them when it runs once with network."""
    semantic, instance, labels = {
        "ct": ("ct", "ct_instance", "ct_labeling"),
    }.get(task, (task, "instance", "t2w_labeling"))
    return (
        f"SPINEPS_SEGMENTOR_MODELS={weights} VIBESEG_WEIGHTS_PATH={weights} spineps sample "
        f"-i sub-any_{_SUFFIX[task]}.nii.gz -ms {semantic} -mv {instance} -ml {labels} (on any "
        f"image of this kind; or unpack the archives of {_RELEASES} into {weights})"
    )


def prepare(job: Job) -> dict[str, str]:
    """Links to the models, by which they are named in the call."""
    models = job.scratch / "models"
    for folder in job.weights.values():
        link(models / folder.name, folder)
    return {
        "SPINEPS_SEGMENTOR_MODELS": str(models),
        "VIBESEG_WEIGHTS_PATH": str(models),
        "SPINEPS_TURN_OF_CITATION_REMINDER": "TRUE",
    }


def commands(job: Job) -> list[Command]:
    """One call with the models' folders, so that no name is looked up and fetched."""
    semantic, instance, labels = (
        str(job.scratch / "models" / job.weights[pattern].name) for pattern in _MODELS[job.task]
    )
    argv = [job.executable, "sample", "-i", str(job.image)]
    argv += ["-ms", semantic, "-mv", instance, "-ml", labels, "-dn", DERIVATIVES]
    # The level model was made for T2w; without this flag the program skips other images.
    argv += ["-ignore_inference_compatibility"]
    if job.device == "cpu":
        argv += ["-cpu"]
    folder = f"{job.image.parent.relative_to(job.scratch)}/{DERIVATIVES}"
    outputs = {part: f"{folder}/**/*seg-{part}_msk.nii.gz" for part in ("vert", "spine")}
    return [Command(argv, outputs)]


def combine(task: str, results: Mapping[str, Volume]) -> tuple[np.ndarray, list[str]]:
    """Vertebra instances inside the corpus."""
    instances = results["vert"].data
    levels = np.where(instances <= LAST_INSTANCE, instances, 0)
    corpus = np.isin(results["spine"].data, CORPUS)
    return inside(levels, corpus, lambda label: scheme_level("spineps", label))


BACK_END = BackEnd(
    name="spineps",
    title="SPINEPS",
    executable="spineps",
    distribution="SPINEPS",
    roots=("",),
    needs=needs,
    staging=staging,
    image_name=lambda modality, task: f"sub-image_{_SUFFIX[task]}.nii.gz",
    prepare=prepare,
    commands=commands,
    combine=combine,
    silent=True,
)
