"""Elastic net against glmnet: numbers of R 4.2.2, made by r/elastic_net/elastic_net.R."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.lasso import binomial_deviance, fit_path
from osteoflow.models.penalty_path import choose_penalty

FOLDER = Path(__file__).parent / "r" / "elastic_net"
SHARES = (1.0, 0.5, 0.1)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """120 rows, 40 features in correlated groups."""
    return pd.read_csv(FOLDER / "elastic_net.tsv", sep="\t")


@pytest.fixture(scope="module")
def theirs() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "elastic_net_output.tsv", sep="\t", dtype={"key": str})


def _of(theirs: pd.DataFrame, share: float, what: str) -> float:
    rows = theirs[(theirs["alpha"] == share) & (theirs["what"] == what)]
    return float(rows["value"].iloc[0])


def _features(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[str]]:
    names = [name for name in data if name.startswith("f") and name != "fold"]
    return data[names].to_numpy(dtype=float), data["outcome"].to_numpy(dtype=float), names


@pytest.mark.parametrize("share", SHARES)
def test_coefficients(data, theirs, share, record):
    X, y, names = _features(data)
    largest = fit_path(X, y, n_lambdas=2, l1_ratio=share).lambdas[0]
    assert largest == pytest.approx(_of(theirs, share, "lambda_max"), rel=1e-10)
    worst = 0.0
    for part in ("0.3", "0.1", "0.03"):
        penalties = float(part) * largest * np.array([8.0, 4.0, 2.0, 1.0])
        found = fit_path(X, y, penalties, l1_ratio=share)
        rows = theirs[(theirs["alpha"] == share) & (theirs["key"] == part)]
        peer = rows.set_index("what")["value"]
        ours = np.array([found.intercepts[-1], *found.coefficients[-1]])
        expected = peer[["intercept", *(f"coef_{name}" for name in names)]].to_numpy()
        # Per standard deviation, intercept at the mean: features' units do not matter.
        scale = X.std(axis=0)
        gap = np.append((ours - expected)[1:] * scale, (ours - expected) @ [1.0, *X.mean(axis=0)])
        worst = max(worst, float(np.abs(gap).max()))
        assert np.abs(gap).max() <= 1e-6
        assert set(np.flatnonzero(ours)) == set(np.flatnonzero(expected))
    record(
        "Statistics: largest difference from R 4.2.2",
        f"elastic net of glmnet, alpha {share:g}: coefficient per SD",
        worst,
        "",
        "<= 1e-6",
    )


@pytest.mark.parametrize("share", SHARES)
def test_penalty_chosen_by_fixed_folds(data, theirs, share):
    X, y, _ = _features(data)
    fold = data["fold"].to_numpy()
    lambdas = _of(theirs, share, "lambda_max") * np.geomspace(1.0, 1e-2, 30)
    deviance, sizes = [], []
    for number in np.unique(fold):
        test = fold == number
        path = fit_path(X[~test], y[~test], lambdas, l1_ratio=share)
        deviance.append(binomial_deviance(y[test], path.linear_predictor(X[test])).mean(axis=0))
        sizes.append(test.sum())
    found = choose_penalty(np.array(deviance), np.array(sizes))
    rows = theirs[(theirs["alpha"] == share) & (theirs["what"] == "deviance")]
    np.testing.assert_allclose(found.mean, rows["value"], rtol=1e-6, atol=1e-6)
    for mark, place in (("lambda_min", found.index_min), ("lambda_1se", found.index_1se)):
        assert lambdas[place] == pytest.approx(_of(theirs, share, mark), rel=1e-8)


def test_share_outside_its_range():
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match="share of the L1 penalty"):
            fit_path(np.eye(4), np.array([0.0, 1, 0, 1]), l1_ratio=share)
