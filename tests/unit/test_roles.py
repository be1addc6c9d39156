"""Roles of MRI in the inventory: fat fraction of every kind, T2, ADC, scores; and what is none."""

import io
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from bad_inputs.reasons import codes, look, warned
from dicom_series import ct_series, diffusion_series, edit, multi_echo_series
from pydicom.dataset import Dataset

from osteoflow.inventory.build import take_inventory
from osteoflow.inventory.change import describe_change
from osteoflow.inventory.entry import subject_entry
from osteoflow.io.dixon_times import (
    FAT_SHIFT_PPM,
    GYROMAGNETIC_RATIO,
    TOLERANCE,
    are_dixon_times,
    field_of,
)
from osteoflow.io.tables import read_table
from osteoflow.mri.dixon_model import DIXON_TOLERANCE, echo_phases
from osteoflow.mri.in_phase import MAIN_PEAK_PPM
from osteoflow.mri.spectrum import GYROMAGNETIC_RATIO_MHZ_PER_T, WATER_PPM
from osteoflow.subjects import Subject, read_subjects

SIX = [1.2, 2.2, 3.2, 4.2, 5.2, 6.2]
DIXON = [1.15, 2.3]
TRAIN = [10.0 * n for n in range(1, 9)]
SE = {"ScanningSequence": "SE", "RepetitionTime": 2000.0, "FlipAngle": 90.0}
T1W = {**SE, "RepetitionTime": 600.0}
T2W = {**SE, "RepetitionTime": 3500.0, "FlipAngle": 150.0}
AXIAL = [1, 0, 0, 0, 1, 0]
ROLES = ("ct", "mri", "t2", "dwi", "t1w", "t2w")
EXTERNAL = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")


def filled(entry):
    return [role for role in ROLES if entry[role] is not None]


def only_warning(entry):
    (warning,) = entry["warnings"]
    return warning


# ---------------------------------------------------------------- fat fraction


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ({"M": SIX, "P": SIX}, "complex"),
        ({"R": SIX, "I": SIX}, "complex"),
        ({"M": SIX}, "magnitude"),
        ({"M": SIX[:3]}, "magnitude"),
        ({"M": DIXON}, "dixon"),
        ({"M": DIXON, "P": DIXON}, "dixon"),
        ({"R": DIXON, "I": DIXON}, "dixon"),
    ],
)
def test_kinds_of_echoes(tmp_path, parts, kind):
    multi_echo_series(tmp_path / "raw", parts)
    entry = look(tmp_path)
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["mri"])
    names = {"M": "mag", "P": "phase", "R": "real", "I": "imag"}
    found = entry["mri"]
    assert (found["source"], found["kind"], "maps" in found) == ("dicom", kind, False)
    assert set(found["parts"]) == {names[part] for part in parts}
    for part, times in parts.items():
        echoes = found["parts"][names[part]]
        assert [echo["echo_time"] for echo in echoes] == pytest.approx([t / 1000 for t in times])
        assert [len(echo["files"]) for echo in echoes] == [3] * len(times)


def test_the_better_kind_is_taken_and_the_others_are_told(tmp_path):
    raw = tmp_path / "raw"
    multi_echo_series(raw / "c", {"M": DIXON}, FlipAngle=9.0)
    assert look(tmp_path)["mri"]["kind"] == "dixon"
    multi_echo_series(raw / "b", {"M": SIX}, FlipAngle=6.0)
    entry = look(tmp_path)
    assert entry["mri"]["kind"] == "magnitude"
    assert only_warning(entry).endswith("2 echoes (dixon)")
    multi_echo_series(raw / "a", {"M": SIX, "P": SIX})
    entry = look(tmp_path)
    assert (codes(entry), entry["mri"]["kind"]) == ({}, "complex")
    assert warned(entry["warnings"]) == ["other_fat_water_images"]
    assert "6 echoes (magnitude)" in only_warning(entry)
    multi_echo_series(raw / "d", {"M": SIX, "P": SIX}, FlipAngle=12.0)
    assert codes(look(tmp_path)) == {"mri": "mri_ambiguous"}


def test_two_of_the_same_kind_are_ambiguous(tmp_path):
    for flip, times in ((3.0, SIX), (6.0, DIXON)):
        for number in (1, 2):
            where = tmp_path / f"raw{flip:g}"
            multi_echo_series(where / str(number), {"M": times}, FlipAngle=flip + number)
        assert codes(look(tmp_path, where.name)) == {"mri": "mri_ambiguous"}


FIELD_MAPS = [
    ([4.92, 7.38], 2.89, 3.0),
    ([5.19, 7.65], 2.89, 3.0),
    ([4.76, 9.52], 1.5, 1.5),
    ([4.6, 6.9], 3.0, 3.0),
]


@pytest.mark.parametrize(("times", "tesla", "nominal"), FIELD_MAPS)
def test_a_field_map_is_no_dixon(tmp_path, times, tesla, nominal):
    field = {"MagneticFieldStrength": nominal, "ImagingFrequency": tesla * GYROMAGNETIC_RATIO}
    multi_echo_series(tmp_path / "raw", {"M": times, "P": times[1:]}, **field)
    ct_series(tmp_path / "raw", [0, 2, 4])
    entry = look(tmp_path)
    assert (codes(entry), filled(entry)) == ({}, ["ct"])
    assert warned(entry["warnings"]) == ["two_echoes_not_dixon"]
    assert f"at {times[0]:.2f} and {times[1]:.2f} ms" in only_warning(entry)


