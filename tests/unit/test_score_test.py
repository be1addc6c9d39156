"""What the Rad-score adds, by permutation: size on noise, power, and what is permuted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from osteoflow.models import score_test
from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.comparisons import nested_table
from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import FittedModels, fit_models
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.kinds.continuous import ContinuousKind
from osteoflow.models.kinds.ordinal import OrdinalKind
from osteoflow.models.score_test import ScoreNull, score_null, score_ratios
from osteoflow.settings.analysis import Analysis

PAIR = ("clinical", "combined")
BASIC = {"name": "a", "outcome": "fracture", "clinical": ["age"], "inner_folds": 3}


def _analysis(**changes: object) -> Analysis:
    return Analysis(**(BASIC | {"radiomics": {"image": "vbmd"}} | changes))


def _data(seed: int, n: int = 60, p: int = 30, effect: float = 0.0, kind: str = "binary"):
    """Age and the outcome go together; the first three features know the outcome by the effect."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0.0, 1.0], n // 2))
    if kind == "continuous":
        y = rng.normal(size=n)
    age, features = rng.normal(65, 8, n) + 5 * y, rng.normal(size=(n, p))
    features[:, :3] += effect * y[:, None]
    ids = [f"sub-{number:03d}" for number in range(n)]
    names = [f"f{number}" for number in range(p)]
    table = pd.DataFrame(np.column_stack([age, features]), index=ids, columns=["age", *names])
    groups = np.array(ids)
    return Dataset(table, y, None, groups, None, names, None, {}, {"vbmd": "r"}, [])


def _tested(data: Dataset, kind, analysis: Analysis, seed: int) -> pd.Series:
    rows = np.arange(len(data.outcome))
    final = fit_models(kind, data, rows, analysis, seed)
    null = score_null(kind, data, rows, analysis, np.random.SeedSequence(seed))
    assert null.warnings == []
    table = nested_table(kind, final, data.outcome, null)
    return table.set_index(["smaller", "larger"]).loc[PAIR]


def test_chi_squared_does_not_hold_for_a_score(record):
    """Scores of noise pass its limit far more often than 5 %; their own distribution is taken."""
    data, rows = _data(0, p=50), np.arange(60)
    analysis = _analysis(score_permutations=99)
    null = score_null(BinaryKind(), data, rows, analysis, np.random.SeedSequence(0))
    found = np.array([draw[PAIR] for draw in null.draws])
    beyond = float((found > chi2.ppf(0.95, 1)).mean())
    record(
        "Models: what a Rad-score of noise adds (60 participants, 50 features)",
        "share of likelihood ratios beyond chi-squared's 5 % limit",
        beyond,
        "",
        "> 0.05 (so that p comes from permutations)",
    )
    assert beyond > 0.05
    # Often nothing is selected, and the score adds nothing.
    assert 0.1 < (found == 0).mean() < 0.9


def test_useless_scores_keep_the_size(record):
    """Independent studies of noise, in which age and outcome go together."""
    analysis = _analysis(score_permutations=9)
    rows = [_tested(_data(seed, n=40, p=10), BinaryKind(), analysis, seed) for seed in range(30)]
    p = np.array([row["p"] if row["df"] else 1.0 for row in rows])
    share = float((p <= 0.1).mean())
    what = "Models: what a Rad-score of noise adds (40 participants, 10 features, 30 studies)"
    record(what, "share of studies with p <= 0.1 by permutation", share, "", "<= 0.23 (0.1 + 2 SE)")
    assert share <= 0.23
    assert (p < 1).mean() > 0.2


def test_separated_permutations_are_the_strongest():
    """Without a maximum likelihood there is no statistic; that is no lack of evidence."""
    rng = np.random.default_rng(0)
    place = np.repeat([0.0, 1.0, 2.0], 12)
    kind = OrdinalKind(["low", "middle", "high"])
    table = pd.DataFrame({"age": rng.normal(size=36)}, index=[f"s{i}" for i in range(36)])
    scores = pd.Series(place + rng.normal(0, 0.01, 36), table.index)
    signature = SimpleNamespace(cross_fitted_=scores)
    models = {
        "clinical": ColumnsModel(kind, ["age"], "clinical").fit(table, place),
        "combined": ColumnsModel(kind, ["age"], "combined", signature).fit(table, place),
    }
    assert score_ratios(FittedModels(models)) == {PAIR: np.inf}
    assert ScoreNull([{PAIR: np.inf}, {PAIR: 0.0}], []).p(PAIR, 5.0) == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", [BinaryKind(), ContinuousKind()], ids=["binary", "continuous"])
def test_a_score_that_knows_is_found(kind):
    is_binary = isinstance(kind, BinaryKind)
    more = {} if is_binary else {"kind": "continuous", "outcome": "dxa_tscore"}
    data = _data(1, effect=1.4, kind="binary" if is_binary else "continuous")
    row = _tested(data, kind, _analysis(score_permutations=19, **more), 1)
    assert row["p"] == pytest.approx(1 / 20)
    assert "p by 19 permutations of the features" in row["method"]


def test_other_predictors_follow_the_outcome_and_features_stay(monkeypatch):
    data = _data(2)
    train = np.arange(5, 60)
    seen = []

    def fit(kind, shuffled, rows, analysis, seed):
        seen.append(shuffled)
        raise AnalysisError("seen")

    monkeypatch.setattr(score_test, "fit_models", fit)
    learners = {"radiomics": {"image": "vbmd", "learners": ["lasso", "svm"]}}
    analysis = _analysis(score_permutations=3, **learners)
    null = score_null(BinaryKind(), data, train, analysis, np.random.SeedSequence(1))
    assert null.draws == [] and np.isnan(null.p(PAIR, 3.0))
    assert null.warnings == ["test of the Rad-score: 3 of 3 permutations gave no models: seen"]
    own = data.table.iloc[train]
    together = sorted(zip(own["age"], data.outcome[train], strict=True))
    for shuffled in seen:
        pd.testing.assert_frame_equal(shuffled.table[data.features], own[data.features])
        assert not np.array_equal(shuffled.outcome, data.outcome[train])
        found = sorted(zip(shuffled.table["age"], shuffled.outcome, strict=True))
        assert found == together
    assert not np.array_equal(seen[0].outcome, seen[1].outcome)


def test_p_counts_the_outcome_as_it_is_and_ties():
    null = ScoreNull([{PAIR: value} for value in (0.0, 0.0, 1.0, 2.0)], [])
    assert [null.p(PAIR, value) for value in (3.0, 2.0, 0.5, 0.0)] == [0.2, 0.4, 0.6, 1.0]
    assert np.isnan(null.p(PAIR, float("nan")))


def test_without_a_combined_model_nothing_is_drawn():
    alone = _analysis(clinical=[])
    seed = np.random.SeedSequence(1)
    assert score_null(BinaryKind(), _data(1), np.arange(60), alone, seed).draws == []


def test_the_same_on_two_processes_and_a_constant_score_adds_nothing():
    data, rows = _data(3), np.arange(60)
    analysis = _analysis(score_permutations=4)
    one, two = (
        score_null(BinaryKind(), data, rows, analysis, np.random.SeedSequence(4), workers)
        for workers in (1, 2)
    )
    assert len(one.draws) == 4
    assert one.draws == two.draws
    none = _analysis(radiomics={"image": "vbmd", "univariate": {"alpha": 1e-12}})
    assert score_ratios(fit_models(BinaryKind(), data, rows, none, 1)) == {PAIR: 0.0}
