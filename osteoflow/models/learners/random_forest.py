"""Random forest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import RandomForestClassifier

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.learners.of_events import EventLearner, tune

Array = NDArray[np.float64]

N_TREES = 200
# Least rows of a leaf; the smoothest forest first.
LEAF_SIZES = (10, 3)


class RandomForest(EventLearner):
    """Random forest (Breiman, Mach Learn 2001;45:5): 200 trees, sqrt(p) features at each split.

    The least number of rows in a leaf (10 or 3) is that of the smallest deviance in the inner
    folds. The probability is the mean over trees, kept half a tree away from 0 and 1 so that its
    log odds are finite.

    Parameters
    ----------
    seed
        Of resamples and splits.
    """

    name = "random_forest"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, folded: FoldedFeatures, outcome: Array) -> None:
        chosen, self.cross_fitted_ = tune(
            folded,
            outcome,
            LEAF_SIZES,
            lambda leaf, inside, y, outside: _log_odds(self._grow(leaf, inside, y), outside),
        )
        self.setting_ = {"min_samples_leaf": LEAF_SIZES[chosen]}
        self.forest_ = self._grow(LEAF_SIZES[chosen], folded.whole, outcome)

    def _grow(self, leaf: int, features: Array, outcome: Array) -> RandomForestClassifier:
        return RandomForestClassifier(
            N_TREES, min_samples_leaf=leaf, max_features="sqrt", n_jobs=1, random_state=self.seed
        ).fit(features, outcome)

    def _log_odds(self, features: Array) -> Array:
        return _log_odds(self.forest_, features)


def _log_odds(forest: RandomForestClassifier, features: Array) -> Array:
    edge = 0.5 / N_TREES
    return logit(np.clip(forest.predict_proba(features)[:, 1], edge, 1 - edge))
