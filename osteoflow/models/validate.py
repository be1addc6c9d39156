"""One analysis from its tables to its results: split, cross-validate, fit, evaluate once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from osteoflow.models import performance
from osteoflow.models.classification import classification
from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.comparisons import comparisons, nested_table, reclassification_table
from osteoflow.models.cross_validation import FoldFit, cross_validate
from osteoflow.models.dataset import Dataset, assemble
from osteoflow.models.fit_warnings import fit_warnings
from osteoflow.models.fitting import FittedModels, fit_models
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.missingness import missing_by_outcome
from osteoflow.models.model_size import (
    candidate_parameters,
    sample_size_table,
    size_warnings,
    size_words,
)
from osteoflow.models.nomogram_document import nomogram_results
from osteoflow.models.out_of_fold import Array, CrossValidated, Indices
from osteoflow.models.parallel import in_order
from osteoflow.models.permutation import leakage_check
from osteoflow.models.resampled import optimism_table
from osteoflow.models.score_test import score_null
from osteoflow.models.seeds import analysis_seeds
from osteoflow.models.set_aside import hold_out, holdout_notes
from osteoflow.models.summary import summary
from osteoflow.models.tables.by_site import performance_by_site
from osteoflow.models.tables.coefficients import coefficients
from osteoflow.models.tables.features import filter_steps, lasso_cv, lasso_path, selection
from osteoflow.models.tables.predicted import Holdout, calibration, decision_curve, predictions
from osteoflow.models.tables.signature import signature_table

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

# Random parts of an analysis.
SEEDED = ("split", "outer", "final", "bootstrap", "nomogram", "optimism", "permutation", "score")


@dataclass(frozen=True)
class AnalysisResult:
    """Results of one analysis: tables and documents by the name of their file."""

    tables: dict[str, pd.DataFrame]
    documents: dict[str, dict[str, Any]]


def run_analysis(
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

    The hold-out is set aside first. On the rest, repeated cross-validation repeats everything
    (filters, scaling, learners, Rad-score, logistic models, cut-offs) in each training part. The
    final models are fitted on all of the rest and meet the hold-out once.

    Parameters
    ----------
    participants, features
        Cohort tables (see :func:`osteoflow.models.dataset.assemble`).
    analysis
        Settings.
    seed
        Of the study; with the analysis' name it fixes every split and resample, whatever other
        analyses there are and however many cores.
    labels
        Words for columns; absent ones go by their names.
    roi
        Region of the features; absent: the pooled trabecular region.
    repeat_sessions
        Sessions that are repeated scans of each other, for the reliability filter.
    perturbed
        Features of perturbed images, for the reliability filter.
    workers
        Processes that fit folds and resamples; the results do not depend on their number.

    Returns
    -------
    AnalysisResult
        Tables ``predictions, performance, performance_by_site, comparisons, reclassification,
        nested, selection, filters, coefficients, lasso_path, lasso_cv, calibration,
        decision_curve, roc, optimism, permutations, permuted_scores, sample_size, nomogram_points,
        nomogram_calibration, signature, classification`` (empty where the analysis has nothing of
        the kind) and documents ``summary`` and, if any predictor has an effect, ``nomogram``.

    Raises
    ------
    AnalysisError
        With the reason why the data cannot support the analysis.
    """
    if analysis.kind != "binary":
        raise AnalysisError(
            f"an outcome of kind {analysis.kind} is not one of events and non-events"
        )
    data = assemble(participants, features, analysis, roi, repeat_sessions, perturbed)
    seeds = analysis_seeds(seed, analysis.name, SEEDED)
    fitted = _fit(data, analysis, seeds, workers)
    found = _evaluated(fitted, seeds["bootstrap"]) | _described(fitted) | _predicted(fitted)
    refitted, notes = _refitted(fitted, seeds, workers)
    found |= refitted
    chart, charted = charted_model(fitted.final)
    training, outcome = data.table.iloc[fitted.train], data.outcome[fitted.train]
    nomogram, tables = nomogram_results(
        charted,
        training,
        outcome,
        data.groups[fitted.train],
        dict(labels or {}),
        analysis.bootstraps,
        np.random.default_rng(seeds["nomogram"]),
        chart,
    )
    warnings = [*size_warnings(found["sample_size"]), *data.warnings]
    warnings += holdout_notes(fitted.kind, data.outcome[fitted.test], analysis)
    warnings += [*missing_by_outcome(fitted.kind, training, outcome, analysis.columns), *notes]
    if nomogram is None:
        warnings.append(
            "no logistic model of several predictors: there is no nomogram"
            if charted is None
            else "no predictor of the combined model has an effect: there is no nomogram"
        )
    warnings += fit_warnings(fitted.kind, fitted.final, fitted.folds, data.table.iloc[fitted.test])
    documents = {} if nomogram is None else {"nomogram": nomogram}
    documents["summary"] = summary(data, fitted.test, analysis, seed, warnings, fitted.final)
    if words := size_words(found["sample_size"], analysis):
        documents["summary"]["methods"]["sample_size"] = words
    return AnalysisResult(found | tables, documents)


