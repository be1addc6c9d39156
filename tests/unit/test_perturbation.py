"""Perturbed images: what each part of the chain does, whom it touches, and what its ICC says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.stats import kstest

from osteoflow.config import load_config
from osteoflow.errors import StudyError, SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.layout import SubjectFiles
from osteoflow.models.dataset import assemble
from osteoflow.models.method_words import methods
from osteoflow.models.transformers import ReliabilityFilter
from osteoflow.perturbed import Perturbations, perturbed_rows
from osteoflow.radiomics.extract import extract_regions
from osteoflow.radiomics.grid import Placement
from osteoflow.radiomics.noise import voxel_noise
from osteoflow.radiomics.perturbation.chain import Chain, estimate_noise, perturbed_features
from osteoflow.radiomics.perturbation.contours import Contour, filled
from osteoflow.radiomics.perturbation.draws import image_seed, is_chosen
from osteoflow.radiomics.perturbation.supervoxels import supervoxels
from osteoflow.radiomics.preprocess import prepare_regions
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.reports.reproducibility import reproducibility_tables
from osteoflow.settings.analysis import Analysis
from osteoflow.settings.radiomics import Radiomics
from osteoflow.settings.statistics import Reproducibility
from osteoflow.statistics.agreement import icc
from osteoflow.statistics.reproducibility import feature_reproducibility
from osteoflow.study import Study
from osteoflow.subjects import Subject, SubjectsTable

GROUP = "Radiomics: perturbation"
BASE = {
    "name": "test",
    "image": "vBMD",
    "unit": "mg/cm3",
    "range": (-400, 800),
    "bin_width": 25,
    "classes": ("shape", "firstorder", "glcm"),
}


def recipe(**changes) -> RadiomicsSettings:
    return RadiomicsSettings(**{**BASE, **changes})


def scene(
    seed: int = 3,
    shape: tuple[int, int, int] = (40, 36, 26),
    spacing: tuple[float, float, float] = (1, 1, 2),
    radii: tuple[float, float, float] = (12, 10, 16),
) -> tuple[Volume, np.ndarray]:
    """A textured ellipsoid, radii in mm."""
    rng = np.random.default_rng(seed)
    data = 120 + 250 * ndimage.gaussian_filter(rng.normal(size=shape), 1.0)
    places = (np.indices(shape).T - (np.array(shape) - 1) / 2) * spacing / radii
    return Volume(data, np.diag([*spacing, 1.0])), ((places**2).sum(axis=-1) <= 1).T


def features_of(chain: Chain, settings: RadiomicsSettings, repetitions: int = 1, seed: int = 9):
    image, mask = scene()
    found = perturbed_features(image, {"a": mask}, settings, chain, seed, repetitions)
    return [(drawn, results["a"]) for drawn, results in found]


# --- each part of the chain ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "chain",
    [
        Chain(),
        Chain(rotation_degrees=(0.0,), translation_voxels=(0.0,), growth=(0.0,)),
        Chain(translation_voxels=(1.0,)),
        Chain(translation_voxels=(-2.0,)),
        Chain(rotation_degrees=(360.0,), translation_voxels=(3.0,)),
    ],
)
@pytest.mark.parametrize("resample", [None, 1.0])
def test_nothing_and_whole_voxels_change_nothing(chain: Chain, resample: float | None) -> None:
    settings = recipe(resample_mm=resample, interpolator="cubic", filters={"wavelet": "haar"})
    image, mask = scene()
    expected = extract_regions(image, {"a": mask}, settings)["a"]
    ((_, found),) = features_of(chain, settings)
    assert found.n_voxels == expected.n_voxels
    assert found.features == pytest.approx(expected.features, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("fraction", [0.25, 0.1, 0.03, -0.1, -0.25])
def test_volume_changes_by_the_stated_fraction(fraction: float, record) -> None:
    settings = recipe(resample_mm=0.8, classes=("shape", "firstorder"))
    image, mask = scene()
    before = extract_regions(image, {"a": mask}, settings)["a"].features
    ((drawn, found),) = features_of(Chain(growth=(fraction,)), settings)
    assert drawn.volumes["a"] == pytest.approx(1 + fraction, abs=1 / mask.sum())
    ratio = found.features["original_shape_MeshVolume"] / before["original_shape_MeshVolume"]
    assert ratio == pytest.approx(1 + fraction, abs=0.02)
    record(
        GROUP,
        f"Volume after resampling, asked to change by {100 * fraction:+.0f} %",
        100 * (ratio - 1),
        "%",
        "2 % from what was asked",
    )


def test_growth_follows_the_surface_in_millimetres() -> None:
    """A sphere in voxels of unequal size stays one: its axes grow alike."""
    image, mask = scene(radii=(12, 12, 12), shape=(46, 46, 24))
    contour = Contour(mask, image.spacing, (0.2, -0.2), 3.0)
    for fraction in (0.2, -0.2):
        places = np.argwhere(contour.grown(fraction)) * image.spacing
        spread = places.std(axis=0)
        assert spread == pytest.approx(
            np.full(3, 12 * (1 + fraction) ** (1 / 3) / np.sqrt(5)), rel=0.05
        )
    with pytest.raises(SubjectDataError, match="cannot change"):
        Contour(np.ones((4, 4, 4), bool), (1, 1, 1), (0.5,), 3.0).grown(0.5)


def test_a_turned_grid_samples_a_turned_ramp() -> None:
    """Linear intensities are interpolated exactly: their gradient turns with the grid."""
    shape = (41, 41, 11)
    ramp = np.tensordot([2.0, -1.0, 0.5], np.indices(shape).astype(float), 1)
    mask = np.zeros(shape, bool)
    mask[15:26, 15:26, 3:8] = True
    image = Volume(ramp, np.diag([1.0, 1.0, 3.0, 1.0]))
    placed = Placement(30.0, (0.25, 0.5, 0.0))
    region = prepare_regions(image, {"a": mask}, recipe(), placed)["a"]
    inside = region.image[region.box][region.morphology]
    steps = [np.diff(region.image, axis=axis) for axis in range(3)]
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    for step, expected in zip(steps, (2 * c - s, -2 * s - c, 0.5), strict=True):
        assert step == pytest.approx(np.full(step.shape, expected), abs=1e-9)
    assert inside.size == pytest.approx(mask.sum(), rel=0.03)
    assert inside.mean() == pytest.approx(ramp[mask].mean(), abs=0.3)


def test_the_turn_is_about_the_axis_across_the_slices() -> None:
    """Sagittal slices: intensities that vary across the slices alone do not change."""
    shape = (9, 40, 40)
    data = np.broadcast_to(np.arange(9.0)[:, None, None] * 10, shape)
    mask = np.zeros(shape, bool)
    mask[2:7, 12:28, 12:28] = True
    image = Volume(data, np.diag([5.0, 1.0, 1.0, 1.0]))
    region = prepare_regions(image, {"a": mask}, recipe(), Placement(20.0))["a"]
    assert sorted(set(np.round(region.image[region.box][region.morphology], 6))) == [
        20,
        30,
        40,
        50,
        60,
    ]
    flat = recipe(texture="2D", classes=("glcm",))
    ((drawn, _),) = [
        (d, r)
        for d, r in perturbed_features(
            image, {"a": mask}, flat, Chain(translation_voxels=(0.5,)), 1, 1
        )
    ]
    assert drawn.translation_voxels == (0.0, 0.5, 0.5)


def test_a_region_at_the_edge_stays_whole_when_its_grid_turns() -> None:
    image, mask = scene()
    mask[:] = False
    mask[:12, :30, :8] = True
    for angle in (0.0, 20.0):
        region = prepare_regions(image, {"a": mask}, recipe(), Placement(angle))["a"]
        assert region.morphology.sum() == pytest.approx(mask.sum(), rel=0.04)


def test_noise_is_estimated_and_added(record) -> None:
    rng = np.random.default_rng(1)
    shape = (60, 60, 30)
    places = np.indices(shape)
    smooth = 200 + 100 * np.sin(places[0] / 9) * np.cos(places[1] / 11)
    mask = np.zeros(shape, bool)
    mask[20:40, 20:40, 10:20] = True
    noisy = Volume(smooth + rng.normal(0, 12, shape), np.diag([0.7, 0.7, 3, 1.0]))
    noisy.data[30, 30, 15] = np.nan
    found = estimate_noise(noisy, {"a": mask})
    assert found == pytest.approx(12, rel=0.03)
    record(GROUP, "Noise of SD 12 over smooth structure, estimated", found, "", "within 3 %")
    # Values of a constant region become the noise.
    flat = Volume(np.full(shape, 100.0), noisy.affine)
    ((_, results),) = perturbed_features(flat, {"a": mask}, recipe(), Chain(noise_sd=8.0), 4, 1)
    values = results["a"].features
    assert np.sqrt(values["original_firstorder_Variance"]) == pytest.approx(8, rel=0.05)
    assert values["original_firstorder_Mean"] == pytest.approx(100, abs=0.5)
    assert (flat.data == 100).all()


def test_noise_belongs_to_the_voxels_of_the_scan() -> None:
    whole = (50, 40, 30)
    full = voxel_noise(2**63 + 5, (slice(0, 50), slice(0, 40), slice(0, 30)), whole)
    part = (slice(7, 31), slice(3, 40), slice(11, 12))
    assert (voxel_noise(2**63 + 5, part, whole) == full[part]).all()
    assert kstest(full.ravel(), "norm").pvalue > 0.01
    other = voxel_noise(2**63 + 6, (slice(0, 50), slice(0, 40), slice(0, 30)), whole)
    for pair in ((full, other), (full[1:], full[:-1]), (full[:, :, 1:], full[:, :, :-1])):
        assert abs(np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1]) < 4 / full.size**0.5


def test_filters_do_not_change_what_is_perturbed() -> None:
    """A filter needs more of the scan around the region: the noise within stays the same."""
    image, mask = scene()
    chain = Chain(8.0, (6.0,), (0.25,), (0.1,), True)
    values = []
    for filters in ({}, {"log_sigma_mm": [1.5]}):
        settings = recipe(filters=filters, classes=("firstorder", "glcm"))
        ((_, found),) = perturbed_features(image, {"a": mask}, settings, chain, 4, 1)
        values.append(found["a"].features)
    assert len(values[1]) == 2 * len(values[0])
    same = {name: values[1][name] for name in values[0]}
    assert same == pytest.approx(values[0], rel=1e-9)


def test_supervoxels_follow_edges_and_cover_what_they_shall() -> None:
    """Two halves of different intensity, cut where the lattice's cells are not."""
    shape = (24, 20, 16)
    image = np.where(np.arange(24)[:, None, None] < 11, 0.0, 100.0) * np.ones(shape)
    active = np.zeros(shape, bool)
    active[4:20, 4:16, 4:12] = True
    labels = supervoxels(image, active, (1.0, 1.0, 1.0), 4.0)
    assert ((labels >= 0) == active).all()
    crossing = set(labels[:11][active[:11]]) & set(labels[11:][active[11:]])
    assert not crossing
    sizes = np.bincount(labels[active])
    assert np.median(sizes[sizes > 0]) == pytest.approx(64, rel=0.5)
    assert (supervoxels(image, active, (1.0, 1.0, 1.0), 4.0) == labels).all()
    # Without any contrast the lattice stays as it is.
    plain = supervoxels(np.zeros(shape), np.ones(shape, bool), (1.0, 1.0, 1.0), 4.0)
    assert (np.bincount(plain.ravel()) == 64).all()


