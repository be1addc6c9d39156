"""Tables and documents of an analysis, from its fitted models and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from osteoflow.models.calibration import calibration_curve, calibration_points
from osteoflow.models.clinical import RAD_SCORE, ClinicalModel, CombinedModel
from osteoflow.models.dataset import Dataset
from osteoflow.models.decision import THRESHOLDS, net_benefit, treat_all
from osteoflow.models.outcome import incorporation_bias
from osteoflow.models.performance import CrossValidated
from osteoflow.models.radiomics import RadiomicsModel
from osteoflow.models.repeated import TWICE
from osteoflow.statistics.agreement import form_of
from osteoflow.statistics.intervals import Z95
from osteoflow.wording import count, significant

if TYPE_CHECKING:
    from osteoflow.models.validate import FittedModels
    from osteoflow.settings.analysis import Analysis

Array = NDArray[np.float64]
Holdout = tuple[Array, dict[str, Array]] | None

_ENOUGH_EVENTS = 10


def predictions(
    data: Dataset,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    validated: CrossValidated,
    held: Holdout,
) -> pd.DataFrame:
    """Every prediction on rows that its model has not seen."""
    parts = []
    for model, probability in validated.probability.items():
        for repeat in range(len(probability)):
            parts.append(
                pd.DataFrame(
                    {
                        "participant_id": data.groups[train],
                        "set": "cv",
                        "model": model,
                        "repeat": repeat + 1,
                        "fold": validated.fold[repeat] + 1,
                        "outcome": validated.outcome.astype(int),
                        "probability": probability[repeat],
                    }
                )
            )
        if held is not None:
            parts.append(
                pd.DataFrame(
                    {
                        "participant_id": data.groups[test],
                        "set": "holdout",
                        "model": model,
                        "repeat": 0,
                        "fold": 0,
                        "outcome": held[0].astype(int),
                        "probability": held[1][model],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def selection(final: RadiomicsModel, folds: Sequence[RadiomicsModel]) -> pd.DataFrame:
    """How often each feature was selected, its final coefficient, and its reliability.

    Coefficients are per standard deviation of the training data; the reliability is that of the
    first comparison declared.
    """
    chosen = pd.Series([name for model in folds for name in model.selected_], dtype=object)
    frequency = chosen.value_counts() / len(folds)
    table = pd.DataFrame({"feature": final.features})
    table["frequency"] = table["feature"].map(frequency).fillna(0.0).astype(float)
    table["coefficient"] = table["feature"].map(final.coefficients_).fillna(0.0).astype(float)
    step = final.filters_.named_steps["reliability"]
    reliability, form = step.icc_, form_of(step.comparison)
    for column, source in (("icc", form), ("icc_low", f"{form}_low")):
        known = reliability[source] if len(reliability) else pd.Series(dtype=float)
        table[column] = table["feature"].map(known).astype(float)
    return table.sort_values(["frequency", "feature"], ascending=[False, True], ignore_index=True)


def coefficients(clinical: ClinicalModel, combined: CombinedModel) -> pd.DataFrame:
    """Coefficients of the logistic models with Wald intervals and odds ratios."""
    rows = []
    for name, model in (("clinical", clinical), ("combined", combined)):
        fit = model.logistic_
        values = np.concatenate([[fit.intercept], fit.coefficients])
        for term, value, error in zip(
            ["intercept", *model.terms_], values, fit.standard_errors, strict=True
        ):
            rows.append(
                {
                    "model": name,
                    "term": term,
                    "coefficient": value,
                    "standard_error": error,
                    "odds_ratio": np.exp(value),
                    "odds_ratio_low": np.exp(value - Z95 * error),
                    "odds_ratio_high": np.exp(value + Z95 * error),
                    "p": 2 * norm.sf(abs(value / error)),
                    "method": "Firth, FLIC" if fit.method == "firth" else "maximum likelihood",
                }
            )
    return pd.DataFrame(rows)


def lasso_path(model: RadiomicsModel) -> pd.DataFrame:
    """Coefficients (per standard deviation) of features that enter the final path."""
    entered = np.flatnonzero((model.path_.coefficients != 0).any(axis=0))
    names = model.coefficients_.index[entered]
    wide = pd.DataFrame(model.path_.coefficients[:, entered], columns=names)
    return wide.assign(**{"lambda": model.path_.lambdas}).melt(
        "lambda", var_name="feature", value_name="coefficient"
    )


def lasso_cv(model: RadiomicsModel) -> pd.DataFrame:
    """Cross-validated deviance along the final path; a penalty may carry both marks."""
    found = model.deviance_
    table = pd.DataFrame(
        {
            "lambda": model.path_.lambdas,
            "deviance": found.mean,
            "se": found.standard_error,
            "n_nonzero": (model.path_.coefficients != 0).sum(axis=1),
            "mark": "",
        }
    )
    if found.index_min == found.index_1se:
        table.loc[found.index_min, "mark"] = "lambda_min,lambda_1se"
    else:
        table.loc[found.index_min, "mark"] = "lambda_min"
        table.loc[found.index_1se, "mark"] = "lambda_1se"
    return table


def calibration(validated: CrossValidated, held: Holdout) -> pd.DataFrame:
    """Calibration points and curves; in cross-validation of each row's mean prediction."""
    sets = {"cv": (validated.outcome, {m: p.mean(0) for m, p in validated.probability.items()})}
    if held is not None:
        sets["holdout"] = held
    parts = []
    for name, (outcome, probability) in sets.items():
        for model, p in probability.items():
            for curve, make in (("points", calibration_points), ("smooth", calibration_curve)):
                table = make(outcome, p)
                if len(table):
                    table.insert(0, "model", model)
                    table.insert(1, "set", name)
                    table.insert(2, "curve", curve)
                    parts.append(table)
    return pd.concat(parts, ignore_index=True)


