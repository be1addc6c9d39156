"""Convert the images that the inventory chose.

Reads the subject's inventory entry; writes the CT in HU and the multi-echo stacks (magnitude,
phase in radians) with their sidecars.
"""

from pathlib import Path

from osteoflow.ct.header import ct_warnings
from osteoflow.io.intake import load_ct, load_multi_echo
from osteoflow.io.volume import read_json, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.step import Step


def main(entry_path, folder, log):
    """Convert both modalities of one subject."""
    entry = read_json(entry_path)
    study = Path.cwd()
    files = SubjectFiles.beside(folder)
    step = Step("convert", folder, log)

    def ct():
        volume, sidecar, warnings = load_ct(entry["ct"], study)
        warnings += entry["warnings"] + ct_warnings(sidecar, sidecar["SliceStep"])
        write_volume(files.image("ct"), volume, {**sidecar, "Warnings": warnings})
        return warnings

    def mri():
        magnitude, phase, sidecar, warnings = load_multi_echo(entry["mri"], study)
        warnings += entry["warnings"]
        common = {**sidecar, "Warnings": warnings}
        write_volume(files.image("mag"), magnitude, {**common, "Units": "arbitrary"})
        write_volume(files.image("phase"), phase, {**common, "Units": "rad"})
        return warnings

    excluded = {problem["modality"] for problem in entry["problems"]}
    for item, work in (("ct", ct), ("mri", mri)):
        if entry[item] is not None:
            step.run(item, work)
        elif item in excluded:
            step.excluded_before(item, origin="inventory")
        else:
            step.absent(item)
    step.finish()


main(snakemake.input.entry, snakemake.output.folder, snakemake.log[0])
