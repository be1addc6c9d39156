"""Ordinal and linear models and the measures by weights, each against an independent way."""

from __future__ import annotations

import numpy as np
import pytest
from outcome_cohort import CLASSES
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit

from osteoflow.models.gaussian_lasso import fit_gaussian_path
from osteoflow.models.kinds import weighted
from osteoflow.models.kinds.continuous import ContinuousKind
from osteoflow.models.kinds.ordinal import OrdinalKind
from osteoflow.models.kinds.scores import continuous_scores, ordinal_scores, spearman_p
from osteoflow.models.linear import fit_linear
from osteoflow.models.ordinal import (
    OrdinalLikelihood,
    OrdinalLoss,
    brant_test,
    class_probabilities,
    fit_ordinal,
    is_separated,
)
from osteoflow.models.ordinal_lasso import fit_ordinal_path


def _graded(n=90, p=4, k=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    latent = X[:, 0] - 0.7 * X[:, 1] + rng.logistic(size=n)
    cuts = np.quantile(latent, np.arange(1, k) / k)
    return X, np.searchsorted(cuts, latent).astype(float)


def _own_value(thresholds, eta, outcome):
    """Minus the log likelihood by its plain definition."""
    edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
    place = outcome.astype(int)
    return -np.log(expit(edges[place + 1] - eta) - expit(edges[place] - eta)).sum()


# --- the likelihood ------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 5])
def test_likelihood_and_its_derivatives(k):
    X, y = _graded(k=k)
    rng = np.random.default_rng(1)
    theta, eta = np.linspace(-1.5, 1.2, k - 1), rng.normal(size=len(y))
    likelihood = OrdinalLikelihood(y, k)
    assert likelihood.value(theta, eta) == pytest.approx(_own_value(theta, eta, y))
    residual, weight = likelihood.by_predictor(theta, eta)
    slope = approx_fprime(eta, lambda e: _own_value(theta, e, y), 1e-7)
    assert -residual == pytest.approx(slope, abs=1e-4)
    gradient, second, mixed = likelihood.by_threshold(theta, eta)
    assert gradient == pytest.approx(
        approx_fprime(theta, lambda t: _own_value(t, eta, y), 1e-7), abs=1e-4
    )
    for place in range(k - 1):
        step = np.eye(k - 1)[place] * 1e-6
        up, down = (likelihood.by_threshold(theta + s * step, eta)[0] for s in (1, -1))
        assert second[place] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-4)
        high, low = (likelihood.by_predictor(theta + s * step, eta)[0] for s in (1, -1))
        assert mixed[:, place] == pytest.approx(-(high - low) / 2e-6, abs=1e-5)
    up, down = (likelihood.by_predictor(theta, eta + s * 1e-6)[0] for s in (1, -1))
    assert weight == pytest.approx(-(up - down) / 2e-6, abs=1e-5)


def test_likelihood_far_out_is_finite_and_exact():
    likelihood = OrdinalLikelihood([0, 1, 2], 3)
    theta, eta = np.array([0.0, 1e-9]), np.array([60.0, -60.0, 0.0])
    assert np.isfinite(likelihood.value(theta, eta))
    # P(Y = 1) = F(u) F(-l) (1 - exp(l - u)) with u - l = 1e-9 and both near 60.
    middle = np.logaddexp(0, -60.0) + np.logaddexp(0, 60.0) - np.log(1e-9)
    outer = np.logaddexp(0, 60.0) + np.logaddexp(0, 1e-9)
    assert likelihood.value(theta, eta) == pytest.approx(middle + outer, rel=1e-6)
    assert likelihood.value(np.array([1.0, 0.5]), eta) == float("inf")


def test_profiled_loss_has_the_derivatives_of_the_least_value_over_thresholds():
    X, y = _graded(n=40)
    loss = OrdinalLoss(y, 3)
    eta = 0.8 * X[:, 0]
    best = minimize(
        lambda t: _own_value(np.array([t[0], t[0] + np.exp(t[1])]), eta, y), [-0.5, 0.0],
        options={"gtol": 1e-9},
    )  # fmt: skip
    assert loss.value(eta) == pytest.approx(best.fun / 40, abs=1e-9)
    slope = approx_fprime(eta, loss.value, 1e-6)
    assert -loss.residual(eta) / 40 == pytest.approx(slope, abs=1e-6)
    Z = X[:, :2]
    up, down = (loss.residual(eta + s * 1e-5 * Z[:, 1]).copy() for s in (1, -1))
    assert loss.second(Z, eta)[:, 1] == pytest.approx(-Z.T @ (up - down) / 2e-5, abs=1e-4)


