"""Harmonisation between sites: what it removes, what it keeps, and what it learns from."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from osteoflow.models.folds import AnalysisError
from osteoflow.models.harmonise import CombatHarmoniser
from osteoflow.models.transformers import MedianImputer, NearZeroVariance, Standardiser
from osteoflow.statistics.roc import auc


def true_slopes(p: int = 40) -> np.ndarray:
    """Effect of a year of age on each feature."""
    return 0.1 * np.random.default_rng(9).normal(size=p)


def scans(n: int = 160, p: int = 40, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features with a site effect on level and spread, and people with site and age.

    The second site scans older people; age has an effect on every feature.
    """
    rng = np.random.default_rng(seed)
    place = np.arange(n) % 2
    age = 60 + 6.0 * place + 8 * rng.normal(size=n)
    slope = true_slopes(p)
    values = 10 + (age - 63)[:, None] * slope + rng.normal(size=(n, p))
    shift, spread = rng.normal(1.5, 0.4, p), rng.gamma(30, 1 / 15, p)
    centre = 10 + (age - 63)[:, None] * slope
    values = np.where(place[:, None] == 1, centre + shift + spread * (values - centre), values)
    index = pd.Index([f"sub-{i:03d}" for i in range(n)], name="key")
    people = pd.DataFrame({"site": np.array(["a", "b"])[place], "age": age}, index)
    return pd.DataFrame(values, index, [f"f{i}" for i in range(p)]), people


def test_site_effects_go_and_covariates_stay():
    X, people = scans(600)
    step = CombatHarmoniser(people["site"], people[["age"]])
    found = step.fit_transform(X)
    assert step.warning_ == ""
    assert step.sites_ == {"a": 300, "b": 300}
    design = np.column_stack([np.ones(len(X)), people["age"], people["site"] == "b"])

    def effects(table):
        fitted, *_ = np.linalg.lstsq(design, table.to_numpy(), rcond=None)
        rest = table.to_numpy() - design @ fitted
        at_b = design[:, 2] == 1
        return fitted[1], fitted[2], rest[at_b].std(axis=0) / rest[~at_b].std(axis=0)

    slope, shift, ratio = effects(X)
    assert np.abs(shift).mean() > 1.4
    assert ratio.mean() > 1.8
    after_slope, after_shift, after_ratio = effects(found)
    assert np.abs(after_shift).mean() < 0.05 * np.abs(shift).mean()
    # Shrunken towards each other, the spreads of single features stay within their own error.
    assert np.abs(after_ratio - 1).mean() < 0.03
    assert np.abs(after_ratio - 1).max() < 0.1
    assert np.corrcoef(after_slope, true_slopes())[0, 1] > 0.98
    # Without the covariate the sites' difference in age is taken out as if it were theirs.
    naive = CombatHarmoniser(people["site"]).fit_transform(X)
    at_b = (people["site"] == "b").to_numpy()
    expected = 6.0 * true_slopes()
    kept = (found[at_b].mean() - found[~at_b].mean()).to_numpy()
    lost = (naive[at_b].mean() - naive[~at_b].mean()).to_numpy()
    assert np.abs(kept - expected).mean() < 0.35 * np.abs(expected).mean()
    assert np.abs(lost).mean() < 0.1 * np.abs(expected).mean()


def test_new_rows_get_what_the_training_rows_taught():
    X, people = scans()
    train, test = X.iloc[:100], X.iloc[100:]
    step = CombatHarmoniser(people["site"], people[["age"]]).fit(train)
    together = step.transform(test)
    alone = pd.concat([step.transform(test.iloc[[i]]) for i in range(len(test))])
    pd.testing.assert_frame_equal(together, alone, rtol=0, atol=1e-12)
    changed = X.copy()
    changed.iloc[100:] = 1e6
    again = CombatHarmoniser(people["site"], people[["age"]]).fit(changed.iloc[:100])
    pd.testing.assert_frame_equal(again.transform(test), together)
    # Of the training rows alone, in whatever order they come.
    mixed = CombatHarmoniser(people["site"], people[["age"]]).fit(train.iloc[::-1])
    pd.testing.assert_frame_equal(mixed.transform(test), together, rtol=0, atol=1e-10)


