"""One study of every kind of MRI, from BIDS to the table: the numbers are those put in."""

import json

import nibabel as nib
import numpy as np
import pytest

from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.mri.epg import cpmg_train
from osteoflow.mri.signal_model import simulate_signal
from osteoflow.mri.spectrum import load_fat_spectrum

from .conftest import osteoflow, write_study

CONFIG = """\
mri:
  phase_sign: positive
  assumed_r2star: 60
  scanner_pdff_unit: percent
segmentation: {erosion_mm: 3}
radiomics:
  images:
    pdff: {settings: pdff, levels: [L1, L2]}
cohort:
  summaries:
    - {metric: pdff_mean, levels: [L1, L2]}
    - {metric: sff_mean, levels: [L1, L2]}
    - {metric: t2_mean, levels: [L1, L2]}
    - {metric: adc_mean, levels: [L1, L2]}
    - {metric: vbq_score, levels: [L1, L2, L3, L4]}
statistics:
  table1_variables: [age, pdff_l1l2_mean, t2_l1l2_mean]
figures: {formats: [png], dpi: 72}
"""
SHAPE, AFFINE = (40, 40, 8), np.diag([3.0, 4.0, 6.0, 1.0])
TESLA, R2STAR, T2_MS, ADC = 1.494, 60.0, 75.0, 410.0
PDFF = {20: 30.0, 21: 45.0, 22: 55.0, 23: 40.0}
MUSCLE_PDFF, FLUID_SIGNAL, BONE_SIGNAL = 12.0, 80.0, 200.0
SIX = (1.2 + 1.6 * np.arange(6)) * 1e-3
TWO = np.array([2.31, 4.62]) * 1e-3
PEOPLE = ("complex", "bipolar", "magnitude", "dixon", "scanner", "spin", "none")


def scene():
    """Four vertebrae in a body with muscles left and right and fluid behind, along the third axis
    of the image (left to right is the first axis, back to front the second)."""
    labels = np.zeros(SHAPE, np.uint8)
    for number, (low, high) in zip((23, 22, 21, 20), ((0, 2), (2, 4), (4, 6), (6, 8)), strict=True):
        labels[13:27, 18:30, low:high] = number
    labels[18:22, 10:14] = 155
    labels[5:10, 6:14] = 151
    labels[30:35, 6:14] = 152
    body = np.zeros(SHAPE, bool)
    body[3:37, 3:37] = True
    return labels, body


LABELS, BODY = scene()


def noisy(clean, sd, seed):
    rng = np.random.default_rng(seed)
    return clean + sd * (rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape))


def fat_percent():
    fraction = np.where(np.isin(LABELS, (151, 152)), MUSCLE_PDFF, 8.0)
    for number, value in PDFF.items():
        fraction[number == LABELS] = value
    return fraction


def gradient_echoes(times, bipolar=False):
    x, y, _ = np.indices(SHAPE)
    total = 300.0 * BODY
    fat = total * fat_percent() / 100
    field = 40 * np.sin(x / 12) + 0.5 * y
    signal = simulate_signal(
        total - fat + 0j, fat + 0j, field, R2STAR, times, TESLA, load_fat_spectrum("bone_marrow")
    )
    if bipolar:
        signal = signal * np.exp(0.25j * (-1.0) ** np.arange(len(times)))
    return noisy(signal, 1.5, 1)


def write(path, data, **sidecar):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(data, np.float32), AFFINE), path)
    path.with_name(path.name.removesuffix(".nii.gz") + ".json").write_text(json.dumps(sidecar))


COMMON = {"MagneticFieldStrength": 1.5, "ImagingFrequency": 63.61, "FlipAngle": 3}


