"""Review decisions: their table, what they were made on, what they do to the cohort's tables."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from review_study import L1, L2, SHAPE, TABLE, vertebrae, write_study, write_subject

from osteoflow.cli import main
from osteoflow.cohort.assemble import exclusions_table, join_subjects, status_table
from osteoflow.cohort.flow import cohort_flow
from osteoflow.cohort.left_out import apply, rejected
from osteoflow.cohort.review import judge, outlined_regions, review_cohort, review_warnings
from osteoflow.cohort.without import (
    gone_regions,
    regions_of,
    without_features,
    without_measurements,
)
from osteoflow.errors import StudyError
from osteoflow.figures.flow import draw_flow
from osteoflow.io.tables import (
    EXCLUSION_COLUMNS,
    FEATURE_KEYS,
    MEASUREMENT_COLUMNS,
    read_rows,
    read_table,
)
from osteoflow.io.volume import Volume, read_json
from osteoflow.layout import SubjectFiles
from osteoflow.measurements import level_range, levels_of
from osteoflow.reports.overlay import WHOLE
from osteoflow.reports.reviewed import describe_review, review_summary
from osteoflow.reports.strip import LINE_PX, Layer, Strips
from osteoflow.review.cards import as_json
from osteoflow.review.page import FOLDER, write_review
from osteoflow.review.table import COLUMNS, REVIEW_TSV, Decision, read_review
from osteoflow.segmentation.fingerprint import region_rows
from osteoflow.segmentation.voi import trabecular_voi
from osteoflow.settings.cohort import Summary
from osteoflow.settings.figures import Figures
from osteoflow.study import check_folder, check_study
from osteoflow.subjects import read_subjects

SEEN = "m0123456789abcdef"
HEADER = "\t".join(COLUMNS)


def row(**cells):
    known = ("sub-01", "n/a", "ct", "1", "L1", "accept", "AB", "n/a", SEEN)
    return "\t".join({**dict(zip(COLUMNS, known, strict=True)), **cells}.values())


@pytest.fixture
def subjects(tmp_path):
    path = tmp_path / "subjects.tsv"
    path.write_text(TABLE + "sub-010\traw/10\t60\n", encoding="utf-8")
    return read_subjects(path, [])


def read(tmp_path, subjects, *rows, text=None, encoding="utf-8"):
    path = tmp_path / "review.tsv"
    path.write_bytes((text or "\n".join([HEADER, *rows]) + "\n").encode(encoding))
    return read_review(path, subjects)


def problems(tmp_path, subjects, *rows, **options):
    with pytest.raises(StudyError) as caught:
        read(tmp_path, subjects, *rows, **options)
    return caught.value.problems


# ---- the table ----


def test_a_table_as_spreadsheet_programs_save_it(tmp_path, subjects):
    bare = row(decision="Reject", comment='"says ""no"""').removesuffix("\t" + SEEN)
    columns = [name for name in COLUMNS if name != "fingerprint"]
    columns.insert(0, "fingerprint")
    text = "\ufeff" + "\r\n".join(["\t".join(columns), f"{SEEN}\t{bare}", "\t" * 8]) + "\r\n"
    (found,) = read(tmp_path, subjects, text=text)
    assert found == Decision("sub-01", "", "ct", 1, "L1", "reject", "AB", 'says "no"', SEEN)
    assert found.region == ("sub-01", "ct", "L1")
    # Without a comment, a program may drop the last cells.
    text = f"fingerprint\t{HEADER.removesuffix('fingerprint').strip()}\n" + row()
    short = "\t".join([SEEN, *row().split("\t")[:7]])
    (found,) = read(tmp_path, subjects, text=f"{text.splitlines()[0]}\n{short}\n")
    assert found.comment == ""
    (found,) = read(tmp_path, subjects, row(comment="'=1+1"))
    assert found.comment == "=1+1"


