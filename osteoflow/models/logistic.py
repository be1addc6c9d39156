"""Logistic regression by maximum likelihood, with a stated fallback where that does not exist.

With complete or quasi-complete separation the likelihood has no maximum. Separation is found
exactly, by a linear programme (Konis, DPhil thesis, Oxford 2007), and the model is then fitted by
Firth's penalised likelihood (Biometrika 1993;80:27; Heinze and Schemper, Stat Med 2002;21:2409)
with the intercept re-estimated by maximum likelihood, which keeps the mean predicted probability
at the observed share of events (FLIC: Puhr et al., Stat Med 2017;36:2302).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr
from scipy.optimize import linprog
from scipy.special import expit, logit

from osteoflow.models.logistic_likelihood import information, maximise

Array = NDArray[np.float64]

_MAX_STEPS = 200
_RANK_TOLERANCE = 1e-8


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic model.

    Attributes
    ----------
    intercept, coefficients
        On the scale of the columns given; 0 for columns that were dropped.
    covariance
        Of (intercept, coefficients), shape (p + 1, p + 1); NaN in the rows of dropped columns. In
        the penalised fit, the inverse information at the penalised estimate.
    dropped
        Positions of columns that are constant or repeat the ones before them.
    method
        ``"ml"`` or ``"firth"``.
    centre
        Means of the columns, shape (p,).
    centred_covariance
        Of (log odds at the centre, coefficients), shape (p + 1, p + 1), NaN as in ``covariance``:
        the same model with centred columns, whose variances of predictions do not cancel where a
        column's mean is large against its spread.
    """

    intercept: float
    coefficients: Array
    covariance: Array
    dropped: tuple[int, ...]
    method: Literal["ml", "firth"]
    centre: Array
    centred_covariance: Array

    def linear_predictor(self, columns: ArrayLike) -> Array:
        """Log odds, shape (n,)."""
        return self.intercept + np.asarray(columns, dtype=float) @ self.coefficients

    def linear_predictor_error(self, columns: ArrayLike) -> Array:
        """Standard error of the log odds, shape (n,); dropped columns play no part."""
        X = np.asarray(columns, dtype=float) - self.centre
        places = [0, *(i + 1 for i in range(X.shape[1]) if i not in self.dropped)]
        Z = np.column_stack([np.ones(len(X)), X])[:, places]
        covariance = self.centred_covariance[np.ix_(places, places)]
        return np.sqrt(np.einsum("ij,jk,ik->i", Z, covariance, Z))

    @property
    def standard_errors(self) -> Array:
        """Of (intercept, coefficients); NaN for dropped columns."""
        return np.sqrt(np.diag(self.covariance))


def fit_logistic(columns: ArrayLike, outcome: ArrayLike) -> LogisticFit:
    """Fit a logistic model with an intercept.

    Parameters
    ----------
    columns
        Shape (n, p), complete; p may be 0.
    outcome
        0/1, shape (n,), both present.

    Raises
    ------
    ValueError
        On missing values or an outcome with one class only.
    ArithmeticError
        If neither likelihood can be maximised, or its information is singular.
    """
    X, y = complete_columns(columns, outcome)
    if set(np.unique(y)) != {0.0, 1.0}:
        raise ValueError("the outcome needs events and non-events, coded 1 and 0")
    centre = X.mean(axis=0)
    mean, scale = centre, X.std(axis=0)
    kept = independent_columns(X, mean, scale)
    mean, scale = mean[kept], scale[kept]
    Z = np.column_stack([np.ones(len(X)), (X[:, kept] - mean) / scale])

    method: Literal["ml", "firth"] = "firth" if is_separated(Z, y) else "ml"
    try:
        beta = maximise(Z, y, firth=method == "firth")
        if method == "firth":
            beta[0] = _intercept(Z[:, 1:] @ beta[1:], y)
        covariance = np.linalg.inv(information(Z, beta))
    except np.linalg.LinAlgError as error:
        raise ArithmeticError(
            f"the logistic model's information matrix cannot be inverted ({len(y)} observations, "
            f"{len(kept)} terms): {error}"
        ) from error

    to_original = np.diag(np.concatenate([[1.0], 1 / scale]))
    to_original[0, 1:] = -mean / scale
    original = to_original @ beta
    p = X.shape[1]
    coefficients = np.zeros(p)
    coefficients[kept] = original[1:]
    places = np.concatenate([[0], kept + 1])
    to_centred = np.diag(np.diag(to_original))
    full, centred = np.full((2, p + 1, p + 1), np.nan)
    full[np.ix_(places, places)] = to_original @ covariance @ to_original.T
    centred[np.ix_(places, places)] = to_centred @ covariance @ to_centred
    dropped = tuple(sorted(set(range(p)) - set(kept.tolist())))
    return LogisticFit(float(original[0]), coefficients, full, dropped, method, centre, centred)


