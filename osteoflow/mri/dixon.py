"""Signal fat fraction from two or three magnitude echoes, and maps that the scanner made.

A signal fat fraction (``sff``) is no PDFF (`osteoflow.mri.dixon_model`). Magnitudes of an in-phase
and an opposed-phase echo (Dixon WT, Radiology 1984;153:189-194) moreover do not tell whether water
or fat dominates; with phase images they do: `osteoflow.mri.dixon_complex`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import R2STAR_BOUNDS
from osteoflow.mri.dixon_model import (
    DixonResult,
    assemble_dixon,
    assumed_decay,
    check_field_strength,
    echo_phases,
    fraction_roots,
    single_peak,
    tell_corrections,
)
from osteoflow.mri.echo_stack import EchoTimes, check_echo_times
from osteoflow.mri.fit_quality import PDFF_TOLERANCE
from osteoflow.mri.fit_setting import SIGNAL_THRESHOLD, voxels_to_fit
from osteoflow.mri.in_phase import fat_period
from osteoflow.mri.magnitude_fit import check_magnitude
from osteoflow.mri.spectrum import FatSpectrum

DECAY_ROUNDS = 8
"""Rounds between fat fraction and R2* of three magnitude echoes; each gains a digit or more."""

PERCENT_PER_UNIT = {"percent": 1.0, "%": 1.0, "fraction": 100.0, "1": 100.0, "permille": 0.1}
"""Percent per unit of a stored fat-fraction value; 0..1000 images hold per mille."""

IMPLAUSIBLE_SHARE = 0.5
"""Share of a scanner map's non-zero values above 100 % beyond which its unit is not believed."""


@dataclass(frozen=True)
class ScannerMap:
    """A fat-fraction map in percent as the scanner made it, with what must be told about it."""

    percent: np.ndarray
    warnings: list[str] = field(default_factory=list)
    flags: dict[str, float] = field(default_factory=dict)


def dixon_magnitude(
    magnitude: np.ndarray,
    echo_times: np.ndarray,
    field_strength: float,
    spectrum: FatSpectrum | None = None,
    assumed_r2star: float | None = None,
    mask: np.ndarray | None = None,
) -> DixonResult:
    """Signal fat fraction of 0..50 % from in-phase and opposed-phase magnitudes.

    With exact echo times and the single peak two echoes give ``(IP - OP) / (2 IP)``. Three
    alternating echoes also give R2* and correct for it (Bydder M et al., Magn Reson Imaging
    2008;26:347-359).

    Parameters
    ----------
    magnitude
        Real, shape (i, j, k, n_echoes), two or three echoes.
    echo_times
        s, strictly increasing, near in-phase and opposed-phase times in turn.
    field_strength
        T.
    spectrum
        Fat spectrum; by default the single main peak.
    assumed_r2star
        1/s, for two echoes. By default decay between them is not corrected.
    mask
        bool, shape (i, j, k). By default all voxels above ``SIGNAL_THRESHOLD``.

    Returns
    -------
    DixonResult
        ``water_fat_ambiguous`` is True: fat-dominant voxels read 100 % minus their fraction.

    Raises
    ------
    SubjectDataError
        ``echoes_not_dixon``, ``too_few_echoes``, ``invalid_echo_times``, ``shape_mismatch``,
        ``not_magnitude``, ``no_signal``.
    ValueError
        An `assumed_r2star` for three echoes, or a `field_strength` that makes no sense.
    """
    echo = check_echo_times(echo_times, 2)
    check_magnitude(magnitude, echo, mask)
    check_field_strength(field_strength)
    _require_alternating(echo, field_strength)
    three = echo.seconds.size == 3
    if three and assumed_r2star is not None:
        raise ValueError("three echoes measure R2*; assumed_r2star is for two")
    warnings: list[str] = []
    flags: dict[str, float] = {}
    inside = voxels_to_fit(magnitude, mask, warnings, flags)
    data = magnitude[inside].T.astype(float)
    phasor = (spectrum or single_peak()).phasor(echo.seconds, field_strength)
    if three:
        fraction, rate, lost = _three_magnitudes(data, echo.seconds, phasor)
    else:
        rate = np.full(data.shape[1], assumed_r2star or 0.0)
        fraction, _, lost = fraction_roots(data * np.exp(echo.seconds[:, None] * rate), phasor)
    undecayed = data * np.exp(echo.seconds[:, None] * rate)
    weight = np.abs(1 + (phasor[:, None] - 1) * fraction)
    total = np.sum(undecayed * weight, axis=0) / np.sum(weight**2, axis=0)
    if not three and assumed_r2star is None:
        rate = np.full(rate.shape, np.nan)
    values = {
        "sff": 100 * fraction,
        "water": np.abs(total * (1 - fraction)),
        "fat": np.abs(total * fraction),
        "field": np.full(rate.shape, np.nan),
        "r2star": rate,
    }
    decay = "measured by the two echoes of like phase" if three else assumed_decay(assumed_r2star)
    tell_corrections(spectrum, decay, warnings)
    flags["voxels_without_solution"] = int(lost.sum())
    if lost.any():
        warnings.append(
            f"{int(lost.sum())} voxels have magnitudes that no mixture of water and fat explains; "
            "they hold the nearest one"
        )
    warnings.append(
        "magnitudes do not tell water from fat: the signal fat fraction is the water-dominant "
        "solution of 0..50 %, fat-dominant voxels (fatty marrow among them) read 100 % minus theirs"
    )
    return assemble_dixon(values, inside, True, warnings, flags)


