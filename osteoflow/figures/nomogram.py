"""Nomogram of a logistic model, as drawn by Harrell's ``rms`` (Regression Modeling Strategies).

Every axis is drawn in millimetres on the page, so that the room that tick labels need is known
before they are placed: labels that would touch are thinned (numbers) or moved to another line
(names of categories, of which none may be lost).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.model_tables import outcome_of, study_share
from osteoflow.figures.style import (
    BLACK,
    FONT_SIZE,
    GREY,
    LIGHT,
    look,
    new_figure,
    page_axes,
    plain,
    text_width,
    wrap,
)
from osteoflow.settings.figures import Figures
from osteoflow.wording import MINUS, count, listing, number, significant

LABEL_GAP_MM = 1.4
LINE_MM = 3.0
TICK_MM = 1.1
MARGIN_MM = 2.0
ROW_GAP_MM = 3.2


@dataclass
class _Tick:
    """A tick at a place on the page; ``tier`` 0, 2, 4 are lines below the axis, 1, 3 above."""

    x: float
    text: str
    tier: int | None = None
    align: str = "center"

    def span(self) -> tuple[float, float]:
        width = text_width(self.text)
        left = {"center": self.x - width / 2, "left": self.x, "right": self.x - width}[self.align]
        return left - LABEL_GAP_MM / 2, left + width + LABEL_GAP_MM / 2


@dataclass
class _Row:
    """One axis of the nomogram."""

    label: list[str]
    ticks: list[_Tick]
    minor: list[float] = field(default_factory=list)
    start: float | None = None
    end: float | None = None
    bold: bool = False

    @property
    def lines_above(self) -> int:
        return max(((t.tier + 1) // 2 for t in self.ticks if t.tier is not None), default=0)

    @property
    def lines_below(self) -> int:
        return max((t.tier // 2 + 1 for t in self.ticks if t.tier is not None), default=1)

    @property
    def height_above(self) -> float:
        return max(self.lines_above * LINE_MM + TICK_MM, len(self.label) * LINE_MM / 2)

    @property
    def height_below(self) -> float:
        return max(self.lines_below * LINE_MM + TICK_MM, len(self.label) * LINE_MM / 2)


def draw_nomogram(
    nomogram: dict[str, Any], summary: dict[str, Any], settings: Figures
) -> tuple[Figure, str]:
    """Points, one axis per predictor, total points and probability.

    Parameters
    ----------
    nomogram
        ``nomogram.json`` of an analysis: ``predictors`` (name, label, unit, kind, ticks with
        ``value`` or ``level`` and ``points``), ``total_points`` (min, max, ticks), ``probability``
        (probability, total_points).
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
        If the nomogram has no predictor or no range of total points.
    """
    predictors = nomogram["predictors"]
    total = nomogram["total_points"]
    if not predictors or not total["max"] > total["min"]:
        raise ValueError("a nomogram needs at least one predictor with an effect")
    width = settings.double_column_mm
    event = outcome_of(summary)
    labels = {p["name"]: _axis_label(p) for p in predictors}
    bold = ["Total points", f"Probability of {_lower(event)}"]
    wanted = [text_width(text) for text in labels.values()]
    wanted += [text_width(text, weight="bold") for text in bold]
    column = min(max(wanted) + 1, 0.3 * width)
    left = MARGIN_MM + column + 5
    right = width - MARGIN_MM - 5
    rows = [_points_row(left, right, column)]
    for predictor in predictors:
        label = wrap(labels[predictor["name"]], column)
        rows.append(_predictor_row(predictor, label, left, right))
    rows.append(_total_row(total, left, right))
    label = wrap(bold[1], column, weight="bold")
    rows.append(_probability_row(nomogram, label, left, right))
    height = 2 * MARGIN_MM + sum(r.height_above + r.height_below for r in rows)
    height += ROW_GAP_MM * (len(rows) - 1)
    with look():
        figure = new_figure(width, height, layout=None)
        axes = page_axes(figure)
        top = height - MARGIN_MM
        for row in rows:
            _draw_row(axes, row, top - row.height_above)
            top -= row.height_above + row.height_below + ROW_GAP_MM
    return figure, _caption(nomogram, summary, list(labels.values()), event)


def _axis_label(predictor: dict[str, Any]) -> str:
    label = predictor.get("label") or predictor["name"]
    unit = predictor.get("unit")
    return f"{label} ({unit})" if unit and f"({unit}" not in label else label


def _lower(event: str) -> str:
    """An event's name inside a sentence: abbreviations keep their capitals."""
    return event[0].lower() + event[1:] if event[1:2].islower() else event


def _tick_text(tick: dict[str, Any]) -> str:
    if "level" in tick:
        return str(tick["level"])
    return significant(float(tick["value"]), 5)


def _points_row(left: float, right: float, column: float) -> _Row:
    ticks = [_Tick(left + value / 100 * (right - left), str(value)) for value in range(0, 101, 10)]
    minor = [left + value / 100 * (right - left) for value in range(0, 100, 2) if value % 10]
    _thin_evenly(ticks)
    return _Row(wrap("Points", column), ticks, minor=minor, start=left, end=right, bold=True)


def _along(value: float, low: float, high: float, left: float, right: float) -> float:
    """Place on the page of a value of an axis from ``low`` (at ``left``) to ``high``."""
    return left + (value - low) / (high - low) * (right - left)


def _predictor_row(predictor: dict[str, Any], label: list[str], left: float, right: float) -> _Row:
    ticks = [
        _Tick(_along(tick["points"], 0, 100, left, right), _tick_text(tick))
        for tick in predictor["ticks"]
    ]
    ticks.sort(key=lambda tick: tick.x)
    if predictor["kind"] == "categorical":
        _stagger(ticks)
    else:
        _thin_evenly(ticks)
    return _Row(label, ticks)


