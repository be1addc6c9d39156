"""Tables of a small modelling analysis, fitted for real, as figures and reports read them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from osteoflow.models.comparisons import COMPARISON_COLUMNS
from osteoflow.models.lasso import fit_path

MODELS = ("clinical", "radiomics", "combined")
FEATURES = [
    f"original_{family}_{name}"
    for family, name in (
        ("firstorder", "Mean"),
        ("firstorder", "Entropy"),
        ("glcm", "Contrast"),
        ("glcm", "InverseDifferenceMomentNormalized"),
        ("glrlm", "RunLengthNonUniformityNormalized"),
        ("glszm", "SmallAreaLowGrayLevelEmphasis"),
        ("gldm", "DependenceVariance"),
        ("ngtdm", "Busyness"),
        ("shape", "MeshVolume"),
        ("glcm", "ClusterShade"),
    )
]


def analysis(n: int = 120, n_holdout: int = 40, seed: int = 5) -> dict:
    """All tables and documents of one analysis, by name."""
    rng = np.random.default_rng(seed)
    clinical = np.column_stack([rng.normal(66, 8, n), rng.normal(26, 4, n), rng.integers(0, 2, n)])
    texture = rng.normal(size=(n, len(FEATURES)))
    texture[:, 1] += 0.6 * texture[:, 0]
    logit = 0.07 * (clinical[:, 0] - 66) + 0.4 * clinical[:, 2] + 0.9 * texture[:, 2]
    logit += -0.7 * texture[:, 5] - 0.2
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    ids = np.array([f"sub-{i + 1:03d}" for i in range(n)])
    train, held = np.arange(n - n_holdout), np.arange(n - n_holdout, n)
    inputs = {
        "clinical": clinical,
        "radiomics": texture,
        "combined": np.hstack([clinical, texture]),
    }

    predictions, curves, performance = [], [], []
    for model, data in inputs.items():
        aucs, tprs = [], []
        grid = np.linspace(0, 1, 41)
        for repeat in range(2):
            folds = StratifiedKFold(5, shuffle=True, random_state=repeat)
            for fold, (fit, test) in enumerate(folds.split(data[train], y[train])):
                p = _probability(data[train][fit], y[train][fit], data[train][test])
                predictions += [
                    (ids[i], "cv", model, repeat + 1, fold + 1, y[i], value)
                    for i, value in zip(train[test], p, strict=True)
                ]
                aucs.append(roc_auc_score(y[train][test], p))
                fpr, tpr, _ = roc_curve(y[train][test], p)
                tprs.append(np.interp(grid, fpr, tpr))
                tprs[-1][0] = 0
        mean, low, high = np.mean(tprs, 0), *np.percentile(tprs, [10, 90], axis=0)
        curves += [
            (model, "cv", *row, np.nan, lo, hi)
            for row, lo, hi in zip(zip(grid, mean, strict=True), low, high, strict=True)
        ]
        auc = float(np.mean(aucs))
        words = "mean over folds, participant bootstrap"
        performance.append((model, "cv", "auc", auc, auc - 0.09, auc + 0.07, words))
        p = _probability(data[train], y[train], data[held])
        predictions += [
            (ids[i], "holdout", model, 0, 0, y[i], value) for i, value in zip(held, p, strict=True)
        ]
        fpr, tpr, threshold = roc_curve(y[held], p)
        curves += [
            (model, "holdout", a, b, c, np.nan, np.nan)
            for a, b, c in zip(fpr, tpr, threshold, strict=True)
        ]
        auc = float(roc_auc_score(y[held], p))
        performance.append((model, "holdout", "auc", auc, auc - 0.13, min(auc + 0.1, 1), "DeLong"))
        for name in ("cv", "holdout"):
            performance.append((model, name, "brier", 0.181, 0.141, 0.226, "participant bootstrap"))
            performance.append(
                (model, name, "calibration_slope", 0.84, 0.41, 1.32, "participant bootstrap")
            )
            performance.append(
                (model, name, "calibration_intercept", -0.11, -0.6, 0.35, "participant bootstrap")
            )
    predictions = pd.DataFrame(
        predictions,
        columns=["participant_id", "set", "model", "repeat", "fold", "outcome", "probability"],
    )
    scaled = StandardScaler().fit_transform(texture[train])
    fitted = fit_path(scaled, y[train])
    path, cv = [], []
    for penalty, intercept, values in zip(
        fitted.lambdas, fitted.intercepts, fitted.coefficients, strict=True
    ):
        path += [(penalty, f, c) for f, c in zip(FEATURES, values, strict=True)]
        log_odds = intercept + scaled @ values
        # The apparent deviance plus a price for each feature stands for a cross-validated one.
        deviance = 2 * log_loss(y[train], 1 / (1 + np.exp(-log_odds)))
        n_nonzero = int((values != 0).sum())
        cv.append((penalty, deviance + 0.015 * n_nonzero, 0.06, n_nonzero, ""))
    cv = pd.DataFrame(cv, columns=["lambda", "deviance", "se", "n_nonzero", "mark"])
    best = cv["deviance"].idxmin()
    within = cv[cv["deviance"] <= cv.loc[best, "deviance"] + 0.06]
    cv.loc[best, "mark"] = "lambda_min"
    cv.loc[within["lambda"].idxmax(), "mark"] = "lambda_1se"
    holdout_y = y[held]
    return {
        "summary": {
            "name": "osteoporosis_qct",
            "outcome": "vbmd_l1l2_mean < 80",
            "outcome_label": "Osteoporosis (vBMD < 80 mg/cm³)",
            "n": n,
            "n_events": int(y.sum()),
            "n_holdout": n_holdout,
            "n_events_holdout": int(holdout_y.sum()),
            "clinical": ["age", "bmi", "sex"],
            "radiomics": {"image": "pdff", "roi": "L1-L4_trabecular", "n_features": len(FEATURES)},
            "models": list(MODELS),
            "warnings": ["4.2 events per candidate predictor; at least 10 are usual."],
            "incorporation_bias": True,
            "seed": 1,
            "methods": {
                "selection": "LASSO logistic regression with 5 inner folds",
                "validation": "5 outer folds, 2 repeats, split by participant",
            },
            "excluded": [{"participant_id": "sub-200", "reason": "outcome missing"}],
        },
        "predictions": predictions,
        "performance": pd.DataFrame(
            performance,
            columns=["model", "set", "metric", "value", "ci_low", "ci_high", "method"],
        ),
        "comparisons": pd.DataFrame(
            [
                ("combined", "clinical", 0.09, -0.02, 0.2, 1.6, 0.11, 0.33, _HOLM, _DELONG),
                ("combined", "radiomics", 0.03, -0.03, 0.09, 0.9, 0.37, 0.74, _HOLM, _DELONG),
                ("radiomics", "clinical", 0.06, -0.1, 0.22, 0.7, 0.48, 0.74, _HOLM, _DELONG),
                ("combined", "clinical", 0.05, -0.04, 0.14, np.nan, np.nan, np.nan, "", _FOLDS),
            ],
            columns=list(COMPARISON_COLUMNS),
        ),
        "roc": pd.DataFrame(
            curves, columns=["model", "set", "fpr", "tpr", "threshold", "tpr_low", "tpr_high"]
        ),
        "calibration": _calibration(predictions),
        "decision_curve": _decision(predictions),
        "lasso_path": pd.DataFrame(path, columns=["lambda", "feature", "coefficient"]),
        "lasso_cv": cv,
        "selection": pd.DataFrame(
            {
                "feature": FEATURES,
                "frequency": np.linspace(1, 0, len(FEATURES)),
                "coefficient": np.linspace(0.9, 0, len(FEATURES)),
                "icc": 0.93,
                "icc_low": 0.85,
            }
        ),
        "filters": pd.DataFrame(
            [("reliability", 107, 71), ("redundancy", 71, 22), ("lasso", 22, 4)],
            columns=["step", "n_in", "n_out"],
        ),
        "nomogram": nomogram(),
    }


_HOLM = "Holm, 3 tests"
_DELONG = "paired DeLong on the hold-out"
_FOLDS = "none: difference of fold-averaged areas, participant bootstrap"


def nomogram() -> dict:
    """A combined model with a strong, a categorical, a crowded and a nearly idle predictor."""
    coefficients = {"rad_score": 1.2, "age": 0.08, "bmi": -0.004}
    per_unit = 100 / (1.2 * 6)

    def ticks(name: str, values: list[float]) -> list[dict]:
        slope = coefficients[name]
        base = min(slope * v for v in values)
        return [{"value": v, "points": (slope * v - base) * per_unit} for v in values]

    rad = ticks("rad_score", list(np.arange(-3, 3.01, 0.5)))
    age = ticks("age", list(range(50, 91, 2)))
    bmi = ticks("bmi", list(range(18, 41, 2)))
    site = [
        {"level": level, "points": points}
        for level, points in (
            ("Site A", 0.0),
            ("Site B", 3.0),
            ("University hospital C", 4.5),
            ("D", 19),
        )
    ]
    top = sum(max(t["points"] for t in part) for part in (rad, age, bmi, site))
    at_zero = -4.1
    probability = []
    for p in (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99):
        points = (np.log(p / (1 - p)) - at_zero) * per_unit
        if 0 <= points <= top:
            probability.append({"probability": p, "total_points": points})
    return {
        "model": "combined",
        "predictors": [
            {"name": "rad_score", "label": "Rad-score", "unit": "", "kind": "continuous"}
            | {"ticks": rad, "range": [-3, 3]},
            {"name": "age", "label": "Age", "unit": "years", "kind": "continuous"}
            | {"ticks": age, "range": [50, 90]},
            {"name": "bmi", "label": "Body mass index", "unit": "kg/m²", "kind": "continuous"}
            | {"ticks": bmi, "range": [18, 40]},
            {"name": "site", "label": "Site", "unit": "", "kind": "categorical"}
            | {"ticks": site, "range": []},
        ],
        "total_points": {
            "min": 0,
            "max": top,
            "ticks": [float(v) for v in range(0, int(top) + 1, 10)],
        },
        "probability": probability,
        "points_per_linear_predictor": per_unit,
        "intercept": -2.0,
        "coefficients": coefficients,
        "linear_predictor_at_zero_points": at_zero,
    }


def _probability(fit_x: np.ndarray, fit_y: np.ndarray, x: np.ndarray) -> np.ndarray:
    scaler = StandardScaler().fit(fit_x)
    model = LogisticRegression().fit(scaler.transform(fit_x), fit_y)
    return model.predict_proba(scaler.transform(x))[:, 1]


def _calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (model, name), part in predictions.groupby(["model", "set"]):
        people = part.groupby("participant_id")[["outcome", "probability"]].mean()
        people = people.sort_values("probability")
        for places in np.array_split(np.arange(len(people)), 5):
            group = people.iloc[places]
            p, n = group["outcome"].mean(), len(group)
            centre = (p + 1.92 / n) / (1 + 3.84 / n)
            half = 1.96 / (1 + 3.84 / n) * np.sqrt(p * (1 - p) / n + 0.96 / n**2)
            rows.append(
                (model, name, "points", group["probability"].mean(), p)
                + (min(centre - half, p), max(centre + half, p), n)
            )
        grid = np.linspace(people["probability"].min(), people["probability"].max(), 30)
        line = LogisticRegression(C=1e4).fit(people[["probability"]].to_numpy(), people["outcome"])
        smooth = line.predict_proba(grid[:, None])[:, 1]
        rows += [
            (model, name, "smooth", a, b, np.nan, np.nan, np.nan)
            for a, b in zip(grid, smooth, strict=True)
        ]
    return pd.DataFrame(
        rows, columns=["model", "set", "curve", "predicted", "observed", "ci_low", "ci_high", "n"]
    )


def _decision(predictions: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, part in predictions.groupby("set"):
        for threshold in np.arange(0.05, 0.81, 0.05):
            weight = threshold / (1 - threshold)
            for model, some in part.groupby("model"):
                treat = some["probability"] >= threshold
                good = (treat & (some["outcome"] == 1)).mean()
                bad = (treat & (some["outcome"] == 0)).mean()
                rows.append((name, model, threshold, good - weight * bad))
            rate = part["outcome"].mean()
            rows.append((name, "all", threshold, rate - weight * (1 - rate)))
            rows.append((name, "none", threshold, 0.0))
    return pd.DataFrame(rows, columns=["set", "strategy", "threshold", "net_benefit"])
