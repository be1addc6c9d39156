"""Overlap of two masks of one image."""

from __future__ import annotations

import numpy as np

from osteoflow.io.volume import Volume


def dice(a: Volume, b: Volume, label: int) -> float:
    """Dice coefficient of one label in two label maps on one grid.

    Parameters
    ----------
    a, b
        Label maps.
    label
        The label compared.

    Returns
    -------
    float
        2 |A and B| / (|A| + |B|), between 0 and 1; NaN where neither map has the label.

    Raises
    ------
    ValueError
        The grids differ.

    Notes
    -----
    Source: Dice, Ecology 1945;26:297.
    """
    if not a.same_grid(b):
        raise ValueError("label maps on different grids cannot be compared voxel by voxel")
    first, second = np.asarray(a.data) == label, np.asarray(b.data) == label
    total = int(first.sum()) + int(second.sum())
    if total == 0:
        return float("nan")
    return 2.0 * int((first & second).sum()) / total
