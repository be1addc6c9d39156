"""Weighted MRI from BIDS to the features table: normalised, excluded with a reason, or absent."""

import numpy as np
import pytest
from weighted_scene import AFFINE, weighted_scene

from osteoflow.io.nifti import nib
from osteoflow.io.tables import feature_columns, read_table
from osteoflow.io.volume import read_json, write_json

from .conftest import osteoflow, write_study

CONFIG = """\
segmentation: {erosion_mm: 3}
radiomics:
  images:
    t1w: {settings: config/reference.yaml, levels: [L1, L2], per_level: true}
    t2w: {settings: config/zscore.yaml, levels: [L1, L2]}
figures: {formats: [png], dpi: 72}
"""
RECIPE = """\
name: {name}
image: {image}
unit: "1"
normalise: {normalise}
texture: 2D
range: {range}
bin_width: {width}
classes: [firstorder, glcm]
"""
# Quick: the field has tests of its own.
N4 = "{method: zscore, bias_field: n4, n4: {shrink_mm: 12, iterations: [10]}}"
REFERENCE = "{method: reference, reference: paraspinal_muscle}"
SPIN = {"MagneticFieldStrength": 1.5, "FlipAngle": 90}
GAINS = {"dim": 1.0, "bright": 3.7}
# Whose mask lacks muscles; who has no mask; who has two T2-weighted images; who has no T1w.
PEOPLE = (*GAINS, "lean", "bare", "double", "single")


def write_weighted(path, data, **sidecar):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(data, np.float32), AFFINE), path)
    write_json(path.with_name(path.name.removesuffix(".nii.gz") + ".json"), {**SPIN, **sidecar})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study = tmp_path_factory.mktemp("weighted")
    image, labels, *_ = weighted_scene(shading=0.3)
    nib.save(nib.Nifti1Image(labels, AFFINE), study / "mask.nii.gz")
    nib.save(nib.Nifti1Image(labels * (labels < 30), AFFINE), study / "bones.nii.gz")
    for person in PEOPLE:
        anat = study / "bids" / f"sub-{person}" / "anat"
        data = GAINS.get(person, 1.0) * image.data
        doubled = ("acq-a_T2w", "acq-b_T2w") if person == "double" else ("T2w",)
        for name in doubled if person == "single" else ("T1w", *doubled):
            times = {"T1w": (0.011, 0.55)}.get(name, (0.1, 3.5))
            about = dict(zip(("EchoTime", "RepetitionTime"), times, strict=True))
            write_weighted(anat / f"sub-{person}_{name}.nii.gz", data, **about)
    masks = {"lean": "bones.nii.gz", "bare": "n/a"}
    rows = ["participant_id\tbids\tmri_mask\tmask_scheme"]
    rows += [f"{p}\tbids\t{masks.get(p, 'mask.nii.gz')}\tosteoflow" for p in PEOPLE]
    write_study(study, "\n".join(rows) + "\n", CONFIG)
    for name, image, normalise, limits, width in (
        ("reference", "T1w", REFERENCE, "[0, 400]", 10),
        ("zscore", "T2w", N4, "[-3, 3]", 0.1),
    ):
        content = RECIPE.format(
            name=name, image=image, normalise=normalise, range=limits, width=width
        )
        (study / "config" / f"{name}.yaml").write_text(content)
    osteoflow("run", study, "--cores", 2)
    return study / "results"


def features_of(results, person, image):
    table = read_table(
        results / "subjects" / f"sub-{person}" / "radiomics" / f"sub-{person}_features.tsv"
    )
    return table[table["image"] == image].set_index("roi")


def test_features_do_not_follow_the_gain(results):
    for image in ("t1w", "t2w"):
        dim, bright = (features_of(results, person, image) for person in GAINS)
        assert list(dim.index) == list(bright.index)
        names = feature_columns(dim.columns)
        assert dim.loc["L1-L2_trabecular", names].notna().all()
        np.testing.assert_allclose(
            dim[names].to_numpy(float), bright[names].to_numpy(float), rtol=2e-3, atol=1e-5
        )
    rows = features_of(results, "dim", "t1w")
    assert list(rows.index) == ["L1-L2_trabecular", "L1_trabecular", "L2_trabecular"]
    assert set(rows["voxel_mm"]) == {"4.4 x 2 x 2"}
    # Marrow over muscle, times 100.
    assert rows.loc["L1_trabecular", "original_firstorder_Median"] == pytest.approx(183, rel=0.1)


def test_what_was_done_is_told(results):
    folder = results / "subjects" / "sub-bright" / "radiomics"
    about = read_json(folder / "sub-bright_normalisation.json")
    assert about["t1w"]["Reference"] == "paraspinal_muscle"
    assert about["t1w"]["ReferenceMedian"] == pytest.approx(3.7 * 300, rel=0.1)
    assert (about["t2w"]["BiasField"], about["t2w"]["Method"]) == ("n4", "zscore")
    status = read_json(results / "subjects" / "sub-bright" / "status.json")
    found = {i["item"]: i for i in status["items"] if i["step"] == "extract_radiomics"}
    assert any("shading by the coil is not corrected" in text for text in found["t1w"]["warnings"])
    page = (results / "subjects" / "sub-bright" / "report.html").read_text(encoding="utf-8")
    assert "shading by the coil is not corrected" in page


def test_who_is_left_out_and_why(results):
    excluded = read_table(results / "cohort" / "exclusions.tsv")
    told = {
        (row.participant_id, row.step, row.item): row.code
        for row in excluded.itertuples()
        if row.step == "extract_radiomics"
    }
    assert told == {
        ("sub-lean", "extract_radiomics", "t1w"): "reference_missing",
        ("sub-bare", "extract_radiomics", "t1w"): "mask_not_given",
        ("sub-bare", "extract_radiomics", "t2w"): "mask_not_given",
        ("sub-double", "extract_radiomics", "t2w"): "t2w_ambiguous",
    }
    assert not features_of(results, "lean", "t2w").empty
    assert features_of(results, "bare", "t2w").empty
    status = read_json(results / "subjects" / "sub-single" / "radiomics" / "status.json")
    found = {item["item"]: item["status"] for item in status["items"]}
    assert found == {"t1w": "absent", "t2w": "ok"}


def test_the_cohort_holds_them(results):
    features = read_table(results / "cohort" / "features.tsv")
    assert set(features["image"]) == {"t1w", "t2w"}
    assert set(features.loc[features["image"] == "t2w", "participant_id"]) == {
        f"sub-{person}" for person in ("dim", "bright", "lean", "single")
    }
