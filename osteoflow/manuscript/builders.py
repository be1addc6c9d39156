"""The builder of each kind of table in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from osteoflow.manuscript.abbreviations import abbreviations_in
from osteoflow.manuscript.catalogue import Planned
from osteoflow.manuscript.inputs import Inputs, StudyWords, read_inputs
from osteoflow.manuscript.table import ManuscriptTable, numbered
from osteoflow.manuscript.words.characteristics import characteristics
from osteoflow.manuscript.words.comparisons import group_comparison
from osteoflow.manuscript.words.correlations import correlations
from osteoflow.manuscript.words.exclusions import exclusions
from osteoflow.manuscript.words.features import selected_features
from osteoflow.manuscript.words.kinds import assumptions, hazard_ratios, score_groups
from osteoflow.manuscript.words.leakage import leakage_check
from osteoflow.manuscript.words.matrices import correlation_matrix
from osteoflow.manuscript.words.measurement_roc import (
    measurement_cutoffs,
    measurement_differences,
    measurement_roc,
)
from osteoflow.manuscript.words.mixed import mixed_model
from osteoflow.manuscript.words.optimism import optimism
from osteoflow.manuscript.words.performance import auc_differences, performance
from osteoflow.manuscript.words.post_hoc import post_hoc
from osteoflow.manuscript.words.reclassification import nested_models, reclassification
from osteoflow.manuscript.words.regression import regression
from osteoflow.manuscript.words.reproducibility import (
    agreement,
    feature_agreement,
    outline_overlap,
    precision,
)
from osteoflow.manuscript.words.sample_size import sample_size
from osteoflow.manuscript.words.sets import training_and_hold_out

BUILDERS: dict[str, Callable[[Inputs], ManuscriptTable]] = {
    "characteristics": characteristics,
    "comparison": group_comparison,
    "post_hoc": post_hoc,
    "correlations": correlations,
    "correlation_matrix": correlation_matrix,
    "mixed_model": mixed_model,
    "measurement_roc": measurement_roc,
    "measurement_cutoffs": measurement_cutoffs,
    "measurement_differences": measurement_differences,
    "agreement": agreement,
    "precision": precision,
    "outline_overlap": outline_overlap,
    "feature_agreement": feature_agreement,
    "sets": training_and_hold_out,
    "performance": performance,
    "optimism": optimism,
    "auc_differences": auc_differences,
    "reclassification": reclassification,
    "nested_models": nested_models,
    "selected_features": selected_features,
    "regression": regression,
    "assumptions": assumptions,
    "hazard_ratios": hazard_ratios,
    "score_groups": score_groups,
    "leakage_check": leakage_check,
    "sample_size": sample_size,
    "exclusions": exclusions,
}


def build_table(kind: str, inputs: Inputs) -> ManuscriptTable:
    """One table with the abbreviations that it uses."""
    table = BUILDERS[kind](inputs)
    return replace(table, abbreviations=abbreviations_in(table.texts()))


def build_tables(
    planned: Sequence[Planned], results: Path, study: StudyWords
) -> list[ManuscriptTable]:
    """All tables of a study, with their numbers.

    Parameters
    ----------
    planned
        From :func:`osteoflow.manuscript.catalogue.planned_tables`.
    results
        The folder ``results``.
    study
        The study's words.
    """
    return numbered([build_table(p.kind, read_inputs(p, results, study)) for p in planned])