def test_two_echoes_need_a_field_strength(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": DIXON}, MagneticFieldStrength=None)
    entry = look(tmp_path)
    assert entry["mri"] is None
    assert codes(entry) == {"ct": "no_usable_series", "mri": "no_usable_series"}
    assert "without a stated field strength" in only_warning(entry)


def test_times_of_dixon_are_those_that_the_fit_accepts():
    """One rule in two places: the inventory must not import the fits."""
    assert GYROMAGNETIC_RATIO == GYROMAGNETIC_RATIO_MHZ_PER_T
    assert pytest.approx(WATER_PPM - MAIN_PEAK_PPM) == FAT_SHIFT_PPM
    assert TOLERANCE == DIXON_TOLERANCE
    rng = np.random.default_rng(1)
    seen = set()
    for tesla in (0.55, 1.5, 2.89, 3.0, 7.0):
        for times in np.sort(rng.uniform(0.5e-3, 12e-3, (300, 2)), axis=1):
            fit = sorted(echo_phases(times, tesla)) == ["in", "opposed"]
            assert are_dixon_times(list(times), tesla) == fit
            seen.add(fit)
    assert seen == {True, False}
    assert not are_dixon_times([1.15e-3], 3.0)


def test_the_true_field_comes_from_a_frequency_of_the_proton():
    at_3t = {"MagneticFieldStrength": 3.0}
    assert field_of({**at_3t, "ImagingFrequency": 123.2}) == pytest.approx(2.8936, abs=1e-3)
    assert field_of({**at_3t, "ImagingFrequency": 49.9}) == 3.0  # phosphorus
    assert field_of(at_3t) == 3.0
    assert field_of({"MagneticFieldStrength": 0, "ImagingFrequency": 123.2}) is None


def scanner_map(folder, words, time=0.0, **elements):
    elements = {"EchoNumbers": 1, "AcquisitionNumber": 5, **elements}
    multi_echo_series(folder, {"X": [time]}, ImageType=["DERIVED", "PRIMARY", *words], **elements)


WATER_FAT = {"water", "fat"}


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([["DIXON", "WATER"], ["DIXON", "FAT"]], WATER_FAT),  # GE
        ([["W", "W", "DERIVED"], ["F", "F", "DERIVED"]], WATER_FAT),  # Philips
        ([["FF", "FF", "DERIVED"]], {"pdff"}),
        ([["M", "DIXON", "FAT_FRACTION"]], {"pdff"}),
        ([["M", "FAT FRACTION"]], {"pdff"}),
        ([["DIXON", "WATER"], ["DIXON", "FAT"], ["DIXON", "FATFRACTION"]], {"pdff"}),
    ],
)
def test_maps_of_the_scanner(tmp_path, images, expected):
    for number, words in enumerate(images):
        scanner_map(tmp_path / "raw" / str(number), words, FrameOfReferenceUID="1.2.3")
    entry = look(tmp_path)
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["mri"])
    found = entry["mri"]
    assert (found["kind"], set(found["maps"]), "parts" in found) == (
        "scanner_maps",
        expected,
        False,
    )
    assert [len(item["files"]) for item in found["maps"].values()] == [3] * len(expected)
    multi_echo_series(tmp_path / "raw" / "echoes", {"M": SIX}, FrameOfReferenceUID="1.2.3")
    entry = look(tmp_path)
    assert entry["mri"]["kind"] == "magnitude"
    assert warned(entry["warnings"]) == ["scanner_maps_ignored"]
    assert f"{3 * len(images)} water, fat or fat-fraction images" in only_warning(entry)


def test_maps_that_are_not_taken(tmp_path):
    """One of a pair; names in a description; water of a turbo spin echo; R2*."""
    scanner_map(tmp_path / "raw" / "w", ["DIXON", "WATER"])
    entry = look(tmp_path)
    assert entry["mri"] is None
    assert warned(entry["warnings"]) == ["scanner_maps_incomplete"]
    scanner_map(tmp_path / "a" / "w", ["DIXON", "OTHER"], SeriesDescription="FAT_FRACTION PDFF")
    scanner_map(tmp_path / "a" / "r", ["R2_STAR_MAP"])
    for words in (["DIXON", "WATER"], ["DIXON", "FAT"]):
        scanner_map(tmp_path / "a" / words[1], words, ScanningSequence="SE")
    entry = look(tmp_path, "a")
    assert (entry["mri"], entry["warnings"]) == (None, [])


def test_maps_that_exclude(tmp_path):
    same = {"FrameOfReferenceUID": "1.2.3"}
    for name in ("a", "b"):
        scanner_map(tmp_path / "two" / name, ["FF"], **same)
    assert codes(look(tmp_path, "two")) == {"mri": "mri_ambiguous"}
    scanner_map(tmp_path / "less" / "w", ["W"], n_slices=3, **same)
    scanner_map(tmp_path / "less" / "f", ["F"], n_slices=2, **same)
    entry = look(tmp_path, "less")
    assert codes(entry) == {"mri": "maps_unequal"}
    assert "3 water and 2 fat images" in entry["problems"][0]["message"]


