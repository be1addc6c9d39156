"""How well a superellipsoid of given place, axes and size sits on a vertebral body's surface.

The surface is where the image falls from inside to outside: cortex against soft tissue, disc and
canal in CT, marrow against everything around it in fat-sensitive MRI. Each point of the template's
surface votes with the slope along its outward normal, squashed to -1..1 so that calcified vessels
and metal count no more than an endplate does. Rising slopes vote against: the inner side of the
cortex, and a template that sits in the disc.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from osteoflow.scipy_parts import ndimage
from osteoflow.segmentation.seed_grid import STEP_MM, SeedGrid
from osteoflow.segmentation.spine_frame import ACROSS_POWER, ALONG_POWER, Frame

# Slope at which a point's vote is half: HU per mm, and MRI is scaled to match.
HALF_SLOPE = 20.0
SIZE_COST = 0.05
# Where the shell and what it holds are looked up, mm inside the surface, and the rise from one to
# the other at which a point's vote is half, HU.
SHELL_MM, CORE_MM, HALF_RISE = 1.0, 6.0, 60.0
SHELL_SIGMA_MM = 1.2
FURTHEST_STEPS = 12
# Faces may leave this range of the typical size only when the image says so elsewhere: collapsed
# bodies are low, large men's are wide.
SIZE_LIMITS = (0.7, 1.45)
_FACE_NORMAL = 0.75


@cache
def surface() -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) on the unit superellipsoid and their weights: sides and endplates count equal.

    Weights add up to 1.
    """
    angle = (np.arange(24) + 0.5) * 2 * np.pi / 24
    radius = np.power(
        np.abs(np.cos(angle)) ** ACROSS_POWER + np.abs(np.sin(angle)) ** ACROSS_POWER,
        -1 / ACROSS_POWER,
    )
    ring = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def at(share: float, height: float, step: int) -> np.ndarray:
        chosen = ring[::step] * share
        return np.column_stack([chosen, np.full(len(chosen), height)])

    def partner(value: float) -> float:
        return (1 - value**ALONG_POWER) ** (1 / ALONG_POWER)

    side = np.vstack([at(partner(abs(h)), h, 1) for h in np.linspace(-0.7, 0.7, 5)])
    shares = (0.13, 0.34, 0.55, 0.77)
    caps = np.vstack(
        [
            at(r, sign * partner(r), step)
            for sign in (-1, 1)
            for r, step in zip(shares, (4, 3, 2, 1), strict=True)
        ]
    )
    weights = np.concatenate(
        [np.full(len(side), 0.5 / len(side)), np.full(len(caps), 0.5 / len(caps))]
    )
    return np.vstack([side, caps]), weights


def normals(frame: Frame) -> np.ndarray:
    """Outward unit normals in RAS at the template's points, shape (n, 3)."""
    points = surface()[0]
    powers = np.array([ACROSS_POWER, ACROSS_POWER, ALONG_POWER]) - 1
    outward = np.sign(points) * np.abs(points) ** powers / frame.half
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    return outward @ frame.axes


def places(frame: Frame) -> np.ndarray:
    """RAS positions of the template's points, shape (n, 3)."""
    return (surface()[0] * frame.half) @ frame.axes + frame.centre


class EdgeVotes:
    """Votes of template points in one image at one scale.

    Parameters
    ----------
    grid
        The image around the spine.
    sigma_mm
        Smoothing before the gradient is taken.
    bright_shell
        Whether the body's shell is brighter than what it holds, as in CT. Half of the vote is then
        the rise from inside to the shell: between narrow discs nothing else tells a body from a
        disc with its two endplates.
    """

    def __init__(self, grid: SeedGrid, sigma_mm: float, bright_shell: bool) -> None:
        self.grid = grid
        self.gradient = grid.gradient(sigma_mm)
        self.smooth = None
        if bright_shell:
            self.smooth = ndimage.gaussian_filter(grid.values, SHELL_SIGMA_MM / STEP_MM)
        images = [*self.gradient, *([] if self.smooth is None else [self.smooth])]
        self._padded = [np.pad(v, FURTHEST_STEPS, constant_values=np.nan) for v in images]
        self._padded_shape = np.array(self._padded[0].shape)

    def at(self, points: np.ndarray, outward: np.ndarray) -> np.ndarray:
        """Votes (-1..1) at RAS points (..., n, 3) with normals (n, 3); 0 outside the image."""
        slope = -sum(
            part * along
            for part, along in zip(self._linear(self.gradient, points), outward.T, strict=True)
        )
        if self.smooth is None:
            return _votes(slope, None)
        (shell,) = self._linear([self.smooth], points - SHELL_MM * outward)
        (core,) = self._linear([self.smooth], points - CORE_MM * outward)
        return _votes(slope, shell - core)

    def of(self, frame: Frame) -> float:
        """Mean vote of the whole template."""
        return float(self.at(places(frame), normals(frame)) @ surface()[1])

    def of_shifts(self, frame: Frame, steps: np.ndarray) -> np.ndarray:
        """Mean vote after each of many shifts (m, 3), whole steps of the grid, at nearest points.

        Shifts of more than :data:`FURTHEST_STEPS` along an axis are not possible.
        """
        points, outward = places(frame), normals(frame).astype(np.float32)
        shape = self._padded_shape
        moves = (steps[:, 0] * shape[1] + steps[:, 1]) * shape[2] + steps[:, 2]

        def gathered(images: list[np.ndarray], at: np.ndarray) -> list[np.ndarray]:
            index = np.rint(self.grid.index_of(at)).astype(int)
            # What lies beyond the padding is outside the image wherever it is shifted.
            index = np.clip(index + FURTHEST_STEPS, FURTHEST_STEPS - 1, shape - FURTHEST_STEPS)
            flat = (index[:, 0] * shape[1] + index[:, 1]) * shape[2] + index[:, 2]
            where = moves[:, None] + flat
            return [image.ravel()[where] for image in images]

        parts = gathered(self._padded[:3], points)
        slope = -sum(part * along for part, along in zip(parts, outward.T, strict=True))
        if self.smooth is None:
            return _votes(slope, None) @ surface()[1]
        (shell,) = gathered(self._padded[3:], points - SHELL_MM * outward)
        (core,) = gathered(self._padded[3:], points - CORE_MM * outward)
        return _votes(slope, shell - core) @ surface()[1]

    def _linear(self, images: list[np.ndarray], points: np.ndarray) -> list[np.ndarray]:
        index = self.grid.index_of(points).reshape(-1, 3).T
        return [
            ndimage.map_coordinates(image, index, order=1, mode="constant", cval=np.nan).reshape(
                points.shape[:-1]
            )
            for image in images
        ]


