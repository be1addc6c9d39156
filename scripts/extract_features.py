"""Extract radiomic features from the trabecular volumes of every configured image.

Reads maps, weighted images and volumes of interest; writes one row per image, region and reading,
and of chosen participants one row per perturbation of an image.
"""

import json

from osteoflow.images import RADIOMICS
from osteoflow.io.volume import read_json
from osteoflow.layout import SubjectFiles
from osteoflow.normalised import why_none
from osteoflow.step import Step, has_item
from osteoflow.subject_features import SubjectFeatures


def main(folder, params, log):
    """Extract one subject's features."""
    files = SubjectFiles.beside(folder)
    converted, segmented = (read_json(files.step_status(s)) for s in ("convert", "segment"))
    step = Step("extract_radiomics", folder, log)
    how = (json.loads(text) for text in (params.settings, params.regions, params.perturbation))
    features = SubjectFeatures(files, segmented, *how)

    def extract(name):
        if (problem := why_none(name, converted, segmented)) is not None:
            raise problem
        return features.extract(name)

    for name in params.images:
        image = RADIOMICS[name]
        sources = [(image.step, image.item), ("segment", image.space)]
        after = [(files.step_status(source), item) for source, item in sources]
        if why_none(name, converted, segmented) is not None:
            after = []
        elif not all(has_item(read_json(path), item) for path, item in after):
            step.absent(name)
            continue
        step.run(name, lambda name=name: extract(name), after=after)
    step.finish()
    features.write()


main(snakemake.output.folder, snakemake.params, snakemake.log[0])