def test_outcome_plays_no_part():
    X, people = scans()
    outcome = np.arange(len(X)) % 3 == 0
    without = CombatHarmoniser(people["site"]).fit(X).transform(X)
    pd.testing.assert_frame_equal(
        CombatHarmoniser(people["site"]).fit_transform(X, outcome), without
    )


def held_out_area(X, y, folds, step):
    """Area of a ridge regression in cross-validation, harmonised inside (or not: None)."""
    areas = []
    for number in np.unique(folds):
        train, test = X[folds != number], X[folds == number]
        if step is not None:
            fitted = clone(step).fit(train)
            train, test = fitted.transform(train), fitted.transform(test)
        mean, scale = train.mean(), train.std()
        A, B = ((part - mean) / scale for part in (train, test))
        target = y[folds != number] - y[folds != number].mean()
        b = np.linalg.solve(A.T @ A + 20 * np.eye(A.shape[1]), A.T @ target)
        areas.append(auc(y[folds == number], B @ b))
    return np.mean(areas)


def test_sites_tell_the_outcome_until_they_are_harmonised(record):
    # Three quarters of one site are events, one quarter of the other; features know nothing else.
    found = []
    for seed in range(10):
        X, people = scans(160, 30, seed)
        rng = np.random.default_rng(50 + seed)
        share = np.where(people["site"] == "b", 0.75, 0.25)
        y = (rng.uniform(size=160) < share).astype(float)
        folds = rng.permutation(160) % 5
        harmonised = CombatHarmoniser(people["site"])
        found.append([held_out_area(X, y, folds, step) for step in (None, harmonised)])
    raw, plain = np.mean(found, axis=0)
    section = "Statistics: harmonisation, features without signal"
    record(section, "AUC, not harmonised", raw, "", "> 0.65")
    record(section, "AUC, harmonised in training folds", plain, "", "0.5 within 0.05")
    assert raw > 0.65
    assert abs(plain - 0.5) < 0.05


def test_why_the_outcome_must_not_be_a_covariate(record):
    # Who knows the site alone reaches an area of 0.8; features know less.
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        index = pd.Index([f"sub-{i:02d}" for i in range(80)])
        site = pd.Series(np.array(["a", "b"])[np.arange(80) % 2], index)
        X = pd.DataFrame(rng.normal(size=(80, 600)), index)
        X[site == "b"] += rng.normal(1, 0.4, 600)
        y = (rng.uniform(size=80) < np.where(site == "b", 0.8, 0.2)).astype(float)
        outcome = pd.DataFrame({"outcome": y}, index)
        mistaken = CombatHarmoniser(site, outcome).fit_transform(X)
        folds = rng.permutation(80) % 5
        areas = [held_out_area(part, y, folds, None) for part in (X, mistaken)]
        found.append([*areas, held_out_area(X, y, folds, CombatHarmoniser(site))])
    raw, mistaken, right = np.mean(found, axis=0)
    section = "Statistics: harmonisation, features without signal"
    record(section, "AUC, outcome as a covariate (a mistake)", mistaken, "", "> 0.8")
    what = "AUC, harmonised in training folds, 600 features of 80 rows"
    record(section, what, right, "", "0.5 to 0.65")
    assert raw < 0.8 < mistaken
    # Some of the sites remains: 64 training rows do not know 600 shifts exactly.
    assert 0.5 < right < 0.65


