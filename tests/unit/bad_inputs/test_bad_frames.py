"""Multi-frame objects that are incomplete, irregular, undecodable or say too little of frames."""

import json

import numpy as np
import pydicom
import pytest
from dicom_series import ct_series, edit
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import RLELossless, generate_uid
from reasons import codes, excluded, look, warned
from vendor_dicom import Acquisition, siemens_classic, uih_classic
from vendor_enhanced import philips_enhanced, siemens_xa

from osteoflow.ct.header import ct_warnings
from osteoflow.inventory.headers import read_header
from osteoflow.io.dicom import convert_series
from osteoflow.io.frames import ImageSource
from osteoflow.io.intake import load_ct, load_multi_echo

ENHANCED_CT_CLASS = "1.2.840.10008.5.1.4.1.1.2.1"
SLICES, ECHOES = 6, 3


@pytest.fixture
def acquisition():
    rng = np.random.default_rng(0)
    shape = (12, 10, SLICES, ECHOES)
    signal = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return Acquisition(signal, 1e-3 * np.array([1.2, 2.4, 3.6]))


def sequence(**elements):
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return pydicom.Sequence([item])


def enhanced_ct(path, depths, **elements):
    """An axial enhanced CT: HU of voxel (column c, row r, slice s) is 10 s + c - r."""
    (first,) = ct_series(path.parent / "source", [0.0])
    dataset = pydicom.dcmread(first)
    first.unlink()
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "KVP"):
        delattr(dataset, name)
    for name in ("SliceThickness", "RescaleSlope", "RescaleIntercept", "InstanceNumber"):
        delattr(dataset, name)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_CT_CLASS
    dataset.SOPInstanceUID = generate_uid()
    shared = Dataset()
    shared.PixelMeasuresSequence = sequence(PixelSpacing=[0.8, 0.5], SliceThickness=2.0)
    shared.PlaneOrientationSequence = sequence(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelValueTransformationSequence = sequence(
        RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"
    )
    shared.CTImageFrameTypeSequence = sequence(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    shared.CTReconstructionSequence = sequence(ConvolutionKernel="Br40")
    dataset.SharedFunctionalGroupsSequence = pydicom.Sequence([shared])
    frames, planes = [], []
    row, column = np.mgrid[:8, :10]
    for number, depth in enumerate(depths):
        frame = Dataset()
        frame.PlanePositionSequence = sequence(ImagePositionPatient=[-20.0, -30.0, depth])
        frame.CTXRayDetailsSequence = sequence(KVP=120)
        frame.CTExposureSequence = sequence(XRayTubeCurrentInmA=200.0 + number, ExposureInmAs=90.0)
        frames.append(frame)
        planes.append(10 * number + column - row + 1024)
    dataset.PerFrameFunctionalGroupsSequence = pydicom.Sequence(frames)
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = np.stack(planes).astype("<u2").tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return path


def frames(dataset):
    return dataset.PerFrameFunctionalGroupsSequence


def change_frames(path, change):
    """``change(number, functional groups)`` of every frame."""

    def each(_, dataset):
        for number, frame in enumerate(frames(dataset)):
            change(number, frame)

    edit([path], each)
    return path


def reason(path, code):
    return excluded(lambda: convert_series([path]), code)


# ---------------------------------------------------------------- CT


def test_a_sound_enhanced_ct(tmp_path):
    enhanced_ct(tmp_path / "raw" / "a.dcm", [6.0, 0.0, 2.0, 4.0])
    entry = look(tmp_path)
    assert codes(entry) == {}
    (file,) = entry["ct"]["files"]
    assert file["frames"] == "1-4"
    volume, sidecar, warnings = load_ct(entry["ct"], tmp_path)
    assert warnings == []
    assert volume.spacing == pytest.approx((0.5, 0.8, 2.0))
    assert (sidecar["KVP"], sidecar["ConvolutionKernel"]) == (120, "Br40")
    assert (sidecar["XRayTubeCurrent"], sidecar["Exposure"]) == (201.0, 90.0)
    # Frames lie at 6, 0, 2, 4 mm: column 7, row 2 of the one at 2 mm.
    index = np.linalg.inv(volume.affine) @ [20 - 3.5, 30 - 1.6, 2.0, 1]
    assert volume.data[tuple(np.rint(index[:3]).astype(int))] == 20 + 7 - 2
    # The same slices in files of their own: the same array on the same grid.
    paths = ct_series(tmp_path / "files", [6.0, 0.0, 2.0, 4.0])
    single, _, _ = convert_series(paths)
    assert np.array_equal(volume.data, single.data)
    assert volume.same_grid(single)


@pytest.mark.parametrize(
    ("depths", "code", "words"),
    [
        ([0.0, 2, 4, 10, 12], "missing_slice", "2 slices are missing"),
        ([0.0, 2, 2, 4], "duplicate_slices", "1 slice lies"),
        ([0.0, 2, 4.6, 6, 8], "irregular_slices", "1.40 to 2.60 mm"),
    ],
)
def test_frames_on_an_uneven_grid(tmp_path, depths, code, words):
    assert words in reason(enhanced_ct(tmp_path / "a.dcm", depths), code).message


def test_a_tilted_gantry(tmp_path):
    def tilt(number, frame):
        angle = np.radians(14)
        cosines = [1, 0, 0, 0, round(np.cos(angle), 6), round(np.sin(angle), 6)]
        frame.PlaneOrientationSequence = sequence(ImageOrientationPatient=cosines)

    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4, 6])
    assert "14.0 degrees" in reason(change_frames(path, tilt), "gantry_tilt").message


