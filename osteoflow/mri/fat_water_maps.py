"""Fat-water data to maps: the best method that the data allow and the study wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.field_strength import true_field_strength
from osteoflow.mri.made import Images, Maps, Settings
from osteoflow.mri.spectrum import FatSpectrum, load_fat_spectrum

if TYPE_CHECKING:
    from osteoflow.mri.fat_water import FatWaterResult
    from osteoflow.mri.t1_bias import MarrowT1

SIGNS = {"auto": None, "positive": 1, "negative": -1}
LEAST_MAGNITUDES = 4
"""Echoes below which magnitudes alone cannot be fitted with a multi-peak spectrum and R2*."""


@dataclass(frozen=True)
class _Echoes:
    """Echoes of one acquisition, and what the study wants of them."""

    images: Images
    about: Mapping[str, Any]
    settings: Settings
    tesla: float

    @property
    def magnitude(self) -> np.ndarray:
        return self.images["mag"].data

    @cached_property
    def signal(self) -> np.ndarray:
        return (self.magnitude * np.exp(1j * self.images["phase"].data)).astype(np.complex64)

    @property
    def has_phase(self) -> bool:
        """Whether there are phase images that the study wants to be used."""
        return "phase" in self.images and self.settings["fit"] != "magnitude"

    @property
    def times(self) -> np.ndarray:
        return np.array(self.about["EchoTime"])

    @property
    def spacing(self) -> np.ndarray:
        return np.array(self.images["mag"].spacing)

    @property
    def spectrum(self) -> FatSpectrum:
        return load_fat_spectrum(self.settings["spectrum"])

    @property
    def sign(self) -> int | None:
        return SIGNS[self.settings["phase_sign"]]


def map_fat_water(images: Images, about: Mapping[str, Any], settings: Settings) -> Maps:
    """Fat fraction and, where the data allow it, R2*, T2* and field.

    Parameters
    ----------
    images
        ``mag`` of shape (i, j, k, echo) and, where acquired, ``phase`` in rad; or ``scanner_pdff``,
        or ``scanner_water`` and ``scanner_fat``.
    about
        Sidecar of the converted images, with ``Kind``.
    settings
        Section ``mri`` of the configuration.

    Raises
    ------
    SubjectDataError
        As the fits; ``mri_phase_missing`` where the study wants a complex fit of magnitudes;
        ``phase_sign_unknown``, ``t1_bias_unknown``.
    """
    if about["Kind"] == "scanner_maps":
        return _scanner_maps(images, settings)
    if settings["fit"] in ("complex", "mixed") and "phase" not in images:
        raise SubjectDataError(
            "mri_phase_missing",
            f"the study asks for a {settings['fit']} fit (mri.fit), but there are no phase images",
            "Export the phase (or real and imaginary) images as well, or let mri.fit be auto.",
        )
    tesla, warnings = true_field_strength(about)
    echoes = _Echoes(images, about, settings, tesla)
    if echoes.times.size < (3 if echoes.has_phase else LEAST_MAGNITUDES):
        made = _dixon(echoes)
    else:
        made = _complex(echoes) if echoes.has_phase else _magnitude(echoes)
    made.warnings[:0] = warnings
    return made


def _complex(echoes: _Echoes) -> Maps:
    """Joint complex fit, or the mixed one, with marks of suspected swaps."""
    from osteoflow.mri.fat_water import fit_fat_water
    from osteoflow.mri.mixed_fit import fit_phase_robust
    from osteoflow.mri.swap_suspicion import swap_suspicion

    settings = echoes.settings
    common = (echoes.signal, echoes.times, echoes.tesla, echoes.spacing, echoes.spectrum)
    if settings["fit"] == "mixed":
        left = [number - 1 for number in settings["magnitude_echoes"]]
        if max(left) >= echoes.times.size:
            raise SubjectDataError(
                "echo_missing",
                f"mri.magnitude_echoes names echo {max(left) + 1} of {echoes.times.size}",
                "Name only echoes that every acquisition of the study has.",
            )
        result = fit_phase_robust(
            *common,
            phase_sign=echoes.sign,
            magnitude_echoes=left,
            readout=settings["readout"],
        )
        how = f"mixed magnitude and complex multi-peak fit (no phase of {len(left)} echoes)"
    else:
        result = fit_fat_water(*common, phase_sign=echoes.sign, readout=settings["readout"])
        how = "complex multi-peak fit"
    made = _pdff_maps(result, how, echoes)
    swap = swap_suspicion(
        result.field, result.quality, echoes.spacing, result.field_period, echoes.tesla
    )
    if np.isfinite(swap).any():
        made.images["swap"] = swap
    else:
        made.warnings.append(
            "swaps of water and fat cannot be seen in the field: fat turns by nearly whole circles "
            "between these echoes"
        )
    return made


def _magnitude(echoes: _Echoes) -> Maps:
    from osteoflow.mri.magnitude_fit import fit_magnitude

    result = fit_magnitude(echoes.magnitude, echoes.times, echoes.tesla, echoes.spectrum)
    return _pdff_maps(result, "magnitude-only multi-peak fit under Rician noise", echoes)


def _pdff_maps(result: FatWaterResult, how: str, echoes: _Echoes) -> Maps:
    """Maps of a fit with PDFF and R2*, its T1 bias told or corrected."""
    from osteoflow.mri.t1_bias import check_t1_bias, correct_pdff

    settings = echoes.settings
    names = ("pdff", "r2star", "t2star", "field", "water", "fat", "residual", "quality")
    maps = {name: getattr(result, name) for name in names}
    if not np.isfinite(maps["field"]).any():
        del maps["field"]
    warnings = list(result.warnings)
    method = f"{how}, {settings['spectrum']} spectrum, one R2*, {echoes.times.size} echoes"
    t1 = _marrow_t1(settings, echoes.tesla)
    repetition, flip = (echoes.about.get(key) for key in ("RepetitionTime", "FlipAngle"))
    bias, notes = check_t1_bias(repetition, flip, echoes.tesla, t1)
    if settings["t1_bias"] == "warn":
        warnings += notes
    elif t1 is not None and np.isfinite(bias):
        maps["pdff"] = correct_pdff(maps["pdff"], repetition, flip, t1)
        method += f", corrected for T1 ({t1.water:.2f} s in water, {t1.fat:.2f} s in fat)"
    else:
        raise SubjectDataError(
            "t1_bias_unknown",
            "the study corrects T1 bias (mri.t1_bias), but repetition time, flip angle or T1 is "
            "not known",
            "Give RepetitionTime and FlipAngle, and T1 for this field strength, or let mri.t1_bias "
            "be warn.",
        )
    if settings["in_phase_t2star"]:
        maps["t2star_in_phase"], notes = _in_phase(echoes)
        warnings += notes
    return Maps(
        maps,
        method,
        warnings,
        {
            "FatSpectrum": settings["spectrum"],
            "PhaseSign": result.phase_sign,
            "FieldPeriod": result.field_period,
            "FieldStrengthUsed": echoes.tesla,
            "PredictedT1Bias": bias,
            "Flags": result.flags,
        },
    )


def _marrow_t1(settings: Settings, tesla: float) -> MarrowT1 | None:
    """The study's own T1, or tabulated ones; None where none is known at this field."""
    from osteoflow.mri.t1_bias import MarrowT1, marrow_t1

    if settings["t1_water_ms"] is not None and settings["t1_fat_ms"] is not None:
        return MarrowT1(settings["t1_water_ms"] / 1000, settings["t1_fat_ms"] / 1000)
    try:
        return marrow_t1(tesla)
    except SubjectDataError:
        return None


