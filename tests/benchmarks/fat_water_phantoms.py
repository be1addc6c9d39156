"""Digital objects that the fat-water benchmarks fit, with every truth known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from reference_object import ReferenceObject, block_object, smooth_field  # noqa: E402

__all__ = ["FIELD_HZ", "ReferenceObject", "block_object", "body_object"]

FIELD_HZ = 150.0

# Ellipses of an axial slice in half field-of-views: centre, half axes, PDFF in %, R2* in 1/s and
# amplitude; later ones lie upon earlier ones. Values are typical, not any person's.
TISSUES = (
    ((0.00, 0.00), (0.86, 0.66), 94.0, 45.0, 1.0),  # subcutaneous fat
    ((0.00, 0.00), (0.78, 0.56), 4.0, 35.0, 0.8),  # muscle
    ((0.00, -0.10), (0.62, 0.40), 85.0, 50.0, 0.9),  # visceral fat
    ((-0.30, -0.12), (0.30, 0.32), 12.0, 60.0, 0.8),  # liver
    ((0.38, -0.20), (0.16, 0.14), 1.0, 30.0, 0.9),  # bowel
    ((0.38, -0.24), (0.07, 0.05), 0.0, 0.0, 0.0),  # gas
    ((0.42, 0.10), (0.14, 0.11), 2.0, 25.0, 1.0),  # kidney
    ((0.00, 0.20), (0.17, 0.14), 45.0, 130.0, 0.7),  # vertebral body
    ((0.00, 0.38), (0.06, 0.05), 0.0, 15.0, 1.0),  # spinal canal
    ((-0.20, 0.40), (0.12, 0.10), 8.0, 35.0, 0.8),  # erector muscles
    ((0.20, 0.40), (0.12, 0.10), 8.0, 35.0, 0.8),
)


def body_object(shape: tuple[int, int, int], field_hz: float = FIELD_HZ) -> ReferenceObject:
    """An axial stack through the abdomen in air, its organs tapering along the stack."""
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:2]), indexing="ij")
    pdff, r2star, amplitude = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for k, z in enumerate(np.linspace(-1, 1, shape[2]) if shape[2] > 1 else [0.0]):
        for number, ((i, j), (a, b), fat, rate, signal) in enumerate(TISSUES):
            size = 1.0 if number < 2 else 1 - 0.15 * z**2
            inside = ((x - i) / (a * size)) ** 2 + ((y - j) / (b * size)) ** 2 < 1
            pdff[inside, k], r2star[inside, k], amplitude[inside, k] = fat, rate, signal
    return ReferenceObject(pdff, r2star, smooth_field(shape, field_hz), amplitude)
