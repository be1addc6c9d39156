"""Calibration by the patient's own tissues: attenuation, finding tissues, the estimate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polychromatic
import pytest
from ct_scene import scene
from polychromatic import DENSITIES, RODS, Scan, draw_scan

from osteoflow.ct.attenuation import (
    effective_energy,
    mass_attenuation,
    mineral_slope,
    tissue_number,
    tissues,
)
from osteoflow.ct.internal import calibrate_internally
from osteoflow.ct.tissue_regions import TissueValue, find_tissues, mode_mean
from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.simulate import ct as simulated
from osteoflow.simulate.anatomy import build_anatomy
from osteoflow.simulate.clinical import draw_cohort
from osteoflow.simulate.protocol import TINY

INTERNAL = "CT: internal calibration"
SCANS = 40
VOLTAGES = (80, 100, 120, 140)


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    rng = np.random.default_rng(20260101)
    return [draw_scan(VOLTAGES[n % 4], rng) for n in range(SCANS)]


def measured(scan: Scan, seed: int = 0, error: float = 1.0) -> dict[str, TissueValue]:
    rng = np.random.default_rng(seed)
    return {
        name: TissueValue(name, value + rng.normal(0, error), error, 50.0)
        for name, value in scan.numbers.items()
    }


def test_attenuation_agrees_with_published_coefficients() -> None:
    """Total mass attenuation with coherent scattering at 60 keV, NIST XCOM, cm2/g."""
    for element, value in {
        "H": 0.3260,
        "C": 0.1753,
        "O": 0.1907,
        "Ca": 0.6578,
        "Al": 0.2778,
    }.items():
        assert mass_attenuation({element: 1.0}, 60.0) == pytest.approx(value, rel=5e-3)
    water = mass_attenuation({"H": 0.1119, "O": 0.8881}, 80.0)
    assert water == pytest.approx(0.1837, rel=5e-3)
    with pytest.raises(ValueError, match="no attenuation"):
        mass_attenuation({"Xx": 1.0}, 60.0)
    with pytest.raises(ValueError, match="outside"):
        mass_attenuation({"H": 1.0}, 10.0)


def test_numbers_of_tissues_and_slopes_fall_with_energy() -> None:
    known = tissues()
    assert tissue_number(known["air"], 70.0) == pytest.approx(-999, abs=1)
    fat = [tissue_number(known["fat"], energy) for energy in (50, 60, 70, 80)]
    assert (np.diff(fat) > 3).all()
    assert -125 < fat[1] < -95
    for mineral in ("hydroxyapatite", "K2HPO4"):
        slopes = [mineral_slope(mineral, energy) for energy in (50, 60, 70, 80)]
        assert (np.diff(slopes) < -0.1).all()
    for tissue in known.values():
        assert sum(tissue.composition.values()) == pytest.approx(1.0, abs=2e-3)


def test_effective_energy_rises_with_voltage_and_size() -> None:
    small, large = effective_energy(120, 22), effective_energy(120, 36)
    assert large.vertebra - small.vertebra > 2
    assert effective_energy(140, 28).vertebra - effective_energy(80, 28).vertebra > 12
    assert small.below < small.vertebra
    between = effective_energy(115, 28).vertebra
    assert effective_energy(110, 28).vertebra < between < effective_energy(120, 28).vertebra
    with pytest.raises(ValueError, match="outside"):
        effective_energy(200, 28)


@pytest.mark.parametrize("equivalence", ["vertebra", "phantom"])
def test_accuracy_on_polychromatic_scans(equivalence: str, scans: list[Scan], record) -> None:
    """Truth: the mineral in the vertebra, or what rods under the back make of its CT number."""
    errors, stated = [], []
    for seed, scan in enumerate(scans):
        fit = calibrate_internally(
            measured(scan, seed), scan.kvp, scan.diameter_cm, "hydroxyapatite", equivalence
        )
        read = scan.bone
        truth = DENSITIES
        if equivalence == "phantom":
            slope, intercept = np.polyfit(RODS, scan.rods, 1)
            truth = (read - intercept) / slope
        errors.append((fit.line.density(read) - truth) / truth)
        stated.append(fit.density_standard_error / 100)
    errors, stated = np.array(errors), np.array(stated)
    by_density = 100 * np.abs(errors).mean(axis=0)
    bias, worst = 100 * errors[:, 1:].mean(), 100 * np.abs(errors[:, 1:]).max()
    covered = 100 * (np.abs(errors[:, 1]) <= 1.96 * stated).mean()
    within = 100 * (np.abs(errors[:, 1]) <= stated).mean()
    what = f"polychromatic scans at 80 to 140 kV, as by {equivalence}"
    record(INTERNAL, f"{what}: mean error, 100 to 200 mg/cm3", bias, "%", "within 2")
    for density, value in zip(DENSITIES, by_density, strict=True):
        limit = "5" if density >= 100 else ""
        record(INTERNAL, f"{what}: mean absolute error at {density:g} mg/cm3", value, "%", limit)
    record(INTERNAL, f"{what}: worst error, 100 to 200 mg/cm3", worst, "%")
    record(INTERNAL, f"{what}: 95 % intervals that hold the truth", covered, "%", "at least 90")
    record(INTERNAL, f"{what}: intervals of one standard error that do", within, "%", "55 to 90")
    assert abs(bias) <= 2
    assert (by_density[1:] <= 5).all()
    assert covered >= 90
    assert 55 <= within <= 90


def test_r2_says_nothing_and_leaving_out_does(scans: list[Scan]) -> None:
    """A line that is 15 % wrong has the same r2; each tissue is predicted by the others."""
    scan = scans[2]
    values = measured(scan)
    good = calibrate_internally(values, 120, scan.diameter_cm, "hydroxyapatite")
    wrong = calibrate_internally(values, 100, scan.diameter_cm, "hydroxyapatite")
    assert abs(wrong.line.slope / good.line.slope - 1) > 0.1
    assert min(good.line.r2, wrong.line.r2) > 0.999
    assert set(good.left_out) == {"air", "fat", "muscle", "blood"}
    for name, found in good.left_out.items():
        assert found["expected_hu"] == pytest.approx(values[name].hu, abs=30)
    assert good.as_dict()["slope_standard_error"] > 0


def test_tissue_that_is_something_else_is_noticed(scans: list[Scan]) -> None:
    values = measured(scans[2])
    doubtful = values | {"fat": replace(values["fat"], hu=-70.0)}
    fit = calibrate_internally(doubtful, 120, 28, "hydroxyapatite")
    assert any(warning.startswith("tissues_doubtful: fat") for warning in fit.warnings)
    with pytest.raises(SubjectDataError, match="fat reads -30") as caught:
        wrong = values | {"fat": replace(values["fat"], hu=-30.0)}
        calibrate_internally(wrong, 120, 28, "hydroxyapatite")
    assert caught.value.code == "tissues_inconsistent"


def test_contrast_agent(scans: list[Scan]) -> None:
    values = measured(scans[2])
    enhanced = values | {"blood": replace(values["blood"], hu=160.0)}
    with pytest.raises(SubjectDataError, match="160 HU") as caught:
        calibrate_internally(enhanced, 120, 28, "hydroxyapatite")
    assert caught.value.code == "contrast_agent"
    unseen = {name: value for name, value in values.items() if name != "blood"}
    with pytest.raises(SubjectDataError, match="no vessel"):
        calibrate_internally(unseen, 120, 28, "hydroxyapatite", contrast_named=True)
    fit = calibrate_internally(values, 120, 28, "hydroxyapatite", contrast_named=True)
    assert fit.warnings[0].startswith("contrast_agent")


def test_what_is_missing_is_refused_or_widens_the_interval(scans: list[Scan]) -> None:
    values = measured(scans[2])
    for kvp, code in ((None, "kvp_unknown"), (0, "kvp_unknown"), (200, "kvp_not_covered")):
        with pytest.raises(SubjectDataError) as caught:
            calibrate_internally(values, kvp, 28, "hydroxyapatite")
        assert caught.value.code == code
    with pytest.raises(SubjectDataError) as caught:
        calibrate_internally({"air": values["air"]}, 120, 28, "hydroxyapatite")
    assert caught.value.code == "tissues_not_found"
    full = calibrate_internally(values, 120, 28, "hydroxyapatite")
    few = {name: values[name] for name in ("fat", "muscle")}
    less = calibrate_internally(few, 120, float("nan"), "hydroxyapatite")
    assert less.density_standard_error > full.density_standard_error
    assert any(warning.startswith("air_not_found") for warning in less.warnings)


FULL_VIEW = replace(TINY, levels=("L1", "L2"), ct_matrix=170, ct_pixel_mm=2.6)
SPINE_VIEW = replace(TINY, levels=("L1", "L2"), ct_matrix=120, ct_pixel_mm=2.0)


@pytest.mark.parametrize(("view", "voltages"), [("full", VOLTAGES), ("spine", (100, 120))])
def test_image_to_density(view: str, voltages, scans: list[Scan], monkeypatch, record) -> None:
    """Tissues of polychromatic scans painted into the simulated trunk, with noise."""
    protocol = FULL_VIEW if view == "full" else SPINE_VIEW
    people = draw_cohort(len(voltages), 5, protocol.levels, False)
    errors = []
    for person, kvp in zip(people, voltages, strict=True):
        scan = next(s for s in scans if s.kvp == kvp)
        slope, intercept = np.polyfit(DENSITIES, scan.bone, 1)
        own = dict(simulated.tissue_table())
        numbers = {tissue: row["hu"] for tissue, row in own.items()}
        numbers |= {"subcutaneous_fat": scan.numbers["fat"], "muscle": scan.numbers["muscle"]}
        numbers |= {"visceral_fat": scan.numbers["fat"] + 4, "blood": scan.numbers["blood"]}
        monkeypatch.setattr(simulated, "_tissue_numbers", lambda *_, n=numbers: n)
        rng = np.random.default_rng(kvp)
        scanned = replace(person, sigma_ct=slope, beta_ct=intercept, ct_model="matched")
        anatomy = build_anatomy(scanned, protocol.levels, rng)
        image = simulated.simulate_ct(scanned, anatomy, protocol, rng, phantom=view == "spine")
        volume = Volume(image.hu.astype(np.float32), image.grid.ras_affine)
        found = find_tissues(volume)
        assert {"fat", "muscle"} <= set(found.values)
        values = dict(found.values)
        if "air" in values:  # the simulated trunk lies in air of -1000 HU on any scanner
            assert values["air"].hu == pytest.approx(-1000, abs=1)
            values["air"] = replace(values["air"], hu=scan.numbers["air"])
        for name, value in values.items():
            tolerance = 8.0 if name == "blood" else 4.0  # few voxels of 2.6 mm
            assert value.hu == pytest.approx(scan.numbers[name], abs=tolerance), name
        if view == "full":
            assert 24 < found.diameter_cm < 33
            assert "air" in found.values
        else:
            assert np.isnan(found.diameter_cm)
        fit = calibrate_internally(values, kvp, found.diameter_cm, "hydroxyapatite", "vertebra")
        read = scan.bone[1]
        errors.append(fit.line.density(read) - 100.0)
        assert abs(errors[-1]) <= 2.5 * fit.density_standard_error
    what = f"simulated trunk, {view} field of view: mean absolute error at 100 mg/cm3"
    record(INTERNAL, what, np.abs(errors).mean(), "%", "8")
    assert np.abs(errors).mean() <= 8.0


def test_simulated_cohort_at_120_kv(record) -> None:
    """The demo's scanners state their line; fat, muscle and blood are the same on both."""
    errors = {}
    for person in draw_cohort(12, 3, SPINE_VIEW.levels, False):
        site = person.site
        if person.ct_model != "matched" or len(errors.get(site, [])) >= 2:
            continue
        rng = np.random.default_rng(1)
        anatomy = build_anatomy(person, SPINE_VIEW.levels, rng)
        image = simulated.simulate_ct(person, anatomy, SPINE_VIEW, rng)
        found = find_tissues(Volume(image.hu.astype(np.float32), image.grid.ras_affine))
        fit = calibrate_internally(found.values, 120, found.diameter_cm, "K2HPO4", "phantom")
        at_100 = fit.line.density(person.beta_ct + 100.0 * person.sigma_ct)
        errors.setdefault(site, []).append(at_100 - 100.0)
        assert abs(at_100 - 100.0) <= 1.96 * fit.density_standard_error
    for site, found in sorted(errors.items()):
        what = f"demo scanner {site} (120 kV): error at 100 mg/cm3"
        record(INTERNAL, what, float(np.mean(found)), "%", "within its interval")
    assert set(errors) == {"A", "B"}


