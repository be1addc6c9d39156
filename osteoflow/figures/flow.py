"""Flow of participants: taken in, excluded per modality with reasons, analysed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
STEM_MM = 3.0


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
    # Two columns have room for boxes aside; more have them indented beneath the box they left.
    aside = len(modalities) <= MOST_ASIDE
    box_width = min(0.42 * column, 48) if aside else column
    indent = box_width + GAP_MM if aside else 2 * STEM_MM
    side_width = column - indent
    n = int(flow.loc[flow["outcome"] == "enrolled", "n"].iloc[0])
    top = _top(flow, n)
    heads, ends = [], []
    for modality in modalities:
        rows = flow[flow["modality"] == modality]
        heads.append(titled(str(rows["label"].iloc[0]), [f"n = {n}"], box_width))
        analysed = int(rows.loc[rows["outcome"] == "analysed", "n"].iloc[0])
        ends.append(titled("Analysed", [f"n = {analysed}", *_review_words(rows)], box_width))
    finals = _analysis_boxes(analyses, width)

    head_height = max(box.height for box in heads)
    end_height = max(box.height for box in ends)
    final_height = max((box.height for box in finals), default=0.0)
    without_sides = 2 * MARGIN_MM + top.height + 2 * GAP_MM + head_height + end_height
    without_sides += 2 * GAP_MM + final_height if finals else 0
    # As many reasons as the page has room for.
    for most in range(MOST_REASONS, 1, -1):
        sides = [_side_box(flow[flow["modality"] == m], side_width, most) for m in modalities]
        side_height = max((box.height for box in sides if box), default=0.0)
        height = without_sides + (side_height + GAP_MM if side_height else 0)
        if height <= PAGE_MM:
            break
    with look():
        figure = new_figure(width, height, layout=None)
        axes = page_axes(figure)
        y = height - MARGIN_MM
        draw_box(axes, top, width / 2 - 27, y, 54)
        y -= top.height
        lefts = [MARGIN_MM + i * (column + GAP_MM) for i in range(len(modalities))]
        stems = [left + (box_width / 2 if aside else STEM_MM) for left in lefts]
        centres = [left + box_width / 2 for left in lefts]
        bus = y - GAP_MM / 2
        line(axes, (width / 2, y), (width / 2, bus))
        line(axes, (min(*centres, width / 2), bus), (max(*centres, width / 2), bus))
        y -= GAP_MM
        end_top = y - head_height - GAP_MM - (side_height + GAP_MM if side_height else 0)
        for i, (left, head, side, end) in enumerate(zip(lefts, heads, sides, ends, strict=True)):
            arrow(axes, (centres[i], bus), (centres[i], y))
            draw_box(axes, head, left, y, box_width)
            arrow(axes, (stems[i], y - head.height), (stems[i], end_top))
            if side:
                middle = y - head_height - GAP_MM - side_height / 2
                arrow(axes, (stems[i], middle), (left + indent, middle))
                top_edge = middle + side.height / 2
                draw_box(axes, side, left + indent, top_edge, side_width, "left")
            draw_box(axes, end, left, end_top, box_width)
        if finals:
            bottoms = [(x, end_top - end.height) for x, end in zip(centres, ends, strict=True)]
            _draw_finals(axes, finals, bottoms, end_top - end_height - GAP_MM, width)
    return figure, _caption(flow, modalities, n)


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
