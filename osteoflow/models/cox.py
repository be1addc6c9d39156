"""Cox's proportional-hazards model, with a stated fallback where the likelihood has no maximum.

Ties are handled by Efron's approximation. If some combination of the columns ranks every event
above all that are at risk with it, the partial likelihood rises for ever (monotone likelihood).
That is found exactly by a linear programme, as separation is in logistic regression, and the model
is then fitted with a ridge penalty that stands for a normal prior of standard deviation 1 on each
coefficient per standard deviation of its column (Verweij and Van Houwelingen, Stat Med 1994;
13:2427).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix
from scipy.stats import chi2, norm

from osteoflow.models.logistic import independent_columns

Array = NDArray[np.float64]

_MAX_STEPS = 100


@dataclass(frozen=True)
class CoxFit:
    """A fitted proportional-hazards model.

    Attributes
    ----------
    coefficients
        Log hazard ratio per unit of each column, shape (p,); 0 for columns that were dropped.
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
        Distinct event times, and the baseline hazard (Efron) at columns of zero up to each.
    """

    coefficients: Array
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
        df = len(self.coefficients) - len(self.dropped)
        statistic = 2 * (self.log_likelihood - self.null_log_likelihood)
        return statistic, df, float(chi2.sf(statistic, df)) if df else float("nan")

    def linear_predictor(self, columns: ArrayLike) -> Array:
        """Log hazard relative to columns of zero, shape (n,)."""
        return np.asarray(columns, dtype=float) @ self.coefficients

    def risk(self, columns: ArrayLike, horizon: float) -> Array:
        """Probability of the event up to a time, shape (n,).

        Raises
        ------
        ValueError
            If the horizon lies beyond the last event: nothing is known there.
        """
        if not len(self.times) or horizon > self.times[-1]:
            raise ValueError(f"the horizon {horizon:g} lies beyond the last event")
        place = int(np.searchsorted(self.times, horizon, side="right"))
        hazard = self.cumulative_hazard[place - 1] if place else 0.0
        return -np.expm1(-hazard * np.exp(self.linear_predictor(columns)))


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
    method: Literal["efron", "ridge"] = "ridge" if is_monotone(Z, t, d) else "efron"
    try:
        beta = _maximise(Z, t, d, 1.0 if method == "ridge" else 0.0)
        value, _, information = partial_likelihood(Z, t, d, beta)
        inverse = np.linalg.inv(information + (method == "ridge") * np.eye(len(kept)))
        null, score, start = partial_likelihood(Z, t, d, np.zeros(len(kept)))
        score_statistic = float(score @ np.linalg.solve(start, score)) if len(kept) else 0.0
    except np.linalg.LinAlgError as error:
        raise ArithmeticError(
            f"the Cox model's information matrix cannot be inverted ({len(t)} observations, "
            f"{len(kept)} terms): {error}"
        ) from error
    p = X.shape[1]
    coefficients, covariance = np.zeros(p), np.full((p, p), np.nan)
    coefficients[kept] = beta / scale[kept]
    covariance[np.ix_(kept, kept)] = inverse / np.outer(scale[kept], scale[kept])
    times, hazard = baseline_hazard(X @ coefficients, t, d)
    return CoxFit(
        *(coefficients, covariance, value, null, score_statistic, len(t), int(d.sum())),
        *(tuple(sorted(set(range(p)) - set(kept.tolist()))), method, times, hazard),
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


def partial_likelihood(
    columns: Array, time: Array, event: Array, beta: Array
) -> tuple[float, Array, Array]:
    """Log partial likelihood (Efron), its gradient and the information at ``beta``."""
    value, gradient = 0.0, np.zeros(len(beta))
    information = np.zeros((len(beta), len(beta)))
    for part in _event_times(columns, time, event, beta):
        value += part.log_likelihood
        gradient += part.score
        information += part.information
    return value, gradient, information


@dataclass(frozen=True)
class _EventTime:
    """What one distinct event time adds."""

    time: float
    hazard: float
    log_likelihood: float
    score: Array
    information: Array


def _event_times(X: Array, time: Array, event: Array, beta: Array) -> Iterator[_EventTime]:
    """Each distinct event time, last first: those at risk are summed up on the way."""
    order = np.argsort(-time, kind="stable")
    X, time, event = X[order], time[order], event[order]
    eta = X @ beta
    shift = eta.max(initial=0.0)
    weight = np.exp(eta - shift)
    p = X.shape[1]
    s0, s1, s2 = 0.0, np.zeros(p), np.zeros((p, p))
    ends = np.flatnonzero(np.append(np.diff(time) != 0, True)) + 1
    begin = 0
    for end in ends:
        here = slice(begin, end)
        begin = end
        x, w, dead = X[here], weight[here], event[here] == 1
        s0 += w.sum()
        s1 = s1 + w @ x
        s2 = s2 + (x * w[:, None]).T @ x
        deaths = int(dead.sum())
        if not deaths:
            continue
        x_dead, w_dead = x[dead], w[dead]
        t0, t1 = w_dead.sum(), w_dead @ x_dead
        t2 = (x_dead * w_dead[:, None]).T @ x_dead
        value, score = float(eta[here][dead].sum()), x_dead.sum(axis=0)
        information, hazard = np.zeros((p, p)), 0.0
        for share in np.arange(deaths) / deaths:
            level = s0 - share * t0
            mean = (s1 - share * t1) / level
            value -= float(np.log(level)) + float(shift)
            hazard += float(np.exp(-shift) / level)
            score = score - mean
            information += (s2 - share * t2) / level - np.outer(mean, mean)
        yield _EventTime(float(time[end - 1]), hazard, value, score, information)


def _maximise(Z: Array, time: Array, event: Array, ridge: float) -> Array:
    """Newton steps with halving, from zero."""

    def penalised(beta: Array) -> tuple[float, Array, Array]:
        value, score, information = partial_likelihood(Z, time, event, beta)
        return (
            value - 0.5 * ridge * float(beta @ beta),
            score - ridge * beta,
            information + ridge * np.eye(len(beta)),
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
    raise ArithmeticError(f"the Cox model did not converge ({len(time)} observations)")


def is_monotone(columns: Array, time: Array, event: Array) -> bool:
    """Whether some direction of the columns ranks each event at or above all at risk with it.

    The greatest value among those at risk is a variable of the programme at each event time; it
    can only fall from one time to the next, so that the programme grows with the rows alone.
    """
    n, p = columns.shape
    if p == 0:
        return False
    times = np.unique(time[event == 1])
    # Row i is at risk at the event times before (or at) its own: position of the last of these.
    last = np.searchsorted(times, time, side="right") - 1
    gain = np.zeros(p)
    for moment in times:
        dead = (time == moment) & (event == 1)
        gain += columns[dead].sum(axis=0) - dead.sum() * columns[time >= moment].mean(axis=0)
    rows, places, values, k = [], [], [], 0

    def constrain(direction: Array, terms: list[tuple[int, float]]) -> None:
        """direction @ gamma + sum(value * top[place]) <= 0."""
        nonlocal k
        rows.extend([k] * (p + len(terms)))
        places.extend([*range(p), *(p + place for place, _ in terms)])
        values.extend([*direction, *(value for _, value in terms)])
        k += 1

    for row in np.flatnonzero(last >= 0):
        constrain(columns[row], [(int(last[row]), -1.0)])  # no greater than the top at its last
        if event[row] == 1:
            constrain(-columns[row], [(int(last[row]), 1.0)])  # an event is at the top
    for place in range(len(times) - 1):
        constrain(np.zeros(p), [(place + 1, 1.0), (place, -1.0)])
    result = linprog(
        np.concatenate([-gain, np.zeros(len(times))]),
        A_ub=csr_matrix((values, (rows, places)), shape=(k, p + len(times))),
        b_ub=np.zeros(k),
        bounds=[(-1, 1)] * p + [(None, None)] * len(times),
        method="highs",
    )
    if result.status != 0:
        raise ArithmeticError(f"monotone likelihood could not be decided: {result.message}")
    return bool(-result.fun > 1e-7 * n)


def baseline_hazard(linear_predictor: Array, time: Array, event: Array) -> tuple[Array, Array]:
    """Distinct event times and the cumulative hazard at a linear predictor of zero.

    Breslow's estimate with Efron's treatment of ties.
    """
    parts = list(_event_times(linear_predictor[:, None], time, event, np.ones(1)))[::-1]
    return (
        np.array([part.time for part in parts]),
        np.cumsum([part.hazard for part in parts]),
    )


@dataclass(frozen=True)
class ProportionalHazards:
    """Score test of a trend of one column's effect over time; of all columns with place None."""

    place: int | None
    statistic: float
    df: int
    p: float


