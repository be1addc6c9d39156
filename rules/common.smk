"""What all rules share: the checked study, paths, lookups, memory requests, code versions."""

import os
import sys
from functools import cache
from pathlib import Path

CLONE = Path(workflow.basedir).resolve()
sys.path.insert(0, str(CLONE))

from snakemake.exceptions import WorkflowError

import osteoflow
from osteoflow.code_version import code_version, load_facts
from osteoflow.config import canonical
from osteoflow.errors import StudyError
from osteoflow.images import RADIOMICS
from osteoflow.layout import SubjectFiles, steps_of
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.resources import share_package
from osteoflow.running.owner import MARKER
from osteoflow.running.scheduling import lift_default_limit
from osteoflow.running.warm.start import use_warm_process
from osteoflow.segmentation.backends.plan import planned_outlines
from osteoflow.study import frozen_study, load_study

if Path(osteoflow.__file__).resolve().parents[1] != CLONE:
    raise WorkflowError(
        f"The Snakefile lies in {CLONE}, but the package osteoflow that is imported comes from "
        f"{Path(osteoflow.__file__).resolve().parents[1]}. Install the package of this clone."
    )

# Jobs find the library of this clone in every environment, conda's included.
share_package()

try:
    # `osteoflow run` fixes settings and table when it begins: its cluster jobs parse this file
    # again, perhaps hours later. Plain Snakemake takes them as they are.
    if os.environ.get(MARKER) == str(Path.cwd()):
        STUDY = frozen_study(Path.cwd(), workflow.config_settings.overwrite_config)
    else:
        STUDY = load_study(Path.cwd(), config)
except StudyError as error:
    raise WorkflowError(f"The study cannot run:\n{error}")

load_facts(Path("results/inventory/code.json"))
CONFIG = STUDY.config
SUBJECTS = STUDY.subjects
RECIPES = STUDY.radiomics_settings()
INVENTORY = "results/inventory"
LOGS = "results/logs"
BENCHMARKS = "results/benchmarks"
FILES = SubjectFiles(Path("results/subjects/{subject}"))
BACK_END_SETTINGS = CONFIG.segmentation.backends
PATHS_OF = {subject.name: subject.paths for subject in STUDY.table.subjects}


wildcard_constraints:
    subject=r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?",
    analysis=r"[a-z][a-z0-9_]*",


def folder(step):
    """The folder of a subject's step."""
    return str(FILES.folder(step))


def step_folder(step):
    """The folder of a subject's step, as what its rule makes."""
    return directory(folder(step))


def subject_log(step):
    return f"{LOGS}/{step}/{{subject}}.log"


def every_subject(path):
    """One path per subject that has any image."""
    return expand(str(path), subject=STUDY.with_images)


def by_size(base, per_megabyte):
    """Resource request that grows with the subject's raw data (MB) and with every attempt.

    The sizes are those of the inventory: a request may not depend on files that are yet to be
    made, or a cluster job of several steps would silently lose it.
    """

    def request(wildcards, attempt):
        raw = SUBJECTS[wildcards.subject]["megabytes"]
        return round((base + per_megabyte * raw) * attempt)

    return request


def radiomics_images(wildcards):
    """Images with features that this subject can have: those of its modalities."""
    found = SUBJECTS[wildcards.subject]
    return [
        name
        for name in CONFIG.radiomics.images
        if found["ct" if RADIOMICS[name].space == "ct" else "mri"]
    ]


def holds_whole_scan(recipe):
    """Whether a filter of a recipe joins the ends of the scan, and so needs all of it."""
    filters = RadiomicsSettings.model_validate(recipe).filters
    return any(item.whole_scan for item in filters.ibsi)


def radiomics_recipes(wildcards):
    """Recipe of each of these images."""
    return canonical({name: RECIPES[name] for name in radiomics_images(wildcards)})


def radiomics_regions(wildcards):
    """Levels of each of these images, and whether each one counts on its own."""
    images = CONFIG.radiomics.images
    return canonical(
        {
            name: images[name].model_dump(include={"levels", "per_level"})
            for name in radiomics_images(wildcards)
        }
    )


def perturbed_images(wildcards):
    """Images of this subject whose perturbations tell how robust features are, and the seed."""
    chosen = STUDY.is_perturbed(wildcards.subject)
    images = radiomics_images(wildcards) if chosen else []
    perturbed = CONFIG.radiomics.perturbation_of(images)
    # The seed matters where there is something to draw.
    return canonical(
        {"images": perturbed, "seed": CONFIG.study.seed if perturbed else None}
    )


def radiomics_folders(wildcards):
    """Folders of the steps that make these images."""
    steps = dict.fromkeys(RADIOMICS[name].step for name in radiomics_images(wildcards))
    return [folder(step).format(subject=wildcards.subject) for step in steps]


def step_folders(wildcards):
    """Folders of the steps that this subject has."""
    found = SUBJECTS[wildcards.subject]
    first, *others = steps_of(found["ct"], found["mri"])
    steps = [first, *outlines_of(wildcards), *others]
    return [folder(step).format(subject=wildcards.subject) for step in steps]


def outlines_of(wildcards):
    """Programs that outline this subject, each with its settings by modality."""
    name = wildcards.subject
    return planned_outlines(BACK_END_SETTINGS, PATHS_OF[name], SUBJECTS[name])


def outline_folders(wildcards):
    """Folders of these programs' steps."""
    return [
        folder(step).format(subject=wildcards.subject)
        for step in outlines_of(wildcards)
    ]


@cache
def state_of(back_end, modality):
    """Weights and version of a configured program."""
    # Only studies with a back end load this.
    from osteoflow.outlines import outline_state
    from osteoflow.segmentation.backends.registry import BACK_ENDS

    settings = getattr(BACK_END_SETTINGS, modality)
    return outline_state(BACK_ENDS[back_end], modality, settings, STUDY.folder)


def outline_settings(back_end):
    """What a program is asked for, and the state of weights and program, of each subject."""

    def settings(wildcards):
        asked = outlines_of(wildcards).get(back_end, {})
        return canonical(
            {m: {**s, "state": state_of(back_end, m)} for m, s in asked.items()}
        )

    return settings


def outline_gpus(back_end):
    """A request of one GPU, where a program computes on it."""
    chosen = [BACK_END_SETTINGS.ct, BACK_END_SETTINGS.mri]
    on_gpu = any(c and c.name == back_end and c.device == "gpu" for c in chosen)
    return {"gpu": 1} if on_gpu else {}


def ct_settings(wildcards):
    """What calibrates this subject's CT: for a separate phantom the one scan that fits."""
    return canonical(CONFIG.ct.of_job(STUDY.ct_match(wildcards.subject)))


def repeated_scans(wildcards):
    """Sessions that are repeated scans, for an analysis whose features must be reliable in them."""
    radiomics = ANALYSES[wildcards.analysis].radiomics
    wanted = radiomics is not None and "scan_rescan" in radiomics.reliability
    return canonical(
        CONFIG.statistics.reproducibility.repeat_sessions if wanted else []
    )
