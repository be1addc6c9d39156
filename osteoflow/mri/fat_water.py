"""PDFF, R2*, T2* and field maps from complex multi-echo gradient-echo images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import Candidates, FieldSearch, find_candidates
from osteoflow.mri.echo_stack import EchoTimes, check_echo_times
from osteoflow.mri.field_map import FieldPrior, choose_candidates
from osteoflow.mri.signal_model import fat_fraction, pdff_standard_error
from osteoflow.mri.spectrum import GYROMAGNETIC_RATIO_MHZ_PER_T, FatSpectrum
from osteoflow.mri.varpro import RatePrior, fit_rates

R2STAR_BOUNDS = (-100.0, 1000.0)
"""Range of R2* in 1/s. The negative part is noise's: stopping at zero would bias regional means."""

FIELD_LIMIT_PPM = 8.0
"""Half the field range searched where the echo times give no shorter period."""

SIGNAL_THRESHOLD = 0.05
"""Without a mask, voxels whose largest echo is below this fraction of the 98th percentile of all
voxels' largest echoes are background."""

NOISE_FACTOR = 2.0
"""Multiple of the noise's own norm below which a voxel holds nothing but noise."""

SIGMA_FLOOR = 0.005
"""Least standard deviation of the misfit relative to a voxel's signal norm: no model is exact, and
without noise the likelihood would otherwise be infinitely sharp."""

ASSUMED_SIGMA = 0.02
"""The same for data with as many unknowns as numbers, whose residual says nothing."""

THREE_ECHO_R2STAR = (50.0, 30.0)
"""Mean and standard deviation in 1/s of the R2* prior of a three-echo fit (stated, flagged)."""

RESIDUAL_LIMIT = 0.2
"""Largest relative residual of a reliable voxel."""

PDFF_TOLERANCE = 20.0
"""Percentage points outside 0..100 % beyond which water and fat contradict each other."""

ILL_CONDITIONED_PP = 5.0
"""Standard error of PDFF (40 %, R2* 50 1/s, SNR 100, one voxel) above which a setting is flagged."""

SIGN_SAMPLE = 12000
"""Voxels from which the phase sign is decided."""

SIGN_EVIDENCE = 10.0
"""Log-likelihood ratio below which the phase sign counts as undecided."""

CHUNK = 65536


@dataclass(frozen=True)
class FatWaterResult:
    """Maps (float32, shape (i, j, k), NaN where not fitted) and what must be told about them.

    Attributes
    ----------
    pdff
        Proton-density fat fraction, percent; noise may carry it slightly outside 0..100.
    r2star, t2star
        1/s and ms. T2* is NaN where R2* is not positive.
    water, fat
        Magnitudes at echo time zero, units of the input.
    field
        Hz, in the model's sign (after conjugation where `phase_sign` is -1); modulo
        `field_period`.
    residual
        Norm of the misfit over the norm of the signal.
    quality
        uint8: 1 where reliable, 0 elsewhere and outside.
    phase_sign
        +1 as in the model (fat at negative frequency), -1 if the data were conjugated.
    field_period
        Hz; infinite where the echo times have no common step.
    warnings
        Sentences for the sidecar and the report.
    flags
        Counts of voxels by reason, and numbers behind the warnings.
    """

    pdff: np.ndarray
    r2star: np.ndarray
    t2star: np.ndarray
    water: np.ndarray
    fat: np.ndarray
    field: np.ndarray
    residual: np.ndarray
    quality: np.ndarray
    phase_sign: int
    field_period: float
    warnings: list[str] = field(default_factory=list)
    flags: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Setting:
    """What is fixed for a whole fit."""

    echo: EchoTimes
    phasor: np.ndarray
    search: FieldSearch
    prior: RatePrior

    @property
    def degrees_of_freedom(self) -> int:
        return 2 * self.echo.seconds.size - 6


