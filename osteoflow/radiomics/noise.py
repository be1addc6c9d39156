"""Normal noise that belongs to the voxels of a scan: any part of it has the values of the whole."""

from __future__ import annotations

import math

import numpy as np

from osteoflow.compiled import compiled

# Weyl step and multipliers of SplitMix64.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53


def voxel_noise(
    key: int, part: tuple[slice, slice, slice], shape: tuple[int, int, int]
) -> np.ndarray:
    """Independent standard normal numbers of a part of a scan's voxels.

    Which part of a scan is needed depends on filters, families and the turn of the grid: none of
    them may change the noise of a voxel.

    Parameters
    ----------
    key
        64 bits; another key, other noise.
    part
        The part of the scan.
    shape
        Of the whole scan.

    Returns
    -------
    numpy.ndarray
        float64, of the part's shape.

    Notes
    -----
    The number of a voxel follows from its place in the scan: two outputs of SplitMix64 (Steele et
    al., OOPSLA 2014:453), a generator that can start anywhere, become one normal number (Box and
    Muller, Ann Math Stat 1958;29:610).
    """
    start = np.array([axis.start for axis in part], np.uint64)
    found = np.empty([axis.stop - axis.start for axis in part])
    _fill(np.uint64(key), start, np.array(shape, np.uint64), found)
    return found


@compiled
def _uniform(key, counter):
    """Number in [0, 1) of one place in the sequence of a key."""
    z = key + (counter + np.uint64(1)) * _STEP
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return float((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * _UNIT


@compiled
def _fill(key, start, shape, found):
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            row = ((start[0] + np.uint64(i)) * shape[1] + start[1] + np.uint64(j)) * shape[2]
            for k in range(found.shape[2]):
                counter = np.uint64(2) * (row + start[2] + np.uint64(k))
                # 1 - u lies in (0, 1]: its logarithm is finite.
                radius = math.sqrt(-2.0 * math.log(1.0 - _uniform(key, counter)))
                angle = 2.0 * math.pi * _uniform(key, counter + np.uint64(1))
                found[i, j, k] = radius * math.cos(angle)
