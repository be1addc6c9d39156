"""Calibration in repeated cross-validation: curve, points and slope are of the same predictions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from osteoflow.manuscript.text.outcome_models import _without_counts
from osteoflow.models.calibration import calibration as recalibrate
from osteoflow.models.calibration import calibration_points, log_odds
from osteoflow.models.out_of_fold import CrossValidated
from osteoflow.models.performance import bootstrap_weights, cross_validated_performance
from osteoflow.models.repeated_calibration import mean_of_defined, repeated_points
from osteoflow.models.tables.predicted import calibration

N, REPEATS = 80, 4


def _validated(probability: np.ndarray, outcome: np.ndarray) -> CrossValidated:
    fold = np.tile(np.arange(len(outcome)) % 5, (len(probability), 1))
    cut = np.full(probability.shape, 0.5)
    return CrossValidated(outcome, fold, {"m": probability[:, :, None]}, {"m": cut})


def _noisy(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Repeats whose predictions disagree, as those of models of few participants do."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1, N)
    outcome = (rng.random(N) < expit(truth)).astype(float)
    return expit(truth + rng.normal(0, 1.5, (REPEATS, N))), outcome


def _results(probability: np.ndarray, outcome: np.ndarray, separated: int = 0):
    """Slope's row of the performance, and the table of calibration."""
    for repeat in range(separated):
        probability[repeat] = np.where(outcome == 1, 0.9, 0.1) + 0.001 * np.arange(N) / N
    validated = _validated(probability, outcome)
    weights = bootstrap_weights(np.arange(N), 60, np.random.default_rng(1))
    table = cross_validated_performance(validated, weights).set_index("metric")
    return table.loc["calibration_slope"], calibration(validated, None, weights)


def _slope_of(table) -> float:
    """Slope of the drawn curve on the scale of log odds."""
    curve = table[table["curve"] == "smooth"]
    x, y = log_odds(curve["predicted"]), log_odds(curve["observed"])
    slope, intercept = np.polyfit(x, y, 1)
    assert y == pytest.approx(intercept + slope * x, abs=1e-8)
    return float(slope)


def test_the_drawn_curve_has_the_printed_slope():
    probability, outcome = _noisy()
    row, table = _results(probability, outcome)
    each = [recalibrate(outcome, p).slope for p in probability]
    assert row["value"] == pytest.approx(np.mean(each), abs=1e-7)
    assert _slope_of(table) == pytest.approx(row["value"], abs=1e-8)
    # The ensemble of the repeats is another model.
    assert recalibrate(outcome, probability.mean(0)).slope > 1.3 * row["value"]
    points = table[table["curve"] == "points"].reset_index(drop=True)
    own = repeated_points(outcome, probability)
    np.testing.assert_allclose(points[own.columns], own, rtol=1e-12)
    curve = table[table["curve"] == "smooth"]
    assert (curve["ci_low"] <= curve["observed"]).all()
    assert (curve["observed"] <= curve["ci_high"]).all()
    ends = curve["predicted"].agg(["min", "max"]).to_numpy()
    assert ends == pytest.approx([probability.min(), probability.max()])


@pytest.mark.parametrize("separated", [1, 3])
def test_repeats_that_separate_are_left_out_and_told(separated):
    probability, outcome = _noisy()
    row, table = _results(probability, outcome, separated)
    each = [recalibrate(outcome, p).slope for p in probability[separated:]]
    assert row["value"] == pytest.approx(np.mean(each), abs=1e-7)
    assert _slope_of(table) == pytest.approx(row["value"], abs=1e-8)
    assert f"({REPEATS - separated} of {REPEATS} repeats defined)" in row["method"]
    assert "60 of 60 resamples defined in some repeats alone" in row["method"]
    assert row["ci_low"] < row["value"] < row["ci_high"]
    told = _without_counts(row["method"])
    assert told == (
        "mean over repeats of out-of-fold predictions, participant bootstrap, percentile limits"
    )


def test_without_any_slope_no_curve_is_drawn():
    probability, outcome = _noisy()
    row, table = _results(probability, outcome, REPEATS)
    assert np.isnan(row[["value", "ci_low", "ci_high"]].astype(float)).all()
    assert row["method"].endswith("not defined: predictions constant or separating the classes")
    assert set(table["curve"]) == {"points"}


def test_points_count_each_participant_once():
    probability, outcome = _noisy()
    points = repeated_points(outcome, probability)
    assert len(points) == N // 8
    assert points["n"].sum() == pytest.approx(N)
    assert (points["n"] * points["observed"]).sum() == pytest.approx(outcome.sum())
    assert (points["n"] * points["predicted"]).sum() == pytest.approx(
        probability.mean(axis=0).sum()
    )
    # Equal repeats say no more than one of them.
    same = repeated_points(outcome, np.tile(probability[0], (5, 1)))
    once = calibration_points(outcome, probability[0])
    np.testing.assert_allclose(same.to_numpy(), once.to_numpy(), rtol=1e-12)


def test_mean_of_what_is_defined():
    mean, n = mean_of_defined(np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]]))
    np.testing.assert_array_equal(mean, [2.0, 5.0, np.nan])
    assert n.tolist() == [2, 1, 0]
