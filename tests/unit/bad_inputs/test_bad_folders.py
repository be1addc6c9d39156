"""DICOM folders that hold nothing, too much, or something else than one patient's images."""

import shutil

import pytest
from dicom_series import ct_series, edit, multi_echo_series, write_slice
from reasons import codes, look, warned

SIX = [1.2, 2.2, 3.2, 4.2, 5.2, 6.2]


def both(code):
    return {"ct": code, "mri": code}


def test_empty_folder(tmp_path):
    (tmp_path / "raw" / "deep" / "down").mkdir(parents=True)
    assert codes(look(tmp_path)) == both("folder_empty")


def test_missing_folder_and_a_file_in_its_place(tmp_path):
    assert codes(look(tmp_path)) == both("folder_missing")
    (tmp_path / "raw").write_bytes(b"PK")
    entry = look(tmp_path)
    assert codes(entry) == both("folder_missing")
    assert "a file, not a folder" in entry["problems"][0]["message"]
    assert "Unpack" in entry["problems"][0]["hint"]


def test_a_folder_without_any_dicom_says_how_many_files_it_holds(tmp_path):
    (tmp_path / "raw").mkdir()
    for name in ("a.jpg", "b.docx", "c"):
        (tmp_path / "raw" / name).write_bytes(b"something else" * 30)
    entry = look(tmp_path)
    assert codes(entry) == both("folder_empty")
    assert entry["problems"][0]["message"].endswith("(3 files of other kinds)")


def test_files_that_are_no_dicom_are_counted_and_ignored(tmp_path):
    ct_series(tmp_path / "raw", [0, 2, 4])
    (tmp_path / "raw" / "notes.txt").write_text("Doe^Jane")
    (tmp_path / "raw" / "IM99").write_bytes(b"")
    (tmp_path / "raw" / ".DS_Store").write_bytes(b"x" * 200)
    (tmp_path / "raw" / "Thumbs.db").write_bytes(b"x" * 200)
    entry = look(tmp_path)
    assert len(entry["ct"]["files"]) == 3
    assert codes(entry) == {}
    assert entry["warnings"] == ["foreign_files: ignored what is no DICOM: 2 files (1 empty)"]


def test_a_dose_report_is_no_foreign_file(tmp_path):
    (path, *_) = ct_series(tmp_path / "raw", [0, 2, 4, 6])

    def as_report(_, dataset):
        for name in ("Rows", "Columns", "PixelData"):
            delattr(dataset, name)
        dataset.Modality = "SR"
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"

    edit([path], as_report)
    entry = look(tmp_path)
    assert entry["warnings"] == []
    assert len(entry["ct"]["files"]) == 3


def test_files_cut_off_in_the_header_are_counted(tmp_path):
    paths = ct_series(tmp_path / "raw", [0, 2, 4, 6])
    content = paths[3].read_bytes()
    for cut in (140, 200, 400, 600):
        paths[3].write_bytes(content[:cut])
        entry = look(tmp_path)
        assert entry["warnings"] == ["unreadable_files: 1 file of the folder cannot be read"], cut
        assert len(entry["ct"]["files"]) == 3
        # What the file held is not known: it may have been the MRI.
        assert codes(entry) == {"mri": "unreadable_files"}


def test_only_damaged_files(tmp_path):
    for path in ct_series(tmp_path / "raw", [0, 2, 4]):
        path.write_bytes(path.read_bytes()[:300])
    assert codes(look(tmp_path)) == both("unreadable_files")


@pytest.mark.parametrize("second", ["MRN2", ""])
def test_two_patients_in_one_folder(tmp_path, second):
    ct_series(tmp_path / "raw" / "a", [0, 2, 4])
    multi_echo_series(tmp_path / "raw" / "b", {"M": SIX, "P": SIX}, PatientID=second)
    entry = look(tmp_path)
    assert codes(entry) == both("several_patients")
    assert "2 different patient numbers" in entry["problems"][0]["message"]


def test_identical_copies_count_once(tmp_path):
    ct_series(tmp_path / "raw" / "a", [0, 2, 4])
    shutil.copytree(tmp_path / "raw" / "a", tmp_path / "raw" / "b")
    entry = look(tmp_path)
    assert [file["path"][:5] for file in entry["ct"]["files"]] == ["raw/a"] * 3
    assert entry["warnings"] == ["identical_copies: ignored byte-for-byte copies: 3 files"]
    assert codes(entry) == {}