# --- the fit -------------------------------------------------------------------------------------


def test_fit_does_not_hang_on_units_and_drops_repeated_columns():
    X, y = _graded()
    plain = fit_ordinal(X[:, :2], y, 3)
    scaled = fit_ordinal(X[:, :2] * [1e-4, 1e3] + [5.0, -300.0], y, 3)
    assert scaled.coefficients * [1e-4, 1e3] == pytest.approx(plain.coefficients)
    assert scaled.probabilities(X[:, :2] * [1e-4, 1e3] + [5.0, -300.0]) == pytest.approx(
        plain.probabilities(X[:, :2])
    )
    doubled = fit_ordinal(np.column_stack([X[:, 0], np.ones(90), 2 * X[:, 0], X[:, 1]]), y, 3)
    assert doubled.dropped == (1, 2)
    assert np.isnan(doubled.standard_errors[[1, 2]]).all()
    assert doubled.log_likelihood == pytest.approx(plain.log_likelihood)
    assert doubled.thresholds == pytest.approx(plain.thresholds)


def test_model_without_columns_has_the_shares():
    y = np.repeat([0.0, 1.0, 2.0], [10, 30, 20])
    fit = fit_ordinal(np.zeros((60, 0)), y, 3)
    assert fit.probabilities(np.zeros((1, 0)))[0] == pytest.approx([1 / 6, 1 / 2, 1 / 3])
    assert fit.log_likelihood == pytest.approx(fit.null_log_likelihood)


@pytest.mark.parametrize(
    ("x", "y", "separated"),
    [
        ([1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 2, 2], True),  # complete
        ([1, 2, 2, 4, 4, 6], [0, 0, 1, 1, 2, 2], True),  # ties at the bounds: quasi-complete
        ([1, 3, 2, 4, 5, 6], [0, 0, 1, 1, 2, 2], False),  # upper bound alone is clean
        ([6, 5, 4, 3, 2, 1], [0, 0, 1, 1, 2, 2], True),  # in the other direction
        ([1, 2, 3, 1, 2, 3], [0, 1, 2, 2, 1, 0], False),
    ],
)  # fmt: skip
def test_separation_is_found_exactly(x, y, separated):
    X, y = np.array(x, dtype=float)[:, None], np.array(y, dtype=float)
    assert is_separated(X, y, 3) is separated
    fit = fit_ordinal(X, y, 3)
    assert fit.method == ("ridge" if separated else "ml")
    assert np.isfinite(fit.coefficients).all()
    assert np.isfinite(fit.standard_errors).all()
    assert (np.diff(fit.thresholds) > 0).all()
    if separated:  # the likelihood still rises along the direction: there is no maximum
        values = [
            OrdinalLoss(y, 3).value(s * X[:, 0] * np.sign(fit.coefficients[0])) for s in (1, 5, 25)
        ]
        assert values[0] > values[1] > values[2]


def test_ridge_fit_is_the_least_of_its_objective():
    X, y = np.arange(6.0)[:, None], np.array([0.0, 0, 1, 1, 2, 2])
    fit = fit_ordinal(X, y, 3)
    z = (X[:, 0] - X.mean()) / X.std()

    def objective(v):
        return _own_value(np.array([v[1], v[1] + np.exp(v[2])]), v[0] * z, y) + v[0] ** 2 / 2

    found = minimize(objective, [1.0, -1.0, 0.5], options={"gtol": 1e-9})
    assert fit.coefficients[0] * X.std() == pytest.approx(found.x[0], abs=1e-5)


def test_brant_test_has_its_size_and_is_empty_where_a_threshold_is_separated():
    rejected = 0
    for seed in range(60):
        X, y = _graded(n=150, p=2, seed=seed)
        rejected += brant_test(X, y, 3)[-1].p < 0.05
    assert rejected / 60 < 0.12  # 0.05 and some two standard errors
    x = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9])
    assert brant_test(x[:, None], np.array([0.0, 0, 0, 1, 2, 1, 2, 1, 2]), 3) == []


