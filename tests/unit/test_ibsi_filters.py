"""Convolutional filters of IBSI-2: closed forms, ends of the scan, crops, rotations, settings."""

from __future__ import annotations

import re
from itertools import product

import ibsi2_phantoms as phantoms
import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from scipy import ndimage

from osteoflow.io.volume import Volume
from osteoflow.radiomics.columns import feature_names
from osteoflow.radiomics.dictionary import describe
from osteoflow.radiomics.extract import extract_features, extract_regions
from osteoflow.radiomics.filters.ibsi import ibsi_images
from osteoflow.radiomics.filters.laplacian import laplacian_images
from osteoflow.radiomics.filters.simoncelli import kernel, profile, radius
from osteoflow.radiomics.filters.spectral import transfer
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.resources import ROOT

BASE = {"name": "test", "image": "HU", "unit": "HU", "bin_count": 16}
WHOLE = (slice(0, phantoms.SIZE),) * 3
MODES = {"mirror": "reflect", "nearest": "nearest", "periodic": "wrap", "zero": "constant"}
HIGH, CENTRE = phantoms.HIGH, phantoms.CENTRE

MEAN = {"kind": "mean", "support": 5}
LOG = {"kind": "laplacian_of_gaussian", "sigma_mm": 2.0}
LAWS = {"kind": "laws", "kernels": "L5E5S5", "energy": 3}
GABOR = {
    "kind": "gabor",
    "sigma_mm": 3,
    "wavelength_mm": 4,
    "theta_step_degrees": 45,
    "planes": "orthogonal",
}
WAVELET = {"kind": "separable_wavelet", "wavelet": "db2", "subband": "LLH", "level": 2}
SIMONCELLI = {"kind": "simoncelli", "level": 1, "boundary": "mirror"}
ALL = [MEAN, LOG, LAWS, GABOR, WAVELET, SIMONCELLI]
FLAT = [
    MEAN,
    LOG,
    {**LAWS, "kernels": "L5E5"},
    {**GABOR, "planes": "slice"},
    {**WAVELET, "subband": "LH"},
    SIMONCELLI,
]


def derived(settings: dict, texture: str = "3D"):
    recipe = RadiomicsSettings(**BASE, texture=texture, filters={"ibsi": [settings]})
    [found] = ibsi_images(recipe)
    return found


def response(
    settings: dict,
    image: np.ndarray,
    spacing: tuple[float, float, float] = phantoms.SPACING,
    slice_axis: int | None = None,
    box: tuple[slice, slice, slice] | None = None,
) -> np.ndarray:
    box = tuple(slice(0, size) for size in image.shape) if box is None else box
    found = derived(settings, "3D" if slice_axis is None else "2D")
    return found.compute(image, box, spacing, slice_axis, {})


def noise(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return 100 + 300 * ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 0.7)


# ---- closed forms ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "phantom", "voxel", "value"),
    [
        # 15 voxels across blocks of 8: the mean holds one voxel more of one kind on each axis.
        (
            {"kind": "mean", "support": 15, "boundary": "periodic"},
            "checkerboard",
            (0, 0, 8),
            127.5 * (1 + 15**-3),
        ),
        ({"kind": "mean", "support": 15}, "impulse", (31, 31, 38), HIGH / 15**3),
        ({"kind": "mean", "support": 15}, "impulse", (31, 31, 39), 0.0),
        # Largest taps of E5, L5 and S5: 2 / sqrt(10), 6 / sqrt(70), 2 / sqrt(6).
        (
            {"kind": "laws", "kernels": "E5L5S5", "rotation": "none", "energy": None},
            "impulse",
            (30, 31, 31),
            -HIGH * 24 / np.sqrt(10 * 70 * 6),
        ),
        (
            {"kind": "laws", "kernels": "E5L5S5", "energy": None},
            "impulse",
            (30, 31, 31),
            HIGH * 24 / np.sqrt(10 * 70 * 6),
        ),
        # The Haar low pass has a gain of sqrt(2): 2^3 after two levels on three axes.
        (
            {"kind": "separable_wavelet", "wavelet": "haar", "subband": "LLL", "level": 2},
            "checkerboard",
            (4, 4, 12),
            8 * HIGH,
        ),
        # The largest tap of the Daubechies-2 low pass.
        (
            {
                "kind": "separable_wavelet",
                "wavelet": "db2",
                "subband": "LLL",
                "rotation": "none",
            },
            "impulse",
            (31, 31, 31),
            HIGH * ((3 + np.sqrt(3)) / (4 * np.sqrt(2))) ** 3,
        ),
        # Modulus of a kernel at its centre.
        (
            {"kind": "gabor", "sigma_mm": 10, "wavelength_mm": 4, "theta_degrees": 60},
            "impulse",
            (31, 31, 31),
            HIGH,
        ),
    ],
)
def test_values_known_in_closed_form(settings, phantom, voxel, value) -> None:
    found = response(settings, getattr(phantoms, phantom)())
    assert found[voxel] == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("slice_axis", [None, 1])
