"""Whether the effects of a Cox model change with time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from osteoflow.models.cox import CoxFit, checked
from osteoflow.models.risk_sets import RiskSets

Array = NDArray[np.float64]


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
    """Test of proportional hazards (Grambsch and Therneau, Biometrika 1994;81:515).

    The score test of an interaction of each column with ``1 - KM(t)``, the Kaplan-Meier estimate
    before each event time, and of all columns together.

    Parameters
    ----------
    fit
        The model, fitted by maximum likelihood; dropped columns are not tested.
    columns, time, event
        What it was fitted to.

    Returns
    -------
    list of ProportionalHazards
        One for each column, then that of all; empty without columns.

    Raises
    ------
    ValueError
        If the fit is penalised: the test presumes that the score is zero.
    ArithmeticError
        If the test is singular, as with fewer distinct event times than it needs.
    """
    if fit.method != "efron":
        raise ValueError("a penalised fit has no test of proportional hazards")
    X, t, d = checked(columns, time, event)
    kept = [place for place in range(X.shape[1]) if place not in fit.dropped]
    # Per standard deviation: columns' units must not decide whether a matrix is singular.
    Z = (X[:, kept] - X[:, kept].mean(axis=0)) / X[:, kept].std(axis=0)
    eta = fit.linear_predictor(X)
    sets, trend = RiskSets(t, d), one_minus_survival(t, d)
    # A trend's origin does not matter; centred, its moments lose fewer digits.
    trend = trend - float(sets.deaths @ trend) / float(sets.deaths.sum())
    main = sets.likelihood(Z, eta).information
    linear = sets.likelihood(Z, eta, trend)
    squared = sets.likelihood(Z, eta, trend**2).information

    def test(places: list[int]) -> tuple[float, int, float]:
        # Columns' own effects are estimated: what they explain of the trend is taken away.
        cross = linear.information[:, places]
        before = squared[np.ix_(places, places)]
        variance = before - cross.T @ np.linalg.solve(main, cross)
        size = np.sqrt(np.diag(before))
        if not (size > 0).all() or (
            np.linalg.eigvalsh(variance / np.outer(size, size)).min() < 1e-10
        ):
            raise ArithmeticError("too few distinct event times for a trend over time")
        score = linear.score[places]
        statistic = float(score @ np.linalg.solve(variance, score))
        return statistic, len(places), float(chi2.sf(statistic, len(places)))

    p = len(kept)
    if not p:
        return []
    found = [ProportionalHazards(kept[place], *test([place])) for place in range(p)]
    return [*found, ProportionalHazards(None, *test(list(range(p))))]


def one_minus_survival(time: Array, event: Array) -> Array:
    """1 minus the Kaplan-Meier estimate just before each distinct event time."""
    times, deaths = np.unique(time[event == 1], return_counts=True)
    ordered = np.sort(time)
    at_risk = len(time) - np.searchsorted(ordered, times, side="left")
    survival = np.cumprod(1 - deaths / at_risk)
    return 1 - np.concatenate([[1.0], survival[:-1]])
