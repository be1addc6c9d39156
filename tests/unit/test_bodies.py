"""Vertebral bodies in masks of whole vertebrae, their volumes of interest, heights and grades."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from vertebra_phantom import Shape, grid, rotation, spine

from osteoflow.errors import SubjectDataError
from osteoflow.io.dicom import convert_series
from osteoflow.io.volume import Volume
from osteoflow.segmentation.body import find_bodies
from osteoflow.segmentation.heights import (
    Heights,
    body_heights,
    deformities,
    expected_posterior,
    height_rows,
)
from osteoflow.segmentation.prepare import prepare_mask
from osteoflow.segmentation.qct_voi import Ellipse, cortical_shell, elliptical_voi
from osteoflow.segmentation.voi import surface_distance, trabecular_voi
from osteoflow.segmentation.volumes import volumes_of_interest

SECTION = "Vertebral bodies"
TURN = rotation("x", 20) @ rotation("y", 10)
SHAPES = {
    20: Shape(27, 25, 28),
    21: Shape(24, 24, 28.5, tilt=12),
    22: Shape(27, 23, 28, turn=8),
}
GRIDS = {
    "1 mm": grid((1, 1, 1)),
    "0.8 x 0.8 x 3 mm axial": grid((0.8, 0.8, 3)),
    "0.8 x 0.8 x 5 mm axial": grid((0.8, 0.8, 5)),
    "4 mm sagittal slices": grid((4, 1, 1), axes=(1, 2, 0)),
    "1 mm, oblique by 20 and 10 degrees": grid(
        (1, 1, 1), rotation=rotation("x", 20) @ rotation("y", 10)
    ),
}


def full(labels: Volume, body) -> np.ndarray:
    """A body's voxels on the whole grid."""
    result = np.zeros(labels.shape, bool)
    result[body.box] = body.mask
    return result


def near(labels: Volume, mask: np.ndarray) -> np.ndarray:
    """Distance from a mask's surface, worked out around the mask alone."""
    index = np.argwhere(mask)
    box = tuple(slice(a, b + 1) for a, b in zip(index.min(0), index.max(0), strict=True))
    depth = np.zeros(labels.shape)
    depth[box] = surface_distance(mask[box], np.array(labels.spacing))
    return depth


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.mark.parametrize("name", GRIDS)
def test_the_body_is_parted_from_the_arch(name, record) -> None:
    labels, truth = spine(GRIDS[name], SHAPES, arch=True)
    bodies, reasons = find_bodies(labels)
    assert not reasons
    scores = []
    for number, body in bodies.items():
        assert body.whole
        found = full(labels, body)
        scores.append(overlap(found, truth[number]))
        # At most the pedicles' roots: nothing of lamina, spinous and transverse processes.
        arch = (labels.data == number) & ~truth[number]
        assert (found & arch).sum() < 0.06 * arch.sum()
        w, turn = body.frame.axes[2], body.frame.axes[1]
        tilt = np.degrees(np.arctan2(-w[1], w[2]))
        assert tilt == pytest.approx(SHAPES[number].tilt, abs=4.0)
        assert np.degrees(np.arctan2(-turn[0], turn[1])) == pytest.approx(
            SHAPES[number].turn, abs=6.0
        )
        assert body.walls.width == pytest.approx(44, abs=1.5)
        assert body.walls.depth == pytest.approx(32, abs=1.5)
    record(SECTION, f"Dice of bodies parted from whole vertebrae, {name}", min(scores), "", ">0.97")
    assert min(scores) > 0.97


@pytest.mark.parametrize("name", GRIDS)
def test_a_body_without_arch_stays_as_it_is(name) -> None:
    labels, _ = spine(GRIDS[name], SHAPES)
    bodies, _ = find_bodies(labels)
    for number, body in bodies.items():
        assert not body.whole
        assert np.array_equal(full(labels, body), labels.data == number)
    before, _ = trabecular_voi(labels, 4.0)
    after, warnings = trabecular_voi(labels, 4.0, bodies=bodies)
    assert np.array_equal(before.data, after.data)
    assert warnings == []


@pytest.fixture(scope="module")
def scene():
    """Three whole vertebrae on a 1 mm grid, their true bodies, and the bodies found."""
    labels, truth = spine(GRIDS["1 mm"], SHAPES, arch=True)
    return labels, truth, find_bodies(labels)[0]


def test_the_trabecular_volume_leaves_the_arch_alone(scene) -> None:
    labels, truth, _ = scene
    naive, _ = trabecular_voi(labels, 3.0)
    made = volumes_of_interest(labels, 3.0)
    voi, warnings = made.volumes["voi"]
    assert warnings == []
    for number, inside in truth.items():
        kept = voi.data == number
        depth = near(labels, inside)
        assert (naive.data == number)[~inside].any()  # the arch is thick enough to leave a rest
        assert not kept[~inside].any()
        assert overlap(kept, depth >= 3.0 - 1e-6) > 0.96


