"""Heterogeneity of trabecular bone and marrow as random fields with no large-scale part.

A Gaussian random field is filtered by a difference of two Gaussians: such a band-pass field
averages to nothing over volumes much larger than its wavelength. What is left of a trend from the
surface of the compartment to its core is then removed, so that the mean over an eroded volume of
interest equals that over the whole compartment: the truth does not depend on the depth of erosion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

LATTICE_MM = 1.0
COARSE_LENGTH_MM = 2.6
_KNOT_MM = 2.5


@dataclass(frozen=True)
class Texture:
    """Second-order statistics of one participant's trabecular bone.

    Parameters
    ----------
    length_mm
        SD of the inner Gaussian of the fine component: larger means coarser trabeculae.
    coarse_fraction
        Share (0..1) of the variance in a second, coarser component: voids of lost trabeculae.
    mineral_sd
        SD of the bone mineral, mg/cm3 K2HPO4.
    fat_sd
        SD of the marrow fat fraction where its mean is 50 %, percentage points.
    """

    length_mm: float
    coarse_fraction: float
    mineral_sd: float
    fat_sd: float


def band_pass_field(
    shape: tuple[int, int, int], length_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Random field of unit variance on the lattice, without wavelengths far above ``length_mm``.

    Parameters
    ----------
    shape
        Lattice points along the three axes, ``LATTICE_MM`` apart.
    length_mm
        SD of the inner Gaussian; the outer one is twice as wide.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        float32 array of ``shape``, zero mean, unit SD.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    sigma = length_mm / LATTICE_MM
    field = ndimage.gaussian_filter(white, sigma, mode="wrap")
    field -= ndimage.gaussian_filter(white, 2 * sigma, mode="wrap")
    field -= field.mean()
    return field / field.std()


def mineral_field(
    shape: tuple[int, int, int], texture: Texture, rng: np.random.Generator
) -> np.ndarray:
    """Deviation of bone mineral from its mean, mg/cm3 K2HPO4, on the lattice."""
    fine = band_pass_field(shape, texture.length_mm, rng)
    coarse = band_pass_field(shape, COARSE_LENGTH_MM, rng)
    mixed = np.sqrt(1 - texture.coarse_fraction) * fine + np.sqrt(texture.coarse_fraction) * coarse
    return np.float32(texture.mineral_sd) * mixed


def fat_field(
    shape: tuple[int, int, int], texture: Texture, mean: float, rng: np.random.Generator
) -> np.ndarray:
    """Deviation of the fat fraction from its ``mean`` (%), percentage points, on the lattice.

    Lost trabeculae are replaced by fat in patches, hence the coarser length throughout. Like that
    of any mixture, the spread is largest where both parts are equal.
    """
    share = mean / 100
    sd = 4 * share * (1 - share) * texture.fat_sd
    length = texture.length_mm + texture.coarse_fraction
    return np.float32(sd) * band_pass_field(shape, length, rng)


def without_depth_trend(field: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
    """Subtract the part of a field that depends on the depth below a surface.

    Parameters
    ----------
    field
        Values on the lattice.
    depth_mm
        Depth of each lattice point below the surface; negative outside.

    Returns
    -------
    numpy.ndarray
        The field less its least-squares fit, over the inside, by a piecewise linear function of
        depth with knots every 2.5 mm; outside, that function keeps its value at the surface.
    """
    inside = depth_mm > 0
    knots = np.arange(0, max(float(depth_mm.max()) - _KNOT_MM / 2, _KNOT_MM), _KNOT_MM)
    basis = np.column_stack([np.interp(depth_mm[inside], knots, row) for row in np.eye(len(knots))])
    values, *_ = np.linalg.lstsq(basis, field[inside].astype(float), rcond=None)
    return (field - np.interp(depth_mm, knots, values)).astype(np.float32)
