"""VBQ, M-score, signal ratios and muscle fat on bodies of known signal; noise in air."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.io.tables import MEASUREMENT_COLUMNS
from osteoflow.io.volume import Volume
from osteoflow.measurements import average_levels, complete, measure_regions, measure_volumes
from osteoflow.mri.background_noise import (
    RAYLEIGH_RATIO,
    RAYLEIGH_SD,
    SMALLEST_AIR,
    background_noise_sd,
)
from osteoflow.mri.scores import (
    LUMBAR_LEVELS,
    MScoreReference,
    ScoreSettings,
    check_vbq_conditions,
    cutoffs,
    m_score,
    muscle_fat,
    signal_intensity_ratio,
    vbq,
)
from osteoflow.score_rows import score_rows
from osteoflow.segmentation.schemes import verse_id
from osteoflow.segmentation.structures import structure_id, structure_mask
from osteoflow.segmentation.voi import trabecular_voi

SECTION = "MRI: scores"
T1W = {"RepetitionTime": 0.55, "EchoTime": 0.011}
MARROW = {"L1": 300.0, "L2": 320.0, "L3": 360.0, "L4": 400.0, "L5": 420.0}
FLUID, MUSCLE, FAT = 110.0, 170.0, 800.0
VBQ = 340.0 / 110.0
SIGMA = 8.0
SIGNAL = ScoreSettings(scores=("vbq", "signal_ratio"))


def code_of(work, *arguments, **more) -> str:
    with pytest.raises(SubjectDataError) as caught:
        work(*arguments, **more)
    error = caught.value
    assert len(error.message) > 15
    assert error.hint[0].isupper()
    assert error.hint.endswith(".")
    return error.code


def body() -> tuple[Volume, Volume]:
    """A trunk in air, RAS: vertebrae L1 to L5 from top to bottom, fluid, muscles, fat behind.

    The fluid has its nominal signal at the height of L3 alone, and 50 more for every level off.
    """
    spacing = np.array([4.0, 1.5, 1.5])
    shape = (25, 110, 150)
    labels = np.zeros(shape, np.uint8)
    signal = np.zeros(shape, np.float32)
    signal[:, 20:92] = 250.0  # whatever else a trunk holds
    signal[:, 20:30], labels[:, 20:30] = FAT, structure_id("subcutaneous_fat")
    for name, side in (("left", slice(2, 10)), ("right", slice(15, 23))):
        signal[side, 32:44] = MUSCLE
        labels[side, 32:44] = structure_id(f"paraspinal_muscle_{name}")
    for index, (level, value) in enumerate(MARROW.items()):
        height = slice(124 - 28 * index, 144 - 28 * index)
        slab = slice(120 - 28 * index, 148 - 28 * index)
        signal[8:17, 60:84, height], labels[8:17, 60:84, height] = value, verse_id(level)
        signal[11:14, 50:56, slab] = FLUID + 50.0 * abs(index - 2)
    labels[11:14, 50:56] = structure_id("csf")
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-48, -80, -200]
    return Volume(signal, affine), Volume(labels, affine)


def noisy(signal: np.ndarray, sigma: float = SIGMA, receivers: int = 1, seed: int = 7):
    """Magnitude with Gaussian noise in the real and imaginary channel of each receiver."""
    random = np.random.default_rng(seed)
    power = np.zeros(signal.shape)
    for _ in range(receivers):
        real = signal / np.sqrt(receivers) + random.normal(0, sigma, signal.shape)
        power += real**2 + random.normal(0, sigma, signal.shape) ** 2
    return np.sqrt(power)


def turned(volume: Volume, axes: str) -> Volume:
    change = nib.orientations.ornt_transform(
        nib.io_orientation(volume.affine), nib.orientations.axcodes2ornt(axes)
    )
    image = nib.Nifti1Image(volume.data, volume.affine).as_reoriented(change)
    return Volume(np.asarray(image.dataobj), image.affine)


def row(rows, metric, roi):
    (found,) = [r for r in rows if r["metric"] == metric and r["roi"] == roi]
    return found


def rows_of(settings=SIGNAL, image=None, labels=None, about=T1W, name="t1w", **more):
    plain = body()
    return score_rows(name, image or plain[0], labels or plain[1], about, settings, **more)


def without(labels: Volume, *names: str, keep: np.ndarray | None = None) -> Volume:
    """The labels less some structures, or less what of them lies outside `keep`."""
    data = labels.data.copy()
    for name in names:
        gone = structure_mask(data, name)
        data[gone & ~keep if keep is not None else gone] = 0
    return labels.like(data)


# ---------------------------------------------------------------- VBQ


def test_vbq_is_the_median_level_over_the_fluid() -> None:
    signals = {"L1": 300.0, "L2": 900.0, "L3": 320.0, "L4": 340.0}
    assert vbq(signals, 110.0, T1W) == pytest.approx(330 / 110)
    assert code_of(vbq, {**signals, "L2": float("nan")}, 110.0, T1W) == "levels_missing"
    assert code_of(vbq, {"L1": 300.0}, 110.0, T1W) == "levels_missing"
    for fluid in (0.0, float("nan"), -3.0):
        assert code_of(vbq, signals, fluid, T1W) == "reference_no_signal"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"RepetitionTime": 0.399}, "repetition time is 399 ms"),
        ({"RepetitionTime": 2.1}, "repetition time is 2100 ms, outside 400 to 850 ms"),
        ({"RepetitionTime": None}, "repetition time is not stated"),
        ({"EchoTime": 0.0079}, "echo time is 7.9 ms"),
        ({"EchoTime": 0.095}, "echo time is 95 ms, outside 8 to 20 ms"),
        ({"EchoTime": [0.01, 0.02]}, "echo time is not stated, or there are several"),
        ({"ContrastBolusAgent": "withheld"}, "contrast agent"),
        ({"InversionTime": 0.86}, "inversion recovery"),
        ({"ScanningSequence": ["SE", "IR"]}, "inversion recovery"),
        ({"ScanOptions": "PFP\\FS"}, "fat was saturated"),
        ({"ScanningSequence": "GR"}, "no spin echo"),
    ],
)
def test_vbq_names_the_condition_that_is_not_met(change: dict, words: str) -> None:
    with pytest.raises(SubjectDataError, match="VBQ is not defined") as caught:
        check_vbq_conditions({**T1W, **change})
    assert caught.value.code == "vbq_conditions"
    assert words in caught.value.message


def test_vbq_conditions_at_their_limits() -> None:
    check_vbq_conditions({"RepetitionTime": 0.4, "EchoTime": [0.008]})
    check_vbq_conditions({"RepetitionTime": 0.85, "EchoTime": 0.02, "ScanningSequence": "SE"})
    check_vbq_conditions({**T1W, "ScanOptions": ["PFP", "SP"], "ContrastBolusAgent": ""})
    with pytest.raises(SubjectDataError, match="repetition time.*; the echo time.*; a contrast"):
        check_vbq_conditions({"ContrastBolusAgent": "gadobutrol"})


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SRA", "ASL"])
def test_scores_do_not_depend_on_the_orientation(axes: str, record) -> None:
    image, labels = (turned(volume, axes) for volume in body())
    voi, _ = trabecular_voi(labels, 4.0)
    rows, warnings = rows_of(image=image, labels=labels, trabecular=voi)
    assert warnings == []
    score = row(rows, "vbq_score", "L1-L4_trabecular")
    assert score["value"] == pytest.approx(VBQ, rel=1e-6)
    assert score["flag"] == ""
    assert "trabecular volumes" in score["method"]
    assert score["unit"] == "ratio"
    for index, (level, marrow) in enumerate(MARROW.items()):
        roi = f"{level}_trabecular"
        fluid = FLUID + 50 * abs(index - 2)
        assert row(rows, "sir_csf", roi)["value"] == pytest.approx(marrow / fluid, rel=1e-6)
        assert row(rows, "sir_muscle", roi)["value"] == pytest.approx(marrow / MUSCLE, rel=1e-6)
        assert row(rows, "sir_fat", roi)["value"] == pytest.approx(marrow / FAT, rel=1e-6)
    if axes == "PIR":
        error = abs(score["value"] / VBQ - 1) * 100
        record(SECTION, "VBQ, noiseless, any orientation", error, "%", "1e-4 %")


def test_fluid_at_l3_in_slices_that_lie_oblique() -> None:
    """The level's extent counts in space: tilted slices cut the fluid across their rows."""
    image, labels = body()
    angle = np.deg2rad(25)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = tilt @ image.affine
    index = np.indices(image.shape).reshape(3, -1)
    heights = (affine[:3, :3] @ index + affine[:3, 3:])[2].reshape(image.shape)
    third = heights[labels.data == verse_id("L3")]
    half = np.abs(affine[2, :3]).sum() / 2
    beside = (heights >= third.min() - half) & (heights <= third.max() + half)
    fluid = structure_mask(labels.data, "csf")
    signal = np.where(fluid, np.where(beside, FLUID, 900.0), image.data)
    assert 0.1 < beside[fluid].mean() < 0.9
    rows, _ = rows_of(image=Volume(signal, affine), labels=Volume(labels.data, affine))
    assert row(rows, "vbq_score", "L1-L4")["value"] == pytest.approx(VBQ, rel=1e-6)


