"""What each MRI acquisition becomes: one method per kind of data, chosen by what was acquired.

A new method is one function that returns :class:`osteoflow.mri.made.Maps`, its entry in
:data:`METHODS`, its settings in the configuration, and its rows in ``resources/measurements.tsv``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from osteoflow.mri.fat_water_maps import map_fat_water
from osteoflow.mri.made import Images, Maps, Settings

METHOD_WORDS = {
    "epg": "extended phase graph fit of T2 and B1",
    "monoexponential": "one exponential",
    "monoexponential_offset": "one exponential with an offset",
    "loglinear": "weighted log-linear fit",
    "loglinear_unweighted": "unweighted log-linear fit",
    "nls": "non-linear least squares",
}


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
