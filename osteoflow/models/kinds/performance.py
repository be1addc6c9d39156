"""Performance of the models, differences between them, and the check with permuted outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from osteoflow.models.comparisons import NESTED_COLUMNS, pairs
from osteoflow.models.dataset import Dataset
from osteoflow.models.kinds.base import Array, Indices, Measure, OutcomeKind
from osteoflow.models.kinds.fitting import KindModels, Validated, cross_validate
from osteoflow.models.performance import BOOTSTRAP
from osteoflow.models.permutation import PermutationCheck, permuted_scores, summarise
from osteoflow.statistics.intervals import holm, percentile_interval

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Held = tuple[Array, Mapping[str, Array]]

PERFORMANCE_COLUMNS = ("model", "set", "metric", "value", "ci_low", "ci_high", "method")
COMPARISON_COLUMNS = (
    "model_a", "model_b", "metric", "difference", "ci_low", "ci_high", "z", "p", "p_adjusted",
    "correction", "test",
)  # fmt: skip
_OVER = {"fold": "mean over test folds", "repeat": "mean over repeats of out-of-fold predictions"}


def validated_measure(result: Validated, model: str, measure: Measure, weights: Array) -> Array:
    """A measure in cross-validation for each row of weights, shape (B,).

    Test folds in which it is not defined do not count in its mean.
    """
    prediction = result.prediction[model]
    if measure.over == "repeat":
        each = [measure.compute(result.outcome, found, weights) for found in prediction]
        return np.mean(each, axis=0)
    total, counted = np.zeros(len(weights)), np.zeros(len(weights))
    for repeat, rows in result.test_parts():
        found = measure.compute(result.outcome[rows], prediction[repeat, rows], weights[:, rows])
        defined = np.isfinite(found)
        total[defined] += found[defined]
        counted += defined
    with np.errstate(invalid="ignore"):
        return total / counted


def performance(
    kind: OutcomeKind, result: Validated, weights: Array, held: Held | None, held_weights: Array
) -> pd.DataFrame:
    """The performance table: every measure of every model, in cross-validation and hold-out."""
    rows = []
    for model in result.prediction:
        for measure in kind.measures:
            draws = validated_measure(result, model, measure, _with_whole(weights))
            words = f"{_OVER[measure.over]}, {BOOTSTRAP}"
            rows.append(_row(model, "cv", measure, draws, words))
    for model, prediction in {} if held is None else held[1].items():
        for measure in kind.measures:
            draws = measure.compute(held[0], prediction, _with_whole(held_weights))
            row = _row(model, "holdout", measure, draws, BOOTSTRAP)
            known = kind.limits(measure.name, held[0], prediction)
            if known is not None:
                words = f"{measure.words}, {known[2]}"
                row |= {"ci_low": known[0], "ci_high": known[1], "method": words}
            rows.append(row)
    return pd.DataFrame(rows, columns=list(PERFORMANCE_COLUMNS))


def _with_whole(weights: Array) -> Array:
    """All rows once, then the resamples."""
    return np.vstack([np.ones((1, weights.shape[1])), weights])


def _row(model: str, part: str, measure: Measure, draws: Array, words: str) -> dict[str, Any]:
    value, resampled = float(draws[0]), draws[1:]
    low, high, defined = percentile_interval(resampled)
    method = ", ".join(filter(None, [measure.words, words]))
    if not np.isfinite(value):
        method, low, high = f"{method}; not defined here", float("nan"), float("nan")
    elif defined < len(resampled):
        method += f" ({defined} of {len(resampled)} resamples defined)"
    return {
        "model": model, "set": part, "metric": measure.name, "value": value,
        "ci_low": low, "ci_high": high, "method": method,
    }  # fmt: skip


def comparisons(
    kind: OutcomeKind, result: Validated, weights: Array, held: Held | None, held_weights: Array
) -> pd.DataFrame:
    """Differences between models in the measures that the kind compares.

    On the hold-out, with frozen models, twice the smaller share of resamples on either side of 0 is
    a p value, adjusted by Holm's method over the pairs of one measure; in cross-validation there
    are intervals alone.
    """
    chosen = pairs(list(result.prediction))
    measures = [measure for measure in kind.measures if measure.name in kind.compared]
    parts = []
    for measure in measures:
        rows: list[dict[str, Any]] = []
        draws = {
            name: validated_measure(result, name, measure, _with_whole(weights))
            for name in result.prediction
        }
        apart = {}
        if held is not None:
            apart = {
                name: measure.compute(held[0], prediction, _with_whole(held_weights))
                for name, prediction in held[1].items()
            }
        for a, b in chosen:
            about = {"model_a": a, "model_b": b, "metric": measure.name, "z": np.nan, "p": np.nan}
            if apart:
                found = _difference(apart[a] - apart[b])
                rows.append(about | found | {"test": f"difference on the hold-out, {BOOTSTRAP}"})
            found = _difference(draws[a] - draws[b]) | {"p": np.nan}
            words = f"none: difference in cross-validation ({_OVER[measure.over]}), {BOOTSTRAP}"
            rows.append(about | found | {"test": words})
        table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
        table["p_adjusted"] = holm(table["p"].to_numpy(dtype=float))
        tested = table["p"].notna()
        table["correction"] = np.where(tested, f"Holm, {int(tested.sum())} tests", "")
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _difference(draws: Array) -> dict[str, float]:
    low, high, _ = percentile_interval(draws[1:])
    defined = np.round(draws[1:][np.isfinite(draws[1:])], 12)
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    p = min(1.0, 2 * (1 + tail) / (1 + len(defined))) if np.isfinite(low) else float("nan")
    return {"difference": float(draws[0]), "ci_low": low, "ci_high": high, "p": p}


def nested(final: KindModels, kind: OutcomeKind, outcome: Array) -> pd.DataFrame:
    """Tests of the regressions whose terms another one has, too, on the training data.

    The combined model's Rad-score is cross-fitted there: taken from the models' own training rows
    it would win every such test.
    """
    designs = {name: model.training_design_ for name, model in final.regressions.items()}
    fits = {name: model.regression_ for name, model in final.regressions.items()}
    if "combined" in designs and final.radiomic:
        score = designs["combined"].columns[-1:]
        designs = {"radiomics": designs["combined"][score], **designs}
        try:
            alone = kind.regress(designs["radiomics"].to_numpy(dtype=float), outcome)
            fits = {"radiomics": alone, **fits}
        except ArithmeticError:  # the score says nothing that could be tested
            del designs["radiomics"]
    rows = []
    for larger, large in designs.items():
        for smaller, small in designs.items():
            if not set(small.columns) < set(large.columns):
                continue
            statistic, df, p, words = fits[larger].against(fits[smaller])
            if "rad_score" in large.columns:
                words += "; the Rad-score is cross-fitted"
            added = [str(term) for term in large.columns if term not in small.columns]
            rows.append(
                {
                    "smaller": smaller, "larger": larger, "added": ", ".join(added),
                    "n": len(outcome), "statistic": statistic, "df": df, "p": p,
                    "method": f"{words}, training data",
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(NESTED_COLUMNS))


def permutations(
    kind: OutcomeKind,
    data: Dataset,
    train: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
    validated: Validated,
    workers: int = 1,
) -> PermutationCheck:
    """Leakage check by the main measure (see :mod:`osteoflow.models.permutation`)."""
    measure = next(m for m in kind.measures if m.name == kind.compared[0])
    observed = {name: _of_repeats(validated, name, measure) for name in validated.prediction}
    once = analysis.model_copy(update={"repeats": 1})
    permuted = permuted_scores(
        partial(_permuted_measure, kind, data, train, once, measure.name),
        data.outcome[train],
        data.groups[train],
        analysis.permutations,
        seed,
        workers,
    )
    return summarise(observed, permuted, metric=measure.name, chance=kind.chance)


def _of_repeats(result: Validated, model: str, measure: Measure) -> Array:
    """A measure in each repeat of the cross-validation."""
    ones = np.ones((1, result.fold.shape[1]))
    parts = [
        replace(
            result,
            fold=result.fold[[repeat]],
            prediction={model: result.prediction[model][[repeat]]},
        )
        for repeat in range(len(result.fold))
    ]
    return np.array([float(validated_measure(part, model, measure, ones)[0]) for part in parts])


def _permuted_measure(
    kind: OutcomeKind,
    data: Dataset,
    train: Indices,
    once: Analysis,
    name: str,
    outcome: Array,
    seed: np.random.SeedSequence,
) -> dict[str, float]:
    shuffled = data.outcome.copy()
    shuffled[train] = outcome
    measure = next(m for m in kind.measures if m.name == name)
    found, _ = cross_validate(kind, replace(data, outcome=shuffled), train, once, seed)
    return {model: float(_of_repeats(found, model, measure)[0]) for model in found.prediction}
