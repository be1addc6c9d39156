"""Bring a vertebra mask to an image's grid and check that it can be what it says."""

from __future__ import annotations

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.scipy_parts import ndimage
from osteoflow.segmentation.boxes import label_boxes
from osteoflow.segmentation.schemes import anatomical_order, level_name
from osteoflow.segmentation.structures import LAST_VERTEBRA, SIDES, is_vertebra, structure_id

# Grids that differ by less than this share of a voxel at any corner are one grid.
GRID_TOLERANCE = 1e-2
# The body of a cervical vertebra takes 2 cm3 and more; below this share of one a label is a slip.
SMALLEST_LEVEL_CM3 = 0.5
# A second piece of a level below this share of the level is noise in the mask, not a warning.
STRAY_SHARE = 0.02
# Share of a level's largest cross-section that may lie at a side of the image.
LARGEST_SIDE = 0.5


def to_image_grid(mask: Volume, image: Volume) -> tuple[Volume, list[str]]:
    """Label map on the image's grid.

    Grids that differ by flips, transposes or whole-voxel shifts alone are reordered without
    interpolation; others are sampled at the nearest neighbour in space.

    Parameters
    ----------
    mask
        Label map in VerSe ids, further structures included, with its own affine.
    image
        The image whose grid is wanted; its data are not read.

    Returns
    -------
    tuple
        Label map on the image's grid (same data type as the mask's) and warnings: resampling,
        levels cut by the image's border, and regions outside the image.

    Raises
    ------
    SubjectDataError
        ``mask_empty``; ``mask_not_3d``; ``mask_outside_image`` (no labelled voxel lies in the
        image, or none of the vertebrae that the mask has).
    """
    labels = np.asarray(mask.data)
    if labels.ndim == 4 and labels.shape[3] == 1:
        labels = labels[..., 0]
    if labels.ndim != 3:
        raise SubjectDataError(
            "mask_not_3d", f"the mask has {labels.ndim} dimensions", "Export one 3D label map."
        )
    if not labels.any():
        raise SubjectDataError("mask_empty", "the mask holds no label", "Check the exported mask.")
    source = Volume(labels, np.asarray(mask.affine, float))
    warnings: list[str] = []
    index_map = np.linalg.inv(source.affine) @ image.affine
    if _is_reordering(index_map, image.shape):
        result = _reorder(source.data, index_map, image.shape)
    else:
        result = _nearest(source.data, index_map, image.shape)
        warnings.append(
            "the mask's grid differs from the image's (voxels of "
            f"{_text(source.spacing)} mm against {_text(image.spacing)} mm): nearest neighbours"
        )
    vertebrae_lost = is_vertebra(labels).any() and not is_vertebra(result).any()
    if vertebrae_lost or not result.any():
        what = "vertebra" if vertebrae_lost else "labelled voxel"
        raise SubjectDataError(
            "mask_outside_image",
            f"no {what} of the mask lies inside the image",
            _advice(source, image),
        )
    warnings += _truncated(source, result, image)
    return image.like(result), warnings


def check_levels(labels: Volume) -> list[str]:
    """Plausibility of a label map: levels in order from head to foot, one piece each.

    Parameters
    ----------
    labels
        VerSe ids on the image's grid; further structures are left aside.

    Returns
    -------
    list of str
        Warnings: levels in several pieces, missing levels between present ones.

    Raises
    ------
    SubjectDataError
        ``mask_levels_out_of_order``: a level lies below one that belongs under it, as in a mask
        that was flipped.
    """
    boxes = label_boxes(labels.data, LAST_VERTEBRA)
    present = sorted(boxes, key=anatomical_order)
    heights, warnings = [], []
    for number in present:
        box = boxes[number]
        inside = labels.data[box] == number
        centre = np.array(ndimage.center_of_mass(inside)) + [part.start for part in box]
        heights.append(float((labels.affine[:3, :3] @ centre + labels.affine[:3, 3])[2]))
        pieces, count = ndimage.label(inside)
        if count > 1:
            sizes = np.sort(np.bincount(pieces.ravel())[1:])[::-1]
            if sizes[1:].sum() > STRAY_SHARE * sizes.sum():
                warnings.append(
                    f"{level_name(number)} consists of {count} pieces; the largest holds "
                    f"{100 * sizes[0] / sizes.sum():.0f} % of it"
                )
    wrong = [
        f"{level_name(lower)} above {level_name(upper)}"
        for upper, lower, up, down in zip(
            present[:-1], present[1:], heights[:-1], heights[1:], strict=True
        )
        if down >= up
    ]
    if wrong:
        raise SubjectDataError(
            "mask_levels_out_of_order",
            f"levels are not in order from head to foot: {', '.join(wrong)}",
            "The mask is flipped, belongs to another scan, or its label scheme is not the declared "
            "one.",
        )
    # L6, the sacrum and T13 are not expected in everybody.
    regular = [number for number in present if number <= 24]
    absent = [
        level_name(number)
        for number in range(min(regular, default=0), max(regular, default=0))
        if number not in regular
    ]
    if absent:
        warnings.append(f"no label between present levels: {', '.join(absent)}")
    return warnings