def _in_phase(echoes: _Echoes) -> tuple[np.ndarray, list[str]]:
    """T2* of one exponential through the in-phase echoes; all NaN where it is refused."""
    from osteoflow.mri.in_phase import fit_in_phase

    try:
        result = fit_in_phase(echoes.magnitude, echoes.times, echoes.tesla)
    except SubjectDataError as error:
        empty = np.full(echoes.magnitude.shape[:3], np.nan, np.float32)
        return empty, [f"{error.code}: no in-phase T2*: {error.message}"]
    return result.t2star, [f"in-phase T2*: {text}" for text in result.warnings]


def _dixon(echoes: _Echoes) -> Maps:
    """Signal fat fraction of two echoes, or of three without phase."""
    from osteoflow.mri.dixon import dixon_magnitude
    from osteoflow.mri.dixon_complex import dixon_two_point

    settings = echoes.settings
    count = echoes.times.size
    # Three magnitudes measure R2*; two need to be told it.
    assumed = settings["assumed_r2star"] if count == 2 else None
    facts = {"FatSpectrum": settings["spectrum"], "FieldStrengthUsed": echoes.tesla}
    if echoes.has_phase:
        if echoes.sign is None:
            raise SubjectDataError(
                "phase_sign_unknown",
                "two echoes do not tell the sign convention of the phase, and the wrong one "
                "exchanges water and fat",
                "Give mri.phase_sign (an acquisition of three echoes or more by the same scanner "
                "tells it), or set mri.fit to magnitude for a fraction of 0 to 50 %.",
            )
        result = dixon_two_point(
            echoes.signal,
            echoes.times,
            echoes.tesla,
            echoes.spacing,
            echoes.spectrum,
            assumed,
            phase_sign=echoes.sign,
        )
        facts["PhaseSign"] = echoes.sign
        how = "two-point Dixon of complex echoes"
    else:
        result = dixon_magnitude(
            echoes.magnitude, echoes.times, echoes.tesla, echoes.spectrum, assumed
        )
        how = f"{count}-point Dixon of magnitudes"
    maps = {name: getattr(result, name) for name in ("sff", "water", "fat", "quality")}
    decay = f", R2* taken as {assumed:g} 1/s" if assumed is not None else ""
    method = f"{how}, {settings['spectrum']} spectrum{decay}; a signal fat fraction, no PDFF"
    return Maps(maps, method, list(result.warnings), {**facts, "Flags": result.flags})


def _scanner_maps(images: Images, settings: Settings) -> Maps:
    """Maps that the scanner made, as they are."""
    from osteoflow.mri.dixon import accept_scanner_map, signal_fat_fraction

    if "scanner_pdff" in images:
        values = images["scanner_pdff"].data
        accepted = accept_scanner_map(values, settings["scanner_pdff_unit"])
        quality = np.isfinite(accepted.percent).astype(np.uint8)
        maps = {"pdff": accepted.percent, "quality": quality}
        method = "fat fraction as the scanner made it"
        return Maps(maps, method, accepted.warnings, {"Flags": accepted.flags})
    result = signal_fat_fraction(images["scanner_water"].data, images["scanner_fat"].data)
    maps = {"sff": result.sff, "quality": result.quality}
    method = "fat / (water + fat) of the scanner's images; a signal fat fraction, no PDFF"
    return Maps(maps, method, result.warnings, {"Flags": result.flags})
