"""Logistic models of columns of the participants table, alone or with the Rad-score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from osteoflow.models.folds import AnalysisError
from osteoflow.models.logistic import LogisticFit, fit_logistic
from osteoflow.models.radiomics import RadiomicsModel
from osteoflow.statistics.roc import youden_threshold
from osteoflow.statistics.rules import holds_numbers

Array = NDArray[np.float64]
RAD_SCORE = "rad_score"


class ClinicalDesign(TransformerMixin, BaseEstimator):
    """Columns of a design matrix from columns of the participants table.

    Numbers stay as they are; text is coded by one 0/1 column per level except the first in
    alphabetical order (the reference). Missing numbers become the training median, missing text
    the commonest training level.

    Parameters
    ----------
    columns
        Clinical columns of ``X``.

    Attributes
    ----------
    levels_ : dict
        Levels of each text column, the reference first.
    n_missing_ : int
        Values replaced among the rows fitted on.
    """

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn levels and replacements.

        Raises
        ------
        AnalysisError
            If a column has no value at all.
        """
        self.levels_: dict[str, list[str]] = {}
        self.replacement_: dict[str, float | str] = {}
        self.n_missing_ = int(X[self.columns].isna().to_numpy().sum())
        self.feature_names_: list[str] = []
        for name in self.columns:
            present = X[name].dropna()
            if present.empty:
                raise AnalysisError(f"column '{name}' has no value in the training data")
            if holds_numbers(X[name]):
                self.replacement_[name] = float(present.astype(float).median())
                self.feature_names_.append(name)
                continue
            counts = present.astype(str).value_counts().sort_index()
            self.levels_[name] = [str(level) for level in counts.index]
            self.replacement_[name] = str(counts.idxmax())
            self.feature_names_ += [f"{name}={level}" for level in self.levels_[name][1:]]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Design columns; a level that was not fitted on counts as the reference."""
        check_is_fitted(self, "levels_")
        columns: dict[str, Array] = {}
        for name in self.columns:
            filled = X[name].astype(object).where(X[name].notna(), self.replacement_[name])
            if name not in self.levels_:
                columns[name] = filled.to_numpy(dtype=float)
                continue
            for level in self.levels_[name][1:]:
                columns[f"{name}={level}"] = (filled.astype(str) == level).to_numpy(dtype=float)
        return pd.DataFrame(columns, index=X.index, columns=self.feature_names_)

    def unseen_levels(self, X: pd.DataFrame) -> list[str]:
        """``column=level`` of ``X`` that the fitted rows did not have."""
        check_is_fitted(self, "levels_")
        return [
            f"{name}={level}"
            for name, levels in self.levels_.items()
            for level in sorted(set(X[name].dropna().astype(str)) - set(levels))
        ]

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the design columns."""
        return np.asarray(self.feature_names_, dtype=object)


class _LogisticModel(ClassifierMixin, BaseEstimator, ABC):
    """What the logistic models share: prediction from ``logistic_``."""

    name: str
    logistic_: LogisticFit
    terms_: list[str]
    threshold_: float

    @abstractmethod
    def design(self, X: pd.DataFrame) -> pd.DataFrame:
        """Columns that the logistic model takes, for new rows."""

    def _fit(self, design: pd.DataFrame, y: Array) -> None:
        self.classes_ = np.array([0, 1])
        self.terms_ = [str(name) for name in design.columns]
        self.training_design_ = design
        try:
            self.logistic_ = fit_logistic(design.to_numpy(dtype=float), y)
        except ArithmeticError as error:
            raise AnalysisError(f"{self.name} model ({', '.join(self.terms_)}): {error}") from error
        fitted = expit(self.logistic_.linear_predictor(design.to_numpy(dtype=float)))
        self.threshold_ = youden_threshold(y, fitted)

    def decision_function(self, X: pd.DataFrame) -> Array:
        """Log odds of the event, shape (n,)."""
        check_is_fitted(self, "logistic_")
        return self.logistic_.linear_predictor(self.design(X).to_numpy(dtype=float))

    def predict_proba(self, X: pd.DataFrame) -> Array:
        """Probabilities of no event and event, shape (n, 2)."""
        probability = expit(self.decision_function(X))
        return np.column_stack([1 - probability, probability])

    def predict(self, X: pd.DataFrame) -> NDArray[np.int_]:
        """1 where the probability reaches ``threshold_``."""
        return (self.predict_proba(X)[:, 1] >= self.threshold_).astype(int)