def _require_alternating(echo: EchoTimes, field_strength: float) -> None:
    phases = echo_phases(echo.seconds, field_strength)
    alternating = all(phases) and all(a != b for a, b in zip(phases, phases[1:], strict=False))
    if echo.seconds.size > 3 or not alternating:
        period = 1e3 * fat_period(field_strength)
        listed = ", ".join(f"{1e3 * t:.2f}" for t in echo.seconds)
        raise SubjectDataError(
            "echoes_not_dixon",
            f"echo times {listed} ms are not two or three echoes at which fat and water are in "
            f"phase and opposed in turn (multiples of {period / 2:.2f} ms at {field_strength:g} T)",
            "more echoes belong to a multi-echo fit; with phase images other echo times will do",
        )


def _three_magnitudes(
    data: np.ndarray, times: np.ndarray, phasor: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Water-dominant fraction and R2* that explain three alternating magnitudes."""
    floor = np.finfo(float).tiny
    log_ratio = np.log(np.maximum(data[0], floor) / np.maximum(data[2], floor))
    fraction = np.zeros(data.shape[1])
    for _ in range(DECAY_ROUNDS):
        size = np.abs(1 + (phasor[:, None] - 1) * fraction)
        beat = np.log(np.maximum(size[0], 1e-6) / np.maximum(size[2], 1e-6))
        rate = np.clip((log_ratio - beat) / (times[2] - times[0]), *R2STAR_BOUNDS)
        undecayed = data * np.exp(times[:, None] * rate)
        fraction, _, lost = fraction_roots(undecayed[:2], phasor[:2])
        fraction = np.clip(fraction, -PDFF_TOLERANCE / 100, 1 + PDFF_TOLERANCE / 100)
    return fraction, rate, lost


def signal_fat_fraction(
    water: np.ndarray, fat: np.ndarray, mask: np.ndarray | None = None
) -> DixonResult:
    """Signal fat fraction ``F / (W + F)`` from the scanner's water and fat images.

    Parameters
    ----------
    water, fat
        Magnitudes of one shape (i, j, k) and one scaling.
    mask
        bool, shape (i, j, k). By default all voxels in which water and fat together exceed
        ``SIGNAL_THRESHOLD``: elsewhere the fraction is that of noise.

    Raises
    ------
    SubjectDataError
        ``shape_mismatch``, ``not_magnitude`` or ``no_signal``.
    """
    if water.shape != fat.shape or water.ndim != 3:
        raise SubjectDataError(
            "shape_mismatch",
            f"water image of shape {water.shape} beside a fat image of shape {fat.shape}",
            "export both from one reconstruction of one acquisition",
        )
    stack = np.stack([water, fat], axis=-1)
    check_magnitude(stack, EchoTimes(np.array([0.0, 1.0]), None), mask)
    warnings: list[str] = []
    flags: dict[str, float] = {}
    total = np.asarray(water, dtype=float) + fat
    inside = voxels_to_fit(total[..., None], mask, warnings, flags)
    nothing = np.full(int(inside.sum()), np.nan)
    values = {
        "sff": 100 * fat[inside] / total[inside],
        "water": np.asarray(water[inside], dtype=float),
        "fat": np.asarray(fat[inside], dtype=float),
        "field": nothing,
        "r2star": nothing,
    }
    warnings.append(
        "signal fat fraction of the scanner's water and fat images, no PDFF: which fat spectrum, "
        "T2* and T1 corrections went into them, and whether water and fat are exchanged anywhere, "
        "is not known"
    )
    if mask is None:
        flags["threshold_relative"] = SIGNAL_THRESHOLD
    return assemble_dixon(values, inside, False, warnings, flags)


def accept_scanner_map(
    values: np.ndarray,
    unit: str | None = None,
    rescale: tuple[float, float] | None = None,
) -> ScannerMap:
    """Take a fat-fraction map as the scanner made it, in percent.

    Scanners store fat fractions as 0..1, 0..100 or 0..1000. Values do not tell which (a map of
    lean tissue never exceeds 10 %), so a statement is needed and nothing is guessed.

    Parameters
    ----------
    values
        The map, any shape, as read.
    unit
        Unit of the values (after `rescale` where that is given): ``percent`` or ``%``,
        ``fraction`` or ``1``, ``permille``.
    rescale
        Slope and intercept that still have to be applied to `values`. Without `unit` they must
        lead to percent.

    Returns
    -------
    ScannerMap
        float32; values outside 0..100 % are kept and counted.

    Raises
    ------
    SubjectDataError
        ``pdff_scale_unknown`` without a statement, or where it makes most of the map exceed 100 %;
        ``no_signal`` for a map without finite values.
    ValueError
        A `unit` that is not listed.
    """
    finite = np.isfinite(values)
    if not finite.any():
        raise SubjectDataError(
            "no_signal", "the fat-fraction map holds no number", "export the map again"
        )
    low, high = float(values[finite].min()), float(values[finite].max())
    if unit is None and rescale is None:
        raise SubjectDataError(
            "pdff_scale_unknown",
            f"the fat-fraction map holds values of {low:g} to {high:g} without a stated unit",
            "state whether the map is in percent, as a fraction of 1 or in per mille, or give its "
            "rescale slope and intercept",
        )
    if unit is not None and unit not in PERCENT_PER_UNIT:
        raise ValueError(f"unknown unit {unit!r}; known: {', '.join(PERCENT_PER_UNIT)}")
    slope, intercept = rescale or (1.0, 0.0)
    scale = PERCENT_PER_UNIT[unit or "percent"]
    percent = ((np.asarray(values, dtype=float) * slope + intercept) * scale).astype(np.float32)
    present = percent[finite & (np.asarray(values) != 0)]
    if present.size and np.mean(present > 100) > IMPLAUSIBLE_SHARE:
        raise SubjectDataError(
            "pdff_scale_unknown",
            f"with the stated unit most of the map lies above 100 % (up to {present.max():g} %)",
            "check the unit or the rescale slope of the map; it may be no fat fraction",
        )
    below, above = int((percent < 0).sum()), int((percent > 100).sum())
    flags = {
        "voxels_below_0": below,
        "voxels_above_100": above,
        "percent_per_stored_unit": slope * scale,
    }
    warnings = [
        "fat fraction as the scanner made it: its model, corrections and handling of water-fat "
        "swaps are not known"
    ]
    if below or above:
        warnings.append(
            f"{below} voxels lie below 0 % and {above} above 100 %; they were kept as they are"
        )
    if present.size and float(present.max()) <= 1.0:
        warnings.append(
            "no voxel exceeds 1 %: the map may be a fraction of 1 although another unit was stated"
        )
    return ScannerMap(percent, warnings, flags)
