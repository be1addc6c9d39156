"""A straight row of equidistant rods in one axial image, by geometry and CT numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy import ndimage

from osteoflow.ct.calibration import (
    BETA_WATER,
    INTERCEPT_LIMIT,
    RESIDUAL_LIMIT,
    SIGMA_WATER,
    SLOPE_RANGE,
)
from osteoflow.ct.certificate import K2HPO4, Phantom

# Discs are sought by a probe that fits well inside the smallest rod.
PROBE_FRACTION = 0.3
# A rod's inside is uniform: SD within the probe below this (HU) plus 2.5 times the image noise.
UNIFORM_SD = 12.0
UNIFORM_NOISE = 2.5
# Only rods that are brighter than soft tissue at any plausible calibration start a search; the
# others follow from the row and are checked against the certificate.
BRIGHT_HU = 100.0
EDGE_STEP_HU = 40.0
LEVEL_STEP_HU = 30.0
# Starts closer than this lead to the same outline.
RESTART_MM = 2.0
ROUNDNESS_MM = 1.2
# A disc belongs to a row if it lies this close to the predicted place.
ROW_TOLERANCE_MM = 2.5
# Reconstruction padding and air outside the field of view.
OUTSIDE_HU = -900.0
RAYS = 36


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
        Of the CT numbers against the certificate, HU.
    missing
        Labels of rods outside the field of view.
    """

    centres: np.ndarray
    radius: float
    residual_sd: float
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether all rods are inside the field of view."""
        return not self.missing


@dataclass(frozen=True)
class _Disc:
    centre: np.ndarray
    radius: float


def find_row(
    image: np.ndarray, spacing: np.ndarray, noise: float, certificate: Phantom
) -> RodRow | None:
    """Best row of rods in an axial image, None where there is none.

    Bright, uniform, round discs of a plausible diameter are found first. Every pair of them is
    tried as every ordered pair of rods; the row that follows must have a plausible spacing, a
    disc at each bright rod, uniform probes at the others and CT numbers on the certificate's
    line. Rows with rods outside the field of view are only returned where no complete one
    exists.

    Parameters
    ----------
    image
        CT numbers, shape (x, y), HU.
    spacing
        Pixel size (2,) in mm.
    noise
        Noise SD of the image, HU.
    certificate
        A phantom with geometry.
    """
    geometry = certificate.geometry
    probe = max(PROBE_FRACTION * geometry.diameter[0], 1.5 * float(max(spacing)))
    mean, spread = _probe(image, probe, spacing)
    uniform = UNIFORM_SD + UNIFORM_NOISE * noise
    low, high = _expected_range(certificate)
    discs = _discs(image, spacing, mean, spread <= uniform, probe, (low, high), certificate)
    bright = np.flatnonzero(low >= BRIGHT_HU)
    best = None
    for row in _hypotheses(discs, bright, certificate):
        candidate = _verify(row, discs, mean, spread, uniform, spacing, bright, low, certificate)
        if candidate is not None and (
            best is None
            or (len(candidate.missing), candidate.residual_sd)
            < (len(best.missing), best.residual_sd)
        ):
            best = candidate
    return best


def _water(certificate: Phantom) -> np.ndarray:
    if certificate.mineral == K2HPO4:
        return np.array(certificate.water_density, float)
    return np.zeros(len(certificate.rods))


def _offsets(certificate: Phantom) -> tuple[float, float]:
    """What turns slope and intercept of a calibration into those of the rods."""
    return (SIGMA_WATER, -BETA_WATER) if certificate.mineral == K2HPO4 else (0.0, 0.0)


def _expected_range(certificate: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest plausible CT number per rod."""
    sigma, beta = _offsets(certificate)
    mineral = np.array(certificate.mineral_density, float)
    ends = np.array([(slope + sigma) * mineral for slope in SLOPE_RANGE])
    base = _water(certificate) + beta
    return ends.min(0) + base - INTERCEPT_LIMIT, ends.max(0) + base + INTERCEPT_LIMIT


