"""A review reaches the cohort alone: what reruns, what leaves the tables, what is told."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from osteoflow.io.tables import read_rows, read_table, write_rows
from osteoflow.io.volume import read_volume, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.review.table import COLUMNS
from osteoflow.segmentation.schemes import to_verse, verse_id

from .conftest import osteoflow
from .three import finished_study_of_three

COHORT_RULES = {"assemble_cohort", "describe_cohort", "compare_readings", "test_measurements"}
COHORT_RULES |= {
    "compare_truth",
    "fit_models",
    "draw_cohort_figure",
    "draw_model_figure",
    "report_cohort",
}
COHORT_RULES |= {"write_manuscript_text", "write_manuscript_tables"}
COHORT_RULES |= {"count_stard", "write_calculator"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study of three participants, without a review."""
    finished = finished_study_of_three(tmp_path_factory)
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("reviewed") / "study"))


def why(study):
    """What the next run will do: (who, rule) -> reason."""
    lines = osteoflow("why", study).stdout.splitlines()
    cells = [re.split(r" {2,}", line) for line in lines if line.startswith(("sub-", "cohort"))]
    return {(who, rule): reason for who, rule, reason in cells}


def decisions(study, *wanted):
    """Rows of review.tsv on regions as they are: (subject, item, roi, decision, comment)."""
    rows = []
    for subject, item, roi, decision, comment in wanted:
        outlined = read_rows(SubjectFiles(study / "results" / "subjects" / subject).outlined)
        (seen,) = [r["fingerprint"] for r in outlined if (r["item"], r["roi"]) == (item, roi)]
        image, _, rater = item.partition("_rater")
        cells = (subject, "n/a", image, rater or "1", roi, decision, "AB", comment, seen)
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def write_review(study, rows):
    write_rows(study / "config" / "review.tsv", COLUMNS, rows)


def cohort(study, name):
    return read_table(study / "results" / "cohort" / f"{name}.tsv")


def page(study):
    return (study / "results" / "report" / "index.html").read_text(encoding="utf-8")


def test_without_a_review_the_report_says_so(study):
    assert "Masks and maps were not reviewed." in page(study)
    states = cohort(study, "review")
    assert set(states["state"]) == {"undecided"}
    assert "reviewed" not in set(cohort(study, "flow")["outcome"])


def test_rejections_rerun_the_cohort_alone_and_leave_its_tables(study):
    before = {name: cohort(study, name) for name in ("measurements", "features", "participants")}
    made = {path: path.stat().st_mtime_ns for path in (study / "results/subjects").rglob("*.tsv")}
    write_review(
        study,
        decisions(
            study,
            ("sub-01", "ct", "L2", "reject", "leaks into <disc> & canal"),
            ("sub-01", "ct", "L1", "accept", "n/a"),
            ("sub-02", "mri", "all", "reject", "motion"),
        ),
    )
    said = why(study)
    assert {who.split()[0] for who, _ in said} == {"cohort"}
    assert {rule for _, rule in said} == COHORT_RULES
    assert said["cohort", "assemble_cohort"] == "new: review.tsv"
    osteoflow("run", study, "--cores", 2)
    assert why(study) == {}
    assert {p: p.stat().st_mtime_ns for p in (study / "results/subjects").rglob("*.tsv")} == made

    measured = cohort(study, "measurements")
    ct = measured["image"].isin(["ct", "vbmd", "seg_ct"]) & (measured["rater"] == 1)
    mine = measured[ct & (measured["participant_id"] == "sub-01")]
    assert set(mine["roi"].str.removesuffix("_trabecular")) >= {"L1", "L3", "L1-L2"}
    assert "L2" not in set(mine["roi"].str.removesuffix("_trabecular"))
    mean = mine[mine["roi"] == "L1-L2_trabecular"]
    assert len(mean) == 2 and mean["value"].isna().all()
    assert set(mean["flag"]) == {"left_out:L2 rejected in review;too_few_levels"}
    # The second rater's outlines, and other participants, are as they were.
    others = ~((measured["participant_id"].isin(["sub-01", "sub-02"])) & (measured["rater"] == 1))
    # A column of flags without any is read as one of numbers.
    known = before["measurements"].astype({"flag": "str"})
    same = ~((known["participant_id"].isin(["sub-01", "sub-02"])) & (known["rater"] == 1))
    assert measured[others].reset_index(drop=True).equals(known[same].reset_index(drop=True))
    mri = measured["image"].isin(["pdff", "r2star", "t2star", "swap", "seg_mri"])
    assert measured[mri & (measured["participant_id"] == "sub-02") & (measured["rater"] == 1)].empty

    features = cohort(study, "features").set_index(["participant_id", "rater", "image"])
    assert features.loc[("sub-01", 1, "vbmd"), "flag"] == "left_out:L2"
    values = features.filter(like="original_").loc[("sub-01", 1, "vbmd")]
    assert values.isna().all()
    assert ("sub-02", 1, "pdff") not in features.index
    people = cohort(study, "participants").set_index("participant_id")
    assert np.isnan(people.loc["sub-01", "vbmd_l1l2_mean"])
    assert np.isnan(people.loc["sub-02", "pdff_l1l2l3_mean"])
    assert people.loc["sub-01", "pdff_l1l2l3_mean"] > 0

    excluded = cohort(study, "exclusions").set_index(["participant_id", "item"])
    told = excluded.loc[("sub-01", "ct L2")]
    assert told["step"] == "review" and told["code"] == "rejected_in_review"
    assert told["message"] == "rejected in the review by AB: leaks into <disc> & canal"
    assert excluded.loc[("sub-02", "mri"), "message"].endswith("by AB: motion")
    flow = cohort(study, "flow").set_index(["modality", "outcome"])["n"]
    assert flow["mri", "excluded"] == 1 and flow["mri", "analysed"] == 2
    assert flow["ct", "analysed"] == 3 and flow["ct", "level_rejected"] == 1
    html = page(study)
    assert "leaks into &lt;disc&gt; &amp; canal" in html
    assert "Regions reviewed, by image and rater" in html and "Reviewers: AB." in html