def test_vbq_in_noise(record) -> None:
    image, labels = body()
    voi, _ = trabecular_voi(labels, 4.0)
    errors = []
    for seed in range(5):
        grainy = image.like(noisy(image.data, SIGMA, seed=seed))
        rows, _ = rows_of(image=grainy, labels=labels, trabecular=voi)
        errors.append(row(rows, "vbq_score", "L1-L4_trabecular")["value"] / VBQ - 1)
    worst = 100 * float(np.max(np.abs(errors)))
    record(SECTION, "VBQ, SNR 14 in fluid and 43 in marrow, worst of 5", worst, "%", "2 %")
    # The fluid's own median is uncertain by 0.8 %.
    assert worst < 2.0


def test_vbq_by_means_as_at_a_console() -> None:
    image, labels = body()
    signal = image.data.copy()
    second = labels.data == verse_id("L2")
    signal[second & (np.indices(signal.shape)[1] < 64)] = 60.0  # a sixth of L2, a vessel
    settings = ScoreSettings(scores=("vbq",), statistic="mean")
    rows, _ = rows_of(settings, image.like(signal))
    means = [300, 320 * 5 / 6 + 60 / 6, 360, 400]
    found = row(rows, "vbq_score", "L1-L4")
    assert found["value"] == pytest.approx(np.median(means) / FLUID, rel=1e-6)
    assert "mean signal (whole outlines" in found["method"]
    rows, _ = rows_of(replace(settings, statistic="median"), image.like(signal))
    assert row(rows, "vbq_score", "L1-L4")["value"] == pytest.approx(VBQ, rel=1e-6)