def test_measured_echoes_named_by_their_phase(tmp_path):
    """Dixon echoes whose Image Type lacks the M; recomputed ones are none."""
    for kind, mri in (("ORIGINAL", "dixon"), ("DERIVED", None)):
        for time, word in zip(DIXON, ("OPP_PHASE", "IN_PHASE"), strict=True):
            image = [kind, "PRIMARY", "DIXON", word]
            same = {"FrameOfReferenceUID": "1.2.3", "EchoNumbers": 1 + (time > 2)}
            multi_echo_series(tmp_path / kind / word, {"X": [time]}, ImageType=image, **same)
        found = look(tmp_path, kind)["mri"]
        assert (found and found["kind"]) == mri


# ---------------------------------------------------------------- T2


def test_a_spin_echo_train(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": TRAIN}, **SE)
    entry = look(tmp_path)
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["t2"])
    found = entry["t2"]
    assert [e["echo_time"] for e in found["echoes"]] == pytest.approx([t / 1000 for t in TRAIN])
    assert [len(e["files"]) for e in found["echoes"]] == [3] * 8
    # Phase images beside it do not count.
    multi_echo_series(tmp_path / "raw" / "p", {"P": TRAIN}, **SE)
    assert look(tmp_path)["t2"] == found


@pytest.mark.parametrize(
    "elements",
    [{"ScanningSequence": ["SE", "EP"]}, {"ScanningSequence": "IR"}, {"Modality": "OT"}],
)
def test_trains_that_are_no_spin_echo(tmp_path, elements):
    multi_echo_series(tmp_path / "raw", {"M": TRAIN}, **{**SE, **elements})
    assert look(tmp_path)["t2"] is None


def test_two_echoes_or_maps_are_no_t2(tmp_path):
    multi_echo_series(tmp_path / "raw" / "a", {"M": [12.0, 90.0]}, **SE)
    map_type = ["DERIVED", "PRIMARY", "M", "T2 MAP"]
    multi_echo_series(tmp_path / "raw" / "b", {"M": TRAIN}, ImageType=map_type, **SE)
    entry = look(tmp_path)
    assert (entry["t2"], "t2" in codes(entry)) == (None, False)


def test_separate_spin_echoes_are_no_train(tmp_path):
    """Proton density, T1 and T2 weighting may share all but the echo time."""
    same = {**SE, "FrameOfReferenceUID": "1.2.3"}
    for time in (12.0, 50.0, 90.0):
        multi_echo_series(tmp_path / "raw" / f"{time:g}", {"M": [time]}, **same)
    assert look(tmp_path)["t2"] is None
    # Numbered, they are the echoes of one train, exported as series.
    for number, time in enumerate((12.0, 50.0, 90.0), 1):
        edit(
            (tmp_path / "raw" / f"{time:g}").iterdir(),
            lambda _, dataset, n=number: setattr(dataset, "EchoNumbers", n),
        )
    assert len(look(tmp_path)["t2"]["echoes"]) == 3


def test_trains_that_exclude(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": TRAIN}, **SE)
    raw = tmp_path / "raw"
    (raw / "M2_1.dcm").unlink()
    assert codes(look(tmp_path)) == {"t2": "echoes_unequal"}
    for path in raw.glob("M2_*"):
        path.unlink()
    assert codes(look(tmp_path)) == {"t2": "echo_missing"}
    multi_echo_series(tmp_path / "two" / "a", {"M": TRAIN}, **SE)
    multi_echo_series(tmp_path / "two" / "b", {"M": TRAIN}, **SE)
    assert codes(look(tmp_path, "two")) == {"t2": "t2_ambiguous"}
    same = {**SE, "FrameOfReferenceUID": "1.2.3"}
    multi_echo_series(tmp_path / "same" / "a", {"M": TRAIN}, **same)
    multi_echo_series(tmp_path / "same" / "b", {"M": TRAIN}, **same)
    assert codes(look(tmp_path, "same")) == {"t2": "t2_ambiguous"}
    multi_echo_series(tmp_path / "twice" / "a", {"M": TRAIN}, SeriesInstanceUID="1.2", **same)
    multi_echo_series(tmp_path / "twice" / "b", {"M": TRAIN}, SeriesInstanceUID="1.2", **same)
    assert codes(look(tmp_path, "twice")) == {"t2": "t2_ambiguous"}


# ---------------------------------------------------------------- diffusion


def test_diffusion_series(tmp_path):
    diffusion_series(tmp_path / "raw", [0, 400, 800])
    entry = look(tmp_path)
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["dwi"])
    found = entry["dwi"]
    assert [(i["b_value"], len(i["files"])) for i in found["images"]] == [
        (0, 3),
        (400, 3),
        (800, 3),
    ]
    assert (found["trace"], found["notes"], "map" in found) == (True, [], False)
    assert len(found["series"]) == 16


def test_two_diffusion_acquisitions_exclude_diffusion_alone(tmp_path):
    diffusion_series(tmp_path / "raw" / "a", [0, 800])
    diffusion_series(tmp_path / "raw" / "b", [0, 800])
    multi_echo_series(tmp_path / "raw" / "c", {"M": SIX})
    entry = look(tmp_path)
    assert codes(entry) == {"dwi": "dwi_ambiguous"}
    assert filled(entry) == ["mri"]