def test_enhanced_vessel_and_missing_body() -> None:
    ct = scene(rods=False)  # its aorta reads 280 HU, its kidneys 210
    found = find_tissues(ct)
    assert found.values["blood"].hu > 150
    assert found.values["fat"].hu == pytest.approx(-100, abs=2)
    assert found.values["muscle"].hu == pytest.approx(50, abs=2)
    assert found.values["air"].hu == pytest.approx(-1000, abs=2)
    air = Volume(np.full((60, 60, 10), -1000, np.float32), np.diag([2.0, 2.0, 3.0, 1.0]))
    with pytest.raises(SubjectDataError) as caught:
        find_tissues(air)
    assert caught.value.code == "body_not_found"


def test_tissues_do_not_depend_on_the_storage_order() -> None:
    ct = scene(rods=False)
    turn = np.eye(4)[[1, 2, 0, 3]].T @ np.diag([1.0, -1.0, 1.0, 1.0])
    turn[:3, 3] = turn[:3, :3] @ [0, -(ct.shape[2] - 1), 0]
    turned = Volume(ct.data.transpose(1, 2, 0)[:, ::-1], ct.affine @ turn)
    expected = find_tissues(ct)
    found = find_tissues(turned)
    assert set(found.values) == set(expected.values)
    for name, value in expected.values.items():
        assert found.values[name].hu == pytest.approx(value.hu, abs=0.5)


