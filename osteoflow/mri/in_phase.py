"""Mono-exponential T2* from the echoes at which fat and water are in phase.

A mono-exponential decay through all echoes of fatty marrow takes the beating of fat and water for
decay or for the lack of it. At multiples of the period of fat's main peak this beat is gone, but
the minor peaks are not in phase there: what remains biases T2*, the more so the more fat there is.
The joint fit (`osteoflow.mri.fat_water`) has neither fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import R2STAR_BOUNDS
from osteoflow.mri.echo_stack import check_echo_times
from osteoflow.mri.fit_quality import RESIDUAL_LIMIT
from osteoflow.mri.fit_setting import voxels_to_fit
from osteoflow.mri.magnitude_fit import check_magnitude
from osteoflow.mri.noise import NOISE_FACTOR
from osteoflow.mri.reliability import full_maps
from osteoflow.mri.rician import LEAST_NOISE, estimate_noise, fit_rician, rician_mean
from osteoflow.mri.spectrum import GYROMAGNETIC_RATIO_MHZ_PER_T, WATER_PPM, load_fat_spectrum

MAIN_PEAK_PPM = 1.30
"""Chemical shift of fat's main (methylene) peak, ppm."""

TOLERANCE = 0.1
"""Share of the main peak's period by which an echo may miss an in-phase time: 0.23 ms at 3 T, where
the signal of equal parts of water and fat has lost 5 %."""

MINIMUM_ECHOES = 3
"""Two unknowns and one number more, without which neither noise nor misfit can be seen."""

BIAS_EXAMPLE_PDFF = 50.0
BIAS_EXAMPLE_R2STAR = 100.0
"""Voxel (percent, 1/s) for which the warning states the bias of the chosen echoes."""

CHUNK = 65536
"""Voxels fitted at once."""


@dataclass(frozen=True)
class InPhaseResult:
    """Maps (float32, shape (i, j, k), NaN where not fitted) and what must be told about them.

    Attributes
    ----------
    r2star, t2star
        1/s and ms; T2* is NaN where R2* is not positive.
    amplitude
        Signal extrapolated to echo time zero, units of the input.
    residual
        Norm of the misfit over the norm of the signal.
    quality
        uint8: 1 where reliable.
    echoes_used
        Indices of the in-phase echoes.
    warnings, flags
        As in `osteoflow.mri.fat_water.FatWaterResult`.
    """

    r2star: np.ndarray
    t2star: np.ndarray
    amplitude: np.ndarray
    residual: np.ndarray
    quality: np.ndarray
    echoes_used: tuple[int, ...]
    warnings: list[str] = field(default_factory=list)
    flags: dict[str, float] = field(default_factory=dict)


def fat_period(field_strength: float) -> float:
    """Period of fat's main peak relative to water, s: 4.61 ms at 1.5 T, 2.30 ms at 3 T."""
    shift = WATER_PPM - MAIN_PEAK_PPM
    return 1 / (GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength * shift)


def cycles(echo_times: np.ndarray, field_strength: float) -> np.ndarray:
    """Turns of fat's main peak against water at each echo time in s."""
    return np.asarray(echo_times, dtype=float) / fat_period(field_strength)


def in_phase_echoes(
    echo_times: np.ndarray, field_strength: float, tolerance: float = TOLERANCE
) -> np.ndarray:
    """bool, shape (n,): echo times within `tolerance` periods of an in-phase time."""
    turns = cycles(echo_times, field_strength)
    return np.abs(turns - np.rint(turns)) <= tolerance


def residual_bias(
    echo_times: np.ndarray,
    field_strength: float,
    pdff: float = BIAS_EXAMPLE_PDFF,
    r2star: float = BIAS_EXAMPLE_R2STAR,
) -> float:
    """Error in 1/s of a noiseless mono-exponential fit at these echo times, bone-marrow fat.

    Parameters
    ----------
    echo_times
        s, shape (n,), those that enter the fit.
    field_strength
        T.
    pdff, r2star
        True fat fraction in percent and R2* in 1/s.
    """
    times = np.asarray(echo_times, dtype=float)
    phasor = load_fat_spectrum("bone_marrow").phasor(times, field_strength)
    signal = np.abs(1 - pdff / 100 + pdff / 100 * phasor) * np.exp(-r2star * times)
    fitted, _ = _fit(signal[:, None], times, LEAST_NOISE)
    return float(fitted[1, 0]) - r2star


