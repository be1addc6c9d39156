"""LASSO or elastic net for a time to event."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.cox import baseline_hazard
from osteoflow.models.cox_lasso import fit_cox_path, left_out_deviance
from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.learners import KindLearner
from osteoflow.models.kinds.survival_measures import EVENT, TIME
from osteoflow.models.penalty_path import choose_penalty

Array = NDArray[np.float64]


class CoxLearner(KindLearner):
    """Penalised Cox model whose penalty is that of the cross-validated partial likelihood.

    What a fold left out adds to the partial likelihood hangs on all rows (Verweij and Van
    Houwelingen, Stat Med 1993;12:2305), unlike the deviance of other outcomes, which is a sum over
    rows; folds count by their events.

    Parameters
    ----------
    l1_ratio
        Share of the L1 penalty: 1 is the LASSO.
    penalty
        ``lambda_min`` or ``lambda_1se``.

    Attributes
    ----------
    path_, deviance_, chosen_
        Path of penalties, its cross-validated deviance per event, and the position of the chosen
        penalty.
    training_score_
        Score of the training rows by the final model, shape (n,).
    times_, cumulative_hazard_, follow_up_
        Hazard of a score of 0, accumulated up to each event time; longest time of a row.
    """

    def __init__(
        self,
        l1_ratio: float = 1.0,
        penalty: Literal["lambda_min", "lambda_1se"] = "lambda_min",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.penalty = penalty

    @property
    def name(self) -> str:
        """``lasso`` or ``elastic_net``."""
        return "lasso" if self.l1_ratio == 1 else "elastic_net"

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
        self.path_ = fit_cox_path(folded.whole, time, event, l1_ratio=self.l1_ratio)
        lambdas = self.path_.lambdas
        held_out = np.zeros((len(time), len(lambdas)))
        deviance, sizes = [], []
        for fold in folded.inner:
            path = fit_cox_path(
                fold.inside, time[fold.train], event[fold.train], lambdas, l1_ratio=self.l1_ratio
            )
            predictor = np.zeros((len(time), len(lambdas)))
            predictor[fold.train] = path.linear_predictor(fold.inside)
            # Features have mean 0 in the fold's training part: folds' scores share an origin.
            held_out[fold.test] = predictor[fold.test] = path.linear_predictor(fold.outside)
            n_events = int(event[fold.test].sum())
            if not n_events:
                raise AnalysisError(
                    f"{len(folded.inner)} inner folds by participant leave one without events"
                )
            deviance.append(left_out_deviance(time, event, fold.train, predictor) / n_events)
            sizes.append(n_events)
        self.deviance_ = choose_penalty(np.array(deviance), np.array(sizes))
        self.chosen_ = getattr(self.deviance_, self.penalty.replace("lambda", "index"))
        self.setting_ = {"lambda": float(lambdas[self.chosen_])}
        self.coefficients_ = self.path_.coefficients[self.chosen_]
        self.used_ = self.coefficients_ != 0
        self.notes_ = [] if self.used_.any() else ["empty"]
        # A signature without features is constant, whatever the folds found at its penalty.
        self.cross_fitted_ = held_out[:, self.chosen_] if self.used_.any() else np.zeros(len(time))
        self.training_score_ = self.score(folded.whole)
        self.times_, self.cumulative_hazard_ = baseline_hazard(self.training_score_, time, event)
        self.follow_up_ = float(time.max())
        return self

    def score(self, features: Array) -> Array:
        """Log hazard relative to the mean of all features."""
        return features @ self.coefficients_
