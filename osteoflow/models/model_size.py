"""Sample size of each model of an analysis: what it has, and what it would need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from osteoflow.model_names import in_sentence
from osteoflow.models.clinical_design import RAD_SCORE
from osteoflow.models.dataset import Dataset
from osteoflow.models.optimism import Indices
from osteoflow.models.sample_size import (
    CRITERIA,
    ENOUGH_EVENTS,
    MODEST,
    SampleSize,
    binary_sample_size,
    continuous_sample_size,
    r_squared_of_auc,
    survival_sample_size,
)
from osteoflow.wording import count, listing, significant

if TYPE_CHECKING:
    from osteoflow.models.fitting import FittedModels
    from osteoflow.settings.analysis import Analysis

COLUMNS = (
    "model", "n", "n_events", "candidate_parameters", "events_per_parameter", "anticipated_r2",
    "n_shrinkage", "n_optimism", "n_overall", "n_required", "criterion", "sufficient", "sentence",
)  # fmt: skip
_LOWER_BOUND = (
    "the formula is for unpenalised models of all candidates, so that this is a lower bound for a "
    "model that selects its features"
)


def sample_size_table(
    data: Dataset, train: Indices, analysis: Analysis, parameters: dict[str, int]
) -> pd.DataFrame:
    """Events per candidate parameter and the sample size that Riley et al. ask for, per model.

    The R2 that a model is expected to reach is that of ``analysis.anticipated_auc`` (binary
    outcomes), or else 15 % of the greatest possible one; it is never estimated from the data, in
    which small samples look too good.

    Parameters
    ----------
    data, train, analysis
        Rows that models are fitted on, and settings.
    parameters
        Model -> candidate parameters (:func:`candidate_parameters`).

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``, one row per model. ``n_events`` is NaN for a quantity and for ordered
        classes; events per parameter count the rarer of events and non-events, the participants
        (a quantity), or the effective sample size (ordered classes, for which no size is given).
    """
    n = len(set(data.groups[train].tolist()))
    rows = []
    for model, p in parameters.items():
        needed = _needed(data, train, analysis, p)
        rows.append(_row(model, n, _events(data, train, analysis), p, needed, data, analysis))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def candidate_parameters(final: FittedModels, n_features: int) -> dict[str, int]:
    """Parameters that each model could have used, before any selection.

    A combined model's Rad-score comes from the same participants: it counts with all the features
    that it was chosen from.

    Parameters
    ----------
    final
        Models of the training rows.
    n_features
        Radiomic features before the filters.
    """
    found = {}
    for name, model in final.models.items():
        if name in final.radiomic:
            found[name] = n_features
            continue
        scored = RAD_SCORE in model.terms_
        found[name] = len(model.terms_) - scored + scored * n_features
    return found


def size_warnings(table: pd.DataFrame) -> list[str]:
    """One sentence that names the models whose sample does not suffice; none if all do."""
    few: dict[str, list[str]] = {}  # models of equal numbers are told together
    for _, row in table[table["sufficient"] != "yes"].iterrows():
        words = f"{row['n']}"
        if np.isfinite(row["n_required"]):
            words += f" of {row['n_required']:.0f}"
        words += f" ({count(row['candidate_parameters'], 'candidate parameter')}"
        what = " events" if np.isfinite(row["n_events"]) else ""
        words += f", {significant(row['events_per_parameter'], 2)}{what} each)"
        few.setdefault(words, []).append(in_sentence(row["model"]))
    if not few:
        return []
    told = "; ".join(f"{listing(names)} {words}" for words, names in few.items())
    return [f"fewer participants than the models' sample size asks for: {told}"]


def size_words(table: pd.DataFrame, analysis: Analysis) -> str:
    """The sizes needed in a phrase, as a step of the methods; "" where there are none."""
    known = table[table["n_required"].notna()]
    if known.empty:
        return ""
    sizes = "; ".join(
        f"{in_sentence(row['model'])} {row['n_required']:.0f}"
        f" ({count(row['candidate_parameters'], 'candidate parameter')})"
        for _, row in known.iterrows()
    )
    bound = ""
    if analysis.radiomics is not None:
        bound = ", a lower bound where features are selected"
    return (
        f"participants that models of all candidate parameters need if {_expected(analysis)} "
        f"expected{bound}: {sizes}; {known['n'].iloc[0]} were there"
    )


def _expected(analysis: Analysis) -> str:
    if analysis.kind == "binary" and analysis.anticipated_auc is not None:
        return f"an AUC of {analysis.anticipated_auc:g} is"
    return f"{100 * MODEST:.0f} % of the greatest R2 is"


def _events(data: Dataset, train: Indices, analysis: Analysis) -> tuple[float, float]:
    """Events, and the observations that limit what can be learned."""
    outcome = data.outcome[train]
    if analysis.kind == "continuous":
        return float("nan"), float(len(outcome))
    if analysis.kind == "ordinal":
        # Effective sample size: Harrell, Regression Modeling Strategies (2015), section 4.4.
        share = np.bincount(outcome.astype(np.intp), minlength=len(analysis.classes)) / len(outcome)
        return float("nan"), len(outcome) * (1 - float((share**3).sum()))
    events = float((outcome == 1).sum())
    if analysis.kind == "survival":
        return events, events
    return events, float(min(events, (outcome == 0).sum()))


def _needed(data: Dataset, train: Indices, analysis: Analysis, p: int) -> SampleSize | None:
    """The size needed, where the formulae give one."""
    outcome = data.outcome[train]
    share = float(np.mean(outcome == 1))
    if p < 1:
        return None
    if analysis.kind == "continuous":
        return continuous_sample_size(p, MODEST)
    if analysis.kind == "survival" and share > 0:
        time = float(data.time[train].mean())
        return survival_sample_size(p, share / time, time)
    if analysis.kind == "binary" and 0 < share < 1:
        expected = analysis.anticipated_auc
        r_squared = None if expected is None else r_squared_of_auc(expected, share)
        return binary_sample_size(p, share, r_squared)
    return None


def _row(
    model: str,
    n: int,
    events: tuple[float, float],
    p: int,
    needed: SampleSize | None,
    data: Dataset,
    analysis: Analysis,
) -> dict[str, Any]:
    n_events, limiting = events
    each = limiting / p if p else float("nan")
    enough = each >= ENOUGH_EVENTS or not p
    if needed is not None:
        enough = n >= needed.n
    sizes = {} if needed is None else needed.needed
    return {
        "model": model,
        "n": n,
        "n_events": n_events,
        "candidate_parameters": p,
        "events_per_parameter": each,
        "anticipated_r2": float("nan") if needed is None else needed.r_squared,
        **{f"n_{name}": sizes.get(name, float("nan")) for name in CRITERIA},
        "n_required": float("nan") if needed is None else needed.n,
        "criterion": "" if needed is None else needed.criterion,
        "sufficient": "yes" if enough else "no",
        "sentence": _sentence(model, n, events, p, needed, analysis, bool(data.features)),
    }


def _sentence(
    model: str,
    n: int,
    events: tuple[float, float],
    p: int,
    needed: SampleSize | None,
    analysis: Analysis,
    radiomic: bool,
) -> str:
    words = count(n, "participant")
    if analysis.kind == "ordinal":
        words += f", an effective sample size of {events[1]:.0f},"
    elif analysis.kind != "continuous":
        words += f", {count(int(events[0]), 'event')}"
        if events[1] < events[0]:
            words += f" and {count(int(events[1]), 'non-event')}, the fewer,"
    words += f" for {count(p, 'candidate parameter')}"
    if p:
        words += f", {significant(events[1] / p, 2)} each"
    if needed is None:
        return f"{words}; {ENOUGH_EVENTS} or more are advised" if p else words
    words += (
        f"; {needed.n} participants would be needed if {_expected(analysis)} expected "
        f"({CRITERIA[needed.criterion]})"
    )
    selects = model.startswith("radiomics") or (model == "combined" and radiomic)
    return f"{words}; {_LOWER_BOUND}" if selects else words
