"""Signal fat fractions of two and three echoes, and maps that the scanner made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reference_object import block_object, island_object, smooth_field, striped_object

from osteoflow.errors import SubjectDataError
from osteoflow.mri.dixon import accept_scanner_map, dixon_magnitude, signal_fat_fraction
from osteoflow.mri.dixon_complex import dixon_three_point, dixon_two_point
from osteoflow.mri.dixon_model import DixonResult, echo_phases, fraction_roots, single_peak
from osteoflow.mri.in_phase import fat_period
from osteoflow.mri.signal_model import simulate_signal
from osteoflow.mri.spectrum import load_fat_spectrum

SECTION = "MRI: Dixon"
SPACING = np.array([1.5, 1.5, 3.0])
MARROW = load_fat_spectrum("bone_marrow")
SINGLE = single_peak()
R2STAR = 40.0


def turns(*values: float, tesla: float = 1.5) -> np.ndarray:
    """Echo times in s after so many turns of fat's main peak."""
    return np.array(values) * fat_period(tesla)


def scene(build, field_hz: float, r2star: float = R2STAR):
    truth = build(field_hz)
    return replace(truth, r2star=np.full(truth.pdff.shape, r2star))


def blocks(field_hz: float):
    return block_object(6, 3, field_hz, np.linspace(0, 100, 11), np.array([R2STAR]))


def is_swapped(result: DixonResult, truth) -> np.ndarray:
    inside = np.isfinite(result.sff) & (truth.amplitude > 0)
    return (np.abs(result.sff - truth.pdff) > 30) & inside


# ---------------------------------------------------------------- magnitudes


def test_two_magnitudes_give_the_textbook_formula():
    rng = np.random.default_rng(0)
    in_phase = rng.uniform(50, 100, (4, 5, 2))
    opposed = in_phase * rng.uniform(0, 1, in_phase.shape)
    result = dixon_magnitude(np.stack([opposed, in_phase], -1), turns(0.5, 1), 1.5)
    np.testing.assert_allclose(result.sff, 50 * (1 - opposed / in_phase), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.water + result.fat, in_phase, rtol=1e-5)
    assert result.water_fat_ambiguous
    assert np.isnan(result.field).all() and np.isnan(result.r2star).all()
    told = " ".join(result.warnings)
    assert "no PDFF" in told and "T2* decay is not corrected" in told and "0..50 %" in told
    assert not hasattr(result, "pdff")


def test_both_solutions_of_a_magnitude_ratio():
    times = turns(0.45, 1.05)
    for spectrum in (SINGLE, MARROW):
        phasor = spectrum.phasor(times, 1.5)
        for true in (0.02, 0.3, 0.7, 0.95):
            size = np.abs(1 + (phasor - 1) * true)
            smaller, larger, lost = fraction_roots(37 * size[:, None], phasor)
            assert not lost[0] and smaller[0] <= larger[0]
            assert min(abs(smaller[0] - true), abs(larger[0] - true)) < 1e-9
            for other in (smaller[0], larger[0]):
                again = np.abs(1 + (phasor - 1) * other)
                assert again[0] / again[1] == pytest.approx(size[0] / size[1], rel=1e-9)


def test_fatty_marrow_reads_as_lean_from_magnitudes_and_that_is_told(record):
    truth = np.array([10.0, 30, 45, 70, 90])
    water = (1 - truth / 100)[:, None, None] + 0j
    signal = simulate_signal(water, 1 - water, 0.0, 0.0, turns(0.5, 1), 1.5, SINGLE)
    result = dixon_magnitude(np.abs(signal), turns(0.5, 1), 1.5)
    sff = result.sff.ravel()
    np.testing.assert_allclose(sff, np.minimum(truth, 100 - truth), atol=0.01)
    record(SECTION, "magnitude IP/OP: 70 % fat reads (water-dominant solution)", sff[3], "%", "30")


@pytest.mark.parametrize("first", [0.5, 1.0])
def test_three_magnitudes_correct_decay_and_minor_peaks(first, record):
    """Two echoes of like phase give R2*, the third the fat fraction."""
    times = turns(first, first + 0.5, first + 1)
    fat = np.array([0.0, 5, 15, 30, 42])[:, None, None] / 100
    rate = np.array([20.0, 80, 160])[None, :, None]
    signal = np.abs(simulate_signal(1 - fat + 0j, fat + 0j, 0.0, rate, times, 1.5, MARROW))
    exact = dixon_magnitude(signal, times, 1.5, spectrum=MARROW)
    np.testing.assert_allclose(exact.sff, np.broadcast_to(100 * fat, exact.sff.shape), atol=0.1)
    np.testing.assert_allclose(exact.r2star, np.broadcast_to(rate, exact.sff.shape), atol=0.5)
    classical = dixon_magnitude(signal[..., :2], times[:2], 1.5)
    error = np.abs(classical.sff - 100 * fat)
    what = f"magnitude, first echo after {first:g} turns, R2* to 160 1/s, fat to 42 %"
    worst = np.abs(exact.sff - 100 * fat).max()
    record(SECTION, f"{what}: three echoes, marrow spectrum, worst error", worst, "pp", "<= 0.1")
    record(SECTION, f"{what}: two echoes, classical, worst error", error.max(), "pp", "told")
    assert error.max() > 5
    assert any("measured by the two echoes of like phase" in w for w in exact.warnings)
    assert any("bone_marrow spectrum" in w for w in exact.warnings)


