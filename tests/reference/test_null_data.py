"""Noise predicts nothing: the pipeline's cross-validated area where the truth is 0.5.

Each test has a negative control, a mistake made on purpose on the same data, which shows that the
test would notice.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.cross_validation import cross_validate
from osteoflow.models.dataset import Dataset
from osteoflow.models.filters import feature_filters
from osteoflow.models.folds import stratified_folds
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.lasso import fit_path
from osteoflow.models.learners.sparse import SparseLearner
from osteoflow.models.out_of_fold import of_repeats
from osteoflow.models.performance import AUC
from osteoflow.models.signature import Signature
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.roc import auc

SEEDS = 20
SECTION = "Models: leakage on noise"
ANALYSIS = Analysis(
    name="noise",
    outcome="event",
    clinical=["age", "bmi"],
    radiomics={"image": "vbmd"},
    outer_folds=3,
    inner_folds=3,
    repeats=1,
)


def noise(n: int, p: int, seed: int) -> Dataset:
    """Participants whose columns and features know nothing of their outcome."""
    rng = np.random.default_rng(seed)
    names = [f"f{place}" for place in range(p)]
    values = np.column_stack([rng.normal(65, 8, n), rng.normal(26, 4, n), rng.normal(size=(n, p))])
    people = [f"sub-{place:03d}" for place in range(n)]
    return Dataset(
        table=pd.DataFrame(values, index=people, columns=["age", "bmi", *names]),
        outcome=rng.permutation(np.arange(n) % 2).astype(float),
        time=None,
        groups=np.array(people),
        held_out_by_rule=None,
        features=names,
        sites=None,
        repeated={},
        regions={"vbmd": "l1l2_trabecular"},
        excluded=[],
    )


def areas(data: Dataset, seed: int, **folds: int) -> dict[str, float]:
    """Fold-averaged area of each model in one repeat."""
    rows = np.arange(len(data.outcome))
    analysis = ANALYSIS.model_copy(update=folds)
    found, _ = cross_validate(BinaryKind(), data, rows, analysis, np.random.SeedSequence(seed))
    return {name: float(of_repeats(found, name, AUC)[0]) for name in found.prediction}


def test_many_features_of_noise(record):
    """100 participants, 1000 features, and with them a model that selects before it splits."""
    inside, outside = [], []
    for seed in range(SEEDS):
        data = noise(100, 1000, seed)
        inside.append(areas(data, seed))
        if seed % 5 == 0:
            # The mistake: features chosen by the outcome of all rows.
            about = data.table[data.features].to_numpy().T @ (data.outcome - 0.5)
            strongest = [data.features[place] for place in np.argsort(-np.abs(about))[:20]]
            leaky = Dataset(**(vars(data) | {"features": strongest}))
            outside.append(areas(leaky, seed, outer_folds=10, inner_folds=5))
    mean = pd.DataFrame(inside).mean()
    mistaken = pd.DataFrame(outside).mean()
    what = "n = 100, 1000 features"
    for name in ("clinical", "radiomics", "combined"):
        record(SECTION, f"AUC of the {name} model ({what})", mean[name], "", "0.5 +- 0.05")
    for name in ("radiomics", "combined"):
        record(
            SECTION,
            f"AUC of the {name} model with selection outside the folds ({what})",
            mistaken[name],
            "",
            "> 0.8 (the mistake)",
        )
    assert mean.to_numpy() == pytest.approx(0.5, abs=0.05)
    assert (mistaken[["radiomics", "combined"]] > 0.8).all()


def vertebrae(seed: int, participants: int = 60, p: int = 100):
    """Four vertebrae of each participant, whose features are much alike, and noise as outcome."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(participants), 4)
    values = rng.normal(size=(participants, p))[person] + 0.4 * rng.normal(size=(len(person), p))
    outcome = rng.permutation(np.arange(participants) % 2).astype(float)[person]
    return pd.DataFrame(values, columns=[f"f{place}" for place in range(p)]), outcome, person


def signature_area(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, seed: int) -> float:
    """Fold-averaged area of the radiomic model with folds split by the groups given."""
    filters = feature_filters(SimpleNamespace(repeated={}, sites=None), ANALYSIS)
    found = []
    for train, test in stratified_folds(BinaryKind(), y, groups, 3, np.random.default_rng(seed)):
        model = Signature(BinaryKind(), list(X.columns), filters, SparseLearner(fit_path), 3, seed)
        model.fit(X.iloc[train], y[train], groups[train])
        found.append(auc(y[test], model.rad_score(X.iloc[test]).to_numpy()))
    return float(np.mean(found))


def test_vertebrae_of_one_participant_stay_together(record):
    by_participant, by_vertebra = [], []
    for seed in range(SEEDS):
        X, y, person = vertebrae(seed)
        by_participant.append(signature_area(X, y, person, seed))
        if seed % 5 == 0:
            by_vertebra.append(signature_area(X, y, np.arange(len(y)), seed))
    honest, mistaken = np.mean(by_participant), np.mean(by_vertebra)
    what = "60 participants with 4 vertebrae each"
    record(SECTION, f"AUC with folds split by participant ({what})", honest, "", "0.5 +- 0.05")
    record(
        SECTION, f"AUC with folds split by vertebra ({what})", mistaken, "", "> 0.85 (the mistake)"
    )
    assert honest == pytest.approx(0.5, abs=0.05)
    assert mistaken > 0.85