def test_two_ct_volumes_are_named_by_what_tells_them_apart(tmp_path):
    ct_series(tmp_path / "raw", [0, 2, 4], ConvolutionKernel="B30f")
    ct_series(tmp_path / "raw", [0, 1, 2, 3], ConvolutionKernel="B70\nf", SliceThickness=1.0)
    entry = look(tmp_path)
    assert codes(entry) == {"ct": "ct_ambiguous"}
    message = entry["problems"][0]["message"]
    assert "4 slices, kernel B70 f, thickness 1.0 mm; 3 slices, kernel B30f" in message


def test_a_later_reconstruction_is_a_volume_and_a_reformat_is_none(tmp_path):
    ct_series(tmp_path / "raw", [0, 2, 4], ImageType=["ORIGINAL", "SECONDARY", "AXIAL"])
    ct_series(tmp_path / "raw", [0, 3, 6], ImageType=["DERIVED", "SECONDARY", "REFORMATTED"])
    entry = look(tmp_path)
    assert len(entry["ct"]["files"]) == 3
    ct_series(tmp_path / "raw", [0, 2, 4, 6])
    assert codes(look(tmp_path)) == {"ct": "ct_ambiguous"}


def test_localizers_screenshots_and_other_planes_are_no_ct_volume(tmp_path):
    raw = tmp_path / "raw"
    ct_series(raw, [0, 2, 4], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    ct_series(raw, [0, 2, 4], ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    ct_series(raw, [0, 2, 4], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    ct_series(raw, [0, 2])
    assert codes(look(tmp_path)) == {"ct": "ct_localizer_only"}


def test_headers_whose_values_have_the_wrong_shape_count_as_damaged(tmp_path):
    paths = ct_series(tmp_path / "raw", [0, 2, 4, 6, 8])
    wrong = [
        ("ImageOrientationPatient", [1, 0, 0]),
        ("PixelSpacing", [0.5, 0.5, 0.5]),
        ("SliceThickness", [2, 3]),
        ("Modality", ["CT", "MR"]),
    ]
    for path, (name, value) in zip(paths, wrong, strict=False):
        edit([path], lambda _, dataset, n=name, v=value: setattr(dataset, n, v))
    entry = look(tmp_path)
    assert entry["warnings"] == ["unreadable_files: 4 files of the folder cannot be read"]


def test_names_of_files_and_folders_are_never_run_or_misread(tmp_path):
    """Shell characters, spaces and bytes that are no text: the folder is read, nothing else."""
    name = "a b;$(touch x)`touch y`'\"&|*?"
    ct_series(tmp_path / "raw" / name, [0, 2, 4])
    entry = look(tmp_path, f"raw/{name}")
    assert [file["path"].rpartition("/")[0] for file in entry["ct"]["files"]] == [f"raw/{name}"] * 3
    from osteoflow.io.intake import load_ct

    volume, _, _ = load_ct(entry["ct"], tmp_path)
    assert volume.shape == (10, 8, 3)
    assert not list(tmp_path.rglob("[xy]"))

    (tmp_path / "latin").mkdir()
    for path in ct_series(tmp_path / "b", [0, 2, 4]):
        path.rename(
            tmp_path / "latin" / (path.name.encode() + b"\xe4").decode("utf-8", "surrogateescape")
        )
    entry = look(tmp_path, "latin")
    assert load_ct(entry["ct"], tmp_path)[0].shape == (10, 8, 3)


def test_a_path_upwards_reads_there_and_writes_nowhere_else(tmp_path):
    ct_series(tmp_path / "elsewhere", [0, 2, 4])
    study = tmp_path / "study"
    study.mkdir()
    before = sorted(tmp_path.joinpath("elsewhere").rglob("*"))
    entry = look(study, "../elsewhere")
    assert len(entry["ct"]["files"]) == 3
    assert sorted(tmp_path.joinpath("elsewhere").rglob("*")) == before
    assert sorted(path.name for path in study.rglob("*")) == ["cache", "inventory", "sub-1.json"]


def test_a_pipe_in_the_folder_is_not_waited_for(tmp_path):
    import os

    ct_series(tmp_path / "raw", [0, 2, 4])
    os.mkfifo(tmp_path / "raw" / "pipe")
    assert len(look(tmp_path)["ct"]["files"]) == 3


def test_links_to_files_that_are_gone_are_counted(tmp_path):
    ct_series(tmp_path / "raw", [0, 2, 4])
    (tmp_path / "raw" / "IM4").symlink_to(tmp_path / "gone")
    assert warned(look(tmp_path)["warnings"]) == ["unreadable_files"]


def test_single_slices_without_an_image_make_no_volume(tmp_path):
    import numpy as np

    write_slice(tmp_path / "raw" / "a.dcm", np.zeros((4, 4), int), Modality="US")
    assert codes(look(tmp_path)) == both("no_usable_series")
