"""Performance in cross-validation and on the hold-out, with intervals.

Cross-validated areas are averages over folds, never areas of pooled scores: scores of models
fitted on different rows are not on one scale (Airola et al., Comput Stat Data Anal 2011;55:1828).
Their intervals resample participants, with the fitted models as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.models.calibration import calibration, weighted_in_the_large
from osteoflow.models.kinds import weighted
from osteoflow.models.out_of_fold import CrossValidated, Measure, validated_measure, with_whole
from osteoflow.models.repeated_calibration import mean_of_defined, recalibration_lines
from osteoflow.statistics.intervals import draws_notes, percentile_interval, wilson
from osteoflow.statistics.roc import auc_interval, roc_points

Array = NDArray[np.float64]

FPR_GRID = np.round(np.linspace(0.0, 1.0, 101), 2)
BOOTSTRAP = "participant bootstrap, percentile limits"
NOT_DEFINED = "not defined: predictions constant or separating the classes"


def bootstrap_weights(groups: NDArray[Any], n_resamples: int, rng: np.random.Generator) -> Array:
    """How often each row is drawn when participants are resampled, shape (B, n)."""
    _, place = np.unique(groups, return_inverse=True)
    n = int(place.max()) + 1
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples)
    return counts[:, place].astype(float)


def _area(outcome: Array, prediction: Array, weights: Array) -> Array:
    return weighted.area(outcome == 1, prediction[:, 0], weights)


# Of the probability in the predictions' first column.
AUC = Measure("auc", _area, "fold")


def cross_validated_performance(result: CrossValidated, weights: Array) -> pd.DataFrame:
    """Rows of the performance table for all models in cross-validation."""
    stacked = with_whole(weights)
    rows = []
    for model in result.probability:
        for metric, measure in _cross_validated_measures(result, model, stacked).items():
            value, resampled = float(measure.draws[0]), measure.draws[1:]
            low, high, _ = percentile_interval(resampled)
            words = f"{measure.method}, {BOOTSTRAP}{measure.resamples()}"
            if not np.isfinite(value):
                words = f"{measure.method}; {NOT_DEFINED}"
                low = high = float("nan")
            rows.append(_row(model, "cv", metric, value, low, high, words))
    return pd.DataFrame(rows)


def resampled_cells(draws: Array, words: str) -> dict[str, Any]:
    """Value, limits and method of a measure, from its draws: of the data first, then resamples.

    Parameters
    ----------
    draws
        Shape (1 + B,).
    words
        How it is formed.
    """
    value, resampled = float(draws[0]), draws[1:]
    low, high, _ = percentile_interval(resampled)
    if not np.isfinite(value):
        words, low, high = f"{words}; not defined here", float("nan"), float("nan")
    elif notes := draws_notes(resampled):
        words += f" ({', '.join(notes)})"
    return {"value": value, "ci_low": low, "ci_high": high, "method": words}


@dataclass(frozen=True)
class _Validated:
    """A measure for the data (first) and each resample, how it is formed, and of which repeats.

    ``counted`` has for each of them the repeats in which the measure is defined; None: all.
    """

    draws: Array
    how: str
    counted: NDArray[np.intp] | None = None
    repeats: int = 1

    @property
    def method(self) -> str:
        """How the value is formed, with the repeats it rests on where these are not all."""
        if self.counted is None or self.counted[0] in (0, self.repeats):
            return self.how
        return f"{self.how} ({self.counted[0]} of {self.repeats} repeats defined)"

    def resamples(self) -> str:
        """In how many resamples, and in how many of these not in all repeats, it is defined."""
        n, notes = len(self.draws) - 1, draws_notes(self.draws[1:])
        if self.counted is not None:
            part = int(((self.counted[1:] > 0) & (self.counted[1:] < self.repeats)).sum())
            notes += [f"{part} of {n} resamples defined in some repeats alone"] * (part > 0)
        return f" ({', '.join(notes)})" if notes else ""


def _cross_validated_measures(
    result: CrossValidated, model: str, weights: Array
) -> dict[str, _Validated]:
    """Each measure for each row of weights, and how it is formed."""
    event, probability = result.outcome, result.probability[model]
    brier, sensitivity, specificity = [], [], []
    for p, threshold in zip(probability, result.threshold[model], strict=True):
        brier.append(weighted.mean((p - event) ** 2, weights))
        sensitivity.append(weighted.mean((p >= threshold).astype(float), weights * event))
        specificity.append(weighted.mean((p < threshold).astype(float), weights * (1 - event)))
    pooled = "mean over repeats of out-of-fold predictions"
    cut = "mean over repeats, cut-off from each training part"
    slope, n_slope = mean_of_defined(recalibration_lines(event, probability, weights)[:, :, 1])
    large = np.stack([weighted_in_the_large(event, p, weights) for p in probability])
    intercept, n_intercept = mean_of_defined(large)
    repeats = len(probability)
    return {
        "auc": _Validated(validated_measure(result, model, AUC, weights), "mean over test folds"),
        "brier": _Validated(np.mean(brier, axis=0), "mean over repeats"),
        "calibration_slope": _Validated(slope, pooled, n_slope, repeats),
        "calibration_intercept": _Validated(
            intercept, f"{pooled}, slope held at 1", n_intercept, repeats
        ),
        "sensitivity": _Validated(np.mean(sensitivity, axis=0), cut),
        "specificity": _Validated(np.mean(specificity, axis=0), cut),
    }


def holdout_performance(
    outcome: Array, probability: dict[str, Array], threshold: dict[str, float], weights: Array
) -> pd.DataFrame:
    """Rows of the performance table for all models on the hold-out."""
    rows = []
    event = outcome == 1
    for model, p in probability.items():
        area = auc_interval(outcome, p)
        words = "DeLong"
        if area.variance == 0:
            words = "DeLong's interval not defined: the area has no variance"
        rows.append(_row(model, "holdout", "auc", area.auc, area.low, area.high, words))
        squared = (p - outcome) ** 2
        low, high, _ = percentile_interval(weighted.mean(squared, weights))
        rows.append(_row(model, "holdout", "brier", float(squared.mean()), low, high, BOOTSTRAP))
        found = calibration(outcome, p)
        words = "logistic recalibration, Wald"
        if not np.isfinite(found.slope):
            words += f"; {NOT_DEFINED}"
        rows.append(
            _row(
                model, "holdout", "calibration_slope",
                found.slope, found.slope_low, found.slope_high, words,
            )
        )  # fmt: skip
        rows.append(
            _row(
                model, "holdout", "calibration_intercept",
                found.intercept, found.intercept_low, found.intercept_high,
                "slope held at 1, Wald",
            )
        )  # fmt: skip
        called = p >= threshold[model]
        for metric, right in (("sensitivity", called[event]), ("specificity", ~called[~event])):
            low, high = (float(limit) for limit in wilson(right.sum(), len(right)))
            rows.append(
                _row(
                    model, "holdout", metric, float(right.mean()), low, high,
                    "Wilson, cut-off frozen from the training data",
                )
            )  # fmt: skip
        rows.append(
            _row(
                model, "holdout", "threshold", threshold[model], np.nan, np.nan,
                "Youden cut-off of the training data",
            )
        )  # fmt: skip
    return pd.DataFrame(rows)


def holdout_roc(outcome: Array, probability: dict[str, Array]) -> pd.DataFrame:
    """ROC curves on the hold-out."""
    tables = []
    for model, p in probability.items():
        points = roc_points(outcome, p)
        tables.append(
            pd.DataFrame(
                {
                    "model": model,
                    "set": "holdout",
                    "fpr": points.fpr,
                    "tpr": points.tpr,
                    "threshold": points.threshold,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def cross_validated_roc(result: CrossValidated, weights: Array) -> pd.DataFrame:
    """ROC curves averaged over test folds at fixed false-positive rates, with a bootstrap band.

    Vertical averaging (Fawcett, Pattern Recognit Lett 2006;27:861).
    """
    tables = []
    stacked = with_whole(weights)
    for model in result.probability:
        total, counted = np.zeros((len(stacked), len(FPR_GRID))), np.zeros(len(stacked))
        for repeat, rows in result.test_parts():
            curves = _weighted_roc(
                result.outcome[rows], result.probability[model][repeat, rows], stacked[:, rows]
            )
            defined = np.isfinite(curves[:, 0])
            total[defined] += curves[defined]
            counted += defined
        with np.errstate(invalid="ignore"):
            mean = total / counted[:, None]
        band = np.nanquantile(mean[1:], [0.025, 0.975], axis=0)
        tables.append(
            pd.DataFrame(
                {
                    "model": model,
                    "set": "cv",
                    "fpr": np.concatenate([[0.0], FPR_GRID]),
                    "tpr": np.concatenate([[0.0], mean[0]]),
                    "threshold": np.nan,
                    "tpr_low": np.concatenate([[0.0], band[0]]),
                    "tpr_high": np.concatenate([[0.0], band[1]]),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _weighted_roc(outcome: Array, score: Array, weights: Array) -> Array:
    """True-positive rate at each false-positive rate of the grid, shape (B, grid)."""
    levels = np.unique(np.round(score, 12))[::-1]
    called = np.round(score, 12)[None, :] >= levels[:, None]
    w_event, w_other = weights * (outcome == 1), weights * (outcome == 0)
    # Resamples of one small fold repeat themselves: each distinct one is drawn once.
    _, first, which = np.unique(weights, axis=0, return_index=True, return_inverse=True)
    shapes = np.full((len(first), len(FPR_GRID)), np.nan)
    for place, row in enumerate(first):
        events, others = w_event[row].sum(), w_other[row].sum()
        if events and others:
            tpr = np.concatenate([[0.0], called @ w_event[row] / events])
            fpr = np.concatenate([[0.0], called @ w_other[row] / others])
            shapes[place] = np.interp(FPR_GRID, fpr, tpr)
    return shapes[which.reshape(-1)]


def _row(
    model: str, part: str, metric: str, value: float, low: float, high: float, method: str
) -> dict[str, Any]:
    return {
        "model": model, "set": part, "metric": metric, "value": value,
        "ci_low": low, "ci_high": high, "method": method,
    }  # fmt: skip
