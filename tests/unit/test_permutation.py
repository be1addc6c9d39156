"""Leakage check: what is permuted, its p value, leaks it finds, and how it is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from figure_checks import check_page
from scipy.stats import binom
from test_analyses import _analysis, _cohort

from osteoflow.figures.permutation import draw_permutation
from osteoflow.models.cross_validation import cross_validate
from osteoflow.models.dataset import assemble
from osteoflow.models.folds import AnalysisError, stratified_folds
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.logistic import fit_logistic
from osteoflow.models.out_of_fold import of_repeats, validated_measure
from osteoflow.models.performance import AUC
from osteoflow.models.permutation import (
    leakage_check,
    permutation_p,
    permute_between_participants,
    permuted_scores,
    summarise,
)
from osteoflow.reports.model_checks import model_checks
from osteoflow.settings.figures import Figures
from osteoflow.statistics.roc import auc


def test_rows_of_a_participant_keep_one_outcome():
    groups = np.array(["b", "a", "b", "c", "a", "d", "b"])
    outcome = np.array([1.0, 0, 1, 0, 0, 1, 1])
    seen = set()
    for seed in range(40):
        new = permute_between_participants(outcome, groups, np.random.default_rng(seed))
        per_person = [set(new[groups == name].tolist()) for name in "abcd"]
        assert all(len(values) == 1 for values in per_person)
        # The participants' outcomes are the same ones, two events among four.
        assert sum(values.pop() for values in per_person) == 2
        seen.add(tuple(new))
    assert len(seen) == 6
    both = np.column_stack([outcome, 10 * outcome + 1])
    new = permute_between_participants(both, groups, np.random.default_rng(0))
    np.testing.assert_array_equal(new[:, 1], 10 * new[:, 0] + 1)
    with pytest.raises(ValueError, match="different outcomes"):
        permute_between_participants([1.0, 0, 0, 0, 0, 1, 1], groups, np.random.default_rng(0))


def test_p_value_counts_ties_and_averages_repeats():
    permuted = [0.4, 0.5, 0.6, 0.1 + 0.2]
    assert permutation_p([0.3], permuted) == 1
    assert permutation_p([0.55], permuted) == pytest.approx(2 / 5)
    assert permutation_p([0.9], permuted) == pytest.approx(1 / 5)
    assert permutation_p([0.55, 0.9], permuted) == pytest.approx(1.5 / 5)


def test_p_value_is_valid_without_an_effect():
    """p <= 0.05 in 5 % where observed and permuted scores are of one distribution."""
    rng = np.random.default_rng(1)
    found = np.array([permutation_p(*np.split(rng.normal(size=20), [1])) for _ in range(4000)])
    expected = binom(4000, 0.05)
    assert abs((found <= 0.0501).sum() - expected.mean()) < 4 * expected.std()
    assert found.min() == 1 / 20


def _noise_areas(y: np.ndarray, seed: np.random.SeedSequence, *, leak: bool) -> dict[str, float]:
    """A selection among 200 noise features, inside the training folds or (the mistake) before."""
    X = np.random.default_rng(5).normal(size=(len(y), 200))
    found = []
    splits = stratified_folds(BinaryKind(), y, np.arange(len(y)), 4, np.random.default_rng(seed))
    for train, test in splits:
        seen = slice(None) if leak else train
        strength = np.abs(X[seen].T @ (y[seen] - y[seen].mean()))
        best = np.argsort(-strength)[:5]
        fit = fit_logistic(X[np.ix_(train, best)], y[train])
        found.append(auc(y[test], fit.linear_predictor(X[np.ix_(test, best)])))
    return {"radiomics": float(np.mean(found))}


def _leaking(y, seed):
    return _noise_areas(y, seed, leak=True)


def _honest(y, seed):
    return _noise_areas(y, seed, leak=False)


def test_a_selection_before_the_split_is_found(record):
    y = (np.arange(60) % 2).astype(float)
    for score, leaks in ((_honest, False), (_leaking, True)):
        observed = {"radiomics": [score(y, np.random.SeedSequence(0))["radiomics"]]}
        found = permuted_scores(score, y, np.arange(60), 12, np.random.SeedSequence(3))
        check = summarise(observed, found)
        mean = check.table["permuted_mean"].iloc[0]
        what = "before the split (the mistake)" if leaks else "inside the training folds"
        limit = "> 0.7" if leaks else "0.5 +- 0.07"
        record("Models: leakage check", f"permuted AUC, selection {what}", mean, "", limit)
        assert (mean > 0.7) if leaks else (abs(mean - 0.5) < 0.07)
        assert bool(check.warnings) == leaks
        assert ("leaks into" in check.table["sentence"].iloc[0]) == leaks


def _sometimes(y, seed):
    if y[0] == 1:
        raise AnalysisError("a class is too small")
    return {"clinical": 0.4 + 0.2 * y[1]}


def test_permutations_without_models_are_told():
    y = (np.arange(10) % 2).astype(float)
    found = permuted_scores(_sometimes, y, np.arange(10), 30, np.random.SeedSequence(1))
    check = summarise({"clinical": [0.7]}, found)
    failed = sum(isinstance(one, str) for one in found)
    assert 0 < failed < 30
    assert check.table["n_permutations"].tolist() == [30 - failed] == [len(check.draws)]
    assert check.warnings == [
        f"leakage check: {failed} of 30 permutations gave no models: a class is too small"
    ]
    check = summarise({"clinical": [0.7]}, ["no"] * 3)
    assert check.table.empty and len(check.warnings) == 1


@pytest.fixture(scope="module")
def checked():
    analysis = _analysis(clinical=["age"], radiomics={"image": "vbmd"}, permutations=9, repeats=2)
    people, features = _cohort(60, 6, effect=2.0)
    data = assemble(people, features, analysis)
    train = np.arange(48)
    validated, _ = cross_validate(BinaryKind(), data, train, analysis, np.random.SeedSequence(1))
    return data, train, analysis, validated


def test_check_of_an_analysis(checked):
    data, train, analysis, validated = checked
    before = data.outcome.copy()
    check = leakage_check(BinaryKind(), data, train, analysis, np.random.SeedSequence(2), validated)
    np.testing.assert_array_equal(data.outcome, before)
    assert check.table["model"].tolist() == ["clinical", "radiomics", "combined"]
    assert len(check.draws) == 27
    ones = np.ones((1, 48))
    for _, row in check.table.iterrows():
        areas = of_repeats(validated, row["model"], AUC)
        assert len(areas) == 2
        assert row["observed"] == pytest.approx(
            validated_measure(validated, row["model"], AUC, ones)[0]
        )
        drawn = check.draws.query(f"model == '{row['model']}'")["score"]
        assert row["permuted_mean"] == pytest.approx(drawn.mean())
        assert row["p"] == pytest.approx(permutation_p(areas, drawn))
        assert row["sentence"].endswith(".")
    assert check.table["p"].min() == pytest.approx(0.1)
    assert "no smaller one is possible with 9 permutations" in check.table["sentence"].iloc[2]
    assert check.warnings == []
    two = leakage_check(
        BinaryKind(), data, train, analysis, np.random.SeedSequence(2), validated, workers=2
    )
    pd.testing.assert_frame_equal(check.draws, two.draws, check_exact=True)
    pd.testing.assert_frame_equal(check.table, two.table, check_exact=True)


def test_no_permutations_no_check(checked):
    data, train, analysis, validated = checked
    none = analysis.model_copy(update={"permutations": 0})
    check = leakage_check(BinaryKind(), data, train, none, np.random.SeedSequence(2), validated)
    assert check.table.empty and check.draws.empty and not check.warnings
    assert model_checks({"permutations": check.table}) == []
    figure, caption = draw_permutation(check.table, check.draws, {}, Figures())
    assert "no leakage check" in caption


@pytest.mark.parametrize(("n_models", "n"), [(1, 1), (3, 20), (9, 300)])
def test_figure_and_report(n_models, n):
    rng = np.random.default_rng(n)
    models = [
        "combined", "radiomics", "radiomics_gradient_boosting", "radiomics_random_forest",
        "measurements", "clinical", "baseline_hu_l1l2_mean", "baseline_pdff_l1l2l3l4_mean",
        "baseline_volumetric_bone_mineral_density_of_the_first_lumbar_vertebra",
    ][:n_models]  # fmt: skip
    observed = {model: rng.uniform(0.4, 1, 3) for model in models}
    permuted = [{model: rng.normal(0.5, 0.1) for model in models} for _ in range(n)]
    check = summarise(observed, permuted)
    summary = {"models": models, "outcome_label": "Fracture", "n": 40, "n_events": 12}
    settings = Figures()
    figure, caption = draw_permutation(check.table, check.draws, summary, settings)
    check_page(figure, settings.single_column_mm)
    words = check.table["sentence"].iloc[0].removeprefix("With")
    assert words in caption and "Fracture: 40 participants, 12 events." in caption
    (table,) = model_checks({"permutations": check.table})
    assert len(table.rows) == n_models
    assert words in table.note


def test_figure_of_a_quantity_has_scores_below_chance():
    rng = np.random.default_rng(4)
    scores = rng.normal(-0.2, 0.15, 20)
    check = summarise(
        {"clinical": np.array([0.4])}, [{"clinical": s} for s in scores],
        metric="r2", chance=0.0,
    )  # fmt: skip
    assert (check.draws["score"] < 0).any()
    summary = {"models": ["clinical"], "outcome_label": "vBMD", "n": 40}
    figure, _ = draw_permutation(check.table, check.draws, summary, Figures())
    points = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 0], check.draws["score"])
    assert np.abs(points[:, 1]).max() < 0.5
    low, high = figure.axes[0].get_xlim()
    assert low <= scores.min() and high >= 0.4


@pytest.mark.parametrize(
    ("scores", "leak"),
    [
        ([0.62], False),
        ([0.61, 0.63], False),
        ([0.60, 0.66, 0.63], False),
        ([0.86, 0.88, 0.87, 0.85, 0.89], True),
        ([0.55, 0.70] * 10, True),
        ([0.40, 0.66] * 10, False),
    ],
)
def test_few_permutations_do_not_accuse_by_chance(scores, leak):
    """A spread known from two or three is hardly known."""
    found = summarise({"a": [0.7]}, [{"a": score} for score in scores])
    assert bool(found.warnings) == leak
    assert ("leaks" in found.table["sentence"].iloc[0]) == leak
