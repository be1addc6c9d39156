"""Performance of the models and differences between them, by the measures of their kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from osteoflow.models.comparisons import pairs
from osteoflow.models.kinds.base import MeasuredKind
from osteoflow.models.out_of_fold import (
    Array,
    CrossValidated,
    Measure,
    validated_measure,
    with_whole,
)
from osteoflow.models.performance import BOOTSTRAP, resampled_cells
from osteoflow.models.sufficient import LEAST_TESTED
from osteoflow.statistics.intervals import holm, percentile_interval
from osteoflow.wording import count

Held = tuple[Array, Mapping[str, Array]]

PERFORMANCE_COLUMNS = ("model", "set", "metric", "value", "ci_low", "ci_high", "method")
COMPARISON_COLUMNS = (
    "model_a", "model_b", "metric", "difference", "ci_low", "ci_high", "z", "p", "p_adjusted",
    "correction", "test",
)  # fmt: skip


def performance(
    kind: MeasuredKind,
    result: CrossValidated,
    weights: Array,
    held: Held | None,
    held_weights: Array,
) -> pd.DataFrame:
    """The performance table: every measure of every model, in cross-validation and hold-out."""
    rows = []
    for model in result.prediction:
        for measure in kind.measures:
            draws = validated_measure(result, model, measure, with_whole(weights))
            words = f"{measure.how}, {BOOTSTRAP}"
            rows.append(_row(model, "cv", measure, draws, words))
    for model, prediction in {} if held is None else held[1].items():
        for measure in kind.measures:
            draws = measure.compute(held[0], prediction, with_whole(held_weights))
            row = _row(model, "holdout", measure, draws, BOOTSTRAP)
            known = kind.limits(measure.name, held[0], prediction)
            if known is not None:
                words = f"{measure.words}, {known[2]}"
                row |= {"ci_low": known[0], "ci_high": known[1], "method": words}
            rows.append(row)
    return pd.DataFrame(rows, columns=list(PERFORMANCE_COLUMNS))


def _row(model: str, part: str, measure: Measure, draws: Array, words: str) -> dict[str, Any]:
    about = {"model": model, "set": part, "metric": measure.name}
    return about | resampled_cells(draws, ", ".join(filter(None, [measure.words, words])))


def comparisons(
    kind: MeasuredKind,
    result: CrossValidated,
    weights: Array,
    held: Held | None,
    held_weights: Array,
) -> pd.DataFrame:
    """Differences between models in the measures that the kind compares.

    On the hold-out, with frozen models, twice the smaller share of resamples on either side of 0 is
    a p value, adjusted by Holm's method over the pairs of one measure, if there are participants
    enough for it; in cross-validation there are intervals alone.
    """
    chosen = pairs(list(result.prediction))
    measures = [measure for measure in kind.measures if measure.name in kind.compared]
    parts = []
    for measure in measures:
        rows: list[dict[str, Any]] = []
        draws = {
            name: validated_measure(result, name, measure, with_whole(weights))
            for name in result.prediction
        }
        apart = {}
        if held is not None:
            apart = {
                name: measure.compute(held[0], prediction, with_whole(held_weights))
                for name, prediction in held[1].items()
            }
        for a, b in chosen:
            about = {"model_a": a, "model_b": b, "metric": measure.name, "z": np.nan, "p": np.nan}
            if apart:
                found = _difference(apart[a] - apart[b])
                words = f"difference on the hold-out, {BOOTSTRAP}"
                if few := _too_few(kind, held[0]):
                    found |= {"p": np.nan}
                    words = f"none: {words} ({few})"
                elif not np.isfinite(found["p"]):
                    words = f"none: {words} (no interval)"
                rows.append(about | found | {"test": words})
            found = _difference(draws[a] - draws[b]) | {"p": np.nan}
            words = f"none: difference in cross-validation ({measure.how}), {BOOTSTRAP}"
            rows.append(about | found | {"test": words})
        table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
        table["p_adjusted"] = holm(table["p"].to_numpy(dtype=float))
        tested = table["p"].notna()
        table["correction"] = np.where(tested, f"Holm, {count(int(tested.sum()), 'test')}", "")
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _too_few(kind: MeasuredKind, held: Array) -> str:
    """Why differences on a hold-out are not tested, or ""."""
    if kind.n_events(held) < LEAST_TESTED:
        return f"fewer than {LEAST_TESTED} events are held out"
    if len(held) < 2 * LEAST_TESTED:
        return f"fewer than {2 * LEAST_TESTED} participants are held out"
    return ""


def _difference(draws: Array) -> dict[str, float]:
    low, high, _ = percentile_interval(draws[1:])
    defined = np.round(draws[1:][np.isfinite(draws[1:])], 12)
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    p = min(1.0, 2 * (1 + tail) / (1 + len(defined))) if np.isfinite(low) else float("nan")
    return {"difference": float(draws[0]), "ci_low": low, "ci_high": high, "p": p}
