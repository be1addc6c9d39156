r"""Tables as LaTeX: booktabs, every text escaped.

``<name>.tex`` is a float for ``\input``; ``tables.tex`` is a document of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from osteoflow.manuscript.table import ManuscriptTable, Row

# More rows than these do not fit on a page.
LONG = 45
# Words longer than these break over lines.
BREAK_AT = 44
_COMMANDS = {
    **{"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$"},
    **{"#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
    **{"`": r"\textasciigrave{}", "–": r"\textendash{}", "—": r"\textemdash{}"},
    **{"‘": r"\textquoteleft{}", "’": r"\textquoteright{}"},
    **{"“": r"\textquotedblleft{}", "”": r"\textquotedblright{}"},
    **{"−": r"\ensuremath{-}", "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}"},
    **{"≠": r"\ensuremath{\neq}", "×": r"\ensuremath{\times}", "±": r"\ensuremath{\pm}"},
    **{"·": r"\ensuremath{\cdot}", "µ": r"\textmu{}", "μ": r"\textmu{}"},
    **{"°": r"\textdegree{}", "√": r"\ensuremath{\surd}", "∞": r"\ensuremath{\infty}"},
    **{"α": r"\ensuremath{\alpha}", "β": r"\ensuremath{\beta}", "κ": r"\ensuremath{\kappa}"},
    **{"λ": r"\ensuremath{\lambda}", "ρ": r"\ensuremath{\rho}", "σ": r"\ensuremath{\sigma}"},
    **{"τ": r"\ensuremath{\tau}", "χ": r"\ensuremath{\chi}", "η": r"\ensuremath{\eta}"},
    **{"ε": r"\ensuremath{\varepsilon}", "γ": r"\ensuremath{\gamma}", "Δ": r"\ensuremath{\Delta}"},
    **{raised: rf"\textsuperscript{{{plain}}}" for raised, plain in
       zip("⁰¹²³⁴⁵⁶⁷⁸⁹ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", "0123456789abcdefghijklmnoprstuvwxyz",
           strict=True)},
    "⁻": r"\textsuperscript{\ensuremath{-}}",
    **{low: rf"\textsubscript{{{plain}}}" for low, plain in
       zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True)},
}  # fmt: skip
# Pairs that fonts join into another character.
_JOINED = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=,)(?=,)|(?<=[?!])(?=\\textasciigrave)")
_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=2.5cm]{geometry}
\usepackage{iftex}
\iftutex
  \usepackage{fontspec}
\else
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
  \usepackage{textcomp}
\fi
\usepackage{array,booktabs,longtable,pdflscape}
\begin{document}
"""
_NEEDS = "% Needs the packages array, booktabs, longtable, pdflscape, textcomp."


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return _JOINED.sub("{}", "".join(_COMMANDS.get(c, c) for c in text))


def beyond_pdflatex(text: str) -> list[str]:
    """Characters for which pdfLaTeX's fonts have no sign, as ``U+4E2D``."""
    found = {c for c in text if ord(c) > 0x17F and c not in _COMMANDS}
    return [f"U+{ord(c):04X}" for c in sorted(found)]


def latex_text(table: ManuscriptTable) -> str:
    r"""A float (or a table over several pages) for ``\input``."""
    head = [f"% {escape(table.name)}", _NEEDS]
    others = beyond_pdflatex("".join([*table.texts(), *table.footnotes]))
    if others:
        head.append(f"% Needs LuaLaTeX or XeLaTeX and a font with {', '.join(others)}.")
    if table.empty:
        return "\n".join([*head, f"% {escape(table.title)}: {escape(table.rows[0].cells[0])}", ""])
    long = len(table.rows) > LONG
    body = _long(table) if long else _float(table)
    if table.wide:
        body = [r"\begin{landscape}", *body, r"\end{landscape}"]
    return "\n".join([*head, *body, ""])


def document_text(tables: Sequence[ManuscriptTable]) -> str:
    """A document that takes in the files of all tables that have something to show."""
    lines = [
        rf"\input{{{table.name}.tex}}" + "\n\\clearpage" for table in tables if not table.empty
    ]
    return "\n".join([_PREAMBLE, *(lines or ["No tables."]), r"\end{document}", ""])


def _caption(table: ManuscriptTable) -> str:
    return rf"\caption{{{escape(table.title)}}}\label{{tab:{table.name}}}"


def _float(table: ManuscriptTable) -> list[str]:
    return [
        r"\begin{table}[p]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        _caption(table),
        rf"\begin{{tabular}}{{{_specification(table)}}}",
        *_head(table),
        *_rows(table),
        r"\bottomrule",
        r"\end{tabular}",
        *_notes(table),
        r"\end{table}",
    ]


def _long(table: ManuscriptTable) -> list[str]:
    return [
        r"\begingroup\small\setlength{\tabcolsep}{4pt}",
        rf"\begin{{longtable}}{{{_specification(table)}}}",
        _caption(table) + r" \\",
        *_head(table),
        r"\endfirsthead",
        *_head(table),
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *_rows(table),
        r"\end{longtable}",
        *_notes(table),
        r"\endgroup",
    ]


def _specification(table: ManuscriptTable) -> str:
    """Columns: words that are long break over lines."""
    share = 0.9 / len(table.columns)
    parts = []
    for column, width in zip(table.columns, table.widths(), strict=True):
        if column.align == "left" and width > BREAK_AT:
            size = f"{max(share, 0.25):.2f}"
            parts.append(rf">{{\raggedright\arraybackslash}}p{{{size}\linewidth}}")
        else:
            parts.append(column.align[0])
    return "".join(parts)


def _head(table: ManuscriptTable) -> list[str]:
    lines = [r"\toprule"]
    spans = table.spans()
    if spans:
        cells, rules, place = [], [], 1
        for text, size in spans:
            if text:
                cells.append(rf"\multicolumn{{{size}}}{{c}}{{{escape(text)}}}")
                rules.append(rf"\cmidrule(lr){{{place}-{place + size - 1}}}")
            else:
                cells += [""] * size
            place += size
        lines += [_line(cells), "".join(rules)]
    return [*lines, _line([escape(column.heading) for column in table.columns]), r"\midrule"]


def _rows(table: ManuscriptTable) -> list[str]:
    return [_row(row, len(table.columns)) for row in table.rows]


def _row(row: Row, size: int) -> str:
    first, *others = map(escape, row.cells)
    if row.section:
        return rf"\multicolumn{{{size}}}{{l}}{{\itshape {first}}} \\"
    indent = rf"\hspace*{{{row.indent}em}}" if row.indent else ""
    return _line([indent + first, *others])


def _line(cells: Sequence[str]) -> str:
    r"""A line of cells; a bracket or star at its start would belong to the ``\\`` before it."""
    guard = "{}" if cells[0][:1] in ("[", "*") else ""
    return guard + " & ".join(cells) + r" \\"


def _notes(table: ManuscriptTable) -> list[str]:
    if not table.footnotes:
        return []
    lines = [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize"]
    lines += [escape(note) + r"\par" for note in table.footnotes]
    return [*lines, r"\end{minipage}"]
