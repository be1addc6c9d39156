"""Compiled feature families against pyradiomics' classes, on the same arrays."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from osteoflow.io.volume import Volume
from osteoflow.radiomics.arrays import as_itk, itk_slice_axis
from osteoflow.radiomics.dictionary import features
from osteoflow.radiomics.extract import extract_features
from osteoflow.radiomics.families import FAMILIES
from osteoflow.radiomics.families.pyradiomics_classes import (
    _CALCULATORS,
    class_features,
    shape_features,
)
from osteoflow.radiomics.kernels.cooccurrence import cooccurrence_matrices
from osteoflow.radiomics.kernels.grid import texture_grid
from osteoflow.radiomics.kernels.run_length import run_length_matrices
from osteoflow.radiomics.kernels.size_zone import size_zone_matrix, zone_labels, zones
from osteoflow.radiomics.roi import Roi
from osteoflow.radiomics.settings import RadiomicsSettings

SECTION = "Radiomics: compiled kernels"
SETTINGS = RadiomicsSettings(name="t", image="vBMD", unit="mg/cm3", bin_count=32, minimum_voxels=8)
TEXTURES = ("firstorder", "glcm", "glrlm", "glszm", "ngtdm", "gldm")
SPACING = (0.7, 1.1, 1.9)
# Features that are roots of variances, and the feature that measures them.
AXES = {
    "LeastAxisLength": "MajorAxisLength",
    "MinorAxisLength": "MajorAxisLength",
    "Flatness": "",
    "Elongation": "",
}


def ball(radius: float, size: int) -> np.ndarray:
    return ((np.indices((size,) * 3) - (size - 1) / 2) ** 2).sum(axis=0) <= radius**2


def region(mask: np.ndarray, n_levels: int, smooth: float = 0.0, gaps: int = 1, seed: int = 0):
    """Image, mask and grey levels; only every ``gaps``-th level occurs."""
    image = np.random.default_rng(seed).normal(size=mask.shape)
    image = ndimage.gaussian_filter(image, smooth) if smooth else image
    low, high = image[mask].min(), image[mask].max()
    level = np.floor((image - low) / (high - low) * n_levels).astype(int)
    levels = np.zeros(mask.shape, np.int32)
    levels[mask] = (np.minimum(level, n_levels - 1) * gaps + 1)[mask]
    return 120 + 80 * image, mask, levels


def holes() -> np.ndarray:
    mask = ball(5.5, 12)
    mask[4:7, 5:8, 5:7] = False
    mask[2:4, 6, 6] = False
    return mask


def parts() -> np.ndarray:
    mask = np.zeros((9, 24, 9), bool)
    mask[:, :9] = ball(4.2, 9)
    mask[1:8, 15:22, 1:8] = ball(3.2, 7)
    mask[0, 12, 8] = True  # a voxel without neighbours
    return mask


def bent() -> np.ndarray:
    """Long and oblique: most of its box is empty."""
    mask = np.zeros((30, 25, 40), bool)
    for t in np.linspace(0, 1, 60):
        x, y, z = int(2 + 25 * t), int(2 + 20 * t**2), int(2 + 35 * t)
        mask[x - 2 : x + 3, y - 1 : y + 2, z - 2 : z + 2] = True
    return mask


def lattice() -> np.ndarray:
    """No voxel has a neighbour, but lines pass several of them."""
    mask = np.zeros((7, 7, 7), bool)
    mask[::2, ::2, ::2] = True
    return mask


def diagonal() -> np.ndarray:
    """Only one direction has neighbours."""
    mask = np.zeros((9, 9, 9), bool)
    mask[np.arange(9), np.arange(9), np.arange(9)] = True
    return mask


def thin(axis: int) -> np.ndarray:
    return np.take(ball(6.3, 13), [6], axis)


REGIONS = {
    "random, 32 levels": (lambda: region(ball(5.4, 11), 32), (None, 0, 1, 2)),
    "smooth, 32 levels": (lambda: region(ball(6.4, 13), 32, 1.5), (None, 2)),
    "smooth, 8 levels": (lambda: region(ball(6.4, 13), 8, 2.5), (None, 0)),
    "random, 2 levels": (lambda: region(ball(5.4, 11), 2), (None, 1)),
    "smooth, 2 levels": (lambda: region(ball(5.4, 11), 2, 2.0), (None,)),
    "full box": (lambda: region(np.ones((6, 9, 5), bool), 16, 0.6), (None, 0, 1, 2)),
    "80 levels": (lambda: region(ball(6.4, 13), 80, 0.7), (None,)),
    "256 levels": (lambda: region(ball(6.4, 13), 256, 0.5), (2,)),
    "gaps in the levels": (lambda: region(ball(5.4, 11), 12, 0.8, gaps=21), (None, 2)),
    "holes": (lambda: region(holes(), 16, 0.7), (None, 0, 1, 2)),
    "separate parts": (lambda: region(parts(), 24, 0.7), (None, 1)),
    "bent, empty box": (lambda: region(bent(), 32, 1.0), (None, 0, 1, 2)),
    "one voxel thick, x": (lambda: region(thin(0), 16), (None, 0, 1)),
    "one voxel thick, y": (lambda: region(thin(1), 16, 1.0), (None, 1, 2)),
    "one voxel thick, z": (lambda: region(thin(2), 256), (None, 2, 0)),
    "one row": (lambda: region(np.ones((1, 1, 15), bool), 4, 0.8), (None, 0)),
    "diagonal": (lambda: region(diagonal(), 3), (None,)),
    "no neighbours": (lambda: region(lattice(), 4), (None, 2)),
    "8 voxels": (lambda: region(np.ones((2, 2, 2), bool), 3, seed=5), (None, 0, 1, 2)),
    "8 voxels, 2 levels": (lambda: region(np.ones((2, 2, 2), bool), 2, seed=2), (None, 2)),
    "one level": (lambda: region(ball(3.4, 7), 1, gaps=6), (None, 1)),
    "levels 1 and 256": (lambda: region(ball(3.4, 7), 2, 1.0, gaps=255), (None,)),
}
CASES = [(name, axis) for name, (_, axes) in REGIONS.items() for axis in axes]


@cache
def roi(name: str, slice_axis: int | None) -> Roi:
    image, mask, levels = REGIONS[name][0]()
    box = tuple(slice(0, size) for size in mask.shape)
    return Roi(image, mask, mask, levels, SPACING, slice_axis, image, box, SETTINGS)


def scale_of_zero(family: str, feature: str, values: dict[str, float]) -> float:
    """Size of the terms that cancel in a feature that may be 0; 0 for sums of positive terms."""
    if family == "firstorder":
        terms = {"Mean": values["RootMeanSquared"], "Skewness": 1.0, "Kurtosis": 3.0}
        return terms.get(feature, 0.0)
    if feature.endswith("Entropy") or feature in ("Correlation", "Imc1", "Imc2", "MCC"):
        return 1.0
    if feature == "ClusterShade":
        return values["ClusterTendency"] ** 1.5
    mean_square = {
        "DifferenceVariance": "Contrast",
        "GrayLevelVariance": {
            "glrlm": "HighGrayLevelRunEmphasis",
            "glszm": "HighGrayLevelZoneEmphasis",
            "gldm": "HighGrayLevelEmphasis",
        }.get(family),
        "RunVariance": "LongRunEmphasis",
        "ZoneVariance": "LargeAreaEmphasis",
        "DependenceVariance": "LargeDependenceEmphasis",
    }
    return values[mean_square[feature]] if feature in mean_square else 0.0


def largest_difference(
    family: str, ours: dict[str, float], theirs: dict[str, float]
) -> tuple[float, str]:
    """Largest relative difference, and in which feature; NaN equals NaN.

    Left out as rounding: a value below 1e-4 of the terms that cancel in it if it differs by less
    than 1e-13 of them; axes of a flat region where both are below 1e-7 of the longest (roots of
    1e-14 of its square).
    """
    assert set(ours) == set(theirs)
    found = [(0.0, "")]
    for name, value in theirs.items():
        if np.isnan(value) or np.isnan(ours[name]):
            assert np.isnan(value) and np.isnan(ours[name]), (name, ours[name], value)
            continue
        difference = abs(ours[name] - value)
        if name in AXES and max(ours[name], value) < 1e-7 * theirs.get(AXES[name], 1.0):
            continue
        terms = scale_of_zero(family, name, theirs)
        if not (abs(value) < 1e-4 * terms and difference < 1e-13 * terms):
            relative = difference / abs(value) if value else np.inf
            found.append((relative if difference else 0.0, name))
    return max(found)


def by_class(of: Roi, name: str):
    """pyradiomics' calculator after its run."""
    inside = of.levels.transpose(2, 1, 0)[of.intensity.transpose(2, 1, 0)]
    node = as_itk(of.image, of.spacing)
    mask = as_itk(of.intensity.astype(np.uint8), of.spacing)
    calculator = _CALCULATORS[name](node, mask, levels=inside, **itk_slice_axis(of.slice_axis))
    calculator._initCalculation()
    return calculator


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # pyradiomics' means of nothing
@pytest.mark.parametrize("family", TEXTURES)
def test_every_feature_equals_the_class(family, record) -> None:
    found = {}
    for name, slice_axis in CASES:
        of = roi(name, slice_axis)
        ours = FAMILIES[family].compute(of)
        theirs = class_features(of, family)
        found[name, slice_axis] = largest_difference(family, ours, theirs)
    case = max(found, key=found.get)
    worst, feature = found[case]
    record(SECTION, f"{family}: {len(CASES)} regions, 3D and 2D", worst, "relative", "<= 1e-9")
    assert worst <= 1e-9, (feature, case)


