"""Models of a time to event against survival and glmnet on a synthetic table.

`r/expected/cox.tsv` holds what `r/cox.R` found; ``test_r_synthetic.py`` runs that script again
where R is installed.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.concordance import concordance
from osteoflow.models.cox import CoxFit, fit_cox
from osteoflow.models.cox_lasso import fit_cox_path
from osteoflow.models.folded import FoldedFeatures, InnerFold
from osteoflow.models.kinds.survival import CoxRegression
from osteoflow.models.kinds.survival_measures import survival_scores
from osteoflow.models.learners.cox import CoxLearner
from osteoflow.models.proportional_hazards import check_proportional_hazards
from osteoflow.statistics.kaplan_meier import kaplan_meier, log_rank, survival_at

HERE = Path(__file__).parent / "r"
SECTION = "Statistics: largest difference from R on synthetic tables"
WHOLE = ["age", "male", "vbmd", "rad_score"]


@cache
def from_r(script: str = "cox") -> dict[str, np.ndarray]:
    table = pd.read_csv(HERE / "expected" / f"{script}.tsv", sep="\t", comment="#")
    return {str(name): part["value"].to_numpy() for name, part in table.groupby("quantity")}


@cache
def table() -> pd.DataFrame:
    return pd.read_csv(HERE / "tables" / "survival.tsv", sep="\t")


def outcome() -> tuple[np.ndarray, np.ndarray]:
    return table()["time"].to_numpy(dtype=float), table()["event"].to_numpy(dtype=float)


def columns(*names: str) -> np.ndarray:
    return table()[list(names)].to_numpy(dtype=float)


@cache
def whole() -> CoxFit:
    return fit_cox(columns(*WHOLE), *outcome())


@pytest.fixture
def agrees(record):
    """Asserts that numbers are those of R, and keeps the largest difference."""

    def check(what, ours, theirs, limit=1e-6):
        ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
        assert ours.shape == theirs.shape
        assert (np.isnan(ours) == np.isnan(theirs)).all()
        difference = np.nanmax(np.abs(ours - theirs))
        record(SECTION, what, difference, "", f"<= {limit:g}")
        assert difference <= limit, what

    return check


def test_the_table_has_what_is_hard():
    """Tied event times, and censored rows at event times."""
    time, event = outcome()
    times, counts = np.unique(time[event == 1], return_counts=True)
    assert (counts >= 3).sum() >= 3
    assert np.isin(time[event == 0], times).sum() >= 10


def test_coefficients_and_tests_of_coxph(agrees):
    r, fit = from_r(), whole()
    assert (fit.method, fit.dropped, fit.n) == ("efron", (), 150)
    assert fit.n_events == int(outcome()[1].sum())
    agrees("coxph: coefficients", fit.coefficients, r["coefficients"], 1e-9)
    agrees("coxph: covariance", fit.covariance.ravel(), r["covariance"], 1e-9)
    likelihoods = (fit.null_log_likelihood, fit.log_likelihood)
    agrees("coxph: partial likelihoods", likelihoods, r["log_likelihood"], 1e-9)
    for name, ours in (("likelihood_ratio", fit.likelihood_ratio), ("score_test", fit.score_test)):
        agrees(
            f"coxph: {name.replace('_', ' ')}", (ours[0], ours[1], ours[2]),
            r[name][[0, 1, 2]], 1e-8,
        )  # fmt: skip
    agrees("coxph: Wald statistic", fit.wald[:1], r["wald"], 1e-8)


def test_hazard_ratios_of_the_table_of_coefficients(agrees):
    rows = CoxRegression(whole(), 0.0, None).rows(WHOLE)
    ours = [
        [row[name] for row in rows]
        for name in ("hazard_ratio", "hazard_ratio_low", "hazard_ratio_high")
    ]
    # Limits here are with 1.96 to all its digits, as there.
    agrees("coxph: hazard ratios and limits", np.ravel(ours), from_r()["hazard_ratios"], 1e-8)


def test_baseline_hazard_and_risks_of_survfit(agrees):
    r, fit = from_r(), whole()
    scores = fit.linear_predictor(columns(*WHOLE))
    agrees("predict.coxph: linear predictors", scores, r["linear_predictor"], 1e-9)
    agrees("basehaz: event times", fit.times, r["event_times"], 1e-12)
    agrees("basehaz: cumulative hazard", fit.cumulative_hazard, r["cumulative_hazard"], 1e-9)
    for horizon in (2, 5):
        ours = fit.risk(columns(*WHOLE)[:5], horizon)
        agrees(f"survfit: risks at {horizon}", ours, r[f"risk_{horizon}"], 1e-9)


def test_proportional_hazards_of_cox_zph(agrees):
    found = check_proportional_hazards(whole(), columns(*WHOLE), *outcome())
    ours = [[getattr(test, name) for test in found] for name in ("statistic", "df", "p")]
    agrees("cox.zph: statistics, df, p", np.ravel(ours), from_r()["zph"], 1e-8)


def test_likelihood_ratio_of_nested_models(agrees):
    large = CoxRegression(whole(), 0.0, None)
    small = CoxRegression(fit_cox(columns("age", "male"), *outcome()), 0.0, None)
    agrees("anova.coxph: nested models", large.against(small)[:3], from_r()["nested"], 1e-8)


@pytest.mark.parametrize("score", ["rad_score", "visual_score"])
def test_concordance(score, agrees):
    found = concordance(*outcome(), table()[score])
    ours = (found.value, found.standard_error)
    agrees(f"concordance: C of {score} and its SE", ours, from_r()[f"concordance_{score}"], 1e-10)


def test_curves_and_log_rank_of_two_groups(agrees):
    r, (time, event) = from_r(), outcome()
    score = table()["rad_score"].to_numpy()
    high = (score > np.median(score)).astype(int)
    for group in (0, 1):
        curve = kaplan_meier(time[high == group], event[high == group])
        ours = (curve.time, curve.at_risk, curve.events, curve.censored, curve.survival)
        agrees(f"survfit: curve of group {group}", np.concatenate(ours), r[f"km_{group}"], 1e-10)
        place = np.searchsorted(curve.time, (1, 2, 4), side="right") - 1
        limits = np.concatenate([curve.low[place], curve.high[place]])
        agrees(f"survfit: limits, group {group}", limits, r[f"km_limits_{group}"], 1e-8)
        assert survival_at(curve, [1, 2, 4]) == pytest.approx(curve.survival[place])
    found = log_rank(time, event, high)
    agrees("survdiff: two groups", (found.statistic, found.p), r["log_rank"], 1e-9)
    found = log_rank(time, event, np.digitize(score, [-0.4, 0.5], right=True))
    agrees("survdiff: three groups", (found.statistic, found.p), r["log_rank_thirds"], 1e-9)


def test_score_tests_that_filter_features(agrees):
    X, r = columns("age", "vbmd", "visual_score"), from_r()
    statistic, p = survival_scores(X, np.column_stack(outcome()))
    agrees("coxph: score test of one column", statistic, r["score_alone"][::2], 1e-7)
    agrees("coxph: score test of its ranks, p", p, r["score_ranks"][1::2], 1e-8)


FEATURES = [f"f{i:02d}" for i in range(20)]


@pytest.mark.parametrize("share", [1, 0.5])
def test_penalised_path_of_glmnet(share, agrees):
    r, X = from_r(), columns(*FEATURES)
    first = fit_cox_path(X, *outcome(), n_lambdas=2, l1_ratio=share).lambdas[0]
    agrees(f"glmnet cox, alpha {share}: largest penalty", [first], r[f"lambda_max_{share}"], 1e-9)
    found = fit_cox_path(X, *outcome(), r[f"six_penalties_{share}"], l1_ratio=share)
    theirs = r[f"six_coefficients_{share}"].reshape(6, -1)
    assert ((theirs != 0) == (found.coefficients != 0)).all()
    gap = (found.coefficients - theirs) * X.std(axis=0)
    agrees(f"glmnet cox, alpha {share}: coefficients per SD", gap, np.zeros_like(gap))
    ratios = r[f"six_ratios_{share}"]
    agrees(f"glmnet cox, alpha {share}: deviance ratio", found.deviance_ratio, ratios)


def whole_and_folds() -> FoldedFeatures:
    """Features without filters, standardised as a whole, and the table's folds."""
    X = columns(*FEATURES)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    fold = table()["fold"].to_numpy()
    inner = []
    for number in np.unique(fold):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        inner.append(InnerFold(train, test, X[train], X[test]))
    return FoldedFeatures(None, pd.Index(FEATURES), X, tuple(inner))


