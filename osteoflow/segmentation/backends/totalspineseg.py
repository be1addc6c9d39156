"""TotalSpineSeg (Warszawer et al., 2025, preprint, doi 10.13140/RG.2.2.31318.56649).

Checked against its source, version 20260429: ``inference.py`` (arguments, folders of results,
``--keep-only``), ``init_inference.py`` and ``utils/install_weights.py`` (where weights are looked
for, and when they are fetched). It has no usage statistics.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.segmentation.backends.back_end import BackEnd, Command, Job, link

DATASETS = ("Dataset101_TotalSpineSeg_step1", "Dataset102_TotalSpineSeg_step2")
IMAGE = "sub-image.nii.gz"


def prepare(job: Job) -> dict[str, str]:
    """A data folder of its own: the program makes folders beside its weights."""
    data = job.scratch / "totalspineseg"
    for name, folder in job.weights.items():
        link(data / "nnUNet" / "results" / name, folder)
    return {"TOTALSPINESEG_DATA": str(data)}


def commands(job: Job) -> list[Command]:
    """Both steps in one call; results are brought back to the image's grid by the program."""
    output = job.scratch / "out"
    device = "cuda" if job.device == "gpu" else "cpu"
    argv = [job.executable, str(job.image), str(output)]
    argv += ["--data-dir", str(job.scratch / "totalspineseg"), "--device", device]
    argv += ["--max-workers", str(job.threads), "--max-workers-nnunet", str(job.threads)]
    argv += ["--keep-only", "step2_output", "--quiet"]
    return [Command(argv, {"step2": f"out/step2_output/{IMAGE}"})]


def combine(task: str, results: Mapping[str, Volume]) -> tuple[np.ndarray, list[str]]:
    """The final label map."""
    return results["step2"].data, []


BACK_END = BackEnd(
    name="totalspineseg",
    title="TotalSpineSeg",
    executable="totalspineseg",
    distribution="totalspineseg",
    roots=("nnUNet/results", "nnUNet/results/*"),
    needs=lambda modality, task: DATASETS,
    staging=lambda modality, task, weights: f"totalspineseg_init --data-dir {weights}",
    image_name=lambda modality, task: IMAGE,
    prepare=prepare,
    commands=commands,
    combine=combine,
    silent=True,
)