def test_random_contours_keep_the_volume_on_average(record) -> None:
    image, mask = scene()
    contour = Contour(mask, image.spacing, (), 4.0)
    rng = np.random.default_rng(0)
    drawn = [contour.randomised(contour.inside, image.data, rng) for _ in range(40)]
    volumes = np.array([region.sum() for region in drawn]) / mask.sum()
    assert volumes.mean() == pytest.approx(1, abs=3 * volumes.std() / np.sqrt(40) + 0.005)
    assert 0.005 < volumes.std() < 0.1
    assert len({region.tobytes() for region in drawn}) == 40
    # Only the surface moves, by about the supervoxel's size.
    depth = ndimage.distance_transform_edt(contour.inside, sampling=image.spacing)
    height = ndimage.distance_transform_edt(~contour.inside, sampling=image.spacing)
    for region in drawn[:5]:
        assert region[depth > 9].all() and not region[height > 9].any()
        assert (filled(region) == region).all()
    dice = np.mean([2 * (r & contour.inside).sum() / (r.sum() + mask.sum()) for r in drawn])
    assert 0.8 < dice < 0.97
    # A supervoxel cut at p of its width is taken with probability p: the surface moves by
    # 2 p (1 - p), on average a third of the width.
    a, b, c = 12, 10, 16
    area = 4 * np.pi * (((a * b) ** 1.6 + (a * c) ** 1.6 + (b * c) ** 1.6) / 3) ** (1 / 1.6)
    moved = np.mean([(region ^ contour.inside).sum() for region in drawn]) * 2 / area
    assert moved == pytest.approx(4 / 3, rel=0.25)
    record(GROUP, "Mean move of a contour of supervoxels of 4 mm", moved, "mm", "4/3 within 25 %")
    record(
        GROUP,
        "Volume of 40 random contours over the true one, mean",
        volumes.mean(),
        "",
        "1 within 3 standard errors + 0.005",
    )
    record(GROUP, "Dice of random contours (supervoxels of 4 mm)", dice, "", "0.8 to 0.97")


