"""PDFF and R2* from magnitude images alone, where phase was not kept or is not to be trusted.

``|W + F c(t)| exp(-R2* t)`` with water and fat in phase at echo time zero has two likelihood
maxima, one on either side of a fold that mostly lies near 57 % PDFF. With a single fat peak they
are mirror images; with the multi-peak spectrum they differ by a little more than the noise (Triay
Bagur A et al., Magn Reson Med 2019;82:460-475, MAGO). Both are found and compared under Rician
noise (Bray TJP et al., Magn Reson Med 2023;89:1173-1192, MAGORINO); what remains undecided is
decided together with the neighbours or flagged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import R2STAR_BOUNDS, R2STAR_GRID
from osteoflow.mri.echo_stack import EchoTimes, check_echo_times
from osteoflow.mri.fat_water import FatWaterResult
from osteoflow.mri.fit_quality import PDFF_TOLERANCE, assemble_maps
from osteoflow.mri.fit_setting import voxels_to_fit
from osteoflow.mri.levenberg import Minimum
from osteoflow.mri.noise import NOISE_FACTOR
from osteoflow.mri.rician import LEAST_NOISE, estimate_noise, fit_rician, rician_mean
from osteoflow.mri.spectrum import FatSpectrum
from osteoflow.mri.two_solutions import Decision, choose_solution

IMPRECISE_PP = 5.0
"""Median standard error of PDFF in one voxel, in points, above which it is told."""

MINIMUM_ECHOES = 4
"""Three unknowns and one number more, without which neither noise nor misfit can be seen."""

FRACTION_BOUNDS = (-PDFF_TOLERANCE / 100, 1 + PDFF_TOLERANCE / 100)
"""Range of the fat fraction. What lies outside 0..1 is noise's: stopping there would bias the means
of regions of pure water or fat."""

FRACTION_GRID = np.arange(-0.1, 1.1001, 0.04)
"""Fat fractions from which the search starts."""

FOLD_R2STAR = 50.0
"""R2* in 1/s at which the fold is located; it hardly depends on it."""

CHUNK = 16384
"""Voxels fitted at once."""


@dataclass(frozen=True)
class _Decay:
    """What the model needs of an acquisition."""

    times: np.ndarray
    phasor: np.ndarray

    def shape(self, fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``|1 - p + p c(t)|`` and its derivative by p, shape (echoes, *fraction.shape)."""
        column = (slice(None),) + (None,) * fraction.ndim
        real, imaginary = self.phasor.real[column], self.phasor.imag[column]
        a, b = 1 + fraction * (real - 1), fraction * imaginary
        size = np.hypot(a, b)
        slope = (a * (real - 1) + b * imaginary) / np.maximum(size, 1e-9)
        return size, slope

    def model(self, parameters: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes of (log(W + F), p, R2*) with derivatives, for `fit_rician`."""
        log_sum, fraction, rate = parameters
        size, slope = self.shape(fraction)
        decay = np.exp(log_sum - self.times[:, None] * rate)
        amplitude = size * decay
        return amplitude, np.stack([amplitude, slope * decay, -self.times[:, None] * amplitude])

    def fold(self) -> float:
        """Fat fraction between the two solutions: where the data say least about it."""
        fractions = np.linspace(0.2, 0.8, 121)
        size, slope = self.shape(fractions)
        decay = np.exp(-FOLD_R2STAR * self.times)[:, None]
        known = np.stack([size * decay, self.times[:, None] * size * decay], axis=-1)
        # fit of the derivative by those of W + F and R2*: what remains is information on p alone
        basis = np.linalg.qr(known.transpose(1, 0, 2))[0]
        tangent = (slope * decay).T
        inside = np.einsum("vnk,vn->vk", basis, tangent)
        information = np.sum(tangent**2, axis=1) - np.sum(inside**2, axis=1)
        return float(fractions[information.argmin()])


def fit_magnitude(
    magnitude: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spectrum: FatSpectrum,
    mask: np.ndarray | None = None,
    noise_sd: float | None = None,
    ask_neighbours: bool = True,
) -> FatWaterResult:
    """Fit water, multi-peak fat and R2* to magnitude images by maximum likelihood.

    What it cannot do: where the two solutions fit equally well the voxel is flagged
    ``water_fat_ambiguous`` and unreliable; near the fold (about 57 % PDFF) they merge and precision
    is poor, whatever the noise; a wrong spectrum favours the wrong solution. Prefer
    `osteoflow.mri.fat_water.fit_fat_water` wherever phase images exist.

    Parameters
    ----------
    magnitude
        Real, shape (i, j, k, n_echoes), in the order of `echo_times`, unfiltered.
    echo_times
        s, shape (n_echoes,), strictly increasing, at least ``MINIMUM_ECHOES``.
    field_strength
        T, the true one (`osteoflow.mri.field_strength`).
    spectrum
        Fat spectrum.
    mask
        bool, shape (i, j, k): voxels to fit. By default all above ``SIGNAL_THRESHOLD`` and the
        noise.
    noise_sd
        SD of one real channel in units of the image. By default estimated from the misfit of the
        stronger half of the voxels.
    ask_neighbours
        Decide undecided voxels together with those around them. The maps' values stay each voxel's
        own; only which of its two solutions is taken depends on the neighbours.

    Returns
    -------
    FatWaterResult
        ``field`` is NaN and ``phase_sign`` 0: magnitudes know neither. ``flags`` counts
        ``voxels_water_fat_ambiguous`` and ``voxels_decided_by_neighbours``.

    Raises
    ------
    SubjectDataError
        ``too_few_echoes``, ``invalid_echo_times``, ``shape_mismatch``, ``not_magnitude``,
        ``no_signal``.
    ValueError
        A `field_strength` or `noise_sd` that no image can have.

    References
    ----------
    See the module's docstring.
    """
    echo = check_echo_times(echo_times, MINIMUM_ECHOES)
    check_magnitude(magnitude, echo, mask, noise_sd)
    if not (np.isfinite(field_strength) and field_strength > 0):
        raise ValueError(f"field strength must be positive, not {field_strength} T")
    warnings: list[str] = []
    flags: dict[str, float] = {}
    inside = voxels_to_fit(magnitude, mask, warnings, flags)
    decay = _Decay(echo.seconds, spectrum.phasor(echo.seconds, field_strength))
    fold = decay.fold()

    data = np.ascontiguousarray(magnitude[inside].T, dtype=np.float64)
    unit = float(np.percentile(data.max(axis=0), 98))
    data /= unit
    sd = _noise(data, decay, fold, None if noise_sd is None else noise_sd / unit, warnings)
    flags["noise_sd"] = sd * unit
    norm = np.sqrt(np.sum(data**2, axis=0))
    noisy = norm < NOISE_FACTOR * sd * np.sqrt(2 * echo.seconds.size)
    if mask is None and noisy.any():
        inside[inside] = ~noisy
        data, norm = np.ascontiguousarray(data[:, ~noisy]), norm[~noisy]
        flags["voxels_background"] += int(noisy.sum())
        flags["voxels_fitted"] = norm.size
        noisy = np.zeros(norm.size, bool)
        if norm.size == 0:
            raise SubjectDataError(
                "no_signal",
                "no voxel rises above the noise of the images",
                "check that the images are the unfiltered magnitudes of a gradient-echo series",
            )
    solutions = _two_solutions(data, decay, fold, sd)
    decided = choose_solution(solutions, norm, sd, inside, ask_neighbours)
    values = _chosen_values(data, decay, solutions, decided, norm, sd, unit)
    values["near_noise"] = noisy
    full = assemble_maps(values, inside, warnings, flags)
    _report_choice(full["quality"], inside, values["at_fraction_bound"], decided, warnings, flags)
    _report_precision(solutions, decided, fold, warnings, flags)
    return FatWaterResult(
        **full,
        phase_sign=0,
        field_period=float("inf"),
        warnings=warnings,
        flags=flags,
    )


def _noise(
    data: np.ndarray, decay: _Decay, fold: float, given: float | None, warnings: list[str]
) -> float:
    """SD of one real channel: the given one, or that of the misfit of the better solutions."""
    if given is not None:
        return max(given, LEAST_NOISE)

    def fitted(sample: np.ndarray, sd: float) -> np.ndarray:
        low, high = _two_solutions(sample, decay, fold, sd, iterations=30)
        best = np.where(low.cost <= high.cost, low.parameters, high.parameters)
        return decay.model(best, np.arange(best.shape[1]))[0]

    sd = estimate_noise(data, 3, fitted)
    if sd <= LEAST_NOISE:
        warnings.append("no noise is seen in the images; its floor was not modelled")
    return sd


def check_magnitude(
    magnitude: np.ndarray,
    echo: EchoTimes,
    mask: np.ndarray | None,
    noise_sd: float | None = None,
) -> None:
    """Refuse magnitude images that are none or do not fit the echo times or the mask.

    Raises
    ------
    SubjectDataError
        ``shape_mismatch`` or ``not_magnitude``.
    ValueError
        A `noise_sd` that is not positive.
    """
    if magnitude.ndim != 4 or magnitude.shape[-1] != echo.seconds.size:
        raise SubjectDataError(
            "shape_mismatch",
            f"image of shape {magnitude.shape} for {echo.seconds.size} echo times",
            "all echoes must be present once, with one matrix",
        )
    if mask is not None and mask.shape != magnitude.shape[:3]:
        raise SubjectDataError(
            "shape_mismatch",
            f"mask of shape {mask.shape} for an image of shape {magnitude.shape[:3]}",
            "bring the mask to the image's grid",
        )
    if np.iscomplexobj(magnitude) or (magnitude < 0).any():
        raise SubjectDataError(
            "not_magnitude",
            "the images are complex or hold negative values, so they are no magnitudes",
            "give the magnitude images; real and imaginary parts belong to the complex fit",
        )
    if noise_sd is not None and not (np.isfinite(noise_sd) and noise_sd > 0):
        raise ValueError(f"noise SD must be positive, not {noise_sd}")


def _two_solutions(
    data: np.ndarray, decay: _Decay, fold: float, sd: float, iterations: int = 60
) -> tuple[Minimum, Minimum]:
    """Best fit from below and from above the fold in every voxel."""
    voxels = data.shape[1]
    bounds = (
        np.array([np.log(1e-6), FRACTION_BOUNDS[0], R2STAR_BOUNDS[0]]),
        np.array([np.log(1e4), FRACTION_BOUNDS[1], R2STAR_BOUNDS[1]]),
    )
    tolerance = np.array([1e-5, 1e-5, 1e-2])
    grid = FRACTION_GRID
    sides = (grid[grid <= fold], grid[grid > fold])
    parts: tuple[list[Minimum], list[Minimum]] = ([], [])
    for start in range(0, voxels, CHUNK):
        chunk = data[:, start : start + CHUNK]
        for fractions, found in zip(sides, parts, strict=True):
            guess = _grid_start(chunk, decay, fractions, sd)
            found.append(fit_rician(chunk, sd, decay.model, guess, bounds, tolerance, iterations))
    return _joined(parts[0]), _joined(parts[1])


def _joined(parts: list[Minimum]) -> Minimum:
    return Minimum(
        *(
            np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in ("parameters", "cost", "curvature", "converged")
        )
    )


def _grid_start(data: np.ndarray, decay: _Decay, fractions: np.ndarray, sd: float) -> np.ndarray:
    """Best (log(W + F), p, R2*) of a grid in least squares, shape (3, voxels)."""
    rates = np.array(R2STAR_GRID)
    size, _ = decay.shape(fractions)
    template = size[:, :, None] * np.exp(-decay.times[:, None, None] * rates)
    template = template.reshape(decay.times.size, -1)
    length = np.linalg.norm(template, axis=0)
    # the squared magnitude exceeds the squared amplitude by twice the variance on average
    floorless = np.sqrt(np.maximum(data**2 - 2 * sd**2, 0)).astype(np.float32)
    score = floorless.T @ (template / length).astype(np.float32)
    best = score.argmax(axis=1)
    amplitude = score[np.arange(best.size), best] / length[best]
    return np.stack(
        [
            np.log(np.maximum(amplitude, 1e-6)),
            fractions[best // rates.size],
            rates[best % rates.size],
        ]
    )


def _chosen_values(
    data: np.ndarray,
    decay: _Decay,
    solutions: tuple[Minimum, Minimum],
    decided: Decision,
    norm: np.ndarray,
    sd: float,
    unit: float,
) -> dict[str, np.ndarray]:
    """Per-voxel results as `assemble_maps` takes them."""
    low, high = solutions
    log_sum, fraction, rate = decided.pick(low.parameters, high.parameters)
    amplitude, _ = decay.model(np.stack([log_sum, fraction, rate]), np.arange(rate.size))
    misfit = np.sqrt(np.sum((data - rician_mean(amplitude, sd)) ** 2, axis=0))
    total = unit * np.exp(log_sum)
    return {
        "pdff": 100 * fraction,
        "r2star": rate,
        "water": np.abs(total * (1 - fraction)),
        "fat": np.abs(total * fraction),
        "field": np.full(rate.size, np.nan),
        "residual": misfit / norm,
        "converged": decided.pick(low.converged, high.converged),
        "at_bound": (rate <= R2STAR_BOUNDS[0]) | (rate >= R2STAR_BOUNDS[1]),
        "at_fraction_bound": (fraction <= FRACTION_BOUNDS[0]) | (fraction >= FRACTION_BOUNDS[1]),
    }


def _report_choice(
    quality: np.ndarray,
    inside: np.ndarray,
    at_fraction_bound: np.ndarray,
    decided: Decision,
    warnings: list[str],
    flags: dict[str, float],
) -> None:
    """Mark undecided voxels as unreliable, in place, and tell how many there are."""
    count = int(decided.ambiguous.sum())
    total = decided.ambiguous.size
    flags["voxels_water_fat_ambiguous"] = count
    flags["voxels_decided_by_neighbours"] = int(decided.by_neighbours.sum())
    flags["voxels_pdff_at_bound"] = int(at_fraction_bound.sum())
    if count:
        warnings.append(
            f"{count} of {total} voxels are marked unreliable: water_fat_ambiguous, a water- and "
            "a fat-dominant solution explain the magnitudes equally well"
        )
    if at_fraction_bound.any():
        warnings.append(
            f"{int(at_fraction_bound.sum())} of {total} voxels are marked unreliable: PDFF stopped "
            f"at its bound ({100 * FRACTION_BOUNDS[0]:g} or {100 * FRACTION_BOUNDS[1]:g} %)"
        )
    quality[inside] &= ~(decided.ambiguous | at_fraction_bound)


def _report_precision(
    solutions: tuple[Minimum, Minimum],
    decided: Decision,
    fold: float,
    warnings: list[str],
    flags: dict[str, float],
) -> None:
    """Tell the standard error that the Fisher information leaves, and where the fold lies."""
    h = decided.pick(solutions[0].curvature, solutions[1].curvature)
    minor = h[0, 0] * h[2, 2] - h[0, 2] ** 2
    lost = h[0, 1] ** 2 * h[2, 2] - 2 * h[0, 1] * h[1, 2] * h[0, 2] + h[1, 2] ** 2 * h[0, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        information = h[1, 1] - lost / minor
        error = np.where(information > 0, 100 / np.sqrt(information), np.inf)
    flags["pdff_standard_error_pp"] = float(np.median(error))
    flags["pdff_fold"] = 100 * fold
    warnings.append(
        f"magnitude-only fit: two solutions lie on either side of {100 * fold:.0f} % PDFF, near "
        "which it is least precise"
    )
    if flags["pdff_standard_error_pp"] > IMPRECISE_PP:
        warnings.append(
            f"the median standard error of PDFF is {flags['pdff_standard_error_pp']:.1f} "
            "percentage points per voxel"
        )
