"""Spatial autocorrelation of the intensities in a region: Moran's I and Geary's C.

Definitions: Moran, Biometrika 1950;37:17; Geary, Incorporated Statistician 1954;5:115, with the
inverse distance as weight and all pairs of voxels as in the IBSI reference manual (Zwanenburg et
al., Radiology 2020;295:328).
"""

from __future__ import annotations

import numpy as np

from osteoflow.radiomics.boxes import bounding_box
from osteoflow.radiomics.roi import Roi
from osteoflow.scipy_parts import fft


def spatial_features(roi: Roi) -> dict[str, float]:
    """Moran's I and Geary's C of the intensity mask, over all pairs of voxels.

    Parameters
    ----------
    roi
        The region.

    Returns
    -------
    dict
        ``MoranI`` (0 without, towards 1 with like neighbours) and ``GearyC`` (1 without,
        below 1 with like neighbours).

    Notes
    -----
    A sum over pairs of ``w(i - j) x_i x_j`` is the sum of the weight's spectrum times the power
    spectrum of x on a grid of twice the region's size, where nothing wraps around. That is the sum
    itself up to rounding, in n log n operations instead of n squared.
    """
    box = bounding_box(roi.intensity)
    inside = roi.intensity[box]
    n = int(inside.sum())
    deviation = np.where(inside, roi.image[box] - roi.image[roi.intensity].mean(), 0.0)
    squares = deviation**2
    size = [fft.next_fast_len(2 * extent - 1, real=True) for extent in inside.shape]
    weight = fft.rfftn(_inverse_distance(size, roi.spacing)).real
    # Half of the spectrum stands for both halves of a real array, except at its ends.
    twice = np.full(weight.shape[-1], 2.0)
    twice[0] = 1.0
    if size[-1] % 2 == 0:
        twice[-1] = 1.0
    weight *= twice / np.prod(size)

    spectrum = fft.rfftn(inside.astype(float), size)
    of_pairs = (weight * np.abs(spectrum) ** 2).sum()
    of_squares = (weight * (spectrum * fft.rfftn(squares, size).conj()).real).sum()
    of_products = (weight * np.abs(fft.rfftn(deviation, size)) ** 2).sum()
    spread = squares.sum()
    return {
        "MoranI": float(n * of_products / (of_pairs * spread)),
        "GearyC": float((n - 1) * (of_squares - of_products) / (of_pairs * spread)),
    }


def _inverse_distance(size: list[int], spacing: tuple[float, float, float]) -> np.ndarray:
    """1 / distance in 1/mm from the first voxel of a periodic grid; 0 at that voxel."""
    axes = [
        np.minimum(np.arange(n), n - np.arange(n)) * step
        for n, step in zip(size, spacing, strict=True)
    ]
    squares = np.add.outer(np.add.outer(axes[0] ** 2, axes[1] ** 2), axes[2] ** 2)
    squares[0, 0, 0] = np.inf
    return 1 / np.sqrt(squares)
