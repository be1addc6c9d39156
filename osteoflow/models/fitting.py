"""The models that an analysis names, fitted on one training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pandas as pd

from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.dataset import Dataset
from osteoflow.models.declared import fit_declared
from osteoflow.models.filters import feature_filters
from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.kinds.base import Array, Indices, OutcomeKind
from osteoflow.models.signature import Signature

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Model = ColumnsModel | Signature


@dataclass(frozen=True)
class FittedModels:
    """Models of one training set, by name, in the order of ``Analysis.models``."""

    models: Mapping[str, Model]

    @property
    def regressions(self) -> dict[str, ColumnsModel]:
        """Those with coefficients of named terms: all but the radiomic ones."""
        return {name: m for name, m in self.models.items() if isinstance(m, ColumnsModel)}

    @property
    def radiomic(self) -> dict[str, Signature]:
        """Those of radiomic features alone."""
        return {name: m for name, m in self.models.items() if isinstance(m, Signature)}

    def predict(self, table: pd.DataFrame) -> dict[str, Array]:
        """Predictions by each model, shape (n, columns of the kind)."""
        return {name: model.predict(table) for name, model in self.models.items()}

    def probabilities(self, table: pd.DataFrame) -> dict[str, Array]:
        """The predictions' first column, of events their probability, shape (n,)."""
        return {name: values[:, 0] for name, values in self.predict(table).items()}

    def thresholds(self) -> dict[str, float]:
        """Cut-off that each model learned from its training rows; NaN of kinds that have none."""
        return {name: model.threshold_ for name, model in self.models.items()}


def fit_models(
    kind: OutcomeKind, data: Dataset, rows: Indices, analysis: Analysis, seed: int
) -> FittedModels:
    """Fit every model of the analysis on the given rows alone.

    All learners of radiomic features see the same filtered features and the same inner folds; the
    first one's cross-fitted score enters the combined model.

    Parameters
    ----------
    kind, data, analysis
        Kind of the outcome, rows and settings.
    rows
        Positions of the training rows, each once.
    seed
        Of the inner folds and of learners that draw at random.

    Raises
    ------
    AnalysisError, ArithmeticError
        If the rows cannot support a model.
    """
    table, outcome, groups = data.table.iloc[rows], data.outcome[rows], data.groups[rows]

    def fit_columns(columns: list[str], name: str, signature: Signature | None) -> ColumnsModel:
        return ColumnsModel(kind, columns, name, signature).fit(table, outcome)

    def unfitted(learner: str, own_seed: int) -> Signature:
        filters = feature_filters(data, analysis, kind.scores)
        made = kind.learner(learner, analysis, own_seed)
        return Signature(kind, data.features, filters, made, analysis.inner_folds, seed)

    @cache  # of all learners
    def folded() -> FoldedFeatures:
        return unfitted(analysis.radiomics.learners[0], 0).fold(table, outcome, groups)

    def fit_learner(learner: str, own_seed: int) -> Signature:
        return unfitted(learner, own_seed).fit(table, outcome, groups, folded=folded())

    return FittedModels(fit_declared(analysis, seed, fit_columns, fit_learner))
