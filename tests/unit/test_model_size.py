"""Sample size of an analysis' models: candidates counted before selection, sizes, and words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_analyses import EVERYTHING, _analysis, _cohort

from osteoflow.models.dataset import Dataset, assemble
from osteoflow.models.fitting import fit_models
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.model_size import (
    COLUMNS,
    candidate_parameters,
    sample_size_table,
    size_warnings,
    size_words,
)
from osteoflow.models.sample_size import (
    binary_sample_size,
    continuous_sample_size,
    r_squared_of_auc,
    survival_sample_size,
)
from osteoflow.reports.model_checks import model_checks


def rows(n: int, outcome: np.ndarray, time: np.ndarray | None = None) -> Dataset:
    names = np.array([f"sub-{place:04d}" for place in range(n)])
    table = pd.DataFrame({"age": np.arange(float(n))}, index=names)
    return Dataset(
        table, outcome.astype(float), time, names, None, [], None, {}, {}, []
    )  # fmt: skip


def test_candidates_are_counted_before_selection():
    people, features = _cohort()
    analysis = _analysis(**(EVERYTHING | {"radiomics": {"image": ["vbmd", "pdff"], "mrmr": 3}}))
    data = assemble(people, features, analysis)
    train = np.arange(60)
    final = fit_models(BinaryKind(), data, train, analysis, 1)
    found = candidate_parameters(final, len(data.features))
    assert found == {
        "baseline_hu_l1l2_mean": 1, "clinical": 2, "measurements": 1, "radiomics": 20,
        "combined": 23,
    }  # fmt: skip
    table = sample_size_table(data, train, analysis, found).set_index("model")
    assert list(table.columns) == list(COLUMNS[1:])
    events = int(data.outcome[train].sum())
    assert (table["n"] == 60).all() and (table["n_events"] == events).all()
    assert table.loc["combined", "events_per_parameter"] == pytest.approx(events / 23)
    needed = binary_sample_size(20, events / 60)
    row = table.loc["radiomics"]
    assert row["n_required"] == needed.n and row["criterion"] == needed.criterion
    assert row["n_shrinkage"] == needed.needed["shrinkage"]
    # A lower bound is said to be one, of the models that select and of no others.
    assert "lower bound" in row["sentence"] and "20 candidate parameters" in row["sentence"]
    assert "lower bound" in table.loc["combined", "sentence"]
    assert "lower bound" not in table.loc["clinical", "sentence"]
    (words,) = size_warnings(table.reset_index())
    assert f"radiomics 60 of {needed.n} (20 candidate parameters" in words
    # Models of one size are told together: the baseline and the measurement.
    same = binary_sample_size(1, events / 60).n
    assert words.count(f"60 of {same} (1 candidate parameter") == 1
    assert f" and measurements 60 of {same} (1 candidate parameter" in words
    words = size_words(table.reset_index(), analysis)
    assert f"; radiomics {needed.n} (20 candidate parameters); " in words
    assert "if 15 % of the greatest R2 is expected, a lower bound" in words
    assert words.endswith("; 60 were there")


def test_an_anticipated_area_replaces_the_modest_guess():
    outcome = np.arange(400) % 4 == 0
    data, train = rows(400, outcome), np.arange(400)
    guess = sample_size_table(data, train, _analysis(clinical=["age"]), {"clinical": 3})
    strong = _analysis(clinical=["age"], anticipated_auc=0.85)
    table = sample_size_table(data, train, strong, {"clinical": 3})
    expected = binary_sample_size(3, 0.25, r_squared_of_auc(0.85, 0.25))
    assert table["n_required"].tolist() == [expected.n]
    assert table["n_shrinkage"].iloc[0] < guess["n_shrinkage"].iloc[0]
    assert "an AUC of 0.85 is expected" in table["sentence"].iloc[0]
    assert table["sufficient"].tolist() == ["yes"] and size_warnings(table) == []


def test_non_events_limit_where_they_are_fewer():
    outcome = np.arange(200) % 5 != 0
    table = sample_size_table(
        rows(200, outcome), np.arange(200), _analysis(clinical=["age"]), {"clinical": 8}
    )
    assert table["n_events"].tolist() == [160]
    assert table["events_per_parameter"].tolist() == [5]
    assert "160 events and 40 non-events, the fewer" in table["sentence"].iloc[0]


def test_other_kinds_of_outcome():
    n = 300
    rng = np.random.default_rng(0)
    event, time = np.arange(n) % 3 == 0, rng.uniform(1, 9, n)
    survival = _analysis(clinical=["age"], kind="survival", time="years")
    table = sample_size_table(rows(n, event, time), np.arange(n), survival, {"clinical": 4})
    rate = event.sum() / time.sum()
    assert table["n_required"].tolist() == [survival_sample_size(4, rate, time.mean()).n]
    assert np.isnan(table["n_overall"].iloc[0]) and table["events_per_parameter"].iloc[0] == 25

    continuous = _analysis(clinical=["age"], kind="continuous")
    table = sample_size_table(rows(n, time), np.arange(n), continuous, {"clinical": 4})
    assert table["n_required"].tolist() == [continuous_sample_size(4, 0.15).n]
    assert np.isnan(table["n_events"].iloc[0])
    assert "event" not in table["sentence"].iloc[0]

    ordinal = _analysis(clinical=["age"], kind="ordinal", classes=["a", "b", "c"])
    table = sample_size_table(rows(n, np.arange(n) % 3), np.arange(n), ordinal, {"clinical": 20})
    assert np.isnan(table["n_required"].iloc[0])
    # 300 in three equal classes count as 300 (1 - 3 / 27).
    assert table["events_per_parameter"].iloc[0] == pytest.approx(300 * 8 / 9 / 20)
    assert table["sufficient"].tolist() == ["yes"]
    assert (
        "an effective sample size of 267, for 20 candidate parameters" in table["sentence"].iloc[0]
    )
    assert size_words(table, ordinal) == ""
    (shown,) = model_checks({"sample_size": table})
    assert len(shown.rows) == 1


def test_one_class_has_no_size():
    table = sample_size_table(
        rows(20, np.zeros(20)), np.arange(20), _analysis(clinical=["age"]), {"clinical": 2}
    )
    assert np.isnan(table["n_required"].iloc[0]) and table["sufficient"].tolist() == ["no"]
