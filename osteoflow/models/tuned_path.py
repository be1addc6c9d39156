"""A sparse model whose penalty is that of the inner folds, with cross-fitted scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.folded import FoldedFeatures, InnerFold
from osteoflow.models.penalty_path import (
    CrossValidatedDeviance,
    DeviancePath,
    Path,
    choose_penalty,
)

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

# Features, positions of their rows in the training set, penalties (None: a sequence of its own).
FitPath = Callable[[Array, Indices, Array | None], Path]
# A fold and its path: mean deviance of the rows it left out (shape (L,)), and what the fold counts.
LeftOut = Callable[[InnerFold, Path], tuple[Array, int]]


class TunedPath:
    """LASSO or elastic net: what every learner with a path of penalties shares.

    Cross-fitted scores are free of the folds' own constants, which move against the outcome of the
    rows left out and would make a useless signature look inversely predictive: features have mean 0
    in each fold's training part, and all scores take the constant of the whole training set.

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
    setting_, intercept_, coefficients_, used_
        The chosen penalty, its constant and coefficients, and the features with one that is not 0.
    notes_
        ``empty`` if no feature is used, ``stopped`` if a path ended early.
    cross_fitted_
        Score of each training row by the inner fold that left it out, shape (n,).
    """

    NOTES: ClassVar[dict[str, str]] = {
        "empty": "no feature was selected, so the score is constant",
        "stopped": "smaller penalties could not be solved, so the path ended before them",
    }

    path_: Path
    deviance_: CrossValidatedDeviance
    chosen_: int
    cross_fitted_: Array

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

    def _tune(self, folded: FoldedFeatures, fit: FitPath, left_out: LeftOut) -> None:
        """Fit the path on all rows, choose the penalty by the inner folds, cross-fit the scores."""
        n = len(folded.whole)
        self.path_ = fit(folded.whole, np.arange(n), None)
        lambdas = self.path_.lambdas
        held_out = np.zeros((n, len(lambdas)))
        deviance, sizes, stopped = [], [], self.path_.stopped
        for fold in folded.inner:
            path = fit(fold.inside, fold.train, lambdas)
            stopped |= path.stopped
            mean, size = left_out(fold, path)
            deviance.append(mean)
            sizes.append(size)
            held_out[fold.test] = fold.outside @ path.coefficients.T
        self.deviance_ = choose_penalty(np.array(deviance), np.array(sizes))
        self.chosen_ = getattr(self.deviance_, self.penalty.replace("lambda", "index"))
        self.setting_ = {"lambda": float(lambdas[self.chosen_])}
        self.intercept_ = float(self.path_.intercepts[self.chosen_])
        self.coefficients_ = self.path_.coefficients[self.chosen_]
        self.used_ = self.coefficients_ != 0
        self.notes_ = [] if self.used_.any() else ["empty"]
        self.notes_ += ["stopped"] * stopped
        # A signature without features is constant, whatever the folds found at its penalty.
        scores = held_out[:, self.chosen_] if self.used_.any() else np.zeros(n)
        self.cross_fitted_ = self.intercept_ + scores

    def _predictor(self, features: Array) -> Array:
        """Linear predictor at the chosen penalty."""
        return self.intercept_ + features @ self.coefficients_


def mean_deviance(outcome: Array) -> LeftOut:
    """Judge a fold by the mean deviance of the rows it left out.

    Parameters
    ----------
    outcome
        Of the training set, shape (n,).
    """

    def left_out(fold: InnerFold, path: DeviancePath) -> tuple[Array, int]:
        deviance = path.deviance(fold.outside, outcome[fold.test])
        return deviance.mean(axis=0), len(fold.test)

    return left_out
