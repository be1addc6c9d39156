"""A figure that could not be drawn says so in its place."""

from __future__ import annotations

from matplotlib.figure import Figure

from osteoflow.figures.style import look, new_figure, page_axes, wrap
from osteoflow.settings.figures import Figures


def draw_notice(text: str, settings: Figures) -> tuple[Figure, str]:
    """One sentence, a column wide, and the same as the caption."""
    width = settings.single_column_mm
    lines = wrap(text, width - 10)
    with look():
        height = 10 + 4 * len(lines)
        figure = new_figure(width, height, layout=None)
        axes = page_axes(figure)
        axes.text(width / 2, height / 2, "\n".join(lines), ha="center", va="center")
    return figure, text
