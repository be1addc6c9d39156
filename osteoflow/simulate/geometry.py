"""Image grids in patient coordinates and signed distances to simple solids.

Everything here is in DICOM's patient coordinates: x to the left, y to posterior, z to superior, mm.
A signed distance is negative inside a solid; away from the surface it may be approximate, since
only the sign and the few millimetres around the surface matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Distance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Box = tuple[slice, slice, slice]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Grid:
    """Voxel centres of an image.

    Parameters
    ----------
    shape
        Columns, rows, slices.
    affine
        4 x 4 matrix from (column, row, slice) indices to patient coordinates (LPS, mm).
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along columns, rows and slices in mm."""
        return tuple(float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def ras_affine(self) -> np.ndarray:
        """The same mapping into NIfTI's RAS+ coordinates."""
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.affine

    def subdivided(self, factors: tuple[int, int, int]) -> Grid:
        """Grid whose voxels split each voxel into ``factors`` parts along each axis."""
        scale = np.eye(4)
        for axis, factor in enumerate(factors):
            scale[axis, axis] = 1 / factor
            scale[axis, 3] = (1 / factor - 1) / 2
        shape = tuple(n * f for n, f in zip(self.shape, factors, strict=True))
        return Grid(shape, self.affine @ scale)

    def box(self, lower: Point, upper: Point) -> Box | None:
        """Smallest index box that holds the cuboid ``lower``..``upper``; None if they are apart."""
        limits = np.array([lower, upper], float)
        if np.isinf(limits).any():
            finite = np.abs(self.affine[:3, :3]) @ np.array(self.shape) + 1
            centre = (self.affine @ np.append((np.array(self.shape) - 1) / 2, 1))[:3]
            limits = np.clip(limits, centre - finite, centre + finite)
        corners = np.stack(np.meshgrid(*limits.T, indexing="ij"), -1).reshape(-1, 3)
        indices = np.linalg.solve(self.affine[:3, :3], (corners - self.affine[:3, 3]).T)
        start = np.maximum(np.floor(indices.min(axis=1)).astype(int), 0)
        stop = np.minimum(np.ceil(indices.max(axis=1)).astype(int) + 1, self.shape)
        if (start >= stop).any():
            return None
        return tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))

    def coordinates(self, box: Box | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y, z of the voxel centres, mutually broadcastable, float32.

        On a grid aligned with the patient's axes each has one long dimension only, so that what
        does not depend on an axis is computed once along it.
        """
        box = box or tuple(slice(0, n) for n in self.shape)
        index = np.ogrid[box]
        result = []
        for row in self.affine[:3]:
            total = np.float32(row[3])
            for step, axis in zip(row[:3], index, strict=True):
                if abs(step) > 1e-9:
                    total = total + np.float32(step) * axis.astype(np.float32)
            result.append(
                np.asarray(total, np.float32).reshape(
                    (1, 1, 1)[: 3 - np.ndim(total)] + np.shape(total)
                )
            )
        return tuple(result)


def block_mean(data: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """Mean over blocks of ``factors`` voxels of the first three axes."""
    i, j, k = (n // f for n, f in zip(data.shape[:3], factors, strict=True))
    blocks = data.reshape(i, factors[0], j, factors[1], k, factors[2], *data.shape[3:])
    return blocks.mean(axis=(1, 3, 5))


def occupancy(distance: np.ndarray, edge_mm: float) -> np.ndarray:
    """Fraction of a sample of width ``edge_mm`` that lies inside, from its signed distance."""
    return np.clip(0.5 - distance / np.float32(edge_mm), 0, 1)


def ellipse(x: np.ndarray, y: np.ndarray, a: float, b: float, power: float = 2.0) -> np.ndarray:
    """Distance to the superellipse |x/a|^power + |y/b|^power = 1, exact to first order."""
    u, v = np.abs(x) / np.float32(a), np.abs(y) / np.float32(b)
    if power == 2:
        q = np.sqrt(u * u + v * v) + np.float32(1e-6)
        gradient = np.sqrt((u / a) ** 2 + (v / b) ** 2) / q + np.float32(1e-6)
    else:
        q = (u**power + v**power) ** (1 / power) + np.float32(1e-6)
        gradient = q ** (1 - power) * np.hypot(u ** (power - 1) / a, v ** (power - 1) / b)
        gradient = gradient + np.float32(1e-6)
    return (q - 1) / gradient


def cylinder(radial: np.ndarray, axial: np.ndarray, rounding: float) -> np.ndarray:
    """Distance to a cylinder with rounded rims, from those to its side and to its end planes."""
    r, z = radial + np.float32(rounding), axial + np.float32(rounding)
    return (
        np.hypot(np.maximum(r, 0), np.maximum(z, 0))
        + np.minimum(np.maximum(r, z), 0)
        - np.float32(rounding)
    )


def ellipsoid(centre: Point, radii: Point) -> Distance:
    """Signed distance to an axis-aligned ellipsoid, exact to first order."""

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        scaled = [(v - c) / r for v, c, r in zip((x, y, z), centre, radii, strict=True)]
        q = np.sqrt(sum(s * s for s in scaled)) + np.float32(1e-6)
        gradient = np.sqrt(sum((s / r) ** 2 for s, r in zip(scaled, radii, strict=True))) / q
        return (q - 1) / (gradient + np.float32(1e-6))

    return distance


def capsule(start: Point, end: Point, radius: float) -> Distance:
    """Signed distance to a rod with hemispherical ends."""
    first, along = np.array(start), np.array(end) - np.array(start)
    length2 = float(along @ along)

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        rx, ry, rz = (v - np.float32(c) for v, c in zip((x, y, z), first, strict=True))
        t = np.clip((rx * along[0] + ry * along[1] + rz * along[2]) / length2, 0, 1)
        return (
            np.sqrt((rx - t * along[0]) ** 2 + (ry - t * along[1]) ** 2 + (rz - t * along[2]) ** 2)
            - radius
        )

    return distance
