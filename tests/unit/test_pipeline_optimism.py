"""The whole pipeline in the bootstrap: corrected performance is that on new participants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import fit_models
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.learners import random_forest
from osteoflow.models.resampled import optimism_table
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.roc import auc

SECTION = "Models: optimism of the whole pipeline"


@pytest.fixture(scope="module", autouse=True)
def _small_forest():
    kept, random_forest.N_TREES = random_forest.N_TREES, 25
    yield
    random_forest.N_TREES = kept


def people(n: int, p: int, effect: float, seed: int) -> Dataset:
    """Participants whose first two features and age tell of the event as strongly as said."""
    rng = np.random.default_rng(seed)
    event = rng.permutation(np.arange(n) % 2).astype(float)
    values = rng.normal(size=(n, p))
    values[:, :2] += effect * event[:, None]
    names = [f"f{place}" for place in range(p)]
    rows = [f"sub-{place:05d}" for place in range(n)]
    table = pd.DataFrame(values, index=rows, columns=names)
    table.insert(0, "age", 65 + 8 * rng.normal(size=n) + 4 * effect * event)
    return Dataset(
        table=table,
        outcome=event,
        time=None,
        groups=np.array(rows),
        held_out_by_rule=None,
        features=names,
        sites=None,
        repeated={},
        regions={"vbmd": "l1l2_trabecular"},
        excluded=[],
    )


def corrected(data: Dataset, analysis: Analysis, workers: int = 1) -> pd.DataFrame:
    """The table, of models fitted on all rows."""
    rows = np.arange(len(data.outcome))
    own = fit_models(BinaryKind(), data, rows, analysis, 1).probabilities(data.table)
    table, warnings = optimism_table(data, rows, analysis, np.random.SeedSequence(7), own, workers)
    assert warnings == []
    return table


def analysis(resamples: int, learners: list[str], clinical: list[str]) -> Analysis:
    return Analysis(
        name="a",
        outcome="event",
        clinical=clinical,
        radiomics={"image": "vbmd", "learners": learners},
        inner_folds=3,
        optimism_bootstraps=resamples,
    )


def test_noise_with_more_features_than_participants(record):
    """A forest knows its own rows by heart; .632+ says that it knows nothing else."""
    settings = analysis(10, ["random_forest"], [])
    table = corrected(people(50, 100, 0.0, 0), settings).query("metric == 'auc'")
    boot = table.query("method == 'bootstrap'")[["apparent", "corrected"]].mean()
    plus = table.query("method == '.632+'")[["corrected", "overfitting", "weight"]].mean()
    record(SECTION, "noise, forest: apparent AUC", boot["apparent"], "", "> 0.9")
    record(SECTION, "noise, forest: .632+ AUC", plus["corrected"], "", "0.5 +- 0.1")
    record(SECTION, "noise, forest: bootstrap-corrected AUC", boot["corrected"], "", "(too high)")
    assert boot["apparent"] > 0.9
    assert plus["corrected"] == pytest.approx(0.5, abs=0.1)
    assert plus["overfitting"] > 0.8 and plus["weight"] > 0.9
    # What the simple correction cannot see: rows of the resample are among those it is tested on.
    assert boot["corrected"] > plus["corrected"] + 0.1


def test_strong_signal_agrees_with_new_participants(record):
    """Means over data sets: one alone is off by the luck of its own participants."""
    settings = analysis(6, ["lasso"], ["age"])
    rows = []
    for seed in range(6):
        data, new = people(120, 15, 1.0, seed), people(2000, 15, 1.0, 100 + seed)
        models = fit_models(BinaryKind(), data, np.arange(120), settings, 1)
        table = corrected(data, settings).set_index(["model", "method", "metric"])["corrected"]
        for name, p in models.probabilities(new.table).items():
            truth = {"auc": auc(new.outcome, p), "brier": float(np.mean((p - new.outcome) ** 2))}
            for method in ("bootstrap", ".632+"):
                found = {metric: table[name, method, metric] - truth[metric] for metric in truth}
                rows.append({"model": name, "method": method, **found})
        slope = table["combined", "bootstrap", "calibration_slope"]
        assert 0.6 < slope < 1.3
    error = pd.DataFrame(rows).groupby(["model", "method"]).mean()
    for (name, method), row in error.iterrows():
        what = f"signal, {name} model, {method}: corrected AUC less that of new participants"
        record(SECTION, what, row["auc"], "", "+- 0.05")
    assert error["auc"].abs().max() < 0.05
    assert error["brier"].abs().max() < 0.03


def test_any_number_of_workers_gives_the_same():
    settings = analysis(4, ["lasso"], ["age"])
    data = people(40, 10, 0.8, 1)
    one, two = (corrected(data, settings, workers) for workers in (1, 2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert (one["n_resamples"] == 4).all()
