"""Cross-tabulation of the models' calls with the outcome, on rows that no model was fitted on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.models.out_of_fold import CrossValidated

Array = NDArray[np.float64]

CLASSIFICATION_COLUMNS = (
    "model",
    "set",
    "repeat",
    "threshold_low",
    "threshold_high",
    "true_positive",
    "false_positive",
    "false_negative",
    "true_negative",
)


def classification(
    validated: CrossValidated,
    held: tuple[Array, Mapping[str, Array]] | None,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Two-by-two tables of every model (STARD 2015, item 23).

    In cross-validation each row is called with the cut-off of its own training part, so the
    cut-off has a range; every repeat has a table.

    Parameters
    ----------
    validated
        Out-of-fold predictions and cut-offs.
    held
        Outcome and probabilities of the hold-out; None without one.
    thresholds
        Cut-off of each final model.
    """
    rows = []
    for model, probability in validated.probability.items():
        pairs = zip(probability, validated.threshold[model], strict=True)
        for repeat, (p, cut) in enumerate(pairs, 1):
            table = _two_by_two(validated.outcome, p >= cut)
            rows.append((model, "cv", repeat, float(cut.min()), float(cut.max()), *table))
        if held is not None:
            cut = float(thresholds[model])
            table = _two_by_two(held[0], held[1][model] >= cut)
            rows.append((model, "holdout", 0, cut, cut, *table))
    return pd.DataFrame(rows, columns=list(CLASSIFICATION_COLUMNS))


def _two_by_two(outcome: Array, called: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    event = outcome == 1
    return (
        int((called & event).sum()),
        int((called & ~event).sum()),
        int((~called & event).sum()),
        int((~called & ~event).sum()),
    )
