"""Outcome checks, LASSO, logistic models, leakage, and one analysis from end to end."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from osteoflow.models.calibration import calibration, calibration_points, weighted_calibration
from osteoflow.models.clinical_design import ClinicalDesign
from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.dataset import assemble
from osteoflow.models.decision import net_benefit, treat_all
from osteoflow.models.filters import feature_filters
from osteoflow.models.folds import AnalysisError, stratified_folds
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.lasso import fit_path
from osteoflow.models.learners.sparse import SparseLearner
from osteoflow.models.logistic import fit_logistic, is_separated
from osteoflow.models.nomogram import Predictor, nomogram, pretty
from osteoflow.models.out_of_fold import CrossValidated, validated_measure
from osteoflow.models.outcome import check_predictors, defining_predictors, incorporation_bias
from osteoflow.models.performance import AUC, bootstrap_weights
from osteoflow.models.repeated import RepeatedFeatures
from osteoflow.models.set_aside import random_holdout
from osteoflow.models.signature import Signature
from osteoflow.models.transformers import (
    MedianImputer,
    NearZeroVariance,
    RedundancyFilter,
    ReliabilityFilter,
)
from osteoflow.models.validate import AnalysisResult, run_analysis
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.roc import auc
from osteoflow.statistics.sessions import one_row_per_participant


def _analysis(**changes: object) -> Analysis:
    settings = {
        "name": "low_density",
        "outcome": "vbmd_l1l2_mean < 95",
        "clinical": ["age", "sex"],
        "radiomics": {"image": "pdff"},
        "outer_folds": 3,
        "repeats": 2,
        "inner_folds": 3,
        "bootstraps": 200,
        "permutations": 0,
        "score_permutations": 0,
        "holdout_fraction": 0.3,
    }
    return Analysis.model_validate(settings | changes)


def _signature(names: list[str], readings=None, **options) -> Signature:
    """A LASSO signature with the usual filters."""
    data = SimpleNamespace(repeated=readings or {}, sites=None)
    return Signature(
        BinaryKind(), names, feature_filters(data, _analysis()), SparseLearner(fit_path), **options
    )


def _cohort(n: int = 40, p: int = 30, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Participants whose bone density shows in every fourth feature, a third rated twice."""
    rng = np.random.default_rng(seed)
    ids = [f"sub-{number:02d}" for number in range(n)]
    latent = rng.normal(size=n)
    participants = pd.DataFrame(
        {
            "participant_id": ids,
            "session": np.nan,
            "age": 65 + 8 * rng.normal(size=n) - 3 * latent,
            "sex": rng.choice(["F", "M"], n),
            "site": np.where(np.arange(n) % 3 == 0, "B", "A"),
            "vbmd_l1l2_mean": 98 + 15 * (latent + 0.5 * rng.normal(size=n)),
        }
    )
    signal = 1.5 * latent[:, None] * (np.arange(p) % 4 == 0)
    names = [f"original_firstorder_f{number}" for number in range(p)]
    first = pd.DataFrame(signal + rng.normal(size=(n, p)), columns=names)
    keys = {"participant_id": ids, "session": np.nan, "rater": 1, "image": "pdff", "flag": ""}
    first = first.assign(**keys, roi="L1-L4_trabecular", n_voxels=900)
    second = first.iloc[::3].copy()
    second["rater"] = 2
    second[names] += 0.2 * rng.normal(size=(len(second), p))
    second["original_firstorder_f1"] = rng.normal(size=len(second))
    return participants, pd.concat([first, second], ignore_index=True)


@pytest.fixture(scope="module")
def result() -> AnalysisResult:
    return run_analysis(*_cohort(90, 20), _analysis(), seed=3)


# --- outcome -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "refused"),
    [
        ("vbmd_l1l2_mean < 80", ["vbmd_l3_sd"]),
        ("hu_l1_mean < 110", ["hu_l1l2_mean"]),
        ("dxa_tscore <= -2.5", ["dxa_tscore", "t_score_hip"]),
        ("fracture", ["fracture"]),
        ("r2star_l1l2l3l4_mean > 80", ["t2star_l1_mean"]),
        ("lumbar_bmd < 0.8", ["dxa_tscore", "t_score_hip"]),
    ],
)
def test_predictors_that_define_the_outcome(outcome, refused):
    columns = [
        "age", "vbmd_l3_sd", "hu_l1l2_mean", "dxa_tscore", "t_score_hip", "fracture",
        "pdff_l1_mean", "t2star_l1_mean",
    ]  # fmt: skip
    assert defining_predictors(outcome, columns) == refused


def test_areal_bone_density_defines_a_dxa_outcome():
    areal = ["bmd", "lumbar_bmd", "bmd_total_hip", "aBMD_neck", "LS-BMD", "hip_bmd_g_cm2", "bmdhip"]
    others = ["vbmd_l1_mean", "qct_bmd_l1", "trabecular_vBMD", "bmi", "age"]
    assert defining_predictors("dxa_tscore <= -2.5", [*areal, *others]) == areal
    assert defining_predictors("vbmd_l1l2_mean < 80", [*areal, *others]) == others[:3]


def test_what_is_known_about_a_reference_test_is_not_its_result():
    about = ["dxa_interval_days", "dxa_site", "reference_interval_days", "menopause", "treatment"]
    assert defining_predictors("dxa_tscore <= -2.5", [*about, "dxa_hip"]) == ["dxa_hip"]
    assert defining_predictors("dxa_site == hip", ["dxa_site", "age"]) == ["dxa_site"]


def test_incorporation_bias_is_named():
    assert incorporation_bias("vbmd_l1l2_mean < 80", ["age"], ["pdff"]) == []
    found = incorporation_bias("vbmd_l1l2_mean < 80", ["hu_l1_mean"], ["ct"])
    assert len(found) == 2
    assert "hu_l1_mean" in found[0]
    assert "(ct)" in found[1]


def test_check_predictors_lists_all_mistakes():
    analysis = _analysis(
        clinical=["age", "vbmd_l1_mean", "sexx", "participant_id"],
        holdout_rule="vbmd_l1l2_mean > 100",
    )
    columns = ["participant_id", "age", "sex", "vbmd_l1_mean", "vbmd_l1l2_mean"]
    found = check_predictors(analysis, columns)
    assert len(found) == 4
    assert "did you mean 'sex'" in found[0]
    assert check_predictors(_analysis(), [*columns, "site"]) == []


def test_checks_import_nothing_heavy():
    code = (
        "import sys, osteoflow.models.outcome as o;"
        "print([m for m in ('numpy', 'pandas', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


# --- LASSO and logistic models -------------------------------------------------------------------


def _features(n: int, p: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) @ rng.normal(size=(4, p)) + rng.normal(size=(n, p))
    return X, (X[:, 0] + 2 * rng.normal(size=n) > 0).astype(float)


def test_path_meets_the_optimality_conditions():
    X, y = _features(25, 60, seed=1)
    path = fit_path(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    assert not path.coefficients[0].any()
    assert path.intercepts[0] == pytest.approx(np.log(y.mean() / (1 - y.mean())))
    for place in (5, 40, len(path.lambdas) - 1):
        b = path.coefficients[place] * X.std(axis=0)
        residual = y - expit(path.intercepts[place] + X @ path.coefficients[place])
        score, penalty = Z.T @ residual / len(y), path.lambdas[place]
        assert b.any()
        np.testing.assert_allclose(score[b != 0], penalty * np.sign(b[b != 0]), atol=2e-7)
        assert np.abs(score).max() <= penalty + 2e-7
        assert abs(residual.mean()) <= 2e-7


def test_path_equals_saga():
    X, y = _features(80, 12, seed=2)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    penalty = 0.03
    peer = LogisticRegression(
        l1_ratio=1.0, C=1 / (80 * penalty), solver="saga", tol=1e-10, max_iter=100_000
    ).fit(Z, y)
    own = fit_path(Z, y, np.array([penalty]))
    np.testing.assert_allclose(own.coefficients[0], peer.coef_[0], atol=1e-5)
    assert own.intercepts[0] == pytest.approx(peer.intercept_[0], abs=1e-5)


def test_path_without_features_and_with_constant_ones():
    y = np.array([0.0, 1, 1, 0, 1])
    assert fit_path(np.empty((5, 0)), y).coefficients.shape[1] == 0
    path = fit_path(np.column_stack([np.ones(5), y * 2 + np.arange(5) % 2]), y)
    assert not path.coefficients[:, 0].any()
    assert path.coefficients[-1, 1] > 0
    with pytest.raises(ValueError, match="events and non-events"):
        fit_path(np.eye(5), np.ones(5))


def test_firth_is_half_a_count_in_each_cell():
    # With one 0/1 predictor Firth's estimate is the log odds ratio after adding 1/2 to each cell.
    x = np.repeat([0.0, 1.0], [10, 8])
    y = np.concatenate([np.repeat([0.0, 1.0], [7, 3]), np.ones(8)])
    assert is_separated(np.column_stack([np.ones(18), x]), y)
    fit = fit_logistic(x[:, None], y)
    assert fit.method == "firth"
    assert fit.coefficients[0] == pytest.approx(np.log(8.5 / 0.5) - np.log(3.5 / 7.5), abs=1e-6)
    # FLIC: the mean prediction is the observed share.
    assert expit(fit.linear_predictor(x[:, None])).mean() == pytest.approx(11 / 18, abs=1e-9)


def test_logistic_leaves_out_columns_without_information():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 1))
    y = (x[:, 0] + rng.normal(size=50) > 0).astype(float)
    alone = fit_logistic(x, y)
    more = fit_logistic(np.column_stack([np.full(50, 7.0), x, 3 * x + 1]), y)
    assert more.dropped == (0, 2)
    assert more.coefficients == pytest.approx([0.0, alone.coefficients[0], 0.0], abs=1e-9)
    assert np.isnan(more.standard_errors[[1, 3]]).all()
    assert fit_logistic(np.empty((50, 0)), y).intercept == pytest.approx(
        np.log(y.mean() / (1 - y.mean()))
    )


