"""Diffusion images of real scanners: b-values, the choice of series, and ADC against others' fits.

The CaliberMRI diffusion phantom (ice water, 13 vials) was measured twice on a Siemens Skyra: echo-
planar images at five b-values, a series each, with b in a private element only. MR-BIAS, an
independent program, gives the regions, their mean signals and its ADC: the unweighted regression
of the logarithm of a region's mean signal on b. The scanner gives ADC maps.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.fingerprint import FileCache
from osteoflow.inventory.folder import read_folder
from osteoflow.inventory.recognise_diffusion import (
    choose_diffusion,
    choose_scanner_adc,
    find_diffusion,
)
from osteoflow.inventory.series import count_images
from osteoflow.io.dicom import convert_series
from osteoflow.io.diffusion import DIFFUSION_TAGS, adc_map_scale, b_value, directionality
from osteoflow.mri.adc import METHODS, fit_adc

EXTERNAL = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    EXTERNAL is None, reason="OSTEOFLOW_EXTERNAL_DATA is unset: no third-party data here"
)

SECTION = "MRI: third-party data"
TIMES = ("SeriesNumber", "SeriesDate", "SeriesTime", "AcquisitionTime", "ContentTime")
RUNS = (0, 1)
LIMIT = 6.0
B = (0.0, 500.0, 1000.0, 1500.0, 2000.0)
# The regions of MR-BIAS are cylinders of 5 mm radius and 10 mm height about the stated voxels.
RADIUS = HALF_HEIGHT = 5.0
CLIPPED = 4095


def source(path):
    folder = Path(EXTERNAL).resolve() / path
    if not folder.exists():
        pytest.skip(f"third-party data without {path}")
    return folder


@cache
def headers(path):
    """Headers as the inventory reads them, by path; frames of a file are told apart."""
    nothing_known = FileCache(Path("no such folder"))
    return read_folder(Path("/"), str(source(path)), nothing_known).headers


def phantom():
    """Headers of the two runs; only their acquisition times tell the runs apart."""
    found = headers("mri/dwi_phantom")
    assert len(found) == 300
    times = sorted({header["SeriesTime"] for header in found.values()})
    return [{p: h for p, h in found.items() if h["SeriesTime"] == time} for time in times]


@cache
def images(run):
    """Signal (i, j, k, b) of a run, its world coordinates (mm, LPS), and the scanner's ADC map."""
    run_headers = phantom()[run]
    volumes = [
        convert_series(list(map(Path, p)))[0] for p in choose_diffusion(run_headers).values()
    ]
    scanner, _, _ = convert_series(list(map(Path, choose_scanner_adc(run_headers))))
    assert all(volume.same_grid(volumes[0]) for volume in [*volumes, scanner])
    grid = np.stack(np.indices(volumes[0].shape), axis=-1)
    world = grid @ volumes[0].affine[:3, :3].T + volumes[0].affine[:3, 3]
    signal = np.stack([volume.data for volume in volumes], axis=-1).astype(np.float32)
    return signal, world * [-1, -1, 1], np.asarray(scanner.data, float)


@cache
def regions(run):
    """Vial -> (voxels of the region, MR-BIAS's mean signals over that at b = 0, its ADC)."""
    _, world, _ = images(run)
    table = source("mri/dwi_phantom/comparison") / f"dw_00{run}_voxel_data.csv"
    origin, spacing = np.array([-110, -110, -60]), np.array([1.71875, 1.71875, 5])
    rows = list(csv.DictReader(table.open(encoding="utf-8-sig")))
    found = {}
    for row in rows:
        centre = origin + spacing * [int(row[f"Voxel{axis}"]) for axis in "XYZ"]
        away = world - centre
        inside = np.hypot(away[..., 0], away[..., 1]) <= RADIUS
        inside &= np.abs(away[..., 2]) <= HALF_HEIGHT + 0.01
        signals = [float(r["VoxelSignal"]) for r in rows if r["RoiLabel"] == row["RoiLabel"]]
        map_value = float(row[f"DerivedMap_adc_00{run}_value"])
        found[row["RoiLabel"]] = (inside, signals, float(row["D"]), map_value)
    return found


# ---------------------------------------------------------------- series


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_found_in_its_five_series(run):
    found = find_diffusion(phantom()[run])
    assert {b: len(paths) for b, paths in found.images.items()} == dict.fromkeys(B, 25)
    assert found.trace
    assert found.notes == ("25 images of scanner-made ADC maps or calculated b-values: not used",)
    assert all(len({Path(p).parent for p in paths}) == 1 for paths in found.images.values())
    assert len(choose_scanner_adc(phantom()[run])) == 25


