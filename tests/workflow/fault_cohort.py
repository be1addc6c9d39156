"""A study whose participants each carry one fault, all made from one sound participant.

Every fault is a function of the same name that damages a copy of the sound participant's raw data,
with the reason it must end in. Sound participants stand between them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.uid import generate_uid

from osteoflow.simulate.cohort import MASK_SCHEME, simulate_cohort
from osteoflow.simulate.protocol import TINY

CONFIG = """\
study: {title: Faults}
radiomics:
  images:
    pdff: {settings: pdff, levels: [L1]}
cohort:
  summaries:
    - {metric: hu_mean, levels: [L1, L2]}
    - {metric: vbmd_mean, levels: [L1, L2]}
    - {metric: pdff_mean, levels: [L1, L2, L3]}
statistics: {table1_variables: [age, hu_l1l2_mean]}
figures: {formats: [png], dpi: 72}
"""
COLUMNS = ("participant_id", "dicom", "ct_mask", "mri_mask", "mask_scheme", "age")
SOUND = ("sub-01", "sub-02")
KERNEL = "<script>x()//"
MAKER = "<script>alert(1)</script>"


@dataclass
class Person:
    """Raw data of one participant, as files that may be damaged."""

    root: Path

    @property
    def dicom(self) -> Path:
        return self.root / "dicom"

    def mask(self, modality: str) -> Path:
        return self.root / f"{modality}_mask.nii.gz"

    def files(self, modality: str) -> list[Path]:
        """Files of the CT volume (from first to last slice) or of the echoes."""
        found = []
        for path in sorted(p for p in self.dicom.rglob("*") if p.is_file()):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if header.Modality == modality and "LOCALIZER" not in header.ImageType:
                found.append((float(header.ImagePositionPatient[2]), path))
        return [path for _, path in sorted(found)]

    def edit(self, modality: str, change: Callable[[int, pydicom.Dataset], None]) -> None:
        """Change the header or pixels of every file of a modality in place."""
        for number, path in enumerate(self.files(modality)):
            dataset = pydicom.dcmread(path)
            change(number, dataset)
            dataset.save_as(path)

    def drop(self, modality: str) -> None:
        """Leave one modality out, localizers included."""
        for path in [p for p in self.dicom.rglob("*") if p.is_file()]:
            if pydicom.dcmread(path, specific_tags=["Modality"]).Modality == modality:
                path.unlink()

    def relabel(self, modality: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Replace the voxels of a mask."""
        image = nib.load(self.mask(modality))
        labels = change(np.asarray(image.dataobj))
        nib.save(nib.Nifti1Image(labels, image.affine), self.mask(modality))


@dataclass(frozen=True)
class Fault:
    """What a fault does, and where and why it must end.

    ``excluded`` holds (modality, step, code) of every exclusion, ``warned`` the codes of warnings
    of the conversion, ``only`` the modality that the participant is left with.
    """

    damage: Callable[[Person], None]
    excluded: frozenset[tuple[str, str, str]]
    warned: frozenset[str]
    only: str | None


FAULTS: dict[str, Fault] = {}


def fault(
    *excluded: tuple[str, str, str], warned: tuple[str, ...] = (), only: str | None = None
) -> Callable[[Callable[[Person], None]], Callable[[Person], None]]:
    """Enter a function into the faults under a participant's label made of its name."""

    def enter(damage: Callable[[Person], None]) -> Callable[[Person], None]:
        label = "sub-" + damage.__name__.replace("_", "")
        FAULTS[label] = Fault(damage, frozenset(excluded), frozenset(warned), only)
        return damage

    return enter


def both(code: str) -> tuple[tuple[str, str, str], ...]:
    return ("ct", "inventory", code), ("mri", "inventory", code)


@fault(*both("folder_empty"))
def empty_folder(person: Person) -> None:
    shutil.rmtree(person.dicom)
    person.dicom.mkdir()


@fault(*both("several_patients"))
def two_patients(person: Person) -> None:
    def other(_: int, dataset: pydicom.Dataset) -> None:
        dataset.PatientID = "MRN000001"

    person.edit("MR", other)


@fault(("ct", "inventory", "ct_localizer_only"), only="CT")
def localizer_only(person: Person) -> None:
    for path in person.files("CT"):
        path.unlink()


@fault(("ct", "inventory", "ct_ambiguous"))
def two_reconstructions(person: Person) -> None:
    """Two volumes with a kernel that is markup; the MRI is sound."""
    series = generate_uid()
    for path in person.files("CT"):
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = series
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.ConvolutionKernel = KERNEL
        dataset.save_as(path.with_name(f"second_{path.name}"))


@fault(("mri", "inventory", "echo_missing"))
def echo_without_images(person: Person) -> None:
    """Echo 3 was not exported; the CT is sound."""
    for path in person.files("MR"):
        if pydicom.dcmread(path, specific_tags=["EchoNumbers"]).EchoNumbers == 3:
            path.unlink()


