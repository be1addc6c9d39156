"""Units of phase: what headers name, what values bear out, and what is refused."""

import numpy as np
import pytest
from bad_inputs.reasons import excluded

from osteoflow.io.phase import phase_scale, steady_slice_sign

RNG = np.random.default_rng(3)
# Noise all around, and a body whose phase covers a part of the circle.
ANGLES = np.concatenate([RNG.uniform(-np.pi, np.pi, 20_000), RNG.normal(0.6, 0.4, 20_000)])
ANGLES = np.angle(np.exp(1j * ANGLES))


def header(**elements):
    return [elements] * 4


def levels(count, first):
    """Whole numbers, ``count`` to the circle, the middle one for phase 0."""
    steps = np.rint(ANGLES / (2 * np.pi) * count)
    return ((steps + count // 2) % count + first).astype(float)


def error(data, headers):
    off = phase_scale(data, headers).radians(data) - ANGLES
    return np.abs(np.angle(np.exp(1j * off))).max()


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("rad", 1.0), ("RADIANS", 1.0), ("mrad", 1e3), ("Degrees", 180 / np.pi), ("deg", 180 / np.pi)],
)
def test_units_named_by_the_rescale_type(unit, factor):
    found = phase_scale(ANGLES * factor, header(RescaleType=unit))
    assert not found.inferred
    assert found.warnings() == []
    assert error(ANGLES * factor, header(RescaleType=unit)) < 1e-5


def test_units_of_a_real_world_map_start_from_stored_values():
    """Shown = stored x 0.5 + 3; real-world = stored x 0.1 - 180 degrees."""
    stored = (np.degrees(ANGLES) + 180) / 0.1
    headers = header(
        RescaleSlope=0.5,
        RescaleIntercept=3.0,
        RealWorldValueSlope=0.1,
        RealWorldValueIntercept=-180.0,
        RealWorldValueUnit="deg",
    )
    assert error(stored * 0.5 + 3, headers) < 1e-5


def test_a_unit_that_the_values_contradict_is_refused():
    for unit in ("rad", "mrad"):
        data = ANGLES * 4000
        excluded(lambda d=data, u=unit: phase_scale(d, header(RescaleType=u)), "phase_unit_unknown")


def test_units_that_say_nothing_do_not_count():
    data = 2 * levels(4096, 0) - 4096
    pair = {"RescaleSlope": 2.0, "RescaleIntercept": -4096.0}
    assert "Siemens" in phase_scale(data, header(RescaleType="US", **pair)).source
    assert "Siemens" in phase_scale(data, header(RealWorldValueUnit="1", **pair)).source


def test_a_documented_rescaling_needs_no_evidence():
    """Two voxels suffice: the headers are as good as a unit."""
    data = np.array([-100.0, 512.0])
    siemens = phase_scale(data, header(RescaleSlope=2.0, RescaleIntercept=-4096.0))
    assert siemens.radians(data) == pytest.approx(data * np.pi / 4096, abs=1e-6)
    philips = phase_scale(data, header(RescaleSlope=1.5346, RescaleIntercept=-3142.0))
    assert philips.radians(data) == pytest.approx(data * np.pi / 3142, abs=1e-6)
    assert not siemens.inferred
    assert not philips.inferred


def test_fractions_of_a_circle_are_radians():
    assert error(ANGLES, header()) < 1e-6
    assert error(ANGLES % (2 * np.pi), header()) < 1e-6
    whole = np.rint(ANGLES)
    excluded(lambda: phase_scale(whole, header()), "phase_unit_unknown")


@pytest.mark.parametrize(
    ("data", "headers", "words"),
    [
        (np.rint(1000 * ANGLES), header(), "milliradians"),
        (levels(4096, 0), header(), "0 to 4095"),
        (levels(4096, -2048), header(), "-2048 to 2047"),
        (levels(2048, 0), header(), "0 to 2047"),
        (levels(65536, -32768), header(), "-32768 to 32767"),
        (levels(4096, 0) * 0.25 + 7, header(RescaleSlope=0.25, RescaleIntercept=7.0), "0 to 4095"),
    ],
)
def test_values_that_fill_a_circle(data, headers, words):
    found = phase_scale(data, headers)
    assert found.inferred
    assert words in found.source
    (warning,) = found.warnings()
    assert warning.startswith("phase_unit_inferred: the headers do not name the unit")
    assert error(data, headers) <= 1.01 * np.pi / (np.ptp(data) / headers[0].get("RescaleSlope", 1))


