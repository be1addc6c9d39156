"""One analysis of a time to event from its tables to its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from osteoflow.models.dataset import Dataset, assemble
from osteoflow.models.kinds.hazard_ratios import hazard_ratios
from osteoflow.models.kinds.run import Fitted, Further, run_kind
from osteoflow.models.kinds.survival import SurvivalKind
from osteoflow.models.kinds.survival_measures import EVENT, TIME, horizon_weights
from osteoflow.models.kinds.survival_tables import (
    baselines,
    curves,
    groups_by_score,
    log_ranks,
    proportional_hazards,
)
from osteoflow.models.out_of_fold import Indices
from osteoflow.models.validate import AnalysisResult

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


def run(
    participants: pd.DataFrame,
    features: pd.DataFrame,
    analysis: Analysis,
    seed: int,
    *,
    labels: Mapping[str, str] | None = None,
    roi: str | None = None,
    repeat_sessions: Sequence[Sequence[str]] = (),
    perturbed: pd.DataFrame | None = None,
    workers: int = 1,
) -> AnalysisResult:
    """Run one analysis.

    The hold-out is set aside first; repeated cross-validation on the rest repeats every step in
    each training part; the final models, of all of the rest, meet the hold-out once. Parameters
    are those of :func:`osteoflow.models.validate.run_analysis`.

    Returns
    -------
    AnalysisResult
        Tables ``predictions, performance, performance_by_site, comparisons, nested, selection,
        filters, coefficients, assumptions, lasso_path, lasso_cv, permutations, permuted_scores,
        sample_size, signature, kaplan_meier, log_rank, hazard_ratios, baseline_hazard`` and the
        document ``summary``.

    Raises
    ------
    AnalysisError, ArithmeticError
        With the reason why the data cannot support the analysis.
    """
    kind = SurvivalKind(analysis.horizon)
    given = assemble(participants, features, analysis, roi, repeat_sessions, perturbed)
    data = replace(given, outcome=np.column_stack([given.time, given.outcome]))

    def own(fitted: Fitted) -> Further:
        data, (train, test), final = fitted.data, fitted.parts, fitted.final
        trends, changing = proportional_hazards(final.regressions, data.outcome[train])
        groups = groups_by_score(fitted.validated, fitted.held)
        tables = {
            "assumptions": trends,
            "kaplan_meier": curves(groups),
            "log_rank": log_ranks(groups),
            "hazard_ratios": hazard_ratios(final, data, train, test, analysis),
            "baseline_hazard": baselines(final),
        }
        about = {"time": analysis.time, "horizon": analysis.horizon}
        if labels and analysis.time in labels:
            about["time_label"] = labels[analysis.time]
        return Further(tables, changing, about)

    prepare = partial(_weighted, horizon=analysis.horizon)
    return run_kind(kind, given, data, analysis, seed, own, prepare=prepare, workers=workers)


def _weighted(data: Dataset, parts: tuple[Indices, Indices], horizon: float | None) -> Dataset:
    """With a horizon, rows' weights there as a third column of the outcome.

    Training data and hold-out have each their own, as their follow-up may differ.
    """
    if horizon is None:
        return data
    weight = np.zeros(len(data.outcome))
    for rows in parts:
        if len(rows):
            outcome = data.outcome[rows]
            weight[rows] = horizon_weights(outcome[:, TIME], outcome[:, EVENT], horizon)
    return replace(data, outcome=np.column_stack([data.outcome, weight]))
