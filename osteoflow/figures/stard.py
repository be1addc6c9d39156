"""Flow diagram of one analysis after STARD 2015: from eligible participants to final diagnoses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.cohort.stard import APART, NO_INDEX, NO_REFERENCE
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
from osteoflow.figures.model_tables import outcome_of
from osteoflow.figures.style import look, new_figure, page_axes
from osteoflow.images import RADIOMICS
from osteoflow.model_names import in_sentence
from osteoflow.settings.figures import Figures
from osteoflow.wording import count, listing, number, significant, step_name

MOST_REASONS = 8
TITLES = {
    NO_INDEX: "No index test",
    NO_REFERENCE: "No reference standard",
    APART: "Not modelled",
}


def draw_stard(
    flow: Mapping[str, Any], summary: dict[str, Any], settings: Figures
) -> tuple[Figure, str]:
    """Eligible participants, index test, reference standard, and both cross-tabulated.

    Parameters
    ----------
    flow
        ``stard.json`` of an analysis (see :func:`osteoflow.cohort.stard.stard_flow`).
    summary
        Its ``summary.json``.
    settings
        Sizes; two columns wide.

    Returns
    -------
    figure, caption
    """
    width = settings.double_column_mm
    main = 0.5 * (width - 2 * MARGIN_MM - 2 * GAP_MM)
    sides = [_side(flow, stages, main) for stages in ([NO_INDEX], [NO_REFERENCE, APART], [])]
    stem = _stem(flow, summary, main)
    parts = _parts(flow, summary, main)
    calls = _calls(flow, summary, 0.5 * (main - GAP_MM))
    gaps = [GAP_MM if side is None else side.height + 2 * GAP_MM for side in sides]
    height = 2 * MARGIN_MM + sum(box.height for box in stem) + sum(gaps[: len(stem) - 1])
    if parts:
        height += 2 * GAP_MM + max(box.height for box in parts)
    if calls:
        height += 2 * GAP_MM + sum(max(box.height for box in row) + GAP_MM for row in calls)
        height -= GAP_MM
    with look():
        figure = new_figure(width, height, layout=None)
        axes = page_axes(figure)
        centre, right = MARGIN_MM + main / 2, width - MARGIN_MM - main
        y = height - MARGIN_MM
        for i, box in enumerate(stem):
            draw_box(axes, box, MARGIN_MM, y, main)
            y -= box.height
            if i == len(stem) - 1:
                break
            arrow(axes, (centre, y), (centre, y - gaps[i]))
            side = sides[i]
            if side is not None:
                middle = y - gaps[i] / 2
                arrow(axes, (centre, middle), (right, middle))
                draw_box(axes, side, right, middle + side.height / 2, main, "left")
            y -= gaps[i]
        if parts:
            middles = (centre, right + main / 2)
            _fork(axes, centre, y, middles)
            y -= 2 * GAP_MM
            for left, box in zip((MARGIN_MM, right), parts, strict=True):
                draw_box(axes, box, left, y, main)
            # The calls stand beneath the hold-out.
            centre, y = middles[1], y - parts[1].height
        if calls:
            _draw_calls(axes, calls, centre, y, main)
    return figure, _caption(flow, summary)


def _fork(axes: Axes, start: float, y: float, middles: Sequence[float]) -> None:
    """One line that parts into arrows, two gaps high."""
    bus = y - GAP_MM
    line(axes, (start, y), (start, bus))
    line(axes, (min(start, *middles), bus), (max(start, *middles), bus))
    for middle in middles:
        arrow(axes, (middle, bus), (middle, bus - GAP_MM))


def _draw_calls(
    axes: Axes, rows: Sequence[Sequence[Box]], centre: float, y: float, main: float
) -> None:
    """Index test positive and negative, and the reference standard beneath each."""
    half = 0.5 * (main - GAP_MM)
    lefts = (centre - main / 2, centre + GAP_MM / 2)
    middles = tuple(left + half / 2 for left in lefts)
    _fork(axes, centre, y, middles)
    y -= 2 * GAP_MM
    heights = [max(box.height for box in row) for row in rows]
    for row, height in zip(rows, heights, strict=True):
        for left, middle, box in zip(lefts, middles, row, strict=True):
            draw_box(axes, box, left, y, half)
            if row is rows[0]:
                arrow(axes, (middle, y - box.height), (middle, y - height - GAP_MM))
        y -= height + GAP_MM


def _lost(flow: Mapping[str, Any], stage: str) -> list[tuple[str, int]]:
    """Reasons and numbers of one stage."""
    found = []
    for row in flow["lost"]:
        if row["stage"] == stage:
            where = f" ({step_name(row['step'])})" if row["step"] else ""
            found.append((f"{row['reason']}{where}", int(row["n"])))
    return found


def _side(flow: Mapping[str, Any], stages: Sequence[str], width: float) -> Box | None:
    blocks = []
    for stage in stages:
        reasons = _lost(flow, stage)
        if reasons:
            n = sum(number for _, number in reasons)
            blocks.append((TITLES[stage], n, grouped(reasons, MOST_REASONS)))
    return listed(blocks, width)


def _stem(flow: Mapping[str, Any], summary: Mapping[str, Any], width: float) -> list[Box]:
    """The boxes from eligibility to those analysed."""
    first = [f"n = {flow['eligible']}"]
    if flow["further_sessions"]:
        sessions = count(int(flow["further_sessions"]), "further scan session")
        first.append(f"{sessions} of the same participants not used")
    tested = [f"n = {flow['index_test']}"]
    reference = [outcome_of(dict(summary)), f"n = {flow['reference_standard']}"]
    reference += _interval_words(flow["interval"])
    modelled = flow["analysed"]
    if modelled["n"] != flow["reference_standard"]:
        reference.append(f"analysed: {modelled['n']}")
    if modelled["events"] is not None:
        reference.append(f"{count(modelled['events'], 'event')} among those analysed")
    return [
        titled("Eligible participants", first, width),
        titled(f"Index test: {_index_test(summary)}", tested, width),
        titled("Reference standard", reference, width),
    ]


def _index_test(summary: Mapping[str, Any]) -> str:
    about = summary.get("radiomics") or {}
    names = [RADIOMICS[name].label for name in str(about.get("image") or "").split(", ") if name]
    return f"scan with radiomic features ({', '.join(names)})" if names else "predictors measured"


def _interval_words(interval: Mapping[str, Any] | None) -> list[str]:
    if interval is None:
        return []
    missing = interval["missing"]
    unknown = f"interval to the scan unknown: {missing}"
    if not interval["n"]:
        return [unknown]
    low, high = (significant(interval[key], 4) for key in ("min", "max"))
    words = f"days between scan and reference standard: median {significant(interval['median'], 4)}"
    return [f"{words} [range {low} to {high}]"] + [unknown] * bool(missing)


def _parts(flow: Mapping[str, Any], summary: Mapping[str, Any], width: float) -> list[Box]:
    """Development and hold-out, where there is one."""
    if not flow["holdout"]:
        return []
    return [
        titled(title, [_size(part)], width)
        for title, part in (
            ("Development (cross-validated)", flow["development"]),
            ("Hold-out", flow["holdout"]),
        )
    ]


def _size(part: Mapping[str, Any]) -> str:
    words = count(part["n"], "participant")
    return words if part["events"] is None else f"{words}, {count(part['events'], 'event')}"


def _calls(flow: Mapping[str, Any], summary: Mapping[str, Any], width: float) -> list[list[Box]]:
    """Index test positive and negative above the reference standard of each."""
    found = flow["results"]
    if found is None:
        return []
    index, reference = [], []
    for sign, hit, miss in (
        ("positive", found["true_positive"], found["false_positive"]),
        ("negative", found["false_negative"], found["true_negative"]),
    ):
        index.append(titled(f"Index test {sign}", [f"n = {hit + miss}"], width))
        lines = [f"event: {hit}", f"no event: {miss}", "inconclusive: 0"]
        reference.append(titled("Reference standard", lines, width))
    return [index, reference]


def _caption(flow: Mapping[str, Any], summary: dict[str, Any]) -> str:
    name = str(summary.get("name", "")).replace("_", " ")
    words = []
    for stage, title in TITLES.items():
        reasons = _lost(flow, stage)
        if reasons:
            words.append(f"{title}: {listing([f'{n} {reason}' for reason, n in reasons])}.")
    text = (
        f"Flow of {count(flow['eligible'], 'participant')} through the analysis {name} "
        f"(analysed: {_size(flow['analysed'])}), after STARD 2015. Index test: "
        f"{_index_test(summary)}; reference standard: {outcome_of(summary)}. {' '.join(words)}"
    ).strip()
    if flow["interval"] is not None:
        text += (
            " Days between scan and reference standard are those of the column "
            f"{flow['interval']['column']}."
        )
    found = flow["results"]
    if found is None:
        return text
    cuts = found["threshold"]
    if found["set"] == "holdout":
        where = (
            f"the {in_sentence(found['model'])} model reaches the cut-off {number(cuts[0])} that "
            "the development data gave"
        )
    else:
        where = (
            f"the {in_sentence(found['model'])} model, out of fold, reaches the cut-off of its "
            f"training part ({number(cuts[0])} to {number(cuts[1])}); shown is the first of "
            f"{count(found['repeats'], 'repeat')} of the cross-validation"
        )
    return (
        f"{text} Positive: the probability by {where}. Participants whose reference standard is "
        "missing or inconclusive left the flow above."
    )
