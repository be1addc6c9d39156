"""The summary of an analysis: its numbers, warnings and methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import FittedModels
from osteoflow.models.method_words import methods
from osteoflow.models.outcome import incorporation_bias
from osteoflow.wording import significant

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

_ENOUGH_EVENTS = 10


def summary(
    data: Dataset,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    analysis: Analysis,
    seed: int,
    warnings: Sequence[str],
    final: FittedModels,
) -> dict[str, Any]:
    """The analysis in numbers and words."""
    outcome = data.outcome
    bias = incorporation_bias(analysis.outcome, analysis.columns, analysis.images)
    few = _few_events(data, outcome[train], final)
    return {
        "name": analysis.name,
        "kind": analysis.kind,
        "outcome": analysis.outcome,
        "outcome_label": analysis.outcome_label,
        "n": len(outcome),
        "n_participants": len(set(data.groups.tolist())),
        "n_events": int(outcome.sum()),
        "n_holdout": len(test),
        "n_events_holdout": int(outcome[test].sum()),
        "clinical": list(analysis.clinical),
        "measurements": list(analysis.measurements),
        "baselines": list(analysis.baselines),
        "radiomics": radiomic_part(data, analysis, final),
        "models": analysis.models,
        "warnings": [*bias, *few, *warnings],
        "incorporation_bias": bool(bias),
        "seed": seed,
        "methods": methods(analysis, len(test) > 0),
        "excluded": data.excluded,
    }


def radiomic_part(data: Dataset, analysis: Analysis, final: Any) -> dict[str, Any] | None:
    """What a summary says of the radiomic models; None where there is none."""
    if not final.radiomic:
        return None
    return {
        "image": ", ".join(analysis.images),
        "roi": ", ".join(dict.fromkeys(data.regions.values())),
        "regions": data.regions,
        "n_features": len(data.features),
        "n_selected": len(final.radiomic["radiomics"].selected_),
        "learners": {
            name: {
                "learner": model.learner_.name,
                "n_features": len(model.selected_),
                "setting": model.learner_.setting_,
            }
            for name, model in final.radiomic.items()
        },
    }


def _few_events(data: Dataset, outcome: NDArray[np.float64], final: FittedModels) -> list[str]:
    """Models with few events for each parameter that they chose from."""
    limiting = int(min(outcome.sum(), (outcome == 0).sum()))
    candidates = {
        name: len(model.terms_) for name, model in final.logistic.items() if name != "combined"
    }
    if final.radiomic:
        candidates["radiomics"] = len(data.features)
    return [
        f"{model} model: {limiting} events (or non-events, the fewer) for {parameters} "
        f"candidate parameters, {significant(limiting / parameters, 2)} each; "
        f"{_ENOUGH_EVENTS} or more are advised"
        for model, parameters in candidates.items()
        if limiting < _ENOUGH_EVENTS * parameters
    ]
