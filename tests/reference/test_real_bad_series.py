"""Irregular and unusual DICOM from real scanners: converted exactly, or excluded by name.

The files lie outside the repository; their sources and licences are listed beside them.
"""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from osteoflow.ct.header import ct_warnings
from osteoflow.errors import SubjectDataError
from osteoflow.inventory.entry import subject_entry
from osteoflow.io.dicom import convert_series
from osteoflow.io.intake import load_ct
from osteoflow.subjects import Subject

DATA = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="OSTEOFLOW_EXTERNAL_DATA does not name a folder with third-party data"
)


def source(path):
    folder = Path(DATA).resolve() / path
    if not folder.exists():
        pytest.skip(f"third-party data without {path}")
    return folder


def look(path, tmp_path):
    """Inventory entry of a folder taken for one subject's."""
    subject = Subject("sub-1", "sub-1", "", {"dicom": str(source(path))})
    entry = subject_entry(tmp_path, tmp_path, "salt", False, subject)
    for problem in entry["problems"]:
        assert len(problem["hint"]) > 20
    return entry


def codes(entry):
    return {problem["modality"]: problem["code"] for problem in entry["problems"]}


@pytest.mark.parametrize(
    ("folder", "code", "words"),
    [
        ("gantrytilting/001", "gantry_tilt", "sheared by 14.0 degrees"),
        ("notavolume/001", "duplicate_slices", "3 slices lie at a position"),
        ("sliceincrement/001", "missing_slice", "steps of 5.00 mm and of 10.00 mm"),
        ("sliceincrement/002", "missing_slice", "steps of 0.75 mm and of 1.50 mm"),
    ],
)
def test_irregular_ct(folder, code, words, tmp_path):
    entry = look(f"ct/irregular_series/{folder}", tmp_path)
    assert len(entry["ct"]["files"]) == 4
    with pytest.raises(SubjectDataError) as caught:
        load_ct(entry["ct"], tmp_path)
    assert (caught.value.code, caught.value.hint != "") == (code, True)
    assert words in caught.value.message


@pytest.mark.parametrize("scanner", ["CT1", "CT2"])
def test_losslessly_compressed_ct_is_read_exactly(scanner, record):
    """One picture in three lossless syntaxes; pydicom itself decodes the run lengths."""
    folder = source("dicom/wg04_transfer_syntaxes")
    dataset = pydicom.dcmread(folder / f"{scanner}_RLE")
    expected = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    files = sorted(folder.glob(f"{scanner}_*"))
    assert [file.name.split("_")[1] for file in files] == ["JLSL", "JPLL", "RLE"]
    for file in files:
        volume, _, notes = convert_series([file])
        assert notes == []
        canonical = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.affine))
        # Rows run towards posterior, columns towards the left: against RAS in both.
        found = np.asarray(canonical.dataobj)[::-1, ::-1, 0].T
        assert np.array_equal(found, expected), file.name
    what = f"{scanner} of WG04 in JPEG lossless, JPEG-LS and RLE: files with identical pixels"
    record("DICOM: third-party data", what, len(files), "", "3")


def test_jpeg_2000_with_contrast_and_overlapping_slices(tmp_path):
    entry = look("ct/siemens_ct_jpeg2000/example_ct_dicom", tmp_path)
    volume, sidecar, warnings = load_ct(entry["ct"], tmp_path)
    assert volume.shape == (512, 512, 20)
    assert warnings == []
    found = ct_warnings(sidecar, sidecar["SliceStep"])
    assert [warning.split(":")[0] for warning in found] == ["contrast_agent", "slice_step"]


NONE = {"ct": "no_usable_series", "mri": "no_usable_series"}


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        # Combined echoes, magnitude and phase in one series.
        ("dicom2nifti/philips/anatomical/002", {"mri": "echo_time_missing"}),
        # One echo's magnitude and a field map in one multi-frame object.
        ("dcm_qa_fmap/In/Philips", NONE),
        ("dcm_qa_fmap/In/Siemens", NONE),
        ("dcm_qa_fmap/In/GE", NONE),
        # Diffusion, which serves another measurement.
        ("dcm_qa_uih/In", {}),
        ("dicom2nifti/philips_enhanced/anatomical/001", NONE),
        ("dicom2nifti/siemens_multiframe/anatomical/001", NONE),
        ("dicom2nifti/hitachi/anatomical/001", NONE),
        # Functional MRI: gradient echoes, but echo-planar.
        ("dicom2nifti/ge/fmri/001", NONE),
        ("dicom2nifti/philips_enhanced/fmri/001", NONE),
    ],
)
def test_mri_that_is_no_multi_echo_acquisition(folder, expected, tmp_path):
    entry = look(f"dicom/{folder}", tmp_path)
    assert entry["mri"] is None
    assert codes(entry) == expected


def test_images_of_two_patients(tmp_path):
    entry = look("ct/ct_with_dicom_seg", tmp_path)
    assert codes(entry) == {"ct": "several_patients", "mri": "several_patients"}
