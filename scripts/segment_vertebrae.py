"""Bring the study's masks to the image grids and derive trabecular volumes.

Reads the masks that the inventory names and the converted images; writes, per image and
rater, whole vertebrae and trabecular volumes in VerSe labels, and how well two raters agree.
"""

from pathlib import Path

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.images import RATERS
from osteoflow.io.masks import read_mask
from osteoflow.io.tables import write_rows
from osteoflow.io.volume import read_json, read_volume, write_volume
from osteoflow.segmentation.agreement import dice
from osteoflow.segmentation.grid import check_levels, to_image_grid
from osteoflow.segmentation.schemes import labels_table, level_name, to_verse
from osteoflow.segmentation.voi import trabecular_voi
from osteoflow.step import Step


def segment(entry, image_path, mask_output, voi_output, erosion_mm):
    """One rater's mask on one image grid, and the volumes inside it."""
    if entry.get("missing"):
        raise SubjectDataError(
            "mask_missing",
            "the mask file named in the subjects table does not exist",
            "Check the path in the subjects table.",
        )
    image = read_volume(image_path)
    if image.data.ndim == 4:
        image = image.like(image.data[..., 0])
    given = read_mask(Path.cwd() / entry["path"])
    labels, notes = to_verse(given.data, entry["scheme"])
    placed, more = to_image_grid(given.like(labels), image)
    warnings = [*notes, *more, *check_levels(placed)]
    voi, more = trabecular_voi(placed, erosion_mm)
    about = {"Units": "VerSe label", "SourceScheme": entry["scheme"]}
    write_volume(mask_output, placed, {**about, "Warnings": warnings})
    write_volume(
        voi_output,
        voi,
        {
            **about,
            "Description": "Trabecular volume: the mask's surface moved inwards equally in all "
            "directions",
            "ErosionMillimetres": erosion_mm,
            "Warnings": more,
        },
    )
    return warnings + more


def main(inputs, output, params, log):
    """Segment both images of one subject for both raters."""
    masks = read_json(inputs.masks)["masks"]
    step = Step("segment", output.status, log)
    images = {"ct": inputs.ct, "mri": inputs.mri}
    for item, (space, rater) in RATERS.items():
        files = [output.get(f"{item}_mask"), output.get(f"{item}_voi")]
        files += [path.removesuffix(".nii.gz") + ".json" for path in files]
        column = f"{space}_mask" + ("_rater2" if rater == 2 else "")
        if rater == 2 and column not in masks:
            step.absent(item, files)
            continue

        def work(item=item, space=space, column=column):
            if column not in masks:
                raise SubjectDataError(
                    "mask_not_given",
                    f"the subjects table names no {column}",
                    "Outline the vertebrae and name the mask in the subjects table.",
                )
            return segment(
                masks[column],
                images[space],
                output.get(f"{item}_mask"),
                output.get(f"{item}_voi"),
                params.erosion_mm,
            )

        step.run(item, work, files, after=[(inputs.convert, space)])
    step.finish()
    usable = [entry["item"] for entry in step.items if entry["status"] == "ok"]
    masks = {item: read_volume(output.get(f"{item}_mask")) for item in usable}
    present = sorted(
        {int(label) for mask in masks.values() for label in np.unique(mask.data)} - {0}
    )
    write_rows(output.labels, ["index", "name"], labels_table(present))
    rows = [
        {"image": f"seg_{space}", "roi": level_name(label), "dice": dice(first, second, label)}
        for space in ("ct", "mri")
        if (first := masks.get(space)) and (second := masks.get(f"{space}_rater2"))
        for label in present
    ]
    write_rows(output.agreement, ["image", "roi", "dice"], rows)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
