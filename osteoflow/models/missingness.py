"""Whether who lacks a predictor differs by the outcome.

Missing values are replaced by one value each, as if they were missing at random. Where they are not
(the scan that gave the column could not be used because of the very fracture that is predicted), a
model may learn from who lacks the column, and its coefficients may be biased.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from osteoflow.wording import count, listing, p_value, quantity

if TYPE_CHECKING:
    from osteoflow.models.kinds.base import OutcomeKind

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALPHA = 0.05
_DRAWS = 9999
_RANKS = "permutation test of ranks"


class Lacking(NamedTuple):
    """Who lacks a column, in words that follow 'is missing in', and a test against the outcome."""

    words: str
    test: str
    p: float


def missing_by_outcome(
    kind: OutcomeKind, table: pd.DataFrame, outcome: Array, columns: Sequence[str]
) -> list[str]:
    """Warnings on columns whose missing values go with the outcome (p below 0.05, not adjusted).

    Parameters
    ----------
    kind
        Of the outcome; says how missing values are tested against it.
    table
        Training rows, one per participant.
    outcome
        Theirs, as the kind has it.
    columns
        Predictors of ``table``.
    """
    found = []
    for name in columns:
        lacks = table[name].isna().to_numpy()
        if lacks.all() or not lacks.any():
            continue
        words, test, p = kind.lacking(outcome, lacks)
        if p < ALPHA:
            found.append(
                f"in the training data '{name}' is missing in {words} ({test}, {p_value(p)}): the "
                "model may learn from who lacks it"
            )
    return found


def lacking_by_event(event: Array, lacks: Flags) -> Lacking:
    """Events (1) against non-events (0): Fisher's exact test."""
    from scipy.stats import fisher_exact

    of_events, others = lacks[event == 1], lacks[event != 1]
    counts = [[int(part.sum()), int((~part).sum())] for part in (of_events, others)]
    words = (
        f"{counts[0][0]} of {count(len(of_events), 'participant')} with the event and "
        f"{counts[1][0]} of {len(others)} without it"
    )
    return Lacking(words, "Fisher's exact test", float(fisher_exact(counts).pvalue))


def lacking_by_class(place: Array, lacks: Flags, classes: Sequence[str]) -> Lacking:
    """Ordered classes, by their places: permutation test of ranks (Mann-Whitney)."""
    parts = [lacks[place == number] for number in range(len(classes))]
    told = [
        f"{int(part.sum())} of {count(len(part), 'participant')} of class '{name}'"
        for name, part in zip(classes, parts, strict=True)
        if len(part)
    ]
    words = listing(told)
    return Lacking(words, _RANKS, permutation_p(rankdata(place), lacks))


def lacking_by_quantity(value: Array, lacks: Flags) -> Lacking:
    """A quantity: permutation test of ranks (Mann-Whitney)."""
    medians = [quantity("outcome", float(np.median(value[rows]))) for rows in (lacks, ~lacks)]
    words = (
        f"{int(lacks.sum())} of {count(len(lacks), 'participant')}, whose outcome has the median "
        f"{medians[0]}, against {medians[1]} in the others"
    )
    return Lacking(words, _RANKS, permutation_p(rankdata(value), lacks))


def lacking_by_time(time: Array, event: Array, lacks: Flags) -> Lacking:
    """Time to an event: permutation log-rank test."""
    words = (
        f"{int(lacks.sum())} of {count(len(lacks), 'participant')}, of whom "
        f"{int(event[lacks].sum())} had the event, against {int(event[~lacks].sum())} of the "
        f"{int((~lacks).sum())} others"
    )
    return Lacking(words, "permutation log-rank test", permutation_p(excess(time, event), lacks))


def excess(time: Array, event: Array) -> Array:
    """Observed minus expected events of each row by the hazard of all, shape (n,).

    Their sum over a group is the numerator of its log-rank test.
    """
    hazard = np.zeros(len(time))
    for moment in np.unique(time[event == 1]):
        at_risk = time >= moment
        hazard[at_risk] += event[time == moment].sum() / at_risk.sum()
    return event - hazard


def permutation_p(scores: Array, lacks: Flags) -> float:
    """Two-sided p of the sum of the scores of those who lack something.

    Of all ways to choose so many rows, or of a fixed number of random ones and the one that was
    found (Phipson and Smyth, Stat Appl Genet Mol Biol 2010;9:39): few rows may lack a value, for
    which no approximation holds.

    Parameters
    ----------
    scores
        Shape (n,).
    lacks
        True for some, not for all, shape (n,).
    """
    n, m = len(lacks), int(lacks.sum())
    centred = scores - scores.mean()
    found = abs(centred[lacks].sum()) - 1e-9 * np.abs(centred).sum()
    if comb(n, m) <= _DRAWS:
        every = np.array(list(combinations(range(n), m)), dtype=np.intp)
        return float(np.mean(np.abs(centred[every].sum(axis=1)) >= found))
    rng = np.random.default_rng(0)
    drawn = np.array([centred[rng.permutation(n)[:m]].sum() for _ in range(_DRAWS)])
    return float((1 + np.sum(np.abs(drawn) >= found)) / (1 + _DRAWS))
