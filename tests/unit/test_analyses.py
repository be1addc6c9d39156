"""Analyses of a binary outcome with any list of models, and data that cannot support them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import chi2

from osteoflow.models.comparisons import comparisons, nested_table, pairs
from osteoflow.models.dataset import assemble
from osteoflow.models.decision import at_prevalence, net_benefit
from osteoflow.models.filters import feature_filters
from osteoflow.models.fit_warnings import HARMONISED_SIGNATURE
from osteoflow.models.fitting import fit_models
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.learners import random_forest
from osteoflow.models.logistic import fit_logistic
from osteoflow.models.out_of_fold import CrossValidated
from osteoflow.models.parallel import in_order
from osteoflow.models.performance import bootstrap_weights
from osteoflow.models.resampled import resampled
from osteoflow.models.score_test import ScoreNull
from osteoflow.models.tables.predicted import decision_curve
from osteoflow.models.validate import AnalysisResult, run_analysis
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.intervals import holm
from osteoflow.statistics.roc import auc

BASIC = {
    "name": "a",
    "outcome": "fracture",
    "outer_folds": 3,
    "inner_folds": 3,
    "repeats": 1,
    "bootstraps": 100,
    "permutations": 0,
    "score_permutations": 0,
    "holdout_fraction": 0.3,
}
EVERYTHING = {
    "clinical": ["age", "sex"],
    "measurements": ["pdff_l1l2_mean"],
    "baselines": ["hu_l1l2_mean"],
    "radiomics": {"image": ["vbmd", "pdff"], "learners": ["lasso", "random_forest"], "mrmr": 8},
}


def _analysis(**changes) -> Analysis:
    return Analysis(**(BASIC | changes))


def _cohort(n: int = 84, p: int = 10, seed: int = 0, effect: float = 1.0):
    """Participants, and features of two images; some were rated twice, in two sites."""
    rng = np.random.default_rng(seed)
    ids = [f"sub-{number:03d}" for number in range(n)]
    event = rng.permutation(np.arange(n) % 3 == 0).astype(int)
    site = np.where(np.arange(n) % 2, "A", "B")
    people = pd.DataFrame(
        {
            "participant_id": ids,
            "age": 65 + 8 * rng.normal(size=n) + 4 * effect * event,
            "sex": rng.choice(["F", "M"], n),
            "site": site,
            "hu_l1l2_mean": 140 + 20 * rng.normal(size=n) - 10 * effect * event,
            "pdff_l1l2_mean": 40 + 6 * rng.normal(size=n) + 4 * effect * event,
            "fracture": event,
        }
    )
    parts = []
    for image in ("vbmd", "pdff"):
        values = rng.normal(size=(n, p)) + effect * event[:, None] * (np.arange(p) % 3 == 0)
        values += 2.0 * (site == "B")[:, None]
        names = [f"original_firstorder_{image}{place}" for place in range(p)]
        first = pd.DataFrame(values, columns=names).assign(participant_id=ids)
        first = first.assign(image=image, roi="l1l2_trabecular", rater=1, session="", flag="")
        second = first.iloc[::3].copy()
        second[names] += 0.1 * rng.normal(size=(len(second), p))
        parts += [first, second.assign(rater=2)]
    return people, pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module", autouse=True)
def _small_forest():
    """Fewer trees: what is tested does not hang on their number."""
    kept, random_forest.N_TREES = random_forest.N_TREES, 10
    yield
    random_forest.N_TREES = kept


@pytest.fixture(scope="module")
def everything() -> AnalysisResult:
    analysis = _analysis(**EVERYTHING, optimism_bootstraps=6, permutations=2)
    return run_analysis(*_cohort(), analysis, seed=4)


MODELS = [
    "baseline_hu_l1l2_mean", "clinical", "measurements", "radiomics", "radiomics_random_forest",
    "combined",
]  # fmt: skip


# --- any list of models --------------------------------------------------------------------------


def test_every_table_has_every_model(everything):
    tables, summary = everything.tables, everything.documents["summary"]
    assert summary["models"] == MODELS
    named = ("predictions", "performance", "calibration", "roc", "classification", "optimism",
             "permutations")  # fmt: skip
    for name in named:
        assert list(dict.fromkeys(tables[name]["model"])) == MODELS, name
    strategies = set(tables["decision_curve"]["strategy"])
    assert strategies == {*MODELS, "all", "none"}
    assert list(dict.fromkeys(tables["selection"]["model"])) == MODELS[3:5]
    assert list(dict.fromkeys(tables["coefficients"]["model"])) == [*MODELS[:3], "combined"]
    assert set(tables["lasso_path"]["model"]) == set(tables["lasso_cv"]["model"]) == {"radiomics"}
    terms = tables["coefficients"].set_index("model").loc["combined", "term"].tolist()
    assert terms == ["intercept", "age", "sex=M", "pdff_l1l2_mean", "rad_score"]
    chart = everything.documents["nomogram"]
    assert [axis["name"] for axis in chart["predictors"]][-1] == "rad_score"


def test_features_of_two_images_stand_side_by_side(everything):
    features = everything.tables["selection"]["feature"]
    assert {name.partition(":")[0] for name in features} == {"vbmd", "pdff"}
    steps = everything.tables["filters"]
    assert steps["step"].tolist() == [
        "reliability", "imputation", "variance", "scaling", "redundancy", "mrmr", "lasso",
        "random_forest",
    ]  # fmt: skip
    assert steps["n_in"].iloc[0] == 20
    assert steps.set_index("step").loc[["lasso", "random_forest"], "n_in"].tolist() == [8, 8]
    selection = everything.tables["selection"].set_index("model")
    forest = selection.loc["radiomics_random_forest"]
    assert forest["coefficient"].isna().all()
    # In each of the folds mRMR hands 8 of the 20 features on.
    assert forest["frequency"].sum() == pytest.approx(8)
    learners = everything.documents["summary"]["radiomics"]["learners"]
    leaf = learners["radiomics_random_forest"]["setting"]["min_samples_leaf"]
    assert leaf in random_forest.LEAF_SIZES


def test_pairs_of_models():
    assert pairs(["clinical", "radiomics", "combined"]) == [
        ("combined", "clinical"),
        ("combined", "radiomics"),
        ("radiomics", "clinical"),
    ]
    found = pairs(MODELS)
    assert len(found) == len(set(found)) == 13
    assert ("radiomics_random_forest", "radiomics") in found
    assert ("clinical", "baseline_hu_l1l2_mean") in found
    assert ("radiomics_random_forest", "clinical") not in found
    assert pairs(["baseline_age"]) == pairs(["radiomics"]) == []


def test_tests_are_made_on_the_holdout_alone_and_adjusted(everything):
    table = everything.tables["comparisons"]
    assert [*zip(table["model_a"][::2], table["model_b"][::2], strict=True)] == pairs(MODELS)
    tested = table[table["test"] == "paired DeLong on the hold-out"]
    # Eight events are held out, too few for a test.
    assert tested.empty
    held = table[table["test"].str.contains("fewer than 10 events or non-events are held out")]
    assert len(held) == 13
    assert held[["difference", "ci_low", "ci_high"]].notna().all(axis=None)
    assert held[["p", "p_adjusted"]].isna().all(axis=None)
    warnings = " ".join(everything.documents["summary"]["warnings"])
    assert "the hold-out has 8 events and 17 non-events, where 100 of each are advised" in warnings
    assert "(holdout_fraction: 0)" in warnings


def test_differences_on_a_hold_out_of_enough_are_tested_and_adjusted():
    rng = np.random.default_rng(4)
    y = np.repeat([0.0, 1.0], 30)
    scores = {name: expit(rng.normal(size=60) + y) for name in ("clinical", "radiomics")}
    scores |= {"combined": expit(rng.normal(size=60) + 1.5 * y), "radiomics_svm": 0.25 + 0.5 * y}
    fold = np.arange(60)[None] % 2
    validated = CrossValidated(y, fold, {name: p[None, :, None] for name, p in scores.items()})
    weights = bootstrap_weights(np.arange(60), 200, rng)
    table = comparisons(validated, weights, (y, scores), weights)
    assert [*zip(table["model_a"][::2], table["model_b"][::2], strict=True)] == pairs([*scores])
    tested = table[table["test"] == "paired DeLong on the hold-out"]
    assert set(tested["model_a"]) | set(tested["model_b"]) == {"clinical", "radiomics", "combined"}
    assert tested["p"].notna().all()
    others = table.drop(tested.index)
    assert others[["p", "p_adjusted"]].isna().all(axis=None)
    assert (others["correction"] == "").all()
    assert (tested["correction"] == "Holm, 3 tests").all()
    np.testing.assert_allclose(tested["p_adjusted"], holm(tested["p"]))
    ordered = tested.sort_values("p")
    assert ordered["p_adjusted"].iloc[0] == pytest.approx(min(1, 3 * ordered["p"].iloc[0]))
    # A model that separates the hold-out has no variance: no test, and limits within the possible.
    whole = others[others["test"].str.contains("an AUC is 0 or 1")]
    assert len(whole) == 2
    assert whole["ci_high"].max() <= 1


def test_reclassification_is_of_the_holdout(everything):
    table = everything.tables["reclassification"]
    held = everything.tables["predictions"].query("set == 'holdout'")
    p = held.pivot_table(index="participant_id", columns="model", values="probability")
    y = held.drop_duplicates("participant_id").set_index("participant_id")["outcome"] == 1
    change = p["combined"] - p["clinical"]
    idi = change[y].mean() - change[~y].mean()
    nri = np.sign(change[y]).mean() - np.sign(change[~y]).mean()
    found = table.query("model_new == 'combined' and model_old == 'clinical'").set_index("index")
    assert found.loc["idi", "value"] == pytest.approx(idi)
    assert found.loc["nri", "value"] == pytest.approx(nri)
    assert found["method"].str.contains("hold-out").all()


SMALLER = ("baseline_age", "clinical", "measurements")


def test_nested_models_are_those_whose_terms_another_has():
    people, features = _cohort()
    analysis = _analysis(**(EVERYTHING | {"baselines": ["hu_l1l2_mean", "age"]}))
    data = assemble(people, features, analysis)
    rows = np.arange(60)
    final = fit_models(BinaryKind(), data, rows, analysis, 1)
    null = ScoreNull([{(s, "combined"): 1.0 for s in SMALLER}] * 3, [])
    table = nested_table(BinaryKind(), final, data.outcome[rows], null)
    found = list(zip(table["smaller"], table["larger"], strict=True))
    assert found == [
        ("baseline_age", "clinical"),
        ("radiomics", "combined"),
        ("baseline_age", "combined"),
        ("clinical", "combined"),
        ("measurements", "combined"),
    ]
    row = table.set_index("smaller").loc["clinical"]
    assert (row["added"], row["df"], row["n"]) == ("pdff_l1l2_mean, rad_score", 2, 60)
    eta = {
        name: final.models[name].regression_.fit.linear_predictor(
            final.models[name].training_design_
        )
        for name in ("clinical", "combined")
    }
    y = data.outcome[rows]
    likelihood = {name: np.sum(y * e - np.logaddexp(0, e)) for name, e in eta.items()}
    statistic = 2 * (likelihood["combined"] - likelihood["clinical"])
    assert row["statistic"] == pytest.approx(statistic)
    assert row["p"] == 0.25  # no chi-squared where the Rad-score is among the terms
    assert "p by 3 permutations of the features" in row["method"]
    measured = table.set_index(["smaller", "larger"]).loc["baseline_age", "clinical"]
    assert measured["p"] == pytest.approx(chi2.sf(measured["statistic"], measured["df"]))
    unknown = nested_table(BinaryKind(), final, data.outcome[rows], ScoreNull([], []))
    added = unknown["added"].str.contains("rad_score")
    assert unknown.loc[added, "p"].isna().all() and unknown.loc[~added, "p"].notna().all()
    assert "chi-squared does not hold" in unknown.loc[added, "method"].iloc[0]
    assert "cross-fitted" in row["method"]
    assert "cross-fitted" not in table["method"].iloc[0]
    # What the combined model was fitted on are the scores of rows left out.
    design = final.models["combined"].training_design_["rad_score"]
    np.testing.assert_array_equal(design, final.models["radiomics"].cross_fitted_)
    assert not np.allclose(design, final.models["radiomics"].rad_score(data.table.iloc[rows]))


@pytest.mark.parametrize(
    ("predictors", "models"),
    [
        ({"measurements": ["hu_l1l2_mean"]}, ["measurements"]),
        ({"baselines": ["hu_l1l2_mean"]}, ["baseline_hu_l1l2_mean"]),
        (
            {"clinical": ["age"], "measurements": ["hu_l1l2_mean"]},
            ["clinical", "measurements", "combined"],
        ),
        ({"radiomics": {"image": "pdff", "learners": ["svm"]}}, ["radiomics"]),
        (
            {
                "clinical": ["age"],
                "radiomics": {"image": "vbmd", "learners": ["elastic_net", "logistic"], "mrmr": 2},
            },
            ["clinical", "radiomics", "radiomics_logistic", "combined"],
        ),
    ],
)
def test_any_block_may_be_absent(predictors, models):
    people, features = _cohort(72, 6)
    if "radiomics" not in predictors:
        features = features.iloc[:0]
    result = run_analysis(people, features, _analysis(**predictors), seed=1)
    tables, summary = result.tables, result.documents["summary"]
    assert summary["models"] == models
    assert list(dict.fromkeys(tables["performance"]["model"])) == models
    assert (summary["radiomics"] is None) == ("radiomics" not in predictors)
    for name in ("selection", "lasso_path", "lasso_cv", "filters", "signature"):
        sparse = "elastic_net" in str(predictors)
        radiomic = "radiomics" in predictors
        expected = radiomic if name in ("selection", "filters") else sparse
        assert tables[name].empty != expected, name
        assert len(tables[name].columns) > 2
    assert tables["comparisons"].empty == (len(models) == 1)
    assert tables["coefficients"].empty == (models == ["radiomics"])
    several = {"clinical", "measurements", "combined"} & set(models)
    assert ("nomogram" in result.documents) == bool(several)
    assert {"optimism", "permutations", "nested", "reclassification"} <= set(tables)


def test_learners_share_folds_and_the_first_is_unchanged_by_others():
    cohort = _cohort(72, 6)
    radiomics = {"image": "pdff", "mrmr": 4}
    alone = run_analysis(*cohort, _analysis(radiomics=radiomics), seed=2)
    both = {**radiomics, "learners": ["lasso", "random_forest", "gradient_boosting"]}
    more = run_analysis(*cohort, _analysis(radiomics=both), seed=2)
    columns = ["participant_id", "fold", "outcome", "probability"]
    for name in ("predictions", "performance", "selection"):
        first = more.tables[name].query("model == 'radiomics'").reset_index(drop=True)
        wanted = columns if name == "predictions" else first.columns
        pd.testing.assert_frame_equal(first[wanted], alone.tables[name][wanted])
    folds = more.tables["predictions"].query("set == 'cv'").groupby("participant_id")["fold"]
    assert (folds.min() == folds.max()).all()


# --- resampling, permutation, workers ------------------------------------------------------------


def test_results_do_not_depend_on_the_number_of_workers():
    radiomics = {"image": "pdff", "learners": ["lasso", "gradient_boosting"], "mrmr": 3}
    settings = {"clinical": ["age"], "radiomics": radiomics, "inner_folds": 2}
    analysis = _analysis(**settings, permutations=1, optimism_bootstraps=2)
    one, two = (run_analysis(*_cohort(60, 6), analysis, seed=4, workers=n) for n in (1, 2))
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, two.tables[name], check_exact=True)
    assert one.documents == two.documents


def _fails_from(number: int, first: int) -> int:
    if number >= first:
        raise AnalysisError(f"task {number}")
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_failing_task_is_told(workers):
    assert in_order(_fails_from, [(n, 9) for n in range(4)], workers) == [0, 1, 2, 3]
    with pytest.raises(AnalysisError, match="task 2"):
        in_order(_fails_from, [(n, 2) for n in range(6)], workers)


class _Counted:
    """Counts how often it is pickled."""

    pickled = 0

    def __reduce__(self):
        _Counted.pickled += 1
        return (_Counted, ())


def _places(shared: _Counted, number: int, also: str) -> tuple[str, int, str]:
    return type(shared).__name__, number, also


def test_what_all_tasks_share_is_handed_over_once():
    shared, before = _Counted(), _Counted.pickled
    found = in_order(_places, [(shared, number, "x") for number in range(6)], 2)
    assert found == [("_Counted", number, "x") for number in range(6)]
    assert _Counted.pickled == before + 1


def test_a_resample_is_a_data_set_of_its_own():
    harmonised = {"image": "vbmd", "harmonisation": {"site": "site", "covariates": ["age"]}}
    analysis = _analysis(clinical=["age"], radiomics=harmonised)
    data = assemble(*_cohort(60, 6), analysis)
    rows = np.sort(np.random.default_rng(0).integers(60, size=60))
    again = resampled(data, rows)
    assert again.table.index.is_unique
    assert again.groups.tolist() == data.groups[rows].tolist()
    np.testing.assert_array_equal(again.table[data.features], data.table[data.features].iloc[rows])
    models = fit_models(BinaryKind(), again, np.arange(60), analysis, 1)
    # Copies of a participant lie on one side of every inner split.
    folded = models.models["radiomics"].fold(again.table, again.outcome, again.groups)
    for fold in folded.inner:
        assert not set(again.groups[fold.train]) & set(again.groups[fold.test])
    probabilities = models.probabilities(data.table)
    assert all(np.isfinite(p).all() for p in probabilities.values())
    # A copy's reading counts once more among the pairs that judge a feature's reliability.
    read = set(data.repeated["inter_rater"].readings[0].index)
    pairs_read = sum(name in read for name in data.table.index[rows])
    assert models.models["radiomics"].filters_.named_steps["reliability"].n_pairs_ == pairs_read


def test_optimism_is_that_of_each_model(everything):
    table = everything.tables["optimism"]
    boot = table.query("method == 'bootstrap' and metric == 'auc'").set_index("model")
    assert (boot["n_resamples"] == 6).all()
    np.testing.assert_allclose(boot["corrected"], boot["apparent"] - boot["optimism"])
    # One coefficient has little to be optimistic about, selected trees have much.
    forest, single = boot["optimism"][["radiomics_random_forest", "baseline_hu_l1l2_mean"]]
    assert forest > abs(single)
    plus = table.query("method == '.632+' and metric == 'auc'").set_index("model")
    assert ((plus["weight"] >= 0.632) & (plus["weight"] <= 1)).all()
    assert plus.loc["radiomics_random_forest", "corrected"] < boot["apparent"].max()


def test_permuted_outcomes_give_no_area(everything):
    table = everything.tables["permutations"].set_index("model")
    cv = everything.tables["performance"].query("set == 'cv' and metric == 'auc'")
    np.testing.assert_allclose(table["observed"], cv.set_index("model")["value"][table.index])
    assert (table["n_permutations"] == 2).all()
    assert (abs(table["permuted_mean"] - 0.5) < 0.25).all()
    assert table.loc["combined", "p"] == pytest.approx(1 / 3)


def test_other_kinds_are_not_taken_for_events():
    participants, features = _cohort(60, 4)
    participants["years"] = np.linspace(1, 9, 60)
    analysis = _analysis(kind="survival", time="years", clinical=["age"])
    with pytest.raises(AnalysisError, match="survival"):
        run_analysis(participants, features, analysis, seed=1)


def test_a_harmonised_signature_says_so():
    radiomics = {"image": "vbmd", "harmonisation": {"site": "site"}}
    for settings, told in ((radiomics, True), ({"image": "vbmd"}, False)):
        result = run_analysis(*_cohort(90, 6), _analysis(radiomics=settings, repeats=1), seed=1)
        assert len(result.tables["signature"])
        assert (HARMONISED_SIGNATURE in result.documents["summary"]["warnings"]) == told


# --- harmonisation and other steps ---------------------------------------------------------------


def test_steps_stand_in_their_order():
    radiomics = {
        "image": "vbmd",
        "harmonisation": {"site": "site"},
        "univariate": {"alpha": 0.2, "correction": "fdr"},
        "mrmr": 3,
    }
    analysis = _analysis(radiomics=radiomics)
    filters = feature_filters(assemble(*_cohort(60, 6), analysis), analysis)
    assert list(filters.named_steps) == [
        "reliability", "imputation", "variance", "harmonisation", "harmonised_variance", "scaling",
        "univariate", "redundancy", "mrmr",
    ]  # fmt: skip
    words = run_analysis(*_cohort(60, 6), analysis, 1).documents["summary"]["methods"]
    assert list(words)[:8] == [
        "reliability", "imputation", "variance", "harmonisation", "scaling", "univariate",
        "redundancy", "mrmr",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no radiomic predictors"):
        feature_filters(None, _analysis(clinical=["age"]))


def test_harmonisation_is_learned_in_each_training_part():
    radiomics = {"image": "vbmd", "harmonisation": {"site": "site", "covariates": ["age"]}}
    analysis = _analysis(radiomics=radiomics)
    data = assemble(*_cohort(60, 6), analysis)
    train, test = np.arange(40), np.arange(40, 60)
    one = fit_models(BinaryKind(), data, train, analysis, 1).models["radiomics"]
    poisoned = data.table.copy()
    poisoned.iloc[test, poisoned.columns.get_indexer(data.features)] = 1e6
    data.sites.iloc[test, data.sites.columns.get_loc("age")] = 500.0
    other = type(data)(**{**data.__dict__, "table": poisoned})
    two = fit_models(BinaryKind(), other, train, analysis, 1).models["radiomics"]
    assert one.coefficients_.equals(two.coefficients_)
    step = one.filters_.named_steps["harmonisation"]
    assert step.sites_ == {"A": 20, "B": 20}
    harmonised = one.filters_[:-2].transform(data.table.iloc[train][data.features])
    member = (data.sites["site"].iloc[train] == "B").to_numpy()
    gap = harmonised[member].mean() - harmonised[~member].mean()
    raw = data.table.iloc[train][data.features]
    before = (raw[member].mean() - raw[~member].mean()).abs()
    assert (gap.abs() < 0.3 * before[gap.index]).all()


def test_a_site_that_training_lacks():
    people, features = _cohort(60, 6)
    people.loc[:1, "site"] = "C"
    radiomics = {"image": "vbmd", "harmonisation": {"site": "site", "unseen_site": "refuse"}}
    refused = _analysis(radiomics=radiomics, holdout_rule="site == C")
    people.loc[[0, 2, 3, 4], "site"] = "C"
    people.loc[people.index[people["fracture"] == 1][:3], "site"] = "C"
    with pytest.raises(AnalysisError, match="cannot be harmonised"):
        run_analysis(people, features, refused, 1)
    radiomics["harmonisation"]["unseen_site"] = "leave"
    left = run_analysis(
        people, features, _analysis(radiomics=radiomics, holdout_rule="site == C"), 1
    )
    told = left.documents["summary"]["warnings"]
    assert any("of site C" in text and "unharmonised" in text for text in told)
    words = left.documents["summary"]["methods"]["harmonisation"]
    assert "other sites stay as they are" in words and "not harmonised" not in words


def test_methods_tell_that_one_training_site_is_not_harmonised():
    people, features = _cohort(60, 6)
    people["site"] = np.where(np.arange(len(people)) % 3 == 0, "B", "A")
    radiomics = {"image": "vbmd", "harmonisation": {"site": "site", "unseen_site": "leave"}}
    found = run_analysis(
        people, features, _analysis(radiomics=radiomics, holdout_rule="site == B"), 1
    )
    words = found.documents["summary"]["methods"]["harmonisation"]
    assert words.endswith("final fit: rows of site A only: the features were not harmonised")


# --- data that cannot support an analysis --------------------------------------------------------


def _changed(people, features, change):
    if change == "constant":
        features["original_firstorder_vbmd0"] = 5.0
    elif change == "empty":
        features["original_firstorder_vbmd1"] = np.nan
    elif change == "separated":
        people["age"] = 50 + 20.0 * people["fracture"] + np.arange(len(people)) * 0.01
    elif change == "unread":
        features = features[features["rater"] == 1]
    return people, features


@pytest.mark.parametrize("change", ["constant", "empty", "separated", "unread"])
def test_odd_columns_are_survived_and_told(change):
    people, features = _changed(*_cohort(60, 6), change)
    radiomics = {"image": "vbmd", "learners": ["lasso", "logistic", "svm"]}
    result = run_analysis(
        people, features, _analysis(clinical=["age"], radiomics=radiomics), seed=1
    )
    assert result.tables["predictions"]["probability"].between(0, 1).all()
    told = " ".join(result.documents["summary"]["warnings"])
    steps = result.tables["filters"].set_index("step")
    if change == "constant":
        used = result.tables["selection"].query("feature == 'original_firstorder_vbmd0'")
        assert (used["frequency"] == 0).all()
        assert steps.loc["reliability", "n_out"] < steps.loc["reliability", "n_in"]
    elif change == "separated":
        assert "clinical model: the classes are separated" in told
        firth = result.tables["coefficients"].query("model == 'clinical'")["method"]
        assert set(firth) == {"Firth, FLIC; profile penalised likelihood"}
    elif change == "unread":
        assert "no second rater" in told
    else:
        assert "original_firstorder_vbmd1" not in set(result.tables["selection"]["feature"])


def test_no_feature_left_gives_constant_scores():
    people, features = _cohort(60, 6, effect=0.0)
    radiomics = {
        "image": "vbmd",
        "univariate": {"alpha": 1e-9},
        "learners": ["lasso", "svm", "random_forest", "gradient_boosting", "logistic"],
    }
    result = run_analysis(
        people, features, _analysis(clinical=["age"], radiomics=radiomics), seed=1
    )
    assert result.tables["filters"].set_index("step").loc["univariate", "n_out"] == 0
    performance = result.tables["performance"].query("metric == 'auc'").set_index("model")
    radiomic = [name for name in performance.index if name.startswith("radiomics")]
    assert (performance.loc[radiomic, "value"] == 0.5).all()
    told = result.documents["summary"]["warnings"]
    assert "the filters left no feature: the radiomic models are constant" in told
    combined = result.tables["predictions"].pivot_table(
        index=["set", "participant_id"], columns="model", values="probability"
    )
    np.testing.assert_allclose(combined["combined"], combined["clinical"])


def test_more_features_than_participants():
    people, features = _cohort(48, 120)
    result = run_analysis(
        people, features, _analysis(clinical=["age"], radiomics={"image": "pdff"}), seed=1
    )
    told = " ".join(result.documents["summary"]["warnings"])
    assert "candidate parameters" in told
    cv = result.tables["performance"].query("model == 'radiomics' and metric == 'auc'")
    assert cv["value"].between(0.5, 1).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda people: people.assign(fracture=0), "one class only: none of .* is an event"),
        (lambda people: people.assign(fracture=1), "one class only: none of .* is a non-event"),
        (
            lambda people: people.assign(fracture=(np.arange(len(people)) < 4).astype(int)),
            "events .* do not suffice for 3 folds|in the hold-out",
        ),
        (lambda people: people.drop(columns="fracture"), "unknown column 'fracture'"),
        (lambda people: people.assign(age=np.nan), "'age' has no value in the training data"),
        (lambda people: pd.concat([people, people.iloc[:2]]), "more than once"),
        (lambda people: people.assign(fracture=np.nan), "no participant has both|no participant"),
    ],
)
def test_impossible_data_have_a_reason(change, words):
    people, features = _cohort(48, 4)
    analysis = _analysis(clinical=["age"], radiomics={"image": "vbmd"})
    with pytest.raises(AnalysisError, match=words):
        run_analysis(change(people), features, analysis, seed=1)


def test_a_bug_is_no_reason(monkeypatch):
    """An error of the program is not taken for data that cannot support an analysis."""

    def broken(*args, **kwargs):
        raise TypeError("a bug")

    monkeypatch.setattr("osteoflow.models.cross_validation.fit_models", broken)
    with pytest.raises(TypeError, match="a bug"):
        run_analysis(*_cohort(48, 4), _analysis(clinical=["age"]), seed=1)


def test_comparisons_of_one_constant_model_have_no_test():
    rng = np.random.default_rng(1)
    y = rng.permutation(np.repeat([0.0, 1.0], 20))
    probability = {"clinical": np.full(40, 0.5), "radiomics": 0.3 + 0.4 * rng.random(40)}
    validated = CrossValidated(
        y,
        np.zeros((1, 40), dtype=int),
        {name: p[None, :, None] for name, p in probability.items()},
        {name: np.full((1, 40), 0.5) for name in probability},
    )
    weights = bootstrap_weights(np.arange(40), 50, rng)
    table = comparisons(validated, weights, (y, probability), weights)
    assert table["difference"].tolist() == pytest.approx(
        [auc(y, probability["radiomics"]) - 0.5] * 2
    )
    assert list(itertools.chain(table["correction"])) == ["Holm, 1 test", ""]


def test_decision_curves_of_case_control_data_are_those_of_the_population():
    """Cases and controls drawn apart give the net benefit that the population has."""
    rng = np.random.default_rng(0)
    n = 200_000
    x = rng.normal(size=n)
    risk = expit(-3.2 + 1.3 * x)
    event = rng.random(n) < risk
    drawn = np.concatenate([np.flatnonzero(event)[:3000], np.flatnonzero(~event)[:3000]])
    y = event[drawn].astype(float)
    fitted = expit(fit_logistic(x[drawn, None], y).linear_predictor(x[drawn, None]))
    validated = CrossValidated(
        y,
        np.zeros((1, len(y)), dtype=int),
        {"clinical": fitted[None, :, None]},
        {"clinical": y[None]},
    )
    held = (y, {"clinical": fitted})
    share = float(event.mean())
    found = decision_curve(validated, held, share).query("strategy == 'clinical'")
    for part in ("cv", "holdout"):
        curve = found[found["set"] == part].set_index("threshold")["net_benefit"]
        for threshold in (0.05, 0.1, 0.2):
            truth = net_benefit(event.astype(float), risk, [threshold])[0]
            assert curve[threshold] == pytest.approx(truth, abs=0.002)
    as_they_are = decision_curve(validated, held, None).query("strategy == 'clinical'")
    np.testing.assert_array_equal(
        as_they_are.query("set == 'cv'")["net_benefit"], net_benefit(y, fitted)
    )
    np.testing.assert_allclose(at_prevalence([0.3, 0.9], 0.5, 0.5), [0.3, 0.9])
