"""The radiomics benchmark's own arithmetic: its scenes and its comparison with the oracle."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from radiomics_agreement import agreement
from radiomics_peers import not_kept
from radiomics_scenes import SCENES, WARM_UP, bodies, grey_levels, simulate

from osteoflow.radiomics.preprocess import discretise
from osteoflow.radiomics.settings import RadiomicsSettings


@pytest.mark.parametrize("name", SCENES)
def test_regions_have_about_20_000_voxels_and_do_not_touch(name):
    """What the documentation says of the scenes."""
    scene = SCENES[name]
    counts = np.bincount(bodies(scene).ravel(), minlength=scene.regions + 1)[1:]
    assert len(counts) == scene.regions
    assert np.all(np.abs(counts / scene.voxels - 1) < 0.02)


def test_scene_is_the_same_every_time_and_positive_in_bone():
    """Ratios of different days are of the same work; one peer knows no negative numbers."""
    image, labels = simulate(WARM_UP)
    again, _ = simulate(WARM_UP)
    np.testing.assert_array_equal(image, again)
    assert image[labels > 0].min() >= 1


def test_grey_levels_for_the_peer_are_those_of_the_library():
    """A peer that is given levels is given the levels that the others form."""
    image, labels = simulate(WARM_UP)
    settings = RadiomicsSettings(name="x", image="HU", unit="HU", bin_count=32)
    expected = discretise(image[labels == 1].astype(float), settings, filtered=False)
    np.testing.assert_array_equal(grey_levels(image, labels)[labels == 1], expected)


def test_agreement_finds_the_worst_value_and_what_is_missing():
    """Every region and every value counts; an absent one is infinitely far off."""
    oracle = {"1": {"original_glcm_A": 2.0, "original_glcm_B": 0.0}, "2": {"original_glcm_A": -4.0}}
    given = {"1": {"original_glcm_A": 2.0, "original_glcm_B": 0.0}, "2": {"original_glcm_A": -4.1}}
    found = agreement("osteoflow", given, oracle)
    assert found.worst == "2: original_glcm_A"
    assert found.difference == pytest.approx(0.025)
    assert (found.compared, found.agreeing) == (3, 2)
    del given["1"]["original_glcm_B"]
    assert agreement("osteoflow", given, oracle).difference == math.inf


def test_each_limit_is_found_broken():
    """Time, memory and agreement, each alone."""
    own = {"cpu_s": [1.0], "peak_mb": 200.0, "difference": 1e-12, "worst": "1: x"}
    peer = {"cpu_s": [20.0]}

    def row(**changed):
        costs = {"osteoflow": own | changed, "pyradiomics": peer}
        return {"scene": "clinical", "jobs": {"all": costs}}

    assert not_kept(row()) == []
    assert "faster by 10.0" in not_kept(row(cpu_s=[2.0]))[0]
    assert "1600 MB" in not_kept(row(peak_mb=1600.0))[0]
    assert "off by 1.0e-08" in not_kept(row(difference=1e-8))[0]
    assert len(not_kept(row(difference=math.nan))) == 1
