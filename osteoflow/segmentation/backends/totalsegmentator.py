"""TotalSegmentator (Wasserthal et al., Radiol Artif Intell 2023;5:e230024).

Checked against its source, version 2.18.0: ``bin/TotalSegmentator.py`` (arguments), ``config.py``
(``TOTALSEG_HOME_DIR``, ``TOTALSEG_WEIGHTS_PATH``, ``send_usage_stats``), ``libs.py`` (weights are
fetched where a folder is missing, old ones are removed) and ``map_tasks_config.py`` (folders).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.io.whole import write_text
from osteoflow.segmentation.backends.back_end import BackEnd, Command, Job, inside, link
from osteoflow.segmentation.schemes import scheme_level

# All parts of `total` are looked for, also where only its vertebrae are wanted; 298 is the coarse
# model that finds them.
_TOTAL = (
    "Dataset291_TotalSegmentator_part1_organs_1559subj",
    "Dataset292_TotalSegmentator_part2_vertebrae_1532subj",
    "Dataset293_TotalSegmentator_part3_cardiac_1559subj",
    "Dataset294_TotalSegmentator_part4_muscles_1559subj",
    "Dataset295_TotalSegmentator_part5_ribs_1559subj",
    "Dataset298_TotalSegmentator_total_6mm_1559subj",
)
_BODY = "Dataset305_vertebrae_discs_1559subj"
_POSTPROCESSED = "Dataset803_TotalSegmentator_vertebrae_inner_1559subj"
_NEEDS = {
    "vertebrae_body": (*_TOTAL, _BODY),
    "total": _TOTAL,
    "vertebrae_pp": (_POSTPROCESSED,),
    "vertebrae_pp_refined": (_POSTPROCESSED, _BODY),
    "vertebrae_mr": ("Dataset756_mri_vertebrae_1076subj",),
}
LEVELS = [
    *(f"vertebrae_C{n}" for n in range(1, 8)),
    *(f"vertebrae_T{n}" for n in range(1, 13)),
    *(f"vertebrae_L{n}" for n in range(1, 6)),
]
# In `vertebrae_body`; 2 is the discs.
BODY_LABEL = 1


def needs(modality: str, task: str) -> tuple[str, ...]:
    """Folders of weights that must be there, or the program would fetch them."""
    return _NEEDS[task]


def staging(modality: str, task: str, weights: str) -> str:
    """Commands that fetch the weights of a task."""
    tasks = ("total", task) if task == "vertebrae_body" else (task,)
    return " && ".join(
        f"TOTALSEG_WEIGHTS_PATH={weights} totalseg_download_weights -t {name}" for name in tasks
    )


def prepare(job: Job) -> dict[str, str]:
    """A home of its own with usage statistics off, and links to the weights.

    Without a ``config.json`` in its home the program writes one that sends statistics; a home
    without a licence number also keeps licensed tasks out.
    """
    home = job.scratch / "totalsegmentator"
    settings = {
        "totalseg_id": "totalseg_OSTEOFLOW",
        "send_usage_stats": False,
        "prediction_counter": 0,
        "statistics_disclaimer_shown": True,
    }
    write_text(home / "config.json", json.dumps(settings, indent=4) + "\n")
    results = home / "nnunet" / "results"
    for name, folder in job.weights.items():
        link(results / name, folder)
    return {"TOTALSEG_HOME_DIR": str(home), "TOTALSEG_WEIGHTS_PATH": str(results)}


def commands(job: Job) -> list[Command]:
    """One call a model; levels and bodies of CT are two models."""
    if job.task == "vertebrae_body":
        return [_call(job, "total"), _call(job, "vertebrae_body")]
    return [_call(job, job.task)]


def _call(job: Job, task: str) -> Command:
    output = f"out/{task}.nii.gz"
    argv = [job.executable, "-i", str(job.image), "-o", str(job.scratch / output), "--ml"]
    argv += ["--task", task, "--device", job.device]
    argv += ["--nr_thr_resamp", str(job.threads), "--nr_thr_saving", "1"]
    if task == "total":
        # Only `total` (and `total_mr`) takes a subset; it saves four of five models.
        argv += ["--roi_subset", *LEVELS]
    return Command(argv, {task: output})


def combine(task: str, results: Mapping[str, Volume]) -> tuple[np.ndarray, list[str]]:
    """Levels of `total` inside the bodies of `vertebrae_body`; other tasks as they are."""
    if task != "vertebrae_body":
        return results[task].data, []
    bodies = results["vertebrae_body"].data == BODY_LABEL
    return inside(
        results["total"].data, bodies, lambda label: scheme_level("totalsegmentator_v2", label)
    )


BACK_END = BackEnd(
    name="totalsegmentator",
    title="TotalSegmentator",
    executable="TotalSegmentator",
    distribution="TotalSegmentator",
    roots=("", "nnunet/results"),
    needs=needs,
    staging=staging,
    image_name=lambda modality, task: f"sub-image_{modality}.nii.gz",
    prepare=prepare,
    commands=commands,
    combine=combine,
    on_cpu=("No GPU detected", "Invalid GPU config"),
)
