"""Second raters and repeated outlines: columns, masks, files, rows, and what ignores them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteoflow.cohort.flow import cohort_flow
from osteoflow.errors import StudyError
from osteoflow.images import GRIDS, RATERS, is_further_reading, mask_column, modality_of
from osteoflow.io.tables import of_reading
from osteoflow.io.volume import Volume
from osteoflow.layout import SubjectFiles
from osteoflow.measurements import complete
from osteoflow.reports.subject import measurement_tables
from osteoflow.resources import ROOT
from osteoflow.segmentation.readings import agreement_rows, given_mask, is_identical
from osteoflow.segmentation.schemes import scheme_names
from osteoflow.subjects import MASK_COLUMNS, read_subjects

SUBJECTS = "participant_id\tdicom\tmask_scheme\t"


def test_every_reading_has_a_column_a_file_and_a_name() -> None:
    assert {mask_column(item) for item in RATERS} == set(MASK_COLUMNS)
    assert len(RATERS) == 3 * len(GRIDS)
    assert RATERS["mri_repeat"] == ("mri", 1, 2)
    assert [item for item in RATERS if not is_further_reading(item)] == list(GRIDS)
    assert not is_further_reading("vbmd")
    assert modality_of("dwi_rater2") == "dwi"
    files = SubjectFiles(Path("sub-01"))
    names = [files.regions(item, kind).name for item in RATERS for kind in ("mask", "voi")]
    assert len(set(names)) == 2 * len(RATERS)
    assert (
        files.regions("ct_repeat", "voi").name
        == "sub-01_space-ct_desc-trabecularRepeat_dseg.nii.gz"
    )
    assert files.regions("t2_rater2", "mask").name == "sub-01_space-t2_desc-rater2_dseg.nii.gz"


def test_outlines_are_carried_only_with_their_first_reading() -> None:
    masks = {"mri_mask": "a", "mri_mask_rater2": "b", "mri_mask_repeat": "c"}
    assert [given_mask(masks, item) for item in ("t2", "t2_rater2", "t1w_repeat")] == list("abc")
    assert given_mask(masks, "ct_rater2") is None
    # Rater 1 outlined the spin echo itself: what rater 2 drew elsewhere is no second reading.
    own = masks | {"t2_mask": "d"}
    assert (given_mask(own, "t2"), given_mask(own, "t2_rater2")) == ("d", None)
    assert given_mask(own | {"t2_mask_rater2": "e"}, "t2_rater2") == "e"


def test_a_second_reading_needs_the_first_on_its_own_image(tmp_path) -> None:
    table = tmp_path / "subjects.tsv"
    table.write_text(SUBJECTS + "mri_mask\tt2_mask_rater2\nsub-01\td\tverse\tm.nii\tt.nii\n")
    with pytest.raises(StudyError, match="'t2_mask_rater2' needs 't2_mask'"):
        read_subjects(table, scheme_names())
    table.write_text(SUBJECTS + "mri_mask\tmri_mask_repeat\nsub-01\td\tverse\tm.nii\tr.nii\n")
    assert read_subjects(table, scheme_names()).subjects[0].paths["mri_mask_repeat"] == "r.nii"


def test_overlap_of_each_comparison() -> None:
    data = np.zeros((10, 10, 6), np.uint8)
    data[2:8, 2:8, 0:2], data[2:8, 2:8, 4:6] = 20, 21
    first = Volume(data, np.eye(4))
    moved = first.like(np.roll(data, 3, axis=0))
    lacking = first.like(np.where(data == 21, 0, data))
    rows = agreement_rows(
        {"ct": first, "ct_rater2": moved, "ct_repeat": lacking, "mri_repeat": first}
    )
    found = {(row["comparison"], row["image"], row["roi"]): row["dice"] for row in rows}
    assert found == {
        ("inter_rater", "seg_ct", "L1"): 0.5,
        ("inter_rater", "seg_ct", "L2"): 0.5,
        ("intra_rater", "seg_ct", "L1"): 1.0,
        ("intra_rater", "seg_ct", "L2"): 0.0,
    }
    assert is_identical(first, first.like(data.copy()))
    assert not is_identical(first, moved) and not is_identical(None, first)


def test_rows_of_the_first_reading() -> None:
    row = {"roi": "L1_trabecular", "image": "ct", "metric": "hu_mean", "value": 1.0, "unit": "HU"}
    row |= {"method": "", "n_voxels": 9, "flag": ""}
    rows = complete([row], "sub-1", "", 1) + complete([row | {"value": 2.0}], "sub-1", "", 1, 2)
    rows += complete([row | {"value": 3.0}], "sub-1", "", 2)
    table = pd.DataFrame(rows)
    assert of_reading(table)["value"].tolist() == [1.0]
    assert of_reading(table, 1, 2)["value"].tolist() == [2.0]
    assert of_reading(table, 2)["value"].tolist() == [3.0]
    assert of_reading(table.drop(columns="reading"), 1, 2).empty
    captions = [made.caption for made in measurement_tables(rows)]
    assert [c.partition(", ")[2] for c in captions] == ["rater 1", "rater 1, reading 2", "rater 2"]


def test_only_one_place_chooses_among_readings() -> None:
    """A comparison of `rater` alone would take a repeated outline for another participant."""
    chosen = re.compile(r"""\[["']rater["']\](\.astype\(int\))?\s*==|\.rater\s*==\s*1""")
    paths = [*(ROOT / "osteoflow").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    assert len(paths) > 100
    for path in paths:
        assert not chosen.search(path.read_text(encoding="utf-8")), f"{path}: use of_reading()"


def test_flow_does_not_count_further_readings() -> None:
    columns = ["subject", "modality", "step", "item", "status", "code"]
    rows = [
        ("sub-1", "ct", "segment", "ct", "ok", ""),
        ("sub-1", "ct", "segment", "ct_repeat", "excluded", "mask_missing"),
        ("sub-1", "ct", "segment", "ct_rater2", "excluded", "mask_missing"),
    ]
    table = type("Table", (), {"subjects": ()})()
    flow = cohort_flow(pd.DataFrame(rows, columns=columns), table)
    ct = flow[flow["modality"] == "ct"].set_index("outcome")["n"]
    assert ct["analysed"] == 1 and "excluded" not in ct
