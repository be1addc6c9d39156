"""The models that an analysis names, fitted on one training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.models.clinical import ClinicalModel, CombinedModel
from osteoflow.models.dataset import Dataset
from osteoflow.models.declared import fit_declared
from osteoflow.models.filters import feature_filters
from osteoflow.models.learners import make_learner
from osteoflow.models.radiomics import RadiomicsModel

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Model = ClinicalModel | CombinedModel | RadiomicsModel
Logistic = ClinicalModel | CombinedModel


@dataclass(frozen=True)
class FittedModels:
    """Models of one training set, by name, in the order of ``Analysis.models``."""

    models: Mapping[str, Model]

    def __getitem__(self, name: str) -> Model:
        return self.models[name]

    def __contains__(self, name: object) -> bool:
        return name in self.models

    @property
    def logistic(self) -> dict[str, Logistic]:
        """Those with coefficients of named terms: all but the radiomic ones."""
        return {
            name: model
            for name, model in self.models.items()
            if not isinstance(model, RadiomicsModel)
        }

    @property
    def radiomic(self) -> dict[str, RadiomicsModel]:
        """Those of radiomic features alone."""
        return {
            name: model for name, model in self.models.items() if isinstance(model, RadiomicsModel)
        }

    @property
    def charted(self) -> Logistic | None:
        """The model of a nomogram: the combined one, or else the last one of several columns."""
        return self.models[self.charted_name] if self.charted_name else None

    @property
    def charted_name(self) -> str:
        """Name of that model; empty without one."""
        names = ("combined", "measurements", "clinical")
        return next((name for name in names if name in self.models), "")

    def probabilities(self, table: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
        """Probability of the event by each model."""
        return {name: model.predict_proba(table)[:, 1] for name, model in self.models.items()}

    def thresholds(self) -> dict[str, float]:
        """Cut-off that each model learned from its training rows."""
        return {name: float(model.threshold_) for name, model in self.models.items()}


def fit_models(
    data: Dataset, rows: NDArray[np.intp], analysis: Analysis, seed: int
) -> FittedModels:
    """Fit every model of the analysis on the given rows alone.

    All learners of radiomic features see the same filtered features and the same inner folds.

    Parameters
    ----------
    data, analysis
        Rows and settings.
    rows
        Positions of the training rows, each once.
    seed
        Of the inner folds and of learners that draw at random.

    Raises
    ------
    AnalysisError
        If the rows cannot support a model.
    """
    table, outcome, groups = data.table.iloc[rows], data.outcome[rows], data.groups[rows]
    filters = feature_filters(data, analysis) if analysis.radiomics is not None else None
    folded = None  # of all learners

    def fit_columns(columns: list[str], name: str, signature: RadiomicsModel | None) -> Logistic:
        if signature is None:
            return ClinicalModel(columns, name).fit(table, outcome)
        model = CombinedModel(columns, signature)
        return model.fit(table, outcome, groups, fitted_radiomics=signature)

    def fit_learner(learner: str, own_seed: int) -> RadiomicsModel:
        nonlocal folded
        made = make_learner(learner, analysis, own_seed)
        model = RadiomicsModel(data.features, filters, made, analysis.inner_folds, seed)
        folded = folded or model.fold(table, outcome, groups)
        return model.fit(table, outcome, groups, folded=folded)

    return FittedModels(fit_declared(analysis, seed, fit_columns, fit_learner))
