"""Regions of a mask that are no vertebra: muscles, cerebrospinal fluid, fat, air.

They lie in the same label map as the vertebrae, in numbers beyond VerSe's. Whatever is about
vertebrae (trabecular volumes, order of levels, overlap of raters) leaves them aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.resources import read_resource

OWN_SCHEME = "osteoflow"
"""Label scheme whose numbers are the internal ones."""

LAST_VERTEBRA = 28
"""Largest VerSe id; further structures have larger numbers."""

SIDES = {
    "paraspinal_muscle": ("paraspinal_muscle_left", "paraspinal_muscle_right"),
    "iliopsoas": ("iliopsoas_left", "iliopsoas_right"),
}
"""Muscles that are outlined on either side of the body: left, right."""


@cache
def structure_names() -> dict[int, str]:
    """Number -> name of every further structure."""
    return {
        int(row["label"]): row["name"]
        for row in read_resource("label_schemes.tsv")
        if row["scheme"] == OWN_SCHEME and int(row["label"]) > LAST_VERTEBRA
    }


def structure_id(name: str) -> int:
    """``csf`` -> its number in label maps.

    Raises
    ------
    ValueError
        Not the name of a further structure.
    """
    ids = {known: number for number, known in structure_names().items()}
    if name not in ids:
        raise ValueError(f"unknown structure {name!r}; known: {', '.join(ids)}")
    return ids[name]


def is_vertebra(labels: np.ndarray) -> np.ndarray:
    """Where an array of labels holds vertebrae (VerSe ids)."""
    labels = np.asarray(labels)
    return (labels > 0) & (labels <= LAST_VERTEBRA)


def only_vertebrae(labels: Volume) -> Volume:
    """The label map without further structures; itself where it has none."""
    data = np.asarray(labels.data)
    others = data > LAST_VERTEBRA
    if not others.any():
        return labels
    return labels.like(np.where(others, 0, data).astype(data.dtype))


def structure_mask(labels: np.ndarray, name: str) -> np.ndarray:
    """Voxels of a structure; of both sides for the name of a pair (``paraspinal_muscle``).

    Raises
    ------
    ValueError
        Not the name of a further structure.
    """
    ids = [structure_id(part) for part in SIDES.get(name, (name,))]
    return np.isin(np.asarray(labels), ids)


def outlined_structures(labels: np.ndarray) -> list[str]:
    """Names of the further structures that a label map holds."""
    present = np.unique(np.asarray(labels))
    return [structure_names()[int(n)] for n in present if n in structure_names()]


def level_extent(labels: Volume, levels: Sequence[int]) -> tuple[float, float]:
    """Cranio-caudal extent of vertebrae, whatever the orientation of the slices.

    Parameters
    ----------
    labels
        Label map.
    levels
        VerSe ids, each present; the extent reaches from the lowest to the highest face of any
        of their voxels.

    Returns
    -------
    tuple of float
        Lowest and highest RAS height in mm.

    Raises
    ------
    ValueError
        None of the levels is in the label map.
    """
    inside = np.isin(np.asarray(labels.data), list(levels))
    if not inside.any():
        raise ValueError(f"no voxel of the levels {list(levels)}")
    heights = _heights(inside, labels.affine)
    half = float(np.abs(labels.affine[2, :3]).sum()) / 2
    return float(heights.min()) - half, float(heights.max()) + half


def within_extent(mask: np.ndarray, affine: np.ndarray, extent: tuple[float, float]) -> np.ndarray:
    """The voxels of a mask whose centres lie within a cranio-caudal extent.

    Parameters
    ----------
    mask
        Boolean array (i, j, k).
    affine
        Of its grid, to RAS millimetres.
    extent
        Lowest and highest RAS height in mm, as :func:`level_extent` gives it.
    """
    heights = _heights(mask, affine)
    result = np.zeros(mask.shape, bool)
    result[mask] = (heights >= extent[0]) & (heights <= extent[1])
    return result


def add_structures(labels: Volume, further: Volume) -> tuple[Volume, list[str]]:
    """A label map completed by the structures of another one.

    Programs that number vertebrae and programs that outline muscles are often not the same, so
    both may come in masks of their own. What the first map outlines stays as it is.

    Parameters
    ----------
    labels
        Label map that is completed.
    further
        Label map on the same grid; its vertebrae are not taken.

    Returns
    -------
    tuple
        uint8 label map, and warnings: structures that both outline (the first one's stay), and
        voxels that the first map has already given away.

    Raises
    ------
    ValueError
        The grids differ.
    """
    if not labels.same_grid(further):
        raise ValueError("label maps on different grids cannot be joined")
    result = np.array(labels.data, np.uint8)
    warnings = []
    for name in outlined_structures(further.data):
        number = structure_id(name)
        if (result == number).any():
            warnings.append(
                f"both masks outline {name}: the one in the mask of the vertebrae is kept"
            )
            continue
        wanted = np.asarray(further.data) == number
        taken = wanted & (result > 0)
        result[wanted & ~taken] = number
        if taken.any():
            warnings.append(
                f"{int(taken.sum())} of {int(wanted.sum())} voxels of {name} belong to other "
                "regions already and stay with them"
            )
    return labels.like(result), warnings


def _heights(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """RAS heights in mm of a mask's voxels, in the order of boolean indexing."""
    return np.argwhere(mask) @ affine[2, :3] + affine[2, 3]
