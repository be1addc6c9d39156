"""The models of an analysis, fitted on one training set, and cross-validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from osteoflow.models.dataset import Dataset
from osteoflow.models.declared import fit_declared
from osteoflow.models.filters import feature_filters
from osteoflow.models.folded import FoldedFeatures, fold_features
from osteoflow.models.kinds.base import Array, Indices, OutcomeKind
from osteoflow.models.kinds.signature import ColumnsModel, KindSignature, Predictor
from osteoflow.models.kinds.splits import folds
from osteoflow.models.outer_folds import Marks, fit_outer_folds, marks_of

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


@dataclass(frozen=True)
class KindModels:
    """Models of one training set, by name, in the order of ``Analysis.models``."""

    models: Mapping[str, Predictor]

    @property
    def regressions(self) -> dict[str, ColumnsModel]:
        """Those with coefficients of named terms."""
        return {name: m for name, m in self.models.items() if isinstance(m, ColumnsModel)}

    @property
    def radiomic(self) -> dict[str, KindSignature]:
        """Those of radiomic features alone."""
        return {name: m for name, m in self.models.items() if isinstance(m, KindSignature)}

    def predict(self, table: pd.DataFrame) -> dict[str, Array]:
        """Predictions by each model, shape (n, columns of the kind)."""
        return {name: model.predict(table) for name, model in self.models.items()}


@dataclass(frozen=True)
class KindFold:
    """What remains of the models of one outer training part.

    Attributes
    ----------
    prediction
        Model -> predictions of the test rows.
    selected
        Radiomic model -> features it uses.
    marks
        (Model or step, what was not done as declared).
    """

    prediction: dict[str, Array]
    selected: dict[str, list[str]]
    marks: Marks


@dataclass(frozen=True)
class Validated:
    """Out-of-fold predictions of repeated cross-validation.

    Attributes
    ----------
    outcome
        Shape (n,).
    fold
        Fold of each row, shape (repeats, n).
    prediction
        Per model, shape (repeats, n, columns of the kind).
    """

    outcome: Array
    fold: Indices
    prediction: dict[str, Array]

    def test_parts(self) -> list[tuple[int, Indices]]:
        """Repeat and rows of each test fold."""
        return [
            (repeat, np.flatnonzero(labels == number))
            for repeat, labels in enumerate(self.fold)
            for number in np.unique(labels)
        ]


def fit_models(
    kind: OutcomeKind, data: Dataset, rows: Indices, analysis: Analysis, seed: int
) -> KindModels:
    """Fit every model of the analysis on the given rows alone.

    All learners of radiomic features see the same filtered features and the same inner folds; the
    first one's cross-fitted score enters the combined model.

    Raises
    ------
    AnalysisError, ArithmeticError
        If the rows cannot support a model.
    """
    table, outcome = data.table.iloc[rows], data.outcome[rows]

    def fit_columns(columns: list[str], name: str, signature: KindSignature | None) -> ColumnsModel:
        return ColumnsModel(kind, columns, name, signature).fit(table, outcome)

    @cache  # of all learners
    def folded() -> FoldedFeatures:
        rng = np.random.default_rng(seed)
        splits = folds(kind, outcome, data.groups[rows], analysis.inner_folds, rng)
        filters = feature_filters(data, analysis, kind.scores)
        return fold_features(filters, table[data.features], outcome, splits)

    def fit_learner(learner: str, own_seed: int) -> KindSignature:
        made = kind.learner(learner, analysis, own_seed)
        return KindSignature(kind, data.features, made).fit(table, outcome, folded())

    return KindModels(fit_declared(analysis, seed, fit_columns, fit_learner))


def fit_fold(
    kind: OutcomeKind, data: Dataset, analysis: Analysis, train: Indices, test: Indices, seed: int
) -> KindFold:
    """Fit on the training rows, predict the test rows; nothing else of the models is kept."""
    models = fit_models(kind, data, train, analysis, seed)
    table = data.table.iloc[test]
    ridge = [
        name
        for name, model in models.regressions.items()
        if model.regression_.method.startswith("ridge")
    ]
    return KindFold(
        models.predict(table),
        {name: model.selected_ for name, model in models.radiomic.items()},
        marks_of(models.radiomic, ridge, table),
    )


def cross_validate(
    kind: OutcomeKind,
    data: Dataset,
    rows: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
    workers: int = 1,
) -> tuple[Validated, list[KindFold]]:
    """Repeated outer cross-validation on the given rows, split by participant.

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
        lambda rng: folds(kind, outcome, groups, analysis.outer_folds, rng),
        rows,
        analysis.repeats,
        seed,
        workers,
    )
    columns = (len(kind.prediction_columns),)
    prediction = {
        name: found.assemble(lambda fit, name=name: fit.prediction[name], columns)
        for name in analysis.models
    }
    return Validated(outcome, found.fold, prediction), found.fits
