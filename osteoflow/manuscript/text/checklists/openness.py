"""Answers on limitations, the final model, and what is shared."""

from __future__ import annotations

from osteoflow.manuscript.text.checklists.answer import (
    MODELS,
    SOFTWARE,
    Answer,
    author,
    filled,
    partly,
)
from osteoflow.manuscript.text.checklists.models import FOLDER, each, no_models
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import code, plain
from osteoflow.wording import listing


def limitations(facts: Facts) -> Answer:
    """Warnings of the analyses."""
    told = each(
        facts, lambda item: "; ".join(plain(text) for text in item.summary.get("warnings", []))
    )
    return partly(told, FOLDER.format("summary.json")) if told else author()


def specification(facts: Facts) -> Answer:
    """Coefficients and nomogram; a Rad-score needs the selection."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    return partly(
        each(
            facts,
            lambda item: listing(
                ["intercepts and coefficients of the regression models"]
                + ["the Rad-score as a formula"] * (item.rows("signature") is not None)
                + ["nomogram"] * item.nomogram
            ),
        ),
        f"{FOLDER.format('coefficients.tsv')}; {FOLDER.format('signature.tsv')}",
    )


def prediction_code(facts: Facts) -> Answer:
    """The program's own code, from the final models."""
    missing = no_models(facts)
    if missing is not None:
        return missing
    return filled(
        "the final models, fitted on all training rows, gave the hold-out's predictions once",
        f"{MODELS}; {FOLDER.format('predictions.tsv')}",
    )


def share_images(facts: Facts) -> Answer:
    """Where the files are."""
    return author("masks and maps lie in results/subjects", "results/subjects")


def share_features(facts: Facts) -> Answer:
    """Where the tables are."""
    return author(
        "tables without names, dates or identifiers of the headers lie in results/cohort",
        "results/cohort",
    )


def share_settings(facts: Facts) -> Answer:
    """Settings are two kinds of file."""
    return author("config/config.yaml and the recipes hold all settings", "config")


def share_code(facts: Facts) -> Answer:
    """The version and the state of the code."""
    version = facts.versions.get("OsteoFlow")
    if not version:
        return author()
    state = f", state of the code {code(facts.code)}" if facts.code else ""
    return author(f"OsteoFlow {plain(version)}{state}", SOFTWARE)


def share_model(facts: Facts) -> Answer:
    """Coefficients are the model."""
    return no_models(facts) or author(
        "tables of coefficients describe the regression models and the Rad-score",
        f"{FOLDER.format('coefficients.tsv')}; {FOLDER.format('signature.tsv')}",
    )


def share_system(facts: Facts) -> Answer:
    """A nomogram can be used by hand."""
    return no_models(facts) or author()