def test_vbq_that_cannot_be_had_is_a_row_with_its_reason() -> None:
    _, labels = body()
    heights = np.indices(labels.shape)[2]
    vertebra = labels.data == verse_id("L2")
    for changed, about, code in (
        (without(labels, "csf"), T1W, "structure_missing"),
        (without(labels, "csf", keep=heights > 110), T1W, "structure_not_at_level"),
        (labels.like(np.where(vertebra, 0, labels.data)), T1W, "levels_missing"),
        (labels, {**T1W, "EchoTime": 0.1}, "vbq_conditions"),
    ):
        rows, warnings = rows_of(ScoreSettings(scores=("vbq",)), labels=changed, about=about)
        (found,) = rows
        assert np.isnan(found["value"])
        assert (found["flag"], found["n_voxels"]) == (code, 0)
        (warning,) = warnings
        assert warning.startswith(f"{code}: vbq_score of L1-L4: ")
    third = labels.like(np.where(labels.data == verse_id("L3"), 0, labels.data))
    rows, _ = rows_of(ScoreSettings(scores=("vbq",)), labels=third)
    assert rows[0]["flag"] == "level_missing"


def test_a_canal_outlined_as_fluid_and_other_doubts_are_flagged() -> None:
    image, labels = body()
    signal = image.data.copy()
    fluid = structure_mask(labels.data, "csf")
    signal[fluid & (np.indices(signal.shape)[1] >= 53)] = FAT  # epidural fat
    rows, warnings = rows_of(ScoreSettings(scores=("vbq",)), image.like(signal))
    assert "csf_uneven" in rows[0]["flag"]
    assert any(text.startswith("csf_uneven") for text in warnings)
    bright = image.like(np.where(fluid, 1200.0, image.data))  # T2-weighted
    rows, warnings = rows_of(ScoreSettings(scores=("vbq",)), bright)
    assert rows[0]["flag"] == "implausible"
    assert warnings[0].startswith("vbq_implausible: a VBQ of 0.28")
    few = without(
        labels,
        "csf",
        keep=(np.indices(labels.shape)[0] == 12) & (np.indices(labels.shape)[1] == 52),
    )
    rows, _ = rows_of(ScoreSettings(scores=("vbq",)), labels=few)
    assert rows[0]["flag"] == "few_voxels"


