"""Maximum-likelihood fits of magnitude images, whose noise is Rician and never averages to zero.

The magnitude M of a complex signal of amplitude A with Gaussian noise of SD sigma in both channels
follows Rice's distribution (Gudbjartsson H, Patz S, Magn Reson Med 1995;34:910-914). Where A is no
longer far above sigma, least squares takes the noise floor for signal; the likelihood does not
(Sijbers J et al., IEEE Trans Med Imaging 1998;17:357-361). Root-sum-of-squares of several coils
follows a non-central chi distribution instead: its floor is higher than the one assumed here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from osteoflow.mri.levenberg import Minimum, minimise
from osteoflow.scipy_parts import special

LEAST_NOISE = 1e-4
"""Least noise SD relative to the signal: rounding, and no division by zero in noiseless images."""

NOISE_SAMPLE = 4000
"""Voxels from which the noise is estimated."""

NOISE_ROUNDS = 4
"""Most rounds of fit and estimate; each narrows the floor that the next one reckons with."""

AmplitudeModel = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From parameters (k, voxels) and the indices of these voxels to amplitudes (echoes, voxels) and
their derivatives (k, echoes, voxels)."""


def rician_cost(magnitude: np.ndarray, amplitude: np.ndarray, noise_sd: float) -> np.ndarray:
    """Negative log-likelihood of each sample, without the terms that the amplitude leaves alone.

    ``(M - A)^2 / (2 sigma^2) - log(exp(-z) I0(z))`` with ``z = M A / sigma^2``: the form in which
    nothing overflows at high SNR.
    """
    z = magnitude * amplitude / noise_sd**2
    return (magnitude - amplitude) ** 2 / (2 * noise_sd**2) - np.log(special.i0e(z))


def rician_mean(amplitude: np.ndarray, noise_sd: float) -> np.ndarray:
    """Expectation of the magnitude; ``sqrt(pi/2) sigma`` where there is no signal."""
    # Laguerre polynomial of order 1/2 in its overflow-free form
    y = (np.asarray(amplitude) / noise_sd) ** 2 / 4
    laguerre = (1 + 2 * y) * special.i0e(y) + 2 * y * special.i1e(y)
    return noise_sd * np.sqrt(np.pi / 2) * laguerre


def fit_rician(
    magnitude: np.ndarray,
    noise_sd: float,
    model: AmplitudeModel,
    start: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    tolerance: np.ndarray,
    iterations: int = 60,
) -> Minimum:
    """Maximum-likelihood parameters in every voxel.

    Parameters
    ----------
    magnitude
        Shape (echoes, voxels).
    noise_sd
        SD of one real channel, in units of `magnitude`; above zero.
    model
        Amplitude with derivatives.
    start
        Shape (k, voxels).
    bounds
        Smallest and largest parameters, each of shape (k,).
    tolerance
        Step below which a voxel has converged, shape (k,).
    iterations
        Most trial steps.

    Returns
    -------
    Minimum
        ``cost`` is the negative log-likelihood up to a constant, ``curvature`` the Fisher
        information.
    """
    variance = noise_sd**2

    def evaluate(
        parameters: np.ndarray, columns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        data = magnitude[:, columns]
        amplitude, jacobian = model(parameters, columns)
        z = data * amplitude / variance
        scaled_i0 = special.i0e(z)
        cost = ((data - amplitude) ** 2 / (2 * variance) - np.log(scaled_i0)).sum(axis=0)
        slope = (amplitude - data * (special.i1e(z) / scaled_i0)) / variance
        square = amplitude * amplitude
        # Fisher information of an amplitude, within 6 % of the exact integral at any SNR
        weight = square / (square + variance) / variance
        size = jacobian.shape[0]
        gradient = np.einsum("knv,nv->kv", jacobian, slope)
        curvature = np.empty((size, size, columns.size))
        for i in range(size):
            weighted = weight * jacobian[i]
            for j in range(i, size):
                curvature[i, j] = curvature[j, i] = np.einsum("nv,nv->v", weighted, jacobian[j])
        return cost, gradient, curvature

    return minimise(evaluate, start, *bounds, tolerance, iterations)


def estimate_noise(
    magnitude: np.ndarray,
    unknowns: int,
    fitted_amplitude: Callable[[np.ndarray, float], np.ndarray],
) -> float:
    """SD of one real channel from the misfit of the stronger half of the voxels.

    The median over voxels is robust against those that the model does not fit. Misfit of the model
    everywhere is taken for noise.

    Parameters
    ----------
    magnitude
        Shape (echoes, voxels), scaled so that the signal is about one.
    unknowns
        Parameters fitted per voxel, fewer than the echoes.
    fitted_amplitude
        From magnitudes (echoes, voxels) and a noise SD to the amplitudes fitted with it.

    Returns
    -------
    float
        In units of `magnitude`, at least ``LEAST_NOISE``.
    """
    peak = magnitude.max(axis=0)
    strong = np.flatnonzero(peak >= np.median(peak))
    sample = np.ascontiguousarray(magnitude[:, strong[:: max(1, strong.size // NOISE_SAMPLE)]])
    # The median of chi-squared; importing scipy.stats for it would take longer than the fit.
    median_chi2 = 2 * special.gammaincinv((magnitude.shape[0] - unknowns) / 2, 0.5)
    sd = 1e-2
    for _ in range(NOISE_ROUNDS):
        amplitude = fitted_amplitude(sample, sd)
        mean = rician_mean(amplitude, sd)
        # near the floor the magnitude scatters less than a real channel does
        spread = np.maximum(2 * sd**2 + amplitude**2 - mean**2, 0.1 * sd**2)
        misfit = np.median(((sample - mean) ** 2 / spread).sum(axis=0))
        change = float(np.sqrt(misfit / median_chi2))
        sd = max(sd * change, LEAST_NOISE)
        if abs(change - 1) < 0.02:
            break
    return sd
