"""b-values in made-up headers of every vendor, and the choice of the diffusion acquisition.

Headers of real scanners are read in ``tests/reference/test_dwi_phantom.py``.
"""

from __future__ import annotations

import io
import struct

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.recognise_diffusion import (
    choose_diffusion,
    choose_scanner_adc,
    find_diffusion,
)
from osteoflow.io.diffusion import DIFFUSION_TAGS, adc_map_scale, b_value, directionality

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
VENDORS = {
    "siemens": ("SIEMENS", 0x0019, 0x0C, "SIEMENS MR HEADER", "IS"),
    "philips": ("Philips Medical Systems", 0x2001, 0x03, "Philips Imaging DD 001", "FL"),
    "ge": ("GE MEDICAL SYSTEMS", 0x0043, 0x39, "GEMS_PARM_01", "IS"),
    "uih": ("UIH", 0x0065, 0x09, "Image Private Header", "FD"),
}
NUMBERS = {"siemens": 800, "philips": 800.0, "ge": [800, 8, 0, 0], "uih": 792.5}


def stored(dataset, syntax=ExplicitVRLittleEndian):
    """The header as it comes back from a file, read as the inventory reads it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = syntax
    dataset.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer, stop_before_pixels=True, specific_tags=list(DIFFUSION_TAGS))


def private(vendor, value, slot=0x10, creator=None, manufacturer=None, vr=None):
    name, group, offset, owner, usual = VENDORS[vendor]
    dataset = Dataset()
    dataset.Manufacturer = name if manufacturer is None else manufacturer
    if creator != "":
        dataset.add(DataElement((group, slot), "LO", owner if creator is None else creator))
    dataset.add(DataElement((group, slot << 8 | offset), vr or usual, value))
    return dataset


# ---------------------------------------------------------------- b-values


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("vendor", VENDORS)
def test_private_element_of_every_vendor(vendor, syntax):
    expected = 792.5 if vendor == "uih" else 800
    assert b_value(stored(private(vendor, NUMBERS[vendor]), syntax)) == expected
    assert b_value(private(vendor, NUMBERS[vendor])) == expected
    # the block may be any that the creator has reserved
    assert b_value(stored(private(vendor, NUMBERS[vendor], slot=0x12), syntax)) == expected


@pytest.mark.parametrize(
    ("vendor", "value", "expected"),
    [
        ("siemens", b"800 ", 800),
        ("philips", struct.pack("<f", 800.0), 800),
        ("philips", b"800.0 ", 800),
        ("ge", b"1000000700\\8\\0\\0 ", 700),
        ("ge", b"0\\8\\0\\0 ", 0),
        ("uih", struct.pack("<d", 792.5), 792.5),
    ],
)
def test_elements_of_unknown_representation(vendor, value, expected):
    """UN, as archives write what is not in their dictionary."""
    assert b_value(stored(private(vendor, value, vr="UN"))) == expected


def test_another_creator_owns_the_element():
    for vendor, number in NUMBERS.items():
        assert b_value(stored(private(vendor, number, creator="ACME 1.0"))) is None


def test_creators_removed_by_de_identification():
    """The element is taken for the manufacturer's own, and for nobody else's."""
    for vendor, number in NUMBERS.items():
        expected = 792.5 if vendor == "uih" else 800
        assert b_value(stored(private(vendor, number, creator=""))) == expected
        assert b_value(stored(private(vendor, number, creator="", manufacturer="ACME"))) is None
        assert b_value(stored(private(vendor, number, creator="", manufacturer=""))) is None
        elsewhere = private(vendor, number, slot=0x11, creator="")
        assert b_value(stored(elsewhere)) is None


@pytest.mark.parametrize(
    ("first", "expected"),
    [(1_000_000_800, 800), (1_000_000_000, 0), (50, 50), (-1, None), (999_999_999, None)],
)
def test_offset_of_ge(first, expected):
    assert b_value(stored(private("ge", [first, 0, 0, 0]))) == expected


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_standard_element_comes_first(syntax):
    dataset = private("siemens", 800)
    dataset.DiffusionBValue = 805.0
    assert b_value(stored(dataset, syntax)) == 805
    dataset.DiffusionBValue = None
    assert b_value(stored(dataset, syntax)) == 800


@pytest.mark.parametrize("manufacturer", ["Hitachi", "FUJIFILM Healthcare", "Canon MEC"])
def test_vendors_with_standard_elements_only(manufacturer):
    dataset = Dataset()
    dataset.Manufacturer = manufacturer
    assert b_value(stored(dataset)) is None
    dataset.DiffusionBValue = 1000.0
    assert b_value(stored(dataset)) == 1000


def test_frame_of_an_enhanced_image():
    frame, item = Dataset(), Dataset()
    item.DiffusionBValue = 600.0
    item.DiffusionDirectionality = "DIRECTIONAL"
    frame.MRDiffusionSequence = [item]
    assert (b_value(frame), directionality(frame)) == (600, "directional")
    item.DiffusionDirectionality = "ISOTROPIC"
    assert directionality(frame) == "trace"
    item.DiffusionBValue, item.DiffusionDirectionality = 0.0, "NONE"
    assert (b_value(frame), directionality(frame)) == (0, "none")


def test_b_matrix():
    frame, item, matrix = Dataset(), Dataset(), Dataset()
    for axis, value in zip(
        ("XX", "XY", "XZ", "YY", "YZ", "ZZ"), (500, 9, 9, 300, 9, 200.0), strict=True
    ):
        setattr(matrix, f"DiffusionBValue{axis}", value)
    item.DiffusionBMatrixSequence = [matrix]
    item.DiffusionDirectionality = "BMATRIX"
    frame.MRDiffusionSequence = [item]
    assert (b_value(frame), directionality(frame)) == (1000, "directional")
    del matrix.DiffusionBValueYY
    assert b_value(frame) is None


@pytest.mark.parametrize(
    ("manufacturer", "keyword", "text", "expected"),
    [
        ("SIEMENS", "SequenceName", "*ep_b800t", 800),
        ("Siemens Healthineers", "SequenceName", "ep_b50#12", 50),
        ("SIEMENS", "SequenceName", "*re_b0", 0),
        ("SIEMENS", "SequenceName", "*ep_b0_800", None),  # an ADC map's
        ("SIEMENS", "SequenceName", "*ep_calc_b1400", None),  # never acquired
        ("SIEMENS", "SequenceName", "*fl2d1", None),
        ("ACME", "SequenceName", "*ep_b800t", None),
        ("CANON_MEC", "ImageComments", "b=1500(0.445,0.000,0.895)", 1500),
        ("TOSHIBA_MEC", "ImageComments", "b=50(1.0,0.0,0.0)", 50),
        ("SIEMENS", "ImageComments", "b=1500(0.445,0.000,0.895)", None),
    ],
)
def test_number_in_a_text(manufacturer, keyword, text, expected):
    dataset = Dataset()
    dataset.Manufacturer = manufacturer
    setattr(dataset, keyword, text)
    assert b_value(stored(dataset)) == expected


@pytest.mark.parametrize(
    "dataset",
    [
        private("siemens", b"Doe^Jane", vr="UN"),
        private("siemens", "Doe^Jane", vr="LO"),
        private("philips", b"Doe^Jane", vr="UN"),
        private("uih", b"Doe^Jane 1950-01", vr="UN"),
        private("ge", b"Doe\\8\\0\\0 ", vr="UN"),
        private("philips", float("nan")),
        private("uih", 1e30),
        private("uih", -5.0),
        private("siemens", ""),
    ],
)
def test_nothing_but_a_plausible_number_comes_out(dataset):
    assert b_value(stored(dataset)) is None
    assert directionality(stored(dataset)) is None


def test_text_of_a_person_stays_inside():
    dataset = Dataset()
    dataset.Manufacturer = "CANON_MEC"
    dataset.ImageComments = "b=800(Doe^Jane)"
    dataset.SequenceName = "Doe^Jane"
    dataset.DiffusionDirectionality = "DOE JANE"
    found = b_value(stored(dataset)), directionality(stored(dataset))
    assert found == (800.0, None)
    assert type(found[0]) is float


def test_decimal_in_an_integer_string():
    """pydicom refuses it; the bytes are read instead."""
    dataset = private("siemens", b"928.3 ", vr="UN")
    assert b_value(stored(dataset)) == 928.3


# ---------------------------------------------------------------- directions


def with_element(dataset, group, offset, vr, value):
    dataset.add(DataElement((group, 0x1000 | offset), vr, value))
    return dataset


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (with_element(private("siemens", 800), 0x0019, 0x0D, "CS", "ISOTROPIC"), "trace"),
        (with_element(private("siemens", 800), 0x0019, 0x0D, "CS", "DIRECTIONAL"), "directional"),
        (with_element(private("siemens", 0), 0x0019, 0x0D, "CS", "ISOTROPIC"), "none"),
        (with_element(private("siemens", 0), 0x0019, 0x0D, "CS", "NONE"), "none"),
        (with_element(private("siemens", 800), 0x0019, 0x0E, "FD", [0.6, 0.0, 0.8]), "directional"),
        (with_element(private("philips", 800.0), 0x2001, 0x04, "CS", "I"), "trace"),
        (with_element(private("philips", 800.0), 0x2001, 0x04, "CS", "O"), "directional"),
        (with_element(private("philips", 0.0), 0x2001, 0x04, "CS", "I"), "none"),
        (with_element(private("philips", 800.0), 0x2001, 0x04, "CS", ""), None),
        (with_element(private("ge", [800, 8, 0, 0]), 0x0043, 0x30, "SS", 16), "directional"),
        (with_element(private("ge", [0, 8, 0, 0]), 0x0043, 0x30, "SS", 14), "none"),
        (with_element(private("ge", [800, 8, 0, 0]), 0x0043, 0x30, "SS", 3), None),
        (with_element(private("uih", 800.0), 0x0065, 0x37, "FD", [0.0, 1.0, 0.0]), "directional"),
        (with_element(private("uih", 1.2), 0x0065, 0x37, "FD", [0.0, 0.0, 0.0]), None),
        (private("siemens", 800), None),
    ],
)
def test_directionality(dataset, expected):
    for syntax in SYNTAXES:
        assert directionality(stored(dataset, syntax)) == expected


def test_zero_orientation_of_philips_is_a_trace_image():
    dataset = Dataset()
    dataset.Manufacturer = "Philips"
    dataset.DiffusionBValue = 800.0
    dataset.DiffusionGradientOrientation = [0.0, 0.0, 0.0]
    assert directionality(stored(dataset)) == "trace"
    dataset.DiffusionBValue = 0.0
    assert directionality(stored(dataset)) == "none"
    dataset.Manufacturer, dataset.DiffusionBValue = "GE MEDICAL SYSTEMS", 800.0
    assert directionality(stored(dataset)) is None


# ---------------------------------------------------------------- units of scanner-made maps


@pytest.mark.parametrize(
    ("unit", "slope", "rescale", "expected"),
    [
        ("um2/s", 1.0, 1.0, 1.0),
        ("mm2/s", 1e-6, 1.0, 1.0),
        ("10*-6.mm2/s", 2.0, 2.0, 1.0),
        ("mm2/s", 5e-7, 0.5, 1.0),
        ("[arb'U]", 1.0, 1.0, None),
    ],
)
def test_unit_of_a_map(unit, slope, rescale, expected):
    dataset, item, code = Dataset(), Dataset(), Dataset()
    dataset.Manufacturer = "ACME"
    code.CodeValue = unit
    item.MeasurementUnitsCodeSequence = [code]
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, 0.0
    dataset.RealWorldValueMappingSequence = [item]
    dataset.RescaleSlope, dataset.RescaleIntercept = rescale, 0.0
    assert adc_map_scale(dataset) == (None if expected is None else pytest.approx(expected))
    dataset.RescaleIntercept = -5.0
    assert adc_map_scale(dataset) is None


def test_unit_of_a_map_without_a_word_on_it():
    dataset = Dataset()
    assert adc_map_scale(dataset) is None
    dataset.Manufacturer = "Siemens Healthineers"
    assert adc_map_scale(dataset) == 1
    dataset.Manufacturer = "Philips"
    assert adc_map_scale(dataset) is None


# ---------------------------------------------------------------- choice of the acquisition

TRACE = ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND"]
RAW = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE", "ND"]
ADC = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"]
SYNTHETIC = ["DERIVED", "PRIMARY", "DIFFUSION", "CALC_BVALUE", "ND"]


def series(name, b_values, slices=3, per_slice=1, **changes):
    """Headers of one series, by path; b-values of None are not stated."""
    found = {}
    for b in b_values:
        for number in range(slices):
            for repetition in range(per_slice):
                header = {
                    "Modality": "MR",
                    "Manufacturer": "SIEMENS",
                    "ImageType": RAW,
                    "SamplesPerPixel": 1,
                    "SeriesInstanceUID": name,
                    "FrameOfReferenceUID": "frame",
                    "ScanningSequence": "EP",
                    "Rows": 64,
                    "Columns": 64,
                    "PixelSpacing": [2.0, 2.0],
                    "ImageOrientationPatient": [0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
                    "ImagePositionPatient": [4.0 * number, -60.0, 60.0],
                    "RepetitionTime": 3000.0,
                    "EchoTime": 70.0,
                    "FlipAngle": 90.0,
                    "BValue": b,
                    "MultiFrame": False,
                    **changes,
                }
                path = f"{name}/{'x' if b is None else format(b, 'g')}_{number}_{repetition}"
                found[path] = {key: value for key, value in header.items() if value is not None}
    return found


def counts(headers):
    found = choose_diffusion(headers)
    return None if found is None else {b: len(paths) for b, paths in found.items()}


def code(headers, choose=choose_diffusion):
    with pytest.raises(SubjectDataError) as caught:
        choose(headers)
    assert len(caught.value.hint) > 20
    return caught.value.code


def test_several_b_in_one_series():
    headers = series("a", [800, 0, 400])
    found = choose_diffusion(headers)
    assert list(found) == [0, 400, 800]
    assert found[400] == ["a/400_0_0", "a/400_1_0", "a/400_2_0"]
    assert find_diffusion(headers).notes == ()
    assert not find_diffusion(headers).trace


def test_one_series_per_b():
    headers = {}
    for number, b in enumerate([0, 400, 800]):
        headers |= series(str(number), [b], SeriesNumber=number, SeriesTime=f"1000{number}0")
    assert counts(headers) == {0: 3, 400: 3, 800: 3}
    untimed = {p: {k: v for k, v in h.items() if k[:6] != "Series"} for p, h in headers.items()}
    blanked = {p: h | {"SeriesInstanceUID": p[:2]} for p, h in untimed.items()}
    assert counts(blanked) == {0: 3, 400: 3, 800: 3}


def test_directions_and_repetitions_of_one_b():
    headers = series("a", [0], per_slice=2) | series("a", [600], per_slice=6)
    # the acquisition number counts directions on Siemens scanners
    for number, header in enumerate(headers.values()):
        header["AcquisitionNumber"] = number
    assert counts(headers) == {0: 6, 600: 18}


def test_stated_b_values_scatter_with_the_imaging_gradients():
    headers = series("a", [0, 1.25, 995, 1000, 1005])
    assert counts(headers) == {0.625: 6, 1000: 9}
    assert counts(series("b", [0, 10, 20, 30, 50])) == dict.fromkeys([0, 10, 20, 30, 50], 3)


@pytest.mark.parametrize("split", [False, True])
def test_two_runs_are_not_mixed(split):
    def run(start, levels=(0, 500, 1000)):
        if not split:
            return series(f"{start}", levels, SeriesTime=f"{start}", AcquisitionTime=f"{start}")
        found = {}
        for number, b in enumerate(levels):
            times = {"SeriesTime": f"{start}", "AcquisitionTime": f"{start + number}.5"}
            found |= series(f"{start}.{number}", [b], SeriesNumber=start + number, **times)
        return found

    first, second = run(100000), run(103000)
    assert counts(first) == counts(second) == {0: 3, 500: 3, 1000: 3}
    assert code(first | second) == "dwi_ambiguous"
    # an incomplete run neither fills up nor is filled up
    assert code(run(100000, (500, 1000)) | second) == "dwi_ambiguous"
    chosen = find_diffusion(run(100000, (1000,)) | second)
    assert {path[:6] for paths in chosen.images.values() for path in paths} == {"103000"}
    assert "3 other diffusion-weighted images (b = 1000 s/mm2)" in chosen.notes[0]
    assert find_diffusion(first | run(103000, (0,))).images == choose_diffusion(first)


def test_runs_in_the_order_of_acquisition_where_series_times_differ():
    headers = {}
    for number, b in enumerate([0, 0, 500, 1000]):  # the first was broken off
        time = f"10{number:02d}00"
        headers |= series(str(number), [b], SeriesTime=time, AcquisitionTime=time)
    found = choose_diffusion(headers)
    assert [paths[0][0] for paths in found.values()] == ["1", "2", "3"]


def test_equal_series_times_that_mean_nothing():
    """A b-value twice under one series time: then only the order of acquisition counts."""
    headers = {}
    for number, (b, stamp) in enumerate([(0, "1"), (800, "2"), (0, "1"), (800, "3")]):
        times = {"SeriesTime": stamp, "AcquisitionTime": f"10{number:02d}00"}
        headers |= series(str(number), [b], **times)
    assert code(headers) == "dwi_ambiguous"
    first = {path: header for path, header in headers.items() if path[0] != "3"}
    assert [paths[0][0] for paths in choose_diffusion(first).values()] == ["0", "1"]


def test_repeated_b_values_without_any_order_are_ambiguous():
    headers = series("a", [0]) | series("b", [0]) | series("c", [800])
    assert code(headers) == "dwi_ambiguous"


@pytest.mark.parametrize(
    "change",
    [
        {"EchoTime": 90.0},
        {"RepetitionTime": 4000.0},
        {"FrameOfReferenceUID": "other"},
        {"PixelSpacing": [1.5, 1.5]},
        {"ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]},
    ],
)
def test_series_of_other_geometry_or_timing_are_other_acquisitions(change):
    assert code(series("a", [0, 800]) | series("b", [0, 800], **change)) == "dwi_ambiguous"
    assert code(series("a", [0]) | series("b", [800], **change)) == "too_few_b_values"


def test_another_station_of_the_table_is_another_acquisition():
    lower = series("b", [0, 800])
    for header in lower.values():
        header["ImagePositionPatient"] = [*header["ImagePositionPatient"][:2], -200.0]
    assert code(series("a", [0, 800]) | lower) == "dwi_ambiguous"


def test_trace_images_are_preferred_to_their_directions():
    times = {"AcquisitionTime": "100000"}
    raw = series("raw", [0], SeriesTime="100300", **times)
    raw |= series("raw", [600], per_slice=3, SeriesTime="100300", **times)
    trace = series("trace", [0, 600], ImageType=TRACE, SeriesTime="100305", **times)
    found = find_diffusion(raw | trace)
    assert found.trace
    assert all(path.startswith("trace/") for paths in found.images.values() for path in paths)
    assert "9 other diffusion-weighted images" in found.notes[0]
    # a trace series without b = 0 takes it from its run
    weighted = series("trace", [600], ImageType=TRACE, SeriesTime="100305", **times)
    found = find_diffusion(raw | weighted)
    assert [paths[0] for paths in found.images.values()] == ["raw/0_0_0", "trace/600_0_0"]
    # two runs of directions beside the trace images of one of them
    again = series("again", [0, 600], SeriesTime="110000", AcquisitionTime="110000")
    assert code(raw | trace | again) == "dwi_ambiguous"


def test_trace_images_appended_to_their_directions():
    """As Philips does: one series, told apart by the directionality."""
    headers = series("a", [0], Manufacturer="Philips", DiffusionDirectionality="none")
    headers |= series("a", [800], per_slice=3, DiffusionDirectionality="directional")
    trace = series("a", [800], DiffusionDirectionality="trace")
    headers |= {f"{path}_trace": header for path, header in trace.items()}
    found = find_diffusion(headers)
    assert {b: len(paths) for b, paths in found.images.items()} == {0: 3, 800: 3}
    assert all(path.endswith("_trace") for path in found.images[800])
    assert found.trace
    # trace images of some b only: the directions are complete
    headers |= series("a", [400], per_slice=3, DiffusionDirectionality="directional")
    assert counts(headers) == {0: 3, 400: 9, 800: 9}


def test_maps_and_calculated_images_are_not_measurements():
    made = series("adc", [None], ImageType=ADC, SequenceName="*ep_b0_800")
    made |= series("calc", [1400], ImageType=SYNTHETIC)
    found = find_diffusion(series("a", [0, 800]) | made)
    assert list(found.images) == [0, 800]
    assert found.notes == ("6 images of scanner-made ADC maps or calculated b-values: not used",)
    assert choose_diffusion(made) is None
    assert choose_scanner_adc(made) == ["adc/x_0_0", "adc/x_1_0", "adc/x_2_0"]
    assert choose_scanner_adc(series("a", [0, 800])) is None
    two = made | series("adc 2", [None], ImageType=ADC)
    assert code(two, choose_scanner_adc) == "adc_map_ambiguous"


@pytest.mark.parametrize(
    "change",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
        {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
        {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "FA"]},
        {"ComplexImageComponent": "PHASE"},
        {"SamplesPerPixel": 3},
        {"Modality": "CT"},
    ],
)
def test_other_images_are_not_taken(change):
    headers = series("a", [0, 800]) | series("b", [0, 800, 1200], **change)
    assert counts(headers) == {0: 3, 800: 3}


@pytest.mark.parametrize(
    ("manufacturer", "expected"),
    [("Canon MEC", {0: 3, 800: 3}), ("TOSHIBA_MEC", {0: 3, 800: 3}),
     ("GE MEDICAL SYSTEMS", {0: 3, 800: 3}), ("SIEMENS", None)],
)  # fmt: skip
def test_images_without_weighting_that_state_nothing(manufacturer, expected):
    headers = series("a", [None, 800], Manufacturer=manufacturer)
    if expected:
        assert counts(headers) == expected
    else:
        assert code(headers) == "too_few_b_values"
        both = headers | series("a", [0])
        assert "3 images of the diffusion series state no b-value" in find_diffusion(both).notes[0]


def test_images_that_state_zero_are_no_diffusion_series():
    """GE and Philips state b = 0 in every MR image."""
    assert choose_diffusion({}) is None
    plain = {"ImageType": ["ORIGINAL", "PRIMARY", "OTHER"]}
    assert choose_diffusion(series("a", [0], per_slice=5, **plain)) is None
    assert choose_diffusion(series("a", [None], **plain)) is None
    # a stray number in an anatomical image is none either
    assert choose_diffusion(series("a", [700], **plain, ScanningSequence="SE")) is None


def test_too_few_b_values():
    assert code(series("a", [800])) == "too_few_b_values"
    assert code(series("a", [0])) == "too_few_b_values"
    assert code(series("a", [800, 805])) == "too_few_b_values"
    named = {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "SequenceName": "epi_dwi"}
    assert code(series("a", [0], **named)) == "too_few_b_values"


def test_b_values_that_were_removed():
    assert code(series("a", [None])) == "b_value_missing"
    named = {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "SequenceName": "*ep_b800"}
    assert code(series("a", [None], **named)) == "b_value_missing"


def test_missing_slices():
    headers = series("a", [0, 800])
    del headers["a/800_1_0"]
    assert code(headers) == "dwi_unequal"
    headers = series("a", [0]) | series("a", [800], per_slice=3)
    del headers["a/800_1_2"]
    assert code(headers) == "dwi_unequal"


def test_storage_that_is_not_read():
    mosaic = [*RAW, "MOSAIC"]
    assert code(series("a", [0, 800], ImageType=mosaic)) == "dwi_mosaic"
    frames = series("a", [None], slices=1, MultiFrame=True)
    assert code(frames) == "multiframe_unsupported"
    # not where another copy can be read
    trace = series("b", [0, 800], ImageType=TRACE)
    assert counts(series("a", [0, 800], ImageType=mosaic) | frames | trace) == {0: 3, 800: 3}


def test_order_of_files_does_not_matter():
    headers = {}
    for number, b in enumerate([0, 0, 500, 1000]):
        headers |= series(str(number), [b], AcquisitionTime=f"10{number:02d}00")
    backwards = dict(reversed(headers.items()))
    assert choose_diffusion(backwards) == choose_diffusion(headers)
