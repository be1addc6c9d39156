"""Checklists as tables, Markdown and Word documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from osteoflow.io.tables import write_rows
from osteoflow.io.whole import whole_file, write_text
from osteoflow.manuscript.text.checklists.answer import STATUSES
from osteoflow.manuscript.text.checklists.checklist import CHECKLISTS, Item, questions
from osteoflow.manuscript.text.checklists.score import score
from osteoflow.manuscript.text.checklists.word import word
from osteoflow.manuscript.text.markup import cell, unmarked
from osteoflow.wording import number

COLUMNS = ("item", "section", "subject", "status", "text", "where")
NOTE = (
    "Subjects are in words of OsteoFlow: the published checklist has the full text and decides. "
    "What a run can know is filled; look at every row before you submit this."
)


def rows_of(items: Sequence[Item]) -> list[dict[str, str]]:
    """Rows of the table, in plain text; METRICS' have their weight."""
    weighted = any(item.weight for item in items)
    return [
        {
            "item": item.number,
            "section": item.section,
            "subject": item.about,
            **({"weight": f"{item.weight:g}" if item.weight else ""} if weighted else {}),
            "status": item.answer.status,
            "text": unmarked(item.text),
            "where": item.answer.place,
        }
        for item in items
    ]


def summary_lines(items: Sequence[Item]) -> list[str]:
    """How many items have each status, and for METRICS the score."""
    counts = Counter(item.answer.status for item in questions(items))
    told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    lines = [f"{len(questions(items))} items: {told}."]
    if any(item.weight for item in items):
        found = score(items)
        lines.append(
            f"Score of what the run fills: {number(found.filled, 1)} % of the applicable weight "
            f"({found.category}); {number(found.open, 1)} % is open (items "
            f"{', '.join(found.open_items)})."
        )
    return lines


def markdown(name: str, items: Sequence[Item]) -> str:
    """The checklist as a Markdown document."""
    lines = [f"# {CHECKLISTS[name]}", "", *_paragraphs(summary_lines(items)), NOTE, ""]
    weighted = any(item.weight for item in items)
    heads = ["Item", "Subject", *(["Weight"] if weighted else []), "Status", "Text", "Where"]
    section = None
    for item in items:
        if item.section != section:
            section = item.section
            lines += ["", f"## {section}", "", _line(heads), _line(["---"] * len(heads))]
        weight = [f"{item.weight:g}" if item.weight else ""] if weighted else []
        lines.append(
            _line(
                [
                    item.number,
                    item.about,
                    *weight,
                    item.answer.status,
                    item.text,
                    item.answer.place.replace("*", r"\*").replace("<", r"\<").replace("_", r"\_"),
                ]
            )
        )
    return "\n".join(lines) + "\n"


def write_checklist(name: str, items: Sequence[Item], folder: Path) -> None:
    """Write ``checklist_<name>`` as tab-separated table, Markdown and Word document."""
    rows = rows_of(items)
    path = folder / f"checklist_{name}"
    write_rows(path.with_suffix(".tsv"), list(rows[0]), rows)
    write_text(path.with_suffix(".md"), markdown(name, items))
    with whole_file(path.with_suffix(".docx")) as part:
        part.write_bytes(word(CHECKLISTS[name], [*summary_lines(items), NOTE], rows))


def _paragraphs(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in (line, "")]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell(text) for text in cells)} |"
