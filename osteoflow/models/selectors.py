"""Steps that choose features by their association with the outcome of the rows fitted on.

All take and give pandas tables whose column names are the features' names. What "association"
means is the business of a score function, so that outcomes of every kind share these steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import rankdata

from osteoflow.models.transformers import _ColumnSelector
from osteoflow.statistics.intervals import benjamini_hochberg

Array = NDArray[np.float64]
# Features (n, p) and the outcome as the pipeline was given it -> relevance (p,), larger is more,
# and p values (p,) of no association.
ScoreFunction = Callable[[Array, Any], tuple[Array, Array]]

# Mean |r| below this counts as this much: a feature is not preferred for chance orthogonality.
LEAST_REDUNDANCY = 1e-3


def binary_scores(features: Array, outcome: Any) -> tuple[Array, Array]:
    """F statistic, and p value of the Mann-Whitney test, of every feature between two classes.

    Radiomic features are skewed and have outliers, so the filter by p value goes by ranks; the
    F statistic is the relevance of Ding and Peng (J Bioinform Comput Biol 2005;3:185).

    Parameters
    ----------
    features
        Shape (n, p), complete.
    outcome
        0/1, shape (n,), both present.

    Returns
    -------
    tuple
        F statistics (0 for constant features, infinite for those that only the class decides) and
        two-sided p values of the normal approximation with corrections for ties and continuity (1
        for constant features), each of shape (p,).
    """
    return f_statistic(features, outcome), mann_whitney_p(features, outcome)


def f_statistic(features: Array, classes: Any) -> Array:
    """F statistic of the analysis of variance of every feature between classes, shape (p,)."""
    features = np.asarray(features, dtype=float)
    _, place = np.unique(np.asarray(classes), return_inverse=True)
    member = (place[:, None] == np.arange(place.max() + 1)).astype(float)
    sizes = member.sum(axis=0)
    mean = features.mean(axis=0)
    means = member.T @ features / sizes[:, None]
    between = (sizes[:, None] * (means - mean) ** 2).sum(axis=0) / (len(sizes) - 1)
    within = ((features - means[place]) ** 2).sum(axis=0) / (len(features) - len(sizes))
    floor = 1e-24 * np.maximum(np.abs(features).max(axis=0, initial=0.0) ** 2, 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(within > floor, between / within, np.inf)
    return np.where(between > floor, found, 0.0)


def mann_whitney_p(features: Array, outcome: Any) -> Array:
    """Two-sided p value of the Mann-Whitney test of every feature, shape (p,)."""
    features = np.asarray(features, dtype=float)
    event = np.asarray(outcome, dtype=float) == 1
    n, m = len(event), int(event.sum())
    # Rounded, so that values equal but for the last bit of a sum are ties.
    size = np.maximum(np.abs(features).max(axis=0, initial=0.0), 1e-300)
    ranks = rankdata(np.round(features / size, 12), axis=0)
    u = ranks[event].sum(axis=0) - m * (m + 1) / 2
    # Variance of the ranks themselves: with ties it is smaller than (n^2 - 1) / 12.
    variance = m * (n - m) / (n - 1) * ranks.var(axis=0)
    distance = np.maximum(np.abs(u - m * (n - m) / 2) - 0.5, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(variance > 0, distance / np.sqrt(variance), 0.0)
    return np.minimum(2 * ndtr(-z), 1.0)


class UnivariateFilter(_ColumnSelector):
    """Keep features that are associated with the outcome one by one.

    Parameters
    ----------
    score_func
        See :data:`ScoreFunction`.
    alpha
        Largest p value of a kept feature.
    correction
        ``fdr`` (Benjamini and Hochberg) or ``none``.

    Attributes
    ----------
    p_
        p values, corrected if so declared, by feature.
    """

    def __init__(
        self,
        score_func: ScoreFunction = binary_scores,
        alpha: float = 0.05,
        correction: Literal["none", "fdr"] = "none",
    ) -> None:
        self.score_func = score_func
        self.alpha = alpha
        self.correction = correction

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Test every feature."""
        p = np.zeros(0)
        if X.shape[1]:
            p = np.asarray(self.score_func(X.to_numpy(dtype=float), y)[1], dtype=float)
            if self.correction == "fdr":
                p = np.asarray(benjamini_hochberg(p), dtype=float)
        self.p_ = pd.Series(p, index=X.columns, dtype=float)
        return self._remember(X, p <= self.alpha)


class MrmrFilter(_ColumnSelector):
    """Keep features of maximum relevance and minimum redundancy.

    One after the other the feature is taken whose relevance over its mean |Pearson r| with those
    already taken is largest (the quotient for continuous features, "FCQ", of Ding and Peng, J
    Bioinform Comput Biol 2005;3:185); the first is the most relevant. Ties go to the earlier
    column.

    Parameters
    ----------
    n_features
        Features to keep; all if there are no more.
    score_func
        See :data:`ScoreFunction`.

    Attributes
    ----------
    order_
        Names of the kept features in the order in which they were taken.
    """

    def __init__(self, n_features: int, score_func: ScoreFunction = binary_scores) -> None:
        self.n_features = n_features
        self.score_func = score_func

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Choose the features."""
        kept = np.zeros(X.shape[1], dtype=bool)
        taken: list[int] = []
        if X.shape[1]:
            values = X.to_numpy(dtype=float)
            relevance = np.asarray(self.score_func(values, y)[0], dtype=float)
            taken = choose_features(values, relevance, self.n_features)
        kept[taken] = True
        self.order_ = [str(X.columns[place]) for place in taken]
        return self._remember(X, kept)


def choose_features(features: Array, relevance: Array, n_features: int) -> list[int]:
    """Places of the features that :class:`MrmrFilter` takes, in order.

    Each step costs one product of the standardised features with the one taken last.
    """
    n, p = features.shape
    centred = features - features.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.where(length > 0, centred / length, 0.0)
    total = np.zeros(p)
    taken: list[int] = []
    open_ = np.ones(p, dtype=bool)
    for number in range(min(n_features, p)):
        # Rounded, so that the choice does not hang on the last bit of a sum.
        share = np.maximum(np.round(total / max(number, 1), 10), LEAST_REDUNDANCY)
        worth = relevance if number == 0 else relevance / share
        best = int(np.argmax(np.where(open_, worth, -np.inf)))
        taken.append(best)
        open_[best] = False
        total += np.abs(unit.T @ unit[:, best])
    return taken
