"""Each step of an analysis in words, with its parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from osteoflow.models.baselines import baseline_words
from osteoflow.models.learners import gradient_boosting, logistic, random_forest, svm
from osteoflow.models.sufficient import LEAST_TESTED
from osteoflow.wording import count, listing, significant

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


def methods(analysis: Analysis, has_holdout: bool) -> dict[str, str]:
    """Each step in words, with its parameters, in the order in which it is done."""
    words = {"imputation": imputation_words(analysis)}
    if analysis.radiomics is not None:
        words = feature_words(analysis)
    logistic = "maximum likelihood; Firth's penalised likelihood with maximum-likelihood intercept "
    logistic += "where the classes are separated, with limits and tests of its coefficients by the "
    logistic += "profile penalised likelihood"
    if analysis.columns:
        words["logistic"] = logistic
    words["threshold"] = "Youden cut-off of the training part"
    if analysis.radiomics is not None:
        words["threshold"] += "; of radiomic models, from cross-fitted scores"
    words["cross_validation"] = (
        f"{analysis.outer_folds}-fold cross-validation, {count(analysis.repeats, 'time')}, "
        "stratified by "
        "outcome and split by participant; every step is fitted in the training part"
    )
    words["intervals"] = (
        f"{analysis.bootstraps} resamples of participants, percentile limits; the fitted models "
        "stay as they are"
    )
    if len(analysis.models) > 1:
        words |= _comparison_words(analysis, has_holdout)
    if analysis.optimism_bootstraps:
        words["optimism"] = (
            f"{analysis.optimism_bootstraps} resamples of participants in each of which every step "
            "is fitted again: bootstrap correction, and .632+ estimates"
        )
    if analysis.permutations:
        words["permutation"] = (
            f"{analysis.permutations} permutations of the outcome, the whole pipeline "
            "cross-validated once in each"
        )
    words["holdout"] = _holdout_words(analysis, has_holdout)
    if analysis.prevalence is not None:
        words["prevalence"] = (
            f"decision curves for a prevalence of {analysis.prevalence:g}, to which the models' "
            "probabilities were carried by the odds of the event"
        )
    return words | baseline_words(analysis)


def feature_words(analysis: Analysis) -> dict[str, str]:
    """The steps of the radiomic models."""
    settings = analysis.radiomics
    words = {
        "reliability": _reliability_words(analysis),
        "imputation": imputation_words(analysis),
        "variance": "features dropped of which one value takes up 95 % of the training rows",
    }
    if settings.harmonisation is not None:
        declared = settings.harmonisation
        kept = f", keeping the effects of {', '.join(declared.covariates)}"
        words["harmonisation"] = (
            f"ComBat by {declared.site}{kept if declared.covariates else ''}, fitted on the "
            "training rows"
            + ("; rows of other sites stay as they are" if declared.unseen_site == "leave" else "")
        )
    words["scaling"] = "zero mean and unit standard deviation over the training rows"
    if settings.univariate is not None:
        corrected = " after Benjamini and Hochberg's correction"
        words["univariate"] = (
            "features whose Mann-Whitney test between events and non-events of the training rows "
            f"has p at most {settings.univariate.alpha:g}"
            + (corrected if settings.univariate.correction == "fdr" else "")
        )
    words["redundancy"] = (
        f"of features with |Pearson r| above {settings.correlation_threshold:g}, the one least "
        "correlated with all others is kept"
    )
    if settings.mrmr is not None:
        words["mrmr"] = (
            f"{settings.mrmr} features by minimum redundancy and maximum relevance: F statistic "
            "over the mean |Pearson r| with the features already taken"
        )
    for learner in settings.learners:
        key = "radiomics_logistic" if learner == "logistic" else learner
        words[key] = _learner_words(learner, analysis)
    if "combined" in analysis.models:
        name = "LASSO" if settings.learners[0] == "lasso" else "elastic net"
        words["rad_score"] = (
            f"linear predictor of the {name}; cross-fitted for the rows the combined model is "
            "fitted on"
        )
    return words


def _learner_words(learner: str, analysis: Analysis) -> str:
    """A learner with its candidate settings, as its module holds them."""
    folds = f"{analysis.inner_folds} inner folds with the filters fitted anew"
    by_deviance = f"by the deviance of {folds}"
    if learner == "lasso":
        return f"L1-penalised logistic regression, penalty {by_deviance} ({analysis.penalty})"
    if learner == "elastic_net":
        share = analysis.radiomics.l1_ratio
        return (
            f"logistic regression with an elastic-net penalty, {share:g} of it L1, penalty "
            f"{by_deviance} ({analysis.penalty})"
        )
    if learner == "logistic":
        penalties = logistic.RIDGE_PENALTIES
        return (
            "logistic regression on the features that the filters leave; with fewer than "
            f"{logistic.EVENTS_PER_FEATURE} events (or non-events) for each feature a ridge "
            f"penalty, one of {len(penalties)} from {penalties[0]:g} to {penalties[-1]:g}, "
            f"{by_deviance}"
        )
    if learner == "svm":
        return (
            "support vector machine; linear kernel, or Gaussian kernel with gamma "
            f"{_either(svm.WIDTHS)} over the number of features, and cost {_either(svm.COSTS)}, by "
            f"the mean area under the curve of {folds}; probabilities by Platt's method from "
            "decision values of rows left out"
        )
    if learner == "random_forest":
        return (
            f"{random_forest.N_TREES} trees, square root of the number of features at each split, "
            f"least leaf of {_either(random_forest.LEAF_SIZES)} rows {by_deviance}"
        )
    boosting = gradient_boosting
    return (
        f"boosted trees, learning rate {boosting.LEARNING_RATE:g}, a leaf one in "
        f"{boosting.ROWS_PER_LEAF} rows ({boosting.LEAST_LEAF} to {boosting.LARGEST_LEAF}), depth "
        f"{_either(boosting.DEPTHS)} and {_either(boosting.ROUNDS)} trees {by_deviance}"
    )


def _either(values: Iterable[float]) -> str:
    return listing([f"{value:g}" for value in values]).replace(" and ", " or ")


def imputation_words(analysis: Analysis) -> str:
    """What becomes of missing values."""
    numbers = "missing features and numbers" if analysis.radiomics else "missing numbers"
    return f"training median for {numbers}, commonest training level for missing text"


def score_words(analysis: Analysis) -> str:
    """How what the Rad-score adds is tested; "" where no model has one."""
    if analysis.radiomics is None or "combined" not in analysis.models:
        return ""
    if not analysis.score_permutations:
        return "; without a p value for what the Rad-score adds, as it was learned from these rows"
    return (
        "; what the Rad-score adds is compared with "
        f"{count(analysis.score_permutations, 'permutation')} of the features against outcome and "
        "other predictors, the signature learned anew in each"
    )


def _comparison_words(analysis: Analysis, has_holdout: bool) -> dict[str, str]:
    """How models are compared."""
    nested = (
        "likelihood-ratio tests of logistic models whose terms another model has, too, on the "
        "training data, with the cross-fitted Rad-score"
    )
    nested += score_words(analysis)
    if not has_holdout:
        return {"nested": nested}
    return {
        "delong": "paired DeLong tests on the hold-out, one score per participant, Holm-adjusted, "
        f"where {LEAST_TESTED} events and {LEAST_TESTED} non-events are held out; other "
        "differences, and those in cross-validation, have intervals and no tests",
        "nri": "category-free net reclassification improvement on the hold-out, with intervals and "
        "no tests",
        "idi": "integrated discrimination improvement on the hold-out, with intervals and no tests",
        "nested": nested,
    }


def _holdout_words(analysis: Analysis, has_holdout: bool) -> str:
    if not has_holdout:
        return "none"
    if analysis.holdout_rule is not None:
        return f"participants with {analysis.holdout_rule}"
    return (
        f"{significant(100 * analysis.holdout_fraction, 3)} % of the participants, drawn at "
        "random within events and non-events"
    )


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
