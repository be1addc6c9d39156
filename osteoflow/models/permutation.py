"""Leakage check: the whole pipeline cross-validated on outcomes permuted between participants.

Nothing can be learned from a permuted outcome. A pipeline all of whose steps are fitted inside the
training folds then has a cross-validated area of 0.5 on average, because within a test fold every
assignment of its outcomes is equally likely; one that saw the outcome of test rows has more. Beside
that, the permuted areas show what chance alone gives in data of this size and shape.

What it cannot find is a predictor that was made from the outcome before the pipeline began: the
permutation cuts that bond, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from osteoflow.model_names import the_model
from osteoflow.models.cross_validation import cross_validate
from osteoflow.models.dataset import Dataset
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.base import OutcomeKind
from osteoflow.models.out_of_fold import CrossValidated, of_repeats
from osteoflow.models.parallel import in_order
from osteoflow.wording import count, measure_name, p_value, quantity

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
# Score of each model, cross-validated once on the outcome given.
Score = Callable[[NDArray[Any], np.random.SeedSequence], Mapping[str, float]]

COLUMNS = (
    "model", "metric", "observed", "chance", "n_permutations", "permuted_mean", "permuted_sd",
    "permuted_low", "permuted_median", "permuted_high", "permuted_max", "p", "sentence",
)  # fmt: skip
DRAW_COLUMNS = ("model", "permutation", "score")
# How far the mean may lie above chance before a leak is suspected: in its standard errors (of few
# permutations, whose spread is badly known, as many as have this chance), and at least.
_LEAK_ERRORS, _LEAK_CHANCE, _LEAK_DISTANCE = 4.0, 0.001, 0.05


@dataclass(frozen=True)
class PermutationCheck:
    """Result of the check.

    Attributes
    ----------
    table
        Columns ``COLUMNS``, one row per model: the observed score (mean over repeats), the permuted
        ones (``low`` and ``high`` are the 2.5 and 97.5 % quantiles), p, and a sentence.
    draws
        Columns ``DRAW_COLUMNS``: one row per model and permutation.
    warnings
        Suspected leaks, and permutations that gave no models.
    """

    table: pd.DataFrame
    draws: pd.DataFrame
    warnings: list[str]


def permute_between_participants(
    values: ArrayLike, groups: ArrayLike, rng: np.random.Generator
) -> NDArray[Any]:
    """Outcomes shuffled between participants; all rows of one get the same new outcome.

    Parameters
    ----------
    values
        Outcome of each row, shape (n,), or (n, k) for outcomes of several numbers, such as time
        and event, which stay together.
    groups
        Participant of each row, shape (n,).

    Raises
    ------
    ValueError
        If rows of one participant differ in their outcome: it is then no label of participants.
    """
    values = np.asarray(values)
    _, first, place = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    labels = values[first]
    if not np.array_equal(labels[place], values):
        raise ValueError("rows of one participant have different outcomes")
    return labels[rng.permutation(len(labels))][place]


def permutation_p(observed: ArrayLike, permuted: ArrayLike) -> float:
    """Permutation p value of an observed score, one-sided, larger scores being better.

    (1 + permutations that reach the observed score) / (1 + permutations), which is never 0
    (Phipson and Smyth, Stat Appl Genet Mol Biol 2010;9:39).

    Parameters
    ----------
    observed
        The score of each repeat of the cross-validation; every permutation has one repeat, and is
        therefore compared with one repeat. The p values of the repeats are averaged.
    permuted
        Score of each permutation.
    """
    # Rounded, so that equal scores tie however their sums were formed.
    once = np.round(np.atleast_1d(np.asarray(observed, dtype=float)), 12)
    chance = np.round(np.asarray(permuted, dtype=float), 12)
    reached = (chance[None, :] >= once[:, None]).sum(axis=1)
    return float(np.mean((1 + reached) / (1 + len(chance))))


def permuted_scores(
    score: Score,
    values: ArrayLike,
    groups: ArrayLike,
    n_permutations: int,
    seed: np.random.SeedSequence,
    workers: int = 1,
) -> list[Mapping[str, float] | str]:
    """Scores of every permutation in order, or the reason why there are none.

    Parameters
    ----------
    score
        Called as ``score(outcome, seed)``; cross-validates the whole pipeline once. It must be
        defined in a module (or be a ``partial`` of such), to be handed to other processes.
    values, groups
        See :func:`permute_between_participants`.
    seed
        Each permutation has seeds of its own for the shuffle and for the cross-validation.
    workers
        Processes; the results do not depend on their number.
    """
    tasks = []
    for child in seed.spawn(n_permutations):
        shuffle, folds = child.spawn(2)
        outcome = permute_between_participants(values, groups, np.random.default_rng(shuffle))
        tasks.append((score, outcome, folds))
    return in_order(_score_or_reason, tasks, workers)


def summarise(
    observed: Mapping[str, ArrayLike],
    permuted: Sequence[Mapping[str, float] | str],
    *,
    metric: str = "auc",
    chance: float = 0.5,
) -> PermutationCheck:
    """Compare observed scores with permuted ones.

    Parameters
    ----------
    observed
        Model -> score of each repeat of the cross-validation.
    permuted
        Of :func:`permuted_scores`.
    metric, chance
        Which measure the score is, and its value where nothing can be predicted.
    """
    scores = [found for found in permuted if not isinstance(found, str)]
    warnings = failed_permutations("leakage check", permuted)
    rows, draws = [], []
    for model, values in observed.items():
        found = np.array([float(one[model]) for one in scores])
        draws += [(model, place + 1, value) for place, value in enumerate(found)]
        if not len(found):
            continue
        row = _row(model, metric, chance, np.asarray(values, dtype=float), found)
        leak = _leaks(found, chance)
        row["sentence"] = _sentence(row, leak)
        rows.append(row)
        if leak:
            warnings.append(
                f"{the_model(model)}: with permuted outcomes the cross-validated "
                f"{in_text(metric)} is {quantity(metric, row['permuted_mean'])} on average instead "
                f"of {chance:g}: "
                "information leaks into the training"
            )
    return PermutationCheck(
        pd.DataFrame(rows, columns=list(COLUMNS)),
        pd.DataFrame(draws, columns=list(DRAW_COLUMNS)),
        warnings,
    )


def failed_permutations(check: str, found: Sequence[object]) -> list[str]:
    """Sentences on permutations that gave a reason (text) in place of a result."""
    failures = Counter(one for one in found if isinstance(one, str))
    return [
        f"{check}: {times} of {count(len(found), 'permutation')} gave no models: {reason}"
        for reason, times in sorted(failures.items())
    ]


def leakage_check(
    kind: OutcomeKind,
    data: Dataset,
    train: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
    validated: CrossValidated,
    workers: int = 1,
) -> PermutationCheck:
    """Check all models of an analysis; each permutation runs one repeat of its cross-validation.

    Parameters
    ----------
    kind, data, train, analysis
        Kind of the outcome, rows that models are fitted on, and settings.
    seed
        Of permutations, folds and fits.
    validated
        The cross-validation with the outcome as it is.
    workers
        Processes; the results do not depend on their number.
    """
    observed = {name: of_repeats(validated, name, kind.main) for name in validated.prediction}
    once = analysis.model_copy(update={"repeats": 1})
    permuted = permuted_scores(
        partial(_main_measures, kind, data, train, once),
        data.outcome[train],
        data.groups[train],
        analysis.permutations,
        seed,
        workers,
    )
    return summarise(observed, permuted, metric=kind.main.name, chance=kind.chance)


def _main_measures(
    kind: OutcomeKind,
    data: Dataset,
    train: Indices,
    once: Analysis,
    outcome: NDArray[Any],
    seed: np.random.SeedSequence,
) -> dict[str, float]:
    shuffled = data.outcome.copy()
    shuffled[train] = outcome
    found, _ = cross_validate(kind, replace(data, outcome=shuffled), train, once, seed)
    return {name: float(of_repeats(found, name, kind.main)[0]) for name in found.prediction}


def _score_or_reason(
    score: Score, outcome: NDArray[Any], seed: np.random.SeedSequence
) -> Mapping[str, float] | str:
    """What cannot be fitted is told, and ends neither the check nor the analysis."""
    try:
        return score(outcome, seed)
    except (AnalysisError, ArithmeticError) as error:
        return str(error)


def _row(
    model: str, metric: str, chance: float, observed: Array, permuted: Array
) -> dict[str, Any]:
    n = len(permuted)
    low, median, high = (float(q) for q in np.quantile(permuted, [0.025, 0.5, 0.975]))
    return {
        "model": model,
        "metric": metric,
        "observed": float(observed.mean()),
        "chance": chance,
        "n_permutations": n,
        "permuted_mean": float(permuted.mean()),
        "permuted_sd": float(permuted.std(ddof=1)) if n > 1 else float("nan"),
        "permuted_low": low,
        "permuted_median": median,
        "permuted_high": high,
        "permuted_max": float(permuted.max()),
        "p": permutation_p(observed, permuted),
    }


def _leaks(permuted: Array, chance: float) -> bool:
    """Whether the mean lies above chance by more than permutations alone may bring about."""
    if len(permuted) < 2:
        return False
    error = float(permuted.std(ddof=1)) / np.sqrt(len(permuted))
    errors = max(_LEAK_ERRORS, float(stdtrit(len(permuted) - 1, 1 - _LEAK_CHANCE)))
    return float(permuted.mean()) - chance > max(_LEAK_DISTANCE, errors * error)


def in_text(metric: str) -> str:
    """A measure's name within a sentence (``AUC``, ``concordance``)."""
    name = measure_name(metric)
    return name if name[1:2].isupper() or len(name) < 3 else name[:1].lower() + name[1:]


def _sentence(row: Mapping[str, Any], leak: bool) -> str:
    n, metric = row["n_permutations"], row["metric"]
    text = (
        "With outcomes permuted between participants the whole pipeline reaches a "
        f"cross-validated {in_text(metric)} of {quantity(metric, row['permuted_mean'])} on average"
    )
    text += f" (SD {quantity(metric, row['permuted_sd'])}, " if n > 1 else " ("
    observed = quantity(metric, row["observed"])
    text += f"{count(n, 'permutation')}); with the outcomes as they are {observed}, "
    text += p_value(row["p"])
    if np.isclose(row["p"], 1 / (1 + n)):
        text += f" (no smaller one is possible with {count(n, 'permutation')})"
    if leak:
        return f"{text}. Information leaks into the training."
    if row["p"] > 0.05 and not np.isclose(row["p"], 1 / (1 + n)):
        text += ": no more than chance may give"
    return f"{text}."
