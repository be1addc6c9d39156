"""Columns of the participants table as numbers that a regression takes."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from osteoflow.models.folds import AnalysisError
from osteoflow.statistics.rules import holds_numbers

Array = NDArray[np.float64]
# Name of the radiomic score as a column of a regression.
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
    missing_ : dict
        Values replaced among the rows fitted on, by column; those without any are not named.
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
        counts = {name: int(X[name].isna().sum()) for name in self.columns}
        self.missing_ = {name: n for name, n in counts.items() if n}
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

    @property
    def n_missing_(self) -> int:
        """Values replaced among the rows fitted on."""
        return sum(self.missing_.values())

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
