"""Which phantom scan calibrates which subject, as a setting of that subject's job alone.

It is decided from the inventory, where dates may be held, before any job runs. What the job gets
holds the line, the distance in days and the judgement of drift: neither a date nor a serial number.
A new phantom scan changes the settings of exactly the subjects whose nearest scan it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isnan
from typing import Any

from osteoflow.ct.asynchronous import PhantomScan, match_scan
from osteoflow.ct.drift import drift_warnings, judge
from osteoflow.errors import SubjectDataError


def subject_match(
    facts: Mapping[str, Any] | None, scans: Sequence[PhantomScan], maximum_days: int
) -> dict[str, Any]:
    """The settings of a subject's asynchronous calibration, as JSON can hold them.

    Parameters
    ----------
    facts
        Of the subject's CT in ``results/inventory/ct_scans.json``; None where it has none.
    scans
        All phantom scans.
    maximum_days
        Largest distance in time.

    Returns
    -------
    dict
        ``line``, ``days``, ``drift`` and ``warnings``; or ``refused`` with ``code``, ``message``
        and ``hint`` where no scan fits.
    """
    try:
        match = match_scan(facts or {}, scans, maximum_days)
    except SubjectDataError as error:
        refused = {"code": error.code, "message": error.message, "hint": error.hint}
        return {"refused": refused}
    verdict = judge(match.scan, scans)
    return {
        "line": _without_nan(asdict(match.scan.line())),
        "days": match.days,
        "drift": verdict["state"],
        "warnings": drift_warnings(verdict),
    }


def _without_nan(content: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN; Python's reads and writes it all the same, but it never equals itself."""
    return {
        key: None if isinstance(value, float) and isnan(value) else value
        for key, value in content.items()
    }
