"""A radiomic signature: filters, learner and cut-off, all fitted within the rows given."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from osteoflow.models.filters import steps_table
from osteoflow.models.folded import FoldedFeatures, fold_features
from osteoflow.models.folds import stratified_folds
from osteoflow.models.kinds.base import OutcomeKind
from osteoflow.models.learners.base import Learner

Array = NDArray[np.float64]


class Signature(BaseEstimator):
    """Filters and a learner of radiomic features that is tuned by inner folds.

    In each inner fold the filters, too, are fitted anew. The same folds give ``cross_fitted_``,
    the Rad-score of each training row from a model that did not see its participant
    (pre-validation: Tibshirani and Efron, Stat Appl Genet Mol Biol 2002;1:1), on which the cut-off
    and a combined model must be fitted.

    Parameters
    ----------
    kind
        Of the outcome.
    features
        Columns of ``X`` that are radiomic features.
    filters
        Not fitted (see :func:`osteoflow.models.filters.feature_filters`).
    learner
        Not fitted (see :meth:`osteoflow.models.kinds.base.OutcomeKind.learner`).
    inner_folds
        Folds that tune the learner, stratified, split by participant.
    seed
        Seed of the inner folds.

    Attributes
    ----------
    filters_ : Pipeline
        Fitted on all training rows.
    learner_ : Learner
        Fitted on their filtered features.
    names_ : Index
        Features that the filters leave.
    selected_ : list
        Those that the learner uses.
    coefficients_ : Series or None
        Of a linear learner, over the filtered, standardised features.
    outcome_ : numpy.ndarray
        Of the training rows.
    cross_fitted_ : Series
        Cross-fitted Rad-scores of the training rows.
    threshold_ : float
        Cut-off of the prediction, from cross-fitted scores; NaN of kinds that have none.
    """

    def __init__(
        self,
        kind: OutcomeKind,
        features: list[str],
        filters: Pipeline,
        learner: Learner,
        inner_folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.kind = kind
        self.features = features
        self.filters = filters
        self.learner = learner
        self.inner_folds = inner_folds
        self.seed = seed

    def fold(
        self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None
    ) -> FoldedFeatures:
        """Filtered features of the rows and of their inner folds, for signatures that share them.

        Raises
        ------
        AnalysisError
            If the rows do not suffice for the inner folds.
        """
        y = np.asarray(y, dtype=float)
        groups = np.arange(len(y)) if groups is None else np.asarray(groups)
        rng = np.random.default_rng(self.seed)
        splits = stratified_folds(self.kind, y, groups, self.inner_folds, rng)
        return fold_features(self.filters, X[self.features], y, splits)

    def fit(
        self,
        X: pd.DataFrame,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        folded: FoldedFeatures | None = None,
    ) -> Self:
        """Fit on all rows of ``X``.

        Parameters
        ----------
        X
            One row per participant (or session), with unique index.
        y
            Outcome of each row, as the kind has it.
        groups
            Participant of each row; absent: each row is one.
        folded
            Of :meth:`fold` on exactly these rows by a signature that differs in its learner alone,
            to spare its repetition.

        Raises
        ------
        AnalysisError, ArithmeticError
            If the rows do not suffice for the inner folds, or the learner cannot be fitted.
        ValueError
            If the index is not unique, or ``folded`` has another number of rows.
        """
        if not X.index.is_unique:
            raise ValueError("the rows' index must be unique: raters are matched by it")
        y = np.asarray(y, dtype=float)
        folded = self.fold(X, y, groups) if folded is None else folded
        if len(folded.whole) != len(X):
            raise ValueError("the features were folded for other rows")
        self.outcome_ = y
        self.filters_ = folded.filters
        self.names_ = folded.names
        self.learner_ = clone(self.learner).fit(folded, y)
        found = self.learner_.coefficients_
        self.coefficients_ = (
            None if found is None else pd.Series(found, index=folded.names, dtype=float)
        )
        self.selected_ = [str(name) for name in folded.names[self.learner_.used_]]
        scores = self.learner_.cross_fitted_
        self.cross_fitted_ = pd.Series(scores, X.index, name="rad_score")
        self.threshold_ = self.kind.cut_off(y, self.kind.of_score(self, scores))
        return self

    @property
    def intercept_(self) -> float:
        """Constant of the score."""
        return self.learner_.intercept_

    def rad_score(self, X: pd.DataFrame) -> pd.Series:
        """Rad-score of new rows by the model of all training rows."""
        check_is_fitted(self, "learner_")
        kept = self.filters_.transform(X[self.features])
        score = self.learner_.score(kept.to_numpy(dtype=float))
        return pd.Series(score, index=X.index, name="rad_score")

    def predict(self, X: pd.DataFrame) -> Array:
        """Predictions of new rows, shape (n, columns of the kind)."""
        return self.kind.of_score(self, self.rad_score(X).to_numpy())

    def steps_table(self) -> pd.DataFrame:
        """Number of features before and after each step, the learner last."""
        rows: list[dict[str, Any]] = steps_table(self.filters_)
        n_in = len(self.learner_.used_)
        rows.append({"step": self.learner_.name, "n_in": n_in, "n_out": len(self.selected_)})
        return pd.DataFrame(rows)
