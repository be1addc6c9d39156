"""Which method each kind of MRI gets, what it says of itself, and marks of suspected swaps."""

from __future__ import annotations

import numpy as np
import pytest
from reference_object import add_readout_phase, block_object

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.mri.fat_water_maps import map_fat_water
from osteoflow.mri.made import UNITS
from osteoflow.mri.maps import METHODS, map_adc, map_t2
from osteoflow.mri.spectrum import load_fat_spectrum
from osteoflow.mri.swap_suspicion import swap_suspicion
from osteoflow.settings.mri import Mri

MARROW = load_fat_spectrum("bone_marrow")
AFFINE = np.diag([1.5, 1.5, 3.0, 1.0])
SIX = tuple((1.2 + 1.5 * np.arange(6)) * 1e-3)
TRUTH = block_object(3, 3, 100.0, np.linspace(5, 95, 4), np.array([40.0, 80.0]))
FRACTION = np.broadcast_to(TRUTH.pdff, TRUTH.field.shape)


def settings(**given):
    return Mri(**given).model_dump(mode="json")


def about(times, kind="complex", **more):
    stated = {"MagneticFieldStrength": 3.0, "ImagingFrequency": 127.732, "RepetitionTime": 0.012}
    return {"Kind": kind, "EchoTime": list(times), "FlipAngle": 3.0, **stated, **more}


def echoes(times=SIX, snr=200, truth=TRUTH):
    return truth.signal(np.array(times), 3.0, MARROW, snr=snr, seed=1)


def images(signal, phase=True):
    found = {"mag": Volume(np.abs(signal).astype(np.float32), AFFINE)}
    if phase:
        found["phase"] = Volume(np.angle(signal).astype(np.float32), AFFINE)
    return found


def error(maps, name="pdff"):
    return np.nanmean(np.abs(maps.images[name] - FRACTION))


def test_every_map_states_its_unit():
    signal = echoes()
    made = map_fat_water(images(signal), about(SIX), settings(in_phase_t2star=True))
    assert set(made.images) <= set(UNITS)
    assert {"pdff", "r2star", "t2star", "swap", "quality", "t2star_in_phase"} <= set(made.images)
    assert set(METHODS) == {"mri", "t2", "dwi"}


def test_the_method_follows_what_was_acquired():
    signal = echoes()
    made = map_fat_water(images(signal), about(SIX), settings())
    assert made.method.startswith("complex multi-peak fit, bone_marrow")
    assert error(made) < 1
    made = map_fat_water(images(signal, phase=False), about(SIX, "magnitude"), settings())
    assert made.method.startswith("magnitude-only")
    assert "field" not in made.images and "swap" not in made.images
    reliable = made.images["quality"] > 0
    assert np.abs(made.images["pdff"] - FRACTION)[reliable].mean() < 2
    # The study may ask for less than there is, never for more.
    asked = map_fat_water(images(signal), about(SIX), settings(fit="magnitude"))
    assert asked.method.startswith("magnitude-only")
    with pytest.raises(SubjectDataError) as refused:
        map_fat_water(images(signal, False), about(SIX, "magnitude"), settings(fit="complex"))
    assert refused.value.code == "mri_phase_missing"


def test_a_spoilt_first_echo_is_left_to_its_magnitude():
    spoilt = echoes()
    spoilt[..., 0] *= np.exp(0.4j)
    plain = map_fat_water(images(spoilt), about(SIX), settings(phase_sign="positive"))
    mixed = map_fat_water(images(spoilt), about(SIX), settings(fit="mixed"))
    assert mixed.method.startswith("mixed")
    assert error(mixed) < 1 < error(plain)


def test_a_mixed_fit_of_a_bipolar_readout():
    """Neither the phase of the readout nor that of the first echo biases it."""
    spoilt = add_readout_phase(echoes(), np.array([1.5, 1.5, 3.0]), 0.25, (0, 0, 0))
    made = map_fat_water(images(spoilt), about(SIX), settings(fit="mixed"))
    assert any("bipolar readout" in text for text in made.warnings)
    assert error(made) < 1
    untold = map_fat_water(images(spoilt), about(SIX), settings(fit="mixed", readout="monopolar"))
    assert not any("bipolar readout" in text for text in untold.warnings)
    with pytest.raises(SubjectDataError) as refused:
        map_fat_water(images(echoes()), about(SIX), settings(fit="mixed", magnitude_echoes=[7]))
    assert refused.value.code == "echo_missing"


