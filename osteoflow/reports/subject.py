"""One participant's page: what was done, what was seen, what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from osteoflow.figures.wording import number, sentence, step_name
from osteoflow.reports.html import Cell, HtmlTable, environment
from osteoflow.reports.overlay import RODS, TRABECULAR, WHOLE, ImageView, draw_overlays

STATUS_WORDS = {
    "ok": "✓ done",
    "excluded": "✗ excluded",
    "failed": "✗ failed",
    "absent": "– absent",
}
COMPARTMENTS = {
    "": "Whole vertebral body, cortex included",
    "trabecular": "Trabecular volume of interest",
    "calibration": "Calibration of the CT",
    "ellipse": "Elliptical volume of interest",
    "cortical": "Shell of the body, partial volume included",
}
# Where a measurement that several images give comes from.
SOURCES = {"seg_ct": "CT mask", "seg_mri": "MRI mask"}
CONTOUR_NAMES = {
    "labels": (WHOLE, "vertebral body"),
    "trabecular": (TRABECULAR, "trabecular volume of interest"),
    "rods": (RODS, "calibration rods"),
}


def render_subject(
    *,
    participant_id: str,
    session: str | None,
    study_title: str,
    statuses: Sequence[Mapping[str, Any]],
    measurements: pd.DataFrame,
    warnings: Iterable[Mapping[str, str]] = (),
    images: Iterable[ImageView] = (),
    versions: Mapping[str, str] | None = None,
    label: Callable[[str], str] = str,
    cohort_link: str | None = None,
) -> str:
    """A page in one HTML file: no scripts, nothing loaded from elsewhere.

    Parameters
    ----------
    participant_id, session
        The study's own labels; identity from headers has no place here.
    study_title
        Title of the study.
    statuses
        ``step``, ``modality``, ``status`` (``ok``, ``excluded``, ``absent``, ``failed``) and, where
        excluded, ``code``, ``message``, ``hint``.
    measurements
        Long table of this participant.
    warnings
        ``source`` and ``message``.
    images
        What to show of each usable image; missing modalities are left out.
    versions
        Software and its version.
    label
        Name of a metric without its unit.
    cohort_link
        Relative address of the study's report.

    Raises
    ------
    ValueError
        For a status of another name, or masks that do not fit their image.
    """
    pictures, used = [], set()
    for view in images:
        for overlay in draw_overlays(view):
            used.update(overlay.contours)
            pictures.append(
                {
                    "uri": overlay.data_uri,
                    "text": overlay.text,
                    "coloured": view.colour_map != "gray",
                }
            )
    template = environment().get_template("subject.html.j2")
    return template.render(
        title=f"{participant_id}{f', session {session}' if session else ''}: {study_title}",
        participant_id=participant_id,
        session=session,
        study_title=study_title,
        cohort_link=cohort_link,
        steps=[_step(item) for item in statuses],
        warnings=[
            {"source": item["source"], "message": sentence(item["message"])} for item in warnings
        ],
        images=pictures,
        legend=[CONTOUR_NAMES[name] for name in CONTOUR_NAMES if name in used],
        tables=measurement_tables(measurements, label),
        methods=_methods(measurements, label),
        versions=dict(versions or {}),
    )


def _step(item: Mapping[str, Any]) -> dict[str, str]:
    status = item["status"]
    if status not in STATUS_WORDS:
        raise ValueError(f"unknown status: {status}")
    name = step_name(item["step"])
    return {
        "step": name[0].upper() + name[1:],
        "modality": str(item["modality"]),
        "status": status,
        "word": STATUS_WORDS[status],
        "code": item.get("code") or "",
        "message": item.get("message") or "",
        "hint": item.get("hint") or "",
    }


def measurement_tables(
    measurements: pd.DataFrame, label: Callable[[str], str] = str
) -> list[HtmlTable]:
    """One table per compartment and reading: metrics with units as rows, vertebrae as columns.

    A metric made of several images (CT number of two series, say) has a row per image. Cells
    with a flag carry a mark that the note explains.
    """
    if measurements.empty:
        return []
    rows = measurements.copy()
    parts = rows["roi"].str.split("_", n=1)
    rows["level"] = parts.str[0]
    rows["compartment"] = parts.str[1].fillna("")
    rows.loc[rows["image"] == "ct_calibration", "compartment"] = "calibration"
    rows["flag"] = rows["flag"].fillna("").astype(str)
    if "reading" not in rows:
        rows["reading"] = 1
    several = len(rows[["rater", "reading"]].drop_duplicates()) > 1
    tables = []
    order = {"trabecular": 0, "": 1}
    groups = sorted(
        rows.groupby(["compartment", "rater", "reading"], sort=False),
        key=lambda item: (order.get(item[0][0], 2), *item[0]),
    )
    for (compartment, rater, reading), group in groups:
        title = COMPARTMENTS.get(compartment, compartment.replace("_", " ").capitalize())
        caption = f"{title}, rater {rater}" if several else title
        caption += f", reading {reading}" if reading > 1 else ""
        tables.append(_pivot(group, caption, label))
    return tables


def _pivot(rows: pd.DataFrame, caption: str, label: Callable[[str], str]) -> HtmlTable:
    columns = list(dict.fromkeys(zip(rows["image"], rows["metric"], rows["unit"], strict=True)))
    shared = {
        metric
        for _, metric, _ in columns
        if len({image for image, other, _ in columns if other == metric}) > 1
    }
    flags = sorted({flag for flag in rows["flag"] if flag})
    marks = {flag: chr(ord("a") + index) for index, flag in enumerate(flags)}
    values = {(row.level, row.image, row.metric): row for row in rows.itertuples(index=False)}
    decimals = {key: _decimals(group["value"]) for key, group in rows.groupby(["image", "metric"])}
    levels = list(dict.fromkeys(rows["level"]))
    headings = [Cell("Measurement"), *(Cell(level.replace("-", "–"), True) for level in levels)]
    body = []
    for image, metric, unit in columns:
        name = label(metric)
        if metric in shared:
            name = f"{name}, {SOURCES.get(image, image)}"
        line = [Cell(f"{name} ({unit})" if isinstance(unit, str) and unit else name)]
        for level in levels:
            row = values.get((level, image, metric))
            known = row is not None and pd.notna(row.value)
            text = number(float(row.value), decimals[image, metric]) if known else "–"
            if row is not None and row.flag:
                text += f" [{marks[row.flag]}]"
            line.append(Cell(text, True))
        body.append(line)
    note = "; ".join(f"[{mark}] {flag.replace('_', ' ')}" for flag, mark in marks.items())
    return HtmlTable(caption, headings, body, note)


def _decimals(values: pd.Series) -> int:
    """Decimals that give a column's largest value four digits."""
    largest = float(values.abs().max())
    if not largest > 0:
        return 1
    return int(min(max(3 - math.floor(math.log10(largest)), 0), 6))


def _methods(measurements: pd.DataFrame, label: Callable[[str], str]) -> list[str]:
    """Method of each metric, in words; metrics with one method are named together."""
    if measurements.empty:
        return []
    by_method: dict[str, list[str]] = {}
    for metric, method in (
        measurements[["metric", "method"]].dropna().drop_duplicates().itertuples(index=False)
    ):
        by_method.setdefault(method, []).append(label(metric))
    return [
        f"{', '.join(dict.fromkeys(names))}: {sentence(method)}"
        for method, names in by_method.items()
    ]