def test_clinical_design():
    train = pd.DataFrame({"age": [60.0, np.nan, 70, 80], "sex": ["M", "F", "F", None]})
    design = ClinicalDesign(["age", "sex"]).fit(train)
    assert design.transform(train).to_numpy().tolist() == [[60, 1], [70, 0], [70, 0], [80, 0]]
    new = pd.DataFrame({"age": [50.0], "sex": ["X"]})
    assert design.transform(new).to_numpy().tolist() == [[50, 0]]
    assert design.unseen_levels(new) == ["sex=X"]
    assert design.n_missing_ == 2
    with pytest.raises(AnalysisError, match="'age' has no value in the training data"):
        ClinicalDesign(["age"]).fit(train.assign(age=np.nan))


def test_singular_information_is_a_reason(monkeypatch):
    X = pd.DataFrame({"age": np.arange(20.0)})
    y = (np.arange(20) % 3 == 0).astype(float)
    ColumnsModel(BinaryKind(), ["age"]).fit(X, y)
    monkeypatch.setattr(
        "osteoflow.models.logistic.information", lambda Z, beta: np.zeros((Z.shape[1],) * 2)
    )
    with pytest.raises(ArithmeticError, match="cannot be inverted"):
        fit_logistic(X, y)
    with pytest.raises(AnalysisError, match=r"clinical model \(age\): .* cannot be inverted"):
        ColumnsModel(BinaryKind(), ["age"]).fit(X, y)


# --- steps, folds, leakage -----------------------------------------------------------------------


def test_filters():
    rng = np.random.default_rng(4)
    X = pd.DataFrame(rng.normal(size=(40, 3)), columns=["a", "b", "c"])
    X["twin"] = -2 * X["a"] + 0.01 * rng.normal(size=40)
    kept = RedundancyFilter(0.9).fit(X).kept_
    assert len(kept) == 3
    assert {"b", "c"} < set(kept)
    X["flat"] = np.where(np.arange(40) < 39, 1.0, 2.0)
    X["empty"] = np.nan
    X.loc[0, "b"] = np.nan
    imputer = MedianImputer().fit(X)
    filled = imputer.transform(X)
    assert imputer.n_missing_ == 1
    assert filled.loc[0, "b"] == X["b"].median()
    assert NearZeroVariance().fit(filled).kept_ == ["a", "b", "c", "twin"]
    with pytest.raises(ValueError, match="not those"):
        imputer.transform(X[["b", "a", "c", "twin", "flat", "empty"]])


def rated(first, second, comparison="inter_rater"):
    """Two readings of the rows that the second one has."""
    return RepeatedFeatures(comparison, (first.loc[second.index, second.columns], second))


def test_reliability_filter_uses_the_rows_it_is_fitted_on():
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.normal(size=(20, 2)), columns=["good", "bad"])
    second = X.iloc[:12].assign(bad=rng.normal(size=12))
    step = ReliabilityFilter(rated(X, second), 0.75).fit(X)
    assert (step.kept_, step.n_pairs_, step.warning_) == (["good"], 12, "")
    few = ReliabilityFilter(rated(X, second), 0.75).fit(X.iloc[8:])
    assert (few.kept_, few.n_pairs_) == (["good", "bad"], 4)
    assert "only 4" in few.warning_


