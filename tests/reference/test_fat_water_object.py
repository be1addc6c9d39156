"""The fat-water fit on digital reference objects, setting by setting, as the limits demand.

Field strengths, echo spacings, numbers of echoes, noise, either sign of the phase and bipolar
readouts; then objects whose truth violates the fitted model, whose errors are reported apart.
SNR is the signal at echo time zero over the standard deviation of one real channel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reference_object import (
    add_readout_phase,
    block_means,
    block_object,
    swaps,
)
from scipy import ndimage

from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.signal_model import pdff_standard_error
from osteoflow.mri.spectrum import load_fat_spectrum

SPACING = np.array([1.5, 1.5, 3.0])
MARROW = load_fat_spectrum("bone_marrow")
EDGE, SLICES = 12, 6
PDFF = np.linspace(0, 100, 6)
R2STAR = np.linspace(20, 250, 5)
FIELD_HZ = 350.0
SETTINGS = [
    (tesla, step, count)
    for tesla in (1.5, 3.0)
    for step in (1.0, 1.3, 1.6, 2.0)
    for count in (6, 12)
]
# Of every three settings one has a bipolar readout; signs of the phase alternate.
BIPOLAR = {(1.5, 1.0, 12), (1.5, 1.6, 6), (1.5, 2.0, 12), (3.0, 1.3, 6), (3.0, 1.6, 12)}
SECTION = "MRI: digital reference object, fields to +-350 Hz"


def echoes(step_ms, count, first_ms=1.2):
    return (first_ms + step_ms * np.arange(count)) * 1e-3


def block_errors(times, tesla, snr):
    """Standard error of each block's mean for the best possible estimator."""
    voxels = EDGE * EDGE * SLICES
    bound = [[pdff_standard_error(times, tesla, MARROW, f, r, snr) for r in R2STAR] for f in PDFF]
    return np.array(bound) / np.sqrt(voxels)


def name(tesla, step, count):
    kind = ", bipolar" if (tesla, step, count) in BIPOLAR else ""
    return f"{tesla:g} T, {count} echoes, dTE {step:g} ms{kind}"


@pytest.mark.parametrize(("tesla", "step", "count"), SETTINGS)
def test_every_setting(tesla, step, count, record):
    truth = block_object(EDGE, SLICES, FIELD_HZ, PDFF, R2STAR)
    times = echoes(step, count)
    bipolar = (tesla, step, count) in BIPOLAR
    sign = 1 if (count + round(step * 10)) % 2 else -1
    setting = name(tesla, step, count)
    for snr in (None, 100, 50, 30):
        signal = truth.signal(times, tesla, MARROW, snr=snr, seed=7)
        if bipolar:
            signal = add_readout_phase(signal, SPACING, 0.25, (0.015, 0, 0))
        signal = (signal if sign > 0 else signal.conj()).astype(np.complex64)
        result = fit_fat_water(signal, times, tesla, SPACING, MARROW)
        assert result.phase_sign == sign
        assert any("bipolar" in warning for warning in result.warnings) == bipolar
        wrong = swaps(result, truth, bipolar)
        if snr is None:
            worst = np.abs(result.pdff - truth.pdff).max()
            record(SECTION, f"{setting}, noiseless: largest PDFF error", worst, "pp", "<= 0.1")
            assert worst <= 0.1
            assert wrong == 0
            continue
        blocks = np.abs(block_means(np.nan_to_num(result.pdff - truth.pdff), EDGE))
        rate = block_means(np.nan_to_num(result.r2star - truth.r2star), EDGE)
        error = block_errors(times, tesla, snr)
        flagged = any("ill-conditioned" in warning for warning in result.warnings)
        assert flagged == (tesla == 3.0 and step == 2.0)
        # 0.3 points at SNR 100. Beyond, and where the echo times are flagged, what noise allows:
        # of 30 blocks of an unbiased map the worst lies within 3.5 standard errors. Flagged echo
        # times with more noise give single wrong voxels, which are reported without a limit.
        limit = np.maximum(0.3, 3.5 * error if snr < 100 or flagged else 0)
        where = f"{setting}, SNR {snr}"
        told = "flagged; " if flagged else ""
        open_end = flagged and snr < 100
        allowed = "flagged, no limit" if open_end else f"{told}<= {limit.max():.2f}"
        swapped = "flagged, no limit" if open_end else "0"
        record(SECTION, f"{where}: worst block's PDFF error", blocks.max(), "pp", allowed)
        record(SECTION, f"{where}: swapped voxels of {truth.pdff.size}", wrong, "", swapped)
        if open_end:
            assert wrong <= 0.005 * truth.pdff.size
            continue
        assert (blocks <= limit).all()
        # at R2* 250 1/s and SNR 30 the last echoes hold nothing but noise
        assert wrong <= (1 if snr == 30 else 0)
        if snr == 100:
            slope, intercept = np.polyfit(truth.pdff.ravel(), result.pdff.ravel(), 1)
            record(SECTION, f"{where}: slope", slope, "", "0.96-1.02")
            record(SECTION, f"{where}: intercept", intercept, "pp", "-0.56 to 1.13")
            assert 0.96 <= slope <= 1.02
            assert -0.56 <= intercept <= 1.13
            half = np.abs(rate[2:4]).max()
            record(SECTION, f"{where}: R2* bias at 40 and 60 % fat", half, "1/s", "<= 2")
            assert half <= 2.0


