"""All measurement rows of one subject: every map over every region, summaries and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from osteoflow.ct.header import ct_acquisition
from osteoflow.ct.marrow_fat import fat_error_rows
from osteoflow.ct.quality import calibration_rows
from osteoflow.images import FIRST_READING, IMAGES, QUALITY, RATERS
from osteoflow.intact_levels import not_intact
from osteoflow.io.tables import read_rows
from osteoflow.io.volume import Volume, read_json, read_spacing, read_volume, sidecar_path
from osteoflow.layout import SubjectFiles
from osteoflow.measurements import (
    SUFFIXES,
    average_levels,
    complete,
    dictionary,
    measure_regions,
    measure_volumes,
)
from osteoflow.muscle_rows import muscle_rows
from osteoflow.seeded import flag_seeded, is_seeded
from osteoflow.segmentation.boxes import label_boxes
from osteoflow.segmentation.heights import HEIGHT_METRICS
from osteoflow.segmentation.schemes import verse_id
from osteoflow.segmentation.structures import SIDES, outlined_structures
from osteoflow.step import has_item, is_ok

Statuses = Mapping[str, dict[str, Any]]
# Measured everywhere, also where the fit itself calls a voxel unreliable.
WITHOUT_QUALITY = ("swap",)


@dataclass(frozen=True)
class _Map:
    """A map, its unit and method, and which voxels may be used (None: all finite ones)."""

    values: Volume
    unit: str
    method: str
    reliable: np.ndarray | None


def subject_rows(
    files: SubjectFiles,
    statuses: Statuses,
    summaries: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Any],
    left_out: Mapping[str, Any] | None = None,
    muscle_levels: Sequence[str] = (),
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of the measurements table, and warnings about scores that could not be made.

    Parameters
    ----------
    files
        The subject; its maps and masks are read.
    statuses
        Status of every step by its name.
    summaries
        Metrics averaged over levels, with ``metric``, ``levels`` and perhaps ``voi``.
    scores
        Section ``mri.scores`` of the configuration.
    left_out
        Section ``cohort.left_out``: which levels do not count in means; None: all count.
    muscle_levels
        Vertebrae at whose height muscles are measured in CT; none: wherever outlined.
    """
    maps = _usable_maps(files, statuses)
    by_mask: dict[str, list[dict[str, Any]]] = {}
    warnings: list[str] = []
    segmented = statuses["segment"]
    for item, (space, *_) in RATERS.items():
        if not has_item(segmented, item) or not is_ok(segmented, item):
            continue
        labels = read_volume(files.regions(item, "mask"))
        volumes = {
            kind: read_volume(path)
            for kind in SUFFIXES
            if (path := files.regions(item, kind)).exists()
        }
        seeded = is_seeded(files.regions(item, "mask"))
        measured = [] if seeded else _heights(files, item, f"seg_{space}", labels)
        # The surface of seeded bodies is good for what lies well inside it, and for nothing else.
        named = [] if seeded else [(labels, "")]
        named += [(volumes[kind], SUFFIXES[kind]) for kind in volumes]
        for regions, suffix in named:
            measured += _in_regions(space, regions, suffix, maps)
        if space == "ct" and "ct" in maps:
            measured += muscle_rows(maps["ct"].values, labels, muscle_levels)
        more, notes = _scores(space, files, maps, labels, volumes["voi"], scores)
        measured += more
        warnings += notes
        if seeded:
            flag_seeded(measured)
        by_mask[item] = measured
    rows = _with_means(files, by_mask, summaries, left_out)
    if "vbmd" in maps:
        rows += fat_error_rows(rows)
        quality = calibration_rows(read_json(files.calibration))
        rows += complete(quality, files.participant_id, files.session, *FIRST_READING)
    return rows, warnings


def _in_regions(
    space: str, regions: Volume, suffix: str, maps: Mapping[str, _Map]
) -> list[dict[str, Any]]:
    """Volumes of the regions, and every map on their grid over them."""
    boxes = label_boxes(regions.data)
    measured = measure_volumes(f"seg_{space}", regions, suffix, boxes)
    for name, found in maps.items():
        if IMAGES[name].space == space:
            measured += measure_regions(
                name,
                found.values,
                regions,
                suffix=suffix,
                unit=found.unit,
                method=found.method,
                reliable=found.reliable,
                boxes=boxes,
            )
    return measured


