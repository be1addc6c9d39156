"""Masks that are empty, misplaced, flipped, too small, or no label maps at all."""

import nibabel as nib
import numpy as np
import pytest
from reasons import excluded

from osteoflow.io.volume import Volume
from osteoflow.segmentation.prepare import prepare_mask
from osteoflow.segmentation.schemes import to_verse

IMAGE = Volume(np.zeros((40, 40, 60), np.int16), np.diag([1.0, 1.0, 1.5, 1.0]))
LEVELS = {20: slice(42, 58), 21: slice(22, 38), 22: slice(2, 18)}


def spine(dtype=np.uint8):
    """L1 above L2 above L3, bodies of 24 x 20 x 24 mm."""
    labels = np.zeros(IMAGE.shape, dtype)
    for label, height in LEVELS.items():
        labels[8:32, 10:30, height] = label
    return labels


def given(folder, labels, affine=IMAGE.affine, name="mask.nii.gz", scheme="verse"):
    nib.save(nib.Nifti1Image(labels, affine), folder / name)
    return {"path": name, "scheme": scheme}


def prepare(folder, *arguments, **more):
    return prepare_mask(given(folder, *arguments, **more), folder, IMAGE, 3.0)


def reason(folder, code, *arguments, **more):
    return excluded(lambda: prepare(folder, *arguments, **more), code)


def test_a_sound_mask(tmp_path):
    prepared = prepare(tmp_path, spine())
    assert np.array_equal(prepared.labels.data, spine())
    assert set(np.unique(prepared.voi.data)) == {0, 20, 21, 22}
    assert prepared.label_warnings == prepared.voi_warnings == []


def test_an_empty_mask(tmp_path):
    reason(tmp_path, "mask_empty", np.zeros(IMAGE.shape, np.uint8))


def test_no_mask_and_a_missing_one(tmp_path):
    excluded(lambda: prepare_mask(None, tmp_path, IMAGE, 3.0), "mask_not_given")
    missing = {"path": "m.nii", "scheme": "verse", "missing": True}
    excluded(lambda: prepare_mask(missing, tmp_path, IMAGE, 3.0), "mask_missing")


def test_another_grid_is_resampled_and_said(tmp_path):
    fine = spine().repeat(2, axis=0)
    affine = IMAGE.affine.copy()
    affine[0, 0], affine[0, 3] = 0.5, -0.25
    prepared = prepare(tmp_path, fine, affine)
    assert np.array_equal(prepared.labels.data, spine())
    (warning,) = prepared.label_warnings
    assert "0.5 x 1 x 1.5 mm against 1 x 1 x 1.5 mm): nearest neighbours" in warning


def test_a_mask_of_another_scan_does_not_overlap(tmp_path):
    affine = IMAGE.affine.copy()
    affine[2, 3] = 500
    reason(tmp_path, "mask_outside_image", spine(), affine)


def test_one_slice_more_than_the_image_is_placed_by_position(tmp_path):
    more = np.concatenate([spine(), np.zeros((40, 40, 1), np.uint8)], axis=2)
    assert np.array_equal(prepare(tmp_path, more).labels.data, spine())


def test_upside_down(tmp_path):
    error = reason(tmp_path, "mask_levels_out_of_order", spine()[:, :, ::-1])
    assert "L2 above L1" in error.message


def test_turned_by_the_header_is_not_upside_down(tmp_path):
    turned = IMAGE.affine @ np.diag([1.0, 1, -1, 1])
    turned[:3, 3] = IMAGE.affine[:3, :3] @ [0, 0, 59]
    assert np.array_equal(prepare(tmp_path, spine()[:, :, ::-1], turned).labels.data, spine())


def test_one_voxel(tmp_path):
    labels = np.zeros(IMAGE.shape, np.uint8)
    labels[20, 20, 30] = 20
    error = reason(tmp_path, "mask_too_small", labels)
    assert "L1 holds 1 voxel (0.0015 cm3)" in error.message


def test_a_stray_click_beside_sound_levels_is_left_out(tmp_path):
    labels = spine()
    labels[0, 0, 30] = 23
    prepared = prepare(tmp_path, labels)
    assert np.array_equal(prepared.labels.data, spine())
    (warning,) = prepared.label_warnings
    assert warning.startswith("L4 holds 1 voxel")
    assert warning.endswith("left out")


def test_thin_levels_are_kept_without_a_trabecular_volume(tmp_path):
    labels = np.zeros(IMAGE.shape, np.uint8)
    labels[8:32, 10:30, 30:33] = 20
    prepared = prepare(tmp_path, labels)
    assert (prepared.labels.data == 20).sum() == labels.astype(bool).sum()
    assert not prepared.voi.data.any()
    assert "no trabecular volume" in prepared.voi_warnings[0]


def test_unknown_labels_are_named(tmp_path):
    labels = spine(np.int16)
    labels[0, 0, :3] = 99, 300, -7
    prepared = prepare(tmp_path, labels)
    assert prepared.label_warnings == [
        "labels -7, 99, 300 are not part of the scheme verse: ignored"
    ]


def test_a_scan_in_place_of_a_mask(tmp_path):
    scan = np.arange(40 * 40 * 60).reshape(IMAGE.shape) % 1500 - 1000
    error = reason(tmp_path, "mask_not_labels", scan.astype(np.int16))
    assert "looks like an image" in error.message


def test_labels_of_another_scheme(tmp_path):
    reason(
        tmp_path,
        "mask_no_vertebra",
        np.where(spine(), 5, 0).astype(np.uint8),
        scheme="totalsegmentator_v2",
    )


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_probabilities_and_gaps(tmp_path, value):
    labels = spine(np.float32)
    labels[0, 0, 0] = value
    reason(tmp_path, "mask_not_integer", labels)


def test_whole_numbers_stored_as_fractions_are_labels(tmp_path):
    assert np.array_equal(prepare(tmp_path, spine(np.float64)).labels.data, spine())


def test_numbers_beyond_every_label():
    labels, warnings = to_verse(np.array([20.0, 1e300, -1e300]), "verse")
    assert labels.tolist() == [20, 0, 0]
    assert len(warnings) == 1


def test_files_that_are_no_label_map(tmp_path):
    def unreadable(code="mask_unreadable"):
        mask = {"path": "mask.nii.gz", "scheme": "verse"}
        excluded(lambda: prepare_mask(mask, tmp_path, IMAGE, 3.0), code)

    path = tmp_path / "mask.nii.gz"
    path.write_text("no image")
    unreadable()
    given(tmp_path, spine())
    path.write_bytes(path.read_bytes()[:-20])
    unreadable()
    given(tmp_path, np.stack([spine()] * 2, axis=-1))
    unreadable()
    given(tmp_path, spine().astype(np.complex64))
    unreadable()
    blank = nib.Nifti1Image(spine(), None)
    blank.header["sform_code"] = blank.header["qform_code"] = 0
    nib.save(blank, path)
    unreadable("mask_no_position")