def test_levels_alone_cut_or_without_a_canal(scene) -> None:
    labels, truth, _ = scene
    alone = labels.like(np.where(labels.data == 21, 21, 0).astype(np.uint8))
    bodies, reasons = find_bodies(alone)
    assert list(bodies) == [21]
    assert not reasons
    assert overlap(full(alone, bodies[21]), truth[21]) > 0.97
    rows = np.argwhere(labels.data == 22)[:, 2]
    start = int((rows.min() + rows.max()) / 2)
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, 2] * start
    cut = Volume(labels.data[:, :, start:], affine)
    bodies, reasons = find_bodies(cut)
    assert not reasons
    assert bodies[22].cut
    assert not bodies[21].cut
    assert overlap(full(cut, bodies[22]), truth[22][:, :, start:]) > 0.9
    assert np.isnan(body_heights(bodies[22]).posterior)
    last = height_rows(bodies)[-1]
    assert (last["level"], last["flag"]) == ("L3", "cut_by_image")
    # A mask that runs through the canal has no posterior wall to part it at.
    filled = labels.data.copy()
    index = np.argwhere(labels.data == 20)
    box = tuple(slice(low, high) for low, high in zip(index.min(0), index.max(0), strict=True))
    filled[box] = 20
    bodies, reasons = find_bodies(labels.like(filled))
    assert 20 not in bodies
    assert "no spinal canal" in reasons[20]
    made = volumes_of_interest(labels.like(filled), 4.0)
    assert made.volumes["voi"][1][0].startswith("body_not_found: L1: no spinal canal")


def test_what_is_no_vertebra_has_no_body() -> None:
    labels = grid((1, 1, 1))
    labels.data[20:70, 20:60, 30:60] = 26  # the sacrum
    labels.data[5:10, 5:10, 5:40] = 151
    assert find_bodies(labels) == ({}, {})
    voi, _ = trabecular_voi(labels, 4.0, bodies={})
    assert (voi.data == 26).sum() == 42 * 32 * 22


def test_the_ellipse_is_clear_of_walls_and_vein(scene, record) -> None:
    labels, truth, bodies = scene
    voi, warnings = elliptical_voi(labels, bodies, Ellipse())
    assert warnings == []
    for number, body in bodies.items():
        inside = voi.data[body.box] == number
        assert (surface_distance(body.mask, np.array(labels.spacing))[inside] >= 4 - 1e-6).all()
        u, v, w = np.moveaxis(body.coordinates(labels.affine), -1, 0)
        walls = body.walls
        height = walls.height
        # A third of the height of the outline in its own middle, and the front two thirds.
        assert np.ptp(w[inside & (np.abs(u) < 2) & (np.abs(v) < 2)]) < height / 3 + 1
        assert v[inside].min() > walls.front[0] - 2 / 3 * walls.depth - 1.5
        vein = (np.abs(u) < 3.5) & (np.abs(w) < 3.5) & (v < -1.0)
        assert not (inside & vein).any()
        assert not (voi.data == number)[~truth[number]].any()
        # Area of an ellipse, less the channel.
        size = inside.sum()
        record(SECTION, f"elliptical volume of a body of {height:.0f} mm", size / 1000, "cm3")
        area = np.pi / 4 * 0.7 * walls.width * (2 / 3 * walls.depth - 4)
        assert 0.75 * area * height / 3 < size < 1.05 * area * height / 3
    one = {20: bodies[20]}
    open_vein, _ = elliptical_voi(labels, one, Ellipse(basivertebral_mm=0))
    assert (open_vein.data == 20).sum() > (voi.data == 20).sum()
    none, warnings = elliptical_voi(labels, one, Ellipse(margin_mm=13))
    assert not none.data.any()
    assert "L1: 0 voxels in the ellipse" in warnings[0]


def test_the_shell_is_the_outer_layer_but_not_where_the_arch_was(scene) -> None:
    labels, truth, bodies = scene
    shell, warnings = cortical_shell(labels, bodies, 2.0)
    assert warnings == []
    for number, body in bodies.items():
        found = shell.data == number
        depth = near(labels, labels.data == number)
        assert np.array_equal(found, full(labels, body) & (depth < 2.0))
        assert found[truth[number]].mean() < 0.5
    # On coarse voxels it says what it is.
    coarse, _ = spine(grid((0.8, 0.8, 3)), SHAPES)
    _, warnings = cortical_shell(coarse, find_bodies(coarse)[0], 2.0)
    assert "coarser than a shell of 2 mm" in warnings[0]
    with pytest.raises(ValueError, match="positive"):
        cortical_shell(labels, bodies, 0.0)