def _probe(image: np.ndarray, radius: float, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD within a disc around every pixel."""
    reach = [int(radius // step) for step in spacing]
    x, y = (np.arange(-n, n + 1) * step for n, step in zip(reach, spacing, strict=True))
    kernel = (x[:, None] ** 2 + y**2 <= radius**2).astype(np.float64)
    kernel /= kernel.sum()
    # Values are shifted by their median: the variance is a difference of large squares.
    values = image.astype(np.float64)
    shift = float(np.median(values))
    values = values - shift
    mean = ndimage.convolve(values, kernel, mode="nearest")
    square = ndimage.convolve(values**2, kernel, mode="nearest")
    return mean + shift, np.sqrt(np.maximum(square - mean**2, 0.0))


def _discs(
    image: np.ndarray,
    spacing: np.ndarray,
    mean: np.ndarray,
    uniform: np.ndarray,
    probe: float,
    expected: tuple[np.ndarray, np.ndarray],
    certificate: Phantom,
) -> list[_Disc]:
    """Bright, uniform, round discs with a diameter within the certificate's bounds."""
    low, high = expected
    smallest, largest = certificate.geometry.diameter
    slack = 2 * float(max(spacing))
    discs: list[_Disc] = []
    tried = np.empty((0, 2))
    # A rod may touch a holder that is nearly as bright: rising thresholds part them.
    for threshold in np.arange(low[low >= BRIGHT_HU].min(), high.max(), LEVEL_STEP_HU):
        labels, count = ndimage.label(uniform & (mean >= threshold))
        if count == 0:
            break
        boxes = ndimage.find_objects(labels)
        centres = np.array(ndimage.center_of_mass(labels > 0, labels, range(1, count + 1)))
        for box, centre in zip(boxes, centres * spacing, strict=True):
            extent = [(p.stop - p.start) * step for p, step in zip(box, spacing, strict=True)]
            if max(extent) > largest - 2 * probe + slack:
                continue
            known = np.vstack([tried, *(disc.centre for disc in discs)])
            if (np.linalg.norm(known - centre, axis=1) < RESTART_MM).any():
                continue
            tried = np.vstack([tried, centre])
            disc = _outline(image, centre, spacing, probe, (smallest, largest))
            if disc is not None and not any(
                np.linalg.norm(disc.centre - other.centre) < smallest / 2 for other in discs
            ):
                discs.append(disc)
    return discs


def _outline(
    image: np.ndarray,
    centre: np.ndarray,
    spacing: np.ndarray,
    probe: float,
    diameter: tuple[float, float],
) -> _Disc | None:
    """Circle at half contrast along rays from ``centre``; None where there is none."""
    step = 0.5
    radii = np.arange(0.0, diameter[1] / 2 + 4, step)
    angles = np.arange(RAYS) * 2 * np.pi / RAYS
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for _ in range(3):
        points = centre + radii[:, None, None] * directions
        profile = ndimage.map_coordinates(
            image, np.moveaxis(points / spacing, -1, 0), order=1, mode="nearest"
        )
        profile = ndimage.gaussian_filter1d(profile.astype(float), 0.5 / step, axis=0)
        core = float(profile[radii <= probe].mean())
        # The holder's level: a quarter of the rays see something brighter, so that air above and
        # below a flat holder does not count.
        holder = float(np.percentile(profile, 75, axis=1).min())
        if core - holder < EDGE_STEP_HU:
            return None
        below = profile < (core + holder) / 2
        inliers = below.any(axis=0)
        if inliers.sum() < 0.75 * RAYS:
            return None
        edge = radii[below.argmax(axis=0)]
        design = np.column_stack([np.ones(RAYS), directions])
        for tolerance in (4.0, 2.0):
            # Distance of the edge = radius + first harmonic, the displacement of the centre.
            solution, *_ = np.linalg.lstsq(design[inliers], edge[inliers], rcond=None)
            residual = edge - design @ solution
            inliers = inliers & (np.abs(residual - np.median(residual[inliers])) <= tolerance)
            if inliers.sum() < RAYS / 2:
                return None
        radius = float(solution[0]) - step / 2
        centre = centre + solution[1:]
    roundness = 1.4826 * float(np.median(np.abs(residual)))
    fits = diameter[0] <= 2 * radius <= diameter[1] and roundness <= ROUNDNESS_MM
    return _Disc(centre, radius) if fits else None


def _hypotheses(
    discs: list[_Disc], bright: np.ndarray, certificate: Phantom
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Start and step of every row in which two discs are two of the bright rods."""
    shortest, longest = certificate.geometry.spacing
    rows = []
    for first, second in permutations(discs, 2):
        for a_index, a in enumerate(bright):
            for b in bright[a_index + 1 :]:
                step = (second.centre - first.centre) / (b - a)
                if shortest <= np.linalg.norm(step) <= longest:
                    rows.append((first.centre - a * step, step))
    return rows


def _verify(
    row: tuple[np.ndarray, np.ndarray],
    discs: list[_Disc],
    mean: np.ndarray,
    spread: np.ndarray,
    uniform: float,
    spacing: np.ndarray,
    bright: np.ndarray,
    low: np.ndarray,
    certificate: Phantom,
) -> RodRow | None:
    """The row if discs, uniformity and CT numbers bear it out."""
    order = np.arange(len(certificate.rods))
    centres = row[0] + order[:, None] * row[1]
    matched = {}
    for rod in bright:
        distance = [np.linalg.norm(disc.centre - centres[rod]) for disc in discs]
        if min(distance) <= ROW_TOLERANCE_MM:
            matched[rod] = discs[int(np.argmin(distance))]
    if len(matched) < 2:
        return None
    radii = np.array([disc.radius for disc in matched.values()])
    if np.ptp(radii) > 0.25 * radii.max():
        return None
    # All matched discs together place the row better than the pair that suggested it.
    design = np.column_stack([np.ones(len(matched)), list(matched)])
    line, *_ = np.linalg.lstsq(design, [disc.centre for disc in matched.values()], rcond=None)
    centres = line[0] + order[:, None] * line[1]

    pixel = (centres / spacing).T
    margin = radii.mean() / spacing[:, None]
    visible = ((pixel >= margin) & (pixel <= np.array(mean.shape)[:, None] - 1 - margin)).all(0)
    hu = ndimage.map_coordinates(mean, pixel, order=1, mode="nearest")
    visible &= hu > OUTSIDE_HU
    if not set(bright[visible[bright]]) <= set(matched) or visible.sum() < 3:
        return None
    quiet = ndimage.map_coordinates(spread, pixel, order=1, mode="nearest") <= 1.5 * uniform
    if not quiet[visible].all():
        return None
    residual_sd = _residual_sd(hu, visible, certificate)
    if residual_sd is None:
        return None
    missing = tuple(certificate.rods[rod] for rod in order[~visible])
    return RodRow(centres, float(np.median(radii)), residual_sd, missing)


def _residual_sd(hu: np.ndarray, visible: np.ndarray, certificate: Phantom) -> float | None:
    """Scatter of CT numbers about the certificate's line; None where the line is implausible."""
    mineral = np.array(certificate.mineral_density, float)[visible]
    target = (hu - _water(certificate))[visible]
    design = np.column_stack([mineral, np.ones_like(mineral)])
    (slope, intercept), *_ = np.linalg.lstsq(design, target, rcond=None)
    sigma, beta = _offsets(certificate)
    residual = target - design @ (slope, intercept)
    residual_sd = float(np.sqrt(residual @ residual / (len(residual) - 2)))
    plausible = (
        SLOPE_RANGE[0] <= slope - sigma <= SLOPE_RANGE[1]
        and abs(intercept - beta) <= INTERCEPT_LIMIT
        and residual_sd <= RESIDUAL_LIMIT
    )
    return residual_sd if plausible else None
