"""Cox's proportional-hazards model, with a stated fallback where the likelihood has no maximum.

Where the partial likelihood rises for ever (see :mod:`osteoflow.models.monotone`) the model is
fitted with a ridge penalty that stands for a normal prior of standard deviation 1 on each
coefficient per standard deviation of its column (Verweij and Van Houwelingen, Stat Med 1994;
13:2427).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from osteoflow.models.logistic import independent_columns
from osteoflow.models.monotone import is_monotone
from osteoflow.models.risk_sets import RiskSets

Array = NDArray[np.float64]

_MAX_STEPS = 100
# Newton's steps end at a maximum that surely exists if the information is this far from singular
# there, per standard deviation: along a likelihood that rises for ever it would have vanished.
_CERTAIN = 1e-3


@dataclass(frozen=True)
class CoxFit:
    """A fitted proportional-hazards model.

    Attributes
    ----------
    coefficients
        Log hazard ratio per unit of each column, shape (p,); 0 for columns that were dropped.
    center
        Means of the columns, shape (p,): linear predictors are relative to them.
    covariance
        Shape (p, p); NaN in rows of dropped columns. In the penalised fit, the inverse of the
        penalised information.
    log_likelihood, null_log_likelihood
        Partial, at the coefficients and at zero.
    score_statistic
        Score test of all columns.
    n, n_events
        Rows and events.
    dropped
        Positions of columns that are constant or repeat the ones before them.
    method
        ``"efron"`` or ``"ridge"``.
    times, cumulative_hazard
        Distinct event times, and the hazard (Breslow's estimate with Efron's ties) accumulated up
        to each at the columns' means.
    follow_up
        Longest time of a row: nothing is known beyond.
    """

    coefficients: Array
    center: Array
    covariance: Array
    log_likelihood: float
    null_log_likelihood: float
    score_statistic: float
    n: int
    n_events: int
    dropped: tuple[int, ...]
    method: Literal["efron", "ridge"]
    times: Array
    cumulative_hazard: Array
    follow_up: float

    @property
    def n_terms(self) -> int:
        """Coefficients that were estimated."""
        return len(self.coefficients) - len(self.dropped)

    @property
    def standard_errors(self) -> Array:
        """Shape (p,); NaN for dropped columns."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_values(self) -> Array:
        """Wald, two-sided, shape (p,)."""
        return 2 * norm.sf(np.abs(self.coefficients / self.standard_errors))

    @property
    def likelihood_ratio(self) -> tuple[float, int, float]:
        """Statistic, degrees of freedom and p against the model without columns."""
        return self._tested(2 * (self.log_likelihood - self.null_log_likelihood))

    @property
    def wald(self) -> tuple[float, int, float]:
        """Wald test of all columns: statistic, degrees of freedom and p."""
        kept = [place for place in range(len(self.coefficients)) if place not in self.dropped]
        beta = self.coefficients[kept]
        return self._tested(
            float(beta @ np.linalg.solve(self.covariance[np.ix_(kept, kept)], beta))
        )

    @property
    def score_test(self) -> tuple[float, int, float]:
        """Score test of all columns: statistic, degrees of freedom and p."""
        return self._tested(self.score_statistic)

    def _tested(self, statistic: float) -> tuple[float, int, float]:
        df = self.n_terms
        return statistic, df, float(chi2.sf(statistic, df)) if df else float("nan")

    def linear_predictor(self, columns: ArrayLike) -> Array:
        """Log hazard relative to the columns' means, shape (n,)."""
        return (np.asarray(columns, dtype=float) - self.center) @ self.coefficients

    def risk(self, columns: ArrayLike, horizon: float) -> Array:
        """Probability of the event up to a time, shape (n,).

        Raises
        ------
        ValueError
            If the horizon lies beyond all follow-up: nothing is known there.
        """
        hazard = hazard_at(self.times, self.cumulative_hazard, self.follow_up, horizon)
        return absolute_risk(hazard, self.linear_predictor(columns))


def hazard_at(times: Array, cumulative: Array, follow_up: float, horizon: float) -> float:
    """Cumulative hazard at a time.

    Raises
    ------
    ValueError
        If the horizon lies beyond all follow-up.
    """
    if horizon > follow_up:
        raise ValueError(f"the horizon {horizon:g} lies beyond the longest follow-up {follow_up:g}")
    place = int(np.searchsorted(times, horizon, side="right"))
    return float(cumulative[place - 1]) if place else 0.0


def absolute_risk(hazard: float, linear_predictor: Array) -> Array:
    """Probability of the event where so much hazard of a predictor of 0 has accumulated."""
    with np.errstate(over="ignore"):
        return -np.expm1(-hazard * np.exp(linear_predictor))


