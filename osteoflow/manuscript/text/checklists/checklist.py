"""A checklist with its items answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from osteoflow.manuscript.text.checklists.answer import AUTHOR, NOT_APPLICABLE, PARTLY, Answer
from osteoflow.manuscript.text.checklists.registry import ANSWERS
from osteoflow.manuscript.text.citations import without_citations
from osteoflow.manuscript.text.facts import Facts
from osteoflow.resources import read_resource
from osteoflow.wording import sentence

# Checklist -> its title.
CHECKLISTS = {
    "clear": "CLEAR: checklist for evaluation of radiomics research (Kocak et al., Insights "
    "Imaging 2023;14:75)",
    "metrics": "METRICS: methodological radiomics score (Kocak et al., Insights Imaging 2024;15:8)",
    "tripod_ai": "TRIPOD+AI: reporting of prediction models (Collins et al., BMJ 2024;385:e078378)",
    "stard": "STARD 2015: reporting of diagnostic accuracy (Bossuyt et al., BMJ 2015;351:h5527)",
}
CONDITION = "C"
# The tables are named one by one: what a script's result depends on is read off the code.
_ROWS: dict[str, Callable[[], list[dict[str, str]]]] = {
    "clear": lambda: read_resource("checklist_clear.tsv"),
    "metrics": lambda: read_resource("checklist_metrics.tsv"),
    "tripod_ai": lambda: read_resource("checklist_tripod_ai.tsv"),
    "stard": lambda: read_resource("checklist_stard.tsv"),
}


@dataclass(frozen=True)
class Item:
    """An item as the checklist's table has it, and its answer.

    Attributes
    ----------
    number, section, about
        Its number in the publication, its part, and its subject in words of this project.
    answer
        What the run says.
    author
        What is left to the authors.
    weight
        Of METRICS; 0 elsewhere and for conditions.
    """

    number: str
    section: str
    about: str
    answer: Answer
    author: str = ""
    weight: float = 0.0

    @property
    def is_condition(self) -> bool:
        """Whether it is a condition of METRICS, which has no weight."""
        return self.number.startswith(CONDITION)

    @property
    def text(self) -> str:
        """The fact, and what the authors have to write."""
        parts = [self.answer.fact]
        if self.answer.status in (PARTLY, AUTHOR) and self.author:
            parts.append(f"Author: {sentence(self.author, capital=False)}")
        return " ".join(part for part in parts if part)


def fill(name: str, facts: Facts) -> list[Item]:
    """A checklist's items in their order.

    Parameters
    ----------
    name
        Of :data:`CHECKLISTS`.
    facts
        What the run did.

    Raises
    ------
    ValueError
        If the table names an answer that there is none of.
    """
    items: list[Item] = []
    met: dict[str, bool] = {}
    for row in _ROWS[name]():
        if row["answer"] not in ANSWERS:
            raise ValueError(f"checklist_{name}.tsv, item {row['item']}: no answer {row['answer']}")
        found = ANSWERS[row["answer"]](facts)
        if row["item"].startswith(CONDITION):
            met[row["item"]] = found.fact.lower().startswith("yes")
        failed = [each for each in (row.get("condition") or "").split() if not met[each]]
        if failed:
            found = Answer(NOT_APPLICABLE, f"Condition {failed[0]} is not met.")
        found = Answer(found.status, without_citations(found.fact), found.place)
        items.append(
            Item(
                row["item"],
                row["section"],
                row["about"],
                found,
                row["author"] or "",
                float(row.get("weight") or 0),
            )
        )
    return items


def questions(items: Sequence[Item]) -> list[Item]:
    """Items without METRICS' conditions."""
    return [item for item in items if not item.is_condition]
