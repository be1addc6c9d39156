"""One-dimensional convolutions along the axes of an image, exact at its ends and on any part of it.

A response is wanted in a box only. Each stage of a filter needs its input somewhat beyond the box;
where that lies outside the scan, the boundary condition says which voxel stands for it. IBSI
applies the condition before every stage, to that stage's own input, and so does a :class:`Plan`:
its values are those of the filtered whole scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.scipy_parts import ndimage

OUTSIDE = -1


@dataclass(frozen=True)
class Kernel:
    """Taps of a one-dimensional convolution, response(x) = sum over k of taps[k] f(x - k + origin).

    Parameters
    ----------
    taps
        Coefficients, shape (n,).
    origin
        Index of the tap that multiplies the voxel itself.
    """

    taps: tuple[float, ...]
    origin: int

    @property
    def before(self) -> int:
        """Voxels needed before the first one of the response."""
        return len(self.taps) - 1 - self.origin

    @property
    def after(self) -> int:
        """Voxels needed behind the last one of the response."""
        return self.origin

    @property
    def flipped(self) -> Kernel:
        """The kernel mirrored at its origin."""
        return Kernel(self.taps[::-1], self.before)


Filter = tuple[tuple[Kernel, ...], ...]


def centred(taps: Sequence[float]) -> Kernel:
    """Kernel whose origin is its middle tap (of an even number: the first one after the middle)."""
    return Kernel(tuple(float(tap) for tap in taps), len(taps) // 2)


def sources(first: int, last: int, size: int, boundary: str) -> np.ndarray:
    """Which voxels of an axis stand for positions ``first`` to ``last - 1``.

    Parameters
    ----------
    first, last
        Range of positions; it may begin below 0 and end beyond ``size``.
    size
        Voxels of the axis.
    boundary
        ``mirror`` (the edge voxel is repeated: b a | a b c | c b), ``nearest``, ``periodic`` or
        ``zero``.

    Returns
    -------
    numpy.ndarray
        Indices 0..size - 1, and -1 for a value of zero.
    """
    positions = np.arange(first, last)
    if boundary == "mirror":
        folded = positions % (2 * size)
        return np.where(folded < size, folded, 2 * size - 1 - folded)
    if boundary == "nearest":
        return np.clip(positions, 0, size - 1)
    if boundary == "periodic":
        return positions % size
    if boundary == "zero":
        return np.where((positions < 0) | (positions >= size), OUTSIDE, positions)
    raise ValueError(f"unknown boundary condition {boundary!r}")


def gather(image: np.ndarray, axis: int, indices: np.ndarray) -> np.ndarray:
    """Voxels of an axis by the indices of :func:`sources`."""
    found = np.take(image, np.maximum(indices, 0), axis=axis)
    if (outside := indices == OUTSIDE).any():
        np.moveaxis(found, axis, 0)[outside] = 0.0
    return found


@dataclass(frozen=True)
class Plan:
    """How the stages along one axis are computed for a range of the response.

    Parameters
    ----------
    first
        Part of the axis that the first stage reads.
    stages
        Of each stage the indices of its input and its kernel.
    """

    first: slice
    stages: tuple[tuple[np.ndarray, Kernel], ...]


def plan(size: int, wanted: slice, kernels: Sequence[Kernel], boundary: str) -> Plan:
    """Plan of one axis of ``size`` voxels for the range ``wanted``, stages in their order."""
    low, high = wanted.start, wanted.stop
    stages = []
    for kernel in reversed(kernels):
        indices = sources(low - kernel.before, high + kernel.after, size, boundary)
        inside = indices[indices != OUTSIDE]
        low, high = int(inside.min()), int(inside.max()) + 1
        stages.append((np.where(indices == OUTSIDE, OUTSIDE, indices - low), kernel))
    return Plan(slice(low, high), tuple(reversed(stages)))


def plans(
    shape: tuple[int, ...], box: Box, kernels: Sequence[Sequence[Kernel]], boundary: str
) -> list[Plan]:
    """Plan of each axis."""
    return [
        plan(size, wanted, stages, boundary)
        for size, wanted, stages in zip(shape, box, kernels, strict=True)
    ]


def _run_axis(part: np.ndarray, axis: int, steps: Plan) -> np.ndarray:
    for indices, kernel in steps.stages:
        extended = gather(part, axis, indices)
        middle = len(kernel.taps) // 2
        count = len(indices) - kernel.before - kernel.after
        response = ndimage.correlate1d(
            extended, kernel.taps[::-1], axis=axis, mode="constant", cval=0.0
        )
        part = np.take(response, np.arange(middle, middle + count), axis=axis)
    return part


def run(part: np.ndarray, axes: Sequence[Plan]) -> np.ndarray:
    """Response of an image that holds exactly the parts ``first`` of its plans."""
    for axis, steps in enumerate(axes):
        part = _run_axis(part, axis, steps)
    return part


def separable(
    image: np.ndarray, box: Box, kernels: Sequence[Sequence[Kernel]], boundary: str
) -> np.ndarray:
    """Response of a separable filter in a box.

    Parameters
    ----------
    image
        Three axes; it ends where the scan ends, or beyond the filter's reach around ``box``.
    box
        Where the response is wanted.
    kernels
        For each axis the kernels that are applied one after another, none for an axis that the
        filter leaves alone.
    boundary
        See :func:`sources`.
    """
    axes = plans(image.shape, box, kernels, boundary)
    return run(image[tuple(axis.first for axis in axes)], axes)


def separable_each(
    image: np.ndarray, box: Box, filters: Iterable[Filter], boundary: str
) -> Iterator[tuple[Filter, np.ndarray]]:
    """Responses of several separable filters; what they share along leading axes is computed once.

    Parameters
    ----------
    image, box, boundary
        See :func:`separable`.
    filters
        Distinct filters, each a tuple with the kernels of every axis.

    Yields
    ------
    filter, response
    """
    filters = list(filters)
    steps = [
        {each[axis]: plan(size, box[axis], each[axis], boundary) for each in filters}
        for axis, size in enumerate(image.shape)
    ]
    starts = [min(found.first.start for found in axis.values()) for axis in steps]
    stops = [max(found.first.stop for found in axis.values()) for axis in steps]

    def walk(part: np.ndarray, axis: int, group: list[Filter]) -> Iterator:
        if axis == part.ndim:
            yield group[0], part
            return
        for kernels, found in steps[axis].items():
            if members := [each for each in group if each[axis] == kernels]:
                own = np.arange(found.first.start, found.first.stop) - starts[axis]
                response = _run_axis(np.take(part, own, axis=axis), axis, found)
                yield from walk(response, axis + 1, members)

    whole = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
    yield from walk(image[whole], 0, filters)


def in_axes(per_axis: Sequence[tuple[Kernel, ...]], slice_axis: int | None) -> Filter:
    """Kernels of the filtered axes, with none for the slice axis of a 2D recipe."""
    found = list(per_axis)
    if slice_axis is not None:
        found.insert(slice_axis, ())
    return tuple(found)
