"""Out-of-fold predictions of repeated cross-validation, and measures formed of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
# Outcome (n,), prediction (n, columns), weights of rows (B, n) -> the measure for each row of
# weights, (B,); NaN where it is not defined.
Compute = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Measure:
    """A measure of performance.

    Attributes
    ----------
    name
        As in ``performance.tsv``.
    compute
        See :data:`Compute`.
    over
        In cross-validation: ``fold``, formed in each test fold and averaged, where predictions of
        different models are not on one scale; or ``repeat``, formed of all out-of-fold predictions
        of a repeat and averaged over repeats.
    words
        What it is, for the ``method`` column.
    """

    name: str
    compute: Compute
    over: Literal["fold", "repeat"]
    words: str = ""

    @property
    def how(self) -> str:
        """How it is formed in cross-validation."""
        if self.over == "fold":
            return "mean over test folds"
        return "mean over repeats of out-of-fold predictions"


@dataclass(frozen=True)
class CrossValidated:
    """Out-of-fold predictions of all models.

    Attributes
    ----------
    outcome
        As the kind of outcome has it, shape (n,) or (n, k).
    fold
        Fold of each row, shape (repeats, n).
    prediction
        Per model, shape (repeats, n, columns of the kind).
    threshold
        Per model the cut-off that each row's training part gave, shape (repeats, n); NaN of kinds
        that have none.
    """

    outcome: Array
    fold: Indices
    prediction: dict[str, Array]
    threshold: dict[str, Array] = field(default_factory=dict)

    @property
    def probability(self) -> dict[str, Array]:
        """The predictions' first column, of events their probability, shape (repeats, n)."""
        return {name: values[:, :, 0] for name, values in self.prediction.items()}

    def test_parts(self) -> list[tuple[int, Indices]]:
        """Repeat and rows of each test fold."""
        return [
            (repeat, np.flatnonzero(labels == number))
            for repeat, labels in enumerate(self.fold)
            for number in np.unique(labels)
        ]

    def repeat(self, number: int) -> Self:
        """One repeat alone, counted from 0."""
        one = slice(number, number + 1)
        return replace(
            self,
            fold=self.fold[one],
            prediction={name: values[one] for name, values in self.prediction.items()},
            threshold={name: values[one] for name, values in self.threshold.items()},
        )


def with_whole(weights: Array) -> Array:
    """Weights of the data as they are, each row once, before those of the resamples."""
    return np.vstack([np.ones((1, weights.shape[1])), weights])


def validated_measure(
    result: CrossValidated, model: str, measure: Measure, weights: Array
) -> Array:
    """A measure in cross-validation for each row of weights (shape (B, n)), shape (B,).

    Test folds in which it is not defined do not count in its mean; NaN if no fold is left.
    """
    prediction = result.prediction[model]
    if measure.over == "repeat":
        each = [measure.compute(result.outcome, found, weights) for found in prediction]
        return np.mean(each, axis=0)
    total, counted = np.zeros(len(weights)), np.zeros(len(weights))
    for repeat, rows in result.test_parts():
        found = measure.compute(result.outcome[rows], prediction[repeat, rows], weights[:, rows])
        defined = np.isfinite(found)
        total[defined] += found[defined]
        counted += defined
    with np.errstate(invalid="ignore"):
        return total / counted


def of_repeats(result: CrossValidated, model: str, measure: Measure) -> Array:
    """A measure in each repeat of the cross-validation, shape (repeats,)."""
    ones = np.ones((1, result.fold.shape[1]))
    repeats = range(len(result.fold))
    found = [validated_measure(result.repeat(one), model, measure, ones)[0] for one in repeats]
    return np.array(found, dtype=float)
