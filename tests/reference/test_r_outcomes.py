"""Ordered classes and quantities against R on a synthetic table: nothing else is needed.

`r/ordinal.R` and `r/gaussian.R` made the numbers; `test_r_synthetic.py` runs these scripts again.
"""

from __future__ import annotations

import numpy as np
import pytest
from test_r_synthetic import from_r, table_of

from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.gaussian_lasso import fit_gaussian_path
from osteoflow.models.kinds.assumptions import assumptions, multinomial_ratio
from osteoflow.models.kinds.continuous import ContinuousKind, LinearRegression
from osteoflow.models.kinds.ordinal import OrdinalKind
from osteoflow.models.lasso import fit_path
from osteoflow.models.linear import fit_linear
from osteoflow.models.ordinal import brant_test, fit_ordinal
from osteoflow.models.ordinal_lasso import fit_ordinal_path
from osteoflow.models.penalty_path import choose_penalty
from osteoflow.statistics.kappa import confusion, weighted_kappa
from osteoflow.statistics.multiclass import hand_till, one_against_rest, ordered_concordance

SECTION = "Ordered classes and quantities: largest difference from R on a synthetic table"
CLASSES = ["low", "middle", "high"]


@pytest.fixture
def agrees(record):
    def check(what, ours, theirs, limit=1e-6):
        ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
        assert ours.shape == theirs.shape
        assert np.isfinite(theirs).all()
        difference = np.abs(ours - theirs).max()
        record(SECTION, what, difference, "", f"<= {limit:g}")
        assert difference <= limit, what

    return check


def columns(*names):
    return table_of("graded")[list(names)].to_numpy(dtype=float)


def grade():
    return table_of("graded")["grade"].to_numpy(dtype=float)


def features():
    return table_of("graded").filter(regex="^f[0-9]").to_numpy(dtype=float)


@pytest.fixture(scope="module")
def ordinal_fit():
    return fit_ordinal(columns("age", "male", "uneven"), grade(), 3)


def test_proportional_odds_of_lrm_and_polr(ordinal_fit, agrees):
    r, fit = from_r("ordinal"), ordinal_fit
    assert fit.method == "ml"
    agrees("rms: thresholds", fit.thresholds, r["lrm_thresholds"])
    agrees("rms: coefficients", fit.coefficients, r["lrm_coefficients"])
    agrees("rms: SE of coefficients", fit.standard_errors[:3], r["lrm_se_coefficients"])
    agrees("rms: SE of thresholds", fit.standard_errors[3:], r["lrm_se_thresholds"])
    agrees("rms: log likelihood, null and fitted",
           [fit.null_log_likelihood, fit.log_likelihood], r["lrm_loglik"])  # fmt: skip
    agrees("MASS: polr, thresholds", fit.thresholds, r["polr_thresholds"])
    agrees("MASS: polr, coefficients", fit.coefficients, r["polr_coefficients"])


def test_classes_told_apart_as_rms_and_proc_do(ordinal_fit, agrees):
    r = from_r("ordinal")
    X = columns("age", "male", "uneven")
    p = ordinal_fit.probabilities(X)
    agrees("rms: probabilities of the classes", p.ravel(order="F"), r["lrm_probabilities"])
    found = ordered_concordance(grade(), ordinal_fit.linear_predictor(X))
    agrees("Hmisc: ordered concordance", [found], r["lrm_c"])
    agrees("pROC: area of Hand and Till", [hand_till(grade(), p)], r["hand_till"])
    agrees("pROC: areas of one against the rest", one_against_rest(grade(), p),
           r["one_against_rest"])  # fmt: skip
    # The measures by weights of the analyses are the same numbers.
    kind = OrdinalKind(CLASSES)
    prediction = np.column_stack([ordinal_fit.linear_predictor(X), p])
    ones = np.ones((1, len(p)))
    got = {m.name: m.compute(grade(), prediction, ones)[0] for m in kind.measures}
    agrees("Analysis: concordance", [got["c_index"]], r["lrm_c"])
    agrees("Analysis: area of Hand and Till", [got["auc_hand_till"]], r["hand_till"])
    agrees("Analysis: one against the rest", [got[f"auc_{name}"] for name in CLASSES],
           r["one_against_rest"])  # fmt: skip


def test_checks_of_proportional_odds(ordinal_fit, agrees):
    r, X = from_r("ordinal"), columns("age", "male", "uneven")
    found = [(t.statistic, t.df, t.p) for t in brant_test(X, grade(), 3)]
    agrees("Brant's tests by their formula", np.ravel(found), r["brant"])
    agrees("nnet: multinomial against proportional odds", multinomial_ratio(X, grade(), 3),
           r["multinomial"])  # fmt: skip
    model = ColumnsModel(OrdinalKind(CLASSES), ["age", "male", "uneven"], "clinical")
    model.fit(table_of("graded"), grade())
    table = assumptions({"clinical": model}, grade()).set_index(["test", "term"])
    # The column that acts on one threshold alone is found, the others are not.
    assert table.loc[("brant", "uneven"), "p"] < 1e-4
    assert table.loc[[("brant", "age"), ("brant", "male")], "p"].min() > 0.05
    assert table.loc[("brant", ""), "df"] == 3


def test_weighted_kappa_of_psych(agrees):
    r, table = from_r("ordinal"), table_of("graded")
    for weights in ("quadratic", "linear"):
        found = weighted_kappa(confusion(table["grade"], table["reading"], 3), weights)
        agrees(f"psych: kappa, {weights}", [found.value], r[f"kappa_{weights}"])
        # psych's own standard error is another one; the formula is that of the paper.
        agrees(f"Fleiss, Cohen and Everitt: SE of kappa, {weights}", [found.standard_error],
               r[f"kappa_{weights}_se"])  # fmt: skip


