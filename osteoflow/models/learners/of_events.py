"""What learners of events and non-events share: a constant without features, and tuning."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.lasso import binomial_deviance
from osteoflow.models.learners.base import Learner

Array = NDArray[np.float64]


class EventLearner(Learner):
    """A learner whose score is the log odds of the event."""

    def fit(self, folded: FoldedFeatures, outcome: Array) -> Self:
        """Fit on a training set; without any feature the probability is the share of events.

        Parameters
        ----------
        folded
            Features of the training set and of its inner folds.
        outcome
            0/1, shape (n,), both present.
        """
        outcome = np.asarray(outcome, dtype=float)
        p = folded.whole.shape[1]
        self.notes_, self.setting_, self.coefficients_ = [], {}, None
        self.used_ = np.ones(p, dtype=bool)
        self.constant_ = constant_log_odds(outcome) if p == 0 else None
        if self.constant_ is None:
            self._fit(folded, outcome)
        else:
            self.cross_fitted_ = np.full(len(outcome), self.constant_)
        return self

    def score(self, features: Array) -> Array:
        """Log odds of the event for new rows, shape (n,)."""
        if self.constant_ is not None:
            return np.full(len(features), self.constant_)
        return self._log_odds(np.asarray(features, dtype=float))

    @abstractmethod
    def _fit(self, folded: FoldedFeatures, outcome: Array) -> None:
        """Fit, with one feature or more."""

    @abstractmethod
    def _log_odds(self, features: Array) -> Array:
        """Log odds, with one feature or more."""


def constant_log_odds(outcome: Array) -> float:
    """Log odds of the share of events."""
    return float(logit(np.mean(outcome)))


# Setting, training features and outcome, test features -> log odds of the test rows, one row for
# each value that the last part of a setting runs through.
FitPredict = Callable[[Any, Array, Array, Array], Array]


def tune(
    folded: FoldedFeatures, outcome: Array, settings: Sequence[Any], fit_predict: FitPredict
) -> tuple[int, Array]:
    """Choose a setting by the mean deviance of rows that inner folds left out.

    Parameters
    ----------
    folded, outcome
        Training set with its inner folds.
    settings
        Candidates, the simplest first: ties go to the earlier one.
    fit_predict
        Called for each fold that has a feature; gives log odds of shape (n_test,), or (k, n_test)
        where a setting stands for k candidates in a row.

    Returns
    -------
    tuple
        Position of the chosen candidate, and its cross-fitted log odds, shape (n,).
    """
    n = len(outcome)
    tables = []
    for fold in folded.inner:
        train = outcome[fold.train]
        if fold.inside.shape[1]:
            parts = [
                np.atleast_2d(fit_predict(setting, fold.inside, train, fold.outside))
                for setting in settings
            ]
            tables.append(np.vstack(parts))
        else:
            tables.append(np.full((1, len(fold.test)), constant_log_odds(train)))
    n_candidates = max(len(table) for table in tables)
    found = np.full((n_candidates, n), np.nan)
    for fold, table in zip(folded.inner, tables, strict=True):
        found[:, fold.test] = table
    # Rounded, so that the choice does not hang on the last bit of a sum.
    deviance = np.round(binomial_deviance(outcome, found.T).mean(axis=0), 10)
    chosen = int(np.argmin(deviance))
    return chosen, found[chosen]