def check_sides(labels: Volume) -> None:
    """Left muscles lie to the left of right ones, as they do not in a mirrored mask.

    A spine is nearly symmetric, so the vertebrae alone cannot show this.

    Parameters
    ----------
    labels
        Label map on the image's grid.

    Raises
    ------
    SubjectDataError
        ``mask_sides_swapped``.
    """
    boxes = label_boxes(labels.data)
    for name, pair in SIDES.items():
        numbers = [structure_id(side) for side in pair]
        if not all(number in boxes for number in numbers):
            continue
        voxels = [
            np.argwhere(labels.data[boxes[number]] == number)
            + [part.start for part in boxes[number]]
            for number in numbers
        ]
        # RAS millimetres: the first coordinate grows towards the patient's right.
        left, right = (float((part @ labels.affine[0, :3]).mean()) for part in voxels)
        if left >= right:
            raise SubjectDataError(
                "mask_sides_swapped",
                f"the left {name.replace('_', ' ')} lies to the patient's right of the right one",
                "The mask is mirrored, or the labels of the two sides were exchanged.",
            )


def drop_slips(labels: Volume) -> tuple[Volume, list[str]]:
    """Label map without labels too small to be a vertebra: a stray click, a rest of an edit.

    Parameters
    ----------
    labels
        VerSe ids on the image's grid; further structures stay, however small.

    Returns
    -------
    tuple
        Label map and a warning for each label left out.

    Raises
    ------
    SubjectDataError
        ``mask_too_small``: no vertebra is left.
    """
    voxel = _cm3(labels)
    boxes = label_boxes(labels.data, LAST_VERTEBRA)
    numbers = np.array(list(boxes), int)
    counts = np.array([np.count_nonzero(labels.data[boxes[n]] == n) for n in boxes], int)
    small = counts * voxel < SMALLEST_LEVEL_CM3
    found = [
        f"{level_name(number)} holds {count} voxel{'s' * (count > 1)} ({count * voxel:.2g} cm3)"
        for number, count in zip(numbers[small].tolist(), counts[small].tolist(), strict=True)
    ]
    if len(small) and small.all():
        raise SubjectDataError(
            "mask_too_small",
            f"no label is as large as a vertebra (at least {SMALLEST_LEVEL_CM3:g} cm3): "
            f"{', '.join(found)}",
            "Outline whole vertebral bodies in every slice, and check the mask's voxel size.",
        )
    if not found:
        return labels, []
    kept = np.where(np.isin(labels.data, numbers[small]), 0, labels.data)
    warnings = [f"{text}, too little for a vertebra: left out" for text in found]
    return labels.like(kept.astype(labels.data.dtype)), warnings


def _is_reordering(index_map: np.ndarray, shape: tuple[int, int, int]) -> bool:
    """Whether image indices map to whole mask indices everywhere on the image's grid."""
    rounded = np.round(index_map)
    if not (np.abs(rounded[:3, :3]).sum(axis=0) == 1).all():
        return False
    if not (np.abs(rounded[:3, :3]).sum(axis=1) == 1).all():
        return False
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    return bool(np.abs((index_map - rounded) @ corners).max() < GRID_TOLERANCE)