def write_echoes(folder, name, signal, times, phase=True):
    for number, time in enumerate(times, 1):
        stem = folder / "anat" / f"{name}_echo-{number}"
        about = {**COMMON, "EchoTime": float(time), "RepetitionTime": 0.012}
        image = signal[..., number - 1]
        write(stem.with_name(f"{stem.name}_part-mag_MEGRE.nii.gz"), np.abs(image), **about)
        if phase:
            write(stem.with_name(f"{stem.name}_part-phase_MEGRE.nii.gz"), np.angle(image), **about)


def write_spin(folder, name):
    """T2, ADC and a T1-weighted image of one person."""
    times = 0.011 * np.arange(1, 13)
    train = cpmg_train(np.array([T2_MS]), 1000.0, 11.0, 12, b1=0.9)[0]
    for number, time in enumerate(times, 1):
        image = np.abs(noisy(400 * BODY * train[number - 1], 2.0, 10 + number))
        path = folder / "anat" / f"{name}_echo-{number}_MESE.nii.gz"
        write(path, image, **{**COMMON, "EchoTime": float(time), "RepetitionTime": 2.5})
    b_values = [0, 200, 800]
    images = [np.abs(noisy(500 * BODY * np.exp(-b * ADC * 1e-6), 2.0, b)) for b in b_values]
    path = folder / "dwi" / f"{name}_dwi.nii.gz"
    write(path, np.stack(images, axis=-1), **{**COMMON, "EchoTime": 0.06, "RepetitionTime": 4.0})
    (folder / "dwi" / f"{name}_dwi.bval").write_text(" ".join(map(str, b_values)) + "\n")
    (folder / "dwi" / f"{name}_dwi.bvec").write_text("0 0 0\n0 0 0\n0 0 0\n")
    t1w = np.where(LABELS == 155, FLUID_SIGNAL, BONE_SIGNAL) * BODY
    about = {**COMMON, "EchoTime": 0.011, "RepetitionTime": 0.55, "FlipAngle": 90}
    write(folder / "anat" / f"{name}_T1w.nii.gz", np.abs(noisy(t1w, 1.0, 5)), **about)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study = tmp_path_factory.mktemp("more")
    nib.save(nib.Nifti1Image(LABELS, AFFINE), study / "mask.nii.gz")
    for person in PEOPLE:
        name = f"sub-{person}"
        folder = study / "bids" / name
        (folder / "anat").mkdir(parents=True)
        if person in ("complex", "bipolar"):
            write_echoes(folder, name, gradient_echoes(SIX, person == "bipolar"), SIX)
        elif person == "magnitude":
            write_echoes(folder, name, gradient_echoes(SIX), SIX, phase=False)
        elif person == "dixon":
            write_echoes(folder, name, gradient_echoes(TWO), TWO)
        elif person == "scanner":
            write(folder / "anat" / f"{name}_PDFFmap.nii.gz", fat_percent() * BODY, **COMMON)
        elif person == "spin":
            write_spin(folder, name)
    rows = ["participant_id\tbids\tmri_mask\tmask_scheme\tage"]
    rows += [f"{p}\tbids\tmask.nii.gz\tosteoflow\t{60 + n}" for n, p in enumerate(PEOPLE)]
    write_study(study, "\n".join(rows) + "\n", CONFIG)
    osteoflow("run", study, "--cores", 2)
    return study / "results"


def value(results, person, metric, roi):
    table = read_table(results / "subjects" / f"sub-{person}" / "measurements.tsv")
    found = table[(table["metric"] == metric) & (table["roi"] == roi)]
    assert len(found) == 1, table[table["metric"] == metric]
    return found.iloc[0]


@pytest.mark.parametrize(
    ("person", "tolerance", "method"),
    [
        ("complex", 0.3, "complex multi-peak fit"),
        ("bipolar", 0.6, "complex multi-peak fit"),
        ("magnitude", 4.0, "magnitude-only"),
        ("scanner", 0.1, "as the scanner made it"),
    ],
)
def test_fat_fraction_of_every_vertebra(results, person, tolerance, method):
    for number, level in ((20, "L1"), (21, "L2"), (22, "L3"), (23, "L4")):
        row = value(results, person, "pdff_mean", f"{level}_trabecular")
        assert row["value"] == pytest.approx(PDFF[number], abs=tolerance)
        assert method in row["method"]
    if person != "scanner":
        assert value(results, person, "r2star_mean", "L1_trabecular")["value"] == pytest.approx(
            R2STAR, rel=0.1
        )


