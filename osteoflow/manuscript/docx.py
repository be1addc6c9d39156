"""Tables as Word documents: real tables with three lines, to be edited like any other.

The bytes depend on the tables alone: no names, no machine, and one fixed day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from osteoflow.manuscript.table import Column, ManuscriptTable
from osteoflow.manuscript.word_file import document_bytes

if TYPE_CHECKING:
    from docx.document import Document
    from docx.section import Section
    from docx.table import Table, _Cell
    from docx.text.paragraph import Paragraph

_DAY = (2000, 1, 1, 0, 0, 0)
_FONT, _SIZE, _SMALL = "Times New Roman", 10, 9
# Widths of lines in eighths of a point.
_THICK, _THIN = 12, 6
_INDENT_CM = 0.4
_MARGIN_CM = 2.0
# A character at the size of the type, and the space between columns.
_CHARACTER_CM, _PADDING_CM = 0.165, 0.45


def docx_bytes(tables: Sequence[ManuscriptTable]) -> bytes:
    """A document with the tables, each on a page of its own.

    A table that needs it has a landscape page. With several tables their numbers are fields, so
    that Word counts anew when one is moved; what has nothing to show is listed at the end.
    """
    from docx.shared import Cm, Pt

    document = _new_document()
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = _FONT, Pt(_SIZE)
    normal.paragraph_format.space_after = Pt(0)
    _plain_caption(document)
    shown = [table for table in tables if not table.empty] if len(tables) > 1 else list(tables)
    for place, table in enumerate(shown):
        section = document.sections[0] if place == 0 else document.add_section()
        _turn(section, table.wide)
        for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
            setattr(section, side, Cm(_MARGIN_CM))
        _write(document, table, counted=len(shown) > 1)
    empty = [table for table in tables if table.empty] if len(tables) > 1 else []
    if empty:
        words = (f"{table.title}: {table.rows[0].cells[0]}" for table in empty)
        document.add_paragraph("Without content:").paragraph_format.space_before = Pt(12)
        for text in words:
            document.add_paragraph(text)
    return document_bytes(document)


def _new_document() -> Document:
    from docx import Document

    document = Document()
    about = document.core_properties
    about.author = about.last_modified_by = about.comments = about.keywords = ""
    about.title, about.subject, about.revision = "Tables", "", 1
    about.created = about.modified = datetime(*_DAY)
    return document


def _plain_caption(document: Document) -> None:
    """Word's own style of captions, black and upright."""
    from docx.shared import Pt, RGBColor

    style = document.styles["Caption"]
    style.font.name, style.font.size = _FONT, Pt(_SIZE)
    style.font.bold, style.font.color.rgb = False, RGBColor(0, 0, 0)
    style.paragraph_format.space_after = Pt(4)


def _turn(section: Section, wide: bool) -> None:
    """A4, upright or on its long side."""
    from docx.enum.section import WD_ORIENT
    from docx.shared import Mm

    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    sides = Mm(210), Mm(297)
    section.page_width, section.page_height = sides[::-1] if wide else sides


def _write(document: Document, table: ManuscriptTable, counted: bool) -> None:
    """Caption, table and notes."""
    from docx.shared import Pt

    caption = document.add_paragraph(style="Caption")
    caption.paragraph_format.keep_with_next = True
    if counted:
        caption.add_run("Table ").bold = True
        _sequence_field(caption, str(table.number))
        caption.add_run(".").bold = True
    else:
        caption.add_run(f"{table.label}.").bold = True
    caption.add_run(f" {table.title}")
    _fill(document, table)
    for note in table.footnotes:
        paragraph = document.add_paragraph()
        paragraph.paragraph_format.space_before = Pt(3)
        paragraph.add_run(note).font.size = Pt(_SMALL)


