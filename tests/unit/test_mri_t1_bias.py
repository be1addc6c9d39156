"""T1 bias of fat fractions: predicted, told and corrected."""

from __future__ import annotations

import numpy as np
import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.mri.t1_bias import (
    MARROW_T1,
    MarrowT1,
    apparent_pdff,
    check_t1_bias,
    correct_pdff,
    fat_weight,
    marrow_t1,
    predicted_bias,
)

SECTION = "MRI: T1 bias"
TR = 8e-3


@pytest.mark.parametrize(("flip_angle", "reads"), [(3, 43.5), (10, 58.0)])
def test_true_40_percent_reads_more(flip_angle, reads, record):
    apparent = float(apparent_pdff(40.0, TR, flip_angle, marrow_t1(3.0)))
    what = f"true 40 % at 3 T, TR 8 ms, flip angle {flip_angle} degrees reads"
    record(SECTION, what, apparent, "%", f"{reads} +- 0.1")
    assert apparent == pytest.approx(reads, abs=0.1)
    assert predicted_bias(TR, flip_angle, marrow_t1(3.0)) == pytest.approx(apparent - 40)


def test_weight_is_that_of_a_simulated_steady_state():
    """Pulses and recovery, repeated until nothing changes: no formula of the module is used."""
    t1 = MarrowT1(1.2, 0.3)
    angle = np.deg2rad(15)
    signals = []
    for time in (t1.water, t1.fat):
        magnetisation = 1.0
        for _ in range(5000):
            transverse = magnetisation * np.sin(angle)
            magnetisation = 1 + (magnetisation * np.cos(angle) - 1) * np.exp(-TR / time)
        signals.append(transverse)
    assert fat_weight(TR, 15, t1) == pytest.approx(signals[1] / signals[0], rel=1e-9)


def test_correction_inverts_the_prediction_and_keeps_noise_and_gaps():
    t1 = marrow_t1(3.0)
    true = np.array([-8.0, 0, 1, 20, 40, 75, 99, 100, 106, np.nan])
    for flip_angle in (3, 10, 25):
        apparent = apparent_pdff(true, TR, flip_angle, t1)
        np.testing.assert_allclose(correct_pdff(apparent, TR, flip_angle, t1), true, atol=1e-9)
    assert apparent[1] == 0 and apparent[7] == pytest.approx(100)
    pixels = np.full((2, 3, 4), 58.0, np.float32)
    corrected = correct_pdff(pixels, TR, 10, t1)
    assert corrected.dtype == np.float32 and corrected.shape == pixels.shape
    np.testing.assert_allclose(corrected, 40, atol=0.1)
    # integers are no reason to round
    assert correct_pdff(np.array([58]), TR, 10, t1)[0] == pytest.approx(40.0, abs=0.1)
    # far outside 0..100 % there is no true fraction behind a value
    assert np.isnan(correct_pdff(np.array([250.0]), TR, 10, t1)).all()


def test_flip_angle_maps_correct_for_b1():
    t1 = marrow_t1(3.0)
    b1 = np.linspace(0.7, 1.2, 12).reshape(3, 4)
    apparent = apparent_pdff(np.full((3, 4), 35.0), TR, 8 * b1, t1)
    assert np.ptp(apparent) > 5
    np.testing.assert_allclose(correct_pdff(apparent, TR, 8 * b1, t1), 35, atol=1e-9)


def test_wrong_t1_leaves_part_of_the_bias(record):
    """What a correction is worth when marrow's T1 is off by a quarter."""
    table = marrow_t1(3.0)
    for flip_angle in (3, 10):
        left = []
        for water in (0.75, 1.25):
            for fat in (0.75, 1.25):
                person = MarrowT1(table.water * water, table.fat * fat)
                apparent = apparent_pdff(40.0, TR, flip_angle, person)
                left.append(float(correct_pdff(apparent, TR, flip_angle, table)) - 40)
        worst = max(map(abs, left))
        what = (
            f"corrected at {flip_angle} degrees with T1 of water and fat off by 25 %: worst error"
        )
        uncorrected = float(predicted_bias(TR, flip_angle, table))
        record(SECTION, what, worst, "pp", f"< half of the uncorrected {uncorrected:.1f}")
        assert worst < uncorrected / 2


def test_low_flip_angle_is_silent_and_high_one_is_told():
    bias, warnings = check_t1_bias(TR, 1.5, 3.0)
    assert 0 < bias < 1.5 and warnings == []
    bias, (warning,) = check_t1_bias(TR, 10, 3.0)
    assert bias == pytest.approx(18.0, abs=0.1)
    assert warning.startswith("t1_bias:") and "58.0 %" in warning
    # the study's own T1 replaces the table
    own, _ = check_t1_bias(TR, 10, 3.0, MarrowT1(0.9, 0.35))
    assert own < bias - 3
    assert check_t1_bias(0.2, 10, 1.5)[1] == []


@pytest.mark.parametrize(
    ("repetition_time", "flip_angle", "tesla", "told"),
    [(None, 3, 3, "repetition time"), (TR, None, 3, "flip angle"), (TR, 3, 0.55, "0.55 T")],
)
def test_bias_that_cannot_be_told_is_said_to_be_unknown(repetition_time, flip_angle, tesla, told):
    bias, (warning,) = check_t1_bias(repetition_time, flip_angle, tesla)
    assert np.isnan(bias)
    assert warning.startswith("t1_bias_unknown:") and told in warning


def test_table_covers_what_magnets_are_called():
    assert marrow_t1(2.8936) is MARROW_T1[3.0]
    assert marrow_t1(1.494) is MARROW_T1[1.5]
    assert MARROW_T1[1.5].water < MARROW_T1[3.0].water
    with pytest.raises(SubjectDataError) as error:
        marrow_t1(7.0)
    assert error.value.code == "t1_unknown"


@pytest.mark.parametrize(
    ("repetition_time", "flip_angle", "code"),
    [
        (8.0, 3, "invalid_repetition_time"),
        (0.0, 3, "invalid_repetition_time"),
        (np.nan, 3, "invalid_repetition_time"),
        (TR, 0, "invalid_flip_angle"),
        (TR, np.array([3, 190]), "invalid_flip_angle"),
    ],
)
def test_impossible_protocols_are_refused(repetition_time, flip_angle, code):
    with pytest.raises(SubjectDataError) as error:
        fat_weight(repetition_time, flip_angle, marrow_t1(3.0))
    assert error.value.code == code and error.value.hint


def test_t1_in_milliseconds_is_a_mistake():
    with pytest.raises(ValueError, match="T1 of water must be a time in s"):
        MarrowT1(1336, 0.375)
    with pytest.raises(ValueError, match="T1 of fat"):
        MarrowT1(1.3, -0.1)
