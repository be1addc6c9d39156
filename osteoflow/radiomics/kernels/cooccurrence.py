"""Grey-level co-occurrence: pairs of adjacent voxels, in each direction.

Source: Haralick et al., IEEE Trans Syst Man Cybern 1973;3:610.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.radiomics.kernels.level_size import EPS
from osteoflow.radiomics.kernels.maximal_correlation import maximal_correlation

if TYPE_CHECKING:
    from osteoflow.radiomics.kernels.grid import TextureGrid

# In the order of _direction.
NAMES = (
    "Autocorrelation",
    "JointAverage",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceEntropy",
    "DifferenceVariance",
    "JointEnergy",
    "JointEntropy",
    "Imc1",
    "Imc2",
    "Idm",
    "Idmn",
    "Id",
    "Idn",
    "InverseVariance",
    "MaximumProbability",
    "SumAverage",
    "SumEntropy",
    "SumSquares",
)


def cooccurrence_features(grid: TextureGrid) -> dict[str, float]:
    """Mean over the directions of each feature; NaN where no voxels are adjacent.

    Notes
    -----
    ``Imc2`` and ``MCC`` of a direction whose pairs are independent are 0. pyradiomics takes the
    root of a number that is 0 up to rounding there, and where that number comes out below 0 it
    leaves the direction out of the mean.
    """
    counts = cooccurrence_matrices(grid)
    if len(counts) == 0:
        return dict.fromkeys((*NAMES, "MCC"), float("nan"))
    probability = counts / counts.sum(axis=(1, 2), keepdims=True)
    by_direction = _features(probability, grid.levels, EPS)
    values = dict(zip(NAMES, by_direction.mean(axis=0).tolist(), strict=True))
    return values | {"MCC": float(maximal_correlation(probability).mean())}


def cooccurrence_matrices(grid: TextureGrid) -> np.ndarray:
    """Symmetric counts of pairs, (n directions, n levels, n levels).

    Directions without pairs, as across a region one voxel thick, are left out.
    """
    counts = _pairs(grid.ranks, grid.inside, grid.offsets, grid.levels.size)
    return counts[counts.any(axis=(1, 2))]


@compiled
def _pairs(ranks, inside, offsets, n_levels):
    counts = np.zeros((offsets.size, n_levels, n_levels), np.int64)
    # With a row and a column for rank 0, pairs that leave the region need no branch.
    table = np.zeros((n_levels + 1, n_levels + 1), np.int64)
    for d in range(offsets.size):
        table[:] = 0
        for position in inside:
            table[ranks[position], ranks[position + offsets[d]]] += 1
        for i in range(n_levels):
            for j in range(n_levels):
                counts[d, i, j] = table[i + 1, j + 1] + table[j + 1, i + 1]
    return counts


@compiled
def _features(probability, levels, eps):
    out = np.empty((probability.shape[0], 23))
    for d in range(probability.shape[0]):
        _direction(probability[d], levels, eps, out[d])
    return out


@compiled
def _direction(p, levels, eps, out):
    """Features of one symmetric matrix: both marginals are ``margin``."""
    n = levels.size
    highest = int(levels[-1])
    margin = np.zeros(n)
    for i in range(n):
        for j in range(n):
            margin[i] += p[i, j]
    mean = 0.0
    for i in range(n):
        mean += margin[i] * levels[i]
    variance = 0.0
    own_entropy = 0.0
    for i in range(n):
        variance += margin[i] * (levels[i] - mean) ** 2
        if margin[i] > 0:
            own_entropy -= margin[i] * math.log2(margin[i] + eps)
    sums = np.zeros(2 * highest + 1)
    differences = np.zeros(highest)
    auto = covariance = energy = entropy = largest = cross = independent = 0.0
    for i in range(n):
        for j in range(i + 1):
            product = margin[i] * margin[j]
            if product == 0:
                continue
            weight = 1.0 if i == j else 2.0  # p(j, i) is p(i, j)
            logarithm = math.log2(product + eps)
            independent -= weight * product * logarithm
            q = p[i, j]
            if q == 0:
                continue
            sums[int(levels[i] + levels[j])] += weight * q
            differences[int(levels[i] - levels[j])] += weight * q
            auto += weight * q * levels[i] * levels[j]
            covariance += weight * q * (levels[i] - mean) * (levels[j] - mean)
            energy += weight * q * q
            entropy -= weight * q * math.log2(q + eps)
            cross -= weight * q * logarithm
            largest = max(largest, q)
    out[0] = auto
    out[1] = mean
    deviation = math.sqrt(variance) * math.sqrt(variance)
    out[6] = covariance / (deviation + eps) if deviation != 0 else 1.0
    out[10] = energy
    out[11] = entropy
    out[12] = (entropy - cross) / own_entropy if own_entropy != 0 else 0.0
    out[13] = math.sqrt(max(0.0, 1.0 - math.exp(-2.0 * (independent - entropy))))
    out[19] = largest
    out[22] = variance
    _of_differences(differences, float(highest), eps, out)
    _of_sums(sums, mean, eps, out)


@compiled
def _of_differences(differences, highest, eps, out):
    for feature in (5, 7, 8, 9, 14, 15, 16, 17, 18):
        out[feature] = 0.0
    for k in range(differences.size):
        q = differences[k]
        if q > 0:
            out[5] += q * k * k
            out[7] += q * k
            out[8] -= q * math.log2(q + eps)
            out[14] += q / (1.0 + k * k)
            out[15] += q / (1.0 + k * k / highest**2)
            out[16] += q / (1.0 + k)
            out[17] += q / (1.0 + k / highest)
            if k > 0:
                out[18] += q / (k * k)
    for k in range(differences.size):
        out[9] += differences[k] * (k - out[7]) ** 2


@compiled
def _of_sums(sums, mean, eps, out):
    for feature in (2, 3, 4, 20, 21):
        out[feature] = 0.0
    for k in range(sums.size):
        q = sums[k]
        if q > 0:
            deviation = k - 2.0 * mean
            out[2] += q * deviation**4
            out[3] += q * deviation**3
            out[4] += q * deviation**2
            out[20] += q * k
            out[21] -= q * math.log2(q + eps)
