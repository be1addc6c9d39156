"""First pass over seeds: every click is moved to the middle of the body that it means.

A click is off by millimetres. Around each, a superellipsoid of typical size is tried at all shifts,
and of the best few of every level those are taken that lie in a row at plausible distances
(dynamic programming along the spine). Faces and tilt are then fitted to the image's edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from osteoflow.segmentation.body_template import EdgeVotes, fit_faces, fit_tilt
from osteoflow.segmentation.seed_grid import STEP_MM, SeedGrid
from osteoflow.segmentation.spine_frame import (
    HIGHEST_DEGREE,
    Frame,
    body_sizes,
    frames,
    pitch,
)

SEARCH_MM = 15.0
# Shifts are whole steps of the grid.
SHIFT_STEPS = 2
# Cost in votes of a shift by 9 mm, and of a distance to the neighbour off by 4 mm (along the spine)
# or 8 mm (across).
SHIFT_COST, SHIFT_MM = 0.1, 9.0
PAIR_COST, ALONG_MM, ACROSS_MM = 0.03, 4.0, 8.0
CANDIDATES = 60
WIDTHS = (0.85, 1.0, 1.15)
HEIGHTS = (0.82, 0.94, 1.06, 1.18)
COARSE_SIGMA_MM, FINE_SIGMA_MM = 2.5, 1.5
# Range of the faces' search in mm, one after the other.
FACE_RANGES = (7.0, 4.0, 2.5)


def fit_bodies(
    grid: SeedGrid, levels: Sequence[int], seeds: np.ndarray, bright_shell: bool
) -> list[tuple[Frame, float]]:
    """The template of each level where it sits on its body, and its mean vote (-1..1).

    Parameters
    ----------
    grid
        The image around the spine, in HU or scaled to match.
    levels
        VerSe ids from head to foot.
    seeds
        RAS mm in the same order, shape (n, 3).
    bright_shell
        Whether the shell is brighter than the marrow, as in CT.
    """
    coarse = EdgeVotes(grid, COARSE_SIGMA_MM, bright_shell)
    fine = EdgeVotes(grid, FINE_SIGMA_MM, bright_shell)
    steps = _ball(int(SEARCH_MM / STEP_MM), SHIFT_STEPS)
    shifts = steps * STEP_MM
    cost = SHIFT_COST * (shifts**2).sum(axis=1) / SHIFT_MM**2
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    # Scattered clicks bend a parabola more than a spine: the image tells which curve is right.
    for degree in range(min(len(levels) - 1, 1), min(len(levels) - 1, HIGHEST_DEGREE) + 1):
        start = frames(levels, seeds, degree)
        for width, height in product(WIDTHS, HEIGHTS):
            scale = np.array([width, width, height])
            scaled = [Frame(f.level, f.centre, f.axes, f.half * scale) for f in start]
            votes = [coarse.of_shifts(f, steps) - cost for f in scaled]
            total, chosen = _row(scaled, shifts, votes, height)
            total -= len(levels) * 0.01 * (((width - 1) / 0.15) ** 2 + ((height - 1) / 0.12) ** 2)
            if best is None or total > best[0]:
                best = (total, shifts[chosen], scale)
    _, moved, scale = best
    found = []
    for frame in frames(levels, seeds + moved):
        typical = body_sizes()[frame.level].half
        fitted = Frame(frame.level, frame.centre, frame.axes, frame.half * scale)
        for turn, reach in enumerate(FACE_RANGES):
            votes = coarse if turn == 0 else fine
            fitted = fit_faces(fitted, votes, typical, typical * scale, reach)
            fitted = fit_tilt(fitted, fine)
        found.append((fitted, fine.of(fitted)))
    return found


def _row(
    bodies: list[Frame], shifts: np.ndarray, votes: list[np.ndarray], height: float
) -> tuple[float, list[int]]:
    """The shifts with the largest sum of votes less the cost of implausible distances."""
    kept = [np.argsort(-vote, kind="stable")[:CANDIDATES] for vote in votes]
    total = votes[0][kept[0]]
    back = []
    for number in range(1, len(bodies)):
        upper, lower = bodies[number - 1], bodies[number]
        between = (lower.centre + shifts[kept[number]])[None] - (
            upper.centre + shifts[kept[number - 1]]
        )[:, None]
        down = -(upper.axes[2] + lower.axes[2])
        down /= np.linalg.norm(down)
        along = between @ down
        across = np.linalg.norm(between - along[..., None] * down, axis=-1)
        expected = pitch(upper.level, lower.level) * (0.5 + 0.5 * height)
        off = ((along - expected) / ALONG_MM) ** 2 + (across / ACROSS_MM) ** 2
        sums = total[:, None] - PAIR_COST * off
        back.append(sums.argmax(axis=0))
        total = sums.max(axis=0) + votes[number][kept[number]]
    chosen = [int(total.argmax())]
    for pointers in reversed(back):
        chosen.append(int(pointers[chosen[-1]]))
    chosen.reverse()
    return float(total.max()), [int(k[c]) for k, c in zip(kept, chosen, strict=True)]


def _ball(radius: int, step: int) -> np.ndarray:
    """Points of a cubic lattice in a ball around 0, nearest first, whole numbers (n, 3)."""
    axis = np.arange(-(radius // step) * step, radius + 1, step)
    lattice = np.array(np.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, -1).T
    squared = (lattice**2).sum(axis=1)
    order = np.argsort(squared, kind="stable")
    return lattice[order][squared[order] <= radius**2]
