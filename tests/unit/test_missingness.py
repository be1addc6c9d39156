"""Predictors that are missing more often with one outcome than with another are told."""

from __future__ import annotations

from math import comb

import numpy as np
import outcome_cohort
import pandas as pd
import pytest
import survival_cohort
from scipy.stats import mannwhitneyu, rankdata

from osteoflow.models.analyse import run
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.kinds.continuous import ContinuousKind
from osteoflow.models.kinds.ordinal import OrdinalKind
from osteoflow.models.kinds.survival import SurvivalKind
from osteoflow.models.missingness import excess, missing_by_outcome, permutation_p
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.kaplan_meier import log_rank


def _events(lacking_events: int, lacking_others: int) -> tuple[pd.DataFrame, np.ndarray]:
    """12 participants with the event, 30 without it; so many of each lack their age."""
    age = np.arange(42.0)
    age[:lacking_events] = np.nan
    age[12 : 12 + lacking_others] = np.nan
    return pd.DataFrame({"age": age, "bmi": 20 + np.arange(42.0)}), np.repeat([1.0, 0.0], [12, 30])


def test_missing_with_the_event():
    table, outcome = _events(5, 1)
    # Fisher's exact test by hand: tables with the margins of this one that are no likelier.
    chances = np.array([comb(12, k) * comb(30, 6 - k) / comb(42, 6) for k in range(7)])
    p = chances[chances <= chances[5] * (1 + 1e-9)].sum()
    found = missing_by_outcome(BinaryKind(), table, outcome, ["age", "bmi"])
    assert found == [
        "in the training data 'age' is missing in 5 of 12 participants with the event and 1 of 30 "
        f"without it (Fisher's exact test, p = {p:.3f}): the model may learn from who lacks it"
    ]
    assert p < 0.01


def test_missing_by_chance_is_not_told():
    assert missing_by_outcome(BinaryKind(), *_events(2, 4), ["age", "bmi"]) == []
    table, outcome = _events(0, 0)
    assert missing_by_outcome(BinaryKind(), table, outcome, ["age"]) == []
    assert missing_by_outcome(BinaryKind(), table.assign(age=np.nan), outcome, ["age"]) == []


def test_false_alarms_are_at_most_nominal():
    rng = np.random.default_rng(3)
    told = 0
    for _ in range(200):
        table = pd.DataFrame({"age": np.where(rng.random(60) < 0.2, np.nan, 1.0)})
        event = (rng.random(60) < 0.3).astype(float)
        told += len(missing_by_outcome(BinaryKind(), table, event, ["age"]))
    assert told <= 16  # 5 % of 200, and two standard errors


def test_missing_with_late_classes():
    place = np.repeat([0.0, 1.0, 2.0], 20)
    table = pd.DataFrame({"age": np.where(np.arange(60) >= 48, np.nan, 70.0)})
    (told,) = missing_by_outcome(OrdinalKind(["low", "middle", "high"]), table, place, ["age"])
    assert "0 of 20 participants of class 'low', 0 of 20 participants of class 'middle' and" in told
    assert "12 of 20 participants of class 'high'" in told
    assert "(permutation test of ranks, p < 0.001)" in told


def test_missing_with_high_values():
    value = np.arange(40.0)
    table = pd.DataFrame({"age": np.where(value > 34, np.nan, 70.0)})
    (told,) = missing_by_outcome(ContinuousKind(), table, value, ["age"])
    assert "5 of 40 participants, whose outcome has the median 37.0, against 17.0 in" in told
    # All five of the highest ranks: 2 of comb(40, 5) orders are as extreme.
    assert 2 / comb(40, 5) < 0.001 and "p < 0.001" in told


def test_missing_with_early_events():
    time = np.arange(1.0, 41.0)
    event = (np.arange(40) % 3 < 2).astype(float)
    lacks = np.arange(40) < 8
    table = pd.DataFrame({"age": np.where(lacks, np.nan, 70.0)})
    outcome = np.column_stack([time, event])
    (told,) = missing_by_outcome(SurvivalKind(), table, outcome, ["age"])
    events = int(event[lacks].sum()), int(event[~lacks].sum())
    assert f"8 of 40 participants, of whom {events[0]} had the event, against {events[1]}" in told
    assert "(permutation log-rank test, p = 0.00" in told
    # The scores add up to the numerator of the log-rank test.
    test = log_rank(time, event, lacks)
    found = excess(time, event)
    assert found[lacks].sum() == pytest.approx((test.observed - test.expected)[1])
    assert found.sum() == pytest.approx(0, abs=1e-12)
    # Many who lack it: the permutation test is that of the approximation.
    half = np.arange(40) % 4 < 2
    assert permutation_p(found, half) == pytest.approx(log_rank(time, event, half).p, abs=0.03)


def test_permutation_p_of_few_rows():
    scores = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 30])
    lacks = scores == 30
    # One of ten rows cannot be more extreme than it is.
    assert permutation_p(scores, lacks) == pytest.approx(0.1)
    ranks = rankdata(scores)
    assert permutation_p(ranks, lacks) == pytest.approx(0.2)
    lacks = ranks > 7
    assert permutation_p(ranks, lacks) == pytest.approx(mannwhitneyu([8, 9, 10], ranks[:7]).pvalue)
    many = np.arange(60.0)
    chosen = np.arange(60) % 5 == 0
    exact = mannwhitneyu(many[chosen], many[~chosen]).pvalue
    assert permutation_p(many, chosen) == pytest.approx(exact, abs=0.02)


FEW = {"radiomics": None, "clinical": ["age", "sex"], "repeats": 1, "bootstraps": 100}


@pytest.mark.parametrize("kind", ["binary", "ordinal", "continuous", "survival"])
def test_an_analysis_tells_who_lacks_a_column_and_how_often(kind):
    if kind in ("binary", "survival"):
        people, features = survival_cohort.cohort()
        first = people["fracture"] == 1
        base = survival_cohort.BASE
    else:
        people, features = outcome_cohort.cohort()
        ordinal = kind == "ordinal"
        column = "dxa_tscore" if ordinal else "vbmd_l1l2_mean"
        first = people[column] > people[column].median()
        base = outcome_cohort.BASE
        base = base | (outcome_cohort.ORDINAL if ordinal else outcome_cohort.CONTINUOUS)
    analysis = base | FEW
    if kind == "binary":
        analysis = {k: v for k, v in analysis.items() if k != "time"} | {"kind": "binary"}
    places = np.flatnonzero(first)[::2]
    people.loc[places, "age"] = np.nan
    people.loc[[3, 50], "sex"] = None
    result = run(people, features, Analysis.model_validate(analysis), seed=1)
    warnings = result.documents["summary"]["warnings"]
    (told,) = [text for text in warnings if "may learn from who lacks it" in text]
    assert told.startswith("in the training data 'age' is missing in ")
    (replaced,) = [text for text in warnings if "were replaced by medians" in text]
    held = result.tables["predictions"].query("set == 'holdout'")["participant_id"]
    training = people[~people["participant_id"].isin(held)]
    counts = training[["age", "sex"]].isna().sum()
    each = ", ".join(f"'{name}' {n}" for name, n in counts.items() if n)
    assert replaced == (
        f"{counts.sum()} missing clinical values of the training data were replaced by medians or "
        f"commonest levels ({each})"
    )