def test_reliability_filter_counts_finite_pairs_of_each_feature():
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.normal(size=(20, 3)), columns=["good", "bad", "sparse"])
    X["foreign"] = np.nan
    second = X.iloc[:12].assign(bad=rng.normal(size=12), sparse=rng.normal(size=12))
    second.loc[4:, "sparse"] = np.nan
    step = ReliabilityFilter(rated(X, second), 0.75).fit(X)
    assert (step.kept_, step.n_pairs_) == (["good", "sparse", "foreign"], 12)
    assert step.icc_.index.tolist() == ["good", "bad"]
    assert step.warning_.startswith("1 of 4 features were rated twice in fewer than 5")
    X.loc[4:, :] = np.nan
    none = ReliabilityFilter(rated(X, second), 0.75).fit(X)
    assert (len(none.kept_), none.n_pairs_) == (4, 4)
    assert "only 4 training rows" in none.warning_
    apart = ReliabilityFilter(rated(X, second), 0.75).fit(X.iloc[15:])
    assert (len(apart.kept_), apart.n_pairs_) == (4, 0)


def test_folds_keep_participants_together():
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(30), 2)
    outcome = np.repeat(np.arange(30) % 3 == 0, 2).astype(float)
    seen = np.zeros(60, dtype=int)
    for train, test in stratified_folds(BinaryKind(), outcome, groups, 5, rng):
        assert not set(groups[train]) & set(groups[test])
        assert outcome[test].sum() == 4
        seen[test] += 1
    assert (seen == 1).all()
    held = random_holdout(BinaryKind().strata(outcome, 5), groups, 0.3, rng)
    assert (outcome[held].sum(), (outcome[held] == 0).sum()) == (6, 12)
    assert not set(groups[held]) & set(groups[~held])
    with pytest.raises(AnalysisError, match="4 participants with events"):
        stratified_folds(BinaryKind(), np.repeat(np.arange(30) < 4, 2), groups, 5, rng)


def test_test_rows_never_reach_the_training_pipeline():
    """Poisoned test rows, of both raters, leave every fitted number as it was."""
    participants, features = _cohort(36, 20, seed=7)
    names = [name for name in features if name.startswith("original_")]
    first = features[features["rater"] == 1].set_index("participant_id")
    second = features[features["rater"] == 2].set_index("participant_id")[names]
    y = (participants["vbmd_l1l2_mean"] < 95).to_numpy(dtype=float)
    X = first[names].assign(age=participants["age"].to_numpy(), sex=participants["sex"].to_numpy())
    train, test = next(
        iter(stratified_folds(BinaryKind(), y, X.index, 3, np.random.default_rng(0)))
    )
    poisoned, poisoned_second = X.copy(), second.copy()
    poisoned.iloc[test, : len(names)] = 1e9
    poisoned_second.loc[second.index.isin(X.index[test])] = -1e9
    assert (poisoned_second != second).to_numpy().any()
    fits = []
    for table, again in ((X, second), (poisoned, poisoned_second)):
        readings = {
            "inter_rater": rated(table, again),
            "scan_rescan": rated(table, again + 0.01, "scan_rescan"),
        }
        signature = _signature(names, readings, inner_folds=3).fit(table.iloc[train], y[train])
        model = ColumnsModel(BinaryKind(), ["age", "sex"], "combined", signature)
        fits.append(model.fit(table.iloc[train], y[train]))
    a, b = fits
    assert a.signature.selected_
    assert a.signature.coefficients_.equals(b.signature.coefficients_)
    assert a.signature.cross_fitted_.equals(b.signature.cross_fitted_)
    np.testing.assert_array_equal(a.regression_.fit.coefficients, b.regression_.fit.coefficients)
    assert a.threshold_ == b.threshold_
    # The same holds inside: the inner folds' filters differ from those of all rows.
    steps = a.signature.filters_.named_steps
    assert steps["reliability"].n_pairs_ == second.index.isin(X.index[train]).sum()
    assert steps["reliability_scan_rescan"].n_pairs_ == steps["reliability"].n_pairs_


