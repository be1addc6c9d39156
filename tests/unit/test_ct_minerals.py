"""Conversion between minerals only where its source allows it; CT numbers without calibration."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ct_scene import CERTIFICATE, rod_numbers

from osteoflow.config import load_config
from osteoflow.ct.calibration import RodMeasurement, calibrate
from osteoflow.ct.header import names_contrast, opportunistic_notes
from osteoflow.ct.minerals import report_mineral
from osteoflow.errors import StudyError, SubjectDataError
from osteoflow.study import check_study


@pytest.fixture
def line():
    rods = [RodMeasurement(n, hu) for n, hu in zip("ABCDE", rod_numbers(), strict=True)]
    return calibrate(rods, CERTIFICATE)


def test_the_line_of_faulkner_under_its_conditions(line, record) -> None:
    liquid = replace(line, phantom="cann_genant_liquid")
    converted = report_mineral(liquid, "hydroxyapatite", 80.0)
    for density in (0.0, 50.0, 100.0, 200.0):
        hu = liquid.intercept + liquid.slope * density
        assert converted.density(hu) == pytest.approx(1.15 * density - 7.32, abs=1e-9)
    value = converted.density(liquid.intercept + 100 * liquid.slope)
    record("CT: minerals", "100 mg/cm3 K2HPO4 as hydroxyapatite", value, "mg/cm3", "107.68")
    assert converted.mineral == "hydroxyapatite"
    assert "Faulkner" in converted.phantom
    assert converted.slope_standard_error == pytest.approx(liquid.slope_standard_error / 1.15)


@pytest.mark.parametrize(
    ("phantom", "kvp", "reason"),
    [
        ("mindways_model3", 80.0, "not with mindways_model3"),
        ("cann_genant_liquid", 120.0, "holds at 80 kV, and the scan has 120 kV"),
        ("cann_genant_liquid", None, "a voltage that is not known"),
    ],
)
def test_outside_them_it_is_refused_with_the_reason(line, phantom, kvp, reason) -> None:
    with pytest.raises(SubjectDataError, match=reason) as caught:
        report_mineral(replace(line, phantom=phantom), "hydroxyapatite", kvp)
    assert caught.value.code == "mineral_conversion"
    assert "as_calibrated" in caught.value.hint


def test_nothing_is_converted_unasked(line) -> None:
    assert report_mineral(line, "as_calibrated", 120.0) is line
    own = replace(line, mineral="hydroxyapatite")
    assert report_mineral(own, "hydroxyapatite", None) is own
    with pytest.raises(SubjectDataError, match="no conversion between them"):
        report_mineral(own, "K2HPO4", 80.0)


def test_what_holds_of_plain_ct_numbers_is_told() -> None:
    fitting = {"KVP": 120.0, "ConvolutionKernel": "Br38"}
    (text,) = opportunistic_notes(fitting)
    assert text.startswith("not_calibrated: ")
    assert "120 kV, is without a contrast agent by its header, kernel Br38" in text
    assert "do not apply" not in text
    for other in ({"KVP": 100.0}, {"KVP": 120.0, "ContrastBolusAgent": "agent"}, {}):
        assert "do not apply" in opportunistic_notes(other)[0]
    assert names_contrast({"ContrastBolusAgent": ["none", "agent"]})
    assert not names_contrast({"ContrastBolusAgent": "none"})


def test_densities_that_will_not_exist_are_refused_before_the_run(tmp_path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "subjects.tsv").write_text("participant_id\tdicom\nsub-01\tx\n")
    content = {
        "ct": {"calibration": "none"},
        "radiomics": {"images": {"vbmd": {"settings": "vbmd", "levels": ["L1"]}}},
        "cohort": {"summaries": [{"metric": "vbmd_mean", "levels": ["L1"]}]},
    }
    assert load_config(content).ct.calibration == "none"
    with pytest.raises(StudyError) as caught:
        check_study(tmp_path, content)
    assert sum("no density" in problem for problem in caught.value.problems) == 2
    content = {"ct": {"calibration": "asynchronous"}}
    with pytest.raises(StudyError, match="ct_calibrations.tsv cannot be read"):
        check_study(tmp_path, content)
