"""CT calibration: certificates, the line, finding the phantom, warnings from the header."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ct_scene import BONE_DENSITY, CERTIFICATE, INTERCEPT, SLOPE, rod_numbers, scene

from osteoflow.ct.calibration import RodMeasurement, calibrate, vbmd_map
from osteoflow.ct.certificate import phantom, phantom_names
from osteoflow.ct.header import ct_warnings
from osteoflow.ct.phantom import find_rods
from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume

PHANTOM = "CT: calibration phantom"


def measured(values, certificate=CERTIFICATE) -> list[RodMeasurement]:
    return [RodMeasurement(rod, hu) for rod, hu in zip(certificate.rods, values, strict=True)]


def test_certificate_example(record) -> None:
    fit = calibrate(measured([-81.95, -40.03, 205.03, 394.49, 584.84]), CERTIFICATE)
    assert fit.slope == pytest.approx(1.5500, abs=1e-4)
    assert fit.intercept == pytest.approx(-3.000, abs=1e-3)
    what = "certificate example: density at 150 HU"
    record(PHANTOM, what, fit.density(150.0), "mg/cm3", "98.710")
    assert fit.density(150.0) == pytest.approx(98.710, abs=0.01)
    assert (fit.mineral, fit.unit, fit.n_rods) == ("K2HPO4", "mg/cm3", 5)
    assert fit.residual_sd < 0.01
    assert fit.r2 > 0.9999999
    assert fit.as_dict()["n_rods"] == 5


def test_order_of_measurements_does_not_matter() -> None:
    rods = measured(rod_numbers())
    assert calibrate(rods[::-1], CERTIFICATE) == calibrate(rods, CERTIFICATE)


def test_hydroxyapatite_is_a_straight_regression() -> None:
    certificate = phantom("qrm_bdc_3")
    fit = calibrate(measured(1.2 * np.array([100, 400, 800]) + 5, certificate), certificate)
    assert (fit.slope, fit.intercept) == pytest.approx((1.2, 5.0))
    assert fit.mineral == "hydroxyapatite"
    two = phantom("siemens_osteo")
    fit = calibrate(measured([2.0, 282.0], two), two)
    assert fit.density(142.0) == pytest.approx(100.0)
    assert np.isnan(fit.residual_sd)


def test_standard_errors_match_the_scatter_of_repeated_fits() -> None:
    rng = np.random.default_rng(1)
    fits = [
        calibrate(measured(rod_numbers() + rng.normal(0, 2, 5)), CERTIFICATE) for _ in range(600)
    ]
    slopes = np.array([fit.slope for fit in fits])
    stated = np.sqrt(np.mean([fit.slope_standard_error**2 for fit in fits]))
    assert slopes.mean() == pytest.approx(SLOPE, abs=1e-3)
    assert stated == pytest.approx(slopes.std(), rel=0.1)


def test_certificates() -> None:
    assert set(phantom_names()) >= {"mindways_model3", "qrm_bdc_3", "qrm_bdc_6", "b_mas_200"}
    own = phantom("mindways_model3", [-50, -52, 60, 160, 370], [1010, 1050, 1100, 1120, 925])
    assert own.mineral_density == (-50, -52, 60, 160, 370)
    with pytest.raises(ValueError, match="water-equivalent"):
        phantom("mindways_model3", [-50, -52, 60, 160, 370])
    with pytest.raises(ValueError, match="without mineral"):
        phantom("mindways_model3", water_density=[1010, 1050, 1100, 1120, 925])
    with pytest.raises(ValueError, match="5 rods"):
        phantom("mindways_model3", [1, 2, 3], [1000, 1000, 1000])
    with pytest.raises(ValueError, match="take no water"):
        phantom("qrm_bdc_3", [100, 400, 800], [1000, 1000, 1000])
    with pytest.raises(ValueError, match="known: b_mas_200"):
        phantom("mindways")


def test_implausible_lines_are_refused() -> None:
    swapped = rod_numbers()[[0, 1, 3, 2, 4]]
    with pytest.raises(SubjectDataError, match="residual SD") as caught:
        calibrate(measured(swapped), CERTIFICATE)
    assert caught.value.code == "calibration_implausible"
    with pytest.raises(SubjectDataError, match="slope"):
        calibrate(measured(rod_numbers(slope=3.2)), CERTIFICATE)
    with pytest.raises(SubjectDataError, match="intercept"):
        calibrate(measured(rod_numbers(intercept=80)), CERTIFICATE)
    with pytest.raises(SubjectDataError) as caught:
        calibrate(measured(rod_numbers())[:4], CERTIFICATE)
    assert caught.value.code == "phantom_incomplete"
    with pytest.raises(ValueError, match="do not match"):
        calibrate([*measured(rod_numbers())[:4], RodMeasurement("F", 3.0)], CERTIFICATE)


SCENES = {
    "plain": {},
    "feet_first": {"reverse": True},
    "rolled": {"roll_degrees": 8},
    "askew": {"skew": 0.08},
    "off_centre": {"shift_x": 55},
    "small_rods": {"rod_diameter": 14, "rod_spacing": 30},
    "large_rods": {"rod_diameter": 22, "rod_spacing": 50},
    "holder_like_water": {"slab_hu": -40},
    "dense_holder": {"slab_hu": 120},
    "no_holder": {"slab_hu": -1000},
    "coarse": {"shape": (174, 134, 24), "spacing": (1.8, 1.8, 3.0)},
    "noisy": {"noise": 40},
    "part_of_the_scan": {"phantom_slices": slice(0, 17)},
}


@pytest.mark.parametrize("name", SCENES)
def test_phantom_is_found_and_calibrates(name: str, record) -> None:
    ct = scene(**SCENES[name])
    rods = find_rods(ct, CERTIFICATE)
    assert [rod.rod for rod in rods] == list("ABCDE")
    fit = calibrate(rods, CERTIFICATE)
    error = 100 * (fit.slope / SLOPE - 1)
    what = f"synthetic scan '{name.replace('_', ' ')}': slope"
    record(PHANTOM, what, error, "%", "within 0.5")
    assert abs(error) <= 0.5
    assert fit.density(SLOPE * BONE_DENSITY + INTERCEPT) == pytest.approx(BONE_DENSITY, abs=1.0)
    expected = SCENES[name].get("rod_diameter", 18)
    assert rods[0].diameter_mm == pytest.approx(expected, abs=0.5)
    assert rods[0].sd == pytest.approx(SCENES[name].get("noise", 20), rel=0.15)


def test_density_of_a_vertebra(record) -> None:
    ct = scene(seed=5)
    density = vbmd_map(ct, calibrate(find_rods(ct, CERTIFICATE), CERTIFICATE))
    x, y = (np.indices(ct.shape)[:2].T * ct.spacing[:2] + ct.affine[:2, 3]).T
    inside = (x / 15) ** 2 + (y / 10) ** 2 <= 1
    assert density.data.dtype == np.float32
    error = density.data[inside].mean() - BONE_DENSITY
    record(PHANTOM, "synthetic scan, noise 20 HU: vertebra", error, "mg/cm3", "within 1.5")
    assert abs(error) <= 1.5


def test_result_does_not_depend_on_the_storage_order() -> None:
    ct = scene()
    expected = find_rods(ct, CERTIFICATE)
    turn = np.eye(4)[[1, 2, 0, 3]].T @ np.diag([1.0, -1.0, 1.0, 1.0])
    turn[:3, 3] = turn[:3, :3] @ [0, -(ct.shape[2] - 1), 0]
    turned = Volume(ct.data.transpose(1, 2, 0)[:, ::-1], ct.affine @ turn)
    for a, b in zip(find_rods(turned, CERTIFICATE), expected, strict=True):
        assert a.hu == pytest.approx(b.hu, abs=1e-3)
        assert a.centre_mm == pytest.approx(b.centre_mm, abs=1e-3)


def test_rod_positions() -> None:
    rods = find_rods(scene(shift_x=10), CERTIFICATE)
    for index, rod in enumerate(rods):
        assert rod.centre_mm[:2] == pytest.approx((10 + 42 * (index - 2), -79), abs=0.6)
        assert rod.n_slices == 24


def test_no_phantom_is_invented() -> None:
    with pytest.raises(SubjectDataError) as caught:
        find_rods(scene(rods=False), CERTIFICATE)
    assert caught.value.code == "phantom_not_found"
    assert caught.value.hint


@pytest.mark.parametrize(("shift", "rod"), [(90, "E"), (-90, "A")])
def test_a_cut_phantom_is_named(shift: float, rod: str) -> None:
    with pytest.raises(SubjectDataError, match=f"rods {rod} lie outside") as caught:
        find_rods(scene(shift_x=shift), CERTIFICATE)
    assert caught.value.code == "phantom_incomplete"


def test_a_phantom_that_moved_is_refused() -> None:
    ct = scene()
    ct.data[:, :, 12:] = scene(shift_x=30).data[:, :, 12:]
    with pytest.raises(SubjectDataError) as caught:
        find_rods(ct, CERTIFICATE)
    assert caught.value.code == "phantom_inconsistent"


def test_single_bad_slices_are_left_out() -> None:
    ct = scene()
    ct.data[:, :, 5] += 60
    rods = find_rods(ct, CERTIFICATE)
    assert rods[0].n_slices == 23
    assert calibrate(rods, CERTIFICATE).intercept == pytest.approx(INTERCEPT, abs=0.5)


def test_another_phantom_is_not_taken_for_this_one() -> None:
    other = phantom("mindways_model3", [0, 100, 200, 300, 400], [1000] * 5)
    with pytest.raises(SubjectDataError) as caught:
        find_rods(scene(), other)
    assert caught.value.code == "phantom_not_found"


def test_phantoms_without_geometry_are_not_searched_for() -> None:
    unknown = replace(CERTIFICATE, geometry=None)
    with pytest.raises(ValueError, match="not found automatically"):
        find_rods(scene(rods=False), unknown)


@pytest.mark.parametrize("name", phantom_names())
def test_no_phantom_is_seen_in_a_body_alone(name: str) -> None:
    """Contrast-filled vessels and kidneys are bright discs too, but have no air beside them."""
    with pytest.raises(SubjectDataError) as caught:
        find_rods(scene(rods=False, noise=10), phantom(name))
    assert caught.value.code == "phantom_not_found"


def test_header_warnings() -> None:
    plain = {"KVP": 120, "SliceThickness": 2.0}
    assert ct_warnings(plain, 2.0) == []
    assert ct_warnings(plain | {"ContrastBolusAgent": "none"}, 2.0) == []
    codes = [
        warning.split(":")[0]
        for warning in ct_warnings(
            {"KVP": 100, "SliceThickness": 3, "ContrastBolusAgent": "agent"}, 2.0
        )
    ]
    assert codes == ["contrast_agent", "kvp", "slice_step"]
    assert ct_warnings({}) == ["kvp_unknown: the header does not state the tube voltage"]
    assert "overlap" in ct_warnings(plain, 1.5)[0]
    assert "gaps" in ct_warnings(plain | {"SpacingBetweenSlices": 5})[0]