def test_cross_fitted_score_does_not_flatter():
    """In-sample Rad-scores separate the rows they were fitted on better than new rows."""
    rng = np.random.default_rng(10)
    X = pd.DataFrame(rng.normal(size=(60, 80)), columns=[f"f{i}" for i in range(80)])
    X[["f0", "f1", "f2", "f3"]] += 0.5 * np.tile([[1.0], [-1.0]], (30, 4))
    y = np.tile([1.0, 0.0], 30)
    model = _signature(list(X.columns)).fit(X, y)
    assert len(model.selected_) >= 3
    fresh = pd.DataFrame(rng.normal(size=(2000, 80)), columns=X.columns)
    fresh[["f0", "f1", "f2", "f3"]] += 0.5 * np.tile([[1.0], [-1.0]], (1000, 4))
    honest = auc(np.tile([1.0, 0.0], 1000), model.rad_score(fresh))
    in_sample, cross_fitted = auc(y, model.rad_score(X)), auc(y, model.cross_fitted_)
    assert in_sample > honest + 0.05
    assert abs(cross_fitted - honest) < 0.08


def test_empty_signature_is_a_constant():
    X = pd.DataFrame(np.ones((30, 4)), columns=list("abcd")).assign(age=np.arange(30.0))
    y = (np.arange(30) % 3 == 0).astype(float)
    signature = _signature(list("abcd")).fit(X, y)
    combined = ColumnsModel(BinaryKind(), ["age"], "combined", signature).fit(X, y)
    assert signature.selected_ == []
    np.testing.assert_allclose(signature.predict(X)[:, 0], 1 / 3)
    clinical = ColumnsModel(BinaryKind(), ["age"]).fit(X, y)
    np.testing.assert_allclose(combined.predict(X), clinical.predict(X))


# --- performance ---------------------------------------------------------------------------------


def test_weighted_measures_equal_repeated_rows():
    rng = np.random.default_rng(9)
    y = rng.permutation(np.repeat([0.0, 1.0], 15))
    p = expit(rng.normal(size=30) + y)
    fold = np.zeros((1, 30), dtype=int)
    data = CrossValidated(y, fold, {"m": p[None, :, None]}, {"m": np.full((1, 30), 0.5)})
    weights = bootstrap_weights(np.arange(30), 5, rng)
    assert (weights.sum(axis=1) == 30).all()
    found = validated_measure(data, "m", AUC, weights)
    slope, intercept = weighted_calibration(y, p, weights)
    for place, weight in enumerate(weights):
        rows = np.repeat(np.arange(30), weight.astype(int))
        assert found[place] == pytest.approx(auc(y[rows], p[rows]), abs=1e-12)
        peer = calibration(y[rows], p[rows])
        assert slope[place] == pytest.approx(peer.slope, abs=1e-6)
        assert intercept[place] == pytest.approx(peer.intercept, abs=1e-6)


def test_bootstrap_draws_participants_whole():
    weights = bootstrap_weights(np.array(["a", "b", "a", "c"]), 50, np.random.default_rng(0))
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_calibration_of_separating_and_constant_predictions():
    y = np.array([0.0, 0, 1, 1])
    assert np.isnan(calibration(y, [0.1, 0.2, 0.8, 0.9]).slope)
    flat = calibration(y, np.full(4, 0.2))
    assert np.isnan(flat.slope)
    assert flat.intercept == pytest.approx(np.log(4))
    points = calibration_points(y, np.full(4, 0.2))
    assert points[["predicted", "observed", "n"]].to_numpy().tolist() == [[0.2, 0.5, 4]]


def test_net_benefit_and_prevalence():
    y, p = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.3, 0.6, 0.1])
    assert net_benefit(y, p, [0.5]) == pytest.approx([0.25 - 0.25])
    assert net_benefit(y, p, [0.2], prevalence=0.1) == pytest.approx([0.1 - 0.5 * 0.9 / 4])
    assert net_benefit(y, np.ones(4), [0.3]) == pytest.approx(treat_all(0.5, [0.3]))


def test_nomogram_returns_the_models_probabilities():
    found = nomogram(
        -4.0,
        [
            Predictor("age", "Age", "y", 0.05, [41, 44, 47, 52, 55, 58, 63, 66, 71, 77, 84]),
            Predictor("sex", "Sex", effects={"F": 0.0, "M": -0.7}),
        ],
    )
    scale, zero = found["points_per_linear_predictor"], found["linear_predictor_at_zero_points"]
    points = {t["value"]: t["points"] for t in found["predictors"][0]["ticks"]}
    assert min(points) == 40
    assert max(points) == 85
    assert points[85] == pytest.approx(100.0)
    women = {t["level"]: t["points"] for t in found["predictors"][1]["ticks"]}["F"]
    linear = -4.0 + 0.05 * 60
    assert zero + (points[60] + women) / scale == pytest.approx(linear)
    with pytest.raises(ValueError, match="no predictor has an effect"):
        nomogram(0.0, [Predictor("sex", "Sex", effects={"F": 0.0, "M": 0.0})])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (18, 81, (15, 85, 15)),
        (0.04, 2.07, (0, 2.2, 12)),
        (0, 287, (0, 300, 7)),
        (-3, -3, (-3, -3, 1)),
    ],
)
def test_pretty(low, high, expected):
    ticks = pretty(low, high)
    assert (ticks[0], ticks[-1], len(ticks)) == expected


