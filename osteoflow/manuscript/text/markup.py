"""Text of others in Markdown: escaped, so that it stays text in Pandoc and on the web."""

from __future__ import annotations

import re
from collections.abc import Sequence

from osteoflow.wording import listing, sentence

# What Pandoc or CommonMark may read as markup within a line.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~^$@])")
# A word that is no name: small letters, and no dot, slash or digit follows.
_WORD = re.compile(r"[a-z][a-z'’-]*(?=[\s,;:)]|\.?$)")
CODE_SPAN = re.compile(r"(?<!\\)`[^`]*`")
"""Text that :func:`code` has marked, in which nothing else is markup."""
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def plain(text: object) -> str:
    """Any text as Markdown that shows it as it is, on one line.

    Control characters and marks that turn the direction of writing become spaces.
    """
    line = " ".join(_INVISIBLE.sub(" ", str(text)).split())
    return _MARKUP.sub(r"\\\1", line)


def code(text: object) -> str:
    """Any text as a code span; backticks in it become apostrophes."""
    line = " ".join(_INVISIBLE.sub(" ", str(text)).split()).replace("`", "'")
    return f"`{line}`" if line else ""


def cell(text: object) -> str:
    """Any text as a cell of a Markdown table; what is written as Markdown is escaped before."""
    return " ".join(str(text).replace("|", r"\|").split()).replace(r"\\|", r"\|")


def said(text: str) -> str:
    """A sentence with its full stop, and a capital unless it begins with a name (vBMD, a file)."""
    return sentence(text, capital=bool(_WORD.match(text.strip())))


def paragraph(sentences: Sequence[str]) -> str:
    """Sentences as one paragraph; empty ones left out."""
    return " ".join(said(item) for item in sentences if item)


def names(items: Sequence[object]) -> str:
    """``a, b and c``, each escaped."""
    return listing([plain(item) for item in items])


def unmarked(text: str) -> str:
    """Markdown of this module's making as plain text: without the marks of escapes and code."""
    parts = re.split(f"({CODE_SPAN.pattern})", text)
    return "".join(
        part[1:-1] if place % 2 else re.sub(r"\\(.)", r"\1", part)
        for place, part in enumerate(parts)
    )