def test_no_shell_along_the_border_of_the_image() -> None:
    labels, _ = spine(grid((1, 1, 1)), {20: SHAPES[20]})
    middle = labels.shape[2] // 2
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, 2] * middle
    cut = Volume(labels.data[:, :, middle:], affine)
    shell, _ = cortical_shell(cut, find_bodies(cut)[0], 2.0)
    centre = tuple((np.argwhere(cut.data[:, :, 0] == 20).mean(axis=0)).astype(int))
    assert shell.data[(*centre, 0)] == 0
    assert shell.data[:, :, 0].any()


def test_unknown_kinds_are_refused() -> None:
    labels, _ = spine(grid((1, 1, 1)), {20: SHAPES[20]})
    made = volumes_of_interest(labels, 4.0, {"ellipse": {}, "cortical": {"thickness_mm": 2.0}})
    assert list(made.volumes) == ["voi", "ellipse", "cortical"]
    with pytest.raises(ValueError, match="known: ellipse, cortical"):
        volumes_of_interest(labels, 4.0, {"slab": {}})


def random_spines(spacing, turns=(None,), seed=3):
    """Bodies with their true shapes: intact, wedged and biconcave ones."""
    rng = np.random.default_rng(seed)
    for index, turn in enumerate(turns):
        shapes = {}
        for number in (20, 21, 22):
            posterior, kind = rng.uniform(26, 29), rng.integers(3)
            loss = rng.uniform(0.1, 0.4) if kind == 1 else rng.uniform(-0.05, 0.08)
            hollow = rng.uniform(0.1, 0.35) if kind == 2 else rng.uniform(0, 0.08)
            anterior = posterior * (1 - loss)
            middle = min(posterior, (anterior + posterior) / 2) * (1 - hollow)
            shapes[number] = Shape(
                anterior, middle, posterior, tilt=rng.uniform(-12, 12), turn=rng.uniform(-8, 8)
            )
        labels, _ = spine(grid(spacing, rotation=turn), shapes, arch=index % 2 == 0)
        bodies, reasons = find_bodies(labels)
        assert not reasons
        for number, shape in shapes.items():
            yield bodies[number], shape


@pytest.mark.parametrize(
    ("what", "spacing", "turns", "limit"),
    [
        ("1 mm grid", (1, 1, 1), (None,) * 3, 0.4),
        (
            "1 mm oblique grid",
            (1, 1, 1),
            (TURN, rotation("z", 25) @ rotation("x", -15)),
            0.3,
        ),
        ("slices of 3 mm", (0.8, 0.8, 3), (None,) * 3, 2.0),
    ],
)
def test_heights_of_known_bodies(what, spacing, turns, limit, record) -> None:
    errors = []
    for body, shape in random_spines(spacing, turns):
        found = body_heights(body)
        errors.append(
            [
                found.anterior - shape.anterior,
                found.middle - shape.middle,
                found.posterior - shape.posterior,
            ]
        )
    errors = np.array(errors)
    rms = np.sqrt((errors**2).mean(axis=0))
    for name, value in zip(("anterior", "middle", "posterior"), rms, strict=True):
        record(SECTION, f"RMS error of {name} height, {what}", value, "mm", f"<={limit:g}")
    record(SECTION, f"largest error of a height, {what}", np.abs(errors).max(), "mm")
    assert (rms < limit).all()


@pytest.mark.parametrize("kind", ["wedge", "biconcave", "crush"])
@pytest.mark.parametrize(("loss", "grade"), [(15, 0), (22, 1), (30, 2), (45, 3)])
def test_grades_of_known_deformities(kind, loss, grade, record) -> None:
    """On an oblique grid of 1 mm, the middle of three vertebrae tilted by 10 degrees."""
    left = 1 - loss / 100
    change = {
        "wedge": (28 * left, 28 * (1 + left) / 2, 28.0),
        "biconcave": (28.0, 28 * left, 28.0),
        "crush": (28 * left, 28 * left, 28 * left),
    }[kind]
    intact = Shape(28, 28, 28)
    shapes = {20: intact, 21: Shape(*change, tilt=10), 22: intact}
    labels, _ = spine(grid((1, 1, 1), rotation=TURN), shapes, arch=kind == "wedge")
    rows = {row["level"]: row for row in height_rows(find_bodies(labels)[0])}
    metric = {"biconcave": "biconcavity"}.get(kind, kind) + "_deformity"
    record(SECTION, f"{kind} deformity of {loss} %", rows["L2"][metric], "%", f"grade {grade}")
    assert rows["L2"][metric] == pytest.approx(loss, abs=2.0)
    assert rows["L2"]["genant_grade"] == grade
    assert rows["L2"]["flag"] == (f"fracture_{kind}" if grade else "")
    assert rows["L1"]["genant_grade"] == rows["L3"]["genant_grade"] == 0


