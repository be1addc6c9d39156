"""Undecimated separable wavelets as IBSI-2 defines them (algorithme à trous)."""

from __future__ import annotations

from functools import partial

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filter_settings import SeparableWaveletFilter
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.lines import Kernel, centred
from osteoflow.radiomics.filters.rotations import pooled


def wavelet_image(settings: SeparableWaveletFilter) -> DerivedImage:
    """One sub-band of the undecimated wavelet transform, pooled over rotations.

    At level n every axis is low-pass filtered n - 1 times before the sub-band's own filters;
    between the taps of level n lie 2^(n-1) - 1 zeros. The taps are the decomposition filters of
    PyWavelets, with the norm they have there.

    Source: IBSI reference manual, convolutional filters (Whybra et al., Radiology
    2024;310:e231319).
    """
    return DerivedImage(
        settings.prefix, partial(_reach, settings=settings), partial(_filtered, settings=settings)
    )


def stages(settings: SeparableWaveletFilter, letter: str) -> tuple[Kernel, ...]:
    """Kernels along one axis, in the order in which they are applied."""
    import pywt

    wavelet = pywt.Wavelet(settings.wavelet)
    filters = {"L": wavelet.dec_lo, "H": wavelet.dec_hi}
    codes = "L" * (settings.level - 1) + letter
    return tuple(_with_holes(filters[code], 2**number) for number, code in enumerate(codes))


def _with_holes(taps: list[float], every: int) -> Kernel:
    """Taps ``every`` voxels apart."""
    spread = np.zeros(len(taps) * every)
    spread[::every] = taps
    return centred(spread)


def _reach(step: float, settings: SeparableWaveletFilter) -> float:
    return max(
        sum(max(kernel.before, kernel.after) for kernel in stages(settings, letter)) * step
        for letter in set(settings.subband)
    )


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    settings: SeparableWaveletFilter,
) -> np.ndarray:
    kernels = tuple(stages(settings, letter) for letter in settings.subband)
    return pooled(image, inner, kernels, slice_axis, settings.boundary, settings.rotation)
