"""First-order features: intensities of a region, and their histogram of grey levels."""

from __future__ import annotations

import numpy as np

from osteoflow.radiomics.kernels.level_size import EPS


def first_order_features(
    intensities: np.ndarray, levels: np.ndarray, voxel_volume: float
) -> dict[str, float]:
    """Statistics of the intensities; entropy and uniformity of the grey levels.

    Parameters
    ----------
    intensities
        Of the region's voxels, any shape.
    levels
        Grey levels of the same voxels.
    voxel_volume
        mm^3.

    Notes
    -----
    Kurtosis is excess kurtosis (0 for a normal distribution). Percentiles are linear between the
    order statistics. Skewness and kurtosis of a constant region are 0 and -3.
    """
    x = np.sort(np.asarray(intensities, np.float64), axis=None)
    p10, p25, median, p75, p90 = np.percentile(x, [10, 25, 50, 75, 90]).tolist()
    mean = float(x.mean())
    deviation = x - mean
    square = deviation * deviation
    variance = float(square.mean())
    scale = variance if variance != 0 else 1.0
    middle = x[np.searchsorted(x, p10, "left") : np.searchsorted(x, p90, "right")]
    energy = float((x * x).sum())
    count = np.bincount(np.asarray(levels).ravel())
    share = count[count > 0] / x.size
    return {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": float(-(share * np.log2(share + EPS)).sum()),
        "InterquartileRange": p75 - p25,
        "Kurtosis": float((square * square).mean()) / scale**2 - 3.0,
        "Maximum": float(x[-1]),
        "Mean": mean,
        "MeanAbsoluteDeviation": float(np.abs(deviation).mean()),
        "Median": median,
        "Minimum": float(x[0]),
        "Range": float(x[-1] - x[0]),
        "RobustMeanAbsoluteDeviation": float(np.abs(middle - middle.mean()).mean()),
        "RootMeanSquared": float(np.sqrt(energy / x.size)),
        "Skewness": float((square * deviation).mean()) / scale**1.5,
        "TotalEnergy": energy * voxel_volume,
        "Uniformity": float((share * share).sum()),
        "Variance": variance,
    }
