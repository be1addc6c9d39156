"""Candidate solutions of every voxel: the local minima of the residual over the field map.

For one R2* the energy explained by the model is a trigonometric polynomial of the field whose
coefficients are products of echo pairs, so a whole grid of fields and R2* is one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.mri.varpro import RatePrior, fit_rates

R2STAR_BOUNDS = (-100.0, 1000.0)
"""Range of R2* in 1/s. The negative part is noise's: stopping at zero would bias regional means."""

R2STAR_GRID = (0.0, 20.0, 40.0, 65.0, 95.0, 130.0, 175.0, 230.0, 300.0, 400.0, 550.0)
"""R2* in 1/s at which the residual is searched before it is refined."""

SAMPLES_PER_CYCLE = 12
"""Field samples per period of the fastest echo pair; a minimum is found within one sample."""

CHUNK = 8192
"""Voxels treated at once; bounds the memory of the search."""

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
    shape = (count, voxels)
    field = np.zeros(shape, np.float32)
    rate = np.zeros(shape, np.float32)
    cost = np.full(shape, np.inf, np.float32)
    for start in range(0, voxels, CHUNK):
        part = slice(start, min(start + CHUNK, voxels))
        data = signal[:, part]
        f, r, present = _grid_minima(data, table, fields, rates, penalty, search, count)
        size = data.shape[1]
        which, voxel = np.nonzero(present)
        fit = fit_rates(
            data[:, voxel], times, phasor, f[present], r[present], bounds, prior, iterations
        )
        chunk_field = np.zeros((count, size), np.float32)
        chunk_rate = np.zeros((count, size), np.float32)
        chunk_cost = np.full((count, size), np.inf, np.float32)
        chunk_field[which, voxel] = fit.field_hz
        chunk_rate[which, voxel] = fit.r2star
        chunk_cost[which, voxel] = fit.cost
        order = np.argsort(chunk_cost, axis=0, kind="stable")
        field[:, part] = np.take_along_axis(chunk_field, order, axis=0)
        rate[:, part] = np.take_along_axis(chunk_rate, order, axis=0)
        cost[:, part] = np.take_along_axis(chunk_cost, order, axis=0)
    _drop_duplicates(field, cost, search)
    return Candidates(field, rate, cost)


def _drop_duplicates(field: np.ndarray, cost: np.ndarray, search: FieldSearch) -> None:
    """Mark as absent, in place, what repeats a better candidate."""
    for later in range(1, field.shape[0]):
        for better in range(later):
            near = np.abs(search.difference(field[later] - field[better])) < SAME_MINIMUM_HZ
            cost[later, near & np.isfinite(cost[better])] = np.inf


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


def _grid_minima(
    data: np.ndarray,
    table: np.ndarray,
    fields: np.ndarray,
    rates: np.ndarray,
    penalty: np.ndarray,
    search: FieldSearch,
    count: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fields, R2* and presence, each (count, voxels), of the best minima on the grid."""
    n, size = data.shape
    lower, upper = np.triu_indices(n, 1)
    pairs = data[lower].conj() * data[upper]
    features = np.concatenate([np.abs(data) ** 2, pairs.real, pairs.imag]).astype(np.float32)
    energy = (features.T @ table).reshape(size, rates.size, fields.size)
    energy -= penalty[None, :, None]
    envelope = energy.max(axis=1)
    left, right = np.roll(envelope, 1, axis=1), np.roll(envelope, -1, axis=1)
    if not np.isfinite(search.period):
        # the ends of a bounded range are candidates when the residual falls towards them
        left[:, 0] = right[:, -1] = -np.inf
    peaks = np.where((envelope >= left) & (envelope > right), envelope, -np.inf)
    count_found = min(count, fields.size)
    best = np.argpartition(-peaks, count_found - 1, axis=1)[:, :count_found]
    rows = np.arange(size)[:, None]
    present = np.isfinite(peaks[rows, best])
    best_rate = energy[rows, :, best].argmax(axis=2)
    pad = ((0, 0), (0, count - count_found))
    return (
        np.pad(fields[best], pad).T.astype(np.float32),
        np.pad(rates[best_rate], pad).T.astype(np.float32),
        np.pad(present, pad).T,
    )
