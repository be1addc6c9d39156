"""Tables that an analysis of ordered classes has alone."""

from __future__ import annotations

import pandas as pd

from osteoflow.models.kinds.ordinal import OrdinalKind, called_class
from osteoflow.models.kinds.performance import Held
from osteoflow.models.out_of_fold import Array, CrossValidated
from osteoflow.models.performance import cross_validated_roc, holdout_roc
from osteoflow.statistics.kappa import confusion

CONFUSION_COLUMNS = ("model", "set", "repeat", "observed", "predicted", "n")


def confusion_table(
    kind: OrdinalKind, validated: CrossValidated, held: Held | None
) -> pd.DataFrame:
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
    kind: OrdinalKind, validated: CrossValidated, weights: Array, held: Held | None
) -> pd.DataFrame:
    """ROC curves of each class against all others, with the column ``class``.

    As those of binary outcomes: averaged over test folds, and as they are on the hold-out.
    """
    parts = []
    for place, name in enumerate(kind.classes):
        one = CrossValidated(
            (validated.outcome == place).astype(float),
            validated.fold,
            {m: p[:, :, [1 + place]] for m, p in validated.prediction.items()},
        )
        tables = [cross_validated_roc(one, weights)]
        if held is not None and 0 < (held[0] == place).sum() < len(held[0]):
            own = {model: p[:, 1 + place] for model, p in held[1].items()}
            tables.append(holdout_roc((held[0] == place).astype(float), own))
        parts += [table.assign(**{"class": name}) for table in tables]
    return pd.concat(parts, ignore_index=True)
