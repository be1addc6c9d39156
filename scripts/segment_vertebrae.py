"""Bring the study's masks to the image grids and derive trabecular volumes.

Reads the masks that the inventory names (where it names none: what a segmentation program
outlined) and the converted images; writes, per image and reading, whole vertebrae and trabecular
volumes in VerSe labels, the fingerprint of every region, and how well readings overlap.
"""

from pathlib import Path

import numpy as np

from osteoflow.images import GRIDS, RATERS
from osteoflow.io.tables import write_rows
from osteoflow.io.volume import read_json, read_volume, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.outlined import mask_of, read_outlines
from osteoflow.segmentation.fingerprint import REGION_COLUMNS, region_rows
from osteoflow.segmentation.prepare import prepare_mask
from osteoflow.segmentation.readings import (
    AGREEMENT_COLUMNS,
    IDENTICAL,
    agreement_rows,
    is_identical,
)
from osteoflow.segmentation.schemes import labels_table
from osteoflow.step import Step, has_item


def write_prepared(prepared, mask_path, voi_path, given, erosion_mm):
    """Both label maps with sidecars that state how they came about."""
    about = {"Units": "VerSe label", "SourceScheme": given["scheme"]}
    if "program" in given:
        about["OutlinedBy"] = given["program"]
    write_volume(mask_path, prepared.labels, {**about, "Warnings": prepared.label_warnings})
    description = "Trabecular volume: the mask's surface moved inwards equally in all directions"
    more = {"Description": description, "ErosionMillimetres": erosion_mm}
    write_volume(voi_path, prepared.voi, {**about, **more, "Warnings": prepared.voi_warnings})


def main(masks_path, outlines, folder, params, log):
    """Segment every grid of one subject, for every reading."""
    masks = read_json(masks_path)["masks"]
    outlined = read_outlines(outlines)
    files = SubjectFiles.beside(folder)
    step = Step("segment", folder, log)
    converted = files.step_status("convert")
    prepared, regions = {}, []

    def work(item, space, given):
        image = read_volume(next(p for n in GRIDS[space] if (p := files.image(n)).exists()))
        found = prepare_mask(given, Path.cwd(), image, params.erosion_mm)
        paths = (files.regions(item, "mask"), files.regions(item, "voi"))
        write_prepared(found, *paths, given, params.erosion_mm)
        prepared[item] = found.labels
        regions.extend(region_rows(item, image, found.labels, found.voi))
        copied = item != space and is_identical(prepared.get(space), found.labels)
        return found.label_warnings + found.voi_warnings + [IDENTICAL] * copied

    for item, (space, *_) in RATERS.items():
        if not has_item(read_json(converted), space):
            continue
        given, sources = mask_of(item, masks, outlined)
        if given is None and (item != space or space == "t1w"):
            step.absent(item)
        else:
            step.run(
                item,
                lambda i=item, s=space, g=given: work(i, s, g),
                after=[(converted, space), *sources],
            )
    step.finish()
    write_rows(files.outlined, REGION_COLUMNS, regions)
    present = {int(label) for mask in prepared.values() for label in np.unique(mask.data)} - {0}
    write_rows(files.labels, ["index", "name"], labels_table(sorted(present)))
    write_rows(files.agreement, AGREEMENT_COLUMNS, agreement_rows(prepared))


main(
    snakemake.input.masks,
    snakemake.input.outlines,
    snakemake.output.folder,
    snakemake.params,
    snakemake.log[0],
)