@pytest.mark.parametrize("spoilt", [[1], [3]])
def test_a_mixed_fit_keeps_count_of_the_echoes_it_leaves_out(spoilt):
    """Without its third echo a train is read from the same side twice in a row; and a phase that
    varies in space counts from the image's first voxel, wherever the body begins."""
    eight = tuple((1.2 + 1.1 * np.arange(8)) * 1e-3)
    body = block_object(6, 3, 80.0, np.linspace(5, 95, 4), np.array([40.0, 80.0]))
    signal = np.zeros((40, 20, 3, 8), np.complex64)
    signal[9:33, 5:17] = body.signal(np.array(eight), 3.0, MARROW, snr=200, seed=1)
    signal = add_readout_phase(signal, np.array([1.5, 1.5, 3.0]), 0.1, (0.01, 0, 0))
    signal[..., spoilt[0] - 1] *= np.exp(0.4j)
    made = map_fat_water(
        images(signal), about(eight), settings(fit="mixed", magnitude_echoes=spoilt)
    )
    flags = made.about["Flags"]
    assert flags["readout_phase_i_rad_per_mm"] == pytest.approx(0.01, abs=5e-4)
    assert flags["readout_phase_offset_rad"] == pytest.approx(0.1, abs=0.02)
    error = made.images["pdff"][9:33, 5:17] - body.pdff
    assert np.abs(error.reshape(4, 6, 2, 6, 3).mean(axis=(1, 3, 4))).max() < 0.5


def test_settings_that_cannot_be_meant_are_refused():
    for wrong in ({"adc": {"b_min": 800, "b_max": 100}}, {"magnitude_echoes": [1, 1]}):
        with pytest.raises(ValueError, match="b_min must be below|an echo twice"):
            Mri(**wrong)


def test_bipolar_readout_is_told_in_the_sidecar():
    signal = add_readout_phase(echoes(), np.array([1.5, 1.5, 3.0]), 0.3, (0, 0, 0))
    made = map_fat_water(images(signal), about(SIX), settings())
    assert error(made) < 1
    assert made.about["Flags"]["readout_phase_offset_rad"] == pytest.approx(0.3, abs=0.01)
    assert any("bipolar readout" in text for text in made.warnings)


@pytest.mark.parametrize("phase", [True, False])
def test_two_points_are_a_signal_fat_fraction(phase):
    lean = block_object(3, 3, 30.0, np.linspace(5, 45, 4), np.array([40.0]))
    opposed, together = 1.15e-3, 2.30e-3
    signal = echoes((opposed, together), truth=lean)
    kind = about((opposed, together), "dixon")
    if phase:
        with pytest.raises(SubjectDataError) as refused:
            map_fat_water(images(signal), kind, settings(assumed_r2star=40.0))
        assert refused.value.code == "phase_sign_unknown"
    known = settings(assumed_r2star=40.0, phase_sign="positive")
    made = map_fat_water(images(signal, phase), kind, known)
    assert made.about.get("PhaseSign") == (1 if phase else None)
    assert "pdff" not in made.images
    assert "signal fat fraction, no PDFF" in made.method
    assert np.nanmean(np.abs(made.images["sff"] - lean.pdff)) < 2


def test_maps_of_the_scanner_are_taken_as_they_are():
    percent = Volume(FRACTION.astype(np.float32), AFFINE)
    kind = {"Kind": "scanner_maps"}
    with pytest.raises(SubjectDataError) as refused:
        map_fat_water({"scanner_pdff": percent}, kind, settings())
    assert refused.value.code == "pdff_scale_unknown"
    stated = settings(scanner_pdff_unit="permille")
    made = map_fat_water({"scanner_pdff": percent.like(10 * percent.data)}, kind, stated)
    np.testing.assert_allclose(made.images["pdff"], FRACTION, rtol=1e-5)
    assert any("as the scanner made it" in text for text in made.warnings)
    both = {"scanner_water": percent.like(100 - percent.data), "scanner_fat": percent}
    made = map_fat_water(both, kind, settings())
    assert "pdff" not in made.images
    np.testing.assert_allclose(made.images["sff"], FRACTION, rtol=1e-4)