def test_assumed_decay_is_corrected_and_told():
    fat = np.array([0.0, 10, 30])[:, None, None] / 100
    signal = np.abs(simulate_signal(1 - fat + 0j, fat + 0j, 0.0, 60.0, turns(0.5, 1), 1.5, MARROW))
    result = dixon_magnitude(signal, turns(0.5, 1), 1.5, MARROW, assumed_r2star=60.0)
    np.testing.assert_allclose(result.sff, 100 * fat, atol=0.05)
    assert np.all(result.r2star == 60)
    assert any("assumed R2* of 60 1/s" in warning for warning in result.warnings)
    with pytest.raises(ValueError, match="three echoes measure R2"):
        dixon_magnitude(np.ones((2, 2, 2, 3)), turns(0.5, 1, 1.5), 1.5, assumed_r2star=40.0)


def test_noise_below_zero_is_kept_and_the_impossible_counted():
    pair = np.array([[[[105.0, 100.0]]], [[[100.0, 100.0]]], [[[160.0, 100.0]]]])
    result = dixon_magnitude(pair, turns(0.5, 1), 1.5)
    np.testing.assert_allclose(result.sff.ravel(), [-2.5, 0, -30], atol=1e-3)
    assert result.quality.ravel().tolist() == [1, 1, 0]
    assert result.flags["voxels_water_fat_contradict"] == 1


@pytest.mark.parametrize(
    ("tesla", "times", "phases"),
    [
        (1.5, [2.3, 4.6], ["opposed", "in"]),
        (3.0, [1.23, 2.46], ["opposed", "in"]),
        (3.0, [1.15, 2.3, 3.45], ["opposed", "in", "opposed"]),
        (1.5, [1.2, 3.2], ["", ""]),
    ],
)
def test_echo_phases(tesla, times, phases):
    assert echo_phases(np.array(times) * 1e-3, tesla) == phases


@pytest.mark.parametrize(
    "times", [(1.0, 2.0), (0.5, 1.5), (0.7, 1.0), (0.5, 1.0, 2.0), (0.5, 1, 1.5, 2)]
)
def test_echoes_that_are_no_dixon_pair_are_refused(times):
    magnitude = np.ones((2, 2, 2, len(times)))
    with pytest.raises(SubjectDataError) as error:
        dixon_magnitude(magnitude, turns(*times), 1.5)
    assert error.value.code == "echoes_not_dixon" and error.value.hint


@pytest.mark.parametrize(
    ("magnitude", "code"),
    [
        (np.ones((2, 2, 2, 3)), "shape_mismatch"),
        (-np.ones((2, 2, 2, 2)), "not_magnitude"),
        (np.ones((2, 2, 2, 2)) + 1j, "not_magnitude"),
        (np.zeros((2, 2, 2, 2)), "no_signal"),
    ],
)
def test_unusable_magnitudes(magnitude, code):
    with pytest.raises(SubjectDataError) as error:
        dixon_magnitude(magnitude, turns(0.5, 1), 1.5)
    assert error.value.code == code


# ---------------------------------------------------------------- complex echoes


@pytest.mark.parametrize("tesla", [1.5, 3.0])
@pytest.mark.parametrize(
    ("name", "echoes"),
    [("in phase and opposed", (0.5, 1.0)), ("partly opposed", (0.6, 1.1))],
)
@pytest.mark.parametrize("build", [striped_object, blocks, island_object])
def test_two_complex_echoes_tell_water_from_fat(tesla, name, echoes, build, record):
    truth = scene(build, 100.0)
    tissue = truth.amplitude > 0
    times = turns(*echoes, tesla=tesla)
    clean = truth.signal(times, tesla, MARROW)
    result = dixon_two_point(clean, times, tesla, SPACING, MARROW, R2STAR, mask=tissue)
    assert np.abs(result.sff - truth.pdff)[tissue].max() <= 0.1
    period = 1 / np.diff(times)[0]
    error = result.field - truth.field
    assert np.abs(error - period * np.rint(error / period))[tissue].max() < 0.1

    noisy = truth.signal(times, tesla, MARROW, snr=50, seed=4)
    result = dixon_two_point(noisy, times, tesla, SPACING, MARROW, R2STAR, mask=tissue)
    swapped = 100 * is_swapped(result, truth).sum() / tissue.sum()
    if build is island_object and name == "partly opposed":
        return  # nearly pure fat is ill-conditioned there, and a separate body has no neighbours
    if build is striped_object:
        what = f"two complex echoes {name}, {tesla:g} T, thin layers, SNR 50: swapped"
        record(SECTION, what, swapped, "%", "0")
    assert swapped == 0
    assert not result.water_fat_ambiguous
    assert any("told apart by a smooth field map" in w for w in result.warnings)


