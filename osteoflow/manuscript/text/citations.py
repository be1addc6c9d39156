"""Papers that the text cites: Pandoc keys, and the BibTeX of those that were cited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from osteoflow.manuscript.text.markup import CODE_SPAN
from osteoflow.resources import read_resource

# BibTeX's names of the columns of references.tsv; the container's depends on the kind.
_CONTAINER = {
    "article": "journal",
    "inproceedings": "booktitle",
    "book": "publisher",
    "misc": "howpublished",
}
_FIELDS = ("year", "volume", "number", "pages", "doi")
# As Pandoc reads a citation: in brackets, each key behind an @, split by semicolons.
_CITATION = re.compile(r"(?<!\\)\[(@[a-z][a-z0-9]*(?:; @[a-z][a-z0-9]*)*)\]")
# Characters that BibTeX and LaTeX read as commands. An apostrophe and a hyphen are none.
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {char: f"\\{char}" for char in "#$%&_{}"}
# Words with capitals inside (BMD, TotalSegmentator, R2*) keep them in every bibliography style.
_CAPITALS = re.compile(r"\b\w*(?:[A-Z]\w*[A-Z]|[a-z0-9][A-Z]|[A-Z][0-9])\w*\b")


@cache
def references() -> Mapping[str, Mapping[str, str]]:
    """Key -> row of ``resources/references.tsv``."""
    return {row["key"]: row for row in read_resource("references.tsv")}


def cite(*keys: str) -> str:
    """`` [@key; @other]`` behind a sentence's words, in the order given; empty without keys.

    Raises
    ------
    ValueError
        A key that ``resources/references.tsv`` lacks.
    """
    unknown = [key for key in keys if key not in references()]
    if unknown:
        raise ValueError(f"no such reference: {', '.join(unknown)}")
    return f" [{'; '.join(f'@{key}' for key in keys)}]" if keys else ""


def cited(text: str) -> list[str]:
    """Keys that a text cites, in alphabetical order."""
    outside = CODE_SPAN.sub("", text)
    groups = _CITATION.findall(outside)
    return sorted({key for group in groups for key in re.findall(r"@(\w+)", group)})


def without_citations(text: str) -> str:
    """The text without its citations, for documents without a bibliography."""
    parts = re.split(rf"({CODE_SPAN.pattern})", text)
    return "".join(
        part if place % 2 else re.sub(rf" ?{_CITATION.pattern}", "", part)
        for place, part in enumerate(parts)
    )


def bibliography(keys: Iterable[str]) -> str:
    """BibTeX of some references, in the order of their keys.

    Raises
    ------
    ValueError
        A key that ``resources/references.tsv`` lacks.
    """
    keys = sorted(set(keys))
    cite(*keys)
    return "\n".join(_entry(references()[key]) for key in keys)


def _entry(row: Mapping[str, str]) -> str:
    fields = {"author": _latex(row["author"]), "title": _title(row["title"])}
    fields[_CONTAINER[row["kind"]]] = _latex(row["container"])
    # A DOI is an address, not prose: it stays as it is.
    fields |= {name: row[name] for name in _FIELDS if row[name]}
    if "pages" in fields:
        fields["pages"] = re.sub(r"^(\w+)-(\w+)$", r"\1--\2", fields["pages"])
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{row['kind']}{{{row['key']},", *lines, "}", ""])


def _latex(text: str) -> str:
    return "".join(_SPECIAL.get(char, char) for char in text)


def _title(text: str) -> str:
    return _CAPITALS.sub(lambda found: f"{{{found[0]}}}", _latex(text))
