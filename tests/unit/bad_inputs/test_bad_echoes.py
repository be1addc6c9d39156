"""Multi-echo MRI whose echoes or parts are missing, doubled, unequal or cannot be told apart."""

import numpy as np
import pydicom
import pytest
from dicom_series import edit, multi_echo_series
from reasons import codes, excluded, look, warned

from osteoflow.io.intake import load_multi_echo

SIX = [1.2, 2.2, 3.2, 4.2, 5.2, 6.2]
DIXON = [1.15, 2.3]
BOTH = {"M": SIX, "P": SIX}


def message(entry):
    (problem,) = [p for p in entry["problems"] if p["modality"] == "mri"]
    return problem["message"]


def images(folder, pattern):
    return sorted(folder.glob(pattern))


def test_an_echo_missing_in_one_part(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": SIX, "P": SIX[:5]})
    assert codes(look(tmp_path)) == {"mri": "echoes_unequal"}


def test_an_echo_missing_in_both_parts(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH)
    for path in images(tmp_path / "raw", "[MP]2_*"):
        path.unlink()
    entry = look(tmp_path)
    assert codes(entry) == {"mri": "echo_missing"}
    assert message(entry) == "of 6 echoes 5 were found; without images: echo 3"
    for path in images(tmp_path / "raw", "[MP]0_*"):
        path.unlink()
    assert message(look(tmp_path)).endswith("echo 1, 3")


def test_echo_numbers_that_tell_nothing_are_not_believed(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH, EchoNumbers=1)
    assert codes(look(tmp_path)) == {}


def test_an_echo_with_fewer_slices(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH)
    (tmp_path / "raw" / "P3_2.dcm").unlink()
    entry = look(tmp_path)
    assert codes(entry) == {"mri": "echoes_unequal"}
    assert message(entry) == "phase at 4.20 ms has 2 images, another echo 3"


def test_two_acquisitions_that_differ_in_nothing_but_their_series(tmp_path):
    multi_echo_series(tmp_path / "raw" / "a", BOTH, FrameOfReferenceUID="1.2.3")
    multi_echo_series(tmp_path / "raw" / "b", BOTH, FrameOfReferenceUID="1.2.3")
    entry = look(tmp_path)
    assert codes(entry) == {"mri": "mri_ambiguous"}
    assert message(entry) == "2 series hold mag images of the same echo"


def test_echoes_of_two_acquisitions_are_not_mixed(tmp_path):
    multi_echo_series(tmp_path / "raw" / "a", {"M": SIX[:3], "P": SIX[:3]}, FlipAngle=3.0)
    multi_echo_series(tmp_path / "raw" / "b", {"M": SIX[3:], "P": SIX[3:]}, FlipAngle=5.0)
    assert codes(look(tmp_path)) == {"mri": "mri_ambiguous"}


def test_magnitude_and_phase_in_one_series_are_told_apart(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH, SeriesInstanceUID="1.2.3.4")
    entry = look(tmp_path)
    assert codes(entry) == {}
    magnitude, phase, _, _ = load_multi_echo(entry["mri"], tmp_path)
    assert magnitude.data.min() >= 1000
    assert np.abs(phase.data).max() <= np.pi


def test_parts_that_nothing_tells_apart(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH, ImageType=["ORIGINAL", "PRIMARY", "OTHER"])
    entry = look(tmp_path)
    assert codes(entry) == {"mri": "mri_parts_unknown"}
    assert "6 echoes" in message(entry)


def test_phase_that_calls_itself_magnitude(tmp_path):
    multi_echo_series(
        tmp_path / "raw", BOTH, ImageType=["ORIGINAL", "PRIMARY", "M"], SeriesInstanceUID="1.2"
    )
    entry = look(tmp_path)
    assert codes(entry) == {"mri": "mri_parts_unknown"}
    assert message(entry).startswith("an echo has 2 images of the same slice")


@pytest.mark.parametrize("parts", ["P", "R", "I", "MR", "PI"])
def test_half_of_a_complex_acquisition(tmp_path, parts):
    multi_echo_series(tmp_path / "raw", dict.fromkeys(parts, SIX))
    assert codes(look(tmp_path)) == {"mri": "mri_phase_missing"}


@pytest.mark.parametrize("phase", [SIX[:1], SIX[:2], [t + 0.1 for t in SIX]])
def test_phase_that_does_not_fit_is_not_dropped(tmp_path, phase):
    multi_echo_series(tmp_path / "raw", {"M": SIX, "P": phase})
    assert codes(look(tmp_path)) == {"mri": "echoes_unequal"}


def test_magnitude_beside_images_that_nothing_names(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH)

    def unname(_, dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]

    edit(images(tmp_path / "raw", "P*"), unname)
    assert codes(look(tmp_path)) == {"mri": "mri_parts_unknown"}


def test_magnitude_alone_with_an_echo_or_slices_missing(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": SIX})
    (tmp_path / "raw" / "M3_2.dcm").unlink()
    assert codes(look(tmp_path)) == {"mri": "echoes_unequal"}
    for path in images(tmp_path / "raw", "M3_*"):
        path.unlink()
    entry = look(tmp_path)
    assert codes(entry) == {"mri": "echo_missing"}
    assert message(entry).endswith("echo 4")
    (problem,) = entry["problems"]
    assert "phase" not in problem["hint"]


def test_dixon_with_unequal_parts_or_an_echo_between(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": DIXON, "P": DIXON[:1]})
    assert codes(look(tmp_path)) == {"mri": "echoes_unequal"}
    multi_echo_series(tmp_path / "gap", {"M": [1.15, 1.7, 2.3]})
    for path in images(tmp_path / "gap", "M1_*"):
        path.unlink()
    assert codes(look(tmp_path, "gap")) == {"mri": "echo_missing"}


@pytest.mark.parametrize("time", [0.0, None, -1.0])
def test_combined_echoes_have_no_echo_time(tmp_path, time):
    multi_echo_series(tmp_path / "raw", {"M": [1.0], "P": [1.0]}, EchoTime=time)
    entry = look(tmp_path)
    assert codes(entry) == {"mri": "echo_time_missing"}
    assert message(entry).startswith("6 gradient-echo images")


def test_an_echo_time_that_is_no_number_is_damage(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH)
    for path in images(tmp_path / "raw", "M1_*"):
        path.write_bytes(path.read_bytes().replace(b"2.2 ", b"nan "))
    entry = look(tmp_path)
    assert warned(entry["warnings"]) == ["unreadable_files"]
    assert codes(entry)["mri"] == "echoes_unequal"


def rescaled(tmp_path, slope, intercept):
    multi_echo_series(tmp_path / "raw", {"M": SIX, "P": SIX})

    def change(_, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept

    edit(images(tmp_path / "raw", "P*"), change)
    return look(tmp_path)["mri"]


@pytest.mark.parametrize(("slope", "intercept"), [(3, -4096), (1, 0), (2, 0)])
def test_phase_in_unknown_units(tmp_path, slope, intercept):
    entry = rescaled(tmp_path, slope, intercept)
    error = excluded(lambda: load_multi_echo(entry, tmp_path), "phase_unit_unknown")
    assert "phase values reach" in error.message
    assert "radians" in error.hint


def test_a_blank_echo(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH)

    def blank(_, dataset):
        dataset.PixelData = bytes(len(dataset.PixelData))

    edit(images(tmp_path / "raw", "P4_*"), blank)
    entry = look(tmp_path)["mri"]
    error = excluded(lambda: load_multi_echo(entry, tmp_path), "empty_image")
    assert "phase (echo 5)" in error.message


def test_echoes_on_other_grids(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH)

    def shift(_, dataset):
        position = [float(v) for v in dataset.ImagePositionPatient]
        dataset.ImagePositionPatient = [position[0], position[1] + 3, position[2]]

    edit(images(tmp_path / "raw", "[MP]4_*"), shift)
    entry = look(tmp_path)["mri"]
    excluded(lambda: load_multi_echo(entry, tmp_path), "echoes_on_other_grids")


@pytest.mark.parametrize("parts", [("M", "P"), ("R", "I")])
def test_parts_on_other_grids(tmp_path, parts):
    multi_echo_series(tmp_path / "raw", dict.fromkeys(parts, SIX))

    def shift(_, dataset):
        position = [float(v) for v in dataset.ImagePositionPatient]
        dataset.ImagePositionPatient = [position[0], position[1] + 3, position[2]]

    edit(images(tmp_path / "raw", f"{parts[1]}*"), shift)
    entry = look(tmp_path)["mri"]
    excluded(lambda: load_multi_echo(entry, tmp_path), "echoes_on_other_grids")


@pytest.mark.parametrize("tesla", [None, 0, 15000])
def test_a_field_strength_that_is_none(tmp_path, tesla):
    multi_echo_series(tmp_path / "raw", BOTH, MagneticFieldStrength=tesla)
    entry = look(tmp_path)["mri"]
    excluded(lambda: load_multi_echo(entry, tmp_path), "field_strength_missing")


def test_an_echo_cut_off(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH)
    path = tmp_path / "raw" / "M3_1.dcm"
    path.write_bytes(path.read_bytes()[:-50])
    entry = look(tmp_path)["mri"]
    excluded(lambda: load_multi_echo(entry, tmp_path), "truncated_file")


def test_missing_slice_in_every_echo(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH, n_slices=5)
    for path in images(tmp_path / "raw", "*_2.dcm"):
        path.unlink()
    entry = look(tmp_path)["mri"]
    excluded(lambda: load_multi_echo(entry, tmp_path), "missing_slice")


def test_derived_maps_are_no_echoes(tmp_path):
    multi_echo_series(tmp_path / "raw", BOTH, ImageType=["DERIVED", "PRIMARY", "M"])
    assert codes(look(tmp_path)) == {"ct": "no_usable_series", "mri": "no_usable_series"}
    path = images(tmp_path / "raw", "*.dcm")[0]
    assert pydicom.dcmread(path).ImageType[0] == "DERIVED"
