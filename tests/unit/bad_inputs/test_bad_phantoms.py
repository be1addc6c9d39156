"""Calibration phantoms that are cut, turned, incomplete, or not there."""

import numpy as np
import pytest
from ct_scene import CERTIFICATE, INTERCEPT, SLOPE, SPACING, scene
from reasons import excluded

from osteoflow.ct.calibration import calibrate
from osteoflow.ct.phantom import find_rods
from osteoflow.io.volume import Volume

ROD_SPACING, ROW_Y = 42.0, -79.0


def rod_voxels(ct, rod):
    """Voxels of one rod in every slice."""
    x, y = ((np.arange(n) - n / 2) * s for n, s in zip(ct.shape[:2], SPACING[:2], strict=True))
    centre = (rod - 2) * ROD_SPACING
    return (x[:, None] - centre) ** 2 + (y[None, :] - ROW_Y) ** 2 <= 9.0**2


@pytest.mark.parametrize("rod", range(5))
def test_a_rod_missing_from_its_hole(rod):
    ct = scene()
    ct.data[rod_voxels(ct, rod)] = -1000
    error = excluded(lambda: find_rods(ct, CERTIFICATE), "phantom_incomplete")
    assert f"rods {'ABCDE'[rod]} lie outside the field of view, or read like air" in error.message


def test_cut_through_the_rods():
    ct = scene()
    rows = int(np.flatnonzero((np.arange(200) - 100) * SPACING[1] > ROW_Y)[0])
    cut = Volume(ct.data[:, rows:], ct.affine)
    excluded(lambda: find_rods(cut, CERTIFICATE), "phantom_not_found")


def test_cut_at_the_side():
    ct = scene()
    cut = Volume(ct.data[:200], ct.affine)
    error = excluded(lambda: find_rods(cut, CERTIFICATE), "phantom_incomplete")
    assert "rods E lie outside" in error.message


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (2,)])
def test_turned_phantoms_calibrate_all_the_same(axes):
    """Feet first, prone, upside down: the rods' own CT numbers tell their order."""
    ct = scene()
    fit = calibrate(find_rods(Volume(np.flip(ct.data, axes), ct.affine), CERTIFICATE), CERTIFICATE)
    assert fit.slope == pytest.approx(SLOPE, rel=0.005)
    assert fit.intercept == pytest.approx(INTERCEPT, abs=0.5)


def test_voxels_without_a_number_do_not_spread():
    ct = scene()
    ct.data[5, 5, 3] = np.nan  # air
    ct.data[130, 100, 7] = np.inf  # the vertebra
    ct.data[130, 34, 9] = np.nan  # rod C
    rods = find_rods(ct, CERTIFICATE)
    assert calibrate(rods, CERTIFICATE).slope == pytest.approx(SLOPE, rel=0.005)
    assert rods[0].n_slices >= 16
    assert np.isfinite([rod.sd for rod in rods]).all()


def test_nothing_but_gaps():
    ct = scene()
    blank = ct.like(np.full_like(ct.data, np.nan))
    excluded(lambda: find_rods(blank, CERTIFICATE), "phantom_not_found")
