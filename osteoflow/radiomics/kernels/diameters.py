"""Largest distances between vertices of a surface mesh, from convex hulls.

The two vertices farthest from each other are corners of the convex hull, in space and in every
plane. Corners of the hull in space are corners in each plane through them, so that plane hulls
along the three axes leave a few hundred vertices of several thousand to be compared in pairs.
"""

from __future__ import annotations

import numpy as np

from osteoflow.compiled import compiled


def diameters(solid: np.ndarray, spacing: np.ndarray) -> tuple[list[float], float]:
    """Diameters of the mesh whose vertices lie halfway between voxels inside and outside.

    Parameters
    ----------
    solid
        Contiguous 3D uint8 array with a border of 0; 1 in the region.
    spacing
        Voxel size in mm along the same axes.

    Returns
    -------
    across, largest
        Largest distance between two vertices with the same position along the first, second and
        third axis; between any two. In mm.
    """
    vertices = _vertices(solid)
    half = spacing / 2.0
    across, corners = [], vertices
    for axis in range(3):
        on_hull, squared = _plane_hulls(vertices, axis, half)
        across.append(float(np.sqrt(squared)))
        # The hull in space lies within what the previous axis left.
        kept = on_hull if axis == 0 else _plane_hulls(corners, axis, half)[0]
        corners = corners[kept]
    return across, float(np.sqrt(_largest(corners, half)))


@compiled
def _vertices(solid):
    """Midpoints of edges from a voxel inside to one outside, in half voxels."""
    n = _edges(solid, np.empty((0, 3), np.int64))
    found = np.empty((n, 3), np.int64)
    _edges(solid, found)
    return found


@compiled
def _edges(solid, found):
    """Number of such edges; their midpoints where ``found`` has room for them."""
    n = 0
    for a in range(solid.shape[0] - 1):
        for b in range(solid.shape[1] - 1):
            for c in range(solid.shape[2] - 1):
                here = solid[a, b, c]
                for axis in range(3):
                    x, y, z = a + (axis == 0), b + (axis == 1), c + (axis == 2)
                    if here != solid[x, y, z]:
                        if n < len(found):
                            found[n, 0] = a + x
                            found[n, 1] = b + y
                            found[n, 2] = c + z
                        n += 1
    return n


@compiled
def _plane_hulls(points, axis, half):
    """Which points are corners of the hull of their plane, and the largest squared distance.

    Planes are across the axis; points in a plane are sorted by row, and of each row only the
    first and the last can be corners.
    """
    u = (axis + 1) % 3
    v = (axis + 2) % 3
    size = points[:, axis].max() + 1
    rows = points[:, u].max() + 1
    start = np.zeros(size + 1, np.int64)
    for k in range(len(points)):
        start[points[k, axis] + 1] += 1
    for plane in range(size):
        start[plane + 1] += start[plane]
    by_plane = np.empty(len(points), np.int64)
    place = start[:-1].copy()
    for k in range(len(points)):
        plane = points[k, axis]
        by_plane[place[plane]] = k
        place[plane] += 1
    corner = np.zeros(len(points), np.bool_)
    first = np.full(rows, -1, np.int64)
    last = np.full(rows, -1, np.int64)
    hull = np.empty(2 * rows, np.int64)
    largest = 0.0
    for plane in range(size):
        if start[plane] == start[plane + 1]:
            continue
        lowest, highest = rows, -1
        for k in by_plane[start[plane] : start[plane + 1]]:
            row = points[k, u]
            lowest, highest = min(lowest, row), max(highest, row)
            if first[row] < 0 or points[k, v] < points[first[row], v]:
                first[row] = k
            if last[row] < 0 or points[k, v] > points[last[row], v]:
                last[row] = k
        n = _chain(points, first, lowest, highest, u, v, 1, hull, 0)
        n = _chain(points, last, lowest, highest, u, v, -1, hull, n)
        for i in range(n):
            corner[hull[i]] = True
            for j in range(i):
                distance = (half[u] * (points[hull[i], u] - points[hull[j], u])) ** 2
                distance += (half[v] * (points[hull[i], v] - points[hull[j], v])) ** 2
                largest = max(largest, distance)
        first[lowest : highest + 1] = -1
        last[lowest : highest + 1] = -1
    return corner, largest


@compiled
def _chain(points, edge, lowest, highest, u, v, side, hull, begin):
    """Append one side of a hull to ``hull`` (monotone chain); its length afterwards."""
    n = begin
    for row in range(lowest, highest + 1):
        k = edge[row]
        if k < 0:
            continue
        while n - begin >= 2:
            p, q = hull[n - 2], hull[n - 1]
            turn = (points[q, u] - points[p, u]) * (points[k, v] - points[p, v]) - (
                points[q, v] - points[p, v]
            ) * (points[k, u] - points[p, u])
            if side * turn > 0:
                break
            n -= 1
        hull[n] = k
        n += 1
    return n


@compiled
def _largest(points, half):
    largest = 0.0
    for i in range(len(points)):
        for j in range(i):
            distance = 0.0
            for axis in range(3):
                distance += (half[axis] * (points[i, axis] - points[j, axis])) ** 2
            largest = max(largest, distance)
    return largest
