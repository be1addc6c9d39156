"""The simulated cohort states the truth for everything else: its own numbers are checked here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from scipy import ndimage

from osteoflow.io.tables import read_table
from osteoflow.simulate import clinical, mri, texture
from osteoflow.simulate.anatomy import Anatomy, build_anatomy
from osteoflow.simulate.cohort import simulate_cohort, simulate_participant
from osteoflow.simulate.ct import rod_numbers, simulate_ct
from osteoflow.simulate.geometry import Grid, block_mean, capsule, ellipse, ellipsoid
from osteoflow.simulate.protocol import STANDARD, TINY
from osteoflow.simulate.render import TOTALSEGMENTATOR_V2, body_labels

PARTICIPANTS = 4
SEED = 7


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tiny participants; the last three are broken in the three ways."""
    out = tmp_path_factory.mktemp("cohort")
    calls = []
    simulate_cohort(
        out,
        PARTICIPANTS,
        seed=SEED,
        protocol=TINY,
        processes=1,
        progress=lambda done, total: calls.append((done, total)),
        broken=True,
        path_prefix="raw/",
    )
    assert calls == [(n + 1, PARTICIPANTS) for n in range(PARTICIPANTS)]
    return out


@pytest.fixture(scope="module")
def person() -> clinical.Participant:
    return clinical.draw_cohort(5, SEED, TINY.levels, broken=False)[0]


@pytest.fixture(scope="module")
def anatomy(person: clinical.Participant) -> Anatomy:
    return build_anatomy(person, TINY.levels, np.random.default_rng(1))


