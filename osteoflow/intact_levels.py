"""Which vertebrae are not intact, as their measurements tell: fractured, cemented, implanted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

GRADE, DENSE = "genant_grade", "hu_above1000"
UNCERTAIN = "grade_uncertain"


def not_intact(
    masks: Iterable[Sequence[Mapping[str, Any]]], settings: Mapping[str, Any]
) -> dict[str, str]:
    """Levels that do not count in means, and why.

    Parameters
    ----------
    masks
        Measurement rows of one participant and session, by mask: CT before MRI, the first rater
        before the second. A level's first grade counts, so CT decides where there is one.
    settings
        ``fracture_grade`` (Genant grade from which a level is fractured, or None) and
        ``dense_share`` (share of the trabecular volume above 1000 HU in per cent beyond which it
        is cemented, or None), as :class:`osteoflow.settings.cohort.LeftOut` has them.

    Returns
    -------
    dict
        Level -> ``fractured`` or ``dense`` (cement, metal). A grade that thick slices leave
        uncertain (``grade_uncertain``) is no reason.

    Notes
    -----
    Fractured vertebrae are left out of densitometry (ISCD Official Positions, spine DXA: vertebrae
    with structural change; at least two have to remain). The share and the 1000 HU of ``dense``
    are this project's choice.
    """
    grades: dict[str, tuple[float, bool]] = {}
    shares: dict[str, float] = {}
    for rows in masks:
        for row in rows:
            if row["metric"] not in (GRADE, DENSE) or not math.isfinite(row["value"]):
                continue
            level = row["roi"].partition("_")[0]
            if row["metric"] == GRADE:
                flag = row["flag"] if isinstance(row["flag"], str) else ""
                grades.setdefault(level, (row["value"], UNCERTAIN in flag.split(";")))
            else:
                shares.setdefault(level, row["value"])
    least, most = settings["fracture_grade"], settings["dense_share"]
    found = {}
    for level in {**grades, **shares}:
        grade, uncertain = grades.get(level, (0.0, False))
        if least is not None and grade >= least and not uncertain:
            found[level] = "fractured"
        elif most is not None and shares.get(level, 0.0) > most:
            found[level] = "dense"
    return found
