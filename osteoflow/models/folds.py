"""Folds by participant, stratified by the outcome."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedGroupKFold

if TYPE_CHECKING:
    from osteoflow.models.kinds.base import OutcomeKind

Indices = NDArray[np.intp]
Splits = list[tuple[Indices, Indices]]


class AnalysisError(ValueError):
    """An analysis that the data cannot support; the message is the reason the report states."""


def stratified_folds(
    kind: OutcomeKind,
    outcome: ArrayLike,
    groups: ArrayLike,
    n_folds: int,
    rng: np.random.Generator,
) -> Splits:
    """Training and test rows of folds that keep the shares of the outcome's strata.

    Parameters
    ----------
    kind
        Of the outcome.
    outcome, groups
        Outcome and participant of each row; no participant is in both parts of a fold.
    n_folds, rng
        Their number, and what draws them.

    Returns
    -------
    list
        Sorted row positions of the training and of the test part of each fold.

    Raises
    ------
    AnalysisError
        If the rows do not suffice for so many folds.
    """
    outcome, groups = np.asarray(outcome, dtype=float), np.asarray(groups)
    kind.check(outcome, groups, n_folds)
    splitter = StratifiedGroupKFold(
        n_folds, shuffle=True, random_state=int(rng.integers(2**31 - 1))
    )
    with warnings.catch_warnings():
        # Participants with several rows may make a stratum smaller than the folds; checked below.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        strata = kind.strata(outcome, n_folds)
        splits = list(splitter.split(np.zeros(len(outcome)), strata, groups))
    kind.check_folds(outcome, splits)
    return splits
