"""Reclassification and the likelihood-ratio test of nested models."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import chi2

from osteoflow.models.nested import ML, PENALISED, likelihood_ratio_test
from osteoflow.models.performance import bootstrap_weights
from osteoflow.statistics.reclassification import INDICES, reclassification


def models(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome and the true risks by one and by two markers."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    outcome = (rng.uniform(size=n) < expit(a + b - 0.5)).astype(float)
    return outcome, expit(0.85 * (a - 0.5)), expit(a + b - 0.5)


# --- reclassification ----------------------------------------------------------------------------


def test_reclassification_by_hand():
    outcome = [1, 1, 1, 1, 0, 0, 0, 0, 0]
    old = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    new = [0.7, 0.6, 0.5, 0.4, 0.3, 0.4, 0.4, 0.5, 0.8]
    found = reclassification(outcome, old, new)
    assert found.nri_events.value == pytest.approx(2 / 4 - 1 / 4)
    assert found.nri_nonevents.value == pytest.approx(3 / 5 - 1 / 5)
    assert found.nri.value == pytest.approx(0.65)
    assert found.idi_events.value == pytest.approx(0.05)
    assert found.idi_nonevents.value == pytest.approx(0.02)
    assert found.idi.value == pytest.approx(0.07)
    # Pencina: (n up + n down) / n^2 - (n up - n down)^2 / n^3.
    assert found.nri_events.standard_error**2 == pytest.approx(3 / 16 - 1 / 64)
    assert found.nri_nonevents.standard_error**2 == pytest.approx(4 / 25 - 4 / 125)
    assert (found.n_events, found.n_nonevents, found.interval) == (4, 5, "normal limits")


def test_exchanged_models_and_unchanged_ones():
    outcome, old, new = models(200, 1)
    there, back = reclassification(outcome, old, new), reclassification(outcome, new, old)
    for name in INDICES:
        a, b = getattr(there, name), getattr(back, name)
        assert (a.value, a.low, a.p) == pytest.approx((-b.value, -b.high, b.p))
    # Sums formed in another order are no change.
    same = reclassification(outcome, old, old + 1e-15)
    assert same.nri.value == same.idi.value == same.nri.standard_error == 0
    assert np.isnan(same.nri.p)


def test_coverage_of_normal_and_bootstrap_limits(record):
    truth = reclassification(*models(400_000, 5))
    covered = {"normal": [], "bootstrap": []}
    for seed in range(150):
        data = models(150, 100 + seed)
        weights = bootstrap_weights(np.arange(150), 300, np.random.default_rng(seed))
        for kind, given in (("normal", None), ("bootstrap", weights)):
            found = reclassification(*data, weights=given)
            covered[kind].append(
                [
                    part.low <= target.value <= part.high
                    for part, target in ((found.nri, truth.nri), (found.idi, truth.idi))
                ]
            )
    for kind, hits in covered.items():
        for name, share in zip(("NRI", "IDI"), np.mean(hits, axis=0), strict=True):
            record("Statistics: coverage of 95 % limits", f"{name}, {kind} limits", share, "",
                   "0.89 to 0.99")  # fmt: skip
            assert 0.89 <= share <= 0.99, (kind, name)


def test_rows_of_one_participant_widen_the_bootstrap():
    outcome, old, new = (np.repeat(part, 4) for part in models(80, 3))
    rng = np.random.default_rng(0)
    each = bootstrap_weights(np.arange(320), 500, rng)
    people = bootstrap_weights(np.repeat(np.arange(80), 4), 500, rng)
    alone = reclassification(outcome, old, new, weights=each).idi
    grouped = reclassification(outcome, old, new, weights=people).idi
    assert grouped.standard_error == pytest.approx(2 * alone.standard_error, rel=0.15)
    assert grouped.value == pytest.approx(alone.value, abs=1e-12)


def test_resamples_without_events_are_said():
    outcome = np.array([1.0, 1.0] + [0.0] * 20)
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(2, 22))
    found = reclassification(
        outcome, *p, weights=bootstrap_weights(np.arange(22), 400, rng), confidence=0.9
    )
    assert "resamples defined" in found.interval
    assert np.isnan(found.nri.low)
    assert np.isnan(found.nri.standard_error)


@pytest.mark.parametrize(
    ("outcome", "old", "new"),
    [
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, np.nan], [0.1] * 4),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 1.2], [0.1] * 4),
        ([1, 0, 0, 0], [0.1] * 4, [0.2] * 4),
        ([1, 1, 0, 2], [0.1] * 4, [0.2] * 4),
        ([1, 1, 0, 0], [0.1] * 4, [0.2] * 3),
    ],
)
def test_reclassification_refuses(outcome, old, new):
    with pytest.raises(ValueError, match=r"missing|within|length|two events"):
        reclassification(outcome, old, new)


def test_weights_of_another_shape():
    with pytest.raises(ValueError, match="one column"):
        reclassification([1, 1, 0, 0], [0.1] * 4, [0.2] * 4, weights=np.ones((3, 5)))


# --- nested models -------------------------------------------------------------------------------


def design(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1, 10, 0.1, 1] + [0, 60, 0, 5]
    return X, (rng.uniform(size=n) < expit(X[:, 0] + 0.05 * (X[:, 1] - 60))).astype(float)


def test_likelihood_ratio_of_statsmodels():
    X, y = design(120, 0)
    large = sm.Logit(y, sm.add_constant(X)).fit(disp=False, tol=1e-12)
    for kept in ([], [0], [1, 3], [0, 1, 2]):
        small = sm.Logit(y, sm.add_constant(X[:, kept]) if kept else np.ones((120, 1)))
        expected = 2 * (large.llf - small.fit(disp=False, tol=1e-12).llf)
        found = likelihood_ratio_test(X[:, kept], X, y)
        assert found.statistic == pytest.approx(expected, abs=1e-8)
        assert found.df == 4 - len(kept)
        assert found.p == pytest.approx(chi2.sf(expected, found.df), abs=1e-10)
        assert found.method == ML


def test_models_by_other_columns_are_the_same_models():
    rng = np.random.default_rng(4)
    X, y = design(60, 2)
    X[:, 3] = np.where(y == 1, 1, -1) * rng.uniform(0.1, 2, 60)
    for outcome, method in ((y, PENALISED), (design(60, 2)[1][::-1].copy(), ML)):
        found = likelihood_ratio_test(X[:, :2], X, outcome)
        mixed = X @ rng.normal(size=(4, 4)) + [1, 2, 3, 4]
        other = likelihood_ratio_test(X[:, :2] @ [[1, 2], [0, 1]], mixed, outcome)
        assert found.method == other.method == method
        assert other.statistic == pytest.approx(found.statistic, abs=1e-6)
        assert other.df == found.df == 2


def test_penalised_ratio_of_a_table_by_hand():
    # One 0/1 predictor, one empty cell: Firth's fit is that of cells with one half added.
    x = np.repeat([0.0, 1.0], [12, 9])
    y = np.concatenate([np.repeat([0.0, 1.0], [7, 5]), np.ones(9)])
    n = np.array([12.0, 9.0])
    events = np.array([5.0, 9.0])

    def penalised(p):
        weight = n * p * (1 - p)
        # The determinant of the information of (intercept, slope).
        return np.sum(events * np.log(p) + (n - events) * np.log1p(-p)) + 0.5 * np.log(
            weight[0] * weight[1]
        )

    large = penalised((events + 0.5) / (n + 1))
    small = -minimize_scalar(
        lambda p: -penalised(np.array([p, p])), bounds=(0.01, 0.99), method="bounded",
        options={"xatol": 1e-12},
    ).fun  # fmt: skip
    found = likelihood_ratio_test(np.zeros((21, 0)), x[:, None], y)
    assert found.method == PENALISED
    assert found.statistic == pytest.approx(2 * (large - small), abs=1e-8)


def test_false_alarms_of_the_likelihood_ratio(record):
    alarms = []
    for seed in range(200):
        X, y = design(100, 1000 + seed)
        alarms.append(likelihood_ratio_test(X[:, :2], X, y).p < 0.05)
    share = np.mean(alarms)
    record("Statistics: false alarms at 5 %", "likelihood-ratio test, n = 100, 2 useless terms",
           share, "", "<= 0.09")  # fmt: skip
    assert 0.01 <= share <= 0.09


def test_terms_that_add_nothing():
    X, y = design(60, 3)
    found = likelihood_ratio_test(X[:, :2], np.column_stack([X[:, :2], X[:, 0], np.ones(60)]), y)
    assert (found.statistic, found.df) == (0.0, 0)
    assert np.isnan(found.p)


def test_models_that_are_not_nested():
    X, y = design(60, 3)
    with pytest.raises(ValueError, match="not nested"):
        likelihood_ratio_test(X[:, :2], X[:, 1:], y)
    with pytest.raises(ValueError, match="one row per outcome"):
        likelihood_ratio_test(X[:50, :2], X, y)
