"""MR images of GE, Siemens, Philips, UIH and Hitachi against NIfTI files that others made of them.

The files lie outside the repository; their sources and licences are listed beside them. References
in dcm_qa_* were made by dcm2niix, those in dicom2nifti by dicom2nifti.
"""

import os
from collections import defaultdict
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.entry import subject_entry
from osteoflow.inventory.headers import read_header
from osteoflow.io.dicom import convert_series
from osteoflow.io.frames import ImageSource, frame_numbers
from osteoflow.io.intake import load_ct
from osteoflow.io.phase import phase_scale
from osteoflow.subjects import Subject

DATA = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="OSTEOFLOW_EXTERNAL_DATA does not name a folder with third-party data"
)
SECTION = "MRI: vendor DICOM"
AFFINE_LIMIT = 0.02
"""mm, at the corners of the volume; references keep six digits of rotations."""
ROUNDING = 5e-7
"""Relative; a few roundings to float32, where values are scaled. Unscaled ones are compared as
they are: 2^24 and fewer are exact."""


def source(path):
    folder = Path(DATA).resolve() / path
    if not folder.exists():
        pytest.skip(f"third-party data without {path}")
    return folder


def volumes(folder, first=None, last=None):
    """Files of each volume of a series: the n-th image at every position is of volume n."""
    places = defaultdict(list)
    files = [(pydicom.dcmread(p, stop_before_pixels=True), p) for p in sorted(folder.iterdir())]
    for header, path in sorted(files, key=lambda pair: pair[0].InstanceNumber):
        if (first or 0) <= header.InstanceNumber <= (last or 10**6):
            places[tuple(map(float, header.ImagePositionPatient))].append(path)
    counts = {len(paths) for paths in places.values()}
    assert len(counts) == 1
    return [[paths[n] for paths in places.values()] for n in range(counts.pop())]


def canonical(data, affine):
    """Voxels in the order of RAS+, whatever the order in which they were stored."""
    image = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(data), affine))
    return np.asanyarray(image.dataobj), image.affine


def compare(found, reference, factor=1.0):
    """Voxels that differ by more than float32 rounding, and the corners' largest distance in mm."""
    images = [convert_series(images)[0] for images in found]
    wanted = nib.load(reference)
    stored = np.asanyarray(wanted.dataobj)
    stored = stored.reshape(*stored.shape[:3], -1)
    assert len(images) == stored.shape[3]
    wrong, distance = 0, 0.0
    for number, image in enumerate(images):
        ours, our_affine = canonical(image.data * factor, image.affine)
        theirs, their_affine = canonical(stored[..., number], wanted.affine)
        assert ours.shape == theirs.shape
        corners = np.array([[0, 0, 0, 1], [*np.subtract(ours.shape, 1), 1]]).T
        distance = max(distance, np.abs((our_affine - their_affine) @ corners).max())
        theirs = theirs.astype(np.float64)
        wrong += int((np.abs(ours - theirs) > ROUNDING * np.abs(theirs)).sum())
    return wrong, distance


def check(record, what, found, reference, factor=1.0):
    wrong, distance = compare(found, reference, factor)
    record(SECTION, f"{what}: voxels that differ", wrong, "", "0")
    record(SECTION, f"{what}: largest distance of a corner", distance, "mm", f"<= {AFFINE_LIMIT}")
    assert wrong == 0
    assert distance <= AFFINE_LIMIT


SINGLE_FRAME = [
    ("GE Discovery MR750, 3D gradient echo", "ge/anatomical/001"),
    ("GE Discovery MR750, diffusion", "ge/dti/001"),
    ("GE Signa HDx, echo-planar", "ge/dti/002"),
    ("GE Discovery MR750, functional", "ge/fmri/001"),
    ("Hitachi Echelon, spin echo", "hitachi/anatomical/001"),
    ("Philips Intera, inversion recovery", "philips/anatomical/001"),
    ("Philips Ingenia, diffusion", "philips/dti/001"),
    ("Philips Achieva, diffusion", "philips/dti/002"),
    ("Philips Achieva dStream, functional", "philips/fmri/001"),
    ("Siemens Skyra, diffusion", "siemens/dti_classic/001"),
]


@pytest.mark.parametrize(("what", "folder"), SINGLE_FRAME)
def test_single_frame_series(record, what, folder):
    place = source(f"dicom/dicom2nifti/{folder}")
    check(record, what, volumes(place), place.parent / f"{place.name}_ground_truth.nii.gz")


FIELD_MAPS = [
    ("Siemens Prisma, magnitude, echo 1", "2_gre_field_magph", "e1_", "Si_2_gre_field_magph_e1"),
    ("Siemens Prisma, magnitude, echo 2", "2_gre_field_magph", "e2_", "Si_2_gre_field_magph_e2"),
    ("Siemens Prisma, phase", "3_gre_field_magph", "e2_", "Si_3_gre_field_magph_e2_ph"),
    ("Siemens Prisma, phase alone", "4_gre_field_ph", "e2_", "Si_4_gre_field_ph_e2_ph"),
    ("Siemens Prisma, saturated, echo 1", "5_gre_field_mag", "e1_", "Si_5_gre_field_mag_e1"),
    ("Siemens Prisma, saturated, echo 2", "5_gre_field_mag", "e2_", "Si_5_gre_field_mag_e2"),
]


