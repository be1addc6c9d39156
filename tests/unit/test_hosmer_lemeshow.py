"""The Hosmer-Lemeshow test: its groups, its level, and what it cannot say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chi2

from osteoflow.models.calibration import hosmer_lemeshow
from osteoflow.models.logistic import fit_logistic


def test_groups_by_hand():
    probability = np.repeat([0.1, 0.3, 0.6, 0.8], 10)
    outcome = np.concatenate([np.repeat([1.0, 0.0], [k, 10 - k]) for k in (2, 3, 4, 9)])
    found = hosmer_lemeshow(outcome, probability, 10)
    # Ten groups were asked for; equal predictions stay together, the lowest join the next.
    terms = [(5 - 4) ** 2 / 3.2, (4 - 6) ** 2 / 2.4, (9 - 8) ** 2 / 1.6]
    assert (found.n_groups, found.df) == (3, 1)
    assert found.statistic == pytest.approx(sum(terms))
    assert found.p == pytest.approx(chi2.sf(sum(terms), 1))
    external = hosmer_lemeshow(outcome, probability, 10, external=True)
    assert (external.df, external.p) == (3, pytest.approx(chi2.sf(sum(terms), 3)))


def test_level_and_power(record):
    rng = np.random.default_rng(0)
    own, other, distorted = [], [], []
    for _ in range(200):
        X = rng.normal(size=(300, 3))
        risk = expit(X @ [0.8, 0.5, 0.0])
        y = (rng.uniform(size=300) < risk).astype(float)
        p = expit(fit_logistic(X, y).linear_predictor(X))
        own.append(hosmer_lemeshow(y, p).p < 0.05)
        other.append(hosmer_lemeshow(y, risk, external=True).p < 0.05)
        distorted.append(hosmer_lemeshow(y, risk**2, external=True).p < 0.05)
    section = "Statistics: false alarms at 5 %"
    record(section, "Hosmer-Lemeshow, model's own rows", np.mean(own), "", "0.01 to 0.09")
    record(section, "Hosmer-Lemeshow, other rows", np.mean(other), "", "0.01 to 0.09")
    assert 0.01 <= np.mean(own) <= 0.09
    assert 0.01 <= np.mean(other) <= 0.09
    assert np.mean(distorted) > 0.95


@pytest.mark.parametrize("probability", [np.full(40, 0.5), np.repeat([0.0, 0.4, 0.7, 1.0], 10)])
def test_what_is_not_defined(probability):
    found = hosmer_lemeshow(np.tile([0.0, 1.0], 20), probability)
    assert np.isnan(found.p)
    assert np.isnan(found.statistic)


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="complete vectors"):
        hosmer_lemeshow([0, 1, 1], [0.1, 0.2, np.nan])
    with pytest.raises(ValueError, match="three groups"):
        hosmer_lemeshow([0, 1], [0.1, 0.2], 2)
