"""Statistics and models against R (pROC, psych, rms, glmnet, Hmisc, sva): computed with R 4.2.2.

Where R's printed output has few digits, `r/expected/asah.tsv` has them all (`r/asah.R`).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.calibration import calibration, hosmer_lemeshow
from osteoflow.models.decision import net_benefit
from osteoflow.models.harmonise import CombatHarmoniser
from osteoflow.models.lasso import binomial_deviance, fit_path
from osteoflow.models.logistic import fit_logistic
from osteoflow.models.nested import likelihood_ratio_test
from osteoflow.models.nomogram import Predictor, nomogram
from osteoflow.models.optimism import optimism_bootstrap
from osteoflow.models.penalty_path import choose_penalty
from osteoflow.statistics.agreement import icc
from osteoflow.statistics.reclassification import reclassification
from osteoflow.statistics.roc import (
    auc,
    auc_interval,
    compare_paired,
    compare_unpaired,
    youden_threshold,
)

ROOT = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
FOLDER = Path(ROOT or ".") / "statistics" / "r_reference"
pytestmark = pytest.mark.skipif(
    not ROOT or not FOLDER.is_dir(),
    reason="OSTEOFLOW_EXTERNAL_DATA does not lead to statistics/r_reference",
)


@pytest.fixture(scope="module")
def asah() -> pd.DataFrame:
    """The aSAH data of pROC."""
    table = pd.read_csv(FOLDER / "aSAH.csv")
    table["poor"] = (table["outcome"] == "Poor").astype(float)
    table["female"] = (table["gender"] == "Female").astype(float)
    return table


@pytest.fixture(scope="module")
def digits() -> dict[str, np.ndarray]:
    """What R found in the aSAH data, in full precision."""
    table = pd.read_csv(
        Path(__file__).parent / "r" / "expected" / "asah.tsv", sep="\t", comment="#"
    )
    return {str(name): part["value"].to_numpy() for name, part in table.groupby("quantity")}


@pytest.fixture
def against_r(record):
    """Keeps the largest difference between numbers of ours and of R."""

    def keep(what, ours, theirs, limit="<= 1e-6"):
        difference = np.abs(np.asarray(ours, float) - np.asarray(theirs, float)).max()
        record("Statistics: largest difference from R 4.2.2", what, difference, "", limit)

    return keep


@pytest.fixture(scope="module")
def birthwt() -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(FOLDER / "birthwt.csv")
    names = ["age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv"]
    return table[names].to_numpy(dtype=float), table["low"].to_numpy(dtype=float)


@pytest.mark.parametrize(
    ("marker", "area", "low", "high", "variance"),
    [
        ("s100b", 0.731368563686, 0.630118211762, 0.83261891561, 0.00266868245717),
        ("wfns", 0.823678861789, 0.748534887819, 0.898822835758, 0.00146991470882),
        ("ndka", 0.61195799458, 0.501244999272, 0.722670989888, 0.00319081054939),
    ],
)
def test_delong_interval(asah, marker, area, low, high, variance, against_r):
    found = auc_interval(asah["poor"], asah[marker])
    ours, theirs = (found.auc, found.low, found.high), (area, low, high)
    against_r(f"pROC: AUC of {marker} and its DeLong limits", ours, theirs)
    assert found.auc == pytest.approx(area, abs=1e-11)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-11)
    assert found.variance == pytest.approx(variance, abs=1e-13)


@pytest.mark.parametrize(
    ("a", "b", "z", "p"),
    [
        ("s100b", "wfns", -2.20898359144, 0.0271757822292),
        ("wfns", "ndka", 2.79777591869, 0.00514557970691),
        ("s100b", "ndka", 1.39077002574, 0.164295175223),
    ],
)
def test_delong_paired(asah, a, b, z, p, against_r):
    found = compare_paired(asah["poor"], asah[a], asah[b])
    ours, theirs = (found.statistic, found.p), (z, p)
    against_r(f"pROC: paired DeLong test of {a} and {b}, Z and p", ours, theirs)
    assert found.statistic == pytest.approx(z, abs=1e-9)
    assert found.p == pytest.approx(p, abs=1e-10)


def test_delong_unpaired_and_youden(asah):
    men = asah["gender"] == "Male"
    found = compare_unpaired(
        asah.loc[men, "poor"], asah.loc[men, "s100b"],
        asah.loc[~men, "poor"], asah.loc[~men, "s100b"],
    )  # fmt: skip
    assert found.statistic == pytest.approx(0.501880774327, abs=1e-10)
    assert found.df == pytest.approx(106.462550029, abs=1e-7)
    assert found.p == pytest.approx(0.616787759258, abs=1e-10)
    assert youden_threshold(asah["poor"], asah["s100b"]) == pytest.approx(0.205, abs=1e-12)


def test_icc_of_shrout_and_fleiss(against_r):
    ratings = pd.read_csv(FOLDER / "shrout_fleiss.csv").to_numpy(dtype=float)
    expected = {
        "ICC(1,1)": (0.165741768405, -0.1329323248748, 0.722560062328),
        "ICC(2,1)": (0.289763779528, 0.0187865133747, 0.761084369649),
        "ICC(3,1)": (0.714840714841, 0.3424647650339, 0.945858259955),
        "ICC(1,k)": (0.442797133679, -0.8844421552381, 0.912415420341),
        "ICC(2,k)": (0.620050547599, 0.0711368153025, 0.927232040168),
        "ICC(3,k)": (0.909315542377, 0.6756747138163, 0.985891678169),
    }
    found = icc(ratings)
    assert set(found) == set(expected)
    for form, values in expected.items():
        parts = found[form]
        against_r(f"psych: {form} and its limits", (parts.value, parts.low, parts.high), values)
        assert (parts.value, parts.low, parts.high) == pytest.approx(values, abs=1e-10), form


HOSMER_LEMESHOW = (4.788500598696, 0.779923813152)


def test_logistic_model_and_its_measures(asah, digits, against_r):
    columns = asah[["age", "female", "wfns", "s100b"]].to_numpy(dtype=float)
    fit = fit_logistic(columns, asah["poor"])
    assert fit.method == "ml"
    assert [fit.intercept, *fit.coefficients] == pytest.approx(
        [-3.9500104782, 0.0350777616, -0.9912113940, 0.6585482364, 1.5088740738], abs=1e-8
    )
    # glm's are those of its last but one iteration, hence the tolerance.
    assert fit.standard_errors == pytest.approx(
        [1.0822452, 0.0188624, 0.5368089, 0.2043529, 1.4502897], rel=2e-4
    )
    probability = pd.read_csv(FOLDER / "aSAH_probs.csv")["p1"].to_numpy()
    own = 1 / (1 + np.exp(-fit.linear_predictor(columns)))
    against_r("glm: predicted probabilities", own, probability)
    assert own == pytest.approx(probability, abs=1e-7)
    assert auc(asah["poor"], own) == pytest.approx(0.852642276423, abs=1e-11)
    assert np.mean((own - asah["poor"]) ** 2) == pytest.approx(0.152636416165, abs=1e-11)
    benefit = net_benefit(asah["poor"], own, [0.1, 0.2, 0.3, 0.4, 0.5])
    against_r("Net benefit at five thresholds", benefit, digits["net_benefit"])
    assert benefit == pytest.approx(digits["net_benefit"], abs=1e-12)
    printed = [0.302852, 0.265487, 0.231353, 0.162242, 0.123894]
    assert benefit == pytest.approx(printed, abs=1e-6)
    test = hosmer_lemeshow(asah["poor"], own)
    against_r("Hosmer-Lemeshow, statistic and p", (test.statistic, test.p), HOSMER_LEMESHOW)
    assert (test.statistic, test.p) == pytest.approx(HOSMER_LEMESHOW, abs=1e-6)
    assert test.df == 8
    found = calibration(asah["poor"], own)
    assert found.slope == pytest.approx(1.0, abs=1e-9)
    assert found.intercept == pytest.approx(0.0, abs=1e-9)


def test_nomogram_of_rms(asah, against_r):
    fit = fit_logistic(asah[["age", "female", "wfns", "s100b"]], asah["poor"])
    age, female, wfns, s100b = fit.coefficients
    found = nomogram(
        fit.intercept,
        [
            Predictor("age", "Age", "y", age, asah["age"].tolist()),
            Predictor("gender", "Gender", effects={"Male": 0.0, "Female": female}),
            Predictor("wfns", "WFNS", "", wfns, asah["wfns"].tolist()),
            Predictor("s100b", "S100B", "", s100b, asah["s100b"].tolist()),
        ],
        (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95),
    )
    scale = found["points_per_linear_predictor"]
    against_r("rms: nomogram points per unit of linear predictor", scale, 30.1248104419)
    assert found["points_per_linear_predictor"] == pytest.approx(30.1248104419, abs=1e-6)
    totals = [round(mark["total_points"]) for mark in found["probability"]]
    assert totals == [24, 47, 71, 88, 113, 139, 179, 202]
    points = {
        axis["name"]: [round(tick["points"]) for tick in axis["ticks"]]
        for axis in found["predictors"]
    }
    assert points["age"] == [0, 5, 11, 16, 21, 26, 32, 37, 42, 48, 53, 58, 63, 69, 74]
    assert points["gender"] == [30, 0]
    assert points["wfns"] == [0, 20, 40, 60, 79]
    assert points["s100b"] == [0, 9, 18, 27, 36, 45, 55, 64, 73, 82, 91, 100]


def test_lasso_coefficients_of_glmnet(birthwt, against_r):
    expected = pd.read_csv(FOLDER / "glmnet_birthwt_coefs.csv").to_numpy()
    path = fit_path(*birthwt, np.array([0.1, 0.05, 0.02, 0.01, 0.005, 0.001]))
    found = np.column_stack([path.intercepts, path.coefficients])
    against_r("glmnet: coefficients at six penalties", found, expected)
    assert np.abs(found - expected).max() < 1e-6


def test_lasso_penalties_of_glmnet(birthwt, against_r):
    X, y = birthwt
    reference = pd.read_csv(FOLDER / "cvglmnet_birthwt_deviance.csv")
    own = fit_path(X, y)
    assert own.lambdas == pytest.approx(reference["lambda"].to_numpy(), rel=1e-12)
    assert (own.coefficients != 0).sum(axis=1).tolist() == reference["nzero"].tolist()
    assert own.lambdas[0] == pytest.approx(0.0908626233611, abs=1e-12)
    fold = np.arange(len(y)) % 10
    deviance, size = [], []
    for number in range(10):
        test = fold == number
        path = fit_path(X[~test], y[~test], own.lambdas)
        deviance.append(binomial_deviance(y[test], path.linear_predictor(X[test])).mean(axis=0))
        size.append(test.sum())
    found = choose_penalty(np.array(deviance), np.array(size))
    # glmnet interpolates between the penalties of each fold's own sequence; here every fold is
    # solved at the penalties themselves.
    assert found.mean == pytest.approx(reference["cvm"].to_numpy(), abs=1e-3)
    chosen = own.lambdas[[found.index_min, found.index_1se]]
    against_r("glmnet: lambda.min and lambda.1se", chosen, [0.0117353590764, 0.0431671074419])
    assert own.lambdas[found.index_min] == pytest.approx(0.0117353590764, abs=1e-10)
    assert own.lambdas[found.index_1se] == pytest.approx(0.0431671074419, abs=1e-10)


def test_reclassification_of_hmisc(asah, digits, against_r):
    fitted = pd.read_csv(FOLDER / "aSAH_probs.csv")
    found = reclassification(asah["poor"], fitted["p0"], fitted["p1"])
    printed = {
        "nri": (-0.122, 0.195, -0.626, 0.531, -0.504, 0.260),
        "nri_events": (-0.122, 0.155, -0.787, 0.431, -0.426, 0.182),
        "nri_nonevents": (0.0, 0.118, 0.0, 1.0, -0.231, 0.231),
        "idi": (0.01148, 0.01022, 1.12301, 0.26143, -0.00856, 0.03152),
    }
    names = {"nri_events": "nri_ev", "nri_nonevents": "nri_ne"}
    for name, values in printed.items():
        part = getattr(found, name)
        ours, theirs = (part.value, part.standard_error, part.z), digits[names.get(name, name)]
        against_r(f"Hmisc: {name}, its SE and z", ours, theirs)
        assert ours == pytest.approx(theirs, abs=1e-6), name
        shown = (*ours, part.p, part.low, part.high)
        step = 5.1e-6 if name == "idi" else 5.1e-4
        assert shown == pytest.approx(values, abs=step), name
    assert found.idi_events.value == pytest.approx(0.00731, abs=5.1e-6)
    assert found.idi_nonevents.value == pytest.approx(0.00417, abs=5.1e-6)


def test_nested_models_of_anova(asah, digits, against_r):
    smaller = asah[["age", "female", "wfns"]]
    found = likelihood_ratio_test(smaller, smaller.assign(s=asah["s100b"]), asah["poor"])
    ours = (found.statistic, found.df, found.p)
    against_r("anova: likelihood-ratio test of nested models", ours, digits["likelihood_ratio"])
    assert ours == pytest.approx(digits["likelihood_ratio"], abs=1e-9)
    assert (found.statistic, found.p) == pytest.approx((1.23836555, 0.265786285), abs=1e-6)


def test_combat_of_sva(against_r):
    features = pd.read_csv(FOLDER / "combat_in.csv").T.reset_index(drop=True)
    people = pd.read_csv(FOLDER / "combat_meta.csv")
    expected = pd.read_csv(FOLDER / "combat_out_sva.csv").to_numpy().T
    step = CombatHarmoniser(people["batch"], people[["g"]])
    found = step.fit_transform(features).to_numpy()
    against_r("sva: ComBat with a covariate", found, expected, "<= 1e-9")
    assert np.abs(found - expected).max() <= 1e-9
    # Learned from all rows, applied to a few: their values do not hang on who is with them.
    some = features.iloc[[3, 25, 7]]
    assert np.abs(step.transform(some).to_numpy() - expected[[3, 25, 7]]).max() <= 1e-9


def r_samples(seed: int, n: int, times: int) -> np.ndarray:
    """Rows that R draws by ``set.seed(seed)`` and ``sample(n, replace = TRUE)``, from 0.

    R fills the state of its Mersenne Twister by a congruential generator, takes 16 bits of a
    number at a time, and rejects what lies beyond n (R since 3.6).
    """
    state, word = [], seed
    for _ in range(50):
        word = (69069 * word + 1) % 2**32
    for _ in range(625):
        word = (69069 * word + 1) % 2**32
        state.append(word)
    twister = np.random.RandomState()
    twister.set_state(("MT19937", np.array(state[1:], dtype=np.uint32), 624))
    bits = int(np.ceil(np.log2(n)))
    assert bits <= 16
    words = twister.randint(0, 2**32, size=4 * n * times, dtype=np.uint32)
    drawn = (words >> 16) & (2**bits - 1)
    return drawn[drawn < n][: n * times].reshape(times, n).astype(np.intp)


def test_optimism_bootstrap_of_rms(asah, digits, against_r):
    X = asah[["age", "female", "wfns", "s100b"]].to_numpy(dtype=float)
    y = asah["poor"].to_numpy()

    def fit(rows):
        model = fit_logistic(X[rows], y[rows])
        return lambda asked: 1 / (1 + np.exp(-model.linear_predictor(X[asked])))

    found = optimism_bootstrap(fit, y, r_samples(1, len(y), 1000)).table.set_index("measure")
    parts = ["apparent", "training", "test", "optimism", "corrected"]
    area = found.loc["auc", parts].to_numpy(dtype=float)
    dxy = 2 * area - np.array([1, 1, 1, 0, 1])
    printed = {
        "Dxy": [0.7053, 0.7174, 0.6784, 0.0390, 0.6663],
        "Slope": [1.0, 1.0, 0.9098, 0.0902, 0.9098],
        "B": [0.1526, 0.1441, 0.1605, -0.0164, 0.1691],
    }
    own = {
        "Dxy": dxy,
        "Slope": found.loc["calibration_slope", parts].to_numpy(dtype=float),
        "B": found.loc["brier", parts].to_numpy(dtype=float),
    }
    for name, values in printed.items():
        theirs = digits[f"validate_{name}"][:5]
        against_r(f"rms: validate with R's 1000 resamples, {name}", own[name], theirs)
        assert own[name] == pytest.approx(theirs, abs=1e-6), name
        # As first printed, from fits that rms had stopped early.
        assert own[name] == pytest.approx(values, abs=1e-4), name
