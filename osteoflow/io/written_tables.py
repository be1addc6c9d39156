"""Tables that a person wrote: text of whatever program, every row with the line it stands on."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

from osteoflow.errors import StudyError

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def table_text(path: Path) -> str:
    """Text of a table that a person wrote, UTF-8 with or without a byte order mark.

    Raises
    ------
    StudyError
        It cannot be read, or is no UTF-8 text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StudyError([f"{path.name} cannot be read: {error.strerror}"]) from None
    try:
        if b"\0" in content:
            raise UnicodeDecodeError("utf-8", content, 0, 1, "null bytes")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # UTF-16 has a null byte beside every Latin letter.
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content
        found = "is UTF-16 text" if utf16 else "is not UTF-8 text"
        number = content.count(b"\n", 0, error.start) + 1
        line = "" if utf16 else f" (line {number})"
        raise StudyError(
            [
                f"{path.name} {found}{line}; save it as UTF-8 with tabs between the cells (in a "
                "spreadsheet program: export as text or CSV, character set UTF-8, separator tab)"
            ]
        ) from None


def header_and_rows(
    path: Path, problems_of: Callable[[str, list[str]], list[str]], if_empty: str
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a table and its other rows, as :func:`numbered_rows` gives them.

    Parameters
    ----------
    path
        Of the table.
    problems_of
        Gives the mistakes of a header from the file's name and its cells.
    if_empty
        What to say of a table without a row.

    Raises
    ------
    StudyError
        With the mistakes of the header, and as of :func:`table_text` and :func:`numbered_rows`.
    """
    numbered = numbered_rows(path.name, table_text(path))
    if not numbered:
        raise StudyError([if_empty])
    header = numbered[0][1]
    problems = problems_of(path.name, header)
    if problems:
        raise StudyError(problems)
    return header, numbered[1:]


def numbered_rows(name: str, text: str) -> list[tuple[int, list[str]]]:
    """Rows that are not empty, each with the line it starts on.

    Raises
    ------
    StudyError
        A quotation mark that is not closed: rows after it would be swallowed by its cell.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    rows: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for row in reader:
            if any(CONTROL.search(cell) for cell in row):
                raise csv.Error("control character")
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((start, cells))
            start = reader.line_num + 1
    except csv.Error:
        raise StudyError(
            [
                f"{name} line {start}: a cell holds a line break, a tab or a quotation mark that "
                "is not closed"
            ]
        ) from None
    return rows


def named_cells(header: list[str], cells: list[str]) -> dict[str, str]:
    """Cells of a row by their column; those that programs drop at its end are empty.

    Raises
    ------
    ValueError
        More cells than columns.
    """
    if len(cells) > len(header):
        raise ValueError(f"{len(cells)} cells where the header has {len(header)}")
    return dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))
