"""Fits of all outer folds of repeated cross-validation, whatever is fitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.models.parallel import in_order

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Fit = TypeVar("Fit")
Splits = Iterable[tuple[Indices, Indices]]
Marks = frozenset[tuple[str, str]]


class Marked(Protocol):
    """What remains of the models of one outer training part.

    Attributes
    ----------
    selected
        Radiomic model -> features it uses.
    marks
        (Model or step, what was not done as declared).
    """

    selected: dict[str, list[str]]
    marks: Marks


@dataclass(frozen=True)
class OuterFits(Generic[Fit]):
    """Fits in the order of repeats and folds.

    Attributes
    ----------
    fold
        Fold of each row, shape (repeats, n).
    places
        Repeat and test rows of each fit.
    fits
        What each fold's function returned.
    """

    fold: Indices
    places: list[tuple[int, Indices]]
    fits: list[Fit]

    def assemble(self, part: Callable[[Fit], Array], columns: tuple[int, ...] = ()) -> Array:
        """Out-of-fold values of each row, shape (repeats, n, *columns), from those of each fit.

        Parameters
        ----------
        part
            Gives a fit's value for its test rows, shape (n_test, *columns), or one for all of them.
        columns
            Further axes.
        """
        found = np.full((*self.fold.shape, *columns), np.nan)
        for (repeat, test), fit in zip(self.places, self.fits, strict=True):
            found[repeat, test] = part(fit)
        return found


def fit_outer_folds(
    fit_fold: Callable[..., Fit],
    shared: tuple[Any, ...],
    split: Callable[[np.random.Generator], Splits],
    rows: Indices,
    repeats: int,
    seed: np.random.SeedSequence,
    workers: int = 1,
) -> OuterFits[Fit]:
    """Fit each training part of each repeat.

    Parameters
    ----------
    fit_fold
        Called as ``fit_fold(*shared, train, test, seed)`` with positions of rows of the data.
    shared
        Arguments that all folds have in common.
    split
        Training and test positions within ``rows`` of each fold of a repeat, drawn by the generator
        it is given.
    rows
        Positions of the rows to validate on.
    repeats, seed
        Fix folds and fits.
    workers
        Processes that fit folds; the results do not depend on their number.

    Raises
    ------
    AnalysisError, ArithmeticError
        What the first failing fold raised.
    """
    fold = np.zeros((repeats, len(rows)), dtype=np.intp)
    tasks, places = [], []
    for repeat, child in enumerate(seed.spawn(repeats)):
        rng = np.random.default_rng(child)
        for number, (train, test) in enumerate(split(rng)):
            fold[repeat, test] = number
            places.append((repeat, test))
            own = int(rng.integers(2**31 - 1))
            tasks.append((*shared, rows[train], rows[test], own))
    return OuterFits(fold, places, in_order(fit_fold, tasks, workers))


def marks_of(radiomic: Mapping[str, Any], penalised: Iterable[str], table: pd.DataFrame) -> Marks:
    """What models did not do as declared, and what new rows bring that they did not know.

    Parameters
    ----------
    radiomic
        Fitted radiomic models by name.
    penalised
        Names of regressions that had no maximum likelihood and were penalised.
    table
        New rows.
    """
    marks = {(name, "separated") for name in penalised}
    for name, model in radiomic.items():
        marks |= {(name, note) for note in model.learner_.notes_}
    if radiomic:
        steps = next(iter(radiomic.values())).filters_.named_steps
        marks |= {
            (name, "warning") for name, step in steps.items() if getattr(step, "warning_", "")
        }
        if "harmonisation" in steps and steps["harmonisation"].warnings_for(table):
            marks.add(("harmonisation", "unseen"))
    return frozenset(marks)


def count_marks(fits: Sequence[Marked]) -> Counter[tuple[str, str]]:
    """In how many folds each mark stands."""
    return Counter(mark for fit in fits for mark in fit.marks)
