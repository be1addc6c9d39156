"""Repeated nested cross-validation of all models of an analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import fit_models
from osteoflow.models.folds import stratified_folds
from osteoflow.models.kinds.base import Array, Indices, OutcomeKind
from osteoflow.models.out_of_fold import CrossValidated
from osteoflow.models.outer_folds import Marks, fit_outer_folds, marks_of

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


@dataclass(frozen=True)
class FoldFit:
    """What remains of the models of one outer training part.

    Attributes
    ----------
    prediction
        Model -> predictions of the test rows.
    threshold
        Model -> cut-off from the training part.
    selected
        Radiomic model -> features it uses.
    marks
        (Model or step, what was not done as declared).
    """

    prediction: dict[str, Array]
    threshold: dict[str, float]
    selected: dict[str, list[str]]
    marks: Marks


def fit_fold(
    kind: OutcomeKind, data: Dataset, analysis: Analysis, train: Indices, test: Indices, seed: int
) -> FoldFit:
    """Fit on the training rows, predict the test rows; nothing else of the models is kept."""
    models = fit_models(kind, data, train, analysis, seed)
    table = data.table.iloc[test]
    penalised = [n for n, model in models.regressions.items() if model.regression_.is_penalised]
    return FoldFit(
        models.predict(table),
        models.thresholds(),
        {name: model.selected_ for name, model in models.radiomic.items()},
        marks_of(models.radiomic, penalised, table),
    )


def cross_validate(
    kind: OutcomeKind,
    data: Dataset,
    rows: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
    workers: int = 1,
) -> tuple[CrossValidated, list[FoldFit]]:
    """Repeated outer cross-validation on the given rows, split by participant.

    Parameters
    ----------
    kind, data, analysis
        Kind of the outcome, rows and settings.
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
    AnalysisError, ArithmeticError
        If the rows do not suffice for the folds, or a fold cannot be fitted.
    """
    outcome, groups = data.outcome[rows], data.groups[rows]
    found = fit_outer_folds(
        fit_fold,
        (kind, data, analysis),
        lambda rng: stratified_folds(kind, outcome, groups, analysis.outer_folds, rng),
        rows,
        analysis.repeats,
        seed,
        workers,
    )
    columns = (len(kind.prediction_columns),)
    prediction, threshold = {}, {}
    for name in analysis.models:
        prediction[name] = found.assemble(lambda fit, name=name: fit.prediction[name], columns)
        threshold[name] = found.assemble(lambda fit, name=name: fit.threshold[name])
    return CrossValidated(outcome, found.fold, prediction, threshold), found.fits
