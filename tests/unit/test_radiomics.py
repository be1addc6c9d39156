"""Radiomics: settings, IBSI preparation, flags instead of invented numbers, dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from osteoflow.io.volume import Volume
from osteoflow.radiomics.columns import feature_names
from osteoflow.radiomics.dictionary import describe, features, ibsi_tag
from osteoflow.radiomics.extract import extract_features, extract_regions
from osteoflow.radiomics.grid import Placement
from osteoflow.radiomics.preprocess import discretise, prepare
from osteoflow.radiomics.settings import RadiomicsSettings, read_settings
from osteoflow.resources import ROOT

BASE = {"name": "test", "image": "vBMD", "unit": "mg/cm3", "range": (-200, 600), "bin_width": 10}


def recipe(**changes) -> RadiomicsSettings:
    return RadiomicsSettings(**{**BASE, **changes})


def scene(
    shape: tuple[int, int, int] = (44, 40, 30), spacing: tuple[float, float, float] = (1, 1, 2)
) -> tuple[Volume, np.ndarray]:
    rng = np.random.default_rng(3)
    data = 120 + 250 * ndimage.gaussian_filter(rng.normal(size=shape), 1.0)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -10, 20, 30
    grid = np.indices(shape) - (np.array(shape) / 2)[:, None, None, None]
    mask = (grid[0] / 14) ** 2 + (grid[1] / 11) ** 2 + (grid[2] / 7) ** 2 <= 1
    return Volume(data, affine), mask


@pytest.mark.parametrize("name", ["vbmd", "hu", "pdff"])
def test_shipped_recipes_are_valid_and_give_all_features(name: str) -> None:
    settings = read_settings(ROOT / "config" / "radiomics" / f"{name}.yaml")
    image, mask = scene()
    if name == "pdff":
        image = Volume(np.clip(image.data / 3, 0, 100), image.affine)
    result = extract_features(image, mask, settings)
    assert result.flag == ""
    assert list(result.features) == feature_names(settings)
    assert len(result.features) == 107
    assert np.isfinite(list(result.features.values())).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bin_widht": 5}, "bin_widht"),
        ({"bin_count": 32}, "exactly one"),
        ({"bin_width": None}, "exactly one"),
        ({"range": None}, "needs range"),
        ({"range": (5, 5)}, "low < high"),
        ({"bin_width": 0.1}, "256"),
        ({"classes": ("glcm", "glcm")}, "repeated"),
        ({"classes": ("glmc",)}, "classes"),
        ({"texture": "2D", "filters": {"log_sigma_mm": [2]}}, "3D filter"),
        ({"texture": "2D", "resample_mm": (1, 1, 1)}, "in-plane"),
        ({"filters": {"wavelet": "coif"}}, "unknown wavelet"),
        ({"filters": {"original": False}}, "no image"),
        ({"classes": ("shape", "spatial"), "filters": {"wavelet": "haar"}}, "of a filtered image"),
        ({"resample_mm": 0}, "greater than 0"),
    ],
)
def test_contradictory_settings_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(**change)


def test_first_order_values_match_numpy() -> None:
    image, mask = scene()
    values = extract_features(image, mask, recipe(classes=("firstorder", "shape"))).features
    inside = image.data[mask]
    assert values["original_firstorder_Mean"] == pytest.approx(inside.mean())
    assert values["original_firstorder_Variance"] == pytest.approx(inside.var())
    fourth = ((inside - inside.mean()) ** 4).mean()
    assert values["original_firstorder_Kurtosis"] == pytest.approx(fourth / inside.var() ** 2 - 3)
    assert values["original_shape_VoxelVolume"] == pytest.approx(mask.sum() * 2.0)
    # 4 sqrt of the largest eigenvalue of the sample covariance.
    points = np.argwhere(mask) * [1.0, 1.0, 2.0]
    largest = np.linalg.eigvalsh(np.cov(points.T)).max()
    assert values["original_shape_MajorAxisLength"] == pytest.approx(4 * np.sqrt(largest))


def test_resampling_grid_is_centre_aligned_and_exact_for_a_ramp() -> None:
    shape, spacing = (21, 17, 11), (0.9, 1.3, 2.5)
    ramp = np.tensordot([2.0, -1.0, 0.5], np.indices(shape) * np.reshape(spacing, (3, 1, 1, 1)), 1)
    mask = np.zeros(shape, bool)
    mask[6:15, 5:12, 3:8] = True
    settings = recipe(resample_mm=1.0, range=(-500, 500))
    region = prepare(Volume(ramp, np.diag([*spacing, 1.0])), mask, settings)
    assert region.spacing == (1.0, 1.0, 1.0)
    # The mean of a ramp over a region is its value at the region's centre of mass.
    centre = np.array([10, 8, 5]) * spacing
    inside = region.image[region.box][region.morphology]
    assert inside.mean() == pytest.approx(centre @ [2.0, -1.0, 0.5], abs=1e-6)
    steps = [np.unique(np.round(np.diff(region.image, axis=a), 6)) for a in range(3)]
    assert [s.tolist() for s in steps] == [[2.0], [-1.0], [0.5]]


def test_crop_does_not_change_the_result() -> None:
    image, mask = scene(shape=(80, 76, 60))
    settings = recipe(resample_mm=1.3, interpolator="cubic")
    small = prepare(image, mask, settings)
    # The same grid without the crop: a mask that spans the image.
    full = prepare(image, np.ones(mask.shape, bool), settings)
    found = ndimage.affine_transform(
        mask.astype(float),
        np.array([1.3, 1.3, 0.65]),
        offset=[
            0.5 * ((n - 1) - (m - 1) * r)
            for n, m, r in zip(mask.shape, full.image.shape, (1.3, 1.3, 0.65), strict=True)
        ],
        output_shape=full.image.shape,
        order=1,
    )
    region = found >= 0.5 - 1e-9
    assert region.sum() == small.morphology.sum()
    np.testing.assert_allclose(
        full.image[full.box][region], small.image[small.box][small.morphology], atol=1e-6
    )


def test_orientation_of_the_array_does_not_matter() -> None:
    image, mask = scene()
    flipped = image.affine @ np.array(
        [[0, 0, -1, 43], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float
    )
    data = image.data[::-1].transpose(1, 2, 0)
    turned = Volume(data, flipped)
    settings = recipe(resample_mm=1.5, filters={"wavelet": "haar"})
    first = extract_features(image, mask, settings).features
    second = extract_features(turned, mask[::-1].transpose(1, 2, 0), settings).features
    for name, value in first.items():
        assert second[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_two_dimensional_texture_ignores_neighbouring_slices() -> None:
    image, mask = scene()
    settings = recipe(texture="2D", classes=("glcm", "glrlm", "glszm", "ngtdm", "gldm"))
    shuffled = np.random.default_rng(0).permutation(image.data.shape[2])
    a = extract_features(image, mask, settings).features
    b = extract_features(
        Volume(image.data[:, :, shuffled], image.affine), mask[:, :, shuffled], settings
    ).features
    assert a == pytest.approx(b)
    region = prepare(image, mask, recipe(texture="2D", resample_mm=0.7))
    assert (region.spacing, region.slice_axis) == ((0.7, 0.7, 2.0), 2)
    isotropic = extract_features(Volume(image.data, np.eye(4)), mask, settings)
    assert isotropic.flag == "no_slice_axis"
    assert np.isnan(list(isotropic.features.values())).all()


def test_discretisation() -> None:
    settings = recipe(range=(-10, 30), bin_width=10)
    values = np.array([-10, -0.1, 0, 29.9])
    assert discretise(values, settings, filtered=False).tolist() == [1, 1, 2, 4]
    assert discretise(values, settings, filtered=True)[[0, -1]].tolist() == [1, 32]
    counted = recipe(bin_width=None, bin_count=4)
    assert discretise(np.array([0, 1, 2, 3, 4.0]), counted, False).tolist() == [1, 2, 3, 4, 4]


def test_resegmentation_is_reported_and_leaves_shape_alone() -> None:
    image, mask = scene()
    image.data[mask & (image.data > 180)] = 5000
    full, cut = recipe(range=(-10000, 10000), bin_width=100), recipe()
    a, b = extract_features(image, mask, full), extract_features(image, mask, cut)
    outside = int((mask & (image.data > 600)).sum())
    assert outside > 0
    assert b.n_voxels == mask.sum() - outside
    assert b.warnings == [f"{outside} of {mask.sum()} voxels lie outside the intensity range"]
    assert a.features["original_shape_MeshVolume"] == b.features["original_shape_MeshVolume"]


def test_voxels_without_a_number_are_left_out() -> None:
    image, mask = scene()
    inside = np.argwhere(mask)[::9]
    image.data[tuple(inside.T)] = np.nan
    result = extract_features(image, mask, recipe(classes=("firstorder",)))
    assert result.n_voxels == mask.sum() - len(inside)
    assert result.features["original_firstorder_Mean"] == pytest.approx(
        np.nanmean(image.data[mask])
    )
    assert f"{len(inside)} of {mask.sum()} voxels hold no number" in result.warnings[0]


def test_unusable_regions_are_flagged_and_all_nan() -> None:
    image, mask = scene()
    few = np.zeros_like(mask)
    few[20, 20, 10:13] = True
    constant = Volume(np.full_like(image.data, 100.0), image.affine)
    empty = Volume(np.full_like(image.data, np.nan), image.affine)
    beyond = Volume(image.data + 5000, image.affine)
    cases = {
        "empty_mask": (image, np.zeros_like(mask)),
        "too_few_voxels": (image, few),
        "constant_intensity": (constant, mask),
        "not_finite": (empty, mask),
    }
    for flag, (volume, region) in cases.items():
        result = extract_features(volume, region, recipe())
        assert result.flag == flag
        assert len(result.features) == 107
        assert np.isnan(list(result.features.values())).all()
    assert extract_features(beyond, mask, recipe()).flag == "too_few_voxels"
    with pytest.raises(ValueError, match="shape"):
        extract_features(image, mask[1:], recipe())


def test_a_single_grey_level_has_no_texture() -> None:
    image, mask = scene()
    narrow = Volume(100 + 0.001 * image.data, image.affine)
    result = extract_features(narrow, mask, recipe())
    assert result.flag == ""
    texture = [
        v for k, v in result.features.items() if k.split("_")[1] not in ("shape", "firstorder")
    ]
    assert np.isnan(texture).all()
    assert np.isfinite(result.features["original_firstorder_Mean"])
    assert "one grey level only" in result.warnings[0]


def test_filtered_images() -> None:
    image, mask = scene()
    settings = recipe(
        classes=("shape", "firstorder"), filters={"log_sigma_mm": [2.5], "wavelet": "haar"}
    )
    result = extract_features(image, mask, settings)
    prefixes = {name.split("_")[0] for name in result.features}
    assert prefixes == {
        "original",
        "log-sigma-2-5-mm-3D",
        *(f"wavelet-{a}{b}{c}" for a in "LH" for b in "LH" for c in "LH"),
    }
    assert np.isfinite(list(result.features.values())).all()
    # The Laplacian of a ramp is zero, whatever the border: the crop keeps enough surroundings.
    ramp = Volume(np.indices(mask.shape)[0] * 3.0, image.affine)
    flat = extract_features(
        ramp, mask, recipe(classes=("firstorder",), filters={"log_sigma_mm": [1.0]})
    )
    assert abs(flat.features["log-sigma-1-0-mm-3D_firstorder_Mean"]) < 0.05


def test_dictionary_covers_every_feature() -> None:
    table = features()
    assert len(table) == 179
    assert sum(feature.ibsi_tag is not None for feature in table.values()) == 165
    assert ibsi_tag("glcm_Contrast", "3D") == "cm_contrast_3D_avg"
    assert ibsi_tag("glszm_ZoneEntropy", "2D") == "szm_zs_entr_2_5D"
    assert ibsi_tag("glcm_MCC", "3D") is None
    rows = describe(feature_names(recipe()), recipe())
    units = {row["name"]: row["unit"] for row in rows}
    assert units["original_firstorder_Mean"] == "mg/cm3"
    assert units["original_firstorder_Variance"] == "(mg/cm3)^2"
    assert units["original_shape_MeshVolume"] == "mm3"
    assert units["original_glcm_Contrast"] == "1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"range": (0, float("inf"))}, "finite number"),
        ({"outlier_sd": float("nan")}, "finite number"),
        ({"filters": {"log_sigma_mm": [2, 2.0]}}, "one sigma twice"),
        ({"filters": {"ibsi": [{"kind": "gabor", "sigma_mm": float("inf")}]}}, "finite number"),
    ],
)
def test_numbers_that_no_step_can_use_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(**change)


def test_rounding_of_a_constant_region_is_no_texture() -> None:
    """Interpolation on a turned grid leaves the last digits of a constant map different."""
    image = Volume(np.full((30, 30, 20), 100.0), np.diag([1.0, 1.0, 2.0, 1.0]))
    mask = np.zeros(image.data.shape, bool)
    mask[8:22, 8:22, 5:15] = True
    for angle in (3.0, 6.0):
        placed = Placement(angle, (0.25, 0.5, 0.75))
        found = extract_regions(image, {"a": mask}, recipe(resample_mm=1.3), placed)["a"]
        assert found.flag == "constant_intensity"


def test_the_other_engine_has_no_texture_of_voxels_without_neighbours() -> None:
    image = Volume(
        np.random.default_rng(2).normal(100, 30, (16, 20, 20)), np.diag([4.0, 1.0, 1.0, 1.0])
    )
    mask = np.zeros(image.data.shape, bool)
    mask[2:14, 5, 5] = True
    flat = recipe(texture="2D", engine="pyradiomics", minimum_voxels=8, resample_mm=None)
    found = extract_features(image, mask, flat)
    assert np.isfinite(found.features["original_firstorder_Entropy"])
    assert np.isnan(found.features["original_glcm_Contrast"])
    assert any("glcm: no voxel has neighbours" in text for text in found.warnings)