def fit_fat_water(
    signal: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spacing: np.ndarray,
    spectrum: FatSpectrum,
    mask: np.ndarray | None = None,
    phase_sign: int | None = None,
    field_prior: FieldPrior | None = None,
) -> FatWaterResult:
    """Joint complex fit of water, multi-peak fat, field and R2* in every voxel.

    The residual's local minima are found on a grid of field and R2*, one per voxel is chosen by a
    smooth field map over the volume, and refined by variable projection.

    Parameters
    ----------
    signal
        complex, shape (i, j, k, n_echoes), echoes in the order of `echo_times`.
    echo_times
        s, shape (n_echoes,), strictly increasing, at least three.
    field_strength
        T.
    spacing
        Voxel size in mm, shape (3,).
    spectrum
        Fat spectrum.
    mask
        bool, shape (i, j, k): voxels to fit. By default all above ``SIGNAL_THRESHOLD``.
    phase_sign
        +1 or -1; by default decided from the data.
    field_prior
        Strengths of the spatial model of the field.

    Returns
    -------
    FatWaterResult

    Raises
    ------
    SubjectDataError
        ``too_few_echoes``, ``invalid_echo_times``, ``shape_mismatch``, ``not_complex``,
        ``no_signal``.
    ValueError
        A `phase_sign`, `field_strength` or `spacing` that no image can have.

    References
    ----------
    Yu H et al., Magn Reson Med 2008;60:1122-1134 (model with multi-peak fat and R2*);
    Hernando D et al., Magn Reson Med 2008;59:571-580 (variable projection and a spatial prior).
    """
    echo = check_echo_times(echo_times)
    spacing = np.asarray(spacing, dtype=float)
    _check_arguments(signal, echo, field_strength, spacing, mask, phase_sign)
    warnings: list[str] = []
    flags: dict[str, float] = {}
    inside = _voxels_to_fit(signal, mask, warnings, flags)
    setting = _setting(echo, field_strength, spectrum, warnings, flags)

    box = tuple(slice(v.min(), v.max() + 1) for v in np.nonzero(inside))
    inside_box = inside[box]
    data, norm = _normalised(signal[box][inside_box])
    if phase_sign is None:
        phase_sign = _decide_phase_sign(data, norm, setting, warnings, flags)
    if phase_sign < 0:
        np.conjugate(data, out=data)
    candidates = find_candidates(
        data, echo.seconds, setting.phasor, setting.search, R2STAR_BOUNDS, setting.prior
    )
    near_noise = _near_noise(candidates.cost[0], norm, setting, flags)
    if mask is None and near_noise.any():
        keep = ~near_noise  # `inside_box` is a view of `inside`: both lose these voxels
        inside_box[inside_box] = keep
        data, norm = np.ascontiguousarray(data[:, keep]), norm[keep]
        candidates, near_noise = candidates.subset(keep), near_noise[keep]
        flags["voxels_background"] += int((~keep).sum())
        flags["voxels_fitted"] = int(keep.sum())
        if norm.size == 0:
            raise SubjectDataError(
                "no_signal",
                "no voxel rises above the noise of the images",
                "check that magnitude and phase belong together and that the phase is in radians",
            )
    field_hz, r2star = _spatial_choice(candidates, norm, inside_box, spacing, setting, field_prior)
    values = _refine(data, norm, field_hz, r2star, setting)
    values["near_noise"] = near_noise
    full = _to_maps(values, inside, warnings, flags)
    return FatWaterResult(
        **full,
        phase_sign=phase_sign,
        field_period=setting.search.period,
        warnings=warnings,
        flags=flags,
    )


