"""CT series that are incomplete, irregular, undecodable or say too little about themselves."""

import numpy as np
import pydicom
import pytest
from dicom_series import ct_series, edit
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.uid import RLELossless
from reasons import excluded, warned

from osteoflow.ct.header import ct_warnings, density_warnings
from osteoflow.errors import SubjectDataError
from osteoflow.io.compressed import is_whole
from osteoflow.io.dicom import convert_series
from osteoflow.io.intake import load_ct

EVEN = [0.0, 2, 4, 6, 8]


def as_entry(paths):
    return {"source": "dicom", "series": "s", "files": [{"path": str(path)} for path in paths]}


def put(name, value):
    """Change for `edit`: one element of every slice."""
    return lambda _, dataset: setattr(dataset, name, value)


def reason(paths, code):
    return excluded(lambda: convert_series(paths), code)


def stored_in(syntax):
    def change(_, dataset):
        dataset.file_meta.TransferSyntaxUID = syntax

    return change


def compress(_, dataset):
    dataset.compress(RLELossless, generate_instance_uid=False)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_slice_cut_off_in_its_pixels(tmp_path, share):
    paths = ct_series(tmp_path, EVEN)
    content = paths[2].read_bytes()
    start = len(content) - 2 * 8 * 10
    paths[2].write_bytes(content[: start + int(share * 160)])
    error = reason(paths, "truncated_file")
    assert error.message == f"a slice breaks off after {int(share * 160)} of 160 bytes of pixels"


@pytest.mark.parametrize("lost", [9, 20, 60])
def test_a_compressed_slice_cut_off(tmp_path, lost):
    paths = edit(ct_series(tmp_path, EVEN), compress)
    sound = convert_series(paths)[0].data
    assert sound.max() == 40 + 9
    paths[2].write_bytes(paths[2].read_bytes()[:-lost])
    reason(paths, "unreadable_file")


@pytest.mark.parametrize("keep", [0, 64, 80, -2])
def test_a_compressed_stream_that_breaks_off_in_a_whole_file(tmp_path, keep):
    """Decoders make an image of it all the same."""
    paths = edit(ct_series(tmp_path, EVEN), compress)

    def shorten(_, dataset):
        (_, stream) = generate_fragments(dataset.PixelData)
        part = stream[:keep]
        item = bytes.fromhex("feff00e0")
        dataset.PixelData = item + bytes(4) + item + len(part).to_bytes(4, "little") + part

    edit(paths[:1], shorten)
    with pytest.raises(SubjectDataError) as caught:
        convert_series(paths)
    assert caught.value.code in ("truncated_file", "unreadable_file")


