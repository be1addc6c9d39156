"""Two-point and three-point Dixon from complex echoes: water and fat over the whole range.

Two complex echoes leave two solutions per voxel, which differ in fat fraction and in field (Xiang
QS, Magn Reson Med 2006;56:572-584; Berglund J et al., Magn Reson Med 2011;65:994-1004). Three leave
the local minima of the residual over the field (Glover GH, J Magn Reson Imaging 1991;1:521-530). In
both cases the smooth field map of `osteoflow.mri.field_map` chooses.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import FieldSearch, find_candidates
from osteoflow.mri.dixon_model import (
    DixonResult,
    assemble_dixon,
    assumed_decay,
    fraction_roots,
    single_peak,
    tell_corrections,
)
from osteoflow.mri.echo_stack import EchoTimes, check_echo_times
from osteoflow.mri.field_map import FieldPrior, choose_candidates
from osteoflow.mri.fit_setting import FIELD_LIMIT_PPM, check_arguments, normalised, voxels_to_fit
from osteoflow.mri.phase_conventions import SIGN_EVIDENCE, SIGN_SAMPLE
from osteoflow.mri.signal_model import fat_fraction
from osteoflow.mri.spectrum import GYROMAGNETIC_RATIO_MHZ_PER_T, FatSpectrum
from osteoflow.mri.varpro import RatePrior, fit_rates

MINIMUM_CONTRAST = 0.5
"""Least difference of fat's main-peak phasor (of its real part for two echoes, whose solutions come
from magnitudes) between the echoes that differ most: below, they hardly tell water from fat."""

RANGE_PENALTY = 40.0
"""Cost of a two-point solution per unit of fat fraction beyond ``RANGE_SLACK`` outside 0..1."""

RANGE_SLACK = 0.3
"""Fat fraction outside 0..1 that uncorrected decay (200 1/s at 1.5 T) may cause: it must not
decide between the solutions."""

MODEL_ERROR = 0.1
"""Misfit relative to the signal that uncorrected decay (80 1/s at 1.5 T) may cause: it must not
decide between the solutions of three echoes."""

FIELD_PRIOR = 0.02
"""Cost of a field of ``FIELD_SCALE_PPM`` in a voxel. It decides nothing locally; summed over the
image it tells which of two equally smooth maps belongs to a scanner tuned to water."""

FIELD_SCALE_PPM = 1.0
"""Typical field inhomogeneity, ppm."""

CLEAR_SHARE = 0.8
"""Share of the signal in which the chosen field must be the smaller one for the assignment of water
and fat in the whole image to count as clear."""

LOW_SIGNAL = 0.1
"""Fraction of the strong signal at which a voxel's weight in the field map has fallen to 1/2."""

MEDIAN_CHI2_ONE = 0.4549
"""Median of chi-squared with one degree of freedom: six numbers less five unknowns."""

FIXED_DECAY = (0.0, 0.0)
"""Bounds of R2* once the assumed decay has been divided out."""


def dixon_two_point(
    signal: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spacing: np.ndarray,
    spectrum: FatSpectrum | None = None,
    assumed_r2star: float | None = None,
    mask: np.ndarray | None = None,
    phase_sign: int = 1,
    field_prior: FieldPrior | None = None,
) -> DixonResult:
    """Signal fat fraction of 0..100 % from two complex echoes.

    With echoes exactly in phase and opposed the map with water and fat exchanged everywhere is as
    smooth as the right one; the scanner is then taken to be tuned to water. Unequal echo times
    (opposed phase only in part) do not have this weakness.

    Parameters
    ----------
    signal
        complex, shape (i, j, k, 2).
    echo_times
        s, strictly increasing.
    field_strength
        T.
    spacing
        Voxel size in mm, shape (3,).
    spectrum
        Fat spectrum; by default the single main peak.
    assumed_r2star
        1/s; by default decay between the echoes is not corrected.
    mask
        bool, shape (i, j, k). By default all voxels above ``SIGNAL_THRESHOLD``.
    phase_sign
        +1 where fat turns at negative frequency, -1 otherwise; two echoes do not tell.
    field_prior
        Strengths of the spatial model of the field.

    Returns
    -------
    DixonResult
        ``field`` is modulo the inverse echo spacing, in the model's sign.

    Raises
    ------
    SubjectDataError
        ``echoes_not_dixon``, ``too_few_echoes``, ``invalid_echo_times``, ``shape_mismatch``,
        ``not_complex``, ``no_signal``.
    ValueError
        A `phase_sign`, `field_strength` or `spacing` that no image can have.
    """
    echo, spacing = _checked(
        signal, echo_times, field_strength, spacing, mask, phase_sign, 2, np.real
    )
    warnings: list[str] = []
    flags: dict[str, float] = {}
    inside = voxels_to_fit(signal, mask, warnings, flags)
    phasor = (spectrum or single_peak()).phasor(echo.seconds, field_strength)
    rate = assumed_r2star or 0.0
    data = signal[inside].T * np.exp(echo.seconds[:, None] * rate)
    if phase_sign < 0:
        data = data.conj()
    smaller, larger, lost = fraction_roots(np.abs(data), phasor)
    fractions = np.stack([smaller, larger])
    # what the two fractions leave of the phase between the echoes is the field's
    size = 1 + (phasor[:, None, None] - 1) * fractions
    turn = data[1] * data[0].conj() * size[0] * size[1].conj()
    search = FieldSearch.of(echo.field_period, np.inf)
    field_hz = np.angle(turn) / (2 * np.pi * np.diff(echo.seconds)[0])
    outside = np.maximum(np.abs(fractions - 0.5) - 0.5, 0)
    far = np.maximum(outside - RANGE_SLACK, 0)
    cost = RANGE_PENALTY * far + FIELD_PRIOR * (field_hz / _field_scale(field_strength)) ** 2
    strength = np.linalg.norm(data, axis=0)
    chosen = _smooth_choice(field_hz, cost, strength, inside, search, spacing, field_prior)
    columns = np.arange(strength.size)
    fraction, field_chosen = fractions[chosen, columns], field_hz[chosen, columns]

    weight = np.abs(1 + (phasor[:, None] - 1) * fraction)
    total = np.sum(np.abs(data) * weight, axis=0) / np.sum(weight**2, axis=0)
    values = {
        "sff": 100 * fraction,
        "water": np.abs(total * (1 - fraction)),
        "fat": np.abs(total * fraction),
        "field": field_chosen,
        "r2star": np.full(strength.size, np.nan if assumed_r2star is None else rate),
    }
    tell_corrections(spectrum, assumed_decay(assumed_r2star), warnings)
    flags["voxels_without_solution"] = int(lost.sum())
    if lost.any():
        warnings.append(
            f"{int(lost.sum())} voxels have magnitudes that no mixture of water and fat explains; "
            "they hold the nearest one"
        )
    _tell_assignment(field_hz, chosen, outside, strength, warnings, flags)
    return assemble_dixon(values, inside, False, warnings, flags)