def _total_row(total: dict[str, Any], left: float, right: float) -> _Row:
    ends = (total["min"], total["max"], left, right)
    ticks = [_Tick(_along(value, *ends), significant(value)) for value in total["ticks"]]
    _thin_evenly(ticks)
    return _Row(["Total points"], ticks, start=left, end=right, bold=True)


def _probability_row(nomogram: dict[str, Any], label: list[str], left: float, right: float) -> _Row:
    ends = (nomogram["total_points"]["min"], nomogram["total_points"]["max"], left, right)
    ticks = [
        _Tick(_along(item["total_points"], *ends), f"{item['probability']:g}")
        for item in nomogram["probability"]
    ]
    ticks.sort(key=lambda tick: tick.x)
    _thin_by_importance(ticks)
    return _Row(label, ticks, bold=True)


def _apart(ticks: list[_Tick]) -> bool:
    """Whether no two labels touch."""
    spans = sorted(tick.span() for tick in ticks)
    return all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))


def _thin_evenly(ticks: list[_Tick]) -> None:
    """Label every tick, or every 2nd, 3rd ... from the first; never fewer than both ends."""
    for step in range(1, len(ticks)):
        chosen = ticks[::step]
        if len(chosen) > 1 and _apart(chosen):
            for tick in chosen:
                tick.tier = 0
            return
    if len(ticks) == 1:
        ticks[0].tier = 0
        return
    # A predictor of little weight: its ends nearly meet, so their labels point outwards, and the
    # ticks between them would only make a black bar.
    first, last = ticks[0], ticks[-1]
    ticks[:] = [first, last]
    first.tier = last.tier = 0
    first.align, last.align = "right", "left"


def _stagger(ticks: list[_Tick]) -> None:
    """Every label, each on the first line below or above the axis where it is free."""
    for tick in ticks:
        tier = 0
        while True:
            others = [t for t in ticks if t.tier == tier]
            if _apart([*others, tick]):
                tick.tier = tier
                break
            tier += 1


def _thin_by_importance(ticks: list[_Tick]) -> None:
    """Label the ends first, then the tick nearest to 0.5, then whatever still fits."""
    order = sorted(range(len(ticks)), key=lambda i: abs(float(ticks[i].text) - 0.5))
    order = list(dict.fromkeys([0, len(ticks) - 1, *order])) if ticks else []
    labelled: list[_Tick] = []
    for index in order:
        if _apart([*labelled, ticks[index]]):
            ticks[index].tier = 0
            labelled.append(ticks[index])


def _draw_row(axes: Axes, row: _Row, y: float) -> None:
    weight = "bold" if row.bold else "normal"
    axes.text(
        MARGIN_MM,
        y,
        plain("\n".join(row.label)),
        va="center",
        ha="left",
        weight=weight,
        linespacing=1.15,
    )
    xs = [tick.x for tick in row.ticks]
    start = row.start if row.start is not None else min(xs)
    end = row.end if row.end is not None else max(xs)
    axes.plot([start, end], [y, y], color=BLACK, linewidth=0.8, solid_capstyle="butt")
    for x in row.minor:
        axes.plot([x, x], [y, y - 0.55 * TICK_MM], color=GREY, linewidth=0.4)
    for tick in row.ticks:
        up = tick.tier is not None and tick.tier % 2 == 1
        sign = 1 if up else -1
        axes.plot([tick.x, tick.x], [y, y + sign * TICK_MM], color=BLACK, linewidth=0.6)
        if tick.tier is None:
            continue
        line = tick.tier // 2
        base = y + sign * (TICK_MM + 0.35 + line * LINE_MM)
        if line:
            axes.plot(
                [tick.x, tick.x], [y + sign * TICK_MM, base], color=LIGHT, linewidth=0.5, zorder=0
            )
        axes.text(
            tick.x,
            base,
            plain(tick.text.replace("-", MINUS) if _is_number(tick.text) else tick.text),
            ha=tick.align,
            va="bottom" if up else "top",
            fontsize=FONT_SIZE,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.2} if line else None,
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _caption(
    nomogram: dict[str, Any], summary: dict[str, Any], labels: list[str], event: str
) -> str:
    total = nomogram["total_points"]
    text = (
        f"Nomogram of the {nomogram.get('model', 'combined')} logistic model for {_lower(event)} "
        f"with {listing(labels)}. Each predictor's value gives points on the upper axis; their sum "
        "gives the probability on the lowest axis. "
        f"Total points run from {number(total['min'], 0)} to {number(total['max'], 0)}"
    )
    per_unit = nomogram.get("points_per_linear_predictor")
    if per_unit is not None:
        text += f"; {number(per_unit, 1)} points correspond to one unit of the linear predictor"
    text += ". "
    if summary.get("n") is not None:
        n = summary["n"] - summary.get("n_holdout", 0)
        events = summary["n_events"] - summary.get("n_events_holdout", 0)
        text += f"Model fitted to {count(n, 'participant')} with {count(events, 'event')}. "
    if nomogram.get("linear_model", {}).get("method") == "firth":
        text += (
            "The classes are separated: the model was fitted by Firth's penalised likelihood, and "
            "the Wald intervals that the calculator gives with it are approximate. "
        )
    if share := study_share(summary):
        text += f"{share} "
    if summary.get("incorporation_bias"):
        text += (
            "Predictors come from the scan that defines the outcome (incorporation bias): the "
            "probabilities are not those of an independent test. "
        )
    return text + "Not validated for clinical use."