@pytest.mark.parametrize(
    "data",
    [
        np.floor(levels(4096, 0) * 0.75),  # 0 to 3071: no power of two
        levels(4096, 100),  # begins nowhere
        levels(128, 0),  # too coarse for any scanner
        np.clip(2 * levels(4096, 0) - 2048, 0, 4095),  # clipped at both ends
        np.abs(RNG.normal(0, 900, 50_000)).clip(0, 4095) // 1,  # a magnitude image
        RNG.normal(2048, 600, 50_000).clip(0, 4095) // 1,  # unwrapped: seldom at the ends
        np.rint(1000 * ANGLES) * 0.9,  # not quite milliradians
        np.full(1000, 4095.0),
        np.array([np.nan, np.nan]),
    ],
)
def test_values_that_do_not(data):
    excluded(lambda: phase_scale(data, header()), "phase_unit_unknown")


@pytest.mark.parametrize("first", [0, -2048])
def test_a_background_that_was_blanked_does_not_count(first):
    body = levels(4096, first)
    data = np.concatenate([body, np.zeros(3 * body.size)])
    found = phase_scale(data, header())
    assert found == phase_scale(body, header())


def test_slices_that_are_rescaled_differently_do_not_fill_a_circle_together():
    headers = [{"RescaleSlope": 1.0}, {"RescaleSlope": 2.0}]
    excluded(lambda: phase_scale(levels(4096, 0), headers), "phase_unit_unknown")


def test_voxels_without_a_number_do_not_decide():
    data = levels(4096, 0)
    data[:10] = np.nan
    found = phase_scale(data, header())
    assert np.isnan(found.radians(data)[:10]).all()


# ---------------------------------------------------------------- signs of slices


def stack(signs, noise=0.1, slope=0.3):
    """Two echoes of slices with a phase that runs on from slice to slice."""
    phase = slope * np.arange(len(signs))
    signal = np.exp(1j * phase)[None, None, :, None] * np.ones((8, 8, len(signs), 2))
    signal = signal * np.array(signs)[None, None, :, None]
    return signal + noise * (RNG.normal(size=signal.shape) + 1j * RNG.normal(size=signal.shape))


def test_alternating_signs_are_undone_in_all_echoes_alike():
    signal = stack([1, -1, 1, -1, 1])
    steady, (warning,) = steady_slice_sign(signal)
    assert warning.startswith("slice_sign_alternates")
    assert np.array_equal(np.abs(steady), np.abs(signal))
    steps = np.angle((steady[:, :, 1:] * steady[:, :, :-1].conj()).sum(axis=(0, 1)))
    assert steps == pytest.approx(0.3 * np.ones((4, 2)), abs=0.05)
    # Every echo of a voxel was turned alike.
    ratio = steady[..., 1] / steady[..., 0]
    assert ratio == pytest.approx(signal[..., 1] / signal[..., 0])


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.2, -0.8])
def test_other_phases_are_left_alone(slope):
    signal = stack([1] * 6, slope=slope)
    steady, warnings = steady_slice_sign(signal)
    assert steady is signal
    assert warnings == []


def test_noise_gaps_and_single_slices_have_no_sign():
    noise = RNG.normal(size=(8, 8, 6, 3)) + 1j * RNG.normal(size=(8, 8, 6, 3))
    assert steady_slice_sign(noise)[1] == []
    assert steady_slice_sign(noise[:, :, :1])[1] == []
    assert steady_slice_sign(np.zeros((4, 4, 4, 2), complex))[1] == []
    gaps = stack([1, -1, 1, -1])
    gaps[0, 0] = np.nan
    assert len(steady_slice_sign(gaps)[1]) == 1


def test_echoes_that_disagree_are_refused():
    signal = stack([1, -1, 1, -1, 1])
    signal[..., 1] = stack([1] * 5)[..., 1]
    error = excluded(lambda: steady_slice_sign(signal), "slice_signs_differ")
    assert "in 1 of 2 echoes" in error.message
