"""A row of equidistant rods in one axial image, by geometry and CT numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from osteoflow.ct.calibration import (
    BETA_WATER,
    INTERCEPT_LIMIT,
    RESIDUAL_LIMIT,
    SIGMA_WATER,
    SLOPE_RANGE,
)
from osteoflow.ct.certificate import K2HPO4, Phantom
from osteoflow.ct.discs import Disc, Probed, find_discs, probe
from osteoflow.ct.rod_pair import places_beside
from osteoflow.scipy_parts import ndimage

# Rods that stand out from soft tissue and holder at a slope in the middle of the plausible range
# start a search; the others follow from the row and are checked against the certificate.
TYPICAL_SLOPE = 1.3
BRIGHT_HU = 80.0
LOWEST_LEVEL_HU = 30.0
# No holder is denser than this.
DENSE_HOLDER_HU = 200.0
# A bright rod must show as a disc unless it differs by less than this from its holder.
CONTRAST_HU = 60.0
# Fewer rods follow the certificate's line by chance more easily: their scatter counts double.
PARTIAL_SHARE = 0.5
# A disc belongs to a row if it lies this close to the predicted place: rows may be bent a little.
ROW_TOLERANCE_MM = 2.5
# Reconstruction padding and air outside the field of view.
OUTSIDE_HU = -900.0
# A phantom lies outside the body: on one side of the row, this far from its rods, at least half
# of the way is air (or a table's foam, or outside of the image).
AIR_SIDE_MM = 60.0
AIR_SIDE_HU = -300.0
AIR_SIDE_SHARE = 0.5


@dataclass(frozen=True)
class RodRow:
    """Rods found in one image.

    Parameters
    ----------
    centres
        Position per rod in the certificate's order, shape (rods, 2), mm from the first voxel.
    radius
        Median radius of the bright rods in mm.
    residual_sd
        Of the CT numbers against the certificate, HU; 0 with two rods.
    matched
        Indices of the rods that show as discs.
    missing
        Labels of rods outside the field of view.
    """

    centres: np.ndarray
    radius: float
    residual_sd: float
    matched: tuple[int, ...]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether all rods are inside the field of view."""
        return not self.missing

    @property
    def rank(self) -> tuple[int, int, float]:
        """The smallest one is the best row."""
        return len(self.missing), -len(self.matched), self.residual_sd


def find_row(
    image: np.ndarray, spacing: np.ndarray, noise: float, certificate: Phantom
) -> RodRow | None:
    """Best row of rods in an axial image, None where there is none.

    Bright, uniform, round discs of a plausible diameter are found first. Every pair of them is
    tried as every ordered pair of rods; the row that follows must have a plausible spacing, a
    disc at each rod that stands out, uniform probes at the others, CT numbers on the certificate's
    line, and air on one of its sides. A phantom with one bright rod alone (two rods, one like
    water) is tried with the other rod to either side. Rows with rods outside the field of view
    are only returned where no complete one exists.

    Parameters
    ----------
    image
        CT numbers, shape (x, y), HU; x to the right.
    spacing
        Pixel size (2,) in mm.
    noise
        Noise SD of the image, HU.
    certificate
        A phantom with geometry.
    """
    geometry = certificate.geometry
    probed = probe(image, spacing, noise, geometry.diameter[0])
    bright = bright_rods(certificate)
    low, high = expected_range(certificate)
    levels = max(LOWEST_LEVEL_HU, float(low[bright].min())), float(high.max())
    discs = find_discs(image, probed, geometry.diameter, levels)
    best = _best(discs, bright, image, probed, certificate)
    if best is not None or len(certificate.rods) == 2:
        return best
    # In a dense holder few rods are brighter than it, and the others show as dark discs.
    dark = find_discs(-image, probed.inverted(), geometry.diameter, (-DENSE_HOLDER_HU, -low.min()))
    discs += [Disc(disc.centre, disc.radius, -disc.hu, -disc.holder) for disc in dark]
    return _best(discs, np.arange(len(certificate.rods)), image, probed, certificate)