def fit_in_phase(
    magnitude: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    mask: np.ndarray | None = None,
    noise_sd: float | None = None,
    tolerance: float = TOLERANCE,
    minimum_echoes: int = MINIMUM_ECHOES,
) -> InPhaseResult:
    """Fit one exponential to the in-phase echoes by maximum likelihood under Rician noise.

    Parameters
    ----------
    magnitude
        Real, shape (i, j, k, n_echoes); all echoes, of which the in-phase ones are taken.
    echo_times
        s, shape (n_echoes,), strictly increasing.
    field_strength
        T, the true one.
    mask
        bool, shape (i, j, k): voxels to fit. By default all above ``SIGNAL_THRESHOLD``.
    noise_sd
        SD of one real channel in units of the image. By default estimated from the misfit; with
        two echoes it cannot be, and without it their noise floor is not modelled.
    tolerance
        Share of the fat period by which an echo may miss an in-phase time.
    minimum_echoes
        Fewest in-phase echoes, at least two.

    Returns
    -------
    InPhaseResult

    Raises
    ------
    SubjectDataError
        ``too_few_in_phase_echoes``, ``invalid_echo_times``, ``shape_mismatch``,
        ``not_magnitude``, ``no_signal``.
    ValueError
        A `field_strength`, `noise_sd`, `tolerance` or `minimum_echoes` that makes no sense.
    """
    echo = check_echo_times(echo_times, 2)
    check_magnitude(magnitude, echo, mask, noise_sd)
    if not (np.isfinite(field_strength) and field_strength > 0):
        raise ValueError(f"field strength must be positive, not {field_strength} T")
    if not 0 < tolerance < 0.25 or minimum_echoes < 2:
        raise ValueError("tolerance must lie between 0 and 0.25, minimum_echoes be 2 or more")
    used = _used_echoes(echo.seconds, field_strength, tolerance, minimum_echoes)
    warnings: list[str] = []
    flags: dict[str, float] = {}
    times = echo.seconds[used]
    chosen = magnitude[..., used]
    inside = voxels_to_fit(chosen, mask, warnings, flags)
    data = np.ascontiguousarray(chosen[inside].T, dtype=np.float64)
    unit = float(np.percentile(data.max(axis=0), 98))
    data /= unit
    sd = _noise(data, times, None if noise_sd is None else noise_sd / unit, warnings)
    flags["noise_sd"] = sd * unit
    _tell_limits(used, echo.seconds, field_strength, warnings, flags)

    fitted, converged = _fit_all(data, times, sd)
    amplitude = np.exp(fitted[0] - times[:, None] * fitted[1])
    norm = np.sqrt(np.sum(data**2, axis=0))
    residual = np.sqrt(np.sum((data - rician_mean(amplitude, sd)) ** 2, axis=0)) / norm
    rate = fitted[1]
    reasons = {
        "near_noise": norm < NOISE_FACTOR * sd * np.sqrt(2 * times.size),
        "r2star_at_bound": (rate <= R2STAR_BOUNDS[0]) | (rate >= R2STAR_BOUNDS[1]),
        "not_converged": ~converged,
        "high_residual": residual > RESIDUAL_LIMIT,
    }
    reliable = _reliable(reasons, warnings, flags)
    values = {
        "r2star": rate,
        "t2star": _t2star(rate, warnings, flags),
        "amplitude": unit * np.exp(fitted[0]),
        "residual": residual,
    }
    return InPhaseResult(
        **full_maps(values, values, reliable, inside),
        echoes_used=tuple(int(index) for index in used),
        warnings=warnings,
        flags=flags,
    )


def _used_echoes(
    seconds: np.ndarray, field_strength: float, tolerance: float, minimum: int
) -> np.ndarray:
    """Indices of the in-phase echoes.

    Raises
    ------
    SubjectDataError
        ``too_few_in_phase_echoes``.
    """
    used = np.flatnonzero(in_phase_echoes(seconds, field_strength, tolerance))
    if used.size < minimum:
        period = 1e3 * fat_period(field_strength)
        raise SubjectDataError(
            "too_few_in_phase_echoes",
            f"{used.size} of {seconds.size} echoes lie within {100 * tolerance:g} % of a "
            f"multiple of {period:.2f} ms, {minimum} are needed",
            "use the joint water-fat fit, or acquire echoes at which fat and water are in phase",
        )
    return used


