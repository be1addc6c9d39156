"""Outcome models: each analysis with its data, pipeline and evaluation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from osteoflow import wording
from osteoflow.images import RADIOMICS
from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import AnalysisFacts, Facts
from osteoflow.manuscript.text.markup import code, paragraph, plain, said
from osteoflow.manuscript.text.shared import by_audience, merged_steps
from osteoflow.manuscript.text.steps import DATA, EVALUATION, PIPELINE, told, told_steps
from osteoflow.model_names import in_sentence
from osteoflow.wording import MEASURES, count, listing

# What is said of outcomes that are no events.
_KINDS = {"ordinal": "ordinal ", "continuous": "continuous ", "survival": "time-to-event "}
_SETS = {"cv": "cross-validation", "holdout": "the hold-out"}
# Measures in sentences, beyond those of the report; unknown ones keep their own names.
_NAMES = {
    **{name: words.removesuffix(" (%)") for name, words in MEASURES.items()},
    "c_index": "concordance index",
    "r2": "R²",
    "rmse": "root mean square error",
    "mae": "mean absolute error",
    "kappa": "weighted kappa",
    "nri": "category-free net reclassification improvement",
    "idi": "integrated discrimination improvement",
}
_MEASURE_SOURCES = {"brier": ("brier1950",), "calibration_slope": ("cox1958", "vancalster2019")}
# Measures that keep their capital within a sentence.
_PROPER = ("AUC", "R²", "Brier", "Pearson", "Spearman")
# Rows of the performance table that measure nothing.
_NO_MEASURES = ("threshold",)
# What a comparison's or an interval's method names -> what is cited.
_METHOD_SOURCES = {"DeLong": ("delong1988", "sun2014"), "Wilson": ("wilson1927",),
                   "Obuchowski": ("obuchowski1997",)}  # fmt: skip


def models(facts: Facts) -> list[str]:
    """Paragraphs of the section; none without analyses."""
    if not facts.analyses:
        return []
    texts = [_analysis(facts, item) for item in facts.models]
    texts += _pipelines(facts.models)
    texts.append(paragraph(_impossible(facts)))
    return [text for text in texts if text]


def _analysis(facts: Facts, item: AnalysisFacts) -> str:
    """What is predicted from what, in whom."""
    about = item.summary
    sentences = [
        f"analysis {code(item.name)}: the {_KINDS.get(str(about.get('kind')), '')}outcome was "
        f"{plain(about.get('outcome_label', ''))}, defined by {code(about.get('outcome', ''))}",
        _numbers(about),
        _predictors(facts, about),
    ]
    sentences.append(_left_out(about.get("excluded") or []))
    if about.get("incorporation_bias"):
        sentences.append(
            "predictors come from the scan that defines the outcome (incorporation bias): the "
            "performance does not tell how an independent test would do"
        )
    return paragraph(sentences)


def _numbers(about: Mapping[str, Any]) -> str:
    """Participants, events and the hold-out, of whatever kind the outcome is."""
    n = int(about.get("n_participants", about["n"]))
    more = []
    if int(about["n"]) != n:
        more.append(count(int(about["n"]), "row"))
    if about.get("n_events") is not None:
        more.append(f"{about['n_events']} with the event")
    text = count(n, "participant") + (f" ({'; '.join(more)})" if more else "")
    text += f" entered the analysis{_held_out(about)}"
    return text


def _held_out(about: Mapping[str, Any]) -> str:
    held = about.get("n_holdout")
    if not held:
        return ", none of whom was held out"
    told_how = []
    if about.get("n_events_holdout") is not None:
        told_how.append(f"{about['n_events_holdout']} with the event")
    how = (about.get("methods") or {}).get("holdout", "")
    if how and how != "none":
        told_how.append(plain(how))
    detail = f" ({'; '.join(told_how)})" if told_how else ""
    rows = about["n"] != about.get("n_participants", about["n"])
    whom = f"{held} rows" if rows else f"{held} of them"
    return f"; {whom}{detail} were held out and met the final models once"


def _left_out(excluded: Sequence[Mapping[str, Any]]) -> str:
    """Who is not part of an analysis, and why."""
    if not excluded:
        return ""
    reasons = Counter(str(row.get("reason", "")) for row in excluded)
    told_reasons = "; ".join(f"{plain(reason)}, n = {n}" for reason, n in reasons.items() if reason)
    n = len(excluded)
    text = f"{count(n, 'participant')} {'was' if n == 1 else 'were'} left out of it"
    return text + (f" ({told_reasons})" if told_reasons else "")


def _predictors(facts: Facts, about: Mapping[str, Any]) -> str:
    """Models and what each predicts from."""
    parts = []
    for key, words in (("clinical", "clinical predictors"), ("measurements", "measurements")):
        if about.get(key):
            parts.append(f"{words} ({listing([facts.label(name) for name in about[key]])})")
    radiomics = about.get("radiomics") or {}
    if radiomics.get("n_features"):
        images = [part.strip() for part in str(radiomics.get("image", "")).split(",")]
        names = listing([RADIOMICS[name].label if name in RADIOMICS else plain(name)
                         for name in images])  # fmt: skip
        parts.append(f"{radiomics['n_features']} radiomic features of {names}{_region(radiomics)}")
    if about.get("baselines"):
        labels = listing([facts.label(name) for name in about["baselines"]])
        parts.append(f"each of {labels} alone, for comparison")
    if not parts:
        return ""
    names = [plain(in_sentence(str(name))) for name in about.get("models", [])]
    told_models = f"; models: {listing(names)}" if names else ""
    return f"candidate predictors were {listing(parts)}{told_models}"


def _region(radiomics: Mapping[str, Any]) -> str:
    """`` of the trabecular volumes of L1-L4``."""
    regions = [part.strip() for part in str(radiomics.get("roi", "")).split(",") if part.strip()]
    ending = "_trabecular"
    words = [
        f"the trabecular volume of {plain(name.removesuffix(ending))}"
        if name.endswith(ending)
        else plain(name)
        for name in regions
    ]
    return f" in {listing(words)}" if words else ""


def _pipelines(analyses: Sequence[AnalysisFacts]) -> list[str]:
    """Data, pipeline and evaluation: once where analyses share them."""
    methods = {item.name: _methods(item) for item in analyses}
    texts = _paragraphs({name: told(own, DATA) for name, own in methods.items()})
    steps = {name: told_steps(own, PIPELINE) for name, own in methods.items()}
    steps = {name: own for name, own in steps.items() if own}
    merged = merged_steps(steps)
    if merged is None:
        texts += [
            _ordered(f"for {code(name)}, ", [f"{step}: {words}" for step, words in own])
            for name, own in steps.items()
        ]
    elif merged:
        texts.append(_ordered("", merged))
    return texts + _paragraphs({item.name: _evaluation(item) for item in analyses})


def _ordered(whose: str, steps: Sequence[str]) -> str:
    numbered = "\n".join(f"{place}. {said(step)}" for place, step in enumerate(steps, start=1))
    head = said(f"{whose}the steps were fitted in training data alone, in this order")
    return f"{head.rstrip('.')}:\n\n{numbered}"


def _paragraphs(told_of: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        paragraph([whose + sentences[0], *sentences[1:]])
        for whose, sentences in by_audience(told_of)
    ]


def _methods(item: AnalysisFacts) -> dict[str, str]:
    """Steps of an analysis but the hold-out, which is told with its numbers, and baselines, which
    are told with the predictors where there are any.
    """
    told_already = {"holdout", "baselines"} if item.summary.get("baselines") else {"holdout"}
    steps = item.summary.get("methods") or {}
    return {name: words for name, words in steps.items() if name not in told_already}


def _evaluation(item: AnalysisFacts) -> list[str]:
    methods = _methods(item)
    sentences = [
        *told(methods, EVALUATION),
        *_measures(item),
        *_curves(item, methods),
        *_tests(item),
    ]
    if "seed" in item.summary:
        sentences.append(
            f"splits, resamples and folds follow from the seed {int(item.summary['seed'])}"
        )
    return sentences


def _measures(item: AnalysisFacts) -> list[str]:
    """Performance measures of each set with how their limits were found."""
    found: dict[str, dict[str, list[str]]] = {}
    for key, method in item.measures().items():
        measure, _, part = key.partition("@")
        if measure in _NO_MEASURES:
            continue
        by_method = found.setdefault(part, {})
        names = by_method.setdefault(_without_counts(method), [])
        if measure not in names:
            names.append(measure)
    sentences = []
    for part, by_method in found.items():
        told_measures = [
            f"{listing([measure_name(name) for name in names])}{_how(method)}"
            for method, names in by_method.items()
        ]
        where = _SETS.get(part, part.replace("_", " "))
        sentences.append(f"performance in {where} was described by {'; '.join(told_measures)}")
    return sentences


def _curves(item: AnalysisFacts, methods: Mapping[str, str]) -> list[str]:
    """Plots beside the measures, where no step of the summary tells of them."""
    found = []
    if item.rows("calibration") is not None:
        found.append("calibration was drawn as curves of observed against predicted")
    has_curves = item.rows("decision_curve") is not None
    if has_curves and "decision_curve" not in methods:
        found.append(
            "net benefit was drawn as decision curves beside acting on all and on none"
            f"{cite('vickers2006')}"
        )
    if item.nomogram and "nomogram" not in methods:
        combined = "combined" in item.summary.get("models", [])
        model = "the combined model" if combined else "the richest logistic model"
        found.append(f"{model} was drawn as a nomogram{cite('harrell2015')}")
    return found


def measure_name(name: str) -> str:
    """A measure as a sentence names it, with its source."""
    words = _NAMES.get(name) or wording.measure_name(name)
    if not words.startswith(_PROPER):
        words = words[0].lower() + words[1:]
    return plain(words) + cite(*_MEASURE_SOURCES.get(name, ()))


def _without_counts(method: str) -> str:
    """A method without the repeats and resamples that were defined, which belong to the results."""
    return re.sub(r" \([^()]*(?:repeats|resamples) defined[^()]*\)", "", method)


def _how(method: str) -> str:
    keys = [key for word, keys in _METHOD_SOURCES.items() if word in method for key in keys]
    return f" ({plain(method)}{cite(*keys)})" if method else ""


def _tests(item: AnalysisFacts) -> list[str]:
    found = comparison_words([item])
    return [f"models were compared by {listing(found)}"] if found else []


def comparison_words(group: Sequence[AnalysisFacts]) -> list[str]:
    """How models were compared, with sources."""
    tests: dict[str, None] = {}
    for item in group:
        table = item.rows("comparisons")
        if table is not None and "test" in table:
            tests.update(dict.fromkeys(table["test"].dropna().astype(str)))
    found = []
    for test in tests:
        keys = [key for word, keys in _METHOD_SOURCES.items() if word in test for key in keys]
        words = plain(test.removeprefix("none: "))
        if test.startswith("none: "):
            # The reason, where there is one, stands in brackets at the end.
            how, bracket, reason = words.removesuffix(")").rpartition(" (")
            has_reason = bool(bracket) and words.endswith(")")
            words = (
                f"{how} (without a test: {reason})" if has_reason else f"{words} (without a test)"
            )
        found.append(words + cite(*keys))
    return found


def _impossible(facts: Facts) -> list[str]:
    return [
        f"analysis {code(item.name)} was not possible: {plain(item.summary['not_possible'])}"
        for item in facts.analyses
        if not item.possible
    ]