def test_frames_of_two_orientations(tmp_path):
    def turn(number, frame):
        if number == 2:
            frame.PlaneOrientationSequence = sequence(ImageOrientationPatient=[0, 1, 0, 1, 0, 0])

    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4, 6])
    reason(change_frames(path, turn), "mixed_geometry")


def test_a_frame_without_a_position(tmp_path):
    def forget(number, frame):
        if number == 1:
            del frame.PlanePositionSequence

    path = enhanced_ct(tmp_path / "raw" / "a.dcm", [0.0, 2, 4, 6])
    reason(change_frames(path, forget), "geometry_missing")
    # It counts as one of the volume until it is converted: otherwise an end slice could get lost.
    entry = look(tmp_path)
    assert codes(entry) == {}
    assert entry["ct"]["files"][0]["frames"] == "1-4"


def test_no_way_to_hu_and_other_units(tmp_path):
    def without(number, frame):
        if number == 3:
            frame.PixelValueTransformationSequence = sequence(RescaleSlope=0, RescaleIntercept=0)

    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4, 6])
    assert "1 of 4 CT slices" in reason(change_frames(path, without), "rescale_missing").message

    def spectral(_, frame):
        frame.PixelValueTransformationSequence = sequence(
            RescaleSlope=1, RescaleIntercept=0, RescaleType="Z_EFF"
        )

    reason(change_frames(path, spectral), "not_hounsfield")


def test_two_tube_voltages_and_a_contrast_agent(tmp_path):
    agent = sequence(CodeValue="C-B0322", CodeMeaning="Iomeprol", ContrastBolusVolume=90.0)
    path = enhanced_ct(tmp_path / "raw" / "a.dcm", [0.0, 2, 4], ContrastBolusAgentSequence=agent)
    _, sidecar, _ = load_ct(look(tmp_path)["ct"], tmp_path)
    assert sidecar["ContrastBolusAgent"] == "Iomeprol"
    assert sidecar["ContrastBolusVolume"] == 90
    assert "contrast_agent" in warned(ct_warnings(sidecar))

    def untouched(_, frame):
        frame.ContrastBolusUsageSequence = sequence(ContrastBolusAgentAdministered="NO")

    change_frames(path, untouched)
    assert "ContrastBolusAgent" not in load_ct(look(tmp_path)["ct"], tmp_path)[1]

    def second(number, frame):
        frame.CTXRayDetailsSequence = sequence(KVP=120 if number else 80)

    change_frames(path, second)
    entry = look(tmp_path)["ct"]
    assert [file["frames"] for file in entry["files"]] == ["1", "2-3"]
    excluded(lambda: load_ct(entry, tmp_path), "mixed_kvp")


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("share", [0.2, 0.99])
def test_an_object_cut_off_in_its_pixels(tmp_path, share):
    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4, 6])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 640 + int(share * 640)])
    error = reason(path, "truncated_file")
    assert f"after {int(share * 640)} of 640 bytes" in error.message


