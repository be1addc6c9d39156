"""What each MRI acquisition becomes: one method per kind of data, chosen by what was acquired.

A new method is one function here that returns :class:`Maps`, its settings in the configuration,
and its rows in ``resources/measurements.tsv``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.mri.field_strength import true_field_strength

if TYPE_CHECKING:
    from osteoflow.mri.fat_water import FatWaterResult
    from osteoflow.mri.spectrum import FatSpectrum
    from osteoflow.mri.t1_bias import MarrowT1

SIGNS = {"auto": None, "positive": 1, "negative": -1}
LEAST_MAGNITUDES = 4
"""Echoes below which magnitudes alone cannot be fitted with a multi-peak spectrum and R2*."""

UNITS = {
    "pdff": "%",
    "sff": "%",
    "r2star": "1/s",
    "t2star": "ms",
    "t2star_in_phase": "ms",
    "field": "Hz",
    "water": "arbitrary",
    "fat": "arbitrary",
    "residual": "relative to the signal",
    "quality": "1 = reliable",
    "swap": "1 = suspected water-fat swap",
    "t2": "ms",
    "t2_error": "ms",
    "b1": "relative to the nominal transmit field",
    "t2_quality": "1 = reliable",
    "adc": "um2/s",
    "adc_quality": "1 = reliable",
}


@dataclass(frozen=True)
class Maps:
    """Maps of one acquisition by name (:data:`UNITS`), all on its grid.

    Attributes
    ----------
    images
        Arrays of shape (i, j, k).
    method
        How they were made, in a few words.
    warnings
        Sentences for the sidecars and the report.
    about
        Further facts for the sidecars: parameters, counts of voxels by reason.
    """

    images: dict[str, np.ndarray]
    method: str
    warnings: list[str]
    about: dict[str, Any] = field(default_factory=dict)


Images = Mapping[str, Volume]
Settings = Mapping[str, Any]


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
        As the fits; ``mri_phase_missing`` where the study wants a complex fit of magnitudes.
    """
    if about["Kind"] == "scanner_maps":
        return _scanner_maps(images, settings)
    wanted = settings["fit"]
    complex_ = "phase" in images
    if wanted in ("complex", "mixed") and not complex_:
        raise SubjectDataError(
            "mri_phase_missing",
            f"the study asks for a {wanted} fit (mri.fit), but there are no phase images",
            "Export the phase (or real and imaginary) images as well, or let mri.fit be auto.",
        )
    tesla, warnings = true_field_strength(about)
    if len(about["EchoTime"]) == 2 or (
        len(about["EchoTime"]) < LEAST_MAGNITUDES and (not complex_ or wanted == "magnitude")
    ):
        return _dixon(images, about, settings, tesla, warnings)
    if complex_ and wanted != "magnitude":
        return _complex(images, about, settings, tesla, warnings)
    return _magnitude(images, about, settings, tesla, warnings)


def _spectrum(settings: Settings) -> FatSpectrum:
    from osteoflow.mri.spectrum import load_fat_spectrum

    return load_fat_spectrum(settings["spectrum"])


def _signal(images: Images) -> np.ndarray:
    magnitude, phase = images["mag"].data, images["phase"].data
    return (magnitude * np.exp(1j * phase)).astype(np.complex64)


def _complex(
    images: Images,
    about: Mapping[str, Any],
    settings: Settings,
    tesla: float,
    warnings: list[str],
) -> Maps:
    from osteoflow.mri.fat_water import fit_fat_water
    from osteoflow.mri.mixed_fit import fit_phase_robust
    from osteoflow.mri.swap_suspicion import swap_suspicion

    times = np.array(about["EchoTime"])
    spacing = np.array(images["mag"].spacing)
    sign = SIGNS[settings["phase_sign"]]
    if settings["fit"] == "mixed":
        left = [number - 1 for number in settings["magnitude_echoes"]]
        if max(left) >= times.size:
            raise SubjectDataError(
                "echo_missing",
                f"mri.magnitude_echoes names echo {max(left) + 1} of {times.size}",
                "Name only echoes that every acquisition of the study has.",
            )
        result = fit_phase_robust(
            _signal(images),
            times,
            tesla,
            spacing,
            _spectrum(settings),
            phase_sign=sign,
            magnitude_echoes=left,
            readout=settings["readout"],
        )
        how = f"mixed magnitude and complex multi-peak fit (no phase of {len(left)} echoes)"
    else:
        result = fit_fat_water(
            _signal(images),
            times,
            tesla,
            spacing,
            _spectrum(settings),
            phase_sign=sign,
            readout=settings["readout"],
        )
        how = "complex multi-peak fit"
    found = _pdff_maps(result, how, images, about, settings, tesla, warnings)
    swap = swap_suspicion(result.field, result.quality, spacing, result.field_period, tesla)
    if np.isfinite(swap).any():
        found.images["swap"] = swap
    else:
        found.warnings.append(
            "swaps of water and fat cannot be seen in the field: fat turns by nearly whole circles "
            "between these echoes"
        )
    return found


