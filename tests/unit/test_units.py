"""One spelling of units in figures, tables and reports."""

from __future__ import annotations

import pandas as pd
import pytest

from osteoflow.cohort.assemble import column_label
from osteoflow.figures.agreement import draw_bland_altman
from osteoflow.resources import read_resource
from osteoflow.settings.figures import Figures
from osteoflow.statistics.limits import bland_altman
from osteoflow.statistics.reproducibility import BLAND_ALTMAN_COLUMNS
from osteoflow.wording import unit_name


@pytest.mark.parametrize(
    ("unit", "printed", "of_differences"),
    [
        ("mg/cm3 K2HPO4", "mg/cm³ K₂HPO₄", "mg/cm³ K₂HPO₄"),
        ("mg/cm3 hydroxyapatite", "mg/cm³ hydroxyapatite", "mg/cm³ hydroxyapatite"),
        ("cm3", "cm³", "cm³"),
        ("um2/s", "µm²/s", "µm²/s"),
        ("mm2", "mm²", "mm²"),
        ("%", "%", "percentage points"),
        ("HU", "HU", "HU"),
        ("", "", ""),
        (None, "", ""),
        (float("nan"), "", ""),
    ],
)
def test_units_as_printed(unit, printed, of_differences):
    assert unit_name(unit) == printed
    assert unit_name(unit, difference=True) == of_differences
    assert unit_name(printed) == printed


def test_no_metric_prints_a_power_on_the_line():
    for row in read_resource("measurements.tsv"):
        printed = unit_name(row["unit"])
        assert not any(sign in printed for sign in ("cm3", "m2", "K2H", "um"))


def test_column_label():
    columns = {"x": {"label": "vBMD L1–L2", "unit": "mg/cm3 K2HPO4"}}
    assert column_label("x", columns) == "vBMD L1–L2 (mg/cm³ K₂HPO₄)"


@pytest.mark.parametrize(
    ("unit", "of_means", "of_differences"),
    [("%", "%", "percentage points"), ("mg/cm3 K2HPO4", "mg/cm³ K₂HPO₄", "mg/cm³ K₂HPO₄")],
)
def test_bland_altman_axes(unit, of_means, of_differences):
    first, second = [40.0, 45.0, 52.0, 60.0, 47.0], [41.0, 44.0, 54.0, 59.0, 49.0]
    found = bland_altman(first, second)._asdict()
    key = {"comparison": "inter_rater", "image": "pdff", "roi": "L1-L4", "variable": "x"}
    limits = pd.DataFrame([{**key, **found, "unit": unit, "n": 5}])[list(BLAND_ALTMAN_COLUMNS)]
    points = pd.DataFrame(
        {"mean": (a + b) / 2, "difference": b - a} for a, b in zip(first, second, strict=True)
    ).assign(**key)
    figure, caption = draw_bland_altman(limits, points, Figures())
    (axes,) = figure.axes
    assert axes.get_xlabel().endswith(f"({of_means})")
    assert axes.get_ylabel().endswith(f"({of_differences})")
    assert f" {of_differences} (95 % interval" in caption
