"""Which function answers what the checklists' column ``answer`` names."""

from __future__ import annotations

from collections.abc import Mapping

from osteoflow.manuscript.text.checklists import (
    data,
    evaluation,
    features,
    models,
    openness,
    results,
)
from osteoflow.manuscript.text.checklists.answer import LEFT_TO_AUTHORS, Answer, Answerer
from osteoflow.manuscript.text.facts import Facts


def _author(facts: Facts) -> Answer:
    return LEFT_TO_AUTHORS


_BY_MODULE = {
    data: "guidelines ethics eligibility pipeline_figure data_sources centres imaging_protocol "
    "quality_checks segmentation operators has_segmentation has_automatic automatic_evaluation "
    "single_reader index_test index_blind indeterminate baseline flow severity input_quality",
    features: "preprocessing resampling discretisation image_types extraction_software "
    "feature_classes feature_number extraction_defaults extraction_parameters reliability "
    "has_handcrafted has_tabular has_deep deep_robustness",
    models: "sample_size dimension predictors candidates outcome outcome_cutoff data_split "
    "partition split_differences missing_data class_imbalance no_balancing no_updating scaling "
    "reduction algorithm tuning model_building model_selection confounders clusters output",
    evaluation: "testing internal_test external_test measures measures_confusion uncertainty "
    "calibration model_comparison nonradiomic simple_model one_image unstable_removed "
    "redundant_removed",
    results: "comparison_results feature_statistics interpretability performance cross_table "
    "numbers flow_outcome baseline_parts",
    openness: "limitations specification prediction_code share_images share_features "
    "share_settings share_code share_model share_system",
}
ANSWERS: Mapping[str, Answerer] = {
    "author": _author,
    **{
        name: getattr(module, name)
        for module, names in _BY_MODULE.items()
        for name in names.split()
    },
}
"""Name in the column ``answer`` -> function."""
