"""Each vendor's way of storing one signal: reading gives the signal, and the fit its PDFF."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_series import edit
from pydicom.uid import RLELossless
from bad_inputs.reasons import codes, excluded, look, warned
from reference_object import smooth_field
from vendor_dicom import (
    SPACING,
    VENDORS,
    Acquisition,
    ge_magnitude_phase,
    ge_real_imaginary,
    hitachi_classic,
    philips_classic,
    philips_enhanced,
    siemens_classic,
    siemens_xa,
    uih_classic,
)

from osteoflow.io.frames import frame_numbers, frames_text
from osteoflow.io.intake import load_multi_echo
from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.field_strength import true_field_strength
from osteoflow.mri.signal_model import simulate_signal
from osteoflow.mri.spectrum import load_fat_spectrum

MARROW = load_fat_spectrum("bone_marrow")
SHAPE = (30, 26, 5)
BLOCK = 10
SNR = 80
SECTION = "MRI: simulated vendor DICOM"
PDFF_LIMIT = 0.1  # percentage points, mean of a block


def make_acquisition(shape=SHAPE, n_echoes=6):
    """Blocks of 10, 40 and 80 % fat in noise; air on one side, as around a body."""
    pdff = np.repeat([10.0, 40.0, 80.0], BLOCK)[: shape[0], None, None] * np.ones(shape)
    inside = np.ones(shape) * (np.arange(shape[1]) < 16)[None, :, None]
    times = (1.3 + 1.0 * np.arange(n_echoes)) * 1e-3
    total = 900.0 * inside * np.exp(1j * 0.9)
    fat = total * pdff / 100
    field, r2star = smooth_field(shape, 60.0), np.full(shape, 60.0)
    tesla = 123.2 / 42.577478518
    signal = simulate_signal(total - fat, fat, field, r2star, times, tesla, MARROW)
    rng = np.random.default_rng(5)
    noise = rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape)
    return Acquisition(signal + noise * 900 / SNR, times)


@pytest.fixture(scope="module")
def acquisition():
    return make_acquisition()


def load(folder):
    """Complex signal as read, sidecar, warnings and the inventory entry."""
    entry = look(folder)
    assert codes(entry) == {}
    magnitude, phase, about, warnings = load_multi_echo(entry["mri"], folder)
    return magnitude, magnitude.data * np.exp(1j * phase.data), about, warnings, entry


def as_read(acquisition):
    """The signal in the order of the images read: rows run the other way."""
    return acquisition.signal[:, ::-1]


def pdff(signal, times, tesla):
    mask = np.abs(signal[..., 0]) > 300
    spacing = np.array([SPACING[1], SPACING[0], SPACING[2]])
    return fit_fat_water(
        signal.astype(np.complex64), times, tesla, spacing, MARROW, mask, phase_sign=1
    ).pdff


def blocks(image):
    """Means of the three blocks, inside."""
    rows = image[:, -16:] if np.isnan(image[:, :8]).all() else image[:, :16]
    return [np.nanmean(rows[i * BLOCK : (i + 1) * BLOCK]) for i in range(3)]


@pytest.fixture(scope="module")
def truth(acquisition):
    tesla = true_field_strength({"MagneticFieldStrength": 3, "ImagingFrequency": 123.2})[0]
    return blocks(pdff(as_read(acquisition), acquisition.echo_times, tesla))


def test_the_object_is_what_it_should_be(truth):
    assert truth == pytest.approx([10, 40, 80], abs=0.5)


@pytest.mark.parametrize("name", VENDORS)
def test_reading_gives_back_the_signal_and_its_fat_fraction(
    tmp_path, acquisition, truth, record, name
):
    written = VENDORS[name](tmp_path / "raw", acquisition)
    magnitude, signal, about, warnings, entry = load(tmp_path)
    assert magnitude.spacing == pytest.approx((SPACING[1], SPACING[0], SPACING[2]))
    assert about["EchoTime"] == pytest.approx(acquisition.echo_times, abs=1e-8)
    assert about["ImagingFrequency"] == pytest.approx(123.2)
    # A sign that alternated from slice to slice is known up to the sign of all.
    expected = as_read(acquisition)
    turned = np.sign(np.real(np.vdot(expected, signal)))
    assert turned == 1 or "slice_sign_alternates" in warned(warnings)
    read = turned * signal / written.gain
    error = np.abs(read - expected)
    allowed = written.largest_error(expected) + 2e-6 * np.abs(expected)
    assert (error <= allowed).all(), (error / allowed).max()
    record(SECTION, f"{name}: largest error over half a storage step", (error / allowed).max())

    # Phase and magnitude in the affine's place: first voxel of the first slice written.
    corner = np.linalg.inv(magnitude.affine) @ [-12.0, 20.0, 30.0, 1]
    assert corner[:3] == pytest.approx([0, SHAPE[1] - 1, 0], abs=1e-3)

    tesla = true_field_strength(about)[0]
    found = blocks(pdff(read, np.array(about["EchoTime"]), tesla))
    worst = np.abs(np.subtract(found, truth)).max()
    assert worst <= PDFF_LIMIT
    record(SECTION, f"{name}: PDFF against the fit of the signal", worst, "pp", f"<= {PDFF_LIMIT}")


def test_what_was_decided_is_told(tmp_path, acquisition):
    said = {}
    for name, write in VENDORS.items():
        folder = tmp_path / name
        write(folder / "raw", acquisition)
        _, _, about, warnings, _ = load(folder)
        said[name] = about["PhaseScaling"], about["SignalScaling"], warned(warnings)
    assert {name: found[2] for name, found in said.items() if found[2]} == {
        "GE, real and imaginary": ["slice_sign_alternates"],
        "GE, magnitude and phase": ["phase_unit_inferred", "slice_sign_alternates"],
        "UIH": ["phase_unit_inferred"],
        "Hitachi": ["phase_unit_inferred"],
    }
    for name, (phase, signal, _) in said.items():
        assert ("floating-point" in signal) == name.startswith("Philips"), name
        assert ("real and imaginary" in phase) == ("imaginary" in name), name
    assert "Siemens" in said["Siemens XA, enhanced"][0]
    assert "(Philips)" in said["Philips, enhanced"][0]
    assert "real-world" in said["Canon, enhanced, units stated"][0]
