"""Outcomes of every kind, predictors of several images, and what analyses are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.dataset import assemble
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.summary import outcome_label
from osteoflow.models.outcome import check_predictors
from osteoflow.models.outcome_values import outcome_values
from osteoflow.settings.analysis import Analysis

N = 12


def _analysis(**changes) -> Analysis:
    given = {"name": "a", "outcome": "fracture", "clinical": ["age"], **changes}
    return Analysis(**given)


@pytest.fixture
def people() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{i:02d}" for i in range(N)],
            "age": rng.normal(65, 8, N),
            "fracture": np.arange(N) % 2,
            "years": np.linspace(0.5, 6, N),
            "vbmd_l1l2_mean": np.linspace(60, 140, N),
            "hu_l1l2_mean": np.linspace(90, 190, N),
            "pdff_l1l2_mean": np.linspace(60, 20, N),
            "spine_class": ["osteoporosis"] * 4 + ["osteopenia"] * 4 + ["normal"] * 4,
            "site": ["A", "B"] * 6,
        }
    )


@pytest.fixture
def features(people) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    parts = []
    for image, n_features in (("vbmd", 3), ("pdff", 2)):
        for rater in ("1", "2"):
            table = pd.DataFrame(
                rng.normal(size=(N, n_features)),
                columns=[f"original_firstorder_{image}{i}" for i in range(n_features)],
            )
            table.insert(0, "participant_id", people["participant_id"])
            parts.append(
                table.assign(image=image, roi="l1l2_trabecular", rater=rater, session="", flag="")
            )
    return pd.concat(parts, ignore_index=True)


def test_infinite_values_are_in_no_class(people):
    people["spine_class"] = people["vbmd_l1l2_mean"]
    people.loc[[2, 7], "spine_class"] = [np.inf, -np.inf]
    cut = _analysis(
        kind="ordinal", outcome="spine_class", classes=["low", "middle", "high"], cuts=[80, 120]
    )
    values, _ = outcome_values(cut, people)
    assert np.flatnonzero(values.isna()).tolist() == [2, 7]
    kept = people["vbmd_l1l2_mean"].drop([2, 7])
    expected = 0.0 + (kept >= 80) + (kept >= 120)
    assert values.dropna().tolist() == expected.tolist()


def test_a_quantity_without_a_label_is_called_by_its_column():
    plain = _analysis(kind="continuous", outcome="vbmd_l1l2_mean")
    # As the workflow hands it over: with all settings, those left to their defaults as well.
    handed = Analysis(**plain.model_dump(mode="json"))
    assert outcome_label(plain) == outcome_label(handed) == "vbmd_l1l2_mean"
    named = _analysis(kind="continuous", outcome="vbmd_l1l2_mean", outcome_label="vBMD")
    assert outcome_label(named) == "vBMD"


def test_ordinal_outcome_from_texts_and_from_cuts(people, features):
    classes = ["osteoporosis", "osteopenia", "normal"]
    texts = _analysis(kind="ordinal", outcome="spine_class", classes=classes)
    assert assemble(people, features, texts).outcome.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    people["spine_class"] = people["vbmd_l1l2_mean"]
    people.loc[5, "spine_class"] = 80.0
    cut = _analysis(kind="ordinal", outcome="spine_class", classes=classes, cuts=[80, 120])
    found = assemble(people, features, cut).outcome
    expected = 0.0 + (people["spine_class"] >= 80) + (people["spine_class"] >= 120)
    assert found.tolist() == expected.tolist()
    assert found[5] == 1


def test_undeclared_class_is_named(people, features):
    people.loc[0, "spine_class"] = "severe"
    classes = ["osteoporosis", "osteopenia", "normal"]
    with pytest.raises(AnalysisError, match="not declared: 'severe'"):
        assemble(
            people, features, _analysis(kind="ordinal", outcome="spine_class", classes=classes)
        )


def test_time_to_event_needs_a_time_above_zero(people, features):
    people.loc[2, "years"] = 0.0
    people.loc[3, "years"] = np.nan
    data = assemble(people, features, _analysis(kind="survival", time="years"))
    assert len(data.outcome) == len(data.time) == N - 2
    reasons = {row["participant_id"]: row["reason"] for row in data.excluded}
    assert reasons == {
        "sub-02": "time 'years' is not above 0",
        "sub-03": "time 'years' is missing",
    }


def test_continuous_outcome_and_measurements_without_radiomics(people, features):
    analysis = _analysis(
        kind="continuous", outcome="vbmd_l1l2_mean", measurements=["pdff_l1l2_mean"]
    )
    data = assemble(people, features, analysis)
    assert data.features == []
    assert list(data.table.columns) == ["age", "pdff_l1l2_mean"]
    assert data.outcome.tolist() == people["vbmd_l1l2_mean"].tolist()


def test_two_images_are_named_and_both_needed(people, features):
    lacking = (features["participant_id"] == "sub-05") & (features["image"] == "pdff")
    analysis = _analysis(radiomics={"image": ["vbmd", "pdff"], "harmonisation": {"site": "site"}})
    data = assemble(people, features[~lacking], analysis)
    assert len(data.features) == 5
    assert data.features[0] == "vbmd:original_firstorder_vbmd0"
    assert [row["participant_id"] for row in data.excluded] == ["sub-05"]
    assert data.sites["site"].tolist() == people["site"].drop(5).tolist()
    readings = data.repeated["inter_rater"].readings
    assert [list(table.columns) for table in readings] == [data.features] * 2
    alone = assemble(people, features, _analysis(radiomics={"image": "pdff"}))
    assert alone.features == ["original_firstorder_pdff0", "original_firstorder_pdff1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcome": "vbmd_l1l2_mean < 80", "baselines": ["vbmd_l3_mean"]}, "baselines: 'vbmd_l3"),
        (
            {"kind": "continuous", "outcome": "vbmd_l1l2_mean", "measurements": ["vbmd_l3_mean"]},
            "measurements: 'vbmd_l3",
        ),
        ({"kind": "survival", "time": "years", "clinical": ["years"]}, "is the time to the"),
        ({"measurements": ["age"]}, "'age' is a clinical column too"),
        ({"kind": "continuous", "outcome": "age < 3", "clinical": ["bmi"]}, "not a rule"),
        (
            {"radiomics": {"image": "vbmd", "harmonisation": {"site": "fracture"}}},
            "harmonisation must be blind",
        ),
        (
            {
                "kind": "survival",
                "time": "years",
                "radiomics": {
                    "image": "vbmd",
                    "harmonisation": {"site": "site", "covariates": ["years"]},
                },
            },
            "harmonisation must be blind",
        ),
        ({"clinical": ["age", "rad_score"]}, "rename the column"),
        (
            {"outcome": "vbmd_l1l2_mean < 80", "holdout_rule": "vbmd_l3_mean < 70"},
            "must not be chosen",
        ),
        ({"outcome": "pdff_l1_mean > 60", "clinical": ["fat_fraction_l3"]}, "defines the outcome"),
        ({"outcome": "fatfraction > 60", "baselines": ["pdff_l1_mean"]}, "defines the outcome"),
        ({"outcome": "r2star_l1_mean > 80", "baselines": ["T2*_L1"]}, "defines the outcome"),
    ],
)
def test_what_is_refused(changes, words):
    found = check_predictors(_analysis(**changes))
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clinical": []}, "no predictor"),
        ({"kind": "ordinal"}, "classes"),
        ({"kind": "ordinal", "classes": ["a", "b"]}, "three or more"),
        ({"kind": "ordinal", "classes": ["a", "b", "c"], "cuts": [2, 1]}, "rise"),
        ({"kind": "survival"}, "time"),
        ({"radiomics": {"image": "vbmd", "learners": ["svm"]}}, "no Rad-score"),
        ({"radiomics": {"image": ["vbmd", "vbmd"]}}, "twice"),
        (
            {"kind": "continuous", "outcome": "age", "anticipated_auc": 0.8},
            "anticipated_auc: an area",
        ),
    ],
)
def test_settings_that_contradict_themselves(changes, words):
    with pytest.raises(ValueError, match=words):
        _analysis(**changes)


def test_names_of_models():
    analysis = _analysis(
        baselines=["hu_l1l2_mean"],
        measurements=["pdff_l1l2_mean"],
        radiomics={"image": "vbmd", "learners": ["lasso", "svm"]},
    )
    assert analysis.models == [
        "baseline_hu_l1l2_mean",
        "clinical",
        "measurements",
        "radiomics",
        "radiomics_svm",
        "combined",
    ]
    assert _analysis().models == ["clinical"]
