"""Analyses of ordered classes and of quantities from tables to results, chance, and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from outcome_cohort import BASE, CLASSES, CONTINUOUS, ORDINAL, cohort
from pydantic import ValidationError

from osteoflow.models.analyse import RUNNERS, run
from osteoflow.models.cross_validation import cross_validate
from osteoflow.models.dataset import assemble
from osteoflow.models.folds import AnalysisError, stratified_folds
from osteoflow.models.kinds.continuous import ContinuousKind
from osteoflow.models.kinds.ordinal import OrdinalKind, called_class
from osteoflow.models.kinds.run import kind_of
from osteoflow.models.out_of_fold import validated_measure
from osteoflow.models.set_aside import hold_out
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.kappa import confusion, weighted_kappa

SECTION = "Ordered classes and quantities: what cross-validation finds where there is nothing"


def _analysis(base: dict, **changes) -> Analysis:
    return Analysis.model_validate(BASE | base | changes)


@pytest.fixture(scope="module")
def ordinal():
    return run(*cohort(), _analysis(ORDINAL, permutations=2, baselines=["hu_l1_mean"]), seed=3)


@pytest.fixture(scope="module")
def continuous():
    return run(*cohort(), _analysis(CONTINUOUS), seed=3)


def _value(table: pd.DataFrame, model: str, part: str, metric: str) -> float:
    row = table[(table["model"] == model) & (table["set"] == part) & (table["metric"] == metric)]
    return float(row["value"].item())


def test_kappa_of_one_called_class_has_no_limits():
    found = weighted_kappa([[3, 0], [2, 0]], "linear")
    assert found.value == 0
    assert np.isnan([found.standard_error, found.low, found.high]).all()


# --- from end to end -----------------------------------------------------------------------------


def test_every_kind_of_outcome_has_a_run_function():
    kinds = Analysis.model_json_schema()["properties"]["kind"]["enum"]
    assert set(RUNNERS) == set(kinds)


def test_ordinal_analysis_predicts_every_participant_out_of_fold(ordinal):
    table = ordinal.tables["predictions"]
    cv = table[table["set"] == "cv"]
    held = table[table["set"] == "holdout"]
    assert set(table["model"]) == {"baseline_hu_l1_mean", "clinical", "radiomics", "combined"}
    assert set(cv["participant_id"]).isdisjoint(held["participant_id"])
    assert (cv.groupby(["model", "participant_id"]).size() == 2).all()
    p = table[[f"probability_{name}" for name in CLASSES]].to_numpy()
    assert p.sum(axis=1) == pytest.approx(np.ones(len(p)))
    best = np.array(CLASSES)[p.argmax(axis=1)]
    assert (table["predicted"] == best).all()
    people = cohort()[0].set_index("participant_id")["dxa_tscore"]
    expected = np.searchsorted([-2.5, -1.0], people[table["participant_id"]], side="right")
    assert (table["outcome"] == expected).all()


def test_ordinal_measures_are_those_of_the_predictions(ordinal):
    performance, table = ordinal.tables["performance"], ordinal.tables["predictions"]
    held = table[(table["set"] == "holdout") & (table["model"] == "combined")]
    place = {name: i for i, name in enumerate(CLASSES)}
    counts = confusion(held["outcome"], held["predicted"].map(place), 3)
    kappa = weighted_kappa(counts, "quadratic")
    row = performance[
        (performance["model"] == "combined")
        & (performance["set"] == "holdout")
        & (performance["metric"] == "kappa_quadratic")
    ].iloc[0]
    assert (row["value"], row["ci_low"], row["ci_high"]) == pytest.approx(
        (kappa.value, kappa.low, kappa.high)
    )
    tabled = ordinal.tables["confusion"]
    mine = tabled[(tabled["set"] == "holdout") & (tabled["model"] == "combined")]
    assert mine["n"].to_numpy().reshape(3, 3).tolist() == counts.tolist()
    # The features share the T-score's cause, age hardly does.
    assert _value(performance, "radiomics", "cv", "c_index") > 0.75
    assert _value(performance, "radiomics", "cv", "auc_hand_till") > 0.7
    assert _value(performance, "clinical", "cv", "c_index") < 0.75


def test_ordinal_analysis_has_its_tables_and_words(ordinal):
    summary, tables = ordinal.documents["summary"], ordinal.tables
    assert summary["kind"] == "ordinal"
    assert sum(summary["classes"].values()) == summary["n"] == 72
    assert sum(summary["classes_holdout"].values()) == summary["n_holdout"]
    assert summary["seed"] == 3
    assert summary["incorporation_bias"] is False
    assert summary["methods"]["baselines"].startswith("HU L1 alone")
    assert "proportional-odds" in summary["methods"]["lasso"]
    assert "inner folds" in summary["methods"]["lasso"]
    assert "without a p value for what the Rad-score adds" in summary["methods"]["nested"]
    assert set(tables["assumptions"]["test"]) == {"brant", "multinomial"}
    assert set(tables["roc"]["class"]) == set(CLASSES)
    assert tables["lasso_cv"]["mark"].str.contains("lambda_min").sum() == 1
    formula = tables["signature"].set_index("term")["coefficient"]
    assert formula[
        ["threshold osteoporosis | osteopenia", "threshold osteopenia | normal"]
    ].is_monotonic_increasing
    assert tables["permutations"]["metric"].unique().tolist() == ["c_index"]
    comparisons = tables["comparisons"]
    assert set(comparisons["metric"]) == {"c_index", "auc_hand_till"}
    tested = comparisons["p"].notna()
    assert comparisons.loc[tested, "test"].str.startswith("difference on the hold-out").all()
    assert (comparisons.loc[tested, "p_adjusted"] >= comparisons.loc[tested, "p"]).all()
    nested = tables["nested"].set_index(["smaller", "larger"])
    assert nested.loc[("clinical", "combined"), "statistic"] > 10
    assert np.isnan(nested.loc[("clinical", "combined"), "p"])  # without score_permutations
    assert nested.loc[("radiomics", "combined"), "p"] < 1


def test_signature_formula_gives_the_rad_score(ordinal):
    """Whoever has the table of the signature can compute scores and classes."""
    formula = ordinal.tables["signature"].set_index("term")
    people, features = cohort()
    table = ordinal.tables["predictions"]
    held = table[(table["set"] == "holdout") & (table["model"] == "radiomics")]
    raw = features.set_index("participant_id").loc[held["participant_id"]]
    used = formula[formula["sd"].notna()]
    score = ((raw[used.index] - used["mean"]) / used["sd"] * used["coefficient"]).sum(axis=1)
    score += formula.loc["intercept", "coefficient"]
    assert score.to_numpy() == pytest.approx(held["score"].to_numpy())
    low = formula.loc["threshold osteoporosis | osteopenia", "coefficient"]
    p = 1 / (1 + np.exp(-(low - score)))
    assert p.to_numpy() == pytest.approx(held["probability_osteoporosis"].to_numpy())


def test_continuous_measures_are_those_of_the_predictions(continuous):
    performance, table = continuous.tables["performance"], continuous.tables["predictions"]
    held = table[(table["set"] == "holdout") & (table["model"] == "combined")]
    error = held["prediction"] - held["outcome"]
    null = held["training_mean"] - held["outcome"]
    r2 = 1 - (error**2).sum() / (null**2).sum()
    assert _value(performance, "combined", "holdout", "r2") == pytest.approx(r2)
    rmse = np.sqrt((error**2).mean())
    assert _value(performance, "combined", "holdout", "rmse") == pytest.approx(rmse)
    low = error.mean() - 1.96 * error.std(ddof=1)
    assert _value(performance, "combined", "holdout", "limit_low") == pytest.approx(low)
    cv = table[(table["set"] == "cv") & (table["model"] == "combined")]
    each = [
        1
        - ((part["prediction"] - part["outcome"]) ** 2).sum()
        / ((part["training_mean"] - part["outcome"]) ** 2).sum()
        for _, part in cv.groupby("repeat")
    ]
    assert _value(performance, "combined", "cv", "r2") == pytest.approx(np.mean(each))
    folded = cv.groupby(["repeat", "fold"])
    r = [np.corrcoef(part["prediction"], part["outcome"])[0, 1] for _, part in folded]
    assert _value(performance, "combined", "cv", "pearson_r") == pytest.approx(np.mean(r))
    assert folded["training_mean"].nunique().max() == 1
    assert _value(performance, "radiomics", "cv", "r2") > 0.4


def test_intervals_hold_their_values(ordinal, continuous):
    for result in (ordinal, continuous):
        table = result.tables["performance"].dropna()
        assert len(table)
        assert (table["ci_low"] <= table["value"] + 1e-9).mean() > 0.98
        assert (table["ci_high"] >= table["value"] - 1e-9).mean() > 0.98


def test_same_seed_same_results_whatever_the_order_of_rows(continuous):
    people, features = cohort()
    again = run(people[::-1], features.sample(frac=1, random_state=1), _analysis(CONTINUOUS), 3)
    for name, table in continuous.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    assert again.documents == continuous.documents


@pytest.mark.parametrize("learner", ["elastic_net", "svm", "random_forest", "gradient_boosting"])
def test_other_learners_of_quantities(learner):
    few = {"repeats": 1, "outer_folds": 2, "inner_folds": 2, "holdout_fraction": 0}
    steps = {"image": "pdff", "learners": [learner]}
    about = _analysis(CONTINUOUS, clinical=[], radiomics=steps, **few)
    result = run(*cohort(), about, seed=1)
    assert _value(result.tables["performance"], "radiomics", "cv", "r2") > 0.3
    assert result.documents["summary"]["radiomics"]["learners"]["radiomics"]["setting"]
    assert learner in result.documents["summary"]["methods"]


def test_univariate_filter_and_mrmr_use_the_order():
    steps = {"image": "pdff", "univariate": {"alpha": 0.001}, "mrmr": 2}
    for base in (ORDINAL, CONTINUOUS):
        result = run(*cohort(), _analysis(base, radiomics=steps, repeats=1), seed=1)
        counts = result.tables["filters"].set_index("step")
        assert counts.loc["univariate", "n_out"] == 3
        assert counts.loc["mrmr", "n_out"] == 2
        assert "Spearman" in result.documents["summary"]["methods"]["univariate"]


def test_separated_classes_are_told(ordinal):
    people, features = cohort()
    people["grip"] = people["dxa_tscore"].round(3) * 7 + 20
    about = _analysis(ORDINAL, clinical=["grip"], radiomics=None, repeats=1)
    result = run(people, features, about, seed=1)
    warnings = " ".join(result.documents["summary"]["warnings"])
    assert (
        "the classes are separated, so a ridge penalty replaced maximum likelihood in the final fit"
        in warnings
    )
    assert "not defined" in " ".join(result.tables["assumptions"]["method"])
    assert np.isfinite(result.tables["coefficients"]["standard_error"]).all()


# --- chance --------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [ORDINAL, CONTINUOUS], ids=["ordinal", "continuous"])
def test_shuffled_outcome_is_chance(base, record):
    """Five features are chosen by their association in each training part, none outside of it."""
    people, features = cohort(60, 60)
    steps = {"image": "pdff", "mrmr": 5}
    about = _analysis(base, clinical=[], radiomics=steps, repeats=1, holdout_fraction=0)
    kind = kind_of(about)
    found: dict[str, list[float]] = {}
    outcome = about.outcome
    n_seeds = 12
    for seed in range(n_seeds):
        shuffled = people.assign(
            **{outcome: np.random.default_rng(seed).permutation(people[outcome])}
        )
        data = assemble(shuffled, features, about)
        rows = np.arange(len(data.outcome))
        result, _ = cross_validate(kind, data, rows, about, np.random.SeedSequence(seed))
        ones = np.ones((1, len(rows)))
        for measure in kind.measures:
            value = validated_measure(result, "radiomics", measure, ones)[0]
            found.setdefault(measure.name, []).append(float(value))
    chance = {"c_index": 0.5, "auc_hand_till": 0.5, "kappa_quadratic": 0.0} | {
        "pearson_r": 0.0, "spearman_r": 0.0
    }  # fmt: skip
    for name, expected in chance.items():
        if name in found:
            mean = np.mean(found[name])
            record(SECTION, f"{about.kind}: mean {name} of {n_seeds} shuffled outcomes", mean, "",
                   f"{expected:g} +- 0.06")  # fmt: skip
            assert abs(mean - expected) < 0.06, name
    if base is CONTINUOUS:
        mean = np.mean(found["r2"])
        record(SECTION, "continuous: mean R2 of shuffled outcomes", mean, "", "-0.25 to 0.02")
        assert -0.25 < mean < 0.02


def test_choice_of_features_outside_of_the_folds_would_show(record):
    """The check of chance can fail: features chosen on all rows make R2 of nothing."""
    rng = np.random.default_rng(5)
    people, _ = cohort(60, 4)
    X, y = rng.normal(size=(60, 400)), rng.permutation(people["vbmd_l1l2_mean"].to_numpy())
    best = np.argsort(-np.abs(np.corrcoef(X.T, y)[-1, :-1]))[:5]
    names = [f"original_firstorder_f{i}" for i in range(5)]
    keys = {"participant_id": people["participant_id"], "session": np.nan, "rater": 1}
    features = pd.DataFrame(X[:, best], columns=names).assign(
        **keys, image="pdff", flag="", roi="L1_trabecular", n_voxels=900
    )
    about = _analysis(CONTINUOUS, clinical=[], repeats=1, holdout_fraction=0)
    data = assemble(people.assign(vbmd_l1l2_mean=y), features, about)
    result, _ = cross_validate(
        ContinuousKind(), data, np.arange(60), about, np.random.SeedSequence(0)
    )
    r2 = validated_measure(result, "radiomics", ContinuousKind().measures[0], np.ones((1, 60)))[0]
    record(SECTION, "continuous: R2 of a shuffled outcome, features chosen on all rows", r2, "",
           "> 0.2: it would show")  # fmt: skip
    assert r2 > 0.2


# --- folds and bad input -------------------------------------------------------------------------


def test_folds_keep_classes_and_quantiles_and_part_participants():
    rng = np.random.default_rng(0)
    groups = np.repeat([f"p{i:02d}" for i in range(30)], 2)
    grade = np.repeat(rng.permutation(np.repeat([0.0, 1.0, 2.0], 10)), 2)
    for train, test in stratified_folds(OrdinalKind(CLASSES), grade, groups, 5, rng):
        assert set(groups[train]).isdisjoint(groups[test])
        assert [(grade[test] == k).sum() for k in range(3)] == [4, 4, 4]
    value = rng.normal(size=50)
    names = np.array([f"p{i:02d}" for i in range(50)])
    upper = value > np.median(value)
    for _, test in stratified_folds(ContinuousKind(), value, names, 5, rng):
        assert len(test) == 10
        assert 4 <= upper[test].sum() <= 6


def test_hold_out_by_rule_and_by_share():
    people, features = cohort()
    data = assemble(people, features, _analysis(ORDINAL))
    train, test = hold_out(OrdinalKind(CLASSES), data, _analysis(ORDINAL), np.random.default_rng(0))
    share = [(data.outcome[test] == k).sum() / (data.outcome == k).sum() for k in range(3)]
    assert share == pytest.approx([0.3] * 3, abs=0.04)
    assert sorted([*train, *test]) == list(range(72))
    ruled = _analysis(ORDINAL, holdout_rule="site == B")
    data = assemble(people, features, ruled)
    _, test = hold_out(OrdinalKind(CLASSES), data, ruled, np.random.default_rng(0))
    assert len(test) == 24


def test_called_class_breaks_ties_towards_the_earlier_class():
    prediction = np.array([[0.0, 0.4, 0.4, 0.2], [0.0, 0.1, 0.2, 0.7]])
    assert called_class(prediction).tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("base", "change", "reason"),
    [
        (ORDINAL, lambda p: p.assign(dxa_tscore=p["dxa_tscore"].clip(lower=-2.4)),
         "no participant of the training data is of class 'osteoporosis'"),
        (ORDINAL, lambda p: p.assign(dxa_tscore=np.where(np.arange(72) < 3, -3.0, -1.5)
                                     + (np.arange(72) % 2)), "does not suffice for 3 folds"),
        (CONTINUOUS, lambda p: p.assign(vbmd_l1l2_mean=100.0), "the outcome is constant"),
        (CONTINUOUS, lambda p: p.assign(
            vbmd_l1l2_mean=p["vbmd_l1l2_mean"].where(np.arange(72) < 9)),
         "do not suffice for 3 folds of 3 or more"),
        (CONTINUOUS, lambda p: p.assign(vbmd_l1l2_mean="high"), "holds text, not numbers"),
        (CONTINUOUS, lambda p: p.assign(vbmd_l1l2_mean=np.nan), "no participant has both"),
        (CONTINUOUS, lambda p: p.assign(age=np.nan), "column 'age' has no value"),
    ],
)  # fmt: skip
def test_data_that_cannot_support_an_analysis(base, change, reason):
    people, features = cohort()
    with pytest.raises(AnalysisError, match=reason):
        run(change(people), features, _analysis(base), seed=0)


def test_hold_out_of_one_class_or_one_value_is_refused():
    people, features = cohort()
    people["site"] = np.where(people["dxa_tscore"] >= -1.0, "B", "A")
    people.loc[people.index[people["site"] == "B"][6:], "site"] = "A"
    with pytest.raises(AnalysisError, match="participants of one class alone"):
        run(people, features, _analysis(ORDINAL, holdout_rule="site == B"), seed=0)
    people["site"] = np.where(np.arange(72) < 2, "B", "A")
    with pytest.raises(AnalysisError, match="3 participants with different outcomes"):
        run(people, features, _analysis(CONTINUOUS, holdout_rule="site == B"), seed=0)


@pytest.mark.parametrize(
    ("base", "changes", "reason"),
    [
        (ORDINAL, {"radiomics": {"image": "pdff", "learners": ["svm"]}}, "not 'svm'"),
        (CONTINUOUS, {"radiomics": {"image": "pdff", "learners": ["logistic"]}}, "not 'logistic'"),
        (CONTINUOUS, {"optimism_bootstraps": 50}, "binary outcomes alone"),
        (ORDINAL, {"prevalence": 0.1}, "binary outcomes alone"),
    ],
)
def test_settings_that_a_kind_does_not_have(base, changes, reason):
    with pytest.raises(ValidationError, match=reason):
        _analysis(base, **changes)
