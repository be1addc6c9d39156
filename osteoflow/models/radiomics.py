"""The radiomic model: filters, LASSO and Rad-score, all fitted within the rows given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from osteoflow.models.folds import stratified_folds
from osteoflow.models.lasso import binomial_deviance, choose_penalty, fit_path
from osteoflow.models.repeated import RepeatedFeatures
from osteoflow.models.transformers import (
    MedianImputer,
    NearZeroVariance,
    RedundancyFilter,
    ReliabilityFilter,
    Standardiser,
)
from osteoflow.statistics.roc import youden_threshold

Array = NDArray[np.float64]


def feature_filters(
    repeated: Mapping[str, RepeatedFeatures | None],
    icc_threshold: float,
    correlation_threshold: float,
) -> Pipeline:
    """Steps before the LASSO: reliability, imputation, variance, scaling, redundancy.

    Each comparison of ``repeated`` has a filter of its own, called ``reliability`` for the first
    and ``reliability_<comparison>`` for the others.
    """
    reliability = [
        (
            f"reliability_{comparison}" if position else "reliability",
            ReliabilityFilter(found, icc_threshold, comparison=comparison),
        )
        for position, (comparison, found) in enumerate(repeated.items())
    ]
    return Pipeline(
        [
            *(reliability or [("reliability", ReliabilityFilter(None, icc_threshold))]),
            ("imputation", MedianImputer()),
            ("variance", NearZeroVariance()),
            ("scaling", Standardiser()),
            ("redundancy", RedundancyFilter(correlation_threshold)),
        ]
    )


class RadiomicsModel(ClassifierMixin, BaseEstimator):
    """Radiomic signature: filters and a cross-validated LASSO logistic model.

    The Rad-score is the model's linear predictor. The penalty is chosen by the deviance of inner
    folds in which the filters, too, are fitted anew. The same folds give ``cross_fitted_``, the
    Rad-score of each training row from a model that did not see its participant (pre-validation:
    Tibshirani and Efron, Stat Appl Genet Mol Biol 2002;1:1), which a combined model must be
    fitted on. Cross-fitted scores take the intercept of the whole training set: the folds' own
    intercepts move against the outcome of the rows left out and would make a useless signature
    look inversely predictive.

    Parameters
    ----------
    features
        Columns of ``X`` that are radiomic features.
    repeated
        Comparison -> readings of the features, indexed like ``X``; None where there are none.
    icc_threshold, correlation_threshold
        Of the reliability and the redundancy filter.
    inner_folds
        Folds that choose the penalty, stratified, split by participant.
    penalty
        ``lambda_min`` or ``lambda_1se``.
    seed
        Seed of the inner folds.

    Attributes
    ----------
    filters_ : Pipeline
        Fitted on all training rows.
    path_, deviance_, chosen_
        LASSO path, its cross-validated deviance, and the position of the chosen penalty.
    intercept_, coefficients_
        Of the chosen penalty; coefficients as a Series over the filtered, standardised features.
    cross_fitted_ : Series
        Cross-fitted Rad-scores of the training rows.
    threshold_ : float
        Youden cut-off of the probability, from cross-fitted scores.
    """

    def __init__(
        self,
        features: list[str],
        repeated: Mapping[str, RepeatedFeatures | None] | None = None,
        icc_threshold: float = 0.75,
        correlation_threshold: float = 0.9,
        inner_folds: int = 5,
        penalty: Literal["lambda_min", "lambda_1se"] = "lambda_min",
        seed: int = 0,
    ) -> None:
        self.features = features
        self.repeated = repeated
        self.icc_threshold = icc_threshold
        self.correlation_threshold = correlation_threshold
        self.inner_folds = inner_folds
        self.penalty = penalty
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit on all rows of ``X``.

        Parameters
        ----------
        X
            One row per participant (or session), with unique index.
        y
            0/1, shape (n,).
        groups
            Participant of each row; absent: each row is one.

        Raises
        ------
        AnalysisError
            If events or non-events do not suffice for the inner folds.
        ValueError
            If the index is not unique.
        """
        if not X.index.is_unique:
            raise ValueError("the rows' index must be unique: raters are matched by it")
        y = np.asarray(y, dtype=float)
        groups = np.arange(len(y)) if groups is None else np.asarray(groups)
        self.classes_ = np.array([0, 1])
        self.training_index_ = X.index
        raw = X[self.features]
        self.filters_ = feature_filters(
            self.repeated or {}, self.icc_threshold, self.correlation_threshold
        )
        kept = self.filters_.fit_transform(raw)
        self.path_ = fit_path(kept.to_numpy(dtype=float), y)
        lambdas = self.path_.lambdas

        held_out = np.zeros((len(y), len(lambdas)))
        deviance, sizes = [], []
        rng = np.random.default_rng(self.seed)
        for train, test in stratified_folds(y, groups, self.inner_folds, rng):
            filters = clone(self.filters_)
            inside = filters.fit_transform(raw.iloc[train]).to_numpy(dtype=float)
            outside = filters.transform(raw.iloc[test]).to_numpy(dtype=float)
            path = fit_path(inside, y[train], lambdas)
            predictor = path.linear_predictor(outside)
            deviance.append(binomial_deviance(y[test], predictor).mean(axis=0))
            sizes.append(len(test))
            # Features have mean 0 in the fold's training part: what remains is free of its
            # intercept.
            held_out[test] = predictor - path.linear_predictor(np.zeros((1, inside.shape[1])))
        self.deviance_ = choose_penalty(np.array(deviance), np.array(sizes))
        self.chosen_ = getattr(self.deviance_, self.penalty.replace("lambda", "index"))
        self.intercept_ = float(self.path_.intercepts[self.chosen_])
        self.coefficients_ = pd.Series(
            self.path_.coefficients[self.chosen_], index=kept.columns, dtype=float
        )
        # A signature without features is constant, whatever the folds found at its penalty.
        scores = held_out[:, self.chosen_] if self.selected_ else np.zeros(len(y))
        self.cross_fitted_ = pd.Series(self.intercept_ + scores, index=X.index, name="rad_score")
        self.threshold_ = youden_threshold(y, expit(self.cross_fitted_.to_numpy()))
        return self

    @property
    def selected_(self) -> list[str]:
        """Features with a coefficient other than zero."""
        check_is_fitted(self, "coefficients_")
        return [str(name) for name in self.coefficients_.index[self.coefficients_ != 0]]

    def rad_score(self, X: pd.DataFrame) -> pd.Series:
        """Rad-score (log odds) of new rows by the model of all training rows."""
        check_is_fitted(self, "coefficients_")
        kept = self.filters_.transform(X[self.features])
        score = self.intercept_ + kept.to_numpy(dtype=float) @ self.coefficients_.to_numpy()
        return pd.Series(score, index=X.index, name="rad_score")

    def predict_proba(self, X: pd.DataFrame) -> Array:
        """Probabilities of no event and event, shape (n, 2)."""
        probability = expit(self.rad_score(X).to_numpy())
        return np.column_stack([1 - probability, probability])

    def predict(self, X: pd.DataFrame) -> NDArray[np.int_]:
        """1 where the probability reaches ``threshold_``."""
        return (self.predict_proba(X)[:, 1] >= self.threshold_).astype(int)

    def steps_table(self) -> pd.DataFrame:
        """Number of features before and after each step."""
        rows: list[dict[str, Any]] = []
        for name, step in self.filters_.named_steps.items():
            rows.append({"step": name, "n_in": step.n_features_in_, "n_out": len(step.kept_)})
        rows.append(
            {"step": "lasso", "n_in": len(self.coefficients_), "n_out": len(self.selected_)}
        )
        return pd.DataFrame(rows)
