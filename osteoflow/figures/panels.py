"""What panels of several figures share: where they stand, their letters, lines of reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.style import BLACK, GREY, new_figure
from osteoflow.wording import number

if TYPE_CHECKING:
    from osteoflow.settings.figures import Figures

LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Ticks of proportions.
TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)
DOTTED = (0, (1, 2))
# Room in mm beside a panel of a pair that its title and the names of its axes cannot use.
_BESIDE_MM = 16


def width_for(n_panels: int, settings: Figures) -> float:
    """Width in mm of a figure: one panel is one column wide, more are two columns wide."""
    return settings.double_column_mm if n_panels > 1 else settings.single_column_mm


def panel_letter(position: int, n_panels: int) -> str:
    """Letter of a panel; a single panel has none."""
    return LETTERS[position] if n_panels > 1 else ""


def in_brackets(letter: str) -> str:
    """A panel's letter as its words in the caption begin: ``(a) ``; nothing without a letter."""
    return f"({letter}) " if letter else ""


class Pair(NamedTuple):
    """Two panels of one set, beside each other, with their letters; ``room`` in mm for titles."""

    name: str
    letters: tuple[str, str]
    left: Axes
    right: Axes
    room: float


def paired_panels(
    sets: Sequence[str], height_mm: float, settings: Figures
) -> tuple[Figure, list[Pair]]:
    """A figure two columns wide with a row of two panels for each set.

    Parameters
    ----------
    sets
        Names of the sets, at most 13.
    height_mm
        Of one row.
    settings
        Sizes.
    """
    width = settings.double_column_mm
    figure = new_figure(width, height_mm * len(sets))
    grid = figure.subplots(len(sets), 2, squeeze=False)
    pairs = [
        Pair(name, (LETTERS[2 * i], LETTERS[2 * i + 1]), *grid[i], width / 2 - _BESIDE_MM)
        for i, name in enumerate(sets)
    ]
    return figure, pairs


def placed_axes(
    figure: Figure, place: tuple[float, float, float, float], size: tuple[float, float]
) -> Axes:
    """Axes at a place in millimetres.

    Parameters
    ----------
    figure
        Without a layout.
    place
        Distance from the figure's left and from its top, width, height.
    size
        Width and height of the figure.
    """
    (left, top, width, height), (whole_width, whole_height) = place, size
    bottom = 1 - (top + height) / whole_height
    return figure.add_axes((left / whole_width, bottom, width / whole_width, height / whole_height))


def proportions(axes: Axes, **more: Any) -> None:
    """Both axes from 0 to 1; ``more`` goes to :meth:`matplotlib.axes.Axes.set`."""
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=TICKS, yticks=TICKS, **more)


def roc_axes(axes: Axes) -> None:
    """Sensitivity against the share of false positives."""
    proportions(axes, xlabel="1 − specificity", ylabel="Sensitivity")


def identity(axes: Axes, ends: tuple[float, float] = (0, 1)) -> None:
    """The dotted line on which both coordinates are equal."""
    axes.plot(ends, ends, color=GREY, linewidth=0.6, linestyle=DOTTED)


def band(axes: Axes, x: Any, low: Any, high: Any, color: str, **more: Any) -> None:
    """The interval about a curve; ``more`` goes to :meth:`matplotlib.axes.Axes.fill_between`."""
    axes.fill_between(x, low, high, color=color, alpha=0.12, linewidth=0, **more)


# Opaque: the tones of GREY and BLUE on white at the opacity of other bands.
_OF_LIMITS, _OF_BIAS = "#E9E9E9", "#E0EEF6"
# How the three lines of a Bland-Altman plot are drawn: bias, lower and upper limit of agreement.
AGREEMENT_LINES = ("-", (0, (4, 2)), (0, (4, 2)))


def no_difference(axes: Axes) -> None:
    """The line of a Bland-Altman plot where two measurements are equal."""
    axes.axhline(0, color=GREY, linewidth=0.5, linestyle=DOTTED)


def agreement_bands(
    axes: Axes, bias: tuple[float, float], limits: Sequence[tuple[float, float]]
) -> None:
    """Intervals of the lines of a Bland-Altman plot: that of the bias blue, of the limits grey.

    Where intervals overlap the bias lies above, without a third tone between; the end of a
    limit's interval that lies within another one is dotted.

    Parameters
    ----------
    axes
        Of the plot.
    bias, limits
        Ends of the bias' interval and of the limits'; those that are not finite are not drawn.
    """
    drawn = [(bias, _OF_BIAS), *((one, _OF_LIMITS) for one in limits)]
    drawn = [(ends, tone) for ends, tone in drawn if np.isfinite(ends).all()]
    for ends, tone in drawn:
        axes.axhspan(*ends, color=tone, linewidth=0, zorder=0.2 if tone == _OF_BIAS else 0.1)
    for place, (ends, tone) in enumerate(drawn):
        others = [other for i, (other, _) in enumerate(drawn) if i != place]
        for end in ends if tone == _OF_LIMITS else ():
            if any(low < end < high for low, high in others):
                axes.axhline(end, color=GREY, linewidth=0.6, linestyle=DOTTED, zorder=0.3)


def agreement_line(axes: Axes, value: float, digits: int, style: Any) -> None:
    """A line of a Bland-Altman plot with its number at the right end, outside the data."""
    axes.axhline(value, color=BLACK, linewidth=0.8, linestyle=style)
    axes.annotate(
        number(value, digits), (1, value), xycoords=("axes fraction", "data"),
        xytext=(2, 0), textcoords="offset points", va="center",
    )  # fmt: skip


def frame_differences(axes: Axes, reach: float) -> None:
    """Limits of a Bland-Altman plot, symmetric about 0, with room beyond the farthest ``reach``."""
    axes.set_ylim(-1.1 * reach or -1, 1.1 * reach or 1)
    axes.margins(x=0.08)
