"""Gradient boosting of trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.learners.of_events import EventLearner, tune

Array = NDArray[np.float64]

LEARNING_RATE = 0.1
DEPTHS = (1, 3)
ROUNDS = (10, 25, 50, 100)
SETTINGS = tuple((depth, rounds) for depth in DEPTHS for rounds in ROUNDS)
# A leaf holds one in so many rows, but at least and at most these.
ROWS_PER_LEAF, LEAST_LEAF, LARGEST_LEAF = 20, 2, 20


class GradientBoosting(EventLearner):
    """Boosted trees on binned features (Friedman, Ann Stat 2001;29:1189; Ke et al., NeurIPS 2017).

    Learning rate 0.1; a leaf holds a twentieth of the rows, between 2 and 20. Depth (1 or 3) and
    number of trees (10, 25, 50 or 100) are those of the smallest deviance in the inner folds.

    Parameters
    ----------
    seed
        Of the bins' subsample, which only large data draw.
    """

    name = "gradient_boosting"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, folded: FoldedFeatures, outcome: Array) -> None:
        chosen, self.cross_fitted_ = tune(folded, outcome, DEPTHS, self._stages)
        depth, rounds = SETTINGS[chosen]
        self.setting_ = {"max_depth": depth, "max_iter": rounds}
        self.trees_ = self._grow(depth, rounds, folded.whole, outcome)

    def _stages(self, depth: int, inside: Array, outcome: Array, outside: Array) -> Array:
        """Log odds after each of the candidate numbers of trees."""
        trees = self._grow(depth, max(ROUNDS), inside, outcome)
        stages = [values.ravel() for values in trees.staged_decision_function(outside)]
        return np.array([stages[rounds - 1] for rounds in ROUNDS])

    def _grow(
        self, depth: int, rounds: int, features: Array, outcome: Array
    ) -> HistGradientBoostingClassifier:
        leaf = int(np.clip(len(outcome) // ROWS_PER_LEAF, LEAST_LEAF, LARGEST_LEAF))
        return HistGradientBoostingClassifier(
            learning_rate=LEARNING_RATE,
            max_iter=rounds,
            max_depth=depth,
            min_samples_leaf=leaf,
            early_stopping=False,
            random_state=self.seed,
        ).fit(features, outcome)

    def _log_odds(self, features: Array) -> Array:
        return self.trees_.decision_function(features).ravel()
