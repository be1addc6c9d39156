"""Analyses of a time to event from tables to results, figure and report; chance; bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from figure_checks import check_page, text_boxes
from pydantic import ValidationError
from survival_cohort import BASE, cohort

from osteoflow.figures.kaplan_meier import at_risk, draw_kaplan_meier
from osteoflow.figures.of_analysis import draw_of_analysis
from osteoflow.figures.of_kind import FIGURES_OF_KIND
from osteoflow.io.tables import write_table
from osteoflow.models.analyse import run
from osteoflow.models.concordance import concordance
from osteoflow.models.cox import fit_cox
from osteoflow.models.folded import FoldedFeatures, InnerFold
from osteoflow.models.folds import AnalysisError
from osteoflow.models.learners.cox import CoxLearner
from osteoflow.reports.analysis import AnalysisReport, describe_analysis
from osteoflow.settings.analysis import Analysis
from osteoflow.settings.figures import Figures
from osteoflow.statistics.kaplan_meier import kaplan_meier, log_rank

SECTION = "Time to an event: what cross-validation finds where there is nothing"
LABELS = {"years": "Follow-up (years)"}
MODELS = ["baseline_hu_l1_mean", "clinical", "radiomics", "radiomics_elastic_net", "combined"]


def _analysis(**changes) -> Analysis:
    return Analysis.model_validate(BASE | changes)


WHOLE = _analysis(
    horizon=3.0,
    baselines=["hu_l1_mean"],
    radiomics={"image": "vbmd", "learners": ["lasso", "elastic_net"], "univariate": {}},
    permutations=2,
    score_permutations=3,
)


@pytest.fixture(scope="module")
def whole():
    return run(*cohort(), WHOLE, seed=3, labels=LABELS)


def _held(result, model: str) -> pd.DataFrame:
    table = result.tables["predictions"]
    return table[(table["set"] == "holdout") & (table["model"] == model)]


def _row(table: pd.DataFrame, **keys) -> pd.Series:
    for name, value in keys.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


# --- from end to end -----------------------------------------------------------------------------


def test_every_participant_is_predicted_by_models_that_have_not_seen_them(whole):
    table = whole.tables["predictions"]
    assert table["model"].drop_duplicates().tolist() == MODELS
    cv, held = table[table["set"] == "cv"], table[table["set"] == "holdout"]
    assert set(cv["participant_id"]).isdisjoint(held["participant_id"])
    assert (cv.groupby(["model", "participant_id"]).size() == 2).all()
    people = cohort()[0].set_index("participant_id")
    assert (table["time"] == people.loc[table["participant_id"], "years"].to_numpy()).all()
    assert (table["outcome"] == people.loc[table["participant_id"], "fracture"].to_numpy()).all()
    assert table["risk"].between(0, 1).all()


def test_concordance_is_that_of_the_predictions(whole):
    table, performance = whole.tables["predictions"], whole.tables["performance"]
    for model in MODELS:
        held = _held(whole, model)
        found = concordance(held["time"], held["outcome"], held["score"])
        row = _row(performance, model=model, set="holdout", metric="c_index")
        ours = row[["value", "ci_low", "ci_high"]].astype(float).to_numpy()
        assert ours == pytest.approx([found.value, found.low, found.high])
        assert f"standard error {found.standard_error:.4f}" in row["method"]
        cv = table[(table["set"] == "cv") & (table["model"] == model)]
        folds = [
            concordance(part["time"], part["outcome"], part["score"]).value
            for _, part in cv.groupby(["repeat", "fold"])
        ]
        row = _row(performance, model=model, set="cv", metric="c_index")
        assert row["value"] == pytest.approx(np.mean(folds))
        assert row["ci_low"] < row["value"] < row["ci_high"]
        for metric in ("auc_horizon", "brier_horizon", "observed_over_expected"):
            row = _row(performance, model=model, set="holdout", metric=metric)
            assert row["ci_low"] <= row["value"] <= row["ci_high"]


def test_risk_follows_from_score_and_baseline_hazard(whole):
    baseline = whole.tables["baseline_hazard"]
    for model in MODELS:
        own = baseline[(baseline["model"] == model) & (baseline["time"] <= 3.0)]
        hazard = own["cumulative_hazard"].iloc[-1]
        held = _held(whole, model)
        risk = 1 - np.exp(-hazard * np.exp(held["score"]))
        assert held["risk"].to_numpy() == pytest.approx(risk.to_numpy())


def test_score_follows_from_coefficients_and_means(whole):
    people = cohort()[0].set_index("participant_id")
    rows = whole.tables["coefficients"]
    rows = rows[rows["model"] == "clinical"].set_index("term")
    held = _held(whole, "clinical")
    about = people.loc[held["participant_id"]]
    score = rows.loc["age", "coefficient"] * (about["age"] - rows.loc["age", "mean"])
    male = (about["sex"] == "M").astype(float)
    score += rows.loc["sex=M", "coefficient"] * (male - rows.loc["sex=M", "mean"])
    assert held["score"].to_numpy() == pytest.approx(score.to_numpy())
    assert (rows["hazard_ratio_low"] < rows["hazard_ratio"]).all()


def test_signature_gives_the_score_again(whole):
    people, features = cohort()
    table = whole.tables["signature"].set_index("term")
    held = _held(whole, "radiomics")
    values = features.set_index("participant_id").loc[held["participant_id"]]
    score = table.loc["intercept", "coefficient"] + sum(
        row["coefficient"] * (values[name] - row["mean"]) / row["sd"]
        for name, row in table.drop(index="intercept").iterrows()
    )
    assert held["score"].to_numpy() == pytest.approx(score.to_numpy())
    # Features 0, 4 and 8 show the cause; one may stand for another.
    assert len({f"original_firstorder_f{i}" for i in (0, 4, 8)} & set(table.index)) >= 2
    assert len(people) == whole.documents["summary"]["n"]


def test_groups_curves_and_log_rank_are_those_of_the_predictions(whole):
    curves, tests = whole.tables["kaplan_meier"], whole.tables["log_rank"]
    for model in MODELS:
        held = _held(whole, model)
        high = (held["score"] > held["training_median"]).to_numpy()
        found = log_rank(held["time"], held["outcome"], high)
        row = _row(tests, model=model, set="holdout")
        assert (row["n_higher"], row["events_higher"]) == (high.sum(), held["outcome"][high].sum())
        assert (row["statistic"], row["p"]) == pytest.approx((found.statistic, found.p))
        own = curves[(curves["model"] == model) & (curves["set"] == "holdout")]
        curve = kaplan_meier(held["time"][high], held["outcome"][high])
        survival = own.loc[own["group"] == "higher", "survival"].to_numpy()
        assert survival == pytest.approx(curve.survival)
        row = _row(tests, model=model, set="cv")
        assert np.isnan(row["p"])
        assert "no such test" in row["method"]
        assert row["n_lower"] + row["n_higher"] == 84


def test_hazard_ratios_of_the_frozen_score(whole):
    table, people = whole.tables["hazard_ratios"], cohort()[0].set_index("participant_id")
    held = _held(whole, "radiomics")
    about = people.loc[held["participant_id"]]
    columns = np.column_stack([held["score"], about["age"], about["sex"] == "M"]).astype(float)
    fit = fit_cox(columns, held["time"], held["outcome"])
    keys = {"model": "radiomics", "set": "holdout", "adjusted_for": "age, sex"}
    point = _row(table, **keys, scale="per_point")
    assert np.log(point["hazard_ratio"]) == pytest.approx(fit.coefficients[0])
    assert point["p"] == pytest.approx(fit.p_values[0])
    deviation = _row(table, **keys, scale="per_sd")
    for name in ("hazard_ratio", "ci_low", "ci_high"):
        assert deviation[name] == pytest.approx(point[name] ** deviation["unit"])
    # Beside the clinical columns in the training data it is the combined model's own.
    combined = _row(whole.tables["coefficients"], model="combined", term="rad_score")
    keys = {"model": "radiomics", "set": "training", "adjusted_for": "age, sex"}
    assert _row(table, **keys, scale="per_point")["hazard_ratio"] == pytest.approx(
        combined["hazard_ratio"]
    )
    assert set(table.loc[table["set"] == "holdout", "model"]) == set(MODELS)


def test_nested_models_and_differences(whole):
    nested = whole.tables["nested"]
    row = _row(nested, smaller="clinical", larger="combined")
    assert (row["added"], row["df"]) == ("rad_score", 1)
    # None of three permutations of the features comes near.
    assert (row["p"], row["statistic"] > 10) == (0.25, True)
    assert "p by 3 permutations of the features" in row["method"]
    differences = whole.tables["comparisons"]
    held = differences[differences["test"].str.contains("hold-out")]
    row = _row(held, model_a="combined", model_b="clinical", metric="c_index")
    values = [
        _row(whole.tables["performance"], model=m, set="holdout", metric="c_index")["value"]
        for m in ("combined", "clinical")
    ]
    assert row["difference"] == pytest.approx(values[0] - values[1])
    assert (held["p_adjusted"] >= held["p"] - 1e-12).all()
    trends = whole.tables["assumptions"]
    assert set(trends["test"]) == {"proportional_hazards"}
    assert set(trends.loc[trends["model"] == "combined", "term"]) == {
        "age", "sex=M", "rad_score", "",
    }  # fmt: skip


def test_summary_tells_what_was_done(whole):
    about = whole.documents["summary"]
    people = cohort()[0]
    assert about["kind"] == "survival"
    assert (about["n"], about["n_events"]) == (120, int(people["fracture"].sum()))
    assert 0.25 <= about["n_events_holdout"] / about["n_events"] <= 0.35
    follow_up = kaplan_meier(people["years"], 1 - people["fracture"]).median
    assert about["median_follow_up"] == follow_up
    words = about["methods"]
    assert "partial likelihood" in words["lasso"]
    assert "score test of the Cox model" in words["univariate"]
    assert "stratified by outcome (event or censored)" in words["cross_validation"]
    assert any("(12 candidate parameters" in text for text in about["warnings"])
    assert (about["time_label"], about["horizon"], about["seed"]) == (LABELS["years"], 3.0, 3)


def test_the_same_seed_gives_the_same_tables_and_the_hold_out_teaches_nothing():
    people, features = cohort()
    first = run(people, features, _analysis(repeats=1), seed=5)
    again = run(people.iloc[::-1], features.iloc[::-1], _analysis(repeats=1), seed=5)
    for name, table in first.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name], obj=name)
    held = first.tables["predictions"].query("set == 'holdout'")["participant_id"].unique()
    # Other times, features and ages of the hold-out: the models must stay as they are.
    people, features = people.set_index("participant_id"), features.set_index("participant_id")
    people.loc[held, "years"] = people.loc[held, "years"].to_numpy()[::-1] + 1
    people.loc[held, "age"] += 20
    features.loc[held, "original_firstorder_f0"] += 5
    rule = _analysis(repeats=1, holdout_rule="apart == 1")
    kept = cohort()[0].assign(apart=lambda table: table["participant_id"].isin(held).astype(int))
    people = people.reset_index().assign(apart=kept["apart"])
    one = run(kept, cohort()[1], rule, seed=5)
    other = run(people, features.reset_index(), rule, seed=5)
    for name in ("coefficients", "signature", "lasso_path", "baseline_hazard", "nested"):
        pd.testing.assert_frame_equal(one.tables[name], other.tables[name], obj=name)
    assert not one.tables["performance"].equals(other.tables["performance"])


def test_without_hold_out_or_features_or_horizon():
    people, features = cohort()
    plain = _analysis(radiomics=None, holdout_fraction=0, measurements=["hu_l1_mean"], repeats=1)
    result = run(people, features, plain, seed=1)
    assert result.documents["summary"]["models"] == ["clinical", "measurements", "combined"]
    assert set(result.tables["predictions"]["set"]) == {"cv"}
    assert "risk" not in result.tables["predictions"]
    assert result.tables["hazard_ratios"].empty
    assert set(result.tables["performance"]["metric"]) == {"c_index"}
    assert result.documents["summary"]["methods"]["holdout"] == "none"


# --- chance --------------------------------------------------------------------------------------


def test_times_of_other_participants_are_predicted_by_chance(record):
    """Outcomes that features have no part in: C at one half on average over cohorts."""
    found = {"clinical": [], "radiomics": [], "combined": []}
    for seed in range(10):
        people, features = cohort(90, seed=100 + seed, effect=0.0)
        blind = _analysis(repeats=1, holdout_fraction=0, radiomics={
            "image": "vbmd", "univariate": {"alpha": 0.3}})  # fmt: skip
        table = run(people, features, blind, seed=seed).tables["performance"]
        for model, values in found.items():
            values.append(_row(table, model=model, set="cv", metric="c_index")["value"])
    for model, values in found.items():
        mean = float(np.mean(values))
        record(SECTION, f"{model}: mean C of {len(values)} cohorts", mean, "", "0.5 +- 0.05")
        assert mean == pytest.approx(0.5, abs=0.05)


def test_permuted_outcomes_are_told(whole):
    table = whole.tables["permutations"]
    assert table["metric"].eq("c_index").all()
    assert table["n_permutations"].eq(2).all()
    row = _row(table, model="radiomics")
    value = _row(whole.tables["performance"], model="radiomics", set="cv", metric="c_index")
    assert row["observed"] == pytest.approx(value["value"])
    assert row["permuted_max"] < row["observed"]


# --- bad input -----------------------------------------------------------------------------------


def _refused(words: str, people: pd.DataFrame, **changes) -> None:
    with pytest.raises(AnalysisError, match=words):
        run(people, cohort()[1], _analysis(**changes), seed=1)


def test_outcomes_that_cannot_be_analysed():
    people = cohort()[0]
    _refused("has the event", people.assign(fracture=0))
    few = people.assign(fracture=(np.arange(120) < 3).astype(int))
    _refused("participants with events in the training data do not suffice", few)
    _refused("followed beyond the horizon", people, horizon=50.0)
    _refused("no event of the training data is earlier", people.assign(years=2.0, fracture=1))
    _refused("holds text", people.assign(years="long"))
    apart = people.assign(apart=(people["fracture"] == 0) & (people["years"] < 5))
    apart["apart"] = apart["apart"].astype(int)
    _refused("no event of the hold-out", apart, holdout_rule="apart == 1")


def test_an_inner_fold_without_events_is_refused():
    X, rows = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40)
    outcome = np.column_stack([1.0 + rows, rows >= 20])
    inner = [InnerFold(rows[a], rows[b], X[a], X[b])
             for a, b in ((rows >= 20, rows < 20), (rows < 20, rows >= 20))]  # fmt: skip
    with pytest.raises(AnalysisError, match="2 inner folds by participant leave one without"):
        CoxLearner().fit(FoldedFeatures(None, pd.Index(["a", "b"]), X, tuple(inner)), outcome)


def test_times_that_cannot_be_are_left_out_by_name():
    people, features = cohort()
    people.loc[[3, 4], "years"] = [-1.0, 0.0]
    people.loc[5, "years"] = np.nan
    plain = _analysis(radiomics=None, repeats=1)
    excluded = run(people, features, plain, seed=1).documents["summary"]["excluded"]
    reasons = {row["participant_id"]: row["reason"] for row in excluded}
    assert reasons == {
        "sub-003": "time 'years' is not above 0",
        "sub-004": "time 'years' is not above 0",
        "sub-005": "time 'years' is missing",
    }


def test_everybody_may_have_the_event():
    people, features = cohort()
    result = run(people.assign(fracture=1), features, _analysis(radiomics=None, repeats=1), seed=1)
    about = result.documents["summary"]
    assert about["n_events"] == about["n"] == 120
    assert about["median_follow_up"] is None


def test_a_predictor_that_ranks_every_event_first_is_told():
    people, features = cohort()
    people["hu_l1_mean"] = people["years"].rank() + 1000 * (1 - people["fracture"])
    plain = _analysis(radiomics=None, clinical=["hu_l1_mean"], repeats=1)
    result = run(people, features, plain, seed=1)
    warnings = " ".join(result.documents["summary"]["warnings"])
    assert "ranks every event first, so a ridge penalty replaced maximum likelihood" in warnings
    assert "3 of 3 outer training parts" in warnings
    row = _row(result.tables["assumptions"], model="clinical")
    assert "not defined: a penalised fit" in row["method"]


def test_features_without_any_signal_leave_a_constant_score():
    people, features = cohort()
    none = {"image": "vbmd", "univariate": {"alpha": 1e-9}}
    result = run(people, features, _analysis(radiomics=none, repeats=1), seed=1)
    held = _held(result, "radiomics")
    assert (held["score"] == 0).all()
    row = _row(result.tables["log_rank"], model="radiomics", set="holdout")
    assert "all are in one group" in row["method"]
    ratios = result.tables["hazard_ratios"].query("model == 'radiomics'")
    assert ratios["method"].str.startswith("not defined: the score is constant").all()
    text = " ".join(result.documents["summary"]["warnings"])
    assert "the filters left no feature" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"radiomics": {"image": "vbmd", "learners": ["svm"]}}, "the learners lasso, elastic_net"),
        ({"time": None}, "time belongs to"),
        ({"horizon": -1}, "greater than 0"),
        ({"kind": "binary", "time": None, "horizon": 2}, "horizon belongs to"),
        ({"optimism_bootstraps": 5}, "optimism_bootstraps"),
    ],
)
def test_settings_that_do_not_fit_together(changes, words):
    with pytest.raises(ValidationError, match=words):
        _analysis(**changes)


# --- figure and report ---------------------------------------------------------------------------


def _drawn(result, **summary):
    tables = (result.tables[name] for name in ("kaplan_meier", "log_rank", "performance"))
    return draw_kaplan_meier(*tables, result.documents["summary"] | summary, Figures())


def test_figure_of_two_sets(whole):
    figure, caption = _drawn(whole, outcome_label="vertebral fracture")
    check_page(figure, Figures().double_column_mm)
    texts = [text for text, _ in text_boxes(figure)]
    row = _row(whole.tables["log_rank"], model="combined", set="holdout")
    for group in ("lower", "higher"):
        assert texts.count(str(row[f"n_{group}"])) >= 1
    assert texts.count("At risk") == 2
    assert "Follow-up (years)" in texts
    assert "free of vertebral fracture" in caption
    assert "not tested" in caption
    assert "log-rank test p" in caption
    assert "combined model" in caption


def test_figure_of_one_set_with_long_words_and_one_group():
    people, features = cohort()
    none = {"image": "vbmd", "univariate": {"alpha": 1e-9}}
    alone = _analysis(radiomics=none, clinical=[], holdout_fraction=0, repeats=1)
    result = run(people, features, alone, seed=1)
    label = "Time from the scan to the first vertebral fracture seen in any later examination"
    figure, caption = _drawn(result, time_label=f"{label} (years)")
    check_page(figure, Figures().single_column_mm)
    assert "radiomics model" in caption
    empty = pd.DataFrame(columns=result.tables["kaplan_meier"].columns)
    with pytest.raises(ValueError, match="empty"):
        draw_kaplan_meier(empty, *(pd.DataFrame(),) * 2, {}, Figures())


def test_numbers_at_risk_are_those_whose_time_is_not_earlier():
    time = np.array([1.0, 2, 2, 3.5, 5])
    curve = kaplan_meier(time, np.array([1, 0, 1, 1, 0]))
    table = pd.DataFrame({"time": curve.time, "at_risk": curve.at_risk})
    ticks = np.array([0, 1, 2, 3, 4, 5, 6])
    assert at_risk(table, ticks) == [int((time >= tick).sum()) for tick in ticks]


def test_figures_are_drawn_from_the_files_of_the_analysis(whole, tmp_path):
    files = {name: tmp_path / f"{name}.tsv" for name in whole.tables}
    for name, path in files.items():
        write_table(path, whole.tables[name])
    summary = whole.documents["summary"]
    for name in FIGURES_OF_KIND["survival"]:
        figure, caption = draw_of_analysis(name, files, summary, Figures(), "lambda_min")
        narrow = name == "permutation"
        check_page(figure, getattr(Figures(), f"{'single' if narrow else 'double'}_column_mm"))
        if name == "kaplan_meier":
            assert caption == _drawn(whole)[1]
        elif narrow:
            assert "concordance" in caption and whole.tables["permuted_scores"]["score"].lt(1).all()
        else:
            assert "Cox regression" in caption
            texts = [text for text, _ in text_boxes(figure)]
            assert "Deviance per event (± SE)" in texts


def test_report_shows_groups_and_hazard_ratios(whole):
    item = AnalysisReport("s", whole.documents["summary"], whole.tables)
    shown = describe_analysis(item, lambda name: name)
    captions = [table.caption for table in shown["tables"]]
    for words in ("Hazard ratios of the models' scores", "Time to the event by score"):
        assert any(words in caption for caption in captions)
    html = str(shown["tables"])
    row = _row(
        whole.tables["hazard_ratios"], model="radiomics", set="holdout", adjusted_for="age, sex",
        scale="per_sd",
    )  # fmt: skip
    assert f"{row['hazard_ratio']:.2f} ({row['ci_low']:.2f} to {row['ci_high']:.2f})" in html
    assert "Concordance" in html
    assert "AUC at the horizon" in html
    assert "Proportional hazards" in html
