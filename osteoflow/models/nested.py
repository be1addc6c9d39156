"""Likelihood-ratio test of nested logistic models.

For what a predictor adds to a model fitted on the same rows this is the test, not a comparison of
areas: DeLong's test does not hold for nested models on the data they were fitted on (Demler,
Pencina and D'Agostino, Stat Med 2012;31:2577). It presumes predictors that were not derived from
the outcome of these rows: a radiomic score must be cross-fitted or come from other data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from osteoflow.models.logistic import LogisticFit, fit_logistic
from osteoflow.models.logistic_likelihood import firth_maximum

Array = NDArray[np.float64]

ML = "likelihood-ratio test"
PENALISED = "penalised likelihood-ratio test (Firth): the larger model separates the classes"


@dataclass(frozen=True)
class NestedTest:
    """Test of the terms that the larger model has beyond the smaller one.

    Attributes
    ----------
    statistic
        Twice the difference of the (penalised) log likelihoods.
    df
        Independent terms added.
    p
        Upper tail of the chi-squared distribution; NaN where no independent term is added.
    method
        ``ML`` or ``PENALISED``.
    """

    statistic: float
    df: int
    p: float
    method: str


def likelihood_ratio_test(smaller: ArrayLike, larger: ArrayLike, outcome: ArrayLike) -> NestedTest:
    """Compare two nested logistic models on the same rows.

    With (quasi-)complete separation the larger model has no maximum likelihood. Both are then
    fitted by Firth's penalised likelihood with the penalty of the larger model, the terms added
    being held at 0 in the smaller one (Heinze and Schemper, Stat Med 2002;21:2409).

    Parameters
    ----------
    smaller, larger
        Columns of the models without intercept, shapes (n, p) and (n, q), complete; every column
        of the smaller one must be a combination of those of the larger one and a constant. p may
        be 0: the model of the intercept alone.
    outcome
        0/1, shape (n,).

    Raises
    ------
    ValueError
        If the models are not nested, or as :func:`osteoflow.models.logistic.fit_logistic`.
    ArithmeticError
        If a model cannot be fitted.
    """
    small, large = np.asarray(smaller, dtype=float), np.asarray(larger, dtype=float)
    y = np.asarray(outcome, dtype=float)
    if small.ndim != 2 or large.ndim != 2 or not len(small) == len(large) == len(y):
        raise ValueError("both models need a matrix of columns with one row per outcome")
    both = np.column_stack([small, large])
    whole = fit_logistic(both, y)
    if _terms(whole) > _terms(fit_logistic(large, y)):
        raise ValueError("the models are not nested: the larger one lacks terms of the smaller")
    kept = [place for place in range(both.shape[1]) if place not in whole.dropped]
    shared = [place for place in kept if place < small.shape[1]]
    df = len(kept) - len(shared)
    if whole.method == "ml":
        part = fit_logistic(small, y)
        difference = _log_likelihood(whole, both, y) - _log_likelihood(part, small, y)
    else:
        difference = firth_maximum(both[:, kept], y) - firth_maximum(
            both[:, kept], y, n_free=len(shared)
        )
    statistic = max(0.0, 2 * float(difference)) if df else 0.0
    p = float(chi2.sf(statistic, df)) if df else float("nan")
    return NestedTest(statistic, df, p, ML if whole.method == "ml" else PENALISED)


def _terms(fit: LogisticFit) -> int:
    return len(fit.coefficients) - len(fit.dropped)


def _log_likelihood(fit: LogisticFit, columns: Array, y: Array) -> float:
    eta = fit.linear_predictor(columns)
    return float(np.sum(y * eta - np.logaddexp(0.0, eta)))
