"""A whole simulated cohort on disk: DICOM, masks, the subjects table and the truth."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from osteoflow.io.nifti import nib
from osteoflow.io.tables import write_table
from osteoflow.io.volume import Volume, write_volume
from osteoflow.simulate.anatomy import Anatomy, build_anatomy
from osteoflow.simulate.clinical import FAT_EFFECT, Participant, draw_cohort, r2star_of
from osteoflow.simulate.ct import CtScan, simulate_ct
from osteoflow.simulate.dicom import StudyWriter
from osteoflow.simulate.geometry import Grid
from osteoflow.simulate.mri import MriScan, anatomy_grid, simulate_mri
from osteoflow.simulate.protocol import STANDARD, Protocol
from osteoflow.simulate.render import body_labels

TRUTH_COLUMNS = ("participant_id", "roi", "metric", "value", "unit", "scan_model")
MASK_SCHEME = "totalsegmentator_v2"
RATER2_ERROR_MM = 0.7
RATER2_BIAS_MM = 0.15
TRUNCATED_SHARE = 0.6
_LEAST_FOR_DEFECTS = 8


def simulate_cohort(
    out: Path,
    participants: int = 40,
    seed: int = 1,
    protocol: Protocol = STANDARD,
    processes: int = 2,
    progress: Callable[[int, int], None] | None = None,
    broken: bool | None = None,
    path_prefix: str = "",
) -> None:
    """Simulate a cohort.

    Writes ``subjects.tsv``, ``truth.tsv``, ``dicom/<patient id>/`` and ``masks/`` into ``out``. The
    same arguments give the same pixels, masks and tables on any number of processes.

    Parameters
    ----------
    out
        Folder to write into.
    participants
        How many participants.
    seed
        Seed of everything random.
    protocol
        How they are scanned.
    processes
        How many to simulate at a time; 1 stays in this process.
    progress
        Called with (done, total) after each participant.
    broken
        Whether the last three participants get a CT with a missing slice, a CT without phantom and
        an MRI with a truncated file; by default in cohorts of at least 8.
    path_prefix
        Put before the relative paths in ``subjects.tsv`` (``"raw/"``).

    Raises
    ------
    ValueError
        If there are too few participants.
    """
    out = Path(out)
    if broken is None:
        broken = participants >= _LEAST_FOR_DEFECTS
    cohort = draw_cohort(participants, seed, protocol.levels, broken)
    jobs = [(out, person, index, seed, protocol) for index, person in enumerate(cohort)]
    truth: dict[int, list[dict[str, Any]]] = {}
    if processes == 1:
        for index, job in enumerate(jobs):
            truth[index] = simulate_participant(*job)
            if progress:
                progress(len(truth), participants)
    else:
        # Spawned workers inherit no threads or random state from the caller.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            pending = {pool.submit(simulate_participant, *job): job[2] for job in jobs}
            for done in as_completed(pending):
                truth[pending[done]] = done.result()
                if progress:
                    progress(len(truth), participants)
    rows = [row for index in range(participants) for row in truth[index]]
    write_table(out / "truth.tsv", pd.DataFrame(rows, columns=list(TRUTH_COLUMNS)))
    subjects = pd.DataFrame([_subject_row(person, path_prefix) for person in cohort])
    write_table(out / "subjects.tsv", subjects)


def simulate_participant(
    out: Path, participant: Participant, index: int, seed: int, protocol: Protocol
) -> list[dict[str, Any]]:
    """Write one participant's DICOM and masks; return its rows of the truth.

    Parameters
    ----------
    out
        The cohort's folder.
    participant
        Whom to simulate.
    index
        Position in the cohort, which with ``seed`` fixes the random streams.
    seed
        Seed of the cohort.
    protocol
        How to scan.
    """
    streams = np.random.SeedSequence(seed, spawn_key=(1, index)).spawn(4)
    for_anatomy, for_ct, for_mri, for_masks = (np.random.default_rng(s) for s in streams)
    anatomy = build_anatomy(participant, protocol.levels, for_anatomy)
    defect = participant.defect
    writer = StudyWriter(participant, out / "dicom", seed)

    ct = simulate_ct(participant, anatomy, protocol, for_ct, phantom=defect != "ct_no_phantom")
    writer.write_ct(ct, ct.grid.shape[2] // 2 if defect == "ct_missing_slice" else None)
    if index % 4 == 0:
        writer.write_dose_report()
    mri = simulate_mri(participant, anatomy, protocol, for_mri)
    magnitude = writer.write_mri(mri, protocol)
    if defect == "mri_truncated_file":
        victim = magnitude[len(magnitude) // 2]
        content = victim.read_bytes()
        victim.write_bytes(content[: int(TRUNCATED_SHARE * len(content))])

    grids = {"ct": (ct.grid, ct.grid), "mri": (mri.grid, anatomy_grid(mri.grid))}
    for modality, (stored, sampled) in grids.items():
        labels = body_labels(anatomy, sampled, protocol.levels)
        _write_mask(out, participant, f"{modality}_mask", stored, labels)
        if participant.rater2:
            bias = for_masks.normal(0, RATER2_BIAS_MM)
            labels = body_labels(
                anatomy, sampled, protocol.levels, RATER2_ERROR_MM, bias, for_masks
            )
            _write_mask(out, participant, f"{modality}_mask_rater2", stored, labels)
    return _truth(participant, anatomy, protocol, ct, mri)


def _mask_path(participant: Participant, kind: str) -> str:
    """Path of a mask relative to the cohort's folder."""
    return f"masks/{participant.participant_id}_{kind}.nii.gz"


