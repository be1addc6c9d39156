"""Results of a small study, computed for real, as the tables of a manuscript read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from osteoflow.cohort.assemble import column_label
from osteoflow.cohort.flow import count_flow
from osteoflow.config import Config, load_config
from osteoflow.io.tables import write_table
from osteoflow.io.volume import write_json
from osteoflow.manuscript.inputs import StudyWords
from osteoflow.models.measurements import measurement_roc_tables
from osteoflow.models.validate import run_analysis
from osteoflow.radiomics.columns import feature_names
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.statistics.comparison import comparisons_table, pairs_table
from osteoflow.statistics.correlation import correlations_table, matrices_table
from osteoflow.statistics.mixed_table import mixed_tables
from osteoflow.statistics.overlap import overlap_table
from osteoflow.statistics.reproducibility import (
    feature_reproducibility,
    measurement_reproducibility,
)
from osteoflow.statistics.table1 import table1

EVIL = """<script>alert("x")</script> & 50_% of $5 #1 {a}\\b ~^ 'q' µ² x³ −1 é"""
COLUMNS = {
    "age": {"label": "Age", "unit": "years"},
    "sex": {"label": "Sex", "unit": ""},
    "site": {"label": EVIL, "unit": ""},
    "fracture": {"label": "Vertebral fracture", "unit": ""},
    "dxa_tscore": {"label": "DXA T-score", "unit": "SD"},
    "vbmd_l1l2_mean": {"label": "vBMD L1–L2", "unit": "mg/cm3 K2HPO4"},
    "pdff_l1l2_mean": {"label": "PDFF L1–L2", "unit": "%"},
    "ripple": {"label": "Ripple", "unit": "1/s"},
}
LEVELS = ("L1", "L2")
RECIPE = RadiomicsSettings(name="test", image="PDFF", unit="%", range=(0, 100), bin_width=2)


def config() -> Config:
    """Settings of the study: comparisons, correlations, a mixed model, two analyses."""
    return load_config(
        {
            "radiomics": {"images": {"pdff": {"settings": "pdff"}}},
            "statistics": {
                "table1_group": "dxa_tscore <= -2.5",
                "table1_variables": [*COLUMNS][:6] + ["pdff_l1l2_mean", "ripple"],
                "nonnormal": ["pdff_l1l2_mean"],
                "comparisons": [
                    {
                        "name": "osteoporosis",
                        "group": "dxa_tscore <= -2.5",
                        "variables": ["vbmd_l1l2_mean", "pdff_l1l2_mean", "ripple", "constant"],
                        "test": "welch",
                    },
                    {
                        "name": "sites",
                        "group": "site",
                        "variables": ["vbmd_l1l2_mean", "pdff_l1l2_mean"],
                        "test": "kruskal",
                        "post_hoc": "dunn",
                    },
                ],
                "correlations": [
                    {
                        "x": "pdff_l1l2_mean",
                        "y": "vbmd_l1l2_mean",
                        "covariates": ["age", "sex"],
                        "method": "pearson",
                    },
                    {"x": "age", "y": "ripple"},
                ],
                "correlation_matrices": [
                    {
                        "name": "bone",
                        "variables": ["age", "dxa_tscore", "vbmd_l1l2_mean", "constant"],
                    }
                ],
                "mixed_models": [
                    {
                        "name": "levels",
                        "metric": "vbmd_mean",
                        "levels": list(LEVELS),
                        "fixed": ["level", "age", "sex", "site"],
                    }
                ],
                "measurement_roc": {
                    "outcome": "dxa_tscore <= -2.5",
                    "measurements": ["vbmd_l1l2_mean", "age", "ripple"],
                    "cutoffs": {"age": [65]},
                    "bootstraps": 100,
                },
                "reproducibility": {"levels": list(LEVELS)},
            },
            "analyses": [_analysis("osteoporosis"), _analysis("two_few", outcome="ripple < 0")],
        }
    )


