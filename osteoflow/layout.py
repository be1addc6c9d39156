"""Where everything of a subject lies: one folder per step, file names as in BIDS derivatives.

Each step of the workflow owns one folder and is its only writer: the folder is what the step is
declared to make, so that a step that runs again leaves nothing of its last run behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INVENTORY = Path("results") / "inventory"
# There where the shards of a study in batches make the subjects' results.
JOINED = INVENTORY / "joined.txt"
SUBJECTS = Path("results") / "subjects"
# Programs that outline vertebrae where no mask was given: steps that only some subjects have.
BACK_ENDS = ("totalsegmentator", "totalspineseg", "spineps", "spine_segment")
# Steps that own a folder, in the order of the data.
STEP_FOLDERS = {
    "convert": "anat",
    **{name: name for name in BACK_ENDS},
    "segment": "seg",
    "map_mri": "mri",
    "calibrate_ct": "ct",
    "extract_radiomics": "radiomics",
}
# All steps of a subject; the last one makes no folder but the subject's own files.
STEPS = (*STEP_FOLDERS, "measure")
# Steps that only one modality has.
MODALITY_OF_STEP = {"map_mri": "mri", "calibrate_ct": "ct"}


def steps_of(ct: bool, mri: bool) -> list[str]:
    """Steps with a folder that each subject with these modalities has, in the order of data."""
    present = {"ct": ct, "mri": mri, None: True}
    regular = [step for step in STEP_FOLDERS if step not in BACK_ENDS]
    return [step for step in regular if present[MODALITY_OF_STEP.get(step)]]


# Suffix of each image after the subject's name, by the step that makes it.
IMAGE_SUFFIXES = {
    "convert": {
        "ct": "ct",
        "mag": "part-mag_MEGRE",
        "phase": "part-phase_MEGRE",
        "scanner_pdff": "desc-scanner_PDFFmap",
        "scanner_water": "desc-scannerWater_MEGRE",
        "scanner_fat": "desc-scannerFat_MEGRE",
        "mese": "MESE",
        "dwi": "dwi",
        "scanner_adc": "desc-scanner_ADCmap",
        "t1w": "T1w",
        "t2w": "T2w",
    },
    "calibrate_ct": {"vbmd": "vBMDmap"},
    "map_mri": {
        "pdff": "PDFFmap",
        "r2star": "R2starmap",
        "t2star": "T2starmap",
        "field": "fieldmap",
        "water": "desc-water_MEGRE",
        "fat": "desc-fat_MEGRE",
        "residual": "desc-residual_MEGRE",
        "quality": "desc-quality_mask",
        "sff": "desc-signalFatFraction_map",
        "t2star_in_phase": "desc-inPhase_T2starmap",
        "swap": "desc-swapSuspicion_mask",
        "t2": "T2map",
        "t2_error": "desc-standardError_T2map",
        "b1": "TB1map",
        "t2_quality": "desc-qualityT2_mask",
        "adc": "ADCmap",
        "adc_quality": "desc-qualityADC_mask",
    },
}


@dataclass(frozen=True)
class SubjectFiles:
    """Paths of one subject's results.

    Parameters
    ----------
    root
        ``results/subjects/<subject>``; its name is the subject's.
    """

    root: Path

    @classmethod
    def beside(cls, path: str | Path) -> SubjectFiles:
        """The subject in whose folder a step's folder, or a file at its top, lies."""
        return cls(Path(path).parent)

    @staticmethod
    def named(participant_id: str, session: str | None) -> str:
        """``sub-01`` or ``sub-01_ses-1``; a session of ``n/a`` is none."""
        return participant_id + (f"_ses-{session}" if session and session != "n/a" else "")

    @property
    def name(self) -> str:
        """``sub-01`` or ``sub-01_ses-1``."""
        return self.root.name

    @property
    def participant_id(self) -> str:
        """``sub-01``."""
        return self.name.partition("_ses-")[0]

    @property
    def session(self) -> str:
        """``1``, or empty."""
        return self.name.partition("_ses-")[2]

    def folder(self, step: str) -> Path:
        """Folder of a step."""
        return self.root / STEP_FOLDERS[step]

    def step_status(self, step: str) -> Path:
        """How a step ended."""
        return self.folder(step) / "status.json"

    def status_of(self, step: str) -> Path:
        """The file that is there once a step (or ``measure``) has ended."""
        return self.status if step == "measure" else self.step_status(step)

    def image(self, name: str) -> Path:
        """An image by its name in :data:`IMAGE_SUFFIXES`."""
        for step, suffixes in IMAGE_SUFFIXES.items():
            if name in suffixes:
                return self.folder(step) / f"{self.name}_{suffixes[name]}.nii.gz"
        raise KeyError(name)

    def regions(self, item: str, kind: str) -> Path:
        """Label map of a rater on a grid.

        Parameters
        ----------
        item
            A mask of :data:`osteoflow.images.RATERS`: ``ct``, ``mri_rater2``, ``t2_repeat`` ...
        kind
            ``mask`` (whole vertebrae), ``voi`` (trabecular volumes), ``ellipse`` or ``cortical``.
        """
        space, _, described = item.partition("_")
        if kind != "mask":
            volume = {"voi": "trabecular"}.get(kind, kind)
            described = volume + described.capitalize()
        entity = f"_desc-{described}" if described else ""
        return self.folder("segment") / f"{self.name}_space-{space}{entity}_dseg.nii.gz"

    def outline(self, back_end: str, modality: str) -> Path:
        """Label map that a segmentation program made, in the program's own label scheme."""
        described = f"_space-{modality}_desc-{back_end.replace('_', '')}_dseg.nii.gz"
        return self.folder(back_end) / f"{self.name}{described}"

    @property
    def labels(self) -> Path:
        """Label numbers and names of the label maps."""
        return self.folder("segment") / f"{self.name}_dseg.tsv"

    @property
    def heights(self) -> Path:
        """Heights and deformities of the vertebral bodies, one row per mask and level."""
        return self.folder("segment") / f"{self.name}_heights.tsv"

    @property
    def agreement(self) -> Path:
        """Overlap of the further readings' masks with the first ones."""
        return self.folder("segment") / f"{self.name}_agreement.tsv"

    @property
    def outlined(self) -> Path:
        """Regions of every mask with the fingerprint of what a reviewer sees of each."""
        return self.folder("segment") / f"{self.name}_regions.tsv"

    @property
    def calibration(self) -> Path:
        """Rods, line and residuals of the phantom."""
        return self.folder("calibrate_ct") / f"{self.name}_calibration.json"

    @property
    def features(self) -> Path:
        """Radiomic features, one row per image, region and rater."""
        return self.folder("extract_radiomics") / f"{self.name}_features.tsv"

    @property
    def perturbed_features(self) -> Path:
        """Features of perturbed images; only of participants who were chosen for it."""
        return self.folder("extract_radiomics") / f"{self.name}_perturbed_features.tsv"

    @property
    def perturbations(self) -> Path:
        """What these perturbations were."""
        return self.folder("extract_radiomics") / f"{self.name}_perturbed_features.json"

    @property
    def normalisation(self) -> Path:
        """What was done to images in arbitrary units before their features were extracted."""
        return self.folder("extract_radiomics") / f"{self.name}_normalisation.json"

    @property
    def measurements(self) -> Path:
        """The long table of measurements."""
        return self.root / "measurements.tsv"

    @property
    def status(self) -> Path:
        """All steps' status, and the hash of every other file."""
        return self.root / "status.json"

    @property
    def report(self) -> Path:
        """The subject's page."""
        return self.root / "report.html"

    def made(self) -> Iterator[tuple[str, Path]]:
        """Everything made of the subject but status and page: path inside the folder, path."""
        for path in sorted(self.root.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(self.root).parts)
            if path.is_file() and not hidden and path not in (self.status, self.report):
                yield path.relative_to(self.root).as_posix(), path