@pytest.mark.parametrize(("what", "folder", "start", "reference"), FIELD_MAPS)
def test_siemens_field_maps(record, what, folder, start, reference):
    root = source("dicom/dcm_qa_fmap")
    files = sorted((root / "In" / "Siemens" / folder).glob(f"{start}*"))
    check(record, what, [files], root / "Ref" / f"{reference}.nii")


@pytest.mark.parametrize(
    ("what", "first", "last", "reference"),
    [
        ("GE Signa Architect, field map", 1, 16, "GE_6_CV_Neuro_HH_Adv_fieldmaphz"),
        ("GE Signa Architect, its magnitude", 17, 32, "GE_6_CV_Neuro_HH_Adv"),
    ],
)
def test_ge_field_map(record, what, first, last, reference):
    """One series without any element that tells the two apart but their order."""
    root = source("dicom/dcm_qa_fmap")
    found = volumes(root / "In" / "GE" / "6_CV_Neuro", first, last)
    check(record, what, found, root / "Ref" / f"{reference}.nii")


def test_philips_field_map_in_one_object(record):
    """Magnitude in floating-point values; the field map, which calls itself REAL, in Hz.

    The reference computes the field map's slope as the difference of two numbers near -500 in
    float32: 0.2442017 instead of 0.2442002. Stored values agree, and Hz to 3 % of a storage step.
    """
    root = source("dicom/dcm_qa_fmap")
    path = root / "In" / "Philips" / "fmap" / "IM_0027_fMAP.dcm"
    groups = {group["Component"]: group for group in read_header(path)["FrameGroups"]}
    assert sorted(groups) == ["mag", "other"]
    frames = {n: ImageSource(path, frame_numbers(g["Frames"])) for n, g in groups.items()}
    what = "Philips Achieva dStream, enhanced, magnitude"
    check(record, what, [[frames["mag"]]], root / "Ref" / "Ph_801_WIP_B0_NS_e1.nii")

    volume, headers, _ = convert_series([frames["other"]])
    reference = nib.load(root / "Ref" / "Ph_801_WIP_B0_NS_e2_fieldmaphz.nii")
    slope = headers[0]["RescaleSlope"]
    ours, our_affine = canonical(volume.data, volume.affine)
    theirs, their_affine = canonical(reference.dataobj, reference.affine)
    raw, _ = canonical(reference.dataobj.get_unscaled(), reference.affine)
    assert np.allclose(our_affine, their_affine, atol=1e-3)
    wrong = int((np.rint((ours + 500) / slope) != raw).sum())
    off = np.abs(ours - theirs).max() / slope
    what = "Philips Achieva dStream, enhanced, field map"
    record(SECTION, f"{what}: stored voxels that differ", wrong, "", "0")
    record(SECTION, f"{what}: largest difference in Hz", off, "storage steps", "<= 0.03")
    assert wrong == 0
    assert off <= 0.03


@pytest.mark.parametrize(
    ("what", "folder", "n_volumes"),
    [
        ("Philips Achieva, enhanced, 3D gradient echo", "philips_enhanced/anatomical/001", 1),
        ("Philips Achieva, enhanced, functional", "philips_enhanced/fmri/001", 4),
        ("Siemens, enhanced, 3D gradient echo", "siemens_multiframe/anatomical/001", 1),
    ],
)
def test_enhanced_objects(record, what, folder, n_volumes):
    """dicom2nifti keeps what is shown of Philips' images; ours lack its factor (slope x scale)."""
    place = source(f"dicom/dicom2nifti/{folder}")
    (path,) = place.iterdir()
    header, *_ = read_header(path)["FrameGroups"]
    factor = header["RescaleSlope"] * header.get("PhilipsScaleSlope", 1.0)
    assert (factor == 1) == folder.startswith("siemens")
    frames = int(pydicom.dcmread(path, stop_before_pixels=True).NumberOfFrames)
    found = [
        [ImageSource(path, tuple(range(n + 1, frames + 1, n_volumes)))] for n in range(n_volumes)
    ]
    check(record, what, found, place.parent / f"{place.name}_ground_truth.nii.gz", factor)


