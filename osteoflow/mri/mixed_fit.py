"""Refinement of a complex fat-water fit that ignores the phase of its first echoes.

Eddy currents leave a phase error on the first echo of a train that no water-fat model explains and
that the complex fit turns into fat. Its magnitude is sound, as are the other echoes: the mixed fit
compares magnitudes there and complex values elsewhere (Hernando D et al., Magn Reson Med
2012;67:638-644), without the noise and the ambiguity of a magnitude-only fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import R2STAR_BOUNDS
from osteoflow.mri.echo_stack import EchoTimes, check_echo_times
from osteoflow.mri.fat_water import FatWaterResult, fit_fat_water
from osteoflow.mri.fit_quality import assemble_maps
from osteoflow.mri.fit_setting import alternating
from osteoflow.mri.levenberg import Minimum, minimise
from osteoflow.mri.noise import NOISE_FACTOR
from osteoflow.mri.signal_model import fat_fraction
from osteoflow.mri.spectrum import FatSpectrum
from osteoflow.scipy_parts import special

UNKNOWNS = 6
"""Complex water and fat, field and R2*."""

RATE_SCALE = 100.0
"""R2* and angular field are fitted in this many 1/s, so that all unknowns are of one size."""

NOTABLE_PHASE_ERROR = 0.05
"""Median phase error in rad of an ignored echo above which it is told: left in, it biases PDFF
by up to 2 percentage points at 1.5 T."""

PHASE_SAMPLE_PERCENTILE = 50.0
"""Phase errors are read from voxels whose signal is above this percentile."""

CHUNK = 16384
"""Voxels fitted at once."""


def fit_mixed(
    signal: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spectrum: FatSpectrum,
    start: FatWaterResult,
    magnitude_echoes: Sequence[int] = (0,),
) -> FatWaterResult:
    """Refine a complex fit, taking some echoes by their magnitude only.

    Parameters
    ----------
    signal
        complex, shape (i, j, k, n_echoes), as given to the complex fit.
    echo_times
        s, shape (n_echoes,).
    field_strength
        T.
    spectrum
        Fat spectrum.
    start
        Result of `osteoflow.mri.fat_water.fit_fat_water` on this very signal: voxels, field, R2*
        and phase sign are taken from it.
    magnitude_echoes
        Indices of the echoes whose phase is ignored; by default the first.

    Returns
    -------
    FatWaterResult
        ``flags`` holds ``phase_error_echo_<n>_rad``, the median phase by which echo n (counted from
        1) misses the model. ``warnings`` are this fit's own; those of `start` about phase sign and
        echo times hold as well.

    Raises
    ------
    SubjectDataError
        ``too_few_echoes`` where the remaining numbers do not exceed the six unknowns;
        ``not_complex``, ``shape_mismatch`` or ``no_signal``.
    ValueError
        `magnitude_echoes` that are none, repeated or outside the train; a `start` without field.
    """
    echo = check_echo_times(echo_times)
    by_magnitude = _check(signal, echo, start, magnitude_echoes)
    warnings: list[str] = []
    flags: dict[str, float] = {}
    inside = np.isfinite(start.pdff)
    if not inside.any():
        raise SubjectDataError(
            "no_signal",
            "the complex fit holds no voxel to refine",
            "check the mask and the images of the complex fit",
        )
    data = signal[inside].T.astype(np.complex128)
    if start.phase_sign < 0:
        np.conjugate(data, out=data)
    norm = np.sqrt(np.sum(np.abs(data) ** 2, axis=0))
    data /= norm
    phasor = spectrum.phasor(echo.seconds, field_strength)
    values = _fit(
        data,
        norm,
        echo.seconds,
        phasor,
        by_magnitude,
        start.field[inside].astype(float),
        start.r2star[inside].astype(float),
    )
    if np.isfinite(start.field_period):
        values["field"] -= start.field_period * np.rint(values["field"] / start.field_period)
    phase_error = values.pop("phase_error")
    freedom = 2 * echo.seconds.size - int(by_magnitude.sum()) - UNKNOWNS
    variance = np.median((values["residual"] * norm) ** 2) / (
        2 * special.gammaincinv(freedom / 2, 0.5)
    )
    flags["noise_sd"] = float(np.sqrt(variance))
    values["near_noise"] = norm < NOISE_FACTOR * np.sqrt(variance * 2 * echo.seconds.size)
    flags["voxels_fitted"] = norm.size
    _tell_phase(phase_error, norm, np.flatnonzero(by_magnitude), warnings, flags)
    full = assemble_maps(values, inside, warnings, flags)
    return FatWaterResult(
        **full,
        phase_sign=start.phase_sign,
        field_period=start.field_period,
        warnings=warnings,
        flags=flags,
    )


def fit_phase_robust(
    signal: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spacing: np.ndarray,
    spectrum: FatSpectrum,
    mask: np.ndarray | None = None,
    phase_sign: int | None = None,
    magnitude_echoes: Sequence[int] = (0,),
    readout: str = "auto",
) -> FatWaterResult:
    """Complex fit of the echoes of sound phase, refined by the mixed fit of all of them.

    A phase error of the first echo not only biases a complex fit of all echoes: it can make the
    wrong phase sign explain the data better, which exchanges water and fat everywhere. Field and
    sign are therefore found without that echo.

    Parameters
    ----------
    signal, echo_times, field_strength, spacing, spectrum, mask, phase_sign
        As in `osteoflow.mri.fat_water.fit_fat_water`.
    magnitude_echoes
        As in `fit_mixed`; at least three others must remain.
    readout
        As in `fit_fat_water`; the phase of a bipolar readout is found in the sound echoes.

    Returns
    -------
    FatWaterResult
        Of `fit_mixed`, with the warnings of the complex fit about the data put before its own.

    Raises
    ------
    SubjectDataError, ValueError
        As `osteoflow.mri.fat_water.fit_fat_water` and `fit_mixed`.
    """
    times = np.asarray(echo_times, dtype=float)
    spacing = np.asarray(spacing, dtype=float)
    sound = np.setdiff1d(np.arange(times.size), list(magnitude_echoes))
    start = fit_fat_water(
        signal[..., sound],
        times[sound],
        field_strength,
        spacing,
        spectrum,
        mask,
        phase_sign=phase_sign,
        readout=readout,
        polarity=alternating(times.size)[sound],
    )
    if start.readout_phase is not None:
        signal = start.readout_phase.taken_from(signal, spacing, start.phase_sign)
    mixed = fit_mixed(signal, times, field_strength, spectrum, start, magnitude_echoes)
    # what the first fit says of single voxels or of a three-echo prior no longer holds
    outdated = ("unreliable", "no T2*", "three echoes")
    kept = [w for w in start.warnings if not any(part in w for part in outdated)]
    flags = {**start.flags, **mixed.flags}
    flags.pop("r2star_prior", None)
    return replace(
        mixed,
        readout_phase=start.readout_phase,
        warnings=kept + mixed.warnings,
        flags=flags,
    )


def _check(
    signal: np.ndarray, echo: EchoTimes, start: FatWaterResult, magnitude_echoes: Sequence[int]
) -> np.ndarray:
    """bool, shape (n_echoes,): which echoes go by magnitude."""
    count = echo.seconds.size
    if signal.ndim != 4 or signal.shape != (*start.pdff.shape, count):
        raise SubjectDataError(
            "shape_mismatch",
            f"image of shape {signal.shape} for maps of {start.pdff.shape} and {count} echo times",
            "give the images from which the complex fit was made",
        )
    if not np.iscomplexobj(signal):
        raise SubjectDataError(
            "not_complex",
            "the mixed fit needs complex images, these are real-valued",
            "export phase images along with the magnitude, or use the magnitude-only fit",
        )
    chosen = list(magnitude_echoes)
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(count)):
        raise ValueError(f"magnitude_echoes must be distinct indices below {count}, not {chosen}")
    if start.phase_sign not in (1, -1):
        raise ValueError("the start must come from a complex fit, with a field and a phase sign")
    if 2 * count - len(chosen) <= UNKNOWNS:
        raise SubjectDataError(
            "too_few_echoes",
            f"{count} echoes, {len(chosen)} of them without phase, do not determine water, fat, "
            "field and R2*",
            "acquire at least four echoes, or keep the complex fit",
        )
    by_magnitude = np.zeros(count, bool)
    by_magnitude[chosen] = True
    return by_magnitude


def _fit(
    data: np.ndarray,
    norm: np.ndarray,
    times: np.ndarray,
    phasor: np.ndarray,
    by_magnitude: np.ndarray,
    field_hz: np.ndarray,
    r2star: np.ndarray,
) -> dict[str, np.ndarray]:
    """Per-voxel results as `assemble_maps` takes them, and the phase error of ignored echoes."""
    voxels = norm.size
    names = ("pdff", "r2star", "water", "fat", "field", "residual")
    out = {name: np.empty(voxels) for name in names}
    out["converged"] = np.empty(voxels, bool)
    out["phase_error"] = np.empty((int(by_magnitude.sum()), voxels), np.complex128)
    for begin in range(0, voxels, CHUNK):
        part = slice(begin, begin + CHUNK)
        chunk = data[:, part]
        guess = _start(chunk, times, phasor, ~by_magnitude, field_hz[part], r2star[part])
        found = _minimum(chunk, times, phasor, by_magnitude, guess)
        p = found.parameters
        water, fat = p[0] + 1j * p[1], p[2] + 1j * p[3]
        out["pdff"][part] = fat_fraction(water, fat)
        out["water"][part] = np.abs(water) * norm[part]
        out["fat"][part] = np.abs(fat) * norm[part]
        out["r2star"][part] = p[4] * RATE_SCALE
        out["field"][part] = p[5] * RATE_SCALE / (2 * np.pi)
        out["residual"][part] = np.sqrt(np.maximum(2 * found.cost, 0))
        out["converged"][part] = found.converged
        model = _model(p, times, phasor)[0][by_magnitude]
        out["phase_error"][:, part] = chunk[by_magnitude] * model.conj()
    out["at_bound"] = (out["r2star"] <= R2STAR_BOUNDS[0]) | (out["r2star"] >= R2STAR_BOUNDS[1])
    return out


def _start(
    data: np.ndarray,
    times: np.ndarray,
    phasor: np.ndarray,
    with_phase: np.ndarray,
    field_hz: np.ndarray,
    r2star: np.ndarray,
) -> np.ndarray:
    """Parameters (6, voxels) with water and fat from the echoes whose phase is trusted."""
    turn = np.exp((2j * np.pi * field_hz - r2star) * times[with_phase, None])
    fatty = phasor[with_phase, None] * turn
    target = data[with_phase]
    g11 = np.sum(np.abs(turn) ** 2, axis=0)
    g22 = np.sum(np.abs(fatty) ** 2, axis=0)
    g12 = np.sum(turn.conj() * fatty, axis=0)
    y1, y2 = np.sum(turn.conj() * target, axis=0), np.sum(fatty.conj() * target, axis=0)
    determinant = g11 * g22 - np.abs(g12) ** 2
    water = (g22 * y1 - g12 * y2) / determinant
    fat = (g11 * y2 - g12.conj() * y1) / determinant
    return np.stack(
        [
            water.real,
            water.imag,
            fat.real,
            fat.imag,
            r2star / RATE_SCALE,
            2 * np.pi * field_hz / RATE_SCALE,
        ]
    )


def _model(
    parameters: np.ndarray, times: np.ndarray, phasor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Signal (echoes, voxels) and decaying turn exp((i omega - R2*) t) of each echo."""
    water = parameters[0] + 1j * parameters[1]
    fat = parameters[2] + 1j * parameters[3]
    rate = RATE_SCALE * (1j * parameters[5] - parameters[4])
    turn = np.exp(rate * times[:, None])
    return (water + phasor[:, None] * fat) * turn, turn


