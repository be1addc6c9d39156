"""A checklist as a Word document, to be completed in Word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from osteoflow.manuscript.word_file import document_bytes

_HEADS = {"item": "Item", "subject": "Subject", "weight": "Weight", "status": "Status",
          "text": "Text", "where": "Where"}  # fmt: skip
# Width of each column in cm on A4 across, with margins of 2 cm.
_WIDTHS = {"item": 1.2, "subject": 4.8, "weight": 1.6, "status": 2.2, "text": 11.2, "where": 4.7}
_SIZE = 9


def word(title: str, lines: Sequence[str], rows: Sequence[Mapping[str, str]]) -> bytes:
    """The document: title, lines, and one table whose sections are rows of their own.

    Parameters
    ----------
    title
        Of the checklist.
    lines
        Paragraphs above the table.
    rows
        As :func:`osteoflow.manuscript.text.checklists.write.rows_of` makes them.
    """
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.shared import Cm, Pt

    document = Document()
    about = document.core_properties
    about.author = about.last_modified_by = about.comments = about.keywords = ""
    about.title = title
    about.created = about.modified = datetime(2000, 1, 1)
    page = document.sections[0]
    page.orientation = WD_ORIENT.LANDSCAPE
    page.page_width, page.page_height = Cm(29.7), Cm(21)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(page, side, Cm(2))
    document.styles["Normal"].font.size = Pt(_SIZE)
    document.add_heading(title, level=1)
    for line in lines:
        document.add_paragraph(line)

    columns = [name for name in _HEADS if name in rows[0]]
    table = document.add_table(rows=1, cols=len(columns), style="Table Grid")
    table.autofit = False
    _fill(table.rows[0].cells, [_HEADS[name] for name in columns], bold=True)
    section = None
    for row in rows:
        if row["section"] != section:
            section = row["section"]
            cells = table.add_row().cells
            _fill([cells[0].merge(cells[-1])], [section], bold=True)
        _fill(table.add_row().cells, [row[name] for name in columns])
    for name, column in zip(columns, table.columns, strict=True):
        column.width = Cm(_WIDTHS[name])
    return document_bytes(document)


def _fill(cells: Sequence, texts: Sequence[str], bold: bool = False) -> None:
    for cell, text in zip(cells, texts, strict=True):
        run = cell.paragraphs[0].add_run("".join(c if c.isprintable() else " " for c in text))
        run.bold = bold or None
