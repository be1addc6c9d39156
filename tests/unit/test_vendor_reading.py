"""Each vendor's way of storing one signal: reading gives the signal, and the fit its PDFF."""

import io
import json
import shutil

import numpy as np
import pytest
from bad_inputs.reasons import codes, excluded, look, warned
from dicom_series import edit
from PIL import Image
from pydicom import Dataset, Sequence
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless
from reference_object import smooth_field
from vendor_dicom import (
    SPACING,
    Acquisition,
    ge_magnitude_phase,
    ge_real_imaginary,
    philips_classic,
    siemens_classic,
    uih_classic,
)
from vendor_enhanced import VENDORS, philips_enhanced, siemens_xa

from osteoflow.inventory.build import take_inventory
from osteoflow.inventory.headers import read_header
from osteoflow.io.dicom import convert_series
from osteoflow.io.frames import frame_numbers, frames_text
from osteoflow.io.intake import load_multi_echo
from osteoflow.io.vendor import vendor
from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.field_strength import true_field_strength
from osteoflow.mri.signal_model import simulate_signal
from osteoflow.mri.spectrum import load_fat_spectrum
from osteoflow.subjects import read_subjects

MARROW = load_fat_spectrum("bone_marrow")
SHAPE = (30, 26, 5)
BLOCK, BODY = 10, 16  # voxels: edge of a block of one PDFF, rows within the body
SNR = 80
SECTION = "MRI: simulated vendor DICOM"
PDFF_LIMIT = 0.1  # percentage points, mean of a block


def make_acquisition():
    """Blocks of 10, 40 and 80 % fat in noise; air on one side, as around a body."""
    pdff = np.repeat([10.0, 40.0, 80.0], BLOCK)[:, None, None] * np.ones(SHAPE)
    inside = np.ones(SHAPE) * (np.arange(SHAPE[1]) < BODY)[None, :, None]
    times = (1.3 + 1.0 * np.arange(6)) * 1e-3
    total = 900.0 * inside * np.exp(1j * 0.9)
    fat = total * pdff / 100
    tesla, _ = true_field_strength({"MagneticFieldStrength": 3, "ImagingFrequency": 123.2})
    signal = simulate_signal(
        total - fat, fat, smooth_field(SHAPE, 60.0), np.full(SHAPE, 60.0), times, tesla, MARROW
    )
    rng = np.random.default_rng(5)
    noise = rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape)
    return Acquisition(signal + noise * 900 / SNR, times)


@pytest.fixture(scope="module")
def acquisition():
    return make_acquisition()


def load(folder):
    """Magnitude, complex signal, sidecar, warnings and inventory entry of ``folder / raw``."""
    entry = look(folder)
    assert codes(entry) == {}
    magnitude, phase, about, warnings = load_multi_echo(entry["mri"], folder)
    return magnitude, magnitude.data * np.exp(1j * phase.data), about, warnings, entry


def as_read(acquisition):
    """The signal in the order of the images read: rows run the other way."""
    return acquisition.signal[:, ::-1]


def block_pdff(signal, about):
    """Mean PDFF of the three blocks."""
    mask = np.zeros(SHAPE, bool)
    mask[:, -BODY:] = True
    spacing = np.array([SPACING[1], SPACING[0], SPACING[2]])
    tesla, _ = true_field_strength(about)
    times = np.array(about["EchoTime"])
    fit = fit_fat_water(
        signal.astype(np.complex64), times, tesla, spacing, MARROW, mask, phase_sign=1
    )
    body = fit.pdff[:, -BODY:]
    return np.array([body[i * BLOCK : (i + 1) * BLOCK].mean() for i in range(3)])


@pytest.fixture(scope="module")
def truth(acquisition):
    about = {"MagneticFieldStrength": 3, "ImagingFrequency": 123.2}
    about["EchoTime"] = list(acquisition.echo_times)
    return block_pdff(as_read(acquisition), about)


def test_the_object_is_what_it_should_be(truth):
    assert truth == pytest.approx([10, 40, 80], abs=0.3)


