"""A table as a paper prints it: words alone, ready for any format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

# Characters of a line at the size of a table's type, on a page of a manuscript.
LINE = 104
# Raised letters that lead from a cell to a note.
MARKS = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"


def one_line(text: str) -> str:
    """Text without line breaks, tabs and characters that nobody sees: blanks in their place.

    Names come from foreign tables; some formats cannot hold such characters, in others they would
    end a cell.
    """
    return "".join(c if c.isprintable() else " " for c in text)


@dataclass(frozen=True)
class Column:
    """A column: its heading, how it lines up, and a heading that spans it and its neighbours."""

    heading: str
    align: Literal["left", "right"] = "right"
    over: str = ""

    def __post_init__(self) -> None:
        for name in ("heading", "over"):
            object.__setattr__(self, name, one_line(getattr(self, name)))


@dataclass(frozen=True)
class Row:
    """A row of cells; a section's title is a row with one cell that spans the table.

    ``indent`` is the level by which the first cell is set in.
    """

    cells: tuple[str, ...]
    indent: int = 0
    section: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(map(one_line, self.cells)))


@dataclass(frozen=True)
class ManuscriptTable:
    """One table of a paper.

    Parameters
    ----------
    name
        Name of its files.
    title
        What it shows, with n, method, test and correction; without the table's number.
    columns, rows
        Headings, and cells that are words already.
    notes
        Paragraphs below the table.
    abbreviations
        Abbreviation -> what it stands for.
    number
        Its number; None for a table that has no numbers to show.
    empty
        Whether the study has nothing to show in it; a row says why.

    Raises
    ------
    ValueError
        A row has another number of cells than the table has columns.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    abbreviations: Mapping[str, str] = field(default_factory=dict)
    number: int | None = None
    empty: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", one_line(self.title))
        object.__setattr__(self, "notes", tuple(map(one_line, self.notes)))
        for row in self.rows:
            wanted = 1 if row.section else len(self.columns)
            if len(row.cells) != wanted:
                raise ValueError(f"table '{self.name}': {len(row.cells)} cells, not {wanted}")

    @property
    def label(self) -> str:
        """``Table 3``."""
        return "Table" if self.number is None else f"Table {self.number}"

    @property
    def footnotes(self) -> list[str]:
        """What stands below the table, in paragraphs; abbreviations last."""
        found = list(self.notes)
        if self.abbreviations:
            pairs = (f"{short}, {long}" for short, long in self.abbreviations.items())
            found.append(f"Abbreviations: {'; '.join(pairs)}.")
        return found

    @property
    def wide(self) -> bool:
        """Whether it needs the long side of a page."""
        return sum(self.widths()) + 2 * len(self.columns) > LINE

    def widths(self) -> list[int]:
        """Characters that each column needs on one line; headings count by their longest word."""
        found = [max(map(len, column.heading.split()), default=1) for column in self.columns]
        for row in self.rows:
            if not row.section:
                sizes = [len(cell) for cell in row.cells]
                sizes[0] += 2 * row.indent
                found = [max(pair) for pair in zip(found, sizes, strict=True)]
        return found

    def spans(self) -> list[tuple[str, int]]:
        """Spanning headings in order, each with its number of columns; empty without any."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and column.over and found[-1][0] == column.over:
                found[-1] = column.over, found[-1][1] + 1
            else:
                found.append((column.over, 1))
        return found if any(text for text, _ in found) else []

    def texts(self) -> Iterator[str]:
        """Everything that a reader sees but the abbreviations."""
        yield self.title
        for column in self.columns:
            yield from (column.heading, column.over)
        for row in self.rows:
            yield from row.cells
        yield from self.notes


def nothing(name: str, title: str, reason: str) -> ManuscriptTable:
    """The table of something that the study has not."""
    return ManuscriptTable(
        name, title, (Column("", "left"),), (Row((reason,), section=True),), empty=True
    )


class Marks:
    """Raised letters that lead from a cell to a note; the same note has one letter."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def of(self, note: str) -> str:
        """The letter of a note."""
        place, size = len(self._letters), len(MARKS)
        letter = MARKS[place % size] * (1 + place // size)
        return self._letters.setdefault(note, letter)

    def of_all(self, notes: Iterable[str]) -> str:
        """The letters of several notes, side by side."""
        return ",".join(self.of(note) for note in notes)

    @property
    def notes(self) -> list[str]:
        """The notes as one paragraph; none without a letter."""
        text = " ".join(f"{letter} {note}" for note, letter in self._letters.items())
        return [text] if text else []


def numbered(tables: Sequence[ManuscriptTable]) -> list[ManuscriptTable]:
    """The tables with their numbers: empty ones have none."""
    found, number = [], 0
    for table in tables:
        number += not table.empty
        found.append(replace(table, number=None if table.empty else number))
    return found