def _magnitude(
    images: Images,
    about: Mapping[str, Any],
    settings: Settings,
    tesla: float,
    warnings: list[str],
) -> Maps:
    from osteoflow.mri.magnitude_fit import fit_magnitude

    result = fit_magnitude(
        images["mag"].data, np.array(about["EchoTime"]), tesla, _spectrum(settings)
    )
    how = "magnitude-only multi-peak fit under Rician noise"
    return _pdff_maps(result, how, images, about, settings, tesla, warnings)


def _pdff_maps(
    result: FatWaterResult,
    how: str,
    images: Images,
    about: Mapping[str, Any],
    settings: Settings,
    tesla: float,
    warnings: list[str],
) -> Maps:
    """Maps of a fit with PDFF and R2*, its T1 bias told or corrected."""
    from osteoflow.mri.t1_bias import check_t1_bias, correct_pdff

    names = ("pdff", "r2star", "t2star", "field", "water", "fat", "residual", "quality")
    maps = {name: getattr(result, name) for name in names}
    if not np.isfinite(maps["field"]).any():
        del maps["field"]
    warnings = warnings + result.warnings
    method = f"{how}, {settings['spectrum']} spectrum, one R2*, {len(about['EchoTime'])} echoes"
    t1 = _marrow_t1(settings, tesla)
    repetition, flip = about.get("RepetitionTime"), about.get("FlipAngle")
    bias, notes = check_t1_bias(repetition, flip, tesla, t1)
    if settings["t1_bias"] == "correct" and t1 is not None and np.isfinite(bias):
        maps["pdff"] = correct_pdff(maps["pdff"], repetition, flip, t1)
        method += f", corrected for T1 ({t1.water:.2f} s in water, {t1.fat:.2f} s in fat)"
    elif settings["t1_bias"] == "correct":
        raise SubjectDataError(
            "t1_bias_unknown",
            "the study corrects T1 bias (mri.t1_bias), but repetition time, flip angle or T1 is "
            "not known",
            "Give RepetitionTime and FlipAngle, and T1 for this field strength, or let mri.t1_bias "
            "be warn.",
        )
    else:
        warnings += notes
    if settings["in_phase_t2star"]:
        maps["t2star_in_phase"], notes = _in_phase(images, about, tesla)
        warnings += notes
    return Maps(
        maps,
        method,
        warnings,
        {
            "FatSpectrum": settings["spectrum"],
            "PhaseSign": result.phase_sign,
            "FieldPeriod": result.field_period,
            "FieldStrengthUsed": tesla,
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


def _in_phase(
    images: Images, about: Mapping[str, Any], tesla: float
) -> tuple[np.ndarray, list[str]]:
    """T2* of one exponential through the in-phase echoes; all NaN where it is refused."""
    from osteoflow.mri.in_phase import fit_in_phase

    try:
        result = fit_in_phase(images["mag"].data, np.array(about["EchoTime"]), tesla)
    except SubjectDataError as error:
        empty = np.full(images["mag"].data.shape[:3], np.nan, np.float32)
        return empty, [f"{error.code}: no in-phase T2*: {error.message}"]
    return result.t2star, [f"in-phase T2*: {text}" for text in result.warnings]


def _dixon(
    images: Images,
    about: Mapping[str, Any],
    settings: Settings,
    tesla: float,
    warnings: list[str],
) -> Maps:
    """Signal fat fraction of two echoes, or of three without phase."""
    from osteoflow.mri.dixon import dixon_magnitude
    from osteoflow.mri.dixon_complex import dixon_two_point

    times = np.array(about["EchoTime"])
    spectrum = _spectrum(settings)
    # Three magnitudes measure R2*; two need to be told it.
    assumed = settings["assumed_r2star"] if times.size == 2 else None
    facts: dict[str, Any] = {"FatSpectrum": settings["spectrum"], "FieldStrengthUsed": tesla}
    if "phase" in images and settings["fit"] != "magnitude":
        sign = SIGNS[settings["phase_sign"]]
        if sign is None:
            raise SubjectDataError(
                "phase_sign_unknown",
                "two echoes do not tell the sign convention of the phase, and the wrong one "
                "exchanges water and fat",
                "Give mri.phase_sign (an acquisition of three echoes or more by the same scanner "
                "tells it), or set mri.fit to magnitude for a fraction of 0 to 50 %.",
            )
        spacing = np.array(images["mag"].spacing)
        result = dixon_two_point(
            _signal(images), times, tesla, spacing, spectrum, assumed, phase_sign=sign
        )
        facts["PhaseSign"] = sign
        how = "two-point Dixon of complex echoes"
    else:
        result = dixon_magnitude(images["mag"].data, times, tesla, spectrum, assumed)
        how = f"{times.size}-point Dixon of magnitudes"
    names = ("sff", "water", "fat", "quality")
    maps = {name: getattr(result, name) for name in names}
    decay = f", R2* taken as {assumed:g} 1/s" if assumed is not None else ""
    method = f"{how}, {settings['spectrum']} spectrum{decay}; a signal fat fraction, no PDFF"
    facts["Flags"] = result.flags
    return Maps(maps, method, warnings + result.warnings, facts)


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


def map_t2(images: Images, about: Mapping[str, Any], settings: Settings) -> Maps:
    """T2 and transmit field from a multi-echo spin echo; parameters as in :func:`map_fat_water`.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.mri.t2.fit_t2`.
    """
    from osteoflow.mri.t2 import fit_t2
    from osteoflow.mri.t2_slice_profile import AngleFactors, SelectivePulses

    chosen = settings["t2"]
    profile = {"unknown": None, "rectangular": AngleFactors()}.get(chosen["slice_profile"])
    if chosen["slice_profile"] == "selective":
        profile = SelectivePulses(**chosen["pulses"])
    result = fit_t2(
        images["mese"].data,
        np.array(about["EchoTime"]),
        method=chosen["method"],
        refocusing_angle=chosen["refocusing_angle"],
        excitation_angle=chosen["excitation_angle"],
        t1_ms=chosen["t1_ms"],
        profile=profile,
        skip_echoes=chosen["skip_echoes"],
    )
    maps = {"t2": result.t2, "t2_error": result.t2_standard_error, "t2_quality": result.quality}
    if np.isfinite(result.b1).any():
        maps["b1"] = result.b1
    method = f"{METHOD_WORDS[result.method]}, {len(about['EchoTime'])} echoes"
    if chosen["skip_echoes"]:
        method += f" without the first {chosen['skip_echoes']}"
    noise = result.noise
    facts = {
        "T1": chosen["t1_ms"],
        "SliceProfile": chosen["slice_profile"],
        "NoiseSD": noise.sd if noise else None,
        "NoiseChannels": noise.channels if noise else None,
        "Flags": result.flags,
    }
    return Maps(maps, method, list(result.warnings), facts)


METHOD_WORDS = {
    "epg": "extended phase graph fit of T2 and B1",
    "monoexponential": "one exponential",
    "monoexponential_offset": "one exponential with an offset",
    "loglinear": "weighted log-linear fit",
    "loglinear_unweighted": "unweighted log-linear fit",
    "nls": "non-linear least squares",
}


def map_adc(images: Images, about: Mapping[str, Any], settings: Settings) -> Maps:
    """ADC from diffusion-weighted images, or the scanner's map; as in :func:`map_fat_water`.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.mri.adc.fit_adc`.
    """
    if "scanner_adc" in images:
        values = images["scanner_adc"].data.astype(np.float32)
        quality = (np.isfinite(values) & (values > 0)).astype(np.uint8)
        told = "ADC as the scanner made it: b-values and noise floor are not known"
        return Maps({"adc": values, "adc_quality": quality}, "ADC of the scanner", [told])
    from osteoflow.mri.adc import fit_adc

    chosen = settings["adc"]
    limits = chosen["b_min"], chosen["b_max"]
    result = fit_adc(
        images["dwi"].data,
        np.array(about["BValues"]),
        method=chosen["method"],
        b_range=limits if any(limit is not None for limit in limits) else None,
        averages=np.array(about["Averages"]) if about.get("Averages") else None,
        saturation=about.get("Saturation"),
    )
    b_values = ", ".join(f"{b:g}" for b in result.b_values)
    method = f"{METHOD_WORDS[result.method]} over b = {b_values} s/mm2"
    maps = {"adc": result.adc, "adc_quality": result.quality}
    return Maps(maps, method, list(result.warnings), {"Flags": result.flags})


Method = Callable[[Images, Mapping[str, Any], Settings], Maps]
# Item of the step -> the converted images it needs (those that exist), and its method.
METHODS: dict[str, tuple[tuple[str, ...], Method]] = {
    "mri": (("mag", "phase", "scanner_pdff", "scanner_water", "scanner_fat"), map_fat_water),
    "t2": (("mese",), map_t2),
    "dwi": (("dwi", "scanner_adc"), map_adc),
}
