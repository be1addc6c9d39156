"""Families of features beyond pyradiomics' against closed forms and plain loops."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from osteoflow.io.volume import Volume
from osteoflow.radiomics.boxes import bounding_box
from osteoflow.radiomics.columns import feature_names
from osteoflow.radiomics.dictionary import describe, features
from osteoflow.radiomics.extract import extract_features, extract_regions
from osteoflow.radiomics.families import FAMILIES
from osteoflow.radiomics.families.distance_zones import edge_distance
from osteoflow.radiomics.families.local_peaks import RADIUS_MM, ball_means
from osteoflow.radiomics.families.morphology import _series, convex_hull, ellipsoid
from osteoflow.radiomics.preprocess import prepare
from osteoflow.radiomics.roi import Roi
from osteoflow.radiomics.settings import CLASSES, FeatureClass, RadiomicsSettings

BASE = {"name": "test", "image": "vBMD", "unit": "mg/cm3", "range": (-200, 600), "bin_width": 10}
NEW = tuple(name for name in get_args(FeatureClass) if name not in CLASSES)


def recipe(**changes) -> RadiomicsSettings:
    return RadiomicsSettings(**{**BASE, **changes})


def region(
    image: np.ndarray,
    mask: np.ndarray,
    *,
    levels: np.ndarray | None = None,
    intensity: np.ndarray | None = None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    slice_axis: int | None = None,
    **changes,
) -> Roi:
    """A region as the engine would hand it over, without resampling."""
    box = bounding_box(mask)
    intensity = mask if intensity is None else intensity
    levels = np.where(intensity, 1 if levels is None else levels, 0).astype(np.int32)
    parts = (array[box] for array in (image.astype(float), mask, intensity, levels))
    return Roi(*parts, spacing, slice_axis, image.astype(float), box, recipe(**changes))


def compute(name: str, roi: Roi) -> dict[str, float]:
    return FAMILIES[name].compute(roi)


def ball(radius: int, margin: int = 0) -> np.ndarray:
    grid = np.indices((2 * (radius + margin) + 1,) * 3) - (radius + margin)
    return (grid**2).sum(axis=0) <= radius**2


def scene() -> tuple[Volume, np.ndarray]:
    rng = np.random.default_rng(5)
    data = 120 + 250 * ndimage.gaussian_filter(rng.normal(size=(48, 44, 40)), 1.0)
    grid = np.indices(data.shape) - np.reshape([24, 22, 20], (3, 1, 1, 1))
    mask = (grid[0] / 14) ** 2 + (grid[1] / 11) ** 2 + (grid[2] / 12) ** 2 <= 1
    return Volume(data, np.diag([1.0, 1.0, 1.2, 1.0])), mask


# The engine ---------------------------------------------------------------------------------


def test_new_families_are_asked_for_by_name() -> None:
    assert recipe().classes == CLASSES
    assert set(FAMILIES) == {*CLASSES, *NEW}
    settings = recipe(classes=NEW, ivh_bin_width=1, fractal={"threshold": 120})
    image, mask = scene()
    result = extract_features(image, mask, settings)
    assert list(result.features) == feature_names(settings)
    assert len(result.features) == len(features()) - len(feature_names(recipe()))
    assert np.isfinite(list(result.features.values())).all()
    assert result.warnings == [
        "original: fractal: voxels of 1 x 1 x 1.2 mm make boxes of unequal sides"
    ]


def test_families_of_filtered_images() -> None:
    settings = recipe(
        classes=NEW, fractal={"threshold": 120}, filters={"wavelet": "haar", "original": False}
    )
    image, mask = scene()
    result = extract_features(image, mask, settings)
    assert np.isfinite(list(result.features.values())).all()
    found = {name.split("_")[1] for name in result.features if name.startswith("wavelet-LLL_")}
    assert found == {"intensity", "histogram", "ivh", "gldzm"}
    # The map itself is not asked for, but the families that exist of it alone are.
    assert {name.split("_")[1] for name in result.features if name.startswith("original_")} == {
        "morphology",
        "local",
        "spatial",
        "fractal",
    }


def test_a_region_has_the_same_values_alone_and_with_others() -> None:
    image, mask = scene()
    low, high = mask.copy(), mask.copy()
    low[:, :, 20:], high[:, :, :20] = False, False
    settings = recipe(classes=NEW, resample_mm=1.1, fractal={"threshold": 120})
    both = extract_regions(image, {"low": low, "high": high}, settings)
    for name, part in (("low", low), ("high", high)):
        alone = extract_features(image, part, settings).features
        for column, value in alone.items():
            expected = pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)
            assert both[name].features[column] == expected, column


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ivh_bin_width": 1, "ivh_bin_count": 10}, "not both"),
        ({"classes": ("fractal",)}, "needs one of fractal.threshold"),
        (
            {"classes": ("fractal",), "fractal": {"threshold": 9, "percentile": 50}},
            "needs one of fractal.threshold",
        ),
        ({"fractal": {"boxes": (1, 2, 4, 3)}}, "ascend"),
        ({"fractal": {"boxes": (1, 2, 3)}}, "at least 4"),
        ({"fractal": {"lacunarity_box": 7}}, "one of boxes"),
    ],
)
def test_contradictory_settings_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(**change)


# Intensity-volume histogram -----------------------------------------------------------------


def phantom_levels() -> np.ndarray:
    """The grey levels of IBSI's digital phantom, as one row of voxels."""
    return np.repeat([1, 3, 4, 6], [50, 1, 16, 7]).reshape(-1, 1, 1)


