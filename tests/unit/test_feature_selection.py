"""Choice of features by association with the outcome, and the order of the steps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway, mannwhitneyu
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from osteoflow.models.repeated import RepeatedFeatures
from osteoflow.models.selectors import (
    LEAST_REDUNDANCY,
    MrmrFilter,
    UnivariateFilter,
    binary_scores,
    choose_features,
    f_statistic,
    mann_whitney_p,
)
from osteoflow.models.transformers import ReliabilityFilter
from osteoflow.statistics.intervals import benjamini_hochberg


@pytest.fixture
def table() -> tuple[pd.DataFrame, np.ndarray]:
    """Correlated features, some with ties, one constant, one that the class alone decides."""
    rng = np.random.default_rng(1)
    n, p = 60, 40
    y = rng.permutation(np.repeat([0.0, 1.0], [35, 25]))
    X = rng.normal(size=(n, 5)) @ rng.normal(size=(5, p)) + rng.normal(size=(n, p))
    X[:, ::3] += 0.8 * y[:, None]
    X[:, 4] = np.round(X[:, 4])
    X[:, 7] = 3.25
    X[:, 9] = 2 * y - 1
    return pd.DataFrame(X, columns=[f"f{place}" for place in range(p)]), y


def test_scores_are_those_of_scipy(table):
    X, y = table
    varying = [name for name in X if name not in ("f7", "f9")]
    relevance, p = (pd.Series(found, X.columns) for found in binary_scores(X.to_numpy(), y))
    for name in varying:
        events, others = X.loc[y == 1, name], X.loc[y == 0, name]
        peer = mannwhitneyu(events, others, method="asymptotic").pvalue
        assert p[name] == pytest.approx(peer, rel=1e-10)
        assert relevance[name] == pytest.approx(f_oneway(events, others).statistic, rel=1e-9)
    assert (relevance["f7"], p["f7"]) == (0.0, 1.0)
    assert np.isinf(relevance["f9"])
    assert p["f9"] < 1e-10


def test_f_statistic_of_three_classes():
    rng = np.random.default_rng(2)
    classes = np.repeat([0, 1, 2], [10, 12, 9])
    X = rng.normal(size=(31, 4)) + classes[:, None] * [0.0, 0.5, 1.0, 2.0]
    peers = [f_oneway(*(X[classes == k, j] for k in range(3))).statistic for j in range(4)]
    np.testing.assert_allclose(f_statistic(X, classes), peers, rtol=1e-10)


def test_p_values_of_noise_are_uniform(record):
    rng = np.random.default_rng(3)
    X = rng.lognormal(size=(80, 4000))
    y = rng.permutation(np.repeat([0.0, 1.0], [50, 30]))
    share = float((mann_whitney_p(X, y) <= 0.05).mean())
    record(
        "Models: univariate filter on noise (4000 features)",
        "share of features with p <= 0.05",
        share,
        "",
        "0.05 +- 0.012",
    )
    assert share == pytest.approx(0.05, abs=0.012)


def test_univariate_filter_with_and_without_correction(table):
    X, y = table
    p = mann_whitney_p(X.to_numpy(), y)
    plain = UnivariateFilter(alpha=0.05).fit(X, y)
    assert plain.kept_ == list(X.columns[p <= 0.05])
    corrected = UnivariateFilter(alpha=0.05, correction="fdr").fit(X, y)
    assert corrected.kept_ == list(X.columns[benjamini_hochberg(p) <= 0.05])
    assert len(corrected.kept_) < len(plain.kept_)
    assert UnivariateFilter().fit(X[[]], y).transform(X[[]]).shape == (60, 0)


def _one_by_one(X: np.ndarray, relevance: np.ndarray, k: int) -> list[int]:
    """Maximum relevance over mean absolute correlation, written out."""
    taken: list[int] = []
    while len(taken) < k:
        best, best_worth = -1, -np.inf
        for j in range(X.shape[1]):
            if j in taken:
                continue
            shares = [abs(np.corrcoef(X[:, j], X[:, i])[0, 1]) for i in taken]
            worth = relevance[j] / max(np.mean(shares), LEAST_REDUNDANCY) if taken else relevance[j]
            if worth > best_worth:
                best, best_worth = j, worth
        taken.append(best)
    return taken


def test_mrmr_equals_a_plain_loop(table):
    X, y = table
    values = X.drop(columns=["f7", "f9"]).to_numpy()
    relevance = f_statistic(values, y)
    expected = _one_by_one(values, relevance, 12)
    assert choose_features(values, relevance, 12) == expected
    assert expected != list(np.argsort(-relevance)[:12])
    step = MrmrFilter(12).fit(X.drop(columns=["f7", "f9"]), y)
    names = X.columns.drop(["f7", "f9"])
    assert step.order_ == list(names[expected])
    assert step.kept_ == list(names[sorted(expected)])
    assert len(MrmrFilter(100).fit(X, y).kept_) == 40
    assert MrmrFilter(3).fit(X[[]], y).kept_ == []


def test_mrmr_leaves_out_the_twin_of_a_strong_feature():
    rng = np.random.default_rng(5)
    y = np.tile([0.0, 1.0], 50)
    strong = 2 * y + rng.normal(size=100)
    X = pd.DataFrame(
        {
            "strong": strong,
            "twin": strong + 0.05 * rng.normal(size=100),
            "other": 1.5 * y + rng.normal(size=100),
        }
    )
    assert set(MrmrFilter(2).fit(X, y).kept_) == {
        MrmrFilter(1).fit(X, y).kept_[0],
        "other",
    }


def test_steps_see_the_outcome_of_the_rows_fitted_on_alone(table):
    X, y = table
    steps = Pipeline([("univariate", UnivariateFilter()), ("mrmr", MrmrFilter(5))])
    train = np.arange(40)
    poisoned, flipped = X.copy(), y.copy()
    poisoned.iloc[40:] = 1e6
    flipped[40:] = 1 - flipped[40:]
    one = clone(steps).fit(X.iloc[train], y[train])
    two = clone(steps).fit(poisoned.iloc[train], flipped[train])
    assert one["mrmr"].order_ == two["mrmr"].order_
    assert one["univariate"].p_.equals(two["univariate"].p_)


def test_a_copy_of_the_reliability_filter_shares_its_readings(table):
    X, _ = table
    readings = RepeatedFeatures("scan_rescan", (X, X + 0.1))
    step = ReliabilityFilter(readings, 0.6, 7, "scan_rescan").fit(X)
    copy = clone(step)
    assert copy.repeated is readings
    assert copy.get_params() == step.get_params()
    assert not hasattr(copy, "kept_")
