"""Classes of bone by published cut-offs, and why a cut-off does not hold for somebody.

A cut-off holds for one measurement of one kind of people: a calibrated density of one mineral, a
CT number at one tube voltage without contrast agent, in postmenopausal women and in men from 50
years on. Where a condition is not met, or not known, there is no class but the reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from osteoflow.ct.header import REFERENCE_KVP
from osteoflow.resources import read_resource

QCT, L1_HU, DXA = "spine_qct", "l1_hu", "dxa_tscore"
# ISCD: WHO's classes are for postmenopausal women and for men from this age on.
LEAST_AGE = 50.0
# A woman of this age is taken to be postmenopausal where the table does not say (our choice).
POSTMENOPAUSAL_AGE = 60.0
LEAST_LEVELS = 2
WOMEN = {"f", "female", "w", "woman"}
MEN = {"m", "male", "man"}
YES = {"1", "1.0", "yes", "y", "true", "post", "postmenopausal"}
NO = {"0", "0.0", "no", "n", "false", "pre", "peri", "premenopausal", "perimenopausal"}


@dataclass(frozen=True)
class Classified:
    """A class, or why there is none: one of both is empty."""

    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Person:
    """What the cut-offs ask about a person, as the subjects table has it; None: not stated."""

    sex: str | None = None
    age: float | None = None
    menopause: str | None = None

    def refusal(self) -> str:
        """Why the cut-offs are not for this person; empty if they are."""
        sex = (self.sex or "").strip().lower()
        if sex not in WOMEN | MEN:
            return "sex_not_stated"
        age = float("nan") if self.age is None else float(self.age)
        if sex in MEN:
            if math.isnan(age):
                return "age_not_stated"
            return "" if age >= LEAST_AGE else "man_below_50"
        state = (self.menopause or "").strip().lower()
        if state in YES:
            return ""
        if state in NO:
            return "not_postmenopausal"
        return "" if age >= POSTMENOPAUSAL_AGE else "menopause_not_stated"


@dataclass(frozen=True)
class Scan:
    """What the cut-offs ask about a CT; ``contrast`` and ``kvp`` are None where not known."""

    kvp: float | None = None
    contrast: bool | None = None


def classify_qct(value: float, unit: str, n_levels: int, person: Person, scan: Scan) -> Classified:
    """Class of a mean trabecular density of the spine.

    Parameters
    ----------
    value
        Mean over lumbar bodies.
    unit
        Unit with its mineral (``mg/cm3 K2HPO4``); the cut-offs of another mineral are not taken.
    n_levels
        Intact bodies in the mean; two are needed.
    person, scan
        For whom and how; the tube voltage does not matter, the phantom accounts for it.

    Returns
    -------
    Classified
        ``normal``, ``osteopenia`` or ``osteoporosis``. There is no T-score of it: WHO's
        T-scores are of DXA (ISCD).
    """
    stated = {row["unit"] for row in _rows(QCT)}
    if n_levels < LEAST_LEVELS:
        return Classified(reason="fewer_than_two_intact_bodies")
    if math.isnan(value):
        return Classified(reason="not_measured")
    if unit not in stated:
        return Classified(reason="no_cut_off_for_this_mineral")
    if scan.contrast:
        return Classified(reason="contrast_agent")
    return _class(QCT, value, person)


def classify_l1_hu(value: float, person: Person, scan: Scan) -> Classified:
    """Class of the trabecular CT number of L1 in a CT made for another reason.

    Parameters
    ----------
    value
        HU.
    person, scan
        For whom and how.

    Returns
    -------
    Classified
        ``osteoporosis_likely``, ``osteoporosis_possible`` or ``osteoporosis_unlikely``; only at
        120 kV (within 0.5) and without contrast agent, and only where both are known.
    """
    if math.isnan(value):
        return Classified(reason="not_measured")
    if scan.kvp is None or math.isnan(scan.kvp):
        return Classified(reason="kvp_unknown")
    if abs(scan.kvp - REFERENCE_KVP) > 0.5:
        return Classified(reason="kvp_other_than_120")
    if scan.contrast is not False:
        return Classified(reason="contrast_agent" if scan.contrast else "contrast_unknown")
    return _class(L1_HU, value, person)


def classify_tscore(value: float, person: Person) -> Classified:
    """WHO class of a T-score by DXA of hip, femoral neck or lumbar spine."""
    if math.isnan(value):
        return Classified(reason="not_measured")
    return _class(DXA, value, person)


def _class(scheme: str, value: float, person: Person) -> Classified:
    if refusal := person.refusal():
        return Classified(reason=refusal)
    for row in _rows(scheme):
        low, high = (float(row[key]) if row[key] else None for key in ("from", "to"))
        ends = row["includes"]
        above = low is None or value > low or (value == low and ends in ("from", "both"))
        below = high is None or value < high or (value == high and ends in ("to", "both"))
        if above and below:
            return Classified(name=row["class"])
    raise ValueError(f"the classes of {scheme} leave a gap at {value}")


@cache
def _rows(scheme: str) -> tuple[dict[str, str], ...]:
    return tuple(row for row in read_resource("bone_classes.tsv") if row["scheme"] == scheme)
