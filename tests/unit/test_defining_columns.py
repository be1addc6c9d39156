"""Which columns define an outcome, and which are measured in its image: all that can be made."""

from __future__ import annotations

from typing import get_args

import pytest

from osteoflow.cohort.made_columns import made_columns
from osteoflow.measurements import STATISTICS
from osteoflow.models.measurements import roc_problems
from osteoflow.models.outcome import (
    check_predictors,
    defining_predictors,
    fracture_doubts,
    incorporation_bias,
    possible_bias,
)
from osteoflow.models.quantity import metric_of, quantities
from osteoflow.resources import read_resource
from osteoflow.settings.analysis import Analysis
from osteoflow.settings.cohort import METRICS, Cohort, Summary
from osteoflow.settings.radiomics import RadiomicsName
from osteoflow.settings.statistics import MeasurementRoc

ROWS = {row["metric"]: row for row in read_resource("measurements.tsv")}
CT, FAT_WATER = {"ct", "vbmd"}, {"pdff", "r2star", "t2star"}
# Image of the dictionary -> images with radiomic features that are of the same acquisition.
SAME_ACQUISITION = {
    **dict.fromkeys(("ct", "vbmd", "ct_calibration", "muscle_ct"), CT),
    **dict.fromkeys(("pdff", "sff", "r2star", "t2star", "t2star_in_phase", "swap"), FAT_WATER),
    "seg_ct,seg_mri": CT | FAT_WATER,
    "vbmd_fat": CT | FAT_WATER,
    **dict.fromkeys(("t2", "b1"), {"t2"}),
    "adc": set(),
    "scores": {"t1w"},
}
SHAPE = [
    *("height_anterior", "height_middle", "height_posterior"),
    *("wedge_deformity", "biconcavity_deformity", "crush_deformity", "genant_grade"),
]


def column(metric: str, *levels: str, voi: str = "trabecular") -> str:
    return Summary(metric=metric, levels=list(levels), voi=voi).column


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_defines_an_outcome_made_of_it(metric):
    outcome = f"{column(metric, 'L1', 'L2')} > 1"
    levels = [
        column(metric, "L3"),
        column(metric, "T11", "T12", "L1"),
        column(metric, "L1", "L2", voi="ellipse"),
        column(metric, "L1", "L2", voi="cortical"),
        metric,
    ]
    assert {metric_of(name) for name in levels} == {metric}
    stem, _, last = metric.rpartition("_")
    others = [
        column(name, "L2", "L3")
        for name, row in ROWS.items()
        if last in STATISTICS
        and row["image"] == ROWS[metric]["image"]
        and name.rpartition("_")[0] == stem
        and name.rpartition("_")[2] in STATISTICS
    ]
    assert defining_predictors(outcome, [*levels, *others]) == [*levels, *others]
    analysis = Analysis(name="a", outcome=outcome, measurements=[levels[0]])
    (problem,) = check_predictors(analysis)
    assert "defines the outcome" in problem


@pytest.mark.parametrize("metric", METRICS)
def test_radiomics_of_the_image_of_every_metric_are_labelled(metric):
    outcome = f"{column(metric, 'L1', 'L2')} > 1"
    images = get_args(RadiomicsName)
    wanted = SAME_ACQUISITION[ROWS[metric]["image"]]
    if metric.startswith("muscle_pdff"):
        wanted = FAT_WATER
    labelled = {image for image in images if incorporation_bias(outcome, [], [image])}
    assert labelled == wanted


@pytest.mark.parametrize(
    "family",
    [
        SHAPE,
        ["hu_mean", "hu_sd", "hu_above1000"],
        ["pdff_mean", "pdff_median", "sff_mean", "vbmd_fat_error_low", "vbmd_fat_error_high"],
        ["r2star_mean", "t2star_mean", "t2star_in_phase_mean"],
        ["m_score", "snr_mean"],
        ["vbq_score", "sir_csf"],
        ["muscle_pdff_mean", "muscle_pdff_asymmetry", "muscle_fat_share"],
    ],
)
def test_metrics_of_one_quantity_refuse_each_other(family):
    for metric in family:
        others = [column(name, "L4") for name in family]
        assert defining_predictors(f"{column(metric, 'L1')} >= 1", others) == others


