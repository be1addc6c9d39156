"""Calibration of predicted probabilities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.model_tables import (
    SET_NAMES,
    Estimate,
    drawn_sets,
    models_present,
    outcome_of,
    performance_of,
    set_size,
)
from osteoflow.figures.panels import (
    band,
    identity,
    in_brackets,
    panel_letter,
    proportions,
    width_for,
)
from osteoflow.figures.style import (
    GREY,
    LETTER_MM,
    PAGE_MM,
    TITLE_SIZE,
    look,
    model_style,
    new_figure,
    panel_title,
    text_width,
    wrap,
)
from osteoflow.model_names import in_sentence, model_name
from osteoflow.settings.figures import Figures
from osteoflow.wording import listing, quantity, quantity_estimate

RUG_BINS = 25
MOST_IN_ROW = 5
# Room in mm left of the first panel, and between two panels, that titles cannot use.
_LEFT_MM, _BETWEEN_MM = 16.0, 4.0
_TITLE_LINE_MM = 3.4
_REPEATS = re.compile(r"\d+ of \d+ repeats defined")


def draw_calibration(
    calibration: pd.DataFrame,
    performance: pd.DataFrame,
    predictions: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Observed against predicted, one panel per model and set, up to five in a row.

    Points are groups of participants with their interval, the curve is the logistic recalibration,
    the dotted line is perfect calibration; the histogram beneath shows where predictions lie,
    events upwards. In cross-validation all three are of the repeats' own predictions, as the slope
    is.

    Parameters
    ----------
    calibration, performance, predictions
        The analysis's tables of these names.
    summary
        ``summary.json`` of the analysis.
    settings
        Sizes; the figure is two columns wide.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        If there is no calibration to draw.
    """
    sets = drawn_sets(calibration, "the calibration table")
    models = models_present(calibration, summary)
    panels = [(name, model) for name in sets for model in models]
    width = width_for(len(models), settings)
    in_row = panels_in_row(len(models))
    per_set = -(-len(models) // in_row)
    room = (width - _LEFT_MM) / in_row - _BETWEEN_MM
    letters = {one: panel_letter(place, len(panels)) for place, one in enumerate(panels)}
    with look():
        titles = _titles(performance, sets, models, in_row, room)
        rows_of_panels = len(sets) * per_set
        lines = max(title.count("\n") + 1 for title in titles.values())
        height = (1.3 * (room + _BETWEEN_MM) + _TITLE_LINE_MM * lines + 8) * rows_of_panels
        figure = new_figure(width, min(height, PAGE_MM - 1e-6))
        figure.get_layout_engine().set(hspace=0.04)
        grid = figure.add_gridspec(
            2 * rows_of_panels, in_row, height_ratios=[5, 1] * rows_of_panels
        )
        for i, name in enumerate(sets):
            for j, model in enumerate(models):
                row, column = i * per_set + j // in_row, j % in_row
                axes = figure.add_subplot(grid[2 * row, column])
                rows = calibration[(calibration["set"] == name) & (calibration["model"] == model)]
                _curve(axes, rows, model_style(model, j, models))
                panel_title(axes, letters[name, model], titles[name, model])
                rug = figure.add_subplot(grid[2 * row + 1, column], sharex=axes)
                _distribution(rug, predictions, model, name)
                if j + in_row >= len(models):
                    rug.set_xlabel("Predicted probability")
                if column == 0:
                    axes.set_ylabel(f"{SET_NAMES[name]}:\nobserved proportion")
                else:
                    axes.tick_params(labelleft=False)
                    rug.tick_params(labelleft=False)
    numbers = [_numbers(performance, predictions, name, models, letters) for name in sets]
    return figure, _caption(sets, models, summary, numbers)


def panels_in_row(n: int) -> int:
    """How many of a set's panels stand in a row: at most five, and rows as even as can be."""
    rows = -(-n // MOST_IN_ROW)
    return -(-n // rows)


def _titles(
    performance: pd.DataFrame,
    sets: Sequence[str],
    models: Sequence[str],
    in_row: int,
    room: float,
) -> dict[tuple[str, str], str]:
    """What stands above each panel of ``room`` mm: the model's name, slope and intercept.

    In a row of panels all names begin on one line, and so do all numbers; a number is never parted
    from what it is.
    """
    found = {}
    for name in sets:
        for start in range(0, len(models), in_row):
            beside = models[start : start + in_row]
            heads = [wrap(model_name(model), room - LETTER_MM, TITLE_SIZE) for model in beside]
            feet = [_number_lines(performance, model, name, room) for model in beside]
            lines = max(map(len, heads)) + max(map(len, feet))
            for model, head, foot in zip(beside, heads, feet, strict=True):
                between = [""] * (lines - len(head) - len(foot))
                found[name, model] = "\n".join([*head, *between, *foot])
    return found


def _number_lines(performance: pd.DataFrame, model: str, name: str, room: float) -> list[str]:
    parts = []
    for what in ("slope", "intercept"):
        metric = f"calibration_{what}"
        value = performance_of(performance, model, name, metric).value
        parts.append(f"{what} {quantity(metric, value)}")
    together = ", ".join(parts)
    if text_width(together, TITLE_SIZE) <= room:
        return [together]
    return [line for part in parts for line in wrap(part, room, TITLE_SIZE)]


def _numbers(
    performance: pd.DataFrame,
    predictions: pd.DataFrame,
    name: str,
    models: Sequence[str],
    letters: dict[tuple[str, str], str],
) -> str:
    """Size of a set, then slope and intercept of each model with limits, for the caption."""
    size = set_size(predictions, name)
    words = []
    for model in models:
        slope, intercept = (
            performance_of(performance, model, name, f"calibration_{what}")
            for what in ("slope", "intercept")
        )
        told = _REPEATS.search(slope.method)
        words.append(
            f"{in_brackets(letters[name, model])}{in_sentence(model)}: slope {_with_limits(slope)}"
            f"{f' ({told[0]})' if told else ''}, intercept {_with_limits(intercept)}"
        )
    scheme = f"; {size.scheme}" if name == "cv" else ""
    return f"{SET_NAMES[name]} ({size.words}{scheme}): {'; '.join(words)}."


def _caption(
    sets: Sequence[str], models: Sequence[str], summary: dict[str, Any], numbers: Sequence[str]
) -> str:
    intervals = {
        "cv": "participant bootstrap in cross-validation",
        "holdout": "Wald on the hold-out",
    }
    text = (
        f"Calibration of the probability of {outcome_of(summary)} by the "
        f"{listing([in_sentence(model) for model in models])} "
        f"{'models' if len(models) > 1 else 'model'}. Points: groups of similar predictions, with "
        "Wilson's 95 % intervals of the observed proportion; curve: logistic recalibration, with "
        "its 95 % interval as a band, none where the slope is not estimable; dotted: perfect "
        "calibration (slope 1, intercept 0). Below: predictions of participants with (upwards) and "
        "without the event (downwards). "
    )
    if "cv" in sets:
        text += (
            "In cross-validation points and predictions are those of all repeats, each participant "
            "counting once; every repeat is recalibrated by itself, and the curve is the mean of "
            "its repeats on the scale of log odds, with the mean slope. "
        )
    return (
        f"{text}Slope, and intercept with the slope held at 1 (95 % interval: "
        f"{listing([intervals[name] for name in sets])}). {' '.join(numbers)}"
    )


def _with_limits(found: Estimate) -> str:
    """Slope or intercept, which have the same decimals, with its interval."""
    return quantity_estimate("calibration_slope", found.value, found.low, found.high)


def _curve(axes: Axes, rows: pd.DataFrame, style: dict[str, Any]) -> None:
    identity(axes)
    smooth = rows[rows["curve"] == "smooth"].sort_values("predicted")
    axes.plot(smooth["predicted"], smooth["observed"], **style)
    if smooth["ci_low"].notna().any():
        band(axes, smooth["predicted"], smooth["ci_low"], smooth["ci_high"], style["color"])
    points = rows[rows["curve"] == "points"]
    axes.errorbar(
        points["predicted"],
        points["observed"],
        yerr=np.abs(
            np.vstack(
                [points["observed"] - points["ci_low"], points["ci_high"] - points["observed"]]
            )
        ),
        fmt="o",
        color=style["color"],
        markerfacecolor="white",
        markeredgewidth=0.8,
        elinewidth=0.6,
        capsize=1.5,
        capthick=0.6,
        clip_on=False,
        zorder=4,
    )
    proportions(axes)
    axes.tick_params(labelbottom=False)


def _distribution(axes: Axes, predictions: pd.DataFrame, model: str, name: str) -> None:
    """How many participants have which prediction, a participant's repeats counting once."""
    rows = predictions[(predictions["model"] == model) & (predictions["set"] == name)]
    share = 1 / rows["repeat"].nunique()
    edges = np.linspace(0, 1, RUG_BINS + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    heights = []
    for event, sign in ((1, 1), (0, -1)):
        n, _ = np.histogram(rows.loc[rows["outcome"] == event, "probability"], bins=edges)
        heights.append(share * n.max())
        axes.vlines(centres, 0, sign * share * n, color=GREY, linewidth=1.6)
    axes.axhline(0, color=GREY, linewidth=0.5)
    top = max(heights) * 1.15 or 1
    axes.set(ylim=(-top, top), yticks=[top / 2, -top / 2], yticklabels=["event", "none"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