def test_impulse_response_of_the_laplacian_is_its_formula(slice_axis) -> None:
    spacing = (1.0, 2.0, 1.0) if slice_axis == 1 else (1.0, 1.0, 1.0)
    image = np.zeros((31, 31, 31))
    image[15, 15, 15] = 1.0
    found = response(LOG, image, spacing, slice_axis)
    axes = [axis for axis in range(3) if axis != slice_axis]
    squared = sum((np.indices(image.shape)[axis] - 15.0) ** 2 for axis in axes)
    sigma, count = 2.0, len(axes)
    formula = -(count - squared / sigma**2) / sigma**2 * np.exp(-squared / (2 * sigma**2))
    formula /= (np.sqrt(2 * np.pi) * sigma) ** count
    inside = np.all([np.abs(np.indices(image.shape)[axis] - 15) <= 8 for axis in axes], axis=0)
    if slice_axis is not None:
        inside &= np.indices(image.shape)[slice_axis] == 15
    np.testing.assert_allclose(found, np.where(inside, formula, 0.0), atol=1e-16)


def test_laplacian_of_a_paraboloid_whatever_the_voxels() -> None:
    # The Laplacian of x^2 + y^2 + z^2 is 6; the response is in units of the mean voxel size.
    for spacing in ((1.0, 1.0, 1.0), (0.8, 0.8, 1.2)):
        shape = (45, 45, 31)
        place = np.indices(shape) * np.reshape(spacing, (3, 1, 1, 1))
        centre = tuple(size // 2 for size in shape)
        place = place - place[(slice(None), *centre)].reshape(3, 1, 1, 1)
        found = response({**LOG, "truncate": 5}, (place**2).sum(axis=0), spacing)
        assert found[centre] == pytest.approx(6 * np.prod(spacing) ** (2 / 3), rel=2e-3)


def test_the_two_laplacians_differ_by_their_scale(record) -> None:
    # pyradiomics' image is scale-normalised (sigma^2) and in mm, IBSI's is in voxels.
    image, box = noise((60, 60, 60)), (slice(20, 40),) * 3
    worst = 0.0
    for step, sigma in ((1.0, 1.0), (1.5, 1.5), (1.5, 3.0)):
        recipe = RadiomicsSettings(**BASE, filters={"log_sigma_mm": [sigma]})
        [other] = laplacian_images(recipe)
        expected = other.compute(image, box, (step,) * 3, None, {})
        found = response({**LOG, "sigma_mm": sigma}, image, (step,) * 3, box=box)
        difference = found * (sigma / step) ** 2 - expected
        worst = max(worst, np.sqrt((difference**2).mean()) / expected.std())
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9999
    what = "IBSI's Laplacian of Gaussian against pyradiomics' after scaling"
    record("Radiomics: IBSI-2", what, 100 * worst, "% of the SD", "at most 3")
    assert worst < 0.03


def test_gabor_response_to_its_own_wave() -> None:
    # Half the amplitude times the integral of the envelope, 2 pi sigma^2 / gamma, per voxel area.
    spacing, angle, sigma, wavelength, gamma = (1.0, 1.25, 3.0), 0.7, 4.0, 5.0, 1.5
    first, second, _ = np.indices((81, 71, 1))
    along = first * spacing[0] * np.cos(angle) + second * spacing[1] * np.sin(angle)
    wave = 10 * np.cos(2 * np.pi * along / wavelength + 0.4)
    settings = {
        "kind": "gabor",
        "sigma_mm": sigma,
        "wavelength_mm": wavelength,
        "gamma": gamma,
        "theta_degrees": np.degrees(angle),
    }
    found = response(settings, wave, spacing)[20:60, 20:50]
    expected = 5 * 2 * np.pi * sigma**2 / gamma / (spacing[0] * spacing[1])
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    across = {**settings, "theta_degrees": np.degrees(angle) + 90}
    assert response(across, wave, spacing)[20:60, 20:50].max() < 0.01 * expected


def test_undecimated_wavelets_keep_the_energy() -> None:
    # |L|^2 + |H|^2 = 2 at every frequency of an orthogonal wavelet: 2^3 over the eight sub-bands.
    image = noise((16, 12, 14))
    bands = ["".join(letters) for letters in product("LH", repeat=3)]
    for name in ("haar", "db3", "coif1"):
        energy = 0.0
        for band in bands:
            settings = {
                "kind": "separable_wavelet",
                "wavelet": name,
                "subband": band,
                "rotation": "none",
                "boundary": "periodic",
            }
            energy += (response(settings, image) ** 2).sum()
        assert energy == pytest.approx(8 * (image**2).sum(), rel=1e-9)


# ---- Simoncelli --------------------------------------------------------------------------------


def test_simoncelli_passes_two_octaves_and_no_constant() -> None:
    assert profile(np.array([0.2, 0.5, 1.0, 1.2]), 1) == pytest.approx([0, 1, 0, 0])
    # Levels share the energy: cos^2 + sin^2 where two of them overlap.
    frequency = np.linspace(0.26, 0.49, 9)
    np.testing.assert_allclose(profile(frequency, 1) ** 2 + profile(frequency, 2) ** 2, 1)
    for boundary in ("periodic", "mirror"):
        settings = {**SIMONCELLI, "boundary": boundary}
        flat = np.full((20, 18, 12), -1000.0)
        assert np.abs(response(settings, flat)).max() < 1e-8


@pytest.mark.parametrize("axes", [2, 3])
def test_error_of_the_truncated_simoncelli_kernel(axes: int, record) -> None:
    """Transfer function of the finite kernel along an axis and a diagonal, against the defined."""
    for level in (1, 2):
        reach = radius(level)
        taps = kernel(axes, level)
        assert taps.shape == (2 * reach + 1,) * axes
        assert abs(taps.sum()) < 1e-12
        place = np.arange(-reach, reach + 1)
        errors = []
        for direction in ([1.0] + [0.0] * (axes - 1), [axes**-0.5] * axes):
            for frequency in np.linspace(0, 1, 81):
                gain = taps
                for part in direction:
                    gain = np.tensordot(np.exp(1j * np.pi * frequency * part * place), gain, (0, 0))
                errors.append(abs(gain - profile(np.array(frequency), level)))
        worst, spread = max(errors), np.sqrt(np.mean(np.square(errors)))
        what = f"finite Simoncelli kernel, {axes}D, level {level}: largest error of the gain"
        record("Radiomics: IBSI-2", what, 100 * worst, "% of the peak", "at most 6")
        assert worst < 0.06
        assert spread < 0.011


def test_finite_and_periodic_simoncelli_agree_inside(record) -> None:
    image = noise((96, 96, 96), seed=4)
    box = (slice(32, 64),) * 3
    exact = response({**SIMONCELLI, "boundary": "periodic"}, image, box=box)
    finite = response(SIMONCELLI, image, box=box)
    difference = np.sqrt(((finite - exact) ** 2).mean()) / exact.std()
    record(
        "Radiomics: IBSI-2",
        "finite Simoncelli kernel on noise",
        100 * difference,
        "% of the response's SD",
        "at most 3",
    )
    assert difference < 0.03


def test_transfer_function_gives_the_real_part_of_the_response() -> None:
    # The whole complex spectrum on the reference's grid, without the symmetries used.
    image = noise((12, 9, 10))
    grids = np.meshgrid(
        *[np.fft.ifftshift(np.linspace(-1, 1, size)) for size in image.shape], indexing="ij"
    )
    length = np.sqrt(sum(grid**2 for grid in grids))
    for riesz in (None, (1, 0, 0), (1, 0, 2)):
        gain = profile(length, 1).astype(complex)
        if riesz is not None:
            order = sum(riesz)
            scale = np.sqrt({1: 1.0, 3: 3.0}[order])
            gain = gain * (-1j) ** order * scale / np.where(length > 0, length, 1) ** order
            for grid, power in zip(grids, riesz, strict=True):
                gain = gain * grid**power
        expected = np.fft.ifftn(np.fft.fftn(image) * gain).real
        settings = {"kind": "simoncelli", "riesz": riesz}
        np.testing.assert_allclose(response(settings, image), expected, atol=1e-10)
    assert transfer((8, 8), np.ones_like).dtype == float


# ---- boundaries, crops, rotations --------------------------------------------------------------


@pytest.mark.parametrize("boundary", sorted(MODES))
@pytest.mark.parametrize("slice_axis", [None, 0])
def test_boundary_conditions_of_every_stage(boundary: str, slice_axis: int | None) -> None:
    """Whole filters, stage after stage, with scipy's boundary modes."""
    image = noise((13, 11, 9))
    axes = [axis for axis in range(3) if axis != slice_axis]

    def stage(values: np.ndarray, taps: list[list[float]]) -> np.ndarray:
        for axis, each in zip(axes, taps, strict=True):
            values = ndimage.convolve1d(values, each, axis=axis, mode=MODES[boundary])
        return values

    flat = [[1 / 5] * 5] * len(axes)
    found = response({**MEAN, "boundary": boundary}, image, slice_axis=slice_axis)
    np.testing.assert_allclose(found, stage(image, flat), atol=1e-11)

    level, edge = np.array([1, 4, 6, 4, 1]) / np.sqrt(70), np.array([-1, -2, 0, 2, 1]) / np.sqrt(10)
    taps = [level, edge, edge][: len(axes)]
    energy = stage(np.abs(stage(image, taps)), [[1 / 15] * 15] * len(axes))
    settings = {
        "kind": "laws",
        "kernels": "L5E5E5"[: 2 * len(axes)],
        "rotation": "none",
        "energy": 7,
        "boundary": boundary,
    }
    found = response(settings, image, slice_axis=slice_axis)
    np.testing.assert_allclose(found, energy, atol=1e-10)

    half = np.sqrt(0.5)
    low, high = [half, half], [half, 0, -half, 0]
    settings = {
        "kind": "separable_wavelet",
        "wavelet": "haar",
        "subband": "HHH"[: len(axes)],
        "level": 2,
        "rotation": "none",
        "boundary": boundary,
    }
    expected = stage(stage(image, [low] * len(axes)), [high] * len(axes))
    found = np.abs(response(settings, image, slice_axis=slice_axis))
    np.testing.assert_allclose(found, np.abs(expected), atol=1e-11)


@pytest.mark.parametrize("slice_axis", [None, 2])
@pytest.mark.parametrize("boundary", ["mirror", "nearest", "zero"])
def test_a_crop_to_the_reach_changes_nothing(boundary: str, slice_axis: int | None, record) -> None:
    """Parts of the scan within the reach of a box give the values of the whole scan."""
    spacing = (1.0, 1.0, 2.0)
    image = noise((90, 84, 70), seed=1)
    boxes = [
        (slice(40, 46), slice(36, 43), slice(33, 38)),
        (slice(0, 5), slice(79, 84), slice(2, 6)),
    ]
    worst = 0.0
    for settings in ALL if slice_axis is None else FLAT:
        found = derived({**settings, "boundary": boundary}, "3D" if slice_axis is None else "2D")
        for box in boxes:
            crop, inner = [], []
            for axis, wanted in enumerate(box):
                reach = int(np.ceil(found.reach_mm(spacing[axis]) / spacing[axis] - 1e-9))
                low = max(wanted.start - reach, 0)
                crop.append(slice(low, min(wanted.stop + reach, image.shape[axis])))
                inner.append(slice(wanted.start - low, wanted.stop - low))
            whole = found.compute(image, box, spacing, slice_axis, {})
            part = found.compute(image[tuple(crop)], tuple(inner), spacing, slice_axis, {})
            assert whole.shape == tuple(wanted.stop - wanted.start for wanted in box)
            difference = np.abs(whole - part).max() / np.abs(whole).max()
            worst = max(worst, difference)
            assert difference <= 1e-12, found.prefix
    if boundary == "mirror" and slice_axis is None:
        what = "largest relative change of a response by cropping to the filter's reach"
        record("Radiomics: IBSI-2", what, worst, "", "at most 1e-12")


def test_what_lies_beyond_the_reach_has_no_influence_and_what_lies_within_has() -> None:
    image = noise((61, 61, 61), seed=2)
    centre = (slice(30, 31),) * 3
    for settings in (MEAN, LOG, {**LAWS, "energy": None}, {**WAVELET, "level": 1}):
        found = derived(settings)
        reach = round(found.reach_mm(1.0))
        changed = image.copy()
        changed[31 + reach :] += 500
        changed[: 30 - reach] += 500
        before = found.compute(image, centre, (1.0, 1.0, 1.0), None, {})
        after = found.compute(changed, centre, (1.0, 1.0, 1.0), None, {})
        assert after == pytest.approx(before, rel=1e-13)
        changed[30 + reach] *= -2
        changed[30 - reach] *= -3
        within = found.compute(changed, centre, (1.0, 1.0, 1.0), None, {})
        assert abs(within - before).item() > 1e-6, found.prefix


def proper_rotations():
    """The 24 rotations of an array as functions, and their inverses."""
    faces = [[], [(1, (0, 2))], [(2, (0, 2))], [(3, (0, 2))], [(1, (0, 1))], [(3, (0, 1))]]
    for face, turn in product(faces, range(4)):
        steps = [*face, (turn, (1, 2))]

        def forward(values, steps=steps):
            for count, plane in steps:
                values = np.rot90(values, count, plane)
            return values

        def backward(values, steps=steps):
            for count, plane in reversed(steps):
                values = np.rot90(values, -count, plane)
            return values

        yield forward, backward


@pytest.mark.parametrize("rotation", ["max", "average"])
@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "laws", "kernels": "E5L5S5", "energy": None},
        {"kind": "laws", "kernels": "E5W5E3", "energy": None},
        {"kind": "separable_wavelet", "wavelet": "db2", "subband": "LHL"},
        {"kind": "separable_wavelet", "wavelet": "db3", "subband": "HHH", "level": 2},
    ],
    ids=lambda each: each.get("kernels") or each["subband"],
)
def test_pooling_is_over_all_right_angle_rotations(settings: dict, rotation: str) -> None:
    """Against a rotation of the image, a filter without invariance, and the way back."""
    image = noise((11, 11, 11), seed=3)
    single = {**settings, "rotation": "none"}
    turned = [
        backward(response(single, np.ascontiguousarray(forward(image))))
        for forward, backward in proper_rotations()
    ]
    assert len(turned) == 24
    pool = {"max": np.max, "average": np.mean}[rotation]
    found = response({**settings, "rotation": rotation}, image)
    np.testing.assert_allclose(found, pool(turned, axis=0), atol=1e-10)


