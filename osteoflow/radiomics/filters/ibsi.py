"""The filtered images of ``filters.ibsi``, one module per kind of filter."""

from __future__ import annotations

from dataclasses import replace

from osteoflow.radiomics.filter_settings import IbsiFilter
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.gabor import gabor_image
from osteoflow.radiomics.filters.laplacian_ibsi import laplacian_image
from osteoflow.radiomics.filters.laws import laws_image
from osteoflow.radiomics.filters.mean import mean_image
from osteoflow.radiomics.filters.simoncelli import simoncelli_image
from osteoflow.radiomics.filters.wavelet_ibsi import wavelet_image
from osteoflow.radiomics.settings import RadiomicsSettings

KINDS = {
    "mean": mean_image,
    "laplacian_of_gaussian": laplacian_image,
    "laws": laws_image,
    "gabor": gabor_image,
    "separable_wavelet": wavelet_image,
    "simoncelli": simoncelli_image,
}


# Beyond the largest scan: the reach of a filter that depends on every voxel.
WHOLE_SCAN_MM = 1e5


def ibsi_images(settings: RadiomicsSettings) -> list[DerivedImage]:
    """One image per entry of ``filters.ibsi``."""
    return [_image(each) for each in settings.filters.ibsi]


def _image(settings: IbsiFilter) -> DerivedImage:
    """One image; its module knows the reach of the kernel, not that of the scan's ends."""
    image = replace(KINDS[settings.kind](settings), words=settings.words)
    return replace(image, reach_mm=lambda step: WHOLE_SCAN_MM) if settings.whole_scan else image
