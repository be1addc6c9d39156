"""What all Dixon methods share: echo phases, the two fat fractions behind two magnitudes, results.

A signal fat fraction (``sff``) is no PDFF: T1 and, unless stated otherwise, T2* and the minor peaks
of fat weigh on it (Reeder SB et al., J Magn Reson Imaging 2012;36:1011-1014).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from osteoflow.mri.fit_quality import PDFF_TOLERANCE
from osteoflow.mri.in_phase import MAIN_PEAK_PPM, cycles
from osteoflow.mri.reliability import full_maps
from osteoflow.mri.spectrum import FatSpectrum

DIXON_TOLERANCE = 0.125
"""Share of the fat period by which an echo may miss an in-phase or opposed-phase time. The actual
time enters the equations; further off, the echo hardly tells water from fat."""


@dataclass(frozen=True)
class DixonResult:
    """Maps (float32, shape (i, j, k), NaN where there is none) and what must be told about them.

    Attributes
    ----------
    sff
        Signal fat fraction, percent; noise may carry it outside 0..100. Never call it PDFF.
    water, fat
        Magnitudes at echo time zero as far as T2* was corrected, units of the input.
    field
        Hz, modulo the field period; NaN from magnitudes.
    r2star
        1/s that was measured or assumed; NaN where decay was not corrected.
    quality
        uint8: 1 where usable.
    water_fat_ambiguous
        True where only the water-dominant solution (0..50 %) could be given.
    warnings, flags
        As in `osteoflow.mri.fat_water.FatWaterResult`.
    """

    sff: np.ndarray
    water: np.ndarray
    fat: np.ndarray
    field: np.ndarray
    r2star: np.ndarray
    quality: np.ndarray
    water_fat_ambiguous: bool
    warnings: list[str] = field(default_factory=list)
    flags: dict[str, float] = field(default_factory=dict)


def single_peak() -> FatSpectrum:
    """Fat as its main (methylene) peak only, the classical assumption of Dixon methods."""
    return FatSpectrum((MAIN_PEAK_PPM,), (1.0,), "single_peak")


def echo_phases(
    echo_times: np.ndarray, field_strength: float, tolerance: float = DIXON_TOLERANCE
) -> list[str]:
    """``in``, ``opposed`` or an empty text for each echo time in s."""
    turns = cycles(echo_times, field_strength)
    off_in = np.abs(turns - np.rint(turns))
    return [
        "in" if off <= tolerance else "opposed" if 0.5 - off <= tolerance else "" for off in off_in
    ]


def check_field_strength(field_strength: float) -> None:
    """Refuse a field strength in T that no magnet has.

    Raises
    ------
    ValueError
    """
    if not (np.isfinite(field_strength) and field_strength > 0):
        raise ValueError(f"field strength must be positive, not {field_strength} T")


def fraction_roots(
    magnitude: np.ndarray, phasor: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both fat fractions that explain the ratio of two magnitudes free of decay.

    ``|1 + d1 p|^2 / |1 + d2 p|^2 = (m1 / m2)^2`` with ``d = c - 1`` is quadratic in p.

    Parameters
    ----------
    magnitude
        Shape (2, voxels).
    phasor
        Complex fat phasor at the two echoes, shape (2,).

    Returns
    -------
    smaller, larger, lost
        Fractions, shape (voxels,); `lost` is True where noise left no real solution and both hold
        the fraction that comes nearest.
    """
    first, second = magnitude**2
    d1, d2 = phasor - 1
    a = first * abs(d2) ** 2 - second * abs(d1) ** 2
    half_b = first * d2.real - second * d1.real
    c = first - second
    inner = half_b**2 - a * c
    lost = inner < 0
    root = np.sqrt(np.maximum(inner, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # the stable pair: one root by addition of like signs, the other by their product c / a
        q = -(half_b + np.where(half_b >= 0, root, -root))
        one, other = q / a, np.where(lost, q / a, c / q)
        one = np.where(np.abs(a) > 1e-12 * (first + second), one, other)
    return np.fmin(one, other), np.fmax(one, other), lost


def assumed_decay(r2star: float | None) -> str | None:
    """How a decay given by the caller is told."""
    return None if r2star is None else f"corrected with an assumed R2* of {r2star:g} 1/s"


def tell_corrections(spectrum: FatSpectrum | None, decay: str | None, warnings: list[str]) -> None:
    """Say what keeps a signal fat fraction from being a PDFF."""
    peaks = (
        "fat's minor peaks are not corrected (single peak)"
        if spectrum is None or len(spectrum.ppm) == 1
        else f"fat's minor peaks are those of the {spectrum.name} spectrum"
    )
    told = "T2* decay is not corrected" if decay is None else f"T2* decay was {decay}"
    warnings.append(f"signal fat fraction, no PDFF: {told}, {peaks}, T1 is not corrected")


def assemble_dixon(
    values: dict[str, np.ndarray],
    inside: np.ndarray,
    ambiguous: bool,
    warnings: list[str],
    flags: dict[str, float],
) -> DixonResult:
    """Full maps from the values of fitted voxels; far outside 0..100 % counts as unusable."""
    usable = np.abs(values["sff"] - 50) <= 50 + PDFF_TOLERANCE
    flags["voxels_water_fat_contradict"] = int((~usable).sum())
    if not usable.all():
        warnings.append(
            f"{int((~usable).sum())} of {usable.size} voxels are marked unusable: the signal fat "
            f"fraction lies more than {PDFF_TOLERANCE:g} points outside 0..100 %"
        )
    return DixonResult(
        **full_maps(values, values, usable, inside),
        water_fat_ambiguous=ambiguous,
        warnings=warnings,
        flags=flags,
    )
