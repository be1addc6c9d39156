"""Diffusion images of one b-value, from files to one image each; b-values that fit their image."""

import json

import nibabel as nib
import numpy as np
import pytest
from bad_inputs.reasons import look
from dicom_series import diffusion_series

from osteoflow.errors import SubjectDataError
from osteoflow.io.intake_mri import load_diffusion


def directions(raw):
    """One image at b = 0 and three directions at b = 800, in one series each."""
    common = {"ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]}
    diffusion_series(raw / "b0", [0], FrameOfReferenceUID="1.2.3", **common)
    uid = {"FrameOfReferenceUID": "1.2.3", "SeriesInstanceUID": "1.2.4", "SeriesNumber": 2}
    for number in range(3):
        vector = [float(number == axis) for axis in range(3)]
        diffusion_series(
            raw / f"d{number}", [800], DiffusionGradientOrientation=vector, **common, **uid
        )


def test_directions_of_a_b_value_become_their_geometric_mean(tmp_path):
    directions(tmp_path / "raw")
    entry = look(tmp_path)
    images = entry["dwi"]["images"]
    assert [(image["b_value"], len(image["files"])) for image in images] == [
        (0, 3),
        (800, 3),
        (800, 3),
        (800, 3),
    ]
    volume, sidecar, _ = load_diffusion(entry["dwi"], tmp_path)
    assert volume.data.shape == (8, 8, 3, 2)
    assert sidecar["BValues"] == [0, 800]
    assert sidecar["Averages"] == [1, 3]
    weighted = round(1000 * np.exp(-0.8))
    found = sorted(np.unique(volume.data[..., 1]).tolist())
    assert found == pytest.approx([weighted, weighted + 1, weighted + 2], rel=1e-5)


def write_bids(study, b_values, volumes):
    folder = study / "bids" / "sub-1" / "dwi"
    folder.mkdir(parents=True)
    data = np.random.default_rng(0).uniform(100, 200, (6, 6, 3, volumes)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.diag([2.0, 2, 3, 1])), folder / "sub-1_dwi.nii.gz")
    (folder / "sub-1_dwi.json").write_text(json.dumps({"EchoTime": 0.06}))
    (folder / "sub-1_dwi.bval").write_text(" ".join(map(str, b_values)))
    files = [{"path": "bids/sub-1/dwi/sub-1_dwi.nii.gz"}]
    images = [{"b_value": b, "files": files, "volume": n} for n, b in enumerate(b_values)]
    return data, {"source": "bids", "series": None, "images": images, "trace": True, "notes": []}


def test_nominal_b_values_are_one(tmp_path):
    """Scanners state 995 and 1005 for 1000, and 5 for 0."""
    b_values = [0, 1, 995, 1000, 1005]
    data, entry = write_bids(tmp_path, b_values, 5)
    volume, sidecar, _ = load_diffusion(entry, tmp_path)
    assert sidecar["BValues"] == [0.5, 1000.0]
    assert sidecar["Averages"] == [2, 3]
    expected = np.exp(np.log(data[..., 2:]).mean(axis=-1))
    np.testing.assert_allclose(volume.data[..., 1], expected, rtol=1e-5)


@pytest.mark.parametrize("volumes", [3, 8])
def test_b_values_of_another_image(tmp_path, volumes):
    _, entry = write_bids(tmp_path, [0, 400, 800, 800], volumes)
    with pytest.raises(SubjectDataError) as refused:
        load_diffusion(entry, tmp_path)
    assert refused.value.code == "b_values_unequal"