# --- one analysis --------------------------------------------------------------------------------


def test_tables_of_an_analysis(result):
    assert set(result.tables) == {
        "predictions", "performance", "comparisons", "selection", "filters", "coefficients",
        "lasso_path", "lasso_cv", "calibration", "decision_curve", "roc", "nomogram_points",
        "nomogram_calibration", "signature", "classification", "reclassification", "nested",
        "optimism", "permutations", "permuted_scores", "sample_size", "performance_by_site",
    }  # fmt: skip
    predictions = result.tables["predictions"]
    train = set(predictions.loc[predictions["set"] == "cv", "participant_id"])
    held = set(predictions.loc[predictions["set"] == "holdout", "participant_id"])
    assert not train & held
    assert (len(train), len(held)) == (63, 27)
    counts = predictions[predictions["set"] == "cv"].groupby(["model", "participant_id"]).size()
    assert (counts == 2).all()

    performance = result.tables["performance"].set_index(["model", "set", "metric"])
    rows = predictions[(predictions["set"] == "holdout") & (predictions["model"] == "combined")]
    found = performance.loc[("combined", "holdout", "auc"), "value"]
    assert found == pytest.approx(auc(rows["outcome"], rows["probability"]))
    folds = predictions[(predictions["set"] == "cv") & (predictions["model"] == "radiomics")]
    areas = [auc(f["outcome"], f["probability"]) for _, f in folds.groupby(["repeat", "fold"])]
    cv = performance.loc[("radiomics", "cv", "auc")]
    assert cv["value"] == pytest.approx(np.mean(areas))
    assert cv["ci_low"] < cv["value"] < cv["ci_high"]
    assert 0.75 < cv["value"] < 0.95
    roc = result.tables["roc"]
    curve = roc[(roc["set"] == "holdout") & (roc["model"] == "combined")]
    assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(found)

    called = result.tables["classification"].set_index(["model", "set"])
    row = called.loc[("combined", "holdout")]
    right = row["true_positive"] / (row["true_positive"] + row["false_negative"])
    assert right == performance.loc[("combined", "holdout", "sensitivity"), "value"]
    names = ["true_positive", "false_positive", "false_negative", "true_negative"]
    assert (
        row[names].sum() == 27 and (called.loc[("combined", "cv")][names].sum(axis=1) == 63).all()
    )

    filters = result.tables["filters"]
    assert filters["step"].tolist()[0] == "reliability"
    assert filters["n_in"].tolist()[1:] == filters["n_out"].tolist()[:-1]
    selection = result.tables["selection"].set_index("feature")
    assert selection.loc["original_firstorder_f1", "icc_low"] < 0.75
    assert selection.loc["original_firstorder_f1", "frequency"] == 0
    assert (selection["coefficient"] != 0).sum() == filters["n_out"].iloc[-1]


def test_documents_of_an_analysis(result):
    summary = result.documents["summary"]
    assert (summary["n"], summary["n_holdout"]) == (90, 27)
    assert summary["radiomics"]["roi"] == "L1-L4_trabecular"
    assert summary["incorporation_bias"] is False
    assert any("candidate parameters" in sentence for sentence in summary["warnings"])
    # A participant's points give the probability that the final combined model gave.
    chart = result.documents["nomogram"]
    coefficients = result.tables["coefficients"].set_index(["model", "term"])["coefficient"]
    assert chart["intercept"] == coefficients[("combined", "intercept")]
    assert chart["coefficients"]["rad_score"] == coefficients[("combined", "rad_score")]


def test_results_do_not_depend_on_the_order_of_rows(result):
    participants, features = _cohort(90, 20)
    shuffled = features.sample(frac=1, random_state=1)
    again = run_analysis(participants.iloc[::-1], shuffled, _analysis(), seed=3)
    for name, table in result.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name], check_exact=True)
    assert again.documents == result.documents