def test_grades_from_given_heights() -> None:
    intact = Heights(27, 26, 28)
    found = deformities({"L1": Heights(27, 26, 28), "L2": Heights(20.5, 19, 21), "L3": intact})
    # The whole body lost a quarter: against itself it would be a cuboid.
    assert (found["L2"].grade, found["L2"].kind) == (2.0, "crush")
    assert found["L2"].crush == pytest.approx(25.0)
    assert found["L2"].wedge == pytest.approx(100 * (1 - 20.5 / 28))
    # One crushed neighbour does not lower what is expected.
    assert expected_posterior("L1", {"T12": Heights(27, 26, 28), "L2": Heights(20, 19, 20)}) == 28
    assert expected_posterior("L2", {"L1": intact, "L3": Heights(27, 26, 29)}) == 28.5
    # L5 is lower behind by nature, and no measure for L4.
    lumbar = {"L3": intact, "L4": intact, "L5": Heights(28, 26, 23)}
    found = deformities(lumbar)
    assert np.isnan(found["L5"].crush)
    assert found["L4"].crush == pytest.approx(0.0)
    assert [found[level].grade for level in lumbar] == [0, 0, 0]
    lone = deformities({"L1": Heights(22, 26, 28)})["L1"]
    assert (lone.grade, lone.kind) == (1.0, "wedge")
    assert np.isnan(lone.crush)
    unknown = deformities({"L1": Heights(*[float("nan")] * 3)})["L1"]
    assert np.isnan(unknown.grade)
    assert unknown.kind == ""


def test_thick_slices_make_mild_grades_uncertain() -> None:
    wedge = Shape(28 * 0.74, 24, 28)
    labels, _ = spine(grid((0.8, 0.8, 3)), {20: Shape(28, 28, 28), 21: wedge})
    flags = height_rows(find_bodies(labels)[0])[1]["flag"].split(";")
    assert "thick_slices" in flags
    assert "grade_uncertain" in flags
    fine, _ = spine(grid((1, 1, 1)), {20: Shape(28, 28, 28), 21: wedge})
    assert height_rows(find_bodies(fine)[0])[1]["flag"] == "fracture_wedge"


@pytest.mark.skipif(
    not os.environ.get("OSTEOFLOW_EXTERNAL_DATA"),
    reason="OSTEOFLOW_EXTERNAL_DATA does not point to the third-party data",
)
def test_whole_vertebrae_of_a_real_mask(record) -> None:
    """TotalSegmentator's ragged mask of two vertebrae that the image cuts."""
    folder = Path(os.environ["OSTEOFLOW_EXTERNAL_DATA"]) / "ct" / "siemens_ct_jpeg2000"
    ct, _, _ = convert_series(sorted((folder / "example_ct_dicom").iterdir()))
    given = {"path": "example_seg_dicom.nii.gz", "scheme": "totalsegmentator_v2"}
    prepared = prepare_mask(given, folder, ct, 4.0, further={"ellipse": {}})
    bodies = prepared.volumes.bodies
    assert set(bodies) == {18, 19}
    body = bodies[19]
    assert body.whole
    assert body.cut
    share = body.mask.sum() / (prepared.labels.data == 19).sum()
    record(
        SECTION, "Siemens CT: the body's share of T12's whole mask", 100 * share, "%", "50 to 75"
    )
    assert 0.5 < share < 0.75
    assert 25 < body.walls.depth < 38
    kept = full(prepared.labels, body)
    behind = (prepared.labels.data == 19) & ~kept
    at = body.frame.coordinates(np.argwhere(behind), ct.affine)
    assert np.median(at[:, 1]) < -body.walls.depth / 2 - 8
    voi = prepared.voi.data == 19
    assert voi.any()
    assert not voi[~kept].any()
    assert any(
        "cut by the image's border" in text for text in prepared.volumes.volumes["ellipse"][1]
    )


def test_the_hint_of_a_mask_without_canal() -> None:
    from osteoflow.segmentation.body import _start, _walls
    from osteoflow.segmentation.frame import Surface

    labels = grid((1, 1, 1))
    labels.data[25:65, 20:80, 50:80] = 20
    box = (slice(25, 65), slice(20, 80), slice(50, 80))
    surface = Surface.of(labels, 20, box)
    with pytest.raises(SubjectDataError) as caught:
        _walls(surface, _start(20, [20], {20: surface}))
    assert caught.value.code == "body_not_found"
    assert "canal" in caught.value.hint
