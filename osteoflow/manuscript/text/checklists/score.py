"""The METRICS score that the items filled by a run reach, and what is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from osteoflow.manuscript.text.checklists.answer import FILLED, NOT_APPLICABLE
from osteoflow.manuscript.text.checklists.checklist import Item, questions

# Lower bounds of the published categories, in per cent of the score with one decimal (Kocak et al.,
# Insights Imaging 2024;15:8, and the authors' calculator, metricsscore.github.io/metrics).
CATEGORIES = ((80, "excellent"), (60, "good"), (40, "moderate"), (20, "low"), (0, "very low"))


@dataclass(frozen=True)
class Score:
    """Weights in per cent of those of all applicable items.

    Attributes
    ----------
    filled
        Of items that the run fills by itself.
    open
        Of items that the authors have to complete or to answer.
    open_items
        Their numbers.
    """

    filled: float
    open: float
    open_items: tuple[str, ...]

    @property
    def category(self) -> str:
        """Published name of what is reached so far, of the score as it is printed."""
        return next(name for bound, name in CATEGORIES if round(self.filled, 1) >= bound)


def score(items: Sequence[Item]) -> Score:
    """Weight of the filled items over that of the applicable ones (METRICS' formula).

    Raises
    ------
    ValueError
        If no item applies.
    """
    applicable = [i for i in questions(items) if i.answer.status != NOT_APPLICABLE]
    total = sum(item.weight for item in applicable)
    if total <= 0:
        raise ValueError("no item applies")
    done = [item for item in applicable if item.answer.status == FILLED]
    left = [item for item in applicable if item.answer.status != FILLED]
    reached = 100 * sum(item.weight for item in done) / total
    return Score(reached, 100 - reached, tuple(item.number for item in left))
