"""Rules, ROC analysis, agreement, comparisons, correlations and Table 1."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from osteoflow.settings.analysis import Analysis
from osteoflow.settings.statistics import Correlation, GroupComparison, Statistics
from osteoflow.statistics.agreement import icc, icc_of_columns
from osteoflow.statistics.column_checks import column_problems
from osteoflow.statistics.comparison import compare_groups, comparisons_table
from osteoflow.statistics.correlation import correlate, correlations_table
from osteoflow.statistics.effects import epsilon_squared, eta_squared, hedges_g, rank_biserial
from osteoflow.statistics.intervals import (
    benjamini_hochberg,
    draws_notes,
    percentile_interval,
    wilson,
)
from osteoflow.statistics.roc import (
    auc,
    auc_interval,
    compare_paired,
    roc_points,
    youden_threshold,
)
from osteoflow.statistics.rules import columns_in_rule, evaluate_rule, group_labels
from osteoflow.statistics.sessions import of_same_sessions, one_row_per_participant
from osteoflow.statistics.table1 import table1

# --- rules ---------------------------------------------------------------------------------------


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vbmd_l1l2_mean": [70.0, 90.0, np.nan, 80.0],
            "site": ["A", "B", "B", None],
            "fracture": [1, 0, np.nan, 1],
            "grade": [0, 1, 2, 3],
        }
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("vbmd_l1l2_mean < 80", [1, 0, np.nan, 0]),
        ("vbmd_l1l2_mean <= 80", [1, 0, np.nan, 1]),
        ("vbmd_l1l2_mean>=-8e1", [1, 1, np.nan, 1]),
        ("site == B", [0, 1, 1, np.nan]),
        ("site != 'B'", [1, 0, 0, np.nan]),
        ("fracture", [1, 0, np.nan, 1]),
        ("vbmd_l1l2_mean < 85 and site == A", [1, 0, 0, np.nan]),
    ],
)
def test_rules(people, rule, expected):
    np.testing.assert_array_equal(evaluate_rule(rule, people), expected)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("vbmd_l1_mean < 80", "did you mean 'vbmd_l1l2_mean'"),
        ("site < 3", "holds text"),
        ("site < B", "needs a number"),
        ("fracture == yes", "holds numbers"),
        ("grade", "must hold 0 and 1"),
        ("fracture and site == A", "cannot be read"),
        ("fracture = 1", "cannot be read"),
        ("__import__('os').system('true') < 1", "unknown column"),
    ],
)
def test_wrong_rules_are_explained(people, rule, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        evaluate_rule(rule, people)


def test_columns_and_groups_of_rules(people):
    assert columns_in_rule("a < 1 and b == x and a > 0") == ["a", "b"]
    assert group_labels("site", people).tolist()[:3] == ["A", "B", "B"]
    assert group_labels("grade", people).tolist() == ["0", "1", "2", "3"]
    labels = group_labels("fracture", people)
    assert labels.dropna().tolist() == ["yes", "no", "yes"]


def test_true_and_false_are_words():
    table = pd.DataFrame({"smoker": [True, False, True]})
    assert evaluate_rule("smoker == True", table).tolist() == [1.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="holds text"):
        evaluate_rule("smoker < 1", table)


# --- sessions and kinds of columns ---------------------------------------------------------------


def test_one_row_per_participant():
    table = pd.DataFrame(
        {
            "participant_id": ["sub-2", "sub-1", "sub-2", "sub-3", "sub-1", "sub-2"],
            "session": ["b", None, "a", "x", "y", "c"],
            "age": [1.0, 2, 3, 4, 5, 6],
        },
        index=list("pqrstu"),
    )
    kept, warnings = one_row_per_participant(table)
    assert kept["age"].tolist() == [1, 2, 4]
    assert kept.index.tolist() == ["p", "q", "s"]
    assert len(warnings) == 1
    assert warnings[0].startswith("3 rows of 2 participants were left out: ")
    assert one_row_per_participant(kept)[1] == []
    assert one_row_per_participant(table.iloc[:3])[1][0].startswith("1 row of 1 participant was")
    values = pd.DataFrame(
        {"participant_id": ["sub-1", "sub-1", "sub-2"], "session": [np.nan, "y", "b"]}
    )
    assert of_same_sessions(values, kept).index.tolist() == [0, 2]
    without = kept.drop(columns="session").iloc[1:2]
    assert of_same_sessions(values, without).index.tolist() == [0]


def _columns_used(**changes: object) -> list[str]:
    """Problems of declarations among numbers age, grade; 0/1 fracture; text site, sex."""
    statistics = {key: value for key, value in changes.items() if key in Statistics.model_fields}
    analysis = {
        "name": "a",
        "outcome": "age < 60",
        "clinical": ["sex"],
        "radiomics": {"image": "vbmd"},
    } | {key: value for key, value in changes.items() if key in Analysis.model_fields}
    return column_problems(
        Statistics.model_validate(statistics),
        [Analysis.model_validate(analysis)],
        {"age", "grade", "fracture"},
        {"site", "sex"},
        {"fracture"},
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcome": "site < 3"}, ["analyses.a.outcome: column 'site' holds text"]),
        ({"outcome": "sex"}, ["'sex' must hold 0 and 1 to be used alone"]),
        ({"outcome": "grade"}, ["'grade' must hold 0 and 1 to be used alone"]),
        ({"outcome": "age == old"}, ["cannot be compared with the text 'old'"]),
        (
            {"outcome": "age < 60 and site >= 2 and grade != high"},
            ["'site' holds text", "'grade' holds numbers"],
        ),
        ({"holdout_rule": "site > 1"}, ["analyses.a.holdout_rule: column 'site' holds text"]),
        ({"table1_group": "sex <= 1"}, ["statistics.table1_group: column 'sex' holds text"]),
        ({"nonnormal": ["age", "sex"]}, ["statistics.nonnormal: column 'sex' holds text"]),
        ({"nonnormal": ["fracture"]}, ["'fracture' holds 0 and 1"]),
        (
            {
                "comparisons": [
                    {"name": "c", "group": "age > old1 ", "variables": ["age"]},
                    {"name": "d", "group": "site < 1", "variables": ["age", "sex", "site"]},
                ]
            },
            [
                "statistics.comparisons.d.group: column 'site' holds text",
                "statistics.comparisons.d.variables: 'site' makes the groups",
                "statistics.comparisons.d.variables: column 'sex' holds text",
                "statistics.comparisons.d.variables: column 'site' holds text",
            ],
        ),
        (
            {"correlations": [{"x": "sex", "y": "site", "covariates": ["sex"]}]},
            ["(sex, site): column 'sex' holds text", "(sex, site): column 'site' holds text"],
        ),
    ],
)
def test_columns_of_the_wrong_kind_are_named(changes, words):
    found = _columns_used(**changes)
    assert len(found) == len(words)
    for sentence, expected in zip(found, words, strict=True):
        assert expected in sentence


def test_columns_of_the_right_kind_pass():
    assert not _columns_used(
        outcome="fracture",
        holdout_rule="site == 2",
        table1_group="grade",
        table1_variables=["age", "sex", "fracture"],
        nonnormal=["grade"],
        comparisons=[{"name": "c", "group": "site", "variables": ["age", "fracture"]}],
        correlations=[{"x": "age", "y": "grade", "covariates": ["sex"]}],
    )
    assert not _columns_used(outcome="unknown")
    assert not _columns_used(holdout_rule="site = 2")


def test_column_checks_import_nothing_heavy():
    code = (
        "import sys, osteoflow.statistics.column_checks;"
        "print([m for m in ('numpy', 'pandas', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


# --- ROC -----------------------------------------------------------------------------------------


def test_auc_counts_pairs_and_ties():
    outcome, score = [1, 1, 0, 0, 0], [3.0, 1.0, 1.0, 0.0, 2.0]
    assert auc(outcome, score) == pytest.approx((3 + 1.5) / 6)


def test_area_is_that_under_its_points():
    rng = np.random.default_rng(0)
    outcome = rng.integers(0, 2, 60)
    score = np.round(outcome + rng.normal(size=60), 1)
    points = roc_points(outcome, score)
    assert np.trapezoid(points.tpr, points.fpr) == pytest.approx(auc(outcome, score), abs=1e-12)
    assert (points.fpr[0], points.tpr[0], points.fpr[-1], points.tpr[-1]) == (0, 0, 1, 1)


def test_delong_covers_the_truth_at_its_nominal_rate():
    rng = np.random.default_rng(1)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    inside = 0
    for _ in range(400):
        found = auc_interval(
            np.repeat([1, 0], 40), np.concatenate([rng.normal(1, 1, 40), rng.normal(0, 1, 40)])
        )
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / 400 <= 0.98


def test_separated_classes_have_no_delong_interval():
    found = auc_interval([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0])
    assert found.auc == 1.0
    assert np.isnan(found.low)
    assert np.isnan(found.high)
    same = compare_paired([0, 0, 1, 1], [1.0, 2, 3, 4], [2.0, 3, 4, 5])
    assert (same.difference, same.p) == (0.0, 1.0)


def test_scores_are_not_turned_round():
    assert auc([1, 1, 0, 0], [1.0, 2.0, 3.0, 4.0]) == 0.0
    assert youden_threshold([1, 1, 0, 0], [1.0, 2.0, 3.0, 4.0]) == np.inf


def test_youden_prefers_the_more_specific_of_equal_cutoffs():
    # Cut-offs 3.5 and 1.5 both give J = 0.5.
    assert youden_threshold([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0]) == 3.5


@pytest.mark.parametrize(
    ("outcome", "score"), [([1, 1], [1.0, 2.0]), ([0, 1], [np.nan, 1.0]), ([0, 2], [1.0, 2.0])]
)
def test_roc_refuses(outcome, score):
    with pytest.raises(ValueError, match=r"missing values|events and non-events"):
        auc(outcome, score)


# --- agreement -----------------------------------------------------------------------------------


def test_icc_many_columns_equal_single_ones():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(12, 1, 30)) + 0.5 * rng.normal(size=(12, 3, 30))
    together = icc(x)
    for column in (0, 17):
        alone = icc(x[:, :, column])
        for form, parts in alone.items():
            assert together[form].value[column] == pytest.approx(float(parts.value), abs=1e-12)
            assert together[form].low[column] == pytest.approx(float(parts.low), abs=1e-9)


def test_icc_of_bias_and_of_no_variation():
    first = pd.DataFrame({"same": [1.0, 2, 3, 4, 5], "flat": 3.0, "shift": [1.0, 2, 3, 4, 5]})
    second = first.assign(shift=first["shift"] + 2)
    table = icc_of_columns(first, second)
    assert table.loc["same", ["icc21", "icc21_low", "icc31"]].tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(table.loc["flat", "icc21"])
    # MSB = 5, MSJ = 10, MSE = 0: 5 / (5 + 2 * 10 / 5)
    assert table.loc["shift", "icc21"] == pytest.approx(5 / 9)
    assert table.loc["shift", "icc31"] == 1.0
    assert table.loc["shift", "icc21_low"] < 0.2


def test_icc_uses_complete_pairs_of_each_column():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(15, 2))
    first = pd.DataFrame(truth + 0.2 * rng.normal(size=truth.shape), columns=["a", "b"])
    second = pd.DataFrame(truth + 0.2 * rng.normal(size=truth.shape), columns=["a", "b"])
    second.loc[4, "b"] = np.nan
    table = icc_of_columns(first, second)
    assert table["n"].tolist() == [15, 14]
    rows = second["b"].notna()
    alone = icc(np.column_stack([first.loc[rows, "b"], second.loc[rows, "b"]]))["ICC(2,1)"]
    assert table.loc["b", "icc21_high"] == pytest.approx(float(alone.high), abs=1e-12)


# --- intervals, comparisons, correlations --------------------------------------------------------


def test_wilson_and_fdr():
    # Newcombe (Stat Med 1998;17:857): 81/263 has 0.2553 to 0.3662, 0/20 has 0 to 0.1611.
    low, high = wilson([81, 0], [263, 20])
    assert low == pytest.approx([0.2553, 0.0], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1611], abs=5e-5)
    adjusted = benjamini_hochberg([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(adjusted, [0.03, np.nan, 0.04, 0.04])
    draws = np.concatenate([np.full(20, np.nan), np.arange(80.0)])
    assert np.isnan(percentile_interval(draws)[0])
    # What is the same in every resample is no certainty.
    assert np.isnan(percentile_interval(np.ones(100))[:2]).all()
    assert draws_notes(np.ones(100)) == ["no interval: the same in every resample"]
    assert draws_notes(draws) == [f"{np.isfinite(draws).sum()} of {len(draws)} resamples defined"]
    assert draws_notes(np.arange(9.0)) == []


def test_hedges_g_and_its_limits():
    rng = np.random.default_rng(5)
    a, b = rng.normal(1, 1, 20), rng.normal(0, 1, 25)
    g, low, high = hedges_g(a, b)
    pooled = np.sqrt((19 * a.var(ddof=1) + 24 * b.var(ddof=1)) / 43)
    assert g == pytest.approx((a.mean() - b.mean()) / pooled * (1 - 3 / (4 * 43 - 1)), rel=1e-4)
    # At the limits the observed t has the tail probabilities 2.5 % and 97.5 %.
    correction = g / ((a.mean() - b.mean()) / pooled)
    scale = np.sqrt(20 * 25 / 45)
    t = g / correction * scale
    assert stats.nct.sf(t, 43, low / correction * scale) == pytest.approx(0.025, abs=1e-8)
    assert stats.nct.cdf(t, 43, high / correction * scale) == pytest.approx(0.025, abs=1e-8)


def test_effects_of_rank_and_variance_tests():
    a, b, c = np.array([1.0, 2, 3, 4]), np.array([3.0, 5, 6, 7]), np.array([8.0, 9, 10, 12])
    r, low, high = rank_biserial(b, a)
    assert r == pytest.approx((14.5 - 1.5) / 16)
    assert low < r < high
    eta, low, high = eta_squared([a, b, c])
    f = stats.f_oneway(a, b, c).statistic
    assert eta == pytest.approx(2 * f / (2 * f + 9))
    assert 0 < low < eta < high < 1
    eps, low, high = epsilon_squared([a, b, c], seed=1)
    assert eps == pytest.approx(stats.kruskal(a, b, c).statistic / 11)
    assert low < eps <= high <= 1
    assert epsilon_squared([a, b, c], seed=1) == (eps, low, high)


def test_tests_are_the_declared_ones():
    a, b = np.array([1.0, 2, 3, 9]), np.array([3.0, 5, 6, 7])
    assert compare_groups([a, b], "welch").p == stats.ttest_ind(a, b, equal_var=False).pvalue
    assert compare_groups([a, b], "mann_whitney").p == stats.mannwhitneyu(a, b).pvalue
    with pytest.raises(ValueError, match="does not compare 3"):
        compare_groups([a, b, a], "welch")
    with pytest.raises(ValueError, match="fewer than 2"):
        compare_groups([a, b[:1]], "welch")
    assert np.isnan(compare_groups([np.ones(4), np.ones(3)], "kruskal").p)


def test_comparisons_table():
    rng = np.random.default_rng(6)
    table = pd.DataFrame(
        {"t": rng.normal(size=30), "x": rng.normal(size=30), "y": rng.normal(size=30), "c": 1.0}
    )
    table.loc[0, "x"] = np.nan
    items = [
        GroupComparison(name="low", group="t < 0", variables=["x", "y", "c"], test="welch"),
        GroupComparison(name="none", group="t < -99", variables=["x"], test="mann_whitney"),
    ]
    found = comparisons_table(table, items, seed=1)
    assert found["n"].tolist() == [29, 30, 30, 29]
    low = (table["t"] < 0).sum()
    assert found.loc[1, ["group_1", "n_1", "group_2", "n_2"]].tolist() == [
        "no",
        30 - low,
        "yes",
        low,
    ]
    expected = benjamini_hochberg(found["p"].iloc[:3])
    np.testing.assert_allclose(found["p_fdr"].iloc[:3], expected)
    assert found["note"].tolist()[2] == "the variable does not vary"
    assert "does not compare 1 groups" in found["note"].tolist()[3]
    assert found.loc[0, "summary_1"].endswith(")")
    with pytest.raises(ValueError, match="unknown column 'z'"):
        comparisons_table(
            table, [GroupComparison(name="a", group="t < 0", variables=["z"])], seed=1
        )


def test_correlations_against_scipy():
    rng = np.random.default_rng(7)
    z = rng.normal(size=(40, 2))
    x, y = z[:, 0] + rng.normal(size=40), z @ [1.0, 0.5] + rng.normal(size=40)
    pearson = stats.pearsonr(x, y)
    found = correlate(x, y, method="pearson")
    assert (found.r, found.p) == pytest.approx((pearson.statistic, pearson.pvalue), rel=1e-9)
    limits = pearson.confidence_interval()
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high), abs=1e-9)
    spearman = stats.spearmanr(x, y)
    found = correlate(x, y)
    assert (found.r, found.p) == pytest.approx((spearman.statistic, spearman.pvalue), rel=1e-9)
    # The partial correlation from the inverse of the correlation matrix.
    inverse = np.linalg.inv(np.corrcoef(np.column_stack([x, y, z]), rowvar=False))
    partial = -inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    assert correlate(x, y, z, "pearson").r == pytest.approx(partial, abs=1e-12)
    assert np.isnan(correlate(x, x * 0 + 1).r)
    assert np.isnan(correlate(z[:, 0], y, z, "pearson").r)


def test_correlations_table():
    rng = np.random.default_rng(8)
    table = pd.DataFrame({"x": rng.normal(size=30), "age": rng.normal(size=30)})
    table["y"] = table["x"] + rng.normal(size=30)
    table["sex"] = rng.choice(["F", "M"], 30)
    table.loc[3, "age"] = np.nan
    items = [Correlation(x="x", y="y", covariates=["age", "sex"], method="pearson")]
    found = correlations_table(table, items)
    assert found["covariates"].tolist() == ["", "age,sex"]
    assert found["n"].tolist() == [30, 29]
    assert (found["p_fdr"] >= found["p"]).all()
    with pytest.raises(ValueError, match="holds text"):
        correlations_table(table, [Correlation(x="sex", y="y")])


def test_a_pair_may_be_correlated_by_both_methods():
    rng = np.random.default_rng(9)
    table = pd.DataFrame({"x": rng.normal(size=30)})
    table["y"] = np.exp(table["x"]) + 0.1 * rng.normal(size=30)
    items = [Correlation(x="x", y="y", method=method) for method in ("pearson", "spearman")]
    found = correlations_table(table, items)
    assert found["method"].tolist() == ["pearson", "spearman"]
    expected = [
        stats.pearsonr(table["x"], table["y"])[0],
        stats.spearmanr(table["x"], table["y"])[0],
    ]
    np.testing.assert_allclose(found["r"], expected)
    np.testing.assert_allclose(found["p_fdr"], benjamini_hochberg(found["p"]))


# --- Table 1 -------------------------------------------------------------------------------------


def test_table1_states_its_tests():
    table = pd.DataFrame(
        {
            "age": [60.0, 70, 65, 75, 80, np.nan],
            "bmi": [20.0, 25, 30, 22, 28, 24],
            "sex": ["F", "F", "M", "F", "M", "M"],
            "fracture": [0, 1, 1, 0, 1, 0],
            "t": [-3.0, -2, -3, -1, 0, -3],
        }
    )
    found = table1(table, ["age", "bmi", "sex", "fracture"], "t <= -2.5", ["bmi"], {"age": "Age"})
    cells = found.table.set_index(["variable", "level"])
    assert cells.loc[("n", ""), ["overall", "no", "yes"]].tolist() == ["6", "3", "3"]
    age = cells.loc[("Age, mean (SD)", "")]
    assert (age["missing"], age["no"], age["test"]) == ("1", "75.0 (5.0)", "Welch t")
    expected = stats.ttest_ind([70, 75, 80], [60, 65], equal_var=False).pvalue
    assert age["p"] == pytest.approx(expected)
    assert cells.loc[("bmi, median [Q1, Q3]", ""), "test"] == "Mann-Whitney U"
    assert cells.loc[("sex, n (%)", "F"), ["no", "yes"]].tolist() == ["2 (66.7)", "1 (33.3)"]
    assert cells.loc[("sex, n (%)", "F"), "test"] == "Fisher exact"
    assert found.table["level"].tolist() == ["", "", "", "F", "M", "0", "1"]
    assert found.document["n"] == {"overall": 6, "no": 3, "yes": 3}
    with pytest.raises(ValueError, match="unknown column 'agee'"):
        table1(table, ["agee"])
    with pytest.raises(ValueError, match="not numbers: sex"):
        table1(table, ["age", "sex"], nonnormal=["sex"])
    counted = table1(table, ["fracture"], "t <= -2.5", ["fracture"]).table
    assert counted.loc[1, ["overall", "test"]].tolist() == ["0.5 [0.0, 1.0]", "Mann-Whitney U"]
    alone = table1(table, ["age", "sex"]).table
    assert list(alone.columns) == ["variable", "level", "missing", "overall"]


@pytest.mark.parametrize("shift", [5, 50, 1000, 1e6])
def test_a_huge_difference_is_still_tested(shift: float) -> None:
    """scipy's noncentral t is NaN far from its centre; the test does not fall with the limits."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 300), rng.normal(shift, 1, 300)
    found = compare_groups([first, second], "welch")
    assert found.p < 1e-100
    assert found.effect == pytest.approx(-shift, rel=0.1)
    if shift <= 50:
        # Hedges and Olkin's large-sample error; the noncentral limits are near it.
        error = np.sqrt(2 / 300 + found.effect**2 / (2 * 598))
        assert (found.low, found.high) == pytest.approx(
            (found.effect - 1.96 * error, found.effect + 1.96 * error), rel=0.01
        )


@pytest.mark.parametrize("test", ["welch", "anova", "welch_anova"])
def test_groups_without_any_spread_have_no_test_of_means(test: str) -> None:
    found = compare_groups([np.ones(5), np.full(5, 2.0)], test)
    assert np.isnan([found.statistic, found.p, found.effect]).all()
    assert found.note == "no group varies"
    ranks = compare_groups([np.ones(5), np.full(5, 2.0)], "mann_whitney")
    assert ranks.p < 0.05


@pytest.mark.parametrize("shift", [0.3, 1.2, 4.0])
def test_limits_of_hedges_g_do_not_depend_on_the_order_of_groups(shift: float) -> None:
    rng = np.random.default_rng(7)
    first, second = rng.normal(0, 1, 22), rng.normal(shift, 1, 18)
    g, low, high = hedges_g(first, second)
    assert low < g < high
    assert hedges_g(second, first) == pytest.approx((-g, -high, -low))
