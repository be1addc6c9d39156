"""Convert the images that the inventory chose.

Reads the subject's inventory entry; writes the CT in HU and whatever MRI there is (multi-echo
stacks with phase in radians, spin echoes, diffusion, T1w, maps of the scanner) with sidecars.
"""

from pathlib import Path

from osteoflow.ct.header import ct_warnings
from osteoflow.io.intake import load_ct, load_multi_echo
from osteoflow.io.intake_mri import (
    load_diffusion,
    load_scanner_adc,
    load_scanner_maps,
    load_spin_echo,
    load_t1w,
)
from osteoflow.io.volume import read_json, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.step import Step


def main(entry_path, folder, log):
    """Convert all acquisitions of one subject."""
    entry = read_json(entry_path)
    study = Path.cwd()
    files = SubjectFiles.beside(folder)
    step = Step("convert", folder, log)

    def write(name, volume, unit, sidecar, warnings):
        write_volume(files.image(name), volume, {**sidecar, "Units": unit, "Warnings": warnings})

    def ct():
        volume, sidecar, warnings = load_ct(entry["ct"], study)
        warnings += entry["warnings"] + ct_warnings(sidecar, sidecar["SliceStep"])
        write("ct", volume, "HU", sidecar, warnings)
        return warnings

    def mri():
        if entry["mri"]["kind"] == "scanner_maps":
            maps, sidecar, warnings = load_scanner_maps(entry["mri"], study)
            warnings += entry["warnings"]
            for name, volume in maps.items():
                write(f"scanner_{name}", volume, "as stored", sidecar, warnings)
            return warnings
        magnitude, phase, sidecar, warnings = load_multi_echo(entry["mri"], study)
        warnings += entry["warnings"]
        write("mag", magnitude, "arbitrary", sidecar, warnings)
        if phase is not None:
            write("phase", phase, "rad", sidecar, warnings)
        return warnings

    def loaded(name, load, unit="arbitrary"):
        def work(item):
            volume, sidecar, warnings = load(entry[item], study)
            write(name, volume, unit, sidecar, warnings)
            return warnings

        return work

    def dwi(item):
        own = "map" not in entry[item]
        chosen = ("dwi", load_diffusion) if own else ("scanner_adc", load_scanner_adc, "um2/s")
        return loaded(*chosen)(item)

    excluded = {problem["modality"] for problem in entry["problems"]}
    works = {
        "ct": lambda item: ct(),
        "mri": lambda item: mri(),
        "t2": loaded("mese", load_spin_echo),
        "dwi": dwi,
        "t1w": loaded("t1w", load_t1w),
    }
    for item, work in works.items():
        if entry[item] is not None:
            step.run(item, lambda item=item, work=work: work(item))
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