def test_volume_histogram_of_whole_numbers() -> None:
    levels = phantom_levels()
    roi = region(levels, np.ones(levels.shape, bool), round_to=1, range=(1, 6), bin_width=1)
    values = compute("ivh", roi)
    # Volumes at or above 1 ... 6: 74, 24, 24, 23, 7, 7 of 74.
    assert values["VolumeAtIntensity10"] == pytest.approx(24 / 74)
    assert values["VolumeAtIntensity90"] == pytest.approx(7 / 74)
    assert (values["IntensityAtVolume10"], values["IntensityAtVolume90"]) == (5, 2)
    assert values["VolumeDifference"] == pytest.approx(17 / 74)
    assert values["IntensityDifference"] == 3
    curve = np.array([74, 24, 24, 23, 7, 7]) / 74
    assert values["AreaUnderCurve"] == pytest.approx(np.trapezoid(curve, np.linspace(0, 1, 6)))


@pytest.mark.parametrize(
    "change",
    [
        {"round_to": 2, "range": (-5, 41)},
        {"ivh_bin_width": 2.5, "range": (-20, 40)},
        {"ivh_bin_width": 3, "range": None, "bin_width": None, "bin_count": 8},
        {"round_to": 1, "ivh_bin_count": 50},
        {},
    ],
)
def test_volume_histogram_by_its_definition(change: dict) -> None:
    values = np.random.default_rng(2).normal(15, 5, (400, 1, 1))
    if change.get("round_to") == 2:
        values = np.round(values / 2) * 2
    roi = region(values, np.ones(values.shape, bool), **change)
    flat = values.ravel()
    low, high = roi.settings.range or (flat.min(), flat.max())
    if width := change.get("ivh_bin_width"):
        edges = np.arange(low, high + width - 1e-9, width)
        grid = edges[edges < high - 1e-9] + width / 2
        level = grid[np.minimum((flat - low) // width, len(grid) - 1).astype(int)]
    elif change.get("round_to") == 2:
        grid, level = np.arange(-4, 41, 2), flat
    else:
        count = change.get("ivh_bin_count", 1000)
        edges = np.linspace(flat.min(), flat.max(), count + 1)
        grid = np.arange(1, count + 1)
        level = np.clip(np.searchsorted(edges, flat, "right"), 1, count)
    part = np.array([np.mean(level >= intensity - 1e-9) for intensity in grid])
    fraction = (grid - grid[0]) / (grid[-1] - grid[0])
    found = compute("ivh", roi)
    for x in (10, 90):
        assert found[f"VolumeAtIntensity{x}"] == part[fraction >= x / 100 - 1e-12].max()
        assert found[f"IntensityAtVolume{x}"] == pytest.approx(grid[part <= x / 100].min())
    assert found["AreaUnderCurve"] == pytest.approx(np.trapezoid(part, fraction))


def test_volume_histogram_needs_two_bins_and_states_its_unit() -> None:
    values = np.linspace(1, 2, 50).reshape(-1, 1, 1)
    roi = region(values, np.ones(values.shape, bool), ivh_bin_width=2000)
    assert np.isnan(list(compute("ivh", roi).values())).all()
    assert roi.notes == ["one bin holds all intensities: no intensity-volume histogram"]

    def unit(name: str, **changes) -> str:
        changes |= {"classes": ("ivh",), "filters": {"wavelet": "haar"}}
        return describe([name], recipe(**changes))[0]["unit"]

    assert unit("original_ivh_IntensityAtVolume10", ivh_bin_width=1) == "mg/cm3"
    assert unit("original_ivh_IntensityAtVolume10", round_to=1) == "mg/cm3"
    assert unit("original_ivh_IntensityAtVolume10") == "bin"
    assert unit("original_ivh_IntensityAtVolume10", round_to=1, ivh_bin_count=100) == "bin"
    assert unit("wavelet-LLL_ivh_IntensityAtVolume10", ivh_bin_width=1) == "bin"


# Distance zones -----------------------------------------------------------------------------


@pytest.mark.parametrize("slice_axis", [None, 0, 2])
def test_distance_zones_by_their_definition(slice_axis: int | None) -> None:
    rng = np.random.default_rng(4)
    mask = ball(4, margin=1) & (rng.random((11, 11, 11)) > 0.02)
    intensity = mask & (rng.random(mask.shape) > 0.1)
    levels = rng.integers(1, 5, mask.shape)
    roi = region(levels, mask, levels=levels, intensity=intensity, slice_axis=slice_axis)
    others = [axis for axis in range(3) if axis != slice_axis]
    outside = np.argwhere(~mask)
    structure = np.ones((3, 3, 3))
    if slice_axis is not None:
        structure[tuple([0, 2] if axis == slice_axis else slice(None) for axis in range(3))] = 0
    zones = []
    for level in range(1, 5):
        labelled, n = ndimage.label(intensity & (levels == level), structure)
        for zone in range(1, n + 1):
            steps = []
            for voxel in np.argwhere(labelled == zone):
                near = outside
                if slice_axis is not None:
                    near = outside[outside[:, slice_axis] == voxel[slice_axis]]
                steps.append(np.abs(near - voxel)[:, others].sum(axis=1).min())
            zones.append((level, min(steps)))
    n, (i, j) = len(zones), np.array(zones, float).T
    matrix = {pair: zones.count(pair) for pair in set(zones)}
    shares = np.array(list(matrix.values())) / n
    per_level = np.array([(i == level).sum() for level in range(1, 5)])
    per_distance = np.array([(j == distance).sum() for distance in range(1, 12)])
    assert compute("gldzm", roi) == pytest.approx(
        {
            "SmallDistanceEmphasis": (j**-2).sum() / n,
            "LargeDistanceEmphasis": (j**2).sum() / n,
            "LowGrayLevelZoneEmphasis": (i**-2).sum() / n,
            "HighGrayLevelZoneEmphasis": (i**2).sum() / n,
            "SmallDistanceLowGrayLevelEmphasis": (i**-2 * j**-2).sum() / n,
            "SmallDistanceHighGrayLevelEmphasis": (i**2 / j**2).sum() / n,
            "LargeDistanceLowGrayLevelEmphasis": (j**2 / i**2).sum() / n,
            "LargeDistanceHighGrayLevelEmphasis": (i**2 * j**2).sum() / n,
            "GrayLevelNonUniformity": (per_level**2).sum() / n,
            "GrayLevelNonUniformityNormalized": (per_level**2).sum() / n**2,
            "ZoneDistanceNonUniformity": (per_distance**2).sum() / n,
            "ZoneDistanceNonUniformityNormalized": (per_distance**2).sum() / n**2,
            "ZonePercentage": n / intensity.sum(),
            "GrayLevelVariance": i.var(),
            "ZoneDistanceVariance": j.var(),
            "ZoneDistanceEntropy": -(shares * np.log2(shares)).sum(),
        }
    )


def test_the_edge_is_that_of_the_region_and_of_the_scan() -> None:
    distance = edge_distance(np.ones((5, 5, 5), bool), None)
    assert distance[2, 2].tolist() == [1, 2, 3, 2, 1]
    assert edge_distance(np.ones((5, 5, 1), bool), 2)[2, :, 0].tolist() == [1, 2, 3, 2, 1]
    # A voxel that re-segmentation took out is no edge: the zone around it stays at distance 2.
    mask = np.ones((5, 5, 5), bool)
    levels = np.ones(mask.shape, int)
    levels[1:4, 1:4, 1:4] = 2
    intensity = mask.copy()
    intensity[2, 2, 2] = False
    values = compute("gldzm", region(levels, mask, levels=levels, intensity=intensity))
    assert values["LargeDistanceEmphasis"] == (1 + 4) / 2


# Local intensity ----------------------------------------------------------------------------


def test_local_peaks_do_not_follow_what_filters_need_of_the_scan() -> None:
    """A recipe with a filter of the whole scan has the same peaks, to the last digit."""
    image, mask = scene()
    near = recipe(classes=("local",))
    wide = recipe(classes=("local", "firstorder"), filters={"ibsi": [{"kind": "simoncelli"}]})
    part = np.zeros_like(mask)
    part[22:30, 18:26, 16:24] = True
    image.data[:6] = 5000.0
    found = [extract_features(image, part, settings).features for settings in (near, wide)]
    assert found[0] == {name: found[1][name] for name in found[0]}
    assert np.isfinite(list(found[0].values())).all()


def test_ball_means_are_means_of_all_voxels_within_the_radius() -> None:
    rng = np.random.default_rng(1)
    image, spacing = rng.normal(5000, 30, (14, 11, 9)), (1.3, 2.0, 2.6)
    centres = np.argwhere(rng.random(image.shape) > 0.9)
    places = np.indices(image.shape).reshape(3, -1).T
    expected = [
        image.ravel()[(((places - c) * spacing) ** 2).sum(axis=1) <= RADIUS_MM**2].mean()
        for c in centres
    ]
    assert ball_means(image, centres, spacing) == pytest.approx(expected, rel=1e-12)
    # A radius of whole voxels includes the voxels at its end: 7 in a cross.
    cross = ball_means(np.arange(27.0).reshape(3, 3, 3) ** 2, np.array([[1, 1, 1]]), (2, 2, 2), 2)
    assert cross == pytest.approx(np.mean(np.array([4, 10, 12, 13, 14, 16, 22]) ** 2))
    assert 4 / 3 * np.pi * RADIUS_MM**3 == pytest.approx(1000)


def test_peaks_see_beyond_the_region_as_far_as_the_ball_reaches() -> None:
    image, mask = scene()
    settings = recipe(classes=("local",), resample_mm=1.0)
    prepared = prepare(image, mask, settings)
    for part, size in zip(prepared.box, prepared.image.shape, strict=True):
        assert part.start >= RADIUS_MM - 1e-9
        assert size - part.stop >= RADIUS_MM - 1e-9
    # The whole scan around the region changes nothing.
    values = extract_features(image, mask, settings).features
    everywhere = prepare(image, np.ones(mask.shape, bool), settings).image
    inside = np.argwhere(np.isin(everywhere, prepared.image[prepared.box][prepared.morphology]))
    means = ball_means(everywhere, inside, (1.0, 1.0, 1.0))
    assert values["original_local_GlobalIntensityPeak"] == pytest.approx(means.max(), rel=1e-9)
    # A bright neighbour 5 mm from the region counts, one 9 mm from it does not.
    bright = {}
    for gap in (5, 9):
        data = image.data.copy()
        data[24 - 14 - gap, 22, 20] += 1e5
        bright[gap] = extract_features(Volume(data, image.affine), mask, recipe(classes=("local",)))
    plain = extract_features(image, mask, recipe(classes=("local",))).features
    assert bright[9].features == plain
    name = "original_local_GlobalIntensityPeak"
    assert bright[5].features[name] > plain[name] + 50


def test_of_equal_highest_voxels_the_highest_ball_counts() -> None:
    image = np.zeros((40, 9, 9))
    image[8, 4, 4] = image[30, 4, 4] = 100
    image[31, 4, 4] = 50
    values = compute("local", region(image, np.ones(image.shape, bool), spacing=(2.0, 2.0, 2.0)))
    n = (((np.indices((7, 7, 7)) - 3) * 2) ** 2).sum(axis=0) <= RADIUS_MM**2
    assert values["LocalIntensityPeak"] == pytest.approx(150 / n.sum())


# Spatial autocorrelation --------------------------------------------------------------------


def test_autocorrelation_is_the_sum_over_all_pairs() -> None:
    rng = np.random.default_rng(6)
    mask, spacing = rng.random((7, 9, 6)) > 0.5, (0.8, 1.1, 3.0)
    image = 1e4 + 20 * ndimage.gaussian_filter(rng.normal(size=mask.shape), 1)
    values, places = image[mask], np.argwhere(mask) * spacing
    distance = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=-1))
    weight = np.divide(1, distance, out=np.zeros_like(distance), where=distance > 0)
    deviation, n = values - values.mean(), len(values)
    moran = n * (weight * np.outer(deviation, deviation)).sum()
    geary = (n - 1) * (weight * np.subtract.outer(values, values) ** 2).sum() / 2
    whole = weight.sum() * (deviation**2).sum()
    found = compute("spatial", region(image, mask, spacing=spacing))
    assert found["MoranI"] == pytest.approx(moran / whole, rel=1e-8)
    assert found["GearyC"] == pytest.approx(geary / whole, rel=1e-10)