def _write_mask(
    out: Path, participant: Participant, kind: str, grid: Grid, labels: np.ndarray
) -> None:
    """Store a label map: rows bottom up as converters write them, or in canonical RAS order."""
    flip = np.diag([1.0, -1.0, 1.0, 1.0])
    flip[1, 3] = grid.shape[1] - 1
    image = nib.Nifti1Image(labels[:, ::-1], grid.ras_affine @ flip)
    if participant.canonical_masks:
        image = nib.as_closest_canonical(image)
    volume = Volume(np.asarray(image.dataobj), image.affine)
    write_volume(out / _mask_path(participant, kind), volume)


def _subject_row(participant: Participant, prefix: str) -> dict[str, Any]:
    """The participant's row of the subjects table."""
    row: dict[str, Any] = {
        "participant_id": participant.participant_id,
        "dicom": f"{prefix}dicom/{participant.patient_id}",
        "ct_mask": prefix + _mask_path(participant, "ct_mask"),
        "mri_mask": prefix + _mask_path(participant, "mri_mask"),
        "mask_scheme": MASK_SCHEME,
    }
    for kind in ("ct_mask_rater2", "mri_mask_rater2"):
        row[kind] = prefix + _mask_path(participant, kind) if participant.rater2 else None
    for column in ("age", "sex", "bmi", "site", "dxa_tscore", "fracture"):
        row[column] = getattr(participant, column)
    return row


def _truth(
    participant: Participant, anatomy: Anatomy, protocol: Protocol, ct: CtScan, mri: MriScan
) -> list[dict[str, Any]]:
    """What was simulated, as rows: noise-free means over the true trabecular compartments."""
    rows = []

    def add(roi: str, metric: str, value: float, unit: str, model: str) -> None:
        values = (participant.participant_id, roi, metric, float(value), unit, model)
        rows.append(dict(zip(TRUTH_COLUMNS, values, strict=True)))

    def add_compartment(roi: str, mineral: float, fat: float) -> None:
        apparent = mineral - FAT_EFFECT * fat
        hu = participant.beta_ct + participant.sigma_ct * apparent
        r2star = float(r2star_of(mineral, participant.field_strength))
        add(roi, "pdff", fat, "%", participant.mri_model)
        add(roi, "r2star", r2star, "1/s", participant.mri_model)
        add(roi, "vbmd_mineral", mineral, "mg/cm3 K2HPO4", participant.ct_model)
        add(roi, "vbmd_apparent", apparent, "mg/cm3 K2HPO4", participant.ct_model)
        add(roi, "hu", hu, "HU", participant.ct_model)

    found = {level: anatomy.vertebrae[level].trabecular_truth() for level in protocol.levels}
    for level, (mineral, fat, _) in found.items():
        add_compartment(f"{level}_trabecular", mineral, fat)
    values = np.array(list(found.values()))
    pools = {2, len(protocol.levels)}
    for count in sorted(pools):
        mineral, fat = np.average(values[:count, :2], axis=0, weights=values[:count, 2])
        name = f"{protocol.levels[0]}-{protocol.levels[count - 1]}_trabecular"
        add_compartment(name, mineral, fat)

    ct_facts = (
        ("sigma_ct", participant.sigma_ct, "HU cm3/mg"),
        ("beta_ct", participant.beta_ct, "HU"),
        ("noise_sd", ct.noise_sd, "HU"),
        ("cupping_depth", ct.cupping, "HU"),
    )
    for metric, value, unit in ct_facts:
        add("ct", metric, value, unit, participant.ct_model)
    mri_facts = (
        ("phase_sign", participant.phase_sign, "1"),
        ("field_strength", participant.field_strength, "T"),
        ("snr", mri.snr, "1"),
        ("field_deviation_max", np.abs(mri.field_hz).max(), "Hz"),
    )
    for metric, value, unit in mri_facts:
        add("mri", metric, value, unit, participant.mri_model)
    texture = participant.texture
    add("texture", "texture_length", texture.length_mm, "mm", participant.ct_model)
    add("texture", "texture_coarse_fraction", texture.coarse_fraction, "1", participant.ct_model)
    add("texture", "texture_mineral_sd", texture.mineral_sd, "mg/cm3 K2HPO4", participant.ct_model)
    add("participant", "fracture", participant.fracture, "1", "matched")
    if participant.defect:
        modality, kind = participant.defect.split("_", 1)
        add(modality, "defect", 1, "1", kind)
    return rows
