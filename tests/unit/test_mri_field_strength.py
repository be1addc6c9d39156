"""The true field, and what taking the nominal one would cost."""

import numpy as np
import pytest

from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.field_strength import true_field_strength
from osteoflow.mri.signal_model import simulate_signal
from osteoflow.mri.spectrum import load_fat_spectrum


def test_imaging_frequency_gives_the_true_field():
    tesla, warnings = true_field_strength({"MagneticFieldStrength": 3, "ImagingFrequency": 123.2})
    assert tesla == pytest.approx(2.8936, abs=1e-4)
    assert warnings == []


@pytest.mark.parametrize("frequency", [None, 51.7])
def test_without_a_plausible_frequency_the_nominal_field_is_taken_and_told(frequency):
    acquisition = {"MagneticFieldStrength": 3.0, "ImagingFrequency": frequency}
    tesla, (warning,) = true_field_strength(acquisition)
    assert tesla == 3.0
    assert warning.startswith("imaging_frequency_")


def test_the_nominal_field_would_bias_r2star():
    """Why it matters: fat at 2.894 T fitted as at 3 T."""
    times = np.array([1.2, 3.2, 5.2, 7.2, 9.2, 11.2]) * 1e-3
    spectrum = load_fat_spectrum("bone_marrow")
    signal = simulate_signal(0.6 + 0j, 0.4 + 0j, 20.0, 60.0, times, 2.8936, spectrum)
    volume = np.broadcast_to(signal, (4, 4, 2, 6)).astype(np.complex64)
    spacing = np.array([1.5, 1.5, 3.0])
    right = fit_fat_water(volume, times, 2.8936, spacing, spectrum, phase_sign=1)
    wrong = fit_fat_water(volume, times, 3.0, spacing, spectrum, phase_sign=1)
    assert np.abs(right.r2star - 60).max() < 0.1
    assert np.abs(right.pdff - 40).max() < 0.05
    assert np.abs(wrong.r2star - 60).min() > 10