def test_metrics_of_different_quantities_predict_each_other():
    first = {quantity: name for name in METRICS for quantity in quantities(name)}
    assert len(first) >= 20
    for metric in first.values():
        others = [column(name, "L3") for name in first.values() if name != metric]
        assert defining_predictors(f"{column(metric, 'L1')} > 1", others) == []


def test_made_classes_and_scores_are_what_they_are_made_of():
    settings = Cohort(
        classes=["spine_qct", "l1_hu", "dxa_tscore"],
        dxa=[{"column": "neck_density", "region": "femoral_neck", "device": "hologic"}],
    )
    rest = ["vbmd_l3_mean", "hu_l3_mean", "dxa_tscore", "neck_density", "neck_density_tscore"]
    refused = {name: defining_predictors(f"{name} == low", rest) for name in made_columns(settings)}
    assert refused["spine_qct_class"] == refused["spine_qct_class_reason"] == ["vbmd_l3_mean"]
    assert refused["l1_hu_class"] == refused["l1_hu_class_reason"] == ["hu_l3_mean"]
    assert refused["dxa_tscore_class"] == ["dxa_tscore", "neck_density_tscore"]
    assert refused["neck_density_tscore"] == ["dxa_tscore", "neck_density", "neck_density_tscore"]
    assert defining_predictors("neck_density < 0.6", rest) == rest[3:]
    assert refused["ct_kvp"] == refused["ct_contrast"] == []
    assert incorporation_bias("spine_qct_class == low", [], ["ct"]) != []
    assert incorporation_bias("l1_hu_class == low", [], ["vbmd"]) != []
    assert incorporation_bias("dxa_tscore_class == low", ["hu_l1_mean"], ["vbmd"]) == []


def test_a_relaxation_time_is_no_vertebra():
    assert defining_predictors("t2_l1l2_mean > 100", ["t2_l3_mean", "t2_marrow"]) == [
        "t2_l3_mean",
        "t2_marrow",
    ]
    assert defining_predictors("hu_t2 < 100", ["hu_l1_mean", "t2_l1_mean"]) == ["hu_l1_mean"]


def test_other_tissue_than_bone_is_another_quantity():
    muscle = ["muscle_hu_mean", "psoas_hu", "liver_hu", "muscle_hu_l3_mean"]
    assert defining_predictors("hu_l1_mean < 110", [*muscle, "hu_lumbar"]) == ["hu_lumbar"]
    assert defining_predictors("muscle_hu_l3_mean < 30", muscle) == [*muscle[:2], muscle[3]]
    fat = ["muscle_pdff_mean", "liver_fat_fraction"]
    assert defining_predictors("pdff_l1l2_mean > 50", fat) == []
    found = incorporation_bias("vbmd_l1l2_mean < 80", ["muscle_hu_mean", "snr_l1l2l3l4_mean"], [])
    assert len(found) == 1 and "'muscle_hu_mean' is measured" in found[0]


def test_where_outlines_may_be_of_two_images_the_label_says_so():
    (found,) = incorporation_bias("genant_l1l2l3l4_grade >= 1", [], ["ct"])
    assert "defines, or may define, the outcome" in found
    (found,) = incorporation_bias("pdff_l1l2_mean > 50", ["height_l1_anterior"], [])
    assert "is, or may be, measured" in found
    # Of the same quantity is refused, not labelled.
    assert incorporation_bias("genant_l1_grade >= 1", ["height_l1_anterior"], []) == []


# --- fractures -----------------------------------------------------------------------------------

MADE = [column(metric, "L1", "L2", "L3", "L4") for metric in SHAPE]
OTHERS = ["fracture_grade", "n_fractures", "vertebral_fracture", "fracture_l1", "vfx", "genant"]
NONE = [
    *("parental_hip_fracture", "family_history_fracture", "frax_major_fracture", "fracture_risk"),
    *("age", "height", "body_height", "hip_circumference", "vbmd_l1l2_mean"),
]


@pytest.mark.parametrize("outcome", ["fracture", "vertebral_fracture == 1", "fracture_l1"])
def test_what_defines_a_fracture_of_vertebrae(outcome):
    assert defining_predictors(outcome, [*MADE, *OTHERS, *NONE]) == [*MADE, *OTHERS]


