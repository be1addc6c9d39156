"""Radiomic features that the final model and the folds select."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from osteoflow.figures.model_tables import first_model, penalised
from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Row, nothing
from osteoflow.manuscript.words.cells import (
    image_name,
    model_title,
    reason_of,
    size_words,
    text_of,
    value_cell,
)
from osteoflow.model_names import LEARNERS
from osteoflow.wording import REGRESSIONS, count, feature_name, listing, region_name, sentence

# Steps of the analysis that the notes tell in its own words.
_METHODS = ("reliability", "univariate", "redundancy", "mrmr", "lasso", "elastic_net")

_NO_FEATURES = "The analysis has no radiomic features."
_WITHOUT = "The learner has no coefficients."


def selected_features(inputs: Inputs) -> ManuscriptTable:
    """Coefficient, frequency of selection and reliability; the final model's features first."""
    table, summary = first_model(inputs.table("selection")), inputs.document("summary")
    # Trees, support vectors and the like have no coefficients.
    linear = bool(len(table)) and bool(table["coefficient"].notna().any())
    table = table.assign(coefficient=table["coefficient"].fillna(0.0)) if len(table) else table
    title, label = "Selected radiomic features", inputs.study.label
    reason = reason_of(summary)
    used = table if table.empty else table[(table["frequency"] > 0) | (table["coefficient"] != 0)]
    if reason or used.empty:
        named = model_title(title, summary, label)
        none = "No feature was ever selected." if summary.get("radiomics") else _NO_FEATURES
        return nothing(inputs.name, named, reason or none)
    sections = {"Left to the model by the filters": used}
    if linear:
        sections = {
            "In the final model": used[used["coefficient"] != 0],
            "In outer folds only": used[used["coefficient"] == 0],
        }
    rows, left = [], inputs.study.top_features
    rest = []
    for name, part in sections.items():
        shown = _ordered(part).head(left)
        left -= len(shown)
        if len(shown):
            rows.append(Row((f"{name} ({count(len(part), 'feature')})",), section=True))
            rows += [_row(line, linear) for line in shown.to_dict("records")]
        if len(part) > len(shown):
            rest.append(f"{len(part) - len(shown)} more {name[0].lower()}{name[1:]}")
    columns = (
        *(Column("Feature", "left"), *[Column("Coefficient")] * linear),
        Column("Selected in folds (%)"),
        *(Column("ICC"), Column("Lower 95 % limit", over="")),
    )
    scale = "per standard deviation of the training data"
    about = f"Coefficients of the {_regression(summary)} {scale}." if linear else _WITHOUT
    notes = [
        f"{about} Selected: share of the outer training parts of the cross-validation. ICC: of a "
        "single reading in the training data, with the lower limit by the F distribution.",
        *_steps(inputs.table("filters")),
    ]
    if rest:
        notes.append(f"Not shown: {listing(rest)} (selection.tsv).")
    never = len(table) - len(used)
    if never:
        notes.append(f"Never selected: {never} of {len(table)} features.")
    methods = summary.get("methods", {})
    notes += [sentence(str(methods[key])) for key in _METHODS if key in methods]
    n = size_words(summary["n"], summary.get("n_events"))
    held = f", {summary['n_holdout']} of them held out" if summary.get("n_holdout") else ""
    radiomics = summary.get("radiomics") or {}
    image, roi = (str(radiomics.get(key, "")) for key in ("image", "roi"))
    source = f"{image_name(image)}, {region_name(roi)}" if image else ""
    title = model_title(title, summary, label, source, f"{n}{held}")
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), tuple(notes))


def _ordered(part: pd.DataFrame) -> pd.DataFrame:
    """The largest coefficient first, then the feature selected most often, then by name."""
    return part.assign(size=part["coefficient"].abs()).sort_values(
        ["size", "frequency", "feature"], ascending=[False, False, True], kind="stable"
    )


def _regression(summary: Mapping[str, Any]) -> str:
    """Whose coefficients these are."""
    name = penalised(dict(summary))
    kind = REGRESSIONS[str(summary.get("kind", "binary"))]
    return kind if name == "logistic" else f"penalised {kind} ({name})"


def _row(line: dict, linear: bool) -> Row:
    coefficient = value_cell("standardised", line["coefficient"]) if line["coefficient"] else "0"
    cells = (
        feature_name(line["feature"]),
        *[coefficient] * linear,
        value_cell("frequency", line["frequency"]),
        value_cell("icc", line["icc"]),
        value_cell("icc", line["icc_low"]),
    )
    return Row(cells, indent=1)


def _steps(filters: pd.DataFrame) -> list[str]:
    """How many features each step left to the first learner, in a sentence."""
    if filters.empty:
        return []
    # Rows behind it are those of further learners of the same features.
    learners = filters["step"].isin(LEARNERS)
    filters = filters[learners.cumsum().where(learners, 0) <= 1]
    steps = [
        f"{text_of(line['n_out'])} after {str(line['step']).replace('_', ' ')}"
        for line in filters.to_dict("records")
    ]
    first = text_of(filters["n_in"].iloc[0])
    return [f"Features of all training participants: {first}; {'; '.join(steps)}."]
