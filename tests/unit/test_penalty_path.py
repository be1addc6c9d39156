"""Paths of penalties that cannot be solved to their end."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.folded import FoldedFeatures, InnerFold
from osteoflow.models.gaussian_lasso import fit_gaussian_path
from osteoflow.models.lasso import fit_path
from osteoflow.models.learners.sparse import SparseLearner
from osteoflow.models.ordinal_lasso import fit_ordinal_path
from osteoflow.models.sparse import SparseProblem

PATHS = {
    "binary": (fit_path, lambda latent: (latent > 0).astype(float)),
    "continuous": (fit_gaussian_path, lambda latent: latent),
    "ordinal": (
        partial(fit_ordinal_path, n_classes=3),
        lambda latent: np.digitize(latent, [-0.6, 0.6]).astype(float),
    ),
}


def _data(kind):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 8))
    fit, outcome = PATHS[kind]
    return fit, X, outcome(X[:, 0] + 0.7 * rng.normal(size=60))


@pytest.fixture(params=[np.linalg.LinAlgError, ArithmeticError])
def fails_below(request, monkeypatch):
    """Let no penalty below a limit be solved."""
    solve = SparseProblem.solve

    def fail(limit):
        def below(problem, penalty):
            if penalty < limit:
                raise request.param("Singular matrix")
            return solve(problem, penalty)

        monkeypatch.setattr(SparseProblem, "solve", below)

    return fail


@pytest.mark.parametrize("kind", PATHS)
def test_a_path_ends_before_penalties_that_cannot_be_solved(kind, fails_below):
    fit, X, y = _data(kind)
    whole = fit(X, y)
    assert not whole.stopped
    unit = y.std() if kind == "continuous" else 1.0
    fails_below(whole.lambdas[20] / unit * (1 + 1e-9))
    own = fit(X, y)
    assert own.stopped and len(own.lambdas) == 20
    np.testing.assert_array_equal(own.coefficients, whole.coefficients[:20])
    # A sequence from elsewhere keeps its length, as the folds of one analysis must agree on it.
    given = fit(X, y, lambdas=whole.lambdas)
    assert given.stopped and len(given.lambdas) == len(whole.lambdas)
    np.testing.assert_allclose(given.coefficients[:20], whole.coefficients[:20], atol=1e-12)
    assert (given.coefficients[20:] == given.coefficients[19]).all()
    assert given.deviance(X, y).shape == (60, len(whole.lambdas))


def test_nothing_at_all_is_a_reason(fails_below):
    fit, X, y = _data("binary")
    fails_below(np.inf)
    with pytest.raises(ArithmeticError, match="cannot be solved at lambda .*: Singular matrix"):
        fit(X, y)


def test_a_learner_tells_that_its_path_ended_early(fails_below):
    fit, X, y = _data("binary")
    rows = np.arange(60)
    parts = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    inner = tuple(InnerFold(train, test, X[train], X[test]) for train, test in parts)
    names = pd.Index([f"f{number}" for number in range(8)])
    folded = FoldedFeatures(None, names, X, inner)
    assert SparseLearner(fit).fit(folded, y).notes_ == []
    fails_below(fit(X, y).lambdas[20])
    learner = SparseLearner(fit).fit(folded, y)
    assert learner.notes_ == ["stopped"]
    assert np.isfinite(learner.cross_fitted_).all() and learner.used_.any()
    assert "ended before them" in learner.NOTES["stopped"]