def test_what_defines_a_grade():
    outcome = "genant_l1l2l3l4_grade >= 1"
    refused = [*MADE, *OTHERS, "fracture"]
    assert defining_predictors(outcome, [*refused, *NONE, "hip_fracture"]) == refused


def test_a_fracture_of_another_bone_is_not_the_vertebrae_s():
    for outcome in ("hip_fracture", "nonvertebral_fracture", "non_vertebral_fracture"):
        assert defining_predictors(outcome, [*MADE, "vertebral_fracture", *NONE]) == []
    others = ["wrist_fracture", "femoral_neck_fracture", "fracture", "n_fractures"]
    assert defining_predictors("hip_fracture", others) == others[1:]
    assert defining_predictors("fracture", ["hip_fracture"]) == ["hip_fracture"]


def test_a_prior_fracture_predicts_one_of_today_with_a_doubt():
    prior = ["prior_fracture", "previous_vertebral_fracture", "fracture_history"]
    assert defining_predictors("fracture", prior) == []
    doubts = fracture_doubts("fracture", [*prior, *MADE, *NONE])
    assert [text.partition("'")[2].partition("'")[0] for text in doubts] == prior
    assert fracture_doubts("hip_fracture", ["previous_vertebral_fracture"]) == []
    # An outcome of the past is today's for predictors of the past.
    assert defining_predictors("prior_fracture", [*prior, "genant_l1_grade"]) == [
        *prior,
        "genant_l1_grade",
    ]


def test_vertebrae_and_earlier_fractures_predict_one_in_follow_up():
    earlier = ["prior_fracture", "prevalent_vertebral_fracture", "fracture_baseline", *MADE]
    unsaid = ["n_fractures", "vertebral_fracture"]
    everything = [*earlier, *unsaid, *NONE]
    assert defining_predictors("fracture", everything, "survival") == []
    assert defining_predictors("fracture", ["fracture"], "survival") == ["fracture"]
    doubts = fracture_doubts("fracture", everything, "survival")
    assert [text.partition("'")[2].partition("'")[0] for text in doubts] == unsaid
    survival = {"kind": "survival", "time": "years", "outcome": "fracture"}
    assert check_predictors(Analysis(name="a", **survival, clinical=earlier)) == []
    # So is one that is said to be of the follow-up, without its time.
    for outcome in ("incident_fracture == 1", "fracture_follow_up", "new_vertebral_fracture"):
        assert defining_predictors(outcome, everything) == []
        assert len(fracture_doubts(outcome, everything)) == len(unsaid)
        assert possible_bias(outcome, ["vbmd"]) == []
    for kind in ("binary", "survival"):
        assert defining_predictors("incident_fracture", ["fracture_new"], kind) == ["fracture_new"]
    # What is measured at the scan is no event of the follow-up.
    assert defining_predictors("genant_l1_grade >= 1", MADE, "survival") == MADE


def test_a_refused_fracture_tells_what_to_do():
    analysis = Analysis(name="a", outcome="fracture", measurements=["genant_l1l2_grade"])
    (problem,) = check_predictors(analysis)
    assert problem.startswith("analyses.a.measurements: 'genant_l1l2_grade' defines the outcome")
    assert "'fracture' does not say which fracture" in problem and "hip_fracture" in problem
    analysis = Analysis(name="a", outcome="vertebral_fracture", clinical=["genant_l1l2_grade"])
    assert "does not say" not in check_predictors(analysis)[0]
    roc = MeasurementRoc(name="r", outcome="fracture", measurements=["genant_l1l2_grade"])
    assert "defines the outcome" in roc_problems([roc], ["fracture", "genant_l1l2_grade"])[0]


def test_the_image_of_a_fracture_from_elsewhere_is_asked_for():
    (found,) = possible_bias("fracture == 1", ["vbmd", "pdff"])
    assert found.startswith("possible incorporation bias") and "(vbmd and pdff)" in found
    for outcome, images, kind in (
        ("fracture", [], "binary"),
        ("fracture", ["vbmd"], "survival"),
        ("hip_fracture", ["vbmd"], "binary"),
        ("genant_l1_grade >= 1", ["vbmd"], "binary"),  # is labelled
        ("dxa_tscore <= -2.5", ["vbmd"], "binary"),
    ):
        assert possible_bias(outcome, images, kind) == []
