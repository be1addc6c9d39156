"""PDFF, R2*, T2* and field maps from complex multi-echo gradient-echo images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import R2STAR_BOUNDS, Candidates, find_candidates
from osteoflow.mri.echo_stack import check_echo_times
from osteoflow.mri.field_map import FieldPrior, choose_candidates
from osteoflow.mri.fit_quality import assemble_maps
from osteoflow.mri.fit_setting import (
    FitSetting,
    check_arguments,
    make_setting,
    normalised,
    voxels_to_fit,
)
from osteoflow.mri.noise import misfit_variance, near_noise
from osteoflow.mri.phase_conventions import READOUTS, decide_convention
from osteoflow.mri.readout_phase import ReadoutPhase
from osteoflow.mri.signal_model import fat_fraction
from osteoflow.mri.spectrum import FatSpectrum
from osteoflow.mri.varpro import fit_rates

CHUNK = 65536
"""Voxels refined at once; bounds the memory of results in double precision."""


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
    readout_phase
        Phase between odd and even echoes that was taken out, in the model's sign; None if none was.
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
    readout_phase: ReadoutPhase | None = None
    warnings: list[str] = field(default_factory=list)
    flags: dict[str, float] = field(default_factory=dict)


def fit_fat_water(
    signal: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spacing: np.ndarray,
    spectrum: FatSpectrum,
    mask: np.ndarray | None = None,
    phase_sign: int | None = None,
    readout: str = "auto",
    field_prior: FieldPrior | None = None,
    polarity: np.ndarray | None = None,
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
    readout
        ``monopolar``, ``bipolar`` or ``auto``, which decides from the data.
    field_prior
        Strengths of the spatial model of the field.
    polarity
        +1 or -1 for the side from which each echo is read, shape (n_echoes,); by default in turns.

    Returns
    -------
    FatWaterResult

    Raises
    ------
    SubjectDataError
        ``too_few_echoes``, ``invalid_echo_times``, ``shape_mismatch``, ``not_complex``,
        ``no_signal``.
    ValueError
        A `phase_sign`, `readout`, `field_strength` or `spacing` that no image can have.

    References
    ----------
    Yu H et al., Magn Reson Med 2008;60:1122-1134 (model with multi-peak fat and R2*);
    Hernando D et al., Magn Reson Med 2008;59:571-580 (variable projection and a spatial prior).
    """
    echo = check_echo_times(echo_times)
    spacing = np.asarray(spacing, dtype=float)
    check_arguments(signal, echo, field_strength, spacing, mask, phase_sign)
    if readout not in READOUTS:
        raise ValueError(f"readout must be one of {', '.join(READOUTS)}, not {readout!r}")
    warnings: list[str] = []
    flags: dict[str, float] = {}
    inside = voxels_to_fit(signal, mask, warnings, flags)
    setting = make_setting(echo, field_strength, spectrum, warnings, flags, polarity)

    box = tuple(slice(v.min(), v.max() + 1) for v in np.nonzero(inside))
    inside_box = inside[box]
    data, norm = normalised(signal[box][inside_box])
    positions = (np.argwhere(inside_box) + [part.start for part in box]) * spacing
    convention = decide_convention(
        data, norm, positions, spacing, setting, phase_sign, readout, warnings, flags
    )
    convention.apply(data, positions, setting.polarity)
    candidates = find_candidates(
        data, echo.seconds, setting.phasor, setting.search, R2STAR_BOUNDS, setting.prior
    )
    noisy = near_noise(candidates.cost[0], norm, setting, flags)
    if mask is None and noisy.any():
        keep = ~noisy  # `inside_box` is a view of `inside`: both lose these voxels
        inside_box[inside_box] = keep
        data, norm = np.ascontiguousarray(data[:, keep]), norm[keep]
        candidates, noisy = candidates.subset(keep), noisy[keep]
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
    values["near_noise"] = noisy
    full = assemble_maps(values, inside, warnings, flags)
    return FatWaterResult(
        **full,
        phase_sign=convention.sign,
        field_period=setting.search.period,
        readout_phase=convention.readout,
        warnings=warnings,
        flags=flags,
    )


def _spatial_choice(
    candidates: Candidates,
    norm: np.ndarray,
    inside: np.ndarray,
    spacing: np.ndarray,
    setting: FitSetting,
    field_prior: FieldPrior | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Field and R2* of the chosen candidate, shape (voxels,)."""
    variance = misfit_variance(candidates.cost[0], norm, setting)
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
    setting: FitSetting,
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
            data[:, part],
            setting.echo.seconds,
            setting.phasor,
            field_hz[part],
            r2star[part],
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