# ---------------------------------------------------------------- signal ratios


def test_signal_ratios_need_their_reference_beside_the_vertebra() -> None:
    _, labels = body()
    upper = without(labels, "paraspinal_muscle", keep=np.indices(labels.shape)[2] > 60)
    rows, warnings = rows_of(labels=without(upper, "subcutaneous_fat"))
    assert not [r for r in rows if r["metric"] == "sir_fat"]
    assert row(rows, "sir_muscle", "L1")["value"] == pytest.approx(300 / MUSCLE)
    lost = row(rows, "sir_muscle", "L5")
    assert np.isnan(lost["value"])
    assert lost["flag"] == "structure_not_at_level"
    assert any("paraspinal muscle does not reach the height of L5" in text for text in warnings)
    bare = without(labels, "csf", "paraspinal_muscle", "subcutaneous_fat")
    rows, warnings = rows_of(ScoreSettings(scores=("signal_ratio",)), labels=bare)
    assert rows == []
    assert warnings[0].startswith("structure_missing: no signal ratios")


def test_signal_ratio_of_numbers() -> None:
    assert signal_intensity_ratio(300.0, 120.0) == 2.5
    assert code_of(signal_intensity_ratio, 0.0, 120.0) == "vertebra_no_signal"
    assert code_of(signal_intensity_ratio, 300.0, float("nan"), "fat") == "reference_no_signal"


def test_levels_are_averaged_from_ratios_but_scores_are_not_again() -> None:
    _, labels = body()
    voi, _ = trabecular_voi(labels, 4.0)
    rows, _ = rows_of(trabecular=voi)
    mean = average_levels(rows, "sir_fat", list(LUMBAR_LEVELS))
    assert mean["value"] == pytest.approx(np.mean([300, 320, 360, 400]) / FAT)
    assert average_levels(rows, "vbq_score", list(LUMBAR_LEVELS)) is None
    assert average_levels(rows, "sir_fat", ["L1"]) is None
    whole = complete(rows, "sub-1", "", 1)
    assert set(whole[0]) == set(MEASUREMENT_COLUMNS)


# ---------------------------------------------------------------- noise in air


def test_rayleigh_factors() -> None:
    draws = np.abs(np.random.default_rng(1).normal(size=(2, 2_000_000)).T @ [1, 1j])
    assert draws.std() == pytest.approx(RAYLEIGH_SD, rel=2e-3)
    assert draws.mean() / draws.std() == pytest.approx(RAYLEIGH_RATIO, rel=2e-3)


@pytest.mark.parametrize("sigma", [2.0, 8.0, 25.0])
def test_noise_sd_in_rician_images(sigma: float, record) -> None:
    image, _ = body()
    worst = 0.0
    for seed in range(4):
        magnitude = np.rint(noisy(image.data, sigma, seed=seed)).astype(np.int16)
        found = background_noise_sd(magnitude)
        worst = max(worst, abs(found.sd / sigma - 1))
        assert found.warnings == []
        assert found.receivers == 1
        assert found.n_voxels > SMALLEST_AIR
        assert found.air_sd == pytest.approx(RAYLEIGH_SD * sigma, rel=0.02)
    record(SECTION, f"noise SD in air, {sigma:g} grey levels, worst of 4", 100 * worst, "%", "2 %")
    assert worst < 0.02


