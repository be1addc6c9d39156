"""Convert the images that the inventory chose.

Reads the subject's inventory entry; writes the CT in HU and the multi-echo stacks (magnitude,
phase in radians) with their sidecars.
"""

from pathlib import Path

from osteoflow.ct.header import ct_warnings
from osteoflow.io.intake import load_ct, load_multi_echo
from osteoflow.io.volume import read_json, write_volume
from osteoflow.step import Step


def main(entry_path, output, log):
    """Convert both modalities of one subject."""
    entry = read_json(entry_path)
    study = Path.cwd()
    step = Step("convert", output.status, log)

    def ct():
        volume, sidecar, warnings = load_ct(entry["ct"], study)
        warnings += entry["warnings"] + ct_warnings(sidecar, sidecar["SliceStep"])
        write_volume(output.ct, volume, {**sidecar, "Warnings": warnings})
        return warnings

    def mri():
        magnitude, phase, sidecar, warnings = load_multi_echo(entry["mri"], study)
        warnings += entry["warnings"]
        common = {**sidecar, "Warnings": warnings}
        write_volume(output.mag, magnitude, {**common, "Units": "arbitrary"})
        write_volume(output.phase, phase, {**common, "Units": "rad"})
        return warnings

    files = {
        "ct": [output.ct, output.ct_json],
        "mri": [output.mag, output.mag_json, output.phase, output.phase_json],
    }
    excluded = {problem["modality"] for problem in entry["problems"]}
    for item, work in (("ct", ct), ("mri", mri)):
        if entry[item] is not None:
            step.run(item, work, files[item])
        elif item in excluded:
            step.excluded_before(item, files[item], origin="inventory")
        else:
            step.absent(item, files[item])
    step.finish()


main(snakemake.input.entry, snakemake.output, snakemake.log[0])
