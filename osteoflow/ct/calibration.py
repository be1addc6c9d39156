"""Bone mineral density from CT numbers through a calibration phantom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from osteoflow.ct.certificate import K2HPO4, Phantom
from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume

# Water in the rods' solution displaces mineral: sigma_CT = sigma_ref - 0.2174 and
# beta_CT = beta_ref + 999.6 (QCT PRO User Guide, Mindways Software, as documented by Ogo).
SIGMA_WATER = 0.2174
BETA_WATER = 999.6

# Plausible fits between 80 and 140 kVp: the CT number rises by about 1.2 to 2.2 HU per mg/cm3 of
# either mineral; bone without mineral reads like water. Outside these something else was measured.
SLOPE_RANGE = (0.8, 2.8)
INTERCEPT_LIMIT = 60.0
RESIDUAL_LIMIT = 20.0


@dataclass(frozen=True)
class RodMeasurement:
    """CT number of one rod.

    Parameters
    ----------
    rod
        Label on the certificate.
    hu
        Mean CT number in the rod's core, HU.
    sd
        Standard deviation of single voxels, HU.
    standard_error
        Of ``hu`` from the scatter between slices, HU; NaN where unknown.
    n_voxels, n_slices
        What was averaged.
    centre_mm
        RAS position in the middle of the measured range.
    diameter_mm
        Measured diameter; NaN where the rod's contrast did not allow it.
    place_error
        By how much ``hu`` may be wrong because nothing shows where the rod lies, HU.
    """

    rod: str
    hu: float
    sd: float = float("nan")
    standard_error: float = float("nan")
    n_voxels: int = 0
    n_slices: int = 0
    centre_mm: tuple[float, float, float] = (float("nan"),) * 3
    diameter_mm: float = float("nan")
    place_error: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """CT number as a linear function of mineral density: HU = intercept + slope * density.

    Parameters
    ----------
    phantom, mineral, unit
        What the density is an equivalent of; the unit is ``mg/cm3``.
    slope
        sigma_CT, HU per mg/cm3.
    intercept
        beta_CT, HU.
    slope_standard_error, intercept_standard_error
        From the residuals of the fit; NaN with two rods.
    residuals
        Measured minus fitted CT number per rod, HU.
    residual_sd
        Root of the residual sum of squares over the degrees of freedom, HU; NaN with two rods.
    r2
        Coefficient of determination of the regression. It is high for wrong calibrations too and
        no measure of quality on its own.
    rods
        Labels of the rods used.
    """

    phantom: str
    mineral: str
    unit: str
    slope: float
    intercept: float
    slope_standard_error: float
    intercept_standard_error: float
    residuals: tuple[float, ...]
    residual_sd: float
    r2: float
    rods: tuple[str, ...]

    @property
    def n_rods(self) -> int:
        """Number of rods in the fit."""
        return len(self.rods)

    def density(self, hu: np.ndarray | float) -> np.ndarray | float:
        """Mineral density in mg/cm3 of CT numbers in HU."""
        return (hu - self.intercept) / self.slope

    def as_dict(self) -> dict[str, Any]:
        """Content for a sidecar."""
        return asdict(self) | {"n_rods": self.n_rods, "slope_unit": "HU per mg/cm3"}


def calibrate(rods: Sequence[RodMeasurement], certificate: Phantom) -> Calibration:
    """Fit the calibration line to measured rods.

    K2HPO4 rods (Mindways): HU - water = sigma_ref * mineral + beta_ref by least squares, then
    sigma_CT = sigma_ref - 0.2174 and beta_CT = beta_ref + 999.6. Hydroxyapatite rods: straight
    regression of HU on the density.

    Parameters
    ----------
    rods
        One measurement per rod of the certificate, in any order.
    certificate
        The phantom.

    Raises
    ------
    ValueError
        A rod that the certificate does not have, or one given twice.
    SubjectDataError
        ``phantom_incomplete``: a rod is missing. ``calibration_implausible``: the line cannot
        come from this phantom.

    Notes
    -----
    Source: QCT PRO User Guide, Mindways Software, as documented by Ogo (Michalski et al., Med Eng
    Phys 2020;78:55). The water-equivalent densities are not optional: without them a typical
    vertebra reads about 40 % low.
    """
    hu = _in_order(rods, certificate)
    mineral = np.array(certificate.mineral_density, float)
    water = np.zeros_like(mineral)
    if certificate.mineral == K2HPO4:
        water = np.array(certificate.water_density, float)
    target = hu - water
    design = np.column_stack([mineral, np.ones_like(mineral)])
    (sigma, beta), *_ = np.linalg.lstsq(design, target, rcond=None)
    residuals = target - design @ (sigma, beta)
    degrees = len(hu) - 2
    spread = float(np.sqrt(residuals @ residuals / degrees)) if degrees else float("nan")
    covariance = spread**2 * np.linalg.inv(design.T @ design)
    total = float(((target - target.mean()) ** 2).sum())
    if certificate.mineral == K2HPO4:
        sigma, beta = sigma - SIGMA_WATER, beta + BETA_WATER
    calibration = Calibration(
        certificate.name,
        certificate.mineral,
        "mg/cm3",
        float(sigma),
        float(beta),
        float(np.sqrt(covariance[0, 0])),
        float(np.sqrt(covariance[1, 1])),
        tuple(float(value) for value in residuals),
        spread,
        1.0 - float(residuals @ residuals) / total if total else float("nan"),
        certificate.rods,
    )
    check_plausible(calibration)
    return calibration


def _in_order(rods: Sequence[RodMeasurement], certificate: Phantom) -> np.ndarray:
    """CT numbers in HU in the order of the certificate; errors as of :func:`calibrate`."""
    by_label = {rod.rod: rod for rod in rods}
    if len(by_label) != len(rods) or not set(by_label) <= set(certificate.rods):
        raise ValueError(
            f"{certificate.name}: rods {[rod.rod for rod in rods]} do not match {certificate.rods}"
        )
    if missing := [label for label in certificate.rods if label not in by_label]:
        raise SubjectDataError(
            "phantom_incomplete",
            f"{len(missing)} of {len(certificate.rods)} rods were not measured: "
            f"{', '.join(missing)}",
            "Reconstruct with a field of view that holds the whole phantom.",
        )
    return np.array([by_label[label].hu for label in certificate.rods], float)


def check_plausible(fit: Calibration) -> None:
    """Refuse a line that no CT number follows.

    Raises
    ------
    SubjectDataError
        ``calibration_implausible``.
    """
    problems = []
    if not SLOPE_RANGE[0] <= fit.slope <= SLOPE_RANGE[1]:
        problems.append(f"slope {fit.slope:.3f} HU per mg/cm3 outside {SLOPE_RANGE}")
    if not abs(fit.intercept) <= INTERCEPT_LIMIT:
        problems.append(f"intercept {fit.intercept:.1f} HU beyond {INTERCEPT_LIMIT:g} HU")
    if fit.n_rods > 2 and not fit.residual_sd <= RESIDUAL_LIMIT:
        problems.append(f"residual SD {fit.residual_sd:.1f} HU above {RESIDUAL_LIMIT:g} HU")
    if problems:
        raise SubjectDataError(
            "calibration_implausible",
            f"calibration with {fit.phantom}: {'; '.join(problems)}",
            "Check that the certificate in the configuration belongs to the scanned phantom.",
        )


def vbmd_map(ct: Volume, calibration: Calibration) -> Volume:
    """Volumetric mineral density map in mg/cm3 (single precision) of a CT in HU."""
    hu = np.asarray(ct.data, np.float32)
    return ct.like(calibration.density(hu).astype(np.float32))