@pytest.mark.parametrize("axes", ["LPS", "PIR", "SRA"])
def test_noise_sd_does_not_depend_on_the_orientation(axes: str) -> None:
    image, _ = body()
    grainy = image.like(noisy(image.data))
    plain = background_noise_sd(grainy.data)
    other = background_noise_sd(turned(grainy, axes).data)
    assert other.sd == pytest.approx(plain.sd, rel=1e-4)


@pytest.mark.parametrize("slices", [1, 2, 4])
def test_noise_sd_of_few_slices(slices: int) -> None:
    image, _ = body()
    found = background_noise_sd(noisy(image.data[:slices].repeat(2, axis=1)))
    assert found.sd == pytest.approx(SIGMA, rel=0.02)


def test_grey_levels_as_coarse_as_the_noise_are_allowed_for(record) -> None:
    image, _ = body()
    magnitude = noisy(image.data)
    error = background_noise_sd(8 * np.rint(magnitude / 8)).sd / SIGMA - 1
    record(SECTION, "noise SD, grey levels of one SD", 100 * abs(error), "%", "2 %")
    assert abs(error) < 0.02
    assert code_of(background_noise_sd, 11 * np.rint(magnitude / 11)) == "noise_below_resolution"
    outlined = np.zeros(image.shape, bool)
    outlined[:, :15] = True
    for step in (16, 40):
        coarse = step * np.rint(magnitude / step)
        assert code_of(background_noise_sd, coarse, air=outlined) == "noise_below_resolution"


def test_a_blanked_background_is_refused() -> None:
    image, _ = body()
    magnitude = noisy(image.data)
    tissue = image.data > 0
    for blanked in (
        np.where(tissue, magnitude, 0.0),
        np.where(tissue, magnitude, 5.0),
        np.where(magnitude < 3 * SIGMA, 0.0, magnitude),
        np.where(tissue, magnitude, np.nan),
    ):
        assert code_of(background_noise_sd, blanked) == "background_masked"
        assert code_of(background_noise_sd, blanked, body=tissue) == "background_masked"
    outlined = np.zeros(image.shape, bool)
    outlined[:, :15] = True
    zero = np.where(tissue, magnitude, 0.0)
    assert code_of(background_noise_sd, zero, air=outlined) == "background_masked"
    half = magnitude.copy()
    half[:12, :15] = 0
    assert code_of(background_noise_sd, half, air=outlined) == "background_masked"


def test_a_blank_frame_costs_nothing() -> None:
    image, _ = body()
    framed = noisy(image.data)
    framed[:, :3] = framed[:, -3:] = framed[:, :, :3] = framed[:, :, -3:] = 0
    assert background_noise_sd(framed).sd == pytest.approx(SIGMA, rel=0.02)


def test_saturated_tissue_is_no_blank_background() -> None:
    image, _ = body()
    magnitude = np.minimum(noisy(image.data), 200.0)
    assert background_noise_sd(magnitude).sd == pytest.approx(SIGMA, rel=0.02)


def test_a_trunk_that_fills_the_image_has_no_air() -> None:
    image, _ = body()
    inside = noisy(image.data[:, 22:90])
    assert code_of(background_noise_sd, inside) == "background_not_found"


def test_ghosts_and_uneven_noise() -> None:
    image, _ = body()
    ghost = 0.06 * np.roll(image.data, 55, axis=1) * (1 + np.sin(np.arange(150) / 4))
    mixed = noisy(image.data + ghost)
    try:
        found = background_noise_sd(mixed)
    except SubjectDataError as error:
        assert error.code == "background_not_noise"
    else:
        assert found.warnings[0].startswith("background_uneven")
    random = np.random.default_rng(3)
    gain = np.linspace(1, 2.5, 110)[None, :, None]
    real, imaginary = (gain * random.normal(0, SIGMA, image.shape) for _ in range(2))
    uneven = background_noise_sd(np.hypot(image.data + real, imaginary))
    assert uneven.warnings[0].startswith("background_uneven")


