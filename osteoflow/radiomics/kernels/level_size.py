"""Features of a matrix of grey level by size: runs, zones and dependences share their formulas.

Sources: Galloway, Comput Graph Image Process 1975;4:172; Chu et al., Pattern Recognit Lett
1990;11:415; Thibault et al., PRIP 2009:140; Sun and Wee, Comput Vis Graph Image Process
1983;23:341; defined in one notation by Zwanenburg et al., Radiology 2020;295:328.
"""

from __future__ import annotations

import math

import numpy as np

from osteoflow.compiled import compiled

# In the order of _statistics.
STATISTICS = (
    "small",
    "large",
    "level_non_uniformity",
    "level_non_uniformity_normalized",
    "size_non_uniformity",
    "size_non_uniformity_normalized",
    "percentage",
    "level_variance",
    "size_variance",
    "entropy",
    "low_level",
    "high_level",
    "small_low",
    "small_high",
    "large_low",
    "large_high",
)
EPS = float(np.spacing(1.0))  # added within logarithms by pyradiomics' definitions


def level_size_statistics(
    rank: np.ndarray, size: np.ndarray, count: np.ndarray, levels: np.ndarray
) -> np.ndarray:
    """Features of the elements of a matrix that are not 0.

    Parameters
    ----------
    rank, size, count
        Per element its level as an index of ``levels``, its size (from 1) and how often it
        occurs; each pair of rank and size once.
    levels
        Grey levels, float64.

    Returns
    -------
    numpy.ndarray
        In the order of :data:`STATISTICS`.
    """
    return _statistics(
        rank.astype(np.int64), size.astype(np.int64), count.astype(np.float64), levels, EPS
    )


def table_statistics(table: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Features of a whole matrix: row = level, column = size - 1."""
    rank, column = np.nonzero(table)
    return level_size_statistics(rank, column + 1, table[rank, column], levels)


def named(values: np.ndarray, names: dict[str, str]) -> dict[str, float]:
    """Values in the order of :data:`STATISTICS` as features: name of each wanted statistic."""
    return {name: float(values[STATISTICS.index(statistic)]) for statistic, name in names.items()}


@compiled
def _statistics(rank, size, count, levels, eps):
    by_level = np.zeros(levels.size)
    by_size = np.zeros(size.max() + 1)
    out = np.zeros(16)
    total = count.sum()
    voxels = 0.0
    for k in range(rank.size):
        n = count[k]
        level2 = levels[rank[k]] ** 2
        size2 = float(size[k]) ** 2
        by_level[rank[k]] += n
        by_size[size[k]] += n
        voxels += n * size[k]
        out[0] += n / size2
        out[1] += n * size2
        out[9] -= n / total * math.log2(n / total + eps)
        out[10] += n / level2
        out[11] += n * level2
        out[12] += n / (level2 * size2)
        out[13] += n * level2 / size2
        out[14] += n * size2 / level2
        out[15] += n * level2 * size2
    level_mean = 0.0
    for i in range(levels.size):
        out[2] += by_level[i] ** 2
        level_mean += by_level[i] / total * levels[i]
    size_mean = voxels / total
    for i in range(levels.size):
        out[7] += by_level[i] / total * (levels[i] - level_mean) ** 2
    for j in range(by_size.size):
        out[4] += by_size[j] ** 2
        out[8] += by_size[j] / total * (j - size_mean) ** 2
    out[3] = out[2] / total**2
    out[5] = out[4] / total**2
    out[2] /= total
    out[4] /= total
    out[6] = total / voxels
    for k in (0, 1, 10, 11, 12, 13, 14, 15):
        out[k] /= total
    return out
