"""Map fat fraction, R2*, T2* and field from the complex multi-echo signal.

Reads magnitude and phase stacks; writes one image per map with a sidecar that states the model.
"""

import numpy as np

from osteoflow.io.volume import read_json, read_volume, sidecar_path, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.field_strength import true_field_strength
from osteoflow.mri.spectrum import load_fat_spectrum
from osteoflow.step import Step

UNITS = {
    "pdff": "%",
    "r2star": "1/s",
    "t2star": "ms",
    "field": "Hz",
    "water": "arbitrary",
    "fat": "arbitrary",
    "residual": "relative to the signal",
    "quality": "1 = reliable",
}
SIGNS = {"auto": None, "positive": 1, "negative": -1}


def main(folder, params, log):
    """Map one subject's multi-echo acquisition."""
    files = SubjectFiles.beside(folder)
    step = Step("map_mri", folder, log)

    def maps():
        magnitude, phase = (read_volume(files.image(part)) for part in ("mag", "phase"))
        about = read_json(sidecar_path(files.image("mag")))
        tesla, warnings = true_field_strength(about)
        result = fit_fat_water(
            (magnitude.data * np.exp(1j * phase.data)).astype(np.complex64),
            np.array(about["EchoTime"]),
            tesla,
            np.array(magnitude.spacing),
            load_fat_spectrum(params.spectrum),
            phase_sign=SIGNS[params.phase_sign],
        )
        common = {
            "Method": f"complex multi-peak fit, {params.spectrum} spectrum, one R2*, "
            f"{len(about['EchoTime'])} echoes",
            "FatSpectrum": params.spectrum,
            "PhaseSign": result.phase_sign,
            "FieldPeriod": result.field_period,
            "Flags": result.flags,
            "FieldStrengthUsed": tesla,
            "Warnings": warnings + result.warnings,
            **{
                key: about.get(key)
                for key in (
                    "EchoTime",
                    "RepetitionTime",
                    "FlipAngle",
                    "MagneticFieldStrength",
                    "ImagingFrequency",
                    "SourceSeries",
                )
            },
        }
        for name, unit in UNITS.items():
            image = magnitude.like(getattr(result, name))
            write_volume(files.image(name), image, {"Units": unit, **common})
        return warnings + result.warnings

    step.run("mri", maps, after=[(files.step_status("convert"), "mri")])
    step.finish()


main(snakemake.output.folder, snakemake.params, snakemake.log[0])
