"""Resampling of participants, correction for optimism, and .632+."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.pipeline import Pipeline

from osteoflow.models.filters import feature_filters
from osteoflow.models.folds import AnalysisError, stratified_folds
from osteoflow.models.harmonise import CombatHarmoniser
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.lasso import fit_path
from osteoflow.models.learners.sparse import SparseLearner
from osteoflow.models.optimism import optimism_bootstrap, optimism_of_models, plus_632
from osteoflow.models.repeated import RepeatedFeatures
from osteoflow.models.resampling import name_copies, participant_resamples
from osteoflow.models.signature import Signature
from osteoflow.models.transformers import ReliabilityFilter
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.roc import auc


def linear(X, y):
    """Fitting function: least squares on the outcome, squeezed into probabilities."""

    def fit(rows):
        design = np.column_stack([np.ones(len(rows)), X[rows]])
        b, *_ = np.linalg.lstsq(design, y[rows], rcond=None)
        return lambda asked: np.clip(b[0] + X[asked] @ b[1:], 0.001, 0.999)

    return fit


def nearest(X, y):
    """Fitting function: the outcome of the nearest row, which knows its own rows by heart."""

    def fit(rows):
        def predict(asked):
            distance = ((X[asked][:, None, :] - X[rows][None, :, :]) ** 2).sum(axis=2)
            return 0.01 + 0.98 * y[rows][distance.argmin(axis=1)]

        return predict

    return fit


def corrected(found, measure="auc"):
    return found.table.set_index("measure").loc[measure]


# --- resamples -----------------------------------------------------------------------------------


def test_participants_are_drawn_with_all_their_rows():
    groups = np.array(["c", "a", "a", "b", "c", "a"])
    drawn = participant_resamples(groups, 400, np.random.default_rng(1))
    size = {"a": 3, "b": 1, "c": 2}
    times = []
    for rows in drawn:
        assert (np.diff(rows) >= 0).all()
        count = {name: (groups[rows] == name).sum() / n for name, n in size.items()}
        assert sum(count.values()) == 3
        for row in np.unique(rows):
            assert (rows == row).sum() == count[groups[row]]
        times.append([count[name] for name in "abc"])
    assert np.mean(times, axis=0) == pytest.approx([1, 1, 1], abs=0.12)
    again = participant_resamples(groups, 400, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))
    alone = participant_resamples(np.arange(30), 5, np.random.default_rng(2))
    assert {len(rows) for rows in alone} == {30}


def test_copies_have_names_and_entries_of_their_own():
    index = pd.Index(["p|1", "q|1", "r|1", "s|1"], name="key")
    copies = name_copies(index, [0, 0, 2, 0, 2])
    expected = ["p|1", "p|1#copy2", "r|1", "p|1#copy3", "r|1#copy2"]
    assert copies.names.tolist() == expected
    assert copies.names.name == "key"
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]}, index)
    assert copies.table(table)["x"].tolist() == [1, 1, 3, 1, 3]
    assert copies.table(table).index.equals(copies.names)
    site = pd.Series(["a", "b", "c", "d"], index)
    found = copies.lookup(site)
    assert found.index.is_unique
    assert found.loc[copies.names].tolist() == ["a", "a", "c", "a", "c"]
    assert found.loc[index].tolist() == site.tolist()
    # Where only some rows have an entry, copies of the others get none.
    rated = table.loc[["r|1", "s|1"]]
    assert copies.lookup(rated).index.tolist() == ["r|1", "s|1", "r|1#copy2"]


def test_names_that_cannot_be_copied():
    for index in (pd.Index([1, 2]), pd.Index(["a", "a"])):
        with pytest.raises(ValueError, match="text and distinct"):
            name_copies(index, [0, 0])
    with pytest.raises(ValueError, match="copies already"):
        name_copies(pd.Index(["a", "a#copy2"]), [0, 0])


def cohort(n=70, p=12):
    """Features with sites, an outcome, and second readings of every other row."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=n)
    index = pd.Index([f"sub-{i:02d}|" for i in range(n)], name="key")
    names = [f"f{i}" for i in range(p)]
    signal = latent[:, None] * (np.arange(p) % 3 == 0)
    X = pd.DataFrame(signal + rng.normal(size=(n, p)), index, names)
    y = (latent + 0.7 * rng.normal(size=n) > 0).astype(float)
    second = X + 0.2 * rng.normal(size=(n, p))
    second["f3"] = rng.normal(size=n)
    half = index[::2]
    repeated = RepeatedFeatures("inter_rater", (X.loc[half], second.loc[half]))
    return X, y, repeated, pd.Series(np.array(["a", "b"])[rng.integers(2, size=n)], index)


