"""ROC analyses of single measurements: cut-offs, optimism, predictive values, refusals, figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from osteoflow.models.measurements import (
    YOUDEN,
    direction_of,
    measurement_roc_tables,
    roc_problems,
)
from osteoflow.models.published import (
    class_scheme,
    methods_of,
    published_cutoffs,
    unmet_conditions,
)
from osteoflow.settings.cohort import Summary
from osteoflow.settings.statistics import MeasurementRoc
from osteoflow.statistics.cutoffs import at_cutoff, corrected_youden
from osteoflow.statistics.intervals import holm, wilson
from osteoflow.statistics.roc import auc_interval, compare_paired, youden_threshold

SUMMARIES = [
    Summary(metric="vbmd_mean", levels=["L1", "L2"]),
    Summary(metric="hu_mean", levels=["L1"]),
    Summary(metric="hu_mean", levels=["L1", "L2"]),
]
UNITS = {"vbmd_l1l2_mean": "mg/cm3 K2HPO4", "hu_l1_mean": "HU", "hu_l1l2_mean": "HU"}


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    n = 80
    tscore = rng.normal(-2.2, 1.2, n)
    vbmd = 105 + 20 * (tscore + 2.2) + rng.normal(0, 18, n)
    table = pd.DataFrame(
        {
            "dxa_tscore": tscore,
            "vbmd_l1l2_mean": vbmd,
            "hu_l1_mean": 1.3 * vbmd + rng.normal(0, 15, n),
            "pdff_l1l2_mean": 60 - 0.15 * vbmd + rng.normal(0, 6, n),
            "age": rng.normal(67, 9, n).round(),
            "same": 1.0,
            "empty": np.nan,
            "name": "x",
        }
    )
    table.loc[:3, "pdff_l1l2_mean"] = np.nan
    table.loc[10, "dxa_tscore"] = np.nan
    return table


def analysis(**changes) -> MeasurementRoc:
    settings = {
        "outcome": "dxa_tscore <= -2.5",
        "measurements": ["vbmd_l1l2_mean", "hu_l1_mean", "pdff_l1l2_mean", "age"],
        "bootstraps": 200,
    }
    return MeasurementRoc(**(settings | changes))


def tables(people, **changes):
    return measurement_roc_tables(people, [analysis(**changes)], SUMMARIES, UNITS, 7)


def test_areas_are_delongs_in_the_declared_direction(people):
    roc = tables(people)["roc"].set_index("measurement")
    assert roc["direction"].tolist() == ["lower", "lower", "higher", "higher"]
    assert roc["n"].tolist() == [79, 79, 75, 79]
    assert roc["n_left_out"].tolist() == [1, 1, 5, 1]
    known = people["dxa_tscore"].notna()
    event = (people.loc[known, "dxa_tscore"] <= -2.5).astype(float)
    expected = auc_interval(event, -people.loc[known, "vbmd_l1l2_mean"])
    mine = roc.loc["vbmd_l1l2_mean"]
    assert mine[["auc", "auc_low", "auc_high"]].tolist() == pytest.approx(
        [expected.auc, expected.low, expected.high]
    )
    values = people.loc[known, "vbmd_l1l2_mean"]
    test = stats.mannwhitneyu(values[event == 1], values[event == 0])
    assert mine["p"] == pytest.approx(test.pvalue)
    assert roc["p_fdr"].tolist() == pytest.approx(stats.false_discovery_control(roc["p"]))


def test_a_direction_that_the_data_contradict_stays(people):
    turned = tables(people, direction={"vbmd_l1l2_mean": "higher"})
    right = tables(people)["roc"].iloc[0]
    wrong = turned["roc"].iloc[0]
    assert wrong["auc"] == pytest.approx(1 - right["auc"])
    assert "against the declared direction" in wrong["note"]
    # Published cut-offs are of low densities.
    mine = turned["cutoffs"][turned["cutoffs"]["measurement"] == "vbmd_l1l2_mean"]
    assert set(mine["source"]) == {YOUDEN}


def test_cutoffs_and_their_rates(people):
    found = tables(people, cutoffs={"age": [70.0]})["cutoffs"]
    vbmd = found[found["measurement"] == "vbmd_l1l2_mean"]
    assert vbmd["event_if"].tolist() == ["<=", "<", "<="]
    assert vbmd["cutoff"].tolist()[1:] == [80.0, 120.0]
    assert found.loc[found["measurement"] == "hu_l1_mean", "cutoff"].tolist()[1:] == [110.0, 160.0]
    age = found[found["measurement"] == "age"]
    assert age["source"].tolist()[1:] == ["declared by the study"]
    known = people["dxa_tscore"].notna()
    event = people.loc[known, "dxa_tscore"] <= -2.5
    called = people.loc[known, "vbmd_l1l2_mean"] < 80
    row = vbmd.iloc[1]
    assert row["sensitivity"] == (called & event).sum() / event.sum()
    assert row["specificity"] == (~called & ~event).sum() / (~event).sum()
    assert row["ppv"] == (called & event).sum() / called.sum()
    assert row["npv"] == (~called & ~event).sum() / (~called).sum()
    low, high = wilson((called & event).sum(), event.sum())
    assert (row["sensitivity_low"], row["sensitivity_high"]) == (low, high)
    assert row["prevalence"] == event.mean()
    youden = vbmd.iloc[0]
    expected = -youden_threshold(event.astype(float), -people.loc[known, "vbmd_l1l2_mean"])
    assert youden["cutoff"] == pytest.approx(expected)
    assert youden["cutoff_low"] <= youden["cutoff"] <= youden["cutoff_high"]
    both = youden["sensitivity"] + youden["specificity"]
    assert youden["sensitivity_corrected"] + youden["specificity_corrected"] < both


def test_pairs_are_delongs_with_holm(people):
    pairs = tables(people)["pairs"]
    assert len(pairs) == 6
    row = pairs[pairs["measurement_b"] == "pdff_l1l2_mean"].iloc[0]
    known = people["dxa_tscore"].notna() & people["pdff_l1l2_mean"].notna()
    use = people[known]
    event = (use["dxa_tscore"] <= -2.5).astype(float)
    expected = compare_paired(event, -use["vbmd_l1l2_mean"], use["pdff_l1l2_mean"])
    assert row["n"] == 75
    assert row[["difference", "ci_low", "ci_high", "p"]].tolist() == pytest.approx(
        [expected.difference, expected.low, expected.high, expected.p]
    )
    assert pairs["p_holm"].tolist() == pytest.approx(holm(pairs["p"]))


def test_points_follow_the_measurement_itself(people):
    points = tables(people)["points"]
    mine = points[points["measurement"] == "vbmd_l1l2_mean"]
    assert (mine["fpr"].iloc[0], mine["tpr"].iloc[0]) == (0, 0)
    assert (mine["fpr"].iloc[-1], mine["tpr"].iloc[-1]) == (1, 1)
    finite = mine["threshold"][np.isfinite(mine["threshold"])]
    assert finite.is_monotonic_increasing
    known = people["dxa_tscore"].notna()
    event = people.loc[known, "dxa_tscore"] <= -2.5
    at = mine[np.isfinite(mine["threshold"])].iloc[20]
    called = people.loc[known, "vbmd_l1l2_mean"] <= at["threshold"]
    assert at["tpr"] == pytest.approx((called & event).sum() / event.sum())


def test_what_cannot_be_computed_has_its_reason(people):
    found = tables(people, measurements=["same", "empty", "age"])
    roc = found["roc"].set_index("measurement")
    assert roc.loc["same", "note"] == "the measurement does not vary"
    assert np.isnan(roc.loc["same", "p"])
    assert roc.loc["empty", "note"] == "fewer than 2 with or without the event"
    assert set(found["points"]["measurement"]) == {"same", "age"}
    flat = found["cutoffs"].set_index("measurement").loc["same"]
    assert flat["note"] == "no cut-off tells more than chance"
    pairs = found["pairs"].set_index(["measurement_a", "measurement_b"])
    assert "have both" in pairs.loc[("empty", "age"), "note"]
    apart = people.assign(age=np.where(people["dxa_tscore"] <= -2.5, 90.0, 50.0))
    row = tables(apart, measurements=["age"])["roc"].iloc[0]
    assert row["auc"] == 1
    assert np.isnan(row["auc_low"])
    assert "no overlap" in row["note"]
    assert row["p"] < 1e-6


def test_what_defines_the_outcome_is_refused(people):
    known = [*people.columns, "tscore_hip", "fracture"]
    items = [
        analysis(measurements=["dxa_tscore", "tscore_hip", "age", "agee"]),
        analysis(name="two", outcome="vbmd_l1l2_mean < 80", measurements=["vbmd_l1l2_mean"]),
        analysis(name="three", outcome="frac < 1 or 2", measurements=["age"]),
    ]
    found = roc_problems(items, known)
    assert sum("defines the outcome" in text for text in found) == 3
    assert any("'agee' (did you mean 'age'?)" in text for text in found)
    assert any(text.startswith("statistics.measurement_roc.three.outcome: rule") for text in found)
    assert roc_problems([analysis()], known) == []
    with pytest.raises(ValueError, match="defines the outcome"):
        tables(people, measurements=["dxa_tscore"])
    # Measured in the image that defined the outcome: allowed, and said.
    row = tables(people, outcome="vbmd_l1l2_mean < 100", measurements=["hu_l1_mean"])["roc"].iloc[0]
    assert row["note"].startswith("incorporation bias")


def test_directions_without_a_declaration():
    names = ["vbmd_l1_mean", "hu_l1_mean", "lumbar_bmd", "r2star_l1_mean", "t2star_l1_mean", "pdff"]
    found = [direction_of(analysis(measurements=names), name) for name in names]
    assert found == ["lower", "lower", "lower", "lower", "higher", "higher"]


def test_published_cutoffs_hold_for_their_own_measurement_alone():
    def of(column, unit=""):
        scheme = class_scheme(column, SUMMARIES)
        return [value for value, *_ in published_cutoffs(scheme, unit)]

    assert of("vbmd_l1l2_mean", "mg/cm3 K2HPO4") == [80, 120]
    assert of("vbmd_l1l2_mean", "mg/cm3 HA") == []
    assert of("hu_l1_mean", "HU") == [110, 160]
    assert of("hu_l1l2_mean", "HU") == []
    assert of("dxa_tscore", "SD") == [-2.5, -1]
    assert of("age") == []


# --- cut-offs -----------------------------------------------------------------------------------


def test_predictive_values_at_another_prevalence():
    event = np.array([1] * 40 + [0] * 60)
    called = np.array([1] * 36 + [0] * 4 + [1] * 12 + [0] * 48)
    found = at_cutoff(called, event, prevalence=0.1)
    assert found.ppv.value == pytest.approx(0.9 * 0.1 / (0.9 * 0.1 + 0.2 * 0.9))
    assert found.npv.value == pytest.approx(0.8 * 0.9 / (0.8 * 0.9 + 0.1 * 0.1))
    # Mercaldo's logit interval written out.
    logit = np.log(0.9 * 0.1 / (0.2 * 0.9))
    half = 1.959964 * np.sqrt(0.1 / (0.9 * 40) + 0.8 / (0.2 * 60))
    limits = 1 / (1 + np.exp(-(logit + np.array([-half, half]))))
    assert (found.ppv.low, found.ppv.high) == pytest.approx(limits, rel=1e-6)
    same = at_cutoff(called, event, prevalence=0.4)
    assert same.ppv.value == pytest.approx(at_cutoff(called, event).ppv.value)
    perfect = at_cutoff(event, event, prevalence=0.2)
    assert perfect.ppv.value == 1.0
    assert 0.5 < perfect.ppv.low < perfect.ppv.high == 1.0
    nobody = at_cutoff(0 * event, event, prevalence=0.2)
    assert np.isnan(nobody.ppv.value)
    assert nobody.npv.value == pytest.approx(0.8)
    assert np.isnan(at_cutoff(0 * event, event).ppv.value)


def slow_youden(event, score):
    """Cut-off by trying all of them; the highest of equals."""
    values = np.unique(score)
    cuts = [-np.inf, *((values[:-1] + values[1:]) / 2), np.inf]
    worth = [
        round(np.mean(score[event] >= cut) - np.mean(score[~event] >= cut), 12) for cut in cuts
    ]
    return max(zip(worth, cuts, strict=True))[1]


@pytest.mark.parametrize("digits", [0, 1, 6])
def test_corrected_cutoff_equals_a_bootstrap_in_plain_loops(digits):
    rng = np.random.default_rng(4)
    event = np.arange(50) < 20
    score = np.round(rng.normal(0, 2, 50) + 1.5 * event, digits)
    cut, corrected = corrected_youden(event, score, 150, seed=9)
    assert cut == slow_youden(event, score) == youden_threshold(event, score)
    # The same draws: counts of every distinct score, events first.
    values, place = np.unique(score, return_inverse=True)
    draws = np.random.default_rng(9)
    drawn = []
    for part in (event, ~event):
        counts = np.bincount(place[part], minlength=len(values))
        drawn.append(draws.multinomial(counts.sum(), counts / counts.sum(), size=150))
    gains, cuts = [], []
    for positives, negatives in zip(*drawn, strict=True):
        again = np.concatenate([np.repeat(values, positives), np.repeat(values, negatives)])
        labels = np.arange(50) < 20
        found = slow_youden(labels, again)
        cuts.append(found)
        gains.append(
            [
                np.mean(again[labels] >= found) - np.mean(score[event] >= found),
                np.mean(again[~labels] < found) - np.mean(score[~event] < found),
            ]
        )
    optimism = np.mean(gains, axis=0)
    assert corrected.sensitivity == pytest.approx(np.mean(score[event] >= cut) - optimism[0])
    assert corrected.specificity == pytest.approx(np.mean(score[~event] < cut) - optimism[1])
    finite = np.array(cuts)[np.isfinite(cuts)]
    assert (corrected.low, corrected.high) == pytest.approx(np.quantile(finite, [0.025, 0.975]))


def test_a_cutoff_without_worth_loses_its_optimism(record):
    """Null scores: Youden's index in the data is above 0, the corrected one nearer to it."""
    rng = np.random.default_rng(1)
    event = np.arange(60) < 25
    apparent, corrected = [], []
    for seed in range(60):
        score = rng.normal(size=60)
        cut, found = corrected_youden(event, score, 100, seed)
        apparent.append(np.mean(score[event] >= cut) + np.mean(score[~event] < cut) - 1)
        corrected.append(found.sensitivity + found.specificity - 1)
    what = "Youden's cut-off on null scores (true index 0), 25 of 60 events"
    record(what, "apparent index", np.mean(apparent), "", "")
    record(what, "index less optimism", np.mean(corrected), "", "")
    assert np.mean(apparent) > 0.1
    assert abs(np.mean(corrected)) < 0.6 * np.mean(apparent)


