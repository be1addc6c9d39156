"""Convert the images that the inventory chose.

Reads the subject's inventory entry; writes the CT in HU and whatever MRI there is (multi-echo
stacks with phase in radians, spin echoes, diffusion, T1w, T2w, maps of the scanner) with sidecars.
"""

from pathlib import Path

from osteoflow.acquisitions import ITEMS, load_acquisition
from osteoflow.io.volume import read_json, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.step import Step
from osteoflow.step_log import raw_paths


def main(entry_path, folder, log):
    """Convert all acquisitions of one subject."""
    entry = read_json(entry_path)
    files = SubjectFiles.beside(folder)
    step = Step("convert", folder, log, raw_paths(entry))

    def work(item):
        images, warnings = load_acquisition(item, entry, Path.cwd())
        for name, volume, unit, sidecar in images:
            about = {**sidecar, "Units": unit, "Warnings": warnings}
            write_volume(files.image(name), volume, about)
        return warnings

    excluded = {problem["modality"] for problem in entry["problems"]}
    for item in ITEMS:
        if entry[item] is not None:
            step.run(item, lambda item=item: work(item))
        elif item in excluded:
            step.excluded_before(item, origin="inventory")
        elif item in ("ct", "mri"):
            step.absent(item)
    # What the inventory says of the folder stands with CT and MRI, where one of them is usable.
    told = any(item["item"] in ("ct", "mri") and item["status"] == "ok" for item in step.items)
    if entry["warnings"] and not told:
        step.note("inventory", entry["warnings"])
    step.finish()


main(snakemake.input.entry, snakemake.output.folder, snakemake.log[0])