def test_pipeline_that_looks_rows_up_by_name():
    X, y, repeated, site = cohort()
    (rows,) = participant_resamples(np.arange(len(X)), 1, np.random.default_rng(4))
    copies = name_copies(X.index, rows)
    steps = Pipeline(
        [
            ("reliability", ReliabilityFilter(copies.readings(repeated))),
            ("harmonisation", CombatHarmoniser(copies.lookup(site))),
        ]
    )
    found = steps.fit(copies.table(X))
    # Rows drawn twice count twice, in the readings as in the table.
    assert found["reliability"].n_pairs_ == (rows % 2 == 0).sum()
    assert "f3" not in found["reliability"].kept_
    assert found["harmonisation"].sites_ == site.iloc[rows].value_counts().to_dict()
    # The same as tables that were written out with names of their own.
    plain = pd.Index([f"row{i}" for i in range(len(rows))])
    written = tuple(
        part.reindex(X.index).iloc[rows].set_axis(plain).dropna() for part in repeated.readings
    )
    other = Pipeline(
        [
            ("reliability", ReliabilityFilter(replace(repeated, readings=written))),
            ("harmonisation", CombatHarmoniser(site.iloc[rows].set_axis(plain))),
        ]
    ).fit(X.iloc[rows].set_axis(plain))
    assert other["reliability"].kept_ == found["reliability"].kept_
    np.testing.assert_allclose(
        other["reliability"].icc_["icc21_low"], found["reliability"].icc_["icc21_low"], rtol=1e-12
    )
    # Rows that were not drawn are found by their names.
    left = X.index[np.setdiff1d(np.arange(len(X)), rows)]
    renamed = site.loc[left].set_axis([f"new{i}" for i in range(len(left))])
    other["harmonisation"].site = pd.concat([other["harmonisation"].site, renamed])
    np.testing.assert_allclose(
        found.transform(X.loc[left]),
        other.transform(X.loc[left].set_axis(renamed.index)),
        rtol=1e-10,
    )


def test_copies_share_an_inner_fold():
    y = np.tile([0.0, 1.0], 30)
    groups = np.repeat(np.arange(30), 2)
    for rows in participant_resamples(groups, 20, np.random.default_rng(3)):
        for train, test in stratified_folds(
            BinaryKind(), y[rows], groups[rows], 4, np.random.default_rng(0)
        ):
            assert not set(groups[rows][train]) & set(groups[rows][test])


def test_whole_radiomic_model_in_the_bootstrap():
    X, y, repeated, _ = cohort()
    names = list(X.columns)
    analysis = Analysis(name="a", outcome="fracture", radiomics={"image": "pdff"})

    def fit(rows):
        copies = name_copies(X.index, rows)
        data = SimpleNamespace(repeated={"inter_rater": copies.readings(repeated)}, sites=None)
        filters = feature_filters(data, analysis)
        model = Signature(
            BinaryKind(), names, filters, SparseLearner(fit_path), inner_folds=3, seed=5
        )
        model.fit(copies.table(X), y[rows], groups=np.asarray(rows))
        assert "f3" not in model.filters_["reliability"].kept_
        return lambda asked: model.predict(X.iloc[asked])[:, 0]

    resamples = participant_resamples(np.arange(len(X)), 5, np.random.default_rng(6))
    found, again = (optimism_bootstrap(fit, y, resamples) for _ in range(2))
    pd.testing.assert_frame_equal(found.table, again.table)
    row = corrected(found)
    assert found.failures == {}
    assert 0.6 < row["corrected"] < row["apparent"] < 1
    assert corrected(found, "brier")["optimism"] < 0


