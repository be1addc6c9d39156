"""Rows of the features table: pooled and per level, and regions that cannot be trusted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from osteoflow.features import feature_rows
from osteoflow.io.tables import FEATURE_KEYS, feature_columns
from osteoflow.io.volume import Volume
from osteoflow.models.voxel_sizes import voxel_warnings
from osteoflow.radiomics.extract import feature_names
from osteoflow.radiomics.settings import RadiomicsSettings

WHO = {"participant_id": "sub-1", "session": "n/a", "rater": 1, "reading": 1, "image": "pdff"}
SHAPE = (9, 40, 60)
PLACES = {20: (42, 54), 21: (24, 36), 22: (6, 18)}
LEVELS = ["L1", "L2", "L3"]


def recipe(**changes) -> RadiomicsSettings:
    base = {"name": "t", "image": "PDFF", "unit": "%", "range": (-20, 120), "bin_width": 5}
    return RadiomicsSettings(
        **{**base, "texture": "2D", "classes": ("firstorder", "glcm", "shape"), **changes}
    )


def scene(spacing=(4.0, 1.0, 1.0)):
    """Image, trabecular volumes, whole vertebrae."""
    rng = np.random.default_rng(8)
    data = 45 + 25 * ndimage.gaussian_filter(rng.normal(size=SHAPE), (0, 1, 1))
    voi, whole = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    for number, (low, high) in PLACES.items():
        voi[2:7, 12:24, low:high] = number
        whole[1:8, 10:26, low - 2 : high + 2] = number
    return Volume(data, np.diag([*spacing, 1.0])), voi, whole


def rows_of(image, voi, whole=None, levels=LEVELS, per_level=True, **changes):
    settings = recipe(**changes)
    rows, warnings = feature_rows(image, voi, levels, per_level, settings, WHO, whole)
    names = feature_names(settings)
    for row in rows:
        assert [key for key in row if key not in FEATURE_KEYS] == names
        assert set(FEATURE_KEYS) <= set(row)
    return {row["roi"]: row for row in rows}, warnings


def is_empty(row):
    """Whether a row has no feature at all."""
    return all(np.isnan(row[name]) for name in feature_columns(list(row)))


@pytest.mark.parametrize("texture", ["2D", "3D"])
def test_pooled_and_single_levels(texture):
    image, voi, whole = scene()
    rows, warnings = rows_of(image, voi, whole, texture=texture)
    assert list(rows) == ["L1-L3_trabecular", "L1_trabecular", "L2_trabecular", "L3_trabecular"]
    assert [row["flag"] for row in rows.values()] == [""] * 4
    assert [row["n_voxels"] for row in rows.values()] == [2160, 720, 720, 720]
    assert {row["voxel_mm"] for row in rows.values()} == {"4 x 1 x 1"}
    means = [rows[f"{level}_trabecular"]["original_firstorder_Mean"] for level in LEVELS]
    pooled = rows["L1-L3_trabecular"]["original_firstorder_Mean"]
    assert pooled == pytest.approx(np.mean(means))
    for level, mean in zip((20, 21, 22), means, strict=True):
        assert mean == pytest.approx(image.data[voi == level].mean())
    assert bool(warnings) == (texture == "3D")
    alone, _ = rows_of(image, voi, whole, per_level=False, texture=texture)
    assert alone == {"L1-L3_trabecular": rows["L1-L3_trabecular"]}
    one, _ = rows_of(image, voi, whole, levels=["L2"], texture=texture)
    assert one == {"L2_trabecular": rows["L2_trabecular"]}


@pytest.mark.parametrize("texture", ["2D", "3D"])
def test_a_level_that_is_not_outlined(texture):
    image, voi, whole = scene()
    voi[voi == 21] = 0
    rows, warnings = rows_of(image, voi, whole, texture=texture)
    assert rows["L1-L3_trabecular"]["flag"] == "missing:L2"
    assert rows["L1-L3_trabecular"]["n_voxels"] == 1440
    assert rows["L2_trabecular"]["flag"] == "empty_mask"
    assert is_empty(rows["L2_trabecular"])
    assert rows["L1_trabecular"]["flag"] == ""
    assert "L2_trabecular: empty_mask" in warnings
    nothing, _ = rows_of(image, np.zeros_like(voi), whole, texture=texture)
    assert {row["flag"] for row in nothing.values()} == {
        "empty_mask",
        "empty_mask;missing:L1+L2+L3",
    }
    assert all(map(is_empty, nothing.values()))


def one_voxel(image, voi):
    voi[voi == 21] = 0
    voi[4, 18, 30] = 21


def too_small(image, voi):
    voi[voi == 21] = 0
    voi[3:5, 14:19, 28:34] = 21


def constant(image, voi):
    image.data[voi == 21] = 40.0


def without_data(image, voi):
    image.data[voi == 21] = np.nan


def out_of_range(image, voi):
    image.data[voi == 21] = 500.0


@pytest.mark.parametrize("texture", ["2D", "3D"])
@pytest.mark.parametrize(
    ("spoil", "flag", "n_voxels"),
    [
        (one_voxel, "too_few_voxels", 1),
        (too_small, "too_few_voxels", 60),
        (constant, "constant_intensity", 720),
        (without_data, "not_finite;unreliable_voxels:100%", 0),
        (out_of_range, "too_few_voxels", 0),
    ],
)
def test_a_region_that_carries_no_features(texture, spoil, flag, n_voxels):
    image, voi, whole = scene()
    spoil(image, voi)
    rows, warnings = rows_of(image, voi, whole, texture=texture)
    bad = rows["L2_trabecular"]
    assert (bad["flag"], bad["n_voxels"]) == (flag, n_voxels)
    assert is_empty(bad)
    for part in flag.split(";"):
        assert f"L2_trabecular: {part}" in warnings
    for level in ("L1", "L3"):
        assert rows[f"{level}_trabecular"]["flag"] == ""
        assert not is_empty(rows[f"{level}_trabecular"])


def test_a_region_that_reaches_beyond_the_data():
    image, voi, whole = scene()
    image.data[:, :, 30:] = np.nan
    rows, warnings = rows_of(image, voi, whole)
    assert rows["L2_trabecular"]["flag"] == "unreliable_voxels:50%"
    assert rows["L2_trabecular"]["n_voxels"] == 360
    left = image.data[2:7, 12:24, 24:30]
    assert rows["L2_trabecular"]["original_firstorder_Mean"] == pytest.approx(left.mean())
    assert rows["L1_trabecular"]["flag"] == "not_finite;unreliable_voxels:100%"
    assert rows["L1-L3_trabecular"]["flag"] == "unreliable_voxels:50%"
    assert "L2_trabecular: 360 of 720 voxels hold no number and were left out" in warnings


def test_regions_cut_by_the_border():
    image, voi, whole = scene()
    # The vertebra goes on beyond the lower end of the image; its trabecular volume kept a margin.
    whole[1:8, 10:26, :6] = 22
    rows, warnings = rows_of(image, voi, whole)
    assert rows["L3_trabecular"]["flag"] == "touches_edge"
    assert rows["L1-L3_trabecular"]["flag"] == "touches_edge:L3"
    assert not is_empty(rows["L3_trabecular"])
    assert "L3_trabecular: touches_edge" in warnings
    assert rows_of(image, voi, None)[0]["L3_trabecular"]["flag"] == ""
    # A process at the side of a sagittal slab is no cut; half of the body is.
    image, voi, whole = scene()
    whole[0, 14:16, 26:34] = 21
    assert rows_of(image, voi, whole)[0]["L2_trabecular"]["flag"] == ""
    whole[0, 10:22, 22:38] = 21
    assert rows_of(image, voi, whole)[0]["L2_trabecular"]["flag"] == "touches_edge"
    # The region itself at a border, without whole outlines.
    image, voi, _ = scene()
    voi[:2, 12:24, 24:36] = 21
    rows, _ = rows_of(image, voi)
    assert [row["flag"] for row in rows.values()] == ["touches_edge:L2", "", "touches_edge", ""]


def test_the_border_does_not_depend_on_the_orientation():
    image, voi, whole = scene()
    whole[1:8, 10:26, :6] = 22
    turned = image.affine @ np.array(
        [[0, 0, -1, SHAPE[0] - 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float
    )
    move = [array[::-1].transpose(1, 2, 0) for array in (image.data, voi, whole)]
    straight, _ = rows_of(image, voi, whole)
    other, _ = rows_of(Volume(move[0], turned), move[1], move[2])
    for roi, row in straight.items():
        assert (other[roi]["flag"], other[roi]["voxel_mm"]) == (row["flag"], row["voxel_mm"])


@pytest.mark.parametrize(
    ("spacing", "changes", "note"),
    [
        ((4.0, 1.0, 1.0), {}, None),
        ((1.2, 1.0, 1.0), {}, "almost_isotropic: voxels of 1.2 x 1 x 1 mm; slices are taken to"),
        ((1.0, 1.0, 1.4), {}, "slices are taken to follow each other inferior-superior"),
        ((4.0, 0.7, 1.0), {}, "unequal_in_plane: 0.7 and 1 mm"),
        ((4.0, 0.7, 1.0), {"resample_mm": 1.0}, None),
        ((4.0, 1.0, 1.0), {"texture": "3D"}, "anisotropic: 3D texture on voxels of 4 x 1 x 1 mm"),
        ((4.0, 1.0, 1.0), {"texture": "3D", "resample_mm": 1.5}, "upsampled: voxels of 4 x 1 x 1"),
        ((3.0, 1.0, 1.0), {"texture": "3D", "resample_mm": 1.5}, None),
        ((1.0, 1.0, 1.2), {"texture": "3D"}, None),
    ],
)
def test_voxels_that_do_not_go_with_the_recipe(spacing, changes, note):
    image, voi, whole = scene(spacing)
    rows, warnings = rows_of(image, voi, whole, **{"classes": ("firstorder",), **changes})
    assert all(row["flag"] == "" for row in rows.values())
    if note is None:
        assert warnings == []
    else:
        (told,) = warnings
        assert note in told


def test_cubes_and_a_recipe_for_slices():
    image, voi, whole = scene((1.0, 1.0, 1.0))
    rows, warnings = rows_of(image, voi, whole)
    assert {row["flag"] for row in rows.values()} == {"no_slice_axis"}
    assert all(map(is_empty, rows.values()))
    assert {row["voxel_mm"] for row in rows.values()} == {"1 x 1 x 1"}
    assert any("voxels of 1 x 1 x 1 mm have no slice axis" in text for text in warnings)


def test_voxel_sizes_that_differ_within_a_study():
    def rows(*sizes):
        return pd.DataFrame({"voxel_mm": list(sizes)})

    assert voxel_warnings(rows("4.4 x 0.938 x 0.938", "4.5 x 0.94 x 0.94", None)) == []
    assert voxel_warnings(pd.DataFrame({"flag": [""]})) == []
    assert voxel_warnings(rows(None)) == []
    (told,) = voxel_warnings(rows("4.4 x 0.7 x 0.7", "4.4 x 0.938 x 0.938"))
    assert "posterior-anterior 0.7 to 0.938 mm" in told
    assert "left-right" not in told
    assert "set resample_mm" in told
