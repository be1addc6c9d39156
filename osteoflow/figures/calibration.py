"""Calibration of predicted probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.model_tables import (
    SET_NAMES,
    Estimate,
    mean_probabilities,
    models_present,
    outcome_of,
    performance_of,
    set_size,
    sets_present,
    title_of,
)
from osteoflow.figures.style import GREY, look, model_style, new_figure, plain
from osteoflow.settings.figures import Figures
from osteoflow.wording import listing, quantity, quantity_estimate

RUG_BINS = 25


def draw_calibration(
    calibration: pd.DataFrame,
    performance: pd.DataFrame,
    predictions: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Observed against predicted, one column per model and one row per set.

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
    sets = sets_present(calibration)
    if not sets:
        raise ValueError("the calibration table is empty")
    models = models_present(calibration, summary)
    width = settings.double_column_mm if len(models) > 1 else settings.single_column_mm
    panel = width / len(models)
    words = []
    with look():
        figure = new_figure(width, (1.22 * panel) * len(sets) + 4)
        figure.get_layout_engine().set(hspace=0.04)
        grid = figure.add_gridspec(2 * len(sets), len(models), height_ratios=[5, 1] * len(sets))
        for i, name in enumerate(sets):
            size = set_size(predictions, name)
            for j, model in enumerate(models):
                axes = figure.add_subplot(grid[2 * i, j])
                rows = calibration[(calibration["set"] == name) & (calibration["model"] == model)]
                _curve(axes, rows, model_style(model, j))
                axes.tick_params(labelbottom=False)
                slope, intercept = (
                    performance_of(performance, model, name, f"calibration_{what}")
                    for what in ("slope", "intercept")
                )
                numbers = (
                    f"slope {quantity('calibration_slope', slope.value)}, "
                    f"intercept {quantity('calibration_intercept', intercept.value)}"
                )
                axes.set_title(plain(f"{SET_NAMES[name]}: {model}\n{numbers}"), fontsize=7)
                rug = figure.add_subplot(grid[2 * i + 1, j], sharex=axes)
                _distribution(rug, mean_probabilities(predictions, model, name))
                rug.set_xlabel("Predicted probability")
                if j == 0:
                    axes.set_ylabel("Observed proportion")
                words.append(
                    f"{title_of(model)}, {SET_NAMES[name].lower()} ({size.words}): slope "
                    f"{_with_limits(slope)}, intercept "
                    f"{_with_limits(intercept)}"
                )
    caption = (
        f"Calibration of the probability of {outcome_of(summary)} by the {listing(models)} "
        f"{'models' if len(models) > 1 else 'model'}. Points: groups of participants with similar "
        "predictions, with 95 % intervals of the observed proportion; curve: smooth; dotted: "
        "perfect calibration (slope 1, intercept 0). Below: predictions of participants with "
        "(upwards) and without the event (downwards), averaged over the repeats of the "
        f"cross-validation. Slope and intercept (95 % interval where estimated): "
        f"{'; '.join(words)}."
    )
    return figure, caption


def _with_limits(found: Estimate) -> str:
    """Slope or intercept, which have the same decimals, with its interval."""
    return quantity_estimate("calibration_slope", found.value, found.low, found.high)


def _curve(axes: Axes, rows: pd.DataFrame, style: dict[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
    smooth = rows[rows["curve"] == "smooth"].sort_values("predicted")
    axes.plot(smooth["predicted"], smooth["observed"], **style)
    if smooth["ci_low"].notna().any():
        axes.fill_between(
            smooth["predicted"],
            smooth["ci_low"],
            smooth["ci_high"],
            color=style["color"],
            alpha=0.12,
            linewidth=0,
        )
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
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks)


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