def _minimum(
    data: np.ndarray,
    times: np.ndarray,
    phasor: np.ndarray,
    by_magnitude: np.ndarray,
    guess: np.ndarray,
) -> Minimum:
    """Least squares over complex and magnitude differences; the cost is half the squared norm."""
    scaled_time = RATE_SCALE * times[:, None]

    def evaluate(
        parameters: np.ndarray, columns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        target = data[:, columns]
        model, turn = _model(parameters, times, phasor)
        # An echo without phase is compared in the direction of the model: turned there, its
        # difference and the derivatives have a real part only.
        length = np.abs(model)
        toward = np.where(length > 0, model / np.maximum(length, 1e-300), 1)
        difference = np.where(
            by_magnitude[:, None], length - np.abs(target), model - target
        ).astype(np.complex128)
        derivatives = (
            turn,
            1j * turn,
            phasor[:, None] * turn,
            1j * phasor[:, None] * turn,
            -scaled_time * model,
            1j * scaled_time * model,
        )
        rows = [np.where(by_magnitude[:, None], (d * toward.conj()).real, d) for d in derivatives]
        cost = 0.5 * np.sum(difference.real**2 + difference.imag**2, axis=0)
        gradient = np.stack([_dot(row, difference) for row in rows])
        curvature = np.empty((UNKNOWNS, UNKNOWNS, columns.size))
        for i in range(UNKNOWNS):
            for j in range(i, UNKNOWNS):
                curvature[i, j] = curvature[j, i] = _dot(rows[i], rows[j])
        return cost, gradient, curvature

    lower, upper = np.full(UNKNOWNS, -np.inf), np.full(UNKNOWNS, np.inf)
    lower[4], upper[4] = (bound / RATE_SCALE for bound in R2STAR_BOUNDS)
    tolerance = np.array([1e-5, 1e-5, 1e-5, 1e-5, 1e-4, 1e-4])
    return minimise(evaluate, guess, lower, upper, tolerance, iterations=60)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Real scalar product over the echoes."""
    return np.einsum("nv,nv->v", a.real, b.real) + np.einsum("nv,nv->v", a.imag, b.imag)


def _tell_phase(
    phase_error: np.ndarray,
    norm: np.ndarray,
    echoes: np.ndarray,
    warnings: list[str],
    flags: dict[str, float],
) -> None:
    """Median phase by which each ignored echo misses the model, from voxels of good signal."""
    strong = norm >= np.percentile(norm, PHASE_SAMPLE_PERCENTILE)
    for echo, error in zip(echoes, phase_error, strict=True):
        angle = float(np.median(np.angle(error[strong])))
        flags[f"phase_error_echo_{echo + 1}_rad"] = angle
        if abs(angle) > NOTABLE_PHASE_ERROR:
            warnings.append(
                f"the phase of echo {echo + 1} misses the water-fat model by {angle:.2f} rad "
                "(median); it was ignored, the complex fit takes it for fat or water"
            )
