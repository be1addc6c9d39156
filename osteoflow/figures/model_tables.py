"""Reading the tables of a modelling analysis: sizes, estimates and names for figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from osteoflow.model_names import LEARNERS
from osteoflow.wording import count, significant

SET_NAMES = {"cv": "Cross-validation", "holdout": "Hold-out"}


def size_words(n: int, events: int | None = None) -> str:
    """``26 participants, 11 events``; without events where the outcome is none."""
    words = count(n, "participant")
    return words if events is None else f"{words}, {count(events, 'event')}"


@dataclass(frozen=True)
class SetSize:
    """How many participants and events a set of predictions holds, and how it was split."""

    n: int
    n_events: int
    folds: int
    repeats: int

    @property
    def words(self) -> str:
        """``26 participants, 11 events``."""
        return size_words(self.n, self.n_events)

    @property
    def scheme(self) -> str:
        """``5 folds, 5 repeats``."""
        return f"{count(self.folds, 'fold')}, {count(self.repeats, 'repeat')}"


@dataclass(frozen=True)
class Estimate:
    """A performance measure with its 95 % interval (NaN where none was found)."""

    value: float
    low: float
    high: float
    method: str


def sets_present(table: pd.DataFrame) -> list[str]:
    """Of ``cv`` and ``holdout`` those that a table has rows of, in this order."""
    if table.empty:
        return []
    return [name for name in SET_NAMES if (table["set"] == name).any()]


def drawn_sets(table: pd.DataFrame, what: str) -> list[str]:
    """Sets that a figure shows, as :func:`sets_present` gives them.

    Parameters
    ----------
    table
        What is drawn.
    what
        Its name, for the error.

    Raises
    ------
    ValueError
        If the table has no rows of any set.
    """
    sets = sets_present(table)
    if not sets:
        raise ValueError(f"{what} is empty")
    return sets


def models_present(table: pd.DataFrame, summary: dict[str, Any]) -> list[str]:
    """Models of a table in the order of the summary, then any others."""
    found = [str(name) for name in pd.unique(table["model"])]
    declared = [name for name in summary.get("models", []) if name in found]
    return declared + [name for name in found if name not in declared]


def first_model(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the first model of a table; all where it does not tell models apart."""
    if table.empty or "model" not in table.columns:
        return table
    return table[table["model"] == table["model"].iloc[0]].drop(columns="model")


def set_size(predictions: pd.DataFrame, name: str) -> SetSize:
    """Size of one set of ``predictions.tsv``."""
    rows = predictions[predictions["set"] == name]
    people = rows.drop_duplicates("participant_id")
    return SetSize(
        n=len(people),
        n_events=int(people["outcome"].sum()),
        folds=int(rows["fold"].nunique()),
        repeats=int(rows["repeat"].nunique()),
    )


def fitted_size(summary: Mapping[str, Any]) -> str:
    """Whom the models of ``summary.json`` are fitted to: ``26 participants, 11 events``."""
    n = int(summary["n"]) - int(summary.get("n_holdout", 0))
    events = summary.get("n_events")
    if events is not None:
        events = int(events) - int(summary.get("n_events_holdout", 0))
    return size_words(n, events)


def performance_of(performance: pd.DataFrame, model: str, name: str, metric: str) -> Estimate:
    """One row of ``performance.tsv``; all NaN where it was not estimated."""
    rows = performance[
        (performance["model"] == model)
        & (performance["set"] == name)
        & (performance["metric"] == metric)
    ]
    if rows.empty:
        return Estimate(np.nan, np.nan, np.nan, "")
    row = rows.iloc[0]
    method = row.get("method", "")
    return Estimate(
        float(row["value"]),
        float(row["ci_low"]),
        float(row["ci_high"]),
        method if isinstance(method, str) else "",
    )


def methods_of(performance: pd.DataFrame, name: str, metric: str) -> str:
    """How a metric's value and interval were found, in the table's own words."""
    rows = performance[(performance["set"] == name) & (performance["metric"] == metric)]
    words = [word for word in pd.unique(rows["method"]) if isinstance(word, str) and word]
    return "; ".join(words)


def outcome_of(summary: dict[str, Any]) -> str:
    """The event's name."""
    return str(summary.get("outcome_label") or summary.get("outcome") or "event")


def study_share(summary: Mapping[str, Any]) -> str:
    """Sentence for probabilities that were not carried to the declared prevalence, or ""."""
    prevalence = summary.get("prevalence")
    if prevalence is None:
        return ""
    n = summary["n"] - summary.get("n_holdout", 0)
    events = summary["n_events"] - summary.get("n_events_holdout", 0)
    return (
        f"The probabilities hold where {significant(100 * events / n, 3)} % have the event, as "
        "among the participants the model was fitted to; they are not those of a population with "
        f"the declared prevalence of {significant(100 * prevalence, 3)} %."
    )


def penalised(summary: dict[str, Any]) -> str:
    """The learner that gives the Rad-score: ``LASSO`` or ``elastic net``."""
    learners = (summary.get("radiomics") or {}).get("learners") or {}
    name = str((learners.get("radiomics") or {}).get("learner", "lasso"))
    return LEARNERS.get(name, name.replace("_", " "))
