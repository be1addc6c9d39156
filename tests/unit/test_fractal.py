"""Lacunarity and fractal dimensions against sets of known dimension and closed forms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from osteoflow.io.volume import Volume
from osteoflow.radiomics.extract import extract_features
from osteoflow.radiomics.families.box_counting import (
    box_counting_dimension,
    box_sizes,
    cover,
    gliding_box_dimension,
    increment_dimension,
    variation_dimension,
)
from osteoflow.radiomics.families.lacunarity import lacunarity, lacunarity_slope
from osteoflow.radiomics.settings import RadiomicsSettings

SIZES = (1, 2, 3, 4, 5, 6, 8)
TRIADIC = (1, 3, 9, 27)


def repeated(pattern: np.ndarray, times: int) -> np.ndarray:
    """A self-similar set: each voxel of the pattern is the pattern again."""
    found = np.ones((1,) * pattern.ndim, bool)
    for _ in range(times):
        found = np.kron(found, pattern).astype(bool)
    return found


def carpet(times: int) -> np.ndarray:
    pattern = np.ones((3, 3), bool)
    pattern[1, 1] = False
    return repeated(pattern, times)


def sponge(times: int) -> np.ndarray:
    pattern = np.ones((3, 3, 3), bool)
    for axis in range(3):
        through = [1, 1, 1]
        through[axis] = slice(None)
        pattern[tuple(through)] = False
    return repeated(pattern, times)


def ball(radius: int, dimensions: int) -> np.ndarray:
    grid = np.indices((2 * radius + 1,) * dimensions) - radius
    return ((grid**2).sum(axis=0) <= radius**2)[None]


# Box counting -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "dimension", "name"),
    [
        (carpet(4), np.log(8) / np.log(3), "Sierpinski carpet, 81 x 81"),
        (sponge(4), np.log(20) / np.log(3), "Menger sponge, 81 x 81 x 81"),
        (repeated(np.eye(3, dtype=bool), 4), 1.0, "diagonal line"),
        (np.arange(81)[:, None] == np.full(81, 40), 1.0, "straight line"),
        (np.ones((81, 81), bool), 2.0, "filled square"),
        (np.indices((81, 81, 81))[0] == 17, 2.0, "plane in a cube"),
        (np.ones((81, 81, 81), bool), 3.0, "filled cube"),
    ],
)
def test_sets_of_known_dimension(found: np.ndarray, dimension: float, name: str, record) -> None:
    region = np.ones(found.shape, bool)[None]
    measured = box_counting_dimension(found[None], region, TRIADIC)
    record("Radiomics: fractal", f"{name}, box counting", f"{measured:.4f}", "", f"{dimension:.4f}")
    assert measured == pytest.approx(dimension, abs=1e-9)


def test_gliding_boxes_see_no_outline(record) -> None:
    disc, solid = ball(13, 2), ball(11, 3)
    assert gliding_box_dimension(disc, disc, SIZES) == 2
    assert gliding_box_dimension(solid, solid, SIZES) == 3
    # The boxes that the outline adds lower the classical value.
    assert box_counting_dimension(solid, solid, SIZES) == pytest.approx(2.55, abs=0.01)
    axes = np.indices(solid.shape)
    sheet, aside = solid & (axes[1] == 11), solid & (axes[1] == 7)
    rod = sheet & (axes[2] == 11)
    for found, dimension, name in ((sheet, 2, "plane"), (aside, 2, "plane aside"), (rod, 1, "rod")):
        measured = gliding_box_dimension(found, solid, SIZES)
        what = f"{name} in a ball of 23 voxels, gliding boxes"
        record("Radiomics: fractal", what, f"{measured:.3f}", "", f"{dimension} +- 0.03")
        assert measured == pytest.approx(dimension, abs=0.03)


def test_gliding_boxes_take_every_position_at_least_half_inside() -> None:
    rng = np.random.default_rng(7)
    region = ball(8, 2) & (rng.random((1, 17, 17)) > 0.05)
    found = region & (rng.random(region.shape) < 0.1)
    sizes, parts = [1, 2, 3, 4, 5], []
    wide = np.pad(np.stack([region[0], found[0]]), ((0, 0), (8, 8), (8, 8)))
    for size in sizes:
        held = [
            box[1].any()
            for i, j in product(range(33 - size), repeat=2)
            if (box := wide[:, i : i + size, j : j + size])[0].sum() * 2 >= size**2
        ]
        parts.append(np.mean(held))
    expected = 2 - np.polyfit(np.log(sizes), np.log(parts), 1)[0]
    assert gliding_box_dimension(found, region, sizes) == pytest.approx(expected)


def test_the_cover_is_the_smallest_of_all_grids() -> None:
    rng = np.random.default_rng(0)
    for shape, size in (((2, 9, 7), 3), ((1, 6, 8, 5), 2), ((1, 5, 5, 5), 4)):
        planes = rng.random(shape) > 0.93
        total = 0
        for plane in planes:
            places = np.argwhere(plane)
            counts = [
                len({tuple((place + origin) // size) for place in places})
                for origin in product(range(size), repeat=plane.ndim)
            ]
            total += min(counts)
        assert cover(planes, size) == total
    # So the place of a set in the array does not matter.
    found = np.pad(carpet(3), ((5, 30), (11, 2)))[None]
    assert [cover(found, size) for size in (1, 3, 9, 27)] == [512, 64, 8, 1]


@pytest.mark.parametrize("dimension", [box_counting_dimension, gliding_box_dimension])
def test_empty_sets_and_small_regions_have_no_dimension(dimension) -> None:
    region = ball(8, 3)
    assert np.isnan(dimension(np.zeros_like(region), region, SIZES))
    small = ball(3, 3)  # 7 voxels across: boxes up to 3
    assert box_sizes(small, SIZES) == [1, 2, 3]
    assert np.isnan(dimension(small, small, SIZES))


# Grey images --------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("dimension", [variation_dimension, increment_dimension])
def test_a_slope_is_smooth_and_noise_is_rough(dimensions: int, dimension, record) -> None:
    region = ball(12, dimensions)
    ramp = np.tensordot([3.0, -1.0, 2.0][:dimensions], np.indices(region.shape)[1:], 1)
    assert dimension(ramp, region, SIZES) == pytest.approx(dimensions, abs=1e-9)
    noise = np.random.default_rng(1).normal(size=region.shape)
    rough = dimension(noise, region, SIZES)
    what = f"{dimension.__name__.split('_')[0]} dimension of noise, {dimensions}D"
    record("Radiomics: fractal", what, f"{rough:.3f}", "", f"{dimensions + 1}")
    # Ranges in small windows fall short of it.
    error = 0.05 if dimension is increment_dimension else 0.7
    assert dimensions + 1 - error < rough < dimensions + 1 + 0.05
    # Neither the unit nor the zero of the map matters, nor what lies outside the region.
    scaled = np.where(region, 1000 + 0.01 * noise, 1e9)
    assert dimension(scaled, region, SIZES) == pytest.approx(rough, abs=1e-6)
    smooth = ndimage.gaussian_filter(noise, (0, *[2] * dimensions))
    assert dimension(smooth, region, SIZES) < rough - 0.3


@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.8])
def test_a_weierstrass_surface_has_its_dimension(hurst: float, record) -> None:
    # Frequencies far above the sampling stay in, as in a surface that is rough at every scale.
    x = np.linspace(0, np.pi, 4096)
    profile = sum(1.7 ** (-hurst * n) * np.cos(1.7**n * x + n * n) for n in range(40))
    surface = np.broadcast_to(profile[:, None], (4096, 20))[None]
    region = np.ones(surface.shape, bool)
    # Along the second axis nothing changes: it only scales the mean difference.
    measured = increment_dimension(surface, region, SIZES)
    what = f"Weierstrass surface of dimension {3 - hurst:g}, increments"
    record("Radiomics: fractal", what, f"{measured:.3f}", "", "+- 0.05")
    assert measured == pytest.approx(3 - hurst, abs=0.05)


def test_variation_needs_windows_inside_the_region() -> None:
    thin = np.zeros((1, 30, 30, 30), bool)
    thin[0, :, :, 10:13] = True
    image = np.random.default_rng(0).normal(size=thin.shape)
    assert np.isnan(variation_dimension(image, thin, SIZES))
    # Pairs fit where windows do not.
    assert increment_dimension(image, thin, SIZES) == pytest.approx(4, abs=0.05)
    flat, square = np.ones((1, 30, 30)), np.ones((1, 30, 30), bool)
    assert np.isnan(variation_dimension(flat, square, SIZES))
    assert np.isnan(increment_dimension(flat, square, SIZES))


# Lacunarity ---------------------------------------------------------------------------------


def test_an_even_mass_has_lacunarity_one_whatever_the_outline() -> None:
    region = ball(9, 3)
    found = lacunarity(np.where(region, 7.3, -1e6), region, SIZES)
    assert list(found) == [1, 2, 3, 4, 5, 6, 8]
    assert list(found.values()) == pytest.approx([1.0] * 7)
    assert lacunarity_slope(found) == pytest.approx(0, abs=1e-9)


def test_lacunarity_of_a_chequerboard() -> None:
    board = (np.indices((40, 40)).sum(axis=0) % 2 == 0)[None]
    found = lacunarity(board, np.ones(board.shape, bool), (1, 2, 3, 4, 5))
    # An even box always holds half; an odd one (size^2 +- 1) / 2, as often one as the other.
    assert found[2] == found[4] == 1
    for size in (1, 3, 5):
        n = (40 - size + 1) ** 2
        assert found[size] == pytest.approx(1 + size**-4, rel=2 / n)


@pytest.mark.parametrize(("dimensions", "p"), [(2, 0.3), (3, 0.1)])
def test_lacunarity_of_independent_voxels(dimensions: int, p: float, record) -> None:
    region = ball({2: 260, 3: 36}[dimensions], dimensions)
    mass = np.random.default_rng(8).random(region.shape) < p
    found = lacunarity(mass, region, SIZES)
    share = mass[region].mean()
    # One voxel: exactly the inverse of the share. Boxes: 1 + (1 - p) / (p size^d).
    assert found[1] == pytest.approx(1 / share)
    errors = []
    for size, value in found.items():
        expected = 1 + (1 - share) / (share * size**dimensions)
        errors.append(abs(value - expected) / (expected - 1))
    record(
        "Radiomics: fractal",
        f"lacunarity of independent voxels, {dimensions}D, of its excess over 1",
        f"{100 * max(errors):.1f}",
        "%",
        "5 %",
    )
    assert max(errors) < 0.05


def test_lacunarity_glides_over_every_box_inside() -> None:
    rng = np.random.default_rng(3)
    region = ball(5, 2) & (rng.random((1, 11, 11)) > 0.02)
    mass = rng.gamma(2.0, 50.0, region.shape)
    found = lacunarity(mass, region, (1, 2, 3, 4))
    for size, value in found.items():
        boxes = [
            mass[0, i : i + size, j : j + size].sum()
            for i, j in product(range(12 - size), repeat=2)
            if region[0, i : i + size, j : j + size].all()
        ]
        assert len(boxes) >= 16
        assert value == pytest.approx(np.mean(np.square(boxes)) / np.mean(boxes) ** 2)


def test_lacunarity_of_a_self_similar_set_falls_as_its_dimension_says() -> None:
    # The gliding box sees the carpet's mass grow as size^D around its voxels: D - d is the slope.
    found = carpet(6)[None]
    by_size = lacunarity(found, np.ones(found.shape, bool), (3, 9, 27, 81))
    assert lacunarity_slope(by_size) == pytest.approx(np.log(8) / np.log(3) - 2, abs=0.02)


def test_no_lacunarity_without_a_positive_mass() -> None:
    region = ball(6, 2)
    values = lacunarity(np.full(region.shape, -2.0), region, (1, 2, 3, 4))
    assert np.isnan(list(values.values())).all()
    assert np.isnan(lacunarity_slope(values))
    assert np.isnan(lacunarity_slope({1: 2.0, 2: 1.5, 3: 1.2}))


# In the engine ------------------------------------------------------------------------------


def recipe(**changes) -> RadiomicsSettings:
    base = {"name": "t", "image": "vBMD", "unit": "mg/cm3", "bin_count": 32}
    base |= {"classes": ("fractal",), "fractal": {"threshold": 100}, "minimum_voxels": 8}
    return RadiomicsSettings(**{**base, **changes})


def trabecular(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.0)
    return 100 + 60 * noise / noise.std()


def test_slices_are_counted_together_and_apart_from_each_other() -> None:
    data = trabecular((40, 36, 12))
    mask = np.zeros(data.shape, bool)
    mask[5:33, 4:31, 1:11] = True
    affine = np.diag([1.0, 1.0, 4.0, 1.0])
    order = np.random.default_rng(1).permutation(12)
    first = extract_features(Volume(data, affine), mask, recipe(texture="2D"))
    second = extract_features(
        Volume(data[:, :, order], affine), mask[:, :, order], recipe(texture="2D")
    )
    assert first.features == pytest.approx(second.features)
    assert first.warnings == []
    assert 1.5 < first.features["original_fractal_BoxCountingDimension"] < 2
    assert 2 < first.features["original_fractal_VariationDimension"] < 3


def test_the_threshold_is_in_the_unit_of_the_map() -> None:
    data = trabecular((30, 30, 30))
    mask = np.pad(np.ones((24, 24, 24), bool), 3)
    values = {
        t: extract_features(
            Volume(data, np.eye(4)), mask, recipe(fractal={"threshold": t})
        ).features
        for t in (60, 100, 140)
    }
    for threshold, found in values.items():
        share = (data[mask] >= threshold).mean()
        assert found["original_fractal_FractionAboveThreshold"] == share
        grey = "original_fractal_GrayLacunarity"
        assert found[grey] == values[100][grey]
    for name in ("BoxCountingDimension", "GlidingBoxDimension"):
        dimension = [found[f"original_fractal_{name}"] for found in values.values()]
        assert dimension == sorted(dimension, reverse=True)
    gaps = [found["original_fractal_BinaryLacunarity"] for found in values.values()]
    assert gaps == sorted(gaps)


def test_a_percentile_leaves_the_arrangement_alone() -> None:
    data = trabecular((30, 30, 30))
    mask = np.pad(np.ones((24, 24, 24), bool), 3)
    plain, denser = (
        extract_features(
            Volume(image, np.eye(4)), mask, recipe(fractal={"percentile": 75})
        ).features
        for image in (data, 80 + 0.7 * data)
    )
    assert plain["original_fractal_FractionAboveThreshold"] == pytest.approx(0.25, abs=1e-4)
    for name in (
        "BoxCountingDimension",
        "GlidingBoxDimension",
        "VariationDimension",
        "IncrementDimension",
        "BinaryLacunarity",
        "BinaryLacunaritySlope",
    ):
        column = f"original_fractal_{name}"
        assert denser[column] == pytest.approx(plain[column], rel=1e-9)
    assert denser["original_fractal_GrayLacunarity"] < plain["original_fractal_GrayLacunarity"]


def test_a_small_region_says_what_it_cannot_carry() -> None:
    data = trabecular((30, 30, 30))
    mask = np.zeros(data.shape, bool)
    mask[10:17, 10:17, 10:17] = True
    result = extract_features(Volume(data, np.eye(4)), mask, recipe())
    assert np.isnan(result.features["original_fractal_BoxCountingDimension"])
    assert np.isfinite(result.features["original_fractal_BinaryLacunarity"])
    assert (
        "original: fractal: 3 box sizes of at least 4 fit, no dimension by boxes" in result.warnings
    )
    assert (
        "original: fractal: boxes of 6, 8 voxels do not fit the region, lacunarity does without"
        in result.warnings
    )