def test_two_voxels_are_opposite() -> None:
    image = np.array([1.0, 5.0]).reshape(2, 1, 1)
    found = compute("spatial", region(image, np.ones(image.shape, bool)))
    assert found == pytest.approx({"MoranI": -1.0, "GearyC": 1.0})


# Intensity and its histogram ----------------------------------------------------------------


def test_histogram_of_the_digital_phantom() -> None:
    levels = phantom_levels()
    roi = region(levels, np.ones(levels.shape, bool), levels=levels)
    # IBSI's reference values, to their three digits.
    expected = {
        "Mean": 2.15,
        "Variance": 3.05,
        "Skewness": 1.08,
        "Kurtosis": -0.355,
        "Median": 1,
        "Minimum": 1,
        "10Percentile": 1,
        "90Percentile": 4,
        "Maximum": 6,
        "Mode": 1,
        "InterquartileRange": 3,
        "Range": 5,
        "MeanAbsoluteDeviation": 1.55,
        "RobustMeanAbsoluteDeviation": 1.11,
        "MedianAbsoluteDeviation": 1.15,
        "CoefficientOfVariation": 0.812,
        "QuartileCoefficientOfDispersion": 0.6,
        "MaximumGradient": 8,
        "MaximumGradientLevel": 3,
        "MinimumGradient": -50,
        "MinimumGradientLevel": 1,
    }
    found = {name: float(f"{v:.3g}") for name, v in compute("histogram", roi).items()}
    assert found == expected
    spread = compute("intensity", roi)
    assert {name: float(f"{value:.3g}") for name, value in spread.items()} == {
        name: expected[name] for name in spread
    }


