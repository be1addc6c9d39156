"""Seeds: files, checks against the image, outlines grown from them, and what is made of these."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import hard_spine
import numpy as np
import pytest
from scipy import ndimage

from osteoflow.config import load_config
from osteoflow.errors import SubjectDataError
from osteoflow.inventory.build import take_inventory
from osteoflow.io.seeds import Seeds, read_seeds
from osteoflow.io.volume import Volume, read_json, write_json, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.outline_source import Source, prepare_source, source_of
from osteoflow.reports.methods import describe_methods
from osteoflow.reports.overlay import draw_overlays
from osteoflow.reports.views import image_view, plain_view
from osteoflow.segmentation import seed_gates
from osteoflow.segmentation.prepare import write_prepared
from osteoflow.segmentation.schemes import verse_id
from osteoflow.segmentation.seed_check import check_seeds
from osteoflow.segmentation.seed_contrast import mri_contrast
from osteoflow.segmentation.seed_grid import SeedGrid, seed_grid, to_image
from osteoflow.segmentation.seed_watershed import grow_bodies
from osteoflow.segmentation.seeded import SeededMask, carry_seeded, prepare_seeds, segment_seeds
from osteoflow.segmentation.spine_frame import body_sizes, frames, pitch
from osteoflow.segmentation.voi import trabecular_voi
from osteoflow.simulate.anatomy import build_anatomy
from osteoflow.simulate.clinical import draw_cohort
from osteoflow.simulate.mri import anatomy_grid, simulate_mri
from osteoflow.simulate.protocol import STANDARD
from osteoflow.simulate.render import TOTALSEGMENTATOR_V2, body_labels
from osteoflow.subject_rows import subject_rows
from osteoflow.subjects import PATH_COLUMNS, Subject, SubjectsTable

POINTS = np.array([[1.5, -20.25, 30.0], [2.0, -24.0, -3.5]])
TSV = "level\tx\ty\tz\nL1\t1.5\t-20.25\t30\nL2\t2\t-24\t-3.5\n"


def markup(
    points: np.ndarray, system: object, labels: tuple[str, ...] = ("L1", "L2"), **more
) -> str:
    controls = [
        {"id": str(i), "label": name, "position": list(point), "positionStatus": "defined"}
        for i, (name, point) in enumerate(zip(labels, points.tolist(), strict=True))
    ]
    head = {"type": "Fiducial", "coordinateSystem": system, "coordinateUnits": "mm", **more}
    return json.dumps({"markups": [{**head, "controlPoints": controls}]})


def fcsv(points: np.ndarray, system: str) -> str:
    rows = [
        f"vtk{i},{x},{y},{z},0,0,0,1,1,1,0,L{i},,\n" for i, (x, y, z) in enumerate(points, start=1)
    ]
    head = f"# Markups fiducial file version = 4.11\n# CoordinateSystem = {system}\n"
    return head + "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,id\n" + "".join(rows)


LPS = POINTS * [-1, -1, 1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.mrk.json", markup(LPS, "LPS")),
        ("a.MRK.json", markup(POINTS, "RAS")),
        ("a.mrk.json", markup(POINTS, 0)),
        ("a.mrk.json", markup(LPS, "1", (" l1", "L 2"))),
        ("a.fcsv", fcsv(LPS, "LPS")),
        ("a.fcsv", fcsv(LPS, "1")),
        ("a.fcsv", fcsv(POINTS, "0")),
        ("a.fcsv", fcsv(POINTS, "RAS")),
        ("a.tsv", TSV),
        ("a.tsv", "\ufeff" + TSV.replace("\n", "\r\n")),
    ],
)
def test_every_format_gives_the_same_points(tmp_path, name, text) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    found = read_seeds(tmp_path / name)
    assert found.levels == ("L1", "L2")
    np.testing.assert_allclose(found.points, POINTS)
    assert found.warnings == ()


def test_points_without_a_position_are_told(tmp_path) -> None:
    content = json.loads(markup(LPS, "LPS"))
    content["markups"][0]["controlPoints"][1]["positionStatus"] = "undefined"
    (tmp_path / "a.mrk.json").write_text(json.dumps(content))
    found = read_seeds(tmp_path / "a.mrk.json")
    assert found.levels == ("L1",)
    assert found.warnings == ("1 point of the seeds file without a position: left out",)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("a.json", markup(LPS, "LPS"), "seeds_format_unknown"),
        ("a.csv", TSV, "seeds_format_unknown"),
        ("a.mrk.json", "{", "seeds_unreadable"),
        ("a.mrk.json", "[]", "seeds_unreadable"),
        ("a.mrk.json", markup(LPS * np.nan, "LPS"), "seeds_unreadable"),
        ("a.mrk.json", markup(LPS, "IJK"), "seeds_no_system"),
        ("a.mrk.json", markup(LPS, "LPS", coordinateUnits="cm"), "seeds_unit"),
        ("a.mrk.json", markup(LPS, "LPS", ("F-1", "L2")), "seeds_unknown_level"),
        ("a.mrk.json", markup(LPS, "LPS", ("L1", "C7")), "seeds_unknown_level"),
        ("a.mrk.json", markup(LPS, "LPS", ("L1", "l1")), "seeds_duplicate_level"),
        ("a.mrk.json", markup(LPS[:0], "LPS", ()), "seeds_empty"),
        ("a.fcsv", fcsv(LPS, "IJK"), "seeds_no_system"),
        ("a.fcsv", "L1,1,2,3\n", "seeds_no_system"),
        ("a.tsv", TSV.replace("30", "30,5"), "seeds_unreadable"),
        ("a.tsv", "name\tx\ty\tz\nL1\t1\t2\t3\n", "seeds_unreadable"),
        ("a.tsv", "level\tx\ty\tz\n", "seeds_empty"),
    ],
)
def test_files_that_are_no_seeds(tmp_path, name, text, code) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(SubjectDataError) as caught:
        read_seeds(tmp_path / name)
    assert caught.value.code == code
    assert caught.value.hint
    assert str(tmp_path) not in caught.value.message


def test_a_label_that_could_be_a_name_is_not_repeated(tmp_path) -> None:
    (tmp_path / "a.mrk.json").write_text(markup(LPS, "LPS", ("Muster Anna", "F-2")))
    with pytest.raises(SubjectDataError) as caught:
        read_seeds(tmp_path / "a.mrk.json")
    assert "point 1, point 2 ('F-2')" in caught.value.message
    assert "MUSTER" not in caught.value.message.upper()


# ---------------------------------------------------------------- against the image

IMAGE = Volume(
    np.zeros((100, 100, 60), np.int16),
    np.array([[-1.0, 0, 0, 190], [0, 1, 0, -120], [0, 0, 3, -90], [0, 0, 0, 1]]),
)


def seeds(points: np.ndarray, levels: tuple[str, ...] = ("L1", "L2")) -> Seeds:
    return Seeds(levels, np.asarray(points, float), "RAS", "tsv")


INSIDE = np.array([[140.0, -70, 40], [140, -72, 6]])


def test_seeds_are_sorted_from_head_to_foot() -> None:
    levels, points, warnings = check_seeds(seeds(INSIDE[::-1], ("L2", "L1")), IMAGE)
    assert levels == [20, 21]
    np.testing.assert_array_equal(points, INSIDE)
    assert warnings == []
    one = check_seeds(seeds(INSIDE[:1], ("T12",)), IMAGE)
    assert one[0] == [19]
    assert len(one[1]) == 1


def test_a_seed_outside_costs_its_level() -> None:
    levels, _, warnings = check_seeds(seeds([INSIDE[0], [140, -72, 900]]), IMAGE)
    assert levels == [20]
    assert warnings == ["seed of L2 lies outside the image: level left out"]


@pytest.mark.parametrize(
    ("points", "code", "words"),
    [
        (INSIDE * [-1, -1, 1], "seeds_coordinates", "LPS and RAS are exchanged"),
        (INSIDE / 10, "seeds_coordinates", "in centimetres"),
        (INSIDE / 1000, "seeds_coordinates", "in metres"),
        (INSIDE + 1000, "seeds_outside_image", "none of the 2 seed points"),
        (INSIDE[::-1], "seeds_out_of_order", "L2 lies above that of L1"),
        ([INSIDE[0], INSIDE[1] - [0, 0, 34]], "seeds_spacing", "68 mm apart where about 32 mm"),
        ([INSIDE[0], INSIDE[0] - [0, 0, 10]], "seeds_spacing", "10 mm apart"),
    ],
)
def test_points_that_cannot_be(points, code, words) -> None:
    with pytest.raises(SubjectDataError) as caught:
        check_seeds(seeds(points), IMAGE)
    assert caught.value.code == code
    assert words in caught.value.message


# ---------------------------------------------------------------- geometry


def test_sizes_and_distances() -> None:
    assert len(body_sizes()) == 19
    assert pitch(20, 21) == pytest.approx((24 + 24.5) / 2 + 8)
    assert pitch(20, 22) == pytest.approx(24 + 8 + 24.5 + 9, abs=0.01)
    assert pitch(19, 20) == pytest.approx((22.5 + 24) / 2 + 7)
    assert pitch(28, 20) == pytest.approx((22.5 + 24) / 2 + 7)


def test_axes_follow_a_lordosis() -> None:
    z = np.array([70.0, 35, 0, -35, -70])
    centres = np.column_stack([np.zeros(5), 0.002 * z**2, z])
    for body, height in zip(frames([20, 21, 22, 23, 24], centres), z, strict=True):
        np.testing.assert_allclose(body.axes @ body.axes.T, np.eye(3), atol=1e-12)
        along = np.array([0, 0.004 * height, 1])
        np.testing.assert_allclose(body.axes[2], along / np.linalg.norm(along), atol=1e-9)
        assert body.axes[1] @ [0, -1, 0] > 0.9
    (one,) = frames([20], centres[:1])
    np.testing.assert_allclose(one.axes[2], [0, 0, 1])


@pytest.mark.parametrize("axes", [np.eye(3), np.diag([-1, 1, 1]), np.eye(3)[[1, 2, 0]]])
def test_to_the_small_grid_and_back(axes: np.ndarray) -> None:
    """A ball comes back in place whatever the orientation of the image."""
    affine = np.eye(4)
    affine[:3, :3] = (axes * [0.9, 0.9, 3.0]).astype(float)
    middle = affine[:3, :3] @ (np.array([110, 100, 30]) / 2)
    affine[:3, 3] = np.array([5.0, -7, 11]) - middle
    index = np.indices((110, 100, 30)).reshape(3, -1)
    away = affine[:3, :3] @ index + affine[:3, 3:] - np.array([[5.0], [-7], [11]])
    ball = ((away**2).sum(axis=0) < 18**2).reshape(110, 100, 30)
    image = Volume(np.where(ball, 200, 0).astype(np.int16), affine)
    grid = seed_grid(image, np.array([[5.0, -7, 11]]), (-200, 500))
    back = to_image((grid.values > 100).astype(np.int16), grid, image, [20])
    same = 2 * ((back.data == 20) & ball).sum() / ((back.data == 20).sum() + ball.sum())
    assert same > 0.95
    assert back.data.dtype == np.uint8


def test_the_watershed_stops_at_the_edge_and_at_the_disc() -> None:
    """Two boxes of one value with a cleft between them, in a background of another value."""
    shape = (50, 50, 70)
    origin = -0.75 * (np.array(shape) - 1)
    x, y, z = SeedGrid(np.zeros(shape), origin).points
    inside = (np.abs(x) < 20) & (np.abs(y) < 16) & (np.abs(np.abs(z) - 17) < 12.5)
    grid = SeedGrid(np.where(inside, 150, 40).astype(np.float32), origin)
    bodies = frames([20, 21], np.array([[0.0, 0, 17], [0, 0, -17]]))
    labels = grow_bodies(grid, bodies)
    for label, half in ((1, z > 0), (2, z < 0)):
        truth = inside & half
        both = ((labels == label) & truth).sum()
        assert 2 * both / ((labels == label).sum() + truth.sum()) > 0.9
    thicker = grow_bodies(grid, bodies, shell_mm=1.5)
    assert (thicker > 0).sum() > 1.1 * (labels > 0).sum()
    assert (thicker[labels > 0] == labels[labels > 0]).all()


# ---------------------------------------------------------------- CT


@pytest.fixture(scope="module")
def osteoporotic() -> hard_spine.Scan:
    return hard_spine.scan(4)


def jittered(scan: hard_spine.Scan, sd: float, number: int) -> Seeds:
    rng = np.random.default_rng([number, int(10 * sd)])
    points = scan.centres + rng.normal(0, sd, scan.centres.shape)
    return Seeds(hard_spine.LEVELS, points, "RAS", "tsv")


def test_an_osteoporotic_spine_from_poor_clicks(osteoporotic: hard_spine.Scan) -> None:
    assert osteoporotic.vbmd < 80
    truth, _ = trabecular_voi(osteoporotic.labels, 4.0)
    found = segment_seeds(jittered(osteoporotic, 3.0, 1), osteoporotic.image, 4.0)
    assert isinstance(found, SeededMask)
    values = osteoporotic.image.data
    errors = [
        values[found.voi.data == n].mean() - values[truth.data == n].mean() for n in range(20, 25)
    ]
    assert np.abs(errors).mean() < 3
    assert np.abs(errors).max() < 8
    assert found.label_warnings[0].startswith("seeded")
    assert found.about["Seeded"] is True
    assert [row["Level"] for row in found.about["Levels"]] == list(hard_spine.LEVELS)
    again = segment_seeds(jittered(osteoporotic, 3.0, 1), osteoporotic.image, 4.0)
    assert np.array_equal(again.labels.data, found.labels.data)


def test_one_seed_is_enough(osteoporotic: hard_spine.Scan) -> None:
    point = osteoporotic.centres[2:3] + [2.0, -3, 2]
    found = segment_seeds(Seeds(("L3",), point, "RAS", "tsv"), osteoporotic.image, 4.0)
    assert np.unique(found.labels.data).tolist() == [0, 22]
    truth, _ = trabecular_voi(osteoporotic.labels, 4.0)
    values = osteoporotic.image.data
    error = values[found.voi.data == 22].mean() - values[truth.data == 22].mean()
    assert abs(error) < 5


def test_a_click_beside_the_spine_is_refused_and_told(osteoporotic: hard_spine.Scan) -> None:
    points = osteoporotic.centres[2:3] + [75.0, 0, 0]
    with pytest.raises(SubjectDataError) as caught:
        segment_seeds(Seeds(("L3",), points, "RAS", "tsv"), osteoporotic.image, 4.0)
    assert caught.value.code == "seeds_all_refused"
    assert "L3: " in caught.value.message


def fact(level: int, **changes: object) -> seed_gates.Facts:
    size = body_sizes()[level]
    typical = float(np.pi / 4 * np.prod(2 * size.half) / 1000)
    plain = seed_gates.Facts(
        level=level,
        seed=(0, 0, 0),
        volume=typical,
        typical_volume=typical,
        height=size.height,
        shift=(1, 1, 1),
        shift_share=0.1,
        vote=0.5,
        voxels=4000,
        sd=45,
        halves=10,
    )
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"voxels": 20}, "only 20 voxels"),
        ({"volume": 8.0}, "8.0 cm3 where"),
        ({"height": 12.0}, "collapsed"),
        ({"height": 19.0}, "of the height that the other levels suggest"),
        ({"volume": 19.5}, "of the volume that the other levels suggest"),
        ({"shift_share": 1.4, "shift": (15, 0, 0)}, "the seed lies 15 mm"),
        ({"vote": 0.1}, "edges of a body are hardly seen"),
        ({"vote": 0.25}, "edges seen 50%"),
        ({"sd": 130.0}, "SD 130 HU"),
        ({"sd": 80.0}, "SD 1.8 times"),
        ({"halves": 60.0}, "differ by 60 HU"),
    ],
)
def test_gates(changes: dict, words: str) -> None:
    facts = [fact(20), fact(21), fact(22, **changes), fact(23)]
    refused = seed_gates.refuse(facts, "CT")
    assert list(refused) == [22]
    assert words in refused[22]
    assert seed_gates.refuse([fact(n) for n in (20, 21, 22, 23)], "CT") == {}


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of this process's work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def test_speed_on_a_clinical_matrix(osteoporotic: hard_spine.Scan, record) -> None:
    """512 x 512 slices; the spine's surroundings alone are worked on.

    Machines differ and are shared, so what counts is how often the same machine could have smoothed
    the whole image meanwhile: three to four times.
    """
    image = osteoporotic.image
    finer = np.repeat(np.repeat(image.data, 2, axis=0), 2, axis=1)
    affine = image.affine @ np.diag([0.5, 0.5, 1, 1])
    thinner = np.repeat(finer, 2, axis=2)[:, :, :150]
    affine = affine @ np.diag([1, 1, 0.5, 1])
    given = jittered(osteoporotic, 3.0, 2)
    before = seconds_of(lambda: ndimage.gaussian_filter(thinner.astype(np.float32), 3.0))
    seconds = seconds_of(lambda: segment_seeds(given, Volume(thinner, affine), 4.0))
    after = seconds_of(lambda: ndimage.gaussian_filter(thinner.astype(np.float32), 3.0))
    limit = "10 times as long as smoothing the image"
    record("Seeded outlines", "512 x 512 x 150 CT, five seeds, one core", seconds, "s", limit)
    assert seconds < 10 * (before + after) / 2


# ---------------------------------------------------------------- MRI


def mri_scan(index: int) -> tuple[Volume, dict, Volume, np.ndarray]:
    """Magnitudes, sidecar, true bodies and their centres of one of the people of a cohort."""
    person = draw_cohort(8, 5, STANDARD.levels, False)[index]
    rng = np.random.default_rng(4)
    anatomy = build_anatomy(person, STANDARD.levels, rng)
    scan = simulate_mri(person, anatomy, STANDARD, rng)
    stack = Volume(np.abs(scan.signal).astype(np.float32), scan.grid.ras_affine)
    about = {
        "EchoTime": [t / 1000 for t in scan.echo_times_ms],
        "MagneticFieldStrength": person.field_strength,
    }
    lookup = np.zeros(256, np.uint8)
    for level in STANDARD.levels:
        lookup[TOTALSEGMENTATOR_V2[level]] = verse_id(level)
    labels = lookup[body_labels(anatomy, anatomy_grid(scan.grid), STANDARD.levels)]
    truth = stack.like(labels)
    centres = np.array(
        [
            truth.affine[:3, :3] @ np.argwhere(labels == n).mean(axis=0) + truth.affine[:3, 3]
            for n in range(20, 24)
        ]
    )
    return stack, about, truth, centres


def test_mri_from_the_difference_of_echoes(record) -> None:
    stack, about, truth, centres = mri_scan(3)
    points = centres + np.random.default_rng(8).normal(0, 3, centres.shape)
    contrast = mri_contrast({"mag": stack}, about, [20, 21, 22, 23], points)
    assert "less echo" in contrast.name
    assert contrast.separation > 1.5
    assert contrast.warnings == ()
    given = Seeds(STANDARD.levels, points, "RAS", "tsv")
    found = segment_seeds(
        given, stack, 4.0, lambda levels, at: mri_contrast({"mag": stack}, about, levels, at)
    )
    assert np.unique(found.voi.data).tolist() == [0, 20, 21, 22, 23]
    wanted, _ = trabecular_voi(truth, 2.0)
    inside = found.voi.data > 0
    share = (wanted.data[inside] == found.voi.data[inside]).mean()
    record(
        "Seeded outlines",
        "MRI, seeds off by 3 mm: share of the trabecular volumes 2 mm or more inside the truth",
        100 * share,
        "%",
        "99",
    )
    assert share > 0.99
    assert found.about["SeededOn"] == contrast.name
    moved = Volume(stack.data[..., 0], stack.affine @ np.diag([2, 2, 1, 1]))
    carried = carry_seeded(found, moved, 4.0)
    assert carried.labels.same_grid(moved)
    assert carried.about["CarriedByPosition"] is True
    assert carried.label_warnings[0].startswith("seeded")


def test_mri_without_contrast_is_refused() -> None:
    """Nothing tells flat images apart; marrow with a fifth of fat hardly differs at 3 T."""
    stack, about, _, centres = mri_scan(2)
    for image in (stack.like(np.ones(stack.data.shape, np.float32)), stack):
        with pytest.raises(SubjectDataError) as caught:
            mri_contrast({"mag": image}, about, [20, 21, 22, 23], centres)
        assert caught.value.code == "seeds_no_contrast"


def test_mri_from_the_scanners_images() -> None:
    stack, about, _, centres = mri_scan(3)
    # Echoes 2 and 3 lie near opposed and in phase: sum and difference are water and fat.
    opposed, in_phase = stack.data[..., 1], stack.data[..., 2]
    images = {
        "scanner_water": stack.like((in_phase + opposed) / 2),
        "scanner_fat": stack.like((in_phase - opposed) / 2),
    }
    found = mri_contrast(images, about, [20, 21, 22, 23], centres)
    assert found.name in ("scanner's fat image", "smaller of the scanner's water and fat")
    assert found.separation > 1.5


# ---------------------------------------------------------------- in a study


def test_which_outlines_count() -> None:
    mask, points = {"path": "m.nii", "scheme": "verse"}, {"path": "s.tsv"}
    assert source_of({}, "ct") is None
    assert source_of({"ct_seeds": points}, "ct") == Source("seeds", points)
    both = source_of({"ct_seeds": points, "ct_mask": mask}, "ct")
    assert (both.kind, both.given) == ("mask", mask)
    assert both.warnings == ["ct_mask and ct_seeds are both given: the mask is used"]
    assert source_of({"ct_seeds_rater2": points}, "ct_rater2").kind == "seeds"
    assert source_of({"ct_seeds": points}, "ct_rater2") is None
    assert source_of({"mri_seeds": points}, "t2").kind == "carried"
    assert source_of({"mri_seeds": points, "mri_mask": mask}, "t2") == Source("mask", mask)
    assert source_of({"t2_mask": mask, "mri_seeds": points}, "t2").kind == "mask"


@pytest.mark.parametrize(
    ("given", "code"),
    [({"missing": True}, "seeds_missing"), ({"denied": True}, "permission_denied")],
)
def test_a_seeds_file_that_is_not_there(tmp_path, given, code) -> None:
    with pytest.raises(SubjectDataError) as caught:
        prepare_seeds({"path": "x.tsv", **given}, tmp_path, IMAGE, 4.0)
    assert caught.value.code == code


def test_the_inventory_fingerprints_seeds(tmp_path) -> None:
    assert "ct_seeds" in PATH_COLUMNS
    (tmp_path / "raw").mkdir()
    (tmp_path / "s.tsv").write_text(TSV)
    subject = Subject("sub-01", "sub-01", "", {"dicom": "raw", "ct_seeds": "s.tsv"})
    table = SubjectsTable((subject,), ())
    take_inventory(tmp_path, table)
    path = tmp_path / "results/inventory/sub-01_masks.json"
    before = read_json(path)["masks"]["ct_seeds"]
    assert set(before) == {"path", "size", "sha256"}
    images = (tmp_path / "results/inventory/sub-01.json").read_bytes()
    (tmp_path / "s.tsv").write_text(TSV.replace("30", "31"))
    assert take_inventory(tmp_path, table).rewritten == ("sub-01",)
    assert read_json(path)["masks"]["ct_seeds"]["sha256"] != before["sha256"]
    assert (tmp_path / "results/inventory/sub-01.json").read_bytes() == images
    (tmp_path / "s.tsv").unlink()
    take_inventory(tmp_path, table)
    assert read_json(path)["masks"]["ct_seeds"]["missing"] is True


def test_only_the_inside_is_measured_and_flagged(tmp_path, osteoporotic: hard_spine.Scan) -> None:
    files = SubjectFiles(tmp_path / "sub-01")
    for step in ("convert", "segment"):
        files.folder(step).mkdir(parents=True)
    write_volume(files.image("ct"), osteoporotic.image, {"Units": "HU"})
    points = jittered(osteoporotic, 2.0, 3).points
    rows = [f"{n}\t{x}\t{y}\t{z}\n" for n, (x, y, z) in zip(hard_spine.LEVELS, points, strict=True)]
    (tmp_path / "s.tsv").write_text("level\tx\ty\tz\n" + "".join(rows))
    source = source_of({"ct_seeds": {"path": "s.tsv"}}, "ct")
    found = prepare_source(source, "ct", osteoporotic.image, files, tmp_path, 4.0, {})
    paths = {kind: files.regions("ct", kind) for kind in ("mask", "voi")}
    write_prepared(found, paths, source.about(found), {"voi": {"ErosionMillimetres": 4.0}})
    about = read_json(files.regions("ct", "mask").with_name("sub-01_space-ct_dseg.json"))
    assert about["Seeded"] is True
    assert about["Levels"][0]["Refused"] == "no"
    assert any("seeded" in text for text in about["Warnings"])
    ok = {"item": "ct", "status": "ok", "warnings": []}
    statuses = {s: {"step": s, "items": [ok]} for s in ("convert", "segment")}
    for step, content in statuses.items():
        write_json(files.step_status(step), content)
    scores = {"wanted": [], "statistic": "median", "reference": None, "muscle_levels": []}
    measured, _ = subject_rows(
        files, statuses, [{"metric": "hu_mean", "levels": ["L1", "L2"]}], scores
    )
    assert {row["roi"] for row in measured} == {
        *(f"{level}_trabecular" for level in hard_spine.LEVELS),
        "L1-L2_trabecular",
    }
    assert {row["flag"] for row in measured} == {"seeded"}


def test_pictures_say_that_outlines_are_seeded(osteoporotic: hard_spine.Scan) -> None:
    image, labels = osteoporotic.image, osteoporotic.labels.data
    plain = draw_overlays(image_view("ct", image, "HU", labels, labels))
    marked = draw_overlays(image_view("ct", image, "HU", labels, labels, (), True))
    for before, after in zip(plain, marked, strict=True):
        assert after.text == before.text + "; outlines seeded: check every level"
        assert after.png != before.png
    stack = Volume(np.repeat(image.data[..., None], 2, axis=3), image.affine)
    shown = draw_overlays(plain_view("MRI", stack, labels, labels))
    assert [item.plane for item in shown] == ["sagittal", "axial"]
    assert all("seeded" in item.text for item in shown)


def test_methods_tell_of_seeds() -> None:
    settings = load_config({}).model_dump(mode="json")
    plain = describe_methods(settings, {})["segment"]
    told = describe_methods(settings, {}, seeded=True)["segment"]
    assert told.startswith(plain)
    assert "one manually placed point in each" in told
