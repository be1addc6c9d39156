"""Steps of the radiomic pipeline; each learns from the rows it is fitted on and nothing else.

All take and give pandas tables whose column names are the features' names.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from osteoflow.models.repeated import FURTHER, TWICE, RepeatedFeatures
from osteoflow.statistics.agreement import form_of, icc_of_readings

MIN_RATED_PAIRS = 5


class _ColumnSelector(TransformerMixin, BaseEstimator):
    """A step that keeps some of the columns: ``kept_`` of ``feature_names_in_``."""

    feature_names_in_: np.ndarray
    kept_: list[str]

    def _remember(self, X: pd.DataFrame, kept: np.ndarray) -> Self:
        self.columns_in_ = X.columns
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.places_ = np.flatnonzero(kept)
        self.columns_out_ = X.columns[self.places_]
        self.kept_ = [str(name) for name in self.columns_out_]
        return self

    def _values(self, X: pd.DataFrame) -> np.ndarray:
        """The kept columns as numbers, shape (n, kept)."""
        check_is_fitted(self, "kept_")
        if X.columns is not self.columns_in_ and not X.columns.equals(self.columns_in_):
            raise ValueError("the columns are not those that the step was fitted on")
        return X.to_numpy(dtype=float)[:, self.places_]

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The kept columns."""
        return pd.DataFrame(self._values(X), index=X.index, columns=self.columns_out_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the kept columns."""
        check_is_fitted(self, "kept_")
        return np.asarray(self.kept_, dtype=object)


class ReliabilityFilter(_ColumnSelector):
    """Keep features whose lower 95 % limit of ICC(2,1) between readings reaches a threshold.

    Absolute agreement, because a rater's bias changes a feature's meaning; ICC(1,1) of perturbed
    images, whose repetitions have no order. The lower limit, because few rated participants make
    a point estimate worth little (Koo and Li, J Chiropr Med 2016;15:155). Only rows that are
    fitted on and were read again are used, unless the readings are of participants who take no
    part in the analysis; a row counts for a feature if all readings have a finite value of it.

    Parameters
    ----------
    repeated
        Readings, indexed like the table fitted on; None: no filter.
    threshold
        Least lower limit.
    min_pairs
        A feature with fewer complete rows is not judged: it passes, and ``warning_`` says so.
    comparison
        What the readings are, or would be.

    Attributes
    ----------
    icc_
        Table of :func:`osteoflow.statistics.agreement.icc_of_readings` for the features judged;
        empty if there is none.
    n_pairs_
        Most complete rows that any feature has among those used.
    warning_
        Why the filter was not applied, or to how many features, or "".
    """

    def __init__(
        self,
        repeated: RepeatedFeatures | None = None,
        threshold: float = 0.75,
        min_pairs: int = MIN_RATED_PAIRS,
        comparison: str = "inter_rater",
    ) -> None:
        self.repeated = repeated
        self.threshold = threshold
        self.min_pairs = min_pairs
        self.comparison = comparison

    def __sklearn_clone__(self) -> Self:
        """An unfitted copy; the readings, which no step changes, are shared and not copied."""
        return type(self)(self.repeated, self.threshold, self.min_pairs, self.comparison)

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Find the reliable features among the rows of ``X``."""
        self.icc_ = pd.DataFrame()
        self.warning_ = ""
        self.n_pairs_ = 0
        kept = np.ones(X.shape[1], dtype=bool)
        if self.repeated is None or self.repeated.readings[0].empty:
            absent = FURTHER[self.comparison]
            self.warning_ = f"no {absent}: the reliability filter was not applied"
            return self._remember(X, kept)
        rated = self.repeated.readings[0].index
        read = TWICE[self.comparison]
        rows = "rows of the reliability set"
        if not self.repeated.separate:
            rated, rows = X.index.intersection(rated, sort=False), "training rows"
        readings = np.stack(
            [r.loc[rated, X.columns].to_numpy(dtype=float) for r in self.repeated.readings], axis=1
        )
        pairs = np.isfinite(readings).all(axis=1).sum(axis=0)
        self.n_pairs_ = int(pairs.max(initial=0))
        judged = pairs >= self.min_pairs
        if not judged.any():
            self.warning_ = (
                f"only {self.n_pairs_} {rows} {read} (fewer than "
                f"{self.min_pairs}): the reliability filter was not applied"
            )
            return self._remember(X, kept)
        self.icc_ = icc_of_readings(readings[:, :, judged], X.columns[judged])
        low = self.icc_[f"{form_of(self.comparison)}_low"]
        kept[judged] = (low >= self.threshold).to_numpy()
        # A feature that nobody has is no candidate: the imputation drops it.
        unjudged = ~judged & X.notna().any(axis=0).to_numpy()
        if unjudged.any():
            self.warning_ = (
                f"{int(unjudged.sum())} of {X.shape[1]} features {read} in fewer than "
                f"{self.min_pairs} {rows}: the reliability filter was not applied to them"
            )
        return self._remember(X, kept)


class MedianImputer(_ColumnSelector):
    """Replace missing values by the training median; drop features without any value.

    Attributes
    ----------
    n_missing_
        Missing values among the rows fitted on, features without any value not counted.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the medians."""
        values = X.to_numpy(dtype=float)
        missing = np.isnan(values)
        known = ~missing.all(axis=0)
        self.median_ = np.nanmedian(values[:, known], axis=0)
        self.n_missing_ = int(missing[:, known].sum())
        return self._remember(X, known)

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The features with medians for missing values."""
        values = self._values(X)
        filled = np.where(np.isnan(values), self.median_, values)
        return pd.DataFrame(filled, index=X.index, columns=self.columns_out_)


class NearZeroVariance(_ColumnSelector):
    """Drop features of which one value takes up a given share of the rows or more.

    Parameters
    ----------
    share
        Share of the commonest value from which on a feature counts as constant.
    """

    def __init__(self, share: float = 0.95) -> None:
        self.share = share

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Count the commonest value of each feature."""
        values = np.sort(X.to_numpy(dtype=float), axis=0)
        n = len(values)
        run = np.ones(values.shape[1])
        longest = run.copy()
        for row in range(1, n):
            # Differences at rounding level are no variation.
            same = values[row] - values[row - 1] <= 1e-12 * np.abs(values[row])
            run = np.where(same, run + 1, 1.0)
            longest = np.maximum(longest, run)
        return self._remember(X, longest / n < self.share)


class RedundancyFilter(_ColumnSelector):
    """Keep features that are not correlated too much with one kept before.

    Features are taken in the order of their mean absolute Pearson correlation with all others,
    least first (ties in column order); the outcome plays no part.

    Parameters
    ----------
    threshold
        Greatest |r| among kept features.
    """

    def __init__(self, threshold: float = 0.9) -> None:
        self.threshold = threshold

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Correlate the features; they must vary."""
        p = X.shape[1]
        if p < 2:
            return self._remember(X, np.ones(p, dtype=bool))
        correlation = np.abs(np.corrcoef(X.to_numpy(dtype=float), rowvar=False))
        # Rounded, so that the order does not hang on the last bit of a sum.
        order = np.argsort(np.round(correlation.mean(axis=0), 10), kind="stable")
        kept, redundant = np.zeros(p, dtype=bool), np.zeros(p, dtype=bool)
        for feature in order:
            if not redundant[feature]:
                kept[feature] = True
                redundant |= correlation[feature] > self.threshold
        return self._remember(X, kept)


class Standardiser(_ColumnSelector):
    """Zero mean and unit standard deviation (1/n) over the rows fitted on; features must vary."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn means and standard deviations."""
        values = X.to_numpy(dtype=float)
        self.mean_, self.scale_ = values.mean(axis=0), values.std(axis=0)
        return self._remember(X, np.ones(X.shape[1], dtype=bool))

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The standardised features."""
        standardised = (self._values(X) - self.mean_) / self.scale_
        return pd.DataFrame(standardised, index=X.index, columns=self.columns_out_)
