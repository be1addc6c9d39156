"""The whole pipeline fitted again on resampled participants, for its optimism."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import fit_models
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.optimism import Indices, PredictSeveral, optimism_of_models
from osteoflow.models.parallel import in_order
from osteoflow.models.resampling import name_copies, participant_resamples

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Array = NDArray[np.float64]

OPTIMISM_COLUMNS = (
    "model", "method", "metric", "apparent", "training", "test", "optimism", "corrected",
    "ci_low", "ci_high", "no_information", "overfitting", "weight", "n_defined", "n_resamples",
)  # fmt: skip


def resampled(data: Dataset, rows: Indices) -> Dataset:
    """The rows of a resample as a data set of its own; copies of a participant get own names.

    What steps look up by row name has entries for the copies and for the original rows.
    """
    drawn = name_copies(data.table.index, rows)
    repeated = {
        comparison: None if found is None else drawn.readings(found)
        for comparison, found in data.repeated.items()
    }
    return replace(
        data,
        table=drawn.table(data.table),
        outcome=data.outcome[drawn.rows],
        groups=data.groups[drawn.rows],
        sites=None if data.sites is None else drawn.lookup(data.sites),
        repeated=repeated,
    )


def _fit_resample(
    data: Dataset, train: Indices, drawn: Indices, analysis: Analysis, seed: int
) -> dict[str, Array] | str:
    """Probabilities of all training rows by each model of one resample, or why there are none."""
    if len(np.unique(data.outcome[drawn])) < 2:
        return "no events or no non-events drawn"
    again = resampled(data, drawn)
    try:
        models = fit_models(BinaryKind(), again, np.arange(len(drawn)), analysis, seed)
        return models.probabilities(data.table.iloc[train])
    except (AnalysisError, ArithmeticError) as error:
        return str(error)


def optimism_table(
    data: Dataset,
    train: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
    own: dict[str, Array],
    workers: int = 1,
) -> tuple[pd.DataFrame, list[str]]:
    """Optimism-corrected and .632+ performance of every model, and sentences on what failed.

    Parameters
    ----------
    data, train, analysis
        Rows that models are fitted on, and settings.
    seed
        Of the resamples and of the fits.
    own
        Probabilities of the training rows by the final models.
    workers
        Processes; the results do not depend on their number.

    Returns
    -------
    tuple
        Columns ``OPTIMISM_COLUMNS``: rows ``bootstrap`` (see
        :class:`osteoflow.models.optimism.Optimism`, ``table``) and ``.632+`` (``plus632``, with
        the out-of-bag value as ``test``) of each model.
    """
    if not analysis.optimism_bootstraps:
        return pd.DataFrame(columns=list(OPTIMISM_COLUMNS)), []
    rng = np.random.default_rng(seed)
    places = participant_resamples(data.groups[train], analysis.optimism_bootstraps, rng)
    seeds = rng.integers(2**31 - 1, size=len(places))
    tasks = [
        (data, train, train[rows], analysis, int(own_seed))
        for rows, own_seed in zip(places, seeds, strict=True)
    ]
    found = in_order(_fit_resample, tasks, workers)
    kept = _Kept(own, places, found)
    corrected = optimism_of_models(kept, data.outcome[train], places)
    parts = [
        table.assign(model=name, method=method)
        for name, result in corrected.items()
        for method, table in (
            ("bootstrap", result.table),
            (".632+", result.plus632.rename(columns={"out_of_bag": "test"})),
        )
    ]
    failures = next(iter(corrected.values())).failures
    table = pd.concat(parts, ignore_index=True).rename(columns={"measure": "metric"})
    table["n_resamples"] = len(places)
    warnings = [
        f"optimism bootstrap: {count} of {len(places)} resamples gave no models: {reason}"
        for reason, count in sorted(failures.items())
    ]
    return table[list(OPTIMISM_COLUMNS)], warnings


class _Kept:
    """Hands out what the models of each resample, made before, say of the training rows."""

    def __init__(
        self,
        own: dict[str, Array],
        places: Sequence[Indices],
        found: Sequence[dict[str, Array] | str],
    ) -> None:
        n = len(next(iter(own.values())))
        self.fits: dict[bytes, dict[str, Array] | str] = {
            np.asarray(rows, dtype=np.intp).tobytes(): fit
            for rows, fit in zip(places, found, strict=True)
        }
        self.fits[np.arange(n, dtype=np.intp).tobytes()] = own

    def __call__(self, rows: Indices) -> PredictSeveral:
        fit = self.fits[np.asarray(rows, dtype=np.intp).tobytes()]
        if isinstance(fit, str):
            raise AnalysisError(fit)
        return lambda asked: {name: probability[asked] for name, probability in fit.items()}
