"""Measures of performance for many resamples at once, each resample a row of weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def mean(values: Array, weights: Array) -> Array:
    """Weighted mean for each row of weights, shape (B,)."""
    with np.errstate(invalid="ignore"):
        return (weights @ values) / weights.sum(axis=1)


def spread(values: Array, weights: Array) -> Array:
    """Standard deviation with one less than the rows drawn in its denominator, shape (B,)."""
    total = weights.sum(axis=1)
    away = values - values.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = weights @ away**2 - total * ((weights @ away) / total) ** 2
        return np.sqrt(np.maximum(squares, 0.0) / (total - 1))


def concordance(outcome: Array, score: Array, weights: Array) -> Array:
    """Chance that of two rows of different outcome the later one has the higher score, (B,).

    Ties of the score count half; scores are rounded, so that equal ones tie however their sums were
    formed.
    """
    gap = np.sign(np.round(score[:, None] - score[None, :], 12))
    later = outcome[:, None] > outcome[None, :]
    won = np.where(later, 0.5 + 0.5 * gap, 0.0)
    pairs = ((weights @ later) * weights).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, ((weights @ won.T) * weights).sum(axis=1) / pairs, np.nan)


def area(event: NDArray[np.bool_], score: Array, weights: Array) -> Array:
    """Area under the ROC curve, (B,); NaN without events or without non-events.

    Ties of the score count half; scores are rounded, so that equal ones tie however their sums were
    formed.
    """
    gap = np.round(score[event][:, None] - score[~event][None, :], 12)
    wins = (gap > 0) + 0.5 * (gap == 0)
    w_event, w_other = weights[:, event], weights[:, ~event]
    pairs = w_event.sum(axis=1) * w_other.sum(axis=1)
    won = np.einsum("bi,ij,bj->b", w_event, wins, w_other, optimize=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, won / pairs, np.nan)


def correlation(x: Array, y: Array, weights: Array) -> Array:
    """Pearson's r for each row of weights, (B,); 0 where ``x`` is constant, NaN where ``y`` is.

    Parameters
    ----------
    x
        Predictions, shape (n,) or (B, n): those that are constant carry no information.
    y
        Outcome, of the same shapes.
    """
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        dx = x - (weights * x).sum(axis=1, keepdims=True) / total
        dy = y - (weights * y).sum(axis=1, keepdims=True) / total
        xx, yy = (weights * dx**2).sum(axis=1), (weights * dy**2).sum(axis=1)
        xy = (weights * dx * dy).sum(axis=1)
        found = np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0)
    rounding = 1e-20 * total[:, 0]
    flat_x = xx <= rounding * np.abs(x).max(initial=0.0) ** 2
    flat_y = yy <= rounding * np.abs(y).max(initial=0.0) ** 2
    return np.where(flat_y, np.nan, np.where(flat_x, 0.0, found))


def ranks(values: Array, weights: Array) -> Array:
    """Mean ranks of the rows in each resample, shape (B, n)."""
    rounded = np.round(values / max(float(np.abs(values).max(initial=0.0)), 1e-300), 12)
    smaller = (rounded[None, :] < rounded[:, None]).astype(float)
    equal = (rounded[None, :] == rounded[:, None]).astype(float)
    return weights @ smaller.T + (weights @ equal.T + 1) / 2


def kappa(observed: Array, predicted: Array, n_classes: int, power: int, weights: Array) -> Array:
    """Weighted kappa with disagreement ``|i - j| ** power``, (B,).

    NaN where both are one and the same class throughout.
    """
    classes = np.arange(n_classes)
    disagreement = np.abs(classes[:, None] - classes[None, :]).astype(float) ** power
    a = (observed[:, None] == classes).astype(float)
    b = (predicted[:, None] == classes).astype(float)
    total = weights.sum(axis=1)
    own = disagreement[observed.astype(np.intp), predicted.astype(np.intp)]
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.einsum("bi,ij,bj->b", weights @ a, disagreement, weights @ b) / total
        return np.where(expected > 0, 1 - (weights @ own) / expected, np.nan)


def line(x: Array, y: Array, weights: Array) -> tuple[Array, Array]:
    """Slope and intercept of ``y`` on ``x``, shape (B,) each; NaN where ``x`` is constant."""
    total = weights.sum(axis=1)
    cx, cy = float(x.mean()), float(y.mean())
    with np.errstate(invalid="ignore", divide="ignore"):
        mx, my = (weights @ (x - cx)) / total, (weights @ (y - cy)) / total
        xx = (weights @ (x - cx) ** 2) / total - mx**2
        xy = (weights @ ((x - cx) * (y - cy))) / total - mx * my
        known = xx > 1e-20 * max(abs(cx), float(np.abs(x - cx).max(initial=0.0)), 1e-150) ** 2
        slope = np.where(known, xy / xx, np.nan)
    return slope, (my + cy) - slope * (mx + cx)
