"""What a phantom's rods say about the calibration made from them, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from osteoflow.ct.calibration import Calibration, RodMeasurement
from osteoflow.ct.certificate import Phantom

# Twice the standard error is what a calibration may be off: half a per cent of a density, or
# 1.5 mg/cm3, whichever is reached first.
SLOPE_ERROR_SHARE = 0.0025
DENSITY_ERROR = 0.75
TYPICAL_DENSITY = 100.0


def line_error(rods: Sequence[RodMeasurement], certificate: Phantom) -> np.ndarray:
    """Covariance (2, 2) of slope and intercept from the rods' own errors.

    Scatter between slices and uncertain places are counted; what all rods of a scan share (beam
    hardening, a wrong certificate) is not. NaN where a rod was measured in one slice only.

    Parameters
    ----------
    rods
        Each rod of the certificate once, any order.
    certificate
        Of the phantom.
    """
    by_label = {rod.rod: rod for rod in rods}
    ordered = [by_label[label] for label in certificate.rods]
    design = np.column_stack([certificate.mineral_density, np.ones(len(ordered))])
    weights = np.linalg.pinv(design)
    variance = np.array([rod.standard_error**2 + rod.place_error**2 for rod in ordered])
    return weights * variance @ weights.T


def density_error(rods: Sequence[RodMeasurement], certificate: Phantom, fit: Calibration) -> float:
    """Standard error of a density of 100 mg/cm3 from the rods' own errors, mg/cm3."""
    at = np.array([TYPICAL_DENSITY, 1.0])
    return float(np.sqrt(at @ line_error(rods, certificate) @ at)) / fit.slope


def phantom_warnings(
    rods: Sequence[RodMeasurement], certificate: Phantom, fit: Calibration
) -> list[str]:
    """Warnings about a calibration that passed its limits, each starting with its code.

    ``calibration_uncertain: ...`` (noise or the rods' places allow the slope to be off by more
    than 0.5 %, or a density of 100 mg/cm3 by more than 1.5 mg/cm3), ``two_rods: ...`` (nothing
    checks the line), ``rod_not_outlined: ...``.
    """
    warnings = []
    slope_share = float(np.sqrt(line_error(rods, certificate)[0, 0])) / fit.slope
    density = density_error(rods, certificate, fit)
    if not (slope_share <= SLOPE_ERROR_SHARE and density <= DENSITY_ERROR):
        warnings.append(
            f"calibration_uncertain: by the rods' noise and places the slope is known to "
            f"{100 * slope_share:.2f} % and a density of {TYPICAL_DENSITY:g} mg/cm3 to "
            f"{density:.2f} mg/cm3 (standard errors)"
        )
    if fit.n_rods == 2:
        warnings.append("two_rods: two rods fit any line, so nothing checks this one")
    for rod in rods:
        if rod.place_error > 0:
            warnings.append(
                f"rod_not_outlined: rod {rod.rod} does not stand out from its holder; its CT "
                f"number is uncertain by {rod.place_error:.1f} HU"
            )
    return warnings
