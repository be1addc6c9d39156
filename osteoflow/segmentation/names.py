"""What the names and codes of segments say: which vertebra, which further structure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from osteoflow.errors import SubjectDataError
from osteoflow.io.segments import Code, Segment
from osteoflow.resources import read_resource

# Words that say no more than that it is a vertebra, or nothing at all.
FILLERS = frozenset(
    (
        *("vertebra", "vertebrae", "vertebral", "vertebras", "vertebre", "vert", "vb", "wirbel"),
        *("wirbelkorper", "wk", "corpus", "body", "bodies", "bone", "spine", "level", "of", "the"),
        *("segment", "segmentation", "label", "mask", "seg", "roi", "structure"),
    )
)
# A letter or word and a number that make a level: more than one of them in a name is a span.
LEVEL = re.compile(
    r"\b(?:c|t|th|d|l|s|hwk|bwk|lwk|cervical|thoracic|dorsal|lumbar|sacral) (\d{1,2})\b"
)
MOST_SHOWN = 8


@dataclass(frozen=True)
class Meaning:
    """A region (number as in label maps) and the name of it that two segments may not share."""

    region: int
    name: str


def meaning_of_name(name: str) -> Meaning | None:
    """What a name says; None for a name of something else.

    Parameters
    ----------
    name
        ``L1``, ``vertebra L1``, ``vertebrae_L1``, ``L1 vertebra``, ``Lumbar vertebra 1``,
        ``LWK 1``, ``autochthon_left`` and so on: ``resources/segment_names.tsv``.
    """
    return _names().get(_key(name))


def is_span(name: str) -> bool:
    """Whether a name is made of several levels and nothing else: ``L1-L5``, ``T12 L1``."""
    words = " ".join(word for word in _words(name) if word not in FILLERS)
    rest = LEVEL.sub("", words).split()
    return len(LEVEL.findall(words)) > 1 and not rest


def meaning_of_codes(codes: Sequence[Code]) -> Meaning | None:
    """What the codes of a segment say: those of its type first, of its anatomic region then.

    A region counts only where the type is a bone, a vertebra or nothing more than anatomy: a
    metastasis in L1 is no L1.

    Parameters
    ----------
    codes
        SNOMED CT (``SCT``) or SNOMED-RT (``SRT``, ``99SDM`` and ``SNM3`` in older objects).
    """
    for index, (scheme, value) in enumerate(codes):
        found = _codes().get(("SRT" if scheme in ("99SDM", "SNM3") else scheme, value))
        if found is None:
            return None
        if found.region:
            return found
        if index:
            return None
    return None


def meanings(segments: Sequence[Segment]) -> tuple[list[Meaning | None], list[str]]:
    """What each segment is, by its name, or by its code where the name says nothing.

    Parameters
    ----------
    segments
        Of one file.

    Returns
    -------
    tuple
        A meaning or None for each segment, and warnings: names that mean no region.

    Raises
    ------
    SubjectDataError
        ``mask_names_ambiguous``: a name of several levels, two segments of one name, or a code
        that contradicts the name.
    """
    found: list[Meaning | None] = []
    first: dict[str, Segment] = {}
    ignored = []
    for segment in segments:
        by_name, by_code = meaning_of_name(segment.name), meaning_of_codes(segment.codes)
        if is_span(segment.name):
            raise _ambiguous(f"'{segment.shown}' names several levels")
        if by_name and by_code and by_name.region != by_code.region:
            raise _ambiguous(f"'{segment.shown}' has the code of {by_code.name}")
        meaning = by_name or by_code
        found.append(meaning)
        if meaning is None:
            ignored.append(f"'{segment.shown}'")
        elif meaning.name in first and segment.count and first[meaning.name].count:
            one = first[meaning.name].shown
            raise _ambiguous(f"'{one}' and '{segment.shown}' both mean {meaning.name}")
        elif segment.count or meaning.name not in first:
            first[meaning.name] = segment
    return found, [f"segments {listed(ignored)} are no known region: ignored"] if ignored else []


def listed(names: Sequence[str]) -> str:
    """Names for a message, not endlessly many."""
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more


def _ambiguous(what: str) -> SubjectDataError:
    return SubjectDataError(
        "mask_names_ambiguous",
        f"the names of the mask's segments are ambiguous: {what}",
        "Give each vertebra one segment with a name of its own: L1, L2, L3 ...",
    )


def _words(name: str) -> list[str]:
    """Words and numbers of a name in lower case, without accents and leading zeros."""
    text = unicodedata.normalize("NFKD", name)
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", text).casefold()
    words = re.findall(r"[^\W\d_]+|\d+", text)
    return [str(int(word)) if word.isdigit() else word for word in words]


def _key(name: str) -> tuple[str, ...]:
    """Words that count, in an order of their own: ``vertebra L1`` is ``L1 vertebra``."""
    return tuple(sorted(word for word in _words(name) if word not in FILLERS))


@cache
def _names() -> dict[tuple[str, ...], Meaning]:
    return {
        _key(words): Meaning(int(row["region_id"]), row["name"])
        for row in read_resource("segment_names.tsv")
        for words in row["words"].split(";")
    }


@cache
def _codes() -> dict[Code, Meaning]:
    return {
        (row["scheme"], row["code"]): Meaning(int(row["region_id"]), row["name"])
        for row in read_resource("segment_codes.tsv")
    }
