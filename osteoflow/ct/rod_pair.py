"""The second rod of a phantom with two rods, of which one alone stands out.

Its place follows from no line of rods and its CT number, near water's, from no contrast: where the
holder is like water too, nothing shows it. It is accepted as a disc of the first rod's size beside
it, or where every plausible place reads the same.
"""

from __future__ import annotations

import numpy as np

from osteoflow.ct.discs import Disc, outline, probe
from osteoflow.errors import SubjectDataError

# In the mean along the scan noise is low: so small a contrast shows an edge.
CONTRAST_HU = 12.0
# Two rods of a phantom have the same size within this.
RADIUS_TOLERANCE_MM = 1.5
# The phantom lies about as flat as the table: the row is sought this far from horizontal.
LYING_DEGREES = 24
STEP_DEGREES = 4
STEP_MM = 2.0
# Places count as the same if their CT numbers agree within this.
SAME_HU = 6.0
UNIFORM_SD = 6.0


def second_rod(
    image: np.ndarray,
    spacing: np.ndarray,
    first: Disc,
    distance: tuple[float, float],
    levels: tuple[float, float],
) -> np.ndarray:
    """Centre (2,) in mm of the rod beside the one that stands out.

    Parameters
    ----------
    image
        Mean of the slices along the rods, shape (x, y), HU; x to the right.
    spacing
        Pixel size (2,) in mm.
    first
        The rod that stands out.
    distance
        Smallest and largest distance of the rods' centres, mm.
    levels
        Lowest and highest plausible CT number of the second rod, HU.

    Raises
    ------
    SubjectDataError
        ``phantom_ambiguous``: places with different CT numbers could be the rod.
    """
    discs = _discs_beside(image, spacing, first, distance, levels)
    if discs:
        return min(discs, key=lambda disc: abs(disc.radius - first.radius)).centre
    places = places_beside(first, distance)
    probed = probe(image, spacing, 0.0, 2 * first.radius)
    hu, spread = probed.at(places)
    inside = ((places >= 0) & (places <= (np.array(image.shape) - 1) * spacing)).all(axis=1)
    usable = inside & (spread <= UNIFORM_SD) & (hu >= levels[0]) & (hu <= levels[1])
    if usable.sum() < 3 or np.ptp(hu[usable]) > SAME_HU:
        found = f"{hu[usable].min():.0f} to {hu[usable].max():.0f} HU" if usable.any() else "none"
        raise SubjectDataError(
            "phantom_ambiguous",
            "the second rod of the phantom cannot be told from its surroundings: plausible "
            f"places read {found}",
            "Check the scan of the phantom, or give the calibration of a phantom that was scanned "
            "separately.",
        )
    nearest = np.argmin(np.abs(hu - np.median(hu[usable])) + 1e6 * ~usable)
    return places[nearest]


def places_beside(first: Disc, distance: tuple[float, float]) -> np.ndarray:
    """Where a rod may lie whose neighbour alone stands out, shape (n, 2), mm.

    Parameters
    ----------
    first
        The rod that stands out.
    distance
        Smallest and largest distance of the rods' centres, mm.
    """
    angles = np.deg2rad(np.arange(-LYING_DEGREES, LYING_DEGREES + 1, STEP_DEGREES))
    angles = np.concatenate([angles, angles + np.pi])
    lengths = np.arange(max(distance[0], 2 * first.radius), distance[1], STEP_MM)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return first.centre + (lengths[:, None, None] * directions).reshape(-1, 2)


def _discs_beside(
    image: np.ndarray,
    spacing: np.ndarray,
    first: Disc,
    distance: tuple[float, float],
    levels: tuple[float, float],
) -> list[Disc]:
    """Discs of the first one's size, brighter or darker than what surrounds them."""
    sizes = tuple(2 * (first.radius + sign * RADIUS_TOLERANCE_MM) for sign in (-1, 1))
    probed = probe(image, spacing, 0.0, 2 * first.radius)
    places = places_beside(first, distance)
    hu, spread = probed.at(places)
    inside = ((places >= 0) & (places <= (np.array(image.shape) - 1) * spacing)).all(axis=1)
    found: list[Disc] = []
    for place in places[inside & (spread <= UNIFORM_SD)]:
        if any(np.linalg.norm(disc.centre - place) < first.radius for disc in found):
            continue
        for sign in (1.0, -1.0):
            disc = outline(sign * image, place, spacing, probed.radius, sizes, CONTRAST_HU)
            if disc is None:
                continue
            away = float(np.linalg.norm(disc.centre - first.centre))
            value = sign * disc.hu
            if distance[0] <= away <= distance[1] and levels[0] <= value <= levels[1]:
                found.append(Disc(disc.centre, disc.radius, value, sign * disc.holder))
    return found
