"""Extract radiomic features from the trabecular volumes of every configured image.

Reads maps and volumes of interest; writes one row per image, region and rater.
"""

import json

import numpy as np

from osteoflow.images import IMAGES, RATERS
from osteoflow.io.tables import FEATURE_KEYS, write_rows
from osteoflow.io.volume import read_json, read_volume
from osteoflow.measurements import TRABECULAR, level_range
from osteoflow.radiomics.extract import extract_features
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.segmentation.schemes import verse_id
from osteoflow.step import Step


def regions(labels, levels, per_level):
    """Name and mask of the pooled region and, if asked for, of each level."""
    ids = [verse_id(level) for level in levels]
    absent = [level for level, i in zip(levels, ids, strict=True) if not (labels == i).any()]
    yield level_range(levels) + TRABECULAR, np.isin(labels, ids), absent
    if per_level and len(levels) > 1:
        for level, number in zip(levels, ids, strict=True):
            yield level + TRABECULAR, labels == number, []


def rows_of(name, path, quality, voi_path, item, wanted, settings, identity):
    """Feature rows of one image for one rater."""
    image = read_volume(path, float)
    if quality:
        # What the map's own quality mask rejects is as good as missing.
        image = image.like(np.where(read_volume(quality).data > 0, image.data, np.nan))
    labels = read_volume(voi_path).data
    rows, warnings = [], []
    for roi, mask, absent in regions(labels, wanted["levels"], wanted["per_level"]):
        result = extract_features(image, mask, settings)
        flags = [result.flag] if result.flag else []
        flags += [f"missing:{'+'.join(absent)}"] if absent else []
        rows.append(
            {
                **identity,
                "rater": RATERS[item][1],
                "roi": roi,
                "image": name,
                "n_voxels": result.n_voxels,
                "flag": ";".join(flags),
                **result.features,
            }
        )
        warnings += [f"{item} {roi}: {text}" for text in [*result.warnings, *flags]]
    return rows, warnings


def main(inputs, output, params, log):
    """Extract one subject's features."""
    entry = read_json(inputs.entry)
    identity = {
        "participant_id": entry["participant_id"],
        "session": entry["session"] or "n/a",
    }
    step = Step("extract_radiomics", output.status, log)
    settings, wanted = json.loads(params.settings), json.loads(params.regions)
    status_of = {read_json(path)["step"]: path for path in inputs.statuses}
    table = []
    for name, path in zip(params.images, inputs.maps, strict=True):
        recipe = RadiomicsSettings.model_validate(settings[name])
        image = IMAGES[name]
        segmented = {entry["item"]: entry for entry in read_json(inputs.segment)["items"]}

        def work(name=name, path=path, recipe=recipe, image=image, segmented=segmented):
            warnings = []
            for item, (space, _) in RATERS.items():
                if space == image.space and segmented[item]["status"] == "ok":
                    voi = inputs.get(f"{item}_voi")
                    quality = inputs.quality if space == "mri" else None
                    rows, notes = rows_of(
                        name, path, quality, voi, item, wanted[name], recipe, identity
                    )
                    table.extend(rows)
                    warnings += notes
            return warnings

        step.run(
            name,
            work,
            after=[(status_of[image.step], image.item), (inputs.segment, image.space)],
        )
    step.finish()
    # Images may have recipes of their own: a row has "n/a" for features it does not have.
    columns = list(dict.fromkeys([*FEATURE_KEYS, *(name for row in table for name in row)]))
    write_rows(output.features, columns, [dict.fromkeys(columns) | row for row in table])


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
