"""The methods tell every declared test of the statistics, and none that was not made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from manuscript_facts import study

from osteoflow.manuscript.text.citations import cited
from osteoflow.manuscript.text.methods import write_methods
from osteoflow.models.measurements import measurement_roc_tables
from osteoflow.settings.statistics import Statistics
from osteoflow.statistics.comparison import comparisons_table, pairs_table
from osteoflow.statistics.correlation import matrices_table
from osteoflow.statistics.mixed_table import mixed_tables
from osteoflow.statistics.table1 import declared_table1

DECLARED = {
    "table1_group": "fracture",
    "table1_variables": ["age", "vbmd_l1l2_mean"],
    "table1_smd": True,
    "table1_fdr": True,
    "comparisons": [
        {"name": "class", "group": "site", "variables": ["age", "vbmd_l1l2_mean"],
         "test": "welch_anova", "post_hoc": "games_howell"},
        {"name": "ranks", "group": "site", "variables": ["age"], "test": "kruskal",
         "post_hoc": "dunn"},
    ],
    "correlation_matrices": [
        {"name": "bone", "variables": ["age", "vbmd_l1l2_mean", "bmi"], "method": "pearson"}
    ],
    "mixed_models": [
        {"name": "by_level", "metric": "vbmd_mean", "levels": ["L1", "L2"],
         "fixed": ["level", "age", "fracture"]}
    ],
    "measurement_roc": [
        {"name": "fracture", "outcome": "fracture", "measurements": ["vbmd_l1l2_mean", "age"],
         "cutoffs": {"age": [65]}, "prevalence": 0.2, "bootstraps": 100}
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def facts():
    """Tables made for real of 60 people with two vertebrae each."""
    rng = np.random.default_rng(2)
    n = 60
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{i:02d}" for i in range(n)],
            "session": None,
            "age": rng.normal(66, 8, n).round(1),
            "bmi": rng.normal(26, 4, n),
            "site": rng.choice(["A", "B", "C"], n),
            "fracture": rng.integers(0, 2, n),
        }
    )
    people["vbmd_l1l2_mean"] = 110 - 20 * people["fracture"] + rng.normal(0, 15, n)
    measured = pd.DataFrame(
        [
            {"participant_id": row.participant_id, "session": None, "rater": 1, "reading": 1,
             "roi": f"{level}_trabecular", "image": "vbmd", "metric": "vbmd_mean",
             "value": row.vbmd_l1l2_mean + rng.normal(0, 5), "unit": "mg/cm3 K2HPO4",
             "method": "m", "n_voxels": 900, "flag": ""}
            for row in people.itertuples()
            for level in ("L1", "L2")
        ]
    )  # fmt: skip
    settings = Statistics.model_validate(DECLARED)
    roc = measurement_roc_tables(people, settings.measurement_roc, [], {}, 1, {})
    tables = {
        "comparisons": comparisons_table(people, settings.comparisons, 1),
        "comparison_pairs": pairs_table(people, settings.comparisons),
        "correlation_matrices": matrices_table(people, settings.correlation_matrices),
        "mixed_models": mixed_tables(measured, people, settings.mixed_models)[1],
        "measurement_roc": roc["roc"],
        "measurement_cutoffs": roc["cutoffs"],
        "measurement_pairs": roc["pairs"],
    }
    about = declared_table1(people, settings, {}, 1).document
    return study(
        {"statistics": DECLARED}, people=people, statistics=tables, table1=about, analyses=[]
    )


def test_every_declared_test_is_told_with_its_source(facts):
    text, _ = write_methods(facts)
    for words in (
        "Groups by `fracture` were described side by side and compared by Welch's t test; p values "
        "were adjusted by the procedure of Benjamini and Hochberg [@benjamini1995] over the rows.",
        "absolute standardised mean difference [@austin2009]",
        "compared by Welch's analysis of variance [@welch1951], with omega squared",
        "Pairs of several groups were compared by Games-Howell's method [@games1976] and Dunn's "
        "method [@dunn1964], adjusted by Holm.",
        "All pairs were correlated among Age (years), vBMD L1-L2 (mg/cm³) and bmi (Pearson's r)",
        "of L1 and L2 by level, Age (years) and `fracture` (120 vertebrae of 60 participants)",
        "Satterthwaite's degrees of freedom [@satterthwaite1946]",
        "indicators of `fracture` by vBMD L1-L2 (mg/cm³) and Age (years)",
        "DeLong's paired test between measurements, adjusted by Holm",
        "at a prevalence of 20.0 %, were given for cut-offs fixed beforehand and Youden's cut-off "
        "of the same data [@youden1950]",
    ):
        assert words in text, words
    assert {"laird1982", "delong1988", "sun2014"} <= set(cited(text))
    assert "without correction" not in text and "kramer1956" not in text


def test_without_these_tables_there_is_no_word_of_them(facts):
    bare = {**DECLARED, "table1_fdr": False, "table1_smd": False}
    bare |= dict.fromkeys(("correlation_matrices", "mixed_models", "measurement_roc"), [])
    kept = {"comparisons": facts.statistics["comparisons"]}
    text, _ = write_methods(
        study({"statistics": bare}, statistics=kept, table1=facts.table1, analyses=[])
    )
    assert "compared by Welch's t test, without correction." in text
    for word in ("mixed", "ROC", "correlated", "Pairs", "standardised mean", "Youden"):
        assert word not in text, word