@pytest.mark.parametrize("receivers", [2, 8])
def test_summed_squares_of_several_receivers(receivers: int, record) -> None:
    """Told from dark tissue only where air or the body is given."""
    image, labels = body()
    magnitude = noisy(image.data, receivers=receivers)
    assert code_of(background_noise_sd, magnitude) == "background_not_noise"
    tissue = image.data > 0
    for given in ({"body": tissue}, {"air": ~tissue}):
        found = background_noise_sd(magnitude, **given)
        assert found.sd == pytest.approx(SIGMA, rel=0.02)
        assert found.receivers == pytest.approx(receivers, rel=0.05)
        assert found.warnings[0].startswith("background_not_rayleigh")
    record(
        SECTION,
        f"noise SD, summed squares of {receivers} receivers, air outlined",
        100 * abs(found.sd / SIGMA - 1),
        "%",
        "2 %",
    )


def test_what_is_no_magnitude_image_is_refused() -> None:
    image, _ = body()
    assert code_of(background_noise_sd, image.data - 1) == "not_magnitude"
    assert code_of(background_noise_sd, image.data * 1j) == "not_magnitude"
    few = np.zeros(image.shape, bool)
    few[0, 0, :100] = True
    assert code_of(background_noise_sd, noisy(image.data), air=few) == "background_not_found"
    with pytest.raises(ValueError, match="3-D"):
        background_noise_sd(np.ones((4, 4)))
    with pytest.raises(ValueError, match="air of shape"):
        background_noise_sd(image.data, air=few[:4])


# ---------------------------------------------------------------- M-score


def test_m_score_needs_the_sites_own_reference() -> None:
    assert code_of(m_score, 60.0, None) == "m_score_no_reference"
    reference = MScoreReference(mean=40.0, sd=5.0, people=30)
    assert m_score(60.0, reference) == pytest.approx(4.0)
    assert code_of(m_score, float("nan"), reference) == "snr_missing"
    for wrong in ({"sd": 0.0}, {"mean": -1.0}, {"people": 1}, {"noise": "sd"}):
        with pytest.raises(ValueError, match="reference|noise"):
            replace(reference, **wrong)


def test_m_score_of_a_reference_read_off_a_console() -> None:
    """Mean over the SD of a region of air is larger by 1/0.655; the score is the same."""
    ours = MScoreReference(mean=40.0, sd=5.0, people=30)
    console = MScoreReference(40.0 / RAYLEIGH_SD, 5.0 / RAYLEIGH_SD, 30, noise="air")
    assert m_score(52.0, console) == pytest.approx(m_score(52.0, ours))


@pytest.mark.parametrize("outlined", [False, True])
def test_snr_and_m_score_of_an_image(outlined: bool, record) -> None:
    image, labels = body()
    if outlined:
        labels.data[:, :15] = structure_id("air")
    reference = MScoreReference(mean=20.0, sd=4.0, people=12)
    settings = ScoreSettings(scores=("m_score",), reference=reference)
    rows, warnings = rows_of(settings, image.like(noisy(image.data)), labels)
    truth = np.mean([300, 320, 360, 400]) / SIGMA
    snr = row(rows, "snr_mean", "L1-L4")
    error = snr["value"] / truth - 1
    assert abs(error) < 0.02
    assert warnings == []
    assert ("outlined air" if outlined else "found by its distribution") in snr["method"]
    score = row(rows, "m_score", "L1-L4")
    assert score["value"] == pytest.approx((snr["value"] - 20) / 4)
    assert (score["unit"], score["flag"]) == ("SD", "small_reference")
    how = "air outlined" if outlined else "air found"
    record(SECTION, f"SNR of L1-L4, {how}", 100 * abs(error), "%", "2 %")


