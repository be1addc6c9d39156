"""Events and non-events: logistic models, and how rows are split for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from osteoflow.models.folds import AnalysisError, Splits
from osteoflow.models.kinds.base import OutcomeKind, Regression
from osteoflow.models.learners import make_learner
from osteoflow.models.logistic import LogisticFit, fit_logistic
from osteoflow.models.nested import likelihood_ratio_test
from osteoflow.models.out_of_fold import Array, Indices, Measure
from osteoflow.models.performance import AUC
from osteoflow.models.selectors import ScoreFunction, binary_scores
from osteoflow.models.sufficient import one_class, small_holdout, too_few
from osteoflow.statistics.intervals import Z95
from osteoflow.statistics.roc import youden_threshold

if TYPE_CHECKING:
    from osteoflow.models.learners.base import Learner
    from osteoflow.models.signature import Signature
    from osteoflow.settings.analysis import Analysis

_CLASSES = ((1.0, "event"), (0.0, "non-event"))


class LogisticRegression(Regression):
    """A logistic model of columns."""

    def __init__(self, fit: LogisticFit, columns: Array, outcome: Array) -> None:
        self.fit = fit
        self.columns = columns
        self.outcome = outcome
        self.is_penalised = fit.method == "firth"
        self.method = "Firth, FLIC" if self.is_penalised else "maximum likelihood"
        self.dropped = fit.dropped
        self.n_terms = len(fit.coefficients) - len(fit.dropped)

    def predict(self, columns: Array) -> Array:
        """Probability of the event."""
        return expit(self.fit.linear_predictor(columns))[:, None]

    def effects(self) -> Array:
        """Log odds ratios."""
        return self.fit.coefficients

    def rows(self, terms: list[str]) -> list[dict[str, Any]]:
        """Intercept and log odds ratios with Wald limits of the odds ratios."""
        values = np.concatenate([[self.fit.intercept], self.fit.coefficients])
        found = zip(["intercept", *terms], values, self.fit.standard_errors, strict=True)
        return [
            {
                "term": term, "coefficient": value, "standard_error": error,
                "odds_ratio": np.exp(value),
                "odds_ratio_low": np.exp(value - Z95 * error),
                "odds_ratio_high": np.exp(value + Z95 * error),
                "p": 2 * norm.sf(abs(value / error)), "method": self.method,
            }
            for term, value, error in found
        ]  # fmt: skip

    def against(self, smaller: Regression) -> tuple[float, int, float, str]:
        """Likelihood-ratio test, both penalised alike where this one separates the classes."""
        test = likelihood_ratio_test(smaller.columns, self.columns, self.outcome)
        return test.statistic, test.df, test.p, test.method


class BinaryKind(OutcomeKind):
    """Events (1) and non-events (0)."""

    prediction_columns: ClassVar[list[str]] = ["probability"]
    chance: ClassVar[float] = 0.5
    stratum: ClassVar[str] = "outcome"
    association: ClassVar[str] = "Mann-Whitney test between events and non-events"
    penalty: ClassVar[str] = "Firth's penalised likelihood"

    def check_whole(self, outcome: Array) -> None:
        """There must be both."""
        if problem := one_class(int((outcome == 1).sum()), int((outcome == 0).sum())):
            raise AnalysisError(problem)

    def check(self, outcome: Array, groups: NDArray[Any], n_folds: int) -> None:
        """Each fold needs a participant of each class."""
        for value, name in _CLASSES:
            n = len(set(groups[outcome == value].tolist()))
            if problem := too_few(n, f" with {name}s", n_folds):
                raise AnalysisError(problem)

    def check_folds(self, outcome: Array, splits: Splits) -> None:
        """Participants with several rows may leave a part without a class."""
        for train, test in splits:
            if len(set(outcome[train])) < 2 or len(set(outcome[test])) < 2:
                raise AnalysisError(
                    f"{len(splits)} folds by participant leave a fold without events or without "
                    "non-events"
                )

    def check_holdout(self, outcome: Array) -> None:
        """Two events and two non-events."""
        for value, name in _CLASSES:
            if problem := small_holdout(int((outcome == value).sum()), name):
                raise AnalysisError(problem)

    def strata(self, outcome: Array, n_folds: int) -> Indices:
        """Events (0), to which a participant belongs if any row is one, and non-events (1)."""
        return (outcome != 1).astype(np.intp)

    def regress(self, columns: Array, outcome: Array) -> LogisticRegression:
        """Maximum likelihood, or Firth's penalised likelihood where the classes are separated."""
        return LogisticRegression(fit_logistic(columns, outcome), columns, outcome)

    def learner(self, name: str, analysis: Analysis, seed: int) -> Learner:
        """Any of :data:`osteoflow.models.learners.LEARNERS`."""
        return make_learner(name, analysis, seed)

    def of_score(self, signature: Signature, score: Array) -> Array:
        """The score is the log odds of the event."""
        return expit(score)[:, None]

    def cut_off(self, outcome: Array, prediction: Array) -> float:
        """Youden's."""
        return float(youden_threshold(outcome, prediction[:, 0]))

    def cells(self, outcome: Array, prediction: Array) -> dict[str, NDArray[Any]]:
        """Outcome as a whole number, and the probability."""
        return super().cells(outcome.astype(int), prediction)

    @property
    def scores(self) -> ScoreFunction:
        """F statistic and Mann-Whitney test."""
        return binary_scores

    @property
    def main(self) -> Measure:
        """Area under the ROC curve, of each test fold."""
        return AUC
