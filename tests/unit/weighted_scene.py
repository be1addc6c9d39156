"""A synthetic sagittal T1-weighted image whose tissue, shading and gain are known."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from osteoflow.io.volume import Volume

SHAPE, SPACING = (12, 96, 144), (4.4, 2.0, 2.0)
AFFINE = np.diag([*SPACING, 1.0])
SIGNAL = {"muscle": 300.0, "fat": 900.0, "marrow": 550.0, "csf": 120.0}
MUSCLE, CSF = 151, 155
LEVELS = {20: (108, 126), 21: (86, 104), 22: (64, 82), 23: (42, 60)}


def weighted_scene(
    shading: float = 0.0, gain: float = 1.0, seed: int = 4
) -> tuple[Volume, np.ndarray, np.ndarray, np.ndarray]:
    """Image, whole outlines (vertebrae in VerSe ids, muscle 151, fluid 155), the body, the field.

    Parameters
    ----------
    shading
        Logarithm of the ratio of the back's brightness to the belly's.
    gain
        Factor on everything, noise included.
    seed
        Of noise and of the texture of marrow.
    """
    rng = np.random.default_rng(seed)
    x, y, z = np.indices(SHAPE)
    body = (((y - 48) / 42.0) ** 2 < 1) & (((x - 5.5) / 9.0) ** 2 + ((y - 48) / 46.0) ** 2 < 1)
    tissue = np.where(body, SIGNAL["muscle"], 0.0)
    skin = body & ((y < 12) | (y > 84))
    tissue[skin] = SIGNAL["fat"]
    labels = np.zeros(SHAPE, np.uint8)
    grain = ndimage.gaussian_filter(rng.normal(size=SHAPE), (0, 1.0, 1.0))
    for number, (low, high) in LEVELS.items():
        vertebra = (abs(x - 5.5) < 4) & (y >= 46) & (y < 66) & (z >= low) & (z < high)
        labels[vertebra] = number
        tissue[vertebra] = SIGNAL["marrow"] * (1 + 0.25 * grain[vertebra])
    fluid = (abs(x - 5.5) < 2) & (y >= 34) & (y < 42)
    labels[fluid], tissue[fluid] = CSF, SIGNAL["csf"]
    labels[(abs(x - 5.5) > 2) & body & (y >= 16) & (y < 30) & (z > 30)] = MUSCLE
    # Bright at the back (small y), with the coil's middle at mid-height.
    away = ((y - 10) / SHAPE[1]) + 0.4 * ((z - SHAPE[2] / 2) / SHAPE[2]) ** 2 + 0.01 * (x - 5.5)
    log_field = -shading * away
    field = np.exp(log_field - log_field[body].mean())
    noise = 12.0 * rng.normal(size=(2, *SHAPE))
    signal = np.hypot(tissue * field + noise[0], noise[1])
    return Volume(gain * signal, AFFINE), labels, body, field
