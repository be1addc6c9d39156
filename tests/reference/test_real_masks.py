"""Masks that other software made of real scans: read to the voxel.

The files lie outside the repository; their sources and licences are listed beside them.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.io.dicom import convert_series
from osteoflow.io.masks import read_mask
from osteoflow.io.volume import Volume, read_volume
from osteoflow.segmentation.grid import to_image_grid
from osteoflow.segmentation.regions import to_regions

DATA = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="OSTEOFLOW_EXTERNAL_DATA does not name a folder with third-party data"
)
SECTION = "Masks: third-party data"


def source(path):
    folder = Path(DATA).resolve() / path
    if not folder.exists():
        pytest.skip(f"third-party data without {path}")
    return folder


@pytest.fixture(scope="module")
def segmentations():
    return source("ct/ct_with_dicom_seg/segmentations")


@pytest.fixture(scope="module")
def ct(segmentations):
    volume, _, warnings = convert_series(sorted((segmentations / "ct-3slice").glob("*.dcm")))
    assert warnings == []
    return volume


def voxels(mask, number, image=None):
    """Voxels of one segment or label, on the image's grid where one is given."""
    data = np.zeros(mask.shape, np.uint8)
    if mask.labels is not None:
        data = (mask.labels == number).astype(np.uint8)
    for segment in mask.segments:
        if segment.number == number:
            data[segment.box][segment.voxels] = 1
    volume = Volume(data, mask.affine)
    return volume if image is None else to_image_grid(volume, image)[0].data > 0


def test_hu_in_an_nrrd_mask(segmentations, ct, record):
    """The published count and HU of the spine on a CT of three slices."""
    spine = voxels(read_mask(segmentations / "spine_seg.nrrd"), 2, ct)
    values = ct.data[spine]
    for what, value, unit, limit in (
        ("voxels", int(values.size), "", "12,439"),
        ("mean", float(values.mean()), "HU", "327.54 +- 0.005"),
        ("median", float(np.median(values)), "HU", "251"),
    ):
        record(SECTION, f"GE CT, spine mask (NRRD): {what}", value, unit, limit)
    assert values.size == 12439
    assert values.mean() == pytest.approx(327.54, abs=0.005)
    assert np.median(values) == 251


# DICOM SEG, number of its segment, NRRD of the same outline, its label, voxels.
PAIRS = [
    ("liver.dcm", 1, "liver_seg.nrrd", 1, 107098),
    ("partial_overlaps.dcm", 1, "partial_overlaps-1.nrrd", 1, 9602),
    ("partial_overlaps.dcm", 2, "partial_overlaps-2.nrrd", 2, 11888),
    ("partial_overlaps.dcm", 3, "partial_overlaps-3.nrrd", 3, 10743),
    ("partial_overlaps.dcm", 4, "partial_overlaps-1.nrrd", 4, 6693),
    ("partial_overlaps.dcm", 5, "partial_overlaps-1.nrrd", 5, 4713),
    ("sparse-labelmap-noppv.dcm", 1, "sparse_labelmap_noppv_seg.nrrd", 1, 630),
    ("sparse-labelmap-ppv5.dcm", 1, "sparse_labelmap_ppv5_seg.nrrd", 1, 630),
    ("23x38x3/seg/label.seg", 1, "23x38x3/nrrd/label.nrrd", 1, None),
    ("24x38x3/seg/label.seg", 1, "24x38x3/nrrd/label.nrrd", 1, None),
]


@pytest.mark.parametrize(("seg", "number", "nrrd", "label", "count"), PAIRS)
def test_dicom_seg_equals_the_nrrd_of_the_same_outline(
    seg, number, nrrd, label, count, segmentations, record
):
    """dcmqi's objects: overlapping segments, label maps with gaps, frames that end in a byte."""
    expected = read_mask(segmentations / nrrd)
    grid = Volume(expected.labels, expected.affine)
    mask = read_mask(segmentations / seg)
    assert mask.warnings == ()
    found = voxels(mask, number, grid)
    differing = int((found != (expected.labels == label)).sum())
    record(
        SECTION, f"DICOM SEG {seg}, segment {number}: voxels unlike its NRRD", differing, "", "0"
    )
    assert differing == 0
    assert found.any()
    assert count is None or found.sum() == count


@pytest.mark.parametrize("name", sorted({seg for seg, *_ in PAIRS}))
def test_dicom_seg_as_highdicom_reads_it(name, segmentations):
    import highdicom

    mask = read_mask(segmentations / name)
    theirs = highdicom.seg.segread(segmentations / name)
    volume = theirs.get_volume(combine_segments=False, allow_missing_positions=True)
    numbers = [number for number in theirs.segment_numbers if number]
    for number in numbers:
        array = volume.array[..., list(theirs.segment_numbers).index(number)]
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
        other = to_image_grid(Volume(array.astype(np.uint8), lps), voxels(mask, number))[0]
        assert np.array_equal(other.data > 0, voxels(mask, number).data > 0)
    assert [segment.number for segment in mask.segments] == numbers


def test_what_is_no_vertebra_is_refused_by_name(segmentations, ct):
    with pytest.raises(SubjectDataError) as caught:
        to_regions(read_mask(segmentations / "liver.dcm", ct), "names")
    assert (caught.value.code, "'Liver'" in caught.value.message) == ("mask_no_vertebra", True)
    with pytest.raises(SubjectDataError) as caught:
        read_mask(segmentations / "ct-3slice" / "01.dcm", ct)
    assert caught.value.code == "mask_is_image"


def test_rtstruct_of_the_ibsi_phantom(record):
    """GTV-1 against the voxel mask that IBSI publishes beside the contours."""
    folder = source("dicom/ibsi_dicom_rtstruct")
    image, _, _ = convert_series(sorted((folder / "dicom" / "image").iterdir()))
    mask = read_mask(next((folder / "dicom" / "mask").iterdir()), image)
    (segment,) = mask.segments
    assert (segment.name, mask.warnings) == ("GTV-1", ())
    found = voxels(mask, segment.number, image)
    published, _ = to_image_grid(read_volume(folder / "nifti" / "mask" / "mask.nii.gz"), image)
    count, differing = int(found.sum()), int((found != (published.data > 0)).sum())
    what = "IBSI lung CT, GTV-1 from its RTSTRUCT"
    record(SECTION, f"{what}: voxels", count, "", "125,256 +- 0.5 %")
    record(SECTION, f"{what}: voxels unlike the published mask", differing, "", "<= 20")
    assert count == pytest.approx(125256, rel=0.005)
    assert differing <= 20
