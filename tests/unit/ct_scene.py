"""A small synthetic CT with a calibration phantom, for tests of the CT modules."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from osteoflow.ct.certificate import phantom
from osteoflow.io.volume import Volume

CERTIFICATE = phantom("mindways_model3")
SLOPE, INTERCEPT = 1.55, -3.0
SPACING = (1.2, 1.2, 3.0)
BONE_DENSITY = 110.0


def rod_numbers(slope: float = SLOPE, intercept: float = INTERCEPT) -> np.ndarray:
    """Noise-free CT numbers of the five rods (HU)."""
    mineral = np.array(CERTIFICATE.mineral_density)
    water = np.array(CERTIFICATE.water_density)
    return water + (slope + 0.2174) * mineral + intercept - 999.6


def scene(
    seed: int = 0,
    noise: float = 20.0,
    rods: bool = True,
    reverse: bool = False,
    roll_degrees: float = 0.0,
    skew: float = 0.0,
    rod_diameter: float = 18.0,
    rod_spacing: float = 42.0,
    shift_x: float = 0.0,
    slab_hu: float = 60.0,
    phantom_slices: slice = slice(None),
    shape: tuple[int, int, int] = (260, 200, 24),
    spacing: tuple[float, float, float] = SPACING,
) -> Volume:
    """Body with vertebra, kidneys, bowel gas and table above a five-rod slab; RAS axes, HU.

    ``skew`` moves the phantom by that many mm in x per mm in z.
    """
    rng = np.random.default_rng(seed)
    x = (np.arange(shape[0]) - shape[0] / 2)[:, None] * spacing[0]
    y = (np.arange(shape[1]) - shape[1] / 2)[None, :] * spacing[1]
    volume = np.empty(shape, np.float32)
    for k in range(shape[2]):
        image = np.full(shape[:2], -1000.0)

        def ellipse(cx: float, cy: float, a: float, b: float, hu: float) -> None:
            image[((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1] = hu  # noqa: B023

        ellipse(0, 20, 140, 85, -100)
        ellipse(0, 22, 120, 70, 50)
        for side in (-1, 1):
            ellipse(side * 60, 10, 22, 28, 210)  # contrast-filled kidneys
        ellipse(10, 30, 10, 10, 280)  # aorta
        ellipse(-30, 60, 15, 10, -900)
        ellipse(0, 0, 25, 19, 600)
        ellipse(0, 0, 22, 16, SLOPE * BONE_DENSITY + INTERCEPT)
        image[(np.abs(x) < 145) & (y < -95) & (y > -100)] = -700  # table
        present = k in range(shape[2])[phantom_slices]
        if rods and present:
            angle = np.deg2rad(roll_degrees)
            cx, cy = shift_x + skew * k * spacing[2], -79.0
            along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
            across = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
            width = 2 * rod_spacing + rod_diameter
            image[(np.abs(along) < width) & (np.abs(across) < rod_diameter / 2 + 4)] = slab_hu
            values = rod_numbers()[::-1] if reverse else rod_numbers()
            for index, hu in enumerate(values):
                centre = (index - 2) * rod_spacing
                image[(along - centre) ** 2 + across**2 <= (rod_diameter / 2) ** 2] = hu
        volume[:, :, k] = image
    volume = ndimage.gaussian_filter(volume, [0.6 / s for s in spacing[:2]] + [0])
    volume += rng.normal(0, noise, shape).astype(np.float32)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-shape[0] / 2 * spacing[0], -shape[1] / 2 * spacing[1], -500.0]
    return Volume(volume, affine)
