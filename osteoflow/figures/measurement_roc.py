"""ROC curves of single measurements in one panel."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from osteoflow.figures.notice import draw_notice
from osteoflow.figures.panels import identity, placed_axes, roc_axes
from osteoflow.figures.scatter import bare
from osteoflow.figures.style import CYCLE, look, new_figure, plain, text_width, wrap
from osteoflow.settings.figures import Figures
from osteoflow.wording import count, p_value, quantity, quantity_estimate, quantity_interval

DASHES = ("-", (0, (4, 1.5)), (0, (6, 1.2, 1.2, 1.2)), (0, (1, 1)))
# Room in millimetres around the square panel, and a line of the legend.
LEFT, RIGHT, TOP, LABELS, LINE, KEY = 11.5, 3.0, 3.0, 10.5, 3.4, 9.0
# How far the legend reaches to the left of the panel.
OUTDENT = 9.0


def draw_measurement_roc(
    points: pd.DataFrame,
    roc: pd.DataFrame,
    cutoffs: pd.DataFrame,
    outcome_label: str,
    settings: Figures,
    label: Callable[[str], str] = str,
) -> tuple[Figure, str]:
    """All measurements' curves, areas beneath, Youden's cut-off as a dot on each.

    Parameters
    ----------
    points, roc, cutoffs
        Rows of ``measurement_roc_points.tsv``, ``measurement_roc.tsv`` and
        ``measurement_cutoffs.tsv`` of one analysis.
    outcome_label
        The event in words.
    settings
        Sizes; one column wide.
    label
        Name of a column with its unit.

    Returns
    -------
    figure, caption
        A notice where no curve could be drawn.
    """
    drawn = roc[roc["auc"].notna()].sort_values("auc", ascending=False, kind="stable")
    if drawn.empty:
        reasons = "; ".join(dict.fromkeys(str(note) for note in roc["note"]))
        return draw_notice(f"ROC curves for {outcome_label}: {reasons}.", settings)
    width = settings.single_column_mm
    side = width - LEFT - RIGHT
    room = width - LEFT + OUTDENT - KEY - RIGHT
    entries = [
        (row, _style(position), _entry_lines(row, label, room))
        for position, row in enumerate(drawn.to_dict("records"))
    ]
    n_lines = 1 + sum(len(lines) for _, _, lines in entries)
    height = TOP + side + LABELS + LINE * n_lines + 2.0
    with look():
        figure = new_figure(width, height, layout=None)
        axes = placed_axes(figure, (LEFT, TOP, side, side), (width, height))
        identity(axes)
        for row, style, _ in reversed(entries):
            mine = points[points["measurement"] == row["measurement"]]
            axes.plot(mine["fpr"], mine["tpr"], **style, clip_on=False, zorder=3)
            at = _youden_point(cutoffs, row["measurement"])
            if at is not None:
                axes.plot(*at, marker="o", markersize=3.4, color=style["color"], zorder=4,
                          markeredgecolor="white", markeredgewidth=0.5, clip_on=False)  # fmt: skip
        roc_axes(axes)
        _legend(axes, entries, side)
    return figure, _caption(drawn, roc, outcome_label, label)


def _entry_lines(row: dict, label: Callable[[str], str], room: float) -> list[str]:
    """A measurement and its area in the legend, in lines that fit ``room`` mm."""
    area = quantity_estimate("auc", row["auc"], row["auc_low"], row["auc_high"])
    *lines, last = wrap(f"{bare(label(row['measurement']))}:", room)
    # An interval is never broken.
    joined = f"{last} {area}"
    return [*lines, joined] if text_width(joined) <= room else [*lines, last, area]


def _style(position: int) -> dict:
    """Colour and dashes: no two of 28 curves have both."""
    return {"color": CYCLE[position % len(CYCLE)], "linestyle": DASHES[position % len(DASHES)]}


def _youden_point(cutoffs: pd.DataFrame, measurement: str) -> tuple[float, float] | None:
    rows = cutoffs[
        (cutoffs["measurement"] == measurement) & cutoffs["sensitivity_corrected"].notna()
    ]
    if rows.empty:
        return None
    return 1 - float(rows["specificity"].iloc[0]), float(rows["sensitivity"].iloc[0])


def _legend(axes: Axes, entries: list[tuple[dict, dict, list[str]]], side: float) -> None:
    """Areas beneath the panel, where no curve can run into them; longest names take two lines."""

    def place(line: float, x: float) -> tuple[float, float]:
        return (x - OUTDENT) / side, -(LABELS + LINE * line) / side

    axes.text(*place(0, 0), "AUC (95 % interval)", va="top", transform=axes.transAxes)
    line = 1
    for _, style, texts in entries:
        x, y = place(line, 0)
        middle = y - 0.42 * LINE / side
        axes.add_line(
            Line2D([x, x + (KEY - 2.0) / side], [middle, middle], transform=axes.transAxes,
                   clip_on=False, **style)
        )  # fmt: skip
        for text in texts:
            axes.text(*place(line, KEY), plain(text), va="top", transform=axes.transAxes)
            line += 1


def _caption(
    drawn: pd.DataFrame, roc: pd.DataFrame, outcome_label: str, label: Callable[[str], str]
) -> str:
    parts = []
    for row in drawn.to_dict("records"):
        text = (
            f"{label(row['measurement'])} ({row['direction']} values speak for the event): AUC "
            f"{quantity('auc', row['auc'])} (95 % interval "
            f"{quantity_interval('auc', row['auc_low'], row['auc_high'])}), "
            f"{p_value(row['p'])}, adjusted {p_value(row['p_fdr'])}, "
            f"{count(int(row['n_events']), 'event')} in {count(int(row['n']), 'participant')}"
        )
        parts.append(text + (f" ({row['note']})" if isinstance(row["note"], str)
                             and row["note"] else ""))  # fmt: skip
    text = (
        f"ROC curves of single measurements for {outcome_label}. Dots: cut-offs of greatest "
        "sensitivity + specificity in these data, which flatter themselves. Intervals by DeLong's "
        "method; p of the Mann-Whitney test that the area is 0.5, adjusted after Benjamini and "
        f"Hochberg. {'; '.join(parts)}."
    )
    missing = [row for row in roc.to_dict("records") if pd.isna(row["auc"])]
    for row in missing:
        text += f" {label(row['measurement'])}: {row['note']}."
    return text
