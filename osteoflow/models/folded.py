"""Filtered features of a training set and of each of its inner folds, shared by all learners."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class InnerFold:
    """One inner fold: filters fitted on ``train`` alone.

    Attributes
    ----------
    train, test
        Row positions within the training set.
    inside, outside
        Filtered, standardised features of these rows, shapes (n_train, q) and (n_test, q); q
        differs between folds.
    """

    train: Indices
    test: Indices
    inside: Array
    outside: Array


@dataclass(frozen=True)
class FoldedFeatures:
    """What learners see of a training set.

    Attributes
    ----------
    filters
        Fitted on all rows of the training set.
    names
        Features that passed.
    whole
        Their standardised values, shape (n, p).
    inner
        Inner folds; together their test parts are all rows.
    """

    filters: Pipeline
    names: pd.Index
    whole: Array
    inner: tuple[InnerFold, ...]


def fold_features(
    filters: Pipeline,
    raw: pd.DataFrame,
    outcome: Any,
    splits: Iterable[tuple[Indices, Indices]],
) -> FoldedFeatures:
    """Fit copies of the filters on a training set and on the training part of each inner fold.

    Parameters
    ----------
    filters
        Not fitted (see :func:`osteoflow.models.filters.feature_filters`).
    raw
        Features of the training set, shape (n, features).
    outcome
        Of these rows, an array of any kind that the filters' score function understands.
    splits
        Row positions of the training and the test part of each inner fold.
    """
    outcome = np.asarray(outcome)
    fitted = clone(filters)
    whole = fitted.fit_transform(raw, outcome)
    inner = []
    for train, test in splits:
        step = clone(filters)
        inside = step.fit_transform(raw.iloc[train], outcome[train])
        outside = step.transform(raw.iloc[test])
        inner.append(
            InnerFold(train, test, inside.to_numpy(dtype=float), outside.to_numpy(dtype=float))
        )
    return FoldedFeatures(fitted, whole.columns, whole.to_numpy(dtype=float), tuple(inner))
