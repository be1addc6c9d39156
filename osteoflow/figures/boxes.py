"""Boxes with lines of text, lines and arrows between them, in millimetres on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from osteoflow.figures.style import BLACK, GREY, plain, wrap

LINE_MM = 3.3
PAD_MM = 1.8
GAP_MM = 5.0
MARGIN_MM = 1.5


@dataclass(frozen=True)
class Box:
    """A box of a diagram; lines whose numbers are in ``bold`` stand out."""

    lines: tuple[str, ...]
    bold: frozenset[int] = frozenset({0})

    @property
    def height(self) -> float:
        """In mm."""
        return len(self.lines) * LINE_MM + 2 * PAD_MM


def titled(title: str, texts: Sequence[str], width: float) -> Box:
    """A box of this width with a bold title; long lines and words are broken."""
    head = wrap(title, width - 2 * PAD_MM, weight="bold")
    body = [line for text in texts for line in wrap(text, width - 2 * PAD_MM)]
    return Box((*head, *body), frozenset(range(len(head))))


def listed(blocks: Sequence[tuple[str, int, Sequence[str]]], width: float) -> Box | None:
    """A box with several bold titles, their number, and reasons beneath; None without any.

    Parameters
    ----------
    blocks
        Title, number and lines of each.
    width
        In mm.
    """
    lines: list[str] = []
    bold: set[int] = set()
    space = width - 2 * PAD_MM
    for title, n, texts in blocks:
        wrapped = wrap(f"{title} (n = {n})", space, weight="bold")
        if len(wrapped) > 1:  # the number stays in one piece
            wrapped = [*wrap(title, space, weight="bold"), f"(n = {n})"]
        bold.update(range(len(lines), len(lines) + len(wrapped)))
        lines.extend(wrapped)
        lines += [line for text in texts for line in wrap(text, space)]
    return Box(tuple(lines), frozenset(bold)) if lines else None


def grouped(reasons: Sequence[tuple[str, int]], most: int) -> list[str]:
    """Reasons with their numbers, the commonest first; what is beyond ``most`` lines in one.

    A single reason is never hidden behind "other reasons".
    """
    ordered = sorted(reasons, key=lambda item: -item[1])
    if len(ordered) <= most:
        return [f"{n} {reason}" for reason, n in ordered]
    shown, rest = ordered[: most - 1], ordered[most - 1 :]
    words = [f"{n} {reason}" for reason, n in shown]
    return [*words, f"{sum(n for _, n in rest)} for {len(rest)} other reasons"]


def draw_box(
    axes: Axes, box: Box, left: float, top: float, width: float, align: str = "center"
) -> None:
    """A box whose upper left corner is given."""
    edge = {"facecolor": "white", "edgecolor": BLACK, "linewidth": 0.7}
    axes.add_patch(Rectangle((left, top - box.height), width, box.height, **edge))
    x = left + width / 2 if align == "center" else left + PAD_MM
    for index, line in enumerate(box.lines):
        axes.text(
            x,
            top - PAD_MM - (index + 0.5) * LINE_MM,
            plain(line),
            ha=align,
            va="center_baseline",
            weight="bold" if index in box.bold else "normal",
        )


def line(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A line behind the boxes."""
    axes.plot(*zip(start, end, strict=True), color=GREY, linewidth=0.7, zorder=0)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """An arrow whose head lies at ``end``."""
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>,head_width=0.12,head_length=0.25",
            "color": GREY,
            "linewidth": 0.7,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )
