"""Abbreviations that a table uses, each with what it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from osteoflow.manuscript.table import MARKS
from osteoflow.resources import read_resource


@cache
def known_abbreviations() -> dict[str, str]:
    """Abbreviation -> what it stands for."""
    rows = read_resource("abbreviations.tsv")
    return {row["abbreviation"]: row["meaning"] for row in rows}


def abbreviations_in(texts: Iterable[str]) -> dict[str, str]:
    """Those that occur as words of their own, in the alphabet's order."""
    known = known_abbreviations()
    # The longest first: RMS-SD is not SD.
    words = sorted(known, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)")
    # A mark is no part of the word before it.
    bare = (text.translate(dict.fromkeys(map(ord, MARKS), " ")) for text in texts)
    found = {word for text in bare for word in pattern.findall(text)}
    return {word: known[word] for word in sorted(found, key=str.casefold)}
