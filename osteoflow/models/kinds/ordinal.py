"""Ordered classes: proportional-odds models and what is measured of them."""

from __future__ import annotations

from functools import partial
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds import weighted
from osteoflow.models.kinds.base import MeasuredKind, Regression
from osteoflow.models.kinds.scores import ordinal_scores
from osteoflow.models.learners.base import Learner
from osteoflow.models.learners.sparse import SparseLearner
from osteoflow.models.missingness import Lacking, lacking_by_class
from osteoflow.models.ordinal import OrdinalFit, class_probabilities, fit_ordinal
from osteoflow.models.ordinal_lasso import OrdinalPath, fit_ordinal_path
from osteoflow.models.out_of_fold import Array, Indices, Measure
from osteoflow.models.selectors import ScoreFunction
from osteoflow.models.sufficient import ONE_CLASS_HELD, classes_too_small
from osteoflow.statistics.intervals import Z95
from osteoflow.statistics.kappa import confusion, weighted_kappa

if TYPE_CHECKING:
    from osteoflow.models.signature import Signature
    from osteoflow.settings.analysis import Analysis

_POWERS = {"kappa_quadratic": 2, "kappa_linear": 1}


class OrdinalRegression(Regression):
    """A proportional-odds model of columns."""

    def __init__(self, fit: OrdinalFit, classes: list[str]) -> None:
        self.fit = fit
        self.classes = classes
        self.is_penalised = fit.method != "ml"
        self.method = "ridge (separated classes)" if self.is_penalised else "maximum likelihood"
        self.dropped = fit.dropped
        self.n_terms = len(fit.coefficients) - len(fit.dropped)

    def predict(self, columns: Array) -> Array:
        """Linear predictor and the classes' probabilities."""
        eta = self.fit.linear_predictor(columns)
        return np.column_stack([eta, class_probabilities(self.fit.thresholds, eta)])

    def effects(self) -> Array:
        """Log odds ratios."""
        return self.fit.coefficients

    def rows(self, terms: list[str]) -> list[dict[str, Any]]:
        """Thresholds, then odds ratios of a later class with Wald limits."""
        errors, p = self.fit.standard_errors, len(terms)
        bounds = bound_names(self.classes)
        found = [
            {"term": term, "coefficient": value, "standard_error": error, "method": self.method}
            for term, value, error in zip(bounds, self.fit.thresholds, errors[p:], strict=True)
        ]
        for term, value, error in zip(terms, self.fit.coefficients, errors[:p], strict=True):
            found.append(
                {
                    "term": term, "coefficient": value, "standard_error": error,
                    "odds_ratio": np.exp(value),
                    "odds_ratio_low": np.exp(value - Z95 * error),
                    "odds_ratio_high": np.exp(value + Z95 * error),
                    "p": 2 * norm.sf(abs(value / error)), "method": self.method,
                }
            )  # fmt: skip
        return found

    def against(self, smaller: Regression) -> tuple[float, int, float, str]:
        """Likelihood-ratio test; not defined where a model has no maximum likelihood."""
        df = self.n_terms - smaller.n_terms
        if self.is_penalised or smaller.is_penalised:
            return float("nan"), df, float("nan"), "not defined: the classes are separated"
        statistic = max(0.0, 2 * (self.fit.log_likelihood - smaller.fit.log_likelihood))
        p = float(chi2.sf(statistic, df)) if df else float("nan")
        return statistic, df, p, "likelihood-ratio test"


