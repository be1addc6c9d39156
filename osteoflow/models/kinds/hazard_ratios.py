"""What a point of a score is worth: hazard ratios of the models' scores, alone and adjusted.

As studies of hip DXA and fracture report a score: on participants it was not made of, per standard
deviation and per point, alone and beside the clinical columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from osteoflow.models.clinical_design import ClinicalDesign
from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import FittedModels, Model
from osteoflow.models.kinds.survival_measures import EVENT, SCORE, TIME
from osteoflow.models.kinds.survival_tables import ratio_of
from osteoflow.models.out_of_fold import Array, Indices

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

RATIO_COLUMNS = (
    "model", "set", "adjusted_for", "scale", "unit", "n", "n_events", "hazard_ratio", "ci_low",
    "ci_high", "p", "method",
)  # fmt: skip
_NO_TEST = "no test, as the score was learned from these participants"


def hazard_ratios(
    final: FittedModels, data: Dataset, train: Indices, test: Indices, analysis: Analysis
) -> pd.DataFrame:
    """Hazard ratios of the frozen scores.

    On the hold-out (``holdout``) each model's score alone: per point its logarithm is 1
    where the model is well calibrated. Scores of radiomic features also beside the clinical and
    measured columns, whose effects are estimated anew there. In the training data (``training``)
    there are the cross-fitted scores of radiomic features only, without p values, as they were
    learned from these rows (:mod:`osteoflow.models.score_test`). ``adjusted_for`` is empty for a
    score alone; ``scale`` is ``per_point`` or ``per_sd``, ``unit`` the points that one is: the
    standard deviation is that of the score in the training data.
    """
    rows: list[dict[str, Any]] = []
    columns = list(dict.fromkeys([*analysis.clinical, *analysis.measurements]))
    design = ClinicalDesign(columns).fit(data.table.iloc[train]) if columns else None

    def add(model: str, part: str, where: Indices, score: Array, spread: float) -> None:
        outcome = data.outcome[where]
        sets: list[tuple[str, Array]] = [("", score[:, None])]
        if design is not None and model in final.radiomic:
            beside = design.transform(data.table.iloc[where]).to_numpy(dtype=float)
            sets.append((", ".join(columns), np.column_stack([score, beside])))
        for adjusted, given in sets:
            for scale, unit in (("per_point", 1.0), ("per_sd", spread)):
                about = {
                    "model": model, "set": part, "adjusted_for": adjusted, "scale": scale,
                    "unit": unit, "n": len(where), "n_events": int(outcome[:, EVENT].sum()),
                }  # fmt: skip
                found = ratio_of(given, outcome[:, TIME], outcome[:, EVENT], unit)
                if part == "training":
                    found |= {"p": float("nan"), "method": f"{found['method']}; {_NO_TEST}"}
                rows.append(about | found)

    for name, model in final.radiomic.items():
        score = model.learner_.cross_fitted_
        add(name, "training", train, score, float(score.std(ddof=1)))
    if len(test):
        held = final.predict(data.table.iloc[test])
        for name, model in final.models.items():
            spread = float(_training_score(model).std(ddof=1))
            add(name, "holdout", test, held[name][:, SCORE], spread)
    return pd.DataFrame(rows, columns=list(RATIO_COLUMNS))


def _training_score(model: Model) -> Array:
    if isinstance(model, ColumnsModel):
        fit = model.regression_.fit
        return fit.linear_predictor(model.training_design_.to_numpy(dtype=float))
    return model.learner_.training_score_
