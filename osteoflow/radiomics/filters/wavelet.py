"""Undecimated separable wavelets, one level, as pyradiomics computes them.

Coefficients are PyWavelets'. The letters of a sub-band stand for left-right, posterior-anterior and
inferior-superior: ``LLH`` is high-pass between slices of an axial scan. At the scan's end the image
is mirrored (pyradiomics lets it begin again at the other end); further inside than the kernel's
length both agree.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from osteoflow.radiomics.boxes import Box, widened, within
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.scipy_parts import ndimage

# Letters of a code in the order of the axes, a 2D recipe's slice axis left out.
PASSES = {
    3: "(low or high pass along left-right, posterior-anterior, inferior-superior)",
    2: "(low or high pass along the in-slice axes, in the order left-right, posterior-anterior, "
    "inferior-superior)",
}


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
            f"undecimated {name} wavelet ({axes}D), first level, {code} {PASSES[axes]}",
        )
        for code in codes
    ]


def _kernels(wavelet: str) -> dict[str, np.ndarray]:
    """Low and high pass as correlation kernels."""
    import pywt

    found = pywt.Wavelet(wavelet)
    return {"L": np.array(found.dec_lo)[::-1], "H": np.array(found.dec_hi)[::-1]}


def _reach(step: float, wavelet: str) -> float:
    return (len(_kernels(wavelet)["L"]) + 1) * step


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    wavelet: str,
    code: str,
) -> np.ndarray:
    kernels = _kernels(wavelet)
    margin = len(kernels["L"]) + 1
    axes = [axis for axis in range(3) if axis != slice_axis]
    around = widened(inner, [margin * (axis in axes) for axis in range(3)], image.shape)
    inside = within(inner, around)

    def band(letters: str) -> np.ndarray:
        """Filtered along as many axes as there are letters, and cut to the box along these."""
        if not letters:
            return image[around]
        if letters not in shared:
            axis = axes[len(letters) - 1]
            response = _correlate(band(letters[:-1]), kernels[letters[-1]], axis)
            keep = [slice(None)] * 3
            keep[axis] = inside[axis]
            shared[letters] = np.ascontiguousarray(response[tuple(keep)])
        return shared[letters]

    # Sub-bands that begin alike share their first axes.
    band(code)
    return shared.pop(code)


def _correlate(array: np.ndarray, kernel: np.ndarray, axis: int) -> np.ndarray:
    # Kernels have an even length: their origin is where PyWavelets' stationary transform has it.
    return ndimage.correlate1d(array, kernel, axis=axis, mode="reflect", origin=-1)
