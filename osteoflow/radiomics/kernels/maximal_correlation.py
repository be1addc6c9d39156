"""Maximal correlation coefficient of co-occurrence matrices: a second largest eigenvalue.

Source: Haralick et al., IEEE Trans Syst Man Cybern 1973;3:610, feature 14.
"""

from __future__ import annotations

import numpy as np

from osteoflow.radiomics.kernels.level_size import EPS

# Neglected part of the eigenvalue, relative to it.
_TOLERANCE = 1e-10


def maximal_correlation(probability: np.ndarray) -> np.ndarray:
    """Square root of the second largest eigenvalue of Q of each matrix.

    Parameters
    ----------
    probability
        (n, levels, levels) symmetric matrices p, each with the sum 1.

    Returns
    -------
    numpy.ndarray
        (n,); 1 where there is a single level, as pyradiomics has it.

    Notes
    -----
    Q(i, j) = sum over k of p(i, k) p(j, k) / (r(i) r(k) + eps), r being the row sums. But for
    pyradiomics' eps it is similar to the square of the symmetric matrix
    N(i, j) = p(i, j) / sqrt(r(i) r(j)), whose eigenvalues cost a tenth of those of Q. With eps,
    it is similar to (N - E) N, E(i, j) = N(i, j) eps / (r(i) r(j) + eps), which matters for
    levels that occur once in ten thousand voxels. Its eigenvalue that stems from the eigenvalue m
    of N with the eigenvector v is m^2 - m v'Ev, up to m |Ev|^2 / gap, gap being the distance of
    m^2 from the next eigenvalue of N^2 (first-order perturbation). Where that is not negligible,
    the eigenvalues are those of Q itself.
    """
    n, size = probability.shape[:2]
    if size < 2:
        return np.ones(n)
    margin = probability.sum(axis=2)
    product = margin[:, :, None] * margin[:, None, :]
    root = np.sqrt(product)
    normal = np.divide(probability, root, out=np.zeros_like(root), where=root > 0)
    values = np.linalg.eigvalsh(normal)
    row = np.arange(n)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")
    squares = np.take_along_axis(values, order, axis=1) ** 2
    second = values[row, order[:, 1]]
    gap = squares[:, 0] - squares[:, 1]
    if size > 2:
        gap = np.minimum(gap, squares[:, 1] - squares[:, 2])
    vector = _eigenvectors(normal, second)
    # The change that eps makes is small: a vector of a few digits gives it to all that matter.
    applied = np.einsum("nij,nj->ni", normal * (EPS / (product + EPS)), vector)
    found = second**2 - second * np.einsum("ni,ni->n", vector, applied)
    residual = np.einsum("nij,nj->ni", normal, vector) - second[:, None] * vector
    neglected = np.einsum("ni,ni->n", applied, applied)
    sound = (neglected <= _TOLERANCE * gap * np.abs(second)) & (
        np.abs(residual).max(axis=1) <= 1e-4 * gap
    )
    for k in np.flatnonzero(~sound):
        found[k] = _second_of_general(probability[k], product[k])
    return np.sqrt(np.maximum(found, 0.0))


def _eigenvectors(matrices: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Unit eigenvectors by one step of inverse iteration from a fixed start."""
    size = matrices.shape[1]
    # Beside the eigenvalue, so that the system can be solved.
    shifted = matrices - (values + 1e-10)[:, None, None] * np.eye(size)
    start = np.cos(1.0 + np.arange(size) ** 2)
    vector = np.linalg.solve(shifted, np.broadcast_to(start[:, None], (len(values), size, 1)))
    vector = vector[:, :, 0]
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


def _second_of_general(probability: np.ndarray, product: np.ndarray) -> float:
    values = np.linalg.eigvals((probability / (product + EPS)) @ probability.T)
    return float(np.sort(values.real)[-2])