@pytest.mark.parametrize(
    ("columns", "outcome", "reason"),
    [
        (np.zeros((3, 1)), [0, 1, 1], "every class"),
        (np.array([[np.nan], [1], [2]]), [0, 1, 2], "missing"),
        (np.zeros((2, 1)), [0, 1, 2], "one row per outcome"),
    ],
)
def test_bad_input_of_the_ordinal_model(columns, outcome, reason):
    with pytest.raises(ValueError, match=reason):
        fit_ordinal(columns, outcome, 3)


# --- penalised paths -----------------------------------------------------------------------------


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_sparse_ordinal_solutions_are_optimal_with_more_features_than_rows(l1_ratio):
    X, y = _graded(n=50, p=80, seed=2)
    path = fit_ordinal_path(X, y, 3, l1_ratio=l1_ratio, n_lambdas=12)
    scale, mean = X.std(axis=0), X.mean(axis=0)
    Z = (X - mean) / scale
    assert not path.coefficients[0].any()
    assert np.count_nonzero(path.coefficients[-1]) > 5
    assert (np.diff(path.deviance_ratio) > -1e-9).all()
    for place in range(1, len(path.lambdas)):
        b, penalty = path.coefficients[place] * scale, path.lambdas[place]
        theta = path.thresholds[place] - path.coefficients[place] @ mean
        slope = approx_fprime(Z @ b, lambda e, t=theta: _own_value(t, e, y), 1e-7)
        score = -Z.T @ slope / 50 - penalty * (1 - l1_ratio) * b
        active = b != 0
        assert np.abs(score[active] - penalty * l1_ratio * np.sign(b[active])).max(initial=0) < 1e-5
        assert np.abs(score[~active]).max() <= penalty * l1_ratio + 1e-5
        at_threshold = approx_fprime(theta, lambda t, e=Z @ b: _own_value(t, e, y), 1e-7)
        assert np.abs(at_threshold).max() < 1e-3


def test_deviance_of_new_rows_is_that_of_their_probabilities():
    X, y = _graded(n=60)
    path = fit_ordinal_path(X[:40], y[:40], 3, n_lambdas=5)
    p = class_probabilities(path.thresholds[3], X[40:] @ path.coefficients[3])
    own = -2 * np.log(p[np.arange(20), y[40:].astype(int)])
    assert path.deviance(X[40:], y[40:])[:, 3] == pytest.approx(own)


def test_gaussian_path_is_optimal_and_the_units_of_the_outcome_scale_it():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 60))
    y = 3 * X[:, 0] + rng.normal(size=40)
    path = fit_gaussian_path(X, y, n_lambdas=20)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    for place, penalty in enumerate(path.lambdas):
        residual = y - path.linear_predictor(X)[:, place]
        score, b = Z.T @ residual / 40, path.coefficients[place]
        assert np.abs(score).max() <= penalty * (1 + 1e-6)
        assert score[b != 0] == pytest.approx(penalty * np.sign(b[b != 0]), rel=1e-5)
        assert residual.mean() == pytest.approx(0, abs=1e-9)
    for share in (1.0, 0.3):
        one = fit_gaussian_path(X, y, l1_ratio=share, n_lambdas=20)
        thousand = fit_gaussian_path(X, 1000 * y + 7, l1_ratio=share, n_lambdas=20)
        assert thousand.coefficients == pytest.approx(1000 * one.coefficients, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("fit", [
    lambda X, y, **given: fit_gaussian_path(X, y, **given),
    lambda X, y, **given: fit_ordinal_path(X, y, 3, **given),
])  # fmt: skip
def test_bad_input_of_paths(fit):
    X, y = _graded(n=30)
    for given, reason in (
        ({"lambdas": [0.1, 0.2]}, "must decrease"),
        ({"l1_ratio": 0.0}, "share of the L1 penalty"),
    ):
        with pytest.raises(ValueError, match=reason):
            fit(X, y, **given)
    with pytest.raises(ValueError, match="missing"):
        fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match="constant|every class"):
        fit(X, np.zeros(30))
    empty = fit(np.zeros((30, 0)), y)
    assert empty.coefficients.shape == (len(empty.lambdas), 0)


# --- the linear model ----------------------------------------------------------------------------


