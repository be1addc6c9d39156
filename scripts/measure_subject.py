"""Measure every map over every region, and gather the subject's status.

Reads maps, masks and the steps' status files; writes the long `measurements.tsv` and
`status.json` with one entry per step and item.
"""

import json

from osteoflow.images import IMAGES, RATERS
from osteoflow.io.tables import MEASUREMENT_COLUMNS, write_rows
from osteoflow.io.volume import read_json, read_volume, write_json
from osteoflow.measurements import (
    TRABECULAR,
    average_levels,
    complete,
    measure_regions,
    measure_volumes,
)
from osteoflow.step import is_ok, log_to


def usable_maps(inputs, statuses):
    """The subject's maps by image: volume, unit, method, and which voxels may be used."""
    maps = {}
    for name, image in IMAGES.items():
        path = inputs.get(name)
        if path and is_ok(statuses[image.step], image.item):
            about = read_json(inputs.get(f"{name}_json"))
            reliable = read_volume(inputs.quality).data > 0 if image.space == "mri" else None
            maps[name] = {
                "values": read_volume(path, float),
                "unit": about["Units"],
                "method": about.get("Method", "scanner"),
                "reliable": reliable,
            }
    return maps


def rows_of(item, space, inputs, maps, summaries):
    """Rows of one rater's regions on one grid."""
    rows = []
    for kind, suffix in (("mask", ""), ("voi", TRABECULAR)):
        labels = read_volume(inputs.get(f"{item}_{kind}"))
        rows += measure_volumes(f"seg_{space}", labels, suffix)
        for name, content in maps.items():
            if IMAGES[name].space == space:
                rows += measure_regions(name, labels=labels, suffix=suffix, **content)
    for summary in summaries:
        row = average_levels(rows, summary["metric"], summary["levels"])
        rows += [row] if row else []
    return rows


def main(inputs, output, summaries, log):
    """Measure one subject."""
    log_to(log)
    entry = read_json(inputs.entry)
    statuses = {content["step"]: content for content in map(read_json, inputs.statuses)}
    maps = usable_maps(inputs, statuses)
    rows = []
    for item, (space, rater) in RATERS.items():
        if is_ok(statuses["segment"], item):
            found = rows_of(item, space, inputs, maps, json.loads(summaries))
            rows += complete(found, entry["participant_id"], entry["session"], rater)
    write_rows(output.measurements, MEASUREMENT_COLUMNS, rows)
    items = [{"step": name, **item} for name, s in statuses.items() for item in s["items"]]
    write_json(output.status, {"subject": entry["subject"], "items": items})


main(snakemake.input, snakemake.output, snakemake.params.summaries, snakemake.log[0])
