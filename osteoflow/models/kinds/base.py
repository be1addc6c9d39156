"""What an analysis needs to know of a kind of outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.selectors import ScoreFunction

if TYPE_CHECKING:
    from osteoflow.models.kinds.learners import KindLearner
    from osteoflow.models.kinds.signature import KindSignature
    from osteoflow.settings.analysis import Analysis

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
# Outcome (n,), prediction (n, columns), weights of rows (B, n) -> the measure for each row of
# weights, (B,); NaN where it is not defined.
Compute = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Measure:
    """A measure of performance.

    Attributes
    ----------
    name
        As in ``performance.tsv``.
    compute
        See :data:`Compute`.
    over
        In cross-validation: ``fold``, formed in each test fold and averaged, where predictions of
        different models are not on one scale; or ``repeat``, formed of all out-of-fold predictions
        of a repeat and averaged over repeats.
    words
        What it is, for the ``method`` column.
    """

    name: str
    compute: Compute
    over: Literal["fold", "repeat"]
    words: str = ""


class Regression(ABC):
    """A fitted regression of the outcome on the columns of a design."""

    method: str
    dropped: tuple[int, ...]
    n_terms: int

    @abstractmethod
    def predict(self, columns: Array) -> Array:
        """Predictions of new rows, shape (n, columns of the kind)."""

    @abstractmethod
    def effects(self) -> Array:
        """Coefficient of each column, shape (p,)."""

    @abstractmethod
    def rows(self, terms: list[str]) -> list[dict[str, Any]]:
        """Rows of the table of coefficients, without the model's name."""

    @abstractmethod
    def against(self, smaller: Regression) -> tuple[float, int, float, str]:
        """Test of the terms that a smaller model on the same rows lacks: statistic, df, p, name."""


class OutcomeKind(ABC):
    """One kind of outcome: its models, measures and tables.

    Attributes
    ----------
    prediction_columns
        What stands in the columns of a prediction.
    compared
        Measures whose differences between models are told; of the first, permuted outcomes have
        the value ``chance`` at best.
    stratum, association, no_maximum
        In words: what folds keep the shares of, what features are filtered by, and why a
        regression may have no maximum likelihood.
    """

    prediction_columns: list[str]
    compared: ClassVar[tuple[str, ...]]
    chance: ClassVar[float]
    stratum: ClassVar[str] = "quantile group of the outcome"
    association: ClassVar[str] = "Spearman correlation with the outcome"
    no_maximum: ClassVar[str] = "the classes are separated"

    @abstractmethod
    def check(self, outcome: Array, groups: NDArray[Any], n_folds: int) -> None:
        """Refuse training rows that folds cannot be made of.

        Raises
        ------
        AnalysisError
            With the numbers.
        """

    @abstractmethod
    def check_holdout(self, outcome: Array) -> None:
        """Refuse a hold-out on which the models cannot be judged.

        Raises
        ------
        AnalysisError
            With the numbers.
        """

    @abstractmethod
    def strata(self, outcome: Array, n_folds: int) -> Indices:
        """Group of each row that folds and hold-out keep the shares of."""

    @abstractmethod
    def regress(self, columns: Array, outcome: Array) -> Regression:
        """Regression of the outcome on columns.

        Raises
        ------
        ArithmeticError
            If it cannot be fitted.
        """

    @abstractmethod
    def learner(self, name: str, analysis: Analysis, seed: int) -> KindLearner:
        """A learner of features, not fitted."""

    @abstractmethod
    def of_score(self, signature: KindSignature, score: Array) -> Array:
        """Predictions from the scores of a fitted signature, shape (n, columns)."""

    @property
    @abstractmethod
    def scores(self) -> ScoreFunction:
        """Association of features with the outcome, for filters."""

    @property
    @abstractmethod
    def measures(self) -> tuple[Measure, ...]:
        """All measures, the main one first."""

    @abstractmethod
    def sizes(self, outcome: Array) -> dict[str, Any]:
        """Numbers of a set of rows, for the summary."""

    def limits(
        self, measure: str, outcome: Array, prediction: Array
    ) -> tuple[float, float, str] | None:
        """95 % limits of a measure on the hold-out by a formula, with its name; None: resampled."""
        return None

    @abstractmethod
    def words(self, analysis: Analysis) -> dict[str, str]:
        """The kind's own methods, by the step's name."""
