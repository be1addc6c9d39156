"""Masks of every format come back as the label map that they were written from."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pydicom
import pytest
from bad_inputs.reasons import excluded
from dicom_series import edit
from mask_files import (
    NAMES,
    contours_of,
    oblique_series,
    three_levels,
    write_nrrd,
    write_rtstruct,
    write_seg,
    write_slicer,
)
from pydicom.uid import generate_uid

from osteoflow.inventory.entry import subject_entry
from osteoflow.io.contours import even_odd, partly_overlap
from osteoflow.io.dicom import convert_series
from osteoflow.io.masks import read_mask
from osteoflow.io.segments import MaskFile, Segment, box_of
from osteoflow.io.volume import Volume
from osteoflow.segmentation.grid import to_image_grid
from osteoflow.segmentation.names import is_span, meaning_of_codes, meaning_of_name, meanings
from osteoflow.segmentation.prepare import prepare_mask
from osteoflow.segmentation.regions import to_regions
from osteoflow.subjects import Subject


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """An oblique CT with anisotropic voxels as DICOM, converted, and a label map on its grid."""
    series = oblique_series(tmp_path_factory.mktemp("scan"))
    image, _, warnings = convert_series(series)
    assert warnings == []
    return series, image, three_levels(image)


def on_grid(path, image, scheme="names"):
    """The label map of a file on the image's grid, and all warnings."""
    labels, notes = to_regions(read_mask(path, image), scheme)
    placed, more = to_image_grid(labels, image)
    return placed, notes + more


def same(path, scan, scheme="names"):
    _, image, labels = scan
    found, warnings = on_grid(path, image, scheme)
    assert found.same_grid(image)
    assert np.array_equal(found.data, labels.data)
    return warnings


def turned(volume, axes):
    stored = nib.Nifti1Image(volume.data, volume.affine)
    change = nib.orientations.ornt_transform(
        nib.io_orientation(volume.affine), nib.orientations.axcodes2ornt(axes)
    )
    image = stored.as_reoriented(change)
    return Volume(np.asarray(image.dataobj), image.affine)


# ---------------------------------------------------------------- every format, one label map


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
def test_nifti_and_nrrd_in_any_order_of_axes(axes, scan, tmp_path):
    stored = turned(scan[2], axes)
    nib.save(nib.Nifti1Image(stored.data, stored.affine), tmp_path / "m.nii.gz")
    assert same(tmp_path / "m.nii.gz", scan, "verse") == []
    assert same(write_nrrd(tmp_path / "m.nrrd", stored.data, stored.affine), scan, "verse") == []


@pytest.mark.parametrize("layers", [False, True])
@pytest.mark.parametrize("axes", ["RAS", "LPS"])
def test_slicer_segmentation(layers, axes, scan, tmp_path):
    """Cropped, its origin moved; segments in one layer by value, or in layers of their own."""
    path = write_slicer(tmp_path / "m.seg.nrrd", turned(scan[2], axes), layers=layers)
    mask = read_mask(path)
    assert mask.shape != scan[1].shape
    assert [segment.name for segment in mask.segments] == list(NAMES.values())
    assert same(path, scan) == []
    if not layers:
        assert same(path, scan, "verse") == []
    else:
        excluded(lambda: on_grid(path, scan[1], "verse"), "mask_without_numbers")


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_dicom_seg(kind, scan, tmp_path):
    series, image, labels = scan
    path = write_seg(tmp_path / "m.dcm", series, labels, image, kind=kind)
    warnings = same(path, scan)
    assert [text.split(":")[0] for text in warnings] == (
        ["the segmentation holds fractions, no outlines"] if kind == "FRACTIONAL" else []
    )
    # Frames in another order, without the empty ones, and without the stated slice distance.
    dataset = pydicom.dcmread(path)
    assert len(dataset.PerFrameFunctionalGroupsSequence) < 3 * image.shape[2]
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures.SpacingBetweenSlices
    dataset.save_as(path)
    assert "the image's 2.5 mm is taken" in same(path, scan)[0]