def _analysis(name: str, **changes: object) -> dict:
    settings = {
        "name": name,
        "outcome": "dxa_tscore <= -2.5",
        "outcome_label": "Osteoporosis",
        "clinical": ["age", "sex"],
        "radiomics": {"image": "pdff"},
        "outer_folds": 3,
        "repeats": 1,
        "inner_folds": 3,
        "bootstraps": 100,
        "optimism_bootstraps": 12,
        "permutations": 6,
        "score_permutations": 9,
        "holdout_fraction": 0.3,
    }
    return settings | changes


def words() -> StudyWords:
    """The study's labels."""
    return StudyWords(
        label=lambda name: column_label(name, COLUMNS),
        metric=lambda name: {"vbmd_mean": "vBMD"}.get(name, name),
        variables=("age", "sex", "site", "pdff_l1l2_mean"),
        nonnormal=("pdff_l1l2_mean",),
        tests={"means": "anova"},
        regions=frozenset(
            ("vbmd_mean", f"{roi}_trabecular") for roi in ("L1-L2", "L1-L2_each", "L1")
        ),
    )


def make_results(folder: Path, n: int = 90) -> None:
    """Write the tables that the manuscript's tables are made of."""
    settings = config()
    people, features = cohort(n)
    people["constant"] = 1.0
    statistics = folder / "statistics"
    chosen = settings.statistics
    labels = {name: column_label(name, COLUMNS) for name in COLUMNS}
    made = table1(people, chosen.table1_variables, chosen.table1_group, chosen.nonnormal, labels)
    write_table(statistics / "table1.tsv", made.table)
    write_json(
        statistics / "table1.json",
        {**made.document, "notes": [*made.document["notes"], "one row was left out"]},
    )
    write_table(statistics / "comparisons.tsv", comparisons_table(people, chosen.comparisons, 1))
    write_table(statistics / "comparison_pairs.tsv", pairs_table(people, chosen.comparisons))
    write_table(
        statistics / "correlation_matrices.tsv", matrices_table(people, chosen.correlation_matrices)
    )
    effects, models = mixed_tables(measurements(), people.iloc[:12], chosen.mixed_models)
    write_table(statistics / "mixed_effects.tsv", effects)
    write_table(statistics / "mixed_models.tsv", models)
    areas = measurement_roc_tables(people, chosen.measurement_roc, [], {}, 1)
    for name, table in areas.items():
        write_table(statistics / f"measurement_{name}.tsv", table)
    write_table(statistics / "correlations.tsv", correlations_table(people, chosen.correlations))
    repeated, _ = measurement_reproducibility(
        measurements(), people.iloc[:12], chosen.reproducibility, "L1-L2", 1
    )
    write_table(statistics / "reproducibility.tsv", repeated.rename(columns={"variable": "metric"}))
    found = feature_reproducibility(features, people, chosen.reproducibility, "L1-L2", 1)
    write_table(
        statistics / "reproducibility_features.tsv", found.rename(columns={"variable": "feature"})
    )
    write_table(statistics / "overlap.tsv", overlap_table(dice()))
    write_table(folder / "cohort" / "flow.tsv", flow(n))
    write_table(folder / "cohort" / "participants.parquet", people)
    first, second = settings.analyses
    result = run_analysis(people, features, first, 3, labels=labels)
    for name, table in result.tables.items():
        write_table(folder / "models" / first.name / f"{name}.tsv", table)
    write_json(folder / "models" / first.name / "summary.json", result.documents["summary"])
    no_models(folder / "models" / second.name, second.name)


def no_models(folder: Path, name: str) -> None:
    """What an analysis leaves that the data cannot support."""
    about = {"name": name, "outcome": "ripple < 0", "not_possible": "3 events: too few_"}
    write_json(folder / "summary.json", about)
    for table in (
        "predictions",
        "performance",
        "comparisons",
        "selection",
        "filters",
        "coefficients",
        "optimism",
        "reclassification",
        "nested",
        "permutations",
        "sample_size",
    ):
        (folder / f"{table}.tsv").write_text("")