@pytest.mark.parametrize("settings", ALL, ids=lambda each: each["kind"])
def test_a_rotated_scan_gives_the_rotated_response(settings: dict) -> None:
    image = noise((12, 12, 12), seed=5)
    expected = response(settings, image, (1.0, 1.0, 1.0))
    for forward, backward in list(proper_rotations())[1::5]:
        turned = response(settings, np.ascontiguousarray(forward(image)), (1.0, 1.0, 1.0))
        np.testing.assert_allclose(backward(turned), expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("settings", FLAT, ids=lambda each: each["kind"])
def test_two_dimensional_filters_stay_within_the_slices(settings: dict) -> None:
    image = noise((20, 22, 5), seed=6)
    expected = response(settings, image, slice_axis=2)
    order = [3, 0, 4, 2, 1]
    shuffled = response(settings, image[:, :, order], slice_axis=2)
    np.testing.assert_allclose(shuffled, expected[:, :, order], atol=1e-9)
    # Slices along another axis of the array are the same slices.
    moved = response(settings, np.moveaxis(image, 2, 0), slice_axis=0)
    np.testing.assert_allclose(np.moveaxis(moved, 0, 2), expected, atol=1e-9)


# ---- recipes -----------------------------------------------------------------------------------


def test_names_tell_the_parameters() -> None:
    names = [derived(settings).prefix for settings in ALL]
    assert names == [
        "ibsi-mean-5",
        "ibsi-log-2mm",
        "ibsi-laws-L5E5S5-max-energy3",
        "ibsi-gabor-s3mm-l4mm-g1-5-step45-average-orthogonal",
        "ibsi-wavelet-db2-LLH-level2-average",
        "ibsi-simoncelli-level1",
    ]
    others = [
        {**MEAN, "boundary": "zero"},
        {**LOG, "sigma_mm": 1.5, "truncate": 3, "riesz": (1, 0, 0)},
        {**LAWS, "rotation": "none", "energy": None},
        {**GABOR, "theta_step_degrees": None, "theta_degrees": -22.5, "planes": "slice"},
        {**WAVELET, "wavelet": "bior1.3", "rotation": "none"},
        {"kind": "simoncelli", "level": 3, "riesz": (0, 2, 0)},
    ]
    assert [derived(settings).prefix for settings in others] == [
        "ibsi-mean-5-zero",
        "ibsi-log-1-5mm-cut3-riesz100",
        "ibsi-laws-L5E5S5",
        "ibsi-gabor-s3mm-l4mm-g1-5-t337-5",
        "ibsi-wavelet-bior1-3-LLH-level2",
        "ibsi-simoncelli-level3-riesz020-periodic",
    ]


def test_the_manual_shows_a_valid_recipe_and_true_names() -> None:
    text = (ROOT / "docs" / "how-to" / "radiomics-filters.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    recipe = RadiomicsSettings(**BASE, **yaml.safe_load(block))
    names = {each.prefix for each in recipe.filters.ibsi}
    further = [
        MEAN,
        {"kind": "simoncelli"},
        {**GABOR, "sigma_mm": 5, "wavelength_mm": 2, "theta_step_degrees": 22.5},
    ]
    names |= {derived(settings).prefix for settings in further}
    written = set(re.findall(r"`(ibsi-[^`]*[^`.])`", text))
    assert written == names


@pytest.mark.parametrize(
    ("texture", "settings", "message"),
    [
        ("3D", {"kind": "sobel"}, "does not match any of the expected tags"),
        ("3D", {**MEAN, "support": 4}, "must be odd"),
        ("3D", {**MEAN, "boundary": "wrap"}, "mirror"),
        ("3D", {**LAWS, "kernels": "L5W3E5"}, "no Laws kernel W3"),
        ("3D", {**LAWS, "kernels": "L5E5"}, "a 3D recipe needs 3"),
        ("2D", LAWS, "a 2D recipe needs 2"),
        ("2D", GABOR, "set planes to slice"),
        ("3D", {**GABOR, "theta_step_degrees": 50}, "must divide 360"),
        ("3D", {**WAVELET, "wavelet": "db"}, "unknown wavelet"),
        ("3D", {**WAVELET, "wavelet": "morl"}, "unknown wavelet"),
        ("2D", WAVELET, "a 2D recipe needs 2, one per axis"),
        ("3D", {**WAVELET, "subband": "LXH"}, "pattern"),
        ("3D", {**SIMONCELLI, "riesz": (1, 0, 0)}, "set boundary to periodic"),
        ("2D", {"kind": "simoncelli", "riesz": (1, 0, 0)}, "riesz has 3 orders"),
    ],
)
def test_contradictory_filters_are_refused(texture: str, settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        derived(settings, texture)


def test_one_image_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="one image twice"):
        RadiomicsSettings(**BASE, filters={"ibsi": [MEAN, {**MEAN}]})


def scan() -> tuple[Volume, dict[str, np.ndarray]]:
    shape = (40, 38, 24)
    masks = {"L1": np.zeros(shape, bool), "L2": np.zeros(shape, bool)}
    masks["L1"][12:20, 10:19, 4:9] = True
    masks["L2"][14:24, 12:21, 15:20] = True
    return Volume(noise(shape, seed=8), np.diag([-1.0, -1.0, 2.0, 1.0])), masks


@pytest.mark.parametrize("texture", ["3D", "2D"])
def test_features_of_filtered_images(texture: str) -> None:
    image, masks = scan()
    filters = ALL if texture == "3D" else FLAT
    settings = RadiomicsSettings(
        **BASE,
        texture=texture,
        classes=("shape", "firstorder", "glcm"),
        filters={"original": False, "ibsi": filters},
        minimum_voxels=20,
    )
    found = extract_regions(image, masks, settings)
    names = feature_names(settings)
    prefixes = {name.split("_", 1)[0] for name in names}
    assert len(prefixes) == 1 + len(filters)
    for result in found.values():
        assert (result.flag, list(result.features)) == ("", names)
        assert np.isfinite(list(result.features.values())).all()
    # A region alone sees less of the scan, and has the same values.
    alone = extract_features(image, masks["L2"], settings)
    for name, value in found["L2"].features.items():
        assert alone.features[name] == pytest.approx(value, rel=1e-8, abs=1e-8), name
    rows = describe(names, settings)
    assert [row["name"] for row in rows] == names
    units = {row["name"]: row["unit"] for row in rows}
    assert units["ibsi-mean-5_firstorder_Mean"] == "arbitrary"


def test_a_filter_finer_than_the_voxels_is_a_warning() -> None:
    image, masks = scan()  # voxels of 1 x 1 x 2 mm
    fine = [{**LOG, "sigma_mm": 1.5}, {**GABOR, "wavelength_mm": 3}]
    flat = [{**LOG, "sigma_mm": 0.8}, {**GABOR, "wavelength_mm": 2, "planes": "slice"}]
    for texture, filters, expected in (
        ("3D", fine, ["sigma of 1.5 mm is below the voxel size of 2 mm", "below two voxels of 2"]),
        ("3D", [LOG, {**GABOR, "planes": "slice"}, GABOR], []),
        ("2D", flat, ["sigma of 0.8 mm is below the voxel size of 1 mm"]),
    ):
        settings = RadiomicsSettings(
            **BASE,
            texture=texture,
            classes=("firstorder",),
            filters={"ibsi": filters},
            minimum_voxels=20,
        )
        warnings = extract_features(image, masks["L1"], settings).warnings
        assert len(warnings) == len(expected), warnings
        for sentence, part in zip(warnings, expected, strict=True):
            assert part in sentence
    # A kernel of 4 sigma at 0.7 voxels: -1.5 % of a constant image.
    found = response({**LOG, "sigma_mm": 0.7}, np.full((9, 9, 9), 1000.0), (1.0, 1.0, 1.0))
    assert found[4, 4, 4] == pytest.approx(-14.9, abs=0.1)


def test_a_periodic_filter_sees_the_whole_scan() -> None:
    image, masks = scan()
    settings = RadiomicsSettings(
        **BASE,
        classes=("firstorder",),
        filters={"original": False, "ibsi": [{"kind": "simoncelli"}]},
        minimum_voxels=20,
    )
    before = extract_features(image, masks["L1"], settings).features
    data = image.data.copy()
    data[-1, -1, -1] += 1e5
    after = extract_features(Volume(data, image.affine), masks["L1"], settings).features
    name = "ibsi-simoncelli-level1-periodic_firstorder_Mean"
    assert after[name] != pytest.approx(before[name], rel=1e-6)