@pytest.mark.parametrize(
    ("counts", "mode"), [([5, 1, 5, 1, 1], 3), ([5, 0, 5], 1), ([1, 1, 5, 1, 5, 9, 9], 6)]
)
def test_of_several_modes_the_one_nearest_to_the_mean(counts: list[int], mode: int) -> None:
    levels = np.repeat(np.arange(1, len(counts) + 1), counts).reshape(-1, 1, 1)
    roi = region(levels, np.ones(levels.shape, bool), levels=levels)
    assert compute("histogram", roi)["Mode"] == mode


def test_relative_spread_of_intensities_around_zero_is_undefined() -> None:
    values = np.array([-2.0, -1, 1, 2]).reshape(-1, 1, 1)
    found = compute("intensity", region(values, np.ones(values.shape, bool)))
    assert not np.isfinite(found["CoefficientOfVariation"])
    assert not np.isfinite(found["QuartileCoefficientOfDispersion"])
    assert found["MedianAbsoluteDeviation"] == 1.5


# Morphology ---------------------------------------------------------------------------------


def test_form_relative_to_a_ball_follows_from_sphericity() -> None:
    mask, spacing = ball(6, margin=2), (1.0, 1.5, 2.0)
    roi = region(np.ones(mask.shape), mask, spacing=spacing)
    shape, found = compute("shape", roi), compute("morphology", roi)
    sphericity = shape["Sphericity"]
    assert found["SphericalDisproportion"] == pytest.approx(1 / sphericity)
    assert found["Asphericity"] == pytest.approx(1 / sphericity - 1)
    assert found["Compactness2"] == pytest.approx(sphericity**3)
    assert found["Compactness1"] == pytest.approx(sphericity**1.5 / (6 * np.pi))
    assert found["VolumeDensityBox"] == pytest.approx(shape["MeshVolume"] / (13**3 * 3))
    sides = 13 * np.array(spacing)
    surface = 2 * (sides * np.roll(sides, 1)).sum()
    assert found["AreaDensityBox"] == pytest.approx(shape["SurfaceArea"] / surface)
    axes = [shape[f"{name}AxisLength"] / 2 for name in ("Major", "Minor", "Least")]
    volume = 4 / 3 * np.pi * np.prod(axes)
    assert found["VolumeDensityEllipsoid"] == pytest.approx(shape["MeshVolume"] / volume)
    assert found["CentreOfMassShift"] == pytest.approx(0, abs=1e-12)
    assert found["IntegratedIntensity"] == pytest.approx(shape["MeshVolume"])


