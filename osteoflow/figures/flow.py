"""Flow of participants: taken in, excluded per modality with reasons, analysed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.boxes import (
    GAP_MM,
    MARGIN_MM,
    Box,
    arrow,
    draw_box,
    grouped,
    line,
    listed,
    titled,
)
from osteoflow.figures.style import PAGE_MM, look, new_figure, page_axes
from osteoflow.settings.figures import Figures
from osteoflow.wording import count, listing, step_name

# Reasons that a side box names one by one; the caption names all.
MOST_REASONS = 10
MOST_ANALYSES = 5
MOST_ASIDE = 2
STEM_MM, TOP_WIDTH_MM = 3.0, 54.0


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
    modalities = list(dict.fromkeys(flow["modality"]))
    n = int(flow.loc[flow["outcome"] == "enrolled", "n"].iloc[0])
    columns = _Columns(settings.double_column_mm, len(modalities))
    boxes = _fitting_boxes(flow, modalities, n, analyses, columns)
    with look():
        figure = new_figure(columns.width, boxes.height, layout=None)
        _draw(page_axes(figure), boxes, columns)
    return figure, _caption(flow, modalities, n)


@dataclass(frozen=True)
class _Columns:
    """Where the columns of modalities stand; ``width`` and all others in mm."""

    width: float
    n: int

    @property
    def aside(self) -> bool:
        """Whether side boxes stand beside their column's boxes.

        Two columns have room for boxes aside; more have them indented beneath the box they left.
        """
        return self.n <= MOST_ASIDE

    @property
    def column(self) -> float:
        return (self.width - 2 * MARGIN_MM - GAP_MM * (self.n - 1)) / self.n

    @property
    def box_width(self) -> float:
        return min(0.42 * self.column, 48) if self.aside else self.column

    @property
    def indent(self) -> float:
        """From a column's left edge to that of its side box."""
        return self.box_width + GAP_MM if self.aside else 2 * STEM_MM

    @property
    def side_width(self) -> float:
        return self.column - self.indent

    @property
    def lefts(self) -> list[float]:
        return [MARGIN_MM + i * (self.column + GAP_MM) for i in range(self.n)]

    @property
    def stems(self) -> list[float]:
        """Where the lines stand from which the side boxes part."""
        return [left + (self.box_width / 2 if self.aside else STEM_MM) for left in self.lefts]

    @property
    def centres(self) -> list[float]:
        return [left + self.box_width / 2 for left in self.lefts]


@dataclass(frozen=True)
class _Boxes:
    """All boxes: the top one, three of each column (of which the side may be none), analyses."""

    top: Box
    heads: list[Box]
    sides: list[Box | None]
    ends: list[Box]
    finals: list[Box]

    @property
    def head_height(self) -> float:
        return max(box.height for box in self.heads)

    @property
    def side_height(self) -> float:
        return max((box.height for box in self.sides if box), default=0.0)

    @property
    def end_height(self) -> float:
        return max(box.height for box in self.ends)

    @property
    def height(self) -> float:
        """Of the whole figure."""
        height = 2 * MARGIN_MM + self.top.height + 2 * GAP_MM + self.head_height + self.end_height
        if self.finals:
            height += 2 * GAP_MM + max(box.height for box in self.finals)
        return height + self.side_room

    @property
    def side_room(self) -> float:
        """Between heads and ends, beside the gap that is always there."""
        return self.side_height + GAP_MM if self.side_height else 0


def _fitting_boxes(
    flow: pd.DataFrame,
    modalities: Sequence[str],
    n: int,
    analyses: Sequence[Mapping],
    columns: _Columns,
) -> _Boxes:
    """All boxes, the side ones with as many reasons as the page has room for."""
    of = [flow[flow["modality"] == modality] for modality in modalities]
    width = columns.box_width
    heads = [titled(str(rows["label"].iloc[0]), [f"n = {n}"], width) for rows in of]
    ends = []
    for rows in of:
        analysed = int(rows.loc[rows["outcome"] == "analysed", "n"].iloc[0])
        ends.append(titled("Analysed", [f"n = {analysed}", *_review_words(rows)], width))
    top, finals = _top(flow, n), _analysis_boxes(analyses, columns.width)
    for most in range(MOST_REASONS, 1, -1):
        sides = [_side_box(rows, columns.side_width, most) for rows in of]
        boxes = _Boxes(top, heads, sides, ends, finals)
        if boxes.height <= PAGE_MM:
            break
    return boxes


def _draw(axes: Axes, boxes: _Boxes, columns: _Columns) -> None:
    """Everything from the top box to the analyses."""
    middle, centres = columns.width / 2, columns.centres
    y = boxes.height - MARGIN_MM
    draw_box(axes, boxes.top, middle - TOP_WIDTH_MM / 2, y, TOP_WIDTH_MM)
    y -= boxes.top.height
    bus = y - GAP_MM / 2
    line(axes, (middle, y), (middle, bus))
    line(axes, (min(*centres, middle), bus), (max(*centres, middle), bus))
    y -= GAP_MM
    end_top = y - boxes.head_height - GAP_MM - boxes.side_room
    for i, centre in enumerate(centres):
        arrow(axes, (centre, bus), (centre, y))
        _draw_column(axes, boxes, columns, i, y, end_top)
    if boxes.finals:
        bottoms = [(x, end_top - end.height) for x, end in zip(centres, boxes.ends, strict=True)]
        bus = end_top - boxes.end_height - GAP_MM
        _draw_finals(axes, boxes.finals, bottoms, bus, columns.width)