def test_dicom_seg_of_every_second_slice_is_not_thickened(scan, tmp_path):
    """Without a stated distance, the smallest distance of its frames is no slice distance."""
    series, image, labels = scan
    sparse = labels.data.copy()
    sparse[:, :, ::2] = 0
    sparse = image.like(sparse)
    path = write_seg(tmp_path / "m.dcm", series, sparse, image)
    dataset = pydicom.dcmread(path)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures.SpacingBetweenSlices
    dataset.save_as(path)
    found, _ = on_grid(path, image)
    assert np.array_equal(found.data, sparse.data)
    # Without an image its thickness tells.
    used = np.flatnonzero(sparse.data.any(axis=(0, 1)))
    assert read_mask(path).shape[2] == used[-1] - used[0] + 1


def test_dicom_seg_frames_in_any_order(scan, tmp_path):
    series, image, labels = scan
    path = write_seg(tmp_path / "m.dcm", series, labels, image, kind="LABELMAP")
    dataset = pydicom.dcmread(path)
    order = np.random.default_rng(3).permutation(int(dataset.NumberOfFrames))
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    frames = dataset.pixel_array
    dataset.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    dataset.PixelData = frames[order].tobytes()
    dataset.save_as(path)
    assert same(path, scan) == []


@pytest.mark.parametrize("axes", [None, "RAS", "PIR"])
def test_rtstruct_along_voxel_edges(axes, scan, tmp_path):
    """Holes as contours of their own, several parts in a slice; images on any order of axes."""
    _, image, labels = scan
    if axes:
        image, labels = turned(image, axes), turned(labels, axes)
    axis = 2 if axes is None else int(np.argmin(np.abs(np.array(image.spacing) - 2.5)))
    contours = {name: contours_of(labels, number, axis) for number, name in NAMES.items()}
    path = write_rtstruct(tmp_path / "m.dcm", contours)
    assert read_mask(path, image).shape != image.shape
    found, warnings = on_grid(path, image)
    assert np.array_equal(found.data, labels.data)
    assert warnings == []
    excluded(lambda: on_grid(path, image, "verse"), "mask_without_numbers")


# ---------------------------------------------------------------- contours


def test_even_odd_rule():
    outer = np.array([[0.5, 0.5], [8.5, 0.5], [8.5, 6.5], [0.5, 6.5]])
    hole = np.array([[2.5, 2.5], [5.5, 2.5], [5.5, 4.5], [2.5, 4.5]])
    expected = np.zeros((10, 8), bool)
    expected[1:9, 1:7] = True
    assert np.array_equal(even_odd([outer], (10, 8)), expected)
    expected[3:6, 3:5] = False
    assert np.array_equal(even_odd([outer, hole], (10, 8)), expected)
    assert np.array_equal(even_odd([hole[::-1], outer], (10, 8)), expected)
    # A keyhole: out to the hole and back along one oblique seam, which passes voxel centres.
    seam = np.concatenate([outer, outer[:1], hole, hole[:1], outer[:1]])
    assert np.array_equal(even_odd([seam], (10, 8)), expected)
    assert not even_odd([], (3, 3)).any()
    assert not partly_overlap([outer, hole], (10, 8))
    assert partly_overlap([outer, outer + 3], (20, 12))


def test_area_and_shared_edges_through_voxel_centres():
    """Corners on centres: neighbours share no voxel and leave none out."""
    left = np.array([[1, 1], [5, 1], [5, 7], [1, 7]])
    right = np.array([[5, 1], [9, 1], [9, 7], [5, 7]])
    inside = [even_odd([part + 1e-5], (12, 9)).astype(int) for part in (left, right)]
    assert [part.sum() for part in inside] == [24, 24]
    assert (inside[0] + inside[1]).max() == 1
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    circle = np.stack([60.2 + 50 * np.cos(angle), 55.7 + 40 * np.sin(angle)], axis=1)
    assert even_odd([circle], (130, 110)).sum() == pytest.approx(np.pi * 50 * 40, rel=2e-3)
    shifted = even_odd([circle - [100, 0]], (130, 110))
    assert np.array_equal(shifted[:30], even_odd([circle], (130, 110))[100:])


