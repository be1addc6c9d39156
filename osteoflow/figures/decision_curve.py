"""Decision curves (Vickers and Elkin, Medical Decision Making 2006)."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.model_tables import SET_NAMES, drawn_sets, models_present, outcome_of
from osteoflow.figures.panels import panel_letter, width_for
from osteoflow.figures.style import (
    BLACK,
    GREY,
    legend_columns,
    look,
    model_style,
    new_figure,
    panel_title,
    plain,
)
from osteoflow.model_names import in_sentence, model_name
from osteoflow.settings.figures import Figures
from osteoflow.wording import listing, number, quantity

FLOOR = -0.05
# Strategies that ask no model, and how they are drawn.
TREAT = {
    "all": {"color": GREY, "linestyle": "-", "linewidth": 0.7},
    "none": {"color": BLACK, "linestyle": "-", "linewidth": 0.5},
}


def draw_decision_curve(
    decision_curve: pd.DataFrame, summary: dict[str, Any], settings: Figures
) -> tuple[Figure, str]:
    """Net benefit of each model, of treating all and of treating none, one panel per set.

    Parameters
    ----------
    decision_curve
        ``decision_curve.tsv`` of the analysis.
    summary
        ``summary.json`` of the analysis.
    settings
        Sizes; one panel is one column wide, two panels two columns.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        If there is no curve.
    """
    sets = drawn_sets(decision_curve, "the table of decision curves")
    width = width_for(len(sets), settings)
    strategies = decision_curve.rename(columns={"strategy": "model"})
    order = [name for name in models_present(strategies, summary) if name not in TREAT]
    top = max(float(decision_curve["net_benefit"].max()) * 1.08, 0.1)
    parts = []
    with look():
        names = [*map(_strategy_name, TREAT), *map(model_name, order)]
        columns = legend_columns(names, width)
        figure = new_figure(width, 0.8 * width / len(sets) + 4 + 3.8 * -(-len(names) // columns))
        for position, name in enumerate(sets):
            axes = figure.add_subplot(1, len(sets), position + 1)
            rows = decision_curve[decision_curve["set"] == name]
            panel_title(axes, panel_letter(position, len(sets)), SET_NAMES[name])
            _curves(axes, rows, order)
            axes.set(
                xlim=(float(rows["threshold"].min()), float(rows["threshold"].max())),
                ylim=(FLOOR, top),
                xlabel="Threshold probability",
                ylabel="Net benefit" if position == 0 else "",
            )
            parts.append(_numbers(rows, order, name))
            handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)
    caption = (
        f"Decision curves for {outcome_of(summary)}: net benefit of treating by the "
        f"{listing([in_sentence(name) for name in order])} "
        f"{'models' if len(order) > 1 else 'model'}, of treating all and of treating none, "
        "against the threshold probability. "
        f"{' '.join(parts)} The axis starts at {number(FLOOR)}; curves below it leave the panel."
    )
    return figure, caption


def _strategy_name(strategy: str) -> str:
    return f"Treat {strategy}" if strategy in TREAT else model_name(strategy)


def _curves(axes: Axes, rows: pd.DataFrame, models: list[str]) -> None:
    """Net benefit of treating all, none, and by each model."""
    styles = TREAT | {model: model_style(model, i, models) for i, model in enumerate(models)}
    for strategy, style in styles.items():
        curve = rows[rows["strategy"] == strategy].sort_values("threshold")
        label = plain(_strategy_name(strategy))
        axes.plot(curve["threshold"], curve["net_benefit"], label=label, **style)


def _numbers(rows: pd.DataFrame, models: list[str], name: str) -> str:
    """Net benefit at the threshold nearest to the middle of the range, in words."""
    middle = (rows["threshold"].min() + rows["threshold"].max()) / 2
    thresholds = rows["threshold"].drop_duplicates()
    at = float(thresholds.iloc[(thresholds - middle).abs().argmin()])
    here = rows[rows["threshold"] == at].set_index("strategy")["net_benefit"]
    words = [
        f"{in_sentence(model)} {quantity('net_benefit', here[model])}"
        for model in models
        if model in here
    ]
    if "all" in here:
        words.append(f"treating all {quantity('net_benefit', here['all'])}")
    return f"{SET_NAMES[name]}, threshold {number(at)}: {listing(words)}."
