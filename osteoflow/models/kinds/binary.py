"""Events and non-events: logistic models, and how rows are split for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from osteoflow.models.firth_profile import firth_profile
from osteoflow.models.folds import AnalysisError, Splits
from osteoflow.models.kinds.base import OutcomeKind, Regression
from osteoflow.models.learners import make_learner
from osteoflow.models.logistic import LogisticFit, fit_logistic
from osteoflow.models.missingness import Lacking, lacking_by_event
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

# Limits of a coefficient, p, and how all was found.
_Inference = tuple[float, float, float, str]
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
        """Intercept and log odds ratios with limits of the odds ratios.

        They are Wald's; of Firth's fit those of the profile penalised likelihood. The intercept of
        that fit has none, nor a p: it was moved from where the penalised likelihood is greatest
        (FLIC). ``method`` says why a profile was not found.
        """
        values = np.concatenate([[self.fit.intercept], self.fit.coefficients])
        inference = self._profile() if self.is_penalised else self._wald(values)
        found = zip(["intercept", *terms], values, self.fit.standard_errors, inference, strict=True)
        with np.errstate(over="ignore"):  # an odds ratio too large for a number is infinite
            return [
                {
                    "term": term, "coefficient": value, "standard_error": error,
                    "odds_ratio": np.exp(value), "odds_ratio_low": np.exp(low),
                    "odds_ratio_high": np.exp(high), "p": p, "method": method,
                }
                for term, value, error, (low, high, p, method) in found
            ]  # fmt: skip

    def _wald(self, values: Array) -> list[_Inference]:
        """Of (intercept, coefficients)."""
        half = Z95 * self.fit.standard_errors
        p = 2 * norm.sf(np.abs(values / self.fit.standard_errors))
        return [
            (*found, self.method) for found in zip(values - half, values + half, p, strict=True)
        ]

    def _profile(self) -> list[_Inference]:
        """Of (intercept, coefficients); none of the intercept and of dropped columns."""
        nan = float("nan")
        method = f"{self.method}; profile penalised likelihood"
        found: list[_Inference] = [(nan, nan, nan, method)] * (1 + len(self.fit.coefficients))
        kept = [i for i in range(len(self.fit.coefficients)) if i not in self.dropped]
        profiles = firth_profile(self.columns[:, kept], self.outcome)
        for place, one in zip(kept, profiles, strict=True):
            told = f"{method} not found ({one.problem})" if one.problem else method
            found[place + 1] = (one.low, one.high, one.p, told)
        return found

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

    def lacking(self, outcome: Array, lacks: NDArray[np.bool_]) -> Lacking:
        """Shares that lack it among events and non-events."""
        return lacking_by_event(outcome, lacks)

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

    def n_events(self, outcome: Array) -> float:
        """Rows with the event."""
        return int((outcome == 1).sum())

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
