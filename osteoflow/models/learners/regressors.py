"""Support vectors, forests and boosted trees of a quantity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.learners.base import Learner

Array = NDArray[np.float64]


class TunedRegressor(Learner):
    """A regressor of scikit-learn whose setting has the least squared error in the inner folds.

    Parameters
    ----------
    name
        Of the learner.
    make
        Gives the regressor of a setting, not fitted.
    settings
        Candidates, the simplest first: ties go to the earlier one.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[dict[str, Any], int, int], Any],
        settings: tuple[dict[str, Any], ...],
        seed: int = 0,
    ) -> None:
        self.name = name
        self.make = make
        self.settings = settings
        self.seed = seed

    def fit(self, folded: FoldedFeatures, outcome: Array) -> Self:
        """Fit on the outcome in units of its standard deviation."""
        self.notes_, self.coefficients_ = [], None
        self.level_, self.unit_ = float(outcome.mean()), float(outcome.std())
        p = folded.whole.shape[1]
        self.used_ = np.ones(p, dtype=bool)
        held_out = np.full((len(self.settings), len(outcome)), self.level_)
        for place, setting in enumerate(self.settings):
            for fold in folded.inner:
                train = outcome[fold.train]
                held_out[place, fold.test] = train.mean()
                if fold.inside.shape[1]:
                    fitted = self._fitted(setting, fold.inside, (train - train.mean()) / self.unit_)
                    found = fitted.predict(fold.outside)
                    held_out[place, fold.test] += self.unit_ * found
        # Rounded, so that the choice does not hang on the last bit of a sum.
        error = np.round(((held_out - outcome) ** 2).mean(axis=1) / self.unit_**2, 10)
        chosen = int(np.argmin(error))
        self.setting_ = dict(self.settings[chosen])
        self.cross_fitted_ = held_out[chosen]
        self.fitted_ = None
        if p:
            self.fitted_ = self._fitted(
                self.setting_, folded.whole, (outcome - self.level_) / self.unit_
            )
        return self

    def _fitted(self, setting: dict[str, Any], features: Array, outcome: Array) -> Any:
        return self.make(setting, len(outcome), self.seed).fit(features, outcome)

    def score(self, features: Array) -> Array:
        """Expected outcome."""
        if self.fitted_ is None:
            return np.full(len(features), self.level_)
        return self.level_ + self.unit_ * self.fitted_.predict(features)


def _svm(setting: dict[str, Any], n: int, seed: int) -> Any:
    from sklearn.svm import SVR

    return SVR(kernel=setting["kernel"], C=setting["C"], epsilon=0.1, gamma="scale")


def _random_forest(setting: dict[str, Any], n: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(
        N_TREES, min_samples_leaf=setting["min_samples_leaf"], max_features=1 / 3, random_state=seed
    )


def _boosting(setting: dict[str, Any], n: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        learning_rate=0.1,
        max_iter=setting["max_iter"],
        max_depth=setting["max_depth"],
        min_samples_leaf=int(np.clip(n // 20, 2, 20)),
        early_stopping=False,
        random_state=seed,
    )


N_TREES = 200
SVM_SETTINGS = tuple(
    {"kernel": kernel, "C": cost} for kernel in ("linear", "rbf") for cost in (0.01, 0.1, 1.0, 10.0)
)
FOREST_SETTINGS = tuple({"min_samples_leaf": leaf} for leaf in (5, 2))
BOOSTING_SETTINGS = tuple(
    {"max_depth": depth, "max_iter": rounds} for depth in (1, 3) for rounds in (25, 50, 100)
)
REGRESSORS: dict[str, tuple[Callable[..., Any], tuple[dict[str, Any], ...]]] = {
    "svm": (_svm, SVM_SETTINGS),
    "random_forest": (_random_forest, FOREST_SETTINGS),
    "gradient_boosting": (_boosting, BOOSTING_SETTINGS),
}
# What each regressor is, in words.
REGRESSOR_WORDS = {
    "svm": "support vector regression, epsilon 0.1 SD of the outcome, linear or Gaussian kernel, "
    "cost 0.01, 0.1, 1 or 10",
    "random_forest": f"{N_TREES} regression trees, a third of the features at each split, least "
    "leaf of 5 or 2 rows",
    "gradient_boosting": "boosted regression trees, learning rate 0.1, depth 1 or 3, 25, 50 or 100 "
    "trees",
}