def _votes(slope: np.ndarray, rise: np.ndarray | None) -> np.ndarray:
    """Votes of slopes along the normals and, with a bright shell, of rises towards it."""
    votes = np.nan_to_num(slope / (np.abs(slope) + np.float32(HALF_SLOPE)))
    if rise is None:
        return votes
    return (votes + np.nan_to_num(rise / (np.abs(rise) + np.float32(HALF_RISE)))) / 2


def fit_faces(
    frame: Frame, votes: EdgeVotes, typical: np.ndarray, expected: np.ndarray, reach_mm: float
) -> Frame:
    """Move the six faces along their axes, opposite ones together, to where their points vote most.

    Parameters
    ----------
    frame
        Where the search begins.
    votes
        The image's edges.
    typical
        Half sizes (3,) that :data:`SIZE_LIMITS` refer to.
    expected
        Half sizes (3,) of this spine: a size off by 15 % costs :data:`SIZE_COST` of a vote.
    reach_mm
        Largest move of a face; moves of 3 mm cost 0.01 of a vote.
    """
    offsets = np.arange(-reach_mm, reach_mm + 1e-6, 0.5)
    for axis in (2, 1, 0):
        points, outward = places(frame), normals(frame)
        along = frame.axes[axis]
        found = []
        for sign in (-1, 1):
            face = sign * (outward @ along) > _FACE_NORMAL
            if axis == 1 and sign == 1:
                # The rims of the posterior wall carry pedicles and ligaments.
                face &= np.abs(surface()[0][:, 2]) < 0.8
            shifted = points[face] + sign * offsets[:, None, None] * along
            found.append(votes.at(shifted, outward[face]).mean(axis=1) - 0.01 * (offsets / 3) ** 2)
        half = frame.half[axis] + (offsets[:, None] + offsets) / 2
        value = (found[0][:, None] + found[1]) / 2
        value -= SIZE_COST * ((half / expected[axis] - 1) / 0.15) ** 2
        share = half / typical[axis]
        value[(share < SIZE_LIMITS[0]) | (share > SIZE_LIMITS[1])] = -np.inf
        lower, upper = np.unravel_index(value.argmax(), value.shape)
        if np.isfinite(value[lower, upper]):
            size = frame.half.copy()
            size[axis] = half[lower, upper]
            centre = frame.centre + along * (offsets[upper] - offsets[lower]) / 2
            frame = Frame(frame.level, centre, frame.axes, size)
    return frame


def fit_tilt(frame: Frame, votes: EdgeVotes) -> Frame:
    """Turn the template about the left-right and the anterior-posterior axis, 0.12 rad at most."""
    for other in (1, 0):
        turned = [
            _turned(frame, other, angle) for angle in (-0.12, -0.06, -0.03, 0, 0.03, 0.06, 0.12)
        ]
        frame = _best(turned, lambda f, was=frame: votes.of(f) - _turn_cost(was, f))
    return frame


def _turned(frame: Frame, axis: int, angle: float) -> Frame:
    axes = frame.axes.copy()
    axes[axis] = np.cos(angle) * frame.axes[axis] + np.sin(angle) * frame.axes[2]
    axes[2] = np.cos(angle) * frame.axes[2] - np.sin(angle) * frame.axes[axis]
    return Frame(frame.level, frame.centre, axes, frame.half)


def _turn_cost(was: Frame, now: Frame) -> float:
    """0.01 of a vote for 0.1 rad."""
    return 0.01 * float(np.sum((was.axes[2] - now.axes[2]) ** 2)) / 0.01


def _best(options: list[Frame], value: Callable[[Frame], float]) -> Frame:
    return max(options, key=value)
