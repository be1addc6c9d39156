"""What a run can say of one item of a checklist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import said

FILLED, PARTLY, AUTHOR, NOT_APPLICABLE = "filled", "partly", "author", "not applicable"
STATUSES = (FILLED, PARTLY, AUTHOR, NOT_APPLICABLE)

# Where facts stand, as the checklists name the places.
METHODS = "methods.md, {}"
POPULATION, IMAGING, SEGMENTATION, MAPS, RADIOMICS, STATISTICS, MODELS, SOFTWARE = (
    METHODS.format(title)
    for title in (
        *("Study population and exclusions", "Imaging and conversion", "Segmentation"),
        *("Quantitative maps", "Radiomics", "Statistics", "Prediction models", "Software"),
    )
)


@dataclass(frozen=True)
class Answer:
    """Status of an item, the fact as Markdown (or why it does not apply), and where it stands.

    Raises
    ------
    ValueError
        A status of another name, a fact that is missing, or one without its place.
    """

    status: str
    fact: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"unknown status: {self.status}")
        if self.status in (FILLED, PARTLY) and not (self.fact and self.place):
            raise ValueError("a fact and its place belong to what is filled")
        if self.status == NOT_APPLICABLE and not self.fact:
            raise ValueError("what does not apply needs a reason")


Answerer = Callable[[Facts], Answer]

LEFT_TO_AUTHORS = Answer(AUTHOR)


def filled(fact: str, place: str) -> Answer:
    """All that the item asks for."""
    return Answer(FILLED, said(fact), place)


def partly(fact: str, place: str) -> Answer:
    """A part; the item's own words say what the authors add."""
    return Answer(PARTLY, said(fact), place)


def inapplicable(reason: str) -> Answer:
    """Nothing to report, with the reason."""
    return Answer(NOT_APPLICABLE, said(reason))


def author(fact: str = "", place: str = "") -> Answer:
    """Left to the authors; a fact may help them."""
    return Answer(AUTHOR, said(fact), place)