def test_jpeg_streams_end_with_their_marker():
    """Both bytes of the end marker count, and padding after them does not."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    for stream, whole in (
        (b"\xff\x4f picture\xff\xd9", True),
        (b"\xff\x4f picture \xff\xd9\0", True),
        (b"\xff\x4f picture \xff", False),
        (b"\xff\x4f pictur", False),
    ):
        dataset.PixelData = encapsulate([stream])
        assert is_whole(dataset) == whole


def test_an_unknown_transfer_syntax_is_named(tmp_path):
    deflated = "1.2.840.10008.1.2.1.99"
    error = reason(
        edit(ct_series(tmp_path / "a", EVEN), stored_in(deflated)), "transfer_syntax_unsupported"
    )
    assert "Deflated Explicit VR Little Endian" in error.message
    error = reason(
        edit(ct_series(tmp_path / "b", EVEN), stored_in("1.2.3.4")), "transfer_syntax_unsupported"
    )
    assert "1.2.3.4" in error.message
    assert "uncompressed DICOM" in error.hint


def test_lossy_compression_is_told(tmp_path):
    paths = ct_series(tmp_path, EVEN, LossyImageCompression="01")
    volume, _, warnings = convert_series(paths)
    assert volume.shape == (10, 8, 5)
    assert warned(warnings) == ["lossy_compression"]


def test_missing_slices_are_counted(tmp_path):
    error = reason(ct_series(tmp_path, [0.0, 2, 4, 10, 12]), "missing_slice")
    assert error.message == "2 slices are missing: steps of 2.00 mm and of 6.00 mm"


def test_different_images_at_one_position(tmp_path):
    error = reason(ct_series(tmp_path, [0.0, 2, 2, 4, 6]), "duplicate_slices")
    assert error.message.startswith("1 slice lies")


def test_uneven_spacing(tmp_path):
    error = reason(ct_series(tmp_path, [0.0, 2, 4.6, 6, 8]), "irregular_slices")
    assert "1.40 to 2.60 mm" in error.message


def test_slices_that_jump_sideways(tmp_path):
    def jump(number, dataset):
        dataset.ImagePositionPatient = [-20.0 + 3 * (number == 2), -30.0, EVEN[number]]

    error = reason(edit(ct_series(tmp_path, EVEN), jump), "irregular_slices")
    assert "sideways by up to 3.00 mm" in error.message


@pytest.mark.parametrize("tag", [None, 14.0])
def test_a_tilted_gantry_shows_in_the_positions(tmp_path, tag):
    def tilt(number, dataset):
        angle = np.radians(14)
        cosines = [1, 0, 0, 0, round(np.cos(angle), 6), round(np.sin(angle), 6)]
        dataset.ImageOrientationPatient = cosines
        dataset.ImagePositionPatient = [-20.0, -30.0, 2.0 * number]

    paths = ct_series(tmp_path, EVEN, GantryDetectorTilt=tag)
    assert "sheared by 14.0 degrees" in reason(edit(paths, tilt), "gantry_tilt").message


def test_a_tilt_that_only_the_header_states_is_told(tmp_path):
    volume, _, warnings = convert_series(ct_series(tmp_path, EVEN, GantryDetectorTilt=-12.0))
    assert warned(warnings) == ["gantry_tilt_stated"]
    assert "12.0 degrees" in warnings[0]
    assert volume.spacing == pytest.approx((0.5, 0.8, 2.0))
    assert not convert_series(ct_series(tmp_path / "b", EVEN, GantryDetectorTilt=0.0))[2]


@pytest.mark.parametrize(
    ("name", "value"), [("RescaleSlope", None), ("RescaleIntercept", None), ("RescaleSlope", 0)]
)
def test_no_way_from_stored_values_to_hu(tmp_path, name, value):
    paths = ct_series(tmp_path, EVEN)

    def change(number, dataset):
        if number == 1 and value is None:
            delattr(dataset, name)
        elif number == 1:
            setattr(dataset, name, value)

    error = reason(edit(paths, change), "rescale_missing")
    assert error.message.startswith("1 of 5 CT slices")


def test_rescaling_that_differs_between_slices_is_followed(tmp_path):
    def change(number, dataset):
        dataset.RescaleSlope = 1 + number

    volume, _, _ = convert_series(edit(ct_series(tmp_path, EVEN), change))
    # Column 0, row 0 of slice s holds 1024 + 10 s, rescaled by (1 + s) and -1024.
    at = np.linalg.inv(volume.affine)
    for number, depth in enumerate(EVEN):
        index = np.rint(at @ [20.0, 30.0, depth, 1])[:3].astype(int)
        assert volume.data[tuple(index)] == (1024 + 10 * number) * (1 + number) - 1024


def test_spectral_maps_are_no_ct_numbers(tmp_path):
    error = reason(ct_series(tmp_path / "a", EVEN, RescaleType="Z_EFF"), "not_hounsfield")
    assert "Z_EFF" in error.message
    error = reason(ct_series(tmp_path / "b", EVEN, RescaleType="Jane Doe"), "not_hounsfield")
    assert "of another kind" in error.message
    reason(ct_series(tmp_path / "c", EVEN, RescaleType=["HU", "ED"]), "not_hounsfield")
    assert convert_series(ct_series(tmp_path / "d", EVEN, RescaleType="HU"))[2] == []


def test_images_of_two_sizes(tmp_path):
    paths = ct_series(tmp_path, EVEN)

    def crop(_, dataset):
        dataset.Rows, dataset.PixelData = 4, dataset.PixelData[:80]

    edit(paths[:1], crop)
    assert "Rows: [4, 8]" in reason(paths, "mixed_geometry").message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PixelSpacing", [0.0, 0.5]),
        ("ImageOrientationPatient", [0, 0, 0, 0, 0, 0]),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]),
        ("ImagePositionPatient", [0, 0]),
    ],
)
def test_geometry_that_is_none(tmp_path, name, value):
    reason(edit(ct_series(tmp_path, EVEN), put(name, value)), "geometry_missing")


def test_a_single_slice_needs_a_thickness(tmp_path):
    paths = ct_series(tmp_path, [0.0], SliceThickness=None)
    reason(paths, "geometry_missing")


def test_colour_screenshots(tmp_path):
    def colour(_, dataset):
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"

    reason(edit(ct_series(tmp_path, EVEN), colour), "colour_image")


def test_multi_frame_objects(tmp_path):
    reason(edit(ct_series(tmp_path, EVEN), put("NumberOfFrames", 5)), "multiframe_unsupported")


def test_a_blank_series(tmp_path):
    def blank(_, dataset):
        dataset.PixelData = bytes(len(dataset.PixelData))

    paths = edit(ct_series(tmp_path, EVEN), blank)
    excluded(lambda: load_ct(as_entry(paths), tmp_path), "empty_image")


def test_two_tube_voltages_in_one_series(tmp_path):
    def second(number, dataset):
        dataset.KVP = 120 if number < 3 else 80

    paths = edit(ct_series(tmp_path, EVEN), second)
    error = excluded(lambda: load_ct(as_entry(paths), tmp_path), "mixed_kvp")
    assert "80 kV in 2, 120 kV in 3 slices" in error.message


@pytest.mark.parametrize(
    ("kvp", "warning"),
    [
        (100, "kvp"),
        (None, "kvp_unknown"),
        (0, "kvp_unknown"),
        ([80, 140], "kvp_unknown"),
        (12, "kvp_implausible"),
        (1200, "kvp_implausible"),
    ],
)
def test_tube_voltages(tmp_path, kvp, warning):
    """The phantom in the scan calibrates at any voltage; only what is stated is doubted."""
    paths = ct_series(tmp_path, EVEN)
    if kvp is None:
        edit(paths, lambda _, dataset: delattr(dataset, "KVP"))
    else:
        edit(paths, put("KVP", kvp))
    _, sidecar, warnings = load_ct(as_entry(paths), tmp_path)
    found = warnings + ct_warnings(sidecar, sidecar["SliceStep"])
    assert warned(found) == [warning]
    passed_on = density_warnings({"Warnings": found})
    assert passed_on == (found if warning != "kvp" else [])


@pytest.mark.parametrize(
    ("elements", "contrast"),
    [
        ({"ContrastBolusAgent": "Iomeprol 400"}, True),
        ({"ContrastBolusAgent": "APPLIED"}, True),
        ({"ContrastBolusRoute": "IV"}, True),
        ({"ContrastBolusVolume": 90}, True),
        ({"ContrastBolusVolume": 0, "ContrastBolusAgent": ""}, False),
        ({"ContrastBolusAgent": "NONE"}, False),
        ({"ContrastBolusAgent": "ohne KM"}, False),
    ],
)
def test_a_contrast_agent_is_told_for_hu_and_density(tmp_path, elements, contrast):
    def one(number, dataset):
        for name, value in elements.items():
            if number == 3:
                setattr(dataset, name, value)

    paths = edit(ct_series(tmp_path, EVEN), one)
    _, sidecar, _ = load_ct(as_entry(paths), tmp_path)
    warnings = ct_warnings(sidecar, sidecar["SliceStep"])
    assert warned(warnings) == ["contrast_agent"] * contrast
    assert warned(density_warnings({"Warnings": warnings})) == ["contrast_agent"] * contrast


def test_numbers_that_are_none_are_left_out(tmp_path):
    """A value that is no number is absent, not a crash."""
    paths = ct_series(tmp_path, EVEN)
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"120 ", b"abc ").replace(b"120", b"abc"))
    _, sidecar, _ = load_ct(as_entry(paths), tmp_path)
    assert "KVP" not in sidecar
