"""Candidate solutions of every voxel: the local minima of the residual over the field map.

For one R2* the energy explained by the model is a trigonometric polynomial of the field whose
coefficients are products of echo pairs, so a whole grid of fields and R2* is one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.mri.varpro import RatePrior, fit_rates

R2STAR_BOUNDS = (-100.0, 1000.0)
"""Range of R2* in 1/s. The negative part is noise's: stopping at zero would bias regional means."""

R2STAR_GRID = (0.0, 20.0, 40.0, 65.0, 95.0, 130.0, 175.0, 230.0, 300.0, 400.0, 550.0)
"""R2* in 1/s at which the residual is searched before it is refined."""

SAMPLES_PER_CYCLE = 12
"""Field samples per period of the fastest echo pair; a minimum is found within one sample."""

CHUNK = 1024
"""Voxels treated at once; bounds the memory of the search."""

TOLERANCE = 0.1
"""Step in 1/s of the complex rate that ends a candidate's refinement; the final fit goes on."""

SAME_MINIMUM_HZ = 2.0
"""Refined candidates closer than this in field have run into one minimum."""


@dataclass(frozen=True)
class FieldSearch:
    """Range of the field search.

    Parameters
    ----------
    low, high
        Hz.
    period
        Field after which the signal repeats, Hz; infinite for a bounded range.
    """

    low: float
    high: float
    period: float

    @classmethod
    def of(cls, period: float, limit: float) -> FieldSearch:
        """One period where it is known and fits into +-`limit` Hz, else that range."""
        if period <= 2 * limit:
            return cls(-period / 2, period / 2, period)
        return cls(-limit, limit, np.inf)

    def samples(self, times: np.ndarray) -> np.ndarray:
        """Field grid in Hz that resolves every echo pair."""
        count = int(np.ceil((self.high - self.low) * np.ptp(times) * SAMPLES_PER_CYCLE))
        count = max(count, 24)
        periodic = np.isfinite(self.period)
        return np.linspace(self.low, self.high, count, endpoint=not periodic)

    def difference(self, field: np.ndarray) -> np.ndarray:
        """Smallest equivalent of a field difference: into +-period/2."""
        if not np.isfinite(self.period):
            return field
        return field - self.period * np.rint(field / self.period)


@dataclass(frozen=True)
class Candidates:
    """Local minima, best first, absent ones at infinite cost; arrays (count, voxels)."""

    field_hz: np.ndarray
    r2star: np.ndarray
    cost: np.ndarray

    def subset(self, keep: np.ndarray) -> Candidates:
        """Candidates of some voxels."""
        return Candidates(self.field_hz[:, keep], self.r2star[:, keep], self.cost[:, keep])


def find_candidates(
    signal: np.ndarray,
    times: np.ndarray,
    phasor: np.ndarray,
    search: FieldSearch,
    bounds: tuple[float, float],
    prior: RatePrior,
    count: int = 4,
    iterations: int = 4,
) -> Candidates:
    """Local minima of the residual over field and R2* in every voxel.

    Parameters
    ----------
    signal
        complex64, shape (echoes, voxels), each voxel scaled to unit norm.
    times, phasor
        Echo times in s and fat phasor, shape (echoes,).
    search
        Field range.
    bounds
        R2* bounds of the refinement in 1/s.
    prior
        Prior on R2*.
    count
        Most candidates kept per voxel.
    iterations
        Gauss-Newton iterations that refine each.

    Returns
    -------
    Candidates
        ``cost`` is the squared residual relative to the squared norm of the signal.
    """
    voxels = signal.shape[1]
    fields = search.samples(times)
    rates = np.array([r for r in R2STAR_GRID if bounds[0] <= r <= bounds[1]])
    table = _explained_energy_table(times, phasor, fields, rates)
    penalty = (prior.weight * (rates - prior.mean) ** 2).astype(np.float32)
    periodic = bool(np.isfinite(search.period))
    field = np.zeros((count, voxels), np.float32)
    rate = np.zeros((count, voxels), np.float32)
    cost = np.full((count, voxels), np.inf, np.float32)
    for start in range(0, voxels, CHUNK):
        part = slice(start, min(start + CHUNK, voxels))
        data = signal[:, part]
        energy = (_echo_pairs(data).T @ table).reshape(-1, rates.size, fields.size)
        at_field, at_rate, found = _grid_minima(energy, penalty, periodic, count)
        voxel, which = np.nonzero(np.arange(count) < found[:, None])
        fit = fit_rates(
            data,
            times,
            phasor,
            fields[at_field[voxel, which]],
            rates[at_rate[voxel, which]],
            bounds,
            prior,
            iterations,
            TOLERANCE,
            voxel,
        )
        _keep_best(
            voxel,
            fit.field_hz,
            fit.r2star,
            fit.cost,
            search.period if periodic else 0.0,
            field[:, part],
            rate[:, part],
            cost[:, part],
        )
    return Candidates(field, rate, cost)


