"""Performance of a model corrected for optimism, from bootstrap resamples of participants.

Everything that looked at the data is repeated in each resample (Efron and Gong, Am Stat
1983;37:36; Harrell, Lee and Mark, Stat Med 1996;15:361): the optimism is what a model of the
resample seems to be worth on its own rows beyond what it is worth on the original ones. Where a
flexible model fits its own rows almost perfectly that correction is too small; the .632+ estimator
(Efron and Tibshirani, J Am Stat Assoc 1997;92:548) rests on the rows a resample leaves out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from osteoflow.models.calibration import weighted_calibration
from osteoflow.models.folds import AnalysisError
from osteoflow.statistics.intervals import percentile_interval
from osteoflow.statistics.roc import auc

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Predict = Callable[[Indices], Array]
Fit = Callable[[Indices], Predict]
PredictSeveral = Callable[[Indices], Mapping[str, Array]]
FitSeveral = Callable[[Indices], PredictSeveral]
Measure = Callable[[Array, Array], float]

LEAST_DEFINED = 0.9


def brier(outcome: Array, probability: Array) -> float:
    """Mean squared difference of probability and outcome."""
    return float(np.mean((probability - outcome) ** 2))


def calibration_slope(outcome: Array, probability: Array) -> float:
    """Slope of the outcome on the predicted log odds; NaN where it is not defined."""
    return float(weighted_calibration(outcome, probability, np.ones((1, len(outcome))))[0][0])


def calibration_intercept(outcome: Array, probability: Array) -> float:
    """Calibration in the large: intercept with the slope held at 1."""
    return float(weighted_calibration(outcome, probability, np.ones((1, len(outcome))))[1][0])


MEASURES: Mapping[str, Measure] = {
    "auc": auc,
    "brier": brier,
    "calibration_slope": calibration_slope,
    "calibration_intercept": calibration_intercept,
}
# On its own rows a model is calibrated by construction: the spread there says nothing.
_WITHOUT_INTERVAL = ("calibration_slope", "calibration_intercept")


@dataclass(frozen=True)
class Optimism:
    """Corrected performance.

    Attributes
    ----------
    table
        One row per measure: ``measure, apparent, training, test, optimism, corrected, ci_low,
        ci_high, n_defined``. ``training`` and ``test`` are means over resamples of the resample's
        model on its own and on the original rows, ``optimism`` their difference, ``corrected``
        the apparent value less the optimism. The limits are the percentiles of the training
        values, shifted by the optimism (Noma et al., Stat Med 2021;40:5691); they are somewhat
        too narrow in small samples.
    plus632
        Rows ``auc`` and ``brier``: ``measure, apparent, out_of_bag, no_information, overfitting,
        weight, corrected, n_defined``; ``overfitting`` is the relative overfitting rate (0 to 1),
        ``weight`` that of the out-of-bag value (0.632 to 1).
    draws
        ``measure, resample, training, test``: each resample's values.
    failures
        Reason -> number of resamples that gave no model.
    """

    table: pd.DataFrame
    plus632: pd.DataFrame
    draws: pd.DataFrame
    failures: dict[str, int]


def optimism_bootstrap(
    fit: Fit,
    outcome: ArrayLike,
    resamples: Sequence[ArrayLike],
    measures: Mapping[str, Measure] = MEASURES,
) -> Optimism:
    """Correct the apparent performance of any fitting procedure.

    Parameters
    ----------
    fit
        Given row positions (with repetitions), fits everything anew on these rows and returns a
        function that gives the probabilities of rows by position. It must not keep anything from
        earlier calls; a row's probability must not depend on the other rows asked for. A pipeline
        that looks rows up by name gives the copies names of their own
        (:func:`osteoflow.models.resampling.name_copies`).
    outcome
        0/1, shape (n,).
    resamples
        Row positions of each resample, participants with all their rows
        (:func:`osteoflow.models.resampling.participant_resamples`): the rows left out must be of
        other participants.
    measures
        Name -> function of outcome and probability; NaN where not defined.

    Returns
    -------
    Optimism
        A measure that fewer than 90 % of the resamples define has NaN for its optimism.

    Raises
    ------
    ValueError
        Without resamples, with an outcome of one class, or probabilities that are not finite.
    AnalysisError, ArithmeticError
        If all rows cannot be fitted. Resamples that cannot are counted in ``failures``.
    """

    def fit_one(rows: Indices) -> PredictSeveral:
        predict = fit(rows)
        return lambda asked: {"": predict(asked)}

    return optimism_of_models(fit_one, outcome, resamples, measures)[""]


def optimism_of_models(
    fit: FitSeveral,
    outcome: ArrayLike,
    resamples: Sequence[ArrayLike],
    measures: Mapping[str, Measure] = MEASURES,
) -> dict[str, Optimism]:
    """Correct several models that are fitted together, on the same resamples.

    As :func:`optimism_bootstrap`, but ``fit`` returns a function that gives each model's
    probabilities by its name. The optimism of a difference between two models is the difference
    of their optimisms; ``draws`` of both have the same resamples in the same order.
    """
    y = np.asarray(outcome, dtype=float)
    if set(np.unique(y)) != {0.0, 1.0}:
        raise ValueError("the outcome needs events and non-events, coded 1 and 0")
    if not len(resamples):
        raise ValueError("there are no resamples")
    everyone = np.arange(len(y))
    found = {
        name: _Gathered(y, p, measures, len(resamples))
        for name, p in _probabilities(fit(everyone), everyone).items()
    }
    failures: Counter[str] = Counter()
    for number, drawn in enumerate(resamples):
        rows = np.asarray(drawn, dtype=np.intp)
        if len(np.unique(y[rows])) < 2:
            failures["no events or no non-events drawn"] += 1
            continue
        try:
            probabilities = _probabilities(fit(rows), everyone)
        except (AnalysisError, ArithmeticError) as error:
            failures[str(error)] += 1
            continue
        for name, p in probabilities.items():
            found[name].add(number, rows, p)
    return {name: gathered.result(dict(failures)) for name, gathered in found.items()}


def plus_632(error: float, out_of_bag: float, no_information: float) -> tuple[float, float, float]:
    """The .632+ error rate from the apparent, out-of-bag and no-information error rates.

    Returns
    -------
    tuple
        Error rate, relative overfitting rate, weight of the out-of-bag rate.
    """
    bounded = min(out_of_bag, no_information)
    overfitting = 0.0
    if bounded > error:
        overfitting = (bounded - error) / (no_information - error)
    weight = 0.632 / (1 - 0.368 * overfitting)
    return (1 - weight) * error + weight * bounded, overfitting, weight


def _probabilities(predict: PredictSeveral, rows: Indices) -> dict[str, Array]:
    found = {name: np.asarray(p, dtype=float) for name, p in predict(rows).items()}
    for p in found.values():
        if p.shape != rows.shape or not np.isfinite(p).all():
            raise ValueError("the fitted model must give one finite probability for each row")
    return found


def _corrected(name: str, apparent: float, training: Array, test: Array) -> dict[str, object]:
    """One row of the table."""
    defined = np.isfinite(training) & np.isfinite(test)
    row = dict.fromkeys(("training", "test", "optimism", "corrected", "ci_low", "ci_high"), np.nan)
    if defined.sum() >= LEAST_DEFINED * len(defined):
        own, original = float(training[defined].mean()), float(test[defined].mean())
        optimism = own - original
        row |= {"training": own, "test": original, "optimism": optimism}
        row["corrected"] = apparent - optimism
        if name not in _WITHOUT_INTERVAL:
            low, high, _ = percentile_interval(np.where(defined, training, np.nan))
            row |= {"ci_low": low - optimism, "ci_high": high - optimism}
    return {"measure": name, "apparent": apparent, **row, "n_defined": int(defined.sum())}


class _Gathered:
    """One model's performance over resamples: on its own rows, on all, and on those left out."""

    def __init__(
        self, outcome: Array, own: Array, measures: Mapping[str, Measure], n_resamples: int
    ) -> None:
        self.outcome, self.own, self.measures = outcome, own, measures
        self.training = {name: np.full(n_resamples, np.nan) for name in measures}
        self.test = {name: np.full(n_resamples, np.nan) for name in measures}
        self.squares, self.times = np.zeros_like(outcome), np.zeros_like(outcome)
        self.areas = np.full(n_resamples, np.nan)

    def add(self, number: int, rows: Indices, probability: Array) -> None:
        """Count the model of one resample, by its probabilities of all rows."""
        for name, measure in self.measures.items():
            self.training[name][number] = measure(self.outcome[rows], probability[rows])
            self.test[name][number] = measure(self.outcome, probability)
        outside = np.setdiff1d(np.arange(len(self.outcome)), rows)
        y, p = self.outcome[outside], probability[outside]
        self.squares[outside] += (p - y) ** 2
        self.times[outside] += 1
        if len(np.unique(y)) == 2:
            self.areas[number] = auc(y, p)

    def result(self, failures: dict[str, int]) -> Optimism:
        """The corrected performance."""
        table = [
            _corrected(name, measure(self.outcome, self.own), self.training[name], self.test[name])
            for name, measure in self.measures.items()
        ]
        draws = [
            pd.DataFrame(
                {
                    "measure": name,
                    "resample": np.arange(len(self.areas)),
                    "training": self.training[name],
                    "test": self.test[name],
                }
            )
            for name in self.measures
        ]
        return Optimism(
            pd.DataFrame(table), self.plus632(), pd.concat(draws, ignore_index=True), failures
        )

    def plus632(self) -> pd.DataFrame:
        """The .632+ estimates.

        The Brier score's out-of-bag value is the mean over rows of each row's mean over the
        resamples without it, its no-information value pairs every outcome with every prediction.
        The area's is the mean over resamples (scores of different models are not on one scale),
        with 0.5 for no information (Sahiner, Chan and Hadjiiski, Med Phys 2008;35:1559).
        """
        y, own = self.outcome, self.own
        share = y.mean()
        chance = share * np.mean((1 - own) ** 2) + (1 - share) * np.mean(own**2)
        seen = self.times > 0
        # A few rows or resamples short would not be the estimator any more.
        enough = np.mean(seen) >= LEAST_DEFINED
        outside = float(np.mean(self.squares[seen] / self.times[seen])) if enough else np.nan
        defined = np.isfinite(self.areas)
        area = float("nan")
        if defined.mean() >= LEAST_DEFINED:
            area = float(self.areas[defined].mean())
        return pd.DataFrame(
            [
                _plus632_row("auc", auc(y, own), area, 0.5, int(defined.sum())),
                _plus632_row("brier", brier(y, own), outside, float(chance), int(seen.sum())),
            ]
        )


def _plus632_row(
    name: str, apparent: float, outside: float, chance: float, defined: int
) -> dict[str, object]:
    """One row; an area enters as the error rate 1 - area."""
    value = overfitting = weight = float("nan")
    if np.isfinite(outside):
        turned = name == "auc"
        numbers = [1 - x if turned else x for x in (apparent, outside, chance)]
        value, overfitting, weight = plus_632(*numbers)
        value = 1 - value if turned else value
    return {
        "measure": name, "apparent": apparent, "out_of_bag": outside, "no_information": chance,
        "overfitting": overfitting, "weight": weight, "corrected": value, "n_defined": defined,
    }  # fmt: skip
