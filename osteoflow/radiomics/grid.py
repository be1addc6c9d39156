"""The grid that a region's features are computed on, as it lies in the grid of the scan."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from osteoflow.scipy_parts import ndimage

# Voxel counts that are whole in exact arithmetic may come out a few ulp below.
TINY = 1e-9


class Grid:
    """Voxels of the output: ceil(n s / s') of them, centred on the input's grid.

    Parameters
    ----------
    shape
        Input voxels along each axis, shape (3,).
    source, step
        Input and output voxel size in mm, shape (3,).
    """

    # Of masks beyond the scan: no output voxel has its centre outside the scan's own voxels.
    beyond = "nearest"

    def __init__(self, shape: np.ndarray, source: np.ndarray, step: np.ndarray) -> None:
        self.shape = shape
        self.source = source
        self.step = step
        self.size = np.ceil(shape * source / step - TINY).astype(int)
        self.offset = 0.5 * ((shape - 1) - (self.size - 1) * step / source)
        self.same = bool(np.allclose(step, source, atol=1e-6))

    def around(self, bounds: np.ndarray, margin: np.ndarray | float) -> tuple:
        """First and last output voxel around input voxels, with a margin in mm."""
        low, high = bounds
        first = np.floor(((low - 1 - self.offset) * self.source - margin) / self.step)
        last = np.ceil(((high + 1 - self.offset) * self.source + margin) / self.step)
        return np.maximum(first.astype(int), 0), np.minimum(last.astype(int), self.size - 1)

    def needed(self, first: np.ndarray, last: np.ndarray, extra: int) -> tuple[slice, ...]:
        """Input voxels behind output voxels."""
        ratio = self.step / self.source
        start = np.floor(first * ratio + self.offset).astype(int) - extra
        stop = np.ceil(last * ratio + self.offset).astype(int) + extra + 1
        return self._inside(start, stop)

    def interpolate(
        self,
        part: np.ndarray,
        crop: tuple[slice, ...],
        first: np.ndarray,
        last: np.ndarray,
        order: int,
        mode: str = "nearest",
    ) -> np.ndarray:
        """Output voxels first..last of a part of the input; ``mode`` is that of scipy.ndimage."""
        start = np.array([axis.start for axis in crop])
        return ndimage.affine_transform(
            part,
            self.step / self.source,
            offset=self.offset + first * self.step / self.source - start,
            output_shape=tuple(last - first + 1),
            order=order,
            mode=mode,
        )

    def _inside(self, start: np.ndarray, stop: np.ndarray) -> tuple[slice, ...]:
        start, stop = np.maximum(start, 0), np.minimum(stop, self.shape)
        return tuple(slice(a, b) for a, b in zip(start, stop, strict=True))


@dataclass(frozen=True)
class Placement:
    """Another place of the output grid than the default.

    Parameters
    ----------
    rotation_degrees
        Turn about the axis across the slices (of voxels as thick as wide: the superior axis).
    translation
        Shift of the grid in output voxels along its axes (right, anterior, superior).
    """

    rotation_degrees: float = 0.0
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)


class PlacedGrid(Grid):
    """A :class:`Grid` that is shifted along its axes and then turned about a point.

    Parameters
    ----------
    shape, source, step
        As of :class:`Grid`.
    placement
        How far.
    centre
        Fixed point of the turn in input voxels, shape (3,).
    axis
        Of the turn; None: the last one.
    """

    # A turned grid reaches beyond the scan, where there is no region.
    beyond = "grid-constant"

    def __init__(
        self,
        shape: np.ndarray,
        source: np.ndarray,
        step: np.ndarray,
        placement: Placement,
        centre: np.ndarray,
        axis: int | None,
    ) -> None:
        super().__init__(shape, source, step)
        turn = _rotation(placement.rotation_degrees, 2 if axis is None else axis)
        shifted = self.offset * source + np.array(placement.translation) * step
        fixed = centre * source
        self.matrix = (turn * step) / source[:, None]
        self.offset = (fixed + turn @ (shifted - fixed)) / source
        self.same = False

    def around(self, bounds: np.ndarray, margin: np.ndarray | float) -> tuple:
        """First and last output voxel around input voxels, with a margin in mm."""
        low, high = self._output_box(bounds[0] - 1, bounds[1] + 1)
        first = np.floor(low - margin / self.step + TINY).astype(int)
        last = np.ceil(high + margin / self.step - TINY).astype(int)
        # As far as the scan's voxels reach, which are half a voxel wider than their centres.
        edge_low, edge_high = self._output_box(np.full(3, -0.5), self.shape - 0.5)
        first = np.maximum(first, np.floor(edge_low + 0.5 + TINY).astype(int))
        return first, np.minimum(last, np.ceil(edge_high - 0.5 - TINY).astype(int))

    def needed(self, first: np.ndarray, last: np.ndarray, extra: int) -> tuple[slice, ...]:
        """Input voxels behind output voxels."""
        points = _corners(first, last) @ self.matrix.T + self.offset
        # A turned box has corners outside the scan: whole voxels of it are needed all the same.
        points = np.clip(points, 0, self.shape - 1)
        start = np.floor(points.min(axis=0)).astype(int) - extra
        return self._inside(start, np.ceil(points.max(axis=0)).astype(int) + extra + 1)

    def interpolate(
        self,
        part: np.ndarray,
        crop: tuple[slice, ...],
        first: np.ndarray,
        last: np.ndarray,
        order: int,
        mode: str = "nearest",
    ) -> np.ndarray:
        """Output voxels first..last of a part of the input; ``mode`` is that of scipy.ndimage."""
        start = np.array([axis.start for axis in crop])
        diagonal = np.diag(np.diag(self.matrix))
        turned = not np.array_equal(self.matrix, diagonal)
        return ndimage.affine_transform(
            part,
            self.matrix if turned else np.diag(self.matrix),
            offset=self.offset + self.matrix @ first - start,
            output_shape=tuple(last - first + 1),
            order=order,
            mode=mode,
        )

    def _output_box(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The box in output voxels around a box of input voxels."""
        points = np.linalg.solve(self.matrix, (_corners(low, high) - self.offset).T).T
        return points.min(axis=0), points.max(axis=0)


def _rotation(degrees: float, axis: int) -> np.ndarray:
    """Rotation matrix about one axis, counter-clockwise as seen from its end; exact for 0."""
    angle = np.deg2rad(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    return turn


def _corners(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The eight corners of a box, shape (8, 3)."""
    pairs = zip(np.asarray(low, float), np.asarray(high, float), strict=True)
    return np.array(list(itertools.product(*pairs)))