def _echo_pairs(data: np.ndarray) -> np.ndarray:
    """Products of all pairs of echoes, float32, shape (echoes^2, voxels)."""
    lower, upper = np.triu_indices(data.shape[0], 1)
    pairs = data[lower].conj() * data[upper]
    return np.concatenate([np.abs(data) ** 2, pairs.real, pairs.imag]).astype(np.float32)


def _explained_energy_table(
    times: np.ndarray, phasor: np.ndarray, fields: np.ndarray, rates: np.ndarray
) -> np.ndarray:
    """Matrix from echo-pair products to explained energy, (echoes^2, rates * fields)."""
    n = times.size
    lower, upper = np.triu_indices(n, 1)
    rotation = np.exp(2j * np.pi * np.outer(times[lower] - times[upper], fields))
    table = np.empty((n * n, rates.size, fields.size), np.float32)
    for index, rate in enumerate(rates):
        decay = np.exp(-rate * times)
        q, _ = np.linalg.qr(np.stack([decay, decay * phasor], axis=1))
        projector = q @ q.conj().T
        table[:n, index] = projector.diagonal().real[:, None]
        pairs = 2 * projector[lower, upper][:, None] * rotation
        table[n : n + lower.size, index] = pairs.real
        table[n + lower.size :, index] = -pairs.imag
    return table.reshape(n * n, -1)


@compiled
def _grid_minima(energy, penalty, periodic, count):
    """Best minima of the residual on the grid, i.e. maxima of the energy (voxels, rates, fields).

    Returns the indices of field and R2*, each (voxels, count), best first, and how many there are.
    """
    voxels, rates, fields = energy.shape
    at_field = np.zeros((voxels, count), np.int64)
    at_rate = np.zeros((voxels, count), np.int64)
    found = np.zeros(voxels, np.int64)
    envelope = np.empty(fields, np.float32)
    best_rate = np.empty(fields, np.int32)
    height = np.empty(count, np.float32)
    for v in range(voxels):
        envelope[:] = energy[v, 0] - penalty[0]
        best_rate[:] = 0
        for r in range(1, rates):
            for f in range(fields):
                value = energy[v, r, f] - penalty[r]
                higher = value > envelope[f]
                envelope[f] = value if higher else envelope[f]
                best_rate[f] = r if higher else best_rate[f]
        number = 0
        for f in range(fields):
            value = envelope[f]
            # the ends of a bounded range are candidates when the residual falls towards them
            left = envelope[f - 1] if f > 0 or periodic else -np.inf
            right = envelope[(f + 1) % fields] if f + 1 < fields or periodic else -np.inf
            if value < left or value <= right:
                continue
            if number < count:
                place = number
                number += 1
            elif value > height[count - 1]:
                place = count - 1
            else:
                continue
            while place > 0 and height[place - 1] < value:
                height[place] = height[place - 1]
                at_field[v, place] = at_field[v, place - 1]
                place -= 1
            height[place] = value
            at_field[v, place] = f
        found[v] = number
        for place in range(number):
            at_rate[v, place] = best_rate[at_field[v, place]]
    return at_field, at_rate, found


@compiled
def _keep_best(voxel, field_hz, r2star, least, period, field, rate, cost):
    """Refined candidates of every voxel into the last three arrays (count, voxels), best first.

    What has run into the minimum of a better one is left out. `voxel` is in rising order; `period`
    is 0 where the field has none.
    """
    kept = 0
    for index in range(voxel.size):
        v = voxel[index]
        if index == 0 or v != voxel[index - 1]:
            kept = 0
        place = kept
        while place > 0 and least[index] < cost[place - 1, v]:
            place -= 1
        for later in range(kept, place, -1):
            field[later, v] = field[later - 1, v]
            rate[later, v] = rate[later - 1, v]
            cost[later, v] = cost[later - 1, v]
        field[place, v], rate[place, v] = field_hz[index], r2star[index]
        cost[place, v] = least[index]
        kept += 1
        if index + 1 < voxel.size and voxel[index + 1] == v:
            continue
        for later in range(1, kept):
            for better in range(later):
                apart = field[later, v] - field[better, v]
                if period > 0:
                    apart -= period * np.rint(apart / period)
                if abs(apart) < SAME_MINIMUM_HZ and np.isfinite(cost[better, v]):
                    cost[later, v] = np.inf