def test_outlined_tissues_replace_the_search() -> None:
    ct = scene(rods=False)
    mask = np.zeros(ct.shape, bool)
    mask[5:9, 5:9, 5:9] = True
    found = find_tissues(ct, {"muscle": mask})
    assert found.values["muscle"].hu == pytest.approx(float(ct.data[mask].mean()), abs=15)
    with pytest.raises(ValueError, match="another grid"):
        find_tissues(ct, {"muscle": mask[:-1]})
    with pytest.raises(ValueError, match="empty"):
        find_tissues(ct, {"muscle": np.zeros(ct.shape, bool)})


def test_mode_is_not_shifted_by_a_minority() -> None:
    rng = np.random.default_rng(0)
    lean, streaks = rng.normal(55, 8, 8000), rng.normal(-20, 20, 2000)
    assert mode_mean(np.concatenate([lean, streaks])) == pytest.approx(55, abs=1.0)


def test_the_reference_physics_is_exact_for_one_energy() -> None:
    """The reconstruction behind the tests, with a monochromatic beam."""
    weight = np.zeros_like(polychromatic.ENERGY)
    weight[50] = 1.0
    muscle = polychromatic.linear(1.05, polychromatic.MUSCLE)
    water = polychromatic.linear(polychromatic.WATER_DENSITY, polychromatic.WATER)
    parts = [
        polychromatic.Ellipse(0, 0, 15, 10.5, muscle),
        polychromatic.Ellipse(0, 0, 2.2, 1.6, 1.2 * water - muscle),
    ]
    values = polychromatic.reconstruct(parts, weight, [(0, 0), (3.5, -5)])
    assert values[0] == pytest.approx(1.2, abs=1e-3)
    assert values[1] == pytest.approx(muscle[50] / water[50], abs=1e-3)
