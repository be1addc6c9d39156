"""Answers on pre-processing, extraction and reliability of radiomic features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from osteoflow.images import RADIOMICS as IMAGES
from osteoflow.manuscript.text import features as words
from osteoflow.manuscript.text.checklists.answer import (
    RADIOMICS,
    SOFTWARE,
    STATISTICS,
    Answer,
    filled,
    inapplicable,
    partly,
)
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import plain
from osteoflow.wording import count, listing

NO_FEATURES = inapplicable("the study has no radiomic features")
RECIPES = "recipe files (config/radiomics or the study's own)"
DICTIONARY = "results/cohort/features_dictionary.tsv"


def _each(facts: Facts, told: Callable[[Mapping[str, Any]], str]) -> str:
    """What holds for every image, each by its name."""
    return "; ".join(f"{IMAGES[name].label}: {told(facts.recipes[name])}" for name in facts.images)


def preprocessing(facts: Facts) -> Answer:
    """The IBSI scheme with all parameters."""
    if not facts.images:
        return NO_FEATURES
    return filled(_each(facts, _scheme), RADIOMICS)


def _scheme(recipe: Mapping[str, Any]) -> str:
    """All steps before the features, in their order."""
    first = [*words.normalisation(recipe), words.resampling(recipe)]
    return "; ".join([*first, *words.resegmentation(recipe), words.discretisation(recipe)])


def resampling(facts: Facts) -> Answer:
    """Voxel size and interpolation."""
    return filled(_each(facts, words.resampling), RADIOMICS) if facts.images else NO_FEATURES


def discretisation(facts: Facts) -> Answer:
    """Bins."""
    return filled(_each(facts, words.discretisation), RADIOMICS) if facts.images else NO_FEATURES


def image_types(facts: Facts) -> Answer:
    """Original and filtered images."""
    return filled(_each(facts, words.filters), RADIOMICS) if facts.images else NO_FEATURES


def extraction_software(facts: Facts) -> Answer:
    """Program, version and agreement with the standard."""
    if not facts.images:
        return NO_FEATURES
    version = facts.versions.get("OsteoFlow", "")
    reference = facts.versions.get("pyradiomics-bhklab", "")
    fact = (
        f"OsteoFlow {plain(version)}, features as defined by pyradiomics (pyradiomics-bhklab "
        f"{plain(reference)})"
    )
    if not facts.ibsi:
        return partly(fact, SOFTWARE)
    fact += f"; {plain(facts.ibsi)}"
    if facts.ibsi_deviations:
        return partly(f"{fact}; {count(len(facts.ibsi_deviations), 'feature')} deviated", RADIOMICS)
    return filled(fact, f"{RADIOMICS}; results/report/ibsi_compliance.json")


def feature_classes(facts: Facts) -> Answer:
    """Families by image."""
    if not facts.images:
        return NO_FEATURES
    return filled(_each(facts, lambda recipe: ", ".join(recipe["classes"])), DICTIONARY)


def feature_number(facts: Facts) -> Answer:
    """Per region and in all."""
    if not facts.images:
        return NO_FEATURES
    each = listing([f"{facts.n_features[name]} of {IMAGES[name].label}" for name in facts.images])
    total = sum(facts.n_features[name] for name in facts.images)
    return filled(f"{each}; {total} in all", f"{RADIOMICS}; results/cohort/features.tsv")


def extraction_defaults(facts: Facts) -> Answer:
    """Whatever is not listed is a default of the version."""
    if not facts.images:
        return NO_FEATURES
    return filled(
        "parameters that a recipe does not list have the defaults of this version, which its "
        "reference lists",
        RECIPES,
    )


def extraction_parameters(facts: Facts) -> Answer:
    """All of extraction together."""
    if not facts.images:
        return NO_FEATURES
    return filled(
        "classes, definitions and parameters of every feature, and the recipe as a YAML file",
        f"{DICTIONARY}; {RECIPES}",
    )


def reliability(facts: Facts) -> Answer:
    """Agreement of outlines and of features."""
    compared = facts.compared("reproducibility_features") or facts.compared("reproducibility")
    if not compared:
        return Answer("author")
    names = listing([name.replace("_", "-") for name in compared])
    return filled(
        f"intraclass correlations, limits of agreement and precision ({names})",
        f"{STATISTICS}; results/statistics/reproducibility_features.tsv",
    )


def has_handcrafted(facts: Facts) -> Answer:
    """Condition of METRICS."""
    return filled("yes" if facts.images else "no", RADIOMICS)


def has_tabular(facts: Facts) -> Answer:
    """Condition of METRICS."""
    return filled("yes" if facts.images else "no", "results/cohort/features.tsv")


def has_deep(facts: Facts) -> Answer:
    """Condition of METRICS: the program has no such models."""
    return filled("no", RADIOMICS)


def deep_robustness(facts: Facts) -> Answer:
    """Never applies."""
    return inapplicable("no end-to-end deep learning")
