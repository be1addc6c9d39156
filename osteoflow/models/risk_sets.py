"""Who is at risk at each event time, and what a Cox model's likelihood makes of it.

Ties are handled by Efron's approximation (J Am Stat Assoc 1977;72:557): of d events at one time,
the k-th (k = 0 .. d - 1) has those that fail at this time count among those at risk with the share
1 - k / d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PartialLikelihood:
    """The log partial likelihood, its gradient (p,), the information (p, p), and the hazard.

    ``hazard`` is the increase of the cumulative hazard of a linear predictor of zero at each
    distinct event time (Breslow's estimate with Efron's treatment of ties).
    """

    value: float
    score: Array
    information: Array
    hazard: Array


class RiskSets:
    """Rows at risk at each distinct event time; made once for many sets of coefficients.

    Parameters
    ----------
    time, event
        Shape (n,); ``event`` is 1 or 0, with at least one 1.

    Attributes
    ----------
    times, deaths
        Distinct event times, rising, and the events at each.
    """

    def __init__(self, time: Array, event: Array) -> None:
        self._order = np.argsort(time, kind="stable")
        self._dead = np.flatnonzero(event == 1)
        self.times, self._place, self.deaths = np.unique(
            time[self._dead], return_inverse=True, return_counts=True
        )
        # First ordered row at risk at each event time, and event times up to each row's own time.
        self._first = np.searchsorted(time[self._order], self.times, side="left")
        self._until = np.searchsorted(self.times, time, side="right")
        self._time_of = np.repeat(np.arange(len(self.times)), self.deaths)
        begin = np.cumsum(self.deaths) - self.deaths
        rank = np.arange(len(self._dead)) - begin[self._time_of]
        self._share = rank / self.deaths[self._time_of]

    def likelihood(
        self, columns: Array, linear_predictor: Array, trend: Array | None = None
    ) -> PartialLikelihood:
        """The likelihood and its derivatives along columns.

        Parameters
        ----------
        columns
            Shape (n, p), best centred.
        linear_predictor
            Shape (n,).
        trend
            Factor of each event time's part of score and information, shape (times,); absent: 1.
        """
        n_times, k = len(self.times), self._time_of
        shift = float(linear_predictor.max(initial=0.0))
        weight = np.exp(linear_predictor - shift)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            level = self._at_risk(weight)[k] - self._share * self._of_dead(weight)[k]
            weighted = weight[:, None] * columns
            sums = self._at_risk(weighted)[k] - self._share[:, None] * self._of_dead(weighted)[k]
            mean = sums / level[:, None]
            factor = np.ones(n_times) if trend is None else trend
            own = factor[k]
            score = factor[self._place] @ columns[self._dead] - own @ mean
            value = float(linear_predictor[self._dead].sum() - np.log(level).sum())
            value -= shift * len(k)
            # Each row's part in the second moments of all sets it belongs to.
            total = np.concatenate([[0.0], np.cumsum(np.bincount(k, own / level, n_times))])
            part = weight * total[self._until]
            shared = np.bincount(k, own * self._share / level, n_times)
            part[self._dead] -= weight[self._dead] * shared[self._place]
            information = (columns * part[:, None]).T @ columns - (mean * own[:, None]).T @ mean
            hazard = np.bincount(k, 1 / level, n_times) * np.exp(-shift)
        return PartialLikelihood(value, score, information, hazard)

    def _at_risk(self, values: Array) -> Array:
        """Sum over those at risk at each event time."""
        return np.cumsum(values[self._order][::-1], axis=0)[::-1][self._first]

    def _of_dead(self, values: Array) -> Array:
        """Sum over those who have the event at each event time."""
        found = np.zeros((len(self.times), *values.shape[1:]))
        np.add.at(found, self._place, values[self._dead])
        return found