def test_every_mistake_is_listed_with_its_line(tmp_path, subjects):
    found = problems(
        tmp_path,
        subjects,
        row(participant_id="sub-1"),
        row(participant_id="sub-77"),
        row(session="2"),
        row(image="CT", rater="1.0"),
        row(roi="l1"),
        row(decision="rejct"),
        row(reviewer=""),
        row(fingerprint="1.23E+15"),
        row(fingerprint=""),
        row() + "\tmore",
    )
    expected = [
        "line 2: unknown participant_id 'sub-1': subjects.tsv has no such row (did you mean "
        "'sub-01'; a spreadsheet program may have dropped its zeros?)",
        "line 3: unknown participant_id 'sub-77'",
        "line 4: unknown session '2': sub-01 has none",
        "line 5: unknown image 'CT' (did you mean 'ct'?)",
        "line 5: unknown rater '1.0'",
        "line 6: unknown roi 'l1' (did you mean 'L1'?)",
        "line 7: unknown decision 'rejct' (did you mean 'reject'?)",
        "line 8: 'reviewer' is missing",
        "line 9: fingerprint: '1.23E+15' is no fingerprint",
        "line 10: fingerprint: missing",
        "line 11: 10 cells where the header has 9",
    ]
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        assert wanted in one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        (HEADER.replace("\t", ";") + "\n", "must be separated by tabs"),
        (HEADER.replace("decision", "decison") + "\n", "'decision' is missing (found 'decison')"),
        (HEADER + "\tcolour\n", "unknown column 'colour'"),
        (HEADER + "\troi\n", "'roi' stands more than once"),
        (HEADER + '\n"sub-01\tn/a\n', "not closed"),
    ],
)
def test_mistakes_in_the_header_and_the_text(tmp_path, subjects, text, expected):
    assert any(expected in one for one in problems(tmp_path, subjects, text=text or "\n"))


def test_utf_16_is_named(tmp_path, subjects):
    (found,) = problems(tmp_path, subjects, row(), encoding="utf-16")
    assert "UTF-16" in found


def test_contradicting_decisions_are_a_mistake_unless_made_on_different_things(tmp_path, subjects):
    reject = row(decision="reject", reviewer="CD")
    (found,) = problems(tmp_path, subjects, row(), reject)
    assert "line 3: 'reject' by CD contradicts line 2 ('accept' by AB)" in found
    later = row(decision="reject", fingerprint=SEEN[:-1] + "0")
    assert len(read(tmp_path, subjects, row(), row(), later)) == 2
    assert len(read(tmp_path, subjects, row(), row(decision="comment", reviewer="CD"))) == 2
    assert len(read(tmp_path, subjects, row(), row(reviewer="CD"))) == 2