def test_contours_beside_the_slices(scan, tmp_path):
    _, image, labels = scan
    normal = (np.diag([-1.0, -1, 1]) @ image.affine[:3, 2]) / 2.5
    contours = {name: contours_of(labels, number) for number, name in NAMES.items()}

    def moved(shift):
        parts = {name: [c + shift * normal for c in lines] for name, lines in contours.items()}
        return write_rtstruct(tmp_path / "m.dcm", parts)

    found, warnings = on_grid(moved(0.7), image)
    assert np.array_equal(found.data, labels.data)
    assert warnings[0] == (
        "contours of L1: up to 0.70 mm beside the image's slices: the nearest slice is taken"
    )
    # Exactly between slices all go to the same side.
    found, _ = on_grid(moved(1.25), image)
    assert np.array_equal(found.data[..., 1:], labels.data[..., :-1])
    # Twice as many planes as slices: the nearest ones count, the others are told.
    dense = {n: [*lines, *(c + normal for c in lines)] for n, lines in contours.items()}
    found, warnings = on_grid(write_rtstruct(tmp_path / "d.dcm", dense), image)
    assert np.array_equal(found.data, labels.data)
    assert "drawn more densely" in warnings[0]
    assert "4 planes are left out" in warnings[0]
    half = {n: [c for c in lines if round((c[0] @ normal) / 2.5) % 2] for n, lines in
            contours.items()}  # fmt: skip
    notes = read_mask(write_rtstruct(tmp_path / "h.dcm", half), image).warnings
    assert all(text.endswith("have none: nothing is filled in") for text in notes)
    assert notes


def test_contours_that_cannot_be_used(scan, tmp_path):
    _, image, labels = scan
    lines = {"L1": contours_of(labels, 20)}
    path = write_rtstruct(tmp_path / "p.dcm", lines, kind="POINT")
    error = excluded(lambda: read_mask(path, image), "rtstruct_no_area")
    assert "closed planar" in error.hint
    tilt = np.array([[1, 0, 0], [0, np.cos(0.5), -np.sin(0.5)], [0, np.sin(0.5), np.cos(0.5)]])
    path = write_rtstruct(tmp_path / "o.dcm", {"L1": [c @ tilt for c in lines["L1"]]})
    excluded(lambda: read_mask(path, image), "contours_oblique")
    path = write_rtstruct(tmp_path / "a.dcm", {"L1": [c + 900.0 for c in lines["L1"]]})
    excluded(lambda: on_grid(path, image), "mask_outside_image")
    with pytest.raises(ValueError, match="need an image"):
        read_mask(path)


def test_names_of_patients_are_not_shown(scan, tmp_path):
    _, image, labels = scan
    lines = {"L1": contours_of(labels, 20), "Doe old": contours_of(labels, 21)}
    labels, notes = to_regions(read_mask(write_rtstruct(tmp_path / "m.dcm", lines), image), "names")
    assert np.unique(labels.data).tolist() == [0, 20]
    assert notes == ["segments '(name withheld)' are no known region: ignored"]


# ---------------------------------------------------------------- names and codes


@pytest.mark.parametrize(
    ("name", "region"),
    [
        *[(text, 20) for text in ("L1", "l1", " L 1 ", "vertebra L1", "vertebrae_L1", "L1_body")],
        *[(text, 20) for text in ("L1 vertebra", "Lumbar vertebra 1", "LWK 1", "vertebraeL1")],
        *[(text, 20) for text in ("first lumbar vertebra", "1st_lumbar", "Wirbelkörper L01")],
        *[("T12", 19), ("Th12", 19), ("thoracic-12", 19), ("D12", 19), ("BWK12", 19)],
        *[("5th thoracic vertebra", 12), ("C7", 7), ("HWK7", 7), ("Atlas", 1), ("T13", 28)],
        *[("L6", 25), ("S1", 26), ("vertebrae_S1", 26), ("Sacrum", 26), ("os sacrum", 26)],
        *[("autochthon_left", 151), ("right paraspinal muscle", 152), ("CSF", 155)],
        *[("iliopsoas_left", 153), ("Subcutaneous fat", 156), ("air", 157)],
        *[(text, 0) for text in ("disc L1", "disc L1-L2", "rib_left_1", "L9", "T14", "Segment_1")],
        *[(text, 0) for text in ("", "vertebra", "L1 left pedicle", "L1 lesion", "psoas", "12")],
    ],
)
def test_names_of_segments(name, region):
    meaning = meaning_of_name(name)
    assert (meaning.region if meaning else 0) == region


def segments(*names, codes=()):
    voxels = np.ones((4, 4, 4), bool)
    return tuple(
        Segment(number, name, name, codes, (0, 0, 5 * number), voxels)
        for number, name in enumerate(names, start=1)
    )


