"""What a CT's acquisition says about the use of its numbers."""

from __future__ import annotations

from typing import Any

# Calibrated densities hold at any tube voltage; cut-offs for plain CT numbers (Pickhardt et al.,
# Ann Intern Med 2013;158:588) and most reference data hold at this one.
REFERENCE_KVP = 120.0
CONTRAST_KEYS = (
    "ContrastBolusAgent",
    "ContrastBolusIngredient",
    "ContrastBolusRoute",
    "ContrastBolusVolume",
)
NO_CONTRAST = {"", "none", "no", "n/a", "0", "0.0", "false", "without", "nativ", "native"}


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
        ``contrast: ...`` (a contrast agent is named: vessels and marrow read too high),
        ``kvp: ...`` (tube voltage is not 120 kV), ``kvp_unknown: ...``,
        ``slice_step: ...`` (slices overlap or leave gaps).
    """
    warnings = []
    if any(_names_contrast(sidecar.get(key)) for key in CONTRAST_KEYS):
        warnings.append(
            "contrast: the header names a contrast agent; it raises the CT numbers of perfused bone"
        )
    kvp = sidecar.get("KVP")
    if kvp is None:
        warnings.append("kvp_unknown: the header does not state the tube voltage")
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


def _names_contrast(value: Any) -> bool:
    if value is None:
        return False
    parts = value if isinstance(value, list | tuple) else [value]
    return any(str(part).strip().lower() not in NO_CONTRAST for part in parts)
