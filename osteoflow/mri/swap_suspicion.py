"""Where water and fat may have been exchanged: a quality measure of a fitted field map.

A swapped voxel takes for the field what is the field plus or minus fat's frequency. The field of
a body varies slowly beside that, so a voxel whose field is off that of its surroundings by a good
part of fat's frequency is suspicious. A whole vertebra that was swapped stands out against the
tissue around it, so the surroundings reach further than a vertebra.
"""

from __future__ import annotations

import numpy as np

from osteoflow.mri.spectrum import GYROMAGNETIC_RATIO_MHZ_PER_T, WATER_PPM
from osteoflow.scipy_parts import ndimage

METHYLENE_PPM = 1.30
"""The main peak of fat: its distance from water is what a swap moves the field by."""

REACH_MM = 20.0
"""Standard deviation of the Gaussian that weights the surroundings; a lumbar vertebra measures
about 25 by 35 by 45 mm."""

SUSPICIOUS_SHARE = 0.4
"""Share of fat's frequency by which a field must be off."""

LEAST_SHIFT = 0.3
"""Share of fat's frequency, modulo the field's period, below which a swap hardly moves the field:
with echoes near in-phase spacing it cannot be seen there."""

LEAST_REACH_VOXELS = 2.0


def swap_suspicion(
    field_hz: np.ndarray,
    reliable: np.ndarray,
    spacing: np.ndarray,
    field_period: float,
    field_strength: float,
) -> np.ndarray:
    """Suspicious voxels of a field map.

    Parameters
    ----------
    field_hz
        Hz, shape (i, j, k), NaN where nothing was fitted.
    reliable
        Voxels whose field may be used as surroundings, shape (i, j, k).
    spacing
        Voxel size in mm, shape (3,).
    field_period
        Hz, modulo which the field is known; infinite where it is known.
    field_strength
        T.

    Returns
    -------
    ndarray
        float32, 1 where suspicious and 0 elsewhere; NaN where nothing was fitted, and everywhere
        where the echo times hide swaps.
    """
    shift = GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength * (WATER_PPM - METHYLENE_PPM)
    inside = np.isfinite(field_hz)
    known = inside & np.asarray(reliable, bool)
    # Fields that are known without a period are compared on a circle that no swap can close.
    period = field_period if np.isfinite(field_period) else 4 * shift
    turn = np.where(known, np.exp(2j * np.pi * np.nan_to_num(field_hz) / period), 0)
    sigma = np.maximum(REACH_MM / np.asarray(spacing, float), LEAST_REACH_VOXELS)
    around = ndimage.gaussian_filter(turn.real, sigma) + 1j * ndimage.gaussian_filter(
        turn.imag, sigma
    )
    usual = np.angle(around) * period / (2 * np.pi)
    off = np.nan_to_num(field_hz) - usual
    off -= period * np.rint(off / period)
    # Fat's frequency itself is known modulo the period only.
    moved = abs(shift - period * np.rint(shift / period)) if np.isfinite(field_period) else shift
    if moved < LEAST_SHIFT * shift:
        return np.full(field_hz.shape, np.nan, np.float32)
    suspicious = np.abs(off) > SUSPICIOUS_SHARE * moved
    return np.where(inside, suspicious, np.nan).astype(np.float32)
