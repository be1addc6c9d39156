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
from osteoflow.models.predictor_notes import predictor_notes

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


def summary(
    data: Dataset,
    test: NDArray[np.intp],
    analysis: Analysis,
    seed: int,
    warnings: Sequence[str],
    final: FittedModels,
) -> dict[str, Any]:
    """The analysis in numbers and words."""
    outcome = data.outcome
    bias = incorporation_bias(analysis.outcome, analysis.columns, analysis.images)
    notes = predictor_notes(analysis)
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
        "baselines": list(analysis.baselines or ()),
        "radiomics": radiomic_part(data, analysis, final),
        "models": analysis.models,
        "warnings": [*bias, *notes, *warnings],
        "incorporation_bias": bool(bias),
        "prevalence": analysis.prevalence,
        "seed": seed,
        "methods": as_harmonised(methods(analysis, len(test) > 0), final),
        "excluded": data.excluded,
    }


def as_harmonised(words: dict[str, str], final: FittedModels) -> dict[str, str]:
    """The steps in words, with why the final fit harmonised nothing where it could not."""
    if "harmonisation" not in words or not final.radiomic:
        return words
    step = next(iter(final.radiomic.values())).filters_.named_steps["harmonisation"]
    if step.effects_ or not step.warning_:
        return words
    return {**words, "harmonisation": f"{words['harmonisation']}; final fit: {step.warning_}"}


def radiomic_part(data: Dataset, analysis: Analysis, final: FittedModels) -> dict[str, Any] | None:
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
