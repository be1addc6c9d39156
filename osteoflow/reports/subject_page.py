"""One subject's page from the files of its folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from osteoflow.images import GRIDS, IMAGES, RATERS, is_further_reading, modality_of
from osteoflow.io.tables import read_rows
from osteoflow.io.volume import read_json, read_volume, sidecar_path
from osteoflow.io.whole import write_text
from osteoflow.layout import SubjectFiles
from osteoflow.measurements import dictionary
from osteoflow.reports.overlay import ImageView
from osteoflow.reports.subject import render_subject
from osteoflow.reports.versions import software_versions
from osteoflow.reports.views import LOOKS, image_view, plain_view
from osteoflow.seeded import is_seeded
from osteoflow.segmentation.structures import only_vertebrae


def write_subject_page(files: SubjectFiles, items: list[dict[str, Any]], title: str) -> None:
    """Status of every step, overlays, measurements and warnings as one self-contained file.

    Parameters
    ----------
    files
        The subject; its maps, masks, calibration and measurements are read.
    items
        Items of all steps' status, each with its ``step``.
    title
        Title of the study.
    """
    items = [item for item in items if not _is_absent_reading(item)]
    usable = {(item["step"], item["item"]) for item in items if item["status"] == "ok"}
    warnings = [
        {"source": f"{item['step']} {item['item']}", "message": text}
        for item in items
        for text in item["warnings"]
    ]
    page = render_subject(
        participant_id=files.participant_id,
        session=files.session or None,
        study_title=title,
        statuses=[{**item, "modality": _data_of(item["item"])} for item in items],
        measurements=read_rows(files.measurements),
        warnings=warnings,
        images=_views(files, usable),
        versions=software_versions(),
        label=lambda metric: dictionary()[metric]["label"],
        cohort_link="../../report/index.html",
    )
    write_text(files.report, page)


def _views(files: SubjectFiles, usable: set[tuple[str, str]]) -> Iterator[ImageView]:
    """What to show of each image that is usable, with the outlines that are."""
    shown: set[str] = set()
    for name in LOOKS:
        image = IMAGES[name]
        if (image.step, image.item) not in usable or not files.image(name).exists():
            continue
        outlined = ("segment", image.space) in usable
        mask, voi = (
            only_vertebrae(read_volume(files.regions(image.space, kind))).data if outlined else None
            for kind in ("mask", "voi")
        )
        rods = []
        if name == "ct" and ("calibrate_ct", "vbmd") in usable:
            rods = read_json(files.calibration).get("measured_rods", [])
        unit = read_json(sidecar_path(files.image(name)))["Units"]
        seeded = outlined and is_seeded(files.regions(image.space, "mask"))
        shown.add(image.space)
        values = read_volume(files.image(name), float)
        yield image_view(name, values, unit, mask, voi, rods, seeded)
    yield from _seeded_views(files, usable, shown)


def _seeded_views(
    files: SubjectFiles, usable: set[tuple[str, str]], shown: set[str]
) -> Iterator[ImageView]:
    """Seeded outlines that no map shows: of a second rater, or of an MRI without a map."""
    for item, (space, rater, _) in RATERS.items():
        if ("segment", item) not in usable or (item == space and space in shown):
            continue
        if not is_seeded(files.regions(item, "mask")):
            continue
        mask, voi = (read_volume(files.regions(item, kind)).data for kind in ("mask", "voi"))
        name = next(n for n in GRIDS[space] if files.image(n).exists())
        words = space.upper() + (", second rater" if rater == 2 else "")
        yield plain_view(words, read_volume(files.image(name), float), mask, voi)


def _is_absent_reading(item: dict[str, Any]) -> bool:
    """A further reading that a study does not have is no news."""
    return is_further_reading(item["item"]) and item["status"] == "absent"


def _data_of(item: str) -> str:
    """What an item of a step's status works on, in words."""
    modality = modality_of(item).upper()
    if not is_further_reading(item):
        return modality
    return f"{modality}, {'second rater' if RATERS[item].rater == 2 else 'repeated outline'}"
