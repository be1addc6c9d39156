"""Splits by participant: hold-out, outer and inner folds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedGroupKFold

from osteoflow.models.sufficient import held_size, too_few

Indices = NDArray[np.intp]


class AnalysisError(ValueError):
    """An analysis that the data cannot support; the message is the reason the report states."""


def stratified_folds(
    outcome: ArrayLike, groups: ArrayLike, n_folds: int, rng: np.random.Generator
) -> Iterator[tuple[Indices, Indices]]:
    """Training and test rows of folds stratified by outcome and split by participant.

    Yields
    ------
    tuple
        Sorted row positions of the training and of the test part.

    Raises
    ------
    AnalysisError
        If a class has fewer participants than there are folds, or a fold would lack a class.
    """
    outcome, groups = np.asarray(outcome, dtype=float), np.asarray(groups)
    check_class_sizes(outcome, groups, n_folds)
    splitter = StratifiedGroupKFold(
        n_folds, shuffle=True, random_state=int(rng.integers(2**31 - 1))
    )
    with warnings.catch_warnings():
        # Participants with several rows may make a class smaller than the folds; checked below.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        splits = list(splitter.split(np.zeros(len(outcome)), outcome.astype(int), groups))
    for train, test in splits:
        if len(set(outcome[train])) < 2 or len(set(outcome[test])) < 2:
            raise AnalysisError(
                f"{n_folds} folds by participant leave a fold without events or without non-events"
            )
    yield from splits


def check_class_sizes(outcome: ArrayLike, groups: ArrayLike, n_folds: int) -> None:
    """Refuse folds that events or non-events do not suffice for.

    Raises
    ------
    AnalysisError
        With the numbers.
    """
    outcome, groups = np.asarray(outcome, dtype=float), np.asarray(groups)
    for value, name in ((1.0, "events"), (0.0, "non-events")):
        n = len(set(groups[outcome == value].tolist()))
        if problem := too_few(n, f" with {name}", n_folds):
            raise AnalysisError(problem)


def random_holdout(
    outcome: ArrayLike, groups: ArrayLike, fraction: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Hold-out drawn by participant and stratified by outcome.

    A participant with several rows belongs to the events if any row is one. Of each class the
    rounded share is drawn, at least one participant.

    Returns
    -------
    numpy.ndarray
        True for rows held out, shape (n,).
    """
    outcome, groups = np.asarray(outcome, dtype=float), np.asarray(groups)
    held = np.zeros(len(outcome), dtype=bool)
    if fraction == 0:
        return held
    participants = sorted(set(groups.tolist()))
    with_event = set(groups[outcome == 1].tolist())
    for members in (
        [name for name in participants if name in with_event],
        [name for name in participants if name not in with_event],
    ):
        if not members:
            continue
        size = held_size(len(members), fraction)
        drawn = rng.permutation(len(members))[:size]
        held |= np.isin(groups, [members[place] for place in drawn])
    return held