def _best(
    discs: list[Disc],
    showing: np.ndarray,
    image: np.ndarray,
    probed: Probed,
    certificate: Phantom,
) -> RodRow | None:
    """Best row in which discs are some of the rods that may show."""
    best = None
    for row, matched in _hypotheses(discs, showing, certificate):
        candidate = _verify(row, matched, discs, image, probed, showing, certificate)
        if candidate is not None and (best is None or candidate.rank < best.rank):
            best = candidate
    return best


def bright_rods(certificate: Phantom) -> np.ndarray:
    """Indices of the rods that stand out from soft tissue at any tube voltage."""
    sigma, beta = _offsets(certificate)
    mineral = np.array(certificate.mineral_density, float)
    typical = (TYPICAL_SLOPE + sigma) * mineral + _water(certificate) + beta
    return np.flatnonzero(typical >= BRIGHT_HU)


def _water(certificate: Phantom) -> np.ndarray:
    if certificate.mineral == K2HPO4:
        return np.array(certificate.water_density, float)
    return np.zeros(len(certificate.rods))


def _offsets(certificate: Phantom) -> tuple[float, float]:
    """What turns slope and intercept of a calibration into those of the rods."""
    return (SIGMA_WATER, -BETA_WATER) if certificate.mineral == K2HPO4 else (0.0, 0.0)