@pytest.mark.parametrize(("name", "slice_axis"), CASES)
def test_matrices_equal_pyradiomics(name, slice_axis) -> None:
    of = roi(name, slice_axis)
    grid = of.grid
    counts = cooccurrence_matrices(grid)
    matrix = by_class(of, "glcm").P_glcm
    if len(counts):
        ours = counts / counts.sum(axis=(1, 2), keepdims=True)
        assert np.array_equal(in_order(ours), in_order(np.moveaxis(matrix[0], -1, 0)))
    else:
        assert matrix.shape[3] == 0 or np.isnan(matrix).all()
    runs = run_length_matrices(grid)
    wide = np.zeros((len(runs), grid.levels.size, max(of.levels.shape)))
    for one, table in zip(wide, runs, strict=True):
        one[:, : table.shape[1]] = table
    wide = wide[:, :, wide.any(axis=(0, 1))]
    matrix = np.moveaxis(by_class(of, "glrlm").P_glrlm[0], -1, 0)
    assert np.array_equal(in_order(wide), in_order(matrix))
    rank, size, count = size_zone_matrix(grid)
    sizes = np.unique(size)
    zone = np.zeros((grid.levels.size, sizes.size))
    zone[rank, np.searchsorted(sizes, size)] = count
    assert np.array_equal(zone, by_class(of, "glszm").P_glszm[0])
    dependence = grid.neighbourhood.dependence
    used = dependence[:, dependence.any(axis=0)]
    assert np.array_equal(used, by_class(of, "gldm").P_gldm[0])
    tone = by_class(of, "ngtdm").P_ngtdm[0]
    assert np.array_equal(grid.neighbourhood.voxels, tone[:, 0])
    assert grid.neighbourhood.tone_difference == pytest.approx(tone[:, 1], rel=1e-12, abs=1e-12)
    assert np.array_equal(grid.levels, tone[:, 2])


