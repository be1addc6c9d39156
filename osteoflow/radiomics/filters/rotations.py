"""Right-angle rotations of separable kernels, and pooling of their responses."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filters.lines import (
    Filter,
    Kernel,
    in_axes,
    separable,
    separable_each,
)

Stages = tuple[Kernel, ...]


def rotated(kernels: tuple[Stages, ...]) -> list[tuple[tuple[Stages, ...], int]]:
    """The 4 (two axes) or 24 (three axes) rotations of a separable kernel.

    A rotation permutes the axes and flips some; its determinant is +1. Flips of a symmetric kernel
    change nothing, those of an antisymmetric one its sign, so that few responses are distinct.

    Returns
    -------
    list
        Kernels of the axes with a sign of +1 or -1, for every rotation.
    """
    count = len(kernels)
    found = []
    for order in permutations(range(count)):
        parity = np.linalg.det(np.eye(count)[list(order)])
        for flips in product((False, True), repeat=count):
            if parity * (-1) ** sum(flips) < 0:
                continue
            axes, sign = [], 1
            for source, flip in zip(order, flips, strict=True):
                stages, own = _flipped(kernels[source]) if flip else (kernels[source], 1)
                axes.append(stages)
                sign *= own
            found.append((tuple(axes), sign))
    return found


def _flipped(stages: Stages) -> tuple[Stages, int]:
    """Mirrored kernels; a mirrored antisymmetric kernel is itself with a minus sign."""
    found, sign = [], 1
    for kernel in stages:
        mirror = kernel.flipped
        negative = Kernel(tuple(-tap for tap in mirror.taps), mirror.origin)
        if negative == kernel:
            sign = -sign
        found.append(kernel if negative == kernel else mirror)
    return tuple(found), sign


def pooled(
    image: np.ndarray,
    box: Box,
    kernels: tuple[Stages, ...],
    slice_axis: int | None,
    boundary: str,
    rotation: str,
) -> np.ndarray:
    """Response of a separable filter, pooled over the rotations of its kernel.

    Parameters
    ----------
    image, box, boundary
        See :func:`osteoflow.radiomics.filters.lines.separable`.
    kernels
        Stages of each filtered axis.
    slice_axis
        Axis that is not filtered, or None.
    rotation
        ``none``, ``max`` or ``average``.

    Returns
    -------
    numpy.ndarray
        Values of ``box``.
    """
    if rotation == "none":
        return separable(image, box, in_axes(kernels, slice_axis), boundary)
    signs: dict[Filter, list[int]] = {}
    turns = rotated(kernels)
    for axes, sign in turns:
        signs.setdefault(in_axes(axes, slice_axis), []).append(sign)
    result = None
    for axes, response in separable_each(image, box, signs, boundary):
        found = signs[axes]
        if rotation == "average":
            response = response * (sum(found) / len(turns))
            result = response if result is None else result + response
        else:
            if -1 in found:
                response = np.abs(response) if 1 in found else -response
            result = response if result is None else np.maximum(result, response)
    return result
