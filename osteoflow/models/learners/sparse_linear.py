"""LASSO and elastic net: the learners whose linear predictor is the Rad-score."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.lasso import fit_path
from osteoflow.models.learners.base import Learner
from osteoflow.models.tuned_path import TunedPath, mean_deviance

Array = NDArray[np.float64]


class SparseLinear(TunedPath, Learner):
    """Logistic regression with a LASSO or elastic-net penalty (:mod:`osteoflow.models.lasso`).

    The penalty is chosen by the deviance of the inner folds. Parameters and attributes are those of
    :class:`osteoflow.models.tuned_path.TunedPath`; scores are log odds.
    """

    NOTES: ClassVar[dict[str, str]] = {
        "empty": "no feature was selected, so the score is constant",
    }

    def fit(self, folded: FoldedFeatures, outcome: Array) -> Self:
        """Fit on a training set; the path is there even if it has no feature."""
        self.constant_ = None
        self._fit(folded, np.asarray(outcome, dtype=float))
        return self

    def _fit(self, folded: FoldedFeatures, outcome: Array) -> None:
        self._tune(
            folded,
            lambda features, rows, lambdas: fit_path(
                features, outcome[rows], lambdas, l1_ratio=self.l1_ratio
            ),
            mean_deviance(outcome),
        )

    def _log_odds(self, features: Array) -> Array:
        return self._predictor(features)