def _check_arguments(
    signal: np.ndarray,
    echo: EchoTimes,
    field_strength: float,
    spacing: np.ndarray,
    mask: np.ndarray | None,
    phase_sign: int | None,
) -> None:
    if signal.ndim != 4 or signal.shape[-1] != echo.seconds.size:
        raise SubjectDataError(
            "shape_mismatch",
            f"image of shape {signal.shape} for {echo.seconds.size} echo times",
            "all echoes must be present once, with one matrix",
        )
    if mask is not None and mask.shape != signal.shape[:3]:
        raise SubjectDataError(
            "shape_mismatch",
            f"mask of shape {mask.shape} for an image of shape {signal.shape[:3]}",
            "bring the mask to the image's grid",
        )
    if not np.iscomplexobj(signal):
        raise SubjectDataError(
            "not_complex",
            "the joint fit needs complex images, these are real-valued",
            "export phase (or real and imaginary) images along with the magnitude",
        )
    if phase_sign not in (None, 1, -1):
        raise ValueError(f"phase_sign must be 1, -1 or None, not {phase_sign!r}")
    if not (np.isfinite(field_strength) and field_strength > 0):
        raise ValueError(f"field strength must be positive, not {field_strength} T")
    if spacing.shape != (3,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise ValueError(f"spacing must be three positive lengths in mm, not {spacing}")


def _voxels_to_fit(
    signal: np.ndarray,
    mask: np.ndarray | None,
    warnings: list[str],
    flags: dict[str, float],
) -> np.ndarray:
    """Voxels with usable signal, at least one."""
    peak = np.zeros(signal.shape[:3], np.float32)
    finite = np.ones(signal.shape[:3], bool)
    for index in range(signal.shape[3]):
        magnitude = np.abs(signal[..., index])
        finite &= np.isfinite(magnitude)
        np.maximum(peak, magnitude, out=peak, where=np.isfinite(magnitude))
    wanted = np.ones_like(finite) if mask is None else mask.astype(bool)
    invalid = int((wanted & ~finite).sum())
    flags["voxels_not_finite"] = invalid
    if invalid:
        warnings.append(f"{invalid} voxels hold NaN or infinite values and were not fitted")
    usable = wanted & finite & (peak > 0)
    if mask is None and usable.any():
        threshold = SIGNAL_THRESHOLD * float(np.percentile(peak[usable], 98))
        usable &= peak >= threshold
        flags["signal_threshold"] = threshold
        flags["voxels_background"] = int((finite & ~usable).sum())
    elif mask is not None:
        empty = int((wanted & finite & (peak == 0)).sum())
        flags["voxels_without_signal"] = empty
        if empty:
            warnings.append(f"{empty} voxels of the mask have no signal and were not fitted")
    if not usable.any():
        raise SubjectDataError(
            "no_signal",
            "no voxel with finite, non-zero signal to fit",
            "check that the images are not empty and that the mask overlaps them",
        )
    flags["voxels_fitted"] = int(usable.sum())
    return usable


def _setting(
    echo: EchoTimes,
    field_strength: float,
    spectrum: FatSpectrum,
    warnings: list[str],
    flags: dict[str, float],
) -> _Setting:
    standard_error = pdff_standard_error(echo.seconds, field_strength, spectrum)
    flags["pdff_standard_error_pp"] = standard_error
    if standard_error > ILL_CONDITIONED_PP:
        warnings.append(
            f"ill-conditioned echo times: PDFF 40 % at SNR 100 has a standard error of at least "
            f"{standard_error:.1f} percentage points per voxel (Cramer-Rao bound)"
        )
    prior = RatePrior()
    if 2 * echo.seconds.size <= 6:
        mean, sd = THREE_ECHO_R2STAR
        prior = RatePrior(mean, (ASSUMED_SIGMA / sd) ** 2)
        warnings.append(
            f"three echoes do not determine R2*: a prior of {mean:g} +- {sd:g} 1/s steadies it; "
            "the R2* and T2* maps are no measurement"
        )
        flags["r2star_prior"] = mean
    limit = FIELD_LIMIT_PPM * GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength
    search = FieldSearch.of(echo.field_period, limit)
    phasor = spectrum.phasor(echo.seconds, field_strength)
    return _Setting(echo, phasor, search, prior)


def _normalised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signal (echoes, voxels) of unit norm as complex64, and the norms."""
    norm = np.sqrt(np.sum(np.abs(values).astype(np.float64) ** 2, axis=1))
    scaled = values / norm[:, None]
    return np.ascontiguousarray(scaled.T, dtype=np.complex64), norm


def _noise_variance(cost: np.ndarray, norm: np.ndarray, setting: _Setting) -> float | None:
    """Variance of the noise of one real channel in units of the input squared.

    It is the same in every voxel; the median is robust against those the model does not fit.
    None where the fit leaves no degree of freedom to see it in.
    """
    if setting.degrees_of_freedom <= 0:
        return None
    return float(np.median(cost * norm**2) / stats.chi2.median(setting.degrees_of_freedom))


def _near_noise(
    cost: np.ndarray, norm: np.ndarray, setting: _Setting, flags: dict[str, float]
) -> np.ndarray:
    """Voxels whose signal cannot be told from noise."""
    variance = _noise_variance(cost, norm, setting)
    if variance is None:
        return np.zeros(norm.shape, bool)
    flags["noise_sd"] = float(np.sqrt(variance))
    return norm < NOISE_FACTOR * np.sqrt(variance * 2 * setting.echo.seconds.size)


def _misfit_variance(cost: np.ndarray, norm: np.ndarray, setting: _Setting) -> np.ndarray:
    """Variance of one real channel relative to each voxel's squared norm, with a floor."""
    noise = _noise_variance(cost, norm, setting)
    if noise is None:
        return np.full(cost.shape, ASSUMED_SIGMA**2)
    return noise / norm**2 + SIGMA_FLOOR**2


def _decide_phase_sign(
    data: np.ndarray,
    norm: np.ndarray,
    setting: _Setting,
    warnings: list[str],
    flags: dict[str, float],
) -> int:
    """Sign under which the multi-peak model explains the data better.

    Fat has lines on both sides of water, not mirrored ones: with the wrong sign the smallest
    possible residual of a fatty voxel stays above the noise.
    """
    stride = max(1, data.shape[1] // SIGN_SAMPLE)
    sample = np.ascontiguousarray(data[:, ::stride])
    costs = [
        find_candidates(
            s, setting.echo.seconds, setting.phasor, setting.search, R2STAR_BOUNDS, setting.prior
        ).cost[0]
        for s in (sample, sample.conj())
    ]
    variance = _misfit_variance(np.minimum(*costs), norm[::stride], setting)
    evidence = float(np.sum((costs[1] - costs[0]) / (2 * variance)))
    flags["phase_sign_log_likelihood_ratio"] = evidence
    if abs(evidence) < SIGN_EVIDENCE:
        warnings.append(
            "the data do not tell the sign of the phase (fat and water fit equally well both "
            "ways); +1 was assumed"
        )
        return 1
    return 1 if evidence > 0 else -1


def _spatial_choice(
    candidates: Candidates,
    norm: np.ndarray,
    inside: np.ndarray,
    spacing: np.ndarray,
    setting: _Setting,
    field_prior: FieldPrior | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Field and R2* of the chosen candidate, shape (voxels,)."""
    variance = _misfit_variance(candidates.cost[0], norm, setting)
    shape = (candidates.cost.shape[0], *inside.shape)
    field_hz = np.zeros(shape, np.float32)
    data_cost = np.full(shape, np.inf, np.float32)
    field_hz[:, inside] = candidates.field_hz
    data_cost[:, inside] = candidates.cost / (2 * variance)
    reliability = np.zeros(inside.shape, np.float32)
    # a voxel at the noise has random candidates; its weight reaches 1/2 at a norm of 10 sigma
    reliability[inside] = 1 / (1 + 100 * variance)
    chosen = choose_candidates(
        field_hz, data_cost, reliability, setting.search, spacing, field_prior
    )[inside]
    columns = np.arange(chosen.size)
    return candidates.field_hz[chosen, columns], candidates.r2star[chosen, columns]


def _refine(
    data: np.ndarray,
    norm: np.ndarray,
    field_hz: np.ndarray,
    r2star: np.ndarray,
    setting: _Setting,
) -> dict[str, np.ndarray]:
    """Fit to convergence in double precision; per-voxel results of shape (voxels,)."""
    voxels = norm.size
    names = ("pdff", "r2star", "water", "fat", "field", "residual")
    out = {name: np.empty(voxels, np.float32) for name in names}
    out["converged"] = np.empty(voxels, bool)
    out["at_bound"] = np.empty(voxels, bool)
    for start in range(0, voxels, CHUNK):
        part = slice(start, start + CHUNK)
        fit = fit_rates(
            data[:, part].astype(np.complex128),
            setting.echo.seconds,
            setting.phasor,
            field_hz[part].astype(float),
            r2star[part].astype(float),
            R2STAR_BOUNDS,
            setting.prior,
            iterations=60,
        )
        penalty = setting.prior.weight * (fit.r2star - setting.prior.mean) ** 2
        out["pdff"][part] = fat_fraction(fit.water, fit.fat)
        out["r2star"][part] = fit.r2star
        out["water"][part] = np.abs(fit.water) * norm[part]
        out["fat"][part] = np.abs(fit.fat) * norm[part]
        out["field"][part] = setting.search.difference(fit.field_hz)
        # rounding can leave a perfect fit an ulp below zero
        out["residual"][part] = np.sqrt(np.maximum(fit.cost - penalty, 0))
        out["converged"][part] = fit.converged
        out["at_bound"][part] = fit.at_bound
    return out


def _to_maps(
    values: dict[str, np.ndarray],
    inside: np.ndarray,
    warnings: list[str],
    flags: dict[str, float],
) -> dict[str, np.ndarray]:
    """Full maps, the quality map, and a warning for every reason why voxels are unreliable."""
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
    reliable = np.ones(pdff.shape, bool)
    for name, (where, sentence) in reasons.items():
        count = int(where.sum())
        flags[f"voxels_{name}"] = count
        if count:
            warnings.append(f"{count} of {pdff.size} voxels are marked unreliable: {sentence}")
        reliable &= ~where
    r2star = values["r2star"]
    no_decay = int((r2star <= 0).sum())
    flags["voxels_r2star_not_positive"] = no_decay
    if no_decay:
        warnings.append(f"{no_decay} voxels have R2* <= 0 and no T2*")
    t2star = np.full(r2star.shape, np.nan, np.float32)
    np.divide(1000, r2star, out=t2star, where=r2star > 0)

    maps = {**values, "t2star": t2star}
    full: dict[str, np.ndarray] = {}
    for name in ("pdff", "r2star", "t2star", "water", "fat", "field", "residual"):
        full[name] = np.full(inside.shape, np.nan, np.float32)
        full[name][inside] = maps[name]
    full["quality"] = np.zeros(inside.shape, np.uint8)
    full["quality"][inside] = reliable
    return full