def test_exclusions_and_incorporation_bias_are_told():
    participants, features = _cohort()
    participants.loc[0, "vbmd_l1l2_mean"] = np.nan
    features = features[features["participant_id"] != "sub-05"]
    features = features.assign(image="vbmd")
    analysis = _analysis(radiomics={"image": "vbmd"}, holdout_rule="site == B", repeats=1)
    found = run_analysis(participants, features, analysis, seed=1).documents["summary"]
    assert [item["participant_id"] for item in found["excluded"]] == ["sub-00", "sub-05"]
    assert "is missing" in found["excluded"][0]["reason"]
    assert found["n_holdout"] == 13
    assert found["incorporation_bias"] is True
    assert "incorporation bias" in found["warnings"][0]
    assert any("no model of vBMD or HU alone" in text for text in found["warnings"])
    assert "no such mean is declared" in found["methods"]["baselines"]


def test_participants_count_once():
    """A second session of everybody, put after the first, changes nothing but what is told."""
    participants, features = _cohort(60, 8)
    participants["session"], features["session"] = "1", "1"
    again_people = participants.assign(session="2", vbmd_l1l2_mean=50.0)
    again_features = features.assign(session="2")
    # Later sessions may come before other participants' first ones.
    people = pd.concat([participants.iloc[:5], again_people.iloc[:40], participants.iloc[5:]])
    kept, warnings = one_row_per_participant(people)
    assert kept["session"].tolist() == ["1"] * 5 + ["2"] * 35 + ["1"] * 20
    people = pd.concat([participants, again_people.iloc[:40]])
    analysis = _analysis(repeats=1)
    alone = run_analysis(participants, features, analysis, seed=2)
    both = run_analysis(people, pd.concat([again_features, features]), analysis, seed=2)
    for name, table in alone.tables.items():
        pd.testing.assert_frame_equal(table, both.tables[name], check_exact=True)
    summary = both.documents["summary"]
    assert (summary["n"], summary["n_participants"]) == (60, 60)
    assert summary["excluded"][0] == {
        "participant_id": "sub-00",
        "reason": "session 2 is not used: each participant counts once, with session 1",
    }
    assert len(summary["excluded"]) == 40
    assert any("40 rows of 40 participants were left out" in s for s in summary["warnings"])
    assert not any("left out" in s for s in alone.documents["summary"]["warnings"])


def test_incomplete_regions_are_not_modelled():
    participants, features = _cohort(60, 8)
    # sub-03 is rated by both: the first rater's region lacks levels; of sub-06 the second's.
    lacks = (features["participant_id"] == "sub-03") & (features["rater"] == 1)
    features.loc[lacks, "flag"] = "few_voxels;missing:L2+L3"
    lacks = (features["participant_id"] == "sub-06") & (features["rater"] == 2)
    features.loc[lacks, "flag"] = "missing:L4"
    features.loc[features["participant_id"] == "sub-09", "flag"] = "few_voxels"
    features["original_firstorder_other"] = np.nan
    features.loc[0, "original_firstorder_f2"] = np.inf
    data = assemble(participants, features, _analysis())
    assert data.excluded == [
        {
            "participant_id": "sub-03",
            "reason": "region L1-L4_trabecular lacks levels L2, L3 in image pdff",
        }
    ]
    assert len(data.table) == 59 and "sub-03" not in data.groups
    assert [len(frame) for frame in data.repeated["inter_rater"].readings] == [18, 18]
    assert data.warnings == [
        "1 feature rows in use are flagged: few_voxels",
        "1 feature rows of the second rater lack levels of region L1-L4_trabecular or a partner "
        "and were not used",
    ]
    assert data.features == [f"original_firstorder_f{number}" for number in range(8)]
    assert np.isnan(data.table.iloc[0]["original_firstorder_f2"])
    features.loc[features["rater"] == 1, "flag"] = "missing:L1"
    with pytest.raises(AnalysisError, match="lacks level L1 in image pdff: 60"):
        assemble(participants, features, _analysis())
    participants.loc[0, "age"] = np.inf
    with pytest.raises(AnalysisError, match="'age' has infinite values"):
        assemble(*(participants, _cohort(60, 8)[1]), _analysis())


