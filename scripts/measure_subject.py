"""Measure every map over every region, draw the subject's page, and gather its status.

Reads maps, masks and the steps' status files; writes the long `measurements.tsv`, `report.html`,
and `status.json` with one entry per step and item and the hash of every file made of the subject.
"""

import json
from pathlib import Path

from osteoflow.io.hashes import hash_file
from osteoflow.io.tables import MEASUREMENT_COLUMNS, write_rows
from osteoflow.io.volume import read_json, write_json
from osteoflow.layout import SubjectFiles
from osteoflow.reports.subject_page import write_subject_page
from osteoflow.step_log import log_to
from osteoflow.subject_rows import acquisition, subject_rows


def main(inputs, output, params, log):
    """Measure one subject."""
    log_to(log)
    files = SubjectFiles.beside(output.status)
    found = [read_json(Path(folder) / "status.json") for folder in inputs.folders]
    statuses = {content["step"]: content for content in found}
    settings = (params.summaries, params.scores, params.left_out, params.muscle_levels)
    rows, warnings = subject_rows(files, statuses, *map(json.loads, settings))
    write_rows(files.measurements, MEASUREMENT_COLUMNS, rows)
    items = [{"step": name, **item} for name, s in statuses.items() for item in s["items"]]
    if warnings:
        scored = {"step": "measure", "item": "scores", "status": "ok", "warnings": warnings}
        items.append(scored)
    write_subject_page(files, items, params.title)
    hashes = {name: hash_file(path) for name, path in files.made()}
    content = {"subject": files.name, "items": items, "files": hashes}
    write_json(files.status, {**content, "acquisition": acquisition(files, statuses)})


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