def test_ambiguous_names():
    for names, words in (
        (("L1-L3", "L4"), "'L1-L3' names several levels"),
        (("vertebrae T12 L1",), "several levels"),
        (("L1", "L2", "vertebra L1"), "'L1' and 'vertebra L1' both mean L1"),
    ):
        error = excluded(lambda n=names: meanings(segments(*n)), "mask_names_ambiguous")
        assert words in error.message
    assert not is_span("disc L1-L2")
    found, notes = meanings(segments("S1", "sacrum", "disc L1-L2"))
    assert [meaning and meaning.region for meaning in found] == [26, 26, None]
    assert notes == ["segments 'disc L1-L2' are no known region: ignored"]


def test_codes_of_segments():
    bone, lesion = ("SCT", "272673000"), ("SCT", "128462008")
    assert meaning_of_codes([("SCT", "66794005")]).region == 20
    assert meaning_of_codes([("SRT", "T-11910")]).region == 20
    assert meaning_of_codes([bone, ("SCT", "23215003")]).region == 19
    assert meaning_of_codes([bone]) is None
    # A metastasis in L1 is no L1.
    assert meaning_of_codes([lesion, ("SCT", "66794005")]) is None
    found, notes = meanings(segments("Segment_1", codes=(("SCT", "66794005"),)))
    assert (found[0].region, notes) == (20, [])
    wrong = segments("L2", codes=(("SCT", "66794005"),))
    error = excluded(lambda: meanings(wrong), "mask_names_ambiguous")
    assert "'L2' has the code of L1" in error.message


def test_codes_in_slicer_and_dicom_files(scan, tmp_path):
    series, image, labels = scan
    path = write_seg(tmp_path / "m.dcm", series, labels, image, names={20: "a", 21: "b", 22: "c"})
    assert same(path, scan) == []
    tags = "TerminologyEntry:list~SCT^123037004^Anatomy~SCT^66794005^L1~^^~list~^^~^^|x:y"
    pairs = {"Segment0_ID": "a", "Segment0_Name": "Segment_1", "Segment0_LabelValue": "20",
             "Segment0_Tags": tags}  # fmt: skip
    path = write_nrrd(tmp_path / "m.nrrd", labels.data, labels.affine, pairs)
    found, warnings = on_grid(path, image)
    assert np.array_equal(found.data == 20, labels.data == 20)
    assert np.unique(found.data).tolist() == [0, 20]
    lost = int((labels.data > 20).sum())
    assert warnings[0] == f"{lost} voxels belong to no segment of the file: ignored"


def test_numbers_that_names_contradict(scan, tmp_path):
    """A SEG numbers its segments from 1: in the scheme of another tool these are C1 to C3."""
    series, image, labels = scan
    path = write_seg(tmp_path / "m.dcm", series, labels, image)
    for scheme in ("totalsegmentator_vertebrae_pp", "totalsegmentator_v2"):
        error = excluded(lambda s=scheme: on_grid(path, image, s), "mask_names_contradict")
        assert "'L1' has the number 1" in error.message


def overlapping(shift):
    first, second = np.zeros((10, 10, 20), bool), np.zeros((10, 10, 20), bool)
    first[:, :, :10] = True
    second[:, :, 10 - shift : 20] = True
    parts = [("L1", second), ("L2", first), ("csf", np.ones((10, 10, 20), bool))]
    found = [
        Segment(n, name, name, (), *box_of(part)) for n, (name, part) in enumerate(parts, start=1)
    ]
    return MaskFile("Slicer segmentation", (10, 10, 20), np.eye(4), None, tuple(found))


def test_segments_that_overlap():
    labels, warnings = to_regions(overlapping(1), "names")
    assert np.unique(labels.data, return_counts=True)[1].tolist() == [1100, 900]
    assert warnings == [
        "100 of 1000 voxels of L2 belong to L1 as well and stay with it",
        "1100 of 2000 voxels of csf belong to L1 as well and stay with it",
        "900 of 2000 voxels of csf belong to L2 as well and stay with it",
    ]
    error = excluded(lambda: to_regions(overlapping(5), "names"), "mask_segments_overlap")
    assert "L2 and L1 share 50 %" in error.message


