"""A quantity: linear models and what is measured of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as fisher
from scipy.stats import rankdata
from scipy.stats import t as student

from osteoflow.models.folds import AnalysisError
from osteoflow.models.gaussian_lasso import fit_gaussian_path
from osteoflow.models.kinds import weighted
from osteoflow.models.kinds.base import MeasuredKind, Regression
from osteoflow.models.kinds.scores import continuous_scores
from osteoflow.models.learners.base import Learner
from osteoflow.models.learners.regressors import REGRESSOR_WORDS, REGRESSORS, TunedRegressor
from osteoflow.models.learners.sparse import SparseLearner
from osteoflow.models.linear import LinearFit, fit_linear, varies
from osteoflow.models.missingness import Lacking, lacking_by_quantity
from osteoflow.models.out_of_fold import Array, Indices, Measure
from osteoflow.models.selectors import ScoreFunction
from osteoflow.models.sufficient import CONSTANT, HELD_QUANTITIES, LEAST_PER_FOLD, few_quantities
from osteoflow.statistics.limits import LIMIT

if TYPE_CHECKING:
    from osteoflow.models.signature import Signature
    from osteoflow.settings.analysis import Analysis

# Groups of the outcome that folds keep the shares of.
_MOST_STRATA = 5


class LinearRegression(Regression):
    """A linear model of columns."""

    def __init__(self, fit: LinearFit, level: float) -> None:
        self.fit = fit
        self.level = level
        self.method, self.is_penalised = "least squares", False
        self.dropped = fit.dropped
        self.n_terms = len(fit.coefficients) - len(fit.dropped)

    def predict(self, columns: Array) -> Array:
        """Expected value, and the mean of the training rows."""
        found = self.fit.predict(columns)
        return np.column_stack([found, np.full(len(found), self.level)])

    def effects(self) -> Array:
        """Change per unit of each column."""
        return self.fit.coefficients

    def rows(self, terms: list[str]) -> list[dict[str, Any]]:
        """Coefficients with limits by Student's distribution."""
        fit = self.fit
        values = np.concatenate([[fit.intercept], fit.coefficients])
        half = student.ppf(0.975, fit.df) * fit.standard_errors
        t = values / fit.standard_errors
        p = 2 * student.sf(np.abs(t), fit.df)
        columns = (["intercept", *terms], values, fit.standard_errors, values - half, values + half)
        names = ("term", "coefficient", "standard_error", "ci_low", "ci_high", "t", "p")
        return [
            dict(zip(names, row, strict=True)) | {"method": f"least squares, df {fit.df}"}
            for row in zip(*columns, t, p, strict=True)
        ]

    def against(self, smaller: Regression) -> tuple[float, int, float, str]:
        """F test."""
        df = self.n_terms - smaller.n_terms
        if df == 0:
            return float("nan"), 0, float("nan"), "not defined: no independent term is added"
        gain = max(0.0, smaller.fit.residual_squares - self.fit.residual_squares) / df
        statistic = gain / (self.fit.residual_squares / self.fit.df)
        p = float(fisher.sf(statistic, df, self.fit.df))
        return statistic, df, p, f"F test, {df} and {self.fit.df} degrees of freedom"