def test_a_frame_whose_stream_breaks_off(tmp_path):
    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4, 6])
    edit([path], lambda _, d: d.compress(RLELossless, generate_instance_uid=False))
    assert convert_series([path])[0].shape == (10, 8, 4)

    def shorten(_, dataset):
        streams = list(generate_frames(dataset.PixelData, number_of_frames=4))
        streams[2] = streams[2][:70]
        dataset.PixelData = encapsulate(streams)

    edit([path], shorten)
    reason(path, "truncated_file")
    # Only the broken frame's neighbours are asked for: the file is broken all the same.
    source = ImageSource(path, (1, 2))
    excluded(lambda: convert_series([source]), "truncated_file")


@pytest.mark.parametrize(
    ("syntax", "code"),
    [
        ("1.2.840.10008.1.2.4.70", "transfer_syntax_unsupported"),
        ("1.2.3.4", "transfer_syntax_unsupported"),
        ("1.2.840.10008.1.2.4.80", "unreadable_file"),  # JPEG-LS is decoded, but this is none
    ],
)
def test_frames_that_nothing_here_decodes(tmp_path, syntax, code):
    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4, 6])

    def store(_, dataset):
        dataset.PixelData = encapsulate([b"\xff\xd8 picture \xff\xd9"] * 4)
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax

    edit([path], store)
    hint = reason(path, code).hint
    assert code == "unreadable_file" or "uncompressed" in hint


def test_frames_beside_a_file_that_only_dcm2niix_decodes(tmp_path):
    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4], SeriesInstanceUID="1.2.3")
    (single,) = ct_series(tmp_path / "b", [6.0])

    def store(_, dataset):
        dataset.PixelData = encapsulate([b"\xff\xd8 picture \xff\xd9"])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"

    edit([single], store)
    error = excluded(lambda: convert_series([path, single]), "transfer_syntax_unsupported")
    assert "JPEG Lossless" in error.message


def test_a_stream_that_is_none(tmp_path):
    """It ends as it should, and cannot be decoded."""
    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4])

    def store(_, dataset):
        dataset.PixelData = encapsulate([b"\xff\x4f picture \xff\xd9"] * 3)
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"

    edit([path], store)
    reason(path, "unreadable_file")


def test_a_mosaic(tmp_path):
    paths = ct_series(tmp_path, [0.0, 2, 4], Modality="MR", ImageType=["ORIGINAL", "M", "MOSAIC"])
    excluded(lambda: convert_series(paths), "mosaic_unsupported")


def test_lossy_frames_and_colours(tmp_path):
    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4], LossyImageCompression="01")
    assert warned(convert_series([path])[2]) == ["lossy_compression"]
    edit([path], lambda _, d: setattr(d, "SamplesPerPixel", 3))
    reason(path, "colour_image")


def test_more_frames_stated_than_described(tmp_path):
    path = enhanced_ct(tmp_path / "raw" / "a.dcm", [0.0, 2, 4], NumberOfFrames=5)
    entry = look(tmp_path)
    assert warned(entry["warnings"]) == []
    assert codes(entry) == {"ct": "unreadable_files", "mri": "unreadable_files"}
    reason(path, "unreadable_file")


def test_frames_that_do_not_say_where_they_lie(tmp_path):
    path = enhanced_ct(tmp_path / "raw" / "a.dcm", [0.0, 2, 4])
    edit([path], lambda _, d: delattr(d, "PerFrameFunctionalGroupsSequence"))
    assert codes(look(tmp_path)) == {"ct": "multiframe_unsupported"}
    reason(path, "multiframe_unsupported")


def test_a_frame_that_is_not_there(tmp_path):
    path = enhanced_ct(tmp_path / "a.dcm", [0.0, 2, 4])
    for numbers in ((1, 4), (0, 1)):
        source = ImageSource(path, numbers)
        excluded(lambda s=source: convert_series([s]), "unreadable_file")


def test_a_frame_with_values_of_the_wrong_shape_is_damage(tmp_path):
    path = enhanced_ct(tmp_path / "raw" / "a.dcm", [0.0, 2, 4])

    def spoil(number, frame):
        if number == 1:
            frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0]

    change_frames(path, spoil)
    assert codes(look(tmp_path))["ct"] == "unreadable_files"


