"""Third-party scans through the workflow itself: real headers, real geometry, known answers."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.io import loadmat
from workflow.conftest import osteoflow, write_study

from osteoflow.io.tables import read_table

DATA = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="OSTEOFLOW_EXTERNAL_DATA does not point to the third-party data"
)


def test_contrast_ct_with_overlapping_jpeg2000_slices(tmp_path, record):
    """T12 of a Siemens CT: the mean HU of its mask, the slice step, the contrast agent."""
    folder = Path(DATA) / "ct" / "siemens_ct_jpeg2000"
    write_study(
        tmp_path,
        "participant_id\tdicom\tct_mask\tmask_scheme\n"
        f"01\t{folder / 'example_ct_dicom'}\t{folder / 'example_seg_dicom.nii.gz'}"
        "\ttotalsegmentator_v2\n",
        "radiomics: {images: {}}\ncohort: {summaries: [{metric: hu_mean, levels: [T12]}]}\n",
    )
    osteoflow("run", tmp_path, "--cores", 2, "--", "participants", "--quiet", "all")
    subject = tmp_path / "results" / "subjects" / "sub-01"
    measured = read_table(subject / "measurements.tsv")
    t12 = measured[(measured["roi"] == "T12") & (measured["metric"] == "hu_mean")]
    what = "Siemens JPEG 2000 CT through the workflow: T12 mean"
    record("CT: third-party data", what, t12["value"].item(), "HU", "267.0 +- 0.5")
    assert t12["value"].item() == pytest.approx(267.0, abs=0.5)
    sidecar = json.loads((subject / "anat" / "sub-01_ct.json").read_text())
    assert sidecar["SliceStep"] == 2.0
    assert any(text.startswith("contrast_agent:") for text in sidecar["Warnings"])
    assert any(text.startswith("slice_step:") for text in sidecar["Warnings"])
    page = (subject / "report.html").read_text(encoding="utf-8")
    assert "contrast agent" in page
    status = json.loads((subject / "status.json").read_text())
    codes = {item.get("code") for item in status["items"]}
    assert "phantom_not_found" in codes or "phantom_incomplete" in codes


@pytest.mark.parametrize(("case", "peer"), [("15", 34.2), ("17", 46.2)])
def test_ismrm_water_fat_challenge_from_bids(tmp_path, case, peer, record):
    """Median fat fraction in the mask within 3 points of the graph-cut peer's."""
    path = Path(DATA) / "mri" / "ismrm_fat_water" / f"{case}.mat"
    parameters = loadmat(path)["imDataParams"][0, 0]
    images = np.asarray(parameters["images"])[:, :, :, 0, :]
    echo_times = np.ravel(parameters["TE"]).astype(float)
    mask = parameters["mask"] > 0
    anat = tmp_path / "bids" / "sub-01" / "anat"
    anat.mkdir(parents=True)
    affine = np.diag([1.5, 1.5, 5.0, 1.0])
    for echo, time in enumerate(echo_times):
        for part, values in (
            ("mag", np.abs(images[..., echo])),
            ("phase", np.angle(images[..., echo])),
        ):
            stem = anat / f"sub-01_echo-{echo + 1}_part-{part}_MEGRE"
            nib.save(nib.Nifti1Image(values.astype(np.float32), affine), f"{stem}.nii.gz")
            stem.with_suffix(".json").write_text(
                json.dumps(
                    {
                        "EchoTime": time,
                        "MagneticFieldStrength": float(parameters["FieldStrength"].item()),
                    }
                )
            )
    write_study(
        tmp_path,
        "participant_id\tbids\n01\tbids\n",
        "mri: {spectrum: ismrm}\nradiomics: {images: {}}\ncohort: {summaries: []}\n",
    )
    osteoflow("run", tmp_path, "--cores", 2, "--", "participants", "--quiet", "all")
    path = tmp_path / "results" / "subjects" / "sub-01" / "mri" / "sub-01_PDFFmap.nii.gz"
    pdff = np.asarray(nib.load(path).dataobj)
    inside = mask.reshape(pdff.shape) & np.isfinite(pdff)
    assert inside.sum() > 0.9 * mask.sum()
    what = f"ISMRM challenge case {case} from BIDS through the workflow: median PDFF"
    record("MRI: third-party data", what, np.median(pdff[inside]), "%", f"peer {peer} +- 3")
    assert np.median(pdff[inside]) == pytest.approx(peer, abs=3.0)