def test_convex_bodies_fill_their_hull() -> None:
    one = np.ones((1, 1, 1), bool)
    # The mesh of one voxel is an octahedron with corners half a voxel from its centre.
    assert convex_hull(one, (1, 1, 1)) == pytest.approx((1 / 6, np.sqrt(3)))
    brick = np.ones((5, 4, 7), bool)
    found = compute("morphology", region(np.ones(brick.shape), brick, spacing=(1.0, 2.0, 0.7)))
    assert found["VolumeDensityConvexHull"] == pytest.approx(1, rel=1e-6)
    assert found["AreaDensityConvexHull"] == pytest.approx(1, rel=1e-6)
    bitten = brick.copy()
    bitten[2, :, 2:5] = False
    assert convex_hull(bitten, (1, 1, 1)) == pytest.approx(convex_hull(brick, (1, 1, 1)))


def test_ellipsoid() -> None:
    ends = np.array([[3.0, 0, 0], [0, 2, 0], [0, 0, 1]])
    points = np.concatenate([ends, -ends])  # variances 2 x end^2 / 5
    half = 2 * np.sqrt(2 / 5) * np.array([3, 2, 1])
    volume, area = ellipsoid(points)
    assert volume == pytest.approx(4 / 3 * np.pi * half.prod())
    a, b, c = half
    assert area == pytest.approx(4 * np.pi * a * b * _series(1 - (b / a) ** 2, 1 - (c / a) ** 2))
    # The series itself is right: with eccentricities relative to the least axis it gives the
    # closed forms of the sphere, and of the oblate spheroid.
    assert _series(0, 0) == 1
    c = 0.8
    e = np.sqrt(1 - c**2)
    oblate = 2 * np.pi * (1 + (1 - e**2) / e * np.arctanh(e))
    assert 4 * np.pi * _series(e**2, e**2) == pytest.approx(oblate, rel=1e-9)


