"""Flow of participants: taken in, excluded per modality with reasons, analysed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from osteoflow.figures.style import BLACK, GREY, look, new_figure, page_axes, plain, wrap
from osteoflow.settings.figures import Figures
from osteoflow.wording import count, listing, step_name

LINE_MM = 3.3
PAD_MM = 1.8
GAP_MM = 5.0
MARGIN_MM = 1.5


@dataclass(frozen=True)
class Box:
    """A box of the diagram; lines whose numbers are in ``bold`` stand out."""

    lines: tuple[str, ...]
    bold: frozenset[int] = frozenset({0})

    @property
    def height(self) -> float:
        return len(self.lines) * LINE_MM + 2 * PAD_MM


def draw_flow(
    flow: pd.DataFrame, settings: Figures, analyses: Sequence[Mapping] = ()
) -> tuple[Figure, str]:
    """Flow diagram in the manner of STARD (Bossuyt et al., BMJ 2015).

    Parameters
    ----------
    flow
        From :func:`osteoflow.cohort.flow.count_flow`.
    settings
        Sizes; two columns wide.
    analyses
        ``summary.json`` of each analysis, drawn as a last row: name, ``n``, ``n_events``.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        If the flow is empty.
    """
    if flow.empty:
        raise ValueError("the flow of participants is empty")
    width = settings.double_column_mm
    modalities = list(dict.fromkeys(flow["modality"]))
    column = (width - 2 * MARGIN_MM - GAP_MM * (len(modalities) - 1)) / len(modalities)
    box_width = min((0.42 if len(modalities) < 3 else 0.36) * column, 48)
    side_width = column - box_width - GAP_MM
    n = int(flow.loc[flow["outcome"] == "enrolled", "n"].iloc[0])
    top = Box(("Participants in the study", f"n = {n}"))
    heads, sides, ends = [], [], []
    for modality in modalities:
        rows = flow[flow["modality"] == modality]
        label = str(rows["label"].iloc[0])
        heads.append(_titled(label, [f"n = {n}"], box_width))
        sides.append(_side_box(rows, side_width))
        analysed = int(rows.loc[rows["outcome"] == "analysed", "n"].iloc[0])
        ends.append(_titled("Analysed", [f"n = {analysed}", *_review_words(rows)], box_width))
    gaps = GAP_MM * (len(analyses) - 1)
    each = (width - 2 * MARGIN_MM - gaps) / len(analyses) if analyses else 0.0
    finals = [_analysis_box(item, each) for item in analyses]

    head_height = max(box.height for box in heads)
    side_height = max((box.height for box in sides if box), default=0.0)
    end_height = max(box.height for box in ends)
    final_height = max((box.height for box in finals), default=0.0)
    height = 2 * MARGIN_MM + top.height + GAP_MM + head_height + GAP_MM
    height += (side_height + GAP_MM if side_height else 0) + end_height
    height += 2 * GAP_MM + final_height if finals else 0
    with look():
        figure = new_figure(width, height, layout=None)
        axes = page_axes(figure)
        y = height - MARGIN_MM
        _box(axes, top, width / 2 - 27, y, 54)
        y -= top.height
        lefts = [MARGIN_MM + i * (column + GAP_MM) for i in range(len(modalities))]
        centres = [left + box_width / 2 for left in lefts]
        bus = y - GAP_MM / 2
        _line(axes, (width / 2, y), (width / 2, bus))
        _line(axes, (min(*centres, width / 2), bus), (max(*centres, width / 2), bus))
        y -= GAP_MM
        end_top = y - head_height - GAP_MM - (side_height + GAP_MM if side_height else 0)
        for left, centre, head, side, end in zip(lefts, centres, heads, sides, ends, strict=True):
            _arrow(axes, (centre, bus), (centre, y))
            _box(axes, head, left, y, box_width)
            _arrow(axes, (centre, y - head.height), (centre, end_top))
            if side:
                middle = y - head_height - GAP_MM - side_height / 2
                _arrow(axes, (centre, middle), (left + box_width + GAP_MM, middle))
                _box(
                    axes,
                    side,
                    left + box_width + GAP_MM,
                    middle + side.height / 2,
                    side_width,
                    "left",
                )
            _box(axes, end, left, end_top, box_width)
        if finals:
            y = end_top - end_height
            bus = y - GAP_MM
            middles = [MARGIN_MM + i * (each + GAP_MM) + each / 2 for i in range(len(finals))]
            for centre, end in zip(centres, ends, strict=True):
                _line(axes, (centre, end_top - end.height), (centre, bus))
            _line(axes, (min(centres + middles), bus), (max(centres + middles), bus))
            for middle, box in zip(middles, finals, strict=True):
                _arrow(axes, (middle, bus), (middle, bus - GAP_MM))
                _box(axes, box, middle - each / 2, bus - GAP_MM, each)
    return figure, _caption(flow, modalities, n)


def _review_words(rows: pd.DataFrame) -> list[str]:
    """How many participants were reviewed, and lost a region by it; nothing without a review."""
    counts = rows.set_index("outcome")["n"]
    if "reviewed" not in counts:
        return []
    words = [f"masks reviewed: {int(counts['reviewed'])}"]
    if counts["level_rejected"]:
        words.append(f"with a region rejected: {int(counts['level_rejected'])}")
    return words


def _side_box(rows: pd.DataFrame, width: float) -> Box | None:
    """Absent and excluded participants; none where nobody was lost."""
    lost = rows[rows["outcome"].isin(["absent", "excluded"])]
    if lost.empty:
        return None
    lines: list[str] = []
    bold: set[int] = set()

    def title(text: str, n: int) -> None:
        space = width - 2 * PAD_MM
        wrapped = wrap(f"{text} (n = {n})", space, weight="bold")
        if len(wrapped) > 1:  # the number stays in one piece
            wrapped = [*wrap(text, space, weight="bold"), f"(n = {n})"]
        bold.update(range(len(lines), len(lines) + len(wrapped)))
        lines.extend(wrapped)

    excluded = lost[lost["outcome"] == "excluded"]
    absent = int(lost.loc[lost["outcome"] == "absent", "n"].sum())
    if len(excluded):
        title("Excluded", int(excluded["n"].sum()))
        for row in excluded.itertuples():
            text = f"{row.n} {row.reason} ({step_name(str(row.step))})"
            lines += wrap(text, width - 2 * PAD_MM)
    if absent:
        title("Not acquired", absent)
    return Box(tuple(lines), frozenset(bold))


def _titled(title: str, texts: Sequence[str], width: float) -> Box:
    head = wrap(title, width - 2 * PAD_MM, weight="bold")
    body = [line for text in texts for line in wrap(text, width - 2 * PAD_MM)]
    return Box((*head, *body), frozenset(range(len(head))))


def _analysis_box(summary: Mapping, width: float) -> Box:
    texts = [
        f"{count(int(summary['n']), 'participant')}, {count(int(summary['n_events']), 'event')}"
    ]
    if summary.get("n_holdout"):
        events = count(int(summary["n_events_holdout"]), "event")
        texts.append(
            f"of these in the hold-out: {count(int(summary['n_holdout']), 'participant')}, {events}"
        )
    return _titled(f"Analysis: {str(summary['name']).replace('_', ' ')}", texts, width)


def _box(
    axes: Axes, box: Box, left: float, top: float, width: float, align: str = "center"
) -> None:
    edge = {"facecolor": "white", "edgecolor": BLACK, "linewidth": 0.7}
    axes.add_patch(Rectangle((left, top - box.height), width, box.height, **edge))
    x = left + width / 2 if align == "center" else left + PAD_MM
    for index, line in enumerate(box.lines):
        axes.text(
            x,
            top - PAD_MM - (index + 0.5) * LINE_MM,
            plain(line),
            ha=align,
            va="center_baseline",
            weight="bold" if index in box.bold else "normal",
        )


def _line(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.plot(*zip(start, end, strict=True), color=GREY, linewidth=0.7, zorder=0)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>,head_width=0.12,head_length=0.25",
            "color": GREY,
            "linewidth": 0.7,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def _caption(flow: pd.DataFrame, modalities: list[str], n: int) -> str:
    parts = []
    for modality in modalities:
        rows = flow[flow["modality"] == modality]
        words = [
            f"{row.n} {row.reason}"
            for row in rows[rows["outcome"].isin(["excluded", "absent"])].itertuples()
        ]
        analysed = int(rows.loc[rows["outcome"] == "analysed", "n"].iloc[0])
        lost = f"; not analysed: {listing(words)}" if words else ""
        review = "".join(f"; {text}" for text in _review_words(rows))
        parts.append(f"{rows['label'].iloc[0]}: {analysed} analysed{lost}{review}.")
    return (
        f"Flow of {count(n, 'participant')} through the study. {' '.join(parts)} A participant "
        "excluded from one modality still counts for the others."
    )