def images(folder: Path, modality: str, pixels: bool = False) -> list[pydicom.FileDataset]:
    """Image instances of one modality, without pixels unless asked for."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if header.Modality == modality and "PixelSpacing" in header:
                found.append(pydicom.dcmread(path) if pixels else header)
    return found


def axial_volume(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """CT numbers (column, row, slice) and LPS affine of the axial series, from headers alone."""
    series = [d for d in images(folder, "CT", pixels=True) if "AXIAL" in d.ImageType]
    series.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    hu = np.stack([d.pixel_array.T.astype(float) for d in series], axis=-1)
    hu = hu * float(series[0].RescaleSlope) + float(series[0].RescaleIntercept)
    step = np.subtract(series[1].ImagePositionPatient, series[0].ImagePositionPatient)
    affine = np.eye(4)
    affine[:3, 0] = np.array(series[0].ImageOrientationPatient[:3]) * series[0].PixelSpacing[1]
    affine[:3, 1] = np.array(series[0].ImageOrientationPatient[3:]) * series[0].PixelSpacing[0]
    affine[:3, 2], affine[:3, 3] = step, series[0].ImagePositionPatient
    return hu, affine


def eroded(mask: np.ndarray, spacing: tuple[float, ...], millimetres: float) -> np.ndarray:
    inside = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)
    return inside[1:-1, 1:-1, 1:-1] > millimetres


def truth_of(cohort: Path, participant: str, metric: str) -> pd.Series:
    truth = read_table(cohort / "truth.tsv")
    rows = truth[(truth.participant_id == participant) & (truth.metric == metric)]
    return rows.set_index("roi")["value"]


class TestGeometry:
    def test_solids_have_zero_on_their_surface_and_distance_beside_it(self) -> None:
        point = [np.array(v, np.float32) for v in (12.0, 0.0, 0.0)]
        assert ellipsoid((0, 0, 0), (10, 5, 5))(*point) == pytest.approx(2.0, abs=0.05)
        assert capsule((-5, 0, 0), (5, 0, 0), 3)(*point) == pytest.approx(4.0, abs=1e-5)
        for power in (2.0, 2.5):
            edge = ellipse(np.array([20.0, 0.0]), np.array([0.0, 10.0]), 20, 10, power)
            assert np.abs(edge).max() < 1e-3

    def test_aligned_grid_is_sampled_at_its_voxel_centres(self) -> None:
        affine = np.diag([2.0, 3.0, 4.0, 1.0])
        affine[:3, 3] = (-10, 5, 7)
        grid = Grid((5, 6, 7), affine)
        x, y, z = grid.coordinates()
        assert np.broadcast_shapes(x.shape, y.shape, z.shape) == (5, 6, 7)
        assert (x[3, 0, 0], y[0, 2, 0], z[0, 0, 6]) == (-4.0, 11.0, 31.0)
        fine = grid.subdivided((2, 1, 4))
        means = block_mean(np.broadcast_to(fine.coordinates()[2], fine.shape), (2, 1, 4))
        assert np.allclose(means, np.broadcast_to(z, grid.shape))
        assert grid.box((-6, 8, 11), (-4, 11, 15)) == (slice(2, 4), slice(1, 3), slice(1, 3))
        assert grid.box((100, 0, 0), (110, 10, 10)) is None

    def test_oblique_grid_agrees_with_its_affine(
        self, person: clinical.Participant, anatomy: Anatomy
    ) -> None:
        grid = mri.mri_grid(replace(person, site="B"), anatomy, TINY)
        x, y, z = np.broadcast_arrays(*grid.coordinates())
        expected = grid.affine @ (5, 11, 3, 1)
        assert np.allclose((x[5, 11, 3], y[5, 11, 3], z[5, 11, 3]), expected[:3], atol=1e-3)
        assert grid.spacing == pytest.approx((2.2, 2.2, 4.5))


class TestTexture:
    def test_coarser_texture_is_smoother_at_equal_variance(self) -> None:
        rng = np.random.default_rng(3)
        fields = [texture.band_pass_field((60, 60, 60), length, rng) for length in (1.1, 2.2)]
        steps = [np.diff(field, axis=0).std() for field in fields]
        assert all(field.std() == pytest.approx(1, abs=1e-4) for field in fields)
        assert steps[0] > 1.5 * steps[1]

    def test_truth_does_not_depend_on_the_erosion(
        self, person: clinical.Participant, anatomy: Anatomy
    ) -> None:
        for level in TINY.levels:
            vertebra = anatomy.vertebrae[level]
            mineral, fat, points = vertebra.trabecular_truth()
            assert points > 10_000
            assert mineral == pytest.approx(person.mineral[level], abs=0.05)
            assert fat == pytest.approx(person.fat_fraction[level], abs=0.02)
            for erosion in (1.0, 2.5, 4.0):
                core = vertebra.lattice_depth() > erosion
                assert vertebra.mineral[core].mean() == pytest.approx(mineral, abs=0.8)
                assert vertebra.fat[core].mean() == pytest.approx(fat, abs=0.25)


class TestCohortDesign:
    def test_age_trends_of_the_sources(self) -> None:
        loss = 1 - clinical.expected_apparent_vbmd(90, "F") / clinical.expected_apparent_vbmd(
            25, "F"
        )
        assert loss == pytest.approx(0.55)
        before_50 = 1 - clinical.expected_apparent_vbmd(50, "M") / 180
        assert before_50 / 0.46 == pytest.approx(0.42)
        rise = [clinical.expected_fat_fraction(age, "F") for age in (50, 55, 65, 70)]
        assert np.argmax(np.diff(rise)) == 1
        difference = rise[3] - clinical.expected_fat_fraction(70, "M")
        assert difference == pytest.approx(10, abs=3)

    def test_case_mix(self) -> None:
        people = clinical.draw_cohort(40, 1, STANDARD.levels, broken=True)
        assert [p.defect for p in people[-4:]] == ["", *clinical.DEFECTS]
        assert sum(p.fracture for p in people) == 16
        assert sum(p.rater2 for p in people) == 14
        assert 0.3 <= np.mean([p.dxa_tscore <= -2.5 for p in people]) <= 0.5
        for models in ([p.mri_model for p in people], [p.ct_model for p in people]):
            assert sum(model != "matched" for model in models) == 9
        assert {p.mri_model for p in people} == {"matched", *clinical.MRI_VIOLATIONS}
        assert {p.ct_model for p in people} == {"matched", *clinical.CT_VIOLATIONS}
        assert all(p.mri_model == p.ct_model == "matched" for p in people if p.defect)
        assert len({p.patient_id for p in people}) == 40

    def test_texture_separates_fractures_beyond_density(self) -> None:
        people = clinical.draw_cohort(300, 2, STANDARD.levels, broken=False)
        coarse = np.array([p.texture.coarse_fraction for p in people])
        density = np.array([p.apparent_vbmd("L1") for p in people])
        fracture = np.array([p.fracture for p in people], bool)
        design = np.column_stack([np.ones(300), density])
        residual = coarse - design @ np.linalg.lstsq(design, coarse, rcond=None)[0]
        assert residual[fracture].mean() - residual[~fracture].mean() > residual.std()
        assert density[~fracture].mean() - density[fracture].mean() > 10

    def test_too_few_participants(self) -> None:
        with pytest.raises(ValueError, match="at least 4 participants"):
            clinical.draw_cohort(3, 1, TINY.levels, broken=True)


class TestFat:
    def test_marrow_spectrum_by_hand(self) -> None:
        ppm, amplitude = mri.fat_peaks("bone_marrow")
        chain = 16.8 + 0.25 * 2.95
        protons = [9, 6 * (chain - 4) - 8 * 2.95 + 2 * 0.94, 6, 4 * (2.95 - 0.94), 6, 1.88, 4, 1]
        protons = np.array([*protons, 5.9])
        assert ppm[[0, 1, -1]] == pytest.approx([0.90, 1.30, 5.29])
        assert amplitude == pytest.approx(protons / protons.sum())
        assert mri.fat_peaks("liver")[1].sum() == pytest.approx(1)

    def test_main_peak_lags_behind_water(self) -> None:
        """At 3 T methylene precesses 434 Hz slower: a quarter turn back after 0.576 ms."""
        phasor = mri.fat_phasor("liver", np.array([0.0, 0.576]), 3.0)
        assert phasor[0] == pytest.approx(1)
        assert np.angle(phasor[1]) == pytest.approx(-np.pi / 2, abs=0.2)

    def test_unknown_spectrum(self) -> None:
        with pytest.raises(ValueError, match="unknown fat spectrum"):
            mri.fat_peaks("olive oil")


def test_rods_read_what_the_certificate_predicts() -> None:
    """sigma_CT 1.5500 and beta_CT -3.000 give these five CT numbers (worked example)."""
    expected = [-81.95, -40.03, 205.03, 394.49, 584.84]
    assert list(rod_numbers(1.55, -3.0).values()) == pytest.approx(expected, abs=0.01)


def test_ct_reads_the_truth(person: clinical.Participant, anatomy: Anatomy) -> None:
    matched = replace(person, ct_model="matched")
    scan = simulate_ct(matched, anatomy, TINY, np.random.default_rng(2))
    labels = body_labels(anatomy, scan.grid, TINY.levels)
    for level in TINY.levels:
        voi = eroded(labels == TOTALSEGMENTATOR_V2[level], scan.grid.spacing, 4.5)
        apparent = (scan.hu[voi].mean() - matched.beta_ct) / matched.sigma_ct
        assert apparent == pytest.approx(matched.apparent_vbmd(level), abs=2.0)
    cupped = simulate_ct(
        replace(matched, ct_model="cupping"), anatomy, TINY, np.random.default_rng(2)
    )
    whole = labels > 0
    assert scan.hu[whole].mean() - cupped.hu[whole].mean() == pytest.approx(
        cupped.cupping, rel=0.35
    )
    assert cupped.cupping >= 7


@pytest.mark.parametrize("model", ["matched", "r2star_dual"])
def test_mri_signal_holds_the_truth(
    person: clinical.Participant, anatomy: Anatomy, model: str
) -> None:
    """With the true field taken out, a plain linear fit returns the fat fraction."""
    scanned = replace(person, mri_model=model, field_strength=1.5)
    scan = mri.simulate_mri(scanned, anatomy, TINY, np.random.default_rng(2))
    assert 100 <= np.abs(scan.field_hz).max() <= 150
    assert 40 <= scan.snr <= 60
    labels = body_labels(anatomy, mri.anatomy_grid(scan.grid), TINY.levels)
    times = np.array(scan.echo_times_ms) / 1000
    phasor = mri.fat_phasor("bone_marrow", np.array(scan.echo_times_ms), 1.5)
    errors = []
    for level in TINY.levels:
        voi = eroded(labels == TOTALSEGMENTATOR_V2[level], scan.grid.spacing, 4.5)
        r2star = clinical.r2star_of(scanned.mineral[level], 1.5)
        basis = np.stack([np.ones(times.size), phasor], 1) * np.exp(-r2star * times)[:, None]
        aligned = scan.signal[voi] * np.exp(-2j * np.pi * scan.field_hz[voi][:, None] * times)
        water, fat = np.linalg.lstsq(basis, aligned.T, rcond=None)[0]
        measured = 100 * (fat / (water + fat)).real.mean()
        errors.append(measured - scanned.fat_fraction[level])
    worst = np.abs(errors).max()
    assert worst < 0.6 if model == "matched" else worst > 0.6


class TestOnDisk:
    def test_tables(self, cohort: Path) -> None:
        subjects = read_table(cohort / "subjects.tsv")
        assert list(subjects.columns) == [
            "participant_id", "dicom", "ct_mask", "mri_mask", "mask_scheme",
            "ct_mask_rater2", "mri_mask_rater2",
            "age", "sex", "bmi", "site", "dxa_tscore", "fracture",
        ]  # fmt: skip
        assert list(subjects.participant_id) == ["sub-01", "sub-02", "sub-03", "sub-04"]
        assert subjects.dicom.str.startswith("raw/dicom/MRN").all()
        assert subjects.ct_mask_rater2.notna().sum() == 2
        for column in ("dicom", "ct_mask", "mri_mask", "ct_mask_rater2", "mri_mask_rater2"):
            for path in subjects[column].dropna():
                assert (cohort / path.removeprefix("raw/")).exists()
        truth = read_table(cohort / "truth.tsv")
        assert truth.value.dtype == float
        defects = truth[truth.metric == "defect"]
        assert list(zip(defects.participant_id, defects.roi, defects.scan_model, strict=True)) == [
            ("sub-02", "ct", "missing_slice"),
            ("sub-03", "ct", "no_phantom"),
            ("sub-04", "mri", "truncated_file"),
        ]
        per_level = truth[truth.roi == "L2_trabecular"].pivot_table(
            index="participant_id", columns="metric", values="value"
        )
        effect = per_level.vbmd_mineral - per_level.vbmd_apparent
        assert effect.to_numpy() == pytest.approx(0.7 * per_level.pdff.to_numpy())

    def test_ct_headers_and_mask_share_the_grid(self, cohort: Path) -> None:
        subjects = read_table(cohort / "subjects.tsv").set_index("participant_id")
        folder = cohort / subjects.dicom["sub-01"].removeprefix("raw/")
        hu, affine = axial_volume(folder)
        mask = nib.load(cohort / subjects.ct_mask["sub-01"].removeprefix("raw/"))
        labels = np.asarray(mask.dataobj)
        to_mask = np.linalg.inv(mask.affine) @ np.diag([-1, -1, 1, 1]) @ affine
        assert np.allclose(np.abs(to_mask[:3, :3]), np.eye(3), atol=1e-3)
        index = np.indices(hu.shape).reshape(3, -1)
        moved = np.rint(to_mask[:3, :3] @ index + to_mask[:3, 3:]).astype(int)
        labels = labels[tuple(moved)].reshape(hu.shape)
        assert set(np.unique(labels)) == {0, 29, 30, 31}
        heights = [np.nonzero(labels == label)[2].mean() for label in (29, 30, 31)]
        assert heights == sorted(heights)
        spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0))
        expected = truth_of(cohort, "sub-01", "hu")
        for level, label in (("L1", 31), ("L2", 30), ("L3", 29)):
            voi = eroded(labels == label, spacing, 4.5)
            assert hu[voi].mean() == pytest.approx(expected[f"{level}_trabecular"], abs=4.0)

    def test_missing_slice_and_truncated_file(self, cohort: Path) -> None:
        subjects = read_table(cohort / "subjects.tsv").set_index("participant_id")
        folders = {
            name: cohort / path.removeprefix("raw/") for name, path in subjects.dicom.items()
        }
        gaps = {}
        for name in ("sub-01", "sub-02"):
            z = [
                float(d.ImagePositionPatient[2])
                for d in images(folders[name], "CT")
                if "AXIAL" in d.ImageType
            ]
            gaps[name] = np.diff(np.sort(z))
        assert np.allclose(gaps["sub-01"], 3.0)
        assert np.isclose(gaps["sub-02"], 6.0).sum() == 1
        assert np.isclose(gaps["sub-02"], 3.0).sum() == gaps["sub-02"].size - 1
        matrix = 2 * TINY.mri_matrix[0] * TINY.mri_matrix[1]
        for name, truncated in (("sub-03", 0), ("sub-04", 1)):
            sizes = [Path(d.filename).stat().st_size for d in images(folders[name], "MR")]
            assert len(sizes) == 2 * TINY.echoes * TINY.mri_slices
            assert sum(size < matrix for size in sizes) == truncated

    def test_phantom_is_absent_where_it_should_be(self, cohort: Path) -> None:
        subjects = read_table(cohort / "subjects.tsv").set_index("participant_id")
        densest = {}
        for name in ("sub-01", "sub-03"):
            hu, _ = axial_volume(cohort / subjects.dicom[name].removeprefix("raw/"))
            # The rows below the back: table and phantom only.
            densest[name] = np.median(hu[:, -22:-10].mean(axis=2).max(axis=0))
        assert densest["sub-01"] > 400
        assert densest["sub-03"] < -500

    def test_mri_headers_and_phase(self, cohort: Path) -> None:
        subjects = read_table(cohort / "subjects.tsv").set_index("participant_id")
        for name in ("sub-01", "sub-02"):
            folder = cohort / subjects.dicom[name].removeprefix("raw/")
            found = images(folder, "MR", pixels=True)
            assert len(found) == 2 * 6 * TINY.mri_slices
            assert len({d.SOPInstanceUID for d in found}) == len(found)
            strength = truth_of(cohort, name, "field_strength")["mri"]
            assert {float(d.MagneticFieldStrength) for d in found} == {strength}
            times = sorted({float(d.EchoTime) for d in found})
            assert times == pytest.approx(TINY.echo_times_ms(strength))
            parts = {d.ImageType[2]: d for d in found}
            assert set(parts) == {"M", "P"}
            assert parts["M"].SeriesInstanceUID != parts["P"].SeriesInstanceUID
            assert (parts["P"].RescaleSlope, parts["P"].RescaleIntercept) == (2, -4096)
            phase = parts["P"].pixel_array * 2.0 - 4096
            assert -4096 <= phase.min() < -3500 < 3500 < phase.max() < 4096

    def test_identity_is_there_to_be_removed(self, cohort: Path) -> None:
        subjects = read_table(cohort / "subjects.tsv")
        for row in subjects.itertuples():
            header = images(cohort / row.dicom.removeprefix("raw/"), "CT")[0]
            assert header.PatientID.startswith("MRN")
            assert "^" in str(header.PatientName)
            assert row.participant_id not in str(header)
            birth, study = str(header.PatientBirthDate), str(header.StudyDate)
            age = int(study[:4]) - int(birth[:4]) - (study[4:] < birth[4:])
            assert age == row.age == int(header.PatientAge[:3])

    def test_same_arguments_same_bytes(self, cohort: Path, tmp_path: Path) -> None:
        """One participant written again, in another order, is bitwise the same."""
        people = clinical.draw_cohort(PARTICIPANTS, SEED, TINY.levels, broken=True)
        rows = simulate_participant(tmp_path, people[2], 2, SEED, TINY)
        written = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        assert len(written) > 100
        for path in written:
            twin = cohort / path.relative_to(tmp_path)
            assert path.read_bytes() == twin.read_bytes(), path.name
        truth = read_table(cohort / "truth.tsv")
        expected = truth[truth.participant_id == "sub-03"].value.to_numpy()
        assert [row["value"] for row in rows] == pytest.approx(expected)

    def test_second_rater_differs_at_the_surface_only(self, cohort: Path) -> None:
        subjects = read_table(cohort / "subjects.tsv").dropna(subset=["ct_mask_rater2"])
        row = subjects.iloc[0]
        first, second = (
            np.asarray(nib.load(cohort / row[key].removeprefix("raw/")).dataobj) == 30
            for key in ("ct_mask", "ct_mask_rater2")
        )
        dice = 2 * (first & second).sum() / (first.sum() + second.sum())
        assert 0.9 < dice < 0.99
