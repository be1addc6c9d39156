"""Cox models, concordance and survival curves: definitions, limits and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from osteoflow.models.concordance import concordance
from osteoflow.models.cox import baseline_hazard, fit_cox
from osteoflow.models.cox_lasso import CoxLoss, fit_cox_path, left_out_deviance
from osteoflow.models.kinds import survival_measures as measures
from osteoflow.models.monotone import is_monotone
from osteoflow.models.proportional_hazards import check_proportional_hazards
from osteoflow.models.risk_sets import RiskSets
from osteoflow.statistics.kaplan_meier import kaplan_meier, log_rank, survival_at


def follow_up(n: int = 80, seed: int = 0, effect: float = 0.8, decimals: int = 1):
    """Two columns, times with many ties, events."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    failure = rng.exponential(size=n) * 4 / np.exp(effect * X[:, 0])
    censored = rng.uniform(0.5, 8, n)
    time = np.maximum(np.round(np.minimum(failure, censored), decimals), 0.1)
    return X, time, (failure <= censored).astype(float)


def efron(X, time, event, beta):
    """The log partial likelihood, term by term as Efron wrote it."""
    value = 0.0
    for moment in np.unique(time[event == 1]):
        dead = (time == moment) & (event == 1)
        weight = np.exp(X @ beta)
        at_risk, failing, d = weight[time >= moment].sum(), weight[dead].sum(), int(dead.sum())
        value += (X[dead] @ beta).sum()
        value -= sum(np.log(at_risk - k / d * failing) for k in range(d))
    return value


# --- the likelihood ------------------------------------------------------------------------------


def test_likelihood_is_efrons_and_its_derivatives_are_right():
    X, time, event = follow_up()
    sets, beta, h = RiskSets(time, event), np.array([0.6, -0.4]), 1e-5
    found = sets.likelihood(X, X @ beta)
    assert found.value == pytest.approx(efron(X, time, event, beta), abs=1e-9)
    for place in range(2):
        step = np.eye(2)[place] * h
        up, down = (sets.likelihood(X, X @ (beta + s * step)) for s in (1, -1))
        assert found.score[place] == pytest.approx((up.value - down.value) / (2 * h), abs=1e-5)
        slope = (up.score - down.score) / (2 * h)
        assert -found.information[place] == pytest.approx(slope, abs=1e-5)


def test_a_trend_weighs_each_event_time():
    X, time, event = follow_up()
    sets = RiskSets(time, event)
    parts = [
        sets.likelihood(X, X[:, 0], (np.arange(len(sets.times)) == k).astype(float))
        for k in range(len(sets.times))
    ]
    trend = np.linspace(-1, 2, len(sets.times))
    whole = sets.likelihood(X, X[:, 0], trend)
    assert sum(g * part.score for g, part in zip(trend, parts, strict=True)) == pytest.approx(
        whole.score
    )
    information = sum(g * part.information for g, part in zip(trend, parts, strict=True))
    assert information == pytest.approx(whole.information)


def test_units_and_origins_of_columns_do_not_matter():
    X, time, event = follow_up()
    plain = fit_cox(X, time, event)
    # A year, and a density in another unit: exp of an uncentred predictor would overflow.
    moved = fit_cox(X * [1e-3, 1e4] + [2015.0, -7e6], time, event)
    assert moved.coefficients * [1e-3, 1e4] == pytest.approx(plain.coefficients, rel=1e-6)
    assert moved.cumulative_hazard == pytest.approx(plain.cumulative_hazard, rel=1e-6)
    risk = moved.risk(X * [1e-3, 1e4] + [2015.0, -7e6], 3.0)
    assert risk == pytest.approx(plain.risk(X, 3.0), rel=1e-6)
    assert ((risk > 0) & (risk < 1)).all()


