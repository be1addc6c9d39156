"""Classes of bone, T-scores, CT acquisition columns, muscle by CT number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from osteoflow.cohort.classes import add_columns
from osteoflow.cohort.made_columns import made_columns
from osteoflow.ct.classify import Person, Scan, classify_l1_hu, classify_qct, classify_tscore
from osteoflow.ct.header import ct_acquisition
from osteoflow.dxa import t_scores
from osteoflow.errors import StudyError
from osteoflow.io.volume import Volume
from osteoflow.muscle_rows import muscle_rows
from osteoflow.segmentation.structures import structure_id
from osteoflow.settings.cohort import Cohort, Dxa, Summary

WOMAN = Person("F", 67.0)
PLAIN = Scan(120.0, False)
UNIT = "mg/cm3 K2HPO4"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (79.99, "osteoporosis"),
        (80.0, "osteopenia"),
        (120.0, "osteopenia"),
        (120.01, "normal"),
        (-5.0, "osteoporosis"),
    ],
)
def test_qct_classes(value, expected) -> None:
    assert classify_qct(value, UNIT, 2, WOMAN, PLAIN).name == expected
    # The tube voltage is the calibration's business.
    assert classify_qct(value, UNIT, 2, WOMAN, Scan(80.0, False)).name == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (110.0, "osteoporosis_likely"),
        (110.1, "osteoporosis_possible"),
        (160.0, "osteoporosis_possible"),
        (160.1, "osteoporosis_unlikely"),
    ],
)
def test_classes_of_l1(value, expected) -> None:
    assert classify_l1_hu(value, WOMAN, PLAIN).name == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-2.5, "osteoporosis"), (-2.49, "osteopenia"), (-1.01, "osteopenia"), (-1.0, "normal")],
)
def test_who_classes(value, expected) -> None:
    assert classify_tscore(value, WOMAN).name == expected


def test_no_class_where_a_cut_off_does_not_hold() -> None:
    def qct(**changes):
        given = {"unit": UNIT, "n_levels": 2, "person": WOMAN, "scan": PLAIN, **changes}
        found = classify_qct(70.0, **given)
        assert found.name == ""
        return found.reason

    assert qct(unit="mg/cm3 HA") == "no_cut_off_for_this_mineral"
    assert qct(n_levels=1) == "fewer_than_two_intact_bodies"
    assert qct(scan=Scan(120.0, True)) == "contrast_agent"
    for person, reason in (
        (Person(None, 70.0), "sex_not_stated"),
        (Person("M", 49.9), "man_below_50"),
        (Person("male", None), "age_not_stated"),
        (Person("F", 55.0), "menopause_not_stated"),
        (Person("F", None), "menopause_not_stated"),
        (Person("F", 75.0, "0"), "not_postmenopausal"),
    ):
        assert qct(person=person) == reason
    for person in (Person("M", 50.0), Person("F", 48.0, "yes"), Person("W", 60.0)):
        assert classify_qct(70.0, UNIT, 2, person, PLAIN).name == "osteoporosis"
    assert classify_qct(float("nan"), UNIT, 2, WOMAN, PLAIN).reason == "not_measured"
    for scan, reason in (
        (Scan(100.0, False), "kvp_other_than_120"),
        (Scan(None, False), "kvp_unknown"),
        (Scan(120.0, True), "contrast_agent"),
        (Scan(120.0, None), "contrast_unknown"),
    ):
        assert classify_l1_hu(100.0, WOMAN, scan).reason == reason


def test_t_scores_by_published_means() -> None:
    neck = t_scores([0.858, 0.558, np.nan], "femoral_neck", "hologic")
    assert neck[:2] == pytest.approx([0.0, -2.5])
    assert np.isnan(neck[2])
    assert t_scores([0.637], "total_hip", "hologic")[0] == pytest.approx(-2.5)
    with pytest.raises(ValueError, match=r"known: femoral_neck \(hologic\)"):
        t_scores([0.8], "femoral_neck", "lunar")
    with pytest.raises(ValueError, match="858 is no density"):
        t_scores([858.0], "femoral_neck", "hologic")


def test_how_a_ct_was_made() -> None:
    sidecar = {"KVP": 120, "ConvolutionKernel": ["B31f", "3"], "SliceThickness": 3.0}
    assert ct_acquisition(sidecar, (0.9, 0.9, 2.0)) == {
        "ct_kvp": 120.0,
        "ct_kernel": "B31f/3",
        "ct_contrast": "no",
        "ct_slice_thickness": 3.0,
        "ct_slice_step": 2.0,
        "ct_pixel": 0.9,
    }
    other = ct_acquisition({"KVP": 0, "ContrastBolusAgent": "Iomeprol"}, (0.9, 0.9, 2.0))
    assert (other["ct_kvp"], other["ct_kernel"], other["ct_contrast"]) == (None, None, "yes")


def measured(participant, density, hu, flag=None, unit=UNIT):
    rows = [
        ("L1-L2_trabecular", "vbmd_mean", density, unit),
        ("L1_trabecular", "hu_mean", hu, "HU"),
    ]
    return [
        {
            "participant_id": participant,
            "session": None,
            "rater": 1,
            "roi": roi,
            "image": "ct",
            "metric": metric,
            "value": value,
            "unit": of,
            "flag": flag,
        }
        for roi, metric, value, of in rows
    ]


def test_columns_of_the_participants_table() -> None:
    names = [f"sub-{i}" for i in range(1, 6)]
    people = pd.DataFrame(
        {
            "subject": names,
            "participant_id": names,
            "session": [None] * 5,
            "age": [70.0, 70.0, 55.0, 70.0, 70.0],
            "sex": ["F", "M", "M", "F", "F"],
            "menopause": [1.0, np.nan, np.nan, np.nan, np.nan],
            "dxa_tscore": [-2.6, -1.2, 0.3, np.nan, -3.0],
            "neck": [0.558, 0.858, np.nan, 0.7, 0.7],
        }
    )
    rows = measured("sub-1", 75.0, 100.0) + measured("sub-2", 130.0, 170.0)
    rows += measured("sub-3", 100.0, 140.0)
    rows += measured("sub-4", np.nan, 150.0, "left_out:L1 fractured;too_few_levels")
    scans = {
        "sub-1": {"ct_kvp": 120.0, "ct_kernel": "B", "ct_contrast": "no", "ct_pixel": 0.9},
        "sub-2": {"ct_kvp": 100.0, "ct_contrast": "no"},
        "sub-3": {"ct_kvp": 120.0, "ct_contrast": "yes"},
        "sub-4": {"ct_kvp": 120.0, "ct_contrast": "no"},
    }
    settings = Cohort(
        summaries=[Summary(metric="vbmd_mean", levels=["L1", "L2"])],
        classes=["spine_qct", "l1_hu", "dxa_tscore"],
        dxa=[Dxa(column="neck", region="femoral_neck", device="hologic")],
    )
    done, entries = add_columns(people, pd.DataFrame(rows), scans, settings)
    assert list(done.columns[len(people.columns) :]) == list(made_columns(settings))
    assert set(entries) == set(made_columns(settings))
    assert done["ct_kvp"].tolist()[:3] == [120.0, 100.0, 120.0]
    assert done["neck_tscore"].tolist()[:2] == pytest.approx([-2.5, 0.0])
    assert done["spine_qct_class"].tolist() == ["osteoporosis", "normal", None, None, None]
    assert done["spine_qct_class_reason"].tolist() == [
        None,
        None,
        "contrast_agent",
        "fewer_than_two_intact_bodies",
        "not_measured",
    ]
    assert done["l1_hu_class_reason"].tolist() == [
        None,
        "kvp_other_than_120",
        "contrast_agent",
        "l1_not_intact",
        "not_measured",
    ]
    assert done["dxa_tscore_class"].tolist() == [
        "osteoporosis",
        "osteopenia",
        "normal",
        None,
        "osteoporosis",
    ]
    with pytest.raises(StudyError, match="ct_kvp"):
        add_columns(people.assign(ct_kvp=1.0), pd.DataFrame(rows), scans, settings)
    with pytest.raises(StudyError, match="neck"):
        add_columns(people.assign(neck=800.0), pd.DataFrame(rows), scans, settings)


def test_one_intact_body_is_not_enough() -> None:
    people = pd.DataFrame(
        {"subject": ["a"], "participant_id": ["a"], "session": [None], "age": [70], "sex": ["F"]}
    )
    rows = pd.DataFrame(measured("a", 60.0, 90.0, "left_out:L1 fractured"))
    settings = Cohort(
        summaries=[Summary(metric="vbmd_mean", levels=["L1", "L2"])], classes=["spine_qct"]
    )
    done, _ = add_columns(people, rows, {}, settings)
    assert done["spine_qct_class_reason"].tolist() == ["fewer_than_two_intact_bodies"]
    settings = Cohort(summaries=[], classes=["spine_qct"])
    done, _ = add_columns(people, rows, {}, settings)
    assert done["spine_qct_class_reason"].tolist() == ["no_mean_vbmd_of_two_levels"]


def test_muscle_and_its_fat_at_the_height_of_a_level() -> None:
    labels = np.zeros((40, 10, 20), np.uint8)
    labels[18:22, 5:, 5:15] = 22  # L3
    left, right = (structure_id(f"paraspinal_muscle_{side}") for side in ("left", "right"))
    labels[4:14, :5], labels[26:36, :5] = left, right
    labels = Volume(labels, np.eye(4))
    hu = np.full(labels.shape, 60.0)
    hu[:, :, :5] = 500.0  # outside the level's height
    hu[4:6, :5] = -100.0  # a fifth of the left muscle is fat
    hu[26:27, :5] = -250.0  # air: neither
    ct = labels.like(hu)
    rows = {(r["roi"], r["metric"]): r for r in muscle_rows(ct, labels, ["L3"])}
    assert rows["paraspinal_muscle_left", "muscle_fat_share"]["value"] == pytest.approx(20.0)
    assert rows["paraspinal_muscle_right", "muscle_fat_share"]["value"] == 0.0
    both = rows["paraspinal_muscle", "muscle_fat_share"]
    assert both["value"] == pytest.approx(100 * 100 / 950)
    assert both["n_voxels"] == 950
    assert rows["paraspinal_muscle", "muscle_hu_mean"]["value"] == 60.0
    assert "at the height of L3" in both["method"]
    lacking = muscle_rows(ct, labels, ["L1"])
    assert {r["flag"] for r in lacking} == {"level_missing"}
    assert all(np.isnan(r["value"]) for r in lacking)
    everywhere = {(r["roi"], r["metric"]): r for r in muscle_rows(ct, labels, [])}
    assert everywhere["paraspinal_muscle_left", "muscle_fat_share"]["n_voxels"] < 1000
    plain = labels.like(np.where(labels.data == 22, 22, 0).astype(np.uint8))
    assert muscle_rows(ct, plain, ["L3"]) == []
    with pytest.raises(ValueError, match="different grids"):
        muscle_rows(Volume(hu, 2 * np.eye(4)), labels, [])
