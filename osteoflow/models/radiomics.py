"""A radiomic model: filters, learner and threshold, all fitted within the rows given."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from osteoflow.models.filters import steps_table
from osteoflow.models.folded import FoldedFeatures, fold_features
from osteoflow.models.folds import stratified_folds
from osteoflow.models.learners.base import Learner
from osteoflow.statistics.roc import youden_threshold

Array = NDArray[np.float64]


class RadiomicsModel(ClassifierMixin, BaseEstimator):
    """Radiomic signature: filters and a learner that is tuned by inner folds.

    In each inner fold the filters, too, are fitted anew. The same folds give ``cross_fitted_``,
    the Rad-score (log odds) of each training row from a model that did not see its participant
    (pre-validation: Tibshirani and Efron, Stat Appl Genet Mol Biol 2002;1:1), on which the cut-off
    and a combined model must be fitted.

    Parameters
    ----------
    features
        Columns of ``X`` that are radiomic features.
    filters
        Not fitted (see :func:`osteoflow.models.filters.feature_filters`).
    learner
        Not fitted (see :func:`osteoflow.models.learners.make_learner`).
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
    cross_fitted_ : Series
        Cross-fitted Rad-scores of the training rows.
    threshold_ : float
        Youden cut-off of the probability, from cross-fitted scores.
    """

    def __init__(
        self,
        features: list[str],
        filters: Pipeline,
        learner: Learner,
        inner_folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.features = features
        self.filters = filters
        self.learner = learner
        self.inner_folds = inner_folds
        self.seed = seed

    def fold(
        self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None
    ) -> FoldedFeatures:
        """Filtered features of the rows and of their inner folds, for models that share them.

        Raises
        ------
        AnalysisError
            If events or non-events do not suffice for the inner folds.
        """
        y = np.asarray(y, dtype=float)
        groups = np.arange(len(y)) if groups is None else np.asarray(groups)
        splits = stratified_folds(y, groups, self.inner_folds, np.random.default_rng(self.seed))
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
            0/1, shape (n,).
        groups
            Participant of each row; absent: each row is one.
        folded
            Of :meth:`fold` on exactly these rows by a model that differs in its learner alone, to
            spare its repetition.

        Raises
        ------
        AnalysisError
            If events or non-events do not suffice for the inner folds.
        ValueError
            If the index is not unique, or ``folded`` has another number of rows.
        """
        if not X.index.is_unique:
            raise ValueError("the rows' index must be unique: raters are matched by it")
        y = np.asarray(y, dtype=float)
        folded = self.fold(X, y, groups) if folded is None else folded
        if len(folded.whole) != len(X):
            raise ValueError("the features were folded for other rows")
        self.classes_ = np.array([0, 1])
        self.training_index_ = X.index
        self.filters_ = folded.filters
        self.names_ = folded.names
        self.learner_ = clone(self.learner).fit(folded, y)
        found = self.learner_.coefficients_
        self.coefficients_ = (
            None if found is None else pd.Series(found, index=folded.names, dtype=float)
        )
        self.selected_ = [str(name) for name in folded.names[self.learner_.used_]]
        self.cross_fitted_ = pd.Series(self.learner_.cross_fitted_, X.index, name="rad_score")
        self.threshold_ = youden_threshold(y, expit(self.learner_.cross_fitted_))
        return self

    @property
    def intercept_(self) -> float:
        """Of a linear learner."""
        return self.learner_.intercept_

    def rad_score(self, X: pd.DataFrame) -> pd.Series:
        """Rad-score (log odds) of new rows by the model of all training rows."""
        check_is_fitted(self, "learner_")
        kept = self.filters_.transform(X[self.features])
        score = self.learner_.log_odds(kept.to_numpy(dtype=float))
        return pd.Series(score, index=X.index, name="rad_score")

    def predict_proba(self, X: pd.DataFrame) -> Array:
        """Probabilities of no event and event, shape (n, 2)."""
        probability = expit(self.rad_score(X).to_numpy())
        return np.column_stack([1 - probability, probability])

    def predict(self, X: pd.DataFrame) -> NDArray[np.int_]:
        """1 where the probability reaches ``threshold_``."""
        return (self.predict_proba(X)[:, 1] >= self.threshold_).astype(int)

    def steps_table(self) -> pd.DataFrame:
        """Number of features before and after each step, the learner last."""
        rows: list[dict[str, Any]] = steps_table(self.filters_)
        n_in = len(self.learner_.used_)
        rows.append({"step": self.learner_.name, "n_in": n_in, "n_out": len(self.selected_)})
        return pd.DataFrame(rows)
