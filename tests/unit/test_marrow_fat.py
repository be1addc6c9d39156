"""The error that marrow fat makes in a single-energy density, where MRI measured the fat."""

from __future__ import annotations

import math
from typing import Any

import pytest

from osteoflow.ct.marrow_fat import PER_PERCENT, fat_error_rows
from osteoflow.measurements import dictionary, metrics_of


def row(metric: str, roi: str, value: float, rater: int = 1, flag: str = "") -> dict[str, Any]:
    return {
        "participant_id": "sub-01",
        "session": "n/a",
        "rater": rater,
        "reading": 1,
        "roi": roi,
        "image": metric.partition("_")[0],
        "metric": metric,
        "value": value,
        "unit": "mg/cm3 K2HPO4" if metric.startswith("vbmd") else "%",
        "method": "m",
        "n_voxels": 900,
        "flag": flag,
    }


def test_estimates_stand_beside_the_density() -> None:
    rows = [
        row("vbmd_mean", "L1_trabecular", 101.0),
        row("vbmd_sd", "L1_trabecular", 30.0),
        row("pdff_mean", "L1_trabecular", 50.0),
        row("pdff_mean", "L2_trabecular", 55.0),
    ]
    low, high = fat_error_rows(rows)
    assert (low["metric"], low["value"]) == ("vbmd_fat_error_low", pytest.approx(35.0))
    assert (high["metric"], high["value"]) == ("vbmd_fat_error_high", pytest.approx(50.0))
    for found in (low, high):
        assert found["unit"] == "mg/cm3 K2HPO4"
        assert found["flag"] == "estimate"
        assert found["roi"] == "L1_trabecular"
        assert "PDFF" in found["method"]
        assert found["image"] == "vbmd_fat"
    # The density is not corrected.
    assert rows[0]["value"] == 101.0


def test_only_the_same_level_counts_and_doubts_of_the_fat_are_passed_on() -> None:
    density = row("vbmd_mean", "L1_trabecular", 101.0)
    assert fat_error_rows([density]) == []
    assert fat_error_rows([density, row("pdff_mean", "L2_trabecular", 50.0)]) == []
    assert fat_error_rows([density, row("pdff_mean", "L1", 50.0)]) == []
    assert fat_error_rows([density, row("sff_mean", "L1_trabecular", 50.0)]) == []
    assert fat_error_rows([density, row("pdff_mean", "L1_trabecular", math.nan)]) == []
    doubtful = row("pdff_mean", "L1_trabecular", 50.0, flag="few_voxels")
    assert fat_error_rows([density, doubtful])[0]["flag"] == "estimate;few_voxels"


def test_a_second_rater_of_the_ct_takes_the_first_raters_fat() -> None:
    rows = [
        row("vbmd_mean", "L1_trabecular", 101.0),
        row("vbmd_mean", "L1_trabecular", 99.0, rater=2),
        row("pdff_mean", "L1_trabecular", 40.0),
        row("pdff_mean", "L1_trabecular", 60.0, rater=2),
    ]
    found = fat_error_rows(rows)
    assert [(r["rater"], r["value"]) for r in found] == [
        *((1, pytest.approx(28.0)), (1, pytest.approx(40.0))),
        *((2, pytest.approx(28.0)), (2, pytest.approx(40.0))),
    ]


def test_the_simulated_effect_lies_in_the_range(record) -> None:
    """The demo's truth: what fat takes from the mineral of a simulated vertebra."""
    from osteoflow.simulate.clinical import FAT_EFFECT

    low, high = PER_PERCENT.values()
    record("CT: marrow fat", "simulated effect of 10 % fat", 10 * FAT_EFFECT, "mg/cm3", "7 to 10")
    assert low <= FAT_EFFECT <= high


def test_metrics_are_in_the_dictionary() -> None:
    assert set(metrics_of("vbmd_fat")) == set(PER_PERCENT)
    assert {"ct_slope", "ct_density_error"} <= set(metrics_of("ct_calibration"))
    for metric in PER_PERCENT:
        assert dictionary()[metric]["unit"] == "*"
