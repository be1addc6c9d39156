"""Settings of outcome models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from osteoflow.settings.radiomics import RadiomicsName
from osteoflow.settings.section import Name, Section


class RadiomicsPredictors(Section):
    """The radiomic part of an analysis."""

    image: RadiomicsName = Field(description="Image whose pooled trabecular features are used.")
    icc_threshold: float = Field(
        0.75,
        ge=0,
        lt=1,
        description="Least lower 95 % limit of ICC(2,1) (of perturbed images ICC(1,1)), found in "
        "the training data alone; not applied where nothing was read again.",
    )
    reliability: list[Literal["inter_rater", "intra_rater", "scan_rescan", "perturbation"]] = Field(
        ["inter_rater"],
        min_length=1,
        description="Readings that a feature must be reliable in, one after the other: two raters, "
        "repeated outlines of one rater, repeated scans "
        "(`statistics.reproducibility.repeat_sessions`), perturbed images "
        "(`radiomics.perturbation`).",
    )
    reliability_set: str | None = Field(
        None,
        description="A rule such as `group == test_retest` that names participants who serve the "
        "reliability of features alone and are never modelled; absent: the training data.",
    )
    correlation_threshold: float = Field(
        0.9, gt=0, le=1, description="Features more correlated than this (|r|) are redundant."
    )

    @field_validator("reliability")
    @classmethod
    def _each_once(cls, reliability: list[str]) -> list[str]:
        if len(set(reliability)) < len(reliability):
            raise ValueError("a comparison is named twice")
        return reliability


class Analysis(Section):
    """One outcome, its predictors, and how they are validated."""

    name: Name = Field(description="Name of the analysis and of its folder.")
    outcome: str = Field(
        description="A 0/1 column, or a rule such as `vbmd_l1l2_mean < 80`, that is the event."
    )
    outcome_label: str = Field("Event", description="The event's name in figures.")
    clinical: list[str] = Field(
        min_length=1,
        description="Columns of the clinical model (numbers, or text taken as categories).",
    )
    radiomics: RadiomicsPredictors = Field(description="The radiomic predictors.")
    outer_folds: int = Field(5, ge=2, description="Folds of the outer cross-validation.")
    repeats: int = Field(5, ge=1, description="Repetitions of the outer cross-validation.")
    inner_folds: int = Field(5, ge=2, description="Folds that choose the LASSO penalty.")
    penalty: Literal["lambda_min", "lambda_1se"] = Field(
        "lambda_min", description="Which LASSO penalty is taken."
    )
    holdout_fraction: float = Field(
        0.3,
        ge=0,
        lt=0.9,
        description="Share of participants kept aside for the final comparison, stratified by "
        "the outcome; 0: none.",
    )
    holdout_rule: str | None = Field(
        None,
        description="A rule such as `site == B` that names the hold-out instead of a random one.",
    )
    bootstraps: int = Field(
        1000, ge=100, description="Resamplings of participants behind each interval."
    )
    prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Prevalence in the target population, for decision curves of case-control "
        "data; absent: that of the data.",
    )
