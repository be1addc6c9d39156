"""Extract radiomic features from the trabecular volumes of every configured image.

Reads maps and volumes of interest; writes one row per image, region and reading, and of chosen
participants one row per perturbation of an image.
"""

import json

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.features import feature_rows
from osteoflow.images import IMAGES, QUALITY, RATERS
from osteoflow.io.tables import FEATURE_KEYS, PERTURBED_KEYS, write_uneven_rows
from osteoflow.io.volume import read_json, read_volume, write_json
from osteoflow.layout import SubjectFiles
from osteoflow.outline_source import flag_seeded, is_seeded
from osteoflow.perturbed import Perturbations
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.step import Step, is_ok


def usable(path, quality):
    """A map, without the voxels that its own quality mask rejects."""
    image = read_volume(path, float)
    if quality:
        return image.like(np.where(read_volume(quality).data > 0, image.data, np.nan))
    return image


def main(folder, params, log):
    """Extract one subject's features."""
    files = SubjectFiles.beside(folder)
    segmented = read_json(files.step_status("segment"))
    step = Step("extract_radiomics", folder, log)
    settings, regions = json.loads(params.settings), json.loads(params.regions)
    perturbations = Perturbations(json.loads(params.perturbation), files.name)
    table = []

    def extract(name):
        if not files.image(name).exists():
            raise SubjectDataError(
                "map_not_made",
                f"the {IMAGES[name].label} map cannot be made of what was acquired",
                "Two-point Dixon and the scanner's water and fat images give no PDFF and no R2*.",
            )
        quality = QUALITY.get(IMAGES[name].space)
        image = usable(files.image(name), files.image(quality) if quality else None)
        recipe = RadiomicsSettings.model_validate(settings[name])
        warnings = []
        for item, (space, rater, reading) in RATERS.items():
            if space == IMAGES[name].space and is_ok(segmented, item):
                labels = read_volume(files.regions(item, "voi")).data
                identity = {
                    "participant_id": files.participant_id,
                    "session": files.session or "n/a",
                    "rater": rater,
                    "reading": reading,
                    "image": name,
                }
                levels = regions[name]["levels"]
                rows, notes = feature_rows(
                    image, labels, levels, regions[name]["per_level"], recipe, identity
                )
                again, more = perturbations.rows(image, labels, levels, recipe, identity)
                if is_seeded(files.regions(item, "voi")):
                    flag_seeded(rows + again)
                table.extend(rows)
                warnings += [f"{item} {note}" for note in [*notes, *more]]
        return warnings

    for name in params.images:
        image = IMAGES[name]
        sources = [(image.step, image.item), ("segment", image.space)]
        after = [(files.step_status(source), item) for source, item in sources]
        step.run(name, lambda name=name: extract(name), after=after)
    step.finish()
    write_uneven_rows(files.features, FEATURE_KEYS, table)
    if perturbations.images:
        write_uneven_rows(files.perturbed_features, PERTURBED_KEYS, perturbations.table)
        write_json(files.perturbations, perturbations.about)


main(snakemake.output.folder, snakemake.params, snakemake.log[0])
