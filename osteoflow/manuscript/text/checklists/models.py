"""Answers on how models were made: data, predictors, steps, validation design."""

from __future__ import annotations

from collections.abc import Callable

from osteoflow.manuscript.text.checklists.answer import (
    MODELS,
    Answer,
    author,
    filled,
    inapplicable,
    partly,
)
from osteoflow.manuscript.text.facts import AnalysisFacts, Facts
from osteoflow.manuscript.text.markup import code, plain
from osteoflow.manuscript.text.steps import PIPELINE, has_step, step_of
from osteoflow.model_names import in_sentence
from osteoflow.wording import count, listing

FOLDER = "results/models/<analysis>/{}"
LEARNERS = (
    *("lasso", "elastic_net", "svm", "random_forest", "gradient_boosting"),
    *("radiomics_logistic", "logistic", "ordinal", "linear", "cox"),
)
_FILTERS = ("reliability", "variance", "univariate", "redundancy", "mrmr", *LEARNERS[:2])


def no_models(facts: Facts) -> Answer | None:
    """Why questions on models do not apply; None where models were fitted."""
    if facts.models:
        return None
    if facts.analyses:
        return inapplicable("no declared analysis was possible; methods.md says why")
    return inapplicable("no prediction model was fitted")


def has_features(item: AnalysisFacts) -> bool:
    """Whether an analysis models radiomic features."""
    return bool(item.summary.get("radiomics"))


def each(facts: Facts, words: Callable[[AnalysisFacts], str]) -> str:
    """What each analysis says, by its name; once where all say the same."""
    found = {item.name: words(item) for item in facts.models}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return "; ".join(f"{code(name)}: {text}" for name, text in found.items() if text)


def steps(item: AnalysisFacts, *wanted: str) -> str:
    """Steps of an analysis among those wanted, in its order, in words."""
    methods = item.summary.get("methods") or {}
    return "; ".join(
        f"{step_of(name).name}: {plain(words)}"
        for name, words in methods.items()
        if has_step([name], *wanted) and words != "none"
    )


def every_has(facts: Facts, *wanted: str) -> bool:
    """Whether every analysis has one of the steps."""
    return all(has_step(item.summary.get("methods") or {}, *wanted) for item in facts.models)


def _steps_answer(facts: Facts, *wanted: str) -> Answer:
    """Filled where every analysis has such steps, else what there is, or the authors'."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    fact = each(facts, lambda item: steps(item, *wanted))
    if not fact:
        return author()
    return filled(fact, MODELS) if every_has(facts, *wanted) else partly(fact, MODELS)


def sample_size(facts: Facts) -> Answer:
    """A calculation if there is one, else events per candidate parameter."""
    if facts.models and every_has(facts, "sample_size"):
        return partly(each(facts, lambda item: steps(item, "sample_size")), MODELS)
    if not facts.models:
        return author(f"{count(facts.n_people, 'participant')}", "methods.md")
    told = each(facts, lambda item: "; ".join(_ratios(item)) or _entered(item))
    return partly(told, f"{MODELS}; {FOLDER.format('summary.json')} (warnings)")


def _ratios(item: AnalysisFacts) -> list[str]:
    """Warnings on events per candidate parameter."""
    return [plain(text) for text in item.summary.get("warnings", []) if "candidate param" in text]


def _entered(item: AnalysisFacts) -> str:
    about = item.summary
    events = about.get("n_events")
    with_event = f", {events} with the event" if events is not None else ""
    return f"{count(int(about['n']), 'row')}{with_event}"


def dimension(facts: Facts) -> Answer:
    """Events against candidate parameters: fitting only where no warning stands."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    short = any(_ratios(item) for item in facts.models)
    told = each(facts, lambda item: "; ".join(_ratios(item)) or f"{_entered(item)}, no warning")
    return (partly if short else filled)(told, FOLDER.format("summary.json"))


def predictors(facts: Facts) -> Answer:
    """Columns of the clinical model."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, lambda item: listing([facts.label(name) for name in _columns(item)]))
    return partly(told, MODELS) if told else author()


def _columns(item: AnalysisFacts) -> list[str]:
    about = item.summary
    keys = ("clinical", "measurements", "baselines")
    return list(dict.fromkeys(name for key in keys for name in about.get(key) or []))


def candidates(facts: Facts) -> Answer:
    """All candidate predictors, and that none was chosen beforehand by the outcome."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, lambda item: _candidates(facts, item))
    return partly(f"{told}; no predictor was selected outside the training data", MODELS)


def _candidates(facts: Facts, item: AnalysisFacts) -> str:
    n = (item.summary.get("radiomics") or {}).get("n_features")
    parts = [facts.label(name) for name in _columns(item)]
    return listing(parts + ([f"{n} radiomic features"] if n else []))


def outcome(facts: Facts) -> Answer:
    """Label and rule of each outcome; how it was assessed only the authors know."""
    missing = no_models(facts)
    if missing is not None:
        return author()
    told = "; ".join(
        f"{code(item.name)}: {plain(item.summary.get('outcome_label', ''))}, "
        f"{code(item.summary.get('outcome', ''))}"
        + (" (incorporation bias: the predictors' scan defines it)"
           if item.summary.get("incorporation_bias") else "")
        for item in facts.models
    )  # fmt: skip
    return partly(told, MODELS)


def outcome_cutoff(facts: Facts) -> Answer:
    """The rule of the outcome."""
    return outcome(facts)