def test_b_values_of_zero_in_other_series_are_no_diffusion(tmp_path):
    """GE and Philips state one in every image."""
    for name in ("a", "b"):
        multi_echo_series(
            tmp_path / "raw" / name,
            {"M": [3.0]},
            DiffusionBValue=0.0,
            FrameOfReferenceUID="1.2.3",
            Manufacturer="GE MEDICAL SYSTEMS",
        )
    ct_series(tmp_path / "raw", [0, 2, 4])
    assert codes(look(tmp_path)) == {}


ADC = {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"], "DiffusionBValue": None}


def test_the_scanner_s_map_stands_in(tmp_path):
    diffusion_series(tmp_path / "raw" / "adc", [0], Manufacturer="SIEMENS", **ADC)
    entry = look(tmp_path)
    assert (codes(entry), filled(entry)) == ({}, ["dwi"])
    assert set(entry["dwi"]) == {"source", "series", "map"}
    assert entry["dwi"]["map"]["factor_to_um2_per_s"] == 1.0
    assert len(entry["dwi"]["map"]["files"]) == 3
    # Beside one b-value only it stands in as well, and that is told.
    diffusion_series(tmp_path / "raw" / "b", [800], Manufacturer="SIEMENS")
    entry = look(tmp_path)
    assert "map" in entry["dwi"]
    assert warned(entry["warnings"]) == ["scanner_adc"]
    # Measured images are better.
    diffusion_series(tmp_path / "raw" / "b", [0, 800], Manufacturer="SIEMENS")
    entry = look(tmp_path)
    assert [i["b_value"] for i in entry["dwi"]["images"]] == [0, 800]
    assert "not used" in entry["dwi"]["notes"][0]


def test_maps_of_unknown_unit_or_several(tmp_path):
    diffusion_series(tmp_path / "raw" / "a", [0], Manufacturer="Vendor", **ADC)
    assert codes(look(tmp_path)) == {"dwi": "adc_scale_unknown"}
    diffusion_series(tmp_path / "raw" / "b", [0], Manufacturer="Vendor", **ADC)
    assert codes(look(tmp_path)) == {"dwi": "adc_map_ambiguous"}
    diffusion_series(tmp_path / "b" / "b", [800])
    assert codes(look(tmp_path, "b")) == {"dwi": "too_few_b_values"}


def test_a_stated_unit_of_the_map(tmp_path):
    paths = diffusion_series(tmp_path / "raw", [0], Manufacturer="Vendor", **ADC)

    def state(slope):
        def change(number, dataset):
            item, unit = Dataset(), Dataset()
            unit.CodeValue, unit.CodingSchemeDesignator = "mm2/s", "UCUM"
            item.MeasurementUnitsCodeSequence = pydicom.Sequence([unit])
            item.RealWorldValueSlope, item.RealWorldValueIntercept = slope(number), 0.0
            dataset.RealWorldValueMappingSequence = pydicom.Sequence([item])

        edit(paths, change)

    state(lambda _: 1e-6)
    assert look(tmp_path)["dwi"]["map"]["factor_to_um2_per_s"] == pytest.approx(1.0)
    state(lambda number: 1e-6 * (1 + number))
    assert codes(look(tmp_path)) == {"dwi": "adc_scale_unknown"}


def as_frames(paths, target, b_values):
    """One enhanced object of single-frame diffusion images, slice by slice."""
    datasets = [pydicom.dcmread(path) for path in paths]
    for path in paths:
        path.unlink()
    whole = datasets[0]
    frames = []
    for dataset, b in zip(datasets, b_values, strict=True):
        frame, plane, weighting = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient = dataset.ImagePositionPatient
        weighting.DiffusionBValue = b
        weighting.DiffusionDirectionality = "ISOTROPIC" if b else "NONE"
        frame.PlanePositionSequence = pydicom.Sequence([plane])
        frame.MRDiffusionSequence = pydicom.Sequence([weighting])
        frames.append(frame)
    whole.PixelData = b"".join(dataset.PixelData for dataset in datasets)
    del whole.ImagePositionPatient, whole.DiffusionBValue
    whole.NumberOfFrames = len(frames)
    whole.SharedFunctionalGroupsSequence = pydicom.Sequence([Dataset()])
    whole.PerFrameFunctionalGroupsSequence = pydicom.Sequence(frames)
    whole.save_as(target)


def test_frames_of_an_enhanced_object(tmp_path):
    b_values = [0.0, 400.0, 800.0]
    paths = diffusion_series(tmp_path / "raw", b_values)
    order = [paths[3 * b + s] for s in range(3) for b in range(3)]
    as_frames(order, tmp_path / "raw" / "IM1", b_values * 3)
    entry = look(tmp_path)
    assert (codes(entry), filled(entry)) == ({}, ["dwi"])
    found = entry["dwi"]["images"]
    assert [[f["frames"] for f in i["files"]] for i in found] == [["1-7:3"], ["2-8:3"], ["3-9:3"]]
    assert [image["b_value"] for image in found] == b_values


def test_a_slice_missing_among_frames(tmp_path):
    paths = diffusion_series(tmp_path / "raw", [0.0, 800.0])
    paths.pop().unlink()
    as_frames(paths, tmp_path / "raw" / "IM1", [0.0] * 3 + [800.0] * 2)
    entry = look(tmp_path)
    assert codes(entry) == {"dwi": "dwi_unequal"}
    assert "b = 800 s/mm2 has 2 slices" in entry["problems"][0]["message"]


# ---------------------------------------------------------------- T1 weighting


def test_a_t1_weighted_spin_echo(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": [10.0]}, **T1W)
    entry = look(tmp_path)
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["t1w"])
    assert len(entry["t1w"]["files"]) == 3


@pytest.mark.parametrize(
    "elements",
    [
        {"RepetitionTime": 250.0},
        {"RepetitionTime": 1200.0},
        {"EchoTime": 35.0},
        {"ScanningSequence": ["SE", "EP"]},
        {"ScanningSequence": ["SE", "IR"]},
        {"ScanningSequence": "GR"},
        {"ContrastBolusAgent": "Gadobutrol"},
        {"ScanOptions": ["PFP", "FS"]},
        {"ImageType": ["DERIVED", "SECONDARY", "M"]},
    ],
)
def test_images_that_are_not_t1_weighted(tmp_path, elements):
    multi_echo_series(tmp_path / "raw", {"M": [10.0]}, **{**T1W, **elements})
    assert look(tmp_path)["t1w"] is None


def test_a_localizer_of_two_slices_is_none(tmp_path):
    multi_echo_series(tmp_path / "raw", {"M": [10.0]}, n_slices=2, **T1W)
    assert look(tmp_path)["t1w"] is None


def test_one_sagittal_among_several(tmp_path):
    raw = tmp_path / "raw"
    for name in ("a", "b"):
        multi_echo_series(raw / name, {"M": [10.0]}, ImageOrientationPatient=AXIAL, **T1W)
    entry = look(tmp_path)
    assert (entry["t1w"], warned(entry["warnings"])) == (None, ["t1w_ambiguous"])
    assert "t1w" not in codes(entry)
    multi_echo_series(raw / "c", {"M": [10.0]}, **T1W)
    entry = look(tmp_path)
    assert [file["path"][:5] for file in entry["t1w"]["files"]] == ["raw/c"] * 3
    assert entry["warnings"] == []
    multi_echo_series(raw / "d", {"M": [10.0]}, **T1W)
    entry = look(tmp_path)
    assert entry["t1w"] is None
    assert "4 T1-weighted spin echoes fit, 2 of them sagittal" in only_warning(entry)


# ---------------------------------------------------------------- T2 weighting


@pytest.mark.parametrize(
    "elements", [{}, {"ScanOptions": ["FS"]}, {"RepetitionTime": 1500.0}, {"SequenceVariant": "SK"}]
)
@pytest.mark.parametrize("echo", [60.0, 100.0, 200.0])
def test_a_t2_weighted_spin_echo(tmp_path, elements, echo):
    multi_echo_series(tmp_path / "raw", {"M": [echo]}, **{**T2W, **elements})
    entry = look(tmp_path)
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["t2w"])
    assert len(entry["t2w"]["files"]) == 3