def test_features_must_be_reliable_in_every_comparison_declared():
    participants, features = _cohort(80, 6)
    rng = np.random.default_rng(11)
    names = [name for name in features if name.startswith("original_")]
    first = features[features["rater"] == 1]
    outlined = first.iloc[:30].assign(reading=2)
    outlined["original_firstorder_f1"] = rng.normal(size=30)
    scanned = first.iloc[20:60].assign(session="2")
    scanned["original_firstorder_f2"] = rng.normal(size=40)
    sessions = pd.concat([participants.assign(session="1"), scanned[["participant_id", "session"]]])
    cohort = [first.assign(session="1", reading=1), outlined.assign(session="1")]
    table = pd.concat([*cohort, scanned.assign(reading=1)], ignore_index=True)
    both = ["intra_rater", "scan_rescan"]
    analysis = _analysis(radiomics={"image": "pdff", "reliability": both}, repeats=1)
    result = run_analysis(sessions, table, analysis, 1, repeat_sessions=[["1", "2"]])
    steps = result.tables["filters"].set_index("step")
    assert steps.loc["reliability", ["n_in", "n_out"]].tolist() == [len(names), len(names) - 1]
    assert steps.loc["reliability_scan_rescan", "n_out"] == len(names) - 2
    selection = result.tables["selection"].set_index("feature")
    assert selection.loc["original_firstorder_f1", "icc_low"] < 0.75
    words = result.documents["summary"]["methods"]["reliability"]
    assert "repeated outlines of one rater, and between repeated scans" in words
    data = assemble(sessions, table, analysis, None, [["1", "2"]])
    second = data.repeated["scan_rescan"].readings[1]
    assert second.index[0] == "sub-20|1" and len(second) == 40
    alone = run_analysis(participants, first, analysis, 1)
    assert any("no repeated scans" in text for text in alone.documents["summary"]["warnings"])


def test_a_reliability_set_is_never_modelled():
    """Its participants decide on features alone: their outcome changes nothing."""
    participants, features = _cohort(180, 8)
    participants["part"] = np.where(np.arange(180) % 3 == 0, "retest", "main")
    again = features[features["rater"] == 1].assign(rater=2)
    again["original_firstorder_f3"] = 0.0
    table = pd.concat([features[features["rater"] == 1], again], ignore_index=True)
    radiomics = {"image": "pdff", "reliability_set": "part == retest"}
    analysis = _analysis(radiomics=radiomics, repeats=1)
    data = assemble(participants, table, analysis)
    apart = set(participants.loc[participants["part"] == "retest", "participant_id"])
    assert not apart & set(data.groups) and len(data.groups) == 120
    assert {row["participant_id"] for row in data.excluded} == apart
    assert set(data.repeated["inter_rater"].readings[0].index) == {f"{name}|" for name in apart}
    found = run_analysis(participants, table, analysis, 1)
    assert found.tables["selection"].set_index("feature")["icc"].notna().all()
    assert found.tables["filters"]["n_out"].iloc[0] == 7
    changed = participants.copy()
    rows = changed["part"] == "retest"
    changed.loc[rows, ["vbmd_l1l2_mean", "age"]] = [-5.0, 200.0]
    other = run_analysis(changed, table, analysis, 1)
    pd.testing.assert_frame_equal(found.tables["predictions"], other.tables["predictions"])
    problems = check_predictors(
        _analysis(radiomics={"image": "pdff", "reliability_set": "vbmd_l1l2_mean < 70"})
    )
    assert any("must be blind to it" in text for text in problems)
    with pytest.raises(AnalysisError, match="names nobody"):
        assemble(participants.assign(part="main"), table, analysis)


def test_without_holdout_and_second_rater():
    participants, features = _cohort()
    features = features[features["rater"] == 1]
    found = run_analysis(participants, features, _analysis(holdout_fraction=0.0, repeats=1), 1)
    assert set(found.tables["performance"]["set"]) == {"cv"}
    assert found.tables["comparisons"]["p"].isna().all()
    assert found.tables["selection"]["icc"].isna().all()
    assert any("no second rater" in item for item in found.documents["summary"]["warnings"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcome": "vbmd_l1l2_mean < 70"}, "in the hold-out|do not suffice"),
        ({"outcome": "vbmd_l1l2_mean < -1"}, "one class only"),
        ({"clinical": ["age", "vbmd_l1l2_mean"]}, "defines the outcome"),
        ({"clinical": ["age", "empty"]}, "'empty' has no value in the training data"),
        ({"clinical": ["height"]}, "unknown column 'height'"),
        ({"radiomics": {"image": "ct"}}, "no radiomic features of image 'ct'"),
        ({"holdout_rule": "site == C"}, "names nobody"),
        ({"outer_folds": 20}, "do not suffice for 20 folds"),
    ],
)
def test_impossible_analyses_have_a_reason(changes, words):
    with pytest.raises(AnalysisError, match=words):
        participants, features = _cohort()
        run_analysis(participants.assign(empty=np.nan), features, _analysis(**changes), seed=1)
