"""From the values of fitted voxels to full T2 maps, with a reason for every unreliable voxel."""

from __future__ import annotations

import numpy as np

from osteoflow.mri.reliability import full_maps, reliable_voxels
from osteoflow.mri.t2_setting import MIN_SAMPLES

RESIDUAL_LIMIT = 0.1
"""Largest misfit of a reliable voxel relative to its signal, beyond what the noise explains."""

UNCERTAINTY_LIMIT = 0.25
"""Largest standard error of a reliable T2, relative to it."""

NOISE_FACTOR = 5.0
"""A voxel whose largest sample exceeds the noise floor by fewer noise standard deviations holds
nothing but noise."""

MAPS = ("t2", "t2_standard_error", "b1", "s0", "residual")
"""Names of the maps."""


def assemble_maps(
    values: dict[str, np.ndarray],
    inside: np.ndarray,
    fitted: str,
    warnings: list[str],
    flags: dict[str, float],
) -> dict[str, np.ndarray]:
    """Full maps, the quality map, and a warning for every reason why voxels are unreliable.

    Parameters
    ----------
    values
        Per voxel, shape (voxels,): the ``MAPS``, NaN where there is no value; bool
        ``few_samples``, ``near_noise``, ``not_converged``, ``t2_at_bound``, ``b1_at_bound``,
        ``high_residual``.
    inside
        bool, shape (i, j, k): where those voxels lie.
    fitted
        Name of what is at its bound with ``b1_at_bound``.
    warnings, flags
        Receive a sentence and a count for every reason.

    Returns
    -------
    dict
        float32 maps of shape (i, j, k), NaN outside, and uint8 ``quality``.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        uncertain = ~(values["t2_standard_error"] <= UNCERTAINTY_LIMIT * values["t2"])
    few = values["few_samples"]
    reasons = {
        "few_samples": (few, f"fewer than {MIN_SAMPLES} usable samples, not fitted"),
        "near_noise": (
            values["near_noise"] & ~few,
            f"no sample exceeds the noise floor by {NOISE_FACTOR:g} standard deviations",
        ),
        "t2_at_bound": (values["t2_at_bound"], "T2 stopped at the bound of its range"),
        "b1_at_bound": (values["b1_at_bound"], f"{fitted} stopped at the bound of its range"),
        "not_converged": (values["not_converged"], "the fit did not converge"),
        "high_residual": (
            values["high_residual"],
            f"the misfit exceeds {100 * RESIDUAL_LIMIT:g} % of the signal and twice the noise",
        ),
        "t2_uncertain": (
            uncertain & ~few,
            f"the standard error of T2 exceeds {100 * UNCERTAINTY_LIMIT:g} %",
        ),
    }
    reliable = reliable_voxels(reasons, warnings, flags)
    return full_maps(values, MAPS, reliable, inside)