@dataclass(frozen=True)
class _Fitted:
    """What an analysis has when its models are validated and fitted.

    ``train`` and ``test`` are rows of ``data``; ``predicted`` are predictions of the hold-out by
    model, none without one.
    """

    kind: BinaryKind
    data: Dataset
    analysis: Analysis
    train: Indices
    test: Indices
    validated: CrossValidated
    folds: Sequence[FoldFit]
    final: FittedModels
    predicted: Mapping[str, Array]

    @property
    def held(self) -> Holdout:
        """Outcome and probabilities of the hold-out; None without one."""
        if not self.predicted:
            return None
        probability = {name: values[:, 0] for name, values in self.predicted.items()}
        return self.data.outcome[self.test], probability


def _fit(
    data: Dataset, analysis: Analysis, seeds: Mapping[str, np.random.SeedSequence], workers: int
) -> _Fitted:
    """Set the hold-out aside, cross-validate on the rest and fit the final models to it."""
    kind = BinaryKind()
    train, test = hold_out(kind, data, analysis, np.random.default_rng(seeds["split"]))
    validated, folds = cross_validate(kind, data, train, analysis, seeds["outer"], workers)
    final_seed = int(np.random.default_rng(seeds["final"]).integers(2**31 - 1))
    (final,) = in_order(fit_models, [(kind, data, train, analysis, final_seed)])
    held_table = data.table.iloc[test]
    held = final.predict(held_table) if len(test) else {}
    return _Fitted(kind, data, analysis, train, test, validated, folds, final, held)


def _described(fitted: _Fitted) -> dict[str, pd.DataFrame]:
    """Tables on what the final models are, and on what the folds selected."""
    final = fitted.final
    return {
        "selection": selection(final.radiomic, fitted.folds),
        "filters": filter_steps(final.radiomic),
        "coefficients": coefficients(final.regressions),
        "lasso_path": lasso_path(final.radiomic),
        "lasso_cv": lasso_cv(final.radiomic),
        "signature": signature_table(final.radiomic.get("radiomics")),
    }


def _predicted(fitted: _Fitted) -> dict[str, pd.DataFrame]:
    """Tables of what the models predict, out of fold and on the hold-out."""
    validated, held = fitted.validated, fitted.held
    return {
        "predictions": predictions(
            fitted.kind,
            fitted.data,
            (fitted.train, fitted.test),
            validated,
            fitted.predicted,
        ),
        "decision_curve": decision_curve(validated, held, fitted.analysis.prevalence),
        "classification": classification(validated, held, fitted.final.thresholds()),
    }


def _refitted(
    fitted: _Fitted, seeds: Mapping[str, np.random.SeedSequence], workers: int
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Tables that refit the pipeline, or say whether the data suffice for it, and warnings."""
    data, train, analysis = fitted.data, fitted.train, fitted.analysis
    own = fitted.final.probabilities(data.table.iloc[train])
    optimism, notes = optimism_table(data, train, analysis, seeds["optimism"], own, workers)
    check = leakage_check(
        fitted.kind, data, train, analysis, seeds["permutation"], fitted.validated, workers
    )
    parameters = candidate_parameters(fitted.final, len(data.features))
    null = score_null(fitted.kind, data, train, analysis, seeds["score"], workers)
    tables = {
        "nested": nested_table(fitted.kind, fitted.final, data.outcome[train], null),
        "optimism": optimism,
        "sample_size": sample_size_table(data, train, analysis, parameters),
        "permutations": check.table,
        "permuted_scores": check.draws,
    }
    return tables, [*notes, *check.warnings, *null.warnings]


def charted_model(final: FittedModels) -> tuple[str, ColumnsModel | None]:
    """Name and model of a nomogram: the combined one, or else the last one of several columns."""
    known = final.regressions
    names = ("combined", "measurements", "clinical")
    name = next((name for name in names if name in known), "")
    return name, known.get(name)


def _evaluated(fitted: _Fitted, seed: np.random.SeedSequence) -> dict[str, pd.DataFrame]:
    """Tables that rest on resampled participants."""
    groups, validated, held = fitted.data.groups, fitted.validated, fitted.held
    bootstraps = fitted.analysis.bootstraps
    rng = np.random.default_rng(seed)
    weights = performance.bootstrap_weights(groups[fitted.train], bootstraps, rng)
    scores = [performance.cross_validated_performance(validated, weights)]
    curves = [performance.cross_validated_roc(validated, weights)]
    held_weights = None
    if held is not None:
        held_weights = performance.bootstrap_weights(groups[fitted.test], bootstraps, rng)
        thresholds = fitted.final.thresholds()
        scores.append(performance.holdout_performance(*held, thresholds, held_weights))
        curves.append(performance.holdout_roc(*held))
    return {
        "performance": pd.concat(scores, ignore_index=True),
        "calibration": calibration(validated, held, weights),
        "comparisons": comparisons(validated, weights, held, held_weights),
        "reclassification": reclassification_table(held, held_weights),
        "performance_by_site": performance_by_site(
            fitted.kind,
            fitted.data,
            (fitted.train, fitted.test),
            validated,
            fitted.predicted,
            (weights, held_weights),
        ),
        "roc": pd.concat(curves, ignore_index=True),
    }
