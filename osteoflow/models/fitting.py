"""The models that an analysis names, fitted on one training set."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.models.clinical import ClinicalModel, CombinedModel
from osteoflow.models.dataset import Dataset
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
    found: dict[str, Model] = {}
    for column in analysis.baselines:
        name = f"baseline_{column}"
        found[name] = ClinicalModel([column], name).fit(table, outcome)
    for block in ("clinical", "measurements"):
        columns = list(getattr(analysis, block))
        if columns:
            found[block] = ClinicalModel(columns, block).fit(table, outcome)
    signature = None
    if analysis.radiomics is not None:
        radiomic = _fit_learners(data, table, outcome, groups, analysis, seed)
        signature = radiomic["radiomics"]
        found |= radiomic
    if "combined" in analysis.models:
        columns = [*analysis.clinical, *analysis.measurements]
        if signature is None:
            found["combined"] = ClinicalModel(columns, "combined").fit(table, outcome)
        else:
            model = CombinedModel(columns, signature)
            found["combined"] = model.fit(table, outcome, groups, fitted_radiomics=signature)
    return FittedModels({name: found[name] for name in analysis.models})


def _fit_learners(
    data: Dataset,
    table: pd.DataFrame,
    outcome: NDArray[np.float64],
    groups: NDArray[np.str_],
    analysis: Analysis,
    seed: int,
) -> dict[str, RadiomicsModel]:
    """The radiomic models: the first learner's is called ``radiomics``."""
    filters = feature_filters(data, analysis)
    fitted: dict[str, RadiomicsModel] = {}
    folded = None
    for learner in analysis.radiomics.learners:
        own_seed = np.random.SeedSequence([seed, zlib.crc32(learner.encode())])
        model = RadiomicsModel(
            data.features,
            filters,
            make_learner(learner, analysis, int(own_seed.generate_state(1)[0])),
            analysis.inner_folds,
            seed,
        )
        if folded is None:
            folded = model.fold(table, outcome, groups)
        name = f"radiomics_{learner}" if fitted else "radiomics"
        fitted[name] = model.fit(table, outcome, groups, folded=folded)
    return fitted
