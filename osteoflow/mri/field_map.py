"""Choice of one candidate per voxel so that the field map is smooth: no water-fat swaps.

The candidates of `osteoflow.mri.candidates` are the labels of a Markov random field on the voxel
grid: data cost from the likelihood of the residual, smoothness from the field difference between
neighbours (modulo the field's period). It is minimised by min-sum belief propagation in directed
sweeps, which carry evidence across the whole volume in one pass (Tappen MF, Freeman WT, ICCV
2003; Szeliski R et al., IEEE TPAMI 2008;30:1068-1080). Regions that touch no other are bridged
through the air between them: a voxel outside repeats the candidates of the nearest voxel inside,
without data of its own, and where the zones of two regions meet their fields are compared with a
tolerance that grows with the distance bridged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.mri.candidates import FieldSearch
from osteoflow.scipy_parts import ndimage

ABSENT = np.float32(1e6)
"""Cost of a candidate that a voxel does not have: beyond what any neighbours can repair."""


@dataclass(frozen=True)
class FieldPrior:
    """Strengths of the spatial model; costs are in units of negative log-likelihood.

    Parameters
    ----------
    gradient_hz_per_mm
        Field gradient that costs ``pair_weight``; smaller ones cost quadratically less, larger
        ones linearly more (Huber), so that a true step of the field is dear but not forbidden.
    pair_weight
        Cost of that gradient between two neighbours of good signal.
    data_cap
        Most that one voxel's data may say against a candidate: a corrupted voxel must not
        outvote its six neighbours.
    bridge_weight
        Weight of a pair outside the regions, relative to one inside.
    bridge_decay_mm
        Distance from the regions over which that weight falls to 1/e.
    sweeps
        Rounds of six directed sweeps.
    """

    gradient_hz_per_mm: float = 8.0
    pair_weight: float = 1.0
    data_cap: float = 40.0
    bridge_weight: float = 0.1
    bridge_decay_mm: float = 30.0
    sweeps: int = 4


def choose_candidates(
    field_hz: np.ndarray,
    data_cost: np.ndarray,
    reliability: np.ndarray,
    search: FieldSearch,
    spacing: np.ndarray,
    prior: FieldPrior | None = None,
) -> np.ndarray:
    """Index of the chosen candidate in every voxel.

    Parameters
    ----------
    field_hz
        Candidates in Hz, float32, shape (n_candidates, i, j, k).
    data_cost
        Negative log-likelihood of each, the same shape; infinite where there is no candidate. A
        voxel without any is outside.
    reliability
        Weight 0..1 of a voxel's smoothness terms (low signal: random candidates), shape (i, j, k).
    search
        Gives the period modulo which fields are compared.
    spacing
        Voxel size in mm, shape (3,).
    prior
        Strengths of the spatial model.

    Returns
    -------
    ndarray
        intp, shape (i, j, k); zero outside.
    """
    prior = prior or FieldPrior()
    inside = np.isfinite(data_cost[0])
    cost = data_cost - np.where(inside, data_cost[0], 0)
    cost = np.where(np.isfinite(cost), np.minimum(cost, prior.data_cap), ABSENT)
    cost[1:, ~inside] = ABSENT
    weight = np.where(inside, reliability, 0).astype(np.float32)
    gap = np.zeros(inside.shape, np.float32)
    if ndimage.label(inside)[1] > 1:
        field_hz, weight, gap = _bridge(field_hz, cost, weight, inside, spacing, prior)
    belief = _by_voxel(cost)
    field = _by_voxel(field_hz)
    present = belief < ABSENT
    weight *= np.float32(prior.pair_weight)
    messages = [np.zeros((2, *belief.shape), np.float32) for _ in range(3)]
    period = search.period if np.isfinite(search.period) else 0.0
    for _ in range(prior.sweeps):
        for axis, passed in enumerate(messages):
            shape = inside.shape
            lines = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
            geometry = weight.ravel(), gap.ravel(), float(spacing[axis]), prior.gradient_hz_per_mm
            for backward in (False, True):
                _sweep(belief, passed, field, present, period, *geometry, lines, backward)
    return np.where(inside, belief.argmin(axis=1).reshape(inside.shape), 0)


def _by_voxel(values: np.ndarray) -> np.ndarray:
    """Candidates of one voxel side by side: float32, shape (voxels, candidates)."""
    rows = values.reshape(values.shape[0], -1).T
    return np.ascontiguousarray(rows, dtype=np.float32)


def _bridge(
    field_hz: np.ndarray,
    cost: np.ndarray,
    weight: np.ndarray,
    inside: np.ndarray,
    spacing: np.ndarray,
    prior: FieldPrior,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates and weights carried outwards, and the distance in mm; `cost` changes in place."""
    distance, nearest = ndimage.distance_transform_edt(
        ~inside, sampling=np.asarray(spacing, dtype=float), return_indices=True
    )
    outside = ~inside
    source = tuple(index[outside] for index in nearest)
    field_hz, weight = field_hz.copy(), weight.copy()
    field_hz[:, outside] = field_hz[(slice(None), *source)]
    # no evidence of its own, and no candidate that its source lacks
    cost[:, outside] = np.where(cost[(slice(None), *source)] > prior.data_cap, ABSENT, 0)
    gap = distance.astype(np.float32)
    fading = prior.bridge_weight * np.exp(-gap[outside] / prior.bridge_decay_mm)
    weight[outside] = weight[source] * fading
    return field_hz, weight, gap


@compiled
def _sweep(
    belief, messages, field, present, period, weight, gap, spacing, gradient, lines, backward
):
    """Messages along all lines of one axis in one direction; belief and messages change in place.

    Arrays are (voxels, candidates), `messages` (2, voxels, candidates) with those that came
    forward and backward; `lines` splits the voxels into (before, along, after) the axis. Skipping
    absent candidates changes no choice: they never win.
    """
    before, along, after = lines
    candidates = belief.shape[1]
    here = messages[1 if backward else 0]
    opposite = messages[0 if backward else 1]
    source = np.empty(candidates)
    new = np.empty(candidates)
    for b in range(before):
        for s in range(along - 1):
            step = along - 1 - s if backward else s
            start = (b * along + step) * after
            ahead = -after if backward else after
            for v in range(start, start + after):
                to = v + ahead
                edge = min(weight[v], weight[to])
                if edge <= 0:
                    continue
                scale = 1 / (gradient * (spacing + gap[v] + gap[to]))
                for k in range(candidates):
                    source[k] = belief[v, k] - opposite[v, k]
                lowest = np.inf
                for m in range(candidates):
                    if not present[to, m]:
                        continue
                    best = np.inf
                    for k in range(candidates):
                        if not present[v, k]:
                            continue
                        jump = field[v, k] - field[to, m]
                        if period > 0:
                            jump -= period * np.rint(jump / period)
                        distance = abs(jump * scale)
                        # Huber: a square near zero, straight beyond one
                        huber = distance * distance if distance <= 1 else 2 * distance - 1
                        best = min(best, source[k] + edge * huber)
                    new[m] = best
                    lowest = min(lowest, best)
                for m in range(candidates):
                    if present[to, m]:
                        message = new[m] - lowest
                        belief[to, m] += message - here[to, m]
                        here[to, m] = message