class ContinuousKind(MeasuredKind):
    """A quantity."""

    compared: ClassVar[tuple[str, ...]] = ("r2", "rmse")
    chance: ClassVar[float] = 0.0
    prediction_columns: ClassVar[list[str]] = ["prediction", "training_mean"]

    def lacking(self, outcome: Array, lacks: NDArray[np.bool_]) -> Lacking:
        """Ranks of the quantity of rows that lack it and of the others."""
        return lacking_by_quantity(outcome, lacks)

    def check(self, outcome: Array, groups: NDArray[Any], n_folds: int) -> None:
        """The outcome must vary, and test parts must have three participants."""
        if not varies(outcome):
            raise AnalysisError(CONSTANT)
        if problem := few_quantities(len(set(groups.tolist())), n_folds):
            raise AnalysisError(problem)

    def check_holdout(self, outcome: Array) -> None:
        """Three participants who differ."""
        if len(outcome) < LEAST_PER_FOLD or not varies(outcome):
            raise AnalysisError(HELD_QUANTITIES)

    def strata(self, outcome: Array, n_folds: int) -> Indices:
        """Groups between quantiles, at most five and each of ``n_folds`` or more."""
        n_strata = max(1, min(_MOST_STRATA, len(outcome) // n_folds))
        place = (rankdata(outcome, method="ordinal") - 1) * n_strata // len(outcome)
        return place.astype(np.intp)

    def regress(self, columns: Array, outcome: Array) -> LinearRegression:
        """Least squares."""
        try:
            fit = fit_linear(columns, outcome)
        except ValueError as error:  # constant in this training part
            raise ArithmeticError(str(error)) from error
        return LinearRegression(fit, float(outcome.mean()))

    def learner(self, name: str, analysis: Analysis, seed: int) -> Learner:
        """Penalised least squares, or a regressor."""
        if name in REGRESSORS:
            return TunedRegressor(name, *REGRESSORS[name], seed)
        share = 1.0 if name == "lasso" else analysis.radiomics.l1_ratio
        return SparseLearner(fit_gaussian_path, share, analysis.penalty)

    def of_score(self, signature: Signature, score: Array) -> Array:
        """The score is the expected value."""
        return np.column_stack([score, np.full(len(score), signature.outcome_.mean())])

    @property
    def scores(self) -> ScoreFunction:
        """F statistic of the regression and Spearman's test."""
        return continuous_scores

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Errors over repeats, correlations in folds."""
        flat = "0 where predictions are constant"
        error = "prediction less outcome"
        return (
            Measure("r2", _r2, "repeat", "1 - squared error over that of the training mean"),
            Measure("rmse", _rmse, "repeat"),
            Measure("mae", _mae, "repeat"),
            Measure("pearson_r", _pearson, "fold", flat),
            Measure("spearman_r", _spearman, "fold", flat),
            Measure("calibration_slope", partial(_calibration, part=0), "repeat",
                    "least squares of the outcome on the prediction"),
            Measure("calibration_intercept", partial(_calibration, part=1), "repeat",
                    "least squares of the outcome on the prediction"),
            Measure("bias", partial(_agreement, factor=0.0), "repeat", error),
            Measure("limit_low", partial(_agreement, factor=-LIMIT), "repeat", error),
            Measure("limit_high", partial(_agreement, factor=LIMIT), "repeat", error),
        )  # fmt: skip

    def sizes(self, outcome: Array) -> dict[str, Any]:
        """Mean and standard deviation."""
        spread = float(outcome.std(ddof=1)) if len(outcome) > 1 else None
        return {
            "outcome_mean": float(outcome.mean()) if len(outcome) else None,
            "outcome_sd": spread,
        }

    def words(self, analysis: Analysis) -> dict[str, str]:
        """The models of a quantity."""
        folds = f"{analysis.inner_folds} inner folds with the filters fitted anew"
        words = {
            "linear": "least squares",
            "r2": "1 less the squared error of predictions over that of the mean of the rows a "
            "model was fitted on; in cross-validation of all out-of-fold predictions of a repeat, "
            "averaged over repeats",
            "agreement": f"bias and bias plus or minus {LIMIT:g} standard deviations of the "
            "difference of prediction and outcome",
        }
        for name in () if analysis.radiomics is None else analysis.radiomics.learners:
            if name in REGRESSOR_WORDS:
                words[name] = f"{REGRESSOR_WORDS[name]}, by the squared error of {folds}"
                continue
            share = "L1" if name == "lasso" else f"elastic-net ({analysis.radiomics.l1_ratio:g} L1)"
            words[name] = (
                f"least squares with an {share} penalty, penalty by the squared error of {folds} "
                f"({analysis.penalty})"
            )
        return words


def _r2(outcome: Array, prediction: Array, weights: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (weights @ (outcome - prediction[:, 0]) ** 2) / (
            weights @ (outcome - prediction[:, 1]) ** 2
        )


def _rmse(outcome: Array, prediction: Array, weights: Array) -> Array:
    return np.sqrt(weighted.mean((outcome - prediction[:, 0]) ** 2, weights))


def _mae(outcome: Array, prediction: Array, weights: Array) -> Array:
    return weighted.mean(np.abs(outcome - prediction[:, 0]), weights)


def _pearson(outcome: Array, prediction: Array, weights: Array) -> Array:
    return weighted.correlation(prediction[:, 0], outcome, weights)


def _spearman(outcome: Array, prediction: Array, weights: Array) -> Array:
    predicted = weighted.ranks(prediction[:, 0], weights)
    return weighted.correlation(predicted, weighted.ranks(outcome, weights), weights)


def _calibration(outcome: Array, prediction: Array, weights: Array, part: int) -> Array:
    return weighted.line(prediction[:, 0], outcome, weights)[part]


def _agreement(outcome: Array, prediction: Array, weights: Array, factor: float) -> Array:
    difference = prediction[:, 0] - outcome
    bias = weighted.mean(difference, weights)
    return bias if factor == 0 else bias + factor * weighted.spread(difference, weights)