@pytest.mark.parametrize("name", VENDORS)
def test_reading_gives_back_the_signal_and_its_fat_fraction(
    tmp_path, acquisition, truth, record, name
):
    written = VENDORS[name](tmp_path / "raw", acquisition)
    magnitude, signal, about, warnings, _ = load(tmp_path)
    assert magnitude.spacing == pytest.approx((SPACING[1], SPACING[0], SPACING[2]))
    assert about["EchoTime"] == pytest.approx(acquisition.echo_times, abs=1e-8)
    assert about["ImagingFrequency"] == pytest.approx(123.2)
    # A sign that alternated from slice to slice is known up to the sign of all.
    expected = as_read(acquisition)
    turned = np.sign(np.real(np.vdot(expected, signal)))
    assert turned == 1 or "slice_sign_alternates" in warned(warnings)
    read = turned * signal / written.gain
    share = np.abs(read - expected) / (written.largest_error(expected) + 2e-6 * np.abs(expected))
    what = f"{name}: largest error over the largest that storage allows"
    record(SECTION, what, share.max(), "", "<= 1")
    assert share.max() <= 1

    # The first voxel that was written is the first column of the last row read.
    corner = np.linalg.inv(magnitude.affine) @ [-12.0, 20.0, 30.0, 1]
    assert corner[:3] == pytest.approx([0, SHAPE[1] - 1, 0], abs=1e-3)

    worst = np.abs(block_pdff(read, about) - truth).max()
    what = f"{name}: PDFF of blocks against the fit of the signal itself"
    record(SECTION, what, worst, "percentage points", f"<= {PDFF_LIMIT}")
    assert worst <= PDFF_LIMIT


def test_what_was_decided_is_told(tmp_path, acquisition):
    said = {}
    for name, write in VENDORS.items():
        write(tmp_path / name / "raw", acquisition)
        _, _, about, warnings, _ = load(tmp_path / name)
        said[name] = about["PhaseScaling"], about["SignalScaling"], warned(warnings)
    assert {name: found[2] for name, found in said.items() if found[2]} == {
        "GE, real and imaginary": ["slice_sign_alternates"],
        "GE, magnitude and phase": ["phase_unit_inferred", "slice_sign_alternates"],
        "UIH": ["phase_unit_inferred"],
        "Hitachi": ["phase_unit_inferred"],
    }
    for name, (phase, signal, _) in said.items():
        assert ("floating-point" in signal) == name.startswith("Philips"), name
        assert ("real and imaginary" in phase) == ("imaginary" in name), name
    assert "Siemens" in said["Siemens XA, enhanced"][0]
    assert "(Philips)" in said["Philips, enhanced"][0]
    assert "real-world" in said["Canon, enhanced, units stated"][0]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("GE MEDICAL SYSTEMS", "ge"),
        ("GE", "ge"),
        ("Generic", ""),
        ("Siemens Healthineers", "siemens"),
        ("Philips", "philips"),
        ("UIH", "uih"),
        ("FUJIFILM Healthcare Corporation", "hitachi"),
        ("TOSHIBA_MEC", "canon"),
        (["GE", "x"], ""),
        (None, ""),
    ],
)
def test_vendors_by_their_names(name, known):
    assert vendor({"Manufacturer": name}) == known


# ---------------------------------------------------------------- the inventory of frames


def test_frames_are_chosen_by_what_each_is(tmp_path, acquisition):
    """Of one object: six echoes in two parts; the field map, water and fat are left alone."""
    philips_enhanced(tmp_path / "raw", acquisition)
    *_, about, _, entry = load(tmp_path)
    assert about["SourceFiles"] == 1
    n_echoes, n_slices, per_slice = 6, SHAPE[2], 4 * 6 + 3
    for number, part in enumerate(("mag", "phase")):
        for echo, item in enumerate(entry["mri"]["parts"][part]):
            (file,) = item["files"]
            first = number * n_echoes + echo + 1
            numbers = tuple(range(first, n_slices * per_slice + 1, per_slice))
            assert frame_numbers(file["frames"]) == numbers
            assert sorted(file) == ["frames", "path", "sha256", "size"]
    groups = read_header(tmp_path / "raw" / "IM_0001.dcm")["FrameGroups"]
    # Nothing tells water from fat here; neither is an image of the signal.
    assert len(groups) == n_echoes * 4 + 2
    kinds = {(group["Component"], group["ImageType"][3]) for group in groups}
    signal = {("mag", "M"), ("phase", "P"), ("real", "R"), ("imag", "I")}
    assert kinds == signal | {("other", "FIELD_MAP"), ("other", "NONE")}
    text = json.dumps(entry)
    assert json.dumps(look(tmp_path)) == text
    (tmp_path / "inventory" / "cache" / "sub-1.json").unlink()
    assert json.dumps(look(tmp_path)) == text
    assert len(text) < 5000