def test_effect_and_baseline_are_found_again():
    X, time, event = follow_up(3000, seed=4, decimals=6)
    fit = fit_cox(X, time, event)
    assert (np.abs(fit.coefficients - [0.8, 0.0]) < 3 * fit.standard_errors).all()
    # The hazard at columns of zero is 1/4 per year.
    scale = np.exp(-fit.center @ fit.coefficients)
    for moment in (1.0, 2.0, 4.0):
        place = np.searchsorted(fit.times, moment, side="right") - 1
        assert fit.cumulative_hazard[place] * scale == pytest.approx(moment / 4, rel=0.08)


def test_baseline_without_predictors_is_nelson_aalens_with_efrons_ties():
    time, event = np.array([1.0, 2, 2, 3, 4]), np.array([1.0, 1, 1, 0, 1])
    times, hazard = baseline_hazard(np.zeros(5), time, event)
    assert times.tolist() == [1, 2, 4]
    assert hazard == pytest.approx(np.cumsum([1 / 5, 1 / 4 + 1 / 3, 1]))


# --- where there is no maximum -------------------------------------------------------------------


def test_monotone_likelihood_is_found_and_penalised():
    time, event = np.arange(1.0, 9), np.array([1.0, 1, 0, 1, 1, 0, 1, 0])
    X = np.column_stack([-time, np.cos(time)])
    assert is_monotone((X - X.mean(axis=0)) / X.std(axis=0), time, event)
    fit = fit_cox(X, time, event)
    assert fit.method == "ridge"
    # The prior's mode: score of the likelihood equals the coefficient, per standard deviation.
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    beta = fit.coefficients * X.std(axis=0)
    assert RiskSets(time, event).likelihood(Z, Z @ beta).score == pytest.approx(beta, abs=1e-9)
    with pytest.raises(ValueError, match="penalised fit has no test"):
        check_proportional_hazards(fit, X, time, event)


def test_monotone_in_a_combination_of_columns_alone():
    rng = np.random.default_rng(2)
    time, event = np.arange(1.0, 31), (rng.uniform(size=30) < 0.5).astype(float)
    event[0] = 1
    noise = rng.normal(size=30)
    X = np.column_stack([noise, -0.05 * time - noise])
    for column in X.T:
        assert fit_cox(column[:, None], time, event).method == "efron"
    assert fit_cox(X, time, event).method == "ridge"


def test_one_pair_out_of_order_has_a_maximum():
    time, event = np.arange(1.0, 9), np.ones(8)
    x = -time
    x[[2, 3]] = x[[3, 2]]
    fit = fit_cox(x[:, None], time, event)
    assert fit.method == "efron"
    assert np.isfinite(fit.standard_errors).all()


@pytest.mark.parametrize("seed", range(12))
def test_the_quick_decision_is_that_of_the_linear_programme(seed):
    """Small data, of which many have no maximum."""
    X, time, event = follow_up(9, seed=seed, effect=2.5)
    if not event.any():
        event[0] = 1
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    assert (fit_cox(X, time, event).method == "ridge") == is_monotone(Z, time, event)


def test_columns_that_say_nothing_are_dropped():
    X, time, event = follow_up()
    fit = fit_cox(np.column_stack([X, X[:, 0] - X[:, 1], np.ones(80)]), time, event)
    assert fit.dropped == (2, 3)
    assert fit.coefficients[:2] == pytest.approx(fit_cox(X, time, event).coefficients)
    assert np.isnan(fit.standard_errors[2:]).all()
    assert fit.likelihood_ratio[1] == fit.wald[1] == 2
    empty = fit_cox(np.empty((80, 0)), time, event)
    assert empty.log_likelihood == empty.null_log_likelihood == fit.null_log_likelihood
    assert check_proportional_hazards(empty, np.empty((80, 0)), time, event) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, t, d: (X, t, 0 * d), "there must be events"),
        (lambda X, t, d: (X, t, 2 * d), "coded 1"),
        (lambda X, t, d: (X, t - 2, d), "times must be above 0"),
        (lambda X, t, d: (X, np.where(t > 3, np.nan, t), d), "missing or infinite"),
        (lambda X, t, d: (np.where(X > 1, np.inf, X), t, d), "missing or infinite"),
        (lambda X, t, d: (X[1:], t, d), "one row per time"),
    ],
)
def test_bad_input(change, words):
    for fit in (fit_cox, fit_cox_path):
        with pytest.raises(ValueError, match=words):
            fit(*change(*follow_up()))


