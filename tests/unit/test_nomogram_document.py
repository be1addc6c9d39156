"""The nomogram's document, its table of points, its probabilities and its calibration."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from nomogram_models import combined_model, training_rows
from scipy.special import expit
from sklearn.pipeline import Pipeline

from osteoflow.io.volume import write_json
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.lasso import fit_path
from osteoflow.models.learners.sparse import SparseLearner
from osteoflow.models.logistic import fit_logistic
from osteoflow.models.nomogram_calibration import (
    bootstrap_calibration,
    calibrate_on,
    lowess,
    participant_resamples,
)
from osteoflow.models.nomogram_document import (
    nomogram_document,
    nomogram_results,
    points_table,
    predict,
)
from osteoflow.models.signature import Signature
from osteoflow.models.tables.signature import signature_table
from osteoflow.models.transformers import RedundancyFilter, Standardiser
from osteoflow.statistics.intervals import Z95


@pytest.fixture(scope="module", params=[False, True], ids=["ml", "firth"])
def fitted(request):
    table, outcome, scores = training_rows(separated=request.param)
    model = combined_model(table, outcome, scores)
    assert model.regression_.fit.method == ("firth" if request.param else "ml")
    return model, table, outcome, scores, nomogram_document(model, table, {"age": "Age (years)"})


def test_document_gives_the_models_probability_and_wald_interval(fitted, tmp_path):
    model, table, _, _, document = fitted
    write_json(tmp_path / "n.json", document)
    document = json.loads((tmp_path / "n.json").read_text())
    fit, design = model.regression_.fit, model.design(table).to_numpy()
    eta = fit.linear_predictor(design)
    # The textbook's form, from the covariance of the uncentred coefficients.
    Z = np.column_stack([np.ones(len(design)), design])
    plain = np.sqrt(np.einsum("ij,jk,ik->i", Z, fit.covariance, Z))
    error = fit.linear_predictor_error(design)
    assert error == pytest.approx(plain, rel=1e-6)
    for i in range(0, len(table), 13):
        values = table.iloc[i].to_dict() | {"rad_score": model.signature.cross_fitted_.iloc[i]}
        found = predict(document, values)
        expected = expit([eta[i], eta[i] - Z95 * error[i], eta[i] + Z95 * error[i]])
        assert (found.probability, found.low, found.high) == pytest.approx(expected, abs=1e-9)
        start = document["linear_predictor_at_zero_points"]
        per_unit = document["points_per_linear_predictor"]
        assert start + found.total_points / per_unit == pytest.approx(eta[i], abs=1e-8)


def test_centred_error_stands_far_from_zero():
    """A year such as 2,026 with a spread of days: variances must not cancel."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=80)
    y = (rng.random(80) < expit(x)).astype(float)
    near, far = fit_logistic(x[:, None], y), fit_logistic(x[:, None] * 1e-3 + 1e5, y)
    errors = near.linear_predictor_error(x[:, None])
    assert far.linear_predictor_error(x[:, None] * 1e-3 + 1e5) == pytest.approx(errors, rel=1e-5)


def test_predictors_keep_what_was_observed(fitted):
    _, table, _, scores, document = fitted
    axes = {axis["name"]: axis for axis in document["predictors"]}
    assert axes["age"]["observed"] == {
        "min": table["age"].min(),
        "max": table["age"].max(),
        "integer": True,
    }
    assert axes["rad_score"]["observed"]["max"] == scores.max()
    assert not axes["bmi"]["observed"]["integer"] and "observed" not in axes["site"]
    assert "cross-fitted" in axes["rad_score"]["source"]
    with pytest.raises(ValueError, match="'Z' is no category of 'site'"):
        predict(document, {"age": 70, "bmi": 25, "dose": 2e6, "density": 4e-7, "site": "Z"})
    with pytest.raises(ValueError, match="'age' is missing"):
        predict(document, {})


def test_a_dropped_column_has_no_axis_and_no_covariance():
    table, outcome, scores = training_rows()
    table["twice"] = 2 * table["age"]
    model = combined_model(table, outcome, scores)
    document = nomogram_document(model, table, {})
    assert "twice" not in [axis["name"] for axis in document["predictors"]]
    linear = document["linear_model"]
    assert len(linear["covariance"]) == len(linear["terms"]) + 1 == 7 + 1
    assert np.isfinite(linear["covariance"]).all()


