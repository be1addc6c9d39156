"""How well the models do within each site that features are harmonised between.

Harmonised features may still tell the sites apart. Where sites differ in their outcome, a model may
then predict the site, and do well over all sites without doing well in any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from osteoflow.models.dataset import Dataset
from osteoflow.models.harmonise import site_name
from osteoflow.models.kinds.base import OutcomeKind
from osteoflow.models.out_of_fold import (
    Array,
    CrossValidated,
    Indices,
    validated_measure,
    with_whole,
)
from osteoflow.models.performance import BOOTSTRAP, resampled_cells

SITE_COLUMNS = (
    "model", "set", "site", "n", "n_events", "metric", "value", "ci_low", "ci_high", "method",
)  # fmt: skip


def performance_by_site(
    kind: OutcomeKind,
    data: Dataset,
    parts: tuple[Indices, Indices],
    validated: CrossValidated,
    held: Mapping[str, Array],
    weights: tuple[Array, Array | None],
) -> pd.DataFrame:
    """The kind's main measure of every model among the participants of each site.

    Parameters
    ----------
    kind, data
        Of the outcome, and the rows.
    parts
        Rows of the training data and of the hold-out.
    validated
        Out-of-fold predictions of the training rows.
    held
        Predictions of the hold-out by model; none without one.
    weights
        How often each row of either part is drawn in each resample, shapes (B, n); None without
        a hold-out.

    Returns
    -------
    pandas.DataFrame
        Columns ``SITE_COLUMNS``; ``n`` and ``n_events`` are participants of the site in the set,
        limits are percentiles of resampled participants. No rows without harmonisation.
    """
    if data.sites is None:
        return pd.DataFrame(columns=list(SITE_COLUMNS))
    site = data.sites.iloc[:, 0].map(site_name).to_numpy(dtype=str)
    train, test = parts
    rows: list[dict[str, Any]] = []
    for name in np.unique(site):
        mine = np.flatnonzero(site[train] == name)
        if len(mine):
            one = _of_rows(validated, mine)
            drawn = with_whole(weights[0][:, mine])
            words = f"{kind.main.how}, participants of the site alone, {BOOTSTRAP}"
            for model in validated.prediction:
                draws = validated_measure(one, model, kind.main, drawn)
                rows.append(_row(kind, (model, "cv", name), one.outcome, draws, words))
        mine = np.flatnonzero(site[test] == name)
        if len(mine) and held and weights[1] is not None:
            outcome, drawn = data.outcome[test][mine], with_whole(weights[1][:, mine])
            words = f"participants of the site alone, {BOOTSTRAP}"
            for model, prediction in held.items():
                draws = kind.main.compute(outcome, prediction[mine], drawn)
                rows.append(_row(kind, (model, "holdout", name), outcome, draws, words))
    return pd.DataFrame(rows, columns=list(SITE_COLUMNS))


def _of_rows(result: CrossValidated, rows: Indices) -> CrossValidated:
    """Some rows alone."""
    return replace(
        result,
        outcome=result.outcome[rows],
        fold=result.fold[:, rows],
        prediction={name: values[:, rows] for name, values in result.prediction.items()},
        threshold={name: values[:, rows] for name, values in result.threshold.items()},
    )


def _row(
    kind: OutcomeKind, keys: tuple[str, str, str], outcome: Array, draws: Array, words: str
) -> dict[str, Any]:
    cells = resampled_cells(draws, ", ".join(filter(None, [kind.main.words, words])))
    about = (*keys, len(outcome), kind.n_events(outcome), kind.main.name)
    return dict(zip(SITE_COLUMNS, (*about, *cells.values()), strict=True))
