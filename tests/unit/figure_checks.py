"""Checks of any figure: its texts lie on the page, apart from each other, and can be read."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from osteoflow.figures import style

# Points; journals ask for 6 to 8 at the printed size.
SMALLEST = 6.0


def text_boxes(figure) -> list[tuple[str, object]]:
    """Every text that is drawn, with its box in pixels (ticks beyond an axis are not)."""
    found = []
    draw = mpl.text.Text.draw

    def record(text, renderer, *args, **options):
        if text.get_text().strip() and text.get_visible():
            found.append((text.get_text(), text.get_window_extent(renderer)))
        return draw(text, renderer, *args, **options)

    with style.look(), pytest.MonkeyPatch.context() as patch:
        canvas = FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        patch.setattr(mpl.text.Text, "draw", record)
        canvas.draw()
    return found


def check_page(figure, width_mm: float) -> None:
    """Printed width is exact, no text leaves the page, no two texts overlap."""
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(width_mm, abs=1e-6)
    boxes = text_boxes(figure)
    assert boxes
    for text in figure.findobj(mpl.text.Text):
        assert text.get_fontsize() >= SMALLEST or not text.get_text().strip(), text.get_text()
    page = figure.bbox
    for text, box in boxes:
        assert box.x0 >= page.x0 - 0.6 and box.x1 <= page.x1 + 0.6, text
        assert box.y0 >= page.y0 - 0.6 and box.y1 <= page.y1 + 0.6, text
    for (a, first), (b, second) in itertools.combinations(boxes, 2):
        wide = min(first.x1, second.x1) - max(first.x0, second.x0)
        high = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert not (wide > 1.0 and high > 1.5), (a, b)