def test_linear_model_far_from_zero_and_with_repeated_columns():
    rng = np.random.default_rng(4)
    x = rng.normal(size=50)
    y = 2 + 3 * x + rng.normal(size=50)
    fit = fit_linear(np.column_stack([x + 1e6, np.ones(50), -x]), y)
    slope, intercept = np.polyfit(x, y, 1)
    assert fit.dropped == (1, 2)
    assert fit.coefficients[0] == pytest.approx(slope, rel=1e-8)
    assert fit.predict([[1e6, 1.0, 0.0]])[0] == pytest.approx(intercept, abs=1e-7)
    assert fit.df == 48
    with pytest.raises(ArithmeticError, match="2 terms and an intercept for 3"):
        fit_linear(rng.normal(size=(3, 2)), [1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="constant"):
        fit_linear(x[:, None], np.full(50, 0.1))


# --- measures and scores -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [OrdinalKind(CLASSES), ContinuousKind()], ids=["o", "c"])
def test_weights_are_rows_drawn_again(kind):
    """A measure with weights is the measure of the rows, each as often as its weight says."""
    rng = np.random.default_rng(7)
    n = 25
    if isinstance(kind, OrdinalKind):
        y = rng.integers(0, 3, n).astype(float)
        eta = np.round(y + rng.normal(size=n), 1)  # rounded: ties
        prediction = np.column_stack([eta, class_probabilities(np.array([0.5, 1.5]), eta)])
    else:
        y = np.round(rng.normal(100, 15, n), 0)
        prediction = np.column_stack([np.round(y + rng.normal(0, 20, n), -1), np.full(n, 99.0)])
    weights = rng.multinomial(n, np.full(n, 1 / n), size=4).astype(float)
    for measure in kind.measures:
        found = measure.compute(y, prediction, weights)
        for value, drawn in zip(found, weights, strict=True):
            rows = np.repeat(np.arange(n), drawn.astype(int))
            own = measure.compute(y[rows], prediction[rows], np.ones((1, n)))[0]
            assert value == pytest.approx(own, abs=1e-9), measure.name


def test_measures_of_perfect_reversed_and_constant_predictions():
    y = np.array([0.0, 0, 1, 1, 2, 2])
    kind, ones = OrdinalKind(CLASSES), np.ones((1, 6))

    def of(eta):
        p = class_probabilities(np.array([0.5, 1.5]) * 40, np.asarray(eta) * 40.0)
        prediction = np.column_stack([eta, p])
        return {m.name: float(m.compute(y, prediction, ones)[0]) for m in kind.measures}

    perfect, reversed_, constant = of(y), of(2 - y), of(np.zeros(6))
    assert perfect["c_index"] == perfect["auc_hand_till"] == perfect["kappa_quadratic"] == 1
    assert perfect["ranked_probability_score"] == pytest.approx(0, abs=1e-6)
    assert reversed_["c_index"] == 0
    assert reversed_["kappa_quadratic"] == -1
    assert constant["c_index"] == constant["auc_hand_till"] == 0.5
    assert constant["kappa_linear"] == 0
    value = np.array([1.0, 2, 3, 5])
    flat = np.column_stack([np.full(4, 2.0), np.full(4, 2.0)])
    found = {m.name: m.compute(value, flat, np.ones((1, 4)))[0] for m in ContinuousKind().measures}
    assert found["r2"] == 0
    assert found["pearson_r"] == found["spearman_r"] == 0
    assert np.isnan(found["calibration_slope"])


def test_concordance_with_ties_by_counting():
    rng = np.random.default_rng(3)
    y, s = rng.integers(0, 4, 30).astype(float), rng.integers(0, 6, 30).astype(float)
    pairs = [(i, j) for i in range(30) for j in range(30) if y[i] > y[j]]
    won = sum(1.0 if s[i] > s[j] else 0.5 if s[i] == s[j] else 0.0 for i, j in pairs)
    assert weighted.concordance(y, s, np.ones((1, 30)))[0] == pytest.approx(won / len(pairs))


def test_scores_of_features():
    from scipy.stats import f_oneway, linregress, spearmanr

    X, y = _graded(n=40)
    X[:, 3] = 2.0
    value = X[:, 0] + np.random.default_rng(0).normal(size=40)
    relevance, p = ordinal_scores(X, y)
    by_class = [f_oneway(*(X[y == k, j] for k in range(3))).statistic for j in range(3)]
    assert relevance[:3] == pytest.approx(by_class)
    assert p[:3] == pytest.approx([spearmanr(X[:, j], y).pvalue for j in range(3)])
    assert (relevance[3], p[3]) == (0.0, 1.0)
    relevance, _ = continuous_scores(X, value)
    t = [linregress(X[:, j], value) for j in range(3)]
    assert relevance[:3] == pytest.approx([(r.slope / r.stderr) ** 2 for r in t])
    assert spearman_p(value[:, None], value)[0] < 1e-12
