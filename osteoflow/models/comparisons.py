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
from osteoflow.models.kinds import weighted
from osteoflow.models.kinds.base import OutcomeKind
from osteoflow.models.out_of_fold import CrossValidated, validated_measure, with_whole
from osteoflow.models.performance import AUC, BOOTSTRAP
from osteoflow.models.score_test import ScoreNull
from osteoflow.models.sufficient import LEAST_TESTED
from osteoflow.statistics.intervals import holm, percentile_interval
from osteoflow.statistics.reclassification import INDICES, reclassification
from osteoflow.statistics.roc import auc, compare_paired
from osteoflow.wording import count

Array = NDArray[np.float64]

COMPARISON_COLUMNS = (
    "model_a", "model_b", "difference", "ci_low", "ci_high", "z", "p", "p_adjusted", "correction",
    "test",
)  # fmt: skip
RECLASSIFICATION_COLUMNS = (
    "model_new", "model_old", "index", "value", "standard_error", "ci_low", "ci_high", "method",
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
    result: CrossValidated,
    weights: Array,
    holdout: tuple[Array, Mapping[str, Array]] | None,
    held_weights: Array | None,
) -> pd.DataFrame:
    """Differences of areas: paired DeLong on the hold-out, bootstrap in cross-validation.

    Tests are made on the hold-out alone, with frozen models and one score per participant; their p
    values are adjusted by Holm's method (Scand J Stat 1979;6:65) over all pairs of the analysis. A
    hold-out with fewer than ten events or non-events has too few for DeLong's variance and normal
    distribution: there are bootstrap limits and no test, and neither is there one where an area is
    0 or 1, which has no variance to count on.

    Parameters
    ----------
    result, weights
        Out-of-fold predictions, and resamples of their participants, shape (B, n).
    holdout, held_weights
        Outcome and probabilities of the hold-out, and resamples of its participants; None without.
    """
    rows: list[dict[str, Any]] = []
    stacked = with_whole(weights)
    areas = {name: validated_measure(result, name, AUC, stacked) for name in result.prediction}
    chosen = pairs(list(result.prediction))
    for a, b in chosen:
        if holdout is not None:
            outcome, probability = holdout
            pair = outcome, probability[a], probability[b]
            reason = _why_not_tested(*pair)
            found = _untested(*pair, held_weights, reason) if reason else _tested(*pair)
            rows.append({"model_a": a, "model_b": b, **found})
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
    table["correction"] = np.where(tested, f"Holm, {count(int(tested.sum()), 'test')}", "")
    return table


def _why_not_tested(outcome: Array, first: Array, second: Array) -> str:
    n_events = int((outcome == 1).sum())
    if min(n_events, len(outcome) - n_events) < LEAST_TESTED:
        return f"fewer than {LEAST_TESTED} events or non-events are held out"
    if not all(0 < auc(outcome, score) < 1 for score in (first, second)):
        return "an AUC is 0 or 1"
    return ""


def _tested(outcome: Array, first: Array, second: Array) -> dict[str, Any]:
    test = compare_paired(outcome, first, second)
    return {
        "difference": test.difference,
        "ci_low": max(-1.0, test.low),
        "ci_high": min(1.0, test.high),
        "z": test.statistic,
        "p": test.p,
        "test": "paired DeLong on the hold-out",
    }


def _untested(
    outcome: Array, first: Array, second: Array, weights: Array, reason: str
) -> dict[str, Any]:
    event = outcome == 1
    draws = weighted.area(event, first, weights) - weighted.area(event, second, weights)
    low, high, _ = percentile_interval(draws)
    return {
        "difference": auc(outcome, first) - auc(outcome, second),
        "ci_low": low,
        "ci_high": high,
        "z": np.nan,
        "p": np.nan,
        "test": f"none: difference on the hold-out, {BOOTSTRAP} ({reason})",
    }


def reclassification_table(
    holdout: tuple[Array, Mapping[str, Array]] | None, weights: Array | None
) -> pd.DataFrame:
    """Category-free NRI and IDI of the pairs on the hold-out; empty without one.

    Estimates with limits and no p values: their tests favour the richer model too often (Kerr et
    al., Epidemiology 2014;25:114; Hilden and Gerds, Stat Med 2014;33:3405).

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
                    "ci_high": part.high, "method": f"hold-out, {found.interval}",
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(RECLASSIFICATION_COLUMNS))


def nested_table(
    kind: OutcomeKind, final: FittedModels, outcome: Array, null: ScoreNull
) -> pd.DataFrame:
    """Tests of the regressions whose terms another one has, too, on the training data.

    The combined model's Rad-score is cross-fitted there: taken from the models' own training rows
    it would win every such test. Where it is among the terms added, p comes from permutations.

    Parameters
    ----------
    kind
        Of the outcome.
    final
        The models of all training rows.
    outcome
        Of these rows.
    null
        What the Rad-score adds by chance.
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
            if RAD_SCORE in added and df:
                p = null.p((smaller, larger), statistic)
                words += f"; {null.words}" * bool(np.isfinite(statistic))
            rows.append(
                {
                    "smaller": smaller, "larger": larger, "added": ", ".join(added),
                    "n": len(outcome), "statistic": statistic, "df": df, "p": p,
                    "method": f"{words}, training data",
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(NESTED_COLUMNS))
