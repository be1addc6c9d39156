"""Repeated nested cross-validation of all models of an analysis of events and non-events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import fit_models
from osteoflow.models.folds import stratified_folds
from osteoflow.models.outer_folds import Marks, fit_outer_folds, marks_of
from osteoflow.models.performance import CrossValidated

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class FoldFit:
    """What remains of the models of one outer training part.

    Attributes
    ----------
    probability
        Model -> probabilities of the test rows.
    threshold
        Model -> cut-off from the training part.
    selected
        Radiomic model -> features it uses.
    marks
        (Model or step, what was not done as declared).
    """

    probability: dict[str, Array]
    threshold: dict[str, float]
    selected: dict[str, list[str]]
    marks: Marks


def fit_fold(
    data: Dataset, analysis: Analysis, train: Indices, test: Indices, seed: int
) -> FoldFit:
    """Fit on the training rows, predict the test rows; nothing else of the models is kept."""
    models = fit_models(data, train, analysis, seed)
    table = data.table.iloc[test]
    firth = [name for name, model in models.logistic.items() if model.logistic_.method == "firth"]
    return FoldFit(
        models.probabilities(table),
        models.thresholds(),
        {name: model.selected_ for name, model in models.radiomic.items()},
        marks_of(models.radiomic, firth, table),
    )


def cross_validate(
    data: Dataset,
    rows: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
    workers: int = 1,
) -> tuple[CrossValidated, list[FoldFit]]:
    """Repeated outer cross-validation on the given rows, split by participant.

    Parameters
    ----------
    data, analysis
        Rows and settings.
    rows
        Positions of the rows to validate on.
    seed
        Fixes folds and fits.
    workers
        Processes that fit folds; the results do not depend on their number.

    Returns
    -------
    tuple
        Out-of-fold predictions, and what remains of each fold's models, in order.

    Raises
    ------
    AnalysisError
        If events or non-events do not suffice for the folds, or a fold cannot be fitted.
    """
    outcome, groups = data.outcome[rows], data.groups[rows]
    found = fit_outer_folds(
        fit_fold,
        (data, analysis),
        lambda rng: stratified_folds(outcome, groups, analysis.outer_folds, rng),
        rows,
        analysis.repeats,
        seed,
        workers,
    )
    parts = {
        part: {
            name: found.assemble(lambda fit, part=part, name=name: getattr(fit, part)[name])
            for name in analysis.models
        }
        for part in ("probability", "threshold")
    }
    return CrossValidated(outcome, found.fold, **parts), found.fits