def test_the_two_runs_are_not_mixed():
    first, second = phantom()
    whole = first | second
    untimed = {
        path: {name: value for name, value in header.items() if name not in TIMES}
        for path, header in whole.items()
    }
    without_start = {path: h for path, h in first.items() if h.get("BValue") not in (0, 500)}
    for mixed in (whole, untimed, without_start | second):
        with pytest.raises(SubjectDataError) as caught:
            choose_diffusion(mixed)
        assert caught.value.code == "dwi_ambiguous"
    with pytest.raises(SubjectDataError) as caught:
        choose_scanner_adc(whole)
    assert caught.value.code == "adc_map_ambiguous"
    # what was broken off stays outside
    remnant = {path: header for path, header in first.items() if header.get("BValue") == 1000}
    found = find_diffusion(remnant | second)
    assert found.images == choose_diffusion(second)
    assert "25 other diffusion-weighted images (b = 1000 s/mm2) were left out" in found.notes[0]


def test_b_value_without_private_elements():
    """De-identified: the sequence's name still tells, and names an ADC map after two."""
    kept = [tag for tag in DIFFUSION_TAGS if not tag.is_private]
    found = Counter()
    for path in headers("mri/dwi_phantom"):
        public = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=kept)
        found[b_value(public)] += 1
    assert found == {**dict.fromkeys(B, 50), None: 50}


# ---------------------------------------------------------------- ADC


@pytest.mark.parametrize("run", RUNS)
def test_regions_are_those_of_mr_bias(run):
    signal, _, scanner = images(run)
    for inside, expected, _, map_value in regions(run).values():
        assert inside.sum() == 75
        mean = signal[inside].mean(axis=0, dtype=float)
        np.testing.assert_allclose(mean / mean[0], expected, atol=1e-6)
        assert scanner[inside].mean() == pytest.approx(map_value, abs=1e-6)


@pytest.mark.parametrize("run", RUNS)
def test_fit_of_the_mean_signals_is_that_of_mr_bias(run, record):
    signal, _, _ = images(run)
    means = np.stack([signal[inside].mean(axis=0) for inside, *_ in regions(run).values()])
    result = fit_adc(means[:, None, None], B, method="loglinear_unweighted")
    theirs = np.array([adc for _, _, adc, _ in regions(run).values()])
    worst = np.abs(result.adc[:, 0, 0] - theirs).max()
    what = f"DWI phantom, run {run + 1}, regions' mean signals, unweighted: largest difference to"
    record(SECTION, f"{what} MR-BIAS", worst, "um2/s", "<= 0.1")
    assert worst <= 0.1


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("method", METHODS)
def test_regional_means_of_the_maps(run, method, record):
    """The same estimator agrees within the limit. Weights move the fit towards low b, where these
    signals lie up to 0.5 % off one exponential: up to 0.7 % of the ADC, in the fastest vial."""
    signal, _, scanner = images(run)
    result = fit_adc(signal, B, method=method, saturation=CLIPPED)
    vials = regions(run).values()
    ours = np.array([np.nanmean(result.adc[inside]) for inside, *_ in vials])
    theirs = np.array([adc for _, _, adc, _ in vials])
    maps = np.array([map_value for *_, map_value in vials])
    assert all(result.quality[inside].all() for inside, *_ in vials)
    limit = np.full(theirs.shape, LIMIT)
    allowed = f"<= {LIMIT:g}"
    if method != "loglinear_unweighted":
        limit = np.maximum(limit, 0.01 * theirs)
        allowed += " or 1 %"
    for other, name in ((theirs, "MR-BIAS"), (maps, "the scanner's map")):
        worst = np.abs(ours - other).argmax()
        what = f"DWI phantom, run {run + 1}, {method}, 13 vials: largest difference to {name}"
        record(SECTION, what, ours[worst] - other[worst], "um2/s", allowed)
        assert (np.abs(ours - other) <= limit).all()

    # 12 bits did not hold the brightest water; left in, those samples would lower its ADC
    assert result.flags["samples_saturated"] > 5000
    assert any("largest value that the images can store" in w for w in result.warnings)
    assert any("above 1500" in w for w in result.warnings)
    both = (result.quality == 1) & (scanner > 0)
    middle = float(np.median((result.adc - scanner)[both]))
    what = f"DWI phantom, run {run + 1}, {method}, whole image: median difference to the scanner's"
    record(SECTION, f"{what} map", middle, "um2/s", "reported")


