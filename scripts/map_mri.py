"""Map fat fraction, R2*, T2*, T2 and ADC from whatever MRI was acquired.

Reads the converted images; writes one image per map with a sidecar that states the method.
"""

import json

from osteoflow.io.volume import read_json, read_volume, sidecar_path, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.mri.made import UNITS
from osteoflow.mri.maps import METHODS
from osteoflow.step import Step, has_item

PASSED_ON = (
    "EchoTime",
    "BValues",
    "RepetitionTime",
    "FlipAngle",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "SourceSeries",
)


def main(folder, params, log):
    """Map one subject's MRI."""
    files = SubjectFiles.beside(folder)
    step = Step("map_mri", folder, log)
    settings = json.loads(params.settings)
    converted = files.step_status("convert")

    def maps(item):
        needed, method = METHODS[item]
        present = [name for name in needed if files.image(name).exists()]
        images = {name: read_volume(files.image(name)) for name in present}
        about = read_json(sidecar_path(files.image(present[0])))
        found = method(images, about, settings)
        grid = images[present[0]]
        common = {
            "Method": found.method,
            **found.about,
            "Warnings": found.warnings,
            **{key: about[key] for key in PASSED_ON if key in about},
        }
        for name, values in found.images.items():
            write_volume(files.image(name), grid.like(values), {"Units": UNITS[name], **common})
        return found.warnings

    for item in METHODS:
        if has_item(read_json(converted), item):
            step.run(item, lambda item=item: maps(item), after=[(converted, item)])
    step.finish()


main(snakemake.output.folder, snakemake.params, snakemake.log[0])
