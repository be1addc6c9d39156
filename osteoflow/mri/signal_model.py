"""The gradient-echo signal of water and multi-peak fat, and how well it can be inverted.

``S(t) = (W + F c(t)) exp((i 2 pi psi - R2*) t)`` with ``c(t) = sum_p a_p exp(i 2 pi f_p t)``:
complex water W and fat F, field psi in Hz, one R2* in 1/s for both (Yu H et al., Magn Reson Med
2008;60:1122-1134).
"""

from __future__ import annotations

import numpy as np

from osteoflow.mri.spectrum import FatSpectrum


def simulate_signal(
    water: np.ndarray,
    fat: np.ndarray,
    field_hz: np.ndarray,
    r2star: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spectrum: FatSpectrum,
) -> np.ndarray:
    """Noiseless signal.

    Parameters
    ----------
    water, fat, field_hz, r2star
        Complex amplitudes, field in Hz and R2* in 1/s; shapes that broadcast together.
    echo_times
        In s, shape (n,).
    field_strength
        In T.
    spectrum
        Fat spectrum.

    Returns
    -------
    ndarray
        complex128, the broadcast shape with the echoes as its last axis.
    """
    times = np.asarray(echo_times, dtype=float)
    water, fat, field_hz, r2star = np.broadcast_arrays(water, fat, field_hz, r2star)
    rate = 2j * np.pi * field_hz - r2star
    phasor = spectrum.phasor(times, field_strength)
    return (water[..., None] + fat[..., None] * phasor) * np.exp(rate[..., None] * times)


def fat_fraction(water: np.ndarray, fat: np.ndarray) -> np.ndarray:
    """Fat fraction in percent with magnitude discrimination.

    Water-dominant voxels read ``1 - |W|/|W+F|``, the others ``|F|/|W+F|``, so that the magnitude
    of a noise-only component does not bias the map (Liu CY et al., Magn Reson Med
    2007;58:354-364). Noise may carry values slightly outside 0..100 %; they are kept, because
    cutting them off would bias regional means. NaN where ``W + F`` vanishes.

    Parameters
    ----------
    water, fat
        Complex amplitudes of one shape.
    """
    water_magnitude, fat_magnitude, total = np.abs(water), np.abs(fat), np.abs(water + fat)
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(
            water_magnitude >= fat_magnitude, 1 - water_magnitude / total, fat_magnitude / total
        )
    return np.where(total > 0, 100 * fraction, np.nan)


def pdff_standard_error(
    echo_times: np.ndarray,
    field_strength: float,
    spectrum: FatSpectrum,
    pdff: float = 40.0,
    r2star: float = 50.0,
    snr: float = 100.0,
) -> float:
    """Cramer-Rao bound of the fat fraction in one voxel, in percentage points.

    Parameters
    ----------
    echo_times
        In s, shape (n,).
    field_strength
        In T.
    spectrum
        Fat spectrum.
    pdff, r2star, snr
        The voxel: fat fraction in percent, R2* in 1/s, and signal at echo time zero over the
        standard deviation of one real channel.

    Returns
    -------
    float
        Standard error; infinite where the six unknowns cannot be told apart.

    References
    ----------
    Pineda AR et al., Magn Reson Med 2005;54:625-635 (the bound for fat-water imaging).
    """
    times = np.asarray(echo_times, dtype=float)
    phasor = spectrum.phasor(times, field_strength)
    fat = pdff / 100
    decay = np.exp(-r2star * times)
    clean = (1 - fat + fat * phasor) * decay
    # derivatives by Re W, Im W, Re F, Im F, field, R2*
    jacobian = np.stack(
        [
            decay,
            1j * decay,
            phasor * decay,
            1j * phasor * decay,
            2j * np.pi * times * clean,
            -times * clean,
        ],
        axis=1,
    )
    real = np.concatenate([jacobian.real, jacobian.imag])
    scale = np.linalg.norm(real, axis=0)
    singular = np.linalg.svd(real / scale, compute_uv=False)
    if real.shape[0] < 6 or singular[-1] < 1e-9 * singular[0]:
        return float("inf")
    covariance = np.linalg.inv((real / scale).T @ (real / scale)) / np.outer(scale, scale) / snr**2
    # to first order the fraction |F|/|W+F| (and 1 - |W|/|W+F|) depends on the in-phase parts only
    gradient = np.array([-fat, 0, 1 - fat, 0, 0, 0])
    return float(100 * np.sqrt(gradient @ covariance @ gradient))
