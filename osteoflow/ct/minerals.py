"""Densities of one calibration mineral as those of another, where a source allows it."""

from __future__ import annotations

from dataclasses import replace

from osteoflow.ct.calibration import Calibration
from osteoflow.errors import SubjectDataError
from osteoflow.resources import read_resource

AS_CALIBRATED = "as_calibrated"
KVP_TOLERANCE = 0.5


def report_mineral(line: Calibration, mineral: str, kvp: float | None) -> Calibration:
    """A calibration whose densities are in the wanted mineral.

    Parameters
    ----------
    line
        As the phantom gave it.
    mineral
        ``as_calibrated``, ``hydroxyapatite`` or ``K2HPO4``.
    kvp
        Tube voltage of the scan.

    Returns
    -------
    Calibration
        The same where the mineral is the wanted one already; else with slope, intercept and their
        standard errors of the converted line, and the conversion named in ``phantom``.

    Raises
    ------
    SubjectDataError
        ``mineral_conversion``: the scan is outside the conditions of every known conversion
        (``resources/ct_mineral_conversions.tsv``).
    """
    if mineral in (AS_CALIBRATED, line.mineral):
        return line
    reasons = []
    for row in read_resource("ct_mineral_conversions.tsv"):
        if (row["from"], row["to"]) != (line.mineral, mineral):
            continue
        phantoms = row["phantoms"].split(",")
        if line.phantom not in phantoms:
            reasons.append(f"it was measured with {', '.join(phantoms)}, not with {line.phantom}")
        elif not kvp or abs(float(kvp) - float(row["kvp"])) > KVP_TOLERANCE:
            voltage = f"{float(kvp):g} kV" if kvp else "a voltage that is not known"
            reasons.append(f"it holds at {float(row['kvp']):g} kV, and the scan has {voltage}")
        else:
            return _converted(line, row)
    why = "; ".join(reasons) or "no conversion between them is known"
    raise SubjectDataError(
        "mineral_conversion",
        f"densities in {line.mineral} were not converted to {mineral}: {why}",
        "Report densities as calibrated (ct.report_mineral: as_calibrated), or calibrate by a "
        f"phantom of {mineral}.",
    )


def _converted(line: Calibration, row: dict[str, str]) -> Calibration:
    """``to = a * from + b`` as a line of CT numbers: slope / a, and the intercept b away."""
    a, b = float(row["slope"]), float(row["intercept"])
    return replace(
        line,
        phantom=f"{line.phantom}, converted by {row['source']}",
        mineral=row["to"],
        slope=line.slope / a,
        intercept=line.intercept - b * line.slope / a,
        slope_standard_error=line.slope_standard_error / a,
    )
