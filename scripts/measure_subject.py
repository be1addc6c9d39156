"""Measure every map over every region, draw the subject's page, and gather its status.

Reads maps, masks and the steps' status files; writes the long `measurements.tsv`, `report.html`,
and `status.json` with one entry per step and item and the hash of every file made of the subject.
"""

import json
from pathlib import Path

from osteoflow.images import IMAGES, RATERS
from osteoflow.io.hashes import hash_file
from osteoflow.io.tables import MEASUREMENT_COLUMNS, write_rows
from osteoflow.io.volume import read_json, read_volume, sidecar_path, write_json
from osteoflow.layout import SubjectFiles
from osteoflow.measurements import (
    TRABECULAR,
    average_levels,
    complete,
    measure_regions,
    measure_volumes,
)
from osteoflow.reports.subject_page import write_subject_page
from osteoflow.step import is_ok
from osteoflow.step_log import log_to


def usable_maps(files, statuses):
    """The subject's maps by image: volume, unit, method, and which voxels may be used."""
    maps = {}
    for name, image in IMAGES.items():
        if image.step in statuses and is_ok(statuses[image.step], image.item):
            about = read_json(sidecar_path(files.image(name)))
            quality = files.image("quality") if image.space == "mri" else None
            reliable = read_volume(quality).data > 0 if quality else None
            maps[name] = {
                "values": read_volume(files.image(name), float),
                "unit": about["Units"],
                "method": about.get("Method", "scanner"),
                "reliable": reliable,
            }
    return maps


def rows_of(item, space, files, maps, summaries):
    """Rows of one rater's regions on one grid."""
    rows = []
    for kind, suffix in (("mask", ""), ("voi", TRABECULAR)):
        labels = read_volume(files.regions(item, kind))
        rows += measure_volumes(f"seg_{space}", labels, suffix)
        for name, content in maps.items():
            if IMAGES[name].space == space:
                rows += measure_regions(name, labels=labels, suffix=suffix, **content)
    for summary in summaries:
        row = average_levels(rows, summary["metric"], summary["levels"])
        rows += [row] if row else []
    return rows


def main(inputs, output, params, log):
    """Measure one subject."""
    log_to(log)
    files = SubjectFiles.beside(output.status)
    found = [read_json(Path(folder) / "status.json") for folder in inputs.folders]
    statuses = {content["step"]: content for content in found}
    maps = usable_maps(files, statuses)
    rows = []
    for item, (space, rater) in RATERS.items():
        if is_ok(statuses["segment"], item):
            measured = rows_of(item, space, files, maps, json.loads(params.summaries))
            rows += complete(measured, files.participant_id, files.session, rater)
    write_rows(files.measurements, MEASUREMENT_COLUMNS, rows)
    items = [{"step": name, **item} for name, s in statuses.items() for item in s["items"]]
    write_subject_page(files, items, params.title)
    hashes = {name: hash_file(path) for name, path in files.made()}
    write_json(files.status, {"subject": files.name, "items": items, "files": hashes})


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
