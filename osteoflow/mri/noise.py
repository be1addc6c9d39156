"""Noise of complex echoes, read from how well the model fits."""

from __future__ import annotations

import numpy as np

from osteoflow.mri.fit_setting import ASSUMED_SIGMA, FitSetting
from osteoflow.scipy_parts import special

NOISE_FACTOR = 2.0
"""Multiple of the noise's own norm below which a voxel holds nothing but noise."""

SIGMA_FLOOR = 0.005
"""Least standard deviation of the misfit relative to a voxel's signal norm: no model is exact, and
without noise the likelihood would otherwise be infinitely sharp."""


def noise_variance(cost: np.ndarray, norm: np.ndarray, setting: FitSetting) -> float | None:
    """Variance of the noise of one real channel in units of the input squared.

    It is the same in every voxel; the median is robust against those the model does not fit.

    Parameters
    ----------
    cost
        Squared relative residual of the best candidate, shape (voxels,).
    norm
        Norm of each voxel's signal in units of the input, shape (voxels,).
    setting
        The fit.

    Returns
    -------
    float or None
        None where the fit leaves no degree of freedom to see noise in.
    """
    if setting.degrees_of_freedom <= 0:
        return None
    # The median of chi-squared; importing scipy.stats for it would take longer than the fit.
    median_chi2 = 2 * special.gammaincinv(setting.degrees_of_freedom / 2, 0.5)
    return float(np.median(cost * norm**2) / median_chi2)


def near_noise(
    cost: np.ndarray, norm: np.ndarray, setting: FitSetting, flags: dict[str, float]
) -> np.ndarray:
    """Voxels whose norm is below ``NOISE_FACTOR`` times that of noise in all echoes.

    Parameters as in `noise_variance`; `flags` receives the noise's standard deviation. All False
    where the noise cannot be seen.
    """
    variance = noise_variance(cost, norm, setting)
    if variance is None:
        return np.zeros(norm.shape, bool)
    flags["noise_sd"] = float(np.sqrt(variance))
    return norm < NOISE_FACTOR * np.sqrt(variance * 2 * setting.echo.seconds.size)


def misfit_variance(cost: np.ndarray, norm: np.ndarray, setting: FitSetting) -> np.ndarray:
    """Variance of one real channel relative to each voxel's squared norm, shape (voxels,).

    Parameters as in `noise_variance`. ``SIGMA_FLOOR`` is its floor; without a degree of freedom
    it is ``ASSUMED_SIGMA`` squared.
    """
    noise = noise_variance(cost, norm, setting)
    if noise is None:
        return np.full(cost.shape, ASSUMED_SIGMA**2)
    return noise / norm**2 + SIGMA_FLOOR**2