def fit_offset_intercept(offset: ArrayLike, outcome: ArrayLike) -> tuple[float, float]:
    """Intercept, and its standard error, of a model whose log odds are offset + intercept."""
    offset, y = np.asarray(offset, dtype=float), np.asarray(outcome, dtype=float)
    intercept = _intercept(offset, y)
    p = expit(offset + intercept)
    return intercept, float(1 / np.sqrt(np.sum(p * (1 - p))))


def is_separated(design: Array, outcome: Array) -> bool:
    """Whether some direction of the design (with its intercept) separates the classes.

    True for complete and for quasi-complete separation.
    """
    signed = np.where(outcome == 1, 1.0, -1.0)[:, None] * design
    result = linprog(
        -signed.sum(axis=0),
        A_ub=-signed,
        b_ub=np.zeros(len(signed)),
        bounds=(-1, 1),
        method="highs",
    )
    if result.status != 0:
        raise ArithmeticError(f"separation could not be decided: {result.message}")
    return bool(-result.fun > 1e-7)


def complete_columns(columns: ArrayLike, outcome: ArrayLike) -> tuple[Array, Array]:
    """Columns, shape (n, p), and outcome, shape (n,), as numbers.

    Raises
    ------
    ValueError
        Columns are no matrix with one row per outcome, or lack values.
    """
    X = np.asarray(columns, dtype=float)
    y = np.asarray(outcome, dtype=float)
    if X.ndim != 2 or len(X) != len(y):
        raise ValueError("columns must be a matrix with one row per outcome")
    if not np.isfinite(X).all():
        raise ValueError("columns have missing or infinite values")
    return X, y


def independent_columns(X: Array, mean: Array, scale: Array) -> NDArray[np.intp]:
    """Columns that vary and do not repeat earlier ones, in order."""
    magnitude = np.abs(X).max(axis=0, initial=0.0)
    kept: list[int] = []
    for column in np.flatnonzero(scale > 1e-12 * np.maximum(magnitude, 1e-300)):
        trial = [*kept, int(column)]
        standardised = (X[:, trial] - mean[trial]) / scale[trial]
        diagonal = np.abs(np.diag(qr(standardised, mode="r")[0]))
        if len(trial) < len(X) and diagonal[-1] > _RANK_TOLERANCE * np.sqrt(len(X)):
            kept = trial
    return np.array(kept, dtype=np.intp)


def _intercept(offset: Array, y: Array) -> float:
    """Root of the intercept's score, which falls with the intercept: Newton inside a bracket."""
    low, high = -offset.max() - 40.0, -offset.min() + 40.0
    value = float(np.clip(logit(y.mean()) - offset.mean(), low, high))
    for _ in range(_MAX_STEPS):
        p = expit(offset + value)
        score = float(np.sum(y - p))
        if abs(score) <= 1e-11 * len(y):
            return value
        low, high = (value, high) if score > 0 else (low, value)
        information = float(np.sum(p * (1 - p)))
        trial = value + score / information if information > 0 else np.nan
        value = float(trial) if low < trial < high else (low + high) / 2
    return value