def check_proportional_hazards(
    fit: CoxFit, columns: ArrayLike, time: ArrayLike, event: ArrayLike
) -> list[ProportionalHazards]:
    """Whether effects change with time (Grambsch and Therneau, Biometrika 1994;81:515).

    The score test of an interaction of each column with ``1 - KM(t)``, the Kaplan-Meier estimate
    before each event time, and of all columns together.

    Parameters
    ----------
    fit
        The model; dropped columns are not tested.
    columns, time, event
        What it was fitted to.
    """
    X, t, d = checked(columns, time, event)
    kept = [place for place in range(X.shape[1]) if place not in fit.dropped]
    X = X[:, kept] - X[:, kept].mean(axis=0)
    p = len(kept)
    parts = list(_event_times(X, t, d, fit.coefficients[kept]))[::-1]
    trend = _one_minus_survival(t, d)
    score = np.zeros(p)
    main, mixed, squared = np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, p))
    for part, g in zip(parts, trend, strict=True):
        score += g * part.score
        main += part.information
        mixed += g * part.information
        squared += g * g * part.information

    def test(places: list[int]) -> tuple[float, int, float]:
        # Columns' own effects are estimated: what they explain of the trend is taken away.
        cross = mixed[:, places]
        variance = squared[np.ix_(places, places)] - cross.T @ np.linalg.solve(main, cross)
        statistic = float(score[places] @ np.linalg.solve(variance, score[places]))
        return statistic, len(places), float(chi2.sf(statistic, len(places)))

    if not p:
        return []
    found = [ProportionalHazards(kept[place], *test([place])) for place in range(p)]
    return [*found, ProportionalHazards(None, *test(list(range(p))))]


def _one_minus_survival(time: Array, event: Array) -> Array:
    """1 minus the Kaplan-Meier estimate just before each distinct event time."""
    times, deaths = np.unique(time[event == 1], return_counts=True)
    ordered = np.sort(time)
    at_risk = len(time) - np.searchsorted(ordered, times, side="left")
    survival = np.cumprod(1 - deaths / at_risk)
    return 1 - np.concatenate([[1.0], survival[:-1]])