def test_a_touched_table_changes_nothing(study):
    os.utime(study / "config" / "review.tsv")
    assert why(study) == {}


def test_a_new_mask_makes_a_decision_stale_and_the_run_warns(study):
    given = json.loads((study / "results/inventory/sub-01_masks.json").read_text())["masks"]
    path = study / given["ct_mask"]["path"]
    content = path.read_bytes()
    mask = read_volume(path)
    # L2 loses its lowest slice.
    inside = to_verse(mask.data, given["ct_mask"]["scheme"])[0] == verse_id("L2")
    inside[..., np.flatnonzero(inside.any(axis=(0, 1)))[0] + 1 :] = False
    write_volume(path, mask.like(np.where(inside, 0, mask.data).astype(np.int16)))
    said = osteoflow("run", study, "--cores", 2).stdout
    assert "1 decision of the review was made on a mask or an image that has changed" in said
    measured = cohort(study, "measurements")
    mine = measured[(measured["participant_id"] == "sub-01") & (measured["rater"] == 1)]
    assert "L2_trabecular" in set(mine["roi"])
    states = cohort(study, "review").set_index(["participant_id", "image", "rater", "roi"])
    of_ct = states.loc[("sub-01", "ct", 1)]
    assert of_ct.loc["L2", ["state", "note"]].tolist() == ["undecided", "stale"]
    # The outline of L1 is what it was.
    assert of_ct.loc["L1", "state"] == "accepted" and of_ct["note"].notna().sum() == 1
    assert "Decisions that no longer hold" in page(study)
    path.write_bytes(content)
    osteoflow("run", study, "--cores", 2)
    assert cohort(study, "review")["note"].isna().all()


def test_mistakes_stop_the_run_before_it_begins(study):
    rows = read_rows(study / "config" / "review.tsv")
    write_review(study, [{**rows[0], "roi": "L22"}, {**rows[1], "participant_id": "sub-9"}])
    done = osteoflow("run", study, "--cores", 2, check=False)
    assert done.returncode == 2
    assert "line 2: unknown roi 'L22'" in done.stderr
    assert "line 3: unknown participant_id 'sub-9'" in done.stderr


def test_without_the_table_all_is_as_before(study):
    (study / "config" / "review.tsv").unlink()
    said = why(study)
    assert said["cohort", "assemble_cohort"] == "no longer: review.tsv"
    osteoflow("run", study, "--cores", 2)
    assert "Masks and maps were not reviewed." in page(study)
    assert set(cohort(study, "review")["state"]) == {"undecided"}