def test_risk_beyond_all_follow_up_is_refused():
    X, time, event = follow_up()
    fit = fit_cox(X, time, event)
    assert fit.risk(X, fit.follow_up).max() <= 1
    assert (fit.risk(X, 0.01) == 0).all()
    with pytest.raises(ValueError, match="beyond the longest follow-up"):
        fit.risk(X, fit.follow_up + 0.1)


def test_effects_that_change_are_seen_and_constant_ones_seldom_are(record):
    rng = np.random.default_rng(8)
    found = []
    for _ in range(200):
        x = rng.normal(size=(100, 1))
        time = rng.exponential(size=100) / np.exp(0.7 * x[:, 0])
        event = (rng.uniform(size=100) < 0.7).astype(float)
        found.append(check_proportional_hazards(fit_cox(x, time, event), x, time, event)[0].p)
    share = float(np.mean(np.array(found) < 0.05))
    record("Time to an event", "false alarms of the test of proportional hazards", share, "",
           "0.01 to 0.10")  # fmt: skip
    assert 0.01 <= share <= 0.10
    # An effect up to time 1 only.
    x = rng.normal(size=(400, 1))
    early = rng.exponential(size=400) / np.exp(1.2 * x[:, 0])
    time = np.where(early < 0.7, early, 0.7 + rng.exponential(size=400))
    fit = fit_cox(x, time, np.ones(400))
    assert check_proportional_hazards(fit, x, time, np.ones(400))[-1].p < 1e-4


def test_too_few_event_times_for_a_trend():
    X, _, event = follow_up()
    time = np.where(event == 1, 1.0, 2.0)
    with pytest.raises(ArithmeticError, match="too few distinct event times"):
        check_proportional_hazards(fit_cox(X, time, event), X, time, event)


# --- the penalised path --------------------------------------------------------------------------


def test_path_meets_the_optimality_conditions():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 90)) * 10.0 ** (np.arange(90) % 5 - 2)
    X[:, 7] = 3.0
    _, time, event = follow_up(60, seed=3)
    Z = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    loss = CoxLoss(time, event)
    for share in (1.0, 0.3):
        path = fit_cox_path(X, time, event, l1_ratio=share)
        assert (path.coefficients[:, 7] == 0).all()
        assert (np.diff(path.deviance_ratio) > -1e-9).all()
        for penalty, coefficients in zip(path.lambdas, path.coefficients, strict=True):
            b = coefficients * X.std(axis=0)
            score = Z.T @ loss.residual(Z @ b) / 60 - penalty * (1 - share) * b
            gap = np.where(b != 0, score - penalty * share * np.sign(b), 0.0)
            assert np.abs(gap).max() < 2e-7
            assert np.abs(score).max() < penalty * share + 2e-7


def test_path_without_features_or_signal():
    _, time, event = follow_up()
    for X in (np.empty((80, 0)), np.ones((80, 3))):
        path = fit_cox_path(X, time, event)
        assert (path.coefficients == 0).all()
        assert path.deviance_ratio == pytest.approx(0.0)
    with pytest.raises(ValueError, match="decrease"):
        fit_cox_path(np.ones((80, 1)), time, event, np.array([0.1, 0.2]))


def test_deviance_of_rows_left_out_adds_up():
    X, time, event = follow_up()
    predictor = np.column_stack([np.zeros(80), X[:, 0]])
    train = np.arange(0, 80, 2)
    found = left_out_deviance(time, event, train, predictor)
    whole, part = CoxLoss(time, event), CoxLoss(time[train], event[train])
    expected = 2 * (
        80 * whole.value(X[:, 0]) + whole.saturated
        - 40 * part.value(X[train, 0]) - part.saturated
    )  # fmt: skip
    assert found[1] == pytest.approx(expected)
    assert found[1] < found[0]  # the column predicts


