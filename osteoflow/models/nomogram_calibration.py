"""Calibration of a logistic model on its own data, corrected for optimism by the bootstrap.

The method is that of Harrell, Lee and Mark (Stat Med 1996;15:361) and Efron and Gong (Am Stat
1983;37:36): the model is fitted anew on resampled participants; how much nearer its smoothed
calibration curve comes to the diagonal on the resample than on the original data is the optimism,
which is taken from the apparent curve. The smooth is Cleveland's lowess (JASA 1979;74:829) without
robustness steps, span 2/3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from osteoflow.models.logistic import fit_logistic

Array = NDArray[np.float64]

SPAN = 2 / 3
_POINTS = 50
# The curve leaves out the outermost predictions, where a smooth rests on a few people.
_TRIMMED = 5
CURVE_COLUMNS = (
    "predicted",
    "apparent",
    "training",
    "test",
    "optimism",
    "corrected",
    "n_resamples",
)
_MIN_ROWS = 2 * _TRIMMED + 1


@dataclass(frozen=True)
class BootstrapCalibration:
    """A bias-corrected calibration curve.

    Attributes
    ----------
    curve
        ``predicted``, ``apparent``, ``training``, ``test``, ``optimism``, ``corrected``,
        ``n_resamples`` (those whose predictions reach the point).
    mean_absolute_error, error_90
        Mean and 90th percentile of |predicted - corrected| over the rows within the curve; NaN
        without a curve.
    n, resamples, failed, penalised
        Rows, resamples asked for, those without both classes or a fit, and those fitted by
        penalised likelihood because their classes were separated.
    """

    curve: pd.DataFrame
    mean_absolute_error: float
    error_90: float
    n: int
    resamples: int
    failed: int
    penalised: int

    def summary(self) -> dict[str, Any]:
        """The numbers without the curve, for JSON."""
        return {
            "mean_absolute_error": self.mean_absolute_error,
            "error_90": self.error_90,
            "n": self.n,
            "resamples": self.resamples,
            "failed": self.failed,
            "penalised": self.penalised,
        }


def lowess(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Locally weighted linear smooth of ``y`` on ``x``, no robustness steps, span 2/3.

    Points closer than 1 % of the range are interpolated, as Cleveland's program does.

    Returns
    -------
    tuple
        Distinct ``x`` in ascending order and the smooth there; NaN where ``x`` is constant.
    """
    from statsmodels.nonparametric.smoothers_lowess import lowess as smooth

    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    width = float(x[-1] - x[0])
    if width <= 0:
        return x[:1], np.full(1, np.nan)
    fitted = smooth(y, x, SPAN, it=0, delta=0.01 * width, is_sorted=True, return_sorted=False)
    distinct, first = np.unique(x, return_index=True)
    return distinct, np.asarray(fitted, dtype=float)[first]


def smoothed(predicted: Array, outcome: Array, at: Array) -> Array:
    """The smoothed share of events at given predictions; NaN beyond the predictions' range."""
    x, y = lowess(predicted, outcome)
    return np.interp(at, x, y, left=np.nan, right=np.nan)


def participant_resamples(
    groups: ArrayLike, bootstraps: int, rng: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """Positions of rows of participants drawn with replacement, all rows of each together."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    rows = [np.flatnonzero(place == i) for i in range(len(names))]
    for _ in range(bootstraps):
        drawn = rng.integers(len(names), size=len(names))
        yield np.concatenate([rows[i] for i in drawn])


def bootstrap_calibration(
    columns: ArrayLike,
    outcome: ArrayLike,
    groups: ArrayLike,
    bootstraps: int,
    rng: np.random.Generator,
) -> BootstrapCalibration:
    """Bias-corrected calibration of a logistic model with participants resampled.

    Parameters
    ----------
    columns, outcome
        As for :func:`osteoflow.models.logistic.fit_logistic`.
    groups
        Participant of each row.
    bootstraps
        Resamples.
    rng
        Draws them.
    """
    return calibrate_on(columns, outcome, participant_resamples(groups, bootstraps, rng))


def calibrate_on(
    columns: ArrayLike, outcome: ArrayLike, resamples: Iterable[NDArray[np.intp]]
) -> BootstrapCalibration:
    """Bias-corrected calibration on given resamples.

    Parameters
    ----------
    columns, outcome
        As for :func:`osteoflow.models.logistic.fit_logistic`.
    resamples
        Positions of the rows of each resample.
    """
    X, y = np.asarray(columns, dtype=float), np.asarray(outcome, dtype=float)
    predicted = expit(fit_logistic(X, y).linear_predictor(X))
    resamples = list(resamples)
    ordered = np.sort(predicted)
    if len(y) < _MIN_ROWS or ordered[_TRIMMED - 1] == ordered[-_TRIMMED]:
        empty = pd.DataFrame(columns=list(CURVE_COLUMNS))
        return BootstrapCalibration(empty, np.nan, np.nan, len(y), len(resamples), 0, 0)
    at = np.linspace(ordered[_TRIMMED - 1], ordered[-_TRIMMED], _POINTS)
    apparent = smoothed(predicted, y, at)
    training, test = np.zeros((2, _POINTS))
    n = np.zeros(_POINTS, dtype=int)
    failed = penalised = 0
    for rows in resamples:
        try:
            fit = fit_logistic(X[rows], y[rows])
        except (ValueError, ArithmeticError):
            failed += 1
            continue
        penalised += fit.method == "firth"
        p = expit(fit.linear_predictor(X))
        on_resample, on_all = smoothed(p[rows], y[rows], at), smoothed(p, y, at)
        known = np.isfinite(on_resample) & np.isfinite(on_all)
        training[known] += on_resample[known] - at[known]
        test[known] += on_all[known] - at[known]
        n += known
    with np.errstate(invalid="ignore"):
        training, test = training / n, test / n
    optimism = training - test
    corrected = apparent - optimism
    columns = (at, apparent, training, test, optimism, corrected, n)
    curve = pd.DataFrame(dict(zip(CURVE_COLUMNS, columns, strict=True)))
    error = _errors(predicted, at, corrected)
    return BootstrapCalibration(
        curve,
        float(error.mean()) if len(error) else float("nan"),
        float(np.quantile(error, 0.9)) if len(error) else float("nan"),
        len(y),
        len(resamples),
        failed,
        penalised,
    )


def _errors(predicted: Array, at: Array, corrected: Array) -> Array:
    """|predicted - corrected| of the rows whose prediction lies within the curve."""
    known = np.isfinite(corrected)
    if known.sum() < 2:
        return np.array([])
    here = np.interp(predicted, at[known], corrected[known], left=np.nan, right=np.nan)
    error = np.abs(predicted - here)
    return error[np.isfinite(error)]
