"""Where stages meet: what one of them flags, names or leaves out, another has to understand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from osteoflow.cohort.assemble import fat_errors_anew, participants_table
from osteoflow.cohort.classes import add_columns
from osteoflow.cohort.without import gone_regions, without_measurements
from osteoflow.config import load_config
from osteoflow.ct.asynchronous import read_scans
from osteoflow.ct.certificate import phantom
from osteoflow.errors import StudyError
from osteoflow.images import space_of
from osteoflow.io.tables import MEASUREMENT_COLUMNS
from osteoflow.measurements import MEAN_OF_LEVELS, dictionary
from osteoflow.reports.reviewed import describe_review
from osteoflow.resources import ROOT
from osteoflow.running.batches import _shard_config
from osteoflow.settings.cohort import Cohort, Summary
from osteoflow.statistics.readings import measurement_readings
from osteoflow.study import CONFIG_YAML, SUBJECTS_TSV, check_folder, load_study
from osteoflow.subjects import Subject, SubjectsTable

FIXTURE = ROOT / "tests" / "fixtures" / "study"


def row(roi, value, *, metric="vbmd_mean", image="vbmd", who="sub-01", flag="", method="m"):
    """One row of the measurements table, first reading."""
    cells = (who, None, 1, 1, roi, image, metric, value, "mg/cm3 K2HPO4", method, 100, flag)
    return dict(zip(MEASUREMENT_COLUMNS, cells, strict=True))


def test_every_image_of_the_dictionary_lies_on_a_grid() -> None:
    named = {image for entry in dictionary().values() for image in entry["image"].split(",")}
    assert {image: space_of(image) for image in named if image.startswith(("ct", "vbmd"))} == {
        "ct": "ct",
        "ct_calibration": "ct",
        "vbmd": "ct",
        "vbmd_fat": "ct",
    }
    assert (space_of("muscle_ct"), space_of("seg_mri"), space_of("scores")) == ("ct", "mri", "t1w")


def test_means_without_different_levels_are_not_compared() -> None:
    """L1 is fractured in one of two scans: the mean of the others is of other bone."""
    first = row("L1-L4_trabecular", 100.0, flag="left_out:L1 fractured")
    second = row("L1-L4_trabecular", 115.0)
    both = pd.DataFrame([{**first, "position": 0}, {**second, "position": 1}])
    assert np.isnan(measurement_readings(both).numbers).all()
    alike = both.assign(flag=["left_out:L1 fractured", "left_out:L1 dense"])
    assert not np.isnan(measurement_readings(alike).numbers).any()
    # A single level keeps its own value, whatever is said of it.
    single = both.assign(roi="L1_trabecular", flag=["left_out:fractured", ""])
    assert not np.isnan(measurement_readings(single).numbers).any()


def test_the_effect_of_fat_follows_what_is_left_out() -> None:
    def of_fat(roi, value):
        return row(roi, value, metric="vbmd_fat_error_low", image="vbmd_fat", flag="estimate")

    levels = [row(f"{n}_trabecular", v, flag=f) for n, v, f in (("L1", 90.0, "few_voxels"),)]
    levels.append(row("L2_trabecular", 110.0))
    fat = [
        row(f"{n}_trabecular", v, metric="pdff_mean", image="pdff")
        for n, v in (("L1", 40.0), ("L2", 50.0))
    ]
    stale = [of_fat("L1_trabecular", 1.0), of_fat("L2_trabecular", 2.0)]
    table = pd.DataFrame([*levels, *fat, *stale])
    anew = fat_errors_anew(table)
    told = anew[anew["metric"] == "vbmd_fat_error_low"].set_index("roi")
    assert told["value"].to_dict() == pytest.approx({"L1_trabecular": 28.0, "L2_trabecular": 35.0})
    assert told.loc["L1_trabecular", "flag"] == "estimate;few_voxels"
    assert fat_errors_anew(table[table["image"] != "vbmd_fat"]).equals(
        table[table["image"] != "vbmd_fat"]
    )
    for place in (("sub-01", "", "ct", "L1"), ("sub-01", "", "mri", "L1")):
        left = fat_errors_anew(without_measurements(table, gone_regions([place])))
        assert set(left.loc[left["image"] == "vbmd_fat", "roi"]) == {"L2_trabecular"}


def test_one_level_that_does_not_count_gives_no_column() -> None:
    subject = Subject("sub-01", "sub-01", "", {}, {})
    summary = Summary(metric="hu_mean", levels=["L1"])
    for flag, expected in (("", 600.0), ("left_out:dense", np.nan)):
        rows = pd.DataFrame([row("L1_trabecular", 600.0, metric="hu_mean", image="ct", flag=flag)])
        people = participants_table(SubjectsTable((subject,), ()), rows, [summary])
        assert people["hu_l1_mean"].tolist() == pytest.approx([expected], nan_ok=True)


def test_densities_as_by_the_vertebra_have_no_class() -> None:
    people = pd.DataFrame(
        {"subject": ["s"], "participant_id": ["sub-01"], "session": [None], "age": [70.0]}
    ).assign(sex="M")
    settings = Cohort(
        summaries=[Summary(metric="vbmd_mean", levels=["L1", "L2"])], classes=["spine_qct"]
    )
    for method, reason in (("fat, K2HPO4 as by phantom", None), ("fat, K2HPO4 as by vertebra", 1)):
        mean = row("L1-L2_trabecular", 84.0, method=method + MEAN_OF_LEVELS)
        scans = {"s": {"ct_kvp": 120.0, "ct_contrast": "no"}}
        done, _ = add_columns(people, pd.DataFrame([mean]), scans, settings)
        assert done["spine_qct_class_reason"].tolist() == [reason and "not_as_by_phantom"]


def test_a_review_that_decides_nothing_is_reported() -> None:
    empty = pd.DataFrame(
        {
            **dict.fromkeys(("participant_id", "image", "roi"), ["x"]),
            **dict.fromkeys(("session", "state", "decided_on", "reviewer", "comment"), [np.nan]),
            "rater": [1],
            "note": [np.nan],
        }
    )
    assert describe_review(empty)["reviewers"] == []


def study_with(folder: Path, config: dict, columns: dict[str, str] | None = None) -> Path:
    """The fixture study with other settings and clinical columns."""
    study = folder / "study"
    shutil.copytree(FIXTURE, study)
    path = study / CONFIG_YAML
    content = (yaml.safe_load(path.read_text()) or {}) | config
    path.write_text(yaml.safe_dump(content))
    lines = (study / SUBJECTS_TSV).read_text().splitlines()
    for name, cell in (columns or {}).items():
        lines = [lines[0] + f"\t{name}", *(f"{line}\t{cell}" for line in lines[1:])]
    (study / SUBJECTS_TSV).write_text("\n".join(lines) + "\n")
    return study


def problems_of(study: Path) -> str:
    with pytest.raises(StudyError) as caught:
        check_folder(study)
    return "\n".join(caught.value.problems)


def test_columns_that_the_cohort_could_not_take_are_told_at_the_start(tmp_path: Path) -> None:
    dxa = {"cohort": {"dxa": [{"column": "neck", "region": "femoral_neck", "device": "hologic"}]}}
    columns = {"exclude_levels": "L9", "ct_kvp": "120", "neck": "7.0"}
    told = problems_of(study_with(tmp_path, dxa, columns))
    assert "exclude_levels: 'L9'" in told
    assert "column 'ct_kvp' has the name of a made one" in told
    assert "column 'neck'" in told


def test_shards_do_without_clinical_columns(tmp_path: Path) -> None:
    settings = {"dxa": [{"column": "neck", "region": "femoral_neck", "device": "hologic"}]}
    config = load_config({"cohort": {**settings, "classes": ["dxa_tscore"]}})
    shard = yaml.safe_load(_shard_config(tmp_path, config))
    assert set(shard["cohort"]) == {"summaries", "left_out"}
    assert load_config(shard).cohort.summaries == config.cohort.summaries


HEADER = "manufacturer\tmodel\tkvp\tkernel\tdate\tmineral\tslope\tintercept"
LINE = "Vendor\tOne\t120\tBr38\t2024-06-01\tK2HPO4\t1.3\t-1.5"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_phantom_scans_of_a_spreadsheet_program(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "scans.tsv"
    path.write_bytes(f"{HEADER}\r\n{LINE.replace('One', 'Größe')}\r\n".encode(encoding))
    certificate = phantom("mindways_model3")
    if encoding == "utf-8-sig":
        assert read_scans(path, certificate)[0].slope == 1.3
    else:
        with pytest.raises(StudyError, match="UTF"):
            read_scans(path, certificate)


def test_a_table_of_phantom_scans_may_lie_anywhere_in_the_study(tmp_path: Path) -> None:
    ct = {"calibration": "asynchronous", "asynchronous": {"table": "phantom/scans.tsv"}}
    study = study_with(tmp_path, {"ct": ct})
    (study / "phantom").mkdir()
    (study / "phantom" / "scans.tsv").write_text(f"{HEADER}\n{LINE}\n", encoding="utf-8")
    content = yaml.safe_load((study / CONFIG_YAML).read_text())
    assert len(load_study(study, content).phantom_scans) == 1
