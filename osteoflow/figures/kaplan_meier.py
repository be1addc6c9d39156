"""Survival of participants with lower and higher scores, with the numbers at risk beneath."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from osteoflow.figures.model_tables import (
    SET_NAMES,
    drawn_sets,
    models_present,
    outcome_of,
    performance_of,
    size_words,
)
from osteoflow.figures.panels import (
    TICKS,
    band,
    in_brackets,
    panel_letter,
    placed_axes,
    width_for,
)
from osteoflow.figures.style import (
    BLUE,
    MM_PER_POINT,
    VERMILION,
    look,
    new_figure,
    panel_title,
    plain,
    text_width,
    wrap,
)
from osteoflow.model_names import in_sentence
from osteoflow.settings.figures import Figures
from osteoflow.wording import count, p_value, quantity_estimate, sentence, significant

GROUPS = {
    "lower": ("Lower score", {"color": BLUE, "linestyle": "-"}),
    "higher": ("Higher score", {"color": VERMILION, "linestyle": (0, (4, 1.5))}),
}
# Room around the panels, and the lines beneath the axis' label.
_LEFT_MM, _RIGHT_MM, _TOP_MM, _LABELS_MM, _LINE_MM = 13.0, 4.0, 6.0, 10.5, 3.8
_FOOT_MM, _RATIO = 2.5, 0.72


def draw_kaplan_meier(
    curves: pd.DataFrame,
    tests: pd.DataFrame,
    performance: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Kaplan-Meier curves of the last model's groups with bands, marks of censoring and numbers.

    Parameters
    ----------
    curves
        ``kaplan_meier.tsv`` of the analysis.
    tests
        ``log_rank.tsv``.
    performance
        ``performance.tsv``.
    summary
        ``summary.json``.
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
    sets = drawn_sets(curves, "the table of survival curves")
    model = models_present(curves, summary)[-1]
    width = width_for(len(sets), settings)
    panel = width / len(sets)
    room = panel - _LEFT_MM - _RIGHT_MM
    tall = _RATIO * room
    unit = str(summary.get("time_label") or summary.get("time") or "time")
    label = wrap(unit[:1].upper() + unit[1:], room)
    labels = _LABELS_MM + _LINE_MM * (len(label) - 1)
    height = _TOP_MM + tall + labels + _LINE_MM * (1 + len(GROUPS)) + _FOOT_MM
    words = []
    with look():
        figure = new_figure(width, height, layout=None)
        for place, part in enumerate(sets):
            rows = curves[(curves["model"] == model) & (curves["set"] == part)]
            test = tests[(tests["model"] == model) & (tests["set"] == part)].iloc[0]
            at = (place * panel + _LEFT_MM, _TOP_MM, room, tall)
            axes = placed_axes(figure, at, (width, height))
            letter = panel_letter(place, len(sets))
            panel_title(axes, letter, f"{SET_NAMES[part]} ({_size(test)})")
            _curves(axes, rows, test)
            axes.set_xlabel(plain("\n".join(label)))
            axes.set_ylabel("Free of the event" if place == 0 else "")
            _numbers_at_risk(axes, rows, labels)
            words.append(_words(letter, part, test, performance, model))
    return figure, _caption(model, summary, words)


def _caption(model: str, summary: dict[str, Any], words: list[str]) -> str:
    return (
        f"Kaplan-Meier estimate of participants free of {outcome_of(summary)} by score of the "
        f"{in_sentence(model)} model: lower and higher than the median of the participants the "
        "model was fitted on. Bands: 95 % intervals; ticks on the curves: censored; numbers: "
        f"still at risk. {' '.join(words)}"
    )


def _size(test: pd.Series) -> str:
    """``26 participants, 11 events`` of both groups."""
    n = int(test["n_lower"] + test["n_higher"])
    events = int(test["events_lower"] + test["events_higher"])
    return size_words(n, events)


def _curves(axes: Axes, rows: pd.DataFrame, test: pd.Series) -> None:
    end = float(rows["time"].max())
    handles, names = [], []
    for group, (name, style) in GROUPS.items():
        curve = rows[rows["group"] == group].sort_values("time")
        if curve.empty:
            continue
        time = np.concatenate([[0.0], curve["time"]])
        survival = np.concatenate([[1.0], curve["survival"]])
        axes.plot(time, survival, drawstyle="steps-post", clip_on=False, zorder=3, **style)
        limits = curve[["ci_low", "ci_high"]].to_numpy(dtype=float)
        band(axes, curve["time"], limits[:, 0], limits[:, 1], style["color"], step="post")
        censored = curve[curve["censored"] > 0]
        axes.plot(
            censored["time"], censored["survival"],
            linestyle="none", marker="|", markersize=3.5, markeredgewidth=0.6,
            color=style["color"], clip_on=False, zorder=4,
        )  # fmt: skip
        handles.append(Line2D([], [], **style))
        names.append(f"{name} ({count(int(test[f'events_{group}']), 'event')})")
    axes.set(xlim=(0, end), ylim=(0, 1), yticks=TICKS)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    found = axes.legend(handles, names, loc=_free_corner(rows, end), borderpad=0.3)
    if np.isfinite(test["p"]):
        found.set_title(f"Log-rank {p_value(test['p'])}")
        found.get_title().set_fontsize(found.get_texts()[0].get_fontsize())
        found._legend_box.align = "left"


def _free_corner(rows: pd.DataFrame, end: float) -> str:
    """Of the two corners that falling curves leave free the one with more room."""
    late = rows[rows["time"] >= 0.4 * end]
    # At the left of a panel's last part stands what curves had come to before it.
    before = rows[rows["time"] < 0.4 * end].groupby("group").tail(1)
    highest = pd.concat([late, before])[["survival", "ci_high"]].max().max()
    lowest = rows[rows["time"] <= 0.6 * end][["survival", "ci_low"]].min().min()
    above = 1 - (highest if np.isfinite(highest) else 1.0)
    return "upper right" if above > (lowest if np.isfinite(lowest) else 1.0) else "lower left"


def at_risk(curve: pd.DataFrame, times: np.ndarray) -> list[int]:
    """How many of a group are still at risk at times: those whose own time is not earlier."""
    ordered = curve.sort_values("time")
    place = np.searchsorted(ordered["time"].to_numpy(dtype=float), times, side="left")
    return [int(n) for n in np.append(ordered["at_risk"].to_numpy(), 0)[place]]


def _numbers_at_risk(axes: Axes, rows: pd.DataFrame, labels_mm: float) -> None:
    """A line for each group beneath the axis, numbers under its ticks."""
    low, high = axes.get_xlim()
    ticks = np.array([tick for tick in axes.get_xticks() if low <= tick <= high + 1e-9])

    def write(x: float, line: int, text: str, frame: str, **options: Any) -> None:
        drop = -(labels_mm + _LINE_MM * line) / MM_PER_POINT
        axes.annotate(
            text, (x, 0), xycoords=(frame, "axes fraction"),
            xytext=(options.pop("shift", 0.0), drop), textcoords="offset points", va="top",
            **options,
        )  # fmt: skip

    outside = -(_LEFT_MM - 1.0) / MM_PER_POINT
    write(0, 0, "At risk", "axes fraction", shift=outside, ha="left")
    for line, (group, (name, style)) in enumerate(GROUPS.items(), start=1):
        curve = rows[rows["group"] == group]
        short = name.split()[0]
        write(0, line, short, "axes fraction", shift=outside, ha="left", color=style["color"])
        numbers = at_risk(curve, ticks) if len(curve) else [0] * len(ticks)
        # The first number must not touch the group's name.
        least = text_width(short) + 1.5 - (_LEFT_MM - 1.0)
        for tick, n in zip(ticks, numbers, strict=True):
            begin = max(0.0, least + text_width(str(n)) / 2) if tick == ticks[0] else 0.0
            write(tick, line, str(n), "data", shift=begin / MM_PER_POINT, ha="center")


def _words(letter: str, part: str, test: pd.Series, performance: pd.DataFrame, model: str) -> str:
    medians = [
        f"{name} score {significant(test[f'median_{name}'], 3)}"
        for name in GROUPS
        if np.isfinite(test[f"median_{name}"])
    ]
    found = performance_of(performance, model, part, "c_index")
    text = f"{in_brackets(letter)}{SET_NAMES[part]} ({_size(test)}"
    if part == "cv":
        text += "; groups by the mean over repeats of the out-of-fold score, not tested)"
    else:
        text += ")"
    if np.isfinite(test["p"]):
        ratio = quantity_estimate(
            "hazard_ratio", test["hazard_ratio"], test["ci_low"], test["ci_high"]
        )
        text += (
            f": log-rank test {p_value(test['p'])}, one test, not adjusted; hazard ratio of the "
            f"higher score {ratio}, Cox model"
        )
    if medians:
        text += f"; median time to the event: {', '.join(medians)}"
    c_index = quantity_estimate("c_index", found.value, found.low, found.high)
    text += f"; Harrell's C {c_index}"
    return sentence(text)