def test_t1_bias_is_told_or_corrected():
    """At 10 degrees and 8 ms a true 40 % is read as 58 %; the signal here has the true one."""
    steep = about(SIX, FlipAngle=10.0, RepetitionTime=0.008)
    told = map_fat_water(images(echoes()), steep, settings())
    assert any(text.startswith("t1_bias:") for text in told.warnings)
    assert told.about["PredictedT1Bias"] > 10
    corrected = map_fat_water(images(echoes()), steep, settings(t1_bias="correct"))
    assert "corrected for T1" in corrected.method
    assert not any(text.startswith("t1_bias:") for text in corrected.warnings)
    middle = np.abs(FRACTION - 65) < 1
    assert np.nanmean((corrected.images["pdff"] - told.images["pdff"])[middle]) < -10
    unknown = {key: value for key, value in steep.items() if key != "FlipAngle"}
    with pytest.raises(SubjectDataError) as refused:
        map_fat_water(images(echoes()), unknown, settings(t1_bias="correct"))
    assert refused.value.code == "t1_bias_unknown"
    own = settings(t1_bias="correct", t1_water_ms=900.0, t1_fat_ms=900.0)
    equal = map_fat_water(images(echoes()), steep, own)
    np.testing.assert_allclose(equal.images["pdff"], told.images["pdff"], atol=1e-3)


def test_t2_and_adc_from_their_images():
    times = 0.01 * np.arange(1, 13)
    decay = 100 * np.exp(-times / 0.08)
    train = np.broadcast_to(decay, (4, 4, 2, 12)).astype(np.float32)
    made = map_t2({"mese": Volume(train, AFFINE)}, {"EchoTime": times.tolist()}, settings())
    assert np.nanmean(made.images["t2"]) == pytest.approx(80, rel=0.01)
    assert made.method == "extended phase graph fit of T2 and B1, 12 echoes"
    b_values = [0.0, 200.0, 800.0]
    weighted = np.broadcast_to(500 * np.exp(-np.array(b_values) * 0.42e-3), (4, 4, 2, 3))
    dwi = {"dwi": Volume(weighted.astype(np.float32), AFFINE)}
    made = map_adc(dwi, {"BValues": b_values}, settings())
    assert np.nanmean(made.images["adc"]) == pytest.approx(420, rel=1e-3)
    assert "b = 0, 200, 800 s/mm2" in made.method
    limited = map_adc(dwi, {"BValues": b_values}, settings(adc={"b_min": 100.0}))
    assert "b = 200, 800 s/mm2" in limited.method
    scanner = {"scanner_adc": Volume(np.full((4, 4, 2), 430.0), AFFINE)}
    made = map_adc(scanner, {}, settings())
    assert made.images["adc"].mean() == pytest.approx(430)
    assert any("as the scanner made it" in text for text in made.warnings)


# ---------------------------------------------------------------- suspected swaps


@pytest.mark.parametrize(("tesla", "period"), [(1.5, 1 / 1.6e-3), (3.0, 1 / 1.3e-3), (3.0, np.inf)])
def test_a_swapped_vertebra_is_suspicious_and_nothing_else(tesla, period):
    spacing = np.array([1.5, 1.5, 4.0])
    shape = (96, 96, 12)
    x, y, z = (np.indices(shape)[axis] * spacing[axis] for axis in range(3))
    field = 60 * np.sin(x / 60) + 40 * np.cos(y / 50) + 0.5 * z
    body = (x - 70) ** 2 + (y - 70) ** 2 < 66**2
    vertebra = (np.abs(x - 70) < 15) & (np.abs(y - 70) < 12) & (np.abs(z - 22) < 18)
    shift = 42.577 * tesla * 3.4
    swapped = field - np.where(vertebra, shift, 0)
    if np.isfinite(period):
        swapped = (swapped + period / 2) % period - period / 2
        field = (field + period / 2) % period - period / 2
    field[~body] = swapped[~body] = np.nan
    reliable = body.copy()
    sound = swap_suspicion(field, reliable, spacing, period, tesla)
    assert np.isnan(sound[~body]).all()
    assert np.nanmean(sound) < 0.001
    marked = swap_suspicion(swapped, reliable, spacing, period, tesla)
    assert marked[vertebra].mean() > 0.95
    assert marked[body & ~vertebra].mean() < 0.05


def test_echo_times_that_hide_swaps_give_no_marks():
    """2.3 ms apart at 3 T fat turns by a whole circle: a swap leaves the field as it is."""
    field = np.full((20, 20, 4), 30.0)
    spacing = np.array([1.5, 1.5, 3.0])
    marks = swap_suspicion(field, np.ones(field.shape), spacing, 1 / 2.3e-3, 3.0)
    assert np.isnan(marks).all()
    assert (swap_suspicion(field, np.ones(field.shape), spacing, 1 / 1.6e-3, 3.0) == 0).all()