def test_a_reference_with_one_volume_of_four(record):
    """Diffusion, 8 slices of b = 0 and of three directions; slice by slice in the object.

    The reference states b-values 0 1300 1300 1300, but its first volume holds the frames of the
    last direction, and the others hold nothing.
    """
    place = source("dicom/dicom2nifti/philips_enhanced/dti/001")
    (path,) = place.iterdir()
    reference = np.asanyarray(nib.load(f"{place}_ground_truth.nii.gz").dataobj)
    assert not reference[..., 1:].any()
    groups = {group["DiffusionBValue"]: group for group in read_header(path)["FrameGroups"]}
    assert {b: group["FrameCount"] for b, group in groups.items()} == {0: 8, 1300: 24}
    last = ImageSource(path, tuple(range(4, 33, 4)))
    volume, headers, _ = convert_series([last])
    factor = headers[0]["RescaleSlope"] * headers[0]["PhilipsScaleSlope"]
    ours, _ = canonical(volume.data * factor, volume.affine)
    theirs, _ = canonical(reference[..., 0], nib.load(f"{place}_ground_truth.nii.gz").affine)
    wrong = int((np.abs(ours - theirs) > ROUNDING * theirs).sum())
    what = "Philips Achieva, enhanced, diffusion, third direction: voxels that differ"
    record(SECTION, what, wrong, "", "0")
    assert wrong == 0


def test_uih_volumes_stored_as_tiles(record):
    root = source("dicom/dcm_qa_uih")
    files = sorted((root / "In" / "DTI_134434" / "dti_tra_dir16_AP_SaveBySlc__140028").iterdir())
    found = [[path] for path in files]
    check(
        record,
        "UIH uMR 770, diffusion in tiles",
        found,
        root / "Ref" / "dti_tra_dir16_AP_9_134431.nii",
    )


def test_a_single_slice_has_no_thickness_of_its_own():
    """The reference of dicom2nifti makes it 1 mm, which the header states nowhere."""
    place = source("dicom/dicom2nifti/ge/anatomical/001_single_slice")
    (path,) = place.iterdir()
    header = pydicom.dcmread(path, stop_before_pixels=True)
    assert "SliceThickness" not in header
    assert "SpacingBetweenSlices" not in header
    reference = nib.load(place.parent / f"{place.name}_ground_truth.nii.gz")
    assert np.linalg.norm(reference.affine[:3, 2]) == pytest.approx(1.0)
    with pytest.raises(SubjectDataError) as caught:
        convert_series([path])
    assert caught.value.code == "geometry_missing"


# ---------------------------------------------------------------- phase


def test_philips_phase_is_an_angle_in_floating_point_scale(record):
    """Shown -3142 to 3142 and Philips' own scale give one and the same angle."""
    folder = source("dicom/dicom2nifti/philips/anatomical/002")
    files = [p for p in sorted(folder.iterdir()) if read_header(p)["RescaleIntercept"] == -3142]
    assert len(files) == 4
    volume, headers, _ = convert_series(files)
    scale = phase_scale(volume.data, headers)
    assert "Philips" in scale.source
    floating = volume.data / (headers[0]["RescaleSlope"] * headers[0]["PhilipsScaleSlope"])
    off = np.abs(scale.radians(volume.data) - floating).max()
    record(SECTION, "Philips phase: shown values against floating-point ones", off, "rad", "< 1e-5")
    assert off < 1e-5


def test_siemens_phase_bears_out_the_rule_for_unstated_units(record):
    """Without its rescaling elements the same images give the same angles."""
    root = source("dicom/dcm_qa_fmap/In/Siemens/3_gre_field_magph")
    volume, headers, _ = convert_series(sorted(root.iterdir()))
    stated = phase_scale(volume.data, headers)
    assert not stated.inferred
    stored = (volume.data + 4096) / 2
    inferred = phase_scale(stored, [{} for _ in headers])
    assert inferred.inferred
    off = np.abs(inferred.radians(stored) - stated.radians(volume.data)).max()
    record(SECTION, "Siemens phase: unit inferred against unit documented", off, "rad", "< 1e-5")
    assert off < 1e-5


def test_images_that_are_no_phase_are_not_taken_for_it():
    root = source("dicom/dcm_qa_fmap/In")
    saturated = sorted((root / "Siemens" / "5_gre_field_mag").glob("e1_*"))
    for files in (saturated, volumes(root / "GE" / "6_CV_Neuro", 1, 16)[0]):
        volume, headers, _ = convert_series(files)
        with pytest.raises(SubjectDataError) as caught:
            phase_scale(volume.data, headers)
        assert caught.value.code == "phase_unit_unknown"


# ---------------------------------------------------------------- CT


@pytest.mark.parametrize("size", ["23x38x3", "24x38x3"])
def test_legacy_converted_ct(record, tmp_path, size):
    """An enhanced object made of single-frame files is the same volume as they."""
    folder = source(f"ct/ct_with_dicom_seg/segmentations/{size}")
    subject = Subject("sub-1", "sub-1", "", {"dicom": str(folder / "multiframe")})
    entry = subject_entry(tmp_path, tmp_path, "salt", False, subject)
    (file,) = entry["ct"]["files"]
    assert file["frames"] == "1-3"
    volume, sidecar, warnings = load_ct(entry["ct"], tmp_path)
    assert warnings == []
    assert sidecar["SourceFiles"] == 1
    classic, _, _ = convert_series(sorted((folder / "image").iterdir()))
    assert volume.same_grid(classic, tolerance=1e-4)
    wrong = int((volume.data != classic.data).sum())
    record(
        SECTION,
        f"CT {size}, legacy converted, against its single-frame files",
        wrong,
        "voxels",
        "0",
    )
    assert wrong == 0
