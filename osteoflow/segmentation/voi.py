"""Trabecular volumes of interest: vertebral bodies without their cortex."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.scipy_parts import ndimage
from osteoflow.segmentation.body import Body
from osteoflow.segmentation.boxes import label_boxes
from osteoflow.segmentation.schemes import anatomical_order, level_name
from osteoflow.segmentation.structures import LAST_VERTEBRA

DEFAULT_MINIMUM_VOXELS = 50


def trabecular_voi(
    labels: Volume,
    erosion_mm: float,
    minimum_voxels: int = DEFAULT_MINIMUM_VOXELS,
    bodies: Mapping[int, Body] | None = None,
) -> tuple[Volume, list[str]]:
    """Erode each level by the same physical distance in every direction.

    Of a mask of the whole vertebra the body alone is eroded; one of the body is as it is.

    A voxel stays if its centre lies at least ``erosion_mm`` inside the level's surface, which is
    made of the faces between inside and outside voxels: with 1 mm voxels an erosion of 4 mm takes
    four layers off each side. Faces at the image's border count as surface: a body cut by the
    border loses the same margin there.

    Parameters
    ----------
    labels
        VerSe ids of vertebrae; further structures have no trabecular volume.
    erosion_mm
        Margin to cortex and endplates in mm, > 0; it belongs in the sidecar.
    minimum_voxels
        Levels with fewer voxels left are dropped with a warning, never enlarged.
    bodies
        Bodies by VerSe id, as :func:`osteoflow.segmentation.body.find_bodies` gives them; of a
        vertebra that is not among them the largest piece left by the erosion is taken.

    Returns
    -------
    tuple
        Label map of the trabecular volumes (same ids) and warnings.

    Raises
    ------
    ValueError
        ``erosion_mm`` is not positive.

    Notes
    -----
    With thick sagittal slices the margin counts across slices as well, so outer slices go first;
    that is physical: their voxels hold cortex. Source of the distances: exact Euclidean distance
    transform (Maurer et al., IEEE TPAMI 2003;25:265, as in scipy).
    """
    if not erosion_mm > 0:
        raise ValueError(f"erosion_mm must be positive, not {erosion_mm}")
    data = np.asarray(labels.data)
    spacing = np.array(labels.spacing)
    result = np.zeros(data.shape, np.uint8)
    warnings = []
    boxes = label_boxes(data, LAST_VERTEBRA)
    for number in sorted(boxes, key=anatomical_order):
        box = boxes[number]
        known = bodies[number] if bodies and number in bodies else None
        depth = surface_distance(data[box] == number if known is None else known.mask, spacing)
        # Distances are roots of sums of squares: equality must not hang on the last bit.
        kept = depth >= erosion_mm - 1e-6
        if bodies is not None and known is None:
            kept = _largest_piece(kept)
        count = int(kept.sum())
        if count < minimum_voxels:
            warnings.append(
                f"{level_name(number)}: {count} voxels lie {erosion_mm:g} mm or more inside, fewer "
                f"than {minimum_voxels}: no trabecular volume"
            )
            continue
        result[box][kept] = number
    return labels.like(result), warnings


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected part: of an eroded vertebra its body, not its arch."""
    pieces, count = ndimage.label(mask)
    return pieces == np.bincount(pieces[mask]).argmax() if count > 1 else mask


def surface_distance(body: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance in mm of each voxel's centre from the surface of a mask; 0 outside.

    Exact for a surface made of voxel faces: the point of an outside voxel's box that is nearest
    to a voxel's centre has, along each axis, the coordinate of a centre or of a face, so it lies
    on the grid of half voxels.

    Parameters
    ----------
    body
        Boolean array (i, j, k); what lies beyond it is outside.
    spacing
        Voxel size (3,) in mm.
    """
    inside = np.pad(np.asarray(body, bool), 1)
    for axis in range(3):
        inside = _with_faces(inside, axis)
    depth = ndimage.distance_transform_edt(inside, sampling=np.asarray(spacing, float) / 2)
    return depth[3:-3:2, 3:-3:2, 3:-3:2]


def _with_faces(inside: np.ndarray, axis: int) -> np.ndarray:
    """Twice as many points along one axis: centres, and faces that lie inside on both sides."""
    inside = np.moveaxis(inside, axis, 0)
    finer = np.zeros((2 * len(inside) + 1, *inside.shape[1:]), bool)
    finer[1::2] = inside
    finer[2:-1:2] = inside[:-1] & inside[1:]
    return np.moveaxis(finer, 0, axis)
