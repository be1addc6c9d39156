"""spine-segment, after Payer et al. (Proc VISAPP 2020;5:124, doi 10.5220/0008975201240133).

Checked against its source, version 0.1.5: ``cli.py`` (arguments), ``outputs.py`` (names of the
results), ``model_bundle.py`` (files of the bundle), README (labels). It has no usage statistics.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.segmentation.backends.back_end import BackEnd, Command, Job, inside, link
from osteoflow.segmentation.schemes import scheme_level

MODELS = (
    "spine-locator.pt",
    "vertebra-locator.pt",
    "vertebra-segmenter.pt",
    "process-body-segmenter.pt",
)
# In the process and body map; 1 is the posterior processes.
BODY_LABEL = 2
# The documentation calls 28 the sacrum, VerSe calls it T13: it names no level.
AMBIGUOUS = 28
_ARCHIVE = (
    "https://github.com/wallematthias/spine-segment/releases/download/v0.1.0/"
    "spine-segment-model-bundle-v0.1.0.zip"
)


def prepare(job: Job) -> dict[str, str]:
    """A bundle of links."""
    for name, file in job.weights.items():
        link(job.scratch / "bundle" / "weights" / name, file)
    return {"SPINE_SEGMENT_NO_DOWNLOAD": "1", "SPINE_SEGMENT_BACKEND": ""}


def commands(job: Job) -> list[Command]:
    """Levels, and bodies against processes, in one call."""
    device = "cuda" if job.device == "gpu" else "cpu"
    argv = [job.executable, str(job.image), "--output", str(job.scratch / "out")]
    argv += ["--device", device, "--model-bundle", str(job.scratch / "bundle")]
    argv += ["--no-model-download"]
    stem = job.image.name.removesuffix(".nii.gz")
    names = {"levels": "vertebral-level", "bodies": "process-body"}
    return [Command(argv, {key: f"out/{stem}_{end}.nii.gz" for key, end in names.items()})]


def combine(task: str, results: Mapping[str, Volume]) -> tuple[np.ndarray, list[str]]:
    """Levels inside the bodies, without the label that may be T13 or the sacrum."""
    levels = results["levels"].data
    warnings = []
    if (levels == AMBIGUOUS).any():
        warnings.append(
            f"label {AMBIGUOUS} may be the sacrum or T13 in this program's results: left out"
        )
        levels = np.where(levels == AMBIGUOUS, 0, levels)
    bodies = (results["bodies"].data == BODY_LABEL) & (results["levels"].data != AMBIGUOUS)
    labels, more = inside(levels, bodies, lambda label: scheme_level("verse", label))
    return labels, warnings + more


BACK_END = BackEnd(
    name="spine_segment",
    title="spine-segment",
    executable="spine-segment",
    distribution="spine-segment",
    roots=("weights", ""),
    needs=lambda modality, task: MODELS,
    staging=lambda modality, task, weights: f"unpack {_ARCHIVE} into {weights}",
    image_name=lambda modality, task: "sub-image_ct.nii.gz",
    prepare=prepare,
    commands=commands,
    combine=combine,
)