# --- what the correction is worth ----------------------------------------------------------------


def test_corrected_performance_is_that_on_new_people(record):
    p, errors, naive = 8, [], []
    rng = np.random.default_rng(7)
    b = np.array([0.8, 0.5, *[0.0] * (p - 2)])
    new = rng.normal(size=(20_000, p))
    new_y = (rng.uniform(size=len(new)) < expit(new @ b)).astype(float)
    for _ in range(40):
        X = rng.normal(size=(80, p))
        y = (rng.uniform(size=80) < expit(X @ b)).astype(float)
        resamples = participant_resamples(np.arange(80), 60, rng)
        found = corrected(optimism_bootstrap(linear(X, y), y, resamples, {"auc": auc}))
        truth = auc(new_y, _on_new(X, y, new))
        errors.append(found["corrected"] - truth)
        naive.append(found["apparent"] - truth)
    record("Statistics: optimism", "AUC, apparent less true", np.mean(naive), "", "> 0.05")
    record("Statistics: optimism", "AUC, corrected less true", np.mean(errors), "", "within 0.02")
    assert np.mean(naive) > 0.05
    assert abs(np.mean(errors)) < 0.02


def _on_new(X, y, new):
    together = np.concatenate([X, new])
    outcome = np.concatenate([y, np.zeros(len(new))])
    rows = np.arange(len(X))
    return linear(together, outcome)(rows)(np.arange(len(X), len(together)))


def test_models_that_are_fitted_together():
    rng = np.random.default_rng(11)
    X, y = rng.normal(size=(60, 6)), np.tile([0.0, 1.0], 30)
    X[:, 0] += y
    calls = []

    def fit(rows):
        calls.append(rows)
        small, large = linear(X[:, :1], y)(rows), linear(X, y)(rows)
        return lambda asked: {"small": small(asked), "large": large(asked)}

    resamples = participant_resamples(np.arange(60), 30, rng)
    found = optimism_of_models(fit, y, resamples)
    assert len(calls) == 31
    for name, columns in (("small", X[:, :1]), ("large", X)):
        alone = optimism_bootstrap(linear(columns, y), y, resamples)
        for part in ("table", "plus632", "draws"):
            pd.testing.assert_frame_equal(getattr(found[name], part), getattr(alone, part))
    assert corrected(found["large"])["optimism"] > corrected(found["small"])["optimism"]
    draws = found["large"].draws.query("measure == 'auc'")
    assert draws["resample"].tolist() == list(range(30))
    gap = (draws["training"] - draws["test"]).mean()
    assert gap == pytest.approx(corrected(found["large"])["optimism"])


def test_632_plus_where_a_model_knows_its_rows_by_heart(record):
    rng = np.random.default_rng(8)
    plain, plus, brier = [], [], []
    for _ in range(6):
        X, y = rng.normal(size=(60, 5)), np.tile([0.0, 1.0], 30)
        resamples = participant_resamples(np.arange(60), 50, rng)
        found = optimism_bootstrap(nearest(X, y), y, resamples)
        assert corrected(found)["apparent"] == 1
        plain.append(corrected(found)["corrected"])
        table = found.plus632.set_index("measure")
        plus.append(table.loc["auc", "corrected"])
        brier.append(table.loc["brier", "corrected"] / table.loc["brier", "no_information"])
    # Useless predictors: the truth is 0.5. The ordinary bootstrap sees 63.2 % of its test rows.
    assert np.mean(plain) == pytest.approx(0.632 + 0.368 / 2, abs=0.03)
    record("Statistics: optimism", ".632+ AUC of one nearest neighbour, no signal",
           np.mean(plus), "", "0.5 within 0.05")  # fmt: skip
    assert np.mean(plus) == pytest.approx(0.5, abs=0.05)
    assert np.mean(brier) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("error", "outside", "chance", "expected"),
    [
        (0.1, 0.1, 0.5, 0.1),
        (0.0, 0.5, 0.5, 0.5),
        (0.0, 0.6, 0.5, 0.5),
        (0.2, 0.1, 0.5, 0.368 * 0.2 + 0.632 * 0.1),
        (0.1, 0.3, 0.5, 0.1 + 0.632 / (1 - 0.368 * 0.5) * 0.2),
    ],
)
def test_632_plus_of_given_errors(error, outside, chance, expected):
    assert plus_632(error, outside, chance)[0] == pytest.approx(expected, abs=1e-12)


