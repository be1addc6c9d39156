"""Boxes of voxels: three slices of an array."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Box = tuple[slice, slice, slice]


def bounding_box(mask: np.ndarray) -> Box:
    """The smallest box around a mask; the whole array where the mask is empty."""
    bounds = []
    part = mask  # each axis is looked for in what the ones before have left
    for axis, size in enumerate(mask.shape):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        inside = np.flatnonzero(part.any(axis=others))
        bounds.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, size))
        part = part[(slice(None),) * axis + (bounds[-1],)]
    return tuple(bounds)


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all."""
    return tuple(
        slice(min(part.start for part in axis), max(part.stop for part in axis))
        for axis in zip(*boxes, strict=True)
    )


def within(box: Box, outer: Box) -> Box:
    """A box as seen from the corner of another one."""
    return tuple(
        slice(own.start - whole.start, own.stop - whole.start)
        for own, whole in zip(box, outer, strict=True)
    )


def widened(box: Box, margin: Iterable[int], shape: Iterable[int]) -> Box:
    """A box with a margin of voxels along each axis, as far as an array of this shape goes."""
    return tuple(
        slice(max(0, part.start - n), min(size, part.stop + n))
        for part, n, size in zip(box, margin, shape, strict=True)
    )
