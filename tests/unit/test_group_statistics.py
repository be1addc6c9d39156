"""Table 1, comparisons of several groups, categories, correlation matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from osteoflow.errors import StudyError
from osteoflow.settings.statistics import (
    CorrelationMatrix,
    GroupComparison,
    MeasurementRoc,
    MixedModel,
    Statistics,
)
from osteoflow.statistics.balance import smd_of_categories, smd_of_numbers
from osteoflow.statistics.categories import category_test, cramers_v, cross_table, odds_ratio
from osteoflow.statistics.column_checks import column_problems, columns_used
from osteoflow.statistics.comparison import (
    compare_categories,
    compare_groups,
    comparisons_table,
    pairs_table,
)
from osteoflow.statistics.correlation import matrices_table
from osteoflow.statistics.effects import omega_squared, welch_anova
from osteoflow.statistics.intervals import holm
from osteoflow.statistics.posthoc import post_hoc
from osteoflow.statistics.reference_test import interval_warnings
from osteoflow.statistics.table1 import REFERENCE_HEADING, declared_table1, table1
from osteoflow.study import check_study

RNG = np.random.default_rng(11)
SAMPLES = [RNG.normal(shift, spread, n) for shift, spread, n in ((0, 1, 9), (2, 2, 14), (6, 4, 11))]


def people(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    age = rng.normal(67, 9, n).round()
    return pd.DataFrame(
        {
            "age": age,
            "sex": rng.choice(["F", "M"], n),
            "site": rng.choice(["A", "B", "C"], n),
            "fracture": (rng.random(n) < 0.4).astype(float),
            "dxa_tscore": rng.normal(-2.3, 1.2, n).round(1),
            "vbmd": 160 - age + rng.normal(0, 15, n),
            "small": rng.normal(0.02, 0.004, n),
        }
    )


# --- several groups ------------------------------------------------------------------------------


def test_welch_anova_equals_scipy():
    theirs = stats.f_oneway(*SAMPLES, equal_var=False)
    found = compare_groups(SAMPLES, "welch_anova", seed=3)
    assert (found.statistic, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert found.low < found.effect < found.high
    assert omega_squared(SAMPLES, 3) == (found.effect, found.low, found.high)
    # Groups alike: the estimate would be negative.
    alike = [np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 4.1]), np.array([1.1, 2, 3, 4])]
    assert omega_squared(alike, 3)[0] == 0
    still = compare_groups([np.ones(4), np.arange(4.0), np.arange(5.0)], "welch_anova")
    assert np.isnan(still.p)
    assert still.note == "a group does not vary"
    assert np.isnan(welch_anova([np.ones(4), np.arange(4.0)])[2])


@pytest.mark.parametrize(("method", "equal"), [("tukey", True), ("games_howell", False)])
def test_pairs_of_means_equal_scipy(method, equal):
    theirs = stats.tukey_hsd(*SAMPLES, equal_var=equal)
    limits = theirs.confidence_interval(0.95)
    for pair in post_hoc(SAMPLES, method):
        place = pair.first, pair.second
        assert pair.p == pytest.approx(theirs.pvalue[place], abs=1e-6)
        assert (pair.low, pair.high) == pytest.approx((limits.low[place], limits.high[place]))


def test_pairs_that_cannot_be_tested():
    with pytest.raises(ValueError, match="two values"):
        post_hoc([SAMPLES[0], np.array([1.0])], "tukey")
    with pytest.raises(ValueError, match="no post hoc test"):
        post_hoc(SAMPLES, "bonferroni")
    still = post_hoc([np.ones(3), np.ones(4), np.arange(3.0)], "games_howell")
    assert np.isnan(still[0].p)
    assert np.isfinite(still[1].p)
    dunn = post_hoc([np.ones(3), np.ones(4), np.ones(5)], "dunn")
    assert np.isnan([pair.p for pair in dunn]).all()


def test_holm_steps_down():
    adjusted = holm([0.01, np.nan, 0.04, 0.03, 0.6])
    np.testing.assert_allclose(adjusted, [0.04, np.nan, 0.09, 0.09, 0.6])
    assert holm([]).size == 0


def test_pairs_table_names_groups_and_leaves_out_what_has_none():
    table = people()
    items = [
        GroupComparison(
            name="sites", group="site", variables=["vbmd", "age"], test="anova", post_hoc="tukey"
        ),
        GroupComparison(name="two", group="fracture", variables=["vbmd"], test="welch"),
    ]
    pairs = pairs_table(table, items)
    assert set(pairs["name"]) == {"sites"}
    assert pairs["group_1"].tolist() == ["A", "A", "B"] * 2
    first = pairs.iloc[0]
    a, b = (table.loc[table["site"] == name, "vbmd"] for name in "AB")
    assert first["difference"] == pytest.approx(a.mean() - b.mean())
    assert (first["n_1"], first["n_2"]) == (len(a), len(b))
    lonely = table.assign(site=["D", *table["site"].iloc[1:]])
    assert pairs_table(lonely, items[:1]).empty
    row = comparisons_table(lonely, items[:1], 1).iloc[0]
    assert row["note"] == "a group has fewer than 2 values"


@pytest.mark.parametrize(
    ("test", "post_hoc_test"), [("kruskal", "tukey"), ("welch_anova", "tukey"), ("anova", "dunn")]
)
def test_pairs_belong_to_their_test(test, post_hoc_test):
    with pytest.raises(ValidationError, match="post_hoc"):
        GroupComparison(name="c", group="g", variables=["x"], test=test, post_hoc=post_hoc_test)


# --- categories ----------------------------------------------------------------------------------


def test_odds_ratio_and_its_direction():
    counts = np.array([[12, 3], [5, 10]])  # second level: 3 of 15 in the first group, 10 of 15
    found = category_test(counts, "fisher", ["no", "yes"])
    assert found.effect_name == "odds ratio of yes"
    assert found.low < found.effect < found.high < 1
    assert found.p == pytest.approx(stats.fisher_exact(counts).pvalue)
    assert odds_ratio(counts)[0] == pytest.approx(1 / found.effect, rel=1e-6)
    table = pd.DataFrame({"g": [*"aaaabbbb"], "x": [*"uuuuuvvv"]})
    item = GroupComparison(name="c", group="g", variables=["x"], test="fisher")
    assert comparisons_table(table, [item], 1)["note"].iloc[0].startswith("a cell is empty")
    empty = category_test(np.array([[8, 0], [3, 5]]), "fisher", ["no", "yes"])
    assert (empty.effect, empty.low) == (0.0, 0.0)


def test_cramers_v_limits_hold_their_probability():
    """Three groups and three levels with a known V: 95 % of intervals have it."""
    rng = np.random.default_rng(8)
    shares = np.array([[0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]])
    mean = shares.mean(axis=0)
    truth = np.sqrt(((shares - mean) ** 2 / mean).sum() / 3 / 2)
    hits = []
    for _ in range(200):
        table = np.array([rng.multinomial(40, row) for row in shares])
        v, low, high = cramers_v(table)
        hits.append(low <= truth <= high)
        assert low <= v <= high
    assert 0.9 <= np.mean(hits) <= 1.0


def test_tables_without_a_test():
    with pytest.raises(ValueError, match="same level"):
        category_test(np.array([[4, 0], [5, 0]]), "chi2")
    with pytest.raises(ValueError, match="no values"):
        category_test(np.array([[4, 1], [0, 0]]), "chi2")
    with pytest.raises(ValueError, match="no test"):
        category_test(np.array([[4, 1], [2, 2]]), "welch")
    table = pd.DataFrame({"g": ["a", "a", "b", "b"], "x": ["u", "u", "u", "u"]})
    item = GroupComparison(name="c", group="g", variables=["x"], test="chi2")
    row = comparisons_table(table, [item], 1).iloc[0]
    assert (row["note"], row["summary_1"]) == ("all have the same level", "u: 2 (100.0 %)")


# --- Table 1 -------------------------------------------------------------------------------------


def test_declared_tests_smd_and_fdr():
    table = people()
    settings = Statistics(
        table1_group="fracture",
        table1_variables=["age", "sex", "site", "vbmd"],
        nonnormal=["vbmd"],
        table1_tests={"age": "mann_whitney", "categories": "chi2"},
        table1_smd=True,
        table1_fdr=True,
    )
    found = declared_table1(table, settings, {}, 1)
    rows = found.table[found.table["test"] != ""]
    assert rows["test"].tolist() == [
        *("Mann-Whitney U", "chi-squared", "chi-squared", "Mann-Whitney U")
    ]
    no, yes = (table.loc[table["fracture"] == value] for value in (0, 1))
    pooled = np.sqrt((no["age"].var() + yes["age"].var()) / 2)
    age = rows.iloc[0]
    assert age["smd"] == pytest.approx(abs(no["age"].mean() - yes["age"].mean()) / pooled)
    assert age["p"] == pytest.approx(stats.mannwhitneyu(no["age"], yes["age"]).pvalue)
    assert (rows["p_fdr"] >= rows["p"]).all()
    assert rows["p_fdr"].tolist() == pytest.approx(stats.false_discovery_control(rows["p"]))
    assert any("Benjamini" in note for note in found.document["notes"])


def test_what_makes_the_groups_is_not_tested_between_them():
    found = table1(people(), ["dxa_tscore", "age"], "dxa_tscore <= -2.5").table
    assert found["test"].tolist() == ["", "none: not tested, it makes the groups", "Welch t"]
    assert np.isnan(found["p"].iloc[1])


def test_small_numbers_keep_their_digits():
    found = table1(people(), ["small", "age"]).table
    mean, spread = people()["small"].mean(), people()["small"].std()
    assert found.loc[1, "overall"] == f"{mean:.4f} ({spread:.4f})"


def test_reference_test_and_treatment_stand_in_a_block():
    table = people()
    table["dxa_interval_days"] = np.arange(60.0)
    table.loc[3, "dxa_interval_days"] = np.nan
    table["dxa_site"] = ["hip"] * 40 + ["spine"] * 20
    settings = Statistics(table1_group="sex", table1_variables=["age"])
    rows = declared_table1(table, settings, {}, 1).table
    place = rows.index[rows["variable"] == REFERENCE_HEADING][0]
    assert rows["variable"].tolist()[place + 1 :] == [
        *("dxa_interval_days, median [Q1, Q3]", "dxa_site, n (%)", "")
    ]
    assert rows.loc[place + 1, "missing"] == "1"
    assert rows.loc[place, "p"] != rows.loc[place, "p"]
    # A row of the study's own is no part of the block.
    settings = Statistics(table1_variables=["dxa_site", "dxa_interval_days"])
    alone = declared_table1(table, settings, {}, 1).table
    assert REFERENCE_HEADING not in alone["variable"].tolist()
    assert declared_table1(table, Statistics(), {}, 1) is None


def test_interval_to_the_reference_test_is_asked_for():
    table = people(4)
    by_dxa = {"dxa_tscore <= -2.5": True, "fracture": False}
    (said,) = interval_warnings(by_dxa, table)
    assert "reference_interval_days" in said
    assert interval_warnings({"fracture": False}, table) == []
    known = table.assign(reference_interval_days=[3.0, np.nan, 5.0, 9.0])
    (said,) = interval_warnings(by_dxa, known)
    assert "missing in 1 of 4" in said
    assert interval_warnings(by_dxa, known.fillna({"reference_interval_days": 0})) == []


def test_groups_of_one_kind_have_no_test():
    found = table1(people().assign(one="x"), ["age"], "one", smd=True).table
    assert found["test"].iloc[1] == "none: fewer than two groups"
    assert np.isnan(found["smd"].iloc[1])


def test_standardised_differences():
    a, b = np.array([1.0, 2, 3]), np.array([3.0, 4, 5])
    assert smd_of_numbers([a, b]) == pytest.approx(2.0)
    assert smd_of_numbers([a, b, a + 6]) == pytest.approx(6.0)
    assert smd_of_numbers([np.ones(3), np.ones(3)]) == 0.0
    assert np.isnan(smd_of_numbers([np.ones(3), np.zeros(3)]))
    assert np.isnan(smd_of_numbers([a, b[:1]]))
    counts = pd.DataFrame([[30, 10], [20, 20]])
    # Of two levels: the difference of proportions over the root of their mean variance.
    expected = 0.25 / np.sqrt((0.25 * 0.75 + 0.25) / 2)
    assert smd_of_categories(counts) == pytest.approx(expected)
    three = pd.DataFrame([[10, 10, 20], [20, 10, 10]])
    swapped = three[[2, 0, 1]]
    assert smd_of_categories(three) == pytest.approx(smd_of_categories(swapped))
    assert smd_of_categories(pd.DataFrame([[5, 5], [5, 5]])) == 0.0


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"table1_variables": ["age"], "table1_tests": {"bmi": "welch"}}, "no row"),
        ({"table1_tests": {"medians": "welch"}}, "none of mann_whitney, kruskal"),
        (
            {"table1_variables": ["a"], "nonnormal": ["a"], "table1_tests": {"a": "anova"}},
            "none of",
        ),
        ({"mixed_models": [{"name": "m", "metric": "vbmd", "fixed": ["level"]}]}, "did you mean"),
        (
            {"mixed_models": [{"name": "m", "metric": "vbmd_mean", "levels": ["L1"],
                               "fixed": ["age"]}]},
            "two levels",
        ),
        ({"measurement_roc": {"outcome": "y", "measurements": ["a", "a"]}}, "named twice"),
        (
            {"measurement_roc": {"outcome": "y", "measurements": ["a"], "cutoffs": {"b": [1]}}},
            "not one of the measurements",
        ),
        (
            {"measurement_roc": [{"outcome": "y", "measurements": ["a"]}] * 2},
            "measurement_roc: named twice: measurements",
        ),
        (
            {"correlation_matrices": [{"name": "m", "variables": ["a", "b", "a"]}]},
            "named twice: a",
        ),
    ],
)  # fmt: skip
def test_wrong_settings_are_explained(settings, words):
    with pytest.raises(ValidationError, match=words):
        Statistics.model_validate(settings)


def test_columns_of_the_wrong_kind_are_named():
    settings = Statistics(
        table1_variables=["age", "sex"],
        table1_tests={"sex": "welch", "age": "chi2"},
        comparisons=[
            GroupComparison(name="c", group="site", variables=["sex", "fracture"], test="fisher"),
            GroupComparison(name="d", group="site", variables=["sex"], test="kruskal"),
        ],
        correlation_matrices=[CorrelationMatrix(name="m", variables=["age", "sex", "vbmd"])],
        mixed_models=[MixedModel(name="v", metric="vbmd_mean", fixed=["level", "sex < 2", "age"])],
        measurement_roc=[MeasurementRoc(outcome="sex", measurements=["site", "age"])],
    )
    found = column_problems(
        settings, [], {"age", "fracture", "vbmd"}, {"sex", "site"}, {"fracture"}
    )
    assert [text.split(":")[0] for text in found] == [
        "statistics.table1_tests",
        "statistics.table1_tests",
        "statistics.comparisons.d.variables",
        "statistics.correlation_matrices.m",
        "statistics.mixed_models.v.fixed",
        "statistics.measurement_roc.measurements.outcome",
        "statistics.measurement_roc.measurements.measurements",
    ]
    used = dict.fromkeys(name for _, name in columns_used(settings))
    assert {"sex < 2", "vbmd", "fracture"} <= used.keys()
    assert "level" not in used


# --- correlation matrices ------------------------------------------------------------------------


def test_matrix_has_every_pair_once_with_its_own_adjustment():
    table = people()
    table.loc[:4, "vbmd"] = np.nan
    items = [
        CorrelationMatrix(name="a", variables=["age", "vbmd", "small"], method="pearson"),
        CorrelationMatrix(name="b", variables=["age", "vbmd", "small"], covariates=["sex"]),
    ]
    found = matrices_table(table, items)
    mine = found[found["name"] == "a"]
    assert list(zip(mine["x"], mine["y"], strict=True)) == [
        *(("age", "vbmd"), ("age", "small"), ("vbmd", "small"))
    ]
    assert mine["n"].tolist() == [55, 60, 55]
    expected = stats.pearsonr(*table[["age", "vbmd"]].dropna().to_numpy().T)
    assert mine["r"].iloc[0] == pytest.approx(expected.statistic)
    assert mine["p"].iloc[0] == pytest.approx(expected.pvalue)
    assert mine["p_fdr"].tolist() == pytest.approx(stats.false_discovery_control(mine["p"]))
    assert set(found.loc[found["name"] == "b", "covariates"]) == {"sex"}
    assert matrices_table(table, []).empty


# --- what configuration and subjects table ask of each other -------------------------------------


def test_groups_that_a_test_cannot_compare_stop_the_study(tmp_path):
    (tmp_path / "config").mkdir()
    rows = ["participant_id\tdicom\tage\tsite\tone\tgrade"]
    rows += [f"sub-{n}\traw/{n}\t{60 + n}\t{'ABC'[n % 3]}\tx\t{n % 2}" for n in range(6)]
    (tmp_path / "config" / "subjects.tsv").write_text("\n".join(rows) + "\n")
    comparisons = [
        {"name": "a", "group": "site", "variables": ["age"], "test": "welch"},
        {"name": "b", "group": "one", "variables": ["age"], "test": "kruskal"},
        {"name": "c", "group": "grade", "variables": ["age"], "test": "welch"},
        {"name": "d", "group": "age > 62", "variables": ["age"], "test": "welch"},
        {"name": "e", "group": "site", "variables": ["age"], "test": "anova"},
    ]
    roc = {"outcome": "age > 62", "measurements": ["age", "grade", "hips"]}
    with pytest.raises(StudyError) as error:
        check_study(tmp_path, {"statistics": {"comparisons": comparisons, "measurement_roc": roc}})
    place = "config: statistics."
    assert [text.partition(" (")[0] for text in error.value.problems] == [
        f"{place}comparisons.a.group: column 'site' makes 3 groups, which welch does not compare",
        f"{place}comparisons.b.group: column 'one' makes fewer than two groups",
        f"{place}measurement_roc.measurements.measurements: unknown column 'hips'",
        f"{place}measurement_roc.measurements.measurements: 'age' defines the outcome 'age > 62' "
        "and cannot be tested against it",
        f"{place}comparisons.d.variables: 'age' makes the groups, and differs between them by "
        "construction",
    ]


def test_a_group_without_values_is_not_left_out_silently():
    values = pd.Series(["a", "b"] * 12 + [None] * 6, dtype=object)
    groups = pd.Series(["x", "y", "y", "x"] * 6 + ["z"] * 6, dtype=object)
    counts = cross_table(values, groups)
    assert counts.index.tolist() == ["x", "y", "z"]
    assert counts.loc["z"].tolist() == [0, 0]
    for test in ("chi2", "fisher"):
        with pytest.raises(ValueError, match="a group has no values"):
            compare_categories(values, groups, test)
    table = pd.DataFrame({"v": values, "g": groups})
    row = table1(table, ["v"], "g", smd=True).table.iloc[1]
    assert row["test"] == "none: a group has no values"
    assert np.isnan(row["p"]) and np.isnan(row["smd"])
