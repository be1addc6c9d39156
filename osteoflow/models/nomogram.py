"""Nomogram of a logistic model.

The scale is the customary one (Harrell, Regression Modeling Strategies, 2015): the predictor with
the widest effect over its axis spans 0 to 100 points, and every predictor has 0 points where its
effect is least.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logit

PROBABILITIES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_MAX_DISTINCT = 10


@dataclass(frozen=True)
class Predictor:
    """One axis of a nomogram.

    Attributes
    ----------
    name, label, unit
        Column and its words.
    effects
        For a categorical predictor, level -> coefficient (reference 0); empty for a continuous
        one.
    coefficient
        Of a continuous predictor, per unit.
    values
        Observed values of a continuous predictor, which set the range of the axis.
    """

    name: str
    label: str
    unit: str = ""
    coefficient: float = 0.0
    values: Sequence[float] = ()
    effects: Mapping[str, float] = field(default_factory=dict)


def nomogram(
    intercept: float,
    predictors: Sequence[Predictor],
    probabilities: Iterable[float] = PROBABILITIES,
    model: str = "combined",
) -> dict[str, Any]:
    """Points of each predictor's ticks and the total points of probabilities.

    Parameters
    ----------
    intercept
        Of the logistic model.
    predictors
        Its axes; a continuous one takes its distinct values as ticks if there are ten or fewer,
        else round numbers that enclose its range.
    probabilities
        Those marked on the probability axis, if within the range of the total points.

    Returns
    -------
    dict
        Ready for JSON: predictors with ticks, total_points, probability, scale, coefficients.

    Raises
    ------
    ValueError
        If no predictor has an effect.
    """
    axes = [(predictor, *_effects(predictor)) for predictor in predictors]
    widest = max((float(np.ptp(effects)) for _, _, effects in axes), default=0.0)
    if widest <= 0:
        raise ValueError("no predictor has an effect: there is no nomogram")
    scale = 100.0 / widest
    at_zero = intercept + sum(float(effects.min()) for _, _, effects in axes)

    described, coefficients, top = [], {}, 0.0
    for predictor, positions, effects in axes:
        points = (effects - effects.min()) * scale
        top += float(points.max())
        described.append(_described(predictor, positions, points))
        coefficients |= _coefficients(predictor)
    marks = [
        {"probability": float(p), "total_points": float((logit(p) - at_zero) * scale)}
        for p in probabilities
    ]
    axis = pretty(0.0, top)
    return {
        "model": model,
        "predictors": described,
        "total_points": {"min": axis[0], "max": axis[-1], "ticks": axis},
        "probability": [mark for mark in marks if axis[0] <= mark["total_points"] <= axis[-1]],
        "points_per_linear_predictor": scale,
        "linear_predictor_at_zero_points": at_zero,
        "intercept": float(intercept),
        "coefficients": coefficients,
    }


def _effects(predictor: Predictor) -> tuple[list[float | str], np.ndarray]:
    """Positions of an axis' ticks (values or levels), and the linear predictor's part at each."""
    if predictor.effects:
        positions: list[float | str] = list(predictor.effects)
        return positions, np.array([predictor.effects[str(level)] for level in positions])
    positions = list(_ticks(predictor.values))
    return positions, predictor.coefficient * np.array(positions, dtype=float)


def _described(
    predictor: Predictor, positions: list[float | str], points: np.ndarray
) -> dict[str, Any]:
    """An axis ready for JSON."""
    key = "level" if predictor.effects else "value"
    entry: dict[str, Any] = {
        "name": predictor.name,
        "label": predictor.label,
        "unit": predictor.unit,
        "kind": "categorical" if predictor.effects else "continuous",
        "ticks": [
            {key: position, "points": float(point)}
            for position, point in zip(positions, points, strict=True)
        ],
    }
    if not predictor.effects:
        entry["range"] = [positions[0], positions[-1]]
    return entry


def _coefficients(predictor: Predictor) -> dict[str, float]:
    """Coefficient of a continuous predictor, or of each level."""
    if not predictor.effects:
        return {predictor.name: float(predictor.coefficient)}
    return {
        f"{predictor.name}={level}": float(effect) for level, effect in predictor.effects.items()
    }


def pretty(low: float, high: float, n: int = 10) -> list[float]:
    """About ``n`` round steps (1, 2 or 5 times a power of ten) that enclose a range.

    Larger steps are preferred by the bias 1.5 of Becker, Chambers and Wilks (The New S Language,
    1988), so that axes look as readers of nomograms know them.
    """
    if not high > low:
        return [float(low)]
    cell = (high - low) / n
    base = 10.0 ** math.floor(math.log10(cell))
    step = base
    for factor, bias in ((2.0, 1.5), (5.0, 2.75), (10.0, 1.5)):
        if factor * base - cell < bias * (cell - step):
            step = factor * base
    first, last = math.floor(low / step + 1e-7), math.ceil(high / step - 1e-7)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(step * number, digits) + 0.0 for number in range(first, last + 1)]


def _ticks(values: Sequence[float]) -> list[float]:
    distinct = np.unique(np.asarray(values, dtype=float))
    if not len(distinct) or not np.isfinite(distinct).all():
        raise ValueError("a continuous predictor needs its observed values, none missing")
    if len(distinct) <= _MAX_DISTINCT:
        return [float(value) for value in distinct]
    return pretty(float(distinct[0]), float(distinct[-1]))