def fit_cox(columns: ArrayLike, time: ArrayLike, event: ArrayLike) -> CoxFit:
    """Fit a proportional-hazards model.

    Parameters
    ----------
    columns
        Shape (n, p), complete; p may be 0.
    time
        To the event or to censoring, shape (n,), above 0.
    event
        1 with the event, 0 censored, shape (n,).

    Raises
    ------
    ValueError
        On missing values, times that are not above 0, or no event.
    ArithmeticError
        If the likelihood cannot be maximised or its information is singular.
    """
    X, t, d = checked(columns, time, event)
    mean, scale = X.mean(axis=0), X.std(axis=0)
    kept = independent_columns(X, mean, scale)
    Z = (X[:, kept] - mean[kept]) / scale[kept]
    sets = RiskSets(t, d)
    null = sets.likelihood(Z, np.zeros(len(t)))
    try:
        beta, method = _coefficients(Z, t, d, sets)
        found = sets.likelihood(Z, Z @ beta)
        inverse = np.linalg.inv(found.information + (method == "ridge") * np.eye(len(kept)))
        start = np.linalg.lstsq(null.information, null.score, rcond=None)[0]
    except np.linalg.LinAlgError as error:
        raise ArithmeticError(
            f"the Cox model's information matrix cannot be inverted ({len(t)} observations, "
            f"{len(kept)} terms): {error}"
        ) from error
    p = X.shape[1]
    coefficients, covariance = np.zeros(p), np.full((p, p), np.nan)
    coefficients[kept] = beta / scale[kept]
    covariance[np.ix_(kept, kept)] = inverse / np.outer(scale[kept], scale[kept])
    return CoxFit(
        *(coefficients, mean, covariance, found.value, null.value, float(null.score @ start)),
        *(len(t), int(d.sum()), tuple(sorted(set(range(p)) - set(kept.tolist()))), method),
        *(sets.times, np.cumsum(found.hazard), float(t.max())),
    )


def checked(columns: ArrayLike, time: ArrayLike, event: ArrayLike) -> tuple[Array, Array, Array]:
    """Columns, times and events as arrays that a model can be fitted to.

    Raises
    ------
    ValueError
        See :func:`fit_cox`.
    """
    X = np.asarray(columns, dtype=float)
    t, d = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    if X.ndim != 2 or not len(X) == len(t) == len(d):
        raise ValueError("columns must be a matrix with one row per time and event")
    if not (np.isfinite(X).all() and np.isfinite(t).all()):
        raise ValueError("columns or times have missing or infinite values")
    if not set(np.unique(d)) <= {0.0, 1.0} or not d.any():
        raise ValueError("there must be events, coded 1, and censored rows coded 0")
    if (t <= 0).any():
        raise ValueError("times must be above 0")
    return X, t, d


def baseline_hazard(linear_predictor: Array, time: Array, event: Array) -> tuple[Array, Array]:
    """Distinct event times and the cumulative hazard at a linear predictor of zero."""
    sets = RiskSets(time, event)
    found = sets.likelihood(np.zeros((len(time), 0)), linear_predictor)
    return sets.times, np.cumsum(found.hazard)


def _coefficients(
    Z: Array, time: Array, event: Array, sets: RiskSets
) -> tuple[Array, Literal["efron", "ridge"]]:
    """Maximum likelihood where there is one, else with a ridge penalty."""
    failure: Exception | None = None
    try:
        beta = _maximise(Z, sets, 0.0)
        information = sets.likelihood(Z, Z @ beta).information
        if np.linalg.eigvalsh(information).min(initial=np.inf) > _CERTAIN:
            return beta, "efron"
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        failure = error
    if is_monotone(Z, time, event):
        return _maximise(Z, sets, 1.0), "ridge"
    if failure is not None:
        raise failure
    return beta, "efron"


def _maximise(Z: Array, sets: RiskSets, ridge: float) -> Array:
    """Newton steps with halving, from zero."""

    def penalised(beta: Array) -> tuple[float, Array, Array]:
        found = sets.likelihood(Z, Z @ beta)
        return (
            found.value - 0.5 * ridge * float(beta @ beta),
            found.score - ridge * beta,
            found.information + ridge * np.eye(len(beta)),
        )

    beta = np.zeros(Z.shape[1])
    value, score, information = penalised(beta)
    for _ in range(_MAX_STEPS):
        step = np.linalg.solve(information, score) if len(beta) else beta
        if np.abs(step).max(initial=0.0) <= 1e-11:
            return beta
        length = 1.0
        while True:
            trial = beta + length * step
            found = penalised(trial)
            if found[0] >= value - 1e-12 * (1 + abs(value)) or length < 1e-8:
                break
            length /= 2
        beta, (value, score, information) = trial, found
    raise ArithmeticError(f"the Cox model did not converge ({len(Z)} observations)")