# --- repetitions, seeds and the choice of people -------------------------------------------------

WHOLE = Chain(5.0, (-6.0, 0.0, 6.0), (0.0, 0.25, 0.5), (-0.1, 0.0, 0.1), True)


def test_repetitions_are_determined_by_seed_and_number() -> None:
    settings = recipe(classes=("firstorder",))
    two, three = features_of(WHOLE, settings, 2), features_of(WHOLE, settings, 3)
    assert [(d, r.features) for d, r in two] == [(d, r.features) for d, r in three[:2]]
    means = {r.features["original_firstorder_Mean"] for _, r in three}
    assert len(means) == 3
    other = features_of(WHOLE, settings, 1, seed=10)[0][1]
    assert other.features != two[0][1].features
    # Leaving out a part draws the others as before.
    still = features_of(Chain(**{**vars(WHOLE), "noise_sd": 0.0, "randomise": False}), settings, 2)
    for (a, _), (b, _) in zip(two, still, strict=True):
        assert (a.rotation_degrees, a.translation_voxels, a.growth) == (
            b.rotation_degrees,
            b.translation_voxels,
            b.growth,
        )


def test_seeds_and_choice_know_nothing_of_other_people() -> None:
    assert image_seed(1, "sub-01", "vbmd") == image_seed(1, "sub-01", "vbmd")
    different = {
        image_seed(seed, subject, image)
        for seed in (1, 2)
        for subject in ("sub-01", "sub-02", "sub-01_ses-1")
        for image in ("vbmd", "pdff")
    }
    assert len(different) == 12
    people = [f"sub-{number}" for number in range(2000)]
    chosen = [name for name in people if is_chosen(7, name, 0.3)]
    assert len(chosen) / 2000 == pytest.approx(0.3, abs=0.035)
    # A larger share keeps those of the smaller one.
    assert set(chosen) <= {name for name in people if is_chosen(7, name, 0.5)}
    assert all(is_chosen(7, name, 1.0) for name in people)


