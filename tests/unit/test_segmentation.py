"""Masks: label schemes, grids, plausibility, trabecular volumes, overlap."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.io.dicom import convert_series
from osteoflow.io.volume import Volume
from osteoflow.measurements import measure_regions
from osteoflow.segmentation.agreement import dice
from osteoflow.segmentation.grid import check_levels, check_sides, drop_slips, to_image_grid
from osteoflow.segmentation.prepare import prepare_mask
from osteoflow.segmentation.readings import agreement_rows
from osteoflow.segmentation.schemes import (
    labels_table,
    level_name,
    scheme_names,
    to_verse,
    verse_id,
)
from osteoflow.segmentation.structures import (
    add_structures,
    is_vertebra,
    level_extent,
    only_vertebrae,
    outlined_structures,
    structure_id,
    structure_mask,
    structure_names,
    within_extent,
)
from osteoflow.segmentation.voi import surface_distance, trabecular_voi

# L1 is 22 in one scheme and 31 in another: the published numbers, level by level.
PUBLISHED = {
    "osteoflow": {"T12": 19, "L1": 20, "L5": 24, "L6": 25, "sacrum": 26, "T13": 28},
    "verse": {"T12": 19, "L1": 20, "L5": 24, "L6": 25, "sacrum": 26, "T13": 28},
    "totalsegmentator_total_mr": {"sacrum": 18},
    "totalsegmentator_total_mr_before_2_5": {"sacrum": 18},
    "totalsegmentator_v2": {"C1": 50, "T1": 43, "T12": 32, "L1": 31, "L5": 27, "sacrum": 25},
    "totalsegmentator_v1": {"C1": 41, "T1": 34, "T12": 23, "L1": 22, "L5": 18, "sacrum": 92},
    "totalsegmentator_vertebrae_mr": {"C1": 25, "T12": 7, "L1": 6, "L5": 2, "sacrum": 1},
    "totalsegmentator_vertebrae_pp": {"C1": 1, "T12": 19, "L1": 20, "L5": 24},
    "totalspineseg": {"C1": 11, "T1": 21, "T12": 32, "L1": 41, "L5": 45, "sacrum": 50},
    "spineps_subregions": {"sacrum": 26},
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
    # One scheme goes by names, one has no level at all.
    assert set(PUBLISHED) | {"names", "totalsegmentator_vertebrae_body"} == set(scheme_names())


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
    with pytest.raises(ValueError, match="known: osteoflow"):
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


# ---------------------------------------------------------------- further structures

# The same muscles in the numbers that each program publishes: left and right, back and psoas.
MUSCLES = {
    "totalsegmentator_v1": (100, 101, 102, 103),
    "totalsegmentator_v2": (86, 87, 88, 89),
    "totalsegmentator_total_mr": (46, 47, 48, 49),
    "totalsegmentator_total_mr_before_2_5": (44, 45, 46, 47),
    "osteoflow": (151, 152, 153, 154),
}


def trunk() -> Volume:
    """The spine of :func:`spine` with muscles left and right of it, fluid behind, and fat."""
    labels = spine()
    labels.data[0:8, 2:9] = structure_id("paraspinal_muscle_left")
    labels.data[42:50, 2:9] = structure_id("paraspinal_muscle_right")
    labels.data[22:28, 5:9] = structure_id("csf")
    labels.data[:, 0:2] = structure_id("subcutaneous_fat")
    return labels


def saved(folder, name: str, labels: Volume, scheme: str = "osteoflow") -> dict[str, str]:
    nib.save(nib.Nifti1Image(labels.data, labels.affine), folder / name)
    return {"path": name, "scheme": scheme}


@pytest.mark.parametrize("scheme", sorted(MUSCLES))
def test_muscles_of_each_scheme(scheme: str) -> None:
    result, warnings = to_verse(np.array(MUSCLES[scheme]), scheme, require_vertebra=False)
    names = ["paraspinal_muscle_left", "paraspinal_muscle_right", "iliopsoas_left"]
    assert [level_name(v) for v in result] == [*names, "iliopsoas_right"]
    assert result.dtype == np.uint8
    assert warnings == []


def test_numbers_of_structures_collide_with_none_of_verse() -> None:
    """Vertebrae end at 28, discs are 100 + id, endplates 200 + id, and all fit into a byte."""
    numbers = set(structure_names())
    vertebrae = {verse_id(level_name(n)) for n in [*range(1, 27), 28]}
    assert not numbers & {n + k for n in vertebrae for k in (0, 100, 200)}
    assert max(numbers) < 256
    assert {"csf", "air", "subcutaneous_fat"} <= set(structure_names().values())
    with pytest.raises(ValueError, match="unknown structure 'spinal_canal'"):
        structure_id("spinal_canal")
    assert level_name(structure_id("csf")) == "csf"
    with pytest.raises(ValueError, match="unknown vertebra"):
        verse_id("csf")


@pytest.mark.parametrize(
    ("scheme", "canal"),
    [
        ("totalsegmentator_v2", [79]),
        ("totalsegmentator_total_mr", [21]),
        ("totalsegmentator_total_mr_before_2_5", [21]),
        ("totalspineseg", [1, 2]),
    ],
)
def test_cord_and_canal_are_no_fluid(scheme: str, canal: list[int]) -> None:
    with pytest.raises(SubjectDataError) as caught:
        to_verse(np.array([0, *canal]), scheme, require_vertebra=False)
    assert caught.value.code == "mask_no_region"


def test_total_mr_names_no_level() -> None:
    labels = np.array([0, 19, 20, 46, 47])
    with pytest.raises(SubjectDataError) as caught:
        to_verse(labels, "totalsegmentator_total_mr")
    assert caught.value.code == "mask_no_vertebra"
    result, _ = to_verse(labels, "totalsegmentator_total_mr", require_vertebra=False)
    assert result.tolist() == [0, 0, 0, 151, 152]


@pytest.mark.parametrize("scheme", ["totalsegmentator_vertebrae_body", "spineps_subregions"])
def test_one_label_for_all_bodies_names_no_level(scheme: str) -> None:
    with pytest.raises(SubjectDataError, match="names no level") as caught:
        to_verse(np.array([0, 1 if "body" in scheme else 49]), scheme)
    assert caught.value.code == "mask_no_vertebra"


def test_structures_alone_are_no_mask_of_vertebrae() -> None:
    labels = np.array([0, 151, 155], np.uint8)
    with pytest.raises(SubjectDataError) as caught:
        to_verse(labels, "osteoflow")
    assert caught.value.code == "mask_no_vertebra"
    result, _ = to_verse(labels, "osteoflow", require_vertebra=False)
    assert result.tolist() == [0, 151, 155]


def test_vertebral_logic_leaves_structures_aside() -> None:
    labels, plain = trunk(), spine()
    assert check_levels(labels) == check_levels(plain) == []
    voi, warnings = trabecular_voi(labels, 4.0)
    assert np.array_equal(voi.data, trabecular_voi(plain, 4.0)[0].data)
    assert warnings == []
    assert np.array_equal(only_vertebrae(labels).data, plain.data)
    assert only_vertebrae(plain) is plain
    assert np.array_equal(is_vertebra(labels.data), plain.data > 0)
    rows = agreement_rows({"mri": labels, "mri_repeat": labels})
    assert [row["roi"] for row in rows] == ["L1", "L2", "L3"]
    with pytest.raises(SubjectDataError) as caught:
        check_levels(labels.like(labels.data[:, :, ::-1]))
    assert caught.value.code == "mask_levels_out_of_order"
    names = [row["name"] for row in labels_table(np.unique(labels.data))]
    assert names == ["L1", "L2", "L3", *outlined_structures(labels.data)]


def test_small_structures_are_no_slips() -> None:
    labels = trunk()
    labels.data[structure_mask(labels.data, "csf")] = 0
    labels.data[24, 6, 50] = structure_id("csf")
    labels.data[0, 20, 0] = 23
    kept, warnings = drop_slips(labels)
    assert (kept.data == structure_id("csf")).sum() == 1
    assert len(warnings) == 1
    assert warnings[0].startswith("L4 holds 1 voxel")
    fluid = labels.like(np.where(is_vertebra(labels.data), 0, labels.data))
    assert drop_slips(fluid)[1] == []
    labels.data[is_vertebra(labels.data)] = 0
    labels.data[0, 20, 0] = 23
    with pytest.raises(SubjectDataError) as caught:
        drop_slips(labels)
    assert caught.value.code == "mask_too_small"


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "ASL"])
def test_mirrored_muscles_are_found_in_any_orientation(axes: str) -> None:
    labels = trunk()
    change = nib.orientations.ornt_transform(
        nib.io_orientation(labels.affine), nib.orientations.axcodes2ornt(axes)
    )

    def turn(data: np.ndarray) -> Volume:
        image = nib.Nifti1Image(data, labels.affine).as_reoriented(change)
        return Volume(np.asarray(image.dataobj), image.affine)

    check_sides(turn(labels.data))
    with pytest.raises(SubjectDataError) as caught:
        check_sides(turn(labels.data[::-1]))
    assert caught.value.code == "mask_sides_swapped"
    one = np.where(structure_mask(labels.data, "paraspinal_muscle_left"), 0, labels.data)
    check_sides(turn(one[::-1]))


def test_structures_outside_and_across_the_border() -> None:
    labels = trunk()
    lower = Volume(labels.data[:, :, :60], labels.affine)
    assert to_image_grid(labels, lower)[1] == [
        "L1 lies outside the image",
        "L2 is truncated by the image's border",
    ]
    front = Volume(
        labels.data[:, 9:],
        labels.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 9], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    )
    result, warnings = to_image_grid(labels, front)
    assert outlined_structures(result.data) == []
    assert warnings[-4:] == [
        f"{name} lies outside the image"
        for name in (
            "paraspinal_muscle_left",
            "paraspinal_muscle_right",
            "csf",
            "subcutaneous_fat",
        )
    ]
    behind = Volume(labels.data[:, :9], labels.affine)
    with pytest.raises(SubjectDataError, match="no vertebra of the mask") as caught:
        to_image_grid(labels, behind)
    assert caught.value.code == "mask_outside_image"


def test_the_height_of_levels_in_space() -> None:
    labels = trunk()
    low, high = level_extent(labels, [20])
    assert (low, high) == pytest.approx((-400 + 72, -400 + 92))
    both = level_extent(labels, [20, 22])
    assert both == pytest.approx((-400 + 16, -400 + 92))
    fluid = structure_mask(labels.data, "csf")
    beside = within_extent(fluid, labels.affine, (low, high))
    assert np.unique(np.nonzero(beside)[2]).tolist() == list(range(72, 92))
    assert beside.sum() == 6 * 4 * 20
    with pytest.raises(ValueError, match="no voxel of the levels"):
        level_extent(labels, [24])


def test_two_masks_are_joined_and_the_first_one_stays() -> None:
    vertebrae, further = spine(), trunk()
    further.data[12:20, 20:25] = structure_id("paraspinal_muscle_left")  # into the bodies
    joined, warnings = add_structures(vertebrae, further)
    assert np.array_equal(only_vertebrae(joined).data, vertebrae.data)
    assert (structure_mask(joined.data, "csf") == structure_mask(further.data, "csf")).all()
    taken = (further.data == 151) & (vertebrae.data > 0)
    assert warnings == [
        f"{taken.sum()} of {(further.data == 151).sum()} voxels of paraspinal_muscle_left belong "
        "to other regions already and stay with them"
    ]
    again, warnings = add_structures(joined, further)
    assert np.array_equal(again.data, joined.data)
    assert len(warnings) == 4
    assert "both masks outline csf" in warnings[2]
    with pytest.raises(ValueError, match="different grids"):
        add_structures(vertebrae, Volume(further.data, further.affine * 2))


def test_a_mask_with_structures_from_file_to_regions(tmp_path) -> None:
    labels = trunk()
    image = labels.like(np.zeros(labels.shape))
    prepared = prepare_mask(saved(tmp_path, "m.nii.gz", labels), tmp_path, image, 4.0)
    assert prepared.labels.data.dtype == np.uint8
    assert np.array_equal(prepared.labels.data, labels.data)
    assert set(np.unique(prepared.voi.data)) == {0, 20, 21, 22}
    assert prepared.label_warnings == prepared.voi_warnings == []
    mirrored = saved(tmp_path, "r.nii.gz", labels.like(labels.data[::-1]))
    with pytest.raises(SubjectDataError) as caught:
        prepare_mask(mirrored, tmp_path, image, 4.0)
    assert caught.value.code == "mask_sides_swapped"


def test_vertebrae_and_muscles_of_two_programs(tmp_path) -> None:
    labels = trunk()
    image = labels.like(np.zeros(labels.shape))
    first = saved(tmp_path, "v.nii.gz", spine(), "verse")
    numbers = np.zeros(256, np.uint8)
    numbers[[20, 151, 152]] = 19, 46, 47
    muscles = labels.like(numbers[labels.data])
    second = saved(tmp_path, "m.nii.gz", muscles, "totalsegmentator_total_mr")
    prepared = prepare_mask(first, tmp_path, image, 4.0, structures=second)
    assert outlined_structures(prepared.labels.data) == [
        "paraspinal_muscle_left",
        "paraspinal_muscle_right",
    ]
    assert np.array_equal(only_vertebrae(prepared.labels).data, spine().data)
    assert prepared.label_warnings == []
    alone = prepare_mask(second, tmp_path, image, 4.0, require_vertebra=False)
    assert np.unique(alone.labels.data).tolist() == [0, 151, 152]
    assert not alone.voi.data.any()
    with pytest.raises(SubjectDataError) as caught:
        prepare_mask(second, tmp_path, image, 4.0)
    assert caught.value.code == "mask_no_vertebra"


def test_a_mask_of_structures_that_fails_costs_no_vertebra(tmp_path) -> None:
    image = spine().like(np.zeros(spine().shape))
    first = saved(tmp_path, "v.nii.gz", spine(), "verse")
    mirrored = trunk().like(trunk().data[::-1])
    for second, code in (
        ({"path": "m.nii", "scheme": "osteoflow", "missing": True}, "mask_missing"),
        (saved(tmp_path, "m.nii.gz", mirrored), "mask_sides_swapped"),
    ):
        prepared = prepare_mask(first, tmp_path, image, 4.0, structures=second)
        assert np.array_equal(prepared.labels.data, spine().data)
        (warning,) = prepared.label_warnings
        assert warning.startswith(f"{code}: mask of further structures not used: ")


@pytest.mark.skipif(
    not os.environ.get("OSTEOFLOW_EXTERNAL_DATA"),
    reason="OSTEOFLOW_EXTERNAL_DATA does not point to the third-party data",
)
def test_muscles_of_a_real_mask(record) -> None:
    """TotalSegmentator's mask of a contrast CT: sides, and CT numbers of muscle."""
    folder = Path(os.environ["OSTEOFLOW_EXTERNAL_DATA"]) / "ct" / "siemens_ct_jpeg2000"
    ct, _, _ = convert_series(sorted((folder / "example_ct_dicom").iterdir()))
    given = {"path": "example_seg_dicom.nii.gz", "scheme": "totalsegmentator_v2"}
    prepared = prepare_mask(given, folder, ct, 4.0)
    assert set(np.unique(prepared.labels.data)) == {0, 18, 19, 151, 152}
    assert set(np.unique(prepared.voi.data)) <= {0, 18, 19}
    rows = measure_regions("ct", ct, prepared.labels)
    found = {row["roi"]: row["value"] for row in rows if row["metric"] == "hu_mean"}
    for side in ("left", "right"):
        mean = found[f"paraspinal_muscle_{side}"]
        what = f"Siemens CT, TotalSegmentator mask: {side} paraspinal muscle, mean"
        record("CT: third-party data", what, mean, "HU", "0 to 80 (muscle with its fat)")
        assert 0 < mean < 80