@fault(("ct", "convert", "truncated_file"), only="CT")
def truncated_slice(person: Person) -> None:
    path = person.files("CT")[3]
    path.write_bytes(path.read_bytes()[:-2000])


@fault(("ct", "convert", "transfer_syntax_unsupported"), only="CT")
def deflated(person: Person) -> None:
    def change(_: int, dataset: pydicom.Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"

    person.edit("CT", change)


@fault(("ct", "convert", "mixed_kvp"), only="CT")
def two_voltages(person: Person) -> None:
    def change(number: int, dataset: pydicom.Dataset) -> None:
        dataset.KVP = 80 if number < 4 else 120

    person.edit("CT", change)


@fault(("mri", "convert", "phase_unit_unknown"), only="MR")
def phase_in_no_known_unit(person: Person) -> None:
    """Three quarters of the levels are used, in a unit that no element names."""

    def change(_: int, dataset: pydicom.Dataset) -> None:
        if "P" in dataset.ImageType:
            dataset.PixelData = (dataset.pixel_array * 0.75).astype("<u2").tobytes()
            dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0

    person.edit("MR", change)


@fault(
    ("ct", "segment", "mask_levels_out_of_order"),
    ("mri", "segment", "mask_not_labels"),
)
def masks_flipped_and_mistaken(person: Person) -> None:
    """The CT's mask stands upside down; an image was named as the MRI's mask."""
    person.relabel("ct", lambda labels: labels[:, :, ::-1].copy())
    person.relabel(
        "mri", lambda labels: np.arange(labels.size, dtype=np.int16).reshape(labels.shape)
    )


@fault(("ct", "segment", "mask_too_small"), only="CT")
def mask_of_one_voxel(person: Person) -> None:
    def one(labels: np.ndarray) -> np.ndarray:
        first = np.argwhere(labels)[0]
        result = np.zeros_like(labels)
        result[tuple(first)] = labels[tuple(first)]
        return result

    person.relabel("ct", one)


@fault(("ct", "calibrate_ct", "phantom_not_found"), only="CT")
def phantom_cut_off(person: Person) -> None:
    """Everything dorsal of the rods' middle reads like air."""

    def cut(_: int, dataset: pydicom.Dataset) -> None:
        pixels = dataset.pixel_array.copy()
        dense = (pixels > 1024 + 150).sum(axis=1)
        lowest = int(np.flatnonzero(dense)[-1])
        pixels[lowest - 4 :] = 24
        dataset.PixelData = pixels.tobytes()

    person.edit("CT", cut)


@fault(
    warned=("foreign_files", "identical_copies", "contrast_agent", "identity_withheld"), only="CT"
)
def warnings_only(person: Person) -> None:
    """Copies, foreign files, a contrast agent with the patient's name, and markup: still usable."""

    def change(_: int, dataset: pydicom.Dataset) -> None:
        dataset.Manufacturer = MAKER
        dataset.ContrastBolusAgent = f"Iomeprol {dataset.PatientName.family_name}"

    person.edit("CT", change)
    for path in person.files("CT")[:3]:
        shutil.copyfile(path, path.with_name(f"copy_{path.name}"))
    (person.dicom / "notes; $(touch executed).txt").write_text("no image")


def write_raw(raw: Path) -> list[list[str]]:
    """Raw data of two sound participants and of one more for each fault.

    Returns
    -------
    Rows of the subjects table, sound participants first; paths are absolute.
    """
    simulate_cohort(raw / "sound", len(SOUND), seed=5, protocol=TINY, processes=2, broken=False)
    table = (raw / "sound" / "subjects.tsv").read_text().splitlines()
    header = table[0].split("\t")
    people = [dict(zip(header, line.split("\t"), strict=True)) for line in table[1:]]
    rows = []
    for label, row in zip(SOUND, people, strict=True):
        rows.append(_row(label, _copy(raw / label, raw / "sound", row)))
    for label, entry in FAULTS.items():
        # A folder's name is nothing a program may run or a page may show.
        person = _copy(raw / f"{label} Doe;$(touch executed)", raw / "sound", people[0])
        if entry.only:
            person.drop({"CT": "MR", "MR": "CT"}[entry.only])
        entry.damage(person)
        rows.append(_row(label, person))
    return rows


def _copy(root: Path, source: Path, row: dict[str, str]) -> Person:
    shutil.copytree(source / row["dicom"], root / "dicom")
    for modality in ("ct", "mri"):
        shutil.copyfile(source / row[f"{modality}_mask"], root / f"{modality}_mask.nii.gz")
    return Person(root)


def _row(label: str, person: Person) -> list[str]:
    masks = [str(person.mask(modality)) for modality in ("ct", "mri")]
    return [label, str(person.dicom), *masks, MASK_SCHEME, "70"]


def table_of(rows: list[list[str]]) -> str:
    """Text of a subjects table."""
    return "".join("\t".join(cells) + "\n" for cells in [list(COLUMNS), *rows])