def test_swaps_are_looked_for_in_complex_data(results):
    for level in ("L1", "L2", "L3", "L4"):
        assert value(results, "complex", "swap_share", level)["value"] < 1
    table = read_table(results / "subjects" / "sub-magnitude" / "measurements.tsv")
    assert not (table["metric"] == "swap_share").any()


def test_two_points_give_no_pdff(results):
    row = value(results, "dixon", "sff_mean", "L1_trabecular")
    assert row["value"] == pytest.approx(PDFF[20], abs=3)
    table = read_table(results / "subjects" / "sub-dixon" / "measurements.tsv")
    assert not table["metric"].str.startswith("pdff").any()
    excluded = read_table(results / "cohort" / "exclusions.tsv")
    mine = excluded[excluded["participant_id"] == "sub-dixon"]
    assert set(zip(mine["step"], mine["code"], strict=True)) == {
        ("extract_radiomics", "map_not_made")
    }


def test_t2_and_adc_and_their_masks_by_position(results):
    for level in ("L1", "L4"):
        t2 = value(results, "spin", "t2_mean", f"{level}_trabecular")
        assert t2["value"] == pytest.approx(T2_MS, rel=0.03)
        assert t2["unit"] == "ms"
        adc = value(results, "spin", "adc_mean", f"{level}_trabecular")
        assert adc["value"] == pytest.approx(ADC, rel=0.02)
        assert adc["unit"] == "um2/s"
    assert value(results, "spin", "b1_mean", "L1_trabecular")["value"] == pytest.approx(
        0.9, abs=0.05
    )


def test_scores(results):
    vbq = value(results, "spin", "vbq_score", "L1-L4_trabecular")
    assert vbq["value"] == pytest.approx(BONE_SIGNAL / FLUID_SIGNAL, rel=0.02)
    muscle = value(results, "complex", "muscle_pdff_mean", "paraspinal_muscle")
    assert muscle["value"] == pytest.approx(MUSCLE_PDFF, abs=0.5)


def test_the_cohort_holds_all_of_it(results):
    people = read_table(results / "cohort" / "participants.tsv").set_index("participant_id")
    assert people.loc["sub-spin", "t2_l1l2_mean"] == pytest.approx(T2_MS, rel=0.03)
    assert people.loc["sub-spin", "adc_l1l2_mean"] == pytest.approx(ADC, rel=0.02)
    assert people.loc["sub-spin", "vbq_l1l2l3l4_score"] == pytest.approx(2.5, rel=0.02)
    assert people.loc["sub-complex", "pdff_l1l2_mean"] == pytest.approx(37.5, abs=0.3)
    flow = read_table(results / "cohort" / "flow.tsv")
    analysed = flow[flow["outcome"] == "analysed"].set_index("modality")["n"]
    assert analysed["t2"] == analysed["dwi"] == 1
    assert analysed["mri"] == 5
    excluded = read_table(results / "cohort" / "exclusions.tsv")
    nobody = excluded[excluded["participant_id"] == "sub-none"]
    assert set(nobody["code"]) == {"no_usable_series"}


def test_pages_show_the_new_maps(results):
    page = (results / "subjects" / "sub-spin" / "report.html").read_text(encoding="utf-8")
    assert "ADC" in page and "um2/s" in page
    status = read_json(results / "subjects" / "sub-spin" / "status.json")
    items = {(item["step"], item["item"]) for item in status["items"] if item["status"] == "ok"}
    assert {("map_mri", "t2"), ("map_mri", "dwi"), ("segment", "t1w")} <= items