def test_names_and_numbers_are_not_guessed(scan, tmp_path):
    _, image, labels = scan
    nib.save(nib.Nifti1Image(labels.data, labels.affine), tmp_path / "m.nii")
    excluded(lambda: on_grid(tmp_path / "m.nii", image, "names"), "mask_without_names")
    path = write_slicer(tmp_path / "m.seg.nrrd", labels, layers=False, names={20: "a", 21: "b"})
    error = excluded(lambda: on_grid(path, image), "mask_no_vertebra")
    assert "segments 'a', 'b'" in error.message
    empty = MaskFile("DICOM SEG", (2, 2, 2), np.eye(4), None, ())
    excluded(lambda: to_regions(empty, "names"), "mask_empty")


# ---------------------------------------------------------------- files that cannot be used


def test_damaged_nrrd(scan, tmp_path):
    labels = scan[2]
    path = write_nrrd(tmp_path / "m.nrrd", labels.data, labels.affine)
    whole = path.read_bytes()
    header, body = whole.split(b"\n\n", 1)
    for content, code in (
        (whole[:-40], "mask_unreadable"),
        (header, "mask_unreadable"),
        (header.replace(b"gzip", b"hex") + b"\n\n" + body, "mask_unreadable"),
        (header.replace(b"sizes: 24", b"sizes: 99") + b"\n\n" + body, "mask_unreadable"),
        (header.replace(b"left-posterior", b"3d-left-pos") + b"\n\n" + body, "mask_no_position"),
        (header + b"\ndata file: m.raw.gz\n\n", "mask_detached"),
        (header.replace(b"space origin", b"space orig") + b"\n\n" + body, "mask_no_position"),
    ):
        path.write_bytes(content)
        excluded(lambda: read_mask(path), code)
    path.write_bytes(whole.replace(b"\n", b"\r\n", header.count(b"\n") + 2))
    assert np.array_equal(read_mask(path).labels, labels.data)


@pytest.mark.parametrize("encoding", ["raw", "bzip2", "ascii"])
def test_other_encodings_of_nrrd(encoding, scan, tmp_path):
    import bz2

    labels = scan[2]
    flat = labels.data.ravel(order="F").astype(">i2")
    body = {"raw": flat.tobytes(), "bzip2": bz2.compress(flat.tobytes())}.get(encoding)
    body = body or " ".join(map(str, flat)).encode()
    columns = " ".join("(" + ",".join(map(str, c)) + ")" for c in labels.affine[:3, :3].T)
    header = (
        f"NRRD0005\n# made by hand\ntype: int16\ndimension: 3\nspace: RAS\nendian: big\n"
        f"sizes: {' '.join(map(str, labels.shape))}\nspace directions: {columns}\n"
        f"space origin: ({','.join(map(str, labels.affine[:3, 3]))})\nencoding: {encoding}\n\n"
    )
    path = tmp_path / "m.nrrd"
    path.write_bytes(header.encode() + body)
    assert same(path, scan, "verse") == []