# --- concordance ---------------------------------------------------------------------------------


def pairs_by_definition(time, event, score):
    won = total = 0.0
    for i, j in itertools.permutations(range(len(time)), 2):
        earlier = time[i] < time[j] or (time[i] == time[j] and event[j] == 0)
        if event[i] == 1 and earlier:
            total += 1
            won += 1.0 if score[i] > score[j] else 0.5 * (score[i] == score[j])
    return won / total, total


def test_concordance_is_its_definition_and_turns_round():
    X, time, event = follow_up(50)
    score = np.round(X[:, 0], 1)
    value, total = pairs_by_definition(time, event, score)
    found = concordance(time, event, score)
    assert (found.value, found.n_pairs) == pytest.approx((value, total))
    turned = concordance(time, event, -score)
    assert turned.value == pytest.approx(1 - value)
    assert turned.standard_error == pytest.approx(found.standard_error)
    assert concordance(time, event, np.zeros(50)).value == 0.5
    assert concordance(time, np.ones(50), -time).value == 1.0


def test_concordance_needs_a_pair():
    assert np.isnan(concordance([1.0, 2.0], [0, 0], [1, 2]).value)
    assert np.isnan(concordance([1.0, 2.0], [0, 1], [1, 2]).value)
    assert concordance([1.0, 1.0], [1, 0], [2, 1]).value == 1.0


def test_standard_error_of_concordance_covers(record):
    rng = np.random.default_rng(5)
    inside = 0
    # Of a score with hazard ratio e per point and no censoring, C by a very large sample.
    x = rng.normal(size=4000)
    truth = concordance(rng.exponential(size=4000) / np.exp(x), np.ones(4000), x).value
    for _ in range(200):
        x = rng.normal(size=60)
        found = concordance(rng.exponential(size=60) / np.exp(x), np.ones(60), x)
        inside += found.low <= truth <= found.high
    record("Time to an event", "coverage of the 95 % interval of C, 60 participants", inside / 200,
           "", "0.90 to 0.99")  # fmt: skip
    assert 0.90 <= inside / 200 <= 0.99


# --- curves --------------------------------------------------------------------------------------


def test_curve_without_censoring_is_the_share_that_is_left():
    time = np.array([1.0, 2, 2, 5])
    curve = kaplan_meier(time, np.ones(4))
    assert curve.survival.tolist() == [0.75, 0.25, 0.0]
    assert curve.at_risk.tolist() == [4, 3, 1]
    assert curve.median == 2.0
    assert np.isnan([curve.low[-1], curve.high[-1]]).all()
    assert survival_at(curve, [0.5, 1, 2, 9]).tolist() == [1, 0.75, 0.25, 0]
    assert survival_at(curve, [1, 2], before=True).tolist() == [1, 0.75]
    assert np.isnan(kaplan_meier(time, np.zeros(4)).median)


def test_log_rank_is_the_score_test_of_untied_times():
    X, time, event = follow_up(decimals=8)
    group = (X[:, 0] > 0).astype(float)
    found = log_rank(time, event, group)
    fit = fit_cox(group[:, None], time, event)
    assert found.statistic == pytest.approx(fit.score_statistic)
    assert found.observed.sum() == pytest.approx(found.expected.sum()) == event.sum()


def test_log_rank_without_two_groups_is_not_defined():
    _, time, event = follow_up()
    assert np.isnan(log_rank(time, event, np.zeros(80)).p)
    # The groups are never at risk together when an event happens.
    found = log_rank([1.0, 2, 3, 4], [0, 0, 1, 1], [0, 0, 1, 1])
    assert np.isnan(found.statistic)


# --- measures of resamples -----------------------------------------------------------------------


