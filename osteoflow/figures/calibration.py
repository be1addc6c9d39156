"""Calibration of predicted probabilities."""

from __future__ import annotations

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
    mean_probabilities,
    models_present,
    outcome_of,
    performance_of,
    set_size,
)
from osteoflow.figures.panels import band, identity, proportions, width_for
from osteoflow.figures.style import GREY, PAGE_MM, look, model_style, new_figure, plain, wrap
from osteoflow.model_names import in_sentence, model_name
from osteoflow.settings.figures import Figures
from osteoflow.wording import listing, quantity, quantity_estimate

RUG_BINS = 25
MOST_IN_ROW = 4


def draw_calibration(
    calibration: pd.DataFrame,
    performance: pd.DataFrame,
    predictions: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Observed against predicted, one panel per model and set, up to four in a row.

    Points are groups of participants with their interval, the curve is a smooth, the dotted line
    is perfect calibration; the histogram beneath shows where predictions lie, events upwards.

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
    width = width_for(len(models), settings)
    in_row = len(models) if len(models) < 4 else MOST_IN_ROW
    per_set = -(-len(models) // in_row)
    panel = width / in_row
    with look():
        titles, words = _titles(performance, predictions, sets, models, panel - 14)
        rows_of_panels = len(sets) * per_set
        lines = max(len(title) for title in titles.values()) - 2
        height = (1.22 * panel + 3 * lines) * rows_of_panels + 4
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
                _curve(axes, rows, model_style(model, j, models), titles[name, model])
                rug = figure.add_subplot(grid[2 * row + 1, column], sharex=axes)
                _distribution(rug, mean_probabilities(predictions, model, name))
                if j + in_row >= len(models):
                    rug.set_xlabel("Predicted probability")
                if column == 0:
                    axes.set_ylabel(f"{SET_NAMES[name]}:\nobserved proportion")
    return figure, _caption(models, summary, words)


def _titles(
    performance: pd.DataFrame,
    predictions: pd.DataFrame,
    sets: Sequence[str],
    models: Sequence[str],
    room: float,
) -> tuple[dict[tuple[str, str], list[str]], list[str]]:
    """Lines above each panel within ``room`` mm, and the estimates with limits for the caption."""
    titles, words = {}, []
    for name in sets:
        for model in models:
            slope, intercept = (
                performance_of(performance, model, name, f"calibration_{what}")
                for what in ("slope", "intercept")
            )
            numbers = (
                f"slope {quantity('calibration_slope', slope.value)}, "
                f"intercept {quantity('calibration_intercept', intercept.value)}"
            )
            titles[name, model] = [*wrap(model_name(model), room), *wrap(numbers, room)]
            words.append(
                f"{model_name(model)}, {SET_NAMES[name].lower()} "
                f"({set_size(predictions, name).words}): slope "
                f"{_with_limits(slope)}, intercept "
                f"{_with_limits(intercept)}"
            )
    return titles, words


def _caption(models: Sequence[str], summary: dict[str, Any], words: Sequence[str]) -> str:
    return (
        f"Calibration of the probability of {outcome_of(summary)} by the "
        f"{listing([in_sentence(model) for model in models])} "
        f"{'models' if len(models) > 1 else 'model'}. Points: groups of participants with similar "
        "predictions, with 95 % intervals of the observed proportion; curve: smooth; dotted: "
        "perfect calibration (slope 1, intercept 0). Below: predictions of participants with "
        "(upwards) and without the event (downwards), averaged over the repeats of the "
        f"cross-validation. Slope and intercept (95 % interval where estimated): "
        f"{'; '.join(words)}."
    )


def _with_limits(found: Estimate) -> str:
    """Slope or intercept, which have the same decimals, with its interval."""
    return quantity_estimate("calibration_slope", found.value, found.low, found.high)


def _curve(axes: Axes, rows: pd.DataFrame, style: dict[str, Any], title: Sequence[str]) -> None:
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
    axes.set_title(plain("\n".join(title)), fontsize=7)


def _distribution(axes: Axes, people: pd.DataFrame) -> None:
    edges = np.linspace(0, 1, RUG_BINS + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    heights = []
    for event, sign in ((1, 1), (0, -1)):
        n, _ = np.histogram(people.loc[people["outcome"] == event, "probability"], bins=edges)
        heights.append(n.max())
        axes.vlines(centres, 0, sign * n, color=GREY, linewidth=1.6)
    axes.axhline(0, color=GREY, linewidth=0.5)
    top = max(heights) * 1.15 or 1
    axes.set(ylim=(-top, top), yticks=[top / 2, -top / 2], yticklabels=["event", "none"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