def in_order(matrices: np.ndarray) -> np.ndarray:
    """One matrix per direction, whatever the order of the directions."""
    flat = matrices.reshape(len(matrices), -1)
    return flat[np.lexsort(flat.T[::-1])] if flat.size else flat


def noise(shape: tuple[int, int, int], share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) < share


SOLIDS = {
    "ball": lambda: ball(6.4, 13),
    "box": lambda: np.ones((4, 9, 6), bool),
    "holes": holes,
    "separate parts": parts,
    "bent": bent,
    "no neighbours": lattice,
    "diagonal": diagonal,
    "plate": lambda: thin(1),
    "row": lambda: np.ones((1, 12, 1), bool),
    "8 voxels": lambda: np.ones((2, 2, 2), bool),
    # All 256 neighbourhoods, also those where a surface is ambiguous.
    "noise, half": lambda: noise((9, 8, 10), 0.5, 1),
    "noise, dense": lambda: noise((7, 11, 8), 0.85, 2),
    "noise, sparse": lambda: noise((8, 9, 9), 0.1, 3),
}


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")  # of a row of voxels
def test_shape_equals_the_class(record) -> None:
    found = {}
    for name, make in SOLIDS.items():
        for spacing in ((1.0, 1.0, 1.0), SPACING):
            mask = make()
            box = tuple(slice(0, size) for size in mask.shape)
            levels = mask.astype(np.int32)
            of = Roi(mask * 1.0, mask, mask, levels, spacing, None, mask, box, SETTINGS)
            ours = FAMILIES["shape"].compute(of)
            found[name, spacing] = largest_difference("shape", ours, shape_features(of))
    case = max(found, key=found.get)
    worst, feature = found[case]
    record(SECTION, f"shape: {len(found)} regions", worst, "relative", "<= 1e-9")
    assert worst <= 1e-9, (feature, case)


