"""Extract radiomic features from the trabecular volumes of every configured image.

Reads maps and volumes of interest; writes one row per image, region and rater.
"""

import json

import numpy as np

from osteoflow.features import feature_rows
from osteoflow.images import IMAGES, RATERS
from osteoflow.io.tables import FEATURE_KEYS, write_rows
from osteoflow.io.volume import read_json, read_volume
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.step import Step, is_ok


def usable(path, quality):
    """A map, without the voxels that its own quality mask rejects."""
    image = read_volume(path, float)
    if quality:
        return image.like(np.where(read_volume(quality).data > 0, image.data, np.nan))
    return image


def main(inputs, output, params, log):
    """Extract one subject's features."""
    entry, segmented = read_json(inputs.entry), read_json(inputs.segment)
    step = Step("extract_radiomics", output.status, log)
    settings, regions = json.loads(params.settings), json.loads(params.regions)
    status_of = {read_json(path)["step"]: path for path in inputs.statuses}
    table = []

    def extract(name, path):
        image = usable(path, inputs.quality if IMAGES[name].space == "mri" else None)
        recipe = RadiomicsSettings.model_validate(settings[name])
        warnings = []
        for item, (space, rater) in RATERS.items():
            if space == IMAGES[name].space and is_ok(segmented, item):
                labels = read_volume(inputs.get(f"{item}_voi")).data
                identity = {
                    "participant_id": entry["participant_id"],
                    "session": entry["session"] or "n/a",
                    "rater": rater,
                    "image": name,
                }
                wanted = regions[name]
                rows, notes = feature_rows(
                    image, labels, wanted["levels"], wanted["per_level"], recipe, identity
                )
                table.extend(rows)
                warnings += [f"{item} {note}" for note in notes]
        return warnings

    for name, path in zip(params.images, inputs.maps, strict=True):
        image = IMAGES[name]
        sources = [(status_of[image.step], image.item), (inputs.segment, image.space)]
        step.run(name, lambda name=name, path=path: extract(name, path), after=sources)
    step.finish()
    # Images may have recipes of their own: a row has "n/a" for features it does not have.
    columns = list(dict.fromkeys([*FEATURE_KEYS, *(name for row in table for name in row)]))
    write_rows(output.features, columns, [dict.fromkeys(columns) | row for row in table])


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
