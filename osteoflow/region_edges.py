"""Which vertebrae, and so the regions inside them, the image's border cuts."""

from __future__ import annotations

import numpy as np

from osteoflow.segmentation.boxes import Box, label_boxes
from osteoflow.segmentation.grid import LARGEST_SIDE
from osteoflow.segmentation.structures import LAST_VERTEBRA

TOUCHES_EDGE = "touches_edge"


def cut_levels(regions: np.ndarray, vertebrae: np.ndarray | None, affine: np.ndarray) -> set[int]:
    """Labels whose region, or the vertebra that it lies in, is cut by the image's border.

    A trabecular volume keeps its margin from the border, too; whether it is whole shows in the
    vertebra. At the upper and lower border a single voxel of it will do, since a vertebra goes on
    there. At the sides its processes may reach the border of a small field of view or of a sagittal
    slab; there the body is cut if the cross-section at the border is a large share of the largest.

    Parameters
    ----------
    regions
        Label map of the regions, (i, j, k).
    vertebrae
        Label map of the whole outlines, or None where only the regions are known.
    affine
        Of their grid.
    """
    shape = regions.shape
    cut = {number for number, box in label_boxes(regions).items() if _ends(box, shape)}
    if vertebrae is None:
        return cut
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    axial = int(np.abs(directions[2]).argmax())
    for number, box in label_boxes(vertebrae, LAST_VERTEBRA).items():
        for axis, end in _ends(box, shape):
            others = tuple(other for other in range(3) if other != axis)
            sections = (vertebrae[box] == number).sum(axis=others)
            if axis == axial or sections[end] > LARGEST_SIDE * sections.max():
                cut.add(number)
    return cut


def _ends(box: Box, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Where a box reaches the image's border: axis, and 0 (first slice) or -1 (last)."""
    first = [(axis, 0) for axis, part in enumerate(box) if part.start == 0]
    return first + [(axis, -1) for axis, part in enumerate(box) if part.stop == shape[axis]]
