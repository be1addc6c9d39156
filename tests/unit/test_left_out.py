"""Levels that do not count in means: fractured, cemented, named in the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from osteoflow.cohort.left_out import (
    ANY,
    Place,
    apply,
    automatic,
    joined,
    mark_features,
    named,
    space_of,
)
from osteoflow.errors import StudyError
from osteoflow.intact_levels import not_intact
from osteoflow.io.volume import Volume
from osteoflow.measurements import average_levels, complete, levels_of, measure_regions
from osteoflow.settings.cohort import LeftOut, Summary
from osteoflow.subjects import Subject, SubjectsTable

L1L2 = Summary(metric="vbmd_mean", levels=["L1", "L2"])
L1L4 = Summary(metric="vbmd_mean", levels=["L1", "L2", "L3", "L4"])
FAT = Summary(metric="pdff_mean", levels=["L1", "L2", "L3"])
DENSITY = {"L1": 100.0, "L2": 110.0, "L3": 120.0, "L4": 150.0}


def row(roi, image, metric, value, flag=""):
    return {
        "roi": roi,
        "image": image,
        "metric": metric,
        "value": value,
        "unit": "u",
        "method": "m",
        "n_voxels": 500,
        "flag": flag,
    }


def subject(
    participant="sub-1", session="", rater=1, grades=None, dense=None, density=None, summaries=True
):
    """Rows of one subject, means over levels included."""
    density = density or DENSITY
    rows = [row(f"{n}_trabecular", "vbmd", "vbmd_mean", v) for n, v in density.items()]
    rows += [row(f"{n}_trabecular", "pdff", "pdff_mean", v / 2) for n, v in density.items()]
    for level, (grade, flag) in (grades or {}).items():
        rows.append(row(level, "seg_ct", "genant_grade", grade, flag))
    for level, share in (dense or {}).items():
        rows.append(row(f"{level}_trabecular", "ct", "hu_above1000", share))
    for summary in (L1L2, L1L4, FAT) if summaries else ():
        rows.append(average_levels(rows, summary.metric, summary.levels))
    return complete(rows, participant, session, rater)


def value(table, roi, metric="vbmd_mean", participant="sub-1", rater=1):
    use = (table["roi"] == roi) & (table["metric"] == metric) & (table["rater"] == rater)
    (found,) = table[use & (table["participant_id"] == participant)].to_dict("records")
    return found


def test_a_mean_without_a_level() -> None:
    rows = [r for r in subject(summaries=False) if r["metric"] == "vbmd_mean"]
    levels = ["L1", "L2", "L3", "L4"]
    mean = average_levels(rows, "vbmd_mean", levels, left_out={"L1": "fractured"})
    assert mean["value"] == pytest.approx((110 + 120 + 150) / 3)
    assert (mean["n_voxels"], mean["flag"]) == (1500, "left_out:L1 fractured")
    few = average_levels(rows, "vbmd_mean", ["L1", "L2"], left_out={"L1": "fractured"})
    assert np.isnan(few["value"])
    assert few["flag"] == "left_out:L1 fractured;too_few_levels"
    one = average_levels(
        rows, "vbmd_mean", ["L1", "L2"], left_out={"L1": "fractured"}, minimum_levels=1
    )
    assert one["value"] == 110.0
    both = average_levels(rows, "vbmd_mean", ["L1", "L2"], left_out={"L1": "a", "L2": "b"})
    assert np.isnan(both["value"])
    # A level that was never measured is missing, not left out.
    lacking = average_levels(rows, "vbmd_mean", ["L1", "L2", "L5"], left_out={"L1": "x"})
    assert np.isnan(lacking["value"])
    assert lacking["flag"].startswith("missing:L5;left_out:L1 x")
    other = average_levels(rows, "vbmd_mean", ["L1", "L2"], left_out={"L3": "x"})
    assert (other["value"], other["flag"]) == (105.0, "")


def test_what_the_measurements_tell() -> None:
    settings = LeftOut().model_dump()
    first = [
        row("L1", "seg_ct", "genant_grade", 1.0, "fracture_wedge"),
        row("L2", "seg_ct", "genant_grade", 1.0, "thick_slices;fracture_wedge;grade_uncertain"),
        row("L3", "seg_ct", "genant_grade", 0.0),
        row("L4", "seg_ct", "genant_grade", float("nan"), "cut_by_image"),
        row("L3_trabecular", "ct", "hu_above1000", 5.1),
        row("L4_trabecular", "ct", "hu_above1000", 5.0),
    ]
    # MRI has a say only where CT has none.
    second = [row(level, "seg_mri", "genant_grade", 3.0) for level in ("L3", "L4")]
    found = not_intact([first, second], settings)
    assert found == {"L1": "fractured", "L3": "dense", "L4": "fractured"}
    mild = {**settings, "fracture_grade": 2, "dense_share": None}
    assert not_intact([first], mild) == {}
    assert not_intact([first], {**settings, "fracture_grade": None}) == {"L3": "dense"}


def test_means_are_formed_anew_for_those_concerned() -> None:
    rows = subject(grades={"L1": (2.0, "fracture_crush")})
    rows += subject(rater=2) + subject("sub-2", dense={"L4": 40.0}) + subject("sub-3")
    table = pd.DataFrame(rows)
    summaries = [L1L2, L1L4, FAT]
    out = automatic(table, LeftOut())
    assert out == {Place("sub-1", "", "L1"): "fractured", Place("sub-2", "", "L4"): "dense"}
    done = apply(table, out, summaries)
    assert done[["roi", "metric", "rater"]].equals(table[["roi", "metric", "rater"]])
    assert value(done, "L1-L4_trabecular")["value"] == pytest.approx(380 / 3)
    assert np.isnan(value(done, "L1-L2_trabecular")["value"])
    assert value(done, "L1-L2_trabecular")["flag"] == "left_out:L1 fractured;too_few_levels"
    # A fracture counts for MRI too, and for the second rater.
    assert value(done, "L1-L3_trabecular", "pdff_mean")["value"] == pytest.approx(57.5)
    assert value(done, "L1-L4_trabecular", rater=2)["value"] == pytest.approx(380 / 3)
    assert value(done, "L1_trabecular")["flag"] == "left_out:fractured"
    assert value(done, "L1_trabecular")["value"] == 100.0
    second = value(done, "L1-L4_trabecular", participant="sub-2")
    assert (second["value"], second["flag"]) == (pytest.approx(110.0), "left_out:L4 dense")
    third = done[done["participant_id"] == "sub-3"]
    assert third["flag"].isna().all()
    assert third["value"].tolist() == table.loc[third.index, "value"].tolist()
    # Nothing left out any more: all is as it was measured.
    back = apply(done.assign(flag=table["flag"]), {}, summaries)
    assert value(back, "L1-L4_trabecular")["value"] == pytest.approx(120.0)
    assert apply(pd.DataFrame(), {}, summaries).empty


def test_a_decision_on_one_grid_and_rater() -> None:
    table = pd.DataFrame(subject(session="1") + subject(session="1", rater=2))
    place = Place("sub-1", "1", "L3", space="mri", rater="2")
    done = apply(table, {place: "rejected"}, [L1L4, FAT])
    assert value(done, "L1-L3_trabecular", "pdff_mean", rater=2)["value"] == pytest.approx(52.5)
    assert value(done, "L1-L3_trabecular", "pdff_mean", rater=1)["value"] == pytest.approx(55.0)
    assert value(done, "L1-L4_trabecular", rater=2)["value"] == pytest.approx(120.0)
    # Another session is not concerned.
    elsewhere = apply(table, {place._replace(session="2"): "rejected"}, [FAT])
    assert elsewhere["flag"].isna().all()
    both = joined({place: "rejected"}, {place: "fractured", place._replace(level="L1"): "named"})
    assert both == {place: "rejected", place._replace(level="L1"): "named"}
    assert place._replace(space=ANY) not in both


def people(*cells):
    subjects = tuple(
        Subject(f"sub-{i}", f"sub-{i}", "", {}, {"exclude_levels": cell})
        for i, cell in enumerate(cells, 1)
    )
    return SubjectsTable(subjects, ("exclude_levels",))


def test_levels_named_in_the_table() -> None:
    found = named(people("L1;L3", "", "T12 metastasis; L2=screws", "L4 : bone island"))
    assert found == {
        Place("sub-1", "", "L1"): "named in the subjects table",
        Place("sub-1", "", "L3"): "named in the subjects table",
        Place("sub-3", "", "T12"): "metastasis",
        Place("sub-3", "", "L2"): "screws",
        Place("sub-4", "", "L4"): "bone island",
    }
    with pytest.raises(StudyError) as caught:
        named(people("L1;L9", "all"))
    assert len(caught.value.problems) == 2
    assert "sub-1: exclude_levels: 'L9'" in caught.value.problems[0]
    assert named(SubjectsTable((), ())) == {}


def test_pooled_features_say_which_level_is_in_them() -> None:
    features = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-1", "sub-2"],
            "session": [None] * 3,
            "rater": [1, 1, 1],
            "roi": ["L1-L4_trabecular", "L2_trabecular", "L1-L4_trabecular"],
            "image": ["vbmd", "vbmd", "vbmd"],
            "flag": [None, "few_voxels", None],
        }
    )
    marked = mark_features(features, {Place("sub-1", "", "L2"): "fractured"})
    assert marked["flag"].tolist() == [
        "holds:L2 fractured",
        "few_voxels;holds:L2 fractured",
        None,
    ]
    assert mark_features(features, {}) is features


def test_names_of_regions() -> None:
    assert levels_of("L1-L3_trabecular") == ("L1", "L2", "L3")
    assert levels_of("L1+L3_ellipse") == ("L1", "L3")
    assert levels_of("csf") == ()
    assert [space_of(image) for image in ("vbmd", "seg_mri", "adc")] == ["ct", "mri", "dwi"]


def test_dense_voxels_are_counted_in_trabecular_volumes_alone() -> None:
    labels = Volume(np.full((10, 10, 2), 20, np.uint8), np.eye(4))
    ct = labels.like(np.where(np.arange(200).reshape(10, 10, 2) < 30, 1800.0, 150.0))
    rows = measure_regions("ct", ct, labels, suffix="_trabecular")
    assert {r["metric"]: r["value"] for r in rows}["hu_above1000"] == 15.0
    whole = measure_regions("ct", ct, labels)
    assert "hu_above1000" not in {r["metric"] for r in whole}
