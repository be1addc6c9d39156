"""Files of the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from osteoflow.io.whole import whole_file
from osteoflow.manuscript.docx import docx_bytes
from osteoflow.manuscript.html import html_text
from osteoflow.manuscript.latex import document_text, latex_text
from osteoflow.manuscript.table import ManuscriptTable
from osteoflow.manuscript.tsv import index_text, tsv_text

WRITERS: dict[str, Callable[[ManuscriptTable], bytes]] = {
    "tsv": lambda table: tsv_text(table).encode(),
    "html": lambda table: html_text(table).encode(),
    "docx": lambda table: docx_bytes([table]),
    "tex": lambda table: latex_text(table).encode(),
}
# All tables in one file, of the formats that have such a thing.
TOGETHER: dict[str, Callable[[Sequence[ManuscriptTable]], bytes]] = {
    "docx": docx_bytes,
    "tex": lambda tables: document_text(tables).encode(),
}


def write_tables(folder: Path, tables: Sequence[ManuscriptTable], formats: Sequence[str]) -> None:
    """Write each table in every format, those of all tables, and ``index.tsv``.

    Parameters
    ----------
    folder
        Where they go: ``<name>.<format>``, ``tables.docx``, ``tables.tex``.
    tables
        The tables, numbered.
    formats
        Keys of ``WRITERS``.
    """
    for kind in formats:
        for table in tables:
            _write(folder / f"{table.name}.{kind}", WRITERS[kind](table))
        if kind in TOGETHER:
            _write(folder / f"tables.{kind}", TOGETHER[kind](tables))
    _write(folder / "index.tsv", index_text(tables).encode())


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as part:
        part.write_bytes(content)