@pytest.mark.parametrize("penalty", ["0.12", "0.05", "0.02"])
def test_sparse_ordinal_signature_of_a_bounded_search(penalty, agrees):
    r = from_r("ordinal")[f"lasso_{penalty}"]
    X = features()
    path = fit_ordinal_path((X - X.mean(axis=0)) / X.std(axis=0), grade(), 3, [float(penalty)])
    ours = np.concatenate([path.coefficients[0], path.thresholds[0]])
    # The search is a general one: it finds the least objective to 1e-12 and its place to 1e-6.
    agrees(f"nlminb: L1-penalised cumulative logits, lambda {penalty}", ours, r[:-1], 1e-5)
    assert ((path.coefficients[0] != 0) == (np.abs(r[:14]) > 1e-5)).all()


def test_sparse_ordinal_path_of_two_classes_is_the_logistic_one(agrees):
    X, y = features(), (grade() > 0).astype(float)
    binary = fit_path(X, y)
    ours = fit_ordinal_path(X, y, 2, binary.lambdas)
    scale = X.std(axis=0)
    # Both paths stop where the optimality conditions hold to 1e-7.
    agrees("Two classes: coefficients per SD of the logistic path", ours.coefficients * scale,
           binary.coefficients * scale, 5e-6)  # fmt: skip
    agrees("Two classes: intercepts of the logistic path", -ours.thresholds[:, 0],
           binary.intercepts, 5e-6)  # fmt: skip
    agrees("Two classes: deviance ratio", ours.deviance_ratio, binary.deviance_ratio)


def test_linear_model_of_lm(agrees):
    r, table = from_r("gaussian"), table_of("graded")
    X, y = columns("age", "male", "uneven"), table["density"].to_numpy(dtype=float)
    fit = fit_linear(X, y)
    agrees("lm: coefficients", [fit.intercept, *fit.coefficients], r["lm_coefficients"])
    agrees("lm: standard errors", fit.standard_errors, r["lm_se"])
    agrees("lm: residual SD and R2",
           [fit.residual_sd, 1 - fit.residual_squares / fit.total_squares],
           [r["lm_sigma"][0], r["lm_r2"][0]])  # fmt: skip
    regression = LinearRegression(fit, float(y.mean()))
    rows = regression.rows(["age", "male", "uneven"])
    agrees("lm: p values", [row["p"] for row in rows], r["lm_p"])
    limits = [row[name] for name in ("ci_low", "ci_high") for row in rows]
    agrees("lm: limits of coefficients", limits, r["lm_limits"])
    smaller = LinearRegression(fit_linear(X[:, :1], y), float(y.mean()))
    statistic, df, p, _ = regression.against(smaller)
    assert df == 2
    agrees("anova: F test", [statistic, p], r["anova"])
    model = ColumnsModel(ContinuousKind(), ["age", "male", "uneven"], "clinical").fit(table, y)
    found = assumptions({"clinical": model}, y).iloc[0]
    agrees("Koenker's test by its definition", [found["statistic"], found["p"]],
           r["equal_variance"])  # fmt: skip


def test_gaussian_path_of_glmnet(agrees):
    r, X = from_r("gaussian"), features()
    y = table_of("graded")["density"].to_numpy(dtype=float)
    path = fit_gaussian_path(X, y)
    n = len(r["lambda"])
    assert len(path.lambdas) == n
    agrees("glmnet: penalties", path.lambdas, r["lambda"])
    agrees("glmnet: explained share", path.deviance_ratio, r["deviance_ratio"])
    assert ((path.coefficients != 0).sum(axis=1) == r["nonzero"]).all()
    scale = np.concatenate([[1.0], X.std(axis=0)])
    for share, name in ((1.0, "lasso"), (0.4, "elastic_net")):
        found = fit_gaussian_path(X, y, r["penalties"], l1_ratio=share)
        ours = np.column_stack([found.intercepts, found.coefficients]) * scale
        theirs = r[name].reshape(6, -1) * scale
        agrees(f"glmnet: {name.replace('_', ' ')}, coefficients per SD", ours, theirs)
    fold = table_of("graded")["fold"].to_numpy()
    errors = []
    for number in np.unique(fold):
        inside = fold != number
        part = fit_gaussian_path(X[inside], y[inside], path.lambdas)
        errors.append(part.deviance(X[~inside], y[~inside]).mean(axis=0))
    found = choose_penalty(np.array(errors), np.array([(fold == f).sum() for f in np.unique(fold)]))
    agrees("glmnet: cross-validated error", found.mean, r["cv_error"], 1e-5)
    agrees("glmnet: its standard error", found.standard_error, r["cv_error_se"], 1e-5)
    agrees("glmnet: lambda.min and lambda.1se",
           path.lambdas[[found.index_min, found.index_1se]],
           [r["lambda_min"][0], r["lambda_1se"][0]])  # fmt: skip


def test_measures_of_predictions_by_their_definition(agrees):
    table, kind = table_of("graded"), ContinuousKind()
    y = table["density"].to_numpy(dtype=float)
    predicted = 120 - 0.6 * (table["age"] - 66) - 8 * table["uneven"]
    prediction = np.column_stack([predicted, np.full(len(y), 108.0)])
    ones = np.ones((1, len(y)))
    ours = [measure.compute(y, prediction, ones)[0] for measure in kind.measures]
    agrees("base R: R2, RMSE, MAE, r, rho, calibration, bias and limits", ours,
           from_r("gaussian")["measures"])  # fmt: skip
