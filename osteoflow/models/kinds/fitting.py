"""The models of an analysis, fitted on one training set, and cross-validated."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from osteoflow.models.cross_validation import in_order
from osteoflow.models.dataset import Dataset
from osteoflow.models.filters import feature_filters
from osteoflow.models.folded import fold_features
from osteoflow.models.kinds.base import Array, Indices, OutcomeKind
from osteoflow.models.kinds.signature import ColumnsModel, KindSignature, Predictor
from osteoflow.models.kinds.splits import folds

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
    marks: frozenset[tuple[str, str]]


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
    found: dict[str, Predictor] = {}
    for column in analysis.baselines:
        name = f"baseline_{column}"
        found[name] = ColumnsModel(kind, [column], name).fit(table, outcome)
    for block in ("clinical", "measurements"):
        columns = list(getattr(analysis, block))
        if columns:
            found[block] = ColumnsModel(kind, columns, block).fit(table, outcome)
    signature = None
    if analysis.radiomics is not None:
        rng = np.random.default_rng(seed)
        splits = folds(kind, outcome, data.groups[rows], analysis.inner_folds, rng)
        folded = fold_features(
            feature_filters(data, analysis, kind.scores), table[data.features], outcome, splits
        )
        for place, learner in enumerate(analysis.radiomics.learners):
            own_seed = np.random.SeedSequence([seed, zlib.crc32(learner.encode())])
            model = KindSignature(
                kind,
                data.features,
                kind.learner(learner, analysis, int(own_seed.generate_state(1)[0])),
            ).fit(table, outcome, folded)
            found[f"radiomics_{learner}" if place else "radiomics"] = model
            signature = signature or model
    if "combined" in analysis.models:
        columns = [*analysis.clinical, *analysis.measurements]
        found["combined"] = ColumnsModel(kind, columns, "combined", signature).fit(table, outcome)
    return KindModels({name: found[name] for name in analysis.models})


def fit_fold(
    kind: OutcomeKind, data: Dataset, train: Indices, test: Indices, analysis: Analysis, seed: int
) -> KindFold:
    """Fit on the training rows, predict the test rows; nothing else of the models is kept."""
    models = fit_models(kind, data, train, analysis, seed)
    table = data.table.iloc[test]
    return KindFold(
        models.predict(table),
        {name: model.selected_ for name, model in models.radiomic.items()},
        _marks(models, table),
    )


def _marks(models: KindModels, table: pd.DataFrame) -> frozenset[tuple[str, str]]:
    marks = {
        (name, "separated")
        for name, model in models.regressions.items()
        if model.regression_.method.startswith("ridge")
    }
    for name, model in models.radiomic.items():
        marks |= {(name, note) for note in model.learner_.notes_}
    if models.radiomic:
        steps = next(iter(models.radiomic.values())).filters_.named_steps
        marks |= {
            (name, "warning") for name, step in steps.items() if getattr(step, "warning_", "")
        }
        if "harmonisation" in steps and steps["harmonisation"].warnings_for(table):
            marks.add(("harmonisation", "unseen"))
    return frozenset(marks)


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
    tasks, places = [], []
    fold = np.zeros((analysis.repeats, len(rows)), dtype=np.intp)
    for repeat, child in enumerate(seed.spawn(analysis.repeats)):
        rng = np.random.default_rng(child)
        splits = folds(kind, data.outcome[rows], data.groups[rows], analysis.outer_folds, rng)
        for number, (train, test) in enumerate(splits):
            fold[repeat, test] = number
            places.append((repeat, test))
            own = int(rng.integers(2**31 - 1))
            tasks.append((kind, data, rows[train], rows[test], analysis, own))
    fits = in_order(fit_fold, tasks, workers)
    shape = (analysis.repeats, len(rows), len(kind.prediction_columns))
    prediction = {name: np.full(shape, np.nan) for name in analysis.models}
    for (repeat, test), fit in zip(places, fits, strict=True):
        for name in analysis.models:
            prediction[name][repeat, test] = fit.prediction[name]
    return Validated(data.outcome[rows], fold, prediction), fits
