"""What all rules share: the checked study, paths, lookups, memory requests, code versions."""

import sys
from pathlib import Path

CLONE = Path(workflow.basedir).resolve()
sys.path.insert(0, str(CLONE))

from snakemake.exceptions import WorkflowError

import osteoflow
from osteoflow.code_version import code_version, load_facts
from osteoflow.config import canonical
from osteoflow.errors import StudyError
from osteoflow.images import IMAGES, RATERS
from osteoflow.resources import share_package
from osteoflow.study import load_study

if Path(osteoflow.__file__).resolve().parents[1] != CLONE:
    raise WorkflowError(
        f"The Snakefile lies in {CLONE}, but the package osteoflow that is imported comes from "
        f"{Path(osteoflow.__file__).resolve().parents[1]}. Install the package of this clone."
    )

# Jobs find the library of this clone in every environment, conda's included.
share_package()

try:
    STUDY = load_study(Path.cwd(), config)
except StudyError as error:
    raise WorkflowError(f"The study cannot run:\n{error}")

load_facts(Path("results/inventory/code.json"))
CONFIG = STUDY.config
SUBJECTS = STUDY.subjects
INVENTORY = "results/inventory"
SUBJECT = "results/subjects/{subject}"
LOGS = "results/logs"
BENCHMARKS = "results/benchmarks"
PARTS = ("mag", "phase")
MRI_MAPS = {
    "pdff": "PDFFmap",
    "r2star": "R2starmap",
    "t2star": "T2starmap",
    "field": "fieldmap",
    "water": "desc-water_MEGRE",
    "fat": "desc-fat_MEGRE",
    "residual": "desc-residual_MEGRE",
    "quality": "desc-quality_mask",
}


wildcard_constraints:
    subject=r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?",
    analysis=r"[a-z][a-z0-9_]*",


def subject_path(folder, suffix):
    """`results/subjects/sub-01/ct/sub-01_ct.nii.gz` from ("ct", "ct.nii.gz")."""
    return f"{SUBJECT}/{folder}/{{subject}}_{suffix}"


def sidecar(image):
    """The JSON file beside an image."""
    return image.removesuffix(".nii.gz") + ".json"


def status(step):
    """The status file of a subject's step."""
    return f"{SUBJECT}/status/{step}.json"


def subject_log(step):
    return f"{LOGS}/{step}/{{subject}}.log"


def subject_benchmark(step):
    return f"{BENCHMARKS}/{step}/{{subject}}.tsv"


def every_subject(path):
    """One path per subject that has any image."""
    return expand(path, subject=STUDY.with_images)


def only_with(modality, path):
    """Input function: the path for subjects with this modality, nothing for others."""

    def present(wildcards):
        found = SUBJECTS[wildcards.subject][modality]
        return path.format(subject=wildcards.subject) if found else []

    return present


def memory(base, factor):
    """Memory request in MB: a base plus a multiple of the subject's raw data, more per attempt."""

    def request(wildcards, attempt):
        raw = SUBJECTS[wildcards.subject]["megabytes"]
        return int((base + factor * raw) * attempt)

    return request


CT_IMAGE = subject_path("ct", "ct.nii.gz")
VBMD_MAP = subject_path("ct", "vBMDmap.nii.gz")
CALIBRATION = subject_path("ct", "calibration.json")
ECHOES = {part: subject_path("mri", f"part-{part}_MEGRE.nii.gz") for part in PARTS}
MRI_IMAGES = {
    name: subject_path("mri", f"{suffix}.nii.gz") for name, suffix in MRI_MAPS.items()
}
MAPS = {
    "ct": CT_IMAGE,
    "vbmd": VBMD_MAP,
    "pdff": MRI_IMAGES["pdff"],
    "r2star": MRI_IMAGES["r2star"],
    "t2star": MRI_IMAGES["t2star"],
}


def region_files():
    """Label maps of every rater: `ct_mask` whole vertebrae, `ct_voi` trabecular volumes."""
    files = {}
    for item, (space, rater) in RATERS.items():
        for kind, name in (("mask", ""), ("voi", "trabecular")):
            described = name + (f"Rater{rater}" if name else f"rater{rater}") * (
                rater > 1
            )
            entity = f"_desc-{described}" if described else ""
            files[f"{item}_{kind}"] = subject_path(
                "seg", f"space-{space}{entity}_dseg.nii.gz"
            )
    return files


REGIONS = region_files()
AGREEMENT = subject_path("seg", "agreement.tsv")
FEATURES = subject_path("radiomics", "features.tsv")
MEASUREMENTS = f"{SUBJECT}/measurements.tsv"
SUBJECT_STATUS = f"{SUBJECT}/status.json"
SUBJECT_REPORT = f"{SUBJECT}/report.html"


def radiomics_images(wildcards):
    """Images with features that this subject can have: those of its modalities."""
    found = SUBJECTS[wildcards.subject]
    return [name for name in CONFIG.radiomics.images if found[IMAGES[name].space]]


def radiomics_maps(wildcards):
    return [MAPS[name].format(**wildcards) for name in radiomics_images(wildcards)]


def radiomics_statuses(wildcards):
    steps = dict.fromkeys(IMAGES[name].step for name in radiomics_images(wildcards))
    return [status(step).format(**wildcards) for step in steps]


SUBJECT_STEPS = ("convert", "segment", "map_mri", "calibrate_ct", "extract_radiomics")


def subject_steps(wildcards):
    """Status files of the steps that this subject has."""
    found = SUBJECTS[wildcards.subject]
    without = {"map_mri": not found["mri"], "calibrate_ct": not found["ct"]}
    return [
        status(step).format(subject=wildcards.subject)
        for step in SUBJECT_STEPS
        if not without.get(step)
    ]
