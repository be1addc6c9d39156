"""Hold-out and folds by participant, stratified by groups of the outcome."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from osteoflow.models.dataset import Dataset
from osteoflow.models.kinds.base import Array, Indices, OutcomeKind
from osteoflow.models.set_aside import set_aside
from osteoflow.models.sufficient import held_size
from osteoflow.settings.analysis import Analysis


def folds(
    kind: OutcomeKind, outcome: Array, groups: NDArray, n_folds: int, rng: np.random.Generator
) -> list[tuple[Indices, Indices]]:
    """Training and test rows of each fold.

    Raises
    ------
    AnalysisError
        If the rows do not suffice for so many folds.
    """
    kind.check(outcome, groups, n_folds)
    splitter = StratifiedGroupKFold(
        n_folds, shuffle=True, random_state=int(rng.integers(2**31 - 1))
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        strata = kind.strata(outcome, n_folds)
        return list(splitter.split(np.zeros(len(outcome)), strata, groups))


def hold_out(
    kind: OutcomeKind, data: Dataset, analysis: Analysis, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Rows to train on and rows held out (none with a fraction of 0).

    Of each stratum the rounded share of its participants is drawn, at least one.

    Raises
    ------
    AnalysisError
        If a rule names nobody or everybody, or a part does not suffice for its use.
    """
    n_folds = max(analysis.outer_folds, analysis.inner_folds)

    def draw() -> NDArray[np.bool_]:
        held = np.zeros(len(data.outcome), dtype=bool)
        strata = kind.strata(data.outcome, n_folds)
        for stratum in np.unique(strata) if analysis.holdout_fraction else ():
            members = np.flatnonzero(strata == stratum)
            size = held_size(len(members), analysis.holdout_fraction)
            held[rng.permutation(members)[:size]] = True
        return held

    train, test = set_aside(data, analysis, draw)
    kind.check(data.outcome[train], data.groups[train], n_folds)
    if len(test):
        kind.check_holdout(data.outcome[test])
    return train, test