@pytest.mark.parametrize("share", [1, 0.5])
def test_cross_validated_partial_likelihood_of_glmnet(share, agrees, monkeypatch):
    r = from_r()
    lambdas = r[f"lambdas_{share}"]

    def at_their_penalties(X, time, event, given=None, *, l1_ratio):
        return fit_cox_path(X, time, event, lambdas if given is None else given, l1_ratio=l1_ratio)

    monkeypatch.setattr("osteoflow.models.learners.cox.fit_cox_path", at_their_penalties)
    for penalty in ("lambda_min", "lambda_1se"):
        learner = CoxLearner(float(share), penalty)
        learner.fit(whole_and_folds(), np.column_stack(outcome()))
        chosen = learner.setting_["lambda"]
        agrees(f"cv.glmnet cox, alpha {share}: {penalty}", [chosen], r[f"{penalty}_{share}"], 1e-9)
    agrees(f"cv.glmnet cox, alpha {share}: deviance", learner.deviance_.mean,
           r[f"deviance_{share}"], 1e-5)  # fmt: skip
    agrees(f"cv.glmnet cox, alpha {share}: its SE", learner.deviance_.standard_error,
           r[f"deviance_se_{share}"], 1e-5)  # fmt: skip


# --- the lung cancer data of the package survival ------------------------------------------------

