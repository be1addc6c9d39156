"""One analysis of a time to event from its tables to its results."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from osteoflow.models.cross_validation import in_order
from osteoflow.models.dataset import Dataset, assemble
from osteoflow.models.kinds.base import Indices
from osteoflow.models.kinds.fitting import cross_validate, fit_models
from osteoflow.models.kinds.hazard_ratios import hazard_ratios
from osteoflow.models.kinds.performance import comparisons, nested, performance, permutations
from osteoflow.models.kinds.splits import hold_out
from osteoflow.models.kinds.summary import fit_warnings, summary
from osteoflow.models.kinds.survival import SurvivalKind
from osteoflow.models.kinds.survival_measures import EVENT, TIME, horizon_weights
from osteoflow.models.kinds.survival_tables import (
    baselines,
    curves,
    groups_by_score,
    log_ranks,
    predictions,
    proportional_hazards,
)
from osteoflow.models.kinds.tables import coefficients, signature
from osteoflow.models.model_size import candidate_parameters, sample_size_table
from osteoflow.models.performance import bootstrap_weights
from osteoflow.models.tables.features import filter_steps, lasso_cv, lasso_path, selection
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
        Tables ``predictions, performance, comparisons, nested, selection, filters, coefficients,
        assumptions, lasso_path, lasso_cv, permutations, signature, kaplan_meier, log_rank,
        hazard_ratios, baseline_hazard`` and the document ``summary``.

    Raises
    ------
    AnalysisError, ArithmeticError
        With the reason why the data cannot support the analysis.
    """
    kind = SurvivalKind(analysis.horizon)
    data = assemble(participants, features, analysis, roi, repeat_sessions, perturbed)
    given = data
    data = replace(data, outcome=np.column_stack([data.time, data.outcome]))
    root = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(analysis.name.encode()),))
    names = ("split", "outer", "final", "bootstrap", "permutation")
    seeds = dict(zip(names, root.spawn(len(names)), strict=True))
    train, test = hold_out(kind, data, analysis, np.random.default_rng(seeds["split"]))
    data = _weighted(data, (train, test), analysis.horizon)
    validated, folds = cross_validate(kind, data, train, analysis, seeds["outer"], workers)
    final_seed = int(np.random.default_rng(seeds["final"]).integers(2**31 - 1))
    (final,) = in_order(fit_models, [(kind, data, train, analysis, final_seed)])
    held_table = data.table.iloc[test]
    held = (data.outcome[test], final.predict(held_table)) if len(test) else None
    rng = np.random.default_rng(seeds["bootstrap"])
    weights = bootstrap_weights(data.groups[train], analysis.bootstraps, rng)
    held_weights = np.zeros((0, 0))
    if held is not None:
        held_weights = bootstrap_weights(data.groups[test], analysis.bootstraps, rng)
    check = permutations(kind, data, train, analysis, seeds["permutation"], validated, workers)
    trends, changing = proportional_hazards(final.regressions, data.outcome[train])
    groups = groups_by_score(validated, held)
    tables = {
        "predictions": predictions(kind, data, (train, test), validated, held),
        "performance": performance(kind, validated, weights, held, held_weights),
        "comparisons": comparisons(kind, validated, weights, held, held_weights),
        "nested": nested(final, kind, data.outcome[train]),
        "selection": selection(final.radiomic, folds),
        "filters": filter_steps(final.radiomic),
        "coefficients": coefficients(final.regressions),
        "assumptions": trends,
        "lasso_path": lasso_path(final.radiomic),
        "lasso_cv": lasso_cv(final.radiomic),
        "sample_size": sample_size_table(
            given, train, analysis, candidate_parameters(final, len(data.features))
        ),
        "permutations": check.table,
        "permuted_scores": check.draws,
        "signature": signature(final.radiomic.get("radiomics"), kind),
        "kaplan_meier": curves(groups),
        "log_rank": log_ranks(groups),
        "hazard_ratios": hazard_ratios(final, data, train, test, analysis),
        "baseline_hazard": baselines(final),
    }
    warnings = [*data.warnings, *check.warnings, *fit_warnings(final, folds, held_table), *changing]
    about = summary(
        *(kind, data, (train, test), analysis, seed, warnings, final),
        sizes=tables["sample_size"],
    )
    about |= {"time": analysis.time, "horizon": analysis.horizon}
    if labels and analysis.time in labels:
        about["time_label"] = labels[analysis.time]
    return AnalysisResult(tables, {"summary": about})


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
