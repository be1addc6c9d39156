"""Which models of an analysis are compared, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.models.clinical_design import RAD_SCORE
from osteoflow.models.fitting import FittedModels
from osteoflow.models.kinds.base import OutcomeKind
from osteoflow.models.out_of_fold import CrossValidated, validated_measure
from osteoflow.models.performance import AUC, BOOTSTRAP
from osteoflow.statistics.intervals import holm, percentile_interval
from osteoflow.statistics.reclassification import INDICES, reclassification
from osteoflow.statistics.roc import compare_paired

Array = NDArray[np.float64]

COMPARISON_COLUMNS = (
    "model_a", "model_b", "difference", "ci_low", "ci_high", "z", "p", "p_adjusted", "correction",
    "test",
)  # fmt: skip
RECLASSIFICATION_COLUMNS = (
    "model_new", "model_old", "index", "value", "standard_error", "ci_low", "ci_high", "z", "p",
    "method",
)  # fmt: skip
NESTED_COLUMNS = ("smaller", "larger", "added", "n", "statistic", "df", "p", "method")


def pairs(models: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of models whose difference answers a question, the richer model first.

    The combined model with every other one; radiomics with the clinical model and that of
    measurements, and these two with each other; further learners with the first one; every model
    of several predictors with each baseline.
    """
    baselines = [name for name in models if name.startswith("baseline_")]
    learners = [name for name in models if name.startswith("radiomics_")]
    blocks = [n for n in ("clinical", "measurements", "radiomics") if n in models]
    found = []
    if "combined" in models:
        found += [("combined", name) for name in [*blocks, *learners]]
    found += [(later, earlier) for earlier, later in combinations(blocks, 2)]
    found += [(name, "radiomics") for name in learners]
    rich = ["combined"] * ("combined" in models) + [*blocks, *learners]
    return found + [(name, baseline) for name in rich for baseline in baselines]


def comparisons(
    result: CrossValidated, weights: Array, holdout: tuple[Array, Mapping[str, Array]] | None
) -> pd.DataFrame:
    """Differences of areas: paired DeLong on the hold-out, bootstrap in cross-validation.

    Tests are made on the hold-out alone, with frozen models and one score per participant; their p
    values are adjusted by Holm's method (Scand J Stat 1979;6:65) over all pairs of the analysis.
    """
    rows: list[dict[str, Any]] = []
    stacked = np.vstack([np.ones((1, weights.shape[1])), weights])
    areas = {name: validated_measure(result, name, AUC, stacked) for name in result.prediction}
    chosen = pairs(list(result.prediction))
    for a, b in chosen:
        if holdout is not None:
            outcome, probability = holdout
            test = compare_paired(outcome, probability[a], probability[b])
            rows.append(
                {
                    "model_a": a, "model_b": b, "difference": test.difference,
                    "ci_low": test.low, "ci_high": test.high, "z": test.statistic, "p": test.p,
                    "test": "paired DeLong on the hold-out",
                }
            )  # fmt: skip
        difference = areas[a] - areas[b]
        low, high, _ = percentile_interval(difference[1:])
        rows.append(
            {
                "model_a": a, "model_b": b, "difference": float(difference[0]),
                "ci_low": low, "ci_high": high, "z": np.nan, "p": np.nan,
                "test": f"none: difference of fold-averaged areas, {BOOTSTRAP}",
            }
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    table["p_adjusted"] = holm(table["p"].to_numpy(dtype=float))
    tested = table["p"].notna()
    table["correction"] = np.where(tested, f"Holm, {int(tested.sum())} tests", "")
    return table


def reclassification_table(
    holdout: tuple[Array, Mapping[str, Array]] | None, weights: Array | None
) -> pd.DataFrame:
    """Category-free NRI and IDI of the pairs on the hold-out; empty without one.

    Parameters
    ----------
    holdout
        Outcome and probabilities of the frozen models.
    weights
        Resamples of the hold-out's participants, shape (B, n).
    """
    if holdout is None:
        return pd.DataFrame(columns=list(RECLASSIFICATION_COLUMNS))
    outcome, probability = holdout
    rows = []
    for new, old in pairs(list(probability)):
        found = reclassification(outcome, probability[old], probability[new], weights=weights)
        for index in INDICES:
            part = getattr(found, index)
            rows.append(
                {
                    "model_new": new, "model_old": old, "index": index, "value": part.value,
                    "standard_error": part.standard_error, "ci_low": part.low,
                    "ci_high": part.high, "z": part.z, "p": part.p,
                    "method": f"hold-out, {found.interval}",
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(RECLASSIFICATION_COLUMNS))


def nested_table(kind: OutcomeKind, final: FittedModels, outcome: Array) -> pd.DataFrame:
    """Tests of the regressions whose terms another one has, too, on the training data.

    The combined model's Rad-score is cross-fitted there: taken from the models' own training rows
    it would win every such test.

    Parameters
    ----------
    kind
        Of the outcome.
    final
        The models of all training rows.
    outcome
        Of these rows.
    """
    designs = {name: model.training_design_ for name, model in final.regressions.items()}
    fits = {name: model.regression_ for name, model in final.regressions.items()}
    if "combined" in designs and final.radiomic:
        score = designs["combined"][[RAD_SCORE]]
        with suppress(ArithmeticError):  # the score says nothing that could be tested
            fits = {"radiomics": kind.regress(score.to_numpy(dtype=float), outcome), **fits}
            designs = {"radiomics": score, **designs}
    rows = []
    for larger, large in designs.items():
        for smaller, small in designs.items():
            if not set(small.columns) < set(large.columns):
                continue
            statistic, df, p, words = fits[larger].against(fits[smaller])
            if RAD_SCORE in large.columns:
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
