"""How good a CT calibration is: a few numbers, each with limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from osteoflow.resources import read_resource

IMAGE, ROI = "ct_calibration", "phantom"
OUTSIDE = "outside_limits"


def calibration_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the measurements table about one calibration.

    Parameters
    ----------
    content
        Of the calibration's file: ``way``, ``slope``, ``intercept``, ``residual_sd``,
        ``residuals``, ``mineral`` and, where they exist, ``measured_rods`` and
        ``density_standard_error_at_100``.

    Returns
    -------
    list of dict
        Slope, intercept, residual SD, worst residual, noise of single voxels in the rods, standard
        error of 100 mg/cm3; without those that this way of calibrating does not have. A value
        outside ``resources/ct_calibration_limits.tsv`` is flagged ``outside_limits``.
    """
    mineral = content["mineral"]
    noise = [rod["sd"] for rod in content.get("measured_rods", []) if _finite(rod["sd"])]
    residuals = [abs(value) for value in content["residuals"]]
    values = {
        "ct_slope": (content["slope"], f"HU per mg/cm3 {mineral}"),
        "ct_intercept": (content["intercept"], "HU"),
        "ct_residual_sd": (content["residual_sd"], "HU"),
        "ct_worst_residual": (max(residuals, default=None), "HU"),
        "ct_rod_noise": (float(np.median(noise)) if noise else None, "HU"),
        "ct_density_error": (
            content.get("density_standard_error_at_100"),
            f"mg/cm3 {mineral}",
        ),
    }
    return [
        {
            "roi": ROI,
            "image": IMAGE,
            "metric": metric,
            "value": float(value),
            "unit": unit,
            "method": content["method"],
            "n_voxels": 0,
            "flag": "" if within_limits(metric, content["way"], float(value)) else OUTSIDE,
        }
        for metric, (value, unit) in values.items()
        if _finite(value)
    ]


def within_limits(metric: str, way: str, value: float) -> bool:
    """Whether a number lies within the limits for its way of calibrating; True without limits."""
    for row in read_resource("ct_calibration_limits.tsv"):
        if row["metric"] == metric and row["method"] in ("any", way):
            low = -np.inf if row["low"] == "n/a" else float(row["low"])
            high = np.inf if row["high"] == "n/a" else float(row["high"])
            return bool(low <= value <= high)
    return True


def _finite(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))
