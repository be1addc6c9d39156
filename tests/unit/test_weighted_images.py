"""Weighted images on their way to features: recipes of a study, and who has none and why."""

from __future__ import annotations

import shutil

import pytest
import yaml

from osteoflow.config import load_config
from osteoflow.errors import StudyError
from osteoflow.images import FURTHER_MRI, GRIDS, RADIOMICS, WEIGHTED, modality_of, space_of
from osteoflow.layout import IMAGE_SUFFIXES
from osteoflow.normalised import why_none
from osteoflow.resources import ROOT
from osteoflow.segmentation.readings import given_mask
from osteoflow.study import CONFIG_YAML, check_study
from osteoflow.study_recipes import MEANT
from osteoflow.subjects import MASK_COLUMNS

PRESETS = ("ct", "vbmd", "pdff", "r2star", "t2star", "t2", "t1w", "t2w")


def test_every_place_knows_the_weighted_images():
    for name in WEIGHTED:
        assert GRIDS[name] == (name,)
        assert name in FURTHER_MRI
        assert name in IMAGE_SUFFIXES["convert"]
        assert (space_of(name), modality_of(name)) == (name, name)
        assert modality_of(f"{name}_rater2") == name
        for suffix in ("", "_rater2", "_repeat"):
            assert f"{name}_mask{suffix}" in MASK_COLUMNS
    assert set(RADIOMICS) == set(PRESETS) == set(MEANT.values())


def test_a_mask_of_another_mri_is_carried():
    carried = {"mri_mask": "mri", "mri_mask_rater2": "second"}
    assert given_mask(carried, "t2w") == "mri"
    assert given_mask(carried, "t2w_rater2") == "second"
    own = {**carried, "t2w_mask": "own"}
    assert given_mask(own, "t2w") == "own"
    assert given_mask(own, "t2w_rater2") is None
    assert given_mask({**carried, "t2_mask": "t2"}, "t2w") == "mri"


def problems(tmp_path, asked, settings, **recipe):
    """What a study says of one recipe for one image."""
    study = tmp_path / "study"
    shutil.copytree(ROOT / "tests" / "fixtures" / "study", study, dirs_exist_ok=True)
    content = yaml.safe_load((study / CONFIG_YAML).read_text())
    content["radiomics"] = {"images": {asked: {"settings": settings}}}
    content["analyses"] = []
    if recipe:
        (study / settings).write_text(yaml.safe_dump(recipe))
    try:
        check_study(study, content)
    except StudyError as error:
        return error.problems
    return []


@pytest.mark.parametrize("name", PRESETS)
def test_each_image_has_a_preset(tmp_path, name):
    assert problems(tmp_path, name, {"ct": "hu"}.get(name, name)) == []


@pytest.mark.parametrize(
    ("image", "settings", "words"),
    [
        ("t1w", "pdff", "the recipe is for 'PDFF', not for t1w"),
        ("pdff", "t1w", "the recipe is for 'T1w', not for pdff"),
        ("t1w", "t2w", "the recipe is for 'T2w', not for t1w"),
        ("ct", "vbmd", "the recipe is for 'vBMD', not for ct"),
        ("t1w", "nothing", "'nothing' is neither a preset nor a file"),
    ],
)
def test_a_recipe_for_another_image_is_refused(tmp_path, image, settings, words):
    (told,) = problems(tmp_path, image, settings)
    assert told.startswith(f"config: radiomics.images.{image}.settings: ")
    assert words in told


def test_a_recipe_of_ones_own(tmp_path):
    own = {"name": "own", "image": "T1w", "unit": "SD", "bin_count": 32}
    zscore = {"method": "zscore"}
    path = "config/own.yaml"
    assert problems(tmp_path, "t1w", path, **own, normalise=zscore) == []
    (told,) = problems(tmp_path, "t1w", path, **own)
    assert "firstorder follow the scanner's gain" in told
    (told,) = problems(tmp_path, "pdff", path, **{**own, "image": "PDFF"}, normalise=zscore)
    assert "PDFF is a calibrated map and would lose its unit" in told
    (told,) = problems(tmp_path, "t1w", path, **{**own, "image": "T1 weighted"})
    assert "'T1 weighted' is none of vbmd, ct, pdff" in told
    (told,) = problems(tmp_path, "t1w", path, **own, normalise={"metod": "zscore"})
    assert "normalise.metod" in told


def test_unknown_images_are_refused():
    with pytest.raises(StudyError, match="t3w"):
        load_config({"radiomics": {"images": {"t3w": {"settings": "t1w"}}}})


def status(**items):
    return {"step": "s", "items": [{"item": k, **v} for k, v in items.items()]}


def item(state="ok", *warnings):
    return {"status": state, "warnings": list(warnings)}


def test_why_an_acquired_image_has_no_features():
    nothing = status(mri=item("absent"))
    assert why_none("t2w", nothing, nothing) is None
    fits = "t2w_ambiguous: 2 T2-weighted images fit: none is used; leave only the one"
    told = why_none("t2w", status(inventory=item("ok", "other", fits)), nothing)
    assert (told.code, told.message) == tuple(fits.split(": ", 1))
    assert why_none("t1w", status(inventory=item("ok", fits)), nothing) is None
    broken = "bids_sidecar: no T1-weighted image is used: the sidecar is missing"
    assert why_none("t1w", status(mri=item("ok", broken)), nothing).code == "bids_sidecar"
    assert why_none("t2w", status(mri=item("ok", broken)), nothing) is None
    there = status(t2w=item())
    assert why_none("t2w", there, status(t2w=item("absent"))).code == "mask_not_given"
    assert why_none("t2w", there, status(t2w=item())) is None
    # Earlier exclusions are passed on by the step itself.
    assert why_none("t2w", status(t2w=item("excluded")), status(t2w=item("absent"))) is None
    assert why_none("pdff", nothing, nothing) is None