def test_rows_left_out_are_of_other_participants():
    # Participants known by heart: any row of theirs in the resample gives them away.
    rng = np.random.default_rng(9)
    people = rng.normal(size=(40, 4))
    X, groups = np.repeat(people, 3, axis=0), np.repeat(np.arange(40), 3)
    X = X + 0.01 * rng.normal(size=X.shape)
    y = np.repeat(np.tile([0.0, 1.0], 20), 3)
    by_row = participant_resamples(np.arange(120), 40, rng)
    by_participant = participant_resamples(groups, 40, rng)
    leaky = optimism_bootstrap(nearest(X, y), y, by_row).plus632.loc[0, "out_of_bag"]
    honest = optimism_bootstrap(nearest(X, y), y, by_participant).plus632.loc[0, "out_of_bag"]
    assert leaky > 0.85
    assert honest < 0.65


# --- what cannot be defined ----------------------------------------------------------------------


def test_resamples_without_a_model_are_counted():
    rng = np.random.default_rng(10)
    X, y = rng.normal(size=(50, 2)), np.tile([0.0, 1.0], 25)
    inner, calls = linear(X, y), []

    def fit(rows):
        calls.append(len(rows))
        if len(calls) in (3, 5):
            raise AnalysisError("too few events")
        return inner(rows)

    resamples = participant_resamples(np.arange(50), 20, rng)
    resamples[0] = np.zeros(50, dtype=int)
    found = optimism_bootstrap(fit, y, resamples)
    assert found.failures == {"no events or no non-events drawn": 1, "too few events": 2}
    assert corrected(found)["n_defined"] == 17
    assert np.isnan(corrected(found)["corrected"])
    calls.clear()
    few = optimism_bootstrap(fit, y, [*resamples[1:], *resamples[1:]])
    assert corrected(few)["n_defined"] == 36
    assert np.isfinite(corrected(few)["corrected"])


def test_measures_that_are_not_defined():
    y = np.tile([0.0, 1.0], 20)

    def fit(rows):
        return lambda asked: np.full(len(asked), 0.5)

    resamples = participant_resamples(np.arange(40), 30, np.random.default_rng(0))
    found = optimism_bootstrap(fit, y, resamples)
    assert np.isnan(corrected(found, "calibration_slope")["corrected"])
    assert corrected(found, "calibration_slope")["n_defined"] == 0
    assert corrected(found)["corrected"] == 0.5
    assert corrected(found, "brier")["corrected"] == pytest.approx(0.25)
    assert found.plus632.set_index("measure").loc["auc", "corrected"] == 0.5


def test_mistakes_are_refused():
    y = np.tile([0.0, 1.0], 20)
    X = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(ValueError, match="no resamples"):
        optimism_bootstrap(linear(X, y), y, [])
    with pytest.raises(ValueError, match="events and non-events"):
        optimism_bootstrap(linear(X, y), y * 0, [np.arange(40)])
    with pytest.raises(ValueError, match="one finite probability"):
        optimism_bootstrap(lambda rows: lambda asked: np.ones(3), y, [np.arange(40)])
    with pytest.raises(ValueError, match="a mistake"):
        optimism_bootstrap(_mistaken, y, [np.arange(40)])


def _mistaken(rows):
    raise ValueError("a mistake")
