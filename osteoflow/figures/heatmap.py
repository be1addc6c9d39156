"""Correlations of several variables as a heat map."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from osteoflow.figures.notice import draw_notice
from osteoflow.figures.scatter import bare
from osteoflow.figures.style import (
    BLACK,
    BLUE,
    FONT_SIZE,
    GREY,
    LIGHT,
    VERMILION,
    look,
    new_figure,
    page_axes,
    plain,
    text_width,
    wrap,
)
from osteoflow.settings.figures import Figures
from osteoflow.wording import MINUS, listing, number

# Millimetres: least and largest width of a cell, its largest height, a line of text, the colour
# scale with its room, the margin, the space behind names, names among very many cells.
LEAST_CELL, LARGEST_CELL, CELL_HEIGHT = 8.5, 17.0, 8.5
LINE, SCALE, PAD, GAP, NARROW_LABEL = 3.3, 13.0, 1.5, 3.0, 28.0
# Names longer than this share of the room are broken into lines.
LABEL_SHARE = 0.35
# Darker colours than this (relative luminance of WCAG) have white numbers.
DARK = 0.18
ALPHA = 0.05


def draw_heatmap(
    table: pd.DataFrame, settings: Figures, label: Callable[[str], str] = str
) -> tuple[Figure, str]:
    """Lower triangle of the correlations of one matrix.

    Cells give the coefficient; in bold those whose adjusted p is below 0.05. Colours run from
    vermilion (-1) over white (0) to blue (1). Variables are numbered along the bottom, which keeps
    long names readable at any size.

    Parameters
    ----------
    table
        Rows of ``correlation_matrices.tsv`` of one matrix.
    settings
        Sizes: one column wide where the cells fit, else two columns wide.
    label
        Name of a column with its unit.

    Returns
    -------
    figure, caption
        A notice where no coefficient could be computed.
    """
    names = list(dict.fromkeys([*table["x"], *table["y"]]))
    # A coefficient has no unit: the caption gives those of the variables.
    short = {name: bare(label(name)) for name in names}
    if not table["r"].notna().any():
        return draw_notice("No correlation of the matrix could be computed.", settings)
    m = len(names)
    width, cell = _sizes(list(short.values()), settings)
    left = width - PAD - SCALE - m * cell
    texts = [wrap(f"{n}. {short[name]}", left - 2 * PAD) for n, name in enumerate(names, start=1)]
    heights = [max(min(cell, CELL_HEIGHT), LINE * len(lines) + 1.2) for lines in texts]
    height = sum(heights) + 2 * PAD + LINE + 1.5
    with look():
        figure = new_figure(width, height, layout=None)
        axes = page_axes(figure)
        colours = mpl.colors.LinearSegmentedColormap.from_list("r", [VERMILION, "white", BLUE])
        tops = height - PAD - np.concatenate([[0.0], np.cumsum(heights)])
        for row, lines in enumerate(texts):
            middle = (tops[row] + tops[row + 1]) / 2
            axes.text(PAD, middle, plain("\n".join(lines)), va="center", linespacing=1.25)
        size = _font_size(cell)
        cells = {frozenset((r["x"], r["y"])): r for r in table.to_dict("records")}
        for row in range(m):
            for column in range(row + 1):
                corner = left + column * cell, tops[row + 1]
                found = cells.get(frozenset((names[row], names[column])))
                _cell(axes, corner, cell, heights[row], found, colours, size)
        for column in range(m):
            axes.text(left + (column + 0.5) * cell, tops[-1] - 1.5, str(column + 1),
                      ha="center", va="top")  # fmt: skip
        _scale(axes, width - SCALE + 3.0, tops[-1], min(tops[0] - tops[-1], 45.0), colours)
    return figure, _caption(table, names, label)


def _sizes(names: list[str], settings: Figures) -> tuple[float, float]:
    """Width of the figure and of a cell, as wide as the names leave it."""
    widest = max(text_width(f"{len(names)}. {name}") for name in names) + GAP
    for width in (settings.single_column_mm, settings.double_column_mm):
        room = width - SCALE - 2 * PAD
        cell = min(LARGEST_CELL, (room - min(widest, LABEL_SHARE * room)) / len(names))
        if cell >= LEAST_CELL:
            return width, cell
    # Many variables: the names get what the least cells leave.
    return width, max((room - NARROW_LABEL) / len(names), 3.5)


def _font_size(cell: float) -> float:
    """Size at which the widest number fits a cell."""
    size = FONT_SIZE
    while size > 5.0 and text_width(f"{MINUS}0.88", size, "bold") > cell - 0.6:
        size -= 0.5
    return size


def _cell(
    axes: Axes,
    corner: tuple[float, float],
    width: float,
    height: float,
    found: dict | None,
    colours: mpl.colors.Colormap,
    size: float,
) -> None:
    """One square with its coefficient; the diagonal is grey."""
    r = float("nan") if found is None else float(found["r"])
    known = np.isfinite(r)
    face = colours((r + 1) / 2) if known else ("#F2F2F2" if found is None else "white")
    axes.add_patch(
        Rectangle(corner, width, height, facecolor=face, edgecolor="white", linewidth=0.8)
    )
    if found is None:
        return
    bold = known and found["p_fdr"] < ALPHA
    axes.text(
        corner[0] + width / 2,
        corner[1] + height / 2,
        number(r) if known else "–",
        ha="center",
        va="center",
        fontsize=size,
        fontweight="bold" if bold else "normal",
        color=_ink(face) if known else GREY,
    )


def _ink(face: tuple[float, ...]) -> str:
    """Black or white, whichever reads better on a colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in face[:3]]
    return "white" if np.dot([0.2126, 0.7152, 0.0722], linear) < DARK else BLACK


def _scale(
    axes: Axes, left: float, bottom: float, height: float, colours: mpl.colors.Colormap
) -> None:
    """The colours' meaning, drawn as thin strips: vector files stay small and sharp."""
    steps = 40
    for step in range(steps):
        axes.add_patch(
            Rectangle(
                (left, bottom + step * height / steps),
                2.4,
                height / steps * 1.02,
                facecolor=colours((step + 0.5) / steps),
                edgecolor="none",
            )
        )
    axes.add_patch(Rectangle((left, bottom), 2.4, height, fill=False, edgecolor=LIGHT))
    for value in (-1, 0, 1):
        y = bottom + (value + 1) / 2 * height
        va = {-1: "bottom", 0: "center", 1: "top"}[value]
        axes.text(left + 3.2, y, number(value, 0), va=va)


def _caption(table: pd.DataFrame, names: list[str], label: Callable[[str], str]) -> str:
    method = str(table["method"].iloc[0]).capitalize()
    given = table["covariates"].iloc[0]
    held = [name for name in given.split(",") if name] if isinstance(given, str) else []
    counts = table.loc[table["r"].notna(), "n"]
    n = str(counts.min()) if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    text = f"{'Partial ' if held else ''}{method} correlations"
    if held:
        text += f" given {listing([label(name) for name in held])}"
    text += (
        f", n = {n}. Bold: p (Student's t) below 0.05 after Benjamini and Hochberg's adjustment "
        f"over the {len(table)} pairs. Variables: "
        + "; ".join(f"{place}, {label(name)}" for place, name in enumerate(names, start=1))
        + "."
    )
    if len(counts) < len(table):
        text += " –: could not be computed."
    return text
