"""Whether a scanner's calibration holds still from one phantom scan to the next."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from osteoflow.ct.asynchronous import PhantomScan

# What a vertebra of this density reads is followed over time.
CONTROL_DENSITY = 100.0
# A change by 1.5 % calls for action in densitometry's quality control (ISCD official positions), so
# does a point beyond three standard deviations of a Shewhart chart; two are a warning.
LARGEST_CHANGE = 0.015
ACTION_SD, WARNING_SD = 3.0, 2.0
# A standard deviation of fewer earlier scans says little.
LEAST_EARLIER = 5
# Ordinary scatter is not smaller than this share, however equal a few scans may be.
LEAST_SD = 0.002

COLUMNS = (
    *("series", "scanner", "kvp", "kernel", "day", "slope", "intercept", "water_hu"),
    *("control", "baseline", "change", "limit", "state", "trend", "trend_low", "trend_high"),
)


def judge(scan: PhantomScan, scans: Sequence[PhantomScan]) -> dict[str, Any]:
    """A phantom scan against the earlier ones of its series.

    Only earlier scans count: what a later scan adds does not change the judgement of this one, nor
    the results of the subjects that it calibrates.

    Returns
    -------
    dict
        ``control`` (density in mg/cm3 that the baseline's line gives to what this scan's line reads
        at 100 mg/cm3), ``baseline`` (number of earlier scans), ``change`` (share), ``limit``
        (share) and ``state``: ``first``, ``in_control``, ``warning``, ``out_of_control``.

    Notes
    -----
    The baseline is the median of the earlier slopes and intercepts, the spread 1.4826 times the
    median absolute deviation: one bad scan does not widen the limits for the next.
    """
    earlier = [s for s in scans if s.series == scan.series and s.date < scan.date]
    if not earlier:
        return {
            "control": CONTROL_DENSITY,
            "baseline": 0,
            "change": 0.0,
            "limit": LARGEST_CHANGE,
            "state": "first",
        }
    slope = statistics.median(s.slope for s in earlier)
    intercept = statistics.median(s.intercept for s in earlier)

    def control(other: PhantomScan) -> float:
        return (other.intercept + other.slope * CONTROL_DENSITY - intercept) / slope

    own = control(scan)
    change = own / CONTROL_DENSITY - 1
    limit, warning = LARGEST_CHANGE, math.inf
    if len(earlier) >= LEAST_EARLIER:
        found = [control(other) for other in earlier]
        middle = statistics.median(found)
        spread = 1.4826 * statistics.median(abs(value - middle) for value in found)
        sd = max(spread / CONTROL_DENSITY, LEAST_SD)
        limit, warning = min(limit, ACTION_SD * sd), WARNING_SD * sd
    state = "in_control"
    if abs(change) > limit:
        state = "out_of_control"
    elif abs(change) > warning:
        state = "warning"
    return {
        "control": own,
        "baseline": len(earlier),
        "change": change,
        "limit": limit,
        "state": state,
    }


def drift_warnings(verdict: dict[str, Any]) -> list[str]:
    """What a subject calibrated by a scan that is out of control has to be told."""
    if verdict["state"] != "out_of_control":
        return []
    return [
        f"calibration_drift: the phantom scan differs by {100 * verdict['change']:+.1f} % at "
        f"{CONTROL_DENSITY:g} mg/cm3 from the {verdict['baseline']} before it; the limit is "
        f"{100 * verdict['limit']:.1f} %"
    ]


def drift_table(scans: Sequence[PhantomScan]) -> list[dict[str, Any]]:
    """Every phantom scan in its series, days from the series' first scan instead of dates.

    The trend is Theil and Sen's slope of the control density in per cent a year, with a 95 %
    interval by Kendall's statistic; NaN below five scans.
    """
    series: dict[Any, list[PhantomScan]] = {}
    for scan in scans:
        series.setdefault(scan.series, []).append(scan)
    rows = []
    for number, key in enumerate(sorted(series), 1):
        own = sorted(series[key], key=lambda scan: scan.date)
        days = [(scan.date - own[0].date).days for scan in own]
        first = own[0]
        controls = [
            (s.intercept + s.slope * CONTROL_DENSITY - first.intercept) / first.slope for s in own
        ]
        trend = _trend(days, controls)
        for scan, day in zip(own, days, strict=True):
            rows.append(
                {
                    "series": number,
                    "scanner": f"{scan.manufacturer} {scan.model}",
                    "kvp": scan.kvp,
                    "kernel": scan.kernel,
                    "day": day,
                    "slope": scan.slope,
                    "intercept": scan.intercept,
                    "water_hu": scan.water_hu,
                    **judge(scan, own),
                    **dict(zip(("trend", "trend_low", "trend_high"), trend, strict=True)),
                }
            )
    return rows


def _trend(days: Sequence[int], controls: Sequence[float]) -> tuple[float, float, float]:
    if len(days) < LEAST_EARLIER:
        return (math.nan,) * 3
    from scipy.stats import theilslopes

    found = theilslopes(controls, days, 0.95)
    year = 365.25 * 100 / CONTROL_DENSITY
    return tuple(float(value) * year for value in (found[0], found[2], found[3]))
