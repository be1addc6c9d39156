"""Logistic regression on all features that the filters leave."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.learners.of_events import EventLearner, tune
from osteoflow.models.logistic import fit_logistic

Array = NDArray[np.float64]

# Events (or non-events, the fewer) for each feature, below which estimates without a penalty are
# not to be trusted (Vittinghoff and McCulloch, Am J Epidemiol 2007;165:710).
EVENTS_PER_FEATURE = 5
# Candidates, the strongest first.
RIDGE_PENALTIES = np.geomspace(1e3, 1e-3, 13)


class LogisticLearner(EventLearner):
    """Maximum likelihood, or Firth's penalised likelihood where the classes are separated.

    With fewer than five events (or non-events) for each feature that the filters leave, a ridge
    penalty takes its place, ``loglik / n - lambda / 2 * sum(b^2)``, chosen among 13 values from
    1000 to 0.001 by the deviance of the inner folds, and a note says so: few features, by mRMR for
    instance, keep the model free of it.

    Attributes
    ----------
    intercept_
        Of the model.
    """

    name = "logistic"
    NOTES: ClassVar[dict[str, str]] = {
        "separated": "the classes are separated, so Firth's penalised likelihood replaced "
        "maximum likelihood",
        "ridge": f"fewer than {EVENTS_PER_FEATURE} events (or non-events) for each feature, so a "
        "ridge penalty was added to the likelihood",
    }

    def _fit(self, folded: FoldedFeatures, outcome: Array) -> None:
        fewer = min(outcome.sum(), (1 - outcome).sum())
        if folded.whole.shape[1] * EVENTS_PER_FEATURE > fewer:
            self.notes_.append("ridge")
            chosen, self.cross_fitted_ = tune(folded, outcome, RIDGE_PENALTIES, _ridge_log_odds)
            penalty = float(RIDGE_PENALTIES[chosen])
            self.setting_ = {"lambda": penalty}
            self.intercept_, self.coefficients_ = fit_ridge(folded.whole, outcome, penalty)
            return
        fit = fit_logistic(folded.whole, outcome)
        if fit.method == "firth":
            self.notes_.append("separated")
        self.intercept_, self.coefficients_ = fit.intercept, fit.coefficients
        self.used_ = np.ones(folded.whole.shape[1], dtype=bool)
        self.used_[list(fit.dropped)] = False
        self.cross_fitted_ = np.zeros(len(outcome))
        for fold in folded.inner:
            inner = fit_logistic(fold.inside, outcome[fold.train])
            self.cross_fitted_[fold.test] = inner.linear_predictor(fold.outside)

    def _log_odds(self, features: Array) -> Array:
        return self.intercept_ + features @ self.coefficients_


def fit_ridge(features: Array, outcome: Array, penalty: float) -> tuple[float, Array]:
    """Intercept and coefficients of ridge logistic regression on standardised features.

    With more features than rows the problem is solved in the rows' space, where it is the same.
    """
    n, p = features.shape
    turned, back = features, None
    if p > n:
        left, size, back = np.linalg.svd(features, full_matrices=False)
        turned = left * size
    model = LogisticRegression(C=1 / (n * penalty), solver="newton-cholesky", tol=1e-8)
    model.fit(turned, outcome)
    b = model.coef_[0]
    return float(model.intercept_[0]), b if back is None else back.T @ b


def _ridge_log_odds(penalty: float, inside: Array, outcome: Array, outside: Array) -> Array:
    intercept, b = fit_ridge(inside, outcome, float(penalty))
    return intercept + outside @ b
