"""Tables as tab-separated text: headings and cells alone; titles and notes stand in the index."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from osteoflow.manuscript.table import Column, ManuscriptTable

INDENT = "  "
INDEX_COLUMNS = ("number", "name", "title", "notes", "rows", "empty")


def tsv_text(table: ManuscriptTable) -> str:
    """The table, one line a row.

    A spanning heading stands before each of its columns' headings; rows that are set in begin with
    two spaces for each level; a section's title has its row to itself.
    """
    lines = [[_heading(column) for column in table.columns]]
    for row in table.rows:
        first, *others = row.cells
        blank = [""] * (len(table.columns) - 1) if row.section else []
        lines.append([INDENT * row.indent + first, *others, *blank])
    return _tsv(lines)


def index_text(tables: Sequence[ManuscriptTable]) -> str:
    """What the tables are: number, name of the files, title, notes, and whether one is empty."""
    lines = [list(INDEX_COLUMNS)]
    for table in tables:
        about = ("n/a" if table.number is None else str(table.number), table.name, table.title)
        rows = "0" if table.empty else str(sum(not row.section for row in table.rows))
        lines.append([*about, " ".join(table.footnotes), rows, "yes" if table.empty else "no"])
    return _tsv(lines)


def _heading(column: Column) -> str:
    return f"{column.over}: {column.heading}" if column.over else column.heading


def _tsv(lines: Iterable[Iterable[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", lineterminator="\n").writerows(lines)
    return buffer.getvalue()