def dixon_three_point(
    signal: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spacing: np.ndarray,
    spectrum: FatSpectrum | None = None,
    assumed_r2star: float | None = None,
    mask: np.ndarray | None = None,
    phase_sign: int | None = None,
    field_prior: FieldPrior | None = None,
) -> DixonResult:
    """Signal fat fraction of 0..100 % from three complex echoes.

    Parameters
    ----------
    signal
        complex, shape (i, j, k, 3).
    echo_times
        s, strictly increasing.
    field_strength
        T.
    spacing
        Voxel size in mm, shape (3,).
    spectrum
        Fat spectrum; by default the single main peak.
    assumed_r2star
        1/s; by default decay is not corrected.
    mask
        bool, shape (i, j, k). By default all voxels above ``SIGNAL_THRESHOLD``.
    phase_sign
        +1 where fat turns at negative frequency, -1 otherwise. By default decided from the data
        where the spectrum has several peaks (a single one looks the same both ways), else +1.
    field_prior
        Strengths of the spatial model of the field.

    Returns
    -------
    DixonResult
        ``field`` is modulo the inverse of the echoes' common step, in the model's sign.

    Raises
    ------
    SubjectDataError, ValueError
        As `dixon_two_point`.
    """
    echo, spacing = _checked(
        signal, echo_times, field_strength, spacing, mask, phase_sign, 3, np.asarray
    )
    warnings: list[str] = []
    flags: dict[str, float] = {}
    inside = voxels_to_fit(signal, mask, warnings, flags)
    fat = spectrum or single_peak()
    phasor = fat.phasor(echo.seconds, field_strength)
    rate = assumed_r2star or 0.0
    undecayed = signal[inside] * np.exp(echo.seconds * rate)
    data, norm = normalised(undecayed)
    limit = FIELD_LIMIT_PPM * GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength
    search = FieldSearch.of(echo.field_period, limit)
    if phase_sign is None:
        phase_sign = _decide_sign(data, norm, echo, phasor, search, len(fat.ppm), warnings, flags)
    flags["phase_sign"] = phase_sign
    if phase_sign < 0:
        np.conjugate(data, out=data)
    found = find_candidates(data, echo.seconds, phasor, search, FIXED_DECAY, RatePrior())
    variance = _relative_variance(found.cost[0], norm)
    tuned = FIELD_PRIOR * (found.field_hz / _field_scale(field_strength)) ** 2
    cost = found.cost / (2 * variance) + tuned
    chosen = _smooth_choice(found.field_hz, cost, norm, inside, search, spacing, field_prior)
    columns = np.arange(norm.size)
    fit = fit_rates(
        data,
        echo.seconds,
        phasor,
        found.field_hz[chosen, columns],
        np.zeros(norm.size),
        FIXED_DECAY,
        RatePrior(),
        iterations=40,
    )
    values = {
        "sff": fat_fraction(fit.water, fit.fat),
        "water": np.abs(fit.water) * norm,
        "fat": np.abs(fit.fat) * norm,
        "field": search.difference(fit.field_hz),
        "r2star": np.full(norm.size, np.nan if assumed_r2star is None else rate),
    }
    tell_corrections(spectrum, assumed_decay(assumed_r2star), warnings)
    return assemble_dixon(values, inside, False, warnings, flags)


