"""Fat-water separation on digital reference objects: accuracy, swaps, limits of the input."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import FieldSearch
from osteoflow.mri.echo_stack import check_echo_times
from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.field_map import choose_candidates
from osteoflow.mri.fit_setting import SIGNAL_THRESHOLD
from osteoflow.mri.signal_model import fat_fraction, pdff_standard_error, simulate_signal
from osteoflow.mri.spectrum import FatSpectrum, load_fat_spectrum, triglyceride_spectrum
from osteoflow.mri.varpro import RatePrior, fit_rates

sys.path.insert(0, str(Path(__file__).parent))
from reference_object import (
    add_readout_phase,
    block_object,
    field_error,
    island_object,
    striped_object,
    swaps,
)

SPACING = np.array([1.5, 1.5, 3.0])
MARROW = load_fat_spectrum("bone_marrow")
OBJECT = "MRI: digital reference object"


def echoes(step_ms: float, count: int = 6, first_ms: float = 1.2) -> np.ndarray:
    return (first_ms + step_ms * np.arange(count)) * 1e-3


# ---------------------------------------------------------------- spectra


def test_marrow_spectrum_follows_the_proton_counts():
    ndb, nmidb = 2.95, 0.94
    length = 16.8 + 0.25 * ndb
    protons = np.array(
        [9, 6 * (length - 4) - 8 * ndb + 2 * nmidb, 6, 4 * (ndb - nmidb), 6, 2 * nmidb, 4, 1]
        + [2 * ndb]
    )
    np.testing.assert_allclose(MARROW.amplitude, protons / protons.sum(), rtol=1e-12)
    assert MARROW.ppm == (0.90, 1.30, 1.60, 2.02, 2.24, 2.75, 4.20, 5.19, 5.29)


@pytest.mark.parametrize(
    ("name", "peaks", "methylene"),
    [("liver_hamilton", 9, 0.642), ("ismrm", 6, 693 / 999), ("bone_marrow", 9, 0.5873)],
)
def test_spectra_are_normalised(name, peaks, methylene):
    spectrum = load_fat_spectrum(name)
    assert len(spectrum.ppm) == peaks
    assert sum(spectrum.amplitude) == pytest.approx(1, abs=1e-12)
    assert spectrum.amplitude[1] == pytest.approx(methylene, abs=1e-4)
    # the methylene peak of fat lies 3.4 ppm upfield of water: -217 Hz at 1.5 T
    assert spectrum.frequencies(1.5)[1] == pytest.approx(-217.1, abs=0.1)


def test_wrong_spectra_are_refused():
    with pytest.raises(ValueError, match="unknown fat spectrum 'liver'"):
        load_fat_spectrum("liver")
    with pytest.raises(ValueError, match=">= 0"):
        FatSpectrum((1.3, 2.1), (1.0, -0.1))
    with pytest.raises(ValueError, match="2 chemical shifts for 1"):
        FatSpectrum((1.3, 2.1), (1.0,))
    with pytest.raises(ValueError, match=">= 0"):
        triglyceride_spectrum(ndb=0.5, nmidb=0.9)


# ---------------------------------------------------------------- echo times


def test_common_step_of_echo_times():
    assert check_echo_times(echoes(1.3)).field_period == pytest.approx(1 / 1.3e-3)
    # 1.0 and 1.5 ms share 0.5 ms; headers round to 0.01 ms
    assert check_echo_times(np.array([1.2, 2.2, 3.7, 4.71]) * 1e-3).common_step == pytest.approx(
        0.5e-3, abs=2e-6
    )
    assert check_echo_times(np.array([1.2, 2.2, 3.63, 5.4]) * 1e-3).common_step is None


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ([1e-3, 2e-3], "too_few_echoes"),
        ([1e-3, 3e-3, 2e-3], "invalid_echo_times"),
        ([0.0, 1e-3, 2e-3], "invalid_echo_times"),
        ([1.2, 2.2, 3.2], "invalid_echo_times"),
        ([1e-3, np.nan, 3e-3], "invalid_echo_times"),
    ],
)
def test_unusable_echo_times(times, code):
    with pytest.raises(SubjectDataError) as error:
        check_echo_times(np.array(times))
    assert error.value.code == code


# ---------------------------------------------------------------- parts of the fit


def test_fit_reaches_a_stationary_point_of_the_projected_residual():
    """The analytic Gauss-Newton step ends where an independent numerical gradient vanishes."""
    times = echoes(1.4)
    phasor = MARROW.phasor(times, 3.0)
    rng = np.random.default_rng(3)
    signal = simulate_signal(0.6 + 0j, 0.4 + 0j, 40.0, 90.0, times, 3.0, MARROW)
    signal = signal + 0.05 * (rng.normal(size=6) + 1j * rng.normal(size=6))
    signal /= np.linalg.norm(signal)

    def residual(parameters: np.ndarray) -> float:
        decay = np.exp((2j * np.pi * parameters[0] - parameters[1]) * times)
        basis = np.stack([decay, decay * phasor], axis=1)
        return float(
            np.linalg.norm(signal - basis @ np.linalg.lstsq(basis, signal, rcond=None)[0]) ** 2
        )

    fit = fit_rates(
        signal[:, None], times, phasor, np.array([35.0]), np.array([60.0]), (-100, 1000),
        RatePrior(), iterations=100, tolerance=1e-6,
    )  # fmt: skip
    best = np.array([fit.field_hz[0], fit.r2star[0]])
    assert fit.converged[0]
    assert fit.cost[0] == pytest.approx(residual(best), rel=1e-9)
    gradient_away = approx_fprime(best + [3.0, 20.0], residual, 1e-4)
    gradient = approx_fprime(best, residual, 1e-4)
    assert np.abs(gradient).max() < 1e-3 * np.abs(gradient_away).max()


def test_fat_fraction_with_magnitude_discrimination():
    # noise in the lesser component at right angles does not raise the fraction of water
    assert fat_fraction(np.array([1.0 + 0j]), np.array([0.1j]))[0] == pytest.approx(
        100 * (1 - 1 / np.sqrt(1.01))
    )
    assert fat_fraction(np.array([0.2 + 0j]), np.array([0.8 + 0j]))[0] == pytest.approx(80)
    assert np.isnan(fat_fraction(np.array([1.0 + 0j]), np.array([-1.0 + 0j]))[0])


def test_cramer_rao_bound_predicts_the_scatter_of_the_fit():
    times = echoes(1.6)
    snr = 200.0
    water = np.full((60, 60, 1), 0.6 + 0j)
    clean = simulate_signal(water, 0.4 / 0.6 * water, 20.0, 50.0, times, 1.5, MARROW)
    rng = np.random.default_rng(5)
    noise = rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)
    result = fit_fat_water(clean + noise / snr, times, 1.5, SPACING, MARROW, phase_sign=1)
    bound = pdff_standard_error(times, 1.5, MARROW, 40, 50, snr)
    assert result.pdff.std() == pytest.approx(bound, rel=0.05)
    assert result.flags["noise_sd"] == pytest.approx(1 / snr, rel=0.05)


def test_bound_flags_settings_that_cannot_give_a_map():
    # three echoes 2.0 ms apart at 3 T, from 2.0 ms on: the reference gives 10 to 29 points
    poor = echoes(2.0, 3, first_ms=2.0)
    assert pdff_standard_error(poor, 3.0, MARROW, r2star=20) == pytest.approx(9.6, abs=0.1)
    assert pdff_standard_error(poor, 3.0, MARROW, r2star=250) == pytest.approx(28.6, abs=0.1)
    assert pdff_standard_error(echoes(1.6), 1.5, MARROW) < 1
    assert pdff_standard_error(echoes(1.6, 2), 1.5, MARROW) == np.inf


def test_propagation_overrules_misleading_data_and_bridges_air():
    """One labelled end decides a chain whose other data slightly favour the swap."""
    shape = (40, 3, 3)
    field = np.zeros((2, *shape), np.float32)
    field[1] = -217.0
    cost = np.zeros((2, *shape), np.float32)
    cost[0, 5:] = 0.3  # the swapped candidate fits a little better ...
    field[:, 5:] = field[::-1, 5:]
    cost[:, 5:] = cost[::-1, 5:]
    cost[1, :5] = 30.0  # ... except where the data are clear
    search = FieldSearch(-312.5, 312.5, 625.0)
    chosen = choose_candidates(field, cost, np.ones(shape), search, np.ones(3))
    np.testing.assert_array_equal(np.take_along_axis(field, chosen[None], 0)[0], 0)

    cost[:, 18:22] = np.inf  # air: the far body is decided across it only
    cost[:, 22:] = 0
    chosen = choose_candidates(field, cost, np.ones(shape), search, np.ones(3))
    picked = np.take_along_axis(field, chosen[None], 0)[0]
    np.testing.assert_array_equal(picked[22:], 0)


# ---------------------------------------------------------------- readout polarity


@pytest.mark.parametrize(
    ("offset", "gradient"),
    [(0.3, (0, 0, 0)), (0.2, (0.02, 0, 0)), (-0.7, (0, -0.04, 0)), (0.05, (0, 0.004, 0))],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_bipolar_readout_is_found_and_taken_out(offset, gradient, sign):
    truth = block_object(4, 4, 200.0, np.linspace(0, 100, 8), np.linspace(20, 200, 8))
    times = echoes(1.5)
    signal = truth.signal(times, 1.5, MARROW, snr=100, seed=4)
    signal = add_readout_phase(signal, SPACING, offset, gradient)
    signal = signal if sign > 0 else signal.conj()
    result = fit_fat_water(signal, times, 1.5, SPACING, MARROW)
    monopolar = fit_fat_water(signal, times, 1.5, SPACING, MARROW, readout="monopolar")
    assert result.phase_sign == sign
    assert any("bipolar readout (found in the data)" in w for w in result.warnings)
    for axis, value in zip("ijk", gradient, strict=True):
        found = result.flags[f"readout_phase_{axis}_rad_per_mm"]
        assert found == pytest.approx(value, abs=3e-4)
    # modulo pi/2, which is half a period of the field
    error = result.flags["readout_phase_offset_rad"] - offset
    assert abs(error - np.pi / 2 * np.rint(error / (np.pi / 2))) < 2e-3
    # up to the scatter of single voxels
    assert np.abs(result.pdff - truth.pdff).mean() < 0.9
    assert np.nanmean(np.abs(monopolar.pdff - truth.pdff)) > 1.2


def test_the_phase_of_a_bipolar_readout_counts_from_the_images_first_voxel():
    """The body begins somewhere in the image, the phase does not."""
    body = block_object(6, 4, 80.0, np.linspace(0, 100, 4), np.array([40.0, 90.0]))
    times = echoes(1.5)
    signal = np.zeros((40, 24, 4, 6), complex)
    signal[10:34, 8:20] = body.signal(times, 1.5, MARROW, snr=200, seed=4)
    signal = add_readout_phase(signal, SPACING, 0.1, (0.01, 0, 0))
    result = fit_fat_water(signal, times, 1.5, SPACING, MARROW)
    assert result.readout_phase.offset == pytest.approx(0.1, abs=0.01)
    np.testing.assert_allclose(result.readout_phase.gradient, [0.01, 0, 0], atol=5e-4)
    cleaned = result.readout_phase.taken_from(signal, SPACING, result.phase_sign)
    again = fit_fat_water(cleaned, times, 1.5, SPACING, MARROW)
    assert again.readout_phase is None
    np.testing.assert_allclose(again.pdff, result.pdff, atol=0.05)


def test_monopolar_data_are_left_as_they_are():
    truth = block_object(4, 4, 200.0, np.linspace(0, 100, 8), np.linspace(20, 200, 8))
    signal = truth.signal(echoes(1.5), 3.0, MARROW, snr=100, seed=4)
    found, stated = (
        fit_fat_water(signal, echoes(1.5), 3.0, SPACING, MARROW, readout=readout)
        for readout in ("auto", "monopolar")
    )
    np.testing.assert_array_equal(found.pdff, stated.pdff)
    assert found.flags["readout_phase_rms_rad"] < 0.015
    # what else deviates from the model is not taken for it
    eddy = signal.copy()
    eddy[..., 0] *= np.exp(0.15j)
    liver = truth.signal(echoes(1.5), 3.0, load_fat_spectrum("liver_hamilton"), snr=100)
    for deviating in (eddy, liver):
        result = fit_fat_water(deviating, echoes(1.5), 3.0, SPACING, MARROW)
        assert not any("bipolar" in warning for warning in result.warnings)


def test_a_stated_bipolar_readout_of_three_echoes_is_told():
    truth = block_object(3, 2, 50.0)
    signal = truth.signal(echoes(1.6, 3), 1.5, MARROW, snr=200)
    result = fit_fat_water(signal, echoes(1.6, 3), 1.5, SPACING, MARROW, readout="bipolar")
    assert any("cannot be estimated" in warning for warning in result.warnings)
    with pytest.raises(ValueError, match="readout must be one of"):
        fit_fat_water(signal, echoes(1.6, 3), 1.5, SPACING, MARROW, readout="both")


# ---------------------------------------------------------------- whole fit


@pytest.mark.parametrize("field_strength", [1.5, 3.0])
@pytest.mark.parametrize("step_ms", [1.0, 1.3, 2.0])
@pytest.mark.parametrize("field_hz", [150.0, 350.0])
def test_noiseless_object_is_exact(field_strength, step_ms, field_hz, record):
    truth = block_object(3, 3, field_hz)
    signal = truth.signal(echoes(step_ms), field_strength, MARROW)
    result = fit_fat_water(signal, echoes(step_ms), field_strength, SPACING, MARROW)
    assert result.phase_sign == 1
    worst = np.abs(result.pdff - truth.pdff).max()
    setting = f"{field_strength:g} T, dTE {step_ms:g} ms, field to +-{field_hz:g} Hz"
    record(OBJECT, f"noiseless, {setting}: largest PDFF error", worst, "pp", "<= 0.1")
    assert worst <= 0.1
    assert np.abs(result.r2star - truth.r2star).max() <= 0.1
    error = field_error(result.field, truth.field, result.field_period)
    assert np.abs(error).max() <= 0.1
    assert result.quality.all()
    flagged = (field_strength, step_ms) == (3.0, 2.0)
    assert all(flagged and "ill-conditioned" in warning for warning in result.warnings)
    np.testing.assert_allclose(result.t2star * result.r2star, 1000, rtol=1e-5)
    np.testing.assert_allclose(result.water + result.fat, 1, atol=1e-3)


@pytest.mark.parametrize("build", [striped_object, island_object])
@pytest.mark.parametrize(
    ("field_strength", "step_ms", "snr"), [(1.5, 1.5, 50), (3.0, 1.5, 50), (3.0, 2.0, 100)]
)
def test_no_swaps_in_thin_layers_and_separate_bodies(build, field_strength, step_ms, snr):
    truth = build(350.0)
    times = echoes(step_ms)
    signal = truth.signal(times, field_strength, MARROW, snr=snr, seed=2).conj()
    result = fit_fat_water(signal, times, field_strength, SPACING, MARROW)
    tissue = truth.amplitude > 0
    assert result.phase_sign == -1
    assert np.isfinite(result.pdff[tissue]).all()
    assert swaps(result, truth) == 0
    # air is recognised as such, at most a stray voxel of noise is taken for tissue
    assert np.isfinite(result.pdff[~tissue]).sum() <= 5


def test_unequal_echo_spacing():
    truth = block_object(3, 2, 250.0)
    with_step = np.array([1.2, 2.2, 3.7, 4.7, 6.7, 7.7]) * 1e-3
    without_step = np.array([1.2, 2.31, 3.74, 4.9, 6.63, 8.0]) * 1e-3
    for times in (with_step, without_step):
        result = fit_fat_water(truth.signal(times, 1.5, MARROW), times, 1.5, SPACING, MARROW)
        assert np.abs(result.pdff - truth.pdff).max() <= 0.1
    assert np.isinf(result.field_period)
    assert np.abs(result.field - truth.field).max() <= 0.1


def test_three_echoes_are_fitted_with_a_stated_prior():
    blocks = block_object(3, 2, 100.0)
    truth = replace(blocks, r2star=np.clip(blocks.r2star, 30, 80))
    times = echoes(1.6, 3)
    signal = truth.signal(times, 1.5, MARROW, snr=200)
    result = fit_fat_water(signal, times, 1.5, SPACING, MARROW)
    assert result.phase_sign == 1
    assert swaps(result, truth) == 0
    assert result.flags["r2star_prior"] == 50
    assert any("three echoes do not determine R2*" in w for w in result.warnings)
    near_prior = np.abs(truth.r2star - 50) < 10
    assert np.abs(np.mean((result.pdff - truth.pdff)[near_prior])) < 0.5


def test_flagged_setting_and_undecided_sign_are_told():
    times = echoes(2.3, 3)
    water = np.full((8, 8, 2), 1 + 0j)
    signal = simulate_signal(water, 0 * water, 20.0, 50.0, times, 3.0, MARROW)
    result = fit_fat_water(signal, times, 3.0, SPACING, MARROW)
    assert any("ill-conditioned echo times" in w for w in result.warnings)
    assert any("do not tell the sign" in w for w in result.warnings)
    assert result.phase_sign == 1


def test_wrong_sign_does_not_explain_the_data():
    truth = block_object(3, 2, 100.0)
    signal = truth.signal(echoes(1.5), 1.5, MARROW, snr=100)
    right = fit_fat_water(signal, echoes(1.5), 1.5, SPACING, MARROW, phase_sign=1)
    wrong = fit_fat_water(signal, echoes(1.5), 1.5, SPACING, MARROW, phase_sign=-1)
    assert wrong.phase_sign == -1
    assert np.median(wrong.residual) > 2 * np.median(right.residual)


def test_voxels_that_cannot_be_fitted_are_left_out_and_counted():
    truth = block_object(2, 2, 50.0)
    signal = truth.signal(echoes(1.5), 1.5, MARROW, snr=200)
    signal[0, 0, 0, 2] = np.nan
    signal[1, 0, 0, 3] = np.inf
    signal[2, 0, 0] = 0
    mask = np.ones(signal.shape[:3], bool)
    mask[5, 5, 1] = False
    result = fit_fat_water(signal, echoes(1.5), 1.5, SPACING, MARROW, mask=mask)
    assert result.flags["voxels_not_finite"] == 2
    assert result.flags["voxels_without_signal"] == 1
    assert result.flags["voxels_fitted"] == mask.sum() - 3
    assert np.isnan(result.pdff[[0, 1, 2], 0, 0]).all()
    assert np.isnan(result.pdff[5, 5, 1])
    assert result.quality[5, 5, 1] == 0
    assert sum("voxels" in warning for warning in result.warnings) >= 2


def test_active_bound_and_noise_are_marked_unreliable():
    truth = block_object(2, 2, 0.0)
    r2star = truth.r2star.copy()
    r2star[3, 3, 0] = 1400.0
    amplitude = truth.amplitude.copy()
    amplitude[9, 9, 1] = 0.0
    changed = replace(truth, r2star=r2star, amplitude=amplitude)
    signal = changed.signal(echoes(1.0), 1.5, MARROW, snr=1000)
    mask = np.ones(signal.shape[:3], bool)
    result = fit_fat_water(signal, echoes(1.0), 1.5, SPACING, MARROW, mask=mask)
    assert result.r2star[3, 3, 0] == 1000
    assert result.quality[3, 3, 0] == 0
    assert result.flags["voxels_r2star_at_bound"] >= 1
    assert any("stopped at its bound" in warning for warning in result.warnings)
    assert result.quality[9, 9, 1] == 0
    assert result.flags["voxels_near_noise"] == 1
    assert result.quality.sum() == mask.sum() - 2


def test_background_threshold_is_relative_and_recorded():
    truth = island_object(100.0)
    signal = 300 * truth.signal(echoes(1.5), 1.5, MARROW)
    result = fit_fat_water(signal, echoes(1.5), 1.5, SPACING, MARROW)
    tissue = truth.amplitude > 0
    np.testing.assert_array_equal(np.isfinite(result.pdff), tissue)
    assert result.flags["voxels_background"] == (~tissue).sum()
    assert 0 < result.flags["signal_threshold"] < 300 * SIGNAL_THRESHOLD
    np.testing.assert_allclose((result.water + result.fat)[tissue], 300, rtol=1e-3)


def test_result_does_not_depend_on_neighbours_scale_or_run():
    truth = block_object(2, 2, 150.0)
    signal = truth.signal(echoes(1.5), 3.0, MARROW, snr=60).astype(np.complex64)
    first = fit_fat_water(signal, echoes(1.5), 3.0, SPACING, MARROW)
    again = fit_fat_water(signal, echoes(1.5), 3.0, SPACING, MARROW)
    scaled = fit_fat_water(signal * 1024, echoes(1.5), 3.0, SPACING, MARROW)
    np.testing.assert_array_equal(first.pdff, again.pdff)
    np.testing.assert_allclose(first.pdff, scaled.pdff, atol=1e-2)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda s: (s[..., :5], None), "shape_mismatch"),
        (lambda s: (s, np.ones((3, 3, 3), bool)), "shape_mismatch"),
        (lambda s: (np.abs(s), None), "not_complex"),
        (lambda s: (0 * s, None), "no_signal"),
        (lambda s: (s * np.nan, None), "no_signal"),
        (lambda s: (s, np.zeros(s.shape[:3], bool)), "no_signal"),
    ],
)
def test_unusable_images(change, code):
    signal, mask = change(block_object(1, 2, 0.0).signal(echoes(1.5), 1.5, MARROW))
    with pytest.raises(SubjectDataError) as error:
        fit_fat_water(signal, echoes(1.5), 1.5, SPACING, MARROW, mask=mask)
    assert error.value.code == code
