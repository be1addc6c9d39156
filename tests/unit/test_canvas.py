"""Pictures of pages: colours, lines around masks, numbers at scales."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from osteoflow.reports.canvas import Canvas, outline, ticks
from osteoflow.reports.colours import colour_table, coloured, rgb


@pytest.mark.parametrize(("name", "off"), [("gray", 1), ("viridis", 0), ("magma", 0)])
def test_colours_are_those_of_matplotlib(name, off):
    theirs = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3].astype(int)
    assert np.abs(colour_table(name) - theirs).max() <= off
    values = np.linspace(-20, 120, 999)
    window = np.clip(values / 100, 0, 1)
    shown = mpl.colormaps[name](window, bytes=True)[:, :3].astype(int)
    assert np.abs(coloured(values, (0, 100), name) - shown).max() <= off


def test_no_number_is_black_and_an_unknown_map_an_error():
    assert coloured(np.array([np.nan, np.inf]), (0, 1), "viridis").tolist()[0] == [0, 0, 0]
    assert rgb("#56B4E9") == (0x56, 0xB4, 0xE9)
    with pytest.raises(ValueError, match="unknown colour map: step"):
        colour_table("step")


def test_an_outline_is_closed_and_halfway_between_centres():
    mask = np.zeros((7, 8), bool)
    mask[2:5, 3:6] = True
    lines = outline(mask)
    assert lines.min(axis=(0, 1)).tolist() == [3, 2] and lines.max(axis=(0, 1)).tolist() == [6, 5]
    ends, times = np.unique(lines.reshape(-1, 2), axis=0, return_counts=True)
    assert set(times) == {2} and len(ends) == len(lines)
    # Four sides of two steps each, and four corners cut off.
    assert np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1).sum() == pytest.approx(8 + 2 * 2**0.5)


@pytest.mark.parametrize("seed", range(3))
def test_any_outline_has_the_length_that_matplotlib_draws(seed):
    from matplotlib.figure import Figure

    mask = np.random.default_rng(seed).random((12, 15)) > 0.6
    mask[:, [0, -1]] = mask[[0, -1]] = False
    x, y = np.arange(15) + 0.5, np.arange(12) + 0.5
    drawn = Figure().add_subplot().contour(x, y, mask.astype(float), levels=[0.5])
    corners = {tuple(p) for path in drawn.get_paths() for p in path.vertices.tolist()}
    assert {tuple(p) for p in outline(mask).reshape(-1, 2).tolist()} == corners


def test_outlines_end_at_the_border_and_nothing_has_none():
    assert len(outline(np.zeros((4, 4), bool))) == len(outline(np.ones((4, 4), bool))) == 0
    half = np.zeros((4, 6), bool)
    half[:, :3] = True
    assert sorted(outline(half)[:, :, 0].ravel()) == [3.0] * 6


@pytest.mark.parametrize(
    ("window", "numbers", "decimals"),
    [
        ((0, 250), [0, 50, 100, 150, 200, 250], 0),
        ((0, 200), [0, 25, 50, 75, 100, 125, 150, 175, 200], 0),
        ((0, 1500), [0, 200, 400, 600, 800, 1000, 1200, 1400], 0),
        ((-0.1, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1.0], 1),
    ],
)
def test_numbers_at_a_scale_are_round(window, numbers, decimals):
    found, digits = ticks(*window)
    assert found == pytest.approx(numbers) and digits == decimals


def test_a_canvas_keeps_pixels_and_draws_where_it_is_told():
    picture = np.zeros((10, 20, 3), np.uint8)
    picture[:5, :10] = 200
    canvas = Canvas(picture, 200, 100, right=60)
    canvas.circle(150, 75, 20, "#CC79A7", points=2)
    canvas.scale(colour_table("viridis"), (0, 100), "%")
    shown = np.asarray(Image.open(io.BytesIO(canvas.png())).convert("RGB")).astype(int)
    assert shown.shape == (100, 260, 3)
    assert (shown[:50, :100] == 200).all() and (shown[:50, 100:200] == 0).all()
    ring = np.argwhere(shown[50:, 100:200].sum(axis=2) > 300) - (25, 50)
    assert np.linalg.norm(ring, axis=1) == pytest.approx(np.full(len(ring), 20), abs=3)
    # The bar takes four fifths of the height.
    for row in (15, 50, 85):
        step = round((89.5 - row) / 80 * 256)
        assert abs(shown[row, 208] - colour_table("viridis")[step]).max() < 6