def test_weights_are_rows_drawn_so_often():
    X, time, event = follow_up(40)
    outcome = np.column_stack([time, event, measures.horizon_weights(time, event, 2.0)])
    prediction = np.column_stack([X[:, 0], np.zeros(40), 1 / (1 + np.exp(-X[:, 0]))])
    draws = np.random.default_rng(1).multinomial(40, np.full(40, 1 / 40), 5).astype(float)
    functions = [
        measures.concordance,
        lambda *given: measures.area_at_horizon(*given, horizon=2.0),
        lambda *given: measures.brier_at_horizon(*given, horizon=2.0),
        lambda *given: measures.observed_over_expected(*given, horizon=2.0),
    ]
    for function in functions:
        found = function(outcome, prediction, draws)
        for row, value in zip(draws, found, strict=True):
            rows = np.repeat(np.arange(40), row.astype(int))
            again = function(outcome[rows], prediction[rows], np.ones((1, 40)))
            assert value == pytest.approx(again[0])
    one = measures.concordance(outcome, prediction, np.ones((1, 40)))[0]
    assert one == pytest.approx(concordance(time, event, X[:, 0]).value)


def test_measures_at_a_horizon_without_censoring_are_the_plain_ones():
    X, time, _ = follow_up()
    failed = time <= 2.0
    outcome = np.column_stack([time, np.ones(80), measures.horizon_weights(time, np.ones(80), 2.0)])
    assert (outcome[:, 2] == 1).all()
    risk = 1 / (1 + np.exp(-X[:, 0]))
    prediction, ones = np.column_stack([X[:, 0], np.zeros(80), risk]), np.ones((1, 80))
    area = (X[failed, None, 0] > X[None, ~failed, 0]).mean()
    assert measures.area_at_horizon(outcome, prediction, ones, 2.0)[0] == pytest.approx(area)
    brier = np.mean((failed - risk) ** 2)
    assert measures.brier_at_horizon(outcome, prediction, ones, 2.0)[0] == pytest.approx(brier)
    ratio = failed.sum() / risk.sum()
    found = measures.observed_over_expected(outcome, prediction, ones, 2.0)[0]
    assert found == pytest.approx(ratio)


def test_weights_of_censoring_undo_it(record):
    """Censored measures of many rows are those of uncensored ones; the observed risk is KM's."""
    rng = np.random.default_rng(6)
    n = 2500
    x = rng.normal(size=n)
    failure, censored = 4 * rng.exponential(size=n) / np.exp(x), rng.uniform(0.5, 8, n)
    time, event = np.minimum(failure, censored), (failure <= censored).astype(float)
    risk = -np.expm1(-0.5 * np.exp(x))
    prediction, ones = np.column_stack([x, 0 * x, risk]), np.ones((1, n))
    own = np.column_stack([time, event, measures.horizon_weights(time, event, 2.0)])
    free = np.column_stack([failure, np.ones(n), np.ones(n)])
    for function in (measures.area_at_horizon, measures.brier_at_horizon):
        gap = abs(function(own, prediction, ones, 2.0) - function(free, prediction, ones, 2.0))[0]
        record("Time to an event", f"{function.__name__}: censored less uncensored", gap, "",
               "<= 0.015")  # fmt: skip
        assert gap <= 0.015
    observed = measures.observed_over_expected(own, prediction, ones, 2.0)[0] * risk.mean()
    assert observed == pytest.approx(1 - survival_at(kaplan_meier(time, event), 2.0), abs=1e-9)


def test_scores_of_constant_features_and_outliers():
    X, time, event = follow_up(60)
    outlier = X[:, 0].copy()
    outlier[0] = 1e6
    features = np.column_stack([X[:, 0], np.full(60, 3.7), outlier, X[:, 0] * 1e-9])
    statistic, p = measures.survival_scores(features, np.column_stack([time, event]))
    assert (statistic[1], p[1]) == (0, 1)
    assert statistic[3] == pytest.approx(statistic[0])
    assert p[0] < 0.01
    assert p[2] < 0.05
    empty = measures.survival_scores(np.empty((60, 0)), np.column_stack([time, event]))
    assert [len(part) for part in empty] == [0, 0]
