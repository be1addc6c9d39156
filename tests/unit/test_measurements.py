"""Regions to rows, means of levels, and the cohort's tables made from them."""

import numpy as np
import pandas as pd
import pytest

from osteoflow.cohort.assemble import (
    column_label,
    columns_dictionary,
    exclusions_table,
    participants_table,
    typed,
)
from osteoflow.cohort.flow import cohort_flow
from osteoflow.errors import StudyError
from osteoflow.io.tables import feature_columns, read_table, write_table
from osteoflow.io.volume import Volume
from osteoflow.measurements import (
    average_levels,
    complete,
    level_range,
    measure_regions,
    measure_volumes,
)
from osteoflow.settings.cohort import Summary
from osteoflow.subjects import Subject, SubjectsTable

GRID = np.diag([2.0, 2.0, 5.0, 1.0])


def labels():
    data = np.zeros((10, 10, 4), np.uint8)
    data[:5, :, 0] = 20  # L1, 50 voxels
    data[:, :, 2] = 21  # L2, 100 voxels
    return Volume(data, GRID)


def values():
    data = np.full((10, 10, 4), 10.0)
    data[..., 2] = np.arange(100).reshape(10, 10)
    return Volume(data, GRID)


def row(rows, roi, metric):
    (found,) = [r for r in rows if r["roi"] == roi and r["metric"] == metric]
    return found


def test_statistics_of_each_region():
    rows = measure_regions("pdff", values(), labels(), suffix="_trabecular", method="fit")
    assert row(rows, "L1_trabecular", "pdff_mean")["value"] == 10.0
    second = row(rows, "L2_trabecular", "pdff_mean")
    assert second["value"] == 49.5
    assert (second["unit"], second["n_voxels"], second["flag"]) == ("%", 100, "")
    assert row(rows, "L2_trabecular", "pdff_median")["value"] == 49.5
    assert row(rows, "L2_trabecular", "pdff_sd")["value"] == pytest.approx(29.0115)


def test_unreliable_and_missing_voxels_are_left_out_and_flagged():
    image = values()
    image.data[0, :, 0] = np.nan
    reliable = np.ones(image.shape, bool)
    reliable[:, :8, 2] = False
    rows = measure_regions("pdff", image, labels(), reliable=reliable)
    first = row(rows, "L1", "pdff_mean")
    assert (first["n_voxels"], first["flag"]) == (40, "unreliable_voxels:20%")
    second = row(rows, "L2", "pdff_mean")
    assert second["value"] == np.mean([10 * i + j for i in range(10) for j in (8, 9)])
    assert second["flag"] == "unreliable_voxels:80%;few_voxels"


def test_the_map_names_the_unit_of_a_bone_density():
    rows = measure_regions("vbmd", values(), labels(), unit="mg/cm3 K2HPO4")
    assert {r["unit"] for r in rows} == {"mg/cm3 K2HPO4"}


def test_other_grid_is_a_bug():
    shifted = values().affine + np.array([[0, 0, 0, 1], *np.zeros((3, 4))])
    with pytest.raises(ValueError, match="different grids"):
        measure_regions("pdff", Volume(values().data, shifted), labels())


def test_volume_in_cm3():
    (first, second) = measure_volumes("seg_ct", labels())
    assert first["value"] == pytest.approx(50 * 0.020)
    assert second["value"] == pytest.approx(2.0)


def test_mean_of_levels_counts_each_once_and_needs_all():
    rows = measure_regions("pdff", values(), labels(), suffix="_trabecular", method="fit")
    mean = average_levels(rows, "pdff_mean", ["L1", "L2"])
    assert mean["roi"] == "L1-L2_trabecular"
    assert mean["value"] == pytest.approx((10 + 49.5) / 2)
    assert mean["method"] == "fit; mean of levels"
    lacking = average_levels(rows, "pdff_mean", ["L1", "L2", "L3"])
    assert np.isnan(lacking["value"])
    assert lacking["flag"] == "missing:L3"
    assert average_levels(rows, "vbmd_mean", ["L1"]) is None


