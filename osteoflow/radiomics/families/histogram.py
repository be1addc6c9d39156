"""Statistics of a region's intensities and of the histogram of its grey levels.

Definitions: Zwanenburg et al., Radiology 2020;295:328 (IBSI reference manual, intensity-based
statistics and intensity histogram). What pyradiomics' first-order class has is not repeated.
"""

from __future__ import annotations

import numpy as np

from osteoflow.radiomics.roi import Roi


def intensity_features(roi: Roi) -> dict[str, float]:
    """Spread of the intensities around their median and relative to their size.

    Parameters
    ----------
    roi
        The region.
    """
    return _relative_spread(roi.image[roi.intensity])


def histogram_features(roi: Roi) -> dict[str, float]:
    """Statistics of the grey levels, as levels from 1.

    Parameters
    ----------
    roi
        The region, of at least two grey levels.

    Notes
    -----
    The mode is the most frequent level, the one nearest to the mean (then the lower) where there
    are several. Gradients are central differences of the counts of levels 1..N, one-sided at both
    ends; N is the highest level in the region.
    """
    levels = roi.levels[roi.intensity].astype(float)
    counts = np.bincount(roi.levels[roi.intensity])[1:]
    mean, variance = levels.mean(), levels.var()
    p10, p25, p75, p90 = np.percentile(levels, [10, 25, 75, 90])
    middle = levels[(levels >= p10) & (levels <= p90)]
    modes = np.flatnonzero(counts == counts.max()) + 1
    gradient = np.gradient(counts.astype(float))
    deviation = levels - mean
    return {
        "Mean": mean,
        "Variance": variance,
        "Skewness": (deviation**3).mean() / variance**1.5,
        "Kurtosis": (deviation**4).mean() / variance**2 - 3,
        "Median": float(np.median(levels)),
        "Minimum": levels.min(),
        "10Percentile": p10,
        "90Percentile": p90,
        "Maximum": levels.max(),
        "Mode": float(modes[np.argmin(np.abs(modes - mean))]),
        "InterquartileRange": p75 - p25,
        "Range": levels.max() - levels.min(),
        "MeanAbsoluteDeviation": np.abs(deviation).mean(),
        "RobustMeanAbsoluteDeviation": np.abs(middle - middle.mean()).mean(),
        **_relative_spread(levels),
        "MaximumGradient": gradient.max(),
        "MaximumGradientLevel": float(np.argmax(gradient) + 1),
        "MinimumGradient": gradient.min(),
        "MinimumGradientLevel": float(np.argmin(gradient) + 1),
    }


def _relative_spread(values: np.ndarray) -> dict[str, float]:
    """Undefined (not finite) where the mean or the quartiles' sum is 0."""
    p25, median, p75 = np.percentile(values, [25, 50, 75])
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "MedianAbsoluteDeviation": float(np.abs(values - median).mean()),
            "CoefficientOfVariation": float(np.divide(values.std(), values.mean())),
            "QuartileCoefficientOfDispersion": float(np.divide(p75 - p25, p75 + p25)),
        }
