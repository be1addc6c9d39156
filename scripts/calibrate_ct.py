"""Calibrate a CT by the phantom scanned with the patient.

Reads the CT in HU; writes the vBMD map and the calibration with every rod and residual.
"""

import json
from dataclasses import asdict
from types import SimpleNamespace

from osteoflow.ct.calibration import calibrate, vbmd_map
from osteoflow.ct.certificate import certified_phantom
from osteoflow.ct.header import density_warnings
from osteoflow.ct.phantom import find_rods
from osteoflow.ct.phantom_quality import phantom_warnings
from osteoflow.io.volume import read_json, read_volume, sidecar_path, write_json, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.step import Step


def main(folder, params, log):
    """Calibrate one subject's CT."""
    rods = [SimpleNamespace(**rod) for rod in json.loads(params.certificate)]
    certificate = certified_phantom(params.phantom, rods)
    files = SubjectFiles.beside(folder)
    step = Step("calibrate_ct", folder, log)

    def vbmd():
        ct = read_volume(files.image("ct"))
        about = read_json(sidecar_path(files.image("ct")))
        measured = find_rods(ct, certificate)
        fit = calibrate(measured, certificate)
        write_json(
            files.calibration,
            {**fit.as_dict(), "measured_rods": [asdict(rod) for rod in measured]},
        )
        warnings = density_warnings(about) + phantom_warnings(measured, certificate, fit)
        method = f"{certificate.name}, {fit.n_rods} rods, {fit.mineral}"
        write_volume(
            files.image("vbmd"),
            vbmd_map(ct, fit),
            {
                "Units": f"{fit.unit} {fit.mineral}",
                "Method": method,
                "Description": "vBMD = (HU - intercept) / slope, synchronous phantom",
                "Slope": fit.slope,
                "Intercept": fit.intercept,
                "ResidualSD": fit.residual_sd,
                "KVP": about.get("KVP"),
                "ConvolutionKernel": about.get("ConvolutionKernel"),
                "SourceSeries": about.get("SourceSeries"),
                "Warnings": warnings,
            },
        )
        return warnings

    step.run("vbmd", vbmd, after=[(files.step_status("convert"), "ct")])
    step.finish()


main(snakemake.output.folder, snakemake.params, snakemake.log[0])