def _with_means(
    files: SubjectFiles,
    by_mask: Mapping[str, list[dict[str, Any]]],
    summaries: Sequence[Mapping[str, Any]],
    left_out: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    """Each mask's rows and the means over its levels, as rows of the measurements table."""
    first = [measured for item, measured in by_mask.items() if item == RATERS[item].space]
    out = not_intact(first, left_out) if left_out else {}
    least = left_out["minimum_levels"] if left_out else 2
    rows: list[dict[str, Any]] = []
    for item, measured in by_mask.items():
        for summary in summaries:
            row = average_levels(
                measured,
                summary["metric"],
                summary["levels"],
                suffix=f"_{summary.get('voi', 'trabecular')}",
                left_out=out,
                minimum_levels=least,
            )
            measured += [row] if row else []
        _, rater, reading = RATERS[item]
        rows += complete(measured, files.participant_id, files.session, rater, reading)
    return rows


def acquisition(files: SubjectFiles, statuses: Statuses) -> dict[str, Any]:
    """How the subject's CT was made; empty without a usable one."""
    converted = statuses["convert"]
    if not has_item(converted, "ct") or not is_ok(converted, "ct"):
        return {}
    path = files.image("ct")
    return ct_acquisition(read_json(sidecar_path(path)), read_spacing(path))


def _heights(files: SubjectFiles, item: str, image: str, labels: Volume) -> list[dict[str, Any]]:
    """Heights and deformities of the bodies of one mask."""
    rows = []
    for found in read_rows(files.heights):
        if found["item"] != item:
            continue
        count = int((labels.data == verse_id(found["level"])).sum())
        rows += [
            {
                "roi": found["level"],
                "image": image,
                "metric": metric,
                "value": float("nan") if found[metric] == "n/a" else float(found[metric]),
                "unit": dictionary()[metric]["unit"],
                "method": "six points of the outline, midsagittal",
                "n_voxels": count,
                "flag": "" if found["flag"] == "n/a" else found["flag"],
            }
            for metric in HEIGHT_METRICS
        ]
    return rows


def _usable_maps(files: SubjectFiles, statuses: Statuses) -> dict[str, _Map]:
    """The subject's maps: of a step that ran, those that its data allowed."""
    maps = {}
    for name, image in IMAGES.items():
        status = statuses.get(image.step)
        if status is None or not has_item(status, image.item) or not is_ok(status, image.item):
            continue
        path = files.image(name)
        if not path.exists():
            continue
        about = read_json(sidecar_path(path))
        quality = QUALITY.get(image.space) if name not in WITHOUT_QUALITY else None
        reliable = read_volume(files.image(quality)).data > 0 if quality else None
        values = read_volume(path, float)
        maps[name] = _Map(values, about["Units"], about.get("Method", "scanner"), reliable)
    return maps


def _scores(
    space: str,
    files: SubjectFiles,
    maps: Mapping[str, _Map],
    labels: Volume,
    voi: Volume,
    section: Mapping[str, Any],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Scores of a T1-weighted image, and fat of outlined muscles."""
    outlined = outlined_structures(labels.data)
    muscles = not set(outlined).isdisjoint(side for pair in SIDES.values() for side in pair)
    if space != "t1w" and not (space == "mri" and "pdff" in maps and muscles):
        return [], []
    # Most subjects have neither, and reading headers loads much.
    from osteoflow.mri.scores import MScoreReference, ScoreSettings
    from osteoflow.score_rows import score_rows

    reference = section["reference"]
    settings = ScoreSettings(
        scores=tuple(section["wanted"]),
        statistic=section["statistic"],
        reference=None if reference is None else MScoreReference(**reference),
        muscle_levels=tuple(section["muscle_levels"]),
    )
    if space == "t1w":
        path = files.image("t1w")
        image, about = read_volume(path, float), read_json(sidecar_path(path))
        return score_rows("t1w", image, labels, about, settings, trabecular=voi)
    found = maps["pdff"]
    about = {"Method": found.method}
    return score_rows("pdff", found.values, labels, about, settings, reliable=found.reliable)