@pytest.mark.parametrize("tesla", [1.5, 3.0])
@pytest.mark.parametrize("echoes", [(0.5, 0.8, 1.1), (0.5, 1.0, 1.5)])
@pytest.mark.parametrize("spectrum", [SINGLE, MARROW])
def test_three_complex_echoes(tesla, echoes, spectrum, record):
    times = turns(*echoes, tesla=tesla)
    for build in (striped_object, blocks, island_object):
        truth = scene(build, 100.0)
        tissue = truth.amplitude > 0
        arguments = (times, tesla, SPACING, spectrum, R2STAR, tissue)
        result = dixon_three_point(truth.signal(times, tesla, spectrum), *arguments)
        assert np.abs(result.sff - truth.pdff)[tissue].max() <= 0.1
        noisy = dixon_three_point(truth.signal(times, tesla, spectrum, 50, 4), *arguments)
        assert is_swapped(noisy, truth).sum() == 0
        assert noisy.flags["phase_sign"] == 1
    # half turns make fat's phasor nearly real: it looks the same both ways
    undecided = any("do not tell the sign" in w for w in noisy.warnings)
    assert undecided == (spectrum is SINGLE or echoes == (0.5, 1.0, 1.5))
    bias = np.abs(np.mean((noisy.sff - truth.pdff)[tissue]))
    what = f"three complex echoes {echoes}, {tesla:g} T, {spectrum.name}, SNR 50: mean error"
    record(SECTION, what, bias, "pp", "<= 0.5")
    assert bias <= 0.5


def test_three_echoes_decide_the_phase_sign_by_the_minor_peaks():
    truth = scene(blocks, 100.0)
    times = turns(0.5, 0.8, 1.1)
    signal = truth.signal(times, 1.5, MARROW, 100, 1).conj()
    result = dixon_three_point(signal, times, 1.5, SPACING, MARROW, R2STAR)
    assert result.flags["phase_sign"] == -1
    assert is_swapped(result, truth).sum() == 0
    stated = dixon_three_point(signal, times, 1.5, SPACING, SINGLE, R2STAR, phase_sign=-1)
    assert is_swapped(stated, truth).mean() < 0.01


def test_what_uncorrected_decay_and_minor_peaks_cost(record):
    """The reason why none of this is called PDFF."""
    truth = scene(blocks, 50.0, r2star=80.0)
    times = turns(0.5, 1)
    signal = truth.signal(times, 1.5, MARROW)
    for name, spectrum, rate in (
        ("nothing corrected", None, None),
        ("marrow spectrum", MARROW, None),
        ("marrow spectrum and R2* 80 1/s assumed", MARROW, 80.0),
    ):
        result = dixon_two_point(signal, times, 1.5, SPACING, spectrum, rate)
        worst = np.abs(result.sff - truth.pdff).max()
        what = f"two complex echoes, 1.5 T, true R2* 80 1/s, {name}: worst error"
        record(SECTION, what, worst, "pp", "<= 0.1" if rate else "told")
        assert (worst <= 0.1) == bool(rate)
        assert any(("not corrected (single" in w) == (spectrum is None) for w in result.warnings)


def test_image_of_unclear_assignment_is_told():
    """Water alone, off resonance by half its shift from fat: it might as well be fat."""
    shape = (12, 12, 3)
    half = 0.5 / fat_period(1.5)
    times = turns(0.5, 1)
    water = np.full(shape, 1 + 0j)
    for offset, clear in ((0.0, True), (half, False)):
        field = smooth_field(shape, 60.0) + offset
        signal = simulate_signal(water, 0 * water, field, R2STAR, times, 1.5, SINGLE)
        result = dixon_two_point(signal, times, 1.5, SPACING, assumed_r2star=R2STAR)
        assert (result.flags["clear_assignment_share"] > 0.99) == clear
        assert (
            any("assignment of water and fat is not clear" in w for w in result.warnings) != clear
        )