def test_a_new_subject_changes_nobody_elses_job() -> None:
    config = load_config({"radiomics": {"perturbation": {"participants": 0.5}}})

    def chosen(*names: tuple[str, str]) -> dict[str, bool]:
        subjects = tuple(
            Subject(SubjectFiles.named(person, session), person, session, {})
            for person, session in names
        )
        study = Study(Path(), config, SubjectsTable(subjects, ()), {})
        return {subject.name: study.is_perturbed(subject.name) for subject in subjects}

    people = [(f"sub-{number}", "") for number in range(30)]
    before = chosen(*people)
    assert 5 < sum(before.values()) < 25
    after = chosen(("sub-new", ""), *people, ("sub-other", ""))
    assert {name: after[name] for name in before} == before
    # Later sessions serve no agreement: each participant counts once.
    twice = chosen(*((person, session) for person, _ in people for session in ("1", "2")))
    assert {f"{name}_ses-1": value for name, value in before.items()} == {
        name: value for name, value in twice.items() if name.endswith("1")
    }
    assert not any(value for name, value in twice.items() if name.endswith("2"))
    assert not Study(Path(), load_config({}), SubjectsTable((), ()), {}).is_perturbed("sub-1")


def test_rows_say_what_was_done() -> None:
    image, mask = scene()
    labels = np.where(mask, 20, 0)
    identity = {"participant_id": "sub-01", "session": "n/a", "rater": 1, "reading": 1}
    settings = Radiomics.model_validate({"perturbation": {"repetitions": 3, "images": ["vbmd"]}})
    wanted = settings.perturbation_of(["vbmd", "pdff"])
    assert list(wanted) == ["vbmd"]
    rows, about, notes = perturbed_rows(
        *(image, labels, ["L1", "L2"], recipe(), json.loads(json.dumps(wanted["vbmd"]))),
        *({**identity, "image": "vbmd"}, "sub-01", 5),
    )
    assert [row["perturbation"] for row in rows] == [1, 2, 3]
    assert {(row["roi"], row["flag"]) for row in rows} == {("L1-L2_trabecular", "missing:L2")}
    assert notes == []
    assert about["Chain"]["noise_sd"] == estimate_noise(image, {"": mask})
    assert [item["number"] for item in about["Perturbations"]] == [1, 2, 3]
    made = Perturbations({"images": wanted, "seed": 5}, "sub-01")
    for who in ({}, {"rater": 2}, {"reading": 2}, {"image": "pdff"}):
        about_row = {**identity, "image": "vbmd", **who}
        found, _ = made.rows(image, labels, ["L1", "L2"], recipe(), about_row)
        assert found == ([] if who else rows)
    assert made.table == rows and list(made.about) == ["vbmd"]
    nothing, about, _ = perturbed_rows(
        *(image, 0 * labels, ["L1"], recipe(), wanted["vbmd"]),
        *({**identity, "image": "vbmd"}, "sub-01", 5),
    )
    assert nothing == [] and about["Perturbations"] == []


