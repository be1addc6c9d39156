"""Tables of an analysis of ordered classes or of a quantity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from osteoflow.models.dataset import Dataset
from osteoflow.models.kinds.base import Array, Indices, OutcomeKind
from osteoflow.models.kinds.fitting import Validated
from osteoflow.models.kinds.ordinal import OrdinalKind, called_class
from osteoflow.models.kinds.performance import Held
from osteoflow.models.kinds.signature import ColumnsModel, KindSignature
from osteoflow.models.performance import CrossValidated, cross_validated_roc, holdout_roc
from osteoflow.models.signature import signature_table
from osteoflow.statistics.kappa import confusion

CONFUSION_COLUMNS = ("model", "set", "repeat", "observed", "predicted", "n")


def predictions(
    kind: OutcomeKind,
    data: Dataset,
    parts: tuple[Indices, Indices],
    validated: Validated,
    held: Held | None,
) -> pd.DataFrame:
    """Every prediction on rows that its model has not seen.

    Columns ``participant_id``, ``set``, ``model``, ``repeat``, ``fold``, ``outcome`` (of ordered
    classes the place, counted from 0), with classes ``observed`` and ``predicted`` (their names),
    and those of the kind.
    """
    train, test = parts
    found = []
    for model, prediction in validated.prediction.items():
        for repeat, values in enumerate(prediction):
            about = {
                "participant_id": data.groups[train], "set": "cv", "model": model,
                "repeat": repeat + 1, "fold": validated.fold[repeat] + 1,
            }  # fmt: skip
            found.append(_predicted(kind, about, validated.outcome, values))
        if held is not None:
            about = {
                "participant_id": data.groups[test], "set": "holdout", "model": model,
                "repeat": 0, "fold": 0,
            }  # fmt: skip
            found.append(_predicted(kind, about, held[0], held[1][model]))
    return pd.concat(found, ignore_index=True)


def _predicted(
    kind: OutcomeKind, about: dict[str, object], outcome: Array, prediction: Array
) -> pd.DataFrame:
    table = pd.DataFrame(about | {"outcome": outcome})
    if isinstance(kind, OrdinalKind):
        names = np.array(kind.classes, dtype=object)
        table["outcome"] = outcome.astype(int)
        table["observed"] = names[outcome.astype(int)]
        table["predicted"] = names[called_class(prediction).astype(int)]
    for place, name in enumerate(kind.prediction_columns):
        table[name] = prediction[:, place]
    return table


def confusion_table(kind: OrdinalKind, validated: Validated, held: Held | None) -> pd.DataFrame:
    """Observed against predicted classes of every model, for each repeat and the hold-out."""
    parts = []
    for model, prediction in validated.prediction.items():
        sets = [
            ("cv", number, validated.outcome, values) for number, values in enumerate(prediction, 1)
        ]
        if held is not None:
            sets.append(("holdout", 0, held[0], held[1][model]))
        for name, repeat, outcome, values in sets:
            counts = confusion(outcome, called_class(values), kind.k)
            parts += [
                (model, name, repeat, kind.classes[i], kind.classes[j], int(counts[i, j]))
                for i in range(kind.k)
                for j in range(kind.k)
            ]
    return pd.DataFrame(parts, columns=list(CONFUSION_COLUMNS))


def class_roc(
    kind: OrdinalKind, validated: Validated, weights: Array, held: Held | None
) -> pd.DataFrame:
    """ROC curves of each class against all others, with the column ``class``.

    As those of binary outcomes: averaged over test folds, and as they are on the hold-out.
    """
    parts = []
    for place, name in enumerate(kind.classes):
        one = CrossValidated(
            (validated.outcome == place).astype(float),
            validated.fold,
            {m: p[:, :, 1 + place] for m, p in validated.prediction.items()},
            {},
        )
        tables = [cross_validated_roc(one, weights)]
        if held is not None and 0 < (held[0] == place).sum() < len(held[0]):
            own = {model: p[:, 1 + place] for model, p in held[1].items()}
            tables.append(holdout_roc((held[0] == place).astype(float), own))
        parts += [table.assign(**{"class": name}) for table in tables]
    return pd.concat(parts, ignore_index=True)


def coefficients(models: Mapping[str, ColumnsModel]) -> pd.DataFrame:
    """Coefficients of the regressions with their intervals."""
    rows = [
        {"model": name, **row}
        for name, model in models.items()
        for row in model.regression_.rows(model.terms_)
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["model", "term", "coefficient"])


def signature(model: KindSignature | None, kind: OutcomeKind) -> pd.DataFrame:
    """The Rad-score as a formula; of ordered classes with the thresholds it is compared with."""
    table = signature_table(model)
    if model is None or not isinstance(kind, OrdinalKind):
        return table
    bounds = model.learner_.path_.thresholds[model.learner_.chosen_]
    names = zip(kind.classes, kind.classes[1:], strict=False)
    extra = pd.DataFrame(
        {
            "term": [f"threshold {a} | {b}" for a, b in names],
            "coefficient": bounds,
            "mean": np.nan,
            "sd": np.nan,
        }
    )
    return pd.concat([table, extra], ignore_index=True)
