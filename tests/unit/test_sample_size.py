"""Sample sizes of prediction models, against the worked examples of Riley et al."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from osteoflow.models.logistic import fit_logistic
from osteoflow.models.sample_size import (
    binary_sample_size,
    continuous_sample_size,
    greatest_r_squared,
    r_squared_of_auc,
    survival_sample_size,
)


def test_worked_example_of_a_binary_outcome(record):
    found = binary_sample_size(24, 0.174, 0.288)
    record("Statistics: sample size", "binary, 24 parameters: participants", found.n, "", "662")
    assert found.needed == {"shrinkage": 623, "optimism": 662, "overall": 221}
    assert (found.n, found.criterion) == (662, "optimism")


def test_worked_examples_of_times_and_quantities():
    assert survival_sample_size(30, 0.065, 2.07, 0.051).n == 5143
    found = continuous_sample_size(25, 0.2)
    assert found.needed == {"shrinkage": 918, "optimism": 401, "overall": 259}


def test_greatest_r_squared_of_rare_and_common_events():
    assert greatest_r_squared(0.5) == pytest.approx(0.75)
    assert greatest_r_squared(0.1) == pytest.approx(0.478, abs=5e-4)
    assert binary_sample_size(5, 0.5).r_squared == pytest.approx(0.15 * 0.75)


def test_r_squared_of_an_auc_is_that_of_a_large_sample():
    rng = np.random.default_rng(8)
    n, prevalence, distance = 200_000, 0.3, 1.1
    event = (rng.random(n) < prevalence).astype(float)
    marker = rng.normal(size=n) + distance * event
    fit = fit_logistic(marker[:, None], event)
    p = expit(fit.linear_predictor(marker[:, None]))
    gain = np.mean(event * np.log(p) + (1 - event) * np.log1p(-p))
    gain -= event.mean() * np.log(event.mean()) + (1 - event.mean()) * np.log1p(-event.mean())
    from scipy.stats import norm

    auc = norm.cdf(distance / np.sqrt(2))
    assert r_squared_of_auc(auc, prevalence) == pytest.approx(-np.expm1(-2 * gain), abs=4e-3)
    assert r_squared_of_auc(0.5, 0.3) == pytest.approx(0, abs=1e-12)


def test_more_parameters_and_weaker_models_need_more():
    sizes = [binary_sample_size(p, 0.3).n for p in (5, 10, 20)]
    assert sizes == sorted(sizes)
    assert sizes[2] == pytest.approx(4 * sizes[0], rel=0.01)
    assert binary_sample_size(10, 0.3, 0.05).n > binary_sample_size(10, 0.3, 0.2).n