@pytest.mark.parametrize(
    "elements",
    [
        {"RepetitionTime": 1400.0},
        {"ScanningSequence": ["SE", "EP"]},
        {"ScanningSequence": ["SE", "IR"]},
        {"ScanningSequence": "GR"},
        {"ContrastBolusAgent": "Gadobutrol"},
        {"ImageType": ["DERIVED", "SECONDARY", "M"]},
    ],
)
def test_images_that_are_not_t2_weighted(tmp_path, elements):
    multi_echo_series(tmp_path / "raw", {"M": [100.0]}, **{**T2W, **elements})
    assert look(tmp_path)["t2w"] is None


@pytest.mark.parametrize("echo", [59.0, 201.0])
def test_echoes_of_another_weighting(tmp_path, echo):
    multi_echo_series(tmp_path / "raw", {"M": [echo]}, **T2W)
    assert look(tmp_path)["t2w"] is None


def test_with_and_without_fat_saturation_none_is_chosen(tmp_path):
    raw = tmp_path / "raw"
    multi_echo_series(raw / "plain", {"M": [100.0]}, **T2W)
    multi_echo_series(raw / "axial", {"M": [100.0]}, ImageOrientationPatient=AXIAL, **T2W)
    entry = look(tmp_path)
    assert [file["path"][:9] for file in entry["t2w"]["files"]] == ["raw/plain"] * 3
    assert entry["warnings"] == []
    multi_echo_series(raw / "fs", {"M": [90.0]}, ScanOptions=["FS"], **T2W)
    entry = look(tmp_path)
    assert (entry["t2w"], warned(entry["warnings"])) == (None, ["t2w_ambiguous"])
    assert "3 T2-weighted spin echoes fit, 2 of them sagittal" in only_warning(entry)
    assert "t2w" not in codes(entry)


def test_echoes_of_a_t2_measurement_are_no_t2_weighted_image(tmp_path):
    """Also where every echo is a series of its own."""
    raw = tmp_path / "raw"
    for number, echo in enumerate(TRAIN, 1):
        same = {**SE, "FrameOfReferenceUID": "1.2.3", "EchoNumbers": number}
        multi_echo_series(raw / f"echo{number}", {"M": [echo]}, **same)
    entry = look(tmp_path)
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["t2"])
    assert len(entry["t2"]["echoes"]) == len(TRAIN)
    multi_echo_series(raw / "tse", {"M": [100.0]}, **T2W)
    assert filled(look(tmp_path)) == ["t2", "t2w"]


# ---------------------------------------------------------------- the whole entry


