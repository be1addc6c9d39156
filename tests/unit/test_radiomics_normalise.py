"""Weighted MRI before radiomics: bias field, scales, what is refused, and what a row then says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import yaml
from pydantic import ValidationError
from scipy.io import loadmat
from weighted_scene import CSF, LEVELS, MUSCLE, weighted_scene

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.radiomics.extract import extract_regions
from osteoflow.radiomics.normalisation.bias_field import estimate_bias_field, shrink_factors
from osteoflow.radiomics.normalisation.body import body_mask
from osteoflow.radiomics.normalisation.image import normalise_image
from osteoflow.radiomics.normalisation.settings import N4, Normalise
from osteoflow.radiomics.settings import RadiomicsSettings, read_settings
from osteoflow.resources import ROOT

SECTION = "Radiomics: MRI normalisation"
# Coarser than the default: a test's seconds.
COARSE = N4(shrink_mm=10)
SHADING = 0.7
EXTERNAL = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")


@pytest.fixture(scope="module")
def shaded():
    """Scene with a known field, and what N4 found."""
    image, labels, body, field = weighted_scene(SHADING)
    return image, labels, body, field, estimate_bias_field(image, body_mask(image), COARSE)


def code_of(image, settings, masks=None, name="T1w"):
    with pytest.raises(SubjectDataError) as refused:
        normalise_image(image, name, settings, masks or {})
    assert refused.value.hint
    return refused.value.code


# ---------------------------------------------------------------- body and bias field


@pytest.mark.parametrize("shading", [0.0, 1.4, 2.0])
def test_the_body_is_found_in_any_light(shading, record):
    image, _, body, _ = weighted_scene(shading)
    for kind, scan in (
        ("noisy air", image),
        ("blanked air", image.like(np.where(image.data < 60, 0.0, image.data))),
    ):
        found = body_mask(scan)
        dice = 2 * (found & body).sum() / (found.sum() + body.sum())
        what = f"Dice of the body, back {np.exp(shading):.1f} times as bright, {kind}"
        record(SECTION, what, dice, "", "> 0.99")
        assert dice > 0.99
        np.testing.assert_array_equal(body_mask(scan.like(3.7 * scan.data)), found)


def test_a_known_bias_field_is_removed(shaded, record):
    image, labels, body, field, found = shaded
    residual = 100 * np.log(found.field / field)[body].std()
    before = 100 * np.log(field)[body].std()
    record(SECTION, "shading put in (SD of the log field in the body)", before, "%")
    record(SECTION, "residual after N4", residual, "%", "< 2 %")
    assert residual < 2 < 15 < before
    assert np.log(found.field)[body_mask(image)].mean() == pytest.approx(0, abs=1e-9)
    true = np.subtract(*np.percentile(np.log(field)[body], (99, 1)))
    assert found.spread == pytest.approx(np.exp(true), rel=0.08)
    muscle = labels == MUSCLE
    corrected = image.data / found.field
    noise = 12.0 / 300.0
    assert image.data[muscle].std() / image.data[muscle].mean() > 1.3 * noise
    assert corrected[muscle].std() / corrected[muscle].mean() < 1.15 * noise


def test_no_field_is_made_of_anatomy(record):
    image, _, body, _ = weighted_scene(shading=0.0)
    found = estimate_bias_field(image, body_mask(image), COARSE)
    invented = 100 * np.log(found.field)[body].std()
    record(SECTION, "field found by N4 where there is none (SD)", invented, "%", "< 2.5 %")
    assert invented < 2.5


def test_the_field_depends_neither_on_gain_nor_on_threads():
    image, *_ = weighted_scene(SHADING)
    quick = N4(shrink_mm=10, iterations=(10, 5))
    found = estimate_bias_field(image, body_mask(image), quick)
    assert found.spread > 1.05
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    try:
        brighter = image.like(4.0 * image.data)
        again = estimate_bias_field(brighter, body_mask(brighter), quick)
        assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == 2
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    np.testing.assert_array_equal(again.field, found.field)


def test_thick_slices_are_not_shrunk():
    assert shrink_factors((4.4, 0.9, 0.6), (12, 320, 320), 5.0) == (1, 6, 8)
    assert shrink_factors((1.0, 1.0, 1.0), (9, 100, 100), 5.0) == (2, 5, 5)
    assert shrink_factors((4.4, 0.9, 0.6), (3, 320, 320), 10.0)[0] == 1


def test_images_without_a_body_are_refused():
    grid = np.diag([4.0, 1.0, 1.0, 1.0])
    zscore = Normalise(method="zscore")
    assert code_of(Volume(np.zeros((8, 40, 40)), grid), zscore) == "body_not_found"
    assert code_of(Volume(np.full((8, 40, 40), 7.0), grid), zscore) == "body_not_found"
    dot = np.full((8, 40, 40), 1.0)
    dot[3:5, 18:22, 18:22] = 1000.0
    assert code_of(Volume(dot, grid), zscore) == "body_not_found"
    few = np.zeros((6, 12, 12))
    few[1:5, 2:10, 2:10] = np.random.default_rng(0).uniform(50, 100, (4, 8, 8))
    assert code_of(Volume(few, grid), Normalise(bias_field="n4", method="zscore")) == (
        "body_too_small"
    )


@pytest.mark.skipif(
    not EXTERNAL, reason="OSTEOFLOW_EXTERNAL_DATA does not name a folder with third-party data"
)
def test_the_body_of_a_real_sagittal_image(record):
    """A T2-weighted spine, 8 bit and windowed: discs, vessels and a dark belly are body, too."""
    content = loadmat(Path(EXTERNAL) / "mri" / "spine_masks" / "05.mat")
    data, outlines = (np.moveaxis(content[name], 2, 0)[::8] for name in ("I", "GT"))
    # The file states no voxel size; the field of view of a lumbar spine is some 35 cm.
    image = Volume(data.astype(float), np.diag([4.0, 0.9, 0.9, 1.0]))
    body = body_mask(image)
    held = float(body[outlines > 0].mean())
    record(SECTION, "share of real vertebrae inside the body mask", 100 * held, "%", "> 99 %")
    assert held > 0.99
    assert 0.4 < body.mean() < 0.55
    corners = np.array([body[:, i, j] for i in (5, -6) for j in (5, -6)])
    assert not corners.any()
    notes = normalise_image(image, "T2w", Normalise(method="zscore"), {}).warnings
    assert any(note.startswith("signal_offset") for note in notes)


# ---------------------------------------------------------------- scales


def test_zscore_is_exact(record):
    image, labels, *_ = weighted_scene()
    body = body_mask(image)
    done = normalise_image(image, "T1w", Normalise(method="zscore"), {})
    inside = done.image.data[body]
    record(
        SECTION, "z-score: largest error of mean and SD", abs(inside.mean()) + abs(inside.std() - 1)
    )
    assert inside.mean() == pytest.approx(0, abs=1e-12)
    assert inside.std() == pytest.approx(1, abs=1e-12)
    assert done.about["Mean"] == pytest.approx(image.data[body].mean())
    assert done.about["Voxels"] == body.sum()
    assert done.warnings == ["T1w: shading by the coil is not corrected (normalise.bias_field)"]
    vertebrae = np.isin(labels, list(LEVELS))
    settings = Normalise(method="zscore", over="vertebrae")
    over = normalise_image(image, "T1w", settings, {"vertebrae": vertebrae}).image
    np.testing.assert_allclose(
        over.data, (image.data - image.data[vertebrae].mean()) / image.data[vertebrae].std()
    )
    assert code_of(image, settings) == "vertebrae_missing"
    flat = image.like(np.where(vertebrae, 300.0, image.data))
    assert code_of(flat, settings, {"vertebrae": vertebrae}) == "no_contrast"


def test_reference_is_exact():
    image, labels, *_ = weighted_scene()
    for name, label in (("paraspinal_muscle", MUSCLE), ("csf", CSF)):
        settings = Normalise(method="reference", reference=name, value=250.0)
        done = normalise_image(image, "T2w", settings, {name: labels == label})
        assert np.median(done.image.data[labels == label]) == pytest.approx(250.0, rel=1e-12)
        ratio = done.image.data / image.data
        np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-12)
        assert done.about["Reference"] == name
        assert done.about["Voxels"] == (labels == label).sum()
    halves = image.like(np.where(np.indices(image.shape)[2] > 70, image.data, 4 * image.data))
    notes = normalise_image(halves, "T2w", settings, {"csf": labels == CSF}).warnings
    assert any(note.startswith("reference_uneven: the middle half of csf") for note in notes)


def test_a_reference_that_cannot_serve_excludes_the_image():
    image, labels, *_ = weighted_scene()
    settings = Normalise(method="reference", reference="csf")
    fluid = labels == CSF
    assert code_of(image, settings) == "reference_missing"
    assert code_of(image, settings, {"csf": np.zeros_like(fluid)}) == "reference_missing"
    few = np.zeros_like(fluid)
    few[tuple(np.argwhere(fluid)[:49].T)] = True
    assert code_of(image, settings, {"csf": few}) == "reference_too_small"
    dark = image.like(np.where(fluid, 0.0, image.data))
    assert code_of(dark, settings, {"csf": fluid}) == "reference_no_signal"


def test_clipping_is_counted():
    image, labels, *_ = weighted_scene()
    body = body_mask(image)
    spike = image.data.copy()
    places = tuple(np.argwhere(labels == 20)[::40][:9].T)
    spike[places] = 20000.0
    done = normalise_image(image.like(spike), "T1w", Normalise(method="zscore", clip_sd=3), {})
    scaled = (spike - spike[body].mean()) / spike[body].std()
    np.testing.assert_allclose(done.image.data, np.clip(scaled, -3, 3), atol=1e-9)
    count = int((abs(scaled[body]) > 3).sum())
    assert count >= 9
    assert f"{count} of {body.sum()} voxels beyond 3 SD were set to the limit" in done.warnings


def recipe(**changes):
    content = yaml.safe_load((ROOT / "config" / "radiomics" / "t1w.yaml").read_text())
    return RadiomicsSettings(**{**content, **changes})


@pytest.mark.parametrize(
    ("normalise", "limit"),
    [
        ({"method": "zscore"}, 1e-9),
        ({"method": "reference", "reference": "paraspinal_muscle"}, 1e-9),
        ({"method": "zscore", "bias_field": "n4", "n4": COARSE}, 1e-6),
    ],
)
def test_features_do_not_depend_on_the_gain(normalise, limit, record):
    """The same body in a brighter image: every feature stays."""
    image, labels, *_ = weighted_scene(SHADING)
    scaled = {"range": (0, 600), "bin_width": 10} if "reference" in normalise else {}
    settings = recipe(normalise=normalise, unit="1", **scaled)
    masks = {"paraspinal_muscle": labels == MUSCLE}
    found = []
    for gain in (1.0, 3.7):
        done = normalise_image(image.like(gain * image.data), "T1w", settings.normalise, masks)
        found.append(extract_regions(done.image, {"L2": labels == 21}, settings)["L2"])
    assert found[0].flag == found[1].flag == ""
    first, second = (np.array(list(one.features.values())) for one in found)
    change = np.nanmax(abs(second - first) / np.maximum(abs(first), 1e-9))
    what = f"largest relative change of a feature by a gain of 3.7, {normalise['method']}"
    what += " after N4" if normalise.get("bias_field") else ""
    record(SECTION, what, change, "", f"< {limit:g}")
    assert change < limit


def test_gain_changes_features_without_normalisation():
    image, labels, *_ = weighted_scene()
    settings = recipe(
        normalise={}, range=None, bin_width=None, bin_count=32, classes=("glcm", "shape")
    )
    results = []
    for gain in (1.0, 3.7):
        done = normalise_image(image.like(gain * image.data), "T1w", settings.normalise, {})
        np.testing.assert_array_equal(done.image.data, gain * image.data)
        assert any("arbitrary units" in note for note in done.warnings)
        results.append(extract_regions(done.image, {"L2": labels == 21}, settings)["L2"].features)
    assert results[1] == pytest.approx(results[0], rel=1e-9)


def test_an_image_that_was_windowed_is_told():
    image, *_ = weighted_scene()
    lifted = image.like(image.data + 300.0)
    notes = normalise_image(lifted, "T1w", Normalise(method="zscore"), {}).warnings
    assert sum(note.startswith("signal_offset") for note in notes) == 1
    body = body_mask(image)
    found = body_mask(lifted)
    assert 2 * (found & body).sum() / (found.sum() + body.sum()) > 0.98


# ---------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": "PDFF"}, "PDFF is a calibrated map and would lose its unit"),
        ({"image": "vBMD", "normalise": {"bias_field": "n4"}}, "vBMD is a calibrated map"),
        ({"normalise": {}}, "bin_width and range mean something else in every patient"),
        ({"normalise": {"bias_field": "n4"}}, "bin_width and range"),
        ({"image": "t1w", "normalise": {}}, "bin_width and range"),
        (
            {"normalise": {}, "range": None, "bin_width": None, "bin_count": 32},
            "firstorder follow the scanner's gain",
        ),
        ({"normalise": {"method": "reference"}}, "name a reference structure"),
        ({"normalise": {"method": "zscore", "reference": "csf"}}, "name a reference structure"),
        ({"normalise": {"method": "zscore", "reference": "liver"}}, "paraspinal_muscle"),
        ({"normalise": {"method": "none", "clip_sd": 3}}, "clip_sd needs method"),
        ({"normalise": {"method": "none", "over": "vertebrae"}}, "over belongs to"),
        ({"normalise": {"method": "nyul"}}, "zscore"),
    ],
)
def test_recipes_that_would_mislead_are_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        recipe(**changes)


def test_calibrated_maps_stay_as_they_are():
    image, *_ = weighted_scene()
    done = normalise_image(image, "PDFF", Normalise(), {})
    assert done.image is image
    assert (done.about, done.warnings) == ({}, [])


@pytest.mark.parametrize(
    ("name", "levels"), [("t1w", 60), ("t2w", 60), ("r2star", 55), ("t2star", 60), ("t2", 60)]
)
def test_presets(name, levels):
    settings = read_settings(ROOT / "config" / "radiomics" / f"{name}.yaml")
    assert settings.name == name
    assert settings.image.lower() == name
    assert settings.texture == "2D"
    low, high = settings.range
    assert (high - low) / settings.bin_width == pytest.approx(levels)
    assert (settings.normalise.method == "zscore") == (name in ("t1w", "t2w"))


def test_the_preset_of_weighted_images_keeps_marrow_within_its_range(shaded):
    """Few voxels of marrow leave, and there are enough grey levels."""
    image, labels, *_, found = shaded
    settings = recipe()
    over = settings.normalise.model_copy(update={"bias_field": "none"})
    done = normalise_image(image.like(image.data / found.field), "T1w", over, {})
    result = extract_regions(done.image, {"L2": labels == 21}, settings)["L2"]
    assert result.flag == ""
    assert result.n_voxels > 0.99 * (labels == 21).sum()
    assert 10 <= result.features["original_firstorder_Range"] / settings.bin_width <= 60
