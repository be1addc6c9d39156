"""LASSO or elastic net for a time to event."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.cox import baseline_hazard
from osteoflow.models.cox_lasso import fit_cox_path, left_out_deviance
from osteoflow.models.folded import FoldedFeatures, InnerFold
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.survival_measures import EVENT, TIME
from osteoflow.models.learners.base import Learner
from osteoflow.models.penalty_path import Path
from osteoflow.models.tuned_path import TunedPath

Array = NDArray[np.float64]


class CoxLearner(TunedPath, Learner):
    """Penalised Cox model whose penalty is that of the cross-validated partial likelihood.

    What a fold left out adds to the partial likelihood hangs on all rows (Verweij and Van
    Houwelingen, Stat Med 1993;12:2305), unlike the deviance of other outcomes, which is a sum over
    rows; folds count by their events. Parameters and further attributes are those of
    :class:`osteoflow.models.tuned_path.TunedPath`.

    Attributes
    ----------
    training_score_
        Score of the training rows by the final model, shape (n,).
    times_, cumulative_hazard_, follow_up_
        Hazard of a score of 0, accumulated up to each event time; longest time of a row.
    """

    def fit(self, folded: FoldedFeatures, outcome: Array) -> Self:
        """Fit; with no feature chosen the score is 0.

        Raises
        ------
        AnalysisError
            If an inner fold has no event to be judged by.
        ArithmeticError
            If a path cannot be solved.
        """
        time, event = outcome[:, TIME], outcome[:, EVENT]

        def left_out(fold: InnerFold, path: Path) -> tuple[Array, int]:
            n_events = int(event[fold.test].sum())
            if not n_events:
                raise AnalysisError(
                    f"{len(folded.inner)} inner folds by participant leave one without events"
                )
            predictor = np.zeros((len(time), len(path.lambdas)))
            predictor[fold.train] = path.linear_predictor(fold.inside)
            predictor[fold.test] = path.linear_predictor(fold.outside)
            deviance = left_out_deviance(time, event, fold.train, predictor)
            return deviance / n_events, n_events

        self._tune(
            folded,
            lambda features, rows, lambdas: fit_cox_path(
                features, time[rows], event[rows], lambdas, l1_ratio=self.l1_ratio
            ),
            left_out,
        )
        self.training_score_ = self.score(folded.whole)
        self.times_, self.cumulative_hazard_ = baseline_hazard(self.training_score_, time, event)
        self.follow_up_ = float(time.max())
        return self

    def score(self, features: Array) -> Array:
        """Log hazard relative to the mean of all features."""
        return self._predictor(features)