def _fill(document: Document, table: ManuscriptTable) -> None:
    """The Word table: headings that repeat on every page, rows that do not break."""
    spans = [] if table.empty else table.spans()
    heads = 0 if table.empty else 1 + bool(spans)
    made = document.add_table(heads + len(table.rows), len(table.columns))
    made.autofit = True
    _describe(made, table)
    lines = [list(row.cells) for row in made.rows]
    _widen(made, lines, table)
    if spans:
        place = 0
        for text, size in spans:
            if text:
                cell = lines[0][place].merge(lines[0][place + size - 1])
                _put(cell, text, "center", bold=True)
                _border(cell, "bottom", _THIN)
            place += size
    if heads:
        for cell, column in zip(lines[heads - 1], table.columns, strict=True):
            _put(cell, column.heading, column.align, bold=True)
            _border(cell, "bottom", _THIN)
    for line, row in zip(lines[heads:], table.rows, strict=True):
        if row.section:
            _put(line[0].merge(line[-1]), row.cells[0], "left", italic=True)
            continue
        aligned: list[Column] = [Column("", "left"), *table.columns[1:]]
        for cell, text, column in zip(line, row.cells, aligned, strict=True):
            _put(cell, text, column.align)
        _indent(line[0].paragraphs[0], row.indent)
    for place, row in enumerate(made.rows):
        _row_property(row, "w:cantSplit")
        if place < heads:
            _row_property(row, "w:tblHeader")


def _widen(made: Table, lines: list[list[_Cell]], table: ManuscriptTable) -> None:
    """Widths by what the columns hold, within the page; before cells are merged."""
    from docx.shared import Cm

    wanted = [_CHARACTER_CM * size + _PADDING_CM for size in table.widths()]
    page = (29.7 if table.wide else 21.0) - 2 * _MARGIN_CM
    scale = min(1.0, page / sum(wanted))
    widths = [Cm(scale * width) for width in wanted]
    if table.empty:
        widths = [Cm(page)]
    for column, width in zip(made.columns, widths, strict=True):
        column.width = width
    for line in lines:
        for cell, width in zip(line, widths, strict=True):
            cell.width = width


def _put(cell: _Cell, text: str, align: str, bold: bool = False, italic: bool = False) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    paragraph = cell.paragraphs[0]
    paragraph.alignment = getattr(WD_ALIGN_PARAGRAPH, align.upper())
    run = paragraph.add_run(text)
    run.bold, run.italic = bold or None, italic or None


def _indent(paragraph: Paragraph, level: int) -> None:
    from docx.shared import Cm

    if level:
        paragraph.paragraph_format.left_indent = Cm(_INDENT_CM * level)


def _element(name: str, **attributes: Any) -> Any:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    element = OxmlElement(name)
    for key, value in attributes.items():
        element.set(qn(f"w:{key}"), str(value))
    return element


def _border(cell: _Cell, side: str, width: int) -> None:
    borders = _element("w:tcBorders")
    borders.append(_element(f"w:{side}", val="single", sz=width, space=0, color="000000"))
    cell._tc.get_or_add_tcPr().append(borders)


def _describe(made: Table, table: ManuscriptTable) -> None:
    """Thick lines at top and bottom, and a description for those who cannot see the table."""
    from docx.oxml.ns import qn

    properties = made._tbl.tblPr
    borders = _element("w:tblBorders")
    for side in ("top", "bottom"):
        borders.append(_element(f"w:{side}", val="single", sz=_THICK, space=0, color="000000"))
    # The schema wants them in this order: borders before layout and look, the caption last.
    after = [properties.find(qn(name)) for name in ("w:tblLayout", "w:tblLook")]
    next(element for element in after if element is not None).addprevious(borders)
    properties.append(_element("w:tblCaption", val=table.title))


def _row_property(row: Any, name: str) -> None:
    row._tr.get_or_add_trPr().append(_element(name))


def _sequence_field(paragraph: Paragraph, number: str) -> None:
    """The number of a table as Word counts captions."""
    from docx.oxml.ns import qn

    for kind in ("begin", None, "separate", number, "end"):
        run = paragraph.add_run()
        run.bold = True
        if kind is None:
            code = _element("w:instrText")
            code.text = " SEQ Table \\* ARABIC "
            code.set(qn("xml:space"), "preserve")
            run._r.append(code)
        elif kind == number:
            run.text = number
        else:
            run._r.append(_element("w:fldChar", fldCharType=kind))