def test_features_are_those_of_the_dictionary() -> None:
    of = roi("holes", None)
    for family in ("shape", *TEXTURES):
        named = {f.name for f in features().values() if f.feature_class == family}
        assert {f"{family}_{name}" for name in FAMILIES[family].compute(of)} == named


@pytest.mark.parametrize("slice_axis", [None, 0, 2])
def test_zones_are_the_connected_parts_of_each_level(slice_axis) -> None:
    levels = roi("smooth, 8 levels", None).levels
    labels, level, size = zones(levels, slice_axis)
    around = np.ones((3, 3, 3), bool)
    if slice_axis is not None:
        around[(slice(None),) * slice_axis + ([0, 2],)] = False
    found = 0
    for value in np.unique(levels[levels > 0]):
        expected, n = ndimage.label(levels == value, around)
        found += n
        pairs = np.unique(np.stack([expected, labels])[:, levels == value], axis=1)
        assert pairs.shape[1] == n  # one zone for one part
        assert set(level[pairs[1] - 1]) == {value}
    assert found == len(level) == len(size) == labels.max()
    assert np.array_equal(size, np.bincount(labels[labels > 0])[1:])
    assert np.array_equal(labels > 0, levels > 0)
    # Numbered as they are met in the array.
    first = np.unique(labels[labels > 0], return_index=True)[1]
    assert np.array_equal(first, np.sort(first))
    again = zone_labels(levels, texture_grid(levels, slice_axis))
    assert all(np.array_equal(a, b) for a, b in zip(again, (labels, level, size), strict=True))


def test_order_of_the_array_in_memory_does_not_matter() -> None:
    levels = roi("holes", None).levels
    turned = np.asfortranarray(levels)
    assert np.array_equal(texture_grid(levels, 1).ranks, texture_grid(turned, 1).ranks)
    wide = np.zeros((*levels.shape[:2], 2 * levels.shape[2]), np.int64)
    wide[:, :, ::2] = levels
    assert np.array_equal(texture_grid(wide[:, :, ::2], 1).ranks, texture_grid(levels, 1).ranks)


@pytest.mark.parametrize(
    "levels",
    [
        np.zeros((3, 3, 3)),
        np.ones((3, 3)),
        -np.ones((2, 2, 2)),
        np.ones((0, 2, 2)),
        np.full((2, 2, 2), 70_000),
    ],
)
def test_arrays_that_are_no_grey_levels_are_refused(levels) -> None:
    with pytest.raises(ValueError, match="grey levels"):
        texture_grid(levels, None)


@pytest.mark.parametrize("changes", [{}, {"texture": "2D"}])
def test_both_engines_give_one_extraction(changes) -> None:
    image, mask, _ = region(np.pad(ball(6.4, 13), 3), 32, 1.0)
    volume = Volume(image, np.diag([1.0, 1.0, 1.5, 1.0]))
    base = {"name": "t", "image": "vBMD", "unit": "mg/cm3", "bin_count": 16, **changes}
    compiled = extract_features(volume, mask, RadiomicsSettings(**base))
    checked = extract_features(volume, mask, RadiomicsSettings(**base, engine="pyradiomics"))
    assert list(compiled.features) == list(checked.features)
    assert compiled.warnings == checked.warnings
    ours, theirs = np.array([*compiled.features.values()]), np.array([*checked.features.values()])
    assert np.isfinite(theirs).all()
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    # The comparison is one of two computations.
    assert not np.array_equal(ours, theirs)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValidationError, match="engine"):
        RadiomicsSettings(name="t", image="HU", unit="HU", bin_count=8, engine="fast")


def test_nothing_is_divided_by_zero() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("no neighbours", "diagonal", "one row", "8 voxels, 2 levels"):
            for family in TEXTURES:
                FAMILIES[family].compute(roi(name, None))
