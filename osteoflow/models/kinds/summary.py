"""Summary and methods of an analysis of ordered classes or of a quantity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from osteoflow.models.baselines import baseline_words
from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import FittedModels
from osteoflow.models.kinds.base import Indices, MeasuredKind
from osteoflow.models.method_words import feature_words, imputation_words, score_words
from osteoflow.models.model_size import size_warnings, size_words
from osteoflow.models.outcome import incorporation_bias
from osteoflow.models.predictor_notes import predictor_notes
from osteoflow.models.sufficient import LEAST_TESTED
from osteoflow.models.summary import as_harmonised, radiomic_part
from osteoflow.wording import significant

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


def summary(
    kind: MeasuredKind,
    data: Dataset,
    parts: tuple[Indices, Indices],
    analysis: Analysis,
    seed: int,
    warnings: Sequence[str],
    final: FittedModels,
    sizes: pd.DataFrame,
) -> dict[str, Any]:
    """The analysis in numbers and words; ``sizes`` is its table of sample sizes."""
    test = parts[1]
    bias = incorporation_bias(analysis.outcome, analysis.columns, analysis.images)
    notes = predictor_notes(analysis)
    held = {f"{key}_holdout": v for key, v in kind.sizes(data.outcome[test]).items()}
    steps = as_harmonised(methods(kind, analysis, len(test) > 0), final)
    if words := size_words(sizes, analysis):
        steps["sample_size"] = words
    return {
        "name": analysis.name,
        "kind": analysis.kind,
        "outcome": analysis.outcome,
        "outcome_label": outcome_label(analysis),
        "n": len(data.outcome),
        "n_participants": len(set(data.groups.tolist())),
        "n_holdout": len(test),
        **kind.sizes(data.outcome),
        **(held if len(test) else {}),
        "clinical": list(analysis.clinical),
        "measurements": list(analysis.measurements),
        "baselines": list(analysis.baselines or ()),
        "radiomics": radiomic_part(data, analysis, final),
        "models": analysis.models,
        "warnings": [*bias, *notes, *size_warnings(sizes), *warnings],
        "incorporation_bias": bool(bias),
        "seed": seed,
        "methods": steps,
        "excluded": data.excluded,
    }


def outcome_label(analysis: Analysis) -> str:
    """The outcome's label as given; the default one is a word for events."""
    # By its value: the workflow hands over all settings, and then each one counts as set.
    default = type(analysis).model_fields["outcome_label"].default
    return analysis.outcome if analysis.outcome_label == default else analysis.outcome_label


def methods(kind: MeasuredKind, analysis: Analysis, has_holdout: bool) -> dict[str, str]:
    """Each step in words, with its parameters, in the order in which it is done."""
    words = {"imputation": imputation_words(analysis)}
    if analysis.radiomics is not None:
        words = feature_words(analysis)
        if analysis.radiomics.univariate is not None:
            alpha = analysis.radiomics.univariate.alpha
            words["univariate"] = (
                f"features whose {kind.association} in the training rows has p "
                f"at most {alpha:g}"
                + (
                    " after Benjamini and Hochberg's correction"
                    if analysis.radiomics.univariate.correction == "fdr"
                    else ""
                )
            )
    words |= kind.words(analysis)
    within = kind.stratum
    words["cross_validation"] = (
        f"{analysis.outer_folds}-fold cross-validation, {analysis.repeats} times, stratified by "
        f"{within} and split by participant; every step is fitted in the training part"
    )
    words["intervals"] = (
        f"{analysis.bootstraps} resamples of participants, percentile limits; the fitted models "
        "stay as they are"
    )
    if len(analysis.models) > 1:
        words["comparisons"] = (
            "differences on the hold-out with bootstrap p values, Holm-adjusted, where "
            f"{2 * LEAST_TESTED} participants (and of a time to an event, {LEAST_TESTED} with the "
            "event) are held out; others, and those in cross-validation, have intervals and no "
            "tests"
            if has_holdout
            else "differences in cross-validation with intervals and no tests"
        )
        words["nested"] = (
            "tests of regressions whose terms another one has, too, on the training data, with the "
            "cross-fitted Rad-score"
        )
        words["nested"] += score_words(analysis)
    if analysis.permutations:
        words["permutation"] = (
            f"{analysis.permutations} permutations of the outcome, the whole pipeline "
            "cross-validated once in each"
        )
    words["holdout"] = "none"
    if has_holdout:
        words["holdout"] = (
            f"participants with {analysis.holdout_rule}"
            if analysis.holdout_rule is not None
            else f"{significant(100 * analysis.holdout_fraction, 3)} % of the participants, drawn "
            f"at random within each {within}"
        )
    return words | baseline_words(analysis)
