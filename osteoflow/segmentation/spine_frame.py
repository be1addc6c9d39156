"""The spine as a smooth curve through points, and each vertebral body's own axes along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from osteoflow.resources import read_resource
from osteoflow.segmentation.schemes import verse_id

POSTERIOR = np.array([0.0, -1.0, 0.0])
# Exponents of the superellipsoid: rounded across the spine, nearly flat at the endplates.
ACROSS_POWER = 2.5
ALONG_POWER = 4.0
# Highest degree of the spine's curve: a lordosis and nothing finer, which clicks cannot tell.
HIGHEST_DEGREE = 2


@dataclass(frozen=True)
class BodySize:
    """Typical width, depth and height of a vertebral body and height of the disc below, in mm."""

    width: float
    depth: float
    height: float
    disc: float

    @property
    def half(self) -> np.ndarray:
        """Half width, half depth and half height, shape (3,)."""
        return np.array([self.width, self.depth, self.height]) / 2


@cache
def body_sizes() -> dict[int, BodySize]:
    """VerSe id -> size, for every level that can be seeded (T1 to L6, T13)."""
    return {
        verse_id(row["level"]): BodySize(
            *(float(row[name]) for name in ("width", "depth", "height", "disc_height"))
        )
        for row in read_resource("vertebral_body_sizes.tsv")
    }


def pitch(upper: int, lower: int) -> float:
    """Typical distance in mm between the centres of two vertebral bodies (VerSe ids)."""
    order = [*range(8, 20), 28, *range(20, 26)]
    # T13 is passed over unless it is one of the two.
    chain = [
        level
        for level in order[order.index(upper) : order.index(lower) + 1]
        if level != 28 or 28 in (upper, lower)
    ]
    sizes = [body_sizes()[level] for level in chain]
    between = sum(size.height for size in sizes[1:-1])
    discs = sum(size.disc for size in sizes[:-1])
    return (sizes[0].height + sizes[-1].height) / 2 + between + discs


@dataclass(frozen=True)
class Frame:
    """A vertebral body's own axes and size.

    Parameters
    ----------
    level
        VerSe id.
    centre
        RAS mm, shape (3,).
    axes
        Rows: unit vectors across, to posterior and to cranial, shape (3, 3).
    half
        Half width, half depth and half height in mm, shape (3,).
    """

    level: int
    centre: np.ndarray
    axes: np.ndarray
    half: np.ndarray

    def local(self, points: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Coordinates in mm along the three axes of points given as arrays of x, y and z."""
        moved = [p - np.float32(c) for p, c in zip(points, self.centre, strict=True)]
        return [
            sum(np.float32(a) * m for a, m in zip(axis, moved, strict=True)) for axis in self.axes
        ]

    def reach(self, local: Sequence[np.ndarray]) -> np.ndarray:
        """Superellipsoid function of local coordinates: 0 in the centre, 1 on the surface."""
        u, v, w = (np.abs(c) / np.float32(h) for c, h in zip(local, self.half, strict=True))
        across = (u**ACROSS_POWER + v**ACROSS_POWER) ** (ALONG_POWER / ACROSS_POWER)
        return (across + w**ALONG_POWER) ** (1 / ALONG_POWER)


def frames(
    levels: Sequence[int], centres: np.ndarray, highest_degree: int = HIGHEST_DEGREE
) -> list[Frame]:
    """Each body's axes from the curve through all centres, with typical sizes.

    Parameters
    ----------
    levels
        VerSe ids from head to foot.
    centres
        RAS mm in the same order, shape (n, 3); one alone has the scanner's axes.
    highest_degree
        Of the curve: 2 (a parabola where there are three centres or more) or 1 (a line).

    Notes
    -----
    Left-right and anterior-posterior position are polynomials of the height, fitted by least
    squares. A vertebra's rotation about the spine's axis is taken to be none.
    """
    heights = centres[:, 2] - centres[:, 2].mean()
    # Not at the top: only seeds need it.
    polynomial = np.polynomial.polynomial
    degree = min(len(levels) - 1, highest_degree)
    slopes = [
        polynomial.polyder(polynomial.polyfit(heights, centres[:, axis], degree)) for axis in (0, 1)
    ]
    found = []
    for level, centre, height in zip(levels, centres, heights, strict=True):
        along = np.array([*(polynomial.polyval(height, slope) for slope in slopes), 1.0])
        along /= np.linalg.norm(along)
        back = POSTERIOR - (POSTERIOR @ along) * along
        back /= np.linalg.norm(back)
        axes = np.array([np.cross(back, along), back, along])
        found.append(Frame(level, np.asarray(centre, float), axes, body_sizes()[level].half))
    return found
