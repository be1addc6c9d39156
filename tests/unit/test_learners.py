"""Learners of radiomic models: tuning in inner folds, probabilities, leakage, odd data."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from osteoflow.models.filters import feature_filters
from osteoflow.models.folded import FoldedFeatures, InnerFold
from osteoflow.models.folds import stratified_folds
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.learners import LEARNERS, gradient_boosting, make_learner, random_forest, svm
from osteoflow.models.learners.logistic import LogisticLearner, fit_ridge
from osteoflow.models.learners.of_events import constant_log_odds
from osteoflow.models.signature import Signature
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.roc import auc


def _analysis(**radiomics) -> Analysis:
    return Analysis(name="a", outcome="fracture", radiomics={"image": "vbmd", **radiomics})


def _model(names, learner: str, inner_folds: int = 3, readings=None, **radiomics):
    analysis = _analysis(learners=[learner], **radiomics)
    data = SimpleNamespace(repeated=readings or {}, sites=None)
    filters = feature_filters(data, analysis)
    return Signature(
        BinaryKind(), names, filters, make_learner(learner, analysis, 5), inner_folds, seed=2
    )


def _data(n: int = 90, p: int = 25, effect: float = 1.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0.0, 1.0], [n - n // 3, n // 3]))
    X = rng.normal(size=(n, p))
    X[:, :3] += effect * y[:, None]
    return pd.DataFrame(X, columns=[f"f{place}" for place in range(p)]), y


@pytest.fixture(autouse=True)
def _small_forest(monkeypatch):
    """Fewer trees: what is tested does not hang on their number."""
    monkeypatch.setattr(random_forest, "N_TREES", 20)


@pytest.mark.parametrize("learner", LEARNERS)
def test_signal_is_found_and_probabilities_are_sensible(learner, record):
    X, y = _data(150, effect=1.2)
    fresh, outcome = _data(1500, effect=1.2, seed=1)
    model = _model(list(X.columns), learner).fit(X, y)
    probability = model.predict(fresh)[:, 0]
    area = auc(outcome, probability)
    record(
        "Models: learners on 150 rows, 3 of 25 features 1.2 SD apart",
        f"{learner}: AUC on new rows",
        area,
        "",
        ">= 0.80",
    )
    assert area >= 0.80
    assert abs(auc(y, model.cross_fitted_) - area) < 0.1
    # Platt's line comes from machines of fewer rows, whose decision values spread less.
    assert abs(probability.mean() - 1 / 3) < (0.12 if learner == "svm" else 0.08)
    assert ((probability > 0) & (probability < 1)).all()
    called = probability >= model.threshold_
    assert called[outcome == 1].mean() + (~called)[outcome == 0].mean() > 1.35


@pytest.mark.parametrize("learner", LEARNERS)
def test_noise_gives_no_area(learner):
    found = []
    for seed in range(3):
        X, y = _data(60, 40, effect=0.0, seed=seed)
        fresh, outcome = _data(400, 40, effect=0.0, seed=100 + seed)
        model = _model(list(X.columns), learner).fit(X, y)
        found.append(auc(outcome, model.predict(fresh)[:, 0]))
        assert abs(auc(y, model.cross_fitted_) - 0.5) < 0.3
    assert abs(np.mean(found) - 0.5) < 0.06


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_same_again_and_no_word_of_test_rows(learner):
    X, y = _data(70, 15)
    rng = np.random.default_rng(0)
    train, test = next(iter(stratified_folds(BinaryKind(), y, np.arange(len(y)), 3, rng)))
    poisoned, flipped = X.copy(), y.copy()
    poisoned.iloc[test] = 1e9
    flipped[test] = 1 - flipped[test]
    steps = {"univariate": {"alpha": 0.3}, "mrmr": 6}
    one = _model(list(X.columns), learner, **steps).fit(X.iloc[train], y[train])
    two = _model(list(X.columns), learner, **steps)
    two = clone(two).fit(poisoned.iloc[train], flipped[train])
    new = X.iloc[test]
    np.testing.assert_array_equal(one.predict(new), two.predict(new))
    assert one.cross_fitted_.equals(two.cross_fitted_)
    assert one.selected_ == two.selected_
    assert one.learner_.setting_ == two.learner_.setting_
    assert one.threshold_ == two.threshold_


@pytest.mark.parametrize("learner", LEARNERS)
def test_without_features_the_score_is_constant(learner):
    X = pd.DataFrame(np.ones((30, 4)), columns=list("abcd"))
    y = (np.arange(30) % 3 == 0).astype(float)
    model = _model(list("abcd"), learner).fit(X, y)
    assert model.selected_ == []
    np.testing.assert_allclose(model.predict(X)[:, 0], 1 / 3)
    np.testing.assert_allclose(expit(model.cross_fitted_), 1 / 3)
    assert model.steps_table()["n_out"].tolist()[-1] == 0


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_inner_fold_without_features(learner):
    X, y = _data(60, 5)
    splits = stratified_folds(BinaryKind(), y, np.arange(60), 3, np.random.default_rng(1))
    values = X.to_numpy()
    folds = [InnerFold(train, test, values[train], values[test]) for train, test in splits]
    train, test = splits[0]
    folds[0] = InnerFold(train, test, values[train][:, :0], values[test][:, :0])
    folded = FoldedFeatures(None, X.columns, values, tuple(folds))
    fitted = make_learner(learner, _analysis(), 5).fit(folded, y)
    assert np.isfinite(fitted.cross_fitted_).all()
    assert np.ptp(fitted.cross_fitted_[test]) < 1e-9
    assert np.ptp(fitted.cross_fitted_[splits[1][1]]) > 0.01


@pytest.mark.parametrize("learner", LEARNERS)
def test_more_features_than_rows_and_separated_classes(learner):
    X, y = _data(40, 120, effect=0.0)
    X["f0"] = 6 * y + 0.1 * X["f0"]
    dense = _model(list(X.columns), learner).fit(X, y).predict(X)[:, 0]
    assert np.isfinite(dense).all()
    assert auc(y, dense) == 1.0
    few = _model(list(X.columns), learner, mrmr=2).fit(X, y)
    assert auc(y, few.cross_fitted_) > 0.95
    assert "f0" in few.selected_


def test_unknown_learner_is_named():
    with pytest.raises(ValueError, match="no learner 'bayes'"):
        make_learner("bayes", _analysis(), 0)


# --- logistic ------------------------------------------------------------------------------------


def test_ridge_only_where_events_are_few():
    X, y = _data(90, 25)
    plain = _model(list(X.columns), "logistic", mrmr=6).fit(X, y)
    assert plain.learner_.notes_ == []
    peer = LogisticRegression(C=1e9, tol=1e-10).fit(X[plain.selected_], y)
    scale = X[plain.selected_].std(ddof=0).to_numpy()
    np.testing.assert_allclose(plain.coefficients_ / scale, peer.coef_[0], rtol=1e-4)
    shrunk = _model(list(X.columns), "logistic", mrmr=7).fit(X, y)
    assert shrunk.learner_.notes_ == ["ridge"]
    assert shrunk.learner_.setting_["lambda"] in np.geomspace(1e3, 1e-3, 13)
    assert "ridge" in LogisticLearner.NOTES["ridge"]


@pytest.mark.parametrize("p", [8, 90])
def test_ridge_is_the_minimum_of_its_objective(p):
    X, y = _data(40, p)
    Z = ((X - X.mean()) / X.std(ddof=0)).to_numpy()
    intercept, b = fit_ridge(Z, y, 0.05)
    residual = y - expit(intercept + Z @ b)
    np.testing.assert_allclose(Z.T @ residual / 40, 0.05 * b, atol=1e-6)
    assert abs(residual.mean()) < 1e-6


# --- support vectors -----------------------------------------------------------------------------


def test_kernels_are_those_of_scikit_learn():
    X, y = _data(50, 9)
    values = X.to_numpy()
    np.testing.assert_allclose(
        svm.Kernel("rbf", 0.3)(values, values[:7]), rbf_kernel(values, values[:7], gamma=0.3 / 9)
    )
    linear = svm.Kernel("linear")
    own = SVC(C=2.0, kernel="precomputed").fit(linear(values, values), y)
    peer = SVC(C=2.0 / 9, kernel="linear").fit(values, y)
    np.testing.assert_allclose(
        own.decision_function(linear(values, values)), peer.decision_function(values), atol=5e-3
    )


def test_platt_is_the_maximum_likelihood_with_its_targets():
    rng = np.random.default_rng(3)
    y = rng.permutation(np.repeat([0.0, 1.0], [40, 25]))
    values = 0.7 * y + rng.normal(size=65)
    offset, slope = svm.platt(values, y)
    target = np.where(y == 1, 26 / 27, 1 / 42)

    def loss(beta):
        eta = beta[0] + beta[1] * values
        return np.sum(np.logaddexp(0, eta) - target * eta)

    peer = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    np.testing.assert_allclose([offset, slope], peer.x, atol=1e-5)
    # Perfect order keeps a finite slope, a reversed or a constant one gives none.
    assert 0 < svm.platt(10 * y, y)[1] < np.inf
    assert svm.platt(-values, y) == (constant_log_odds(y), 0.0)
    assert svm.platt(np.full(65, 2.5), y) == (constant_log_odds(y), 0.0)


def test_curved_boundary_takes_the_gaussian_kernel():
    rng = np.random.default_rng(4)
    X = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    y = ((X**2).sum(axis=1) < 1.4).to_numpy(dtype=float)
    model = _model(["a", "b"], "svm").fit(X, y)
    assert model.learner_.setting_["kernel"] == "rbf"
    assert auc(y, model.cross_fitted_) > 0.95
    assert model.coefficients_ is None


# --- trees ---------------------------------------------------------------------------------------


def test_forest_leaf_is_that_of_least_deviance():
    X, y = _data(80, 6)
    model = _model(list(X.columns), "random_forest")
    folded = model.fold(X, y)
    learner = make_learner("random_forest", _analysis(), 5).fit(folded, y)
    deviance = []
    for leaf in random_forest.LEAF_SIZES:
        p = np.zeros(80)
        for fold in folded.inner:
            forest = RandomForestClassifier(
                20, min_samples_leaf=leaf, max_features="sqrt", random_state=5
            ).fit(fold.inside, y[fold.train])
            p[fold.test] = forest.predict_proba(fold.outside)[:, 1].clip(1 / 40, 1 - 1 / 40)
        deviance.append(log_loss(y, p))
        if leaf == learner.setting_["min_samples_leaf"]:
            np.testing.assert_allclose(expit(learner.cross_fitted_), p)
    assert (
        random_forest.LEAF_SIZES[int(np.argmin(deviance))] == (learner.setting_["min_samples_leaf"])
    )


def test_stages_of_boosting_are_fits_of_fewer_trees():
    X, y = _data(80, 6)
    values = X.to_numpy()
    learner = gradient_boosting.GradientBoosting(5)
    stages = learner._stages(3, values[:60], y[:60], values[60:])
    for rounds, stage in zip(gradient_boosting.ROUNDS, stages, strict=True):
        peer = HistGradientBoostingClassifier(
            learning_rate=0.1, max_iter=rounds, max_depth=3, min_samples_leaf=3,
            early_stopping=False, random_state=5,
        ).fit(values[:60], y[:60])  # fmt: skip
        np.testing.assert_allclose(stage, peer.decision_function(values[60:]), rtol=1e-12)
