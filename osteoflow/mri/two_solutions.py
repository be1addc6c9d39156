"""Which of the two solutions of a magnitude-only fit a voxel takes, and when that stays open.

The water-dominant and the fat-dominant solution are compared by likelihood. Where the noise leaves
that open, the evidence of a voxel and its neighbours is added up: a region of one tissue decides
together what none of its voxels could. Where neighbours that need no help disagree, a boundary
between water and fat is near and the voxel stays open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.mri.levenberg import Minimum
from osteoflow.mri.noise import SIGMA_FLOOR

AMBIGUITY = 3.0
"""Log-likelihood ratio of the two solutions below which a voxel is undecided (20 to 1). Where D is
its expectation it scatters by the square root of 2 D, so that whatever the noise at most 0.7 % of
all voxels (not of the decided ones, which may be few) take the wrong solution for decided."""

SAME_SOLUTION_PP = 5.0
"""Percentage points of PDFF below which it does not matter which of the two solutions is taken."""

NEIGHBOUR_CAP = 2 * AMBIGUITY
"""Most log-likelihood that one neighbour may contribute: no single voxel outvotes the others."""

DISSENT = 0.05
"""Share of the neighbours decided by themselves that may disagree with the common decision; where
more do, a boundary between water and fat runs through the neighbourhood."""

SIMILAR_PP = 20.0
"""Neighbours vote where both their solutions lie within this many percentage points of the
voxel's own: another tissue has other solutions."""


@dataclass(frozen=True)
class Decision:
    """Which solution each voxel takes, and how sure that is; arrays of shape (voxels,)."""

    low: np.ndarray
    ambiguous: np.ndarray
    by_neighbours: np.ndarray

    def pick(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Values of the chosen solution; voxels are the last axis."""
        return np.where(self.low, low, high)


def choose_solution(
    solutions: tuple[Minimum, Minimum],
    norm: np.ndarray,
    sd: float,
    inside: np.ndarray,
    ask_neighbours: bool,
) -> Decision:
    """Compare the likelihoods of the two solutions, where needed over the neighbourhood.

    Parameters
    ----------
    solutions
        Fits from below and above the fold; the fat fraction is their second parameter.
    norm
        Norm of each voxel's signal, shape (voxels,).
    sd
        Noise SD in the unit of `norm`.
    inside
        bool, shape (i, j, k): where the voxels lie.
    ask_neighbours
        Whether undecided voxels are decided with their neighbours.
    """
    low, high = solutions
    # no model is exact: without noise the likelihood would be infinitely sharp
    trust = sd**2 / (sd**2 + (SIGMA_FLOOR * norm) ** 2)
    evidence = (high.cost - low.cost) * trust
    apart = 100 * np.abs(high.parameters[1] - low.parameters[1]) > SAME_SOLUTION_PP
    own = np.abs(evidence) >= AMBIGUITY
    undecided = apart & ~own
    by_neighbours = np.zeros_like(undecided)
    if ask_neighbours and undecided.any():
        pooled, united = _pooled_evidence(evidence, low.parameters[1], high.parameters[1], inside)
        by_neighbours = undecided & united & (np.abs(pooled) >= AMBIGUITY)
        evidence = np.where(by_neighbours, pooled, evidence)
    return Decision(evidence >= 0, undecided & ~by_neighbours, by_neighbours)


def _pooled_evidence(
    evidence: np.ndarray, low: np.ndarray, high: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Summed evidence of a voxel and its neighbours of the same tissue, and whether these agree.

    Both of shape (voxels,).
    """
    maps = np.full((3, *(n + 2 for n in inside.shape)), np.nan, np.float32)
    core = (slice(1, -1),) * 3
    for index, values in enumerate((np.clip(evidence, -NEIGHBOUR_CAP, NEIGHBOUR_CAP), low, high)):
        maps[index][core][inside] = values
    own = maps[(slice(None), *core)][:, inside]
    total = evidence.copy()
    water, fat = (np.zeros(evidence.size, np.int16) for _ in range(2))
    for offset in np.ndindex(3, 3, 3):
        if offset == (1, 1, 1):
            continue
        window = tuple(slice(o, o + n) for o, n in zip(offset, inside.shape, strict=True))
        near = maps[(slice(None), *window)][:, inside]
        similar = (np.abs(near[1:] - own[1:]) <= SIMILAR_PP / 100).all(axis=0)
        total += np.where(similar, near[0], 0)
        water += near[0] >= AMBIGUITY
        fat += near[0] <= -AMBIGUITY
    against = np.where(total >= 0, fat, water)
    return total, against <= DISSENT * (water + fat)