def test_a_study_is_checked_with_its_review(tmp_path):
    study = write_study(tmp_path / "study")
    (study / REVIEW_TSV).write_text(f"{HEADER}\n{row(roi='L9')}\n", encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        check_study(study, {"study": {"titel": "x"}})
    assert len(caught.value.problems) == 2
    assert main(["check", str(study)]) == 2
    (study / REVIEW_TSV).unlink()
    assert main(["check", str(study)]) == 0


# ---- what was seen ----


def fingerprints(image, labels, voi=None):
    voi = voi or trabecular_voi(labels, 3.0)[0]
    return {one["roi"]: one["fingerprint"] for one in region_rows("ct", image, labels, voi)}


def test_a_fingerprint_changes_with_what_is_seen_and_nothing_else():
    labels = vertebrae()
    image = labels.like(np.arange(labels.data.size, dtype=np.float32).reshape(SHAPE))
    first = fingerprints(image, labels)
    assert list(first) == ["all", "L1", "L2"]
    assert all(len(one) == 17 and one[0] == "m" for one in first.values())
    # Stored otherwise, it is the same.
    assert fingerprints(image, labels.like(np.asfortranarray(labels.data.astype(int)))) == first
    moved = fingerprints(image, vertebrae(shift=1))
    assert moved["L1"] == first["L1"]
    assert moved["L2"] != first["L2"] and moved["all"] != first["all"]
    inner = trabecular_voi(labels, 4.0)[0]
    assert not set(first.values()) & set(fingerprints(image, labels, inner).values())
    other = image.data.copy()
    other[0, 0, 0] += 1
    seen = fingerprints(image.like(other), labels)
    assert all(seen[roi] != first[roi] for roi in first)
    affine = labels.affine.copy()
    affine[0, 3] += 0.5
    grid = [Volume(v.data, affine) for v in (image, labels)]
    assert fingerprints(*grid)["L1"] != first["L1"]
    with pytest.raises(ValueError, match="one grid"):
        region_rows("ct", grid[0], labels, labels)


# ---- decisions against regions ----


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study")


def done(study):
    return [SubjectFiles(path) for path in sorted((study / "results" / "subjects").iterdir())]


def decide(study, *decisions):
    """Decisions on regions as they are: (subject, item, roi, decision, comment)."""
    seen = {(r.subject, r.item, r.roi): r for files in done(study) for r in outlined_regions(files)}
    made = []
    for subject, item, roi, decision, comment in decisions:
        r = seen[subject, item, roi]
        rater = 2 if item.endswith("2") else 1
        place = r.participant_id, r.session, item.removesuffix("_rater2"), rater, roi
        made.append(Decision(*place, decision, "AB", comment, r.fingerprint))
    return judge(seen.values(), made)


def states(reviewed):
    return {
        (one["participant_id"], one["rater"], one["roi"]): (one["state"], one["decided_on"])
        for one in reviewed.rows
    }


def test_own_decisions_count_before_that_on_the_image(study):
    found = states(
        decide(
            study,
            ("sub-01", "ct", "all", "accept", ""),
            ("sub-01", "ct", "L2", "reject", "leak"),
            ("sub-01", "ct_rater2", "all", "reject", "motion"),
            ("sub-01", "ct_rater2", "L1", "accept", ""),
            ("sub-02", "ct", "L1", "comment", "sclerosis"),
        )
    )
    assert found["sub-01", 1, "L1"] == ("accepted", "image")
    assert found["sub-01", 1, "L2"] == ("rejected", "region")
    # A rejected image takes everything with it.
    assert found["sub-01", 2, "L1"] == ("rejected", "image")
    assert found["sub-02", 1, "L1"] == ("undecided", None)


def test_rejections_become_exclusions_with_the_reviewers_reason(study):
    reviewed = decide(
        study,
        ("sub-01", "ct", "L2", "reject", "leak"),
        ("sub-02", "ct", "L1", "reject", ""),
        ("sub-02", "ct", "L2", "reject", "metal"),
    )
    assert [out.place for out in reviewed.left_out] == ["ct L2", "ct L1", "ct L2"]
    assert reviewed.left_out[0].message == "rejected in the review by AB: leak"
    assert reviewed.left_out[1].message == "rejected in the review by AB (no reason given)"
    # Of the second subject nothing is left: the image is out.
    assert set(reviewed.images_out) == {("sub-02", "ct")}
    items = [
        (name, "", read_json(SubjectFiles(study / "results/subjects" / name).status)["items"])
        for name in ("sub-01", "sub-02")
    ]
    items = [(n, s, found + reviewed.status_items().get(n, [])) for n, s, found in items]
    table = exclusions_table(pd.DataFrame(), items, reviewed.exclusions())
    assert list(table.columns) == list(EXCLUSION_COLUMNS)
    assert table["item"].tolist() == ["ct L2", "ct", "ct L1", "ct L2"]
    assert set(table["step"]) == {"review"}
    assert table["code"].tolist()[1] == "every_level_rejected"


def test_a_changed_mask_makes_its_decisions_stale(study, tmp_path, caplog):
    rows = [
        {r.roi: r for r in outlined_regions(files)}["L2"].fingerprint for files in done(study)[:1]
    ]
    table = read_subjects(study / "config" / "subjects.tsv", [])
    lines = [
        row(roi="L2", decision="reject", comment="leak", fingerprint=rows[0]),
        row(roi="T12", fingerprint=rows[0]),
        # No results yet: the decision waits.
        row(participant_id="sub-03", fingerprint=rows[0]),
    ]
    path = study / REVIEW_TSV
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    before = review_cohort(path, table, done(study))
    assert [out.roi for out in before.left_out] == ["L2"]
    write_subject(study, "sub-01", shift=1)
    after = review_cohort(path, table, done(study))
    assert after.left_out == []
    notes = {(one["roi"], one["note"]) for one in after.rows if one["note"]}
    assert notes == {("L2", "stale"), ("T12", "gone")}
    stale, gone = review_warnings(after.rows)
    assert stale.startswith("1 decision of the review was made on a mask or an image that has")
    assert "no longer outlined: drop it" in gone
    assert "review: 1 decision of the review was made on" in caplog.text
    (counts,) = review_summary(after.table()).to_dict("records")[:1]
    assert counts["stale"] == 1 and counts["undecided"] == counts["regions"] == 4


# ---- tables without regions ----


def measurement(roi, value, metric="vbmd_mean", image="vbmd", rater=1, **more):
    place = ("sub-01", np.nan, rater, 1, roi, image)
    about = (metric, value, "u", "m", 100, np.nan)
    return {**dict(zip(MEASUREMENT_COLUMNS, place + about, strict=True)), **more}


def means(levels, values, **more):
    rows = [
        measurement(f"{level}_trabecular", value, **more)
        for level, value in zip(levels, values, strict=True)
    ]
    roi = level_range(levels) + "_trabecular"
    whole = measurement(roi, float(np.mean(values)), **{"method": "m; mean of levels", **more})
    return [*rows, {**whole, "n_voxels": 100 * len(levels)}]


LUMBAR = ("L1", "L2", "L3", "L4")


def without(table, *places, minimum_levels=2):
    """The table without regions, its means made anew, by region."""
    found = without_measurements(table, gone_regions(places))
    mean = Summary(metric="vbmd_mean", levels=list(LUMBAR))
    return apply(found, rejected(places), [mean], minimum_levels).set_index("roi")


def test_a_mean_over_levels_is_made_anew_of_those_that_remain():
    table = pd.DataFrame(means(LUMBAR, [100.0, 10.0, 80.0, 60.0]))
    place = ("sub-01", "", "ct", "L2")
    found = without(table, place)
    assert list(found.index) == [f"{n}_trabecular" for n in ("L1", "L3", "L4", "L1-L4")]
    mean = found.loc["L1-L4_trabecular"]
    assert mean["value"] == pytest.approx(80.0)
    assert (mean["n_voxels"], mean["flag"]) == (300, "left_out:L2 rejected in review")
    assert pd.isna(found.loc["L1_trabecular", "flag"])
    few = without(table, place, minimum_levels=4).loc["L1-L4_trabecular"]
    assert np.isnan(few["value"])
    assert few["flag"] == "left_out:L2 rejected in review;too_few_levels"


def test_a_level_that_was_never_there_keeps_the_mean_without_a_value():
    rows = means(LUMBAR, [100.0, 10.0, 80.0, np.nan])
    rows[-1] |= {"flag": "missing:L4"}
    mean = without(pd.DataFrame(rows), ("sub-01", "", "ct", "L2")).loc["L1-L4_trabecular"]
    assert np.isnan(mean["value"])
    assert mean["flag"] == "missing:L4;left_out:L2 rejected in review"


def test_other_raters_sessions_images_and_subjects_stay_as_they_are():
    rows = [
        one
        for more in (
            {},
            {"rater": 2},
            {"image": "pdff", "metric": "pdff_mean"},
            {"session": "2"},
            {"participant_id": "sub-02"},
        )
        for one in means(("L1", "L2"), [100.0, 90.0], **more)
    ]
    table = pd.DataFrame(rows)
    gone = gone_regions([("sub-01", "", "ct", "all")])
    found = without_measurements(table, gone)
    pd.testing.assert_frame_equal(
        found, table.iloc[3:].reset_index(drop=True).astype({"flag": "str"})
    )
    assert without_measurements(table, {}) is table


def test_scores_rest_on_structures_and_pairs_on_both_sides():
    def score(roi, metric, image="t1w"):
        return measurement(roi, 1.0, metric, image, n_voxels=50)

    table = pd.DataFrame(
        [
            score("L1-L4_trabecular", "vbq_score"),
            score("L1_trabecular", "sir_csf"),
            score("L1_trabecular", "sir_fat"),
            score("csf", "volume", "seg_t1w"),
            score("paraspinal_muscle_left", "muscle_pdff_mean", "pdff"),
            score("paraspinal_muscle_right", "muscle_pdff_mean", "pdff"),
            score("paraspinal_muscle", "muscle_pdff_mean", "pdff"),
        ]
    )
    places = [("sub-01", "", "t1w", "csf"), ("sub-01", "", "mri", "paraspinal_muscle_left")]
    found = without_measurements(table, gone_regions(places))
    told = found.set_index(["roi", "metric"])[["value", "flag"]]
    assert len(told) == 5
    for lost in (("L1-L4_trabecular", "vbq_score"), ("L1_trabecular", "sir_csf")):
        assert np.isnan(told.loc[lost, "value"]) and told.loc[lost, "flag"] == "left_out:csf"
    assert told.loc[("L1_trabecular", "sir_fat"), "value"] == 1.0
    both = told.loc[("paraspinal_muscle", "muscle_pdff_mean")]
    assert np.isnan(both["value"]) and both["flag"] == "left_out:paraspinal_muscle_left"


@pytest.mark.parametrize(
    "levels", [("L1",), ("L1", "L2"), LUMBAR, ("L1", "L3"), ("T12", "L1"), ("T11", "T12")]
)
def test_levels_are_read_back_from_the_name_of_their_range(levels):
    assert levels_of(level_range(levels) + "_trabecular") == levels
    assert regions_of(level_range(levels)) == set(levels)


def test_pooled_features_lose_their_values_and_single_ones_their_row():
    rows = [
        {
            **dict(
                zip(
                    FEATURE_KEYS,
                    ("sub-01", np.nan, 1, 1, roi, "vbmd", 9, "1 x 1 x 1", np.nan),
                    strict=True,
                )
            ),
            "original_glcm_Contrast": 1.0,
        }
        for roi in ("L1-L4_trabecular", "L1_trabecular", "L2_trabecular")
    ]
    gone = gone_regions([("sub-01", "", "ct", "L2")])
    found = without_features(pd.DataFrame(rows), gone).set_index("roi")
    assert list(found.index) == ["L1-L4_trabecular", "L1_trabecular"]
    assert np.isnan(found.loc["L1-L4_trabecular", "original_glcm_Contrast"])
    assert found.loc["L1-L4_trabecular", "flag"] == "left_out:L2"
    assert found.loc["L1_trabecular", "original_glcm_Contrast"] == 1.0


def test_joined_tables_lack_what_was_rejected(study):
    for files in done(study):
        files.features.parent.mkdir(parents=True)
        files.features.write_text("", encoding="utf-8")
    whole, _, dice = join_subjects(done(study), [])
    reviewed = decide(study, ("sub-01", "ct_rater2", "L2", "reject", "leak"))
    part, _, fewer = join_subjects(done(study), reviewed.places)
    assert len(whole) - len(part) == 1
    assert dice["roi"].tolist() == ["L1", "L2"] and fewer["roi"].tolist() == ["L1"]
    summaries = [Summary(metric="vbmd_mean", levels=["L1", "L2"])]
    anew = apply(part, rejected(reviewed.places), summaries)
    mean = anew[anew["rater"].eq(2) & (anew["roi"] == "L1-L2_trabecular")].iloc[0]
    assert np.isnan(mean["value"])
    assert mean["flag"] == "left_out:L2 rejected in review;too_few_levels"


# ---- flow and report ----


def flow_of(study, reviewed):
    table = read_subjects(study / "config" / "subjects.tsv", [])
    found = {files.name: read_json(files.status)["items"] for files in done(study)}
    for name, items in reviewed.status_items().items():
        found[name] = found[name] + items
    statuses = status_table(table, pd.DataFrame(columns=EXCLUSION_COLUMNS), found)
    return cohort_flow(statuses, table, reviewed.table())


def test_the_flow_counts_reviewed_and_rejected(study):
    reviewed = decide(
        study,
        ("sub-01", "ct", "all", "accept", ""),
        ("sub-01", "ct", "L2", "reject", "leak"),
        ("sub-02", "ct", "all", "reject", "motion"),
    )
    flow = flow_of(study, reviewed)
    ct = flow[flow["modality"] == "ct"].set_index(["outcome", "step"])["n"].to_dict()
    assert ct == {
        ("enrolled", ""): 3,
        ("absent", ""): 1,
        ("excluded", "review"): 1,
        ("analysed", ""): 1,
        ("reviewed", ""): 1,
        ("level_rejected", ""): 1,
    }
    _, caption = draw_flow(flow, Figures())
    assert "CT: vBMD: 1 analysed" in caption
    assert "1 rejected in review" in caption
    assert "masks reviewed: 1; with a region rejected: 1" in caption


def test_the_report_counts_by_image_and_rater(study):
    reviewed = decide(
        study,
        ("sub-01", "ct", "L1", "accept", ""),
        ("sub-01", "ct_rater2", "all", "reject", "motion"),
    )
    told = describe_review(reviewed.table())
    cells = [[cell.text for cell in line] for line in told["table"].rows]
    assert cells == [
        ["CT", "1", "4", "1", "0", "3", "0", "0"],
        ["CT", "2", "2", "0", "2", "0", "0", "1"],
    ]
    assert told["reviewers"] == ["AB"] and told["warnings"] == []
    assert describe_review(None) is None


# ---- pictures and page ----


def test_a_strip_shows_the_region_as_radiologists_expect():
    labels = vertebrae()
    image = labels.data * 0.0
    # Bright just before (anterior of) and to the right of L1.
    image[8:28, 31:33, 28:44] = 100
    image[29:31, 12:30, 28:44] = 50
    base = Layer("CT", labels.like(image), "HU", (0.0, 100.0))
    strips = Strips(base, labels.data, trabecular_voi(labels, 3.0)[0].data)
    overlay = strips.draw(L1, "L1")
    assert overlay.text.startswith("L1. CT: sagittal at 1/4, 1/2, 3/4")
    picture = np.asarray(Image.open(io.BytesIO(overlay.png)).convert("RGB")).astype(int)
    middle = picture[picture.shape[0] // 2]
    bright = np.flatnonzero((middle > 230).all(axis=1))
    outline = np.array([int(WHOLE[i : i + 2], 16) for i in (1, 3, 5)])
    edges = np.flatnonzero(np.abs(middle - outline).max(axis=1) < 40)
    # In each sagittal tile the bright band lies left of the region: anterior.
    assert bright.min() < edges.min()
    assert len(edges) >= 4 * 2 * LINE_PX
    # The grey band lies on the patient's right: left of the region in the axial tile, the last one.
    grey = np.flatnonzero((np.abs(middle - 128) < 12).all(axis=1))
    sagittal, axial = edges[: 6 * LINE_PX], edges[6 * LINE_PX :]
    assert sagittal.max() < grey.min() and grey.max() < axial.min()
    with pytest.raises(ValueError, match="no region 22"):
        strips.draw(22, "L3")
    with pytest.raises(ValueError, match="mask"):
        Strips(base, labels.data[:-1], labels.data)


def make_page(study):
    config, table = check_folder(study)
    return write_review(study, config.study.title, table)


def test_pictures_are_drawn_once_and_again_where_results_changed(study):
    page = make_page(study)
    assert (page.subjects, page.regions, page.decisions) == (2, 6, 0)
    assert page.left_aside == (("sub-03", "no results yet"),)
    pictures = study / FOLDER / "pictures"
    first = {path: path.stat().st_mtime_ns for path in pictures.rglob("*.png")}
    assert len(first) == 3 * (3 + 2)
    html = page.path.read_bytes()
    make_page(study)
    assert page.path.read_bytes() == html
    assert {path: path.stat().st_mtime_ns for path in pictures.rglob("*.png")} == first
    write_subject(study, "sub-02", shift=1)
    make_page(study)
    again = {path for path in pictures.rglob("*.png") if path.stat().st_mtime_ns != first[path]}
    assert {path.parent.name for path in again} == {"sub-02"}
    # A subject that left the study leaves the page.
    table = study / "config" / "subjects.tsv"
    table.write_text(TABLE.replace("sub-02\traw/2\t72\n", ""), encoding="utf-8")
    make_page(study)
    assert not (pictures / "sub-02").exists()


def test_embedded_json_cannot_end_its_element():
    text = as_json({"a": "</script><!--\u2028&"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": "</script><!--\u2028&"}


def test_the_command_says_what_to_do(study, capsys):
    assert main(["review", str(study), "--cores", "1"]) == 2
    assert "no results to review yet" in capsys.readouterr().err
    index = study / "results" / "inventory" / "inventory.tsv"
    index.write_text("subject\n", encoding="utf-8")
    assert main(["review", str(study), "--cores", "1"]) == 0
    said = capsys.readouterr().out
    assert "6 regions of 2 subjects, 0 decisions so far" in said
    assert "Not on the page, no results yet: sub-03" in said
    assert str(study / REVIEW_TSV) in said


def test_outlined_regions_are_those_of_the_table(study):
    (first, *_) = done(study)
    rows = read_rows(first.outlined)
    assert [r.fingerprint for r in outlined_regions(first)] == [r["fingerprint"] for r in rows]
    assert {int(one) for one in np.unique(vertebrae().data)} == {0, L1, L2}
    assert read_table(first.measurements)["flag"].isna().all()
