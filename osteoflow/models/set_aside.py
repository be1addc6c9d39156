"""The hold-out of an analysis: named by a rule, or drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osteoflow.models.folds import AnalysisError
from osteoflow.models.sufficient import NO_TRAINING, held_size, modest_holdout, names_nobody

if TYPE_CHECKING:
    from osteoflow.models.dataset import Dataset
    from osteoflow.models.kinds.base import OutcomeKind
    from osteoflow.settings.analysis import Analysis

Indices = NDArray[np.intp]


def hold_out(
    kind: OutcomeKind, data: Dataset, analysis: Analysis, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Rows to train on and rows held out (none with a fraction of 0).

    Parameters
    ----------
    kind, data, analysis
        Kind of the outcome, rows and settings.
    rng
        Draws the hold-out where no rule names it.

    Raises
    ------
    AnalysisError
        If a rule names nobody or everybody, or a part does not suffice for its use.
    """
    n_folds = max(analysis.outer_folds, analysis.inner_folds)
    kind.check_whole(data.outcome)
    held = data.held_out_by_rule
    if held is None:
        strata = kind.strata(data.outcome, n_folds)
        held = random_holdout(strata, data.groups, analysis.holdout_fraction, rng)
    elif not held.any():
        raise AnalysisError(names_nobody(str(analysis.holdout_rule)))
    if held.all():
        raise AnalysisError(NO_TRAINING)
    train, test = np.flatnonzero(~held), np.flatnonzero(held)
    kind.check(data.outcome[train], data.groups[train], n_folds)
    if len(test):
        kind.check_holdout(data.outcome[test])
    return train, test


def holdout_notes(kind: OutcomeKind, outcome: NDArray[np.float64], analysis: Analysis) -> list[str]:
    """What is to be said of a hold-out that has few events; nothing of kinds without any.

    Parameters
    ----------
    kind, outcome
        Kind of the outcome, and that of the rows held out; none without a hold-out.
    analysis
        Settings.
    """
    n_events = kind.n_events(outcome) if len(outcome) else float("nan")
    if not np.isfinite(n_events):
        return []
    # Censored participants are no non-events.
    others = len(outcome) - int(n_events) if analysis.kind == "binary" else None
    problem = modest_holdout(int(n_events), others, analysis.holdout_rule is None)
    return [problem] if problem else []


def random_holdout(
    strata: ArrayLike, groups: ArrayLike, fraction: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Hold-out drawn by participant within each stratum.

    Of each stratum the rounded share of its participants is drawn, at least one.

    Parameters
    ----------
    strata, groups
        Stratum and participant of each row, shape (n,). A participant whose rows differ belongs to
        the first of their strata.
    fraction
        Share of the participants; 0: nobody.
    rng
        Draws them.

    Returns
    -------
    numpy.ndarray
        True for rows held out, shape (n,).
    """
    strata, groups = np.asarray(strata), np.asarray(groups)
    held = np.zeros(len(strata), dtype=bool)
    if fraction == 0:
        return held
    participants, place = np.unique(groups, return_inverse=True)
    first = np.full(len(participants), np.iinfo(np.intp).max)
    np.minimum.at(first, place, strata)
    for stratum in np.unique(first):
        members = np.flatnonzero(first == stratum)
        drawn = rng.permutation(members)[: held_size(len(members), fraction)]
        held |= np.isin(place, drawn)
    return held