def test_centre_of_mass_of_a_ramp() -> None:
    mask = np.ones((9, 5, 5), bool)
    ramp = 10 + np.indices(mask.shape)[0] * 2.0
    found = compute("morphology", region(ramp, mask, spacing=(1.5, 1.0, 1.0)))
    # Slope times variance over mean: 2 x (81 - 1) / 12 / 18 voxels of 1.5 mm.
    assert found["CentreOfMassShift"] == pytest.approx(2 * 80 / 12 / 18 * 1.5)


def test_a_region_one_voxel_thick_has_no_ellipsoid() -> None:
    mask = np.ones((6, 6, 1), bool)
    found = compute("morphology", region(np.ones(mask.shape), mask))
    assert not np.isfinite(found["VolumeDensityEllipsoid"])
    assert np.isfinite(found["VolumeDensityConvexHull"])


# Where a value is not defined the engine says so ---------------------------------------------


def test_undefined_values_are_named() -> None:
    image, mask = scene()
    image.data[:] = image.data - image.data[mask].mean()
    settings = recipe(classes=("fractal",), fractal={"threshold": 1e4}, range=(-500, 500))
    result = extract_features(Volume(image.data - 50, np.eye(4)), mask, settings)
    undefined = {name for name, value in result.features.items() if np.isnan(value)}
    assert undefined == {
        f"original_fractal_{name}"
        for name in (
            "BoxCountingDimension",
            "GlidingBoxDimension",
            "BinaryLacunarity",
            "BinaryLacunaritySlope",
            "GrayLacunarity",
            "GrayLacunaritySlope",
        )
    }
    assert "original: fractal: no voxel reaches the threshold, no measure of the set" in (
        result.warnings
    )