def test_within_a_pipeline_and_cloned():
    X, people = scans()
    X.iloc[3, 4] = np.nan
    X["same"] = 1.0
    pipeline = Pipeline(
        [
            ("imputation", MedianImputer()),
            ("variance", NearZeroVariance()),
            ("harmonisation", CombatHarmoniser(people["site"], people[["age"]])),
            ("scaling", Standardiser()),
        ]
    )
    found = clone(pipeline).fit(X.iloc[:120]).transform(X)
    assert found.shape == (160, 40)
    assert found.index.equals(X.index)
    fitted = clone(pipeline).fit(X.iloc[:120])
    assert fitted["harmonisation"].get_feature_names_out().tolist() == list(X.columns[:-1])
    assert fitted["harmonisation"].kept_ == list(X.columns[:-1])


def test_unseen_sites_are_refused_or_left():
    X, people = scans()
    site = people["site"].copy()
    site.iloc[[150, 152]] = "c"
    site.iloc[154] = None
    step = CombatHarmoniser(site).fit(X.iloc[:140])
    with pytest.raises(AnalysisError, match=r"1 row without a site, 2 rows of site c .* a, b$"):
        step.transform(X.iloc[140:])
    left = CombatHarmoniser(site, unseen="leave").fit(X.iloc[:140])
    found = left.transform(X.iloc[140:])
    odd = [10, 12, 14]
    pd.testing.assert_frame_equal(found.iloc[odd], X.iloc[140:].iloc[odd])
    rest = np.setdiff1d(np.arange(20), odd)
    known = step.transform(X.iloc[140:].iloc[rest])
    pd.testing.assert_frame_equal(found.iloc[rest], known)
    sentences = left.warnings_for(X.iloc[140:])
    assert sentences == [
        "1 row without a site and 2 rows of site c: not among the rows fitted on, features left "
        "unharmonised"
    ]
    assert left.warnings_for(X.iloc[:140]) == []


def test_missing_sites_among_the_rows_fitted_on():
    X, people = scans()
    site = people["site"].copy()
    site.iloc[:4] = np.nan
    with pytest.raises(AnalysisError, match="4 of 160 rows have no site"):
        CombatHarmoniser(site).fit(X)
    step = CombatHarmoniser(site, unseen="leave").fit(X)
    assert "4 of 160 rows have no site" in step.warning_
    pd.testing.assert_frame_equal(step.transform(X).iloc[:4], X.iloc[:4])
    rest = CombatHarmoniser(people["site"]).fit(X.iloc[4:])
    pd.testing.assert_frame_equal(step.transform(X.iloc[4:]), rest.transform(X.iloc[4:]))


@pytest.mark.parametrize("declared", [False, True])
def test_one_site_is_left_alone(declared):
    X, people = scans()
    site = pd.Series("a", people.index) if declared else None
    step = CombatHarmoniser(site).fit(X)
    pd.testing.assert_frame_equal(step.transform(X), X)
    words = "site a only" if declared else "no sites are declared"
    assert words in step.warning_
    assert "not harmonised" in step.warning_


@pytest.mark.parametrize("unseen", ["refuse", "leave"])
def test_rows_of_another_site_than_the_only_one(unseen):
    X, people = scans()
    at_a = (people["site"] == "a").to_numpy()
    step = CombatHarmoniser(people["site"], unseen=unseen).fit(X[at_a])
    assert "rows of site a only" in step.warning_
    if unseen == "refuse":
        with pytest.raises(AnalysisError, match="80 rows of site b .* of site a$"):
            step.transform(X)
    else:
        pd.testing.assert_frame_equal(step.transform(X), X)
        assert step.warnings_for(X)[0].startswith("80 rows of site b")


def test_sites_that_are_numbers():
    X, people = scans()
    number = people["site"].map({"a": 1, "b": 2}).astype(float)
    number.iloc[0] = np.nan
    step = CombatHarmoniser(number, unseen="leave").fit(X)
    assert step.sites_ == {"1": 79, "2": 80}


def test_site_of_one_row_makes_means_alone():
    X, people = scans()
    site = people["site"].copy()
    site.iloc[0] = "c"
    step = CombatHarmoniser(site).fit(X)
    assert "one row of site c" in step.warning_
    assert all((effect.delta == 1).all() for effect in step.effects_.values())
    given = CombatHarmoniser(site, mean_only=True).fit(X)
    assert given.warning_ == ""
    pd.testing.assert_frame_equal(given.transform(X), step.transform(X))


