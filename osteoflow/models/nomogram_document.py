"""What a nomogram is drawn, tabulated and computed from: the combined model as a document.

The document holds the points of every axis and the model itself (coefficients and the covariance of
the centred model), so that a probability and its interval can be computed from it alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from osteoflow.models.clinical_design import RAD_SCORE
from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.nomogram import Predictor, nomogram
from osteoflow.models.nomogram_calibration import CURVE_COLUMNS, bootstrap_calibration
from osteoflow.statistics.intervals import Z95

POINT_COLUMNS = (
    "part",
    "predictor",
    "label",
    "value",
    "points",
    "total_points",
    "probability",
)
RAD_SCORE_SOURCE = (
    "log odds that the radiomic signature gives (formula: signature.tsv); fitted on scores that "
    "were cross-fitted for the participants of the training data"
)


def nomogram_document(
    model: ColumnsModel,
    training: pd.DataFrame,
    labels: Mapping[str, str],
    name: str = "combined",
) -> dict[str, Any] | None:
    """Nomogram of a logistic model over the values it was fitted on; None without any effect.

    Parameters
    ----------
    model
        The fitted model, usually the combined one.
    training
        The rows it was fitted on.
    labels
        Words for columns.
    name
        Name of the model in the analysis' tables.

    Returns
    -------
    dict
        As :func:`osteoflow.models.nomogram.nomogram`; each continuous predictor also has
        ``observed`` (``min``, ``max``, ``integer``), and ``linear_model`` holds ``method``,
        ``at_centre`` (log odds at the training means), ``terms`` (``predictor``, ``level``,
        ``coefficient``, ``centre``) and ``covariance`` (of ``at_centre`` and the coefficients).
    """
    fit = model.regression_.fit
    effect = dict(zip(model.terms_, fit.coefficients, strict=True))
    values: dict[str, list[float]] = {}
    predictors = []
    for column in model.columns:
        label = labels.get(column, column)
        if column in model.clinical_.levels_:
            levels = model.clinical_.levels_[column]
            effects = {level: float(effect.get(f"{column}={level}", 0.0)) for level in levels}
            if any(effects.values()):
                predictors.append(Predictor(column, label, effects=effects))
        elif effect[column] != 0:
            values[column] = training[column].dropna().astype(float).tolist()
            predictors.append(Predictor(column, label, "", float(effect[column]), values[column]))
    if effect.get(RAD_SCORE, 0.0) != 0:
        # The scores that the model was fitted on: in-sample ones spread further.
        values[RAD_SCORE] = np.asarray(model.training_design_[RAD_SCORE], dtype=float).tolist()
        weight = float(effect[RAD_SCORE])
        predictors.append(Predictor(RAD_SCORE, "Rad-score", "", weight, values[RAD_SCORE]))
    if not predictors:
        return None
    document = nomogram(fit.intercept, predictors, model=name)
    for axis in document["predictors"]:
        if axis["name"] in values:
            axis["observed"] = _observed(values[axis["name"]])
        if axis["name"] == RAD_SCORE:
            axis["source"] = RAD_SCORE_SOURCE
    document["linear_model"] = _linear_model(model)
    return document


def _observed(values: Sequence[float]) -> dict[str, Any]:
    """Range of the values, and whether all are whole numbers."""
    known = np.asarray(values, dtype=float)
    return {
        "min": float(known.min()),
        "max": float(known.max()),
        "integer": bool((known == np.round(known)).all()),
    }


def _linear_model(model: ColumnsModel) -> dict[str, Any]:
    """The logistic model without its dropped terms, on centred columns."""
    fit = model.regression_.fit
    kept = [i for i in range(len(model.terms_)) if i not in fit.dropped]
    places = [0, *(i + 1 for i in kept)]
    coded = {
        f"{name}={level}": (name, level)
        for name, levels in model.clinical_.levels_.items()
        for level in levels[1:]
    }
    terms = []
    for i in kept:
        predictor, level = coded.get(model.terms_[i], (model.terms_[i], None))
        terms.append(
            {
                "predictor": predictor,
                "level": level,
                "coefficient": float(fit.coefficients[i]),
                "centre": float(fit.centre[i]),
            }
        )
    return {
        "method": fit.method,
        "at_centre": float(fit.linear_predictor(fit.centre[None])[0]),
        "terms": terms,
        "covariance": fit.centred_covariance[np.ix_(places, places)].tolist(),
    }


@dataclass(frozen=True)
class Prediction:
    """What a nomogram gives for one participant.

    Attributes
    ----------
    points
        Of each predictor.
    total_points, probability
        Their sum, and the probability of the event.
    low, high
        95 % Wald limits of the probability, formed on the logit scale: those of the model's mean
        response, without the uncertainty of the selection of features. Of Firth's fit they are
        approximate, because its likelihood is far from symmetrical.
    """

    points: dict[str, float]
    total_points: float
    probability: float
    low: float
    high: float


def predict(document: Mapping[str, Any], values: Mapping[str, float | str]) -> Prediction:
    """Points, probability and its interval from a nomogram's document.

    Parameters
    ----------
    document
        From :func:`nomogram_document`.
    values
        A number or a category for each of its predictors.

    Raises
    ------
    ValueError
        On a missing value or an unknown category.
    """
    points = {}
    for axis in document["predictors"]:
        name = axis["name"]
        if name not in values:
            raise ValueError(f"a value of '{name}' is missing")
        if axis["kind"] == "categorical":
            found = {tick["level"]: tick["points"] for tick in axis["ticks"]}
            if values[name] not in found:
                raise ValueError(f"'{values[name]}' is no category of '{name}'")
            points[name] = found[values[name]]
            continue
        first, last = axis["ticks"][0], axis["ticks"][-1]
        slope = (last["points"] - first["points"]) / (last["value"] - first["value"])
        points[name] = first["points"] + slope * (float(values[name]) - first["value"])
    linear = document["linear_model"]
    row = [1.0]
    for term in linear["terms"]:
        if term["predictor"] not in points:  # without any effect, so without an axis
            row.append(0.0)
            continue
        value = values[term["predictor"]]
        coded = float(value) if term["level"] is None else float(value == term["level"])
        row.append(coded - term["centre"])
    z = np.array(row)
    log_odds = linear["at_centre"] + float(
        z[1:] @ np.array([term["coefficient"] for term in linear["terms"]])
    )
    error = math.sqrt(float(z @ np.array(linear["covariance"]) @ z))
    low, high = (float(expit(log_odds + sign * Z95 * error)) for sign in (-1, 1))
    return Prediction(points, sum(points.values()), float(expit(log_odds)), low, high)


def points_table(document: Mapping[str, Any] | None) -> pd.DataFrame:
    """The nomogram as a table that can be read without the drawing.

    Parameters
    ----------
    document
        From :func:`nomogram_document`; None: an empty table.

    Returns
    -------
    pandas.DataFrame
        ``part``: ``predictor`` (``value`` to ``points``), ``probability`` (round probabilities to
        ``total_points``) and ``total`` (round ``total_points`` to ``probability``).
    """
    rows: list[dict[str, Any]] = []
    for axis in (document or {}).get("predictors", []):
        key = "level" if axis["kind"] == "categorical" else "value"
        rows += [
            {
                "part": "predictor",
                "predictor": axis["name"],
                "label": axis["label"],
                "value": tick[key] if key == "level" else f"{tick[key]:.10g}",
                "points": tick["points"],
            }
            for tick in axis["ticks"]
        ]
    if document is not None:
        rows += [{"part": "probability", **mark} for mark in document["probability"]]
        per_unit = document["points_per_linear_predictor"]
        start = document["linear_predictor_at_zero_points"]
        rows += [
            {"part": "total", "total_points": t, "probability": float(expit(start + t / per_unit))}
            for t in document["total_points"]["ticks"]
        ]
    return pd.DataFrame(rows, columns=list(POINT_COLUMNS))


def nomogram_results(
    model: ColumnsModel | None,
    training: pd.DataFrame,
    outcome: ArrayLike,
    groups: ArrayLike,
    labels: Mapping[str, str],
    bootstraps: int,
    rng: np.random.Generator,
    name: str = "combined",
) -> tuple[dict[str, Any] | None, dict[str, pd.DataFrame]]:
    """The document, and the tables ``nomogram_points`` and ``nomogram_calibration``.

    The calibration refits the model on resampled participants with the Rad-scores as they are
    (cross-fitted): what selecting features adds to optimism is in the cross-validation, not here.

    Parameters
    ----------
    model, training, labels, name
        As for :func:`nomogram_document`; without a model all is empty.
    outcome, groups
        0/1 and participant of each training row.
    bootstraps
        Resamples of participants.
    rng
        Draws them.
    """
    document = None if model is None else nomogram_document(model, training, labels, name)
    tables = {"nomogram_points": points_table(document)}
    if model is None or document is None:
        return None, tables | {"nomogram_calibration": pd.DataFrame(columns=list(CURVE_COLUMNS))}
    design = model.training_design_[model.terms_].to_numpy(dtype=float)
    found = bootstrap_calibration(design, outcome, groups, bootstraps, rng)
    document["calibration"] = found.summary()
    return document, tables | {"nomogram_calibration": found.curve}
