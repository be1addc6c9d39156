"""One participant's page: what was done, what was seen, what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from osteoflow.reports.html import Cell, HtmlTable, environment, is_missing
from osteoflow.reports.overlay import RODS, TRABECULAR, WHOLE, ImageView, draw_overlays
from osteoflow.wording import decimals_for, number, sentence, step_name, unit_name

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
    measurements: Sequence[Mapping[str, Any]],
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
        Rows of this participant's long table, numbers or their text.
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


class _Measured(NamedTuple):
    """One row of the measurements table; what is missing is an empty text or NaN."""

    level: str
    compartment: str
    rater: int
    reading: int
    image: str
    metric: str
    unit: str
    value: float
    method: str
    flag: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Measured:
        """From a row as it was measured or as it stands in the file."""
        given = {name: "" if is_missing(v) or v == "n/a" else v for name, v in row.items()}
        level, _, compartment = str(given["roi"]).partition("_")
        if given["image"] == "ct_calibration":
            compartment = "calibration"
        return cls(
            level,
            compartment,
            int(given["rater"]),
            int(given.get("reading", 1)),
            given["image"],
            given["metric"],
            given["unit"],
            float(given["value"]) if given["value"] != "" else math.nan,
            given["method"],
            given["flag"],
        )


def measurement_tables(
    measurements: Iterable[Mapping[str, Any]], label: Callable[[str], str] = str
) -> list[HtmlTable]:
    """One table per compartment and reading: metrics with units as rows, vertebrae as columns.

    A metric made of several images (CT number of two series, say) has a row per image. Cells
    with a flag carry a mark that the note explains.
    """
    groups: dict[tuple[str, int, int], list[_Measured]] = {}
    for row in map(_Measured.of, measurements):
        groups.setdefault((row.compartment, row.rater, row.reading), []).append(row)
    several = len({(rater, reading) for _, rater, reading in groups}) > 1
    order = {"trabecular": 0, "": 1}
    tables = []
    for key in sorted(groups, key=lambda key: (order.get(key[0], 2), *key)):
        compartment, rater, reading = key
        title = COMPARTMENTS.get(compartment, compartment.replace("_", " ").capitalize())
        caption = f"{title}, rater {rater}" if several else title
        caption += f", reading {reading}" if reading > 1 else ""
        tables.append(_pivot(groups[key], caption, label))
    return tables


def _pivot(rows: Sequence[_Measured], caption: str, label: Callable[[str], str]) -> HtmlTable:
    columns = list(dict.fromkeys((row.image, row.metric, row.unit) for row in rows))
    shared = {
        metric
        for _, metric, _ in columns
        if len({image for image, other, _ in columns if other == metric}) > 1
    }
    flags = sorted({row.flag for row in rows if row.flag})
    marks = {flag: chr(ord("a") + index) for index, flag in enumerate(flags)}
    cells = {(row.level, row.image, row.metric): row for row in rows}
    levels = list(dict.fromkeys(row.level for row in rows))
    headings = [Cell("Measurement"), *(Cell(level.replace("-", "–"), True) for level in levels)]
    body = []
    for image, metric, unit in columns:
        name = label(metric)
        if metric in shared:
            name = f"{name}, {SOURCES.get(image, image)}"
        line = [Cell(f"{name} ({unit_name(unit)})" if unit else name)]
        decimals = _decimals(r.value for r in rows if (r.image, r.metric) == (image, metric))
        for level in levels:
            row = cells.get((level, image, metric))
            known = row is not None and not math.isnan(row.value)
            text = number(row.value, decimals) if known else "–"
            if row is not None and row.flag:
                text += f" [{marks[row.flag]}]"
            line.append(Cell(text, True))
        body.append(line)
    note = "; ".join(f"[{mark}] {flag.replace('_', ' ')}" for flag, mark in marks.items())
    return HtmlTable(caption, headings, body, note)


def _decimals(values: Iterable[float]) -> int:
    """Decimals that give a column's largest value four digits."""
    largest = max((abs(value) for value in values if not math.isnan(value)), default=0.0)
    return min(decimals_for(largest, 4), 6) if largest > 0 else 1


def _methods(measurements: Iterable[Mapping[str, Any]], label: Callable[[str], str]) -> list[str]:
    """Method of each metric, in words; metrics with one method are named together."""
    by_method: dict[str, list[str]] = {}
    for row in map(_Measured.of, measurements):
        if row.method:
            by_method.setdefault(row.method, []).append(label(row.metric))
    return [
        f"{', '.join(dict.fromkeys(names))}: {sentence(method)}"
        for method, names in by_method.items()
    ]
