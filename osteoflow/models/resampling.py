"""Bootstrap resamples of participants, as rows and as tables whose row names stay distinct.

Parts of a pipeline look rows up by name: second readings, sites, covariates. A participant drawn
twice would have the same name twice, and such a look-up would multiply rows or fail. Here the
first copy of a row keeps its name and each further one gets a name of its own, and whatever is
looked up by name gets the copies' entries, too (:class:`NamedResample`). The transformers
themselves need not know that a table was resampled.

A fit on rows drawn thus reads ::

    copies = name_copies(table.index, rows)
    filter = ReliabilityFilter(copies.readings(repeated))
    harmoniser = CombatHarmoniser(copies.lookup(site), copies.lookup(covariates))
    model.fit(copies.table(table), outcome[rows], groups[rows])

and the model then predicts rows of ``table`` itself, drawn or not.

Names become distinct, participants do not: ``groups[rows]`` is to be handed on as it is, so that
all copies of a participant lie in one inner fold. With copies on both sides of a split the inner
cross-validation would choose a penalty for data it has already seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from osteoflow.models.repeated import RepeatedFeatures

Indices = NDArray[np.intp]
Lookup = TypeVar("Lookup", pd.Series, pd.DataFrame)

COPY_MARK = "#copy"


def participant_resamples(
    groups: ArrayLike, n_resamples: int, rng: np.random.Generator
) -> list[Indices]:
    """Draw participants with replacement, each with all their rows.

    Parameters
    ----------
    groups
        Participant of each row, shape (n,).
    n_resamples
        Number of resamples; each draws as many participants as there are.
    rng
        The only source of chance.

    Returns
    -------
    list
        Sorted row positions of each resample, repeated where a participant was drawn again. All
        of length n where each participant has one row.
    """
    _, place = np.unique(np.asarray(groups), return_inverse=True)
    n = int(place.max()) + 1
    drawn = rng.integers(n, size=(n_resamples, n))
    counts = np.stack([np.bincount(row, minlength=n) for row in drawn])
    rows = np.arange(len(place))
    return [np.repeat(rows, times[place]) for times in counts]


@dataclass(frozen=True)
class NamedResample:
    """Rows of a resample and their distinct names.

    Attributes
    ----------
    rows
        Positions, shape (n,).
    names
        Names of these rows; further copies are ``name#copy2``, ``name#copy3``, ...
    copied
        Original name of every further copy, indexed by the copy's name.
    """

    rows: Indices
    names: pd.Index
    copied: pd.Series

    def table(self, table: Lookup) -> Lookup:
        """The resample of a table (or column) whose rows are those that were drawn from."""
        return table.iloc[self.rows].set_axis(self.names, axis=0)

    def lookup(self, lookup: Lookup) -> Lookup:
        """What is looked up by row name, with entries for the copies of rows that have one.

        The entries there were stay, so that rows which were not drawn are found as before.
        """
        known = self.copied[self.copied.isin(lookup.index)]
        copies = lookup.loc[known.to_numpy()].set_axis(known.index, axis=0)
        return pd.concat([lookup, copies])

    def readings(self, repeated: RepeatedFeatures) -> RepeatedFeatures:
        """Second readings with those of the copies; of a separate reliability set, as it is."""
        return replace(repeated, readings=tuple(self.lookup(part) for part in repeated.readings))


def name_copies(index: pd.Index, rows: ArrayLike) -> NamedResample:
    """Give the rows of a resample distinct names.

    Parameters
    ----------
    index
        Names of the rows drawn from: text, each once.
    rows
        Positions drawn.

    Raises
    ------
    ValueError
        If a name is not text, occurs twice, or holds the mark of copies.
    """
    drawn = np.asarray(rows, dtype=np.intp)
    if not index.is_unique or not all(isinstance(name, str) for name in index):
        raise ValueError("rows to be resampled need names that are text and distinct")
    if any(COPY_MARK in name for name in index):
        raise ValueError(f"names with '{COPY_MARK}' cannot be resampled: they are copies already")
    number = pd.Series(drawn).groupby(drawn).cumcount().to_numpy() + 1
    original = index.to_numpy(dtype=object)[drawn]
    further = number > 1
    names = original.copy()
    names[further] = [
        f"{name}{COPY_MARK}{copy}"
        for name, copy in zip(original[further], number[further], strict=True)
    ]
    copied = pd.Series(original[further], index=pd.Index(names[further], dtype=object))
    return NamedResample(drawn, pd.Index(names, dtype=object, name=index.name), copied)
