"""The hold-out of an analysis: named by a rule, or drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from osteoflow.models.folds import AnalysisError
from osteoflow.models.sufficient import NO_TRAINING, names_nobody

if TYPE_CHECKING:
    from osteoflow.models.dataset import Dataset
    from osteoflow.settings.analysis import Analysis

Indices = NDArray[np.intp]


def set_aside(
    data: Dataset, analysis: Analysis, draw: Callable[[], NDArray[np.bool_]]
) -> tuple[Indices, Indices]:
    """Rows to train on and rows held out.

    Parameters
    ----------
    data, analysis
        Rows and settings.
    draw
        Gives True for rows to hold out, shape (n,); called where no rule names them.

    Raises
    ------
    AnalysisError
        If a rule names nobody or everybody.
    """
    held = draw() if data.held_out_by_rule is None else data.held_out_by_rule
    if data.held_out_by_rule is not None and not held.any():
        raise AnalysisError(names_nobody(str(analysis.holdout_rule)))
    if held.all():
        raise AnalysisError(NO_TRAINING)
    return np.flatnonzero(~held), np.flatnonzero(held)