def cohort(n: int, p: int = 24, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Participants, and features of which some tell the T-score; a third outlined twice."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=n)
    ids = [f"sub-{number:03d}" for number in range(n)]
    site = np.where(np.arange(n) % 3 == 0, EVIL, np.where(np.arange(n) % 3 == 1, "B", "[C]*"))
    people = pd.DataFrame(
        {
            "participant_id": ids,
            "session": np.nan,
            "age": (66 - 4 * latent + 8 * rng.normal(size=n)).round(1),
            "sex": rng.choice(["F", "M"], n),
            "site": site,
            "fracture": rng.integers(0, 2, n),
            "dxa_tscore": -2.4 + latent,
            "vbmd_l1l2_mean": 98 + 15 * latent + 8 * rng.normal(size=n),
            "pdff_l1l2_mean": 52 - 4 * latent + 5 * rng.normal(size=n),
            "ripple": 0.0031 * rng.normal(size=n),
        }
    )
    people.loc[3, "age"] = np.nan
    people.loc[5, "dxa_tscore"] = np.nan
    names = feature_names(RECIPE)[:p]
    signal = 1.3 * latent[:, None] * (np.arange(p) % 4 == 0)
    keys = {"session": np.nan, "image": "pdff", "flag": "", "n_voxels": 900}
    first = pd.DataFrame(signal + rng.normal(size=(n, p)), columns=names)
    first = first.assign(participant_id=ids, rater=1, reading=1, roi="L1-L2_trabecular", **keys)
    second = first.iloc[::2].copy()
    second["rater"] = 2
    second[names] += 0.25 * rng.normal(size=(len(second), p))
    features = pd.concat([first, second], ignore_index=True)
    return people, features.assign(roi="L1-L4_trabecular")


def measurements(n: int = 12) -> pd.DataFrame:
    """Two raters' bone densities of two levels."""
    rng = np.random.default_rng(4)
    rows = []
    for person in range(n):
        for level in LEVELS:
            truth = 95 + 20 * rng.normal()
            for rater in (1, 2):
                rows.append(
                    {
                        "participant_id": f"sub-{person:03d}",
                        "session": None,
                        "rater": rater,
                        "reading": 1,
                        "roi": f"{level}_trabecular",
                        "image": "vbmd",
                        "metric": "vbmd_mean",
                        "value": truth + 1.5 * rng.normal() + 0.8 * (rater == 2),
                        "unit": "mg/cm3 K2HPO4",
                        "method": "m",
                        "n_voxels": 900,
                        "flag": "",
                    }
                )
    return pd.DataFrame(rows)


def dice(n: int = 12) -> pd.DataFrame:
    """Overlaps of two raters' outlines."""
    rng = np.random.default_rng(5)
    rows = [
        (f"sub-{person:03d}", "", "inter_rater", "seg_ct", level, 1 - 0.05 * rng.random())
        for person in range(n)
        for level in LEVELS
    ]
    columns = ["participant_id", "session", "comparison", "image", "roi", "dice"]
    return pd.DataFrame(rows, columns=columns)


def flow(n: int) -> pd.DataFrame:
    """Nobody lacks a CT but one whose phantom was cut off; five had no MRI."""
    rows = []
    for person in range(n):
        lost = person == 4
        state = "excluded" if lost else "ok"
        code = "phantom_cut" if lost else ""
        rows.append((f"sub-{person:03d}", "calibrate_ct", "ct", state, code, ""))
        state = "absent" if person < 5 else "ok"
        rows.append((f"sub-{person:03d}", "map_mri", "mri", state, "", ""))
    columns = ["subject", "step", "modality", "status", "code", "message"]
    return count_flow(
        pd.DataFrame(rows, columns=columns), {"ct": "CT: vBMD", "mri": "MRI: fat fraction"}
    )
