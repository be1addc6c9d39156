"""A predicted quantity against the measured one, and their differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from osteoflow.figures.model_tables import (
    SET_NAMES,
    Estimate,
    drawn_sets,
    models_present,
    outcome_of,
    performance_of,
    set_size,
    size_words,
)
from osteoflow.figures.panels import (
    AGREEMENT_LINES,
    agreement_bands,
    agreement_line,
    frame_differences,
    identity,
    no_difference,
    paired_panels,
)
from osteoflow.figures.style import BLUE, look, panel_title, plain, rasterised, wrap
from osteoflow.model_names import in_sentence
from osteoflow.settings.figures import Figures
from osteoflow.wording import (
    agreement_words,
    limits_decimals,
    quantity,
    quantity_estimate,
    sentence,
)

_PANEL_MM = 64.0


def draw_predicted(
    predictions: pd.DataFrame,
    performance: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Predicted against measured with the identity line, and a Bland-Altman plot, per set.

    Of the last model of the analysis; in cross-validation each participant's mean out-of-fold
    prediction (Bland and Altman, Lancet 1986;327:307).

    Parameters
    ----------
    predictions, performance
        The analysis's tables of these names.
    summary
        ``summary.json``.
    settings
        Sizes; two columns wide, one row of panels per set.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        If nothing was predicted.
    """
    sets = drawn_sets(predictions, "the table of predictions")
    model = models_present(predictions, summary)[-1]
    name_of = outcome_of(summary)
    words = []
    with look():
        figure, pairs = paired_panels(sets, _PANEL_MM, settings)
        for part, letters, left, right, room in pairs:
            points = mean_predictions(predictions, model, part)
            found = {
                metric: performance_of(performance, model, part, metric)
                for metric in ("r2", "rmse", "pearson_r", "bias", "limit_low", "limit_high")
            }
            size = set_size(predictions, part)
            people = size_words(size.n)
            title = f"{SET_NAMES[part]} ({people})"
            _scatter(left, points, name_of, found, room)
            panel_title(left, letters[0], title, room)
            _differences(right, points, name_of, found, room)
            panel_title(right, letters[1], f"{SET_NAMES[part]}: agreement", room)
            told = f"{people}; {size.scheme}" if part == "cv" else people
            words.append(_words(letters, f"{SET_NAMES[part]} ({told})", found))
    averaged = ""
    if predictions["repeat"].max() > 1:
        averaged = " Points of the cross-validation are each participant's mean over repeats."
    caption = (
        f"{name_of} predicted by the {in_sentence(model)} model for participants that it was not "
        "fitted on. Left: predicted against measured, with the line of identity; right: their "
        "difference against their mean, with bias (solid) and limits of agreement, bias ± 1.96 "
        "standard deviations (dashed). Bands: 95 % intervals of the bias (blue) and of the limits "
        f"(grey), whose ends within another one are dotted.{averaged} {' '.join(words)}"
    )
    return figure, caption


def mean_predictions(predictions: pd.DataFrame, model: str, part: str) -> pd.DataFrame:
    """One row per participant: outcome and prediction, averaged over the repeats."""
    rows = predictions[(predictions["model"] == model) & (predictions["set"] == part)]
    return rows.groupby("participant_id", sort=True)[["outcome", "prediction"]].mean()


def _dots(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    many = rasterised(len(x))
    size, alpha = (2, 0.35) if many else (9, 0.75)
    axes.scatter(x, y, s=size, color=BLUE, alpha=alpha, linewidths=0, zorder=3, rasterized=many)


def _scatter(
    axes: Axes, points: pd.DataFrame, name: str, found: dict[str, Estimate], room: float
) -> None:
    values = points.to_numpy(dtype=float)
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    identity(axes, ends)
    _dots(axes, points["outcome"], points["prediction"])
    axes.set_aspect("equal")
    axes.set(xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4))
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.set_xlabel(plain("\n".join(wrap(f"Measured: {name}", room))))
    axes.set_ylabel(plain("\n".join(wrap(f"Predicted: {name}", 0.7 * room))))
    r2 = f"R² {quantity('r2', found['r2'].value)}"
    axes.text(
        *(0.04, 0.97, f"{r2}\nRMSE {quantity('rmse', found['rmse'].value)}"),
        transform=axes.transAxes,
        va="top",
    )


def _differences(
    axes: Axes, points: pd.DataFrame, name: str, found: dict[str, Estimate], room: float
) -> None:
    difference = points["prediction"] - points["outcome"]
    _dots(axes, (points["prediction"] + points["outcome"]) / 2, difference)
    no_difference(axes)
    digits = limits_decimals(found["limit_low"].value, found["limit_high"].value)
    reach = float(difference.abs().max())
    metrics = ("bias", "limit_low", "limit_high")
    for metric, style in zip(metrics, AGREEMENT_LINES, strict=True):
        line = found[metric]
        reach = np.nanmax([reach, abs(line.value), abs(line.low), abs(line.high)])
        agreement_line(axes, line.value, digits, style)
    ends = {metric: (found[metric].low, found[metric].high) for metric in metrics}
    agreement_bands(axes, ends.pop("bias"), list(ends.values()))
    frame_differences(axes, reach)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.set_xlabel(plain("\n".join(wrap(f"Mean of both: {name}", room))))
    axes.set_ylabel("Predicted − measured")


def _words(letters: tuple[str, str], title: str, found: dict[str, Estimate]) -> str:
    def said(metric: str) -> str:
        one = found[metric]
        return quantity_estimate(metric, one.value, one.low, one.high)

    bias = found["bias"]
    bias_words, limits = agreement_words(
        bias.value, bias.low, bias.high, found["limit_low"].value, found["limit_high"].value
    )
    return sentence(
        f"({letters[0]}, {letters[1]}) {title}: R² {said('r2')}, root mean squared error "
        f"{said('rmse')}, Pearson's r {said('pearson_r')}, bias {bias_words}, limits of agreement "
        f"{limits}; participant bootstrap"
    )
