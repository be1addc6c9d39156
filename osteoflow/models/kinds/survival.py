"""The time to an event: Cox models and what is measured of them.

An outcome is a row of time, event and, with a horizon, a weight (see
:mod:`osteoflow.models.kinds.survival_measures`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from osteoflow.models.concordance import concordance
from osteoflow.models.cox import CoxFit, absolute_risk, fit_cox, hazard_at
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds import survival_measures as measures
from osteoflow.models.kinds.base import MeasuredKind, Regression
from osteoflow.models.kinds.survival_measures import EVENT, TIME, survival_scores
from osteoflow.models.learners.cox import CoxLearner
from osteoflow.models.missingness import Lacking, lacking_by_time
from osteoflow.models.out_of_fold import Array, Indices, Measure
from osteoflow.models.selectors import ScoreFunction
from osteoflow.models.sufficient import NO_EVENT, horizon_not_reached, nothing_to_compare, too_few
from osteoflow.statistics.intervals import Z95
from osteoflow.statistics.kaplan_meier import kaplan_meier

if TYPE_CHECKING:
    from osteoflow.models.learners.base import Learner
    from osteoflow.models.signature import Signature
    from osteoflow.settings.analysis import Analysis


class CoxRegression(Regression):
    """A Cox model of columns; scores are relative to the means of the training rows."""

    def __init__(self, fit: CoxFit, median: float, horizon: float | None) -> None:
        self.fit = fit
        self.median = median
        self.horizon = horizon
        self.is_penalised = fit.method != "efron"
        maximised = "partial likelihood, Efron's ties"
        self.method = "ridge (monotone likelihood)" if self.is_penalised else maximised
        self.dropped = fit.dropped
        self.n_terms = fit.n_terms

    def predict(self, columns: Array) -> Array:
        """Score, median score of the training rows and, with a horizon, the risk."""
        score = self.fit.linear_predictor(columns)
        found = [score, np.full(len(score), self.median)]
        if self.horizon is not None:
            found.append(self.fit.risk(columns, self.horizon))
        return np.column_stack(found)

    def effects(self) -> Array:
        """Log hazard ratios."""
        return self.fit.coefficients

    def rows(self, terms: list[str]) -> list[dict[str, Any]]:
        """Hazard ratios per unit of each term, with Wald limits, and the mean it is relative to."""
        fit, errors = self.fit, self.fit.standard_errors
        values = zip(terms, fit.coefficients, errors, fit.center, fit.p_values, strict=True)
        return [
            {
                "term": term, "coefficient": value, "standard_error": error, "mean": mean,
                "hazard_ratio": np.exp(value),
                "hazard_ratio_low": np.exp(value - Z95 * error),
                "hazard_ratio_high": np.exp(value + Z95 * error),
                "p": p, "method": self.method,
            }
            for term, value, error, mean, p in values
        ]  # fmt: skip

    def against(self, smaller: Regression) -> tuple[float, int, float, str]:
        """Likelihood-ratio test; not defined where a model has no maximum likelihood."""
        df = self.n_terms - smaller.n_terms
        if self.is_penalised or smaller.is_penalised:
            return float("nan"), df, float("nan"), "not defined: the likelihood is monotone"
        statistic = max(0.0, 2 * (self.fit.log_likelihood - smaller.fit.log_likelihood))
        p = float(chi2.sf(statistic, df)) if df else float("nan")
        return statistic, df, p, "likelihood-ratio test"


class SurvivalKind(MeasuredKind):
    """A time to event.

    Parameters
    ----------
    horizon
        Time at which risks are predicted; None: scores alone.
    """

    compared: ClassVar[tuple[str, ...]] = ("c_index", "auc_horizon")
    chance: ClassVar[float] = 0.5
    stratum: ClassVar[str] = "outcome (event or censored)"
    association: ClassVar[str] = "rank score test of the Cox model of the feature alone"
    no_maximum: ClassVar[str] = "some combination of predictors ranks every event first"

    def __init__(self, horizon: float | None = None) -> None:
        self.horizon = horizon
        self.prediction_columns = ["score", "training_median", *["risk"] * (horizon is not None)]

    def lacking(self, outcome: Array, lacks: NDArray[np.bool_]) -> Lacking:
        """Event-free time of rows that lack it and of the others."""
        return lacking_by_time(outcome[:, TIME], outcome[:, EVENT], lacks)

    def check(self, outcome: Array, groups: NDArray[Any], n_folds: int) -> None:
        """Each fold needs a participant with the event."""
        n = len(set(groups[outcome[:, EVENT] == 1].tolist()))
        if n == 0:
            raise AnalysisError(NO_EVENT)
        if problem := too_few(n, " with events", n_folds):
            raise AnalysisError(problem)
        self._reaches(outcome)
        if problem := nothing_to_compare(outcome[:, [TIME, EVENT]].tolist(), "training data"):
            raise AnalysisError(problem)

    def check_holdout(self, outcome: Array) -> None:
        """Some event must be earlier than another participant's time."""
        if problem := nothing_to_compare(outcome[:, [TIME, EVENT]].tolist(), "hold-out"):
            raise AnalysisError(problem)
        self._reaches(outcome)

    def _reaches(self, outcome: Array) -> None:
        if problem := horizon_not_reached(float(outcome[:, TIME].max()), self.horizon):
            raise AnalysisError(problem)

    def strata(self, outcome: Array, n_folds: int) -> Indices:
        """Events and censored rows."""
        return outcome[:, EVENT].astype(np.intp)

    def regress(self, columns: Array, outcome: Array) -> CoxRegression:
        """Cox model."""
        fit = fit_cox(columns, outcome[:, TIME], outcome[:, EVENT])
        if self.horizon is not None and self.horizon > fit.follow_up:
            raise ArithmeticError(f"the horizon {self.horizon:g} lies beyond its follow-up")
        return CoxRegression(fit, float(np.median(fit.linear_predictor(columns))), self.horizon)

    def learner(self, name: str, analysis: Analysis, seed: int) -> Learner:
        """Penalised Cox model."""
        share = 1.0 if name == "lasso" else analysis.radiomics.l1_ratio
        return CoxLearner(share, analysis.penalty)

    def of_score(self, signature: Signature, score: Array) -> Array:
        """Score, its median in the training rows and, with a horizon, the risk."""
        learner = signature.learner_
        found = [score, np.full(len(score), np.median(learner.training_score_))]
        if self.horizon is not None:
            own = (learner.times_, learner.cumulative_hazard_, learner.follow_up_)
            found.append(absolute_risk(hazard_at(*own, self.horizon), score))
        return np.column_stack(found)

    def n_events(self, outcome: Array) -> float:
        """Rows whose time ends with the event."""
        return int(outcome[:, EVENT].sum())

    def cells(self, outcome: Array, prediction: Array) -> dict[str, NDArray[Any]]:
        """Time, event, and the predictions."""
        event = outcome[:, EVENT].astype(int)
        return {"time": outcome[:, TIME], **super().cells(event, prediction)}

    @property
    def scores(self) -> ScoreFunction:
        """Score tests of the Cox model of each feature alone."""
        return survival_scores

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Concordance; with a horizon also area, squared error and calibration there."""
        found = [Measure("c_index", measures.concordance, "fold", "Harrell's C")]
        if self.horizon is not None:
            at = f"at {self.horizon:g}, inverse probability of censoring weights"
            own = {"horizon": self.horizon}
            found += [
                Measure("auc_horizon", partial(measures.area_at_horizon, **own), "fold", at),
                Measure("brier_horizon", partial(measures.brier_at_horizon, **own), "repeat", at),
                Measure(
                    *("observed_over_expected", partial(measures.observed_over_expected, **own)),
                    *("repeat", f"risk {at}"),
                ),
            ]
        return tuple(found)

    def limits(
        self, measure: str, outcome: Array, prediction: Array
    ) -> tuple[float, float, str] | None:
        """Limits of Harrell's C by its standard error."""
        if measure != "c_index":
            return None
        found = concordance(outcome[:, TIME], outcome[:, EVENT], prediction[:, measures.SCORE])
        words = f"infinitesimal jackknife, standard error {found.standard_error:.4f}"
        return found.low, found.high, words

    def sizes(self, outcome: Array) -> dict[str, Any]:
        """Events, and the median follow-up (reverse Kaplan-Meier)."""
        if not len(outcome):
            return {"n_events": 0, "median_follow_up": None}
        follow_up = kaplan_meier(outcome[:, TIME], 1 - outcome[:, EVENT]).median
        return {
            "n_events": int(outcome[:, EVENT].sum()),
            "median_follow_up": follow_up if np.isfinite(follow_up) else None,
        }

    def words(self, analysis: Analysis) -> dict[str, str]:
        """The models of a time to event."""
        found = {
            "cox": "partial likelihood with Efron's treatment of ties; a ridge penalty where some "
            "combination of predictors ranks every event first",
            "c_index": "Harrell's C, in cross-validation of each test fold and averaged; on the "
            "hold-out with its standard error by the infinitesimal jackknife",
            "proportional_hazards": "score test of a trend of each effect over 1 less the "
            "Kaplan-Meier estimate",
            "groups": "higher and lower score than the median of the rows a model was fitted on; "
            "log-rank test on the hold-out",
            "follow_up": "median by the reverse Kaplan-Meier estimate",
        }
        if self.horizon is not None:
            found["horizon"] = (
                f"risks at {self.horizon:g} from Breslow's baseline hazard; area (cumulative cases "
                "and dynamic controls), Brier score and observed over expected risk with weights "
                "of the inverse probability of censoring, which stay as they are in resamples"
            )
        for name in () if analysis.radiomics is None else analysis.radiomics.learners:
            share = "L1" if name == "lasso" else f"elastic-net ({analysis.radiomics.l1_ratio:g} L1)"
            found[name] = (
                f"Cox model with an {share} penalty, penalty by the cross-validated partial "
                f"likelihood of {analysis.inner_folds} inner folds with the filters fitted anew "
                f"({analysis.penalty})"
            )
        return found