def expected_range(certificate: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest plausible CT number per rod."""
    sigma, beta = _offsets(certificate)
    mineral = np.array(certificate.mineral_density, float)
    ends = np.array([(slope + sigma) * mineral for slope in SLOPE_RANGE])
    base = _water(certificate) + beta
    return ends.min(0) + base - INTERCEPT_LIMIT, ends.max(0) + base + INTERCEPT_LIMIT


Hypothesis = tuple[tuple[np.ndarray, np.ndarray], dict[int, Disc]]


def _hypotheses(
    discs: list[Disc], showing: np.ndarray, certificate: Phantom
) -> Iterator[Hypothesis]:
    """Start and step of every row in which discs are rods, and the discs that suggest it.

    CT numbers of a pair must allow a plausible slope: this leaves few of them.
    """
    shortest, longest = certificate.geometry.spacing
    if len(certificate.rods) == 2 and len(showing) == 1:
        yield from _single(discs, int(showing[0]), certificate)
        return
    sigma, _ = _offsets(certificate)
    mineral = np.array(certificate.mineral_density, float)
    water = _water(certificate)
    for first, second in permutations(discs, 2):
        offset = second.centre - first.centre
        distance = float(np.linalg.norm(offset))
        for position, a in enumerate(showing):
            for b in showing[position + 1 :]:
                if not shortest <= distance / (b - a) <= longest:
                    continue
                rise = second.hu - first.hu - (water[b] - water[a])
                slack = 2 * RESIDUAL_LIMIT
                ends = sorted((slope + sigma) * (mineral[b] - mineral[a]) for slope in SLOPE_RANGE)
                if ends[0] - slack <= rise <= ends[1] + slack:
                    step = offset / (b - a)
                    yield (first.centre - a * step, step), {int(a): first, int(b): second}


def _single(discs: list[Disc], rod: int, certificate: Phantom) -> Iterator[Hypothesis]:
    shortest, longest = certificate.geometry.spacing
    for disc in discs:
        for place in places_beside(disc, (shortest, longest)):
            step = (place - disc.centre) * (1 if rod == 0 else -1)
            yield (disc.centre - rod * step, step), {rod: disc}


def _verify(
    row: tuple[np.ndarray, np.ndarray],
    suggested: dict[int, Disc],
    discs: list[Disc],
    image: np.ndarray,
    probed: Probed,
    showing: np.ndarray,
    certificate: Phantom,
) -> RodRow | None:
    """The row if discs, uniformity, CT numbers and its place bear it out."""
    order = np.arange(len(certificate.rods))
    centres = row[0] + order[:, None] * row[1]
    matched = dict(suggested)
    for rod in showing:
        distance = [np.linalg.norm(disc.centre - centres[rod]) for disc in discs]
        if int(rod) not in matched and min(distance) <= ROW_TOLERANCE_MM:
            matched[int(rod)] = discs[int(np.argmin(distance))]
    radii = np.array([disc.radius for disc in matched.values()])
    if np.ptp(radii) > 0.25 * radii.max():
        return None
    if len(matched) > 2:
        # All matched discs together place the row better than the pair that suggested it.
        centres = place_row(matched, len(order))
    radius = float(np.median(radii))
    margin = radius / probed.spacing
    pixel = centres / probed.spacing
    visible = ((pixel >= margin) & (pixel <= np.array(image.shape) - 1 - margin)).all(axis=1)
    hu, spread = probed.at(centres)
    visible &= hu > OUTSIDE_HU
    if visible.sum() < min(3, len(order)) or not (spread[visible] <= 1.5 * probed.limit).all():
        return None
    fit = _line(hu, visible, certificate)
    if fit is None:
        return None
    residual_sd, predicted = fit
    holder = float(np.median([disc.holder for disc in matched.values()]))
    standing_out = np.abs(predicted[showing] - holder) >= CONTRAST_HU
    shown = showing[visible[showing] & standing_out]
    if not set(shown.tolist()) <= set(matched):
        return None
    if not _beside_air(image, probed.spacing, centres[visible], radius):
        return None
    missing = tuple(certificate.rods[rod] for rod in order[~visible])
    if missing and (
        len(matched) < min(3, len(order) - 1) or residual_sd > PARTIAL_SHARE * RESIDUAL_LIMIT
    ):
        return None
    if len(order) == 2:
        # No line to check two rods against: the more uniform place is the rod.
        residual_sd = float(spread.max())
    return RodRow(centres, radius, residual_sd, tuple(sorted(matched)), missing)


def place_row(matched: dict[int, Disc], count: int) -> np.ndarray:
    """Centres of all rods, shape (count, 2) in mm, from those that show as discs.

    A straight row through two or three discs, one with a slight bend through more. Rods that show
    keep their own place.
    """
    known = sorted(matched)
    found = np.array([matched[rod].centre for rod in known])
    degree = 2 if len(known) > 3 else 1
    model = np.polynomial.polynomial.polyvander(np.array(known, float), degree)
    solution, *_ = np.linalg.lstsq(model, found, rcond=None)
    centres = np.polynomial.polynomial.polyvander(np.arange(count, dtype=float), degree) @ solution
    centres[known] = found
    return centres


def _line(
    hu: np.ndarray, visible: np.ndarray, certificate: Phantom
) -> tuple[float, np.ndarray] | None:
    """Scatter of CT numbers about the certificate's line, and the line's CT number per rod.

    None where the line is implausible.
    """
    mineral = np.array(certificate.mineral_density, float)
    water = _water(certificate)
    design = np.column_stack([mineral, np.ones_like(mineral)])
    target = (hu - water)[visible]
    (slope, intercept), *_ = np.linalg.lstsq(design[visible], target, rcond=None)
    sigma, beta = _offsets(certificate)
    residual = target - design[visible] @ (slope, intercept)
    residual_sd = float(np.sqrt(residual @ residual / max(len(residual) - 2, 1)))
    plausible = (
        SLOPE_RANGE[0] <= slope - sigma <= SLOPE_RANGE[1]
        and abs(intercept - beta) <= INTERCEPT_LIMIT
        and residual_sd <= RESIDUAL_LIMIT
    )
    return (residual_sd, design @ (slope, intercept) + water) if plausible else None


def _beside_air(image: np.ndarray, spacing: np.ndarray, centres: np.ndarray, radius: float) -> bool:
    """Whether the row has air along one of its sides."""
    row = centres[-1] - centres[0]
    across = np.array([-row[1], row[0]]) / np.linalg.norm(row)
    distance = radius + np.arange(2.0, AIR_SIDE_MM, 2.0)
    for side in (across, -across):
        points = centres[:, None] + distance[:, None] * side
        values = ndimage.map_coordinates(
            image, np.moveaxis(points / spacing, -1, 0), order=0, mode="constant", cval=-1024.0
        )
        if ((values < AIR_SIDE_HU).mean(axis=1) >= AIR_SIDE_SHARE).all():
            return True
    return False
