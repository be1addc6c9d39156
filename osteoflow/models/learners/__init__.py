"""Learners of radiomic features, one a module, and the registry of those of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from osteoflow.models.lasso import fit_path
from osteoflow.models.learners.base import Learner
from osteoflow.models.learners.gradient_boosting import GradientBoosting
from osteoflow.models.learners.logistic import LogisticLearner
from osteoflow.models.learners.random_forest import RandomForest
from osteoflow.models.learners.sparse import SparseLearner
from osteoflow.models.learners.svm import SupportVectors

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

LEARNERS: dict[str, Callable[[Analysis, int], Learner]] = {
    "lasso": lambda analysis, seed: SparseLearner(fit_path, 1.0, analysis.penalty),
    "elastic_net": lambda analysis, seed: SparseLearner(
        fit_path, analysis.radiomics.l1_ratio, analysis.penalty
    ),
    "logistic": lambda analysis, seed: LogisticLearner(),
    "svm": lambda analysis, seed: SupportVectors(),
    "random_forest": lambda analysis, seed: RandomForest(seed),
    "gradient_boosting": lambda analysis, seed: GradientBoosting(seed),
}


def make_learner(name: str, analysis: Analysis, seed: int) -> Learner:
    """A learner of events and non-events that is not yet fitted.

    Parameters
    ----------
    name
        As in ``radiomics.learners``.
    analysis
        Settings.
    seed
        Of those learners that draw at random.

    Raises
    ------
    ValueError
        If there is no learner of this name.
    """
    if name not in LEARNERS:
        raise ValueError(f"there is no learner '{name}'; there are: {', '.join(LEARNERS)}")
    return LEARNERS[name](analysis, seed)