class ClinicalModel(_LogisticModel):
    """Logistic model of columns: clinical ones, measurements, or a single baseline.

    See :func:`osteoflow.models.logistic.fit_logistic`.

    Parameters
    ----------
    columns
        Columns of ``X``.
    name
        What the model is called.

    Attributes
    ----------
    logistic_, terms_
        The fit and the names of its coefficients.
    training_design_
        The columns it was fitted on.
    threshold_
        Youden cut-off of the training rows' fitted probabilities.
    """

    def __init__(self, columns: list[str], name: str = "clinical") -> None:
        self.columns = columns
        self.name = name

    def fit(self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit on all rows of ``X``; ``groups`` plays no part.

        Raises
        ------
        AnalysisError
            If a column has no value, or the logistic model cannot be fitted.
        """
        self.clinical_ = ClinicalDesign(self.columns).fit(X)
        self._fit(self.design(X), np.asarray(y, dtype=float))
        return self

    def design(self, X: pd.DataFrame) -> pd.DataFrame:
        """Design columns of the model's columns."""
        return self.clinical_.transform(X)


class CombinedModel(_LogisticModel):
    """Logistic model of columns and the Rad-score.

    The training rows' Rad-scores are cross-fitted: in-sample scores take too much weight, because
    the LASSO has already seen the outcome. New rows get the score of the whole training set's
    signature.

    Parameters
    ----------
    columns
        Columns of ``X``: clinical ones and measurements.
    radiomics
        An unfitted radiomic model.
    name
        What the model is called.

    Attributes
    ----------
    radiomics_
        The fitted radiomic model.
    logistic_, terms_
        The fit and the names of its coefficients, ``rad_score`` last.
    training_design_
        The columns it was fitted on, with the cross-fitted Rad-score.
    threshold_
        Youden cut-off of the training rows' fitted probabilities.
    """

    def __init__(
        self, columns: list[str], radiomics: RadiomicsModel, name: str = "combined"
    ) -> None:
        self.columns = columns
        self.radiomics = radiomics
        self.name = name

    def fit(
        self,
        X: pd.DataFrame,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        fitted_radiomics: RadiomicsModel | None = None,
    ) -> Self:
        """Fit on all rows of ``X``.

        Parameters
        ----------
        X, y, groups
            As for :class:`RadiomicsModel`.
        fitted_radiomics
            A radiomic model already fitted on exactly these rows, to spare its repetition.

        Raises
        ------
        AnalysisError
            If a column has no value, or the logistic model cannot be fitted.
        ValueError
            If ``fitted_radiomics`` was fitted on other rows.
        """
        y = np.asarray(y, dtype=float)
        if fitted_radiomics is None:
            fitted_radiomics = clone(self.radiomics).fit(X, y, groups)
        elif not fitted_radiomics.training_index_.equals(X.index):
            raise ValueError("the radiomic model was fitted on other rows")
        self.radiomics_ = fitted_radiomics
        self.clinical_ = ClinicalDesign(self.columns).fit(X)
        scores = fitted_radiomics.cross_fitted_
        self._fit(self.clinical_.transform(X).assign(**{RAD_SCORE: scores}), y)
        return self

    def design(self, X: pd.DataFrame) -> pd.DataFrame:
        """Design columns of the columns, and the Rad-score."""
        return self.clinical_.transform(X).assign(**{RAD_SCORE: self.radiomics_.rad_score(X)})