def test_features_that_cannot_be_adjusted_stay():
    X, people = scans()
    at_b = (people["site"] == "b").to_numpy()
    X["dead_at_b"] = np.where(at_b, 7.0, X["f0"])
    X["constant"] = 1e-3
    X["explained"] = 3 * people["age"]
    step = CombatHarmoniser(people["site"], people[["age"]]).fit(X)
    assert step.unadjusted_ == ["dead_at_b", "constant", "explained"]
    assert step.warning_.startswith("3 features are constant within a site")
    found = step.transform(X)
    pd.testing.assert_frame_equal(found[step.unadjusted_], X[step.unadjusted_])
    others = CombatHarmoniser(people["site"], people[["age"]]).fit_transform(X.iloc[:, :40])
    pd.testing.assert_frame_equal(found.iloc[:, :40], others)
    useless = X[["constant", "dead_at_b"]]
    step = CombatHarmoniser(people["site"]).fit(useless)
    pd.testing.assert_frame_equal(step.transform(useless), useless)


def test_single_feature_has_no_shrinkage():
    X, people = scans()
    step = CombatHarmoniser(people["site"]).fit(X[["f3"]])
    assert "without shrinkage" in step.warning_
    found = step.transform(X[["f3"]])["f3"].groupby(people["site"]).agg(["mean", "std"])
    assert np.ptp(found["mean"]) < 1e-10
    assert np.ptp(found["std"]) < 1e-10
    alike = pd.DataFrame({"x": X["f3"], "y": X["f3"]})
    found = CombatHarmoniser(people["site"]).fit_transform(alike)
    assert np.isfinite(found).to_numpy().all()


def test_covariates_are_checked():
    X, people = scans()
    people["scanner"] = people["site"].map({"a": "x", "b": "y"})
    with pytest.raises(AnalysisError, match="cannot be told apart"):
        CombatHarmoniser(people["site"], people[["scanner"]]).fit(X)
    people["country"] = "de"
    people["sex"] = np.where(np.arange(len(X)) % 3 == 0, "m", "f")
    step = CombatHarmoniser(people["site"], people[["country", "sex"]]).fit(X)
    assert step.warning_ == "covariates without variation play no part: country"
    people.loc[X.index[:2], "age"] = np.nan
    people.loc[X.index[-1], "sex"] = "x"
    step = CombatHarmoniser(people["site"], people[["age", "sex"]]).fit(X.iloc[:-1])
    assert step.warning_ == "2 missing values of covariates were replaced"
    assert step.warnings_for(X.iloc[-1:])[0].startswith("sex=x: not among the rows fitted on")


def test_programmers_mistakes():
    X, people = scans()
    with pytest.raises(ValueError, match="1 rows have no entry"):
        CombatHarmoniser(people["site"].iloc[1:]).fit(X)
    with pytest.raises(ValueError, match="one entry per row name"):
        CombatHarmoniser(pd.concat([people["site"], people["site"]])).fit(X)
    with pytest.raises(ValueError, match="impute them first"):
        CombatHarmoniser(people["site"]).fit(X.where(X > 8))
    with pytest.raises(ValueError, match="refuse"):
        CombatHarmoniser(people["site"], unseen="ignore").fit(X)
    step = CombatHarmoniser(people["site"]).fit(X)
    with pytest.raises(ValueError, match="columns"):
        step.transform(X.iloc[:, ::-1])


def test_fit_of_a_large_cohort_is_quick(record):
    X, people = scans(500, 1500)
    step = CombatHarmoniser(people["site"], people[["age"]])
    spent = []
    for _ in range(7):
        start = time.thread_time()
        step.fit(X)
        spent.append(time.thread_time() - start)
    record("Statistics: speed", "ComBat, fit of 500 x 1,500", 1e3 * min(spent), "ms", "< 150")
    assert min(spent) < 0.15
