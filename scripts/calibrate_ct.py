"""Calibrate a CT: by a phantom, by a phantom scanned on another day, or by the patient's tissues.

Reads the CT in HU; writes the vBMD map and the calibration with all that it rests on.
"""

import json

from osteoflow.ct.calibration import vbmd_map
from osteoflow.ct.header import opportunistic_notes
from osteoflow.ct.methods import calibrate_scan
from osteoflow.io.volume import read_json, read_volume, sidecar_path, write_json, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.step import Step, is_ok


def main(folder, params, log):
    """Calibrate one subject's CT."""
    settings = json.loads(params.settings)
    files = SubjectFiles.beside(folder)
    step = Step("calibrate_ct", folder, log)

    def vbmd():
        ct = read_volume(files.image("ct"))
        about = read_json(sidecar_path(files.image("ct")))
        found = calibrate_scan(ct, about, settings)
        write_json(files.calibration, found.content)
        sidecar = {**found.sidecar, "Warnings": found.warnings}
        write_volume(files.image("vbmd"), vbmd_map(ct, found.line), sidecar)
        return found.warnings

    if settings["way"] == "none":
        step.absent("vbmd")
        if is_ok(read_json(files.step_status("convert")), "ct"):
            about = read_json(sidecar_path(files.image("ct")))
            step.note("ct", opportunistic_notes(about))
    else:
        step.run("vbmd", vbmd, after=[(files.step_status("convert"), "ct")])
    step.finish()


main(snakemake.output.folder, snakemake.params, snakemake.log[0])