@pytest.mark.parametrize("run", RUNS)
def test_scanner_map_states_its_unit(run):
    for path in choose_scanner_adc(phantom()[run]):
        assert adc_map_scale(pydicom.dcmread(path, stop_before_pixels=True)) == 1


# ---------------------------------------------------------------- other scanners' headers

REAL = {
    # Siemens Skyra, creators of the private elements removed
    "dicom/dicom2nifti/siemens/dti_classic/001": {(0, None): 4, (1000, "directional"): 4},
    # GE Discovery MR750, likewise
    "dicom/dicom2nifti/ge/dti/001": {(0, None): 4, (1000, None): 4},
    # GE Signa HDx, Discovery MR750, Signa Architect: b = 0 in every MR image
    "dicom/dicom2nifti/ge/dti/002": {(0, None): 16},
    "dicom/dicom2nifti/ge/anatomical/001_single_slice": {(0, None): 1},
    "dicom/dcm_qa_fmap/In/GE": {(0, None): 32},
    # Philips Ingenia and Achieva, standard elements and private ones of unknown representation
    "dicom/dicom2nifti/philips/dti/001": {(0, "none"): 2, (1000, "directional"): 6},
    "dicom/dicom2nifti/philips/dti/002": {
        **{(0, "none"): 3, (40, "trace"): 3},
        **{(273, "trace"): 3, (800, "trace"): 3},
    },
    "dicom/dicom2nifti/philips/anatomical/002": {(0, "none"): 8},
    # UIH uMR 770: the b-value that was made, not the one asked for
    "dicom/dcm_qa_uih/In": {(1.25, None): 1, (928.29, "directional"): 16},
    "mri/t2_phantom": {(None, None): 32},
}


@pytest.mark.parametrize("path", REAL)
def test_b_values_of_real_scanners(path):
    found = Counter()
    for file in sorted(source(path).rglob("*")):
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, IsADirectoryError):
            continue
        b = b_value(dataset)
        found[None if b is None else round(b, 2), directionality(dataset)] += 1
    assert found == REAL[path]


def test_philips_private_element_alone():
    folder = "dicom/dicom2nifti/philips/dti"
    files = [*headers(f"{folder}/001"), *headers(f"{folder}/002")]
    assert len(files) == 20
    for file in files:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        stated = b_value(dataset)
        del dataset.DiffusionBValue
        assert b_value(dataset) == stated


def test_frames_of_an_enhanced_philips_image():
    (file,) = source("dicom/dicom2nifti/philips_enhanced/dti/001").glob("*.dcm")
    frames = pydicom.dcmread(file, stop_before_pixels=True).PerFrameFunctionalGroupsSequence
    found = Counter((b_value(frame), directionality(frame)) for frame in frames)
    assert found == {(0.0, "none"): 8, (1300.0, "directional"): 24}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dicom/dicom2nifti/siemens/dti_classic/001", {0: 4, 1000: 4}),
        ("dicom/dicom2nifti/ge/dti/001", {0: 4, 1000: 4}),
        ("dicom/dicom2nifti/philips/dti/001", {0: 2, 1000: 6}),
        ("dicom/dicom2nifti/philips/dti/002", {0: 3, 40: 3, 273: 3, 800: 3}),
        # echo-planar, but no diffusion weighting
        ("dicom/dicom2nifti/ge/dti/002", None),
        ("dicom/dicom2nifti/ge/fmri/001", None),
        ("dicom/dicom2nifti/philips/fmri/001", None),
        ("dicom/dicom2nifti/philips/anatomical/002", None),
        ("mri/t2_phantom", None),
        # GE states b = 0 in every image, whatever it is
        ("dicom/dicom2nifti/ge/anatomical", None),
        # volumes in tiles, and frames
        ("dicom/dcm_qa_uih/In", {1: 20, 928: 320}),
        ("dicom/dicom2nifti/philips_enhanced/dti/001", {0: 8, 1300: 24}),
    ],
)
def test_acquisitions_of_real_scanners(path, expected):
    found = choose_diffusion(headers(path))
    counts = found and {round(b): count_images(headers(path), n) for b, n in found.items()}
    assert counts == expected