@pytest.fixture
def examination(tmp_path):
    raw = tmp_path / "raw"
    ct_series(raw / "ct", [0, 2, 4])
    multi_echo_series(raw / "mri", {"M": SIX, "P": SIX})
    multi_echo_series(raw / "t2", {"M": TRAIN}, **SE)
    multi_echo_series(raw / "t1", {"M": [10.0]}, **T1W)
    multi_echo_series(raw / "t2w", {"M": [100.0]}, **T2W)
    diffusion_series(raw / "dwi", [0, 800])
    return tmp_path


def inventory(study, header="participant_id\tdicom", row="1\traw"):
    (study / "config").mkdir(exist_ok=True)
    (study / "config" / "subjects.tsv").write_text(f"{header}\n{row}\n")
    take_inventory(study, read_subjects(study / "config" / "subjects.tsv", ["verse"]))
    return read_table(study / "results" / "inventory" / "inventory.tsv").iloc[0]


def test_every_role_of_one_examination(examination):
    entry = look(examination)
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], list(ROLES))
    for role in ROLES:
        assert set(entry[role]["series"]) <= set("0123456789abcdef")
    text = json.dumps(entry).lower()
    assert not any(word in text for word in ("doe", "mrn1", "101500"))
    row = inventory(examination)
    assert (row.ct, row.mri) == ("yes", "yes")
    sizes = sum(path.stat().st_size for path in (examination / "raw").rglob("*.dcm"))
    assert row.megabytes == pytest.approx(sizes / 1e6, abs=0.051)


@pytest.mark.parametrize("role", ["t2", "t1", "t2w", "dwi", "mri"])
def test_each_mri_role_makes_an_mri_subject(examination, role):
    row = inventory(examination, row=f"1\traw/{role}")
    assert (row.ct, row.mri) == ("absent", "yes")
    assert not len(read_table(examination / "results" / "inventory" / "exclusions.tsv"))


def test_an_excluded_role_excludes_the_mri_where_no_other_serves(examination):
    (examination / "raw" / "t2" / "M1_1.dcm").unlink()
    assert inventory(examination, row="1\traw/t2").mri == "excluded"
    table = read_table(examination / "results" / "inventory" / "exclusions.tsv")
    assert table[["modality", "item", "code"]].to_numpy().tolist() == [
        ["t2", "t2", "echoes_unequal"]
    ]
    assert inventory(examination).mri == "yes"


def test_changes_are_told_by_role(examination):
    before = look(examination)
    for folder in ("t2", "t1", "dwi"):
        path = next((examination / "raw" / folder).iterdir())
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    words = describe_change(json.dumps(before), look(examination))
    assert words == (
        "T2 MRI files: 1 changed; diffusion MRI files: 1 changed; T1-weighted MRI files: 1 changed"
    )


def test_masks_of_the_new_roles(examination):
    (examination / "m.nii").write_bytes(b"1")
    columns = dict.fromkeys(("t2_mask", "dwi_mask", "t1w_mask", "t2w_mask"), "m.nii")
    entry = look(examination, dicom="raw", mask_scheme="verse", **columns)
    assert set(entry["masks"]) == set(columns)
    header = "\t".join(["participant_id", "dicom", *columns])
    path = examination / "subjects.tsv"
    path.write_text(f"{header}\tmask_scheme\n1\traw\tm.nii\tm.nii\tm.nii\tm.nii\tverse\n")
    table = read_subjects(path, ["verse"])
    assert table.clinical_columns == ()
    assert set(table.subjects[0].paths) == {*columns, "dicom", "mask_scheme"}


def with_text(path, name, text):
    """A file whose element holds what its kind of value does not allow."""
    dataset = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        setattr(dataset, name, text)
        buffer = io.BytesIO()
        dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["SequenceName", "SeriesNumber", "SeriesTime", "ImageComments"])
def test_text_in_the_new_elements_stays_outside(examination, name):
    """A name where a time or a sequence belongs: nothing of it is kept, and nothing is lost."""
    for path in (examination / "raw" / "dwi").iterdir():
        if name == "SeriesNumber":
            number = b"\x20\x00\x11\x00IS\x02\x00"
            content = path.read_bytes()
            start = content.index(number) + len(number)
            path.write_bytes(content[:start] + b"Do" + content[start + 2 :])
        else:
            path.write_bytes(with_text(path, name, "Doe^Jane"))
    entry = look(examination)
    assert filled(entry) == list(ROLES)
    cache = (examination / "inventory" / "cache" / "sub-1.json").read_text().lower()
    assert "doe" not in cache
    assert "jane" not in cache


# ---------------------------------------------------------------- BIDS


class Bids:
    """Writes images of one participant."""

    def __init__(self, study):
        self.study = study
        self.root = study / "bids" / "sub-1"

    def write(self, name, volumes=None, **sidecar):
        path = self.root / ("dwi" if name.endswith("dwi") else "anat") / f"sub-1_{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (2, 2, 2) if volumes is None else (2, 2, 2, volumes)
        nib.save(nib.Nifti1Image(np.zeros(shape, np.float32), np.eye(4)), path)
        self.beside(path, ".json").write_text(json.dumps(sidecar))
        return path

    @staticmethod
    def beside(path, suffix):
        return path.with_name(path.name.removesuffix(".nii.gz") + suffix)

    def echoes(self, parts, times, suffix="MEGRE", **sidecar):
        for number, time in enumerate(times, 1):
            for part in parts:
                label = f"_part-{part}" if part else ""
                about = {"EchoTime": time / 1000, "MagneticFieldStrength": 3, **sidecar}
                self.write(f"echo-{number}{label}_{suffix}", **about)

    def look(self):
        return look(self.study, bids="bids")


