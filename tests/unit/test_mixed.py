"""Linear mixed models: against statsmodels, closed forms, and from the measurements table."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from osteoflow.settings.statistics import MixedModel
from osteoflow.statistics.mixed import _denominator, fit_mixed, joint_test
from osteoflow.statistics.mixed_table import SINGULAR, mixed_tables


def simulated(n=30, levels=4, between=12.0, within=5.0, seed=2):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), levels)
    age = np.repeat(rng.normal(67, 9, n), levels)
    level = np.tile(np.arange(levels), n)
    y = 150 - 0.8 * age - 2 * level + np.repeat(rng.normal(0, between, n), levels)
    y += rng.normal(0, within, n * levels)
    keep = rng.random(len(y)) > 0.1
    design = np.column_stack([np.ones(len(y)), age, level])
    return design[keep], y[keep], who[keep]


def test_equals_statsmodels():
    import statsmodels.api as sm

    design, y, who = simulated()
    fit = fit_mixed(design, y, who)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sm.MixedLM(y, design, who).fit(reml=True, method="bfgs")
    assert fit.estimate == pytest.approx(theirs.fe_params, abs=1e-5)
    assert fit.variance_residual == pytest.approx(theirs.scale, rel=1e-4)
    assert fit.variance_participant == pytest.approx(float(theirs.cov_re[0, 0]), rel=1e-3)
    assert fit.criterion == pytest.approx(-2 * theirs.llf, abs=1e-3)


def test_balanced_design_has_the_closed_forms_of_the_analysis_of_variance():
    rng = np.random.default_rng(9)
    n, k = 20, 3
    y = rng.normal(0, 4, (n, 1)) + rng.normal(0, 2, (n, k))
    fit = fit_mixed(np.ones((n * k, 1)), y.ravel(), np.repeat(np.arange(n), k))
    between = k * y.mean(axis=1).var(ddof=1)
    within = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum() / (n * (k - 1))
    assert fit.variance_residual == pytest.approx(within, rel=1e-9)
    assert fit.variance_participant == pytest.approx((between - within) / k, rel=1e-9)
    assert fit.estimate[0] == pytest.approx(y.mean())
    # The mean of a balanced design has the degrees of freedom of the participants.
    assert fit.df[0] == pytest.approx(n - 1, rel=1e-5)
    assert fit.error[0] == pytest.approx(np.sqrt(between / (n * k)))


def test_units_and_origins_do_not_matter():
    design, y, who = simulated()
    fit = fit_mixed(design, y, who)
    scaled = design * [1, 1e-6, 1] + [0, 1e3, 0]
    other = fit_mixed(scaled, 1e4 * y, who[::1] + 1000)
    assert other.estimate[1:] == pytest.approx(1e4 * fit.estimate[1:] / [1e-6, 1], rel=1e-4)
    assert other.df[1:] == pytest.approx(fit.df[1:], rel=1e-4)
    assert other.icc == pytest.approx(fit.icc, abs=1e-6)
    order = np.random.default_rng(0).permutation(len(y))
    mixed = fit_mixed(design[order], y[order], who[order])
    assert mixed.estimate == pytest.approx(fit.estimate, rel=1e-9)


def test_a_singular_fit_is_an_ordinary_regression():
    design, y, who = simulated(between=0.0)
    shared = np.array([y[who == person].mean() for person in who])
    even = y - shared + design @ [100, 0.2, 0]
    fit = fit_mixed(design, even, who)
    assert fit.singular
    ordinary = np.linalg.lstsq(design, even, rcond=None)[0]
    assert fit.estimate == pytest.approx(ordinary)
    rest = even - design @ ordinary
    assert fit.variance_residual == pytest.approx(rest @ rest / (len(y) - 3))
    assert (fit.variance_participant, fit.icc_low) == (0.0, 0.0)
    assert joint_test(design, even, who, [1, 2]).df_error == len(y) - 3


def test_intervals_and_p_values_hold_without_an_effect():
    """No effect of a column that varies between six participants only: 5 % of p below 0.05."""
    rng = np.random.default_rng(3)
    hits = []
    who = np.repeat(np.arange(8), 4)
    group = np.repeat([0.0, 1.0], 16)
    for _ in range(300):
        y = np.repeat(rng.normal(0, 3, 8), 4) + rng.normal(0, 2, 32)
        fit = fit_mixed(np.column_stack([np.ones(32), group]), y, who)
        hits.append(fit.p[1] < 0.05)
        assert (fit.p[1] < 0.05) == (not fit.low[1] < 0 < fit.high[1])
    # Binomial: 300 draws at 0.05 lie within 0.02 and 0.085 in 99 % of cases.
    assert 0.02 <= np.mean(hits) <= 0.085


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y, w: (np.column_stack([x, x[:, 1]]), y, w), "follows from the others"),
        (lambda x, y, w: (np.column_stack([x, 0 * y]), y, w), "does not vary"),
        (lambda x, y, w: (x, y, np.arange(len(y))), "two observations"),
        (lambda x, y, w: (x[:4], y[:4], w[:4]), "do not suffice"),
        (lambda x, y, w: (x, np.where(y > y[0], np.nan, y), w), "missing"),
        (lambda x, y, w: (x, x @ [1.0, 2.0, 3.0], w), "beyond the fixed effects"),
        (lambda x, y, w: (x[:, :1], w.astype(float), w), "do not differ"),
    ],
)
def test_data_that_cannot_be_fitted(change, words):
    with pytest.raises(ValueError, match=words):
        fit_mixed(*change(*simulated()))


# --- from the measurements table -----------------------------------------------------------------


@pytest.fixture
def cohort():
    rng = np.random.default_rng(6)
    names = [f"sub-{number:02d}" for number in range(20)]
    people = pd.DataFrame(
        {
            "participant_id": names,
            "session": None,
            "age": rng.normal(67, 9, 20),
            "sex": ["F", "M"] * 10,
            "fracture": [0.0, 1.0, 0.0, 0.0] * 5,
            "dxa_tscore": rng.normal(-2.5, 1, 20),
        }
    )
    rows = []
    for name, age in zip(names, people["age"], strict=True):
        own = 160 - age + rng.normal(0, 12)
        for place, level in enumerate(("L1", "L2", "L3")):
            for reading in (1, 2):
                rows.append(
                    {
                        "participant_id": name,
                        "session": None,
                        "rater": 1,
                        "reading": reading,
                        "roi": f"{level}_trabecular",
                        "image": "vbmd",
                        "metric": "vbmd_mean",
                        "value": own - 3 * place + rng.normal(0, 4) + 500 * (reading == 2),
                        "unit": "mg/cm3 K2HPO4",
                        "flag": None,
                    }
                )
    return pd.DataFrame(rows), people


def model(**changes) -> MixedModel:
    settings = {
        "name": "m",
        "metric": "vbmd_mean",
        "levels": ["L1", "L2", "L3"],
        "fixed": ["level", "age", "sex", "fracture", "dxa_tscore <= -2.5"],
    }
    return MixedModel(**(settings | changes))


def test_effects_and_counts(cohort):
    measurements, people = cohort
    measurements.loc[measurements.index[:2], "flag"] = "left_out:L1 fractured"
    people.loc[3, "age"] = np.nan
    people.loc[5, "participant_id"] = "sub-99"
    effects, models = mixed_tables(measurements, people, [model()])
    about = models.iloc[0]
    assert about["n_participants"] == 18
    assert about["n_observations"] == 18 * 3 - 1
    assert about["n_without_measurement"] == 1
    assert about["n_without_fixed"] == 1
    assert about["n_levels_left_out"] == 1
    assert about["singular"] == "no"
    assert about["unit"] == "mg/cm3 K2HPO4"
    contrasts = list(zip(effects["term"], effects["contrast"], strict=True))
    assert contrasts == [
        ("intercept", ""),
        ("level", "L2 − L1"),
        ("level", "L3 − L1"),
        ("level", "all"),
        ("age", "per unit"),
        ("sex", "M − F"),
        ("fracture", "1 − 0"),
        ("dxa_tscore <= -2.5", "yes − no"),
    ]
    joint = effects[effects["contrast"] == "all"].iloc[0]
    assert (joint["test"], joint["df"]) == ("F", 2)
    assert joint["p"] < 0.05
    # Only the first reading counts: the second one is 500 higher.
    assert effects.loc[0, "estimate"] < 300
    # The numbers themselves, from the design written out.
    use = measurements[(measurements["reading"] == 1) & measurements["flag"].isna()]
    use = use.merge(people.dropna(subset=["age"]), on="participant_id")
    x = np.column_stack(
        [
            np.ones(len(use)),
            use["roi"].str.startswith("L2"),
            use["roi"].str.startswith("L3"),
            use["age"],
            use["sex"] == "M",
            use["fracture"],
            use["dxa_tscore"] <= -2.5,
        ]
    )
    fit = fit_mixed(x.astype(float), use["value"], use["participant_id"])
    single = effects[effects["test"] == "t"]
    assert single["estimate"].to_numpy() == pytest.approx(fit.estimate)
    assert about["icc"] == pytest.approx(fit.icc)


def test_what_cannot_be_fitted_has_its_reason(cohort):
    measurements, people = cohort
    cases = {
        "the fixed effect 'age2' follows from the others ('age'): leave": model(
            fixed=["level", "age", "fracture", "age2"]
        ),
        "the fixed effect 'group (b − a)' follows from the others ('fracture')": model(
            fixed=["age", "fracture", "group"]
        ),
        "the fixed effect 'ones' does not vary": model(fixed=["age", "ones"]),
        "'sex2' does not vary": model(fixed=["level", "sex2"]),
        "nobody has": model(metric="pdff_mean"),
        "two observations": model(levels=["L1", "L4"], fixed=["age"]),
    }
    people = people.assign(
        age2=2 * people["age"],
        sex2="F",
        group=people["fracture"].map({0: "a", 1: "b"}),
        ones=1.0,
    )
    for words, item in cases.items():
        effects, models = mixed_tables(measurements, people, [item])
        assert effects.empty
        assert words in models["note"].iloc[0]
    with pytest.raises(ValueError, match="unknown column 'agee'"):
        mixed_tables(measurements, people, [model(fixed=["agee"])])
    other = measurements.assign(unit=["mg/cm3 HA"] + ["mg/cm3 K2HPO4"] * (len(measurements) - 1))
    _, models = mixed_tables(other, people, [model()])
    assert models["note"].iloc[0] == "the measurements have different units"


def test_a_level_that_nobody_has_and_a_singular_fit_are_named(cohort):
    measurements, people = cohort
    _, models = mixed_tables(measurements, people, [model(levels=["L1", "L2", "L4"])])
    assert models["note"].iloc[0] == "not measured in anybody: L4"
    mean = measurements.groupby(["participant_id", "reading"])["value"].transform("mean")
    even = measurements.assign(value=measurements["value"] - mean + 100)
    _, models = mixed_tables(even, people, [model(fixed=["level", "age"])])
    assert (models["singular"].iloc[0], models["note"].iloc[0]) == ("yes", SINGULAR)
    effects, models = mixed_tables(measurements, people, [])
    assert effects.empty
    assert models.empty


@pytest.mark.parametrize(
    ("df", "theirs"), [([1.5, 5], 2), ([1.2, 1.5], 2), ([3, 5, 8], 4), ([7, 7], 7), ([4.5], 4.5)]
)
def test_denominator_df_equal_lmertest(df, theirs):
    """Of lmerTest 3.1's ``get_Fstat_ddf``."""
    assert _denominator(np.array(df, dtype=float)) == pytest.approx(theirs)
