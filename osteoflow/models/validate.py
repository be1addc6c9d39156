"""One analysis from its tables to its results: split, cross-validate, fit, evaluate once."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.models import performance, tables
from osteoflow.models.classification import classification
from osteoflow.models.clinical import ClinicalModel, CombinedModel
from osteoflow.models.dataset import Dataset, assemble
from osteoflow.models.folds import (
    AnalysisError,
    check_class_sizes,
    random_holdout,
    stratified_folds,
)
from osteoflow.models.nomogram_document import nomogram_results
from osteoflow.models.radiomics import RadiomicsModel
from osteoflow.models.signature import signature_table

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

MODELS = ("clinical", "radiomics", "combined")
_MIN_HOLDOUT_CLASS = 2


@dataclass(frozen=True)
class AnalysisResult:
    """Results of one analysis: tables and documents by the name of their file."""

    tables: dict[str, pd.DataFrame]
    documents: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class FittedModels:
    """The three models of one training set."""

    clinical: ClinicalModel
    radiomics: RadiomicsModel
    combined: CombinedModel

    def probabilities(self, table: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
        """Probability of the event by each model."""
        return {name: getattr(self, name).predict_proba(table)[:, 1] for name in MODELS}

    def thresholds(self) -> dict[str, float]:
        """Cut-off that each model learned from its training rows."""
        return {name: float(getattr(self, name).threshold_) for name in MODELS}


def fit_models(
    data: Dataset, rows: NDArray[np.intp], analysis: Analysis, seed: int
) -> FittedModels:
    """Fit the clinical, radiomic and combined model on the given rows alone."""
    table, outcome, groups = data.table.iloc[rows], data.outcome[rows], data.groups[rows]
    radiomics = RadiomicsModel(
        data.features,
        data.repeated,
        analysis.radiomics.icc_threshold,
        analysis.radiomics.correlation_threshold,
        analysis.inner_folds,
        analysis.penalty,
        seed,
    )
    clinical = list(analysis.clinical)
    combined = CombinedModel(clinical, radiomics)
    fitted = radiomics.fit(table, outcome, groups)
    return FittedModels(
        ClinicalModel(clinical).fit(table, outcome),
        fitted,
        combined.fit(table, outcome, groups, fitted_radiomics=fitted),
    )


def cross_validate(
    data: Dataset, rows: NDArray[np.intp], analysis: Analysis, seed: np.random.SeedSequence
) -> tuple[performance.CrossValidated, list[FittedModels]]:
    """Repeated outer cross-validation on the given rows, split by participant.

    Returns
    -------
    tuple
        Out-of-fold predictions, and the models of each fold in order.

    Raises
    ------
    AnalysisError
        If events or non-events do not suffice for the folds.
    """
    n = len(rows)
    fold = np.zeros((analysis.repeats, n), dtype=np.intp)
    probability = {name: np.full((analysis.repeats, n), np.nan) for name in MODELS}
    threshold = {name: np.full((analysis.repeats, n), np.nan) for name in MODELS}
    fitted = []
    for repeat, child in enumerate(seed.spawn(analysis.repeats)):
        rng = np.random.default_rng(child)
        splits = stratified_folds(data.outcome[rows], data.groups[rows], analysis.outer_folds, rng)
        for number, (train, test) in enumerate(splits):
            models = fit_models(data, rows[train], analysis, int(rng.integers(2**31 - 1)))
            fitted.append(models)
            fold[repeat, test] = number
            found, cut = models.probabilities(data.table.iloc[rows[test]]), models.thresholds()
            for name in MODELS:
                probability[name][repeat, test] = found[name]
                threshold[name][repeat, test] = cut[name]
    result = performance.CrossValidated(data.outcome[rows], fold, probability, threshold)
    return result, fitted


def hold_out(
    data: Dataset, analysis: Analysis, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to train on and rows held out (none with a fraction of 0).

    Raises
    ------
    AnalysisError
        If a rule names nobody or everybody, a class is too small in the hold-out, or the training
        part cannot be cross-validated.
    """
    if data.held_out_by_rule is not None:
        held = data.held_out_by_rule
        if not held.any():
            raise AnalysisError(f"hold-out rule '{analysis.holdout_rule}' names nobody")
    else:
        held = random_holdout(data.outcome, data.groups, analysis.holdout_fraction, rng)
    train, test = np.flatnonzero(~held), np.flatnonzero(held)
    if not len(train):
        raise AnalysisError("the hold-out leaves nobody to train on")
    if len(test):
        for value, name in ((1.0, "events"), (0.0, "non-events")):
            n = int((data.outcome[test] == value).sum())
            if n < _MIN_HOLDOUT_CLASS:
                raise AnalysisError(
                    f"{n} {name} in the hold-out: at least {_MIN_HOLDOUT_CLASS} are needed"
                )
    check_class_sizes(
        data.outcome[train], data.groups[train], max(analysis.outer_folds, analysis.inner_folds)
    )
    return train, test


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
) -> AnalysisResult:
    """Run one analysis.

    The hold-out is set aside first. On the rest, repeated cross-validation repeats everything
    (filters, scaling, LASSO, Rad-score, logistic models, cut-offs) in each training part. The final
    models are fitted on all of the rest and meet the hold-out once.

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

    Returns
    -------
    AnalysisResult
        Tables ``predictions, performance, comparisons, selection, filters, coefficients,
        lasso_path, lasso_cv, calibration, decision_curve, roc, nomogram_points,
        nomogram_calibration, signature, classification`` and documents ``summary`` and, if any
        predictor has an effect, ``nomogram``.

    Raises
    ------
    AnalysisError
        With the reason why the data cannot support the analysis.
    """
    data = assemble(participants, features, analysis, roi, repeat_sessions, perturbed)
    root = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(analysis.name.encode()),))
    split_seed, outer_seed, final_seed, bootstrap_seed, nomogram_seed = root.spawn(5)
    train, test = hold_out(data, analysis, np.random.default_rng(split_seed))
    validated, folds = cross_validate(data, train, analysis, outer_seed)
    final_rng = np.random.default_rng(final_seed)
    final = fit_models(data, train, analysis, int(final_rng.integers(2**31 - 1)))

    rng = np.random.default_rng(bootstrap_seed)
    weights = performance.bootstrap_weights(data.groups[train], analysis.bootstraps, rng)
    held_table = data.table.iloc[test]
    held = (data.outcome[test], final.probabilities(held_table)) if len(test) else None

    scores = [performance.cross_validated_performance(validated, weights)]
    curves = [performance.cross_validated_roc(validated, weights)]
    if held is not None:
        held_weights = performance.bootstrap_weights(data.groups[test], analysis.bootstraps, rng)
        scores.append(performance.holdout_performance(*held, final.thresholds(), held_weights))
        curves.append(performance.holdout_roc(*held))
    found = {
        "predictions": tables.predictions(data, train, test, validated, held),
        "performance": pd.concat(scores, ignore_index=True),
        "comparisons": performance.comparisons(validated, weights, held),
        "selection": tables.selection(final.radiomics, [models.radiomics for models in folds]),
        "filters": final.radiomics.steps_table(),
        "coefficients": tables.coefficients(final.clinical, final.combined),
        "lasso_path": tables.lasso_path(final.radiomics),
        "lasso_cv": tables.lasso_cv(final.radiomics),
        "calibration": tables.calibration(validated, held),
        "decision_curve": tables.decision_curve(validated, held, analysis.prevalence),
        "roc": pd.concat(curves, ignore_index=True),
        "signature": signature_table(final.radiomics),
        "classification": classification(validated, held, final.thresholds()),
    }
    words = dict(labels or {})
    warnings = list(data.warnings)
    documents = {}
    nomogram, more = nomogram_results(
        final.combined,
        data.table.iloc[train],
        data.outcome[train],
        data.groups[train],
        words,
        analysis.bootstraps,
        np.random.default_rng(nomogram_seed),
    )
    found |= more
    if nomogram is None:
        warnings.append("no predictor of the combined model has an effect: there is no nomogram")
    else:
        documents["nomogram"] = nomogram
    warnings += tables.fit_warnings(final, folds, held_table)
    documents["summary"] = tables.summary(data, train, test, analysis, seed, warnings, final)
    return AnalysisResult(found, documents)
