"""What an analysis needs to know of a kind of outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.folds import Splits
from osteoflow.models.missingness import Lacking
from osteoflow.models.out_of_fold import Array, Indices, Measure
from osteoflow.models.selectors import ScoreFunction

if TYPE_CHECKING:
    from osteoflow.models.learners.base import Learner
    from osteoflow.models.signature import Signature
    from osteoflow.settings.analysis import Analysis


class Regression(ABC):
    """A fitted regression of the outcome on the columns of a design.

    Attributes
    ----------
    method
        How it was fitted, in words.
    is_penalised
        Whether there was no maximum likelihood, and a penalty took its place.
    dropped
        Columns that are constant or repeat others.
    n_terms
        Number of the others.
    """

    method: str
    is_penalised: bool
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
    """One kind of outcome: how rows are split, and how models are fitted.

    Attributes
    ----------
    prediction_columns
        What stands in the columns of a prediction.
    chance
        Value of the main measure where nothing can be predicted.
    stratum, association, no_maximum, penalty
        In words: what folds keep the shares of, what features are filtered by, why a regression
        may have no maximum likelihood, and what then takes its place.
    """

    prediction_columns: list[str]
    chance: ClassVar[float]
    stratum: ClassVar[str] = "quantile group of the outcome"
    association: ClassVar[str] = "Spearman correlation with the outcome"
    no_maximum: ClassVar[str] = "the classes are separated"
    penalty: ClassVar[str] = "a ridge penalty"

    def check_whole(self, outcome: Array) -> None:  # noqa: B027 (most kinds allow any)
        """Refuse an outcome that no split could be made of.

        Raises
        ------
        AnalysisError
            With the numbers.
        """

    @abstractmethod
    def lacking(self, outcome: Array, lacks: NDArray[np.bool_]) -> Lacking:
        """Whether the rows that lack something differ in their outcome from the others."""

    @abstractmethod
    def check(self, outcome: Array, groups: NDArray[Any], n_folds: int) -> None:
        """Refuse training rows that folds cannot be made of.

        Raises
        ------
        AnalysisError
            With the numbers.
        """

    def check_folds(self, outcome: Array, splits: Splits) -> None:  # noqa: B027
        """Refuse folds that cannot be fitted or judged.

        Raises
        ------
        AnalysisError
            With the reason.
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
    def learner(self, name: str, analysis: Analysis, seed: int) -> Learner:
        """A learner of features, not fitted."""

    @abstractmethod
    def of_score(self, signature: Signature, score: Array) -> Array:
        """Predictions from the scores of a fitted signature, shape (n, columns)."""

    def cut_off(self, outcome: Array, prediction: Array) -> float:
        """Of predictions of the training rows, above which a row is called an event; else NaN."""
        return float("nan")

    def bounds(self, signature: Signature) -> dict[str, float]:
        """What a signature's score is compared with, by name."""
        return {}

    def n_events(self, outcome: Array) -> float:
        """Number of events among rows; NaN of kinds that have none."""
        return float("nan")

    def cells(self, outcome: Array, prediction: Array) -> dict[str, NDArray[Any]]:
        """Columns of the table of predictions."""
        values = zip(self.prediction_columns, prediction.T, strict=True)
        return {"outcome": outcome, **dict(values)}

    @property
    @abstractmethod
    def scores(self) -> ScoreFunction:
        """Association of features with the outcome, for filters."""

    @property
    @abstractmethod
    def main(self) -> Measure:
        """The measure that permuted outcomes are judged by."""


class MeasuredKind(OutcomeKind):
    """A kind all of whose measures are formed alike, on resampled rows.

    Attributes
    ----------
    compared
        Measures whose differences between models are told.
    """

    compared: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def measures(self) -> tuple[Measure, ...]:
        """All measures, the main one first."""

    @property
    def main(self) -> Measure:
        """The first one."""
        return self.measures[0]

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
