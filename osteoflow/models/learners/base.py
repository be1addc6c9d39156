"""What all learners of filtered features share, whatever the kind of outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from osteoflow.models.folded import FoldedFeatures

Array = NDArray[np.float64]


class Learner(BaseEstimator, ABC):
    """A model of the filtered features of one training set.

    Whatever it tunes, it tunes by the inner folds it is given, in which the filters were fitted
    anew; these folds also give the cross-fitted scores of the training rows, from models that did
    not see their participant.

    Attributes
    ----------
    cross_fitted_
        Score of each training row by the inner fold that left it out, shape (n,).
    used_
        Features that the model uses, shape (p,).
    coefficients_
        Per standard deviation, shape (p,); None of learners that are not linear.
    intercept_
        Constant of the score; 0 of learners that are not linear.
    setting_
        What was tuned, by name.
    notes_
        Short marks of what was not done as declared; the words are those of ``NOTES``.
    """

    name: str
    # Mark -> what became of a fit, to follow "<model> model:".
    NOTES: ClassVar[dict[str, str]] = {}

    cross_fitted_: Array
    used_: NDArray[np.bool_]
    coefficients_: Array | None
    intercept_: float = 0.0
    setting_: dict[str, Any]
    notes_: list[str]

    @abstractmethod
    def fit(self, folded: FoldedFeatures, outcome: Array) -> Self:
        """Fit on a training set and its inner folds.

        Parameters
        ----------
        folded
            Features of the training set and of its inner folds.
        outcome
            Of these rows, as the kind of outcome has it.
        """

    @abstractmethod
    def score(self, features: Array) -> Array:
        """The Rad-score of new rows, shape (n,)."""