def test_points_table_is_the_nomogram(fitted):
    *_, document = fitted
    table = points_table(document)
    parts = table.groupby("part")
    sites = table[table["predictor"] == "site"].set_index("value")["points"]
    assert set(sites.index) == {"A", "B", "Centre C"} and sites.min() == 0
    assert table.loc[table["part"] == "predictor", "points"].max() == pytest.approx(100)
    per_unit = document["points_per_linear_predictor"]
    for part in ("probability", "total"):
        rows = parts.get_group(part)
        line = document["linear_predictor_at_zero_points"] + rows["total_points"] / per_unit
        assert rows["probability"].to_numpy(float) == pytest.approx(expit(line), abs=1e-12)
    assert (parts.get_group("total")["total_points"] % 5 == 0).all()
    assert {0.1, 0.5} <= set(parts.get_group("probability")["probability"])
    assert points_table(None).empty


def test_signature_is_the_rad_scores_formula():
    rng = np.random.default_rng(4)
    names = [f"original_firstorder_f{i}" for i in range(12)]
    table = pd.DataFrame(rng.normal(50, 9, (120, 12)), columns=names)
    log_odds = 0.15 * (table[names[0]] - 50) - 0.12 * (table[names[3]] - 50)
    outcome = (rng.random(120) < expit(log_odds)).astype(float)
    filters = Pipeline([("scaling", Standardiser()), ("redundancy", RedundancyFilter(0.9))])
    model = Signature(BinaryKind(), names, filters, SparseLearner(fit_path), seed=1).fit(
        table, outcome
    )
    found = signature_table(model).set_index("term")
    assert {names[0], names[3]} <= set(found.index) == {"intercept", *model.selected_}
    rows = found.drop(index="intercept")
    scaled = (table[rows.index] - rows["mean"]) / rows["sd"]
    score = found.loc["intercept", "coefficient"] + scaled @ rows["coefficient"]
    assert score.to_numpy() == pytest.approx(model.rad_score(table).to_numpy(), abs=1e-12)


def test_results_are_repeatable_and_calibrated(fitted):
    model, table, outcome, _, _ = fitted
    groups = np.arange(len(table))
    runs = [
        nomogram_results(model, table, outcome, groups, {}, 30, np.random.default_rng(1))
        for _ in range(2)
    ]
    first, second = runs[0][1]["nomogram_calibration"], runs[1][1]["nomogram_calibration"]
    pd.testing.assert_frame_equal(first, second)
    found = runs[0][0]["calibration"]
    assert found["resamples"] == 30 and found["failed"] == 0 and found["n"] == len(table)
    assert found["penalised"] == (30 if model.regression_.fit.method == "firth" else 0)
    assert 0 < found["mean_absolute_error"] <= found["error_90"] < 0.25


def test_correction_moves_an_overfitted_curve_towards_the_mean():
    """Noise predictors: the apparent curve lies on the diagonal, the corrected one is flatter."""
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(80, 12)), (rng.random(80) < 0.5).astype(float)
    found = bootstrap_calibration(X, y, np.arange(80), 60, rng)
    curve = found.curve
    slopes = [np.polyfit(curve["predicted"], curve[k], 1)[0] for k in ("apparent", "corrected")]
    assert slopes[0] > 1 and slopes[1] < slopes[0] - 0.3
    assert np.allclose(curve["corrected"], curve["apparent"] - curve["optimism"])


def test_too_few_or_constant_predictions_give_no_curve():
    for X, y in ((np.arange(8.0), np.arange(8) % 2), (np.ones(40), np.arange(40) % 2)):
        found = calibrate_on(X[:, None], y.astype(float), [np.arange(len(y))])
        assert found.curve.empty and np.isnan(found.mean_absolute_error)


def test_a_resample_with_one_class_is_counted():
    rng = np.random.default_rng(2)
    x = rng.normal(size=60)
    y = (rng.random(60) < expit(x)).astype(float)
    resamples = [np.flatnonzero(y == 1), rng.integers(60, size=60)]
    found = calibrate_on(x[:, None], y, resamples)
    assert (found.failed, found.resamples) == (1, 2)
    assert found.curve["n_resamples"].max() == 1


def test_participants_are_drawn_with_all_their_rows():
    groups = np.array(["a", "b", "b", "c", "c", "c"])
    for rows in participant_resamples(groups, 20, np.random.default_rng(0)):
        counts = np.bincount(rows, minlength=6)
        assert counts[1] == counts[2] and counts[3] == counts[4] == counts[5]
        assert counts[0] + counts[1] + counts[3] == 3


def test_lowess_is_a_line_through_points_on_a_line():
    x = np.array([0.1, 0.9, 0.4, 0.4, 0.7, 0.2, 0.3])
    distinct, fitted = lowess(x, 2 * x - 0.3)
    assert list(distinct) == sorted(set(x))
    assert fitted == pytest.approx(2 * distinct - 0.3)
    assert np.isnan(lowess(np.ones(4), np.arange(4))[1]).all()