def data_split(facts: Facts) -> Answer:
    """Hold-out and cross-validation."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, lambda item: "; ".join(filter(None, [_parts(item), _validation(item)])))
    return filled(told, MODELS)


def _parts(item: AnalysisFacts) -> str:
    about = item.summary
    held = int(about.get("n_holdout") or 0)
    if not held:
        return f"{about['n']} rows, no hold-out"
    how = plain((about.get("methods") or {}).get("holdout", ""))
    return f"{int(about['n']) - held} rows to train, {held} held out ({how})"


def _validation(item: AnalysisFacts) -> str:
    return steps(item, "cross_validation")


def partition(facts: Facts) -> Answer:
    """Proper partition: split first, by participant, and a part that nothing has seen."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = data_split(facts).fact.rstrip(".")
    fact = f"{told}; the split comes first, by participant, from a fixed seed ({facts.seed})"
    all_held = all(item.summary.get("n_holdout") for item in facts.models)
    return (filled if all_held else partly)(fact, MODELS)


def split_differences(facts: Facts) -> Answer:
    """A rule may make parts that differ; a random hold-out does not."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    return partly(each(facts, _parts), MODELS)


def missing_data(facts: Facts) -> Answer:
    """Imputation, and rows that were left out."""
    missing = no_models(facts)
    if missing is not None:
        return partly(
            "rows with missing values are left out test by test, and their number is reported",
            "methods.md, Statistics; results/statistics",
        )
    told = each(facts, lambda item: steps(item, "imputation"))
    left = each(facts, lambda item: _left_out(item))
    fact = "; ".join(part for part in (told, left) if part)
    place = f"{MODELS}; {FOLDER.format('summary.json')} (excluded)"
    return partly(fact, place) if fact else author()


def _left_out(item: AnalysisFacts) -> str:
    return f"{count(len(item.summary.get('excluded') or []), 'participant')} left out, with reasons"


def class_imbalance(facts: Facts) -> Answer:
    """How many events there are, and that nothing balances them."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    if _balanced(facts):
        return partly(each(facts, lambda item: steps(item, *_BALANCING)), MODELS)
    told = each(facts, _entered)
    return filled(f"{told}; classes were neither resampled nor weighted", MODELS)


_BALANCING = ("balancing", "class_weight", "oversampling", "undersampling", "smote")


def _balanced(facts: Facts) -> bool:
    return any(has_step(item.summary.get("methods") or {}, *_BALANCING) for item in facts.models)


def no_balancing(facts: Facts) -> Answer:
    """TRIPOD+AI asks for it only where it was used."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    if _balanced(facts):
        return partly(each(facts, lambda item: steps(item, *_BALANCING)), MODELS)
    return inapplicable("classes were neither resampled nor weighted")


def no_updating(facts: Facts) -> Answer:
    """Models are fitted once."""
    return no_models(facts) or inapplicable("no model was updated")


def scaling(facts: Facts) -> Answer:
    """Scaling, and how categories enter."""
    return _steps_answer(facts, "scaling", "combat", "harmonisation")


def reduction(facts: Facts) -> Answer:
    """Filters and selection with their numbers."""
    answer = _steps_answer(facts, *_FILTERS)
    return answer if answer.status != "filled" else filled(
        answer.fact, f"{MODELS}; {FOLDER.format('filters.tsv')}"
    )  # fmt: skip


def algorithm(facts: Facts) -> Answer:
    """What was fitted; why is the authors' to say."""
    answer = _steps_answer(facts, *LEARNERS, "rad_score")
    return partly(answer.fact, MODELS) if answer.status == "filled" else answer


def tuning(facts: Facts) -> Answer:
    """Inner folds choose penalties within the training part."""
    return _steps_answer(facts, *LEARNERS, "cross_validation")


def model_building(facts: Facts) -> Answer:
    """All steps in order with validation; the rationale is the authors'."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(
        facts,
        lambda item: (
            listing(
                [
                    step_of(name).name
                    for name in item.summary.get("methods") or {}
                    if step_of(name).part == PIPELINE
                ]
            )
            + f"; {_validation(item)}"
        ),
    )
    return partly(told, MODELS)


def model_selection(facts: Facts) -> Answer:
    """Models are declared beforehand, all are reported."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(
        facts,
        lambda item: listing(
            [plain(in_sentence(str(name))) for name in item.summary.get("models", [])]
        ),
    )
    return filled(f"all models of the settings are reported, none was selected ({told})", MODELS)


def confounders(facts: Facts) -> Answer:
    """Volume of the region, harmonisation by site."""
    parts = []
    if facts.table("feature_volume") is not None:
        parts.append("correlation of every feature with its region's volume")
    if facts.models:
        parts += [text for text in [each(facts, lambda i: steps(i, "combat", "harmonisation"))]
                  if text]  # fmt: skip
    if any(row for row in _covariates(facts)):
        parts.append("partial correlations given declared covariates")
    if not parts:
        return author()
    return partly("; ".join(parts), f"{MODELS}; results/statistics/feature_volume.tsv")


def _covariates(facts: Facts) -> list[str]:
    table = facts.table("correlations")
    return [] if table is None else [str(text) for text in table["covariates"].dropna()]


def clusters(facts: Facts) -> Answer:
    """Nothing measures performance by centre."""
    return no_models(facts) or author()


def output(facts: Facts) -> Answer:
    """Probabilities and the cut-off."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    told = each(facts, lambda item: steps(item, "threshold"))
    fact = "predictions are given for every participant" + (f"; {told}" if told else "")
    return partly(fact, f"{MODELS}; {FOLDER.format('predictions.tsv')}")