def test_one_file_with_all_echoes_counts_once(tmp_path, acquisition):
    philips_enhanced(tmp_path / "raw", acquisition)
    table = tmp_path / "subjects.tsv"
    table.write_text("participant_id\tdicom\n1\traw\n")
    take_inventory(tmp_path, read_subjects(table, ["verse"]))
    index = (tmp_path / "results" / "inventory" / "inventory.tsv").read_text().splitlines()
    size = (tmp_path / "raw" / "IM_0001.dcm").stat().st_size
    assert index[1].split("\t")[-1] == f"{size / 1e6:.1f}"


def test_frames_and_single_frame_files_of_one_acquisition(tmp_path, acquisition):
    """Magnitude as an enhanced object, phase as single-frame files."""
    siemens_xa(tmp_path / "a", acquisition)
    siemens_classic(tmp_path / "b", acquisition)
    (tmp_path / "raw").mkdir()
    shutil.move(tmp_path / "a" / "M.dcm", tmp_path / "raw")
    for path in (tmp_path / "b").glob("P_*"):
        shutil.move(path, tmp_path / "raw")
    _, mixed, _, _, entry = load(tmp_path)
    assert "frames" in entry["mri"]["parts"]["mag"][0]["files"][0]
    assert len(entry["mri"]["parts"]["phase"][0]["files"]) == SHAPE[2]
    siemens_classic(tmp_path / "c" / "raw", acquisition)
    assert np.array_equal(mixed, load(tmp_path / "c")[1])


def run_lengths(_, dataset):
    dataset.compress(RLELossless, generate_instance_uid=False)


def jpeg_2000(_, dataset):
    streams = []
    for frame in dataset.pixel_array:
        stream = io.BytesIO()
        Image.fromarray(frame.astype(np.uint16)).save(stream, "JPEG2000", irreversible=False)
        streams.append(stream.getvalue())
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless


@pytest.mark.parametrize("compress", [run_lengths, jpeg_2000])
def test_compressed_frames(tmp_path, acquisition, compress):
    siemens_xa(tmp_path / "raw", acquisition)
    plain = load(tmp_path)[1]
    edit((tmp_path / "raw").iterdir(), compress)
    assert np.array_equal(load(tmp_path)[1], plain)


def test_frame_numbers_and_their_text():
    rng = np.random.default_rng(0)
    for text, numbers in {
        "1-4": (1, 2, 3, 4),
        "7": (7,),
        "1,3": (1, 3),
        "2-20:6,31": (2, 8, 14, 20, 31),
        "5,4": (5, 4),
        "3,3": (3, 3),
    }.items():
        assert frames_text(numbers) == text
        assert frame_numbers(text) == numbers
    for _ in range(200):
        numbers = tuple(int(n) for n in rng.integers(1, 12, rng.integers(1, 9)))
        assert frame_numbers(frames_text(numbers)) == numbers
    for wrong in ("", "1-", "a", "1;2"):
        with pytest.raises(ValueError, match="names no frames"):
            frame_numbers(wrong)


# ---------------------------------------------------------------- scales


def remove(group, element):
    def change(_, dataset):
        del dataset[group, element]

    return change


def test_philips_echoes_without_the_scale_slope_are_not_comparable(tmp_path, acquisition, truth):
    """What is shown of Philips' echoes is normalised; the fat fraction shows it."""
    philips_classic(tmp_path / "raw", acquisition, "MP", scale_slopes=False)
    _, signal, about, warnings, _ = load(tmp_path)
    assert warned(warnings) == ["scale_slope_absent"]
    assert "6 different slopes" in warnings[0]
    assert np.abs(block_pdff(signal, about) - truth).max() > 1


def test_a_scale_slope_in_some_images_only(tmp_path, acquisition):
    philips_classic(tmp_path / "raw", acquisition, "MP")
    edit(sorted((tmp_path / "raw").glob("M_2_*"))[:2], remove(0x2005, 0x100E))
    entry = look(tmp_path)["mri"]
    error = excluded(lambda: load_multi_echo(entry, tmp_path), "scale_slope_missing")
    assert error.message.startswith("2 of 5 images")
    edit(sorted((tmp_path / "raw").glob("M_2_*"))[2:], remove(0x2005, 0x100E))
    error = excluded(lambda: load_multi_echo(entry, tmp_path), "scale_slope_missing")
    assert error.message.startswith("5 of 30 images")


