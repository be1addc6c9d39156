"""Bring masks to the image grids, or grow bodies from seeds; derive volumes of interest.

Reads the masks and seeds that the inventory names (where it names none: what a segmentation program
outlined) and the converted images; writes, per image and reading, whole vertebrae and volumes of
interest in VerSe labels, the bodies' heights, the fingerprint of every region, and how well
readings overlap.
"""

import json
from pathlib import Path

import numpy as np

from osteoflow.images import FURTHER_MRI, GRIDS, RATERS, WEIGHTED
from osteoflow.io.tables import write_rows
from osteoflow.io.volume import read_json, read_volume
from osteoflow.layout import SubjectFiles
from osteoflow.outline_source import prepare_source, source_of
from osteoflow.outlined import read_outlines
from osteoflow.segmentation.fingerprint import REGION_COLUMNS, region_rows
from osteoflow.segmentation.heights import HEIGHT_COLUMNS
from osteoflow.segmentation.prepare import write_prepared
from osteoflow.segmentation.readings import (
    AGREEMENT_COLUMNS,
    IDENTICAL,
    agreement_rows,
    is_identical,
)
from osteoflow.segmentation.schemes import labels_table
from osteoflow.step import Step, has_item


def main(masks_path, outlines, folder, params, log):
    """Segment every grid of one subject, for every reading."""
    masks = read_json(masks_path)["masks"]
    outlined = read_outlines(outlines)
    files = SubjectFiles.beside(folder)
    step = Step("segment", folder, log)
    converted = files.step_status("convert")
    further = json.loads(params.further)
    settings = {"voi": {"ErosionMillimetres": params.erosion_mm}}
    settings.update((kind, {"Settings": value}) for kind, value in further.items())
    prepared, regions, heights = {}, [], []

    def work(item, space, source):
        image = read_volume(next(p for n in GRIDS[space] if (p := files.image(n)).exists()))
        given = (image, files, Path.cwd(), params.erosion_mm, prepared, further)
        found = prepare_source(source, item, *given)
        regions.extend(region_rows(item, image, found.labels, found.voi))
        if space not in FURTHER_MRI:
            heights.extend({"item": item, **row} for row in found.volumes.heights())
        paths = {kind: files.regions(item, kind) for kind in ("mask", *found.volumes.volumes)}
        warnings = write_prepared(found, paths, source.about(found), settings)
        prepared[item] = found
        first = prepared[space].labels if item != space and space in prepared else None
        copied = is_identical(first, found.labels)
        return warnings + [IDENTICAL] * copied

    for item, (space, *_) in RATERS.items():
        if not has_item(read_json(converted), space):
            continue
        source = source_of(masks, item, outlined)
        if source is None and (item != space or space in WEIGHTED):
            step.absent(item)
        else:
            after = [(converted, space), *(source.after if source else [])]
            step.run(item, lambda i=item, s=space, g=source: work(i, s, g), after=after)
    step.finish()
    write_rows(files.outlined, REGION_COLUMNS, regions)
    labels = {item: found.labels for item, found in prepared.items()}
    present = {int(label) for mask in labels.values() for label in np.unique(mask.data)} - {0}
    write_rows(files.heights, ("item", *HEIGHT_COLUMNS), heights)
    write_rows(files.labels, ["index", "name"], labels_table(sorted(present)))
    write_rows(files.agreement, AGREEMENT_COLUMNS, agreement_rows(labels))


main(
    snakemake.input.masks,
    snakemake.input.outlines,
    snakemake.output.folder,
    snakemake.params,
    snakemake.log[0],
)