# --- agreement -----------------------------------------------------------------------------------


def perturbed_table(n: int = 25, k: int = 6, seed: int = 0) -> pd.DataFrame:
    """A feature that never changes, one of noise alone, one of known reliability."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n), k)
    true = 20 + rng.normal(size=n)
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{number:02d}" for number in person],
            "session": np.nan,
            "rater": 1,
            "reading": 1,
            "roi": "L1-L4_trabecular",
            "image": "pdff",
            "n_voxels": 900,
            "flag": np.nan,
            "perturbation": np.tile(np.arange(1, k + 1), n),
            "original_firstorder_same": true[person],
            "original_firstorder_noise": rng.normal(size=n * k),
            "original_firstorder_half": true[person] + 0.5 * rng.normal(size=n * k),
        }
    )


def people_of(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"participant_id": table["participant_id"].unique(), "session": np.nan})


def reproducibility(perturbed: pd.DataFrame) -> pd.DataFrame:
    return feature_reproducibility(
        *(pd.DataFrame(), people_of(perturbed), Reproducibility(), "L1-L4", 1, perturbed)
    ).set_index("variable")


def test_icc_of_the_unchanged_and_of_noise(record) -> None:
    perturbed = perturbed_table()
    table = reproducibility(perturbed)
    assert set(table["comparison"]) == {"perturbation"}
    assert set(table["icc_form"]) == {"ICC(1,1)"}
    assert (table["n"] == 25).all() and (table["n_readings"] == 6).all()
    same, noise, half = (
        table.loc[f"original_firstorder_{name}"] for name in ("same", "noise", "half")
    )
    assert (same["icc11"], same["icc11_low"], same["icc11_high"]) == (1, 1, 1)
    assert same["note"] == "the perturbations do not change it"
    assert noise["icc11_low"] < 0 < noise["icc11_high"] and abs(noise["icc11"]) < 0.1
    wide = perturbed["original_firstorder_half"].to_numpy().reshape(25, 6)
    assert tuple(half[["icc11", "icc11_low", "icc11_high"]]) == pytest.approx(icc(wide)["ICC(1,1)"])
    assert half["icc11_low"] < 0.8 < half["icc11_high"]
    for column in ("icc21", "icc31_low", "bias", "loa_low", "slope"):
        assert table[column].isna().all()
    record(GROUP, "ICC(1,1) of a feature of noise alone (25 x 6)", noise["icc11"], "", "below 0.1")
    # The order of the perturbations means nothing.
    rng = np.random.default_rng(3)
    order = np.concatenate([rng.permutation(6) + 1 for _ in range(25)])
    again = reproducibility(perturbed.assign(perturbation=order))
    assert again["icc11"].to_numpy() == pytest.approx(table["icc11"].to_numpy())


def test_report_counts_robust_features_of_each_family() -> None:
    perturbed = perturbed_table()
    names = {"same": "firstorder_Mean", "noise": "glcm_Contrast", "half": "glcm_Correlation"}
    renamed = perturbed.rename(
        columns={f"original_firstorder_{old}": f"original_{new}" for old, new in names.items()}
    )
    table = reproducibility(renamed).reset_index().rename(columns={"variable": "feature"})
    bands, families = reproducibility_tables(None, table, None, set())
    (row,) = bands.rows
    assert [row[0].text, row[3].text] == ["perturbed images", "25"]
    counts = {row[3].text: [cell.text for cell in row[4:]] for row in families.rows}
    low = table.set_index("feature").loc["original_glcm_Correlation", "icc11_low"]
    assert 0.5 <= low < 0.75
    assert counts == {
        "Intensity": ["1", "1", "1", "1"],
        "Grey-level co-occurrence": ["2", "0", "0", "1"],
    }


def test_intensities_are_more_robust_than_noise_is(record) -> None:
    """Twelve images that differ in mean: the mean is robust under the whole chain."""
    settings = recipe(classes=("firstorder",))
    chain = Chain(10.0, (-5.0, 5.0), (0.25, 0.75), (-0.1, 0.1), True)
    values = []
    for number in range(12):
        image, mask = scene(seed=number)
        image = image.like(image.data + 15 * number)
        seed = image_seed(1, f"sub-{number}", "vbmd")
        found = perturbed_features(image, {"a": mask}, settings, chain, seed, 4)
        values.append([list(results["a"].features.values()) for _, results in found])
        names = list(extract_regions(image, {"a": mask}, settings)["a"].features)
    low = dict(zip(names, icc(np.array(values))["ICC(1,1)"].low, strict=True))
    assert low["original_firstorder_Mean"] > 0.98
    assert low["original_firstorder_Maximum"] < low["original_firstorder_Median"]
    record(
        GROUP,
        "Lower limit of ICC(1,1) of the mean, 12 images under the whole chain",
        low["original_firstorder_Mean"],
        "",
        "above 0.98",
    )


# --- models --------------------------------------------------------------------------------------


def test_the_filter_of_a_model_sees_its_training_rows_alone() -> None:
    perturbed = perturbed_table(n=40)
    first = perturbed[perturbed["perturbation"] == 1].drop(columns="perturbation")
    people = people_of(perturbed).assign(age=60.0, fracture=np.arange(40) % 2)
    settings = {
        "name": "fracture",
        "outcome": "fracture",
        "clinical": ["age"],
        "radiomics": {"image": "pdff", "reliability": ["perturbation"]},
    }
    analysis = Analysis.model_validate(settings)
    data = assemble(people, first, analysis, perturbed=perturbed)
    repeated = data.repeated["perturbation"]
    assert len(repeated.readings) == 6
    features = data.table[data.features]
    step = ReliabilityFilter(repeated, 0.6, comparison="perturbation").fit(features.iloc[:20])
    assert step.kept_ == ["original_firstorder_same", "original_firstorder_half"]
    assert step.n_pairs_ == 20
    # Whatever the other rows' perturbations are, the filter finds the same.
    spoilt = perturbed.copy()
    others = spoilt["participant_id"] >= "sub-20"
    noise = np.random.default_rng(1).normal(20, 5, others.sum())
    spoilt.loc[others, "original_firstorder_same"] = noise
    other = assemble(people, first, analysis, perturbed=spoilt).repeated["perturbation"]
    again = ReliabilityFilter(other, 0.6, comparison="perturbation").fit(features.iloc[:20])
    pd.testing.assert_frame_equal(again.icc_, step.icc_)
    whole = ReliabilityFilter(other, 0.6, comparison="perturbation").fit(features)
    assert "original_firstorder_same" not in whole.kept_
    assert "ICC(1,1) of perturbed images" in methods(analysis, False)["reliability"]
    none = assemble(people, first, analysis, perturbed=pd.DataFrame()).repeated["perturbation"]
    unfiltered = ReliabilityFilter(none, 0.6, comparison="perturbation").fit(features)
    assert unfiltered.warning_ == "no perturbed images: the reliability filter was not applied"


def test_settings_that_contradict_each_other_are_refused() -> None:
    analysis = {
        "name": "a",
        "outcome": "fracture",
        "clinical": ["age"],
        "radiomics": {"image": "vbmd", "reliability": ["perturbation"]},
    }
    with pytest.raises(StudyError, match=r"needs radiomics.perturbation with the image 'vbmd'"):
        load_config({"analyses": [analysis]})
    with pytest.raises(StudyError, match=r"needs radiomics.perturbation"):
        load_config({"analyses": [analysis], "radiomics": {"perturbation": {"images": ["pdff"]}}})
    assert load_config({"analyses": [analysis], "radiomics": {"perturbation": {}}})
    for section, message in (
        ({"images": ["ct"]}, "no features are extracted from 'ct'"),
        ({"noise": {"vbmd": 5}}, "perturbation.noise must name"),
        ({"participants": 30}, "give a share such as 0.3"),
        (
            {"noise": "none", "randomise": False, "rotation_degrees": [0], "growth": []}
            | {"translation_voxels": []},
            "nothing is perturbed",
        ),
    ):
        with pytest.raises(StudyError, match=message):
            load_config({"radiomics": {"perturbation": section}})