def test_level_ranges():
    assert level_range(["L1"]) == "L1"
    assert level_range(["T12", "L1"]) == "T12-L1"
    assert level_range(["L1", "L3"]) == "L1+L3"


def table():
    people = [
        Subject("sub-1", "sub-1", "", {}, {"age": "61", "site": "A"}),
        Subject("sub-2_ses-1", "sub-2", "1", {}, {"age": "", "site": "7"}),
    ]
    return SubjectsTable(tuple(people), ("age", "site"))


def test_participants_table_joins_clinical_and_measured():
    rows = measure_regions(
        "vbmd", values(), labels(), suffix="_trabecular", unit="mg/cm3 K2HPO4", method="m"
    )
    rows.append(average_levels(rows, "vbmd_mean", ["L1", "L2"]))
    measured = pd.DataFrame(complete(rows, "sub-2", "1", 1) + complete(rows, "sub-1", "", 2))
    summaries = [Summary(metric="vbmd_mean", levels=["L1", "L2"])]
    people = participants_table(table(), measured, summaries)
    assert people["vbmd_l1l2_mean"].isna().tolist() == [True, False]
    assert people["vbmd_l1l2_mean"][1] == pytest.approx(29.75)
    assert people["age"].tolist()[0] == 61.0
    assert people["site"].tolist() == ["A", "7"]
    columns = columns_dictionary(table(), measured, summaries)
    assert column_label("vbmd_l1l2_mean", columns) == "vBMD L1–L2 (mg/cm³ K₂HPO₄)"
    clash = SubjectsTable((), ("vbmd_l1l2_mean",))
    with pytest.raises(StudyError):
        participants_table(clash, measured, summaries)


def test_a_column_with_one_text_is_text():
    assert typed(["1", "", "2.5"]).tolist()[0] == 1.0
    assert typed(["1", "1,5"]).tolist() == ["1", "1,5"]


def test_exclusions_stand_once_where_they_arose():
    items = [
        {
            "step": "convert",
            "item": "ct",
            "status": "excluded",
            "origin": "convert",
            "code": "missing_slice",
            "message": "m",
            "hint": "h",
        },
        {"step": "calibrate_ct", "item": "vbmd", "status": "excluded", "origin": "convert"},
        {"step": "convert", "item": "mri", "status": "ok", "warnings": []},
    ]
    found = exclusions_table(pd.DataFrame(), [("sub-1", "", items)])
    assert found[["modality", "step", "code"]].to_numpy().tolist() == [
        ["ct", "convert", "missing_slice"]
    ]


def test_flow_counts_everybody():
    statuses = pd.DataFrame(
        [
            ("sub-1", "ct", "convert", "ct", "ok", ""),
            ("sub-1", "ct", "segment", "ct_rater2", "excluded", "mask_missing"),
            ("sub-1", "ct", "calibrate_ct", "vbmd", "excluded", "phantom_not_found"),
            ("sub-1", "mri", "convert", "mri", "ok", ""),
        ],
        columns=["subject", "modality", "step", "item", "status", "code"],
    )
    flow = cohort_flow(statuses, table()).set_index(["modality", "outcome"])["n"]
    assert flow["ct", "enrolled"] == 2
    assert flow["ct", "excluded"] == 1
    assert flow["ct", "analysed"] == 0
    assert flow["mri", "analysed"] == 1


def test_tables_keep_what_was_written(tmp_path):
    written = pd.DataFrame(
        {"participant_id": ["01", "02"], "site": ["NA", None], "x": [0.1 + 0.2, np.nan]}
    )
    write_table(tmp_path / "t.tsv", written)
    read = read_table(tmp_path / "t.tsv")
    assert read["participant_id"].tolist() == ["01", "02"]
    assert read["site"].tolist()[0] == "NA"
    assert read["x"][0] == pytest.approx(0.3, abs=1e-9)
    assert read["x"].isna().tolist() == [False, True]
    assert "n/a" in (tmp_path / "t.tsv").read_text()


def test_features_are_recognised_with_any_filter():
    columns = ["roi", "original_glcm_Contrast", "wavelet-HHL_firstorder_Mean", "shape_x"]
    assert feature_columns(columns) == columns[1:3]