def _draw_column(
    axes: Axes, boxes: _Boxes, columns: _Columns, i: int, y: float, end_top: float
) -> None:
    """Head (its top at ``y``), side and end (its top at ``end_top``) of one modality."""
    left, stem, side = columns.lefts[i], columns.stems[i], boxes.sides[i]
    draw_box(axes, boxes.heads[i], left, y, columns.box_width)
    arrow(axes, (stem, y - boxes.heads[i].height), (stem, end_top))
    if side:
        middle = y - boxes.head_height - GAP_MM - boxes.side_height / 2
        side_left = left + columns.indent
        arrow(axes, (stem, middle), (side_left, middle))
        draw_box(axes, side, side_left, middle + side.height / 2, columns.side_width, "left")
    draw_box(axes, boxes.ends[i], left, end_top, columns.box_width)


def _draw_finals(
    axes: Axes,
    finals: Sequence[Box],
    bottoms: Sequence[tuple[float, float]],
    bus: float,
    width: float,
) -> None:
    """The row of analyses, joined at the height ``bus`` to the middles of the boxes above."""
    each = (width - 2 * MARGIN_MM - GAP_MM * (len(finals) - 1)) / len(finals)
    middles = [MARGIN_MM + i * (each + GAP_MM) + each / 2 for i in range(len(finals))]
    for x, y in bottoms:
        line(axes, (x, y), (x, bus))
    ends = [*(x for x, _ in bottoms), *middles]
    line(axes, (min(ends), bus), (max(ends), bus))
    for middle, box in zip(middles, finals, strict=True):
        arrow(axes, (middle, bus), (middle, bus - GAP_MM))
        draw_box(axes, box, middle - each / 2, bus - GAP_MM, each)


def _review_words(rows: pd.DataFrame) -> list[str]:
    """How many participants were reviewed, and lost a region by it; nothing without a review."""
    counts = rows.set_index("outcome")["n"]
    if "reviewed" not in counts:
        return []
    words = [f"masks reviewed: {int(counts['reviewed'])}"]
    if counts["level_rejected"]:
        words.append(f"with a region rejected: {int(counts['level_rejected'])}")
    return words


def _side_box(rows: pd.DataFrame, width: float, most: int) -> Box | None:
    """Absent and excluded participants, by ``most`` reasons; none where nobody was lost."""
    excluded = rows[rows["outcome"] == "excluded"]
    absent = int(rows.loc[rows["outcome"] == "absent", "n"].sum())
    blocks = []
    if len(excluded):
        reasons = [
            (f"{row.reason} ({step_name(str(row.step))})", int(row.n))
            for row in excluded.itertuples()
        ]
        blocks.append(("Excluded", int(excluded["n"].sum()), grouped(reasons, most)))
    if absent:
        blocks.append(("Not acquired", absent, []))
    return listed(blocks, width)


def _top(flow: pd.DataFrame, n: int) -> Box:
    """Participants; with several sessions, scans and how many participants they are of."""
    people = flow.loc[flow["outcome"] == "participants", "n"]
    if people.empty:
        return Box(("Participants in the study", f"n = {n}"))
    return Box(
        (
            "Scan sessions in the study",
            f"n = {n}",
            f"of {count(int(people.iloc[0]), 'participant')}",
        )
    )


def _analysis_boxes(analyses: Sequence[Mapping], width: float) -> list[Box]:
    """One box per analysis, or one that lists them where they are too many for a row."""
    if len(analyses) > MOST_ANALYSES:
        lines = [f"{_analysis_name(item)}: {'; '.join(_size_words(item))}" for item in analyses]
        return [titled("Analyses", lines, width - 2 * MARGIN_MM)]
    gaps = GAP_MM * (len(analyses) - 1)
    each = (width - 2 * MARGIN_MM - gaps) / max(len(analyses), 1)
    return [
        titled(f"Analysis: {_analysis_name(item)}", _size_words(item), each) for item in analyses
    ]


def _analysis_name(summary: Mapping) -> str:
    return str(summary["name"]).replace("_", " ")


def _size_words(summary: Mapping) -> list[str]:
    def size(ending: str) -> str:
        words = count(int(summary[f"n{ending}"]), "participant")
        events = summary.get(f"n_events{ending}")
        return words if events is None else f"{words}, {count(int(events), 'event')}"

    return [size("")] + [f"of these in the hold-out: {size('_holdout')}"] * bool(
        summary.get("n_holdout")
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
    people = flow.loc[flow["outcome"] == "participants", "n"]
    noun = "participant" if people.empty else "scan session"
    of = "" if people.empty else f" of {count(int(people.iloc[0]), 'participant')}"
    return (
        f"Flow of {count(n, noun)}{of} through the study. {' '.join(parts)} A {noun} excluded "
        "from one modality still counts for the others."
    )
