"""The checks of a model on real participants: fractures of 500 postmenopausal women (GLOW500).

Hosmer, Lemeshow and Sturdivant, Applied Logistic Regression, 3rd ed., 2013.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.validate import run_analysis
from osteoflow.reports.analysis import AnalysisReport, describe_analysis
from osteoflow.settings.analysis import Analysis

ROOT = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
TABLE = Path(ROOT or ".") / "statistics" / "glow" / "GLOW" / "GLOW500.txt"
pytestmark = pytest.mark.skipif(
    not ROOT or not TABLE.is_file(), reason="OSTEOFLOW_EXTERNAL_DATA does not lead to GLOW500"
)
SECTION = "Models: checks on GLOW500 (500 women, 125 fractures)"


@pytest.fixture(scope="module")
def glow():
    women = pd.read_csv(TABLE, sep="\t").rename(columns=str.lower)
    women["participant_id"] = [f"sub-{number:03d}" for number in women["sub_id"]]
    women["raterisk"] = women["raterisk"].map({1: "less", 2: "same", 3: "greater"})
    analysis = Analysis(
        name="glow",
        outcome="fracture",
        clinical=["age", "height", "priorfrac", "momfrac", "armassist", "raterisk"],
        permutations=19,
        optimism_bootstraps=30,
        holdout_fraction=0,
        bootstraps=100,
    )
    return run_analysis(women, pd.DataFrame(), analysis, seed=1)


def test_three_ways_to_an_honest_area_agree(glow, record):
    """Cross-validation, bootstrap and .632+ share neither resamples nor formulae."""
    optimism = glow.tables["optimism"].query("metric == 'auc'").set_index("method")
    cv = glow.tables["permutations"]["observed"].iloc[0]
    found = {"cross-validation": cv, **optimism["corrected"]}
    for name, value in found.items():
        record(SECTION, f"AUC, {name}", value, "", "within 0.02 of each other")
    assert max(found.values()) - min(found.values()) < 0.02
    assert optimism.loc["bootstrap", "apparent"] > max(found.values()) + 0.015


def test_permuted_fractures_cannot_be_predicted(glow, record):
    (row,) = glow.tables["permutations"].to_dict("records")
    record(SECTION, "permuted AUC, mean", row["permuted_mean"], "", "0.5 +- 0.03")
    assert row["permuted_mean"] == pytest.approx(0.5, abs=0.03)
    assert row["permuted_max"] < row["observed"]
    assert row["p"] == pytest.approx(1 / 20)


def test_size_is_that_of_the_formula(glow):
    """Riley et al., BMJ 2020;368:m441, steps 1 to 4 written out; ``raterisk`` is two parameters."""
    (row,) = glow.tables["sample_size"].to_dict("records")
    greatest = 1 - np.exp(2 * (0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
    r2 = 0.15 * greatest
    overall = np.ceil((1.96 / 0.05) ** 2 * 0.25 * 0.75)
    shrinkage = np.ceil(7 / ((0.9 - 1) * np.log(1 - r2 / 0.9)))
    target = r2 / (r2 + 0.05 * greatest)
    optimism = np.ceil(7 / ((target - 1) * np.log(1 - r2 / target)))
    assert [row["n_overall"], row["n_shrinkage"], row["n_optimism"]] == [
        overall, shrinkage, optimism
    ]  # fmt: skip
    assert (row["candidate_parameters"], row["n_required"]) == (7, shrinkage)
    assert row["events_per_parameter"] == pytest.approx(125 / 7)


def test_report_shows_the_checks(glow):
    item = AnalysisReport("glow", glow.documents["summary"], glow.tables)
    shown = describe_analysis(item, str)
    tables = {table.caption: table for table in shown["tables"]}
    leakage = tables["Leakage check: cross-validated AUC with permuted outcomes"]
    assert glow.tables["permutations"]["sentence"].iloc[0].removeprefix("With") in leakage.note
    cells = [cell.text for cell in tables["Sample size of the models' development"].rows[0]]
    assert cells[:4] == ["Clinical", "500", "125", "7"]
    assert any("500 of 587" in text for text in shown["warnings"])
