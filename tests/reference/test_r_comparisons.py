"""Comparisons and correlations against R (tables and script in ``r/comparisons``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteoflow.settings.statistics import Correlation, GroupComparison
from osteoflow.statistics.comparison import comparisons_table, pairs_table
from osteoflow.statistics.correlation import correlations_table
from osteoflow.statistics.effects import welch_anova

FOLDER = Path(__file__).parent / "r" / "comparisons"


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "comparisons.tsv", sep="\t")


@pytest.fixture(scope="module")
def r() -> pd.Series:
    table = pd.read_csv(FOLDER / "comparisons_output.tsv", sep="\t")
    return table.set_index(["what", "term"])["value"]


@pytest.fixture
def against(record):
    """Keeps and checks the largest difference."""

    def check(what, ours, theirs, limit=1e-6):
        found = np.abs(np.asarray(ours, float) - np.asarray(theirs, float)).max()
        record("Comparisons: largest difference from R 4.2.2", what, found, "", f"<= {limit:g}")
        assert found <= limit

    return check


def compare(people, variable, test, group="grade", post_hoc=None):
    item = GroupComparison(
        name="c", group=group, variables=[variable], test=test, post_hoc=post_hoc
    )
    return comparisons_table(people, [item], 1).iloc[0], pairs_table(people, [item])


def test_welch_anova(people, r, against):
    row, _ = compare(people, "vbmd", "welch_anova")
    samples = [group["vbmd"].to_numpy(float) for _, group in people.groupby("grade")]
    ours = [row["statistic"], welch_anova(samples)[1], row["p"]]
    against("Welch's ANOVA", ours, r["welch_anova"][["F", "df", "p"]])
    assert row["effect_low"] <= row["effect"] <= row["effect_high"]


def test_tukey(people, r, against):
    _, pairs = compare(people, "vbmd", "anova", post_hoc="tukey")
    ours, theirs = [], []
    for row in pairs.itertuples():
        # R takes the later level first.
        name = f"{row.group_2}-{row.group_1}"
        ours += [-row.difference, -row.ci_high, -row.ci_low, row.p]
        theirs += [r["tukey", f"{name} {part}"] for part in ("diff", "lwr", "upr", "p adj")]
    against("Tukey-Kramer", ours, theirs)


def test_games_howell(people, r, against):
    _, pairs = compare(people, "vbmd", "welch_anova", post_hoc="games_howell")
    ours, theirs = [], []
    for row in pairs.itertuples():
        ours += [row.p, row.ci_low]
        name = f"{row.group_1}-{row.group_2}"
        theirs += [r["games_howell", f"{name} {part}"] for part in ("p", "low")]
    # The studentised range is an integral that both sides compute by quadrature.
    against("Games-Howell", ours, theirs, 1e-4)


def test_dunn(people, r, against):
    row, pairs = compare(people, "pdff", "kruskal", post_hoc="dunn")
    assert row["n"] == 46
    ours, theirs = [], []
    for pair in pairs.itertuples():
        name = f"{pair.group_1}-{pair.group_2}"
        ours += [pair.statistic, pair.p]
        theirs += [r["dunn", f"{name} {part}"] for part in ("z", "p")]
    against("Dunn with ties, Holm", ours, theirs)
    assert pairs["ci_low"].isna().all()
    assert (pairs["effect_low"] < pairs["effect"]).all()


def test_categories(people, r, against):
    row, _ = compare(people, "fracture", "fisher", group="sex")
    assert row["effect_name"] == "odds ratio of 1"
    # R's ratio is that of the first level.
    theirs = [r["fisher", "p"], *(1 / r["fisher", part] for part in ("or", "high", "low"))]
    ours = [row["p"], row["effect"], row["effect_low"], row["effect_high"]]
    against("Fisher's exact test, conditional odds ratio", ours, theirs, 1e-4)
    row, _ = compare(people, "site", "chi2")
    against(
        "chi-squared, Cramer's V",
        [row["statistic"], row["p"], row["effect"]],
        r["chi2"][["statistic", "p", "v"]],
    )
    assert row["effect_low"] <= row["effect"] <= row["effect_high"]
    assert row["note"].startswith("fewer than 5 expected in ")
    row, _ = compare(people, "site", "fisher")
    against("Fisher-Freeman-Halton, random tables", row["p"], r["fisher_large", "p"], 0.02)
    row, _ = compare(people, "vbmd", "mann_whitney", group="sex")
    assert row["p"] == pytest.approx(r["mann_whitney", "p"], abs=1e-9)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_partial_correlations_with_text_covariates(people, r, against, method):
    item = Correlation(x="pdff", y="vbmd", covariates=["age", "bmi", "site"], method=method)
    simple, partial = (row for _, row in correlations_table(people, [item]).iterrows())
    names = ["r", "p", "ci_low", "ci_high", "n"]
    theirs = r[f"partial_{method}"][["r", "p", "low", "high", "n"]]
    against(f"partial correlation, {method}", partial[names], theirs)
    if method == "pearson":
        against("correlation", simple[names[:-1]], r["pearson"][["r", "p", "low", "high"]])
        assert partial["p"] == pytest.approx(r["regression", "p"], rel=1e-9)


def test_a_covariate_that_tells_nothing_of_its_own_costs_no_degree_of_freedom(people):
    more = people.assign(
        months=12 * people["age"] + 3, same=1.0, code=people["site"].map({"A": 1, "B": 2, "C": 3})
    )
    few = Correlation(x="pdff", y="vbmd", covariates=["age", "site"], method="pearson")
    many = few.model_copy(update={"covariates": ["age", "site", "months", "same", "code"]})
    found = [correlations_table(more, [item]).iloc[1] for item in (few, many)]
    names = ["r", "p", "ci_low", "ci_high"]
    np.testing.assert_allclose(found[1][names].astype(float), found[0][names].astype(float))
