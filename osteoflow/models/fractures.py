"""Columns that tell of fractures, by the words of their names.

A study's subjects table may hold fractures of any bone, found by anybody, before the scan or after
it. Only the name tells which ones a column means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Heights, deformities and grades of vertebrae, and fractures read from them, are one quantity.
VERTEBRAL = "shape of the vertebrae"
_SITES = {
    "hip": ("hip", "femur", "femoral"),
    "forearm": ("wrist", "radius", "radial", "forearm", "colles", "ulna"),
    "humerus": ("humerus", "humeral", "shoulder"),
    "pelvis": ("pelvis", "pelvic", "sacrum", "sacral"),
    "rib": ("rib", "ribs"),
    "leg": ("ankle", "tibia", "tibial", "fibula"),
}
ELSEWHERE = frozenset(f"fracture of the {site}" for site in _SITES)
FRACTURES = ELSEWHERE | {VERTEBRAL}
_FRACTURE = re.compile(r"fractur|^(fx|vfx|vcf|ovf|ovcf|mof)$")
_DEFORMITY = re.compile(r"^(genant|deformity|deformities|biconcav\w*|wedg\w*|crush\w*)$")
_OF_VERTEBRAE = re.compile(r"^(vertebra\w*|spin\w*|lumbar|thoracic|vfx|vcf|ovf|ovcf)$")
_LEVELS = re.compile(r"^(t([1-9]|1[0-2])|l[1-6])+$")
# Not this person's, or no fracture that was: FRAX and its parts.
_NO_FRACTURE = frozenset(
    {"family", "parent", "parents", "parental", "mother", "father", "maternal", "paternal"}
    | {"risk", "probability", "frax"}
)
_PAST = frozenset({"prior", "previous", "past", "history", "earlier", "hx", "old"})
_LATER = frozenset({"incident", "followup", "fu", "future", "subsequent", "new"})
_AT_THE_SCAN = frozenset({"baseline", "prevalent", "present"})


def words_of(column: str) -> list[str]:
    """Words of a column's name, in small letters."""
    return [word for word in re.split(r"[\W_]+", column.lower()) if word]


def fractures_named(words: Sequence[str]) -> frozenset[str]:
    """Which fractures a name means, as quantities; none where it means no fracture.

    ``vertebral_fracture``, ``vfx`` and ``genant_grade`` mean vertebrae, ``hip_fracture`` the hip; a
    name without a site (``n_fractures``) may mean any of them.
    """
    if _NO_FRACTURE & set(words):
        return frozenset()
    if any(map(_DEFORMITY.match, words)):
        return frozenset({VERTEBRAL})
    if not any(map(_FRACTURE.search, words)):
        return frozenset()
    if any(word.startswith(("nonvertebra", "nonspin")) for word in words) or (
        "non" in words and any(map(_OF_VERTEBRAE.match, words))
    ):
        return ELSEWHERE
    found = {f"fracture of the {site}" for site, names in _SITES.items() if set(names) & set(words)}
    if any(_OF_VERTEBRAE.match(word) or _LEVELS.match(word) for word in words):
        found.add(VERTEBRAL)
    return frozenset(found) or FRACTURES


def is_past(words: Iterable[str]) -> bool:
    """Whether a name says that what it tells of was over before the study."""
    return bool(_PAST & set(words))


def is_later(words: Sequence[str]) -> bool:
    """Whether a name says that what it tells of came after the scan."""
    return bool(_LATER & set(words)) or ("follow" in words and "up" in words)


def is_known_at_scan(words: Iterable[str]) -> bool:
    """Whether a name says that what it tells of was there when follow-up began."""
    return bool((_PAST | _AT_THE_SCAN) & set(words))
