"""NIfTI images and their sidecars as BIDS folders bring them: gaps, blanks, wrong types."""

import json

import nibabel as nib
import numpy as np
import pytest
from bids_folder import AFFINE, SHAPE, ct_values, write_ct, write_echoes, write_image
from reasons import codes, excluded, look, warned

from osteoflow.ct.header import ct_warnings
from osteoflow.io.intake import load_ct, load_multi_echo
from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.spectrum import load_fat_spectrum


def entry(study):
    return look(study, bids="bids")


def load(study):
    return load_ct(entry(study)["ct"], study)


def test_voxels_without_a_number_are_counted_and_left(tmp_path):
    data = ct_values()
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    write_ct(tmp_path, data)
    volume, _, warnings = load(tmp_path)
    assert np.array_equal(volume.data, data, equal_nan=True)
    assert warned(warnings) == ["non_finite"]
    assert warnings[0].startswith("non_finite: 3 voxels (2.5 %) of the CT image hold no number")


@pytest.mark.parametrize("value", [0, -1024, np.nan, np.inf])
def test_a_blank_image_is_excluded(tmp_path, value):
    write_ct(tmp_path, np.full(SHAPE, value, np.float32))
    excluded(lambda: load(tmp_path), "empty_image")


def test_one_number_among_gaps_is_no_image(tmp_path):
    data = np.full(SHAPE, np.nan, np.float32)
    data[1, 1, 1] = 50
    write_ct(tmp_path, data)
    excluded(lambda: load(tmp_path), "empty_image")


def test_echoes_with_gaps_are_measured_elsewhere(tmp_path):
    """The fit leaves out the voxels without a number and nothing around them."""
    paths = write_echoes(tmp_path)
    data = np.asarray(nib.load(paths[2]).dataobj)
    data[3, 3, 3] = np.nan
    nib.save(nib.Nifti1Image(data, AFFINE), paths[2])
    magnitude, phase, about, warnings = load_multi_echo(entry(tmp_path)["mri"], tmp_path)
    assert warned(warnings) == ["non_finite"]
    assert "mag (echo 2)" in warnings[0]
    signal = (magnitude.data * np.exp(1j * phase.data)).astype(np.complex64)
    fit = fit_fat_water(
        signal,
        np.array(about["EchoTime"]),
        3.0,
        np.array(magnitude.spacing),
        load_fat_spectrum("bone_marrow"),
        phase_sign=1,
    )
    assert np.isnan(fit.pdff[3, 3, 3])
    assert fit.quality[3, 3, 3] == 0
    assert np.isfinite(fit.pdff[3, 3, 2])


