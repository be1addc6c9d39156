"""Echo trains tabulated over T2 and one further unknown, interpolated with derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.scipy_parts import interpolate


@dataclass(frozen=True)
class TrainTable:
    """Bicubic Hermite interpolation of trains over log T2 and a second coordinate.

    Attributes
    ----------
    log_t2
        Logarithm of T2 in ms at the nodes, equally spaced, shape (n,).
    second
        Second coordinate at the nodes, equally spaced, shape (m,): see
        `osteoflow.mri.t2_model`. m is 1 where there is none.
    nodes
        float32, shape (n, m, 4, echoes): the trains, their derivatives along each axis and the
        mixed one, per node spacing.
    """

    log_t2: np.ndarray
    second: np.ndarray
    nodes: np.ndarray

    @property
    def unknowns(self) -> int:
        """Unknowns of a voxel: amplitude, T2, and the second coordinate if there is one."""
        return 2 if self.second.size == 1 else 3

    @property
    def trains(self) -> np.ndarray:
        """At the nodes, shape (n, m, echoes)."""
        return self.nodes[:, :, 0]

    def evaluate(self, log_t2: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Trains and derivatives.

        Parameters
        ----------
        log_t2, second
            Coordinates inside the table, shape (voxels,).

        Returns
        -------
        ndarray
            float32, shape (voxels, 3, echoes): the train, and its derivatives with respect to
            log T2 and the second coordinate.
        """
        voxels, echoes = log_t2.size, self.nodes.shape[-1]
        row, along_t2 = _hermite(log_t2, self.log_t2)
        if self.second.size == 1:
            weights = np.zeros((voxels, 3, 2, 2), np.float32)
            weights[:, :2] = along_t2
            corners = np.take(self.nodes[:, 0, :2], row[:, None] + np.arange(2), axis=0)
        else:
            column, along_second = _hermite(second, self.second)
            weights = np.empty((voxels, 3, 2, 2, 2, 2), np.float32)
            # derivative order of the result, corner and order along T2, the same along the other
            for order, (i, j) in enumerate(((0, 0), (1, 0), (0, 1))):
                a, b = along_t2[:, i], along_second[:, j]
                weights[:, order] = a[:, :, None, :, None] * b[:, None, :, None, :]
            lower = row * self.second.size + column
            around = np.array([0, 1, self.second.size, self.second.size + 1])
            table = self.nodes.reshape(-1, 4 * echoes)
            corners = np.take(table, lower[:, None] + around, axis=0)
        return np.matmul(weights.reshape(voxels, 3, -1), corners.reshape(voxels, -1, echoes))


def _hermite(x: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval of each x, and weights of shape (voxels, 2, 2, 2).

    The axes of the weights: value and derivative with respect to x; lower and upper node; value
    and derivative (per spacing) at that node.
    """
    step = (nodes[-1] - nodes[0]) / (nodes.size - 1)
    position = (x - nodes[0]) / step
    interval = np.clip(position.astype(np.int64), 0, nodes.size - 2)
    t = position - interval
    weights = np.empty((x.size, 2, 2, 2), np.float32)
    weights[:, 0, 0, 0] = (1 + 2 * t) * (1 - t) ** 2
    weights[:, 0, 0, 1] = t * (1 - t) ** 2
    weights[:, 0, 1, 0] = t**2 * (3 - 2 * t)
    weights[:, 0, 1, 1] = t**2 * (t - 1)
    weights[:, 1, 0, 0] = 6 * t * (t - 1) / step
    weights[:, 1, 0, 1] = (1 - t) * (1 - 3 * t) / step
    weights[:, 1, 1, 0] = 6 * t * (1 - t) / step
    weights[:, 1, 1, 1] = t * (3 * t - 2) / step
    return interval, weights


def make_table(
    log_t2: np.ndarray, second: np.ndarray, trains: np.ndarray, flat_end: bool = False
) -> TrainTable:
    """Table from trains at the nodes; their slopes are those of cubic splines.

    Parameters
    ----------
    log_t2, second
        Equally spaced nodes, shapes (n,) and (m,); m is 1 or at least 4.
    trains
        Shape (n, m, echoes).
    flat_end
        Whether the slope along the second coordinate is zero at its end, by symmetry.
    """
    index = np.arange(log_t2.size)
    nodes = np.zeros((*trains.shape[:2], 4, trains.shape[2]))
    nodes[:, :, 0] = trains
    nodes[:, :, 1 if second.size == 1 else 2] = interpolate.CubicSpline(index, trains, axis=0)(
        index, 1
    )
    if second.size > 1:
        index = np.arange(second.size)
        ends = ("not-a-knot", "clamped" if flat_end else "not-a-knot")
        slopes = interpolate.CubicSpline(index, nodes[:, :, ::2], axis=1, bc_type=ends)(index, 1)
        if flat_end:
            slopes[:, -1] = 0  # exactly: it is divided by a number that vanishes there too
        nodes[:, :, 1::2] = slopes
    return TrainTable(log_t2, second, nodes.astype(np.float32))
