"""The ways from CT numbers to a bone density, by their name in the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any

from osteoflow.ct.calibration import Calibration, calibrate
from osteoflow.ct.certificate import certified_phantom
from osteoflow.ct.header import density_warnings, names_contrast
from osteoflow.ct.minerals import AS_CALIBRATED, report_mineral
from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume

# Marks a density in the method of its measurements.
INTERNAL_MARK = "internal_calibration"


@dataclass(frozen=True)
class Calibrated:
    """A CT's calibration and what is to be told of it.

    Parameters
    ----------
    line
        From CT numbers to densities.
    method
        In a few words, for the measurements.
    description
        For the density map's sidecar.
    content
        For the calibration's file, beside the line.
    sidecar
        Further entries of the map's sidecar.
    warnings
        What speaks against the densities.
    """

    line: Calibration
    method: str
    description: str
    content: dict[str, Any] = field(default_factory=dict)
    sidecar: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


Settings = Mapping[str, Any]


def calibrate_scan(ct: Volume, about: Mapping[str, Any], settings: Settings) -> Calibrated:
    """Calibrate a CT in the configured way.

    Parameters
    ----------
    ct
        CT in HU.
    about
        Its sidecar.
    settings
        As :meth:`osteoflow.settings.ct.Ct.of_job` makes them.

    Raises
    ------
    SubjectDataError
        Those of the way, and ``mineral_conversion``.
    """
    found = METHODS[settings["way"]](ct, about, settings)
    wanted = settings.get("report_mineral", AS_CALIBRATED)
    line = report_mineral(found.line, wanted, about.get("KVP"))
    method = found.method
    if line is not found.line:
        method += f", converted to {line.mineral} ({line.phantom.rpartition('converted by ')[2]})"
    content = {**line.as_dict(), "way": settings["way"], "method": method, **found.content}
    sidecar = {
        "Units": f"{line.unit} {line.mineral}",
        "Method": method,
        "Description": f"vBMD = (HU - intercept) / slope, {found.description}",
        "Slope": line.slope,
        "Intercept": line.intercept,
        "ResidualSD": line.residual_sd,
        "KVP": about.get("KVP"),
        "ConvolutionKernel": about.get("ConvolutionKernel"),
        "SourceSeries": about.get("SourceSeries"),
        **found.sidecar,
    }
    warnings = list(dict.fromkeys([*density_warnings(dict(about)), *found.warnings]))
    return Calibrated(line, method, found.description, content, sidecar, warnings)


def _phantom(ct: Volume, about: Mapping[str, Any], settings: Settings) -> Calibrated:
    """The phantom under the patient."""
    from osteoflow.ct.phantom import find_rods
    from osteoflow.ct.phantom_quality import density_error, phantom_warnings

    rods = [SimpleNamespace(**rod) for rod in settings["certificate"]]
    certificate = certified_phantom(settings["phantom"], rods)
    measured = find_rods(ct, certificate)
    fit = calibrate(measured, certificate)
    return Calibrated(
        fit,
        f"{certificate.name}, {fit.n_rods} rods, {fit.mineral}",
        "synchronous phantom",
        {
            "measured_rods": [asdict(rod) for rod in measured],
            "density_standard_error_at_100": density_error(measured, certificate, fit),
        },
        warnings=phantom_warnings(measured, certificate, fit),
    )


def _asynchronous(ct: Volume, about: Mapping[str, Any], settings: Settings) -> Calibrated:
    """A phantom scanned on another day."""
    match = settings["match"]
    if "refused" in match:
        raise SubjectDataError(**match["refused"])
    stored = {k: float("nan") if v is None else v for k, v in match["line"].items()}
    stored |= {key: tuple(stored[key]) for key in ("residuals", "rods")}
    line = Calibration(**stored)
    days = match["days"]
    return Calibrated(
        line,
        f"{line.phantom}, scanned separately, {line.mineral}",
        "phantom scanned separately with the same scanner, voltage and kernel",
        {"days_to_phantom_scan": days, "drift": match["drift"]},
        {"DaysToPhantomScan": days},
        match["warnings"],
    )


def _internal(ct: Volume, about: Mapping[str, Any], settings: Settings) -> Calibrated:
    """The patient's own tissues."""
    from osteoflow.ct.internal import calibrate_internally
    from osteoflow.ct.tissue_regions import find_tissues

    found = find_tissues(ct)
    fit = calibrate_internally(
        found.values,
        about.get("KVP"),
        found.diameter_cm,
        settings["mineral"],
        settings["equivalence"],
        names_contrast(about),
    )
    error = fit.density_standard_error
    tissues = ", ".join(fit.line.rods)
    doubt = (
        f"{INTERNAL_MARK}: density by the patient's own tissues ({tissues}); standard error "
        f"{error:.1f} mg/cm3 at 100 mg/cm3, the same for all vertebrae of this scan"
    )
    return Calibrated(
        fit.line,
        f"{INTERNAL_MARK}, {tissues}, {fit.line.mineral} as by {fit.equivalence}",
        f"tissues of the patient; density as by {fit.equivalence}",
        {
            **{key: value for key, value in fit.as_dict().items() if key not in asdict(fit.line)},
            "water_equivalent_diameter_cm": found.diameter_cm,
            "tissues": {name: asdict(value) for name, value in found.values.items()},
        },
        {
            "EffectiveEnergy": fit.energy_kev,
            "SlopeStandardError": fit.line.slope_standard_error,
            "InterceptStandardError": fit.line.intercept_standard_error,
            "DensityStandardErrorAt100": error,
        },
        [doubt, *found.warnings, *fit.warnings],
    )


METHODS: dict[str, Callable[[Volume, Mapping[str, Any], Settings], Calibrated]] = {
    "phantom": _phantom,
    "asynchronous": _asynchronous,
    "internal": _internal,
}
