"""Masks: label schemes, grids, plausibility, trabecular volumes, overlap."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.segmentation.agreement import dice
from osteoflow.segmentation.grid import check_levels, to_image_grid
from osteoflow.segmentation.schemes import (
    labels_table,
    level_name,
    scheme_names,
    to_verse,
    verse_id,
)
from osteoflow.segmentation.voi import surface_distance, trabecular_voi

# L1 is 22 in one scheme and 31 in another: the published numbers, level by level.
PUBLISHED = {
    "verse": {"T12": 19, "L1": 20, "L5": 24, "L6": 25, "sacrum": 26, "T13": 28},
    "totalsegmentator_v2": {"C1": 50, "T1": 43, "T12": 32, "L1": 31, "L5": 27, "sacrum": 25},
    "totalsegmentator_v1": {"C1": 41, "T1": 34, "T12": 23, "L1": 22, "L5": 18, "sacrum": 92},
    "totalsegmentator_vertebrae_mr": {"C1": 25, "T12": 7, "L1": 6, "L5": 2, "sacrum": 1},
    "totalsegmentator_vertebrae_pp": {"C1": 1, "T12": 19, "L1": 20, "L5": 24},
    "totalspineseg": {"C1": 11, "T1": 21, "T12": 32, "L1": 41, "L5": 45, "sacrum": 50},
    "spineps": {"T12": 19, "L1": 20, "L5": 24, "T13": 28},
}


def spine(spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    """L1-L3 as boxes of 30 x 24 x 20 mm with 8 mm between them; RAS axes, L1 on top."""
    extent = np.array([50.0, 44.0, 100.0])
    shape = np.round(extent / spacing).astype(int)
    centres = [(np.arange(n) + 0.5) * s for n, s in zip(shape, spacing, strict=True)]
    x, y, z = np.meshgrid(*centres, indexing="ij")
    data = np.zeros(shape, np.uint8)
    for index, label in enumerate((20, 21, 22)):
        top = 92 - 28 * index
        body = (x > 10) & (x < 40) & (y > 10) & (y < 34) & (z > top - 20) & (z < top)
        data[body] = label
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = np.array(spacing) / 2 + [-25, 10, -400]
    return Volume(data, affine)


@pytest.mark.parametrize("scheme", sorted(PUBLISHED))
def test_schemes(scheme: str) -> None:
    labels = np.array(list(PUBLISHED[scheme].values()))
    result, warnings = to_verse(labels, scheme)
    assert [level_name(v) for v in result] == list(PUBLISHED[scheme])
    assert warnings == []
    assert set(PUBLISHED) == set(scheme_names())


def test_other_structures_vanish_and_unknown_labels_are_named() -> None:
    labels = np.array([[0, 31, 5], [117, 300, -2]], np.int16)
    result, warnings = to_verse(labels, "totalsegmentator_v2")
    assert result.tolist() == [[0, 20, 0], [0, 0, 0]]
    assert warnings == ["labels -2, 300 are not part of the scheme totalsegmentator_v2: ignored"]
    assert to_verse(labels.astype(float), "totalsegmentator_v2")[0].tolist() == result.tolist()


def test_masks_that_are_no_label_maps_are_refused() -> None:
    for values, code in (
        ([0.0, 20.5], "mask_not_integer"),
        ([0.0, np.nan], "mask_not_integer"),
        ([0, 0], "mask_empty"),
        ([0, 5], "mask_no_vertebra"),
    ):
        with pytest.raises(SubjectDataError) as caught:
            to_verse(np.array(values), "totalsegmentator_v2")
        assert caught.value.code == code
    with pytest.raises(ValueError, match="known: spineps"):
        to_verse(np.array([20]), "totalsegmentator")


def test_names() -> None:
    assert (verse_id("T12"), verse_id("L1"), level_name(28)) == (19, 20, "T13")
    with pytest.raises(ValueError, match="unknown vertebra"):
        verse_id("L9")
    with pytest.raises(ValueError, match="no VerSe id"):
        level_name(27)
    rows = labels_table(np.array([0, 20, 28, 19, 20]))
    assert [row["name"] for row in rows] == ["T12", "T13", "L1"]


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SRA", "PIR", "ASL"])
def test_reordered_grids_lose_nothing(axes: str) -> None:
    image = spine((1.0, 1.5, 2.0))
    stored = nib.Nifti1Image(image.data, image.affine)
    orientation = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(axes)
    )
    turned = stored.as_reoriented(orientation)
    mask = Volume(np.asarray(turned.dataobj), turned.affine)
    result, warnings = to_image_grid(mask, image)
    assert np.array_equal(result.data, image.data)
    assert warnings == []


def test_cropped_mask_is_placed_exactly() -> None:
    image = spine()
    affine = image.affine.copy()
    affine[:3, 3] += [5, 6, 7]
    mask = Volume(image.data[5:46, 6:40, 7:97], affine)
    result, warnings = to_image_grid(mask, image)
    assert np.array_equal(result.data, image.data)
    assert warnings == []


def test_other_spacing_is_resampled_with_a_warning() -> None:
    fine, coarse = spine((0.5, 0.5, 1.0)), spine((1.0, 1.0, 2.0))
    result, warnings = to_image_grid(fine, coarse)
    for label in (20, 21, 22):
        assert dice(result, coarse, label) > 0.95
    assert len(warnings) == 1
    assert "nearest neighbours" in warnings[0]


def test_mask_elsewhere_and_truncated_levels() -> None:
    image = spine()
    away = image.affine.copy()
    away[2, 3] += 500
    with pytest.raises(SubjectDataError) as caught:
        to_image_grid(Volume(image.data, away), image)
    assert caught.value.code == "mask_outside_image"
    with pytest.raises(SubjectDataError) as caught:
        to_image_grid(Volume(np.zeros_like(image.data), image.affine), image)
    assert caught.value.code == "mask_empty"
    short = image.affine.copy()
    short[2, 3] += 24
    part = Volume(image.data[:, :, 24:], short)
    assert to_image_grid(image, part)[1] == ["L3 is truncated by the image's border"]
    lower = Volume(image.data[:, :, :60], image.affine)
    assert to_image_grid(image, lower)[1] == [
        "L1 lies outside the image",
        "L2 is truncated by the image's border",
    ]


def test_level_order_pieces_and_gaps() -> None:
    image = spine()
    assert check_levels(image) == []
    with pytest.raises(SubjectDataError) as caught:
        check_levels(Volume(image.data[:, :, ::-1], image.affine))
    assert caught.value.code == "mask_levels_out_of_order"
    data = image.data.copy()
    data[0:8, 0:8, 0:10] = 20
    data[data == 21] = 0
    warnings = check_levels(Volume(data, image.affine))
    assert "L1 consists of 2 pieces" in warnings[0]
    assert warnings[1] == "no label between present levels: L2"
    # T13 (28) belongs between T12 (19) and L1 (20), although its number is higher.
    renamed = np.array([0] * 20 + [19, 28, 20], np.uint8)[image.data]
    assert check_levels(Volume(renamed, image.affine)) == []
    with pytest.raises(SubjectDataError, match="T13 above T12, L1 above T13"):
        check_levels(Volume(renamed[:, :, ::-1], image.affine))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 1.0, 2.0), (4.0, 1.0, 1.0)])
def test_surface_distance_of_a_box(spacing: tuple[float, float, float]) -> None:
    shape = (10, 12, 9)
    depth = surface_distance(np.ones(shape, bool), np.array(spacing))
    index = np.indices(shape)
    layers = np.minimum(index, np.reshape(shape, (3, 1, 1, 1)) - 1 - index) + 0.5
    expected = (layers * np.reshape(spacing, (3, 1, 1, 1))).min(axis=0)
    np.testing.assert_allclose(depth, expected, rtol=1e-12)


def test_surface_distance_of_one_outside_voxel() -> None:
    body = np.ones((41, 41, 41), bool)
    body[20, 20, 20] = False
    spacing = np.array([1.0, 1.5, 3.0])
    depth = surface_distance(body, spacing)
    steps = np.abs(np.indices(body.shape) - 20) * spacing[:, None, None, None]
    box = np.sqrt((np.maximum(steps - spacing[:, None, None, None] / 2, 0) ** 2).sum(axis=0))
    near = box < 8
    np.testing.assert_allclose(depth[near], box[near], atol=1e-12)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 2.0), (2.0, 1.0, 1.0)])
def test_erosion_takes_the_same_margin_on_every_side(spacing: tuple) -> None:
    labels = spine(spacing)
    voi, warnings = trabecular_voi(labels, 4.0)
    assert warnings == []
    assert voi.data.dtype == np.uint8
    for label, top in ((20, 92), (21, 64), (22, 36)):
        inside = np.argwhere(voi.data == label)
        low = inside.min(axis=0) * spacing
        high = (inside.max(axis=0) + 1) * spacing
        assert low.tolist() == [14, 14, top - 16]
        assert high.tolist() == [36, 30, top - 4]
        assert len(inside) * np.prod(spacing) == pytest.approx(22 * 16 * 12)


def test_neighbouring_labels_are_surfaces_for_each_other() -> None:
    data = np.zeros((30, 30, 40), np.uint8)
    data[5:25, 5:25, 2:20] = 21
    data[5:25, 5:25, 20:38] = 20
    voi, _ = trabecular_voi(Volume(data, np.eye(4)), 3.0)
    assert not voi.data[:, :, 17:23].any()
    assert (voi.data[15, 15, [16, 23]] == [21, 20]).all()


def test_a_volume_that_vanishes_is_dropped_not_grown() -> None:
    # Sagittal slices of 8 mm: a margin of 4 mm costs the outermost slice on each side.
    data = np.zeros((4, 40, 40), np.uint8)
    data[1:3, 10:30, 10:30] = 20
    voi, warnings = trabecular_voi(Volume(data, np.diag([8.0, 1, 1, 1])), 4.0)
    assert np.unique(np.nonzero(voi.data)[0]).tolist() == [1, 2]
    voi, warnings = trabecular_voi(Volume(data, np.diag([7.0, 1, 1, 1])), 4.0)
    assert not voi.data.any()
    assert warnings == ["L1: 0 voxels lie 4 mm or more inside, fewer than 50: no trabecular volume"]
    with pytest.raises(ValueError, match="positive"):
        trabecular_voi(Volume(data, np.eye(4)), 0)


def test_dice() -> None:
    a, b = np.zeros((4, 4, 4), int), np.zeros((4, 4, 4), int)
    a[:2], b[1:3] = 20, 20
    first, second = Volume(a, np.eye(4)), Volume(b, np.eye(4))
    assert dice(first, second, 20) == 0.5
    assert np.isnan(dice(first, second, 21))
    with pytest.raises(ValueError, match="different grids"):
        dice(first, Volume(b, np.eye(4) * 2), 20)