def decision_curve(
    validated: CrossValidated, held: Holdout, prevalence: float | None
) -> pd.DataFrame:
    """Net benefit of the models, of treating all and none; averaged over repeats in ``cv``."""
    sets = {"cv": (validated.outcome, validated.probability)}
    if held is not None:
        sets["holdout"] = (held[0], {model: p[None, :] for model, p in held[1].items()})
    parts = []
    for name, (outcome, probability) in sets.items():
        share = float(outcome.mean()) if prevalence is None else prevalence
        benefits = {
            model: np.mean([net_benefit(outcome, p, prevalence=prevalence) for p in repeats], 0)
            for model, repeats in probability.items()
        }
        benefits |= {"all": treat_all(share), "none": np.zeros(len(THRESHOLDS))}
        for strategy, benefit in benefits.items():
            parts.append(
                pd.DataFrame(
                    {
                        "set": name,
                        "strategy": strategy,
                        "threshold": THRESHOLDS,
                        "net_benefit": benefit,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def fit_warnings(
    final: FittedModels, folds: Sequence[FittedModels], held_table: pd.DataFrame
) -> list[str]:
    """What the fits were unable to do as declared, in sentences."""
    found = []
    filters = final.radiomics.filters_.named_steps
    for name in [name for name in filters if name.startswith("reliability")]:
        if filters[name].warning_:
            found.append(f"final fit: {filters[name].warning_}")
        parts = [models.radiomics.filters_.named_steps[name] for models in folds]
        unfiltered = sum(bool(step.warning_) for step in parts)
        if unfiltered and not filters[name].warning_:
            found.append(
                "the reliability filter was not applied, or not to all features, in "
                f"{unfiltered} of {len(folds)} outer training parts, in which too few rows "
                f"{TWICE[filters[name].comparison]}"
            )
    if not final.radiomics.selected_:
        found.append("the LASSO selected no feature: the Rad-score is constant")
    empty = sum(not models.radiomics.selected_ for models in folds)
    if empty:
        found.append(
            f"the LASSO selected no feature in {empty} of {len(folds)} outer training parts"
        )
    for name in ("clinical", "combined"):
        separated = sum(getattr(models, name).logistic_.method == "firth" for models in folds)
        last = getattr(final, name).logistic_
        if last.method == "firth":
            found.append(
                f"{name} model: the classes are separated, so the final fit uses Firth's "
                "penalised likelihood"
            )
        if separated:
            found.append(
                f"{name} model: Firth's penalised likelihood replaced maximum likelihood in "
                f"{separated} of {len(folds)} outer training parts (separation)"
            )
        terms = getattr(final, name).terms_
        for place in last.dropped:
            if terms[place] != RAD_SCORE:  # a constant Rad-score is told above
                found.append(
                    f"{name} model: '{terms[place]}' is constant or repeats other predictors "
                    "and was left out"
                )
    weight = dict(zip(final.combined.terms_, final.combined.logistic_.coefficients, strict=True))
    if weight[RAD_SCORE] < 0:
        found.append(
            "the cross-fitted Rad-score has a negative weight in the combined model: it did not "
            "predict the outcome within the training data"
        )
    design = final.clinical.clinical_
    if design.n_missing_:
        found.append(
            f"{design.n_missing_} missing clinical values of the training data were replaced by "
            "medians or commonest levels"
        )
    missing = final.radiomics.filters_.named_steps["imputation"].n_missing_
    if missing:
        found.append(
            f"{missing} missing feature values of the training data were replaced by medians"
        )
    if len(held_table):
        unseen = design.unseen_levels(held_table)
        if unseen:
            found.append(
                "levels of the hold-out that the training data lack count as the reference: "
                + ", ".join(unseen)
            )
    return found


def summary(
    data: Dataset,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    analysis: Analysis,
    seed: int,
    warnings: Sequence[str],
    final: FittedModels,
) -> dict[str, Any]:
    """The analysis in numbers and words."""
    outcome = data.outcome
    limiting = int(min(outcome[train].sum(), (outcome[train] == 0).sum()))
    sentences = []
    for model, parameters in (
        ("clinical", len(final.clinical.terms_)),
        ("radiomics", len(data.features)),
    ):
        ratio = limiting / parameters
        if ratio < _ENOUGH_EVENTS:
            sentences.append(
                f"{model} model: {limiting} events (or non-events, the fewer) for {parameters} "
                f"candidate parameters, {significant(ratio, 2)} each; "
                f"{_ENOUGH_EVENTS} or more are advised"
            )
    bias = incorporation_bias(analysis.outcome, analysis.columns, analysis.images)
    return {
        "name": analysis.name,
        "outcome": analysis.outcome,
        "outcome_label": analysis.outcome_label,
        "n": len(outcome),
        "n_participants": len(set(data.groups.tolist())),
        "n_events": int(outcome.sum()),
        "n_holdout": len(test),
        "n_events_holdout": int(outcome[test].sum()),
        "clinical": list(analysis.clinical),
        "radiomics": {
            "image": ", ".join(analysis.images),
            "roi": ", ".join(dict.fromkeys(data.regions.values())),
            "n_features": len(data.features),
            "n_selected": len(final.radiomics.selected_),
        },
        "models": ["clinical", "radiomics", "combined"],
        "warnings": [*bias, *sentences, *warnings],
        "incorporation_bias": bool(bias),
        "seed": seed,
        "methods": methods(analysis, len(test) > 0),
        "excluded": data.excluded,
    }


def _reliability_words(analysis: Analysis) -> str:
    between = {
        "inter_rater": "two raters",
        "intra_rater": "repeated outlines of one rater",
        "scan_rescan": "repeated scans",
    }
    settings = analysis.radiomics
    parts = [f"between {between[name]}" for name in settings.reliability if name in between]
    limits = [f"ICC(2,1) {', and '.join(parts)}"] if parts else []
    if "perturbation" in settings.reliability:
        limits.append("ICC(1,1) of perturbed images")
    read = "read again" if "perturbation" in settings.reliability else "rated twice"
    return (
        f"features whose lower 95 % limit of {', and of '.join(limits)} is at "
        f"least {settings.icc_threshold:g}, from "
        + (
            f"the training rows {read}"
            if settings.reliability_set is None
            else f"participants with {settings.reliability_set}, who are not modelled"
        )
    )


def methods(analysis: Analysis, has_holdout: bool) -> dict[str, str]:
    """Each step in words, with its parameters."""
    folds = f"{analysis.outer_folds}-fold cross-validation, {count(analysis.repeats, 'time')}"
    words = {
        "reliability": _reliability_words(analysis),
        "imputation": "training median for missing features and numbers, commonest training "
        "level for missing text",
        "variance": "features dropped of which one value takes up 95 % of the training rows",
        "scaling": "zero mean and unit standard deviation over the training rows",
        "redundancy": "of features with |Pearson r| above "
        f"{analysis.radiomics.correlation_threshold:g}, the one least correlated with all others "
        "is kept",
        "lasso": "L1-penalised logistic regression, penalty by the deviance of "
        f"{analysis.inner_folds} inner folds with the filters fitted anew ({analysis.penalty})",
        "rad_score": "linear predictor of the LASSO; cross-fitted for the rows the combined "
        "model is fitted on",
        "logistic": "maximum likelihood; Firth's penalised likelihood with maximum-likelihood "
        "intercept where the classes are separated",
        "threshold": "Youden cut-off of the training part",
        "cross_validation": f"{folds}, stratified by outcome and split by participant; every "
        "step is fitted in the training part",
        "intervals": f"{analysis.bootstraps} resamples of participants, percentile limits; the "
        "fitted models stay as they are",
    }
    if not has_holdout:
        words["holdout"] = "none"
    elif analysis.holdout_rule is not None:
        words["holdout"] = f"participants with {analysis.holdout_rule}"
    else:
        words["holdout"] = (
            f"{significant(100 * analysis.holdout_fraction, 3)} % of the participants, drawn at "
            "random within events and non-events"
        )
    if analysis.prevalence is not None:
        words["prevalence"] = f"decision curves for a prevalence of {analysis.prevalence:g}"
    return words
