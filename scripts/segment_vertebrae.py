"""Bring masks to the image grids, or grow bodies from seeds; derive volumes of interest.

Reads the masks and seeds that the inventory names (where it names none: what a segmentation program
outlined) and the converted images; writes, per image and reading, whole vertebrae and volumes of
interest in VerSe labels, the bodies' heights, the fingerprint of every region, and how well
readings overlap.
"""

import json
from functools import partial
from pathlib import Path

from osteoflow.images import RATERS, WEIGHTED
from osteoflow.io.volume import read_json
from osteoflow.layout import SubjectFiles
from osteoflow.outline_source import source_of
from osteoflow.outlined import read_outlines
from osteoflow.step import Step, has_item
from osteoflow.step_log import raw_paths
from osteoflow.subject_masks import SubjectMasks


def main(masks_path, outlines, folder, params, log):
    """Segment every grid of one subject, for every reading."""
    masks = read_json(masks_path)["masks"]
    outlined = read_outlines(outlines)
    files = SubjectFiles.beside(folder)
    step = Step("segment", folder, log, raw_paths(masks))
    converted = files.step_status("convert")
    made = SubjectMasks(files, Path.cwd(), params.erosion_mm, json.loads(params.further))
    for item, (space, *_) in RATERS.items():
        if not has_item(read_json(converted), space):
            continue
        source = source_of(masks, item, outlined)
        if source is None and (item != space or space in WEIGHTED):
            step.absent(item)
        else:
            after = [(converted, space), *(source.after if source else [])]
            step.run(item, partial(made.prepare, item, source), after=after)
    step.finish()
    made.write_tables()


main(
    snakemake.input.masks,
    snakemake.input.outlines,
    snakemake.output.folder,
    snakemake.params,
    snakemake.log[0],
)
