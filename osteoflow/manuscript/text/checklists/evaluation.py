"""Answers on how models were evaluated and compared, and on unstable and redundant features."""

from __future__ import annotations

from osteoflow.manuscript.text.checklists.answer import (
    FILLED,
    MODELS,
    STATISTICS,
    Answer,
    author,
    filled,
    partly,
)
from osteoflow.manuscript.text.checklists.models import (
    FOLDER,
    each,
    every_has,
    has_features,
    no_models,
    steps,
)
from osteoflow.manuscript.text.checklists.results import (
    PERFORMANCE,
    cross_table,
    filter_counts,
)
from osteoflow.manuscript.text.facts import AnalysisFacts, Facts
from osteoflow.manuscript.text.markup import plain
from osteoflow.manuscript.text.outcome_models import comparison_words, measure_name
from osteoflow.model_names import in_sentence
from osteoflow.wording import listing

_CALIBRATION = ("calibration_slope", "calibration_intercept")


def testing(facts: Facts) -> Answer:
    """Cross-validation and hold-out."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, _testing)
    return partly(told, MODELS) if _by_rule(facts) else filled(told, MODELS)


def _testing(item: AnalysisFacts) -> str:
    held = item.summary.get("n_holdout")
    inner = "cross-validation" if item.measures() else ""
    return listing([part for part in (inner, "a hold-out" if held else "") if part]) + ", internal"


def _by_rule(facts: Facts) -> bool:
    """Whether a hold-out is named by a rule, so that it may be of another place."""
    return any(
        str((item.summary.get("methods") or {}).get("holdout", "")).startswith("participants with")
        for item in facts.models
    )


def internal_test(facts: Facts) -> Answer:
    """A hold-out that no model has seen."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    if all(item.summary.get("n_holdout") for item in facts.models):
        return filled(each(facts, lambda item: f"{item.summary['n_holdout']} held out"), MODELS)
    return author(each(facts, _testing), MODELS)


def external_test(facts: Facts) -> Answer:
    """A rule may name another institution: that only the authors know."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    if not _by_rule(facts):
        return author()
    return author(each(facts, lambda item: plain(item.summary["methods"]["holdout"])), MODELS)


def measures(facts: Facts) -> Answer:
    """Discrimination, calibration, clinical utility."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    return partly(each(facts, _measures), PERFORMANCE)


def _measures(item: AnalysisFacts) -> str:
    names = dict.fromkeys(key.partition("@")[0] for key in item.measures())
    told = [measure_name(name) for name in names if name != "threshold"]
    return listing(told + ["decision curves"] * (item.rows("decision_curve") is not None))


def measures_confusion(facts: Facts) -> Answer:
    """Measures and the confusion matrix that METRICS asks for in classification."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, _measures)
    table = cross_table(facts)
    if table.status != FILLED:
        return partly(told, PERFORMANCE)
    return filled(f"{told}; hold-out: {table.fact}", PERFORMANCE)


def uncertainty(facts: Facts) -> Answer:
    """How limits were found."""
    missing = no_models(facts)
    if missing is not None:
        return filled("95 % confidence intervals", STATISTICS)
    told = each(facts, lambda item: steps(item, "intervals", "optimism"))
    if not told:
        return author()
    return filled(f"95 % limits of all measures; {told}", PERFORMANCE)


def calibration(facts: Facts) -> Answer:
    """Slope and intercept, and curves."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    has = all(
        any(key.partition("@")[0] in _CALIBRATION for key in item.measures())
        for item in facts.models
    )
    if not has:
        return author()
    return filled(
        "calibration slope and intercept with 95 % limits, and curves",
        f"{FOLDER.format('performance.tsv')}; {FOLDER.format('calibration.tsv')}",
    )


def model_comparison(facts: Facts) -> Answer:
    """Tests between models."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, lambda item: listing(comparison_words([item])))
    if not told:
        return author()
    return filled(told, f"{MODELS}; {FOLDER.format('comparisons.tsv')}")


def nonradiomic(facts: Facts) -> Answer:
    """Models without radiomics beside those with them, and their comparison."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    has = all(
        has_features(item) and _others(item) and item.rows("comparisons") is not None
        for item in facts.models
    )
    told = each(facts, lambda item: listing([plain(in_sentence(name)) for name in _others(item)]))
    if not told:
        return author()
    fact = f"models without radiomic features: {told}"
    place = FOLDER.format("comparisons.tsv")
    return (filled if has else partly)(fact, place)


def _others(item: AnalysisFacts) -> list[str]:
    names = [str(name) for name in item.summary.get("models", [])]
    return [name for name in names if not name.startswith(("radiomics", "combined"))]


def simple_model(facts: Facts) -> Answer:
    """A baseline of one variable, or several learners, where the study has them."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    simple = all(
        any(str(name).startswith("baseline") for name in item.summary.get("models", []))
        for item in facts.models
    )
    told = each(facts, lambda item: listing([plain(in_sentence(name)) for name in _others(item)]))
    if not told:
        return author()
    fact = f"compared with: {told}"
    return (filled if simple else partly)(fact, FOLDER.format("comparisons.tsv"))


def one_image(facts: Facts) -> Answer:
    """One image in each analysis."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    images = {item.name: str((item.summary.get("radiomics") or {}).get("image", ""))
              for item in facts.models}  # fmt: skip
    told = each(facts, lambda item: plain(images[item.name]) or "no image")
    several = any("," in text for text in images.values())
    return (partly if several else filled)(f"features of: {told}", MODELS)


def unstable_removed(facts: Facts) -> Answer:
    """The reliability filter, where it could be applied in the final fit."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, lambda item: filter_counts(item, "reliability"))
    if not told:
        return author()
    unused = any(
        "reliability" in str(text) and "not applied" in str(text)
        for item in facts.models
        for text in item.summary.get("warnings", [])
    )
    complete = every_has(facts, "reliability") and not unused
    if unused:
        told += "; not applied everywhere (see the warnings of summary.json)"
    return (filled if complete else partly)(told, f"{MODELS}; {FOLDER.format('filters.tsv')}")


def redundant_removed(facts: Facts) -> Answer:
    """Redundancy, mRMR, and what a sparse model leaves."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    wanted = ("variance", "univariate", "redundancy", "mrmr", "lasso", "elastic_net")
    told = each(facts, lambda item: filter_counts(item, *wanted))
    if not told:
        return author()
    answer = filled if every_has(facts, *wanted) else partly
    return answer(told, f"{MODELS}; {FOLDER.format('filters.tsv')}")