@pytest.fixture
def folder(tmp_path):
    return Bids(tmp_path)


@pytest.mark.parametrize(
    ("parts", "times", "kind"),
    [
        (["mag", "phase"], SIX, "complex"),
        (["mag"], SIX, "magnitude"),
        ([""], SIX[:3], "magnitude"),
        (["mag"], DIXON, "dixon"),
        (["real", "imag"], DIXON, "dixon"),
    ],
)
def test_bids_echoes(folder, parts, times, kind):
    folder.echoes(parts, times)
    entry = folder.look()
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["mri"])
    found = entry["mri"]
    assert (found["source"], found["series"], found["kind"]) == ("bids", None, kind)
    assert set(found["parts"]) == {part or "mag" for part in parts}
    first = next(iter(found["parts"].values()))
    assert [echo["echo_time"] for echo in first] == pytest.approx([t / 1000 for t in times])
    assert "sidecar" in first[0]["files"][0]


@pytest.mark.parametrize(
    ("parts", "times", "code"),
    [
        (["phase"], SIX, "mri_phase_missing"),
        (["mag", "real"], SIX, "mri_phase_missing"),
        (["phase"], DIXON, "mri_phase_missing"),
    ],
)
def test_bids_parts_that_exclude(folder, parts, times, code):
    folder.echoes(parts, times)
    assert codes(folder.look()) == {"mri": code}


def test_bids_field_map_and_unequal_dixon(folder):
    folder.echoes(["mag"], [4.6, 6.9])
    entry = folder.look()
    assert (entry["mri"], warned(entry["warnings"])) == (None, ["two_echoes_not_dixon"])
    folder.echoes(["mag"], DIXON)
    folder.echoes(["phase"], DIXON[:1])
    assert codes(folder.look()) == {"mri": "echoes_unequal"}


def test_bids_maps_of_the_scanner(folder):
    folder.write("desc-water_MEGRE")
    entry = folder.look()
    assert (entry["mri"], warned(entry["warnings"])) == (None, ["scanner_maps_incomplete"])
    folder.write("desc-fat_MEGRE")
    entry = folder.look()
    assert (codes(entry), entry["mri"]["kind"]) == ({}, "scanner_maps")
    assert set(entry["mri"]["maps"]) == {"water", "fat"}
    path = folder.write("PDFFmap", Units="percent")
    entry = folder.look()
    assert set(entry["mri"]["maps"]) == {"pdff"}
    folder.write("run-2_PDFFmap")
    assert codes(folder.look()) == {"mri": "mri_ambiguous"}
    folder.echoes(["mag"], SIX)
    entry = folder.look()
    assert entry["mri"]["kind"] == "magnitude"
    assert warned(entry["warnings"]) == ["scanner_maps_ignored"]
    for file in [*folder.root.rglob("*MEGRE*"), *folder.root.rglob("*run-2*")]:
        file.unlink()
    folder.beside(path, ".json").unlink()
    assert codes(folder.look()) == {"mri": "bids_sidecar"}


def test_bids_spin_echo_train(folder):
    folder.echoes([""], TRAIN, "MESE")
    entry = folder.look()
    assert (codes(entry), filled(entry)) == ({}, ["t2"])
    assert [e["echo_time"] for e in entry["t2"]["echoes"]] == pytest.approx(
        [t / 1000 for t in TRAIN]
    )
    folder.write("run-2_echo-1_MESE", EchoTime=0.01)
    assert codes(folder.look()) == {"t2": "t2_ambiguous"}
    for path in [*folder.root.rglob("*run-2*"), *folder.root.rglob("*echo-3*")]:
        path.unlink()
    assert codes(folder.look()) == {"t2": "echo_missing"}
    for number in range(4, 9):
        for path in folder.root.rglob(f"*echo-{number}*"):
            path.unlink()
    assert codes(folder.look()) == {"t2": "too_few_echoes"}


def test_bids_diffusion(folder):
    path = folder.write("dwi", volumes=4)
    assert codes(folder.look()) == {"dwi": "b_value_missing"}
    b_values = folder.beside(path, ".bval")
    b_values.write_text("0 50 400 800\n")
    entry = folder.look()
    assert (codes(entry), filled(entry)) == ({}, ["dwi"])
    found = entry["dwi"]
    assert [(i["b_value"], i["volume"]) for i in found["images"]] == [
        (0.0, 0),
        (50.0, 1),
        (400.0, 2),
        (800.0, 3),
    ]
    assert all(i["files"] == found["images"][0]["files"] for i in found["images"])
    assert (found["trace"], len(found["notes"])) == (False, 1)
    folder.beside(path, ".bvec").write_text("0 0 0 0\n" * 3)
    found = folder.look()["dwi"]
    assert (found["trace"], found["notes"]) == (True, [])
    folder.beside(path, ".bvec").write_text("0 1 0 0\n" * 3)
    assert folder.look()["dwi"]["trace"] is False
    for text, code in (
        ("800 800 800 800", "too_few_b_values"),
        ("0 0 0 5", "too_few_b_values"),
        ("0 x 400 800", "b_value_missing"),
        ("0 nan 400 800", "b_value_missing"),
        ("-5 0 400 800", "b_value_missing"),
    ):
        b_values.write_text(text)
        assert codes(folder.look()) == {"dwi": code}, text
    b_values.write_text("0 50 400 800\n")
    folder.write("acq-b_dwi", volumes=2)
    assert codes(folder.look()) == {"dwi": "dwi_ambiguous"}


