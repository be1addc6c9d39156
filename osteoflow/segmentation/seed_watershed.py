"""Second pass over seeds: bodies grow from markers until the image's edges stop them.

A watershed of the outward fall of the image (Meyer, Signal Process 1994;38:113; here the priority
flood from markers of SimpleITK). Markers are a superellipsoid inside each body, plates in the
discs, and everything well outside (canal, soft tissue, arch). No threshold is involved: trabecular
bone of osteoporotic patients lies below any that would keep out soft tissue.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from osteoflow.scipy_parts import ndimage
from osteoflow.segmentation.seed_grid import STEP_MM, SeedGrid
from osteoflow.segmentation.spine_frame import Frame

INNER, OUTER = 0.6, 1.3
"""Markers reach from the centre to 0.6 of the template and begin again at 1.3."""

FURTHEST = 1.15
"""Where the image's edges are missing (at its border) a body ends here."""

PLATE_MM = 1.1
SIGMA_MM = 1.5
OPENING_MM = 4.5
"""Radius of the opening that cuts off pedicles and leaks: pedicles are 7 to 11 mm thick."""


def grow_bodies(grid: SeedGrid, bodies: Sequence[Frame], shell_mm: float = 0.0) -> np.ndarray:
    """Label map on the grid: 1, 2 ... in the order of the bodies, from head to foot; int16.

    Parameters
    ----------
    grid
        The image around the spine.
    bodies
        Templates from head to foot.
    shell_mm
        Cortex around what the image shows of the bodies, which is added.
    """
    import SimpleITK

    fall, reach, owner, plate = _scene(grid, bodies)
    outside = len(bodies) + 1
    markers = np.where((reach > OUTER) | plate, outside, 0).astype(np.int16)
    inner = reach < INNER
    markers[inner] = owner[inner] + 1
    flooded = SimpleITK.MorphologicalWatershedFromMarkers(
        SimpleITK.GetImageFromArray(fall),
        SimpleITK.GetImageFromArray(markers),
        markWatershedLine=False,
        fullyConnected=False,
    )
    labels = SimpleITK.GetArrayFromImage(flooded)
    labels[(labels == outside) | (reach > FURTHEST) | (owner + 1 != labels)] = 0
    labels = _opened(labels, len(bodies))
    if shell_mm > 0:
        far, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
        around = labels[tuple(nearest)]
        added = (far * STEP_MM <= shell_mm) & (owner + 1 == around)
        labels = np.where(added, around, labels)
    return labels


def _scene(
    grid: SeedGrid, bodies: Sequence[Frame]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outward fall, superellipsoid function, nearest body along the spine, plates in the discs."""
    points = grid.points
    shape = grid.values.shape
    owner = np.zeros(shape, np.int16)
    plate = np.zeros(shape, bool)
    for number, (upper, lower) in enumerate(zip(bodies[:-1], bodies[1:], strict=True), start=1):
        faces = (
            upper.centre - upper.axes[2] * upper.half[2],
            lower.centre + lower.axes[2] * lower.half[2],
        )
        middle = (faces[0] + faces[1]) / 2
        normal = upper.axes[2] + lower.axes[2]
        normal /= np.linalg.norm(normal)
        height = sum(
            np.float32(n) * (p - np.float32(m))
            for n, p, m in zip(normal, points, middle, strict=True)
        )
        owner[height < 0] = number
        plate |= np.abs(height) < PLATE_MM
    gradient = grid.gradient(SIGMA_MM)
    fall = np.zeros(shape, np.float32)
    reach = np.zeros(shape, np.float32)
    for number, body in enumerate(bodies):
        own = owner == number
        local = body.local(points)
        reach[own] = body.reach(local)[own]
        outward = [c / np.float32(h * h) for c, h in zip(local, body.half, strict=True)]
        length = np.sqrt(sum(c * c for c in outward)) + np.float32(1e-6)
        slope = sum(
            gradient[k] * sum(np.float32(body.axes[r, k]) * outward[r] for r in range(3))
            for k in range(3)
        )
        fall[own] = np.maximum(-slope / length, 0)[own]
    return fall, reach, owner, plate


def _opened(labels: np.ndarray, count: int) -> np.ndarray:
    """Each label's largest piece after opening by a ball."""
    result = np.zeros_like(labels)
    for number, box in enumerate(ndimage.find_objects(labels, max_label=count), start=1):
        if box is None:
            continue
        inside = np.pad(labels[box] == number, 1)
        core = ndimage.distance_transform_edt(inside) * STEP_MM > OPENING_MM
        pieces, found = ndimage.label(core)
        if found == 0:
            continue
        if found > 1:
            core = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
        opened = inside & (ndimage.distance_transform_edt(~core) * STEP_MM <= OPENING_MM)
        result[box][opened[1:-1, 1:-1, 1:-1]] = number
    return result