@pytest.mark.parametrize(
    ("function", "echoes"),
    [
        (dixon_two_point, (1.0, 2.0)),
        (dixon_two_point, (0.25, 0.75)),
        (dixon_two_point, (0.5, 1.0, 1.5)),
        (dixon_three_point, (1.0, 2.0, 3.0)),
        (dixon_three_point, (0.5, 1.0, 1.5, 2.0)),
    ],
)
def test_complex_echoes_between_which_fat_does_not_turn_are_refused(function, echoes):
    signal = np.ones((4, 4, 2, len(echoes)), complex)
    with pytest.raises(SubjectDataError) as error:
        function(signal, turns(*echoes), 1.5, SPACING)
    assert error.value.code == "echoes_not_dixon"


def test_unusable_complex_images():
    good = np.ones((4, 4, 2, 2), complex)
    for signal, code in (
        (np.abs(good), "not_complex"),
        (good[..., :1], "shape_mismatch"),
        (0 * good, "no_signal"),
    ):
        with pytest.raises(SubjectDataError) as error:
            dixon_two_point(signal, turns(0.5, 1), 1.5, SPACING)
        assert error.value.code == code
    with pytest.raises(ValueError, match="phase_sign"):
        dixon_two_point(good, turns(0.5, 1), 1.5, SPACING, phase_sign=2)


# ---------------------------------------------------------------- images made by the scanner


def test_signal_fat_fraction_of_scanner_images():
    water = np.full((4, 4, 2), 60.0, np.float32)
    fat = np.full((4, 4, 2), 40.0, np.float32)
    water[0], fat[0] = 1.0, 1.0  # air
    water[1, 0, 0] = np.nan
    result = signal_fat_fraction(water, fat)
    assert np.isnan(result.sff[0]).all() and np.isnan(result.sff[1, 0, 0])
    np.testing.assert_allclose(result.sff[2:], 40, rtol=1e-6)
    assert result.flags["voxels_not_finite"] == 1
    assert result.flags["voxels_background"] == 8
    assert not result.water_fat_ambiguous
    assert any("no PDFF" in warning for warning in result.warnings)
    everywhere = signal_fat_fraction(water, fat, mask=np.ones(water.shape, bool))
    np.testing.assert_allclose(everywhere.sff[0], 50)
    for w, f, code in (
        (water, fat[:3], "shape_mismatch"),
        (-water, fat, "not_magnitude"),
        (0 * fat, 0 * fat, "no_signal"),
    ):
        with pytest.raises(SubjectDataError) as error:
            signal_fat_fraction(w, f)
        assert error.value.code == code


@pytest.mark.parametrize(
    ("stored", "arguments", "percent"),
    [
        (0.42, {"unit": "fraction"}, 42),
        (42.0, {"unit": "percent"}, 42),
        (420, {"unit": "permille"}, 42),
        (420, {"rescale": (0.1, 0.0)}, 42),
        (1444, {"rescale": (0.001, -1.024), "unit": "fraction"}, 42),
    ],
)
def test_scanner_map_follows_its_stated_scale(stored, arguments, percent):
    values = np.full((3, 3, 2), stored)
    result = accept_scanner_map(values, **arguments)
    np.testing.assert_allclose(result.percent, percent, rtol=1e-4)
    assert result.percent.dtype == np.float32
    assert any("not known" in warning for warning in result.warnings)


@pytest.mark.parametrize("top", [0.9, 60.0, 800.0])
def test_scanner_map_without_a_stated_scale_is_refused(top):
    values = np.linspace(0, top, 27).reshape(3, 3, 3)
    with pytest.raises(SubjectDataError) as error:
        accept_scanner_map(values)
    assert error.value.code == "pdff_scale_unknown"
    assert f"{top:g}" in error.value.message and error.value.hint


def test_scanner_map_that_contradicts_its_unit():
    values = np.linspace(5, 95, 27).reshape(3, 3, 3)
    with pytest.raises(SubjectDataError) as error:
        accept_scanner_map(values, unit="fraction")
    assert error.value.code == "pdff_scale_unknown"
    doubtful = accept_scanner_map(values / 100, unit="percent")
    assert any("no voxel exceeds 1 %" in warning for warning in doubtful.warnings)
    with pytest.raises(ValueError, match="unknown unit"):
        accept_scanner_map(values, unit="ppm")
    with pytest.raises(SubjectDataError) as error:
        accept_scanner_map(values * np.nan, unit="percent")
    assert error.value.code == "no_signal"


def test_scanner_values_outside_the_range_are_kept_and_counted():
    values = np.array([-3.0, 0, 50, 104, np.nan, 20])
    result = accept_scanner_map(values, unit="%")
    np.testing.assert_array_equal(result.percent, values.astype(np.float32))
    assert result.flags["voxels_below_0"] == 1 and result.flags["voxels_above_100"] == 1
    assert any("1 voxels lie below 0 % and 1 above 100 %" in w for w in result.warnings)
