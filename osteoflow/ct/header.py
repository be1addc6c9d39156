"""What a CT's acquisition says about the use of its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Calibrated densities hold at any tube voltage; cut-offs for plain CT numbers (Pickhardt et al.,
# Ann Intern Med 2013;158:588) and most reference data hold at this one.
REFERENCE_KVP = 120.0
# What X-ray tubes of CT scanners are run at; other numbers were made up when names were removed.
PLAUSIBLE_KVP = (60.0, 160.0)
CONTRAST_KEYS = (
    "ContrastBolusAgent",
    "ContrastBolusIngredient",
    "ContrastBolusRoute",
    "ContrastBolusVolume",
)
NO_CONTRAST = {
    "",
    "-",
    "0",
    "0.0",
    "false",
    "n/a",
    "nativ",
    "native",
    "nil",
    "no",
    "no contrast",
    "non contrast",
    "non-contrast",
    "none",
    "ohne",
    "ohne km",
    "plain",
    "unenhanced",
    "without",
    "without contrast",
}
# Warnings about a CT that hold for densities calibrated from it as well. The voltage itself is not
# among them: the phantom in the same scan accounts for it.
FOR_DENSITY = (
    "contrast_agent",
    "kvp_unknown",
    "kvp_implausible",
    "lossy_compression",
    "non_finite",
    "gantry_tilt_stated",
)


def ct_warnings(sidecar: dict[str, Any], slice_step_mm: float | None = None) -> list[str]:
    """Warnings about the acquisition, each starting with its code.

    Parameters
    ----------
    sidecar
        JSON sidecar of the CT with DICOM keywords as keys.
    slice_step_mm
        Distance of neighbouring slices from the image geometry; without it
        ``SpacingBetweenSlices`` is used where present.

    Returns
    -------
    list of str
        ``contrast_agent: ...`` (one is named: vessels and marrow read too high),
        ``kvp: ...`` (tube voltage is not 120 kV), ``kvp_unknown: ...``,
        ``kvp_implausible: ...`` (no tube runs at it), ``slice_step: ...`` (slices overlap or leave
        gaps).
    """
    warnings = []
    if names_contrast(sidecar):
        warnings.append(
            "contrast_agent: the header names a contrast agent; it raises the CT numbers of "
            "perfused bone, and densities made from them"
        )
    kvp = sidecar.get("KVP")
    if not kvp:  # anonymisers write 0 for nothing
        warnings.append("kvp_unknown: the header does not state the tube voltage")
    elif not PLAUSIBLE_KVP[0] <= float(kvp) <= PLAUSIBLE_KVP[1]:
        warnings.append(
            f"kvp_implausible: the header states {float(kvp):g} kV, which no CT tube is run at; "
            "the voltage is not known"
        )
    elif abs(float(kvp) - REFERENCE_KVP) > 0.5:
        warnings.append(
            f"kvp: {float(kvp):g} kV; cut-offs for CT numbers hold at {REFERENCE_KVP:g} kV"
        )
    thickness = sidecar.get("SliceThickness")
    step = slice_step_mm if slice_step_mm is not None else sidecar.get("SpacingBetweenSlices")
    if thickness is not None and step is not None:
        thickness, step = float(thickness), abs(float(step))
        if thickness > 0 and abs(step - thickness) > 0.01 * thickness:
            relation = "overlap" if step < thickness else "leave gaps"
            warnings.append(
                f"slice_step: slices of {thickness:g} mm every {step:g} mm {relation}; volumes "
                "use the step"
            )
    return warnings


# Columns of the participants table that say how the CT was made.
ACQUISITION = {
    "ct_kvp": ("Tube voltage", "kV", "Tube voltage of the CT"),
    "ct_kernel": ("Kernel", "", "Reconstruction kernel of the CT"),
    "ct_contrast": ("Contrast agent", "", "Whether the header names a contrast agent: yes or no"),
    "ct_slice_thickness": ("Slice thickness", "mm", "Slice thickness of the CT"),
    "ct_slice_step": ("Slice distance", "mm", "Distance of neighbouring slices of the CT"),
    "ct_pixel": ("Pixel", "mm", "Pixel size of the CT within slices"),
}


def ct_acquisition(sidecar: dict[str, Any], spacing: Sequence[float]) -> dict[str, Any]:
    """How a CT was made, by the names of :data:`ACQUISITION`; what is not stated is None.

    Parameters
    ----------
    sidecar
        Of the converted CT.
    spacing
        Voxel size in mm; the third is across slices.

    Notes
    -----
    A header without contrast fields says ``no``: scanners write them where an agent was given.
    Where names were removed from headers they may be lost, which nobody can tell afterwards.
    """
    kvp = float(sidecar.get("KVP") or 0)
    kernel = sidecar.get("ConvolutionKernel")
    named = any(_names_contrast(sidecar.get(key)) for key in CONTRAST_KEYS)
    return {
        "ct_kvp": kvp if PLAUSIBLE_KVP[0] <= kvp <= PLAUSIBLE_KVP[1] else None,
        "ct_kernel": "/".join(map(str, kernel)) if isinstance(kernel, list | tuple) else kernel,
        "ct_contrast": "yes" if named else "no",
        "ct_slice_thickness": sidecar.get("SliceThickness"),
        "ct_slice_step": round(float(spacing[2]), 4),
        "ct_pixel": round(float(spacing[0]), 4),
    }


def density_warnings(sidecar: dict[str, Any]) -> list[str]:
    """Warnings in a converted CT's sidecar that hold for the densities calibrated from it."""
    return [w for w in sidecar.get("Warnings", []) if w.split(":")[0] in FOR_DENSITY]


def names_contrast(sidecar: Mapping[str, Any]) -> bool:
    """Whether the header names a contrast agent."""
    return any(_names_contrast(sidecar.get(key)) for key in CONTRAST_KEYS)


def opportunistic_notes(sidecar: Mapping[str, Any]) -> list[str]:
    """What holds of a CT whose numbers are used as they are, without any calibration.

    Cut-offs for CT numbers (Pickhardt et al., Ann Intern Med 2013;158:588) were made at 120 kV,
    without contrast agent, with smooth body kernels; what this scan has is stated beside that.
    """
    kvp, kernel = sidecar.get("KVP"), sidecar.get("ConvolutionKernel")
    voltage = f"{float(kvp):g} kV" if kvp else "an unknown voltage"
    agreeing = kvp and abs(float(kvp) - REFERENCE_KVP) <= 0.5 and not names_contrast(sidecar)
    contrast = "with" if names_contrast(sidecar) else "without"
    return [
        "not_calibrated: CT numbers only, no bone mineral density; cut-offs for CT numbers hold at "
        f"{REFERENCE_KVP:g} kV, without contrast agent and with a smooth kernel; this scan has "
        f"{voltage}, is {contrast} a contrast agent by its header, kernel "
        f"{kernel or 'not stated'}" + ("" if agreeing else ": cut-offs do not apply")
    ]


def _names_contrast(value: Any) -> bool:
    if value is None:
        return False
    parts = value if isinstance(value, list | tuple) else [value]
    return any(str(part).strip().lower() not in NO_CONTRAST for part in parts)
