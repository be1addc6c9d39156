"""pyradiomics' filters on a box: the numbers of the whole image, without the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from radiomics import imageoperations
from SimpleITK import GetArrayFromImage

from osteoflow.radiomics.arrays import as_itk, itk_slice_axis
from osteoflow.radiomics.filters import filtered_images, prefixes, reach_mm
from osteoflow.radiomics.filters.recursive_gaussian import (
    _recurse,
    laplacian_of_gaussian,
    recursion,
)
from osteoflow.radiomics.settings import RadiomicsSettings

BASE = {"name": "test", "image": "vBMD", "unit": "mg/cm3", "bin_count": 32}
SPACING = (0.8, 0.7, 1.4)


def recipe(texture: str = "3D", **filters) -> RadiomicsSettings:
    return RadiomicsSettings(**BASE, texture=texture, filters=filters)


def noise(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(120, 60, shape)


def whole(found) -> dict[str, np.ndarray]:
    return {name: GetArrayFromImage(image).transpose(2, 1, 0) for image, name, _ in found}


@pytest.mark.parametrize("sigma", [0.6, 1.0, 3.0])
def test_laplacian_equals_that_of_pyradiomics_on_the_whole_image(sigma: float, record) -> None:
    image = noise((150, 140, 70))
    inner = (slice(70, 85), slice(60, 78), slice(30, 42))
    [(name, expected)] = whole(
        imageoperations.getLoGImage(as_itk(image, SPACING), None, sigma=[sigma])
    ).items()
    settings = recipe(log_sigma_mm=[sigma], original=False)
    [(prefix, found)] = filtered_images(image, inner, SPACING, None, settings)
    assert prefix == name
    # Single precision: the last digit of a voxel in many thousands may be rounded the other way.
    assert (found != expected[inner]).mean() < 1e-3
    difference = np.abs(found - expected[inner]).max() / np.abs(expected[inner]).max()
    assert difference < 1.2e-7
    record(
        "Radiomics: filters on a box", f"LoG {sigma} mm, largest difference", difference, "", "1e-7"
    )
    # What lies beyond the reach has no influence, and no margin is missing.
    crop = tuple(
        slice(max(0, part.start - n), part.stop + n)
        for part, n in zip(
            inner, np.ceil(reach_mm(settings, 0.0) / np.array(SPACING)).astype(int), strict=True
        )
    )
    moved = tuple(
        slice(part.start - out.start, part.stop - out.start)
        for part, out in zip(inner, crop, strict=True)
    )
    np.testing.assert_array_equal(
        laplacian_of_gaussian(image[crop], moved, SPACING, sigma), found.astype(np.float32)
    )


def test_laplacian_at_the_end_of_the_scan() -> None:
    image = noise((40, 36, 20))
    everything = tuple(slice(0, n) for n in image.shape)
    [expected] = whole(
        imageoperations.getLoGImage(as_itk(image, SPACING), None, sigma=[2.0])
    ).values()
    found = laplacian_of_gaussian(image, everything, SPACING, 2.0)
    np.testing.assert_allclose(found, expected, atol=2e-7 * np.abs(expected).max(), rtol=0)


def test_recursion_resembles_a_gaussian() -> None:
    impulse = np.zeros((1, 401, 1))
    impulse[0, 200, 0] = 1.0
    for sigma in (1.5, 4.0):
        response = {}
        for order in (0, 2):
            out = np.empty((1, 401, 1), np.float32)
            _recurse(impulse, *recursion(sigma, order), 0, 401, out)
            response[order] = out[0, :, 0].astype(float)
        x = np.arange(401.0) - 200
        assert response[0].sum() == pytest.approx(1, abs=1e-6)
        assert (response[0] * x**2).sum() == pytest.approx(sigma**2, rel=0.1)
        # A second derivative: nothing of a constant, 2 of x^2.
        assert response[2].sum() == pytest.approx(0, abs=1e-6)
        assert (response[2] * x**2).sum() == pytest.approx(2, abs=1e-4)
        gaussian = np.exp(-0.5 * (x / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        assert np.abs(response[0] - gaussian).max() < 5e-3 * gaussian.max()


@pytest.mark.parametrize("wavelet", ["haar", "coif1", "db3", "bior2.2"])
@pytest.mark.parametrize("slice_axis", [None, 0, 1, 2])
def test_wavelets_equal_those_of_pyradiomics_on_the_whole_image(
    wavelet: str, slice_axis: int | None
) -> None:
    image = noise((41, 38, 36))
    inner = (slice(15, 25), slice(12, 20), slice(14, 22))
    options = {"wavelet": wavelet, **itk_slice_axis(slice_axis)}
    expected = whole(imageoperations.getWaveletImage(as_itk(image, SPACING), None, **options))
    settings = recipe("3D" if slice_axis is None else "2D", wavelet=wavelet, original=False)
    found = dict(filtered_images(image, inner, SPACING, slice_axis, settings))
    assert list(found) == prefixes(settings)
    assert set(found) == set(expected)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name][inner], atol=1e-11, rtol=0)
    # The reach is enough: the rest of the scan has no influence.
    margin = int(np.ceil(reach_mm(settings, 1.0)))
    crop = tuple(slice(max(0, part.start - margin), part.stop + margin) for part in inner)
    moved = tuple(
        slice(part.start - out.start, part.stop - out.start)
        for part, out in zip(inner, crop, strict=True)
    )
    for name, values in filtered_images(image[crop], moved, SPACING, slice_axis, settings):
        np.testing.assert_array_equal(values, found[name])


def test_wavelets_mirror_the_image_at_its_end() -> None:
    image = noise((24, 20, 18))
    settings = recipe(wavelet="coif1", original=False)
    everything = tuple(slice(0, n) for n in image.shape)
    mirrored = np.pad(image, 12, mode="symmetric")
    inside = tuple(slice(12, 12 + n) for n in image.shape)
    expected = dict(filtered_images(mirrored, inside, SPACING, None, settings))
    for name, values in filtered_images(image, everything, SPACING, None, settings):
        np.testing.assert_allclose(values, expected[name], atol=1e-11, rtol=0)
