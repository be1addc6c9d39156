"""The inventory: series by header content, fingerprints, exclusions, and nothing rewritten."""

import json
import os
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
from dicom_series import ct_series, multi_echo_series

from osteoflow.cli import main
from osteoflow.errors import StudyError
from osteoflow.inventory.build import take_inventory
from osteoflow.io.tables import read_table
from osteoflow.subjects import read_subjects

SIX = [1.2, 2.2, 3.2, 4.2, 5.2, 6.2]


def inventory(study, rows, header="participant_id\tdicom", **options):
    (study / "config").mkdir(exist_ok=True)
    path = study / "config" / "subjects.tsv"
    path.write_text(header + "\n" + "".join(f"{row}\n" for row in rows))
    return take_inventory(study, read_subjects(path, ["verse"]), **options)


def entry(study, name):
    return json.loads((study / "results" / "inventory" / f"{name}.json").read_text())


def exclusions(study):
    table = read_table(study / "results" / "inventory" / "exclusions.tsv")
    return {(r.participant_id, r.modality): r.code for r in table.itertuples()}


@pytest.fixture
def study(tmp_path):
    raw = tmp_path / "raw" / "a"
    ct_series(raw / "x", [0, 2, 4, 6])
    ct_series(raw / "scout", [0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    multi_echo_series(raw, {"M": SIX, "P": SIX})
    (raw / "readme.txt").write_text("not an image")
    return tmp_path


def test_series_are_chosen_by_header_content(study):
    report = inventory(study, ["1\traw/a"])
    assert (report.subjects, report.rewritten, report.exclusions) == (1, ("sub-1",), 0)
    found = entry(study, "sub-1")
    assert len(found["ct"]["files"]) == 4
    assert all(file["path"].startswith("raw/a/x/") for file in found["ct"]["files"])
    assert [e["echo_time"] for e in found["mri"]["parts"]["phase"]] == pytest.approx(
        [t / 1000 for t in SIX]
    )
    assert [len(e["files"]) for e in found["mri"]["parts"]["mag"]] == [3] * 6
    index = read_table(study / "results" / "inventory" / "inventory.tsv")
    assert index[["ct", "mri"]].to_numpy().tolist() == [["yes", "yes"]]
    text = (study / "results" / "inventory" / "sub-1.json").read_text()
    assert "Doe" not in text
    assert "MRN1" not in text


def test_series_without_uids_are_told_apart_by_their_acquisition(tmp_path):
    raw = tmp_path / "raw"
    ct_series(raw, [0, 2, 4, 6], SeriesInstanceUID="", ConvolutionKernel="B30")
    for path in raw.glob("*.dcm"):
        path.rename(path.with_name(f"a{path.name}"))
    inventory(tmp_path, ["1\traw"])
    assert len(entry(tmp_path, "sub-1")["ct"]["files"]) == 4
    ct_series(raw, [0, 2, 4, 6], SeriesInstanceUID="", ConvolutionKernel="B70")
    inventory(tmp_path, ["1\traw"])
    assert exclusions(tmp_path)["sub-1", "ct"] == "ct_ambiguous"


def test_touch_rewrites_nothing_and_a_changed_byte_one_entry(study):
    shutil.copytree(study / "raw" / "a", study / "raw" / "b")
    rows = ["1\traw/a", "2\traw/b"]
    assert inventory(study, rows).rewritten == ("sub-1", "sub-2")
    for path in (study / "raw").rglob("*.dcm"):
        os.utime(path)
    assert inventory(study, rows).rewritten == ()
    changed = next((study / "raw" / "b" / "x").glob("*.dcm"))
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    assert inventory(study, rows).rewritten == ("sub-2",)


def change_in_secret(path):
    """Another last byte, with the size and the times from before."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_verify_finds_what_size_and_time_hide(study):
    rows = ["1\traw/a"]
    inventory(study, rows)
    change_in_secret(next((study / "raw" / "a" / "x").glob("*.dcm")))
    assert inventory(study, rows).rewritten == ()
    assert inventory(study, rows, verify=True).rewritten == ("sub-1",)


def test_the_command_verifies_if_it_is_told_to(study, capsys):
    (study / "config").mkdir()
    (study / "config" / "config.yaml").write_text("study: {title: One}\n")
    columns, cells = "participant_id\tdicom\tage\n", "1\traw/a\t61\n"
    (study / "config" / "subjects.tsv").write_text(columns + cells)

    def changed(*options):
        assert main(["inventory", str(study), *options]) == 0
        said = capsys.readouterr().out
        return int(re.search(r"1 subjects, (\d) new or changed, 0 exclusions", said)[1])

    assert [changed(), changed()] == [1, 0]
    change_in_secret(next((study / "raw" / "a" / "x").glob("*.dcm")))
    before = entry(study, "sub-1")["ct"]["files"]
    assert [changed(), changed("--verify"), changed("--verify")] == [0, 1, 0]
    assert entry(study, "sub-1")["ct"]["files"] != before


def test_a_dropped_row_leaves_no_entry(study):
    inventory(study, ["1\traw/a", "2\traw/a"])
    inventory(study, ["1\traw/a"])
    assert not (study / "results" / "inventory" / "sub-2.json").exists()


def test_absent_and_unusable_folders_exclude_with_a_reason(study):
    (study / "empty").mkdir()
    ct_series(study / "two" / "a", [0, 2, 4])
    ct_series(study / "two" / "b", [0, 2, 4])
    multi_echo_series(study / "nomagnitude", {"P": SIX})
    ct_series(study / "scout", [0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    ct_series(study / "people" / "a", [0, 2, 4])
    ct_series(study / "people" / "b", [0, 2, 4], PatientID="MRN2")
    rows = ["1\tnowhere", "2\tempty", "3\ttwo", "4\tnomagnitude", "5\tscout", "6\tpeople", "7\tn/a"]
    inventory(study, rows)
    assert exclusions(study) == {
        ("sub-1", "ct"): "folder_missing",
        ("sub-1", "mri"): "folder_missing",
        ("sub-2", "ct"): "folder_empty",
        ("sub-2", "mri"): "folder_empty",
        ("sub-3", "ct"): "ct_ambiguous",
        ("sub-4", "mri"): "mri_phase_missing",
        ("sub-5", "ct"): "ct_localizer_only",
        ("sub-6", "ct"): "several_patients",
        ("sub-6", "mri"): "several_patients",
        ("sub-7", "ct"): "path_not_given",
        ("sub-7", "mri"): "path_not_given",
    }


def test_nothing_is_lost_without_a_word(tmp_path):
    """Multi-frame objects, damaged files, foreign series, one echo: each has its row."""
    ct_series(tmp_path / "frames", [0, 2, 4], NumberOfFrames=3)
    ct_series(tmp_path / "damaged", [0, 2, 4])
    multi_echo_series(tmp_path / "damaged", {"M": SIX, "P": SIX})
    for path in (tmp_path / "damaged").glob("[MP]*.dcm"):
        path.write_bytes(path.read_bytes()[:400])
    multi_echo_series(tmp_path / "other", {"M": [1.2]}, ScanningSequence="SE")
    multi_echo_series(tmp_path / "single", {"M": SIX[:1], "P": SIX[:1]})
    multi_echo_series(tmp_path / "text", {"M": SIX, "P": SIX}, FlipAngle=[3.0, 5.0])
    inventory(tmp_path, ["1\tframes", "2\tdamaged", "3\tother", "4\tsingle", "5\ttext"])
    assert exclusions(tmp_path) == {
        ("sub-1", "ct"): "multiframe_unsupported",
        ("sub-2", "mri"): "unreadable_files",
        ("sub-3", "ct"): "no_usable_series",
        ("sub-3", "mri"): "no_usable_series",
        ("sub-4", "ct"): "no_usable_series",
        ("sub-4", "mri"): "no_usable_series",
        ("sub-5", "ct"): "unreadable_files",
        ("sub-5", "mri"): "unreadable_files",
    }
    (warning,) = entry(tmp_path, "sub-2")["warnings"]
    assert warning == "unreadable_files: 36 files of the folder cannot be read"


def test_a_new_mask_leaves_the_images_entry(study):
    header = "participant_id\tdicom\tct_mask\tmask_scheme"
    (study / "m.nii").write_bytes(b"1")
    inventory(study, ["1\traw/a\tm.nii\tverse"], header)
    images = study / "results" / "inventory" / "sub-1.json"
    masks = study / "results" / "inventory" / "sub-1_masks.json"
    before = images.stat().st_mtime_ns, masks.read_text()
    (study / "m.nii").write_bytes(b"2")
    assert inventory(study, ["1\traw/a\tm.nii\tverse"], header).rewritten == ("sub-1",)
    assert images.stat().st_mtime_ns == before[0]
    assert masks.read_text() != before[1]


def test_unequal_echoes_exclude(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": SIX, "P": SIX[:5]})
    inventory(tmp_path, ["1\traw"])
    assert exclusions(tmp_path) == {("sub-1", "mri"): "echoes_unequal"}


def test_two_acquisitions_are_ambiguous(tmp_path):
    multi_echo_series(tmp_path / "raw" / "a", {"M": SIX, "P": SIX})
    multi_echo_series(tmp_path / "raw" / "b", {"M": SIX, "P": SIX}, FlipAngle=10.0)
    inventory(tmp_path, ["1\traw"])
    assert exclusions(tmp_path) == {("sub-1", "mri"): "mri_ambiguous"}


def test_bids_images_and_their_sidecars(tmp_path):
    anat = tmp_path / "bids" / "sub-1" / "anat"
    anat.mkdir(parents=True)

    def write(stem, time):
        nib.save(nib.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4)), f"{stem}.nii.gz")
        stem.with_suffix(".json").write_text(json.dumps({"EchoTime": time}))

    for echo, time in enumerate([0.003, 0.001, 0.002], 1):
        for part in ("mag", "phase"):
            write(anat / f"sub-1_echo-{echo}_part-{part}_MEGRE", time)
    inventory(tmp_path, ["1\tbids"], header="participant_id\tbids")
    parts = entry(tmp_path, "sub-1")["mri"]["parts"]
    assert [e["echo_time"] for e in parts["mag"]] == [0.001, 0.002, 0.003]
    assert "echo-2_part-mag" in parts["mag"][0]["files"][0]["path"]
    (anat / "sub-1_echo-2_part-mag_MEGRE.json").write_text(json.dumps({"EchoTime": 3}))
    inventory(tmp_path, ["1\tbids"], header="participant_id\tbids")
    assert exclusions(tmp_path) == {("sub-1", "mri"): "bids_sidecar"}
    write(anat / "sub-1_echo-2_part-mag_MEGRE", 0.001)
    write(anat / "sub-1_run-2_echo-1_part-mag_MEGRE", 0.004)
    inventory(tmp_path, ["1\tbids"], header="participant_id\tbids")
    assert exclusions(tmp_path) == {("sub-1", "mri"): "mri_ambiguous"}


def test_a_drive_that_is_not_mounted_excludes_nobody(study):
    """Every folder gone at once is no cohort of exclusions, and what was hashed stays known."""
    shutil.copytree(study / "raw" / "a", study / "raw" / "b")
    rows = ["1\traw/a", "2\traw/b"]
    inventory(study, rows)
    folder = study / "results" / "inventory"
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (study / "raw").rename(study / "elsewhere")
    with pytest.raises(StudyError, match="is the data drive mounted"):
        inventory(study, rows)
    assert {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    # One of two may be gone.
    (study / "elsewhere").rename(study / "raw")
    shutil.rmtree(study / "raw" / "b")
    inventory(study, rows)
    assert exclusions(study) == {
        ("sub-2", "ct"): "folder_missing",
        ("sub-2", "mri"): "folder_missing",
    }
