"""Decision curves (Vickers and Elkin, Medical Decision Making 2006)."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.model_tables import (
    SET_NAMES,
    SetSize,
    drawn_sets,
    models_present,
    outcome_of,
    set_size,
)
from osteoflow.figures.panels import in_brackets, panel_letter, width_for
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
from osteoflow.wording import listing, number, quantity, significant

# Where the axis of net benefit starts, and how far below 0 at most in parts of its upper end.
FLOOR, _BELOW = -0.05, 0.25
# The axis shows at least so many times the share of events, and this.
_SHARES, _LEAST = 2.0, 0.1
# Beyond that, no threshold at which one false positive costs more of the greatest net benefit.
_ONE_COSTS = 0.1
# Strategies that ask no model, and how they are drawn.
TREAT = {
    "all": {"color": GREY, "linestyle": "-", "linewidth": 1.0},
    "none": {"color": BLACK, "linestyle": (0, (8, 4)), "linewidth": 1.0},
}


def draw_decision_curve(
    decision_curve: pd.DataFrame,
    predictions: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Net benefit of each model, of treating all and of treating none, one panel per set.

    The axis of thresholds ends where the curves cease to say anything
    (:func:`last_threshold`), at the same threshold in all panels.

    Parameters
    ----------
    decision_curve, predictions
        The analysis's tables of these names.
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
    of_set = {name: decision_curve[decision_curve["set"] == name] for name in sets}
    sizes = {name: set_size(predictions, name) for name in sets}
    end, why = max(last_threshold(of_set[name], sizes[name]) for name in sets)
    greatest = max(decision_curve["net_benefit"].max(), *map(event_share, of_set.values()))
    top = 1.08 * float(greatest)
    floor = max(FLOOR, -_BELOW * top)
    parts = []
    with look():
        names = [*map(_strategy_name, TREAT), *map(model_name, order)]
        columns = legend_columns(names, width)
        figure = new_figure(width, 0.8 * width / len(sets) + 4 + 3.8 * -(-len(names) // columns))
        for position, (name, rows) in enumerate(of_set.items()):
            axes = figure.add_subplot(1, len(sets), position + 1)
            letter = panel_letter(position, len(sets))
            panel_title(axes, letter, f"{SET_NAMES[name]} ({sizes[name].words})")
            _curves(axes, rows, order)
            axes.set(
                xlim=(float(rows["threshold"].min()), end),
                ylim=(floor, top),
                xlabel="Threshold probability",
                ylabel="Net benefit" if position == 0 else "",
            )
            parts.append(_panel_words(letter, name, rows, order, sizes[name]))
            handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)
    return figure, _caption(order, summary, parts, (end, why), floor)


def event_share(rows: pd.DataFrame) -> float:
    """Share of events that a set's curves hold for: the net benefit of treating all gives it."""
    row = rows[rows["strategy"] == "all"].iloc[0]
    odds = row["threshold"] / (1 - row["threshold"])
    return float((row["net_benefit"] + odds) / (1 + odds))


def last_threshold(rows: pd.DataFrame, size: SetSize) -> tuple[float, str]:
    """Where the axis of one set's curves ends, and why there.

    At twice the share of events, or farther on where a model still reaches the threshold and one
    false positive costs no more than a tenth of the greatest net benefit, the share of events:
    beyond it, curves leap with single participants.

    Parameters
    ----------
    rows
        A set's rows of ``decision_curve.tsv``.
    size
        Of the set.
    """
    share = event_share(rows)
    models = rows[~rows["strategy"].isin(TREAT)]
    treats = models.loc[models["net_benefit"] != 0, "threshold"]
    reached = float(treats.max()) if len(treats) else 0.0
    # A false positive costs (1 - share) odds / (number of non-events).
    odds = _ONE_COSTS * share / (1 - share) * (size.n - size.n_events)
    candidates = [(_SHARES * share, "twice the share of events"), (_LEAST, "which is always shown")]
    if reached <= odds / (1 + odds):
        candidates.append((reached, "the highest that a model reaches"))
    else:
        candidates.append(
            (
                odds / (1 + odds),
                "where one false positive costs a tenth of the greatest net benefit",
            )
        )
    end, why = max(candidates)
    last = float(rows["threshold"].max())
    return (end, why) if end <= last else (last, "the highest that was computed")


def _strategy_name(strategy: str) -> str:
    return f"Treat {strategy}" if strategy in TREAT else model_name(strategy)


def _curves(axes: Axes, rows: pd.DataFrame, models: list[str]) -> None:
    """Net benefit of treating all, none, and by each model."""
    styles = TREAT | {model: model_style(model, i, models) for i, model in enumerate(models)}
    for strategy, style in styles.items():
        curve = rows[rows["strategy"] == strategy].sort_values("threshold")
        label = plain(_strategy_name(strategy))
        axes.plot(curve["threshold"], curve["net_benefit"], label=label, **style)


def _panel_words(
    letter: str, name: str, rows: pd.DataFrame, models: list[str], size: SetSize
) -> str:
    """A set's size, and net benefit at the threshold nearest to the share of events, in words."""
    thresholds = rows["threshold"].drop_duplicates()
    at = float(thresholds.iloc[(thresholds - event_share(rows)).abs().argmin()])
    here = rows[rows["threshold"] == at].set_index("strategy")["net_benefit"]
    words = [
        f"{in_sentence(model)} {quantity('net_benefit', here[model])}"
        for model in models
        if model in here
    ]
    words.append(f"treating all {quantity('net_benefit', here['all'])}")
    told = size.words
    if name == "cv":
        told += f"; {size.scheme}; averaged over repeats of out-of-fold predictions"
    return (
        f"{in_brackets(letter)}{SET_NAMES[name]} ({told}), threshold {number(at)}, nearest to the "
        f"share of events: {listing(words)}."
    )


def _caption(
    models: list[str],
    summary: dict[str, Any],
    parts: list[str],
    end: tuple[float, str],
    floor: float,
) -> str:
    prevalence = summary.get("prevalence")
    carried = ""
    if prevalence is not None:
        carried = (
            f" The share of events is the declared prevalence of {significant(100 * prevalence, 3)}"
            " %, to which the models' probabilities were carried by the odds of the event."
        )
    return (
        f"Decision curves for {outcome_of(summary)}: net benefit of treating by the "
        f"{listing([in_sentence(name) for name in models])} "
        f"{'models' if len(models) > 1 else 'model'}, of treating all and of treating none, "
        f"against the threshold probability.{carried} {' '.join(parts)} The axis of thresholds "
        f"ends at {number(end[0])}, {end[1]}; that of net benefit starts at "
        f"{significant(floor, 2)}, and curves below it leave the panel. No test was made."
    )
