"""Real complex echoes of the ISMRM 2012 water-fat challenge, against an independent program.

There is no truth map; mri-fatwater (graph cuts) gives the medians and percentiles compared here.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.spectrum import load_fat_spectrum

EXTERNAL = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    EXTERNAL is None, reason="OSTEOFLOW_EXTERNAL_DATA is unset: no third-party data here"
)

# the files do not tell the voxel size; typical values suffice for the smoothness of the field
SPACING = np.array([1.5, 1.5, 5.0])


@pytest.mark.parametrize(
    ("case", "p5", "median", "p95"), [(15, 6.4, 34.2, 93.2), (17, 22.6, 46.2, 91.4)]
)
@pytest.mark.parametrize("spectrum", ["ismrm", "liver_hamilton"])
def test_pdff_agrees_with_the_peer(case, p5, median, p95, spectrum, record):
    path = Path(EXTERNAL) / "mri" / "ismrm_fat_water" / f"{case}.mat"
    data = loadmat(path)["imDataParams"][0, 0]
    signal = data["images"][:, :, :, 0, :]
    mask = data["mask"] > 0
    result = fit_fat_water(
        signal,
        data["TE"].ravel(),
        float(data["FieldStrength"].item()),
        SPACING,
        load_fat_spectrum(spectrum),
        mask=mask,
    )
    # PrecessionIsClockwise = 1 in both files: the sign of the model
    assert result.phase_sign == 1
    low, middle, high = np.percentile(result.pdff[mask], [5, 50, 95])
    what = f"ISMRM challenge case {case}, {spectrum} spectrum: median PDFF in the mask"
    record("MRI: third-party data", what, middle, "%", f"peer {median} +- 3")
    assert middle == pytest.approx(median, abs=1.0)
    assert low == pytest.approx(p5, abs=1.0)
    assert high == pytest.approx(p95, abs=1.5)
    assert result.quality[mask].mean() > 0.99

    # a swap is a cliff of the field between two neighbours of good quality; the field is smooth
    period = result.field_period
    good = result.quality.astype(bool)
    for axis in (0, 1):
        step = np.diff(result.field, axis=axis)
        step = np.abs(step - period * np.rint(step / period))
        both = np.logical_and(
            np.take(good, range(1, good.shape[axis]), axis),
            np.take(good, range(good.shape[axis] - 1), axis),
        )
        assert (step[both] > 60).mean() < 2e-3