class OrdinalKind(MeasuredKind):
    """Ordered classes.

    Parameters
    ----------
    classes
        Their names in order; outcomes are places in this list.
    """

    compared: ClassVar[tuple[str, ...]] = ("c_index", "auc_hand_till")
    chance: ClassVar[float] = 0.5
    stratum: ClassVar[str] = "class"

    def __init__(self, classes: list[str]) -> None:
        self.classes = classes
        self.k = len(classes)
        self.prediction_columns = ["score", *(f"probability_{name}" for name in classes)]

    def lacking(self, outcome: Array, lacks: NDArray[np.bool_]) -> Lacking:
        """Ranks of the classes of rows that lack it and of the others."""
        return lacking_by_class(outcome, lacks, self.classes)

    def check(self, outcome: Array, groups: NDArray[Any], n_folds: int) -> None:
        """Each class needs a participant in every fold."""
        sizes = [len(set(groups[outcome == place].tolist())) for place in range(self.k)]
        for problem in classes_too_small(sizes, self.classes, n_folds):
            raise AnalysisError(problem)

    def check_holdout(self, outcome: Array) -> None:
        """Two classes at least, of which each that occurs counts."""
        if len(np.unique(outcome)) < 2:
            raise AnalysisError(ONE_CLASS_HELD)

    def strata(self, outcome: Array, n_folds: int) -> Indices:
        """The classes."""
        return outcome.astype(np.intp)

    def regress(self, columns: Array, outcome: Array) -> OrdinalRegression:
        """Proportional-odds model."""
        return OrdinalRegression(fit_ordinal(columns, outcome, self.k), self.classes)

    def learner(self, name: str, analysis: Analysis, seed: int) -> Learner:
        """LASSO or elastic net of the cumulative logits."""
        share = 1.0 if name == "lasso" else analysis.radiomics.l1_ratio
        return SparseLearner(partial(_path, n_classes=self.k), share, analysis.penalty)

    def of_score(self, signature: Signature, score: Array) -> Array:
        """The score with the probabilities by the path's thresholds at its penalty."""
        learner = signature.learner_
        thresholds = learner.path_.thresholds[learner.chosen_]
        return np.column_stack([score, class_probabilities(thresholds, score)])

    def bounds(self, signature: Signature) -> dict[str, float]:
        """Thresholds between the classes."""
        learner = signature.learner_
        return dict(
            zip(bound_names(self.classes), learner.path_.thresholds[learner.chosen_], strict=True)
        )

    def cells(self, outcome: Array, prediction: Array) -> dict[str, NDArray[Any]]:
        """Places and names of the observed and the called class, and the predictions."""
        names, place = np.array(self.classes, dtype=object), outcome.astype(int)
        called = called_class(prediction).astype(int)
        found = super().cells(place, prediction)
        return {"outcome": place, "observed": names[place], "predicted": names[called], **found}

    @property
    def scores(self) -> ScoreFunction:
        """F statistic and Spearman's test."""
        return ordinal_scores

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Ranking in folds, calls and probabilities over repeats."""
        called = "class of highest probability"
        found = [
            Measure("c_index", _c_index, "fold", "ordered concordance of the linear predictor"),
            Measure("auc_hand_till", partial(_hand_till, k=self.k), "fold", "Hand and Till"),
        ]
        found += [
            Measure(f"auc_{name}", partial(_one_against_rest, place=place), "fold",
                    f"{name} against all others")
            for place, name in enumerate(self.classes)
        ]  # fmt: skip
        found += [
            Measure(name, partial(_kappa, k=self.k, power=power), "repeat", called)
            for name, power in _POWERS.items()
        ]
        found.append(Measure("accuracy", _accuracy, "repeat", called))
        found.append(Measure("ranked_probability_score", partial(_rps, k=self.k), "repeat"))
        return tuple(found)

    def limits(
        self, measure: str, outcome: Array, prediction: Array
    ) -> tuple[float, float, str] | None:
        """Of kappa by its large-sample variance."""
        if measure not in _POWERS:
            return None
        counts = confusion(outcome, called_class(prediction), self.k)
        found = weighted_kappa(counts, measure.removeprefix("kappa_"))
        words = "variance of Fleiss, Cohen and Everitt"
        if np.isnan(found.low):
            words = "no limits: all called or observed are of one class"
        return found.low, found.high, words

    def sizes(self, outcome: Array) -> dict[str, Any]:
        """Participants of each class."""
        return {
            "classes": {
                name: int((outcome == place).sum()) for place, name in enumerate(self.classes)
            }
        }

    def words(self, analysis: Analysis) -> dict[str, str]:
        """The models of ordered classes."""
        folds = f"{analysis.inner_folds} inner folds with the filters fitted anew"
        order = " < ".join(self.classes)
        words = {
            "ordinal": f"proportional-odds logistic regression of {order}; where the classes are "
            "separated, with a ridge penalty (prior standard deviation 1 per standard deviation)",
            "calls": "class of highest probability",
            "hand_till": "mean over the pairs of classes of the area between the two; each class "
            "against all others besides",
            "kappa": "weighted kappa with quadratic and linear weights; on the hold-out with the "
            "limits of Fleiss, Cohen and Everitt",
            "assumptions": "checked in the training data by Brant's tests and by "
            "the likelihood ratio against the multinomial model",
        }
        for name in () if analysis.radiomics is None else analysis.radiomics.learners:
            share = "L1" if name == "lasso" else f"elastic-net ({analysis.radiomics.l1_ratio:g} L1)"
            words[name] = (
                f"proportional-odds regression with an {share} penalty on the features and none on "
                f"the thresholds, penalty by the deviance of {folds} ({analysis.penalty})"
            )
        return words


def bound_names(classes: list[str]) -> list[str]:
    """Names of the thresholds between ordered classes."""
    return [f"threshold {a} | {b}" for a, b in pairwise(classes)]


def called_class(prediction: Array) -> Array:
    """Class of highest probability; of equal ones the earlier, shape (n,)."""
    return np.argmax(np.round(prediction[:, 1:], 12), axis=1).astype(float)


def _path(
    features: Array, outcome: Array, lambdas: Array | None, *, l1_ratio: float, n_classes: int
) -> OrdinalPath:
    return fit_ordinal_path(features, outcome, n_classes, lambdas, l1_ratio=l1_ratio)


def _c_index(outcome: Array, prediction: Array, weights: Array) -> Array:
    return weighted.concordance(outcome, prediction[:, 0], weights)


def _one_against_rest(outcome: Array, prediction: Array, weights: Array, place: int) -> Array:
    return weighted.area(outcome == place, prediction[:, 1 + place], weights)


def _hand_till(outcome: Array, prediction: Array, weights: Array, k: int) -> Array:
    total, counted = np.zeros(len(weights)), np.zeros(len(weights))
    for a, b in combinations(range(k), 2):
        rows = np.flatnonzero((outcome == a) | (outcome == b))
        y, w = outcome[rows], weights[:, rows]
        found = 0.5 * (
            weighted.area(y == a, prediction[rows, 1 + a], w)
            + weighted.area(y == b, prediction[rows, 1 + b], w)
        )
        known = np.isfinite(found)
        total[known] += found[known]
        counted += known
    with np.errstate(invalid="ignore"):
        return total / counted


def _kappa(outcome: Array, prediction: Array, weights: Array, k: int, power: int) -> Array:
    return weighted.kappa(outcome, called_class(prediction), k, power, weights)


def _accuracy(outcome: Array, prediction: Array, weights: Array) -> Array:
    return weighted.mean((outcome == called_class(prediction)).astype(float), weights)


def _rps(outcome: Array, prediction: Array, weights: Array, k: int) -> Array:
    """Mean squared distance of cumulative probabilities from the class's, over the bounds."""
    below = np.cumsum(prediction[:, 1:], axis=1)[:, :-1]
    observed = (outcome[:, None] <= np.arange(k - 1)).astype(float)
    return weighted.mean(((below - observed) ** 2).mean(axis=1), weights)
