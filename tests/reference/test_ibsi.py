"""Features against the reference values of the Image Biomarker Standardisation Initiative."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from osteoflow.io.volume import Volume, read_volume
from osteoflow.radiomics.compliance import check_digital_phantom, compare
from osteoflow.radiomics.extract import extract_features
from osteoflow.radiomics.settings import FeatureClass, RadiomicsSettings

ROOT = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
needs_phantom = pytest.mark.skipif(
    not ROOT, reason="OSTEOFLOW_EXTERNAL_DATA is unset: no IBSI CT phantom"
)
# The fractal family is none of IBSI's.
STANDARDISED = tuple(name for name in get_args(FeatureClass) if name != "fractal")
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


@pytest.mark.parametrize(("texture", "count"), [("3D", 164), ("2D", 137)])
def test_digital_phantom(texture: str, count: int, record) -> None:
    """On the phantom that ships with the code, as `osteoflow check` and every run compare it."""
    found = check_digital_phantom(texture)
    what = f"digital phantom, {'merged 2D' if texture == '2D' else '3D'} aggregation"
    passed = f"{found.passed} of {found.total}"
    record("Radiomics: IBSI-1", what, passed, "features", f"{count} of {count}")
    assert (found.total, found.failed) == (count, ())


@needs_phantom
@pytest.mark.parametrize("configuration", sorted(CONFIGURATIONS))
def test_ct_phantom(configuration: str, record) -> None:
    image, mask = phantom("ct_radiomics")
    recipe = RadiomicsSettings(**COMMON, classes=STANDARDISED, **CONFIGURATIONS[configuration])
    result = extract_features(image, mask, recipe)
    expected = reference(f"chest_config_{configuration}")
    assert result.flag == ""
    found = compare(result.features, recipe, expected)
    what = f"CT phantom, configuration {configuration.upper()}"
    passed = f"{found.passed} of {found.total}"
    record("Radiomics: IBSI-1", what, passed, "features", "164 of 164")
    assert (found.total, found.failed) == (164, ())
    # The comparison must be able to fail: a shifted first bin edge is another result.
    if recipe.bin_width is not None:
        low, high = recipe.range
        moved = recipe.model_copy(update={"range": (low - 10, high)})
        wrong = extract_features(image, mask, moved)
        assert len(compare(wrong.features, moved, expected).failed) > 20
