"""LASSO and elastic net, whatever the kind of outcome: the linear predictor is the Rad-score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.learners.base import Learner
from osteoflow.models.penalty_path import DeviancePath
from osteoflow.models.tuned_path import TunedPath, mean_deviance

Array = NDArray[np.float64]


class SparseLearner(TunedPath, Learner):
    """LASSO or elastic net; the penalty is that of the inner folds' deviance.

    Attributes are those of :class:`osteoflow.models.tuned_path.TunedPath`.

    Parameters
    ----------
    fit_path
        Called as ``fit_path(features, outcome, lambdas, l1_ratio=...)``; ``lambdas`` None: a
        sequence of its own. Its paths tell the deviance of rows.
    l1_ratio
        Share of the L1 penalty: 1 is the LASSO.
    penalty
        ``lambda_min`` or ``lambda_1se``.
    """

    def __init__(
        self,
        fit_path: Callable[..., DeviancePath],
        l1_ratio: float = 1.0,
        penalty: Literal["lambda_min", "lambda_1se"] = "lambda_min",
    ) -> None:
        super().__init__(l1_ratio, penalty)
        self.fit_path = fit_path

    def fit(self, folded: FoldedFeatures, outcome: Array) -> Self:
        """Fit; with no feature chosen the score is constant."""
        outcome = np.asarray(outcome, dtype=float)
        self._tune(
            folded,
            lambda features, rows, lambdas: self.fit_path(
                features, outcome[rows], lambdas, l1_ratio=self.l1_ratio
            ),
            mean_deviance(outcome),
        )
        return self

    def score(self, features: Array) -> Array:
        """Linear predictor at the chosen penalty."""
        return self._predictor(features)