LUNG = Path(os.environ.get("OSTEOFLOW_EXTERNAL_DATA", "")) / "statistics/r_reference/lung.csv"


@pytest.mark.skipif(
    not os.environ.get("OSTEOFLOW_EXTERNAL_DATA") or not LUNG.is_file(),
    reason="OSTEOFLOW_EXTERNAL_DATA does not lead to statistics/r_reference/lung.csv",
)
def test_lung_cancer_data(record):
    r = from_r("lung")
    rows = pd.read_csv(LUNG).dropna(subset=["time", "status", "age", "sex", "ph.ecog"])
    X = rows[["age", "sex", "ph.ecog"]].to_numpy(dtype=float)
    time, event = rows["time"].to_numpy(dtype=float), (rows["status"] == 2).to_numpy(dtype=float)
    fit = fit_cox(X, time, event)
    trends = check_proportional_hazards(fit, X, time, event)
    found = concordance(time, event, fit.linear_predictor(X))
    curves = [kaplan_meier(time[X[:, 1] == sex], event[X[:, 1] == sex]) for sex in (1, 2)]
    ours = {
        "n": (fit.n, fit.n_events),
        "coefficients": fit.coefficients,
        "covariance": fit.covariance.ravel(),
        "log_likelihood": (fit.null_log_likelihood, fit.log_likelihood),
        "zph": [getattr(test, name) for name in ("statistic", "df", "p") for test in trends],
        "concordance": (found.value, found.standard_error),
        "medians": [curve.median for curve in curves],
        "log_rank": [log_rank(time, event, X[:, 1]).statistic],
        "risk_365": fit.risk(X[:3], 365),
    }
    assert set(ours) == set(r)
    for name, values in ours.items():
        gap = float(np.abs(np.asarray(values, dtype=float) - r[name]).max())
        record("Statistics: largest difference from R", f"lung data: {name}", gap, "", "<= 1e-8")
        assert gap <= 1e-8, name
