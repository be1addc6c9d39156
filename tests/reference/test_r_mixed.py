"""Linear mixed models against lme4 and lmerTest (tables and script in ``r/mixed``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteoflow.statistics.mixed import fit_mixed, joint_test

FOLDER = Path(__file__).parent / "r" / "mixed"
TERMS = {
    "full": ["(Intercept)", "levelL2", "levelL3", "levelL4", "age", "sexM"],
    "age": ["(Intercept)", "age"],
    "empty": ["(Intercept)"],
    "singular": ["(Intercept)", "levelL2", "levelL3", "levelL4", "age"],
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "mixed.tsv", sep="\t")
    table["(Intercept)"] = 1.0
    for level in ("L2", "L3", "L4"):
        table[f"level{level}"] = (table["level"] == level).astype(float)
    table["sexM"] = (table["sex"] == "M").astype(float)
    return table


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "mixed_output.tsv", sep="\t", keep_default_na=False)
    return table.set_index(["model", "term", "quantity"])["value"]


@pytest.mark.parametrize("model", TERMS)
def test_equals_lme4(data, expected, model, record):
    terms = TERMS[model]
    y = data["even" if model == "singular" else "y"]
    fit = fit_mixed(data[terms], y, data["participant"])
    assert fit.singular == bool(expected[model, "", "singular"])
    assert (fit.n_participants, fit.n_observations) == (36, 129)

    def theirs(quantity):
        return np.array([expected[model, term, quantity] for term in terms])

    fixed = np.abs(fit.estimate - theirs("estimate")).max()
    error = np.abs(fit.error - theirs("error")).max()
    shares = [fit.variance_participant, fit.variance_residual]
    r_shares = [expected[model, "", f"variance_{part}"] for part in ("participant", "residual")]
    variance = max(abs(a - b) / max(b, 1.0) for a, b in zip(shares, r_shares, strict=True))
    what = "Mixed models: largest difference from lme4 1.1.31 and lmerTest 3.1.3"
    record(what, f"fixed effects, model {model}", fixed, "", "<= 1e-5")
    record(what, f"variances (relative), model {model}", variance, "", "<= 1e-4")
    assert fixed <= 1e-5
    assert error <= 1e-5
    assert variance <= 1e-4
    assert fit.criterion == pytest.approx(expected[model, "", "criterion"], abs=1e-6)
    assert (fit.low < fit.estimate).all()
    assert (fit.estimate < fit.high).all()
    if fit.singular:
        assert (fit.variance_participant, fit.icc, fit.icc_low) == (0.0, 0.0, 0.0)
        assert 0 < fit.icc_high < 0.5
        assert fit.df.tolist() == [124.0] * 5
        return
    df = np.abs(fit.df - theirs("df")).max()
    record(what, f"Satterthwaite's df, model {model}", df, "", "<= 1e-3")
    assert df <= 1e-3
    np.testing.assert_allclose(fit.p, theirs("p"), rtol=1e-4)
    share = fit.variance_participant / (fit.variance_participant + fit.variance_residual)
    assert fit.icc == pytest.approx(share)
    assert fit.icc_low < fit.icc < fit.icc_high


def test_joint_tests_equal_lmertest(data, expected):
    terms = TERMS["full"]
    for term, columns in (("level", [1, 2, 3]), ("age", [4]), ("sex", [5])):
        found = joint_test(data[terms], data["y"], data["participant"], columns)
        assert found.df == len(columns)
        assert found.statistic == pytest.approx(expected["full", term, "F"], rel=1e-6)
        assert found.df_error == pytest.approx(expected["full", term, "F_df"], abs=1e-3)
        assert found.p == pytest.approx(expected["full", term, "F_p"], rel=1e-4)
