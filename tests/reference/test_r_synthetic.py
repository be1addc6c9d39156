"""Statistics and models against R on synthetic tables: nothing but this repository is needed.

`r/expected` holds what the R scripts in `r` found; `r/README.md` says how to run them again.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from osteoflow.models.calibration import calibration, calibration_curve, hosmer_lemeshow
from osteoflow.models.decision import net_benefit, treat_all
from osteoflow.models.harmonise import CombatHarmoniser
from osteoflow.models.lasso import binomial_deviance, fit_path
from osteoflow.models.logistic import fit_logistic
from osteoflow.models.nested import ML, PENALISED, likelihood_ratio_test
from osteoflow.models.nomogram import Predictor, nomogram
from osteoflow.models.optimism import optimism_bootstrap
from osteoflow.models.penalty_path import choose_penalty
from osteoflow.statistics.agreement import FORMS, icc
from osteoflow.statistics.comparison import compare_groups
from osteoflow.statistics.correlation import correlate
from osteoflow.statistics.intervals import benjamini_hochberg, wilson
from osteoflow.statistics.limits import bland_altman
from osteoflow.statistics.reclassification import reclassification
from osteoflow.statistics.roc import (
    auc,
    auc_interval,
    compare_paired,
    compare_unpaired,
    roc_points,
    youden_threshold,
)

HERE = Path(__file__).parent / "r"
SCRIPTS = sorted(path.stem for path in HERE.glob("*.R") if path.stem != "common")
SECTION = "Statistics: largest difference from R on synthetic tables"


def numbers_in(path: Path) -> dict[str, np.ndarray]:
    """Quantity -> its numbers, of a file that a script wrote."""
    table = pd.read_csv(path, sep="\t", comment="#")
    return {str(name): part["value"].to_numpy() for name, part in table.groupby("quantity")}


@cache
def from_r(script: str) -> dict[str, np.ndarray]:
    return numbers_in(HERE / "expected" / f"{script}.tsv")


@cache
def table_of(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE / "tables" / f"{name}.tsv", sep="\t")


@cache
def clinical() -> pd.DataFrame:
    """The clinical table with its factors coded as R codes them."""
    table = table_of("clinical").copy()
    table["male"] = (table["sex"] == "male").astype(float)
    for level in ("moderate", "none"):
        table[level] = (table["grade"] == level).astype(float)
    table["low_vbmd"] = -table["vbmd"]
    return table


WHOLE = ["age", "male", "moderate", "none", "vbmd", "rad_score"]


def columns(*names: str) -> np.ndarray:
    return clinical()[list(names)].to_numpy(dtype=float)


def outcome() -> np.ndarray:
    return clinical()["fracture"].to_numpy(dtype=float)


@pytest.fixture
def agrees(record):
    """Asserts that numbers are those of R, and keeps the largest difference."""

    def check(what, ours, theirs, limit=1e-6):
        ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
        assert ours.shape == theirs.shape
        assert np.isfinite(theirs).all()
        difference = np.abs(ours - theirs).max()
        record(SECTION, what, difference, "", f"<= {limit:g}")
        assert difference <= limit, what

    return check


@pytest.mark.parametrize("marker", ["rad_score", "visual_score", "low_vbmd"])
def test_area_and_cut_off_of_proc(marker, agrees):
    r, score = from_r("roc"), clinical()[marker].to_numpy(dtype=float)
    found = auc_interval(outcome(), score)
    ours = (found.auc, found.low, found.high, found.variance)
    agrees(f"pROC: AUC of {marker}, its DeLong limits and variance", ours, r[f"auc_{marker}"])
    cut = youden_threshold(outcome(), score)
    called = score >= cut
    ours = (cut, called[outcome() == 1].mean(), (~called)[outcome() == 0].mean())
    agrees(f"pROC: Youden cut-off of {marker} and its rates", ours, r[f"youden_{marker}"])


def test_delong_tests_and_curve_of_proc(agrees):
    r, table, y = from_r("roc"), clinical(), outcome()
    for other in ("visual_score", "low_vbmd"):
        found = compare_paired(y, table["rad_score"], table[other])
        ours = (found.statistic, found.p, found.low, found.high)
        agrees(f"pROC: paired DeLong test against {other}", ours, r[f"paired_{other}"])
    women = (table["sex"] == "female").to_numpy()
    score = table["rad_score"].to_numpy()
    found = compare_unpaired(y[women], score[women], y[~women], score[~women])
    ours = (found.statistic, found.df, found.p)
    agrees("pROC: unpaired DeLong test", ours, r["unpaired_rad_score"])
    points = roc_points(y, table["visual_score"])
    agrees("pROC: curve, sensitivity", points.tpr, r["curve_sensitivity"])
    agrees("pROC: curve, specificity", 1 - points.fpr, r["curve_specificity"])


def test_logistic_model_of_glm(agrees):
    r, X, y = from_r("logistic"), columns(*WHOLE), outcome()
    fit = fit_logistic(X, y)
    assert fit.method == "ml"
    agrees("glm: coefficients", [fit.intercept, *fit.coefficients], r["coefficients"])
    agrees("glm: standard errors", fit.standard_errors, r["standard_errors"])
    p = expit(fit.linear_predictor(X))
    agrees("glm: fitted probabilities", p, r["fitted"])
    agrees("Hmisc: C index", [auc(y, p)], r["c_index"])
    agrees("Brier score", [np.mean((p - y) ** 2)], r["brier"])
    for groups in (10, 6):
        found = hosmer_lemeshow(y, p, groups)
        ours = (found.statistic, found.df, found.p)
        agrees(f"Hosmer-Lemeshow, {groups} groups", ours, r[f"hosmer_lemeshow_{groups}"])


def test_calibration_on_other_rows(agrees):
    r, X, y = from_r("logistic"), columns("age", "vbmd"), outcome()
    half = len(y) // 2
    p = expit(fit_logistic(X[:half], y[:half]).linear_predictor(X[half:]))
    found = calibration(y[half:], p)
    slope = (found.slope, found.slope_low, found.slope_high)
    intercept = (found.intercept, found.intercept_low, found.intercept_high)
    agrees("glm: calibration slope and limits", slope, r["calibration_slope"])
    agrees("glm: calibration in the large and limits", intercept, r["calibration_intercept"])
    curve = calibration_curve(y[half:], p, n_points=9)
    agrees("glm: calibration curve", curve["observed"], r["calibration_curve"])
    agrees("glm: lower band of the curve", curve["ci_low"], r["calibration_curve_low"])
    agrees("glm: upper band of the curve", curve["ci_high"], r["calibration_curve_high"])


def test_nomogram_of_rms(agrees):
    r, table = from_r("nomogram"), clinical()
    terms = ["age", "male", "moderate", "none", "vbmd", "visual_score"]
    fit = fit_logistic(columns(*terms), outcome())
    agrees("rms: coefficients", [fit.intercept, *fit.coefficients], r["coefficients"])
    b = dict(zip(terms, fit.coefficients.tolist(), strict=True))
    found = nomogram(
        fit.intercept,
        [
            Predictor("age", "Age", "y", b["age"], table["age"].tolist()),
            Predictor("sex", "Sex", effects={"female": 0.0, "male": b["male"]}),
            Predictor(
                "grade",
                "Grade",
                effects={"mild": 0.0, "moderate": b["moderate"], "none": b["none"]},
            ),
            Predictor("vbmd", "vBMD", "mg/cm3", b["vbmd"], table["vbmd"].tolist()),
            Predictor(
                "visual_score", "Score", "", b["visual_score"], table["visual_score"].tolist()
            ),
        ],
        r["marked_probability"].tolist(),
    )
    scale = [found["points_per_linear_predictor"]]
    agrees("rms: nomogram points per unit", scale, r["points_per_linear_predictor"])
    for axis in found["predictors"]:
        name = axis["name"]
        if axis["kind"] == "continuous":
            ticks = [tick["value"] for tick in axis["ticks"]]
            agrees(f"rms: nomogram ticks of {name}", ticks, r[f"ticks_{name}"])
        points = [tick["points"] for tick in axis["ticks"]]
        agrees(f"rms: nomogram points of {name}", points, r[f"points_{name}"])
    totals = [mark["total_points"] for mark in found["probability"]]
    agrees("rms: nomogram total points of probabilities", totals, r["exact_total_points"])
    agrees("rms: the same, inverted by interpolation", totals, r["total_points"], 1e-3)


def test_path_and_cross_validation_of_glmnet(agrees):
    r, table = from_r("lasso"), table_of("features")
    X, y = table.filter(regex="^f[0-9]").to_numpy(), table["outcome"].to_numpy(dtype=float)
    own = fit_path(X, y)
    agrees("glmnet: penalties", own.lambdas, r["lambda"])
    agrees("glmnet: features at each penalty", (own.coefficients != 0).sum(axis=1), r["nonzero"])
    agrees("glmnet: deviance ratio", own.deviance_ratio, r["deviance_ratio"])
    at_six = fit_path(X, y, r["six_penalties"])
    theirs = r["six_coefficients"].reshape(6, -1)
    # Features differ in unit by four powers of ten: coefficients per standard deviation.
    scale = np.concatenate([[1.0], X.std(axis=0)])
    ours = np.column_stack([at_six.intercepts, at_six.coefficients])
    agrees("glmnet: coefficients per SD at six penalties", ours * scale, theirs * scale)
    deviance, size = [], []
    for number in np.unique(table["fold"]):
        inside = (table["fold"] != number).to_numpy()
        path = fit_path(X[inside], y[inside], own.lambdas)
        held = binomial_deviance(y[~inside], path.linear_predictor(X[~inside]))
        deviance.append(held.mean(axis=0))
        size.append((~inside).sum())
    found = choose_penalty(np.array(deviance), np.array(size))
    # At the end of the path, where models of a fold all but separate its rows, glmnet stops early.
    agrees("glmnet: cross-validated deviance, whole path", found.mean, r["deviance"], 1e-5)
    agrees("glmnet: its standard error", found.standard_error, r["deviance_se"], 1e-5)
    used = slice(found.index_min + 1)
    agrees("glmnet: the same down to lambda.min", found.mean[used], r["deviance"][used])
    for place, name in ((found.index_min, "min"), (found.index_1se, "1se")):
        agrees(f"glmnet: lambda.{name}", [own.lambdas[place]], r[f"lambda_{name}"])
        ours = np.array([own.intercepts[place], *own.coefficients[place]])
        theirs = r[f"coefficients_{name}"]
        agrees(f"glmnet: coefficients per SD at lambda.{name}", ours * scale, theirs * scale)


def test_intraclass_correlations_of_psych(agrees):
    r = from_r("icc")
    found = icc(table_of("ratings").to_numpy(dtype=float))
    for part, name in (("value", "icc"), ("low", "low"), ("high", "high")):
        agrees(f"psych: ICC, {name}", [getattr(found[f], part) for f in FORMS], r[name])


@pytest.mark.parametrize("case", ["plain", "covariates", "mean_only", "single_row"])
def test_combat_of_sva(case, agrees):
    table = table_of("sites")
    X, site = table.filter(regex="^f[0-9]"), table["site"].copy()
    if case == "single_row":
        site.iloc[0] = "vida"
    covariates = None if case == "plain" else table[["age", "sex"]]
    step = CombatHarmoniser(site, covariates, mean_only=case == "mean_only")
    found = step.fit_transform(X)
    theirs = from_r("combat")[case].reshape(len(X), -1)
    agrees(f"sva: ComBat, {case.replace('_', ' ')}", found.to_numpy(), theirs, 1e-9)
    assert ("one row of site vida" in step.warning_) == (case == "single_row")


def test_reclassification_of_hmisc(agrees):
    r = from_r("reclassification")
    found = reclassification(outcome(), r["old"], r["new"])
    names = {"nri": "nri", "nri_ev": "nri_events", "nri_ne": "nri_nonevents", "idi": "idi"}
    for theirs, ours in names.items():
        part = getattr(found, ours)
        agrees(f"Hmisc: {ours}, SE and z", (part.value, part.standard_error, part.z), r[theirs])
    p = [getattr(found, name).p for name in names.values()]
    agrees("Hmisc: p values of NRI and IDI", p, r["p"])
    agrees("Hmisc: IDI's parts", (found.idi_events.value, found.idi_nonevents.value),
           r["idi_parts"])  # fmt: skip


def test_net_benefit_by_its_definition(agrees):
    r, y = from_r("net_benefit"), outcome()
    found = net_benefit(y, r["probability"], r["threshold"])
    agrees("Net benefit", found, r["net_benefit"])
    found = net_benefit(y, r["probability"], r["threshold"], prevalence=0.1)
    agrees("Net benefit at a prevalence of 0.1", found, r["net_benefit_prevalence_0.1"])
    agrees("Net benefit of treating all", treat_all(y.mean(), r["threshold"]), r["treat_all"])


def test_nested_models_of_anova(agrees):
    r, y = from_r("nested"), outcome()
    cases = {
        "rad_score": (["age", "vbmd"], ["age", "vbmd", "rad_score"]),
        "grade": (["age", "vbmd"], ["age", "vbmd", "moderate", "none"]),
        "all": ([], WHOLE),
    }
    for name, (smaller, larger) in cases.items():
        found = likelihood_ratio_test(columns(*smaller), columns(*larger), y)
        assert found.method == ML
        ours = (found.statistic, found.df, found.p)
        agrees(f"anova: likelihood-ratio test, {name}", ours, r[name])
    table = table_of("separated")
    X = table[["age", "weight", "marker"]].to_numpy(dtype=float)
    for name, n_small in (("penalised_marker", 2), ("penalised_weight_marker", 1)):
        found = likelihood_ratio_test(X[:, :n_small], X, table["outcome"])
        assert (found.method, found.df) == (PENALISED, 3 - n_small)
        agrees(f"Firth: {name.replace('_', ' ')}", [found.statistic], r[name])


def test_optimism_of_rms_on_shared_resamples(agrees):
    r, X, y = from_r("optimism"), columns(*WHOLE), outcome()

    def fit(rows):
        model = fit_logistic(X[rows], y[rows])
        return lambda asked: expit(model.linear_predictor(X[asked]))

    found = optimism_bootstrap(fit, y, table_of("resamples").to_numpy() - 1)
    assert found.failures == {}
    table = found.table.set_index("measure")
    parts = ["apparent", "training", "test", "optimism", "corrected"]
    # Dxy is 2 AUC - 1.
    area = table.loc["auc", parts].to_numpy(dtype=float)
    dxy = np.array([*(2 * area[:3] - 1), 2 * area[3], 2 * area[4] - 1])
    agrees("rms: validate, Dxy", dxy, r["validate_Dxy"][:5])
    for ours, theirs in (("calibration_slope", "Slope"), ("brier", "B")):
        agrees(f"rms: validate, {ours}", table.loc[ours, parts], r[f"validate_{theirs}"][:5])
    intercept = [table.loc["calibration_intercept", "test"]]
    agrees("Calibration in the large of resampled models", intercept,
           r["calibration_intercept_test"])  # fmt: skip
    plus = found.plus632.set_index("measure")
    parts = ["apparent", "out_of_bag", "no_information", "overfitting", "weight", "corrected"]
    agrees(".632+: Brier score", plus.loc["brier", parts], r["plus632_brier"])
    error = plus.loc["auc", parts].to_numpy(dtype=float, copy=True)
    error[[0, 1, 2, 5]] = 1 - error[[0, 1, 2, 5]]
    agrees(".632+: 1 - AUC", error, r["plus632_auc_error"])


def test_group_comparisons_of_base_r(agrees):
    r, table = from_r("groups"), clinical()
    women = (table["sex"] == "female").to_numpy()
    by_grade = [part["vbmd"].to_numpy() for _, part in table.groupby("grade")]
    by_sex = {name: table[name].to_numpy(dtype=float) for name in ("vbmd", "visual_score")}
    for test, samples in (
        ("welch", [by_sex["vbmd"][women], by_sex["vbmd"][~women]]),
        ("mann_whitney", [by_sex["visual_score"][women], by_sex["visual_score"][~women]]),
        ("kruskal", by_grade),
    ):
        found = compare_groups(samples, test)
        agrees(f"base R: {test}, statistic and p", (found.statistic, found.p), r[test])
    found = compare_groups(by_grade, "anova")
    ours = (found.statistic, found.p, found.effect)
    agrees("base R: anova, F, p and eta squared", ours, r["anova"])


def test_correlations_and_intervals_of_base_r(agrees):
    r, table = from_r("groups"), clinical()
    found = correlate(table["age"], table["vbmd"], method="pearson")
    agrees("base R: Pearson", (found.r, found.low, found.high, found.p), r["pearson"])
    found = correlate(table["vbmd"], table["visual_score"])
    agrees("base R: Spearman", (found.r, found.p), r["spearman"])
    found = correlate(table["vbmd"], table["rad_score"], columns("age", "male"), "pearson")
    agrees("base R: partial correlation", (found.r, found.p), r["partial_pearson"])
    p = [0.001, 0.02, 0.03, 0.04, 0.05, 0.3, 0.9, 0.02]
    agrees("base R: Benjamini-Hochberg", benjamini_hochberg(p), r["benjamini_hochberg"])
    for x in (0, 3, 17, 40):
        agrees(f"base R: Wilson interval, {x} of 40", wilson(x, 40), r[f"wilson_{x}"])
    readings = table_of("ratings").to_numpy(dtype=float)
    found = bland_altman(readings[:, 0], readings[:, 1])
    ours = (found.bias, found.bias_low, found.bias_high, found.sd_difference)
    agrees("base R: bias of two readings", ours, r["bias"])
    agrees("base R: proportional bias", (found.slope, found.slope_p), r["proportional_bias"])


def test_tables_are_those_of_their_script():
    for name, make in runpy.run_path(str(HERE / "make_tables.py"))["TABLES"].items():
        kept, made = table_of(name), make()
        assert kept.columns.tolist() == made.columns.tolist()
        for column in kept:
            if made[column].dtype.kind in "fi":
                assert kept[column].to_numpy() == pytest.approx(made[column].to_numpy(), abs=1e-9)
            else:
                assert kept[column].tolist() == made[column].tolist()


@cache
def installed() -> dict[str, str]:
    """Version of each R package; empty without R."""
    if shutil.which("Rscript") is None:
        return {}
    ask = "p <- installed.packages()[, 'Version']; cat(paste(names(p), p), sep = '\\n')"
    found = subprocess.run(
        ["Rscript", "-e", ask], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    return {name: version.replace("-", ".") for name, version in map(str.split, found.splitlines())}


def obstacle(script: str) -> str:
    """Why a script cannot be expected to find its numbers again, or ""."""
    if not installed():
        return "Rscript is not installed"
    lines = (HERE / "expected" / f"{script}.tsv").read_text(encoding="utf-8").splitlines()
    # The first line is R's own version, the further ones those of packages.
    used = [line.split()[1:] for line in lines[1:] if line.startswith("#")]
    for name, version in used:
        if installed().get(name) != version:
            return f"made with {name} {version}, here is {installed().get(name, 'none')}"
    return ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_r_finds_the_kept_numbers_again(script, tmp_path):
    reason = obstacle(script)
    if reason:
        pytest.skip(f"{script}.R was not run: {reason}")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        ["Rscript", str(HERE / f"{script}.R"), str(tmp_path)],
        check=True, capture_output=True, timeout=300, env=environment,
    )  # fmt: skip
    again, kept = numbers_in(tmp_path / f"{script}.tsv"), from_r(script)
    assert again.keys() == kept.keys()
    for quantity, values in kept.items():
        # The penalised likelihood is maximised by a general search.
        close = 1e-6 if quantity.startswith("penalised") else 1e-8
        assert again[quantity] == pytest.approx(values, rel=close, abs=close), quantity
