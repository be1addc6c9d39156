"""Tables as HTML: one page each, nothing loaded from elsewhere, every text escaped."""

from __future__ import annotations

from html import escape

from osteoflow.manuscript.table import Column, ManuscriptTable, Row

_STYLE = """\
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #111; background: #fff;
  font: 15px/1.4 "Times New Roman", Times, "Liberation Serif", serif; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid #111; border-bottom: 2px solid #111; }
caption { text-align: left; padding-bottom: .5rem; }
th, td { padding: .2rem .6rem; text-align: left; vertical-align: top; font-weight: normal; }
th.right, td.right { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th, thead th.right { vertical-align: bottom; font-weight: bold; white-space: normal; }
tbody th { min-width: 11rem; }
thead tr:last-child th { border-bottom: 1px solid #111; }
th.over { text-align: center; border-bottom: 1px solid #111; }
tr.section th { font-style: italic; padding-top: .5rem; }
.in1 { padding-left: 1.6rem; }
.in2 { padding-left: 2.6rem; }
.in3 { padding-left: 3.6rem; }
p { margin: .4rem 0; font-size: 13px; max-width: 60rem; }
"""


def html_text(table: ManuscriptTable) -> str:
    """A page with the table: title above, notes below."""
    notes = "\n".join(f"<p>{escape(note)}</p>" for note in table.footnotes)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(table.label)}: {escape(table.name)}</title>\n"
        f"<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        '<div class="scroll" tabindex="0" role="region" aria-label="Table">\n'
        f"{_table(table)}\n</div>\n{notes}\n</body>\n</html>\n"
    )


def _table(table: ManuscriptTable) -> str:
    caption = f"<caption><b>{escape(table.label)}.</b> {escape(table.title)}</caption>"
    body = "\n".join(_row(row, table.columns) for row in table.rows)
    return f"<table>\n{caption}\n{_head(table)}<tbody>\n{body}\n</tbody>\n</table>"


def _head(table: ManuscriptTable) -> str:
    """Headings; none of a table that has nothing to show."""
    if table.empty:
        return ""
    lines = []
    spans = table.spans()
    if spans:
        cells = (
            f'<th scope="colgroup" colspan="{size}" class="over">{escape(text)}</th>'
            if text
            else "<td></td>" * size
            for text, size in spans
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    cells = (
        f'<th scope="col" class="{column.align}">{escape(column.heading)}</th>'
        for column in table.columns
    )
    lines.append(f"<tr>{''.join(cells)}</tr>")
    return "<thead>\n" + "\n".join(lines) + "\n</thead>\n"


def _row(row: Row, columns: tuple[Column, ...]) -> str:
    first = escape(row.cells[0])
    if row.section:
        title = f'<th scope="rowgroup" colspan="{len(columns)}">{first}</th>'
        return f'<tr class="section">{title}</tr>'
    indent = f' class="in{min(row.indent, 3)}"' if row.indent else ""
    cells = [f'<th scope="row"{indent}>{first}</th>']
    cells += [
        f'<td class="{column.align}">{escape(text)}</td>'
        for column, text in zip(columns[1:], row.cells[1:], strict=True)
    ]
    return f"<tr>{''.join(cells)}</tr>"
