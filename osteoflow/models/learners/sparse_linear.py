"""LASSO and elastic net: the learners whose linear predictor is the Rad-score."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.lasso import binomial_deviance, fit_path
from osteoflow.models.learners.base import Learner
from osteoflow.models.penalty_path import choose_penalty

Array = NDArray[np.float64]


class SparseLinear(Learner):
    """Logistic regression with a LASSO or elastic-net penalty (:mod:`osteoflow.models.lasso`).

    The penalty is chosen by the deviance of the inner folds. Cross-fitted log odds take the
    intercept of the whole training set: the folds' own intercepts move against the outcome of the
    rows left out and would make a useless signature look inversely predictive.

    Parameters
    ----------
    l1_ratio
        Share of the L1 penalty: 1 is the LASSO.
    penalty
        ``lambda_min`` or ``lambda_1se``.

    Attributes
    ----------
    path_, deviance_, chosen_
        Path of penalties, its cross-validated deviance, and the position of the chosen penalty.
    intercept_
        Of the chosen penalty.
    """

    NOTES: ClassVar[dict[str, str]] = {
        "empty": "no feature was selected, so the score is constant",
    }

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
        """Fit on a training set; the path is there even if it has no feature."""
        self.notes_, self.constant_ = [], None
        self._fit(folded, np.asarray(outcome, dtype=float))
        return self

    def _fit(self, folded: FoldedFeatures, outcome: Array) -> None:
        self.path_ = fit_path(folded.whole, outcome, l1_ratio=self.l1_ratio)
        lambdas = self.path_.lambdas
        held_out = np.zeros((len(outcome), len(lambdas)))
        deviance, sizes = [], []
        for fold in folded.inner:
            path = fit_path(fold.inside, outcome[fold.train], lambdas, l1_ratio=self.l1_ratio)
            predictor = path.linear_predictor(fold.outside)
            deviance.append(binomial_deviance(outcome[fold.test], predictor).mean(axis=0))
            sizes.append(len(fold.test))
            # Features have mean 0 in the fold's training part: what remains is free of its
            # intercept.
            centre = path.linear_predictor(np.zeros((1, fold.inside.shape[1])))
            held_out[fold.test] = predictor - centre
        self.deviance_ = choose_penalty(np.array(deviance), np.array(sizes))
        self.chosen_ = getattr(self.deviance_, self.penalty.replace("lambda", "index"))
        self.setting_ = {"lambda": float(lambdas[self.chosen_])}
        self.intercept_ = float(self.path_.intercepts[self.chosen_])
        self.coefficients_ = self.path_.coefficients[self.chosen_]
        self.used_ = self.coefficients_ != 0
        # A signature without features is constant, whatever the folds found at its penalty.
        scores = held_out[:, self.chosen_] if self.used_.any() else np.zeros(len(outcome))
        self.notes_ = [] if self.used_.any() else ["empty"]
        self.cross_fitted_ = self.intercept_ + scores

    def _log_odds(self, features: Array) -> Array:
        return self.intercept_ + features @ self.coefficients_
