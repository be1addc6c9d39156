"""Features against the reference values of the Image Biomarker Standardisation Initiative."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from osteoflow.io.volume import Volume, read_volume
from osteoflow.radiomics.dictionary import features, ibsi_tag
from osteoflow.radiomics.extract import extract_features
from osteoflow.radiomics.settings import FeatureClass, RadiomicsSettings

ROOT = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    not ROOT, reason="OSTEOFLOW_EXTERNAL_DATA is unset: no IBSI phantoms"
)
# The fractal family is none of IBSI's.
STANDARDISED = tuple(name for name in get_args(FeatureClass) if name != "fractal")
# Those that depend on the voxel size.
SOLID = ("shape", "morphology", "local", "spatial")
COMMON = {"name": "ibsi", "image": "HU", "unit": "HU"}
# The five configurations of the IBSI-1 CT phantom (Zwanenburg et al., Radiology 2020;295:328).
CONFIGURATIONS = {
    "a": {"texture": "2D", "round_to": 1, "range": (-500, 400), "bin_width": 25},
    "b": {"texture": "2D", "resample_mm": 2, "round_to": 1, "range": (-500, 400), "bin_count": 32},
    "c": {
        "resample_mm": 2,
        "round_to": 1,
        "range": (-1000, 400),
        "bin_width": 25,
        "ivh_bin_width": 2.5,
    },
    "d": {"resample_mm": 2, "round_to": 1, "outlier_sd": 3, "bin_count": 32},
    "e": {
        "resample_mm": 2,
        "interpolator": "cubic",
        "round_to": 1,
        "range": (-1000, 400),
        "outlier_sd": 3,
        "bin_count": 32,
        "ivh_bin_count": 1000,
    },
}


def phantom(name: str) -> tuple[Volume, np.ndarray]:
    folder = Path(ROOT) / "radiomics" / f"ibsi_1_{name}_phantom" / "nifti"
    image = read_volume(folder / "image" / "phantom.nii.gz", float)
    return image, read_volume(folder / "mask" / "mask.nii.gz").data > 0


def reference(name: str) -> dict[str, tuple[float, float]]:
    path = Path(ROOT) / "radiomics" / "ibsi_1_reference_values" / f"ibsi_1_{name}.csv"
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter=";"))
    return {
        row["tag"]: (float(row["reference value"]), float(row["tolerance"] or 0))
        for row in rows
        if row["reference value"]
    }


def compare(
    values: dict[str, float], texture: str, expected: dict[str, tuple[float, float]]
) -> tuple[int, dict[str, tuple]]:
    """Number of compared features and those outside the reference's tolerance."""
    compared, failed = 0, {}
    for feature in features():
        tag = ibsi_tag(feature, texture)
        if tag not in expected or f"original_{feature}" not in values:
            continue
        compared += 1
        value, (target, tolerance) = values[f"original_{feature}"], expected[tag]
        # Reference values are published with three significant digits.
        difference = abs(float(f"{value:.3g}") - target)
        if not difference <= tolerance + 1e-9 * max(abs(target), 1.0):
            failed[tag] = (value, target, tolerance)
    return compared, failed


@pytest.mark.parametrize(("texture", "count"), [("3D", 164), ("2D", 137)])
def test_digital_phantom(texture: str, count: int, record) -> None:
    image, mask = phantom("digital")
    settings = {"range": (1, 6), "bin_width": 1, "minimum_voxels": 8, "texture": texture}
    settings |= {"round_to": 1, "classes": STANDARDISED}
    if texture == "2D":
        # A 2D recipe takes the thick axis for slices, which other voxels than the phantom's need.
        image = Volume(image.data, image.affine @ np.diag([1, 1, 1.5, 1]))
        settings["classes"] = tuple(name for name in STANDARDISED if name not in SOLID)
    result = extract_features(image, mask, RadiomicsSettings(**COMMON, **settings))
    compared, failed = compare(result.features, texture, reference("dig_phantom"))
    what = f"digital phantom, {'merged 2D' if texture == '2D' else '3D'} aggregation"
    passed = f"{compared - len(failed)} of {compared}"
    record("Radiomics: IBSI-1", what, passed, "features", f"{count} of {count}")
    assert (compared, failed) == (count, {})


@pytest.mark.parametrize("configuration", sorted(CONFIGURATIONS))
def test_ct_phantom(configuration: str, record) -> None:
    image, mask = phantom("ct_radiomics")
    recipe = RadiomicsSettings(**COMMON, classes=STANDARDISED, **CONFIGURATIONS[configuration])
    result = extract_features(image, mask, recipe)
    expected = reference(f"chest_config_{configuration}")
    assert result.flag == ""
    compared, failed = compare(result.features, recipe.texture, expected)
    what = f"CT phantom, configuration {configuration.upper()}"
    passed = f"{compared - len(failed)} of {compared}"
    record("Radiomics: IBSI-1", what, passed, "features", "164 of 164")
    assert (compared, failed) == (164, {})
    # The comparison must be able to fail: a shifted first bin edge is another result.
    if recipe.bin_width is not None:
        low, high = recipe.range
        moved = recipe.model_copy(update={"range": (low - 10, high)})
        wrong = extract_features(image, mask, moved)
        assert len(compare(wrong.features, recipe.texture, expected)[1]) > 20


def test_deviating_values_are_noticed() -> None:
    expected = {"stat_mean": (2.15, 0.0), "stat_var": (3.05, 0.1)}
    values = {"original_firstorder_Mean": 2.16, "original_firstorder_Variance": 3.14}
    assert compare(values, "3D", expected) == (2, {"stat_mean": (2.16, 2.15, 0.0)})
