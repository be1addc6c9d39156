"""Performance within the sites that features are harmonised between."""

from __future__ import annotations

import numpy as np
import outcome_cohort
import pandas as pd
import pytest
import survival_cohort
from scipy.special import expit

from osteoflow.models.analyse import run
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.out_of_fold import CrossValidated
from osteoflow.models.tables.by_site import SITE_COLUMNS, performance_by_site
from osteoflow.reports.analysis import AnalysisReport, describe_analysis
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.roc import auc


class _Rows:
    """What the table needs of a dataset."""

    def __init__(self, outcome: np.ndarray, site: list[str] | np.ndarray | None) -> None:
        self.outcome = outcome
        self.sites = None if site is None else pd.DataFrame({"site": site})


def _predicted_by_site(n: int = 400) -> tuple[_Rows, np.ndarray, np.ndarray]:
    """Most events are of site 2, and the model knows the site alone."""
    rng = np.random.default_rng(2)
    site = np.where(np.arange(n) % 2, 2.0, 1.0)
    outcome = (rng.random(n) < np.where(site == 2, 0.8, 0.2)).astype(float)
    probability = expit(np.where(site == 2, 1.4, -1.4) + 0.3 * rng.normal(size=n))
    return _Rows(outcome, site), site, probability


def test_a_model_that_predicts_the_site_is_chance_within_it():
    data, site, probability = _predicted_by_site()
    train, test = np.arange(300), np.arange(300, 400)
    rng = np.random.default_rng(4)
    fold = np.stack([rng.permutation(np.arange(300) % 5) for _ in range(2)])
    both = np.stack([probability[train]] * 2)[:, :, None]
    validated = CrossValidated(data.outcome[train], fold, {"radiomics": both})
    weights = rng.multinomial(300, np.full(300, 1 / 300), size=200).astype(float)
    held_weights = rng.multinomial(100, np.full(100, 0.01), size=200).astype(float)
    held = {"radiomics": probability[test][:, None]}
    table = performance_by_site(
        BinaryKind(), data, (train, test), validated, held, (weights, held_weights)
    )
    assert list(table.columns) == list(SITE_COLUMNS)
    assert table["site"].tolist() == ["1", "1", "2", "2"]
    assert auc(data.outcome[train], probability[train]) > 0.75
    for line in table.to_dict("records"):
        assert line["ci_low"] < 0.5 < line["ci_high"]
        rows = train if line["set"] == "cv" else test
        mine = rows[site[rows] == float(line["site"])]
        assert (line["n"], line["n_events"]) == (len(mine), int(data.outcome[mine].sum()))
        if line["set"] == "holdout":
            assert line["value"] == pytest.approx(auc(data.outcome[mine], probability[mine]))
            continue
        areas = [
            auc(data.outcome[part], probability[part])
            for repeat in fold
            for number in range(5)
            if len(part := mine[repeat[mine] == number])
        ]
        assert line["value"] == pytest.approx(np.mean(areas))


def test_nothing_without_harmonisation_and_nothing_of_small_sites():
    data, _, probability = _predicted_by_site(40)
    rows = np.arange(40)
    validated = CrossValidated(
        data.outcome, rows[None] % 4, {"clinical": probability[None, :, None]}
    )
    parts, weights = (rows, rows[:0]), (np.ones((20, 40)), None)
    none = performance_by_site(
        BinaryKind(), _Rows(data.outcome, None), parts, validated, {}, weights
    )
    assert none.empty and list(none.columns) == list(SITE_COLUMNS)
    few = _Rows(data.outcome, np.where(rows < 1, "tiny", "rest"))
    table = performance_by_site(BinaryKind(), few, parts, validated, {}, weights)
    tiny = table[table["site"] == "tiny"].iloc[0]
    assert np.isnan([tiny["value"], tiny["ci_low"], tiny["ci_high"]]).all() and tiny["n"] == 1
    assert "not defined here" in tiny["method"]


@pytest.mark.parametrize("kind", ["binary", "ordinal", "continuous", "survival"])
def test_each_kind_has_it_where_harmonisation_is_declared(kind):
    if kind in ("binary", "survival"):
        people, features = survival_cohort.cohort(n=90)
        people["site"] = np.where(np.arange(len(people)) % 3, "A", "B")
        base = survival_cohort.BASE | {"kind": kind}
    else:
        people, features = outcome_cohort.cohort(n=110)
        own = outcome_cohort.ORDINAL if kind == "ordinal" else outcome_cohort.CONTINUOUS
        base = outcome_cohort.BASE | own
        people["site"] = np.where(np.arange(len(people)) % 3, "A", "B")
    if kind == "binary":
        base = {name: value for name, value in base.items() if name != "time"}
    radiomics = base["radiomics"] | {"harmonisation": {"site": "site"}}
    settings = {"clinical": [], "repeats": 1, "bootstraps": 100, "radiomics": radiomics}
    result = run(people, features, Analysis.model_validate(base | settings), seed=2)
    table = result.tables["performance_by_site"]
    assert set(table["site"]) == {"A", "B"} and set(table["model"]) == {"radiomics"}
    assert set(table["set"]) == {"cv", "holdout"} and len(set(table["metric"])) == 1
    assert np.isfinite(table.loc[table["set"] == "cv", "value"]).all()
    assert table["n"].sum() == len(people)
    assert table["n_events"].isna().all() == (kind in ("ordinal", "continuous"))
    report = AnalysisReport("a", result.documents["summary"], result.tables)
    captions = {table.caption: table for table in describe_analysis(report, str)["tables"]}
    shown = captions["Performance within the sites between which features are harmonised"]
    assert len(shown.rows) == len(table)