def test_conditions_of_published_cutoffs_are_counted(people):
    scans = people.assign(ct_kvp=120.0, ct_contrast="no")
    assert unmet_conditions("l1_hu", scans, "") == ""
    assert unmet_conditions("dxa_tscore", people, "") == ""
    scans.loc[:4, "ct_kvp"] = 100.0
    scans.loc[5, "ct_kvp"] = np.nan
    scans.loc[7, "ct_contrast"] = None
    said = unmet_conditions("l1_hu", scans, "")
    assert said == (
        "6 of 80 scans not known to be at 120 kV; "
        "1 of 80 scans not known to be without contrast agent"
    )
    assert "vertebra's own mineral" in unmet_conditions("spine_qct", scans, "x, as by vertebra")
    cutoffs = tables(people)["cutoffs"].set_index("measurement")
    assert cutoffs.loc["hu_l1_mean", "note"].tolist() == [
        "",
        *["79 of 79 scans not known to be at 120 kV; 79 of 79 scans not known to be without "
          "contrast agent"] * 2,
    ]  # fmt: skip
    rows = [["vbmd_mean", "L1-L2_trabecular", "phantom"], ["hu_mean", "L1_trabecular", "CT"]]
    measured = pd.DataFrame(rows, columns=["metric", "roi", "method"])
    assert methods_of(measured, SUMMARIES) == {
        "vbmd_l1l2_mean": "phantom", "hu_l1_mean": "CT", "hu_l1l2_mean": ""
    }  # fmt: skip


def test_an_infinite_value_is_left_out(people):
    """It would have a rank, but no cut-off beside it: the curve and Youden's must be of one set."""
    people = people.assign(age=people["age"].astype(float))
    before = tables(people.drop(index=people.index[3]), measurements=["age"])
    people.loc[people.index[3], "age"] = np.inf
    after = tables(people, measurements=["age"])
    assert after["roc"]["n_left_out"].iloc[0] == before["roc"]["n_left_out"].iloc[0] + 1
    for key in ("auc", "auc_low", "p"):
        assert after["roc"][key].iloc[0] == before["roc"][key].iloc[0]
    assert np.isfinite(after["cutoffs"]["cutoff"].iloc[0])
    assert after["cutoffs"]["cutoff"].iloc[0] == before["cutoffs"]["cutoff"].iloc[0]