def test_snr_without_a_reference_group_is_still_measured() -> None:
    image, labels = body()
    grainy = image.like(noisy(image.data))
    rows, warnings = rows_of(ScoreSettings(scores=("m_score",)), grainy)
    assert np.isfinite(row(rows, "snr_mean", "L1-L4")["value"])
    assert row(rows, "m_score", "L1-L4")["flag"] == "m_score_no_reference"
    assert warnings[0].startswith("m_score_no_reference: m_score of L1-L4")
    rows, _ = rows_of(ScoreSettings(scores=("snr",)), grainy)
    assert [r["metric"] for r in rows] == ["snr_mean"]
    blanked = image.like(np.where(image.data > 0, grainy.data, 0))
    rows, _ = rows_of(ScoreSettings(scores=("snr",)), blanked)
    assert (np.isnan(rows[0]["value"]), rows[0]["flag"]) == (True, "background_masked")
    parallel = {**T1W, "ParallelReductionFactorInPlane": 2}
    rows, warnings = rows_of(ScoreSettings(scores=("snr",)), grainy, about=parallel)
    assert rows[0]["flag"] == "parallel_imaging"
    assert warnings[0].startswith("parallel_imaging")
    gone = labels.like(np.where(labels.data == verse_id("L4"), 0, labels.data))
    rows, _ = rows_of(ScoreSettings(scores=("snr",)), grainy, gone)
    assert rows[0]["flag"] == "level_missing"
    loud = image.like(noisy(image.data, sigma=90.0))
    loud_labels = labels.like(labels.data.copy())
    loud_labels.data[:, :15] = structure_id("air")
    rows, _ = rows_of(ScoreSettings(scores=("snr",)), loud, loud_labels)
    assert rows[0]["flag"] == "low_snr"


# ---------------------------------------------------------------- muscle fat


def fat_map() -> Volume:
    """PDFF 10 % in the left muscle and 16 % in the right one, 40 % below L4."""
    image, labels = body()
    pdff = np.full(image.shape, 50.0)
    pdff[structure_mask(labels.data, "paraspinal_muscle_left")] = 10.0
    pdff[structure_mask(labels.data, "paraspinal_muscle_right")] = 16.0
    pdff[:, :, :40] = 40.0
    return image.like(pdff)


def test_muscle_fat_of_numbers() -> None:
    fat = muscle_fat(np.array([10.0, 12.0, np.nan]), np.array([20.0]))
    assert (fat.left, fat.right, fat.asymmetry) == (11.0, 20.0, -9.0)
    assert fat.both == pytest.approx(14.0)  # every voxel counts once
    assert (fat.n_left, fat.n_right) == (2, 1)
    assert code_of(muscle_fat, np.array([np.nan]), np.array([20.0])) == "muscle_missing"
    assert code_of(muscle_fat, np.array([5.0]), np.array([])) == "muscle_missing"


@pytest.mark.parametrize("axes", ["RAS", "LPI", "PSL"])
def test_muscle_fat_rows(axes: str, record) -> None:
    pdff, labels = turned(fat_map(), axes), turned(body()[1], axes)
    settings = ScoreSettings(scores=("muscle_fat",), muscle_levels=("L3", "L4"))
    rows, warnings = rows_of(settings, pdff, labels, {"Method": "fit"}, "pdff")
    assert warnings == []
    found = {
        roi: row(rows, "muscle_pdff_mean", roi)["value"]
        for roi in ("paraspinal_muscle_left", "paraspinal_muscle_right", "paraspinal_muscle")
    }
    assert list(found.values()) == pytest.approx([10, 16, 13])
    asymmetry = row(rows, "muscle_pdff_asymmetry", "paraspinal_muscle")
    assert (asymmetry["value"], asymmetry["unit"]) == (pytest.approx(-6), "percentage points")
    assert asymmetry["method"] == (
        "fit; mean over the muscle at the height of L3-L4; left minus right"
    )
    if axes == "LPI":
        error = abs(found["paraspinal_muscle"] - 13)
        record(SECTION, "muscle PDFF, noiseless", error, "pp", "1e-5 pp")


