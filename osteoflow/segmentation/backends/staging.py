"""The volume that a back end gets: one contrast on the grid that counts for the masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from osteoflow.io.volume import Volume

GYROMAGNETIC_RATIO_MHZ_PER_T = 42.577478518
# Methylene of fat (1.3 ppm) against water (4.7 ppm; Ren et al., J Lipid Res 2008;49:2055).
FAT_SHIFT_PPM = 3.4


def single_volume(
    image: Volume, about: Mapping[str, Any], gradient_echo: bool
) -> tuple[Volume, str]:
    """One volume of an image, and in words which.

    Of several gradient echoes it is the one nearest to in phase, where fat and water add up: at
    other echo times a dark rim runs along the border between marrow and cortex, and bodies would
    be outlined too small. Of several spin echoes, which have no such rim, and where the field
    strength is not known, it is the first.

    Parameters
    ----------
    image
        Shape (i, j, k), or (i, j, k, echoes).
    about
        Its sidecar: ``EchoTime`` in s, one per echo, and ``MagneticFieldStrength`` in T.
    gradient_echo
        Whether the echoes are gradient echoes.
    """
    if image.data.ndim == 3:
        return image, "the image"
    count = image.data.shape[3]
    times = np.atleast_1d(np.asarray(about.get("EchoTime") or [], float))
    field = about.get("MagneticFieldStrength")
    number = 0
    if len(times) == count and field and gradient_echo:
        number = in_phase_echo(times, float(field))
    at = f" at {1000 * times[number]:.2f} ms" if len(times) == count else ""
    return image.like(image.data[..., number]), f"echo {number + 1} of {count}{at}"


def in_phase_echo(echo_times_s: np.ndarray, field_t: float) -> int:
    """Index of the echo nearest to in phase, the first of equally near ones.

    Parameters
    ----------
    echo_times_s
        Echo times (n,) in s.
    field_t
        Field strength in T.
    """
    shift_hz = FAT_SHIFT_PPM * GYROMAGNETIC_RATIO_MHZ_PER_T * field_t
    turns = np.asarray(echo_times_s, float) * shift_hz
    away = np.abs(turns - np.maximum(np.round(turns), 1))
    return int(np.argmin(np.round(away, 6)))
