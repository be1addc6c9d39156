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

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osteoflow.mri.candidates import FieldSearch


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
    # an absent candidate costs more than the cap and all six neighbours can repair
    absent = np.float32(1e6)
    cost = np.where(np.isfinite(cost), np.minimum(cost, prior.data_cap), absent)
    cost[1:, ~inside] = absent
    cost = cost.astype(np.float32)
    weight = np.where(inside, reliability, 0).astype(np.float32)
    gap = np.zeros(inside.shape, np.float32)
    if ndimage.label(inside)[1] > 1:
        field_hz, weight, gap = _bridge(field_hz, cost, weight, inside, spacing, prior)
    pairs = [_pair_cost(field_hz, weight, gap, axis, search, spacing, prior) for axis in range(3)]
    messages = [np.zeros((2, *cost.shape), np.float32) for _ in range(3)]
    belief = cost.copy()
    for _ in range(prior.sweeps):
        _sweep_all(belief, messages, pairs)
    return np.where(inside, belief.argmin(axis=0), 0)


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
    cost[:, outside] = np.where(cost[(slice(None), *source)] > prior.data_cap, 1e6, 0)
    gap = distance.astype(np.float32)
    fading = prior.bridge_weight * np.exp(-gap[outside] / prior.bridge_decay_mm)
    weight[outside] = weight[source] * fading
    return field_hz, weight, gap


def _huber(distance: np.ndarray) -> np.ndarray:
    magnitude = np.abs(distance)
    return np.where(magnitude <= 1, magnitude * magnitude, 2 * magnitude - 1)


def _pair_cost(
    field_hz: np.ndarray,
    weight: np.ndarray,
    gap: np.ndarray,
    axis: int,
    search: FieldSearch,
    spacing: np.ndarray,
    prior: FieldPrior,
) -> np.ndarray:
    """Smoothness between each voxel and its next neighbour along an axis.

    Shape (steps, from, to, ...plane): the axis comes first so that a sweep reads it in order.
    """
    field = np.moveaxis(field_hz, axis + 1, 1)
    w = np.moveaxis(weight, axis, 0)
    g = np.moveaxis(gap, axis, 0)
    length = np.float32(spacing[axis]) + g[:-1] + g[1:]
    scale = 1 / (np.float32(prior.gradient_hz_per_mm) * length)
    steps = field.shape[1] - 1
    labels = field.shape[0]
    out = np.empty((steps, labels, labels, *field.shape[2:]), np.float32)
    edge = np.float32(prior.pair_weight) * np.minimum(w[:-1], w[1:])
    for k in range(labels):
        for m in range(labels):
            jump = search.difference(field[k, :-1] - field[m, 1:])
            out[:, k, m] = edge * _huber(jump * scale)
    return out


def _sweep_all(belief: np.ndarray, messages: list[np.ndarray], pairs: list[np.ndarray]) -> None:
    """One round: forward and backward along every axis; belief and messages change in place."""
    for axis in range(3):
        total = np.moveaxis(belief, axis + 1, 0)
        forward = np.moveaxis(messages[axis][0], axis + 1, 0)
        backward = np.moveaxis(messages[axis][1], axis + 1, 0)
        cost = pairs[axis]
        for step in range(cost.shape[0]):
            source = (total[step] - backward[step])[:, None]
            _send(source + cost[step], 0, forward[step + 1], total[step + 1])
        for step in range(cost.shape[0] - 1, -1, -1):
            source = (total[step + 1] - forward[step + 1])[None]
            _send(source + cost[step], 1, backward[step], total[step])


def _send(joint: np.ndarray, over: int, message: np.ndarray, belief: np.ndarray) -> None:
    new = joint.min(axis=over)
    new -= new.min(axis=0)
    belief += new - message
    message[...] = new
