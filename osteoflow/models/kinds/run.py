"""One analysis of ordered classes or of a quantity from its tables to its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from osteoflow.models.comparisons import nested_table
from osteoflow.models.cross_validation import cross_validate
from osteoflow.models.dataset import Dataset, assemble
from osteoflow.models.fit_warnings import fit_warnings
from osteoflow.models.fitting import FittedModels, fit_models
from osteoflow.models.kinds.assumptions import assumptions
from osteoflow.models.kinds.base import MeasuredKind
from osteoflow.models.kinds.continuous import ContinuousKind
from osteoflow.models.kinds.ordinal import OrdinalKind
from osteoflow.models.kinds.performance import Held, comparisons, performance
from osteoflow.models.kinds.summary import summary
from osteoflow.models.kinds.tables import class_roc, confusion_table
from osteoflow.models.missingness import missing_by_outcome
from osteoflow.models.model_size import candidate_parameters, sample_size_table
from osteoflow.models.out_of_fold import Array, CrossValidated, Indices
from osteoflow.models.parallel import in_order
from osteoflow.models.performance import bootstrap_weights
from osteoflow.models.permutation import leakage_check
from osteoflow.models.score_test import score_null
from osteoflow.models.seeds import analysis_seeds
from osteoflow.models.set_aside import hold_out, holdout_notes
from osteoflow.models.tables.by_site import performance_by_site
from osteoflow.models.tables.coefficients import coefficients
from osteoflow.models.tables.features import filter_steps, lasso_cv, lasso_path, selection
from osteoflow.models.tables.predicted import predictions
from osteoflow.models.tables.signature import signature_table
from osteoflow.models.validate import AnalysisResult

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


# Random parts of an analysis.
SEEDED = ("split", "outer", "final", "bootstrap", "permutation", "score")


def kind_of(analysis: Analysis) -> MeasuredKind:
    """What is particular to the analysis' kind of outcome."""
    return OrdinalKind(analysis.classes) if analysis.kind == "ordinal" else ContinuousKind()


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
        filters, coefficients, assumptions, lasso_path, lasso_cv, permutations, signature``, of
        ordered classes also ``confusion`` and ``roc``, and the document ``summary``.

    Raises
    ------
    AnalysisError, ArithmeticError
        With the reason why the data cannot support the analysis.
    """
    kind = kind_of(analysis)
    data = assemble(participants, features, analysis, roi, repeat_sessions, perturbed)

    def own(fitted: Fitted) -> Further:
        outcome = data.outcome[fitted.parts[0]]
        tables = {"assumptions": assumptions(fitted.final.regressions, outcome)}
        if isinstance(kind, OrdinalKind):
            tables["confusion"] = confusion_table(kind, fitted.validated, fitted.held)
            tables["roc"] = class_roc(kind, fitted.validated, fitted.weights, fitted.held)
        return Further(tables)

    return run_kind(kind, data, data, analysis, seed, own, workers=workers)


@dataclass(frozen=True)
class Fitted:
    """What an analysis has when its models are fitted and validated.

    ``parts`` are the rows of the training data and of the hold-out, ``weights`` how often each
    training row is drawn in each resample, ``held`` the hold-out's outcome and predictions.
    """

    data: Dataset
    parts: tuple[Indices, Indices]
    validated: CrossValidated
    weights: Array
    final: FittedModels
    held: Held | None


@dataclass(frozen=True)
class Further:
    """Tables, warnings and entries of the summary that only one kind of outcome has."""

    tables: dict[str, pd.DataFrame]
    warnings: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)


def run_kind(
    kind: MeasuredKind,
    given: Dataset,
    data: Dataset,
    analysis: Analysis,
    seed: int,
    own: Callable[[Fitted], Further],
    *,
    prepare: Callable[[Dataset, tuple[Indices, Indices]], Dataset] = lambda data, parts: data,
    workers: int = 1,
) -> AnalysisResult:
    """Run one analysis of any kind but the binary one.

    Parameters
    ----------
    kind
        What is particular to the outcome.
    given, data
        Rows as they were assembled, and with the outcome as the kind takes it.
    analysis, seed, workers
        See :func:`osteoflow.models.validate.run_analysis`.
    own
        Tables, warnings and entries of the summary of this kind alone.
    prepare
        What is added to the rows when the hold-out is known.
    """
    seeds = analysis_seeds(seed, analysis.name, SEEDED)
    parts = hold_out(kind, data, analysis, np.random.default_rng(seeds["split"]))
    train, test = parts
    data = prepare(data, parts)
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
    check = leakage_check(kind, data, train, analysis, seeds["permutation"], validated, workers)
    null = score_null(kind, data, train, analysis, seeds["score"], workers)
    further = own(Fitted(data, parts, validated, weights, final, held))
    sizes = sample_size_table(
        given, train, analysis, candidate_parameters(final, len(data.features))
    )
    tables = {
        "predictions": predictions(kind, data, parts, validated, {} if held is None else held[1]),
        "performance": performance(kind, validated, weights, held, held_weights),
        "performance_by_site": performance_by_site(
            kind,
            data,
            parts,
            validated,
            {} if held is None else held[1],
            (weights, held_weights),
        ),
        "comparisons": comparisons(kind, validated, weights, held, held_weights),
        "nested": nested_table(kind, final, data.outcome[train], null),
        "selection": selection(final.radiomic, folds),
        "filters": filter_steps(final.radiomic),
        "coefficients": coefficients(final.regressions),
        "lasso_path": lasso_path(final.radiomic),
        "lasso_cv": lasso_cv(final.radiomic),
        "sample_size": sizes,
        "permutations": check.table,
        "permuted_scores": check.draws,
        "signature": signature_table(final.radiomic.get("radiomics")),
        **further.tables,
    }
    training, outcome = data.table.iloc[train], data.outcome[train]
    notes = [*data.warnings, *holdout_notes(kind, data.outcome[test], analysis)]
    warnings = [*notes, *missing_by_outcome(kind, training, outcome, analysis.columns)]
    warnings += [*check.warnings, *null.warnings, *fit_warnings(kind, final, folds, held_table)]
    warnings += further.warnings
    about = summary(kind, data, parts, analysis, seed, warnings, final, sizes=sizes)
    return AnalysisResult(tables, {"summary": {**about, **further.about}})
