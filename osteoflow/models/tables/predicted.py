"""Tables of predictions: the predictions themselves, calibration and decision curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from osteoflow.models.calibration import calibration_curve, calibration_points
from osteoflow.models.dataset import Dataset
from osteoflow.models.decision import THRESHOLDS, at_prevalence, net_benefit, treat_all
from osteoflow.models.kinds.base import OutcomeKind
from osteoflow.models.out_of_fold import Array, CrossValidated, Indices, with_whole
from osteoflow.models.repeated_calibration import (
    recalibration_lines,
    repeated_curve,
    repeated_points,
)

_KEYS = ("model", "set", "curve")
Holdout = tuple[Array, dict[str, Array]] | None


def predictions(
    kind: OutcomeKind,
    data: Dataset,
    parts: tuple[Indices, Indices],
    validated: CrossValidated,
    held: Mapping[str, Array],
) -> pd.DataFrame:
    """Every prediction on rows that its model has not seen.

    Parameters
    ----------
    kind, data
        Kind of the outcome, and all rows.
    parts
        Positions of the training rows and of the hold-out.
    validated
        Out-of-fold predictions of the training rows.
    held
        Model -> predictions of the hold-out, shape (n, columns of the kind); empty without one.

    Returns
    -------
    pandas.DataFrame
        ``participant_id``, ``set``, ``model``, ``repeat``, ``fold``, and the cells of the kind
        (:meth:`osteoflow.models.kinds.base.OutcomeKind.cells`).
    """
    train, test = parts
    found = []
    for model, repeats in validated.prediction.items():
        for number, values in enumerate(repeats, 1):
            about = {
                "participant_id": data.groups[train], "set": "cv", "model": model,
                "repeat": number, "fold": validated.fold[number - 1] + 1,
            }  # fmt: skip
            found.append(pd.DataFrame(about | kind.cells(validated.outcome, values)))
        if model in held:
            about = {
                "participant_id": data.groups[test], "set": "holdout", "model": model,
                "repeat": 0, "fold": 0,
            }  # fmt: skip
            found.append(pd.DataFrame(about | kind.cells(data.outcome[test], held[model])))
    return pd.concat(found, ignore_index=True)


def calibration(validated: CrossValidated, held: Holdout, weights: Array) -> pd.DataFrame:
    """Calibration points and curves; in cross-validation those of the repeats, averaged.

    Parameters
    ----------
    validated, held
        Predictions of the training rows and of the hold-out.
    weights
        Resamples of the training rows, shape (B, n), for the band of the cross-validated curve.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``set``, ``curve`` (``points``, ``smooth``) and the columns of
        :func:`osteoflow.models.calibration.calibration_points`.
    """
    stacked = with_whole(weights)
    found = []
    for model, p in validated.probability.items():
        lines = recalibration_lines(validated.outcome, p, stacked)
        found.append((model, "cv", "points", repeated_points(validated.outcome, p)))
        found.append((model, "cv", "smooth", repeated_curve(lines, p)))
    if held is not None:
        for model, p in held[1].items():
            found.append((model, "holdout", "points", calibration_points(held[0], p)))
            found.append((model, "holdout", "smooth", calibration_curve(held[0], p)))
    parts = [
        table.assign(model=model, set=name, curve=curve)[[*_KEYS, *table.columns]]
        for model, name, curve, table in found
        if len(table)
    ]
    return pd.concat(parts, ignore_index=True)


def decision_curve(
    validated: CrossValidated, held: Holdout, prevalence: float | None
) -> pd.DataFrame:
    """Net benefit of the models, of treating all and none; averaged over repeats in ``cv``.

    With a prevalence of the target population the models' probabilities are carried to it from the
    share of events among the training rows (:func:`osteoflow.models.decision.at_prevalence`).
    """
    trained = float(validated.outcome.mean())
    sets = {"cv": (validated.outcome, validated.probability)}
    if held is not None:
        sets["holdout"] = (held[0], {model: p[None, :] for model, p in held[1].items()})
    parts = []
    for name, (outcome, probability) in sets.items():
        share = float(outcome.mean()) if prevalence is None else prevalence
        benefits = {
            model: np.mean(
                [
                    net_benefit(
                        outcome,
                        p if prevalence is None else at_prevalence(p, trained, prevalence),
                        prevalence=prevalence,
                    )
                    for p in repeats
                ],
                0,
            )
            for model, repeats in probability.items()
        }
        benefits |= {"all": treat_all(share), "none": np.zeros(len(THRESHOLDS))}
        for strategy, benefit in benefits.items():
            parts.append(
                pd.DataFrame(
                    {
                        "set": name,
                        "strategy": strategy,
                        "threshold": THRESHOLDS,
                        "net_benefit": benefit,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)
