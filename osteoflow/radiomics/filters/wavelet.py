"""Undecimated separable wavelets, one level, as pyradiomics computes them."""

from __future__ import annotations

from functools import partial

import numpy as np

from osteoflow.radiomics.arrays import as_itk, itk_slice_axis
from osteoflow.radiomics.filters.derived import Box, DerivedImage
from osteoflow.radiomics.settings import RadiomicsSettings


def wavelet_images(settings: RadiomicsSettings) -> list[DerivedImage]:
    """One image per combination of low and high pass of ``filters.wavelet``."""
    name = settings.filters.wavelet
    if name is None:
        return []
    axes = 2 if settings.texture == "2D" else 3
    codes = (
        "".join("LH"[(code >> bit) & 1] for bit in reversed(range(axes))) for code in range(2**axes)
    )
    return [
        DerivedImage(
            f"wavelet-{code}",
            partial(_reach, wavelet=name),
            partial(_filtered, wavelet=name, code=code),
        )
        for code in codes
    ]


def _reach(step: float, wavelet: str) -> float:
    import pywt

    return (pywt.Wavelet(wavelet).dec_len + 2) * step


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    wavelet: str,
    code: str,
) -> np.ndarray:
    from radiomics import imageoperations
    from SimpleITK import GetArrayFromImage

    if not shared:
        options = {"wavelet": wavelet, **itk_slice_axis(slice_axis)}
        for found, name, _ in imageoperations.getWaveletImage(
            as_itk(image, spacing), None, **options
        ):
            shared[name] = GetArrayFromImage(found).transpose(2, 1, 0)[inner]
    return shared[f"wavelet-{code}"]