def test_damaged_and_foreign_dicom(scan, tmp_path):
    series, image, labels = scan
    path = write_seg(tmp_path / "m.dcm", series, labels, image)
    whole = path.read_bytes()

    def changed(change):
        path.write_bytes(whole)
        edit([path], lambda _, dataset: change(dataset))
        return lambda: read_mask(path, image)

    def no_position(dataset):
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            del frame.PlanePositionSequence

    def uneven(dataset):
        place = dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
        place.ImagePositionPatient = [v + 0.9 for v in place.ImagePositionPatient]

    excluded(changed(no_position), "mask_no_position")
    excluded(changed(uneven), "mask_uneven_slices")
    excluded(changed(lambda d: delattr(d, "PerFrameFunctionalGroupsSequence")), "mask_unreadable")
    excluded(
        changed(lambda d: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.66.5")),
        "mask_unsupported",
    )
    path.write_bytes(whole[:-60])
    excluded(lambda: read_mask(path, image), "mask_unreadable")
    path.write_bytes(whole[:600])
    excluded(lambda: read_mask(path, image), "mask_unreadable")
    excluded(lambda: read_mask(series[0], image), "mask_is_image")


# ---------------------------------------------------------------- folders and the inventory


def look(folder, mask, scheme="names"):
    paths = {"dicom": "raw", "ct_mask": mask, "mask_scheme": scheme}
    return subject_entry(folder, folder, "salt", False, Subject("sub-1", "sub-1", "", paths))


def test_a_folder_with_one_segmentation(tmp_path):
    series = oblique_series(tmp_path / "raw")
    image, _, _ = convert_series(series)
    labels = three_levels(image)
    path = write_seg(tmp_path / "seg" / "a" / "m.dcm", series, labels, image)
    (tmp_path / "seg" / ".DS_Store").write_bytes(b"x")
    entry = look(tmp_path, "seg")
    found = entry["masks"]["ct_mask"]
    assert entry["ct"]["files"]
    assert found["path"] == "seg/a/m.dcm"
    assert (found["size"], len(found["sha256"])) == (path.stat().st_size, 64)
    prepared = prepare_mask(found, tmp_path, image, 0.1)
    assert np.array_equal(prepared.labels.data, labels.data)
    # The folder alone, without an inventory, means the same file; so does one with images in it.
    assert read_mask(tmp_path / "seg", image).kind == "DICOM SEG"
    series[0].rename(tmp_path / "seg" / "slice.dcm")
    assert look(tmp_path, "seg")["masks"]["ct_mask"] == found
    # Another byte is another fingerprint; a second mask is a question.
    edit([path], lambda _, dataset: setattr(dataset, "SeriesDescription", "new"))
    assert look(tmp_path, "seg")["masks"]["ct_mask"]["sha256"] != found["sha256"]
    (tmp_path / "seg" / "n.dcm").write_bytes(path.read_bytes())
    twice = look(tmp_path, "seg")["masks"]["ct_mask"]
    assert twice["problem"]["code"] == "mask_folder"
    excluded(lambda: prepare_mask(twice, tmp_path, image, 3.0), "mask_folder")
    (tmp_path / "empty").mkdir()
    assert look(tmp_path, "empty")["masks"]["ct_mask"]["problem"]["code"] == "mask_missing"
    assert look(tmp_path, "gone")["masks"]["ct_mask"]["missing"]


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_a_mask_of_another_frame_of_reference(kind, tmp_path):
    series = oblique_series(tmp_path / "raw")
    image, _, _ = convert_series(series)
    labels = three_levels(image)
    frame = pydicom.dcmread(series[0]).FrameOfReferenceUID
    if kind == "seg":
        path = write_seg(tmp_path / "m.dcm", series, labels, image)
    else:
        lines = {name: contours_of(labels, number) for number, name in NAMES.items()}
        path = write_rtstruct(tmp_path / "m.dcm", lines, frame=frame)
    assert "problem" not in look(tmp_path, "m.dcm")["masks"]["ct_mask"]

    def other(_, dataset):
        dataset.FrameOfReferenceUID = generate_uid()
        for roi in dataset.get("StructureSetROISequence") or []:
            roi.ReferencedFrameOfReferenceUID = dataset.FrameOfReferenceUID

    edit([path], other)
    found = look(tmp_path, "m.dcm")["masks"]["ct_mask"]
    error = excluded(lambda: prepare_mask(found, tmp_path, image, 3.0), "mask_other_frame")
    assert "another scan" in error.message

    # What states no frame is not refused.
    def without(_, dataset):
        del dataset.FrameOfReferenceUID
        for roi in dataset.get("StructureSetROISequence") or []:
            del roi.ReferencedFrameOfReferenceUID

    edit([path], without)
    assert "problem" not in look(tmp_path, "m.dcm")["masks"]["ct_mask"]


# ---------------------------------------------------------------- plausibility


def test_bodies_cut_at_the_side_of_the_image(scan):
    _, image, labels = scan
    part = Volume(labels.data[11:], labels.affine @ np.array(
        [[1, 0, 0, 11], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))  # fmt: skip
    voxel = Volume(np.repeat(np.repeat(part.data, 4, 0), 4, 1), np.diag([1.0, 1.0, 3.0, 1.0]))
    warnings = to_image_grid(voxel, voxel)[1]
    assert "L1 is cut by the image's border at its side" in warnings


def test_a_mask_that_lost_its_position_is_told_so(scan):
    _, image, labels = scan
    error = excluded(
        lambda: to_image_grid(Volume(labels.data, np.diag([0.5, 0.8, 2.5, 1])), image),
        "mask_outside_image",
    )
    assert "as many voxels as the image" in error.hint