def _reorder(data: np.ndarray, index_map: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    linear = np.round(index_map[:3, :3]).astype(int)
    offset = np.round(index_map[:3, 3]).astype(int)
    # Row a of the matrix tells which image axis runs along mask axis a, and in which direction.
    image_axis = np.abs(linear).argmax(axis=1)
    result = np.zeros(shape, data.dtype)
    source, target = [], [slice(None)] * 3
    for axis in range(3):
        along = image_axis[axis]
        step = int(linear[axis, along])
        index = step * np.arange(shape[along]) + offset[axis]
        inside = np.flatnonzero((index >= 0) & (index < data.shape[axis]))
        if inside.size == 0:
            return result
        first, last = int(index[inside[0]]), int(index[inside[-1]])
        end = last + step
        source.append(slice(first, end if end >= 0 else None, step))
        target[along] = slice(int(inside[0]), int(inside[-1]) + 1)
    # Block axes follow the mask; the inverse permutation puts them in the image's order.
    result[tuple(target)] = data[tuple(source)].transpose(np.argsort(image_axis))
    return result


def _nearest(data: np.ndarray, index_map: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Nearest neighbour; outside the mask's grid there is no label."""
    return ndimage.affine_transform(
        data, index_map[:3, :3], index_map[:3, 3], shape, order=0, mode="constant", cval=0
    )


def _advice(mask: Volume, image: Volume) -> str:
    """What to do about a mask that lies elsewhere."""
    advice = "Check that the mask belongs to this series."
    if mask.shape == image.shape:
        advice += (
            " It has as many voxels as the image but another position: a program may have saved it "
            "without the image's position and orientation."
        )
    return advice


def _truncated(source: Volume, result: np.ndarray, image: Volume) -> list[str]:
    """Levels that the image's border cuts: they touch it, or lose volume outside it.

    Above and below, one voxel at the border will do, because a level goes on there. At the sides
    thin processes may reach the border of a small field of view: there the body does if a level's
    cross-section at the border is a large share of its largest one in that direction.
    Muscles and fluid run through the border of every image: of them, only a complete loss is told.
    """
    voxel = abs(np.linalg.det(image.affine[:3, :3])) / abs(np.linalg.det(source.affine[:3, :3]))
    axial = int(np.abs(image.affine[2, :3] / np.array(image.spacing)).argmax())
    ends = [np.take(result, index, axis=axial) for index in (0, -1)]
    sides = [axis for axis in range(3) if axis != axial]
    inside, given = (ndimage.find_objects(data) for data in (result, source.data))
    warnings = []
    for number in (index for index, box in enumerate(given, start=1) if box is not None):
        name = level_name(number)
        box = inside[number - 1] if number <= len(inside) else None
        kept = voxel * int((result[box] == number).sum()) if box else 0
        total = int((source.data[given[number - 1]] == number).sum())
        if kept == 0:
            warnings.append(f"{name} lies outside the image")
        elif number <= LAST_VERTEBRA and (
            any((end == number).any() for end in ends) or kept < 0.9 * total
        ):
            warnings.append(f"{name} is truncated by the image's border")
        elif (
            number <= LAST_VERTEBRA
            and total * _cm3(source) >= SMALLEST_LEVEL_CM3
            and any(_cut(result, number, box, axis) for axis in sides)
        ):
            warnings.append(f"{name} is cut by the image's border at its side")
    return warnings


def _cm3(labels: Volume) -> float:
    """Volume of a voxel."""
    return abs(float(np.linalg.det(labels.affine[:3, :3]))) / 1000.0


def _cut(result: np.ndarray, number: int, box: tuple[slice, ...], axis: int) -> bool:
    """Whether a level's cross-section at an end of the image is a large share of its largest."""
    others = tuple(other for other in range(3) if other != axis)
    sections = (result[box] == number).sum(axis=others)
    first = sections[0] if box[axis].start == 0 else 0
    last = sections[-1] if box[axis].stop == result.shape[axis] else 0
    return bool(max(first, last) > LARGEST_SIDE * sections.max())


def _text(spacing: tuple[float, float, float]) -> str:
    return " x ".join(f"{step:.3g}" for step in spacing)