def test_muscle_fat_everywhere_and_of_reliable_voxels() -> None:
    labels = body()[1]
    settings = ScoreSettings(scores=("muscle_fat",))
    rows, _ = rows_of(settings, fat_map(), labels, {}, "pdff")
    share = 40 / 150
    expected = 10 * (1 - share) + 40 * share
    left = row(rows, "muscle_pdff_mean", "paraspinal_muscle_left")
    assert left["value"] == pytest.approx(expected)
    assert "wherever outlined" in left["method"]
    reliable = np.ones(labels.shape, bool)
    reliable[:, :, :40] = False
    rows, _ = rows_of(settings, fat_map(), labels, {}, "pdff", reliable=reliable)
    left = row(rows, "muscle_pdff_mean", "paraspinal_muscle_left")
    assert (left["value"], left["n_voxels"]) == (pytest.approx(10), 8 * 12 * 110)


def test_muscle_fat_needs_both_sides() -> None:
    labels = body()[1]
    settings = ScoreSettings(scores=("muscle_fat",))
    for names in (("paraspinal_muscle",), ("paraspinal_muscle_right",)):
        rows, warnings = rows_of(settings, fat_map(), without(labels, *names), {}, "pdff")
        assert [(r["roi"], r["flag"]) for r in rows] == [("paraspinal_muscle", "muscle_missing")]
        assert "muscle_missing: muscle_pdff_mean of paraspinal_muscle" in warnings[0]
    levels = replace(settings, muscle_levels=("L5", "L6"))
    rows, _ = rows_of(levels, fat_map(), labels, {}, "pdff")
    assert rows[0]["flag"] == "level_missing"
    psoas = labels.data.copy()
    psoas[2:8, 60:70], psoas[17:23, 60:70] = 153, 154
    rows, _ = rows_of(settings, fat_map(), labels.like(psoas), {}, "pdff")
    assert row(rows, "muscle_pdff_mean", "iliopsoas")["value"] == pytest.approx(50 - 10 * 40 / 150)
    assert rows_of(replace(settings, scores=()), fat_map(), labels, {}, "pdff") == ([], [])


# ---------------------------------------------------------------- the table around them


def test_further_structures_have_rows_of_their_own() -> None:
    _, labels = body()
    labels.data[:, :15] = structure_id("air")
    rows = measure_regions("pdff", fat_map(), labels)
    rois = {r["roi"] for r in rows}
    assert {"L1", "L5", "csf", "subcutaneous_fat", "paraspinal_muscle_left"} <= rois
    assert "air" not in rois
    bone = measure_regions("vbmd", fat_map(), labels, unit="mg/cm3 HA")
    assert {r["roi"] for r in bone} == {"L1", "L2", "L3", "L4", "L5"}
    volumes = {r["roi"]: r for r in measure_volumes("seg_mri", labels)}
    assert volumes["csf"]["flag"] == "outlined_part"
    assert volumes["csf"]["value"] == pytest.approx(3 * 6 * 150 * 9 / 1000)
    assert volumes["L1"]["flag"] == ""
    assert "air" not in volumes


def test_published_cutoffs_state_their_people_and_source() -> None:
    cuts = {score: [float(r["cut"]) for r in cutoffs(score)] for score in ("vbq_score", "m_score")}
    assert cuts == {"vbq_score": [3.05, 3.06, 3.0], "m_score": [5.5, 2.05]}
    for score in cuts:
        for entry in cutoffs(score):
            assert entry["people"]
            assert entry["source"]
            assert entry["read"] in ("abstract", "review")
            assert 0 < float(entry["sensitivity"]) < 1
            assert 0 < float(entry["specificity"]) < 1


def test_mistakes_of_the_caller() -> None:
    image, labels = body()
    with pytest.raises(ValueError, match="unknown scores: tbs"):
        ScoreSettings(scores=("tbs",))
    with pytest.raises(ValueError, match="statistic"):
        ScoreSettings(statistic="mode")
    with pytest.raises(ValueError, match="unknown vertebra"):
        bad = ScoreSettings(scores=("muscle_fat",), muscle_levels=("L9",))
        rows_of(bad, fat_map(), labels, {}, "pdff")
    with pytest.raises(ValueError, match="different grids"):
        rows_of(labels=Volume(labels.data, labels.affine * 2))
    with pytest.raises(ValueError, match="3-D"):
        rows_of(image=Volume(image.data[..., None], image.affine))