def _reliable(
    reasons: Mapping[str, np.ndarray], warnings: list[str], flags: dict[str, float]
) -> np.ndarray:
    """Voxels that no reason makes unreliable, with a count and a sentence for every reason."""
    voxels = next(iter(reasons.values())).size
    reliable = np.ones(voxels, bool)
    for name, where in reasons.items():
        flags[f"voxels_{name}"] = int(where.sum())
        if where.any():
            warnings.append(f"{int(where.sum())} of {voxels} voxels are marked unreliable: {name}")
        reliable &= ~where
    return reliable


def _t2star(rate: np.ndarray, warnings: list[str], flags: dict[str, float]) -> np.ndarray:
    """T2* in ms of R2* in 1/s; NaN where R2* is not positive, which is told."""
    flags["voxels_r2star_not_positive"] = int((rate <= 0).sum())
    if (rate <= 0).any():
        warnings.append(f"{int((rate <= 0).sum())} voxels have R2* <= 0 and no T2*")
    t2star = np.full(rate.size, np.nan)
    np.divide(1000, rate, out=t2star, where=rate > 0)
    return t2star


def _fit_all(data: np.ndarray, times: np.ndarray, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_fit`, so many voxels at once as fit the memory."""
    voxels = data.shape[1]
    fitted = np.empty((2, voxels))
    converged = np.empty(voxels, bool)
    for start in range(0, voxels, CHUNK):
        part = slice(start, start + CHUNK)
        fitted[:, part], converged[part] = _fit(data[:, part], times, sd)
    return fitted, converged


def _fit(data: np.ndarray, times: np.ndarray, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """(log amplitude, R2*) and convergence of each voxel; data of shape (echoes, voxels)."""

    def model(parameters: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        amplitude = np.exp(parameters[0] - times[:, None] * parameters[1])
        return amplitude, np.stack([amplitude, -times[:, None] * amplitude])

    # log-linear start, weighted by the squared signal: the floor of late echoes hardly counts
    safe = np.maximum(data, 1e-6)
    weight = safe**2
    total = weight.sum(axis=0)
    mean_time = (weight * times[:, None]).sum(axis=0) / total
    log_signal = np.log(safe)
    mean_log = (weight * log_signal).sum(axis=0) / total
    centred = times[:, None] - mean_time
    variance = np.maximum((weight * centred**2).sum(axis=0), np.finfo(float).tiny)
    rate = -(weight * centred * (log_signal - mean_log)).sum(axis=0) / variance
    rate = np.clip(rate, 0.9 * R2STAR_BOUNDS[0], 0.9 * R2STAR_BOUNDS[1])
    start = np.stack([mean_log + rate * mean_time, rate])
    bounds = (np.array([np.log(1e-7), R2STAR_BOUNDS[0]]), np.array([50.0, R2STAR_BOUNDS[1]]))
    found = fit_rician(data, sd, model, start, bounds, np.array([1e-5, 1e-3]))
    return found.parameters, found.converged


def _noise(data: np.ndarray, times: np.ndarray, given: float | None, warnings: list[str]) -> float:
    """SD of one channel relative to `data`: as given, or from the misfit of the strong voxels."""
    if given is not None:
        return max(given, LEAST_NOISE)
    if times.size == 2:
        warnings.append(
            "two echoes leave no misfit in which noise could be seen: its floor was not modelled"
        )
        return LEAST_NOISE

    def fitted(sample: np.ndarray, sd: float) -> np.ndarray:
        (log_amplitude, rate), _ = _fit(sample, times, sd)
        return np.exp(log_amplitude - times[:, None] * rate)

    return estimate_noise(data, 2, fitted)


def _tell_limits(
    used: np.ndarray,
    times: np.ndarray,
    field_strength: float,
    warnings: list[str],
    flags: dict[str, float],
) -> None:
    """Warning about minor fat peaks, with the bias they cause at the very echoes used."""
    bias = residual_bias(times[used], field_strength)
    flags["echoes_used"] = used.size
    flags["in_phase_bias_per_s"] = bias
    warnings.append(
        f"mono-exponential T2* from {used.size} in-phase echoes: fat's minor peaks are not in "
        f"phase there and bias it; in marrow with {BIAS_EXAMPLE_PDFF:g} % fat a true R2* of "
        f"{BIAS_EXAMPLE_R2STAR:g} 1/s reads {BIAS_EXAMPLE_R2STAR + bias:.0f} 1/s at these echoes"
    )
