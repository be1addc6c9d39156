"""Linear regression of a quantity on columns, by least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osteoflow.models.logistic import independent_columns
from osteoflow.models.sufficient import differ

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear model.

    Attributes
    ----------
    intercept
        Value where all columns are 0.
    coefficients
        Change per unit of each column, shape (p,); 0 for dropped ones.
    standard_errors
        Of intercept and coefficients, shape (1 + p,); NaN for dropped ones.
    residual_sd
        Standard deviation of the residuals, with ``df`` in its denominator.
    df
        Observations less terms.
    residual_squares, total_squares
        Sums of squares around the fit and around the mean.
    dropped
        Positions of columns that are constant or repeat the ones before them.
    """

    intercept: float
    coefficients: Array
    standard_errors: Array
    residual_sd: float
    df: int
    residual_squares: float
    total_squares: float
    dropped: tuple[int, ...]

    def predict(self, columns: ArrayLike) -> Array:
        """Expected values, shape (n,)."""
        return self.intercept + np.asarray(columns, dtype=float) @ self.coefficients


def fit_linear(columns: ArrayLike, outcome: ArrayLike) -> LinearFit:
    """Fit by least squares, on standardised columns for the sake of precision.

    Parameters
    ----------
    columns
        Shape (n, p), complete; p may be 0.
    outcome
        Shape (n,), not constant.

    Raises
    ------
    ValueError
        On missing values or an outcome that is constant.
    ArithmeticError
        If there are as many terms as observations.
    """
    X, y = np.asarray(columns, dtype=float), np.asarray(outcome, dtype=float)
    if X.ndim != 2 or len(X) != len(y):
        raise ValueError("columns must be a matrix with one row per outcome")
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError("columns or outcome have missing or infinite values")
    if not varies(y):
        raise ValueError("the outcome is constant")
    mean, scale = X.mean(axis=0), X.std(axis=0)
    kept = independent_columns(X, mean, scale)
    df = len(y) - 1 - len(kept)
    if df < 1:
        raise ArithmeticError(f"{len(kept)} terms and an intercept for {len(y)} observations")
    Z = (X[:, kept] - mean[kept]) / scale[kept]
    q, r = np.linalg.qr(Z)
    centred = y - y.mean()
    beta = np.linalg.solve(r, q.T @ centred) if len(kept) else np.zeros(0)
    residual = centred - Z @ beta
    squares = float(residual @ residual)
    sd = float(np.sqrt(squares / df))
    root = np.linalg.inv(r) if len(kept) else np.zeros((0, 0))
    inverse = root @ root.T
    coefficients, errors = np.zeros(X.shape[1]), np.full(1 + X.shape[1], np.nan)
    coefficients[kept] = beta / scale[kept]
    errors[1 + kept] = sd * np.sqrt(np.diag(inverse)) / scale[kept]
    shift = mean[kept] / scale[kept]
    errors[0] = sd * np.sqrt(1 / len(y) + shift @ inverse @ shift)
    return LinearFit(
        intercept=float(y.mean() - mean @ coefficients),
        coefficients=coefficients,
        standard_errors=errors,
        residual_sd=sd,
        df=df,
        residual_squares=squares,
        total_squares=float(centred @ centred),
        dropped=tuple(place for place in range(X.shape[1]) if place not in set(kept.tolist())),
    )


def varies(values: Array) -> bool:
    """Whether numbers differ by more than rounding."""
    return differ(float(values.min()), float(values.max())) if len(values) else False