def test_a_single_frame_object_is_an_image_like_any_other(tmp_path):
    """Some scanners export enhanced objects of one frame each."""
    for number, depth in enumerate((0.0, 2, 4)):
        path = tmp_path / "raw" / f"{number}.dcm"
        enhanced_ct(path, [depth], SeriesInstanceUID="1.2.3")
    entry = look(tmp_path)
    assert [file["frames"] for file in entry["ct"]["files"]] == ["1", "1", "1"]
    assert load_ct(entry["ct"], tmp_path)[0].shape == (10, 8, 3)


def test_tiles_that_do_not_divide_the_picture(tmp_path, acquisition):
    uih_classic(tmp_path / "raw", acquisition)
    path = next((tmp_path / "raw").glob("M_0_00*"))

    def tile(_, dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "VFRAME"]
        block = dataset.private_block(0x0065, "Image Private Header", create=True)
        block.add_new(0x51, "SQ", pydicom.Sequence([Dataset() for _ in range(7)]))

    edit([path], tile)
    assert warned(look(tmp_path)["warnings"]) == ["unreadable_files"]
    reason(path, "unreadable_file")


# ---------------------------------------------------------------- echoes


def test_an_echo_with_a_frame_less(tmp_path, acquisition):
    philips_enhanced(tmp_path / "raw", acquisition, "MP", maps=False)
    path = tmp_path / "raw" / "IM_0001.dcm"

    def drop(_, dataset):
        pixels = np.frombuffer(dataset.PixelData, "<u2").reshape(len(frames(dataset)), -1)
        dataset.PerFrameFunctionalGroupsSequence = pydicom.Sequence(list(frames(dataset))[:-1])
        dataset.NumberOfFrames = len(pixels) - 1
        dataset.PixelData = pixels[:-1].tobytes()

    edit([path], drop)
    entry = look(tmp_path)
    assert codes(entry) == {"mri": "echoes_unequal"}
    assert "phase at 3.60 ms has 5 images" in entry["problems"][0]["message"]


def test_two_repetitions_in_one_object(tmp_path, acquisition):
    """They lie at the same places: one would be taken for the other."""
    siemens_xa(tmp_path / "raw", acquisition)

    def repeat(number, frame):
        frame.FrameContentSequence[0].TemporalPositionIndex = 1 + number % 2
        place = acquisition.position(number % SLICES // 2)
        frame.PlanePositionSequence[0].ImagePositionPatient = place

    for path in (tmp_path / "raw").iterdir():
        change_frames(path, repeat)
    entry = look(tmp_path)["mri"]
    assert [f["frames"] for f in entry["parts"]["mag"][0]["files"]] == ["1-5:2", "2-6:2"]
    excluded(lambda: load_multi_echo(entry, tmp_path), "duplicate_slices")


def test_an_object_and_its_single_frame_twins(tmp_path, acquisition):
    siemens_xa(tmp_path / "raw" / "a", acquisition)
    siemens_classic(tmp_path / "raw" / "b", acquisition)
    edit((tmp_path / "raw" / "b").iterdir(), lambda _, d: setattr(d, "SeriesInstanceUID", "1.9"))
    assert codes(look(tmp_path)) == {"mri": "mri_ambiguous"}


def test_frames_name_nobody(tmp_path, acquisition):
    philips_enhanced(tmp_path / "raw", acquisition)

    def tell(_, dataset):
        dataset.ReferringPhysicianName = "House^Gregory"
        dataset.ManufacturerModelName = "scanner of Jane"
        for frame in frames(dataset):
            frame.FrameContentSequence[0].FrameComments = "Doe lives alone"
            frame.PixelValueTransformationSequence[0].RescaleType = "MRN1"

    edit((tmp_path / "raw").iterdir(), tell)
    entry = look(tmp_path)
    _, _, sidecar, warnings = load_multi_echo(entry["mri"], tmp_path)
    assert sidecar["ManufacturerModelName"] == "withheld"
    assert warned(warnings) == ["identity_withheld", "identity_withheld"]
    text = json.dumps([sidecar, warnings, entry["problems"]]).lower()
    text += json.dumps(read_header(tmp_path / "raw" / "IM_0001.dcm")).lower()
    for secret in ("doe", "jane", "gregory", "alone", "corner"):
        assert secret not in text
