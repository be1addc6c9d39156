"""ADC fits on simulated signals: exactness, bias and scatter, noise floor, limits of the input."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import approx_fprime, least_squares
from scipy.special import hyp1f1

from osteoflow.errors import SubjectDataError
from osteoflow.io.repetitions import geometric_mean
from osteoflow.mri.adc import METHODS, fit_adc
from osteoflow.mri.adc_model import (
    _rician_mean_and_slope,
    adc_standard_error,
    rician_mean,
)

SECTION = "MRI: ADC"
B = np.array([0.0, 100, 300, 500, 800, 1000])
S0 = 1000.0


def decay(adc, b=B, s0=S0):
    """Noise-free signal, shape adc.shape + (n_b,); ADC in um2/s, b in s/mm2."""
    return s0 * np.exp(-np.multiply.outer(np.asarray(adc, float), b) * 1e-6)


def noisy(clean, sd, seed=0):
    """Magnitude of the signal in complex noise of this standard deviation per channel."""
    rng = np.random.default_rng(seed)
    return np.abs(clean + sd * (rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)))


def blocks(levels, voxels, b=B):
    """One level of ADC along i, `voxels` equal voxels along j."""
    return decay(np.repeat(np.asarray(levels, float)[:, None, None], voxels, axis=1), b)


def everywhere(signal):
    return np.ones(signal.shape[:3], bool)


# ---------------------------------------------------------------- accuracy


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("b", [B, [0, 800], [50, 400, 900], [800, 0, 400, 0, 400, 800]])
def test_noiseless_signal_is_fitted_exactly(method, b, record):
    b = np.asarray(b, float)
    truth = np.linspace(20, 3000, 60).reshape(5, 4, 3)
    signal = decay(truth, b)
    result = fit_adc(signal, b, mask=everywhere(signal), method=method)
    error = np.abs(result.adc - truth).max()
    record(
        SECTION, f"noiseless, {method}, {b.size} images: largest error", error, "um2/s", "<= 0.01"
    )
    assert error <= 0.01
    np.testing.assert_allclose(result.s0, S0, rtol=1e-5)
    assert result.residual.max() < 1e-5
    assert result.quality.all()
    assert result.method == method
    assert result.b_values == tuple(b)
    assert result.adc.dtype == np.float32 and result.quality.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_stored_types_of_images(dtype):
    truth = np.linspace(200, 1500, 24).reshape(4, 3, 2)
    signal = (30 * decay(truth)).astype(dtype)
    result = fit_adc(signal, B)
    assert np.abs(result.adc - truth).max() < 0.5


# The log-linear fit needs no correction for the noise until the signal meets it: noise moves the
# mean logarithm of a magnitude by E1(A^2 / 2 s^2) / 2 only, 0.1 % at A = 3 s.
@pytest.mark.parametrize(("snr", "limit"), [(100, 0.1), (50, 0.2), (20, 1.0)])
@pytest.mark.parametrize(("method", "known"), [("loglinear", False), ("loglinear", True),
                                               ("nls", False), ("nls", True)])  # fmt: skip
def test_bias(snr, limit, method, known, record):
    levels = np.array([200.0, 420, 800, 1500])
    signal = noisy(blocks(levels, 40000), S0 / snr)
    noise = S0 / snr if known else None
    result = fit_adc(signal, B, mask=everywhere(signal), method=method, noise_sd=noise)
    bias = 100 * (np.nanmean(result.adc, axis=(1, 2)) / levels - 1)
    worst = bias[np.abs(bias).argmax()]
    what = f"SNR {snr}, {method}{', noise known' if known else ''}, ADC 200..1500: worst bias"
    record(SECTION, what, worst, "%", f"<= {limit:g}")
    assert np.abs(bias).max() <= limit
    assert result.quality.mean() > 0.99


def test_scatter_is_the_least_possible_one_if_weighted(record):
    levels, snr = np.array([420.0, 1500, 2200]), 100
    signal = noisy(blocks(levels, 20000), S0 / snr, seed=1)
    bound = np.array([adc_standard_error(B, level, snr) for level in levels])
    ratio = {}
    for method in METHODS:
        result = fit_adc(signal, B, mask=everywhere(signal), method=method)
        ratio[method] = result.adc.std(axis=(1, 2)) / bound
        what = f"SNR {snr}, {method}, ADC 2200: scatter over its Cramer-Rao bound"
        limit = "reported" if "unweighted" in method else "1 +- 0.03"
        record(SECTION, what, ratio[method][-1], "", limit)
    assert ratio["loglinear"] == pytest.approx(1, abs=0.03)
    assert ratio["nls"] == pytest.approx(1, abs=0.03)
    # without weights, the noise of the weakest signal decides
    assert ratio["loglinear_unweighted"][-1] > 1.5


def test_noise_is_read_from_the_misfit():
    signal = noisy(blocks([300.0, 700], 5000), 12.0, seed=2)
    for method in ("loglinear", "nls"):
        result = fit_adc(signal, B, mask=everywhere(signal), method=method)
        assert result.flags["noise_sd_from_misfit"] == pytest.approx(12, rel=0.03)


def test_averaged_images_weigh_more():
    """b = 0 measured once, the others nine times: the weights lower the scatter to its bound."""
    averages = np.array([1, 9, 9, 9, 9, 9])
    clean = blocks([600.0], 30000)
    rng = np.random.default_rng(3)
    signal = clean + 20 / np.sqrt(averages) * rng.normal(size=clean.shape)
    scatter = {
        weights: fit_adc(signal, B, averages=averages if weights else None).adc.std()
        for weights in (True, False)
    }
    bound = adc_standard_error(B, 600, S0 / 20, averages)
    assert scatter[True] == pytest.approx(bound, rel=0.03)
    assert scatter[False] > 1.2 * bound


# ---------------------------------------------------------------- noise floor


def test_rician_mean_and_its_slope():
    amplitude = np.array([0.0, 0.3, 1, 2, 5, 11.9, 12.1, 40])
    exact = np.sqrt(np.pi / 2) * hyp1f1(-0.5, 1, -(amplitude**2) / 2)
    np.testing.assert_allclose(rician_mean(amplitude, 1.0), exact, atol=2e-7)
    np.testing.assert_allclose(rician_mean(3 * amplitude, 3.0), 3 * exact, atol=1e-6)
    for value in (0.5, 3.0, 20.0):
        slope = _rician_mean_and_slope(np.array([value]), 1.0)[1][0]
        numeric = approx_fprime([value], lambda a: rician_mean(a, 1.0)[0], 1e-5)
        assert slope == pytest.approx(numeric[0], abs=1e-4)


def test_floor_is_fitted_left_out_or_marked(record):
    """At SNR 20 an ADC of 2000 has sunk below the noise at b = 2000."""
    b, sd = np.array([0.0, 250, 500, 1000, 1500, 2000]), 50.0
    signal = noisy(blocks([2000.0], 40000, b), sd, seed=4)
    mask = everywhere(signal)
    bias = {}
    for method in METHODS:
        for noise in (None, sd):
            result = fit_adc(signal, b, mask=mask, method=method, noise_sd=noise)
            bias[method, noise] = 100 * (np.nanmean(result.adc) / 2000 - 1)
            what = f"signal sinking into the floor, {method}"
            what += ", noise known: bias" if noise else ": bias"
            limit = "<= 2" if noise and method != "loglinear_unweighted" else "reported"
            record(SECTION, what, bias[method, noise], "%", limit)
            if noise is None:  # cannot be undone, so it must be seen
                assert result.quality.mean() < 0.2
                assert result.flags["voxels_at_floor"] > 0.8 * mask.sum()
                assert any("below 3 times the noise" in w for w in result.warnings)
            elif method != "nls":
                assert result.flags["samples_at_floor"] > 1.5 * mask.sum()
                assert any(
                    "below 3 times the noise and were not used" in w for w in result.warnings
                )
    assert abs(bias["nls", sd]) <= 2
    assert abs(bias["loglinear", sd]) <= 2
    assert bias["loglinear_unweighted", None] < -20
    assert bias["nls", None] < -2


def test_nothing_but_noise_is_marked():
    signal = noisy(np.zeros((30, 30, 2, B.size)), 10.0, seed=5)
    for method in ("loglinear", "nls"):
        result = fit_adc(signal, B, mask=everywhere(signal), method=method, noise_sd=10.0)
        # one voxel in some thousands has two samples above three times the noise by chance
        assert result.quality.mean() < 0.02
        assert result.warnings


def test_nls_finds_the_minimum_that_scipy_finds():
    sd = 60.0
    signal = noisy(blocks([300.0, 900, 1800], 8), sd, seed=6)
    u = B * 1e-6
    for noise in (None, sd):
        result = fit_adc(signal, B, mask=everywhere(signal), method="nls", noise_sd=noise)
        for index in np.ndindex(3, 8):

            def misfit(p, y=signal[(*index, 0)], noise=noise):
                model = p[0] * np.exp(-u * p[1])
                return y - (model if noise is None else rician_mean(model, noise))

            best = least_squares(misfit, [1000, 800], x_scale=[100, 100], xtol=1e-12)
            assert result.adc[(*index, 0)] == pytest.approx(best.x[1], abs=0.05)
            assert result.s0[(*index, 0)] == pytest.approx(best.x[0], abs=0.05)


# ---------------------------------------------------------------- what must not pass unseen


def test_samples_without_signal_are_left_out_and_counted():
    signal = blocks([300.0, 600, 900], 5)
    signal[0, 0, 0, 5] = 0
    signal[1, 1, 0, 4] = -3
    signal[2, 2, 0, 1:] = 0
    signal[2, 3, 0, 2] = np.nan
    for method in METHODS:
        result = fit_adc(signal, B, mask=everywhere(signal), method=method)
        assert result.adc[0, 0, 0] == pytest.approx(300, abs=0.01)
        assert result.adc[1, 1, 0] == pytest.approx(600, abs=0.01)
        assert np.isnan(result.adc[2, 2, 0]) and np.isnan(result.adc[2, 3, 0])
        assert result.quality[2, 2, 0] == result.quality[2, 3, 0] == 0
        assert result.flags["samples_not_positive"] == 7
        assert result.flags["voxels_undetermined"] == 1
        assert result.flags["voxels_not_finite"] == 1
        assert any("7 of 84 samples are zero or negative" in w for w in result.warnings)


def test_growing_signal_has_no_adc():
    signal = blocks([400.0], 6)
    signal[0, 2, 0] = signal[0, 2, 0, ::-1]
    for method in METHODS:
        result = fit_adc(signal, B, method=method)
        assert np.isnan(result.adc[0, 2, 0])
        assert result.quality[0, 2, 0] == 0
        assert result.flags["voxels_adc_negative"] == 1
        assert any("grows with b" in w and "biased upwards" in w for w in result.warnings)
        assert np.isfinite(result.adc).sum() == 5


def test_clipped_samples():
    signal = np.minimum(blocks([500.0, 1000], 4), 900)
    assert np.abs(fit_adc(signal, B).adc - [[[500]], [[1000]]]).max() > 10
    result = fit_adc(signal, B, saturation=900)
    assert np.abs(result.adc - [[[500]], [[1000]]]).max() < 0.01
    # b = 0 and b = 100 (951 and 905) of eight voxels
    assert result.flags["samples_saturated"] == 16
    assert any("largest value that the images can store" in w for w in result.warnings)


def test_more_than_water_and_misfit_are_marked():
    signal = np.concatenate([blocks([3000.0, 3600], 2), blocks([800.0], 2)])
    signal[2, 0, 0] = [1000, 300, 900, 250, 800, 200]
    result = fit_adc(signal, B, mask=everywhere(signal))
    np.testing.assert_array_equal(result.quality[:, :, 0], [[1, 1], [0, 0], [0, 1]])
    assert result.flags["voxels_adc_above_water"] == 2
    assert result.flags["voxels_high_residual"] == 1


def test_perfusion_is_told_and_can_be_left_out():
    b = np.array([0.0, 20, 50, 200, 400, 600, 800])
    signal = 0.9 * blocks([450.0], 3, b) + 0.1 * blocks([20000.0], 3, b)
    with_perfusion = fit_adc(signal, b)
    assert any("(0, 20, 50): the ADC includes perfusion" in w for w in with_perfusion.warnings)
    assert with_perfusion.adc.mean() > 550
    without = fit_adc(signal, b, b_range=(100, None))
    assert without.b_values == (200, 400, 600, 800)
    assert not any("perfusion" in w for w in without.warnings)
    assert without.adc.mean() == pytest.approx(450, abs=15)
    assert without.s0.mean() == pytest.approx(900, rel=0.02)
    assert fit_adc(signal, b, b_range=(None, 50)).b_values == (0, 20, 50)


def test_fat_that_is_not_suppressed_lowers_the_adc(record):
    b = np.array([50.0, 400, 900])
    for part in (0.1, 0.3):
        signal = (1 - part) * blocks([800.0], 2, b) + part * blocks([0.0], 2, b)
        error = fit_adc(signal, b).adc.mean() - 800
        what = f"{100 * part:g} % of the signal from unsuppressed fat, true ADC 800: error"
        record(SECTION, what, error, "um2/s", "reported: no fit can undo it")
        assert error < -800 * part


def test_doubtful_b_values_are_told():
    b = np.array([0.0, 1000, 2000])
    assert any("above 1500" in w for w in fit_adc(blocks([400.0], 2, b), b).warnings)
    b = np.array([0.0, 60])
    result = fit_adc(blocks([400.0], 2, b), b)
    assert any("ill-conditioned b-values" in w for w in result.warnings)
    assert any("noise is neither given nor to be seen" in w for w in result.warnings)
    quiet = np.array([100.0, 500, 900])
    assert fit_adc(blocks([400.0], 2, quiet), quiet).warnings == []


def test_background_is_left_out_and_a_mask_decides():
    signal = blocks([400.0, 900], 4)
    signal[0, :2] *= 0.01
    result = fit_adc(signal, B)
    assert np.isnan(result.adc[0, :2]).all() and np.isfinite(result.adc[0, 2:]).all()
    assert result.flags["voxels_background"] == 2
    mask = np.zeros((2, 4, 1), bool)
    mask[0, 1] = True
    masked = fit_adc(signal, B, mask=mask)
    np.testing.assert_array_equal(np.isfinite(masked.adc), mask)
    assert masked.adc[0, 1, 0] == pytest.approx(400, abs=0.01)


def test_result_depends_on_neither_scale_nor_neighbours():
    signal = noisy(blocks([300.0, 1200], 500), 30.0, seed=7).astype(np.float32)
    for method in METHODS:
        whole = fit_adc(signal, B, method=method, noise_sd=30.0)
        scaled = fit_adc(signal * 64, B, method=method, noise_sd=30.0 * 64)
        part = fit_adc(signal[:, 100:110], B, method=method, noise_sd=30.0)
        np.testing.assert_allclose(whole.adc, scaled.adc, rtol=1e-5)
        np.testing.assert_array_equal(whole.adc[:, 100:110], part.adc)


# ---------------------------------------------------------------- directions


def test_geometric_mean_of_directions_gives_their_mean_diffusion():
    directions = [blocks([level], 3) for level in (200.0, 500, 1400)]
    trace = geometric_mean(directions)
    assert trace.dtype == np.float32
    assert fit_adc(trace, B).adc.mean() == pytest.approx(700, abs=0.01)
    assert fit_adc(np.mean(directions, axis=0), B).adc.mean() < 650
    assert geometric_mean([np.array([4.0, 4, -1]), np.array([9.0, 0, 1])]).tolist() == [6, 0, 0]
    with pytest.raises(ValueError, match="no image"):
        geometric_mean([])


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("b", "b_range", "code"),
    [
        ([0, 0, 0], None, "too_few_b_values"),
        ([500, 505, 502], None, "too_few_b_values"),
        ([0, 500, 1000], (600, None), "too_few_b_values"),
        ([0, 500, 1000], (100, 400), "too_few_b_values"),
        ([0, -500, 1000], None, "invalid_b_values"),
        ([0, np.nan, 1000], None, "invalid_b_values"),
        ([0, 0.5, 1.0], None, "invalid_b_values"),
        ([0, 500], None, "shape_mismatch"),
    ],
)
def test_unusable_b_values(b, b_range, code):
    with pytest.raises(SubjectDataError) as caught:
        fit_adc(blocks([400.0], 2, np.array([0.0, 500, 1000])), b, b_range=b_range)
    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda s: (s[..., 0], None), "shape_mismatch"),
        (lambda s: (s, np.ones((3, 3, 3), bool)), "shape_mismatch"),
        (lambda s: (s + 0j, None), "not_magnitude"),
        (lambda s: (0 * s, None), "no_signal"),
        (lambda s: (s, np.zeros(s.shape[:3], bool)), "no_signal"),
    ],
)
def test_unusable_images(change, code):
    signal, mask = change(blocks([400.0], 2))
    with pytest.raises(SubjectDataError) as caught:
        fit_adc(signal, B, mask=mask)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "linear"}, "method must be one of loglinear"),
        ({"b_range": (800, 100)}, "ascend"),
        ({"noise_sd": 0.0}, "noise_sd must be positive"),
        ({"saturation": np.nan}, "saturation must be positive"),
        ({"averages": [1, 2]}, "averages must be 6 positive"),
        ({"averages": [1, 2, 3, 4, 5, 0]}, "averages must be 6 positive"),
    ],
)
def test_impossible_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        fit_adc(blocks([400.0], 2), B, **arguments)


# ---------------------------------------------------------------- speed


def test_speed(record):
    rng = np.random.default_rng(8)
    b = np.array([0.0, 50, 200, 400, 600, 800], np.float32)
    adc = rng.uniform(100, 2500, (256, 256, 40)).astype(np.float32)
    signal = 500 * np.exp(-adc[..., None] * b * np.float32(1e-6))
    signal += rng.normal(scale=10, size=(256, 256, 1, 6)).astype(np.float32)
    seconds = {}
    for method, slices in (("loglinear", 40), ("loglinear", 10), ("nls", 10)):
        part = signal[:, :, :slices]
        start = time.perf_counter()
        fit_adc(part, b, mask=everywhere(part), method=method)
        seconds[method, slices] = time.perf_counter() - start
    for (method, slices), value in seconds.items():
        record(SECTION, f"{method}, 256 x 256 x {slices} x 6: time", value, "s", "< 20")
        assert value < 20
