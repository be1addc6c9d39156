"""Fractal dimensions of a region: by boxes of a set of voxels, by differences of a grey image.

Regions have any outline. An array holds planes that are analysed apart and counted together: its
first axis is the plane (length 1 for a volume), the others span the boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from osteoflow.scipy_parts import ndimage

MINIMUM_SIZES = 4
MINIMUM_BOXES = 16
"""Fewer boxes wholly inside the region say nothing about a size."""


def cover(planes: np.ndarray, size: int) -> int:
    """Smallest number of boxes of one grid that holds all voxels of a set.

    Parameters
    ----------
    planes
        Boolean set, shape (planes, i, j) or (planes, i, j, k).
    size
        Side of the boxes in voxels. The grid's origin is the best of all ``size ** d``, in each
        plane on its own.
    """
    axes = range(1, planes.ndim)
    edge = [(0, 0), *[(size - 1, size - 1)] * (planes.ndim - 1)]
    found = box_sums(np.pad(planes, edge), size) > 0
    # Positions with the same remainder make one grid.
    edge = [(0, 0)] + [(0, -found.shape[axis] % size) for axis in axes]
    padded = np.pad(found, edge)
    shape = [padded.shape[0]]
    for axis in axes:
        shape += [padded.shape[axis] // size, size]
    by_grid = padded.reshape(shape).sum(axis=tuple(range(1, 2 * planes.ndim - 1, 2)))
    return int(by_grid.reshape(len(planes), -1).min(axis=1).sum())


def box_sums(planes: np.ndarray, size: int) -> np.ndarray:
    """Sum in the box that starts at each position, for boxes wholly inside the array.

    Sums of flags are exact; sums of quantities are right to rounding.
    """
    sums = planes.astype(np.int32 if planes.dtype == bool else float)
    for axis in range(1, planes.ndim):
        edge = [(0, 0)] * planes.ndim
        edge[axis] = (1, 0)
        running = np.cumsum(np.pad(sums, edge), axis=axis)
        before = (slice(None),) * axis
        sums = running[(*before, slice(size, None))] - running[(*before, slice(-size))]
    return sums


def box_sizes(region: np.ndarray, sizes: Sequence[int]) -> list[int]:
    """Sizes up to half the shortest side of the box around a region, shape as in :func:`cover`."""
    sides = []
    for axis in range(1, region.ndim):
        inside = np.flatnonzero(region.any(axis=tuple(a for a in range(region.ndim) if a != axis)))
        sides.append(inside[-1] - inside[0] + 1 if inside.size else 0)
    return [size for size in sizes if 2 * size <= min(sides)]


def box_counting_dimension(found: np.ndarray, region: np.ndarray, sizes: Sequence[int]) -> float:
    """Box-counting dimension of a set of voxels, by its smallest covers.

    Parameters
    ----------
    found
        Boolean set, part of ``region``, shape (planes, i, j) or (planes, i, j, k).
    region
        Where the set could be.
    sizes
        Sides of the boxes in voxels.

    Returns
    -------
    float
        Slope of ``log N`` over ``log(1 / size)``, N the smallest cover. NaN for an empty set or
        fewer than four sizes up to half the region's shortest side.

    Notes
    -----
    The grid of the smallest cover: Foroutan-pour et al., Appl Math Comput 1999;105:195. Boxes that
    lie partly outside the region count like any other, so that a curved outline lowers the value
    (a filled ball of 23 voxels across has 2.55): see :func:`gliding_box_dimension`.
    """
    usable = box_sizes(region, sizes)
    if len(usable) < MINIMUM_SIZES or not found.any():
        return float("nan")
    return _slope(usable, [1 / cover(found, size) for size in usable])


def gliding_box_dimension(found: np.ndarray, region: np.ndarray, sizes: Sequence[int]) -> float:
    """Dimension of a set of voxels whatever the outline of its region.

    Parameters
    ----------
    found, region, sizes
        As in :func:`box_counting_dimension`.

    Returns
    -------
    float
        ``d`` minus the slope of ``log P`` over ``log size``, where P is the part of the boxes that
        hold a voxel of the set, of all boxes at every position that lie at least half inside
        the region. ``P |region| / size^d`` boxes cover the set on average over all grids, without
        those the outline adds: ``d`` for a set that fills its region. NaN as there.

    Notes
    -----
    Moment of order 0 of the gliding-box method: Cheng, Comput Geosci 1999;25:1073. A set that is
    regular on one grid, as a Sierpinski carpet, has a lower value than by its smallest covers.
    """
    usable = box_sizes(region, sizes)
    if len(usable) < MINIMUM_SIZES or not found.any():
        return float("nan")
    dimensions = region.ndim - 1
    parts = []
    for size in usable:
        edge = [(0, 0), *[(size - 1, size - 1)] * dimensions]
        inside = 2 * box_sums(np.pad(region, edge), size) >= size**dimensions
        parts.append((box_sums(np.pad(found, edge), size)[inside] > 0).mean())
    if min(parts) == 0:
        return float("nan")
    return dimensions - _slope(usable, parts)


def variation_dimension(image: np.ndarray, region: np.ndarray, sizes: Sequence[int]) -> float:
    """Fractal dimension of a grey image as a surface over its region, from its variation.

    Parameters
    ----------
    image
        Intensities, shape (planes, i, j) or (planes, i, j, k).
    region
        Where they count; only windows wholly inside are used.
    sizes
        Sides of the windows in voxels; 1 has no variation and is passed over.

    Returns
    -------
    float
        ``d + 1`` minus the slope of the logarithm of the mean range (maximum minus minimum)
        within a window over ``log(size - 1)``: ``d`` for a smooth image, up to ``d + 1`` for noise.
        Independent of the unit of the intensities. NaN where fewer than four sizes have
        sixteen windows, or nothing varies.

    Notes
    -----
    Method: Dubuc et al., Phys Rev A 1989;39:1500, the blanket method (Peleg et al., IEEE Trans
    Pattern Anal Mach Intell 1984;6:518) with flat structuring elements, so that the result does
    not depend on how many grey values make one voxel. A window of few voxels misses part of the
    range, which lowers the value of rough images (noise: about 0.4 too low).
    """
    spans, ranges = [], []
    for size in sizes:
        window = (1, *[size] * (image.ndim - 1))
        inside = ndimage.minimum_filter(region, window, mode="constant", cval=0)
        if size < 2 or inside.sum() < MINIMUM_BOXES:
            continue
        high = ndimage.maximum_filter(image, window)[inside]
        low = ndimage.minimum_filter(image, window)[inside]
        spans.append(size - 1)
        ranges.append((high - low).mean())
    if len(spans) < MINIMUM_SIZES or min(ranges) <= 0:
        return float("nan")
    return image.ndim - _slope(spans, ranges)


def increment_dimension(image: np.ndarray, region: np.ndarray, lags: Sequence[int]) -> float:
    """Fractal dimension of a grey image as a surface over its region, from its increments.

    Parameters
    ----------
    image, region
        As in :func:`variation_dimension`.
    lags
        Distances in voxels.

    Returns
    -------
    float
        ``d + 1`` minus the slope of the logarithm of the mean absolute difference of two voxels of
        the region over the logarithm of their distance along an axis: ``d`` for a slope, ``d + 1``
        for noise. Independent of the unit. NaN where fewer than four lags have sixteen pairs,
        or nothing varies.

    Notes
    -----
    The madogram estimator, which Gneiting, Sevcikova & Percival, Stat Sci 2012;27:247 recommend.
    Unlike ranges in windows, differences of pairs have no bias from the number of voxels in a
    window, and pairs fit where windows do not. Axes along which the region is too short for lags
    that fit along another are left out.
    """
    means: dict[int, dict[int, float]] = {}
    for axis in range(1, image.ndim):
        means[axis] = {}
        for lag in lags:
            ahead = (slice(None),) * axis + (slice(lag, None),)
            behind = (slice(None),) * axis + (slice(None, -lag),)
            both = region[ahead] & region[behind]
            if both.sum() >= MINIMUM_BOXES:
                means[axis][lag] = float(np.abs(image[ahead] - image[behind])[both].mean())
    used = max((list(of_axis) for of_axis in means.values()), key=len)
    # Axes weigh the same at every lag: one that is too short for some lags would bend the line.
    whole = [of_axis for of_axis in means.values() if list(of_axis) == used]
    mean = [np.mean([of_axis[lag] for of_axis in whole]) for lag in used]
    if len(used) < MINIMUM_SIZES or min(mean) <= 0:
        return float("nan")
    return image.ndim - _slope(used, mean)


def _slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Of the logarithm of the values over that of the sizes, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