def test_truncated_files(tmp_path):
    path = write_ct(tmp_path)
    content = path.read_bytes()
    for keep in (0, 5, len(content) // 2, len(content) - 4):
        path.write_bytes(content[:keep])
        excluded(lambda: load(tmp_path), "nifti_unreadable")


def test_truncated_uncompressed_file(tmp_path):
    path = write_ct(tmp_path)
    plain = path.with_name("sub-1_ct.nii")
    nib.save(nib.load(path), plain)
    path.unlink()
    plain.write_bytes(plain.read_bytes()[:-10])
    excluded(lambda: load(tmp_path), "nifti_unreadable")


def test_several_volumes_and_one_volume_in_four_dimensions(tmp_path):
    write_ct(tmp_path, np.stack([ct_values()] * 2, axis=-1))
    excluded(lambda: load(tmp_path), "nifti_unreadable")
    write_ct(tmp_path, ct_values()[..., None])
    assert load(tmp_path)[0].data.shape == SHAPE


def test_complex_and_coloured_images(tmp_path):
    write_ct(tmp_path, ct_values().astype(np.complex64))
    excluded(lambda: load(tmp_path), "nifti_unreadable")
    colours = np.zeros(SHAPE, np.dtype([(c, "u1") for c in "RGB"]))
    write_ct(tmp_path, colours)
    excluded(lambda: load(tmp_path), "nifti_unreadable")


def test_an_image_without_a_place_in_space(tmp_path):
    path = write_ct(tmp_path)
    image = nib.load(path)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(nib.Nifti1Image(image.get_fdata(), None, image.header), path)
    assert int(nib.load(path).header["sform_code"]) == 0
    excluded(lambda: load(tmp_path), "nifti_no_position")
    flat = nib.Nifti1Image(ct_values(), None)
    flat.header["sform_code"] = 1
    flat.header["srow_x"], flat.header["srow_y"], flat.header["srow_z"] = np.zeros((3, 4))
    nib.save(flat, path)
    excluded(lambda: load(tmp_path), "nifti_no_position")


def test_sidecar_values_of_the_wrong_kind_are_left_out(tmp_path):
    write_ct(
        tmp_path,
        KVP="about 120",
        SliceThickness=[3],
        Manufacturer={"a": 1},
        ConvolutionKernel=["Br40\n", "3"],
        PatientName="Doe^Jane",
        InstitutionName="Clinic",
    )
    _, sidecar, _ = load(tmp_path)
    assert sidecar["ConvolutionKernel"] == ["Br40", "3"]
    assert not {"KVP", "SliceThickness", "PatientName", "InstitutionName"} & set(sidecar)
    assert warned(ct_warnings(sidecar, 3.0)) == ["kvp_unknown"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\ufeff"])
def test_a_sidecar_that_is_none(tmp_path, text):
    path = write_ct(tmp_path)
    path.with_name("sub-1_ct.json").write_text(text, encoding="utf-8")
    assert codes(entry(tmp_path)) == {"ct": "bids_sidecar"}


@pytest.mark.parametrize("time", [None, "0.002", 2.0, 0, -0.002, True, float("nan")])
def test_echo_times_that_are_none(tmp_path, time):
    paths = write_echoes(tmp_path)
    side = paths[2].with_name(paths[2].name.replace(".nii.gz", ".json"))
    side.write_text(json.dumps({"EchoTime": time}))
    assert codes(entry(tmp_path)) == {"mri": "bids_sidecar"}


def test_two_echoes_of_one_time_are_not_one(tmp_path):
    write_echoes(tmp_path, EchoTime=0.002)
    found = entry(tmp_path)
    assert codes(found) == {"mri": "bids_sidecar"}
    assert "two mag images state the same EchoTime, 0.002 s" in found["problems"][0]["message"]


def test_a_missing_echo(tmp_path):
    paths = write_echoes(tmp_path, 4)
    for path in paths[2:4]:
        path.unlink()
    found = entry(tmp_path)
    assert codes(found) == {"mri": "echo_missing"}
    assert found["problems"][0]["message"].endswith("echo 2")


def test_two_cts(tmp_path):
    path = write_ct(tmp_path)
    write_image(path.with_name("sub-1_run-2_ct.nii.gz"), ct_values())
    assert codes(entry(tmp_path)) == {"ct": "ct_ambiguous"}
    path.unlink()
    assert codes(entry(tmp_path)) == {"ct": "ct_ambiguous"}


def test_a_folder_without_anything_known(tmp_path):
    (tmp_path / "bids" / "sub-1" / "anat").mkdir(parents=True)
    (tmp_path / "bids" / "sub-1" / "anat" / "sub-1_T1w.nii.gz").write_bytes(b"")
    found = entry(tmp_path)
    assert codes(found) == {"ct": "no_usable_series", "mri": "no_usable_series"}
    assert "MEGRE" in found["problems"][0]["message"]


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_phase_is_in_radians_or_refused(tmp_path, scale):
    for path in write_echoes(tmp_path):
        if "phase" in path.name:
            data = np.asarray(nib.load(path).dataobj) * np.float32(scale)
            nib.save(nib.Nifti1Image(data, AFFINE), path)
    mri = entry(tmp_path)["mri"]
    if scale == 1.0:
        assert load_multi_echo(mri, tmp_path)[1].data.max() == pytest.approx(3.0)
    else:
        excluded(lambda: load_multi_echo(mri, tmp_path), "phase_unit_unknown")


def test_parts_on_other_grids(tmp_path):
    paths = write_echoes(tmp_path)
    for path in paths:
        if "phase" in path.name:
            data = np.asarray(nib.load(path).dataobj)[1:]
            nib.save(nib.Nifti1Image(data, AFFINE), path)
    mri = entry(tmp_path)["mri"]
    excluded(lambda: load_multi_echo(mri, tmp_path), "echoes_on_other_grids")
