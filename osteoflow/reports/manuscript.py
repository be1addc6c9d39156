"""The report's links to the tables for a manuscript."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

FOLDER = "../manuscript/tables"
KINDS = {"tsv": "TSV", "html": "HTML", "docx": "Word", "tex": "LaTeX"}
# Formats with a file of all tables.
TOGETHER = ("docx", "tex")


def manuscript_links(
    index: pd.DataFrame, formats: Sequence[str]
) -> list[tuple[str, dict[str, str]]]:
    """Title of each table that has something to show, and kind of file -> address.

    Parameters
    ----------
    index
        ``results/manuscript/tables/index.tsv``.
    formats
        Formats that were written.
    """
    found = []
    together = [kind for kind in TOGETHER if kind in formats]
    if together:
        found.append(("All tables", {KINDS[k]: f"{FOLDER}/tables.{k}" for k in together}))
    for row in index[index["empty"] == "no"].itertuples():
        links = {KINDS[kind]: f"{FOLDER}/{row.name}.{kind}" for kind in formats}
        found.append((f"Table {int(row.number)}. {row.title}", links))
    return found
