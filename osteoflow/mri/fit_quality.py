"""Why voxels of a fat-water fit are unreliable, and its full maps."""

from __future__ import annotations

import numpy as np

from osteoflow.mri.candidates import R2STAR_BOUNDS
from osteoflow.mri.noise import NOISE_FACTOR
from osteoflow.mri.reliability import full_maps, reliable_voxels

RESIDUAL_LIMIT = 0.2
"""Largest relative residual of a reliable voxel."""

PDFF_TOLERANCE = 20.0
"""Percentage points outside 0..100 % beyond which water and fat contradict each other."""


def assemble_maps(
    values: dict[str, np.ndarray],
    inside: np.ndarray,
    warnings: list[str],
    flags: dict[str, float],
) -> dict[str, np.ndarray]:
    """Full maps, the quality map, and a warning for every reason why voxels are unreliable.

    Parameters
    ----------
    values
        Per fitted voxel, shape (voxels,): ``pdff`` (%), ``r2star`` (1/s), ``water``, ``fat``,
        ``field`` (Hz), relative ``residual``; bool ``converged``, ``at_bound``, ``near_noise``.
    inside
        bool, shape (i, j, k): where those voxels lie.
    warnings, flags
        Receive a sentence and a count for every reason.

    Returns
    -------
    dict
        float32 maps of shape (i, j, k), NaN outside, with ``t2star`` in ms (NaN where R2* is not
        positive), and uint8 ``quality``.
    """
    pdff = values["pdff"]
    reasons = {
        "near_noise": (
            values["near_noise"],
            f"the signal is below {NOISE_FACTOR:g} times the noise of all echoes together",
        ),
        "r2star_at_bound": (
            values["at_bound"],
            f"R2* stopped at its bound ({R2STAR_BOUNDS[0]:g} or {R2STAR_BOUNDS[1]:g} 1/s)",
        ),
        "not_converged": (~values["converged"], "the fit did not converge"),
        "high_residual": (
            values["residual"] > RESIDUAL_LIMIT,
            f"the misfit exceeds {100 * RESIDUAL_LIMIT:g} % of the signal",
        ),
        "water_fat_contradict": (
            ~(np.abs(pdff - 50) <= 50 + PDFF_TOLERANCE),
            f"PDFF lies more than {PDFF_TOLERANCE:g} points outside 0..100 %",
        ),
    }
    reliable = reliable_voxels(reasons, warnings, flags)
    r2star = values["r2star"]
    no_decay = int((r2star <= 0).sum())
    flags["voxels_r2star_not_positive"] = no_decay
    if no_decay:
        warnings.append(f"{no_decay} voxels have R2* <= 0 and no T2*")
    t2star = np.full(r2star.shape, np.nan, np.float32)
    np.divide(1000, r2star, out=t2star, where=r2star > 0)

    names = ("pdff", "r2star", "t2star", "water", "fat", "field", "residual")
    return full_maps({**values, "t2star": t2star}, names, reliable, inside)
