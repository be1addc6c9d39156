"""What the fits of an analysis were unable to do as declared, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from osteoflow.model_names import the_model
from osteoflow.models.clinical_design import RAD_SCORE, ClinicalDesign
from osteoflow.models.cross_validation import FoldFit
from osteoflow.models.fitting import FittedModels
from osteoflow.models.kinds.base import OutcomeKind
from osteoflow.models.outer_folds import count_marks
from osteoflow.models.repeated import TWICE
from osteoflow.models.signature import Signature

HARMONISED_SIGNATURE = (
    "the signature's formula (signature.tsv) takes features harmonised between the sites of this "
    "study; it does not hold for features as measured"
)


def fit_warnings(
    kind: OutcomeKind, final: FittedModels, folds: Sequence[FoldFit], held_table: pd.DataFrame
) -> list[str]:
    """Sentences on the final fit and on how often the same befell the outer training parts.

    Parameters
    ----------
    kind
        Of the outcome.
    final
        Models of all training rows.
    folds
        What remains of the models of each outer training part.
    held_table
        Rows held out; may be empty.
    """
    radiomic, found = final.radiomic, []
    if radiomic:
        found += _step_warnings(radiomic, folds, held_table) + _learner_warnings(radiomic, folds)
    found += _regression_warnings(kind, final, folds)
    designs = _designs({name: model.clinical_ for name, model in final.regressions.items()})
    return found + _replaced_values(designs, radiomic) + _unseen_levels(designs, held_table)


def _step_warnings(
    radiomic: Mapping[str, Signature], folds: Sequence[FoldFit], held_table: pd.DataFrame
) -> list[str]:
    counts, n = count_marks(folds), len(folds)
    steps = next(iter(radiomic.values())).filters_.named_steps
    found = []
    for name in [name for name in steps if name.startswith("reliability")]:
        warning, often = steps[name].warning_, counts[name, "warning"]
        if warning:
            found.append(f"final fit: {warning}")
        elif often:
            found.append(
                "the reliability filter was not applied, or not to all features, in "
                f"{often} of {n} outer training parts, in which too few rows "
                f"{TWICE[steps[name].comparison]}"
            )
    if "harmonisation" not in steps:
        return found
    step = steps["harmonisation"]
    if step.effects_ and next(iter(radiomic.values())).coefficients_ is not None:
        found.append(HARMONISED_SIGNATURE)
    if step.warning_:
        found.append(f"harmonisation, final fit: {step.warning_}")
    elif counts["harmonisation", "warning"]:
        found.append(
            "the harmonisation could not be done as declared in "
            f"{counts['harmonisation', 'warning']} of {n} outer training parts"
        )
    if counts["harmonisation", "unseen"]:
        found.append(
            f"in {counts['harmonisation', 'unseen']} of {n} outer test parts features of sites "
            "that the training part lacks were left unharmonised"
        )
    if len(held_table):
        found += [
            f"harmonisation of the hold-out: {text}" for text in step.warnings_for(held_table)
        ]
    return found


def _learner_warnings(radiomic: Mapping[str, Signature], folds: Sequence[FoldFit]) -> list[str]:
    counts, n = count_marks(folds), len(folds)
    found = []
    models = list(radiomic.items())
    if not len(models[0][1].names_):
        found.append("the filters left no feature: the radiomic models are constant")
    for name, model in models:
        for mark, words in model.learner_.NOTES.items():
            often = counts[name, mark]
            if mark in model.learner_.notes_:
                found.append(f"{the_model(name)}: {words}")
            if often:
                found.append(f"{the_model(name)}: in {often} of {n} outer training parts, {words}")
    return found


def _regression_warnings(
    kind: OutcomeKind, final: FittedModels, folds: Sequence[FoldFit]
) -> list[str]:
    counts, n = count_marks(folds), len(folds)
    found = []
    for name, model in final.regressions.items():
        regression = model.regression_
        if regression.is_penalised:
            found.append(
                f"{the_model(name)}: {kind.no_maximum}, so {kind.penalty} replaced maximum "
                "likelihood in the final fit"
            )
        if counts[name, "separated"]:
            found.append(
                f"{the_model(name)}: {kind.penalty} replaced maximum likelihood in "
                f"{counts[name, 'separated']} of {n} outer training parts (separation)"
            )
        found += [
            f"{the_model(name)}: '{model.terms_[place]}' is constant or repeats other predictors "
            "and was left out"
            for place in regression.dropped
            if model.terms_[place] != RAD_SCORE  # a constant Rad-score is told elsewhere
        ]
        weight = dict(zip(model.terms_, regression.effects(), strict=True))
        if weight.get(RAD_SCORE, 0.0) < 0:
            found.append(
                f"the cross-fitted Rad-score has a negative weight in the {the_model(name)}: it "
                "did not predict the outcome within the training data"
            )
    return found


def _designs(given: Mapping[str, ClinicalDesign]) -> dict[str, ClinicalDesign]:
    """Designs of the models whose columns no other model has as well."""
    designs = dict(given)
    if "combined" in designs:
        # Its columns are those of the other blocks, which tell of them.
        del designs["combined"]
    told: set[str] = set()
    kept = {}
    for name in sorted(designs, key=lambda name: name.startswith("baseline_")):
        if set(designs[name].columns) - told:
            kept[name] = designs[name]
        told |= set(designs[name].columns)
    return kept


def _replaced_values(
    designs: Mapping[str, ClinicalDesign], radiomic: Mapping[str, Signature]
) -> list[str]:
    found = []
    for name, design in designs.items():
        words = "clinical values" if name == "clinical" else f"values of {the_model(name)}"
        if design.n_missing_:
            each = ", ".join(f"'{column}' {n}" for column, n in design.missing_.items())
            found.append(
                f"{design.n_missing_} missing {words} of the training data were replaced by "
                f"medians or commonest levels ({each})"
            )
    if radiomic:
        steps = next(iter(radiomic.values())).filters_.named_steps
        missing = steps["imputation"].n_missing_
        if missing:
            found.append(
                f"{missing} missing feature values of the training data were replaced by medians"
            )
    return found


def _unseen_levels(designs: Mapping[str, ClinicalDesign], held_table: pd.DataFrame) -> list[str]:
    if not len(held_table):
        return []
    unseen = [level for design in designs.values() for level in design.unseen_levels(held_table)]
    if not unseen:
        return []
    return [
        "levels of the hold-out that the training data lack count as the reference: "
        + ", ".join(dict.fromkeys(unseen))
    ]
