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
# Places count as the same if their CT numbers agree within this; half of what they differ by is
# the error of the one taken.
SAME_HU = 12.0
# A place is uniform like the first rod's inside: its SD times this and so much more (HU).
UNIFORM_NOISE = 1.5
UNIFORM_SD = 3.0


def second_rod(
    image: np.ndarray,
    spacing: np.ndarray,
    first: Disc,
    distance: tuple[float, float],
    levels: tuple[float, float],
) -> tuple[np.ndarray, float]:
    """Centre (2,) in mm of the rod beside the one that stands out, and what that may cost in HU.

    The second number is 0 where the rod's edge shows, else half the range of the CT numbers of
    all places where it may lie.

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
    places = places_beside(first, distance)
    inside = ((places >= 0) & (places <= (np.array(image.shape) - 1) * spacing)).all(axis=1)
    places = places[inside]
    probed = probe(image, spacing, 0.0, 2 * first.radius)
    hu, spread = probed.at(places)
    quiet = UNIFORM_SD + UNIFORM_NOISE * float(probed.at(first.centre[None])[1][0])
    usable = (spread <= quiet) & (hu >= levels[0]) & (hu <= levels[1])
    discs = [
        disc
        for disc in _discs_at(image, spacing, places[usable], first, probed.radius)
        if distance[0] <= np.linalg.norm(disc.centre - first.centre) <= distance[1]
    ]
    if discs:
        return min(discs, key=lambda disc: abs(disc.radius - first.radius)).centre, 0.0
    if usable.sum() < 3 or np.ptp(hu[usable]) > SAME_HU:
        found = f"{hu[usable].min():.0f} to {hu[usable].max():.0f} HU" if usable.any() else "none"
        raise SubjectDataError(
            "phantom_ambiguous",
            "the second rod of the phantom cannot be told from its surroundings: plausible "
            f"places read {found}",
            "Check the scan of the phantom, or give the calibration of a phantom that was scanned "
            "separately.",
        )
    places, hu = places[usable], hu[usable]
    return places[np.argmin(np.abs(hu - np.median(hu)))], float(np.ptp(hu)) / 2


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


def _discs_at(
    image: np.ndarray, spacing: np.ndarray, places: np.ndarray, first: Disc, core: float
) -> list[Disc]:
    """Discs of the first one's size, brighter or darker than what surrounds them."""
    sizes = tuple(2 * (first.radius + sign * RADIUS_TOLERANCE_MM) for sign in (-1, 1))
    found: list[Disc] = []
    for place in places:
        if any(np.linalg.norm(disc.centre - place) < first.radius for disc in found):
            continue
        for sign in (1.0, -1.0):
            disc = outline(sign * image, place, spacing, core, sizes, CONTRAST_HU)
            if disc is not None:
                found.append(Disc(disc.centre, disc.radius, sign * disc.hu, sign * disc.holder))
    return found
