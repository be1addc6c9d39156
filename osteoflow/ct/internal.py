"""Bone mineral density without a phantom: the patient's own tissues calibrate the CT.

An ideal CT number of a tissue follows from its composition and one effective photon energy. What is
measured differs from it by the scanner's scale and offset. Energy, scale and offset are estimated
together from the tissues, each weighted by how well its composition is known, with the energy that
the tube voltage and the patient's size let expect. The covariance of this estimate, and what the
model itself leaves open, is the stated uncertainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from osteoflow.ct.attenuation import effective_energy, mineral_slope, tissue_number, tissues
from osteoflow.ct.calibration import Calibration, check_plausible
from osteoflow.ct.tissue_regions import TissueValue
from osteoflow.errors import SubjectDataError

# Water reads 0 HU on a maintained scanner; the ACR's CT accreditation accepts 5 HU, 7 at most.
OFFSET_SD = 4.0
SCALE_SD = 0.015
# CT numbers differ between the middle of the trunk, where the vertebra lies, and elsewhere.
UNIFORMITY_HU = 3.0
# Cross-sections, and one energy standing for a spectrum: share of the slope.
SLOPE_MODEL_SHARE = 0.02
# What a density is to be compared with: the mineral that the vertebra holds, or what a phantom
# under the back would have made of it. Under the back the beam is softer, so that a phantom's line
# is steeper and densities from it are lower by 5 to 10 %; cut-offs were made with such phantoms.
VERTEBRA, PHANTOM = "vertebra", "phantom"
# How well the difference of the two energies is known: share of it.
SHIFT_SHARE = 0.3
# Patients whose size the image does not show: adults' trunks, in cm.
UNKNOWN_DIAMETER = (28.0, 3.5)
# Unenhanced blood reads 30 to 70 HU between 140 and 80 kV; above this,
# or this much above muscle, it is enhanced.
ENHANCED_HU = 90.0
ENHANCED_OVER_MUSCLE = 30.0
LEAST_TISSUES = 2
# Standardised deviations of a tissue from what the others predict.
DOUBTFUL, REFUSED = 2.5, 4.5
REFERENCE_DENSITY = 100.0


@dataclass(frozen=True)
class InternalCalibration:
    """A calibration by tissues, with all that its uncertainty rests on.

    Parameters
    ----------
    line
        The calibration; its ``rods`` are the tissues and its residuals theirs. As with rods, r2 is
        no measure of quality: it exceeds 0.999 where the slope is 15 % wrong.
    equivalence
        ``phantom`` or ``vertebra``.
    energy_kev, energy_standard_error
        Effective energy in the vertebra.
    offset, scale
        What water reads on this scanner (HU), and its measured over its ideal contrast.
    density_standard_error
        Standard error of a density of 100 mg/cm3, mg/cm3, slope and intercept together.
    left_out
        Per tissue what its CT number would be by all others, the deviation in standard deviations,
        and the change of 100 mg/cm3 when it is left out.
    warnings
        What speaks against this calibration.
    """

    line: Calibration
    equivalence: str
    energy_kev: float
    energy_standard_error: float
    offset: float
    scale: float
    density_standard_error: float
    left_out: dict[str, dict[str, float]]
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Content for the calibration's file."""
        return {
            **self.line.as_dict(),
            "equivalence": self.equivalence,
            "effective_energy_kev": self.energy_kev,
            "effective_energy_standard_error": self.energy_standard_error,
            "offset_hu": self.offset,
            "scale": self.scale,
            "density_standard_error_at_100": self.density_standard_error,
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class _Estimate:
    """Energy, scale and offset with their covariance."""

    parameters: np.ndarray
    covariance: np.ndarray


def calibrate_internally(
    values: Mapping[str, TissueValue],
    kvp: float | None,
    diameter_cm: float,
    mineral: str,
    equivalence: str = PHANTOM,
    contrast_named: bool = False,
) -> InternalCalibration:
    """Calibrate by tissues.

    Parameters
    ----------
    values
        Measured tissues (:func:`osteoflow.ct.tissue_regions.find_tissues`).
    kvp
        Tube voltage; None where the header does not state it.
    diameter_cm
        Water-equivalent diameter; NaN where unknown.
    mineral
        ``hydroxyapatite`` or ``K2HPO4``: what the density is an equivalent of.
    equivalence
        ``phantom``: density as by a phantom under the back, which cut-offs were made with;
        ``vertebra``: density of the mineral in the vertebra.
    contrast_named
        Whether the header names a contrast agent.

    Returns
    -------
    InternalCalibration

    Raises
    ------
    SubjectDataError
        ``kvp_unknown``, ``kvp_not_covered``; ``contrast_agent``; ``tissues_not_found``: fewer than
        two tissues besides air; ``tissues_inconsistent``: one of them cannot be what it was taken
        for; ``calibration_implausible``.

    Notes
    -----
    The idea is that of Michalski et al., Med Eng Phys 2020;78:55, who choose the energy by the
    correlation of CT numbers with attenuation. Here it is a Gaussian estimate with priors (energy
    by voltage and size, scale and offset by what scanners are maintained to), because correlation
    hardly depends on the energy and does not tell how wrong the line is.
    """
    if equivalence not in (PHANTOM, VERTEBRA):
        raise ValueError(f"unknown equivalence {equivalence!r}")
    prior, below = _energy_prior(kvp, diameter_cm)
    shift = below if equivalence == PHANTOM else 0.0
    warnings = _check_contrast(values, contrast_named)
    soft = [name for name in values if name != "air"]
    if len(soft) < LEAST_TISSUES:
        raise SubjectDataError(
            "tissues_not_found",
            f"only {', '.join(soft) or 'none'} of fat, muscle and blood could be measured",
            "Calibrate by a phantom, or reconstruct with a field of view that holds the back.",
        )
    if "air" not in values:
        warnings.append("air_not_found: no air in the image; the scanner's scale is less certain")
    estimate = _fit(values, prior)
    left_out = _leave_one_out(values, prior, estimate, mineral, shift)
    for name, found in left_out.items():
        if abs(found["deviation_sd"]) > REFUSED:
            raise SubjectDataError(
                "tissues_inconsistent",
                f"{name} reads {values[name].hu:.0f} HU where the other tissues let expect "
                f"{found['expected_hu']:.0f} HU",
                "Look whether the scan is enhanced, has metal in it, or is not of the trunk.",
            )
        if abs(found["deviation_sd"]) > DOUBTFUL:
            warnings.append(
                f"tissues_doubtful: {name} reads {values[name].hu:.0f} HU where the other tissues "
                f"let expect {found['expected_hu']:.0f} HU"
            )
    return _result(values, estimate, mineral, shift, left_out, warnings)


def _energy_prior(kvp: float | None, diameter_cm: float) -> tuple[tuple[float, float], float]:
    """Mean and SD of the energy in the vertebra, and how far that under the back is from it."""
    if not kvp:
        raise SubjectDataError(
            "kvp_unknown",
            "the header does not state the tube voltage, without which tissues do not calibrate",
            "Export the original images with KVP in the header.",
        )
    if np.isfinite(diameter_cm):
        diameters = [diameter_cm]
    else:
        centre, spread = UNKNOWN_DIAMETER
        diameters = [centre - spread, centre, centre + spread]
    try:
        found = [effective_energy(float(kvp), diameter) for diameter in diameters]
    except ValueError as error:
        raise SubjectDataError(
            "kvp_not_covered",
            f"no effective energy is known for {float(kvp):g} kV ({error})",
            "Calibrate by a phantom.",
        ) from None
    own = found[len(found) // 2]
    spread = float(np.hypot(own.sd, (found[-1].vertebra - found[0].vertebra) / 2))
    return (own.vertebra, spread), own.below - own.vertebra


def _check_contrast(values: Mapping[str, TissueValue], named: bool) -> list[str]:
    """Warnings about a contrast agent.

    Raises
    ------
    SubjectDataError
        ``contrast_agent``: enhanced blood, or an agent in the header and no blood to disprove it.
    """
    hint = "Use an unenhanced scan, or a phantom; enhancement raises blood, muscle and marrow."
    blood, muscle = values.get("blood"), values.get("muscle")
    if blood is not None:
        over = blood.hu - muscle.hu if muscle is not None else -np.inf
        if blood.hu > ENHANCED_HU or over > ENHANCED_OVER_MUSCLE:
            raise SubjectDataError(
                "contrast_agent", f"blood in a large vessel reads {blood.hu:.0f} HU", hint
            )
    if not named:
        return []
    if blood is None:
        raise SubjectDataError(
            "contrast_agent",
            "the header names a contrast agent, and no vessel shows that it was not given",
            hint,
        )
    return [
        "contrast_agent: the header names a contrast agent, but blood in a large vessel reads "
        f"{blood.hu:.0f} HU as without"
    ]


def _fit(values: Mapping[str, TissueValue], prior: tuple[float, float]) -> _Estimate:
    """Gaussian estimate of energy, scale and offset by Gauss-Newton steps."""
    names = list(values)
    measured = np.array([values[name].hu for name in names])
    variance = np.array([_variance(values[name]) for name in names])
    centre = np.array([prior[0], 1.0, 0.0])
    weight = 1 / np.array([prior[1], SCALE_SD, OFFSET_SD]) ** 2
    parameters = centre.copy()
    for _ in range(8):
        expected, slopes = _expected(names, parameters)
        normal = slopes.T @ (slopes / variance[:, None]) + np.diag(weight)
        gradient = slopes.T @ ((measured - expected) / variance) + weight * (centre - parameters)
        step = np.linalg.solve(normal, gradient)
        parameters = parameters + step
        parameters[0] = np.clip(parameters[0], prior[0] - 4 * prior[1], prior[0] + 4 * prior[1])
        if np.abs(step / np.sqrt(1 / weight)).max() < 1e-6:
            break
    return _Estimate(parameters, np.linalg.inv(normal))


def _variance(value: TissueValue) -> float:
    own = tissues()[value.tissue].sd_hu
    return own**2 + value.standard_error**2 + UNIFORMITY_HU**2


def _expected(names: list[str], parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CT numbers by the parameters, and their derivatives."""
    energy, scale, offset = parameters
    known = tissues()
    ideal = np.array([tissue_number(known[name], energy) for name in names])
    step = 0.25
    above = np.array([tissue_number(known[name], energy + step) for name in names])
    below = np.array([tissue_number(known[name], energy - step) for name in names])
    by_energy = scale * (above - below) / (2 * step)
    return offset + scale * ideal, np.column_stack([by_energy, ideal, np.ones_like(ideal)])


def _line(estimate: _Estimate, mineral: str, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept with their covariance; the intercept is what water reads."""
    energy, scale, offset = estimate.parameters
    energy = energy + shift
    ideal = mineral_slope(mineral, energy)
    by_energy = (
        mineral_slope(mineral, energy + 0.25) - mineral_slope(mineral, energy - 0.25)
    ) / 0.5
    jacobian = np.array([[scale * by_energy, ideal, 0.0], [0.0, 0.0, 1.0]])
    covariance = jacobian @ estimate.covariance @ jacobian.T
    line = np.array([scale * ideal, offset])
    covariance[0, 0] += (SLOPE_MODEL_SHARE * line[0]) ** 2
    covariance[0, 0] += (scale * by_energy * SHIFT_SHARE * shift) ** 2
    covariance[1, 1] += UNIFORMITY_HU**2
    return line, covariance


def density_error(line: np.ndarray, covariance: np.ndarray, density: float) -> float:
    """Standard error in mg/cm3 of a density that a line (slope, intercept) was used for."""
    by_line = np.array([density, 1.0]) / line[0]
    return float(np.sqrt(by_line @ covariance @ by_line))


def _leave_one_out(
    values: Mapping[str, TissueValue],
    prior: tuple[float, float],
    full: _Estimate,
    mineral: str,
    shift: float,
) -> dict[str, dict[str, float]]:
    """What all other tissues say of each: the one check that the fit itself does not contain."""
    line, _ = _line(full, mineral, shift)
    reads = line[1] + line[0] * REFERENCE_DENSITY
    result = {}
    for name, value in values.items():
        others = {key: other for key, other in values.items() if key != name}
        estimate = _fit(others, prior)
        expected, slopes = _expected([name], estimate.parameters)
        spread = np.sqrt(_variance(value) + (slopes @ estimate.covariance @ slopes.T)[0, 0])
        without, _ = _line(estimate, mineral, shift)
        result[name] = {
            "expected_hu": float(expected[0]),
            "deviation_sd": float((value.hu - expected[0]) / spread),
            "change_at_100": float((reads - without[1]) / without[0] - REFERENCE_DENSITY),
        }
    return result


def _result(
    values: Mapping[str, TissueValue],
    estimate: _Estimate,
    mineral: str,
    shift: float,
    left_out: dict[str, dict[str, float]],
    warnings: list[str],
) -> InternalCalibration:
    line, covariance = _line(estimate, mineral, shift)
    names = list(values)
    measured = np.array([value.hu for value in values.values()])
    expected, _ = _expected(names, estimate.parameters)
    residuals = measured - expected
    total = float(((measured - measured.mean()) ** 2).sum())
    fit = Calibration(
        phantom="internal tissues",
        mineral=mineral,
        unit="mg/cm3",
        slope=float(line[0]),
        intercept=float(line[1]),
        slope_standard_error=float(np.sqrt(covariance[0, 0])),
        intercept_standard_error=float(np.sqrt(covariance[1, 1])),
        residuals=tuple(float(value) for value in residuals),
        residual_sd=float(np.sqrt(np.mean(residuals**2))),
        r2=1.0 - float(residuals @ residuals) / total,
        rods=tuple(names),
    )
    check_plausible(fit)
    return InternalCalibration(
        fit,
        PHANTOM if shift else VERTEBRA,
        float(estimate.parameters[0]),
        float(np.sqrt(estimate.covariance[0, 0])),
        float(estimate.parameters[2]),
        float(estimate.parameters[1]),
        density_error(line, covariance, REFERENCE_DENSITY),
        left_out,
        warnings,
    )
