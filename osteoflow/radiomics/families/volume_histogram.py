"""Intensity-volume histogram: which part of a region has at least an intensity.

Definitions: Zwanenburg et al., Radiology 2020;295:328 (IBSI reference manual, intensity-volume
histogram); area under the curve: van Velden et al., Eur J Nucl Med Mol Imaging 2011;38:1636.
"""

from __future__ import annotations

import numpy as np

from osteoflow.radiomics.roi import Roi

ARBITRARY_BINS = 1000


def ivh_features(roi: Roi) -> dict[str, float]:
    """Volumes at 10 and 90 % of the intensity range, intensities at 10 and 90 % of the volume.

    Parameters
    ----------
    roi
        The region. Its intensities are used as they are where the recipe rounds them
        (``round_to``), in bins of ``ivh_bin_width`` (each stands for its centre), or as levels
        1..N of ``ivh_bin_count`` bins. Filtered images have no unit and get 1000 bins.

    Returns
    -------
    dict
        All NaN, with a note, where a single bin holds the region.

    Notes
    -----
    ``VolumeAtIntensityX`` is the part of the region at or above X % of the way from the lowest to
    the highest intensity: of the re-segmentation range where the recipe has one, else of the
    region. ``IntensityAtVolumeX`` is the lowest intensity that at most X % of the region reach;
    where more than X % lie in the highest bin it is one bin above.
    """
    index, n_bins, first, step = _binned(roi)
    if n_bins < 2:
        roi.notes.append("one bin holds all intensities: no intensity-volume histogram")
        return dict.fromkeys(
            (
                "VolumeAtIntensity10",
                "VolumeAtIntensity90",
                "IntensityAtVolume10",
                "IntensityAtVolume90",
                "VolumeDifference",
                "IntensityDifference",
                "AreaUnderCurve",
            ),
            float("nan"),
        )
    ordered = np.sort(index)[::-1]
    volume = {x: _volume_at(ordered, n_bins, x) for x in (10, 90)}
    intensity = {x: first + step * _bin_at(ordered, x) for x in (10, 90)}
    # Trapezoids over the volume fractions 1 ... of all bins, which add up to mean(index) + 1.
    last = float(np.mean(index == n_bins - 1))
    area = (index.mean() + 1 - 0.5 * (1 + last)) / (n_bins - 1)
    return {
        "VolumeAtIntensity10": volume[10],
        "VolumeAtIntensity90": volume[90],
        "IntensityAtVolume10": intensity[10],
        "IntensityAtVolume90": intensity[90],
        "VolumeDifference": volume[10] - volume[90],
        "IntensityDifference": intensity[10] - intensity[90],
        "AreaUnderCurve": float(area),
    }


def _binned(roi: Roi) -> tuple[np.ndarray, int, float, float]:
    """Bin of each voxel from 0, number of bins, intensity of the first bin, and step."""
    values, settings = roi.image[roi.intensity], roi.settings
    if roi.filtered or not settings.ivh_has_unit:
        count = ARBITRARY_BINS if roi.filtered else settings.ivh_bin_count or ARBITRARY_BINS
        low, high = values.min(), values.max()
        if low == high:
            return np.zeros(values.shape, int), 1, 1.0, 1.0
        index = np.floor(count * (values - low) / (high - low)).astype(int)
        return np.minimum(index, count - 1), count, 1.0, 1.0
    low, high = settings.range or (values.min(), values.max())
    if (width := settings.ivh_bin_width) is not None:
        n_bins = max(int(np.ceil((high - low) / width - 1e-9)), 1)
        # The last bin is closed: the highest intensity opens no bin of its own.
        index = np.minimum(np.floor((values - low) / width).astype(int), n_bins - 1)
        return index, n_bins, low + 0.5 * width, width
    step = settings.round_to
    start, stop = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    index = np.round(values / step - start).astype(int)
    return index, int(stop - start) + 1, float(start * step), step


def _volume_at(ordered: np.ndarray, n_bins: int, percent: int) -> float:
    """Part of the voxels in bins from this percentage of the range on."""
    lowest = -(-percent * (n_bins - 1) // 100)
    return float(np.mean(ordered >= lowest))


def _bin_at(ordered: np.ndarray, percent: int) -> int:
    """Lowest bin that at most this percentage of the voxels reach."""
    allowed = percent * ordered.size // 100
    return int(ordered[allowed]) + 1