@pytest.mark.parametrize("tesla", [1.5, 3.0])
def test_r2star_at_snr_20(tesla, record):
    truth = block_object(24, SLICES, 100.0, np.array([0.0, 50.0, 100.0]), np.array([100.0]))
    times = echoes(1.3, 6)
    signal = truth.signal(times, tesla, MARROW, snr=20, seed=5)
    result = fit_fat_water(signal, times, tesla, SPACING, MARROW)
    ratio = 100 * (block_means(result.r2star, 24)[:, 0] / 100.0 - 1)
    what = f"R2* 100 1/s at SNR 20, {tesla:g} T: worst of 0, 50 and 100 % fat"
    record(SECTION, what, ratio[np.abs(ratio).argmax()], "%", "+-3")
    assert np.abs(ratio).max() <= 3.0


@pytest.mark.parametrize(
    ("tesla", "step", "levels"),
    [
        (1.5, 1.6, (30, 50, 70)),
        (1.5, 2.0, (30, 50, 70)),
        (3.0, 1.0, (30, 50, 70)),
        (3.0, 2.0, (50,)),
    ],
)
def test_three_echoes_against_the_bound(tesla, step, levels, record):
    """R2* near its prior: the bias of the mean stays within what the setting can tell at all."""
    rates = np.array(levels, dtype=float)
    truth = block_object(EDGE, SLICES, 150.0, PDFF, rates)
    times = echoes(step, 3)
    result = fit_fat_water(
        truth.signal(times, tesla, MARROW, snr=100, seed=3), times, tesla, SPACING, MARROW,
        phase_sign=1,
    )  # fmt: skip
    assert any("three echoes do not determine R2*" in warning for warning in result.warnings)
    flagged = any("ill-conditioned" in warning for warning in result.warnings)
    assert flagged == (tesla == 3.0 and step == 2.0)
    error = np.array(
        [[pdff_standard_error(times, tesla, MARROW, f, r, 100) for r in rates] for f in PDFF]
    )
    bias = np.abs(block_means(result.pdff - truth.pdff, EDGE))
    worst = (bias / error).max()
    what = (
        f"3 echoes, {tesla:g} T, dTE {step:g} ms, SNR 100: largest bias over the Cramer-Rao bound"
    )
    record(SECTION, what, worst, "SE of a voxel", ("flagged; " if flagged else "") + "<= 2")
    assert worst <= 2.0


# ---------------------------------------------------------------- truth that violates the model

VIOLATED = "MRI: truth that violates the fitted model (no limits)"


def plain(truth, times, tesla, spectrum=MARROW):
    return truth.signal(times, tesla, spectrum)


def liver_spectrum(truth, times, tesla):
    return plain(truth, times, tesla, load_fat_spectrum("liver_hamilton"))


def ismrm_spectrum(truth, times, tesla):
    return plain(truth, times, tesla, load_fat_spectrum("ismrm"))


def fat_decays_faster(truth, times, tesla):
    """R2* of fat 30 1/s above that of water."""
    none = np.zeros_like(truth.pdff)
    share = truth.pdff / 100
    water = replace(truth, pdff=none, amplitude=truth.amplitude * (1 - share))
    fat = replace(
        truth, pdff=none + 100, amplitude=truth.amplitude * share, r2star=truth.r2star + 30
    )
    return plain(water, times, tesla) + plain(fat, times, tesla)


def eddy_current_phase(truth, times, tesla):
    """The first echo's phase is off by 0.15 rad."""
    signal = plain(truth, times, tesla)
    signal[..., 0] *= np.exp(0.15j)
    return signal


def field_gradient(truth, times, tesla):
    """The field varies by 30 Hz within a voxel: a sinc in place of an exponential."""
    return plain(truth, times, tesla) * np.sinc(30.0 * times)


def partial_volume(truth, times, tesla):
    """Voxels at the blocks' edges hold two tissues."""
    signal = plain(truth, times, tesla)
    parts = (signal.real, signal.imag)
    real, imag = (ndimage.uniform_filter(part, (2, 2, 1, 1)) for part in parts)
    return real + 1j * imag


def correlated_noise(truth, times, tesla):
    """Noise at SNR 100 with neighbours correlated, as interpolation to a finer matrix makes it."""
    rng = np.random.default_rng(9)
    signal = plain(truth, times, tesla)
    for part in (1, 1j):
        noise = ndimage.gaussian_filter(rng.normal(size=signal.shape), (0.8, 0.8, 0, 0))
        signal = signal + part * noise / noise.std() / 100
    return signal


VIOLATIONS = (
    liver_spectrum,
    ismrm_spectrum,
    fat_decays_faster,
    eddy_current_phase,
    field_gradient,
    partial_volume,
    correlated_noise,
)


@pytest.mark.parametrize("tesla", [1.5, 3.0])
@pytest.mark.parametrize("violation", VIOLATIONS)
def test_violated_model(violation, tesla, record):
    truth = block_object(EDGE, 2, 150.0, PDFF, np.array([30.0, 90.0, 150.0]))
    times = echoes(1.3, 6)
    result = fit_fat_water(violation(truth, times, tesla), times, tesla, SPACING, MARROW)
    assert result.phase_sign == 1
    blocks = block_means(result.pdff - truth.pdff, EDGE)
    rates = block_means(result.r2star - truth.r2star, EDGE)
    what = f"{violation.__name__.replace('_', ' ')}, {tesla:g} T"
    worst = blocks.ravel()[np.abs(blocks).argmax()]
    record(VIOLATED, f"{what}: worst block's PDFF error", worst, "pp")
    record(
        VIOLATED, f"{what}: worst block's R2* error", rates.ravel()[np.abs(rates).argmax()], "1/s"
    )
    # no swap, and never taken for a bipolar readout
    assert np.abs(blocks).max() < 12
    assert not any("bipolar" in warning for warning in result.warnings)
