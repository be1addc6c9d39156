"""Calibrate a CT by the phantom scanned with the patient.

Reads the CT in HU; writes the vBMD map and the calibration with every rod and residual.
"""

import json
from dataclasses import asdict
from types import SimpleNamespace

from osteoflow.ct.calibration import calibrate, vbmd_map
from osteoflow.ct.certificate import certified_phantom
from osteoflow.ct.phantom import find_rods
from osteoflow.io.volume import read_json, read_volume, write_json, write_volume
from osteoflow.step import Step


def main(inputs, output, params, log):
    """Calibrate one subject's CT."""
    rods = [SimpleNamespace(**rod) for rod in json.loads(params.certificate)]
    certificate = certified_phantom(params.phantom, rods)
    step = Step("calibrate_ct", output.status, log)

    def vbmd():
        ct = read_volume(inputs.ct)
        about = read_json(inputs.ct_json)
        measured = find_rods(ct, certificate)
        fit = calibrate(measured, certificate)
        write_json(
            output.calibration,
            {**fit.as_dict(), "measured_rods": [asdict(rod) for rod in measured]},
        )
        method = f"{certificate.name}, {fit.n_rods} rods, {fit.mineral}"
        write_volume(
            output.vbmd,
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
            },
        )

    step.run(
        "vbmd",
        vbmd,
        [output.vbmd, output.vbmd_json, output.calibration],
        after=[(inputs.convert, "ct")],
    )
    step.finish()


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