def test_private_elements_outlive_their_creators(tmp_path, acquisition):
    """De-identification often removes the names of private blocks but not what is in them."""
    written = philips_classic(tmp_path / "raw", acquisition, "MP")
    edit((tmp_path / "raw").iterdir(), remove(0x2005, 0x0010))
    _, signal, about, _, _ = load(tmp_path)
    assert "floating-point" in about["SignalScaling"]
    error = np.abs(signal - as_read(acquisition))
    assert (error <= 1.001 * written.largest_error(as_read(acquisition))).all()


def test_another_block_than_the_usual_one(tmp_path, acquisition):
    ge_real_imaginary(tmp_path / "raw", acquisition)

    def move(_, dataset):
        kind = dataset[0x0043, 0x102F].value
        del dataset[0x0043, 0x0010], dataset[0x0043, 0x102F]
        dataset.add_new((0x0043, 0x0010), "LO", "SOMEBODY ELSE")
        dataset.add_new((0x0043, 0x0013), "LO", "GEMS_PARM_01")
        dataset.add_new((0x0043, 0x132F), "SS", kind)

    edit((tmp_path / "raw").iterdir(), move)
    first = sorted((tmp_path / "raw").glob("*_0_00*"))
    assert [read_header(path)["Component"] for path in first] == ["mag", "real", "imag"]


def test_slices_rescaled_one_by_one_by_dcm2niix_and_here(tmp_path, acquisition):
    """A vendor's single-frame slices of different slopes, and the same as frames."""
    philips_classic(tmp_path / "raw", acquisition, "M", scale_slopes=False)
    paths = sorted((tmp_path / "raw").glob("M_0_*"))

    def change(number, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + number, -10 * number

    edit(paths, change)
    volume, headers, _ = convert_series(paths)
    assert [header["RescaleSlope"] for header in headers] == [1, 2, 3, 4, 5]
    stored = (volume.data + 10 * np.arange(5)) / np.arange(1, 6)
    assert np.abs(stored - np.rint(stored)).max() < 1e-3
    assert stored.max() == 4000


def test_a_real_world_map_in_place_of_the_rescaling(tmp_path, acquisition):
    """As in some of Philips' exports; dcm2niix and the frames' reader follow it alike."""
    philips_classic(tmp_path / "a" / "raw", acquisition, "MP")
    expected = load(tmp_path / "a")[1]

    def replace(_, dataset):
        unit = Dataset()
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "1", "UCUM", "no units"
        mapped = Dataset()
        mapped.RealWorldValueSlope = float(dataset.RescaleSlope)
        mapped.RealWorldValueIntercept = float(dataset.RescaleIntercept)
        mapped.MeasurementUnitsCodeSequence = Sequence([unit])
        dataset.RealWorldValueMappingSequence = Sequence([mapped])
        del dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType

    edit((tmp_path / "a" / "raw").iterdir(), replace)
    found, about = load(tmp_path / "a")[1:3]
    assert "Philips" in about["PhaseScaling"]
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


# ---------------------------------------------------------------- GE's signs, UIH's hertz


def test_slices_of_one_sign_are_left_as_they_are(tmp_path, acquisition):
    ge_real_imaginary(tmp_path / "raw", acquisition, chopped=False)
    _, signal, _, warnings, _ = load(tmp_path)
    assert warnings == []
    assert np.real(np.vdot(as_read(acquisition), signal)) > 0


def test_signs_that_alternate_in_some_echoes_only(tmp_path, acquisition):
    for number, chopped in enumerate((True, False)):
        ge_real_imaginary(tmp_path / str(number), acquisition, chopped)
    shutil.copytree(tmp_path / "0", tmp_path / "raw")
    for path in (tmp_path / "1").glob("*_2_*"):
        shutil.copy(path, tmp_path / "raw")
    entry = look(tmp_path)["mri"]
    error = excluded(lambda: load_multi_echo(entry, tmp_path), "slice_signs_differ")
    assert "in 5 of 6 echoes only" in error.message


def test_a_research_sequence_is_taken_only_with_complex_images(tmp_path, acquisition):
    ge_magnitude_phase(tmp_path / "raw", acquisition)
    assert codes(look(tmp_path)) == {}
    for path in (tmp_path / "raw").glob("k1_*"):
        path.unlink()
    assert codes(look(tmp_path)) == {"ct": "no_usable_series", "mri": "no_usable_series"}


def test_a_frequency_in_hertz_is_told_in_megahertz(tmp_path, acquisition):
    uih_classic(tmp_path / "raw", acquisition)
    header = read_header(next((tmp_path / "raw").iterdir()))
    assert header["ImagingFrequency"] == pytest.approx(123.2)
