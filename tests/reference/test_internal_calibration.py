"""Tissues of a real CT: a calibration without phantom must see that this one is enhanced."""

import os
from pathlib import Path

import pytest

from osteoflow.ct.internal import calibrate_internally
from osteoflow.ct.tissue_regions import find_tissues
from osteoflow.errors import SubjectDataError
from osteoflow.io.dicom import convert_series

DATA = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="OSTEOFLOW_EXTERNAL_DATA does not point to the third-party data"
)


def test_tissues_of_an_enhanced_siemens_ct(record):
    """120 kV, portal phase, arms beside the body, calcified aorta, 40 mm along the body."""
    folder = Path(DATA) / "ct" / "siemens_ct_jpeg2000" / "example_ct_dicom"
    volume, _, _ = convert_series(sorted(p for p in folder.rglob("*") if p.is_file()))
    found = find_tissues(volume)
    expected = {"air": (-1005, -990), "fat": (-115, -90), "muscle": (25, 70), "blood": (140, 165)}
    assert set(found.values) == set(expected)
    for name, (low, high) in expected.items():
        value = found.values[name].hu
        record("CT: internal calibration", f"real CT, {name}", value, "HU", f"{low} to {high}")
        assert low <= value <= high
    assert 28 < found.diameter_cm < 35
    with pytest.raises(SubjectDataError) as caught:
        calibrate_internally(found.values, 120.0, found.diameter_cm, "hydroxyapatite")
    assert caught.value.code == "contrast_agent"
