"""Profile penalised-likelihood limits and tests of Firth's logistic model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import chi2, norm

from osteoflow.models import firth_profile as module
from osteoflow.models.firth_profile import firth_profile
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.logistic import is_separated
from osteoflow.models.logistic_likelihood import information, maximise

FALL = chi2.ppf(0.95, 1)


def penalised(design: np.ndarray, y: np.ndarray, beta: np.ndarray) -> float:
    """Firth's penalised log likelihood, written anew."""
    p = 1 / (1 + np.exp(-design @ beta))
    likelihood = np.sum(np.log(np.where(y == 1, p, 1 - p)))
    return likelihood + np.linalg.slogdet(design.T @ np.diag(p * (1 - p)) @ design)[1] / 2


def brute_force(design: np.ndarray, y: np.ndarray, place: int, value: float | None) -> float:
    """Greatest penalised likelihood with one coefficient held (or none), by a plain search."""
    held = [] if value is None else [place]
    free = [k for k in range(design.shape[1]) if k not in held]

    def loss(part: np.ndarray) -> float:
        beta = np.zeros(design.shape[1])
        beta[free] = part
        beta[held] = value
        return -penalised(design, y, beta)

    options = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000}
    return -minimize(loss, np.zeros(len(free)), method="Nelder-Mead", options=options).fun


def separated(seed: int, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """A rare 0/1 column all of whose bearers have the event, and a quantity."""
    rng = np.random.default_rng(seed)
    rare = (np.arange(n) < 5).astype(float)
    y = np.where(rare == 1, 1.0, (rng.random(n) < 0.4).astype(float))
    return np.column_stack([rare, rng.normal(size=n) + 0.5 * y]), y


@pytest.mark.parametrize("seed", range(3))
def test_limits_and_p_against_a_plain_search(seed):
    X, y = separated(seed)
    design = np.column_stack([np.ones(len(y)), X])
    assert is_separated(design, y)
    for place, one in enumerate(firth_profile(X, y), 1):
        top = brute_force(design, y, place, None)

        def fall(value: float, place: int = place, top: float = top) -> float:
            return 2 * (top - brute_force(design, y, place, value))

        assert one.p == pytest.approx(chi2.sf(fall(0.0), 1), abs=1e-6)
        assert fall(one.low) == pytest.approx(FALL, abs=1e-5)
        assert fall(one.high) == pytest.approx(FALL, abs=1e-5)
        for share in np.linspace(-0.4, 1.4, 7):
            value = one.low + share * (one.high - one.low)
            assert (fall(value) < FALL) == (0 < share < 1)


def test_limits_follow_the_unit_of_a_column():
    X, y = separated(1)
    first, again = firth_profile(X, y), firth_profile(X * [1, 1e-4] + [0, 7.0], y)
    for name in ("low", "high", "p"):
        assert getattr(again[0], name) == pytest.approx(getattr(first[0], name), rel=1e-6)
    assert (again[1].low, again[1].high) == pytest.approx(
        (1e4 * first[1].low, 1e4 * first[1].high), rel=1e-6
    )


def test_coefficients_table_of_a_separated_model():
    X, y = separated(0)
    X = np.column_stack([X, np.ones(len(y)), X[:, 1] / 1e5])  # constant, repeated
    fitted = BinaryKind().regress(X[:, [0, 2, 1, 3]], y)
    table = pd.DataFrame(fitted.rows(["rare", "same", "score", "again"])).set_index("term")
    found = firth_profile(X[:, :2], y)
    for term, one in zip(("rare", "score"), found, strict=True):
        limits = table.loc[term, ["odds_ratio_low", "odds_ratio_high"]].to_numpy(dtype=float)
        assert limits == pytest.approx(np.exp([one.low, one.high]))
        assert table.loc[term, "p"] == pytest.approx(one.p)
        assert table.loc[term, "odds_ratio_low"] < table.loc[term, "odds_ratio"] < limits[1]
    assert set(table["method"]) == {"Firth, FLIC; profile penalised likelihood"}
    none = table.loc[["intercept", "same", "again"], ["odds_ratio_low", "odds_ratio_high", "p"]]
    assert none.isna().all(axis=None)
    tiny = BinaryKind().regress(X[:, [0, 3]], y).rows(["rare", "score"])[2]
    assert tiny["odds_ratio_high"] == np.inf or tiny["odds_ratio_low"] == 0


def test_a_search_that_fails_is_told(monkeypatch):
    X, y = separated(0)
    whole = firth_profile(X, y)
    real = module.maximise

    def failing(design, outcome, *, firth, start=None, held=None):
        if held == 1:
            raise ArithmeticError("did not converge")
        return real(design, outcome, firth=firth, start=start, held=held)

    monkeypatch.setattr(module, "maximise", failing)
    rows = BinaryKind().regress(X, y).rows(["rare", "score"])
    assert rows[1]["method"] == (
        "Firth, FLIC; profile penalised likelihood not found (did not converge)"
    )
    assert np.isnan([rows[1]["odds_ratio_low"], rows[1]["odds_ratio_high"], rows[1]["p"]]).all()
    assert np.isfinite(rows[1]["odds_ratio"])
    assert rows[2]["p"] == whole[1].p


def _simulated(beta: float, n: int, draws: int) -> pd.DataFrame:
    """Of studies of one quantity: coverage and rejections by the profile and by Wald."""
    rng = np.random.default_rng(7)
    rows = []
    while len(rows) < draws:
        x = rng.normal(size=n)
        y = (rng.random(n) < expit(beta * x)).astype(float)
        if not 2 <= y.sum() <= n - 2:
            continue
        profile = firth_profile(x[:, None], y)[0]
        design = np.column_stack([np.ones(n), x - x.mean()])
        fitted = maximise(design, y, firth=True)
        error = np.sqrt(np.linalg.inv(information(design, fitted))[1, 1])
        rows.append(
            {
                "profile_covers": profile.low <= beta <= profile.high,
                "wald_covers": abs(fitted[1] - beta) <= norm.ppf(0.975) * error,
                "profile_rejects": profile.p < 0.05,
                "wald_rejects": 2 * norm.sf(abs(fitted[1] / error)) < 0.05,
                "separated": is_separated(design, y),
            }
        )
    return pd.DataFrame(rows)


def test_coverage_and_power_near_separation(record):
    strong = _simulated(3.0, 20, 200)
    share = strong.mean()
    apart = strong[strong["separated"]].mean()
    for name, limit in (("profile", "0.91 to 0.99"), ("wald", "")):
        what = f"Firth's fit, n = 20, OR 20 per SD, {name}"
        found = share[f"{name}_covers"]
        record("Statistics: coverage of 95 % limits", what, found, "", limit)
    assert 0.91 <= share["profile_covers"] <= 0.99
    assert share["wald_covers"] < share["profile_covers"] - 0.02
    # Wald's test misses even what separates the classes.
    assert strong["separated"].sum() >= 10
    assert apart["profile_rejects"] > 0.9
    assert apart["wald_rejects"] < 0.7


def test_size_without_an_effect(record):
    share = _simulated(0.0, 30, 300).mean()
    for name, limit in (("profile", "0.02 to 0.08"), ("wald", "")):
        found = share[f"{name}_rejects"]
        record("Statistics: false alarms at 5 %", f"Firth's fit, n = 30, {name}", found, "", limit)
    assert 0.02 <= share["profile_rejects"] <= 0.08
    assert share["wald_rejects"] < share["profile_rejects"]