def _checked(
    signal: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spacing: np.ndarray,
    mask: np.ndarray | None,
    phase_sign: int | None,
    count: int,
    part: np.ufunc,
) -> tuple[EchoTimes, np.ndarray]:
    """Echo times and spacing, once everything fits together and separates water from fat."""
    echo = check_echo_times(echo_times, count)
    spacing = np.asarray(spacing, dtype=float)
    check_arguments(signal, echo, field_strength, spacing, mask, phase_sign)
    seen = part(single_peak().phasor(echo.seconds, field_strength))
    contrast = float(np.abs(seen[:, None] - seen[None, :]).max())
    if echo.seconds.size != count or contrast < MINIMUM_CONTRAST:
        listed = ", ".join(f"{1e3 * t:.2f}" for t in echo.seconds)
        raise SubjectDataError(
            "echoes_not_dixon",
            f"echo times {listed} ms at {field_strength:g} T: {count} echoes are needed between "
            "which fat turns against water",
            "use in-phase and opposed-phase echoes; more echoes belong to the multi-echo fit",
        )
    if count == 2:
        # two echo times always have a common step, their difference
        echo = replace(echo, common_step=float(np.diff(echo.seconds)[0]))
    return echo, spacing


def _field_scale(field_strength: float) -> float:
    """Typical field inhomogeneity in Hz."""
    return FIELD_SCALE_PPM * GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength


def _smooth_choice(
    field_hz: np.ndarray,
    cost: np.ndarray,
    strength: np.ndarray,
    inside: np.ndarray,
    search: FieldSearch,
    spacing: np.ndarray,
    field_prior: FieldPrior | None,
) -> np.ndarray:
    """Index of the candidate that a smooth field map takes, shape (voxels,)."""
    shape = (field_hz.shape[0], *inside.shape)
    fields = np.zeros(shape, np.float32)
    costs = np.full(shape, np.inf, np.float32)
    reliability = np.zeros(inside.shape, np.float32)
    # the spatial model takes its first candidate for the present one: put the best there
    order = np.argsort(cost, axis=0, kind="stable")
    fields[:, inside] = np.take_along_axis(field_hz, order, axis=0)
    costs[:, inside] = np.take_along_axis(cost, order, axis=0)
    relative = strength / np.percentile(strength, 98)
    reliability[inside] = relative**2 / (relative**2 + LOW_SIGNAL**2)
    taken = choose_candidates(fields, costs, reliability, search, spacing, field_prior)[inside]
    return order[taken, np.arange(taken.size)]


def _tell_assignment(
    field_hz: np.ndarray,
    chosen: np.ndarray,
    outside: np.ndarray,
    strength: np.ndarray,
    warnings: list[str],
    flags: dict[str, float],
) -> None:
    """Say how clear it is which of the two solutions is right in the image as a whole."""
    columns = np.arange(chosen.size)
    taken, other = field_hz[chosen, columns], field_hz[1 - chosen, columns]
    impossible = outside[1 - chosen, columns] > RANGE_SLACK
    smaller = impossible | (np.abs(taken) <= np.abs(other))
    share = float(np.average(smaller, weights=strength))
    flags["clear_assignment_share"] = share
    warnings.append(
        "water and fat were told apart by a smooth field map near zero: look whether they are "
        "exchanged in the whole image or in a separate body"
    )
    if share < CLEAR_SHARE:
        warnings.append(
            f"the assignment of water and fat is not clear: only {100 * share:.0f} % of the signal "
            "supports it"
        )


def _relative_variance(cost: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Variance of one real channel over each voxel's squared norm, from the median misfit."""
    noise = float(np.median(cost * norm**2)) / MEDIAN_CHI2_ONE
    return noise / norm**2 + MODEL_ERROR**2


def _decide_sign(
    data: np.ndarray,
    norm: np.ndarray,
    echo: EchoTimes,
    phasor: np.ndarray,
    search: FieldSearch,
    peaks: int,
    warnings: list[str],
    flags: dict[str, float],
) -> int:
    """Sign under which the multi-peak model explains the data better."""
    evidence = 0.0
    if peaks > 1:
        stride = max(1, data.shape[1] // SIGN_SAMPLE)
        sample = np.ascontiguousarray(data[:, ::stride])
        costs = [
            find_candidates(s, echo.seconds, phasor, search, FIXED_DECAY, RatePrior()).cost[0]
            for s in (sample, sample.conj())
        ]
        variance = _relative_variance(np.minimum(*costs), norm[::stride])
        evidence = float(np.sum((costs[1] - costs[0]) / (2 * variance)))
        flags["phase_sign_log_likelihood_ratio"] = evidence
    if abs(evidence) < SIGN_EVIDENCE:
        warnings.append(
            "the data do not tell the sign of the phase; +1 was assumed, the wrong one exchanges "
            "water and fat"
        )
        return 1
    return 1 if evidence > 0 else -1