def test_bids_t1_weighted(folder):
    folder.write("T1w", RepetitionTime=0.6)
    entry = folder.look()
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["t1w"])
    folder.write("ce-gadolinium_T1w")
    assert filled(folder.look()) == ["t1w"]
    path = folder.write("acq-axial_T1w")
    entry = folder.look()
    assert (entry["t1w"], warned(entry["warnings"])) == (None, ["t1w_ambiguous"])
    for file in (path, folder.beside(folder.root / "anat" / "sub-1_T1w.nii.gz", ".json")):
        file.unlink()
    entry = folder.look()
    assert (entry["t1w"], warned(entry["warnings"])) == (None, ["bids_sidecar"])
    assert "t1w" not in codes(entry)


def test_bids_t2_weighted(folder):
    folder.write("T2w", RepetitionTime=3.5)
    entry = folder.look()
    assert (codes(entry), entry["warnings"], filled(entry)) == ({}, [], ["t2w"])
    folder.write("T1w", RepetitionTime=0.6)
    assert filled(folder.look()) == ["t1w", "t2w"]
    folder.write("acq-fs_T2w")
    entry = folder.look()
    assert (filled(entry), warned(entry["warnings"])) == (["t1w"], ["t2w_ambiguous"])
    assert "t2w" not in codes(entry)


# ---------------------------------------------------------------- real scanners

real = pytest.mark.skipif(
    not EXTERNAL, reason="OSTEOFLOW_EXTERNAL_DATA does not name a folder with third-party data"
)


def real_entry(path, tmp_path):
    folder = Path(EXTERNAL).resolve() / path
    if not folder.exists():
        pytest.skip(f"third-party data without {path}")
    subject = Subject("sub-1", "sub-1", "", {"dicom": str(folder)})
    return subject_entry(tmp_path, tmp_path, "salt", False, subject)


@real
def test_the_t2_phantom(tmp_path):
    entry = real_entry("mri/t2_phantom", tmp_path)
    assert (codes(entry), filled(entry)) == ({}, ["t2"])
    times = [echo["echo_time"] for echo in entry["t2"]["echoes"]]
    assert times == pytest.approx([0.01 * n for n in range(1, 33)])
    assert {len(echo["files"]) for echo in entry["t2"]["echoes"]} == {1}


@real
def test_the_diffusion_phantom_and_one_of_its_runs(tmp_path):
    entry = real_entry("mri/dwi_phantom", tmp_path)
    assert (codes(entry), filled(entry)) == ({"dwi": "dwi_ambiguous"}, [])
    root = Path(EXTERNAL).resolve() / "mri" / "dwi_phantom"
    times = {}
    for folder in sorted(path for path in root.iterdir() if any(path.glob("I*"))):
        header = pydicom.dcmread(next(folder.glob("I*")), stop_before_pixels=True)
        times.setdefault(header.SeriesTime, []).append(folder)
    assert [len(folders) for folders in times.values()] == [6, 6]
    for number, folders in enumerate(times.values()):
        run = tmp_path / f"run{number}"
        for folder in folders:
            (run / folder.name).mkdir(parents=True)
            for path in folder.glob("I*"):
                (run / folder.name / path.name).symlink_to(path)
        entry = look(tmp_path, run.name)
        assert (codes(entry), filled(entry)) == ({}, ["dwi"])
        found = [(round(i["b_value"]), len(i["files"])) for i in entry["dwi"]["images"]]
        assert found == [(b, 25) for b in (0, 500, 1000, 1500, 2000)]
        assert entry["dwi"]["trace"]


@real
@pytest.mark.parametrize(
    ("path", "roles"),
    [
        ("dcm_qa_fmap/In/Siemens", []),
        ("dcm_qa_fmap/In/GE", []),
        ("dcm_qa_fmap/In/Philips", []),
        ("dcm_qa_uih/In", ["dwi"]),
        ("dicom2nifti/ge/anatomical", []),
        ("dicom2nifti/ge/dti/001", ["dwi"]),
        ("dicom2nifti/ge/fmri/001", []),
        ("dicom2nifti/hitachi/anatomical/001", []),
        ("dicom2nifti/philips/anatomical", []),
        ("dicom2nifti/philips/dti/001", ["dwi"]),
        ("dicom2nifti/philips/dti/002", ["dwi"]),
        ("dicom2nifti/philips/fmri/001", []),
        ("dicom2nifti/philips_enhanced/anatomical/001", []),
        ("dicom2nifti/philips_enhanced/dti/001", ["dwi"]),
        ("dicom2nifti/philips_enhanced/fmri/001", []),
        ("dicom2nifti/siemens/dti_classic/001", ["dwi"]),
        ("dicom2nifti/siemens_multiframe/anatomical/001", []),
        ("ibsi_dicom_rtstruct/dicom/image", ["ct"]),
    ],
)
def test_series_of_real_scanners(tmp_path, path, roles):
    entry = real_entry(f"dicom/{path}", tmp_path)
    assert filled(entry) == roles
    assert "dwi" not in codes(entry)
